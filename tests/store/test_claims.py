"""What a claim asks at the last moment of an advance copy, and how long what is not claimed has waited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from syndicator import publish
from syndicator.model.delivery import Outcome, Policy, Result, Try
from syndicator.model.release import ReleaseState
from syndicator.store import Store, Tx, accreditations, deliveries, schema
from tests.advances import NINE, accredited, scheduled
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

LEASE = timedelta(minutes=10)
DEFERRED = Result(outcome=Outcome.DEFERRED, code=451, detail="not now")


def take(store: Store, policy: Policy | None = None) -> list[Try]:
    with store.begin() as tx:
        return deliveries.claim(tx, "mail", "w", 50, LEASE, policy)


def cancelled(store: Store) -> list[str | None]:
    with store.read() as tx:
        return [one.detail for one in deliveries.listing(tx, state="cancelled")]


def advance_due(store: Store, until: timedelta | None = None) -> None:
    """One advance copy that is due now, for one contact who is accredited (so long)."""
    make_newsroom(store, "policy")
    with store.begin() as tx:
        contact = accredited(tx, "ann@x.example")
        if until:
            accreditations.accredit(tx, contact, "editor", "signed the terms", NOW + until)
    scheduled(store)


def set_release(tx: Tx, **values: Any) -> None:
    """Straight into the row: what stops advance copies elsewhere must not be what this shows."""
    tx.connection.execute(update(schema.releases).values(**values))


def end_accreditation(tx: Tx) -> None:
    tx.connection.execute(update(schema.accreditations).values(ended=tx.now, reason="left"))


def reword(tx: Tx) -> None:
    set_release(tx, version=schema.releases.c.version + 1)


NOT_ACCREDITED = "the recipient is not accredited (any more)"
STATES = [one for one in ReleaseState if one not in (ReleaseState.APPROVED, ReleaseState.SCHEDULED)]


def test_an_advance_goes_to_whom_it_is_for(store: Store) -> None:
    """mail:EM1: accredited, scheduled and as it stands: the claim lets it go. The other tests begin from here."""
    advance_due(store, timedelta(days=1))
    assert ["ann@x.example"] == [one.address for one in take(store)]


@pytest.mark.parametrize(
    ("act", "why"), [(end_accreditation, NOT_ACCREDITED), (reword, "the release was reworded")]
)
def test_an_advance_is_stopped_at_the_last_moment(store: Store, act: Callable[[Tx], None], why: str) -> None:
    """mail:EM1, security:E4: who is not accredited any more, and whoever would get other words, gets nothing."""
    advance_due(store)
    with store.begin() as tx:
        act(tx)
    assert [] == take(store)
    assert [why] == cancelled(store)


def test_an_accreditation_that_runs_out_stops_the_advance(store: Store, clock: FakeClock) -> None:
    """mail:EM1: nobody ends it, its last instant has gone by."""
    advance_due(store, timedelta(minutes=30))
    clock.now = NOW + timedelta(minutes=30)
    assert [] == take(store)
    assert [NOT_ACCREDITED] == cancelled(store)


@pytest.mark.parametrize("state", STATES)
def test_nobody_stands_for_the_release(store: Store, state: ReleaseState) -> None:
    """security:E4: an advance copy goes out of what is approved or scheduled only."""
    advance_due(store)
    with store.begin() as tx:
        set_release(tx, state=state)
    assert [] == take(store)
    assert [f"the release is {state}"] == cancelled(store)


# -- how long they have waited


def oldest(store: Store) -> object:
    with store.read() as tx:
        (lane,) = deliveries.lanes(tx)
    return lane.oldest


def test_the_oldest_is_known_by_lane(store: Store, clock: FakeClock) -> None:
    """mail:SE19: since it was planned, however often it was put off or set aside as late; nothing due, nothing old."""
    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx, "a@x.example")
        publish.publish(tx, "tag:x,1", make_content())
    assert oldest(store) == NOW
    clock.advance(minutes=1)
    with store.begin() as tx:
        tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 50, LEASE), LEASE)
        deliveries.settle_all(tx, [(one, DEFERRED) for one in tries], Policy())
    assert oldest(store) == NOW
    with store.begin() as tx:
        publish.publish(tx, "tag:x,2", make_content())
        tx.connection.execute(update(schema.deliveries).values(attempts=0, due=tx.now))
    clock.advance(days=1)
    assert [] == take(store, Policy(late_after=timedelta(hours=1)))
    assert oldest(store) == NOW


def test_what_is_not_due_yet_is_not_old(store: Store, clock: FakeClock) -> None:
    """mail:SE19: an advance copy planned for later has not waited; from its instant on it does."""
    make_newsroom(store, "policy")
    with store.begin() as tx:
        accredited(tx, "ann@x.example")
    scheduled(store, advance=NINE - timedelta(minutes=10))
    assert oldest(store) is None
    clock.now = NINE
    assert oldest(store) == NINE - timedelta(minutes=10)
