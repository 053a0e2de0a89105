"""Printing: data on stdout as JSON or as plain text, words on stderr (operations:OP17).

JSON listings are one array, written row by row; instants are UTC as RFC 3339. Tables are drawn by
rich on a terminal and are tab-separated lines without colour everywhere else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

Row = Mapping[str, Any]
PROSPECTS = ("fate", "pushed", "published", "title", "topics", "why")  # what an entry would become

GAP = 3  # characters that a terminal's table needs around a column


def say(words: str) -> None:
    """Words for a person: on stderr, one line."""
    print(words, file=sys.stderr)


def show_json(value: object) -> None:
    """One JSON object or array."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=plain))


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its word: 1 file, 2 files."""
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


class Lines(list[str]):
    """What is shown one below the other."""


def listing(rows: Iterable[Row], columns: Sequence[str], *, as_json: bool, cut: Sequence[str] = ()) -> None:
    """Rows as one JSON array, or these of their columns as a table; on a terminal those of `cut` keep to one line."""
    if as_json:
        _json_array(rows)
    elif sys.stdout.isatty():
        _table(rows, columns, cut)
    else:
        for row in rows:
            print("\t".join(cell(row.get(name)) for name in columns))


def details(row: Row, *, as_json: bool) -> None:
    """One thing: a JSON object, or its fields line by line; what is empty is left out."""
    if as_json:
        show_json(row)
        return
    width = max(map(len, row))
    for name, value in row.items():
        if value not in (None, "", [], ()):
            below = [cell(line) for line in value] if isinstance(value, Lines) else [cell(value)]
            print(f"{name:{width}}  " + f"\n{'':{width}}  ".join(below))


def plain(value: object) -> object:
    """What JSON does not know: instants in UTC, spans as they are written, enumerations by value."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case timedelta():
            from syndicator.model.schedule import duration_text

            return duration_text(value)
        case Enum():
            return value.value
        case _:
            return str(value)


def cell(value: object) -> str:
    """A value within a line of text: nothing in it breaks the line or steers the terminal."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            text = str(value)
        case datetime():
            text = value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case list() | tuple():
            text = ", ".join(map(cell, value))
        case Mapping():
            text = ", ".join(f"{key}: {cell(each)}" for key, each in value.items() if each) or "-"
        case _:
            text = str(plain(value))
    return "".join(char if char.isprintable() else " " for char in text)


def moment(value: datetime, zone: str) -> str:
    """An instant for a person, as clocks in `zone` show it, and in UTC."""
    from syndicator.model.release import read_back

    here = read_back(value, zone)[0]
    return here if zone == "UTC" else f"{here} ({cell(value)})"


def _json_array(rows: Iterable[Row]) -> None:
    lead = "["
    for row in rows:
        print(lead, json.dumps(row, ensure_ascii=False, default=plain), sep="\n", end="")
        lead = ","
    print("[]" if lead == "[" else "\n]")


def _table(rows: Iterable[Row], columns: Sequence[str], cut: Sequence[str]) -> None:
    """Only what has blanks in it is folded, and only there; what has no room so is shown field by field."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [{name: cell(row.get(name)) for name in columns} for row in rows]
    if not cells:
        say("there are none")
        return
    console, tight = Console(), bool(cut)
    widths = _widths(
        cells, [name for name in columns if name not in cut], console.width - 1 - GAP * len(columns)
    )
    if widths is None:
        _blocks(cells)
        return
    table = Table(box=box.SIMPLE_HEAD, expand=tight, pad_edge=not tight, collapse_padding=tight)
    for name in columns:
        short = name in cut
        table.add_column(
            heading(name),
            no_wrap=short,
            overflow="ellipsis" if short else "fold",
            width=widths.get(name),
            ratio=1 if short else None,  # what is cut gets the room that the others leave
        )
    for one in cells:
        table.add_row(*map(Text, one.values()))
    console.print(table)


def _widths(cells: Sequence[Mapping[str, str]], columns: Sequence[str], room: int) -> dict[str, int] | None:
    """How wide each column is to be, so that no word is broken; None where that is more than there is room for."""
    from rich.cells import cell_len

    texts = {name: [heading(name), *(one[name] for one in cells)] for name in columns}
    least = {name: max(cell_len(word) for one in texts[name] for word in one.split(" ")) for name in columns}
    if sum(least.values()) > room:
        return None
    widths = {name: min(room, max(map(cell_len, texts[name]))) for name in columns}
    while sum(widths.values()) > room:
        widest = max((name for name in columns if widths[name] > least[name]), key=widths.__getitem__)
        widths[widest] -= 1
    return widths


def _blocks(cells: Sequence[Mapping[str, str]]) -> None:
    for one in cells:
        details({heading(name): text for name, text in one.items() if text != "-"} or one, as_json=False)
        print()


def heading(name: str) -> str:
    """What a field is called where a person reads."""
    return name.replace("_", " ")
