"""Taking an import back as one act: exactly what it made, but for those who did anything since (mail:LM17).

Whoever came by it and was neither written to nor did anything is forgotten, as if the list had never been read. Whoever
was, stays as a row and is told of; subscriptions the import began end all the same, unless their person has said
yes to them since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, Text, cast, delete, exists, literal, select, tuple_, update

from syndicator.errors import Refused
from syndicator.model.audience import Standing, SubscriptionState
from syndicator.model.consent import Act
from syndicator.model.delivery import DeliveryState
from syndicator.model.roster import UNDONE
from syndicator.store import audience, imports, schema, stops
from syndicator.store.deliveries import duties
from syndicator.store.engine import Tx, among

c, s, d, e, k, i, r, x = (
    schema.contacts.c,
    schema.subscriptions.c,
    schema.deliveries.c,
    schema.evidence.c,
    schema.contact_tags.c,
    schema.imports.c,
    schema.import_rows.c,
    schema.suppressions.c,
)
COUNTS = ("contacts", "subscriptions", "suppressions", "tags", "words")
ERASED = "erased"  # stands where a column wants some text
YES = "has said yes since"
PIECE = 500  # rows of an import taken back in one transaction
THEIRS = (Act.REQUESTED, Act.CHANGED, Act.LEFT, Act.APPLIED, Act.ERASED)


@dataclass(slots=True)
class Undone:
    """How much was taken back, and whoever stays, with the reason."""

    contacts: int = 0
    subscriptions: int = 0
    suppressions: int = 0
    tags: int = 0
    words: int = 0
    kept: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Undone) -> None:
        """Count what another step took back, too."""
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.kept += other.kept

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        kept = [{"email": address, "why": why} for address, why in self.kept]
        return {name: getattr(self, name) for name in COUNTS} | {"kept": kept}


def step(tx: Tx, import_id: int, by: str) -> Undone | None:
    """Take back a piece of an import; None once nothing is left, and from then on it is Refused.

    What is taken back is noted no more: whoever takes the next step, after a fall too, goes on where this one ends.
    Raises NotFound.
    """
    one = tx.connection.execute(select(i.undone).where(i.id == import_id).with_for_update()).first()
    if one is None:
        imports.named(tx, import_id)
    elif one.undone:
        raise Refused(f"import {import_id} was taken back already")
    done = Undone()
    for sort, back in _SORTS.items():
        first = _rows(import_id, sort).order_by(r.key).limit(PIECE)
        if keys := list(tx.connection.execute(first).scalars()):
            back(tx, import_id, keys, by, done)
            noted = (r.import_id == import_id, r.sort == sort, r.key.in_(keys))
            tx.connection.execute(delete(schema.import_rows).where(*noted))
            return done
    tx.connection.execute(update(schema.imports).where(i.id == import_id).values(undone=tx.now))
    return None


def _made(tx: Tx, import_id: int, keys: list[str], _by: str, done: Undone) -> None:
    """Forget contacts it made, but for those somebody has dealt with since: of these, what they came with ends."""
    mine = _numbers(keys)
    audience.hold(tx, mine)
    stops.hold(tx, among(d.contact_id, "whose").params(whose=mine) & duties.UNSENT)
    used = dict(_used(tx, import_id, mine))
    done.kept += used.values()
    _contacts(tx, [one for one in mine if one not in used], done)
    stay = select(s.id).join(schema.contacts, c.id == s.contact_id).where(s.created == c.created)
    came = stay.where(among(c.id, "whose")).order_by(s.id)
    _subscriptions(tx, list(tx.connection.execute(came, {"whose": sorted(used)}).scalars()), done)


def _began(tx: Tx, _import: int, keys: list[str], _by: str, done: Undone) -> None:
    _subscriptions(tx, _numbers(keys), done)


def _used(tx: Tx, import_id: int, mine: list[int]) -> Iterator[tuple[int, tuple[str, str]]]:
    """Which of these contacts somebody has dealt with since: their address and how, the weightiest reason last."""
    untried = d.state.in_((DeliveryState.DUE, DeliveryState.CANCELLED, DeliveryState.EXPIRED)) & (
        d.attempts == 0
    )
    a, p, m = schema.accreditations, schema.applications, schema.moves
    first = select(s.contact_id).join(schema.contacts, c.id == s.contact_id)
    tables: list[tuple[Select[Any], Any, str]] = [
        (select(d.contact_id).where(~untried), d.contact_id, "was written to"),
        (select(m.c.contact_id), m.c.contact_id, "changes address"),
        (select(a.c.contact_id), a.c.contact_id, "was accredited"),
        (select(p.c.contact_id), p.c.contact_id, "asked to be accredited"),
        (first.where(s.created > c.created), s.contact_id, "subscribed since"),
        (select(s.contact_id).where(s.ended.is_not(None)), s.contact_id, "has left since"),
        (select(e.contact_id).where(e.act.in_(THEIRS)), e.contact_id, "was changed since"),
        (select(s.contact_id).where(s.confirmed > s.created), s.contact_id, YES),
        # By a letter that asked for all of it: other subscriptions took the place of those that waited.
        (select(e.contact_id).where(e.act == Act.CONFIRMED), e.contact_id, YES),
    ]
    whose = {"whose": mine}
    addresses = dict(
        tuple(row)
        for row in tx.connection.execute(select(c.id, c.address).where(among(c.id, "whose")), whose)
    )
    pair = cast(k.contact_id, Text) + literal(" ") + k.tag
    given = exists().where(r.import_id == import_id, r.sort == imports.TAG, r.key == pair)
    tagged = select(k.contact_id).where(among(k.contact_id, "whose"), ~given)
    for key in tx.connection.execute(tagged, whose).scalars():
        yield key, (addresses[key], "was tagged since")
    for query, column, why in tables:
        for key in tx.connection.execute(query.where(among(column, "whose")), whose).scalars():
            yield key, (addresses[key], why)


def _contacts(tx: Tx, keys: list[int], done: Undone) -> None:
    """Take those nothing happened to out of every table; nothing of theirs was ever sent."""
    whose = {"whose": keys}
    dc = schema.delivery_contents
    carried = select(d.id).where(among(d.contact_id, "whose"))
    tx.connection.execute(delete(dc).where(dc.c.delivery_id.in_(carried)), whose)
    # What is planned between the two stays whole: PostgreSQL does not see to it that nothing is carried by nobody.
    empty = among(d.contact_id, "whose") & ~exists().where(dc.c.delivery_id == d.id)
    tx.connection.execute(delete(schema.deliveries).where(empty), whose)
    theirs = "letters requests windows contact_tags subscriptions evidence bounces".split()
    for name in theirs:
        table = schema.metadata.tables[name]
        tx.connection.execute(delete(table).where(among(table.c.contact_id, "whose")), whose)
    # The row itself stays, without a word: to delete it, SQLite would look through the whole ledger for each.
    blank = dict.fromkeys(("name", "outlet", "country", "language", "domain", "digest", "notes"), "")
    nobody = {"address": ERASED, "key": literal(f"{ERASED}/") + cast(c.id, Text), "standing": Standing.ERASED}
    voided = {"generation": c.generation + 1, "press_generation": c.press_generation + 1}
    gone = update(schema.contacts).where(among(c.id, "whose")).values(**blank, **nobody, **voided)
    done.contacts += tx.connection.execute(gone, whose).rowcount


def _subscriptions(tx: Tx, keys: list[int], done: Undone) -> None:
    """End what it began for those who stay, but for what they have said yes to themselves."""
    own = s.confirmed.is_(None) | (s.confirmed == s.created)
    live = select(s.id).where(among(s.id, "which"), s.state != SubscriptionState.ENDED, own)
    taken = list(tx.connection.execute(live, {"which": keys}).scalars())
    waiting = among(d.subscription_id, "which").params(which=taken) & duties.UNSENT
    stops.hold(tx, waiting)
    duties.cancel(tx, waiting, UNDONE)
    values = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": UNDONE}
    end = update(schema.subscriptions).where(among(s.id, "which").params(which=taken)).values(**values)
    done.subscriptions += tx.connection.execute(end).rowcount


def _suppressions(tx: Tx, import_id: int, keys: list[str], _by: str, done: Undone) -> None:
    ours = x.key.in_(keys) & (x.source == f"import {import_id}")
    done.suppressions += tx.connection.execute(delete(schema.suppressions).where(ours)).rowcount


def _tags(tx: Tx, _import: int, keys: list[str], _by: str, done: Undone) -> None:
    given = (key.split(" ", 1) for key in keys)
    mine = [(int(contact_id), tag) for contact_id, tag in given]
    gone = delete(schema.contact_tags).where(tuple_(k.contact_id, k.tag).in_(mine))
    done.tags += tx.connection.execute(gone).rowcount


def _words(tx: Tx, import_id: int, keys: list[str], by: str, done: Undone) -> None:
    """Put former words back where they are still those the import wrote."""
    whose = {"whose": _numbers(keys)}
    people = select(schema.contacts).where(among(c.id, "whose")).order_by(c.id).with_for_update()
    rows = {row.id: row for row in tx.connection.execute(people, whose)}
    changes = select(e.contact_id, e.detail).where(among(e.contact_id, "whose"), e.act == Act.CHANGED)
    former, proofs = [], []
    for contact_id, note in tx.connection.execute(changes.order_by(e.contact_id, e.id), whose):
        if note.get("import") != import_id:
            continue
        row, before, after = rows[contact_id], note.get("before", {}), note.get("after", {})
        same = {name: was for name, was in before.items() if getattr(row, name) == after.get(name)}
        if same:
            former.append((contact_id, same))
            proofs.append(imports.change(tx, contact_id, row.digest, by, {"undone": import_id}))
        done.kept += [(row.address, f"{name} was changed since") for name in sorted(before.keys() - same)]
    imports.rewrite(tx, former)
    imports.prove(tx, proofs)
    done.words += len(former)


# In this order: who gave which tag is asked while it is noted.
_SORTS: dict[str, Callable[[Tx, int, list[str], str, Undone], None]] = {
    imports.SUPPRESSION: _suppressions,
    imports.CHANGED: _words,
    imports.CONTACT: _made,
    imports.SUBSCRIPTION: _began,
    imports.TAG: _tags,
}


def _rows(import_id: int, sort: str) -> Select[Any]:
    return select(r.key).where(r.import_id == import_id, r.sort == sort)


def _numbers(keys: list[str]) -> list[int]:
    return sorted(map(int, keys))
