"""Tables as text: aligned as they are meant, and never more than a text may take."""

from __future__ import annotations

import pytest

from syndicator.model import tables
from syndicator.model.markup import plain_text
from syndicator.render.mail.parts import body_parts
from tests.make import make_site

WIDE = "x" * 10_000
ROWS = 2_000
LINES = "x\n" * ROWS


def table(*rows: str) -> str:
    return f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def test_a_table_is_aligned() -> None:
    """What is small is a table in text, too."""
    text = plain_text(table("<td>Year</td><td>Fee</td>", *["<td>2026</td><td>none</td>"] * 2))
    lines = text.splitlines()
    assert [line.split() for line in lines] == [["Year", "Fee"], *[["2026", "none"]] * 2]
    assert lines[1].index("none") == lines[2].index("none") == len(lines[1].rstrip()) - 4


@pytest.mark.parametrize(
    "source",
    [
        table(f"<td>{WIDE}</td>", *["<td>y</td>"] * ROWS),
        table("<td>x</td>" * ROWS, *["<td>y</td>"] * ROWS),
        table(f"<td>{'x<br>' * ROWS}</td><td>{WIDE}</td>"),
        table(f"<td><pre>{LINES}</pre></td><td>{WIDE}</td>"),
        table(f"<td>{table(f'<td>{WIDE}</td>', *['<td>y</td>'] * ROWS)}</td><td>z</td>"),
        table(f"<td>{WIDE}</td>", *["<td>y</td>"] * 500) * 5,
    ],
    ids=["wide and long", "ragged", "tall beside wide", "lines", "nested", "many"],
)
def test_no_table_fills_more_than_a_text_may(source: str) -> None:
    """security:X3 — what would be gigabytes of blanks is read line by line, and every word is still there."""
    text = plain_text(source)
    assert len(text) <= tables.MOST + len(source)
    words = text.split()
    assert (words.count("y"), words.count(WIDE)) == (source.count(">y<"), source.count(WIDE))


def test_no_table_fills_a_mail() -> None:
    """security:X3 — the text part is made of such a table, too."""
    text = body_parts(table(f"<td>{WIDE}</td>", *["<td>y</td>"] * ROWS), make_site()).text
    assert len(text) < 100_000
    assert text.split() == [WIDE, *["y"] * ROWS]
