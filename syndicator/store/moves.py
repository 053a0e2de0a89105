"""Changes of address that wait for a yes at the new one; the latest of a contact is the one that counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from syndicator.model.audience import Address, key_of
from syndicator.model.delivery import OPEN
from syndicator.model.joining import mailbox_key
from syndicator.store import schema, stops, suppressions
from syndicator.store.engine import Tx, alone

m, c, d = schema.moves.c, schema.contacts.c, schema.deliveries.c
ASKING = 7_020_332  # the lock questions to new addresses stand in line at


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A contact wants its mail at another address, as typed; empty once it was forgotten."""

    id: int
    contact_id: int
    address: str
    created: datetime
    confirmed: datetime | None


def add(tx: Tx, contact_id: int, to: Address) -> int:
    """Wait for a yes at this address; the move's key."""
    row = insert(schema.moves).values(contact_id=contact_id, address=to.typed, created=tx.now).returning(m.id)
    return int(tx.connection.execute(row).scalar_one())


def find(tx: Tx, move_id: int) -> Move | None:
    """The move with this key, or None."""
    row = tx.connection.execute(select(schema.moves).where(m.id == move_id)).first()
    return Move(**row._asdict()) if row else None


def latest(tx: Tx, contact_id: int) -> int | None:
    """The key of the latest move a contact asked for."""
    return tx.connection.execute(select(func.max(m.id)).where(m.contact_id == contact_id)).scalar()


def lately(tx: Tx, contact_id: int, span: timedelta) -> int:
    """How many moves a contact asked for within this time."""
    query = select(func.count()).where(m.contact_id == contact_id, m.created > tx.now - span)
    return int(tx.connection.execute(query).scalar_one())


def unanswered(tx: Tx, to: Address) -> int:
    """How many moves to the mailbox behind this address wait for a yes, whoever asked; nobody else asks until we end."""
    alone(tx, ASKING)
    waiting = tx.connection.execute(select(m.address).where(m.confirmed.is_(None), m.address != "")).scalars()
    mailbox = mailbox_key(to.key)
    return sum(mailbox_key(key_of(one)) == mailbox for one in waiting)


def carry_out(tx: Tx, move: Move, to: Address) -> bool:
    """Give the contact the new address, under which all it has goes on; False if another contact has it.

    Links to preferences, and to a private page, that were mailed to the former address lead nowhere from now on.
    """
    domain = to.key.rpartition("@")[2]
    values = {"address": to.typed, "key": to.key, "domain": domain, "digest": suppressions.digest(tx, to.key)}
    generations = {"generation": c.generation + 1, "press_generation": c.press_generation + 1}
    moved = update(schema.contacts).where(c.id == move.contact_id).values(**values, **generations)
    try:
        with tx.connection.begin_nested():
            tx.connection.execute(moved)
    except IntegrityError:  # the key is somebody's, if only since this moment
        return False
    subscribed = select(schema.subscriptions.c.id).where(schema.subscriptions.c.contact_id == move.contact_id)
    on_its_way = d.subscription_id.in_(subscribed) & d.state.in_(OPEN)
    stops.hold(tx, on_its_way)
    tx.connection.execute(update(schema.deliveries).where(on_its_way).values(domain=domain))
    tx.connection.execute(update(schema.moves).where(m.id == move.id).values(confirmed=tx.now))
    return True


def prune(tx: Tx, older: timedelta) -> int:
    """Forget moves that were asked for so long ago; how many."""
    return tx.connection.execute(delete(schema.moves).where(m.created < tx.now - older)).rowcount
