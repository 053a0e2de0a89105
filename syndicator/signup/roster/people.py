"""Rows of a list, understood: who it is, what they are to get, what shows their yes, what keeps them off. Pure.

Each row is understood by itself; rows about one address are one person. Whatever says that somebody left wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from syndicator.errors import Invalid, NotFound, SyndicatorError
from syndicator.model.audience import Address, Cadence, address, cadence_named, person_name
from syndicator.model.markup import one_line
from syndicator.model.release import zone_named
from syndicator.model.roster import Person, Wish, Yes
from syndicator.model.segment import country_named, language_named, tag_named
from syndicator.model.suppression import Reason
from syndicator.signup.roster.export import as_it_was
from syndicator.signup.roster.forms import FOREIGN, Form, Row

LISTED = frozenset(
    {"", "active", "confirmed", "enabled", "nonsubscribed", "pending", "subscribed", "unconfirmed"}
)
GONE = {
    **dict.fromkeys(("unsubscribed", "blocklisted", "blacklisted", "opted out", "left"), Reason.LEFT),
    **dict.fromkeys(("cleaned", "bounced", "unreachable", "dead", "invalid"), Reason.DEAD),
    **dict.fromkeys(("complained", "complaint", "spam"), Reason.COMPLAINT),
    "disabled": Reason.MANUAL,
}
LOCAL = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*")
PARTS = re.compile(r"[;,|\s]+")
LONGEST_NOTE = 2_000
MOST_TOLD = 20  # rows named one by one


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a list is taken: its form, what rows that name none get, and the newsroom's zone.

    With `legacy` who shows no yes is taken as from an export of another house.
    """

    form: Form
    zone: str
    known: Mapping[str, int]
    topics: tuple[str, ...] = ()
    cadence: Cadence = Cadence.IMMEDIATE
    basis: str = ""
    by: str = ""
    legacy: bool = False


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be understood."""

    row: int
    where: str
    fault: str


@dataclass(slots=True)
class Reading:
    """What was read: everybody by the key of their address, in the order they came, and the rows that were bad."""

    people: dict[str, Person] = field(default_factory=dict)
    bad: list[Bad] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    surplus: list[str] = field(default_factory=list)  # the rows with more cells than the header names
    domains: dict[str, str] = field(default_factory=dict)

    def told(self) -> Iterator[str]:
        """What was left out of rows that are taken all the same."""
        for where in self.surplus[:MOST_TOLD]:
            yield (
                f"{where}: taken without what stands beyond the last column that the first line names; is a cell with "
                "a separator in it to stand in quotes?"
            )
        if len(self.surplus) > MOST_TOLD:
            yield f"and {len(self.surplus) - MOST_TOLD} more rows with cells beyond the last column"
        for what, count in self.left_out.items():
            rows = "row was" if count == 1 else "rows were"
            yield f"{count} {rows} taken without its {what}, which cannot be understood"
        if bare := sum(not (one.wishes or one.gone) for one in self.people.values()):
            who = "person subscribes" if bare == 1 else "people subscribe"
            yield f"{bare:,} {who} to nothing, for no topic is named: --topics"


def read(rows: Iterable[Row], manner: Manner) -> Iterator[Reading]:
    """Everybody in these rows; the reading as it grows, row by row, so that a line of progress can be drawn."""
    reading = Reading()
    for row in rows:
        try:
            person = _person(row, manner, reading)
        except SyndicatorError as fault:
            reading.bad.append(Bad(row.number, row.where, str(fault)))
        else:
            known = reading.people.setdefault(person.address.key, person)
            if known is not person:
                known.join(person)
            if row.surplus:
                reading.surplus.append(row.where)
        yield reading
    yield reading


def _person(row: Row, manner: Manner, reading: Reading) -> Person:
    if row.fault:
        raise Invalid(row.fault)
    # No formula of a spreadsheet was ever disarmed in JSON.
    plain = str.strip if manner.form is Form.JSON else as_it_was
    cells = {name: plain(cell) for name, cell in row.cells.items()}
    person = Person(_address(cells.get("email", ""), reading.domains), row.number, row.where)
    person.gone = _gone(cells)
    if person.gone:
        person.left = _instant(cells.get("left") or cells.get("cleaned") or "")
        person.why = one_line(cells.get("left_why", "")[:200], "a reason")
        return person
    person.words = dict(_words(cells, manner, reading))
    person.tags = {tag_named(one) for one in _tags(cells.get("tags", ""))}
    person.yes = Yes(
        _instant(cells.get("optin", "")), _instant(cells.get("confirm", "")), cells.get("optin_ip", "")
    )
    slugs = tuple(filter(None, PARTS.split(cells.get("topics", "")))) or manner.topics
    for slug in slugs:
        if slug not in manner.known:
            raise NotFound(f'there is no topic "{slug}"')
    consent = one_line(cells.get("consent", ""), "a consent") or _shown(person.yes, manner)
    person.foreign = manner.legacy or manner.form in FOREIGN
    person.basis = not consent and bool(manner.basis)
    if person.basis:
        consent = f"{manner.basis} (recorded by {manner.by})"
    cadence = cadence_named(cells.get("cadence") or manner.cadence)
    person.wishes = [Wish(slug, cadence, consent) for slug in dict.fromkeys(slugs)]
    return person


def _shown(yes: Yes, manner: Manner) -> str | None:
    """Where their yes came from, as an export shows it."""
    return f"{manner.form}: signed up {yes.optin:%Y-%m-%d}" if yes and manner.form in FOREIGN else None


def _gone(cells: Mapping[str, str]) -> Reason | None:
    if cells.get("left"):
        return Reason.LEFT
    if cells.get("cleaned"):
        return Reason.DEAD
    status = " ".join(cells.get("status", "").casefold().split())
    if status not in GONE and status not in LISTED:
        raise Invalid(
            f"the status {status[:40]!r} is not known: use subscribed, unsubscribed or cleaned, or leave the "
            f"column alone with --map STATUS=ignore"
        )
    return GONE.get(status)


def _words(cells: Mapping[str, str], manner: Manner, reading: Reading) -> Iterator[tuple[str, str]]:
    parts = (cells.get("first", ""), cells.get("last", ""))
    name = cells.get("name", "") or " ".join(filter(None, parts))
    if name:
        yield "name", person_name(name)
    if cells.get("outlet"):
        yield "outlet", one_line(cells["outlet"], "an outlet")
    if cells.get("notes"):
        yield "notes", cells["notes"][:LONGEST_NOTE].replace("\0", "")
    checks = {"country": country_named, "language": language_named}
    for what, check in checks.items():
        try:
            if cells.get(what):
                yield what, check(cells[what])
        except Invalid:
            reading.left_out[what] = reading.left_out.get(what, 0) + 1
    if cells.get("timezone"):
        try:
            yield "zone", zone_named(cells["timezone"]).key
        except Invalid:
            if manner.form not in FOREIGN:
                raise
            reading.left_out["timezone"] = reading.left_out.get("timezone", 0) + 1


def _tags(text: str) -> list[str]:
    """Tags parted by commas or semicolons, each perhaps in quotes, blanks within them as hyphens."""
    parts = (one.strip().strip('"').strip() for one in re.split(r"[;,|]", text))
    return ["-".join(one.split()) for one in parts if one]


def _instant(text: str) -> datetime | None:
    """An instant as exports write it, in UTC where it does not say; None for what is none."""
    try:
        found = datetime.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found and found.tzinfo is None else found


def _address(text: str, domains: dict[str, str]) -> Address:
    """As `model.audience.address`, which takes its time: of a domain it has understood once, the plainest are known."""
    text = text.strip()
    local, _, domain = text.rpartition("@")
    ascii_domain = domains.get(domain)
    if ascii_domain and len(local) <= 64 and LOCAL.fullmatch(local):
        return Address(typed=f"{local}@{ascii_domain}", key=f"{local.casefold()}@{ascii_domain}")
    if "@" not in text:
        raise Invalid(f"{text[:80]!r} is no mail address: it has no @")
    found = address(text)
    if len(text) <= 190:  # far from any limit of the whole
        domains[domain] = found.typed.rpartition("@")[2]
    return found
