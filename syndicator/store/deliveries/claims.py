"""Claims: due → leased → sending, with a fence. `settling` does the rest of the way.

*Sending* is committed before a socket opens; only the holder of the latest `lease_no` settles. So a
double is possible only where a receiver accepted and we died before writing it down, and each such
case is on record as `unknown` (`requirements/delivery-and-security` §1.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Integer,
    Select,
    bindparam,
    case,
    exists,
    func,
    or_,
    select,
    update,
)

from syndicator.model.audience import Cadence, SubscriptionState
from syndicator.model.delivery import (
    OPEN,
    Channel,
    DeliveryState,
    Policy,
    Priority,
    Try,
)
from syndicator.store import schema
from syndicator.store.columns import Instant
from syndicator.store.deliveries import domains
from syndicator.store.deliveries.destinations import IS_DUE
from syndicator.store.deliveries.trying import (
    AMONG_KEYS,
    as_try,
    barred_letters,
    cancel,
    claimed,
    ours,
    why_not,
)
from syndicator.store.engine import Tx

d, s, lane = schema.deliveries.c, schema.subscriptions.c, schema.lanes.c
ASK = "`syndicator delivery retry` sends it, `delivery resolve --cancelled` drops it"
MOST_AT_ONCE = 5000  # rows one claim sets aside as late; the next does the rest


def claim(
    tx: Tx, key: str, worker: str, limit: int, lease: timedelta, policy: Policy | None = None
) -> list[Try]:
    """Take up to `limit` due deliveries of a lane, in order of priority, until the lease runs out.

    Suppressed addresses, people who have left and words that were taken back are settled as cancelled here,
    at the last moment; others are taken in their stead. What the policy calls late waits for a person, and
    domains have no more under way than they bear. A lane that is paused or backs off gives nothing.
    """
    policy = policy or Policy()
    while rows := _take(tx, key, worker, limit, lease, policy):
        late = [row.id for row in rows if _is_late(tx, row, policy)]
        stopped = [(row.id, why) for row in rows if (why := why_not(row))]
        stopped += barred_letters(tx, rows)
        cancel(tx, stopped)
        gone = {delivery_id for delivery_id, _ in stopped}
        if late:
            _ask_about(tx, key, [one for one in late if one not in gone], policy)
            gone.update(late)
        if len(gone) < len(rows):
            return [as_try(row) for row in rows if row.id not in gone]
    return []


def due_rows(key: Any, now: Any, limit: Any) -> Select[Any]:
    """What a claim looks at: id and domain, in the order in which they go out; nothing of a lane that rests."""
    open_lane = exists().where(lane.key == key, lane.paused.is_(False), lane.open <= now)
    return (
        select(d.id, d.domain)
        .where(d.lane == key, IS_DUE, d.due <= now, open_lane)
        .order_by(d.priority, d.due, d.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite holds the write lock already
    )


# Built once, as in `trying`: every turn of every lane asks these.
_UNTIL = bindparam("until", type_=Instant())
_FIRST = due_rows(
    bindparam("destination"), bindparam("instant", type_=Instant()), bindparam("most", type_=Integer())
)
_LEASED: dict[str, Any] = {
    "state": DeliveryState.LEASED,
    "lease_no": d.lease_no + 1,
    "lease_until": _UNTIL,
    "leased_by": bindparam("whose"),
}
_LEASE = update(schema.deliveries).values(**_LEASED).returning(d.id)
_LEASE_FIRST = _LEASE.where(d.id.in_(select(_FIRST.cte("taken").c.id)))
_LEASE_THESE = _LEASE.where(AMONG_KEYS)
_START = (
    update(schema.deliveries)
    .where(AMONG_KEYS)
    .values(
        state=DeliveryState.SENDING,
        sending=bindparam("instant", type_=Instant()),
        attempts=d.attempts + 1,
        lease_until=_UNTIL,
    )
)


def _take(tx: Tx, key: str, worker: str, limit: int, lease: timedelta, policy: Policy) -> Sequence[Any]:
    values: dict[str, Any] = {"until": tx.now + lease, "whose": worker}
    gate = domains.limits(tx, key, policy)
    if gate is None:
        values |= {"destination": key, "instant": tx.now, "most": limit}
        keys = list(tx.connection.execute(_LEASE_FIRST, values).scalars().all())
    else:
        keys = _let_through(tx, gate, due_rows(key, tx.now, limit), limit)
        if keys:
            tx.connection.execute(_LEASE_THESE, {**values, "keys": keys}).all()
    return claimed(tx, keys) if keys else []


def _let_through(tx: Tx, gate: domains.Gate, due: Select[Any], limit: int) -> list[int]:
    """Rows whose domains have room; whatever stands behind a domain that has none moves up."""
    chosen: list[int] = []
    while len(chosen) < limit:
        wanted = limit - len(chosen)
        behind = due.where(gate.open_domains(), d.id.not_in(chosen)).limit(wanted)
        rows = tx.connection.execute(behind).all()
        admitted = gate.admit(rows)
        chosen += admitted
        if len(rows) < wanted or len(admitted) == len(rows):
            break
    gate.close()
    return chosen


def _is_late(tx: Tx, row: Any, policy: Policy) -> bool:
    """Whether so much time has gone by that a person must say whether it is still wanted.

    Who tried in time and was put off by the recipient's server goes on trying: that is nobody's lateness here.
    """
    if policy.late_after is None or row.channel != Channel.MAIL or row.late_ok:
        return False
    if row.priority < Priority.IMMEDIATE or row.attempts or row.doubts:
        return False
    # What concerns a release under embargo was planned long before its instant.
    instant = row.due if row.release_id else row.created
    return bool(tx.now - instant > policy.late_after)


def _ask_about(tx: Tx, key: str, taken: Sequence[int], policy: Policy) -> None:
    """Let what is late wait for a person: what was taken, and at once what is as late in the same lane."""
    assert policy.late_after is not None
    limit = tx.now - policy.late_after
    alike = (
        select(d.id)
        .where(d.lane == key, IS_DUE, d.due <= tx.now, d.created < limit, d.release_id.is_(None))
        .where(d.priority >= Priority.IMMEDIATE, d.late_ok.is_(False), d.attempts == 0, d.doubts == 0)
        .limit(MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    words = f"late by more than {_span(policy.late_after)}: {ASK}"
    values = {
        "state": DeliveryState.DUE,
        "due": None,
        "lease_until": None,
        "leased_by": None,
        "detail": words,
    }
    for which in (d.id.in_(taken), d.id.in_(alike)):
        tx.connection.execute(update(schema.deliveries).where(which).values(**values))


def start(tx: Tx, tries: Sequence[Try], lease: timedelta, held: Mapping[int, Any] | None = None) -> list[Try]:
    """Mark these as *sending*, to be committed before a socket opens; returns those still ours.

    Whoever is missing was taken over or cancelled meanwhile and must not be sent. `held`: as in `ours`.
    """
    mine = ours(tx, tries, DeliveryState.LEASED, held=held)
    stopped = [(row.id, row.stop) for row in mine.values() if row.stop]
    cancel(tx, stopped)
    mine = {delivery_id: row for delivery_id, row in mine.items() if not row.stop}
    if mine:
        values = {"keys": list(mine), "instant": tx.now, "until": tx.now + lease}
        tx.connection.execute(_START, values)
    return [attempt for attempt in tries if attempt.id in mine]


def renew(tx: Tx, tries: Sequence[Try], lease: timedelta) -> None:
    """Keep what is being sent for another lease; what was taken over meanwhile stays where it is."""
    if mine := ours(tx, tries, DeliveryState.SENDING):
        kept = update(schema.deliveries).where(d.id.in_(list(mine)))
        tx.connection.execute(kept.values(lease_until=tx.now + lease))


def give_back(tx: Tx, tries: Sequence[Try]) -> None:
    """Deliveries that were taken but certainly not sent are due again; it counts as no attempt.

    They keep their place in the queue. What was stopped meanwhile is over.
    """
    mine = ours(tx, tries, DeliveryState.LEASED, DeliveryState.SENDING)
    if not mine:
        return
    not_tried = case((d.state == DeliveryState.SENDING, d.attempts - 1), else_=d.attempts)
    back = {"lease_until": None, "leased_by": None, "attempts": not_tried}
    rows = update(schema.deliveries).where(d.id.in_(list(mine)))
    tx.connection.execute(rows.values(state=DeliveryState.DUE, **back))
    cancel(tx, [(row.id, row.stop) for row in mine.values() if row.stop])


def cancel_for_subscription(tx: Tx, subscription_id: int, reason: str) -> int:
    """Somebody left: nothing that came through this subscription and is not yet on the wire goes out.

    What the contact is owed through another live subscription to one of the item's topics goes on
    under that one, a correction under any. A kill goes out whoever has left (EM5).
    """
    m = schema.memberships.c
    entitled = exists().where(m.topic_id == s.topic_id, m.item_id == d.item_id)
    other = (
        select(func.min(s.id))
        .where(s.contact_id == d.contact_id, s.id != subscription_id, s.state == SubscriptionState.ACTIVE)
        .where(or_(d.priority == Priority.CORRECTION, (s.cadence == Cadence.IMMEDIATE) & entitled))
        .scalar_subquery()
    )
    theirs = (d.subscription_id == subscription_id) & (d.priority != Priority.KILL)
    if not tx.on_sqlite:
        tx.connection.execute(select(d.id).where(theirs).order_by(d.id).with_for_update()).all()
    # What is on the wire may come back to be tried again: then it goes under the other one, too.
    tx.connection.execute(
        update(schema.deliveries)
        .where(theirs, d.state.in_(OPEN), other.is_not(None))
        .values(subscription_id=other)
    )
    waiting = theirs & d.state.in_((DeliveryState.DUE, DeliveryState.LEASED))
    keys = tx.connection.execute(select(d.id).where(waiting)).scalars()
    return cancel(tx, [(key, reason) for key in keys])


def _span(span: timedelta) -> str:
    """A span as settings write it: 12h, 90m, 30s."""
    for unit, seconds in (("h", 3600), ("m", 60)):
        if span.total_seconds() % seconds == 0:
            return f"{int(span.total_seconds() // seconds)}{unit}"
    return f"{span.total_seconds():g}s"
