"""Taking an import back as one act: exactly what it made, but for those who did anything since (mail:LM17).

Whoever came by it and was neither written to nor did anything is forgotten, as if the list had never been read. Whoever
was, stays as a row and is told of; subscriptions the import began end all the same, unless their person has said
yes to them since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, Text, cast, delete, literal, select, update

from syndicator.errors import Refused
from syndicator.model.audience import Standing, SubscriptionState
from syndicator.model.consent import Act
from syndicator.model.delivery import DeliveryState
from syndicator.model.roster import UNDONE
from syndicator.store import evidence, imports, schema, stops
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
ERASED = "erased"  # stands where a column wants some text
YES = "has said yes since"
PIECE = 10_000  # keys named in one statement
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

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        kept = [{"email": address, "why": why} for address, why in self.kept]
        counts = ("contacts", "subscriptions", "suppressions", "tags", "words")
        return {name: getattr(self, name) for name in counts} | {"kept": kept}


def undo(tx: Tx, import_id: int, by: str) -> Undone:
    """Take an import back; raises NotFound, and Refused for one that was taken back before."""
    imports.named(tx, import_id)
    claim = update(schema.imports).where(i.id == import_id, i.undone.is_(None)).values(undone=tx.now)
    if not tx.connection.execute(claim).rowcount:
        raise Refused(f"import {import_id} was taken back already")
    done = Undone()
    _suppressions(tx, import_id, done)
    _words(tx, import_id, by, done)
    mine = _keys(tx, import_id, imports.CONTACT)
    began = _keys(tx, import_id, imports.SUBSCRIPTION)
    used: dict[int, tuple[str, str]] = {}
    for piece in _pieces(mine):
        stops.hold(tx, among(d.contact_id, "whose").params(whose=piece) & duties.UNSENT)
        used |= dict(_used(tx, import_id, piece))
    done.kept += used.values()
    for piece in _pieces([one for one in mine if one not in used]):
        _contacts(tx, piece, done)
    stay = select(s.id).join(schema.contacts, c.id == s.contact_id).where(s.created == c.created)
    for piece in _pieces(sorted(used)):
        keys = tx.connection.execute(stay.where(among(c.id, "whose")), {"whose": piece}).scalars()
        began += keys
    for piece in _pieces(began):
        _subscriptions(tx, piece, done)
    _tags(tx, import_id, done)
    tx.connection.execute(delete(schema.import_rows).where(r.import_id == import_id))
    return done


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
    given = set(tx.connection.execute(_rows(import_id, imports.TAG)).scalars())
    tagged = tx.connection.execute(select(k.contact_id, k.tag).where(among(k.contact_id, "whose")), whose)
    for key, tag in tagged:
        if f"{key} {tag}" not in given:
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
    theirs = "deliveries letters requests windows contact_tags subscriptions evidence bounces".split()
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


def _suppressions(tx: Tx, import_id: int, done: Undone) -> None:
    ours = x.key.in_(_rows(import_id, imports.SUPPRESSION)) & (x.source == f"import {import_id}")
    done.suppressions = tx.connection.execute(delete(schema.suppressions).where(ours)).rowcount


def _tags(tx: Tx, import_id: int, done: Undone) -> None:
    pair = cast(k.contact_id, Text) + literal(" ") + k.tag
    ours = pair.in_(_rows(import_id, imports.TAG))
    done.tags = tx.connection.execute(delete(schema.contact_tags).where(ours)).rowcount


def _words(tx: Tx, import_id: int, by: str, done: Undone) -> None:
    """Put former words back where they are still those the import wrote."""
    for key in tx.connection.execute(_rows(import_id, imports.CHANGED)).scalars().all():
        row = tx.connection.execute(select(schema.contacts).where(c.id == int(key))).one()
        notes = [
            one.detail for one in evidence.of_contact(tx, row.id) if one.detail.get("import") == import_id
        ]
        for note in notes:
            before, after = note.get("before", {}), note.get("after", {})
            same = {name: was for name, was in before.items() if getattr(row, name) == after.get(name)}
            if same:
                tx.connection.execute(update(schema.contacts).where(c.id == row.id).values(**same))
                evidence.record(
                    tx, Act.CHANGED, contact_id=row.id, digest=row.digest, person=by, undone=import_id
                )
                done.words += 1
            done.kept += [(row.address, f"{name} was changed since") for name in sorted(before.keys() - same)]


def _rows(import_id: int, sort: str) -> Select[Any]:
    return select(r.key).where(r.import_id == import_id, r.sort == sort)


def _keys(tx: Tx, import_id: int, sort: str) -> list[int]:
    return sorted(int(key) for key in tx.connection.execute(_rows(import_id, sort)).scalars())


def _pieces(keys: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(keys), PIECE):
        yield keys[start : start + PIECE]
