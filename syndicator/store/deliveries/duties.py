"""What every planner of duties writes: the columns of a ledger row, and what a row carries.

`owed` plans who is owed an item, `told` who hears of its correction or kill, `pings` what hubs are told.
Each adds rows by INSERT … SELECT inside the publishing transaction, however large the audience is. "Once" is
the business of two constraints: UNIQUE(subject, recipient), and one *owed* content per item and
recipient for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from syndicator.model.delivery import MAY_HAVE, DeliveryState, Priority, Role
from syndicator.model.item import Item, ItemState
from syndicator.model.newsletter import Choice
from syndicator.store import columns, schema
from syndicator.store.engine import Tx, insert_or_skip

d, dc = schema.deliveries.c, schema.delivery_contents.c
MAIL_LANE = "mail"
COLUMNS = (
    "subject recipient contact_id partner_id subscription_id item_id revision channel lane priority "
    "state due lease_no attempts doubts created"
).split()

CONTACT = COLUMNS.index("contact_id")
NOTHING_LEFT = "nothing is left of this digest: what it held was taken back"
MAY_HAVE_IT = or_(d.state.in_(MAY_HAVE), d.doubts > 0)
UNSENT = d.state.in_((DeliveryState.DUE, DeliveryState.LEASED))  # certainly not on the wire
# The role is written out, not bound: only so does SQLite see that its partial index fits.
IS_OWED = dc.role == literal_column("'owed'")


def fresh(now: datetime) -> dict[str, Any]:
    """The values every new row begins with, as a plain mapping."""
    return {"state": DeliveryState.DUE, "due": now, "lease_no": 0, "attempts": 0, "doubts": 0, "created": now}


def row_columns(
    subject: str,
    recipient: Any,
    contact: Any,
    partner: Any,
    subscription: Any,
    item: Item,
    channel: Any,
    road: Any,
    priority: Priority,
    now: datetime,
) -> list[ColumnElement[Any]]:
    """The columns of `COLUMNS` for an INSERT … SELECT that plans duties about this item, due at once."""
    instant = literal(now, columns.Instant())
    fresh = (literal(DeliveryState.DUE.value), instant, literal(0), literal(0), literal(0), instant)
    words = (
        literal(subject),
        recipient,
        contact,
        partner,
        subscription,
        literal(item.id),
        literal(item.revision),
    )
    return [*words, channel, road, literal(int(priority)), *fresh]


def insert_planned(
    tx: Tx,
    rows: Select[Any],
    *,
    new: bool = False,
    also: dict[str, Any] | None = None,
    domain: ColumnElement[str] | None = None,
    bound: dict[str, Any] | None = None,
) -> int:
    """Add these rows, those that exist already left as they are; returns how many were new.

    `also` are columns that not every duty has, by name, the same for all of them; `domain` is that of the address
    where `rows` knows it; `bound` what `rows` leaves open. `new` says that `rows`
    itself leaves those out: PostgreSQL need not ask its constraint first, which for a whole audience takes a third
    of the time. The constraint still holds.
    """
    add = insert(schema.deliveries) if new else insert_or_skip(tx, schema.deliveries)
    more = {name: literal(one) for name, one in (also or {}).items()}
    if domain is not None:
        addressed = rows.add_columns(domain, *more.values())
    else:  # joined: to look each up took PostgreSQL twice as long as all else, where the list outgrows its memory
        found, whose = rows.subquery("found"), schema.contacts.alias("whose")
        there = found.outerjoin(whose, whose.c.id == list(found.c)[CONTACT])
        addressed = select(*found.c, func.coalesce(whose.c.domain, ""), *more.values()).select_from(there)
        addressed = addressed.where(literal(True))  # SQLite wants one before ON CONFLICT
        if not tx.on_sqlite:  # where they come so anyway: neighbours in four indexes, one after the other
            addressed = addressed.order_by(list(found.c)[CONTACT])
    words = add.from_select([*COLUMNS, "domain", *more], addressed)
    return tx.connection.execute(words, bound or {}).rowcount


def unsent(item: Item) -> ColumnElement[bool]:
    """Whatever is about this item and certainly not on the wire."""
    return (d.item_id == item.id) & UNSENT


def cancel(tx: Tx, which: ColumnElement[bool], reason: str) -> int:
    """Cancel these rows, saying why; returns how many."""
    values = {"state": DeliveryState.CANCELLED, "detail": reason, "settled": tx.now, "due": None}
    return tx.connection.execute(update(schema.deliveries).where(which).values(**values)).rowcount


def record_contents(tx: Tx, which: ColumnElement[bool], *, new: bool = False) -> None:
    """Write down what these due deliveries carry, unless it is written: so it is known who had what.

    `new` says that nobody was planned anything of what they carry before this transaction, and nothing is written
    of it. To ask row by row could cost PostgreSQL the square of the audience: it thinks these tables as small as
    when it last counted them.
    """
    # A role per recipient: who is told of a correction had it before, all others are owed it.
    told = d.priority.in_((int(Priority.KILL), int(Priority.CORRECTION)))
    role = case((told, literal(Role.TOLD.value)), else_=literal(Role.OWED.value))
    carried = select(d.id, d.item_id, d.revision, d.recipient, role).where(
        which, d.state == DeliveryState.DUE, d.item_id.is_not(None)
    )
    add = insert(schema.delivery_contents) if new else insert_or_skip(tx, schema.delivery_contents)
    names = ["delivery_id", "item_id", "revision", "recipient", "role"]
    tx.connection.execute(add.from_select(names, carried))


def record_shown(tx: Tx, item: Item) -> None:
    """Write down which items the due deliveries of an issue of the newsletter show, as those stand now.

    Whoever was sent the issue had them, and hears of their corrections and kills. Of any other item: nothing.
    """
    n, ni, i = schema.newsletters.c, schema.newsletter_items.c, schema.items.c
    issue = tx.connection.execute(select(n.id).where(n.uid == item.uid)).scalar()
    if issue is None:
        return
    shown = (
        select(d.id, i.id, i.revision, d.recipient, literal(Role.SHOWN.value))
        .join_from(schema.deliveries, schema.newsletter_items, ni.newsletter_id == issue)
        .join(schema.items, i.id == ni.item_id)
        .where(d.item_id == item.id, d.revision == item.revision, d.state == DeliveryState.DUE)
        .where(ni.choice == Choice.INCLUDE, i.state == ItemState.LIVE)
    )
    names = ["delivery_id", "item_id", "revision", "recipient", "role"]
    add = insert_or_skip(tx, schema.delivery_contents)
    tx.connection.execute(add.from_select(names, shown))
