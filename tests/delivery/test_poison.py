"""One letter at which the relay hangs up every time: it must not hold up the others, whatever its priority."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndicator.delivery.lanes import drain
from syndicator.model.delivery import DeliveryState, Outcome, Priority, Result, Try
from syndicator.model.outcomes import Cause
from syndicator.store import Store, deliveries
from tests.delivery.test_incidents import queue, write
from tests.delivery.test_lanes import ACCEPTED, Scripted, crew
from tests.make import FakeClock

CLOSED = Result(outcome=Outcome.DEFERRED, detail="421 closing", code=421, cause=Cause.RELAY)
LOST = Result(outcome=Outcome.DEFERRED, detail="connection lost", cause=Cause.RELAY)
POISON = {
    "confirmation": queue("confirmation/1", Priority.CONFIRMATION),
    "kill": queue("revision/killed/2", Priority.KILL),
}


@pytest.mark.parametrize("answer", [CLOSED, LOST])
@pytest.mark.parametrize("kind", list(POISON))
def test_a_letter_that_ends_connections_lets_the_others_go(
    store: Store, clock: FakeClock, kind: str, answer: Result
) -> None:
    """mail:SE7: worked every 20 minutes, ten others are out within hours; then it is its own failure, and no incident."""
    poison = POISON[kind]
    news = [{"subject": f"revision/news{n}/1", "recipient": "r"} for n in range(10)]
    write(store, poison, *news)

    def say(attempt: Try) -> Result:
        return answer if attempt.subject == poison["subject"] else ACCEPTED

    for _ in range(8):
        drain(crew(store, Scripted(say=say, batch=1)))
        clock.advance(minutes=20)
    with store.read() as tx:
        states = {one.subject: one.state for one in deliveries.listing(tx)}
    assert DeliveryState.DUE == states.pop(str(poison["subject"]))
    assert {DeliveryState.ACCEPTED} == set(states.values())
    for _ in range(6):  # it is the only one left, and it is tried as any letter that is put off
        write(store, {"subject": f"revision/more{clock.now:%d%H%M}/1", "recipient": "r"})
        drain(crew(store, Scripted(say=say, batch=1)))
        clock.advance(hours=3)
    with store.read() as tx:
        found = {one.subject: one for one in deliveries.listing(tx)}
        (lane,) = deliveries.lanes(tx)
    mine = found.pop(str(poison["subject"]))
    assert 3 <= mine.attempts <= 8
    assert {DeliveryState.ACCEPTED} == {one.state for one in found.values()}
    assert lane.since is None


def test_what_met_an_incident_goes_when_it_is_over(store: Store, clock: FakeClock) -> None:
    """mail:SE7, mail:SE18: a kill that met the relay's trouble ten times goes as soon as another letter got through."""
    kill = POISON["kill"]
    write(store, kill, {"subject": "revision/news/1", "recipient": "r"})
    while clock.now.hour < 15:
        drain(crew(store, Scripted(say=lambda _: CLOSED, batch=1)))
        clock.advance(minutes=20)
    with store.read() as tx:
        assert {0} == {one.attempts for one in deliveries.listing(tx)}
        due = min(one.due for one in deliveries.listing(tx) if one.due)
    clock.now = max(clock.now, due)
    well = Scripted(batch=1)
    drain(crew(store, well))
    clock.advance(seconds=1)
    drain(crew(store, well))
    assert {"accepted"} == {one.state for one in _all(store)}
    assert due - clock.now < timedelta(minutes=1)


def _all(store: Store) -> list[deliveries.Delivery]:
    with store.read() as tx:
        return deliveries.listing(tx)
