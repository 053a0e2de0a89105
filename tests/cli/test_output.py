"""Printing: JSON for machines, lines for pipes, and nothing that steers a terminal (operations:OP17)."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from syndicator.cli import output
from syndicator.model.item import Kind

ROWS: list[dict[str, object]] = [{"a": 1, "b": "x\ty"}, {"a": None, "b": "\x1b[31mred\u202e"}]
EAST = timezone(timedelta(hours=2))


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS])
def test_a_listing_is_one_array(rows: list[dict[str, object]], capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` prints one array, however many rows there are."""
    output.listing(iter(rows), ("a",), as_json=True)
    assert rows == json.loads(capsys.readouterr().out)


def test_piped_text_has_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    """Cells are parted by tabs; none of them breaks the line or steers a terminal."""
    output.listing(ROWS, ("a", "b"), as_json=False)
    assert "1\tx y\n-\t [31mred \n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("value", "json_text", "text"),
    [
        (datetime(2026, 3, 2, 11, tzinfo=EAST), '"2026-03-02T09:00:00Z"', "2026-03-02T09:00:00Z"),
        (timedelta(hours=1), '"1h"', "1h"),
        (Kind.NEWS, '"news"', "news"),
        (True, "true", "yes"),
        (["a", "b"], '["a", "b"]', "a, b"),
        ({"any": ["a"], "all": []}, '{"any": ["a"], "all": []}', "any: a"),
    ],
)
def test_values_have_one_form(value: object, json_text: str, text: str) -> None:
    """Instants are UTC as RFC 3339, spans as they are written, enumerations by value."""
    assert json_text == json.dumps(value, default=output.plain)
    assert text == output.cell(value)


def test_a_thing_is_shown_field_by_field(capsys: pytest.CaptureFixture[str]) -> None:
    """What is empty is left out of the text and kept in the JSON."""
    thing = {"uid": "x", "note": None, "at": datetime(2026, 3, 2, tzinfo=UTC)}
    output.details(thing, as_json=False)
    assert "uid   x\nat    2026-03-02T00:00:00Z\n" == capsys.readouterr().out
    output.details(thing, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"uid": "x", "note": None, "at": "2026-03-02T00:00:00Z"}


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal rich draws columns with their names; what looks like its markup stays text."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    output.listing([{"name": "[bold]x"}], ("name",), as_json=False)
    shown = capsys.readouterr().out
    assert "name" in shown
    assert "[bold]x" in shown
    assert "\x1b[3" not in shown


NARROW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_numbers_and_their_words() -> None:
    assert ["0 files", "1 file", "2 files"] == [output.counted(number, "file") for number in range(3)]
    assert "2 copies" == output.counted(2, "copy", "copies")


def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of 80 columns."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "80")


def test_a_narrow_terminal_folds_words_and_breaks_no_instant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """operations:OP17 sentences are folded between words; instants, uids and addresses stay whole."""
    terminal(monkeypatch)
    row = {
        "at": NARROW,
        "in_doubt": 3,
        "who": "a.long.name@newspaper.example, b@x.example",
        "why": "not there " * 6,
    }
    output.listing([row], ("at", "in_doubt", "who", "why"), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    shown = "\n".join(lines)
    for whole in ("2026-03-02T09:00:00Z", "in doubt", "a.long.name@newspaper.example,"):
        assert whole in shown
    assert 6 == shown.count("not") == shown.count("there")


def test_what_is_too_wide_for_a_terminal_is_shown_field_by_field(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """operations:OP17 where not even the longest words fit beside each other they stand below each other."""
    terminal(monkeypatch)
    row = {
        "uid": "tag:newsroom.example,2026-03-02:0123456789abcdef0123",
        "at": NARROW,
        "handed_over": 9,
        "why": None,
    }
    output.listing([row], ("uid", "at", "handed_over", "why"), as_json=False)
    expected = f"uid          {row['uid']}\nat           2026-03-02T09:00:00Z\nhanded over  9\n\n"
    assert expected == capsys.readouterr().out


def test_no_rows_are_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal(monkeypatch)
    output.listing([], ("uid",), as_json=False)
    assert ("", "there are none\n") == capsys.readouterr()
