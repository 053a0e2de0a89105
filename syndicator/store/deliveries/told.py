"""Who hears of a correction, a withdrawal or a kill: whoever by the ledger had the item, or may have (DESIGN promise 3)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import case, delete, exists, func, literal, or_, select

from syndicator.model.audience import SubscriptionState
from syndicator.model.delivery import MAY_HAVE, DeliveryState, Priority
from syndicator.model.item import Item
from syndicator.store import columns, schema
from syndicator.store.deliveries.duties import (
    cancel,
    hold,
    insert_planned,
    record_contents,
    row_columns,
    unsent,
)
from syndicator.store.engine import Tx

d, dc, s = schema.deliveries.c, schema.delivery_contents.c, schema.subscriptions.c


def plan_told(tx: Tx, item: Item, subject: str, priority: Priority, *, machines_only: bool = False) -> int:
    """Tell everyone who had the item, or may have (DESIGN promise 3); returns how many were added.

    A correction needs at least one live subscription of the contact; a kill reaches the others too.
    A plain withdrawal is told to partners alone (`machines_only`): they keep copies. Told under the
    subscription they had it by if that is live, else under any live one.
    """
    may_have = d.state.in_(MAY_HAVE) | (d.doubts > 0)
    live = exists().where(s.contact_id == d.contact_id, s.state == SubscriptionState.ACTIVE)
    own = schema.subscriptions.alias("own")
    kept = case((own.c.state == SubscriptionState.ACTIVE, own.c.id))
    reached = (
        select(
            d.contact_id,
            d.partner_id,
            d.recipient,
            d.channel,
            d.lane,
            func.max(d.subscription_id).label("sub"),
            func.max(kept).label("kept"),
        )
        .join(schema.delivery_contents, dc.delivery_id == d.id)
        .outerjoin(own, own.c.id == d.subscription_id)
        .where(dc.item_id == item.id, may_have)
        .group_by(d.contact_id, d.partner_id, d.recipient, d.channel, d.lane)
    )
    if machines_only:
        reached = reached.where(d.partner_id.is_not(None))
    elif priority is not Priority.KILL:
        reached = reached.where(or_(d.partner_id.is_not(None), live))
    had = reached.subquery().c
    another = (
        select(func.min(s.id))
        .where(s.contact_id == had.contact_id, s.state == SubscriptionState.ACTIVE)
        .scalar_subquery()
    )
    columns = row_columns(
        subject,
        had.recipient,
        had.contact_id,
        had.partner_id,
        func.coalesce(had.kept, another, had["sub"]),
        item,
        had.channel,
        had.lane,
        priority,
        tx.now,
    )
    added = insert_planned(tx, select(*columns).where(literal(True)))
    record_contents(tx, d.subject == subject)
    return added


def somebody_had(tx: Tx, uids: Collection[str]) -> set[str]:
    """Those of these items that somebody had, or may have, who would be told of a correction (`plan_told`)."""
    one, i = list(uids), schema.items.c
    live = exists().where(s.contact_id == d.contact_id, s.state == SubscriptionState.ACTIVE)
    query = (
        select(i.uid)
        .join(schema.delivery_contents, dc.item_id == i.id)
        .join(schema.deliveries, d.id == dc.delivery_id)
        .where(d.state.in_(MAY_HAVE) | (d.doubts > 0), d.partner_id.is_not(None) | live)
        .distinct()
    )
    found: set[str] = set()
    for start in range(0, len(one), 500):
        found |= set(tx.connection.execute(query.where(i.uid.in_(one[start : start + 500]))).scalars())
    return found


def replace_unsent(tx: Tx, item: Item, subject: str, *, told: bool) -> int:
    """Let whatever carries an older revision and has certainly not been sent carry this one instead.

    The old rows are cancelled, new ones owe the same to the same recipients. A due repeat of a doubt
    is cancelled only if a correction tells them (`told`): they may have had it. Else it is repeated as
    it was, for nothing may be lost.
    """
    hold(tx, item)
    waiting = unsent(item) & (d.subject != subject)
    same = (d.recipient, d.contact_id, d.partner_id, d.subscription_id)
    instant = literal(tx.now, columns.Instant())
    anew = (literal(DeliveryState.DUE.value), d.due, literal(0), literal(0), literal(0), instant)
    words = (literal(subject), *same, d.item_id, literal(item.revision), d.channel, d.lane, d.priority)
    heirs = select(*words, *anew).where(waiting, d.doubts == 0)
    doomed = select(d.id).where(waiting, d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    added = insert_planned(tx, heirs)
    cancel(tx, waiting if told else waiting & (d.doubts == 0), "a newer revision took its place")
    record_contents(tx, d.subject == subject)
    return added


def cancel_unsent(tx: Tx, item: Item, reason: str) -> int:
    """Nothing of this item that is not yet on the wire goes out any more; returns how many were stopped."""
    hold(tx, item)
    doomed = select(d.id).where(unsent(item), d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    return cancel(tx, unsent(item), reason)
