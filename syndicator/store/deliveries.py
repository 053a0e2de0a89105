"""The delivery ledger: one row per (subject, recipient); what was planned, tried and became of it.

Planning is part of the transaction that makes the thing public. Claims raise a fencing number
(`lease_no`); *sending* is committed before a socket opens; only the holder of the fence settles.
`delivery_contents` says which revisions a delivery carried. Serves walk B.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
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
    tuple_,
    update,
)

from syndicator.errors import NotFound, Refused
from syndicator.model.audience import Cadence, SubscriptionState
from syndicator.model.delivery import (
    MAY_HAVE,
    OPEN,
    Channel,
    DeliveryState,
    Outcome,
    Policy,
    Priority,
    Result,
    Role,
    Settlement,
    Try,
    confirmation_subject,
    settle,
)
from syndicator.model.item import Item
from syndicator.store import schema
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
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A ledger row as operators see it; `recipient` is the address or the partner's slug, whole."""

    id: int
    subject: str
    recipient: str
    channel: Channel
    state: DeliveryState
    attempts: int
    last_outcome: Outcome | None
    detail: str | None
    due: datetime | None
    created: datetime
    settled: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try, kept for ever."""

    number: int
    worker: str | None
    started: datetime
    ended: datetime
    outcome: Outcome
    code: int | None
    detail: str


# --- planning ---------------------------------------------------------------------------------


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
    _record_contents(tx, subject, item)
    return added


def plan_told(tx: Tx, item: Item, subject: str, priority: Priority, *, machines_only: bool = False) -> int:
    """Tell everyone who had the item, or may have (DESIGN promise 3); returns how many were added.

    A correction needs at least one live subscription of the contact; a kill reaches the others too.
    A plain withdrawal is told to partners alone (`machines_only`): they keep copies.
    """
    may_have = d.state.in_(MAY_HAVE) | (d.doubts > 0)
    live = exists().where(s.contact_id == d.contact_id, s.state == SubscriptionState.ACTIVE)
    reached = (
        select(
            d.contact_id,
            d.partner_id,
            d.recipient,
            d.channel,
            d.lane,
            func.max(d.subscription_id).label("sub"),
        )
        .join(schema.delivery_contents, dc.delivery_id == d.id)
        .where(dc.item_id == item.id, may_have)
        .group_by(d.contact_id, d.partner_id, d.recipient, d.channel, d.lane)
    )
    if machines_only:
        reached = reached.where(d.partner_id.is_not(None))
    elif priority is not Priority.KILL:
        reached = reached.where(or_(d.partner_id.is_not(None), live))
    had = reached.subquery().c
    columns = _row_columns(
        subject,
        had.recipient,
        had.contact_id,
        had.partner_id,
        had["sub"],
        item,
        had.channel,
        had.lane,
        priority,
        tx.now,
    )
    added = _insert_planned(tx, select(*columns).where(literal(True)))
    _record_contents(tx, subject, item)
    return added


def replace_unsent(tx: Tx, item: Item, subject: str) -> int:
    """Let whatever carries an older revision and has certainly not been sent carry this one instead.

    The old rows are cancelled, new ones owe the same to the same recipients. A due repeat of a doubt
    is only cancelled: they may have had it, and a correction will tell them so.
    """
    same = (d.recipient, d.contact_id, d.partner_id, d.subscription_id)
    instant = literal(tx.now, schema.Instant())
    fresh = (literal(DeliveryState.DUE.value), d.due, literal(0), literal(0), literal(0), instant)
    words = (literal(subject), *same, d.item_id, literal(item.revision), d.channel, d.lane, d.priority)
    heirs = select(*words, *fresh).where(_unsent(item), d.doubts == 0, d.subject != subject)
    doomed = select(d.id).where(_unsent(item), d.subject != subject)
    tx.connection.execute(
        delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed.where(d.doubts == 0)))
    )
    added = _insert_planned(tx, heirs)
    _cancel_unsent(tx, item, subject, "a newer revision took its place")
    _record_contents(tx, subject, item)
    return added


def cancel_unsent(tx: Tx, item: Item, reason: str) -> int:
    """Nothing of this item that is not yet on the wire goes out any more; returns how many were stopped."""
    doomed = select(d.id).where(_unsent(item), d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    return _cancel_unsent(tx, item, "", reason)


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


# --- claiming and settling --------------------------------------------------------------------


def due_lanes(tx: Tx) -> list[tuple[str, Channel]]:
    """Destinations with something due that are neither paused nor backing off."""
    waiting = exists().where(d.lane == lane.key, d.state == DeliveryState.DUE, d.due <= tx.now)
    query = select(lane.key, lane.channel).where(lane.paused.is_(False), lane.open <= tx.now, waiting)
    return [(row.key, Channel(row.channel)) for row in tx.connection.execute(query.order_by(lane.key))]


def next_due(tx: Tx) -> datetime | None:
    """When the next delivery or lease on a lane that is not paused asks for attention, or None."""
    ready = case((d.due > lane.open, d.due), else_=lane.open)
    due = (
        select(func.min(ready))
        .join(schema.lanes, lane.key == d.lane)
        .where(d.state == DeliveryState.DUE, lane.paused.is_(False))
    )
    lease = select(func.min(d.lease_until)).where(d.state.in_((DeliveryState.LEASED, DeliveryState.SENDING)))
    instants = [tx.connection.execute(query).scalar() for query in (due, lease)]
    return min((instant for instant in instants if instant), default=None)


def claim(tx: Tx, key: str, worker: str, limit: int, lease: timedelta) -> list[Try]:
    """Take up to `limit` due deliveries of a lane, in order of priority, until the lease runs out.

    Suppressed addresses and people who have left are settled as cancelled here, at the last moment.
    """
    due = (
        select(d.id)
        .where(d.lane == key, d.state == DeliveryState.DUE, d.due <= tx.now)
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
    rows = tx.connection.execute(
        _tries().where(d.id.in_(list(taken))).order_by(d.priority, d.due, d.id)
    ).all()
    stopped = [(row.id, why) for row in rows if (why := _why_not(row))]
    _cancel(tx, stopped)
    gone = {delivery_id for delivery_id, _ in stopped}
    return [_try(row) for row in rows if row.id not in gone]


def start(tx: Tx, tries: Sequence[Try], lease: timedelta) -> list[Try]:
    """Mark these as *sending*, to be committed before a socket opens; returns those still ours.

    Whoever is missing was taken over or cancelled meanwhile and must not be sent.
    """
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


def give_back(tx: Tx, tries: Sequence[Try], pause: timedelta = timedelta()) -> None:
    """Deliveries that were claimed but certainly not sent are due again; it counts as no attempt."""
    if tries:
        tx.connection.execute(
            update(schema.deliveries)
            .where(_fenced(tries), d.state == DeliveryState.LEASED)
            .values(state=DeliveryState.DUE, due=tx.now + pause, lease_until=None, leased_by=None)
        )


def settle_all(tx: Tx, results: Sequence[tuple[Try, Result]], policy: Policy) -> int:
    """Write how these tries ended, if the fence is still ours; returns how many were.

    A worker that woke up after its lease settles nothing: another has recorded the doubt.
    """
    settled: list[tuple[Try, Result]] = []
    for attempt, result in results:
        verdict = settle(attempt, result, policy, tx.now)
        if _settle_one(tx, attempt, result, verdict):
            settled.append((attempt, result))
    _record_attempts(tx, settled)
    return len(settled)


def recover(tx: Tx, policy: Policy, limit: int = 500) -> tuple[int, int]:
    """Take back what dead workers held: leased is due again, sending is a doubt; returns both counts."""
    over = (d.lease_until <= tx.now) & d.state.in_((DeliveryState.LEASED, DeliveryState.SENDING))
    expired = select(d.id).where(over).order_by(d.lease_until).limit(limit).with_for_update(skip_locked=True)
    keys = list(tx.connection.execute(expired).scalars())
    if not keys:
        return 0, 0
    leased = tx.connection.execute(
        update(schema.deliveries)
        .where(d.id.in_(keys), d.state == DeliveryState.LEASED)
        .values(state=DeliveryState.DUE, due=tx.now, lease_until=None, leased_by=None)
    ).rowcount
    doubts = tx.connection.execute(_tries().where(d.id.in_(keys), d.state == DeliveryState.SENDING)).all()
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


# --- for operators ----------------------------------------------------------------------------


def listing(
    tx: Tx, *, limit: int | None = None, after: int = 0, state: str | None = None, subject: str | None = None
) -> list[Delivery]:
    """Ledger rows in the order they were planned."""
    query = _deliveries().where(d.id > after).order_by(d.id).limit(limit)
    if state:
        query = query.where(d.state == state)
    if subject:
        query = query.where(d.subject.startswith(subject, autoescape=True))
    return [_delivery(row) for row in tx.connection.execute(query)]


def named(tx: Tx, delivery_id: int) -> Delivery:
    """One ledger row; raises NotFound."""
    row = tx.connection.execute(_deliveries().where(d.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}; `syndicator delivery list` shows them all")
    return _delivery(row)


def attempts(tx: Tx, delivery_id: int) -> list[Attempt]:
    """Every try of a delivery, oldest first."""
    a = schema.attempts.c
    rows = tx.connection.execute(select(schema.attempts).where(a.delivery_id == delivery_id).order_by(a.id))
    return [
        Attempt(
            number=row.number,
            worker=row.worker,
            started=row.started,
            ended=row.ended,
            outcome=Outcome(row.outcome),
            code=row.code,
            detail=row.detail,
        )
        for row in rows
    ]


def contents(tx: Tx, delivery_id: int) -> list[tuple[int, int]]:
    """Which (item, revision) a delivery carried."""
    query = (
        select(dc.item_id, dc.revision).where(dc.delivery_id == delivery_id).order_by(dc.item_id, dc.revision)
    )
    return [(row.item_id, row.revision) for row in tx.connection.execute(query)]


def earlier_subject(tx: Tx, delivery_id: int) -> str | None:
    """The subject under which this recipient first had the same item: what a correction answers to."""
    this = select(d.recipient, d.item_id).where(d.id == delivery_id).subquery().c
    query = (
        select(d.subject)
        .join(schema.delivery_contents, dc.delivery_id == d.id)
        .where(dc.item_id == select(this.item_id).scalar_subquery())
        .where(d.recipient == select(this.recipient).scalar_subquery(), d.id < delivery_id)
        .where(d.state.in_(MAY_HAVE) | (d.doubts > 0))
        .order_by(d.id)
    )
    return tx.connection.execute(query).scalars().first()


def counts(tx: Tx) -> dict[tuple[Channel, DeliveryState], int]:
    """How many deliveries stand where, by channel."""
    rows = tx.connection.execute(
        select(d.channel, d.state, func.count().label("n")).group_by(d.channel, d.state)
    )
    return {(Channel(row.channel), DeliveryState(row.state)): row.n for row in rows}


def open_count(tx: Tx) -> int:
    """How many duties are not settled yet."""
    query = select(func.count()).select_from(schema.deliveries).where(d.state.in_(OPEN))
    return int(tx.connection.execute(query).scalar_one())


def retry(tx: Tx, delivery_id: int) -> None:
    """A person says: try this again now. Raises Refused for one that was accepted or is under way."""
    delivery = named(tx, delivery_id)
    if delivery.state in (DeliveryState.ACCEPTED, DeliveryState.LEASED, DeliveryState.SENDING):
        raise Refused(
            f"delivery {delivery_id} is {delivery.state}; only what failed, waits or is in doubt can be tried again"
        )
    tx.connection.execute(
        update(schema.deliveries)
        .where(d.id == delivery_id)
        .values(state=DeliveryState.DUE, due=tx.now, settled=None)
    )


def resolve(tx: Tx, delivery_id: int, state: DeliveryState, reason: str) -> None:
    """A person settles a doubt: it arrived, or it is not to be tried again."""
    delivery = named(tx, delivery_id)
    if delivery.state is not DeliveryState.UNKNOWN:
        raise Refused(f"delivery {delivery_id} is {delivery.state}; only a doubt (unknown) can be resolved")
    tx.connection.execute(
        update(schema.deliveries)
        .where(d.id == delivery_id)
        .values(state=state, detail=reason, settled=tx.now)
    )


def cancel_for_subscription(tx: Tx, subscription_id: int, reason: str) -> int:
    """Somebody left: nothing that came through this subscription and is not yet on the wire goes out.

    What the contact is owed through another live subscription to one of the item's topics goes on
    under that one.
    """
    m = schema.memberships.c
    other = (
        select(func.min(s.id))
        .join(schema.memberships, m.topic_id == s.topic_id)
        .where(s.contact_id == d.contact_id, s.id != subscription_id, s.state == SubscriptionState.ACTIVE)
        .where(s.cadence == Cadence.IMMEDIATE, m.item_id == d.item_id)
        .scalar_subquery()
    )
    waiting = (d.subscription_id == subscription_id) & d.state.in_((DeliveryState.DUE, DeliveryState.LEASED))
    tx.connection.execute(
        update(schema.deliveries).where(waiting, other.is_not(None)).values(subscription_id=other)
    )
    keys = tx.connection.execute(select(d.id).where(waiting)).scalars()
    return _cancel(tx, [(key, reason) for key in keys])


# --- inside -----------------------------------------------------------------------------------

COLUMNS = (
    "subject recipient contact_id partner_id subscription_id item_id revision channel lane priority "
    "state due lease_no attempts doubts created"
).split()


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
    instant = literal(now, schema.Instant())
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
    nobody = cast(null(), schema.Id)
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
    for row in rows:
        tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(**row))
    return len(rows)


def _unsent(item: Item) -> ColumnElement[bool]:
    return (d.item_id == item.id) & d.state.in_((DeliveryState.DUE, DeliveryState.LEASED))


def _cancel_unsent(tx: Tx, item: Item, subject: str, reason: str) -> int:
    values = {"state": DeliveryState.CANCELLED, "detail": reason, "settled": tx.now, "due": None}
    doomed = update(schema.deliveries).where(_unsent(item), d.subject != subject)
    return tx.connection.execute(doomed.values(**values)).rowcount


def _record_contents(tx: Tx, subject: str, item: Item) -> None:
    told = d.priority.in_((int(Priority.KILL), int(Priority.CORRECTION)))
    role = case((told, literal(Role.TOLD.value)), else_=literal(Role.OWED.value))
    carried = select(d.id, literal(item.id), literal(item.revision), d.recipient, role).where(
        d.subject == subject, d.state == DeliveryState.DUE, ~exists().where(dc.delivery_id == d.id)
    )
    names = ["delivery_id", "item_id", "revision", "recipient", "role"]
    tx.connection.execute(insert_or_skip(tx, schema.delivery_contents).from_select(names, carried))


def _tries() -> Select[Any]:
    return (
        select(
            d.id,
            d.subject,
            d.channel,
            d.lane,
            d.contact_id,
            d.partner_id,
            d.subscription_id,
            d.item_id,
            d.revision,
            d.attempts,
            d.doubts,
            d.lease_no,
            d.leased_by,
            d.created,
            d.state,
            d.priority,
            c.address,
            c.name,
            p.slug,
            x.reason.label("suppressed"),
            s.state.label("subscription"),
        )
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
        recipient_id=row.contact_id or row.partner_id,
        address=row.address or row.slug,
        name=row.name or "",
        attempt=row.attempts if row.state == DeliveryState.SENDING else row.attempts + 1,
        lease_no=row.lease_no,
        item_id=row.item_id,
        revision=row.revision,
        token_id=row.subscription_id,
        planned=row.created,
        doubts=row.doubts,
        worker=row.leased_by,
    )


def _why_not(row: Row[Any]) -> str | None:
    """Why a delivery must not go out although it was planned; suppression stands above everything."""
    if row.suppressed:
        return f"suppressed: {row.suppressed}"
    # A kill is a service to whoever had the thing, also after they left (EM5).
    if row.subscription == SubscriptionState.ENDED and row.priority != Priority.KILL:
        return "the subscription has ended"
    return None


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


def _fenced(tries: Iterable[Try]) -> ColumnElement[bool]:
    return tuple_(d.id, d.lease_no).in_([(attempt.id, attempt.lease_no) for attempt in tries])


def _settle_one(tx: Tx, attempt: Try, result: Result, verdict: Settlement) -> bool:
    doubt = 1 if result.outcome is Outcome.UNKNOWN else 0
    settled = None if verdict.state is DeliveryState.DUE else tx.now
    done = tx.connection.execute(
        update(schema.deliveries)
        .where(d.id == attempt.id, d.lease_no == attempt.lease_no, d.state == DeliveryState.SENDING)
        .values(
            state=verdict.state,
            due=verdict.due,
            lease_until=None,
            leased_by=None,
            doubts=d.doubts + doubt,
            outcome=result.outcome,
            detail=result.detail,
            settled=settled,
        )
    )
    return done.rowcount == 1


def _record_attempts(tx: Tx, settled: Sequence[tuple[Try, Result]]) -> None:
    if not settled:
        return
    started = dict(
        tx.connection.execute(
            select(d.id, d.sending).where(d.id.in_([attempt.id for attempt, _ in settled]))
        ).all()
    )
    rows = [
        {
            "delivery_id": attempt.id,
            "number": attempt.attempt,
            "worker": attempt.worker,
            "started": started[attempt.id],
            "ended": tx.now,
            "outcome": result.outcome,
            "code": result.code,
            "detail": result.detail,
        }
        for attempt, result in settled
    ]
    tx.connection.execute(insert(schema.attempts), rows)


def _deliveries() -> Select[Any]:
    return (
        select(schema.deliveries, c.address, p.slug)
        .outerjoin(schema.contacts, c.id == d.contact_id)
        .outerjoin(schema.partners, p.id == d.partner_id)
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        subject=row.subject,
        recipient=row.address or row.slug,
        channel=Channel(row.channel),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        last_outcome=Outcome(row.outcome) if row.outcome else None,
        detail=row.detail,
        due=row.due,
        created=row.created,
        settled=row.settled,
    )
