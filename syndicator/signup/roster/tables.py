"""Tables of a list: rows of cells with the line they stand in, out of CSV, a workbook, or text pasted anyhow. Pure.

Every fault is one line that says where it is; nothing a stranger made costs more than was granted.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from typing import Any

from syndicator.errors import Invalid
from syndicator.model.zipped import Archive

MOST_BYTES = 100_000_000  # of a file
MOST_UNPACKED = 400_000_000  # of an archive
MOST_COLUMNS = 1_000
MOST_ROWS = 500_000
SEPARATORS = ",;\t|"
SEP = re.compile(r"\Asep=(.)\r?\n", re.IGNORECASE)  # how spreadsheets say theirs
NAMED = re.compile(r"""(?:"([^"\n]*)"|([^<>,;"\n]*?))\s*<\s*([^<>\s]+)\s*>|([^\s,;<>"]+)""")
DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)

Table = Iterator[tuple[int, list[str]]]


def csv_rows(text: str) -> Table:
    """The rows of CSV, its header first, each with the number of its first line; raises Invalid."""
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Invalid(f"line {line} holds a NUL: it is no CSV, or its encoding is another (--encoding)")
    said = SEP.match(text)
    skipped = 1 if said else 0
    text = text[said.end() :] if said else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=said[1] if said else _separator(text))
    while True:
        number = reader.line_num + 1 + skipped
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise Invalid(f"line {number} is no CSV: {fault}") from None
        if len(cells) > MOST_COLUMNS:
            raise Invalid(f"line {number} has {len(cells):,} columns; the limit is {MOST_COLUMNS:,}")
        yield number, cells


def is_workbook(archive: Archive) -> bool:
    """Whether an archive is what spreadsheets save as .xlsx."""
    return "xl/workbook.xml" in archive.names


def workbook_rows(data: bytes, archive: Archive) -> Table:
    """The rows of a workbook's first sheet; of a formula its last value is taken. Raises Invalid."""
    for name in archive.names:  # read under the limits first: openpyxl has none
        part = archive.read(name, MOST_UNPACKED)
        if DOCTYPE.search(part[:4_096]):
            raise Invalid(f"its part {name[:80]!r} declares entities, which no spreadsheet does")
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # a claim, too
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            if len(row) > MOST_COLUMNS:
                raise Invalid(f"row {number} has {len(row):,} columns; the limit is {MOST_COLUMNS:,}")
            yield number, [_cell(value) for value in row]
    except Invalid:
        raise
    except Exception as fault:  # openpyxl raises whatever a broken part leads to
        raise Invalid(
            f"it is a broken workbook ({type(fault).__name__}): save it once more, or as CSV"
        ) from fault


def pasted_rows(text: str) -> Table:
    """Addresses as they were pasted, with or without a name before them, in any number of lines; a header first.

    Other words beside an address are left alone; a line without any stands as one, so that it is refused.
    """
    yield 0, ["email", "name"]
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > csv.field_size_limit():
            raise Invalid(
                f"line {number} is longer than {csv.field_size_limit():,} characters: is it a list?"
            )
        found = [_one(match) for match in NAMED.finditer(line)]
        people = [one for one in found if "@" in one[0]]
        for one in people or ([[line.strip()[:120], ""]] if found else []):
            yield number, one


def looks_pasted(header: Sequence[str]) -> bool:
    """Whether a first line is somebody's address rather than the names of columns."""
    return any("@" in cell for cell in header)


def _one(match: re.Match[str]) -> list[str]:
    quoted, bare, named, alone = match.groups()
    return [named or alone, " ".join((quoted or bare or "").split())]


def _separator(text: str) -> str:
    """The sign that parts the first line into the most cells, outside quotes."""
    first = re.sub(r'"[^"]*"', "", text[: csv.field_size_limit()].split("\n", 1)[0])
    return max(SEPARATORS, key=first.count)


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case float() if value.is_integer():
            return str(int(value))
        case datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)
