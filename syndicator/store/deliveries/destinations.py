"""Destinations as lanes see them: which have something due, which are in trouble and since when, which rest.

A destination in trouble is one incident, however many wait for it: it is left alone for a while that doubles, and
nobody's delivery suffers for it. Serves walk B.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)

from syndicator.errors import NotFound
from syndicator.model.delivery import (
    FEW_SPARED,
    Cause,
    Channel,
    DeliveryState,
    Outcome,
    Policy,
    Result,
    settle,
    spared_for,
)
from syndicator.store import occasions, schema
from syndicator.store.columns import Instant
from syndicator.store.deliveries.trying import as_try, query
from syndicator.store.engine import Tx

d, p, lane, a = schema.deliveries.c, schema.partners.c, schema.lanes.c, schema.attempts.c
m = schema.domains.c
# Written out, not bound: only so does SQLite see that its partial indexes fit.
IS_DUE = d.state == literal_column("'due'")
IS_TAKEN = d.state.in_([literal_column("'leased'"), literal_column("'sending'")])
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=2), timedelta(minutes=5)
TELL_EVERY = timedelta(hours=1)
MOST_FREED = 5000
# A domain that asked for patience once, and was not written to since, is trusted again after this.
FORGIVEN_AFTER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """A destination as operators see it: since when it is in trouble and why, and how many wait for it.

    `late` of them wait for a person (`delivery retry --late`). `oldest`: since when the one has waited that was
    due first (mail:SE19); None when nothing is due yet. All instants UTC.
    """

    key: str
    channel: Channel
    paused: bool
    since: datetime | None
    fault: str | None
    open: datetime
    waiting: int
    late: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A destination in trouble: how long it is left alone, since when it has been; `news`: tell somebody now."""

    pause: timedelta
    since: datetime
    news: bool


def lanes(tx: Tx) -> list[Lane]:
    """All destinations, and how many wait for each."""
    late = d.due.is_(None)
    # What concerns a release under embargo was planned long before its instant; what was put off has waited since.
    since = case((d.release_id.is_not(None), func.coalesce(d.due, d.created)), else_=d.created)
    counted = select(
        d.lane,
        func.count().label("waiting"),
        func.sum(case((late, 1), else_=0)).label("late"),
        func.min(case((late | (d.due <= tx.now) | (d.attempts > 0), since))).label("oldest"),
    )
    waits = {row.lane: row for row in tx.connection.execute(counted.where(IS_DUE).group_by(d.lane))}
    found = tx.connection.execute(select(schema.lanes).order_by(lane.key))
    return [
        Lane(
            key=row.key,
            channel=Channel(row.channel),
            paused=row.paused,
            since=row.since,
            fault=row.fault,
            open=row.open,
            waiting=its.waiting if its else 0,
            late=its.late if its else 0,
            oldest=its.oldest if its else None,
        )
        for row, its in ((row, waits.get(row.key)) for row in found)
    ]


def due_lanes(tx: Tx) -> list[tuple[str, Channel]]:
    """Destinations to serve: with something due, or `unasked`, and neither paused nor backing off."""
    waiting = exists().where(d.lane == lane.key, IS_DUE, d.due <= tx.now)
    served = _AWAKE & (waiting | _UNASKED)
    query = select(lane.key, lane.channel).where(served).order_by(lane.key)
    rows = tx.connection.execute(query, {"instant": tx.now})
    return [(row.key, Channel(row.channel)) for row in rows]


def unasked(tx: Tx, key: str) -> bool:
    """Whether this is a relay in trouble that no letter will ask again: all that waits for it is late.

    Nobody sends what is late unasked, so nobody would hear that the relay is back.
    """
    query = select(lane.key).where(lane.key == key, _AWAKE, _UNASKED)
    return tx.connection.execute(query, {"instant": tx.now}).first() is not None


_AWAKE = lane.paused.is_(False) & (lane.open <= bindparam("instant", type_=Instant()))
_UNASKED = (
    (lane.channel == literal_column("'mail'"))
    & (lane.failures > 0)
    & ~exists().where(d.lane == lane.key, IS_DUE, d.due.is_not(None))
    & ~exists().where(d.lane == lane.key, IS_TAKEN)
)


def next_due(tx: Tx) -> datetime | None:
    """When the next delivery or lease on a lane that is not paused asks for attention, or None."""
    soonest = select(func.min(d.due)).where(d.lane == lane.key, IS_DUE).scalar_subquery()
    open_lanes = select(lane.open, soonest.label("due")).where(lane.paused.is_(False))
    instants = [max(row.open, row.due) for row in tx.connection.execute(open_lanes) if row.due]
    lease = tx.connection.execute(select(func.min(d.lease_until)).where(IS_TAKEN)).scalar()
    return min([*instants, *([lease] if lease else [])], default=None)


def lane_failed(tx: Tx, key: str, fault: str, spared: Sequence[int] = ()) -> Incident:
    """The destination itself is in trouble: leave it alone for a while that doubles.

    Of several connections that fail at once only the first counts. `spared` are deliveries that met the
    trouble midway: they come again behind those that wait, the later the oftener, so that none can hold up
    the others. One that ended several connections of a destination that was well in between is itself
    in trouble: its try counts, and nothing is said of the destination.
    """
    hit = _hit(tx, spared)  # first: see `hold`
    row = tx.connection.execute(_HOLD, {"destination": key}).one()
    if hit and not row.failures and all(times >= FEW_SPARED for times in hit.values()):
        _count(tx, hit, fault)
        return Incident(pause=timedelta(), since=tx.now, news=False)
    since = row.since or tx.now
    if row.failures and row.open > tx.now:
        pause, news = row.open - tx.now, False
    else:
        pause = _pause(row.failures)
        news = row.failures == 0 or _hours(row.open - _pause(row.failures - 1), since) < _hours(tx.now, since)
        values = {"failures": row.failures + 1, "open": tx.now + pause, "fault": fault, "since": since}
        tx.connection.execute(update(schema.lanes).where(lane.key == key).values(**values))
    for delivery_id, times in hit.items():
        behind = update(schema.deliveries).where(d.id == delivery_id)
        tx.connection.execute(behind.values(due=tx.now + pause + spared_for(times)))
    return Incident(pause=pause, since=since, news=news)


def _hit(tx: Tx, spared: Sequence[int]) -> dict[int, int]:
    """Those of them that come again, and how many tries of each did not count."""
    if not spared:
        return {}
    tried = select(func.count()).where(a.delivery_id == d.id).scalar_subquery()
    waiting = select(d.id, (tried - d.attempts).label("times")).where(
        d.id.in_(_free(tx, d.id.in_(list(spared)) & IS_DUE))
    )
    return {row.id: row.times for row in tx.connection.execute(waiting.order_by(d.id))}


def _count(tx: Tx, hit: Iterable[int], fault: str) -> None:
    """These failed by themselves, at their last try."""
    result = Result(outcome=Outcome.DEFERRED, detail=fault, cause=Cause.RELAY)
    for row in tx.connection.execute(query(tx.now).where(d.id.in_(list(hit)))).all():
        after = settle(as_try(row), result, Policy(), tx.now)
        settled = None if after.state is DeliveryState.DUE else tx.now
        values = {"state": after.state, "due": after.due, "settled": settled, "attempts": row.attempts + 1}
        tx.connection.execute(update(schema.deliveries).where(d.id == row.id).values(**values))


class Condition(NamedTuple):
    """How a destination does: does it rest, is it in trouble, and are there domains with limits now (`paced`)?"""

    paused: bool = False
    failures: int = 0
    channel: str = ""
    paced: bool = False


def forgiven(now: datetime) -> ColumnElement[bool]:
    """Rows of `domains` that limit nothing any more: they rest no longer, and nothing was heard of them for a day."""
    return and_(m.open <= now, m.changed <= now - FORGIVEN_AFTER)


_NOW = bindparam("instant", type_=Instant())
_LIMITS = ((m.open > _NOW) | m.width.is_not(None) | m.rate.is_not(None)) & (
    (m.open > _NOW) | (m.changed > bindparam("lately", type_=Instant()))
)
_HOLD = select(schema.lanes).where(lane.key == bindparam("destination")).with_for_update()
_CONDITION = select(
    lane.paused,
    lane.failures,
    lane.channel,
    exists().where(m.lane == lane.key, _LIMITS).label("paced"),
).where(lane.key == bindparam("destination"))


def hold(tx: Tx, key: str) -> None:
    """Have the row of this destination until the transaction ends.

    The order for everybody: what is written of deliveries, then the lane, then its domains by name; who has a lane
    waits for no delivery any more (claims skip those that others have).
    """
    if not tx.on_sqlite:  # there a writer is alone anyway
        tx.connection.execute(_HOLD, {"destination": key}).all()


def condition(tx: Tx, key: str) -> Condition:
    """How this destination does; read once in a transaction, and again when that has changed something of it."""
    memo = f"condition of {key}"
    if memo not in tx.memo:
        values = {"destination": key, "instant": tx.now, "lately": tx.now - FORGIVEN_AFTER}
        row = tx.connection.execute(_CONDITION, values).one_or_none()
        tx.memo[memo] = Condition(*row) if row else Condition()
    found: Condition = tx.memo[memo]
    return found


def reconsider(tx: Tx, key: str) -> None:
    """This transaction has changed something of the destination: its condition is read anew when asked for."""
    tx.memo.pop(f"condition of {key}", None)


def lane_works(tx: Tx, key: str) -> bool:
    """The destination took something: no more back-off; returns whether an incident is over.

    What met the trouble, and nothing else yet, need not wait any longer.
    """
    healed = (lane.key == key) & (lane.failures > 0)
    values = {"failures": 0, "open": tx.now, "fault": None, "since": None}
    if not tx.connection.execute(update(schema.lanes).where(healed).values(**values)).rowcount:
        return False
    spared = (d.lane == key) & IS_DUE & (d.due > tx.now) & (d.attempts == 0) & (d.doubts == 0)
    met = _free(tx, spared & (d.outcome == Outcome.DEFERRED))
    tx.connection.execute(update(schema.deliveries).where(d.id.in_(met)).values(due=tx.now))
    return True


def _free(tx: Tx, which: ColumnElement[bool]) -> list[int]:
    """Those that nobody else works on: who holds a lane's row waits for no delivery's, for others do the reverse."""
    free = select(d.id).where(which).order_by(d.id).limit(MOST_FREED).with_for_update(skip_locked=True)
    return list(tx.connection.execute(free).scalars())


def lane_over(tx: Tx, key: str, fault: str) -> None:
    """The destination wants nothing more: pause it until a person resumes the partner."""
    tx.connection.execute(update(schema.lanes).where(lane.key == key).values(paused=True, fault=fault))
    _partner(tx, key, paused=True)


def pause(tx: Tx, key: str, fault: str) -> bool:
    """Let nothing go to this destination any more, saying why; False if it rests already. Raises NotFound."""
    _known(tx, key)
    awake = (lane.key == key) & lane.paused.is_(False)
    done = tx.connection.execute(update(schema.lanes).where(awake).values(paused=True, fault=fault))
    reconsider(tx, key)
    _partner(tx, key, paused=True)
    return bool(done.rowcount)


def resume(tx: Tx, key: str) -> bool:
    """Let what waits for this destination go, at once; False if it did not rest. Raises NotFound.

    Its incident and its alarms are over with that: what is still wrong shows anew.
    """
    _known(tx, key)
    values = {"paused": False, "failures": 0, "open": tx.now, "fault": None, "since": None}
    resting = (lane.key == key) & lane.paused.is_(True)
    done = tx.connection.execute(update(schema.lanes).where(resting).values(**values))
    reconsider(tx, key)
    _partner(tx, key, paused=False)
    if done.rowcount:
        for kind in ("lane", "stop"):
            occasions.end(tx, f"{kind}/{key}/")
    return bool(done.rowcount)


def stopped(tx: Tx, key: str, ids: Sequence[int]) -> frozenset[int] | None:
    """Which of these, marked *sending*, must not be sent after all; None: nothing may go to the lane at all."""
    if tx.connection.execute(select(lane.paused).where(lane.key == key)).scalar():
        return None
    query = select(d.id).where(d.id.in_(list(ids)), d.stop.is_not(None))
    return frozenset(tx.connection.execute(query).scalars())


def _partner(tx: Tx, key: str, *, paused: bool) -> None:
    """Whose lane it is shows it, too."""
    theirs = literal("partner/") + p.slug == key
    tx.connection.execute(update(schema.partners).where(theirs).values(paused=paused))


def _known(tx: Tx, key: str) -> None:
    names = set(tx.connection.execute(select(lane.key)).scalars())
    if key not in names:
        there = f"there are {', '.join(sorted(names))}" if names else "nothing was ever planned"
        raise NotFound(f'there is no lane "{key}": {there}')


def _pause(failures: int) -> timedelta:
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures, 16), LONGEST_PAUSE)
    return pause


def _hours(instant: datetime, since: datetime) -> int:
    return (instant - since) // TELL_EVERY
