"""Taking an import back as one act: exactly what it made, but for those who did anything since (mail:LM17).

Whoever came by it and was neither written to nor did anything is gone, as if the list had never been read. Whoever
was, stays as a row and is told of; subscriptions the import began end all the same, unless their person has said
yes to them since.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, delete, literal, select, update

from syndicator.errors import Refused
from syndicator.model.audience import SubscriptionState
from syndicator.model.consent import Act
from syndicator.model.delivery import DeliveryState
from syndicator.model.roster import UNDONE
from syndicator.store import columns, evidence, imports, schema
from syndicator.store.deliveries import duties
from syndicator.store.engine import Tx

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
PIECE = 400  # keys named in one statement
THEIRS = (Act.REQUESTED, Act.CONFIRMED, Act.CHANGED, Act.LEFT, Act.APPLIED, Act.ERASED)


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
    duties.hold(tx, d.contact_id.in_(_mine(import_id, imports.CONTACT)) & duties.UNSENT)
    used = dict(_used(tx, import_id))
    for piece in _pieces([str(one) for one in used]):  # what is left of these rows is what goes
        gone = (r.import_id == import_id) & (r.sort == imports.CONTACT) & r.key.in_(piece)
        tx.connection.execute(delete(schema.import_rows).where(gone))
    done.kept += used.values()
    _contacts(tx, import_id, done)
    _subscriptions(tx, import_id, done)
    _tags(tx, import_id, done)
    tx.connection.execute(delete(schema.import_rows).where(r.import_id == import_id))
    return done


def _used(tx: Tx, import_id: int) -> Iterator[tuple[int, tuple[str, str]]]:
    """Contacts the import made that somebody has dealt with since, their address and how; the weightiest reason last."""
    mine = _mine(import_id, imports.CONTACT)
    began = _mine(import_id, imports.SUBSCRIPTION)
    tagged = select(r.key).where(r.import_id == import_id, r.sort == imports.TAG)
    tag = cast(k.contact_id, Text) + literal(" ") + k.tag
    a, p, m = schema.accreditations.c, schema.applications.c, schema.moves.c
    untried = d.state.in_((DeliveryState.DUE, DeliveryState.CANCELLED, DeliveryState.EXPIRED)) & (
        d.attempts == 0
    )
    reasons: list[tuple[Select[Any], str]] = [
        (select(k.contact_id).where(k.contact_id.in_(mine), tag.not_in(tagged)), "was tagged since"),
        (select(d.contact_id).where(d.contact_id.in_(mine), ~untried), "was written to"),
        (select(m.contact_id).where(m.contact_id.in_(mine)), "changes address"),
        (select(a.contact_id).where(a.contact_id.in_(mine)), "was accredited"),
        (select(p.contact_id).where(p.contact_id.in_(mine)), "asked to be accredited"),
        (select(s.contact_id).where(s.contact_id.in_(mine), s.id.not_in(began)), "subscribed since"),
        (select(s.contact_id).where(s.contact_id.in_(mine), s.ended.is_not(None)), "has left since"),
        (select(e.contact_id).where(e.contact_id.in_(mine), e.act.in_(THEIRS)), "has acted since"),
        (select(s.contact_id).where(s.contact_id.in_(mine), s.confirmed > s.created), "has said yes since"),
    ]
    for whose, why in reasons:
        for row in tx.connection.execute(select(c.id, c.address).where(c.id.in_(whose)).order_by(c.id)):
            yield row.id, (row.address, why)


def _contacts(tx: Tx, import_id: int, done: Undone) -> None:
    """Take those nothing happened to out of every table; nothing of theirs was ever sent."""
    mine = _mine(import_id, imports.CONTACT)
    dc = schema.delivery_contents
    carried = select(d.id).where(d.contact_id.in_(mine))
    tx.connection.execute(delete(dc).where(dc.c.delivery_id.in_(carried)))
    theirs = (
        "deliveries",
        "letters",
        "requests",
        "windows",
        "contact_tags",
        "subscriptions",
        "evidence",
        "bounces",
    )
    for name in theirs:
        table = schema.metadata.tables[name]
        tx.connection.execute(delete(table).where(table.c.contact_id.in_(mine)))
    done.contacts = tx.connection.execute(delete(schema.contacts).where(c.id.in_(mine))).rowcount


def _subscriptions(tx: Tx, import_id: int, done: Undone) -> None:
    """End what it began for those who stay, but for what they have said yes to themselves."""
    began = s.id.in_(_mine(import_id, imports.SUBSCRIPTION)) & (s.state != SubscriptionState.ENDED)
    taken = began & (s.confirmed.is_(None) | (s.confirmed == s.created))
    waiting = d.subscription_id.in_(select(s.id).where(taken)) & duties.UNSENT
    duties.hold(tx, waiting)
    duties.cancel(tx, waiting, UNDONE)
    values = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": UNDONE}
    done.subscriptions = tx.connection.execute(
        update(schema.subscriptions).where(taken).values(**values)
    ).rowcount


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


def _mine(import_id: int, sort: str) -> Select[Any]:
    key: ColumnElement[int] = cast(r.key, columns.Id)
    return select(key).where(r.import_id == import_id, r.sort == sort)


def _pieces(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(keys), PIECE):
        yield keys[start : start + PIECE]
