"""Taking a list in: read whole, judged by batches, shown as a difference, and done unless it is only to be shown.

The same function judges for the show and for the deed, from the same rows, so that what is shown is what is done.
Batches are short transactions, so that others can write in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from syndicator.model.audience import Cadence
from syndicator.model.roster import Person, Rules, Sort, Verdict, judge
from syndicator.signup.roster.forms import FOREIGN, Form, sheet
from syndicator.signup.roster.people import Bad, Manner, Reading, read
from syndicator.store import Store, Tx, asking, audit, imports, names, telling, topics

BATCH = 1_000  # people in one transaction
TOLD_EVERY = 20_000  # rows between two lines of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How a list is to be taken. `topics` and `cadence` are for rows that name none; `by` answers for it.

    `source` says where it is from in words that its people may read; without them staff know it by its `file`.

    Who shows no yes is asked at once; from an export of another house, or with `legacy`, only with `ask`. Who is taken
    by a `basis` is told so by a letter, once ever; without `notice` none is, for somebody told them already.
    """

    by: str
    zone: str
    source: str = ""
    file: str = ""
    form: Form | None = None
    maps: tuple[str, ...] = ()
    encoding: str = ""
    topics: tuple[str, ...] = ()
    cadence: Cadence = Cadence.IMMEDIATE
    basis: str = ""
    overwrite: bool = False
    ask: bool = False
    legacy: bool = False
    notice: bool = True
    dry_run: bool = False

    def asks(self, form: Form) -> bool:
        """Whether letters ask for a yes at once."""
        return self.ask or not (self.legacy or form in FOREIGN)

    def letters(self, one: Verdict, form: Form) -> int:
        """How many letters go out at once to somebody: that ask, or that say where their address is from."""
        return (one.letters if self.asks(form) else 0) + (one.tells and self.notice)


# Address, where it stands, and why: plain tuples, for a hundred thousand of anything else is looked at again and again
# by the collector of garbage.
Line = tuple[str, str, str]


@dataclass(slots=True)
class Loaded:
    """What an import did, or would do. `id` is its number, by which it can be taken back; None where nothing was done.

    `asked` counts the letters that ask for a yes at once, `told` those that say where an address is from, and
    `told_elsewhere` who got none of these because they were told already, as whoever imported them says.
    """

    form: Form
    id: int | None = None
    added: int = 0
    known: int = 0
    active: int = 0
    pending: int = 0
    asked: int = 0
    told: int = 0
    told_elsewhere: int = 0
    bad: list[Bad] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    difference: dict[Sort, list[Line]] = field(default_factory=lambda: {one: [] for one in Sort})

    @property
    def counts(self) -> dict[str, int]:
        """All figures of it."""
        rows = {"added": self.added, "known": self.known, "active": self.active, "pending": self.pending}
        return (
            rows
            | {"asked": self.asked, "told": self.told, "told_elsewhere": self.told_elsewhere}
            | {one.value: len(some) for one, some in self.difference.items()}
            | {"refused": len(self.bad)}
        )

    def as_json(self) -> dict[str, Any]:
        """For `--json`, the same of what would be done and of what was."""
        bad = [{"line": one.row, "where": one.where, "fault": one.fault} for one in self.bad]
        lines = {
            one.value: [dict(zip(("email", "where", "why"), line, strict=True)) for line in some]
            for one, some in self.difference.items()
        }
        return {
            "format": self.form,
            **self.counts,
            "bad": bad,
            "warnings": self.warnings,
            "difference": lines,
        }


def load(
    store: Store,
    data: bytes,
    order: Order,
    *,
    say: Callable[[str], None],
    agreed: Callable[[int], None] | None = None,
) -> Loaded:
    """Take a list in, or see what that would do; raises Invalid for what is no list, in one line.

    `say` is told of what was guessed, of each bad row, and how far it is; `agreed` how many letters will go
    out, before anything is written, and raises where that is too many.
    """
    found = sheet(data, form=order.form, maps=order.maps, encoding=order.encoding)
    with store.read() as tx:
        known = topics.readable(tx)
        for slug in order.topics:
            topics.named(tx, names.present(tx, (slug,))[0])
    manner = Manner(
        form=found.form,
        zone=order.zone,
        known=known,
        topics=order.topics,
        cadence=order.cadence,
        basis=order.basis,
        by=order.by,
        legacy=order.legacy,
    )
    reading = _read(read(found.rows, manner), say)
    warnings = list(reading.told())
    for words in (*found.told, *warnings):
        say(words)
    done = Loaded(found.form, bad=reading.bad, warnings=warnings)
    if agreed and not order.dry_run and (order.asks(found.form) or order.basis):
        agreed(_letters(store, reading, order, found.form))
    total, begun = len(reading.people), 0
    while keys := list(islice(reading.people, BATCH)):
        batch = [reading.people.pop(key) for key in keys]
        _batch(store, batch, order, done)
        begun += len(batch)
        if begun % TOLD_EVERY == 0:
            say(f"{begun:,} of {total:,}")
    if done.id is not None:
        _finish(store, order, done)
    return done


def ask(
    store: Store,
    inside: Callable[[Tx], Any],
    limit: int,
    *,
    dry_run: bool,
    agreed: Callable[[int], None] | None = None,
) -> int:
    """Ask those who are on the list without a yes for it, each once for ever; how many are.

    `agreed` is told how many letters that makes, before anything is written, and raises where that is too many.
    """
    with store.read() as tx:
        limit, letters = asking.to_ask(tx, inside(tx), limit)
    if dry_run:
        return limit
    if agreed:
        agreed(letters)
    count = 0
    while count < limit:
        with store.begin() as tx:
            people = asking.unasked(tx, inside(tx), min(BATCH, limit - count))
            if not people:
                break
            asking.ask(tx, people)
            count += len(people)
    return count


def _read(steps: Iterator[Reading], say: Callable[[str], None]) -> Reading:
    reading = Reading()
    told = 0
    for number, reading in enumerate(steps, 1):
        for bad in reading.bad[told:]:
            say(f"{bad.where}: {bad.fault}")
        told = len(reading.bad)
        if number % TOLD_EVERY == 0:
            say(f"{number:,} rows read")
    return reading


def _letters(store: Store, reading: Reading, order: Order, form: Form) -> int:
    """How many letters would ask for a yes, or tell of a basis; judged as it will be, and nothing is written."""
    count, people = (
        0,
        (one for one in reading.people.values() if one.basis or any(not wish.consent for wish in one.wishes)),
    )
    while batch := list(islice(people, BATCH)):
        with store.read() as tx:
            count += sum(order.letters(one, form) for one in _judged(tx, batch, order))
    return count


def _judged(tx: Tx, batch: Sequence[Person], order: Order, *, writes: bool = False) -> list[Verdict]:
    slugs = sorted({wish.topic for one in batch for wish in one.wishes})
    open_, closing = imports.open_topics(tx, slugs)
    rules = Rules(topics=open_, closing=closing, overwrite=order.overwrite, zone=order.zone)
    known = imports.known(tx, [one.address for one in batch], hold=writes)
    return [judge(one, known[one.address.key], rules) for one in batch]


def _batch(store: Store, batch: Sequence[Person], order: Order, done: Loaded) -> None:
    with (store.read if order.dry_run else store.begin)() as tx:
        if order.asks(done.form) and not order.dry_run:
            asking.hold(tx)  # `ask` at this moment would find the same wishes, and not yet our letters
        verdicts = _judged(tx, batch, order, writes=not order.dry_run)
        if not order.dry_run and any(one.acts for one in verdicts):
            _take(tx, verdicts, order, done)
    for one in verdicts:
        _count(done, one)
    untold = sum(one.tells for one in verdicts)
    if not order.notice:
        done.told_elsewhere += untold
    if order.dry_run:
        done.asked += sum(one.letters for one in verdicts) if order.asks(done.form) else 0
        done.told += untold if order.notice else 0


def _take(tx: Tx, verdicts: Sequence[Verdict], order: Order, done: Loaded) -> None:
    by, source = order.by, order.source or order.file
    if done.id is None:
        done.id = imports.begin(tx, by=by, source=source, basis=order.basis or None)
        audit.record(tx, by, "contact.import", f"import/{done.id}", order.basis or None, source=source)
    ask = order.asks(done.form)
    done.asked += imports.take(tx, done.id, verdicts, by=by, source=source, form=done.form, ask=ask)
    if order.notice and (some := [one for one in verdicts if one.tells]):
        done.told += telling.tell(tx, some, source=order.source, basis=order.basis)


def _count(done: Loaded, one: Verdict) -> None:
    done.difference[one.sort].append((one.person.address.typed, one.person.where, one.why))
    done.added += one.adds
    done.known += one.known.contact_id is not None
    done.active += sum(begin.consent is not None for begin in one.begins)
    done.pending += sum(begin.consent is None for begin in one.begins)


def _finish(store: Store, order: Order, done: Loaded) -> None:
    assert done.id is not None
    with store.begin() as tx:
        imports.finish(tx, done.id, done.counts)
        counts: dict[str, Any] = {**done.counts}
        audit.record(tx, order.by, "contact.imported", f"import/{done.id}", **counts)
