"""Lists from elsewhere: what each row means for the media list, before anything of it is done. Pure.

`judge` decides for one address from what a list says and what is known; the flow does what it says, and shows it
first where it is asked to. Never is anybody revived who left, was suppressed or erased, and never does a list change
how often somebody is written to (peers:7; mail:LM10, LM17).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from syndicator.model.audience import Address, Cadence, Standing, SubscriptionState
from syndicator.model.suppression import Reason

UNDONE = "the import was undone"
# Endings that say nothing about what its person wants.
NO_FAREWELL = frozenset({"replaced", "merged", UNDONE})
WORDS = ("name", "outlet", "country", "language", "zone", "notes")


class Sort(StrEnum):
    """What becomes of somebody on a list."""

    NEW = "new"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    SUPPRESSED = "suppressed"
    LEGACY = "legacy"  # taken, and sent nothing before they say yes


@dataclass(frozen=True, slots=True)
class Wish:
    """A subscription a list names; `consent` says where their yes came from, None where nothing shows it."""

    topic: str
    cadence: Cadence
    consent: str | None


@dataclass(frozen=True, slots=True)
class Yes:
    """What an export shows of somebody's yes: when, and the IP address it came from."""

    optin: datetime | None = None
    confirmed: datetime | None = None
    network: str = ""

    def __bool__(self) -> bool:
        return self.optin is not None


@dataclass(slots=True)
class Person:
    """Everything a list says about one address. `gone`: why they must not be mailed, `left`: since when."""

    address: Address
    row: int
    where: str
    words: dict[str, str] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    gone: Reason | None = None
    left: datetime | None = None
    why: str = ""
    yes: Yes = Yes()
    basis: bool = False  # for some of it all that is shown of a yes is a basis somebody of ours recorded
    foreign: bool = False

    def join(self, other: Person) -> None:
        """Take in what another row says of the same address; what this one says stays."""
        self.words = other.words | self.words
        known = {one.topic for one in self.wishes}
        more = [one for one in other.wishes if one.topic not in known]
        self.wishes += more
        self.basis = self.basis or (other.basis and bool(more))
        self.tags |= other.tags
        if other.gone and not self.gone:
            self.gone, self.left, self.why = other.gone, other.left, other.why
        self.yes = self.yes or other.yes


@dataclass(frozen=True, slots=True)
class Held:
    """A subscription somebody has or had: `reason` and `confirmed` as the store has them."""

    id: int
    topic_id: int
    cadence: Cadence
    state: SubscriptionState
    confirmed: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of an address: a contact's key and words, what they have, and why they must not be mailed."""

    digest: str
    contact_id: int | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    standing: Standing = Standing.LISTED
    held: tuple[Held, ...] = ()
    tags: frozenset[str] = frozenset()
    suppressed: str | None = None
    told: bool = False  # by a letter, where their address is from


@dataclass(frozen=True, slots=True)
class Begin:
    """A subscription that begins; one it `replaces` was only a wish."""

    topic: str
    topic_id: int
    cadence: Cadence
    consent: str | None
    replaces: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an import makes of one address, and in words why not more."""

    sort: Sort
    person: Person
    known: Known
    words: Mapping[str, str] = field(default_factory=dict)
    standing: Standing | None = None
    begins: tuple[Begin, ...] = ()
    tags: tuple[str, ...] = ()
    suppress: Reason | None = None
    why: str = ""

    @property
    def adds(self) -> bool:
        """Whether a contact is made."""
        return self.known.contact_id is None and self.sort in (Sort.NEW, Sort.LEGACY)

    @property
    def letters(self) -> int:
        """How many letters ask for a yes to what begins, where whoever has none is asked: one for each cadence."""
        return len({one.cadence for one in self.begins if not one.consent})

    @property
    def tells(self) -> bool:
        """Whether a letter is to say where the address is from: it comes by a basis, and nothing said so before."""
        taken = bool(self.begins) or (self.adds and self.standing is Standing.LISTED)
        return self.person.basis and taken and not self.known.told

    @property
    def acts(self) -> bool:
        """Whether anything is written."""
        return self.sort is not Sort.UNCHANGED and (
            self.sort is not Sort.SUPPRESSED or self.suppress is not None
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What holds for every row: the open topics by name, those that close, whether words are overwritten, and
    the zone of those who name none.
    """

    topics: Mapping[str, int]
    closing: frozenset[str] = frozenset()
    overwrite: bool = False
    zone: str = "UTC"


def judge(person: Person, known: Known, rules: Rules) -> Verdict:
    """What an import makes of this address."""
    if known.suppressed is not None:
        why = f"suppressed before: {known.suppressed}"
        return Verdict(sort=Sort.SUPPRESSED, person=person, known=known, why=why)
    if person.gone:
        return _gone(person, known)
    begins, notes = _begins(person, known, rules)
    unproved = person.foreign and not any(one.consent for one in begins)
    if known.contact_id is None:
        sort, standing = (Sort.LEGACY, Standing.LEGACY) if unproved else (Sort.NEW, Standing.LISTED)
        return Verdict(
            sort=sort,
            person=person,
            known=known,
            words={"zone": rules.zone} | person.words,
            standing=standing,
            begins=begins,
            tags=tuple(sorted(person.tags)),
            why="; ".join([*_said(begins), *notes]),
        )
    words = _overwritten(person, known) if rules.overwrite else {}
    risen = known.standing is Standing.LEGACY and any(one.consent for one in begins)
    tags = tuple(sorted(person.tags - known.tags))
    sort = Sort.CHANGED if begins or words or tags or risen else Sort.UNCHANGED
    said = [*_said(begins), *([f"tags {', '.join(tags)}"] if tags else [])]
    said += [f"{name}: {known.words.get(name, '') or '-'} → {value}" for name, value in words.items()]
    return Verdict(
        sort=sort,
        person=person,
        known=known,
        words=words,
        standing=Standing.LISTED if risen else None,
        begins=begins,
        tags=tags,
        why="; ".join([*said, *notes]),
    )


def _gone(person: Person, known: Known) -> Verdict:
    active = [one for one in known.held if one.state is SubscriptionState.ACTIVE and one.confirmed]
    since = max((one.confirmed for one in active if one.confirmed), default=None)
    if since and person.left and since > person.left:
        why = f"said yes here on {since:%Y-%m-%d}, after {person.left:%Y-%m-%d}"
        return Verdict(sort=Sort.UNCHANGED, person=person, known=known, why=why)
    why = f"{person.gone}{f', {person.left:%Y-%m-%d}' if person.left else ''}"
    return Verdict(sort=Sort.SUPPRESSED, person=person, known=known, suppress=person.gone, why=why)


def _begins(person: Person, known: Known, rules: Rules) -> tuple[tuple[Begin, ...], list[str]]:
    begins: dict[int, Begin] = {}
    notes = []
    for wish in person.wishes:
        if wish.topic in rules.closing:
            notes.append(f"{wish.topic} closes")
            continue
        topic_id = rules.topics[wish.topic]
        theirs = [one for one in known.held if one.topic_id == topic_id]
        live = next((one for one in theirs if one.state is not SubscriptionState.ENDED), None)
        ended = next((one for one in reversed(theirs) if one.state is SubscriptionState.ENDED), None)
        if live and (live.state is SubscriptionState.ACTIVE or not wish.consent):
            if live.cadence is not wish.cadence and live.state is SubscriptionState.ACTIVE:
                notes.append(f"keeps {wish.topic} {live.cadence}")
        elif not live and ended and ended.reason not in NO_FAREWELL:
            notes.append(f"{wish.topic} has ended ({ended.reason}) and is not begun again")
        else:
            begins.setdefault(
                topic_id, Begin(wish.topic, topic_id, wish.cadence, wish.consent, live.id if live else None)
            )
    return tuple(begins.values()), notes


def _said(begins: tuple[Begin, ...]) -> Iterator[str]:
    for state, some in (
        ("active", [one.topic for one in begins if one.consent]),
        ("pending", [one.topic for one in begins if not one.consent]),
    ):
        if some:
            yield f"{', '.join(some)} {state}"


def _overwritten(person: Person, known: Known) -> dict[str, str]:
    return {
        name: value
        for name, value in person.words.items()
        if name in WORDS and value and value != known.words.get(name, "")
    }
