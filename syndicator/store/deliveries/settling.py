"""Settling: how tries ended, written under the fence, and the doubts dead workers left behind.

Serves walk B (`requirements/delivery-and-security` §1.4 rules 4 and 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, null, select, update

from syndicator.model.delivery import DeliveryState, Outcome, Policy, Result, Try, settle
from syndicator.store import bounces, schema
from syndicator.store.deliveries import domains
from syndicator.store.deliveries.destinations import IS_TAKEN
from syndicator.store.deliveries.trying import as_try, forget, hold_recipients, ours, query
from syndicator.store.engine import ForMany, Tx

d = schema.deliveries.c


def settle_all(
    tx: Tx,
    results: Sequence[tuple[Try, Result]],
    policy: Policy,
    held: Mapping[int, Any] | None = None,
) -> int:
    """Write how these tries ended, if the fence is still ours; returns how many were.

    A worker that woke up after its lease settles nothing: another has recorded the doubt. `held`: as in `ours`;
    whoever held them has held who may be given up because of it before.
    """
    if held is None:
        hold_recipients(tx, telling(results))
    found = ours(tx, [attempt for attempt, _ in results], DeliveryState.SENDING, held=held)
    mine = [(attempt, result) for attempt, result in results if attempt.id in found]
    if mine:
        domains.hear(tx, mine, policy)
        settled = [_settled(tx, attempt, result, policy, found[attempt.id].stop) for attempt, result in mine]
        _SETTLE.write(tx, settled)
        _REMEMBER.write(tx, [_tried(tx, a, result, found[a.id].sending) for a, result in mine])
        forget(tx, [row["key"] for row in settled if row["next_state"] is DeliveryState.CANCELLED])
        bounces.note(
            tx, [(a, result, row["next_state"]) for (a, result), row in zip(mine, settled, strict=True)]
        )
    return len(mine)


def telling(results: Sequence[tuple[Try, Result]]) -> list[Try]:
    """Those whose results may count against their addresses."""
    return [attempt for attempt, result in results if bounces.tells(attempt, result)]


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
        .values(state=DeliveryState.DUE, lease_until=None, leased_by=None)
    ).rowcount
    doubts = tx.connection.execute(
        query(tx.now).where(d.id.in_(keys), d.state == DeliveryState.SENDING)
    ).all()
    lost = Result(outcome=Outcome.UNKNOWN, detail="the worker ended while sending; it may have arrived")
    settle_all(tx, [(as_try(row), lost) for row in doubts], policy)
    return leased, len(doubts)


_REMEMBER = ForMany(insert(schema.attempts))
_SETTLE = ForMany(
    update(schema.deliveries)
    .where(d.id == bindparam("key"))
    .values(
        state=bindparam("next_state"),
        due=bindparam("next_due"),
        doubts=d.doubts + bindparam("doubt"),
        attempts=d.attempts - bindparam("uncounted"),
        outcome=bindparam("last_outcome"),
        detail=bindparam("words"),
        settled=bindparam("settled_at"),
        lease_until=null(),
        leased_by=null(),
    )
)


def _settled(tx: Tx, attempt: Try, result: Result, policy: Policy, stop: str | None) -> dict[str, Any]:
    verdict = settle(attempt, result, policy, tx.now)
    state, due, words = verdict.state, verdict.due, result.detail
    if stop and state is DeliveryState.DUE:  # it would be tried again, but nobody wants it any more
        doubtful = result.outcome is Outcome.UNKNOWN or attempt.doubts > 0
        state, due = (DeliveryState.UNKNOWN if doubtful else DeliveryState.CANCELLED), None
        words = f"{stop} ({words})" if words else stop
    return {
        "key": attempt.id,
        "next_state": state,
        "next_due": due,
        "doubt": int(result.outcome is Outcome.UNKNOWN),
        "uncounted": int(not verdict.counted),
        "last_outcome": result.outcome,
        "words": words,
        "settled_at": None if state is DeliveryState.DUE else tx.now,
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
