"""The media list as CSV: read row by row with every bad row named, and written so that it can be read again.

Each row is understood before anything of it is written; good rows are committed in batches, so that
others can write in between. The same file again changes nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TextIO

from syndicator.errors import Invalid, NotFound, SyndicatorError
from syndicator.model.audience import Address, Cadence, SubscriptionState, address, cadence_named, person_name
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named
from syndicator.signup.links import subscribe
from syndicator.store import Store, Tx, audience, topics

COLUMNS = "email name outlet timezone topics cadence consent".split()
BATCH = 200  # rows in one transaction
# What a spreadsheet would take for a formula (delivery-and-security I4, mail:LM17).
SIGNS = "=+\\-@＝＋－＠"
# Spreadsheets of another locale part cells at other signs than our comma.
FORMULA = re.compile(rf"(^|[;|\t\r\n])(\s*)(?=[{SIGNS}])")
DISARMED = re.compile(rf"(^|[;|\t\r\n])(\s*)'(?=[{SIGNS}])")


@dataclass(frozen=True, slots=True)
class Person:
    """One row, understood."""

    address: Address
    name: str
    outlet: str
    zone: str
    topics: tuple[str, ...]
    cadence: Cadence
    consent: str | None


@dataclass(slots=True)
class Loaded:
    """What an import did, or would do; `bad` holds line numbers and faults."""

    added: int = 0
    known: int = 0
    active: int = 0
    pending: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        bad = [{"line": line, "fault": fault} for line, fault in self.bad]
        return {
            "added": self.added,
            "known": self.known,
            "active": self.active,
            "pending": self.pending,
            "bad": bad,
        }


def load(
    store: Store,
    stream: Iterable[str],
    maps: Iterable[str],
    zone: str,
    *,
    dry_run: bool,
    complain: Callable[[str], None],
) -> Loaded:
    """Read a CSV stream into the media list; each bad row is told to `complain` as it is met."""
    done = Loaded()
    with store.read() as tx:
        known = topics.readable(tx)
    begin = store.read if dry_run else store.begin
    rows = _rows(stream, _mapping(maps))
    while batch := list(islice(rows, BATCH)):
        people = list(_understood(batch, known, zone, done, complain))
        with begin() as tx:
            for person in people:
                if dry_run:
                    _foresee(tx, person, done)
                else:
                    _take(tx, person, known, done)
    return done


def people(tx: Tx) -> Iterator[dict[str, Any]]:
    """Everybody by row: one for each cadence and consent of their live subscriptions, at least one."""
    for contact in audience.contacts(tx):
        groups: dict[tuple[str, str], list[str]] = {}
        for one in audience.subscriptions(tx, contact.id):
            if one.state is not SubscriptionState.ENDED:
                groups.setdefault((one.cadence.value, one.consent or ""), []).append(one.topic)
        start = {"email": contact.address.typed, "name": contact.name, "outlet": contact.outlet}
        for (cadence, consent), slugs in (groups or {("", ""): []}).items():
            rest = {"timezone": contact.zone, "topics": slugs, "cadence": cadence, "consent": consent}
            yield start | rest | {"suppressed": contact.suppressed}


def dump(tx: Tx, stream: TextIO) -> None:
    """Write everybody as CSV; suppressed addresses are left out: a copy must not revive them."""
    out = csv.writer(stream, lineterminator="\n")
    out.writerow(COLUMNS)
    for row in people(tx):
        if not row["suppressed"]:
            values = row | {"topics": ";".join(row["topics"])}
            out.writerow([_harmless(values[name]) for name in COLUMNS])


def _harmless(text: str) -> str:
    return FORMULA.sub(r"\1\2'", text.replace("\ufeff", ""))


def _as_it_was(text: str) -> str:
    return DISARMED.sub(r"\1\2", text.strip())


def _mapping(maps: Iterable[str]) -> dict[str, str]:
    mapping = {name: name for name in COLUMNS}
    for pair in maps:
        theirs, found, ours = pair.rpartition("=")
        if not found or ours not in COLUMNS:
            raise Invalid(f"--map {pair!r}: write THEIRS=OURS, where OURS is one of {', '.join(COLUMNS)}")
        mapping[theirs.strip().casefold()] = ours
    return mapping


def _rows(stream: Iterable[str], mapping: Mapping[str, str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells by our names; columns nobody mapped are left alone."""
    lines = _decoded(stream)
    first = next(lines, "")
    delimiter = (
        ";" if first.count(";") > first.count(",") else ","
    )  # what spreadsheets write in half of Europe
    try:
        names = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error as fault:
        raise Invalid(f"line 1 is no CSV: {fault}") from None
    header = [mapping.get(name.strip().casefold(), "") for name in names]
    if "email" not in header:
        raise Invalid(
            f"the first line names no column email: write {','.join(COLUMNS)}, or map one with --map E-Mail=email"
        )
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        number = reader.line_num + 2  # of the row's first line; the header is line 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as fault:
            raise Invalid(f"line {number} is no CSV: {fault}") from None
        if any(cell.strip() for cell in cells):
            yield number, {name: _as_it_was(cell) for name, cell in zip(header, cells, strict=False) if name}


def _decoded(stream: Iterable[str]) -> Iterator[str]:
    try:
        yield from stream
    except UnicodeDecodeError as fault:
        raise Invalid(
            f"the file is not UTF-8 (byte {fault.object[fault.start]:#x}): save it as UTF-8"
        ) from None


def _understood(
    batch: Sequence[tuple[int, dict[str, str]]],
    known: Mapping[str, int],
    zone: str,
    done: Loaded,
    complain: Callable[[str], None],
) -> Iterator[Person]:
    for number, cells in batch:
        try:
            yield _person(cells, known, zone)
        except SyndicatorError as fault:
            done.bad.append((number, str(fault)))
            complain(f"line {number}: {fault}")


def _person(cells: Mapping[str, str], known: Mapping[str, int], zone: str) -> Person:
    slugs = tuple(filter(None, re.split(r"[;,|\s]+", cells.get("topics", ""))))
    for slug in slugs:
        if slug not in known:
            raise NotFound(f'there is no topic "{slug}"')
    return Person(
        address=address(cells.get("email", "")),
        name=person_name(cells.get("name", "")),
        outlet=one_line(cells.get("outlet", ""), "an outlet"),
        zone=zone_named(cells.get("timezone") or zone).key,
        topics=slugs,
        cadence=cadence_named(cells.get("cadence") or Cadence.IMMEDIATE),
        consent=one_line(cells.get("consent", ""), "a consent") or None,
    )


def _take(tx: Tx, person: Person, known: Mapping[str, int], done: Loaded) -> None:
    contact, new = audience.add_contact(
        tx, person.address, name=person.name, outlet=person.outlet, zone=person.zone
    )
    _count(done, new=new)
    for slug in person.topics:
        subscription, added = subscribe(tx, contact.id, known[slug], person.cadence, person.consent)
        _count_subscription(done, added, active=subscription.state is SubscriptionState.ACTIVE)


def _foresee(tx: Tx, person: Person, done: Loaded) -> None:
    """What `_take` would count, had the rows before this one not been about the same people."""
    try:
        contact_id: int | None = audience.contact(tx, person.address).id
    except NotFound:
        contact_id = None
    _count(done, new=contact_id is None)
    live = {
        (one.topic, one.cadence): one
        for one in (audience.subscriptions(tx, contact_id) if contact_id else ())
        if one.state is SubscriptionState.ACTIVE
        or (one.state is SubscriptionState.PENDING and not person.consent)
    }
    for slug in person.topics:
        _count_subscription(done, (slug, person.cadence) not in live, active=bool(person.consent))


def _count(done: Loaded, *, new: bool) -> None:
    done.added += new
    done.known += not new


def _count_subscription(done: Loaded, added: bool, *, active: bool) -> None:  # noqa: FBT001 - it reads so
    done.active += added and active
    done.pending += added and not active
