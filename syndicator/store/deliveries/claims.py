"""Claims: due → leased → sending → settled, with a fence, and what dead workers left behind.

*Sending* is committed before a socket opens; only the holder of the latest `lease_no` settles. So a
double is possible only where a receiver accepted and we died before writing it down, and each such
case is on record as `unknown` (`requirements/delivery-and-security` §1.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from syndicator.model.audience import Cadence, SubscriptionState
from syndicator.model.delivery import (
    OPEN,
    Channel,
    DeliveryState,
    OnUnknown,
    Outcome,
    Policy,
    Priority,
    Result,
    Try,
    ping_hub,
    settle,
)
from syndicator.model.item import ItemState
from syndicator.model.release import ReleaseState
from syndicator.store import schema
from syndicator.store.engine import Tx

d, dc, c, s, x, p, lane, i, r, acc = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.suppressions.c,
    schema.partners.c,
    schema.lanes.c,
    schema.items.c,
    schema.releases.c,
    schema.accreditations.c,
)
# Written out, not bound: only so does SQLite see that its partial indexes fit.
IS_DUE = d.state == literal_column("'due'")
IS_TAKEN = d.state.in_([literal_column("'leased'"), literal_column("'sending'")])
# A release that is still to come, approved by somebody.
UNDER_WAY = (ReleaseState.APPROVED, ReleaseState.SCHEDULED)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=5)


def due_lanes(tx: Tx) -> list[tuple[str, Channel]]:
    """Destinations with something due that are neither paused nor backing off."""
    waiting = exists().where(d.lane == lane.key, IS_DUE, d.due <= tx.now)
    query = select(lane.key, lane.channel).where(lane.paused.is_(False), lane.open <= tx.now, waiting)
    return [(row.key, Channel(row.channel)) for row in tx.connection.execute(query.order_by(lane.key))]


def next_due(tx: Tx) -> datetime | None:
    """When the next delivery or lease on a lane that is not paused asks for attention, or None."""
    soonest = select(func.min(d.due)).where(d.lane == lane.key, IS_DUE).scalar_subquery()
    lanes = select(lane.open, soonest.label("due")).where(lane.paused.is_(False))
    instants = [max(row.open, row.due) for row in tx.connection.execute(lanes) if row.due]
    lease = tx.connection.execute(select(func.min(d.lease_until)).where(IS_TAKEN)).scalar()
    return min([*instants, *([lease] if lease else [])], default=None)


def claim(tx: Tx, key: str, worker: str, limit: int, lease: timedelta) -> list[Try]:
    """Take up to `limit` due deliveries of a lane, in order of priority, until the lease runs out.

    Suppressed addresses, people who have left and words that were taken back are settled as cancelled here,
    at the last moment; others are taken in their stead. A lane that is paused or backs off gives nothing.
    """
    while rows := _take(tx, key, worker, limit, lease):
        stopped = [(row.id, why) for row in rows if (why := _why_not(row))]
        _cancel(tx, stopped)
        gone = {delivery_id for delivery_id, _ in stopped}
        if len(gone) < len(rows):
            return [_try(row) for row in rows if row.id not in gone]
    return []


def _take(tx: Tx, key: str, worker: str, limit: int, lease: timedelta) -> Sequence[Row[Any]]:
    open_lane = exists().where(lane.key == key, lane.paused.is_(False), lane.open <= tx.now)
    due = (
        select(d.id)
        .where(d.lane == key, IS_DUE, d.due <= tx.now, open_lane)
        .order_by(d.priority, d.due, d.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite holds the write lock already
        .cte("taken")
    )
    taken = tx.connection.execute(
        update(schema.deliveries)
        .where(d.id.in_(select(due.c.id)))
        .values(
            state=DeliveryState.LEASED, lease_no=d.lease_no + 1, lease_until=tx.now + lease, leased_by=worker
        )
        .returning(d.id)
    ).scalars()
    return tx.connection.execute(
        _tries(tx.now).where(d.id.in_(list(taken))).order_by(d.priority, d.due, d.id)
    ).all()


def start(tx: Tx, tries: Sequence[Try], lease: timedelta) -> list[Try]:
    """Mark these as *sending*, to be committed before a socket opens; returns those still ours.

    Whoever is missing was taken over or cancelled meanwhile and must not be sent.
    """
    _hold(tx, tries)
    started = tx.connection.execute(
        update(schema.deliveries)
        .where(_fenced(tries), d.state == DeliveryState.LEASED)
        .values(
            state=DeliveryState.SENDING, sending=tx.now, attempts=d.attempts + 1, lease_until=tx.now + lease
        )
        .returning(d.id)
    )
    ours = set(started.scalars())
    return [attempt for attempt in tries if attempt.id in ours]


def renew(tx: Tx, tries: Sequence[Try], lease: timedelta) -> None:
    """Keep what is being sent for another lease; what was taken over meanwhile stays where it is."""
    if tries:
        _hold(tx, tries)
        sending = _fenced(tries) & (d.state == DeliveryState.SENDING)
        tx.connection.execute(update(schema.deliveries).where(sending).values(lease_until=tx.now + lease))


def give_back(tx: Tx, tries: Sequence[Try]) -> None:
    """Deliveries that were taken but certainly not sent are due again; it counts as no attempt."""
    if tries:
        _hold(tx, tries)
        not_tried = case((d.state == DeliveryState.SENDING, d.attempts - 1), else_=d.attempts)
        tx.connection.execute(
            update(schema.deliveries)
            .where(_fenced(tries), d.state.in_((DeliveryState.LEASED, DeliveryState.SENDING)))
            .values(state=DeliveryState.DUE, due=tx.now, lease_until=None, leased_by=None, attempts=not_tried)
        )


def settle_all(tx: Tx, results: Sequence[tuple[Try, Result]], policy: Policy) -> int:
    """Write how these tries ended, if the fence is still ours; returns how many were.

    A worker that woke up after its lease settles nothing: another has recorded the doubt.
    """
    held = select(d.id, d.sending).where(_fenced(a for a, _ in results), d.state == DeliveryState.SENDING)
    since = {row.id: row.sending for row in tx.connection.execute(held.order_by(d.id).with_for_update())}
    mine = [(attempt, result) for attempt, result in results if attempt.id in since]
    if mine:
        tx.connection.execute(_SETTLE, [_settled(tx, attempt, result, policy) for attempt, result in mine])
        tx.connection.execute(insert(schema.attempts), [_tried(tx, a, r, since[a.id]) for a, r in mine])
    return len(mine)


def recover(tx: Tx, policy: Policy, limit: int = 500) -> tuple[int, int]:
    """Take back what dead workers held: leased is due again, sending is a doubt; returns both counts."""
    over = (d.lease_until <= tx.now) & IS_TAKEN
    expired = select(d.id).where(over).order_by(d.lease_until).limit(limit).with_for_update(skip_locked=True)
    keys = list(tx.connection.execute(expired).scalars())
    if not keys:
        return 0, 0
    leased = tx.connection.execute(
        update(schema.deliveries)
        .where(d.id.in_(keys), d.state == DeliveryState.LEASED)
        .values(state=DeliveryState.DUE, due=tx.now, lease_until=None, leased_by=None)
    ).rowcount
    doubts = tx.connection.execute(
        _tries(tx.now).where(d.id.in_(keys), d.state == DeliveryState.SENDING)
    ).all()
    lost = Result(outcome=Outcome.UNKNOWN, detail="the worker ended while sending; it may have arrived")
    settle_all(tx, [(_try(row), lost) for row in doubts], policy)
    return leased, len(doubts)


def lane_failed(tx: Tx, key: str, fault: str) -> timedelta:
    """The destination itself is in trouble: leave it alone for a while that doubles; returns the pause."""
    failures = tx.connection.execute(select(lane.failures).where(lane.key == key)).scalar_one()
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)
    values = {"failures": failures + 1, "open": tx.now + pause, "fault": fault}
    tx.connection.execute(update(schema.lanes).where(lane.key == key).values(**values))
    return pause


def lane_works(tx: Tx, key: str) -> None:
    """The destination took something: no more back-off."""
    healed = (lane.key == key) & (lane.failures > 0)
    tx.connection.execute(update(schema.lanes).where(healed).values(failures=0, open=tx.now, fault=None))


def lane_over(tx: Tx, key: str, fault: str) -> None:
    """The destination wants nothing more: pause it until a person resumes the partner."""
    tx.connection.execute(update(schema.lanes).where(lane.key == key).values(paused=True, fault=fault))
    tx.connection.execute(
        update(schema.partners).where(literal("partner/") + p.slug == key).values(paused=True)
    )


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
    return _cancel(tx, [(key, reason) for key in keys])


def _tries(now: datetime) -> Select[Any]:
    newer = schema.deliveries.alias("newer").c
    superseded = exists().where(
        newer.item_id == d.item_id, newer.recipient == d.recipient, newer.revision > d.revision
    )
    # A ping that failed while the next change was planned: that one's ping says it all.
    repinged = exists().where(
        d.channel == Channel.WEBSUB,
        newer.item_id.is_(None),
        newer.recipient == d.recipient,
        newer.id > d.id,
    )
    accredited = exists().where(
        acc.contact_id == d.contact_id, acc.ended.is_(None), or_(acc.until.is_(None), acc.until > now)
    )
    return (
        select(
            d.id,
            d.subject,
            d.channel,
            d.lane,
            d.recipient,
            d.subscription_id,
            d.item_id,
            d.revision,
            d.release_id,
            d.version,
            d.mailbox,
            d.stop,
            d.attempts,
            d.doubts,
            d.lease_no,
            d.leased_by,
            d.created,
            d.state,
            d.priority,
            c.address,
            c.domain,
            c.name,
            p.slug,
            p.on_unknown,
            x.reason.label("suppressed"),
            s.state.label("subscription"),
            i.state.label("item"),
            (i.revision > d.revision).label("outdated"),
            superseded.label("superseded"),
            repinged.label("repinged"),
            r.state.label("release"),
            (r.version != d.version).label("reworded"),
            accredited.label("accredited"),
        )
        .outerjoin(schema.items, i.id == d.item_id)
        .outerjoin(schema.releases, r.id == d.release_id)
        .outerjoin(schema.contacts, c.id == d.contact_id)
        .outerjoin(schema.partners, p.id == d.partner_id)
        .outerjoin(schema.suppressions, x.key == c.key)
        .outerjoin(schema.subscriptions, s.id == d.subscription_id)
    )


def _try(row: Row[Any]) -> Try:
    return Try(
        id=row.id,
        subject=row.subject,
        channel=Channel(row.channel),
        lane=row.lane,
        recipient=row.recipient,
        address=row.address or row.mailbox or row.slug or ping_hub(row.recipient),
        name=row.name or "",
        domain=row.domain or (row.mailbox or "").rpartition("@")[2].lower(),
        attempt=row.attempts if row.state == DeliveryState.SENDING else row.attempts + 1,
        lease_no=row.lease_no,
        item_id=row.item_id,
        revision=row.revision,
        release_id=row.release_id,
        version=row.version,
        subscription_id=row.subscription_id,
        planned=row.created,
        doubts=row.doubts,
        worker=row.leased_by,
        priority=Priority(row.priority),
        on_unknown=OnUnknown(row.on_unknown) if row.on_unknown else None,
    )


def _why_not(row: Row[Any]) -> str | None:
    """Why a delivery must not go out although it was planned; suppression stands above everything."""
    if row.suppressed:
        return f"suppressed: {row.suppressed}"
    if row.stop:
        return str(row.stop)
    # A kill is a service to whoever had the thing, also after they left (EM5); so is news of its embargo.
    warning = row.priority == Priority.KILL or row.subject.startswith("notice/")
    if row.subscription == SubscriptionState.ENDED and not warning:
        return "the subscription has ended"
    if row.subject.startswith("advance/"):
        return _why_no_advance(row)
    # A try that was on the wire when its item was corrected or taken back, and came back unsent.
    if row.outdated and row.item != ItemState.LIVE:
        return f"the item was {row.item}"
    if row.superseded:
        return "a newer revision took its place"
    if row.repinged:
        return "a newer change took its place"
    return None


def _why_no_advance(row: Row[Any]) -> str | None:
    """Words under embargo are for who is accredited at this moment, and only as they stand (EM1, E4)."""
    if not row.accredited:
        return "the recipient is not accredited (any more)"
    if row.release not in UNDER_WAY:
        return f"the release is {row.release or 'gone'}"
    return "the release was reworded" if row.reworded else None


def _cancel(tx: Tx, stopped: Sequence[tuple[int, str]]) -> int:
    reasons: dict[str, list[int]] = {}
    for delivery_id, why in stopped:
        reasons.setdefault(why, []).append(delivery_id)
    for why, keys in reasons.items():
        values = {"state": DeliveryState.CANCELLED, "detail": why, "settled": tx.now, "due": None}
        tx.connection.execute(update(schema.deliveries).where(d.id.in_(keys)).values(**values))
        # What was never sent was never had: they stay entitled, should the reason go away.
        untouched = select(d.id).where(d.id.in_(keys), d.doubts == 0)
        tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(untouched)))
    return len(stopped)


def _hold(tx: Tx, tries: Sequence[Try]) -> None:
    """Lock these rows in the order everybody locks them in, by key: an UPDATE alone has none on PostgreSQL."""
    if not tx.on_sqlite:
        keys = [attempt.id for attempt in tries]
        tx.connection.execute(select(d.id).where(d.id.in_(keys)).order_by(d.id).with_for_update()).all()


def _fenced(tries: Iterable[Try]) -> ColumnElement[bool]:
    return tuple_(d.id, d.lease_no).in_([(attempt.id, attempt.lease_no) for attempt in tries])


_SETTLE = (
    update(schema.deliveries)
    .where(d.id == bindparam("key"))
    .values(
        state=bindparam("next_state"),
        due=bindparam("next_due"),
        doubts=d.doubts + bindparam("doubt"),
        outcome=bindparam("last_outcome"),
        detail=bindparam("words"),
        settled=bindparam("settled_at"),
        lease_until=None,
        leased_by=None,
    )
)


def _settled(tx: Tx, attempt: Try, result: Result, policy: Policy) -> dict[str, Any]:
    verdict = settle(attempt, result, policy, tx.now)
    return {
        "key": attempt.id,
        "next_state": verdict.state,
        "next_due": verdict.due,
        "doubt": int(result.outcome is Outcome.UNKNOWN),
        "last_outcome": result.outcome,
        "words": result.detail,
        "settled_at": None if verdict.state is DeliveryState.DUE else tx.now,
    }


def _tried(tx: Tx, attempt: Try, result: Result, started: datetime) -> dict[str, Any]:
    return {
        "delivery_id": attempt.id,
        "number": attempt.attempt,
        "worker": attempt.worker,
        "started": started,
        "ended": tx.now,
        "outcome": result.outcome,
        "code": result.code,
        "cause": result.cause,
        "detail": result.detail,
    }
