"""Planning: who is owed an item, who is told of its correction or kill; part of the publishing transaction.

One row per (subject, recipient), added by INSERT … SELECT however large the audience is. "Once" is
the business of two constraints: UNIQUE(subject, recipient), and one *owed* content per item and
recipient for ever.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)

from syndicator.model.audience import Cadence, SubscriptionState
from syndicator.model.delivery import (
    MAY_HAVE,
    OPEN,
    Channel,
    DeliveryState,
    Priority,
    Role,
    confirmation_subject,
)
from syndicator.model.item import Item
from syndicator.store import columns, schema
from syndicator.store.audience import ensure_lane
from syndicator.store.audience import partners as all_partners
from syndicator.store.engine import Tx, insert_or_skip

d, dc, c, s, x, p, lane = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.suppressions.c,
    schema.partners.c,
    schema.lanes.c,
)
MAIL_LANE = "mail"
COLUMNS = (
    "subject recipient contact_id partner_id subscription_id item_id revision channel lane priority "
    "state due lease_no attempts doubts created"
).split()


def plan_owed(tx: Tx, item: Item, topic_ids: Collection[int], subject: str, topics: frozenset[str]) -> int:
    """Owe the item to everyone with a live immediate subscription to one of these topics, and to partners.

    Once per recipient for ever: planning twice adds nothing. Returns how many deliveries were added.
    """
    if not topic_ids:
        return 0
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    recipient = literal("contact/") + cast(s.contact_id, Text)
    had = exists().where(dc.item_id == item.id, dc.recipient == recipient, dc.role == Role.OWED)
    audience = (
        select(*_planned(subject, recipient, item, Priority.IMMEDIATE, tx.now, func.min(s.id)))
        .where(
            s.topic_id.in_(sorted(topic_ids)),
            s.state == SubscriptionState.ACTIVE,
            s.cadence == Cadence.IMMEDIATE,
            ~had,
        )
        .group_by(s.contact_id)
    )
    added = _insert_planned(tx, audience) + _plan_partners(tx, item, subject, topics)
    record_contents(tx, d.subject == subject)
    return added


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
    columns = _row_columns(
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
    added = _insert_planned(tx, select(*columns).where(literal(True)))
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
    _hold(tx, item)
    unsent = _unsent(item) & (d.subject != subject)
    same = (d.recipient, d.contact_id, d.partner_id, d.subscription_id)
    instant = literal(tx.now, columns.Instant())
    fresh = (literal(DeliveryState.DUE.value), d.due, literal(0), literal(0), literal(0), instant)
    words = (literal(subject), *same, d.item_id, literal(item.revision), d.channel, d.lane, d.priority)
    heirs = select(*words, *fresh).where(unsent, d.doubts == 0)
    doomed = select(d.id).where(unsent, d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    added = _insert_planned(tx, heirs)
    _cancel(tx, unsent if told else unsent & (d.doubts == 0), "a newer revision took its place")
    record_contents(tx, d.subject == subject)
    return added


def cancel_unsent(tx: Tx, item: Item, reason: str) -> int:
    """Nothing of this item that is not yet on the wire goes out any more; returns how many were stopped."""
    _hold(tx, item)
    doomed = select(d.id).where(_unsent(item), d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    return _cancel(tx, _unsent(item), reason)


def plan_confirmation(tx: Tx, contact_id: int, subscription_id: int) -> int:
    """Owe the mail that asks somebody to confirm a subscription; once per subscription."""
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    row = {
        "subject": confirmation_subject(subscription_id),
        "recipient": f"contact/{contact_id}",
        "contact_id": contact_id,
        "subscription_id": subscription_id,
        "channel": Channel.MAIL,
        "lane": MAIL_LANE,
        "priority": Priority.CONFIRMATION,
        **_fresh(tx.now),
    }
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(**row)).rowcount


def plan_test(tx: Tx, partner_id: int, slug: str, number: str) -> int:
    """A delivery that only tries the road to a partner; returns its key."""
    row = {
        "subject": f"test/{number}",
        "recipient": f"partner/{partner_id}",
        "partner_id": partner_id,
        "channel": Channel.WEBHOOK,
        "lane": f"partner/{slug}",
        "priority": Priority.CONFIRMATION,
        **_fresh(tx.now),
    }
    return int(tx.connection.execute(insert(schema.deliveries).values(**row).returning(d.id)).scalar_one())


def _fresh(now: datetime) -> dict[str, Any]:
    return {"state": DeliveryState.DUE, "due": now, "lease_no": 0, "attempts": 0, "doubts": 0, "created": now}


def _row_columns(
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


def _planned(
    subject: str, recipient: Any, item: Item, priority: Priority, now: datetime, subscription: Any
) -> list[ColumnElement[Any]]:
    nobody = cast(null(), columns.Id)
    mail = literal(Channel.MAIL.value)
    return _row_columns(
        subject, recipient, s.contact_id, nobody, subscription, item, mail, literal(MAIL_LANE), priority, now
    )


def _insert_planned(tx: Tx, rows: Select[Any]) -> int:
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).from_select(COLUMNS, rows)).rowcount


def _plan_partners(tx: Tx, item: Item, subject: str, topics: frozenset[str]) -> int:
    had = set(
        tx.connection.execute(
            select(dc.recipient).where(dc.item_id == item.id, dc.role == Role.OWED)
        ).scalars()
        if item.revision > 1
        else ()
    )
    rows = [
        {
            "subject": subject,
            "recipient": f"partner/{partner.id}",
            "partner_id": partner.id,
            "item_id": item.id,
            "revision": item.revision,
            "channel": partner.channel,
            "lane": f"partner/{partner.slug}",
            "priority": Priority.IMMEDIATE,
            **_fresh(tx.now),
        }
        for partner in all_partners(tx)
        if partner.wants(topics, item.content.kind) and f"partner/{partner.id}" not in had
    ]
    add = insert_or_skip(tx, schema.deliveries)
    return sum(tx.connection.execute(add.values(**row)).rowcount for row in rows)


def _unsent(item: Item) -> ColumnElement[bool]:
    return (d.item_id == item.id) & d.state.in_((DeliveryState.DUE, DeliveryState.LEASED))


def _hold(tx: Tx, item: Item) -> None:
    """Let no lane start or settle a delivery of this item until we commit: what is unsent stays unsent."""
    if not tx.on_sqlite:  # there a writer is alone anyway
        held = select(d.id).where(d.item_id == item.id, d.state.in_(OPEN))
        # By key, as the claims do, so that nobody waits for somebody who waits for us.
        tx.connection.execute(held.order_by(d.id).with_for_update()).all()


def _cancel(tx: Tx, which: ColumnElement[bool], reason: str) -> int:
    values = {"state": DeliveryState.CANCELLED, "detail": reason, "settled": tx.now, "due": None}
    return tx.connection.execute(update(schema.deliveries).where(which).values(**values)).rowcount


def record_contents(tx: Tx, which: ColumnElement[bool]) -> None:
    """Write down what these due deliveries carry, unless it is written: so it is known who had what."""
    # A role per recipient: who is told of a correction had it before, all others are owed it.
    told = d.priority.in_((int(Priority.KILL), int(Priority.CORRECTION)))
    role = case((told, literal(Role.TOLD.value)), else_=literal(Role.OWED.value))
    carried = select(d.id, d.item_id, d.revision, d.recipient, role).where(
        which, d.state == DeliveryState.DUE, d.item_id.is_not(None)
    )
    names = ["delivery_id", "item_id", "revision", "recipient", "role"]
    tx.connection.execute(insert_or_skip(tx, schema.delivery_contents).from_select(names, carried))
