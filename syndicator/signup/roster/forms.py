"""What was handed in, told by its content: our CSV or JSON, a workbook, pasted text, exports of other houses. Pure.

What the exports hold: Mailchimp's is a ZIP of CSV files whose names begin with what became of the people in them;
OPTIN_TIME is when they sent off a form and stays empty for those an owner added, CONFIRM_TIME is set for both.
listmonk's and Keila's are one CSV with a status, the person's other words in a column of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import chain

from syndicator.errors import Invalid
from syndicator.model.zipped import Archive
from syndicator.signup.roster import columns, objects, tables
from syndicator.signup.roster.decoding import text_of

NO_EMAIL = (
    "the first line names no column email: write email,name,outlet,timezone,topics,cadence,consent, "
    "or map one with --map E-Mail=email"
)


class Form(StrEnum):
    """The sorts of lists that are understood."""

    CSV = "csv"
    XLSX = "xlsx"
    TEXT = "text"
    JSON = "json"
    MAILCHIMP = "mailchimp"
    LISTMONK = "listmonk"
    KEILA = "keila"


# Exports of other houses: a yes that was said there is no yes we can show, unless the export shows it.
FOREIGN = frozenset({Form.MAILCHIMP, Form.LISTMONK, Form.KEILA})
MARKS = {
    Form.MAILCHIMP: ({"email address"}, {"member_rating", "optin_time", "confirm_time", "leid", "euid"}, 2),
    Form.LISTMONK: ({"uuid", "email", "name", "attributes", "status"}, set[str](), 0),
    Form.KEILA: ({"email", "first name", "last name", "data", "status"}, set[str](), 0),
}
OWN = {
    Form.MAILCHIMP: {
        "email address": "email",
        "optin_time": "optin",
        "optin_ip": "optin_ip",
        "confirm_time": "confirm",
        "unsub_time": "left",
        "unsub_reason": "left_why",
        "clean_time": "cleaned",
    },
    Form.LISTMONK: {"attributes": "more"},
    Form.KEILA: {"data": "more"},
}
# How the names of Mailchimp's files begin, and what that makes of whoever is in them.
MEMBERS = {"subscribed": "subscribed", "unsubscribed": "unsubscribed", "cleaned": "cleaned"}
MEMBERS |= {"nonsubscribed": "nonsubscribed"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row by our names; `where` names its line, and its file where there are several.

    `surplus`: it has more cells than the header names. `fault`: why it cannot be taken for a row at all.
    """

    number: int
    where: str
    cells: Mapping[str, str]
    surplus: bool = False
    fault: str = ""


@dataclass(slots=True)
class Sheet:
    """All that was handed in: its form, its rows, and what is to be said of how they were read."""

    form: Form
    rows: Iterator[Row]
    told: list[str] = field(default_factory=list)


def sheet(data: bytes, *, form: Form | None = None, maps: tuple[str, ...] = (), encoding: str = "") -> Sheet:
    """A list as it was handed in; raises Invalid, here or while its rows are read, in one line."""
    if len(data) > tables.MOST_BYTES:
        raise Invalid(f"it is longer than {tables.MOST_BYTES:,} bytes: hand it in by parts")
    said = columns.mapping(maps)
    if data.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        archive = Archive(data, tables.MOST_UNPACKED)
        if tables.is_workbook(archive):
            _agree(form, Form.XLSX)
            return _rows(tables.workbook_rows(data, archive), said, Form.XLSX)
        _agree(form, Form.MAILCHIMP)
        return _members(archive, said, encoding)
    text, told = text_of(data, encoding)
    if form is Form.XLSX:
        raise Invalid("it is no workbook (.xlsx): leave --format out and see what it is taken for")
    if form is Form.JSON or (form is None and objects.looks_listed(text)):
        found = _entries(text, said)
    elif form is Form.TEXT or (form is None and _is_pasted(text, said)):
        found = _rows(tables.pasted_rows(text), {}, Form.TEXT)
    else:
        found = _rows(tables.csv_rows(text), said, form)
    found.told[:0] = [told] if told else []
    return found


def _agree(asked: Form | None, found: Form) -> None:
    if asked not in (None, found):
        raise Invalid(f"it is {found}, not {asked}: leave --format out")


def _is_pasted(text: str, said: Mapping[str, str]) -> bool:
    first = next((line for line in text.splitlines() if line.strip()), "")
    if len(first) > 10_000 or not tables.looks_pasted([first]):
        return False
    _, header = next(tables.csv_rows(first), (1, [""]))
    return "email" not in columns.matched(header, said).names


def _rows(table: tables.Table, said: Mapping[str, str], form: Form | None) -> Sheet:
    _, header = next(table, (1, []))
    header = [cell.removeprefix("\ufeff") for cell in header]
    form = form or _told_by(header)
    found = columns.matched(header, said, OWN.get(form))
    if "email" not in found.names:
        raise Invalid(NO_EMAIL)
    return Sheet(form, _named(table, found, form, ""), list(found.told))


def _named(table: tables.Table, found: columns.Columns, form: Form, part: str) -> Iterator[Row]:
    what = "row" if form is Form.XLSX else "line"
    for count, (number, row) in enumerate(table):
        if count > tables.MOST_ROWS:
            raise Invalid(f"it has more than {tables.MOST_ROWS:,} rows: hand it in by parts")
        if any(cell.strip() for cell in row):
            cells = _unpacked(found.cells(row), form)
            if part:
                cells.setdefault("status", part)
            where = f"{part + ', ' if part else ''}{what} {number}"
            yield Row(number, where, cells, surplus=found.surplus(row))


def _entries(text: str, said: Mapping[str, str]) -> Sheet:
    """JSON: each entry has names of its own, so that they are matched for each sort of them; the first is told of."""
    some = objects.entries(text)
    first = next(some, None)
    if first is None:
        return Sheet(Form.JSON, iter(()))
    try:
        names = columns.matched(tuple(objects.cells(first[1])), said)
    except Invalid as fault:
        raise Invalid(f"{objects.NO_LIST} (entry 1: {fault})") from None
    if "email" not in names.names:
        raise Invalid(objects.NO_LIST)
    return Sheet(Form.JSON, _objects(chain([first], some), said), list(names.told))


def _objects(some: Iterator[tuple[int, object]], said: Mapping[str, str]) -> Iterator[Row]:
    @lru_cache(maxsize=100)
    def matched(names: tuple[str, ...]) -> columns.Columns:
        return columns.matched(names, said)

    for number, value in some:
        if number > tables.MOST_ROWS:
            raise Invalid(f"it has more than {tables.MOST_ROWS:,} entries: hand it in by parts")
        where = f"entry {number}"
        try:
            cells = objects.cells(value)
        except Invalid as fault:
            yield Row(number, where, {}, fault=str(fault))
        else:
            if len(cells) > tables.MOST_COLUMNS:
                raise Invalid(f"{where} has {len(cells):,} names; the limit is {tables.MOST_COLUMNS:,}")
            yield Row(number, where, matched(tuple(cells)).cells(tuple(cells.values())))


def _told_by(header: list[str]) -> Form:
    words = {columns.plain(one) for one in header}
    for form, (needed, some, least) in MARKS.items():
        if needed <= words and len(some & words) >= least:
            return form
    return Form.CSV


def _members(archive: Archive, said: Mapping[str, str], encoding: str) -> Sheet:
    """Mailchimp's archive; who left or was cleaned is read first, so that it holds for all the others."""
    parts = []
    for name in archive.names:
        begin = name.rpartition("/")[2].lower().partition("_")[0]
        if name.lower().endswith(".csv") and begin in MEMBERS:
            parts.append((MEMBERS[begin], name))
    if not parts:
        raise Invalid(
            "it is an archive, but neither a workbook (.xlsx) nor Mailchimp's export of an audience"
        )
    told: list[str] = []
    rows = []
    for status, name in sorted(parts, key=lambda one: one[0] not in ("unsubscribed", "cleaned")):
        text, words = text_of(archive.read(name, tables.MOST_BYTES), encoding)
        table = tables.csv_rows(text)
        _, header = next(table, (1, []))
        found = columns.matched(header, said, OWN[Form.MAILCHIMP])
        if "email" not in found.names:
            raise Invalid(f"{name[:80]} names no column Email Address")
        told += [f"{name[:80]}: {words}"] if words else []
        rows.append(_named(table, found, Form.MAILCHIMP, status))
    return Sheet(Form.MAILCHIMP, chain(*rows), told)


def _unpacked(cells: dict[str, str], form: Form) -> dict[str, str]:
    """With what other houses keep in JSON beside the columns, where it has one of our names."""
    if form not in FOREIGN or not cells.get("more"):
        return cells
    try:
        more = json.loads(cells["more"])
    except (ValueError, RecursionError):
        return cells
    for theirs, value in more.items() if isinstance(more, dict) else ():
        ours = columns.KNOWN.get(columns.plain(theirs))
        if ours not in (None, "email", "status", "consent") and isinstance(value, str):
            cells.setdefault(ours, value)
    return cells
