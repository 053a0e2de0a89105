"""Lanes: claim, send, settle; told to stop, in trouble, beside each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from syndicator import publish
from syndicator.delivery.lanes import Crew, attend, drain, next_due, run
from syndicator.delivery.road import Parcel, Road
from syndicator.errors import Refused, TryLater, Unreachable
from syndicator.model.audience import address
from syndicator.model.delivery import Channel, Outcome, Policy, Result, Try
from syndicator.model.suppression import Reason
from syndicator.store import Store, Tx, deliveries, partners, suppressions
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_partner, make_subscription

UID = "tag:x,1"
ACCEPTED = Result(outcome=Outcome.ACCEPTED)


@dataclass
class Scripted:
    """A road that says what the test wants; `before` is asked at each parcel it takes."""

    say: Callable[[Try], Result] = lambda _: ACCEPTED
    opening: Exception | None = None
    batch: int = 50
    carried: list[str] = field(default_factory=list)
    faulty: frozenset[str] = frozenset()
    closed: int = 0

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        refused = Result(outcome=Outcome.REFUSED, detail="cannot be written")
        return [Parcel(one, fault=refused if one.address in self.faulty else None) for one in tries]

    def open(self) -> None:
        if self.opening:
            raise self.opening

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        for parcel in parcels:
            self.carried.append(parcel.attempt.address)
            yield parcel, self.say(parcel.attempt)

    def close(self) -> None:
        self.closed += 1


def crew(store: Store, roads: Road | dict[str, Road], width: int = 1, policy: Policy | None = None) -> Crew:
    return Crew(
        store=store,
        roads=lambda key, _: roads[key] if isinstance(roads, dict) else roads,
        worker="w",
        policy=policy or Policy(),
        width=lambda _: width,
        stop=threading.Event(),
    )


def owe(store: Store, people: int) -> list[str]:
    make_newsroom(store)
    mails = [f"r{n}@x.example" for n in range(people)]
    with store.begin() as tx:
        for mail in mails:
            make_subscription(tx, mail)
        publish.publish(tx, UID, make_content())
    return mails


def states(store: Store) -> list[str]:
    with store.read() as tx:
        return [row.state for row in deliveries.listing(tx)]


def test_all_that_is_due_goes_out_in_order(store: Store) -> None:
    """design:4: a lane works until nothing is due; each delivery is carried once, in the order planned."""
    mails, road = owe(store, 120), Scripted()
    working = crew(store, road)
    assert 120 == drain(working)
    assert mails == road.carried
    assert {"accepted"} == set(states(store))
    assert 0 == drain(working)
    assert next_due(working) is None
    assert road.closed


def test_rows_are_sending_before_a_mouth_is_opened(store: Store) -> None:
    """delivery:1.4.3: whatever a road carries has been committed as *sending* before."""
    owe(store, 7)
    seen = []

    def look(attempt: Try) -> Result:
        with store.read() as tx:
            seen.append(deliveries.named(tx, attempt.id).state)
        return ACCEPTED

    drain(crew(store, Scripted(say=look)))
    assert ["sending"] * 7 == seen


def test_told_to_stop_the_rest_goes_back_unsent(store: Store) -> None:
    """mail:SE12: a stop in mid-batch gives the untouched back, due at once, with no attempt counted."""
    mails, road = owe(store, 4), Scripted()
    working = crew(store, road)

    def stop(attempt: Try) -> Result:
        if attempt.address == mails[1]:
            working.stop.set()
        return ACCEPTED

    road.say = stop
    assert 2 == drain(working)
    assert mails[:2] == road.carried
    with store.read() as tx:
        found = [(row.state, row.attempts, row.due) for row in deliveries.listing(tx)]
    assert [("accepted", 1, None)] * 2 + [("due", 0, NOW)] * 2 == found


@pytest.mark.parametrize("fault", [Unreachable("no route"), TryLater("busy")])
def test_a_destination_that_cannot_be_reached(store: Store, fault: Exception) -> None:
    """delivery:1.4.7: it is one incident: nothing is marked, nothing tried, the lane backs off."""
    owe(store, 9)
    road = Scripted(opening=fault)
    working = crew(store, road)
    assert 0 == drain(working)
    with store.read() as tx:
        assert {("due", 0)} == {(row.state, row.attempts) for row in deliveries.listing(tx)}
        (lane,) = partners.lanes(tx)
    assert (1, str(fault), NOW + timedelta(seconds=2)) == (lane.failures, lane.fault, lane.open)
    assert lane.open == next_due(working)


def test_a_lane_backs_off_when_nothing_is_accepted_and_heals(store: Store, clock: FakeClock) -> None:
    """delivery:1.4.7: deferrals alone are trouble of the destination; one accepted heals it."""
    owe(store, 3)
    road = Scripted(say=lambda _: Result(outcome=Outcome.DEFERRED, detail="busy"))
    drain(crew(store, road))
    with store.read() as tx:
        assert [(1, "busy")] == [(lane.failures, lane.fault) for lane in partners.lanes(tx)]
    clock.advance(hours=1)
    assert 3 == drain(crew(store, Scripted()))
    with store.read() as tx:
        assert [(0, None)] == [(lane.failures, lane.fault) for lane in partners.lanes(tx)]


def test_one_letter_that_cannot_be_written_is_refused_alone(store: Store) -> None:
    """mail:MC: a fault of one delivery is its own: the others go out, the lane is well."""
    mails = owe(store, 3)
    road = Scripted(faulty=frozenset(mails[:1]))
    assert 3 == drain(crew(store, road))
    assert mails[1:] == road.carried
    assert ["refused", "accepted", "accepted"] == states(store)


def test_suppressed_between_plan_and_claim(store: Store) -> None:
    """security:R6: the crowd of the suppressed ends no drain; not one of them is carried."""
    mails = owe(store, 60)
    with store.begin() as tx:
        for mail in mails[:55]:
            suppressions.suppress(tx, address(mail), Reason.COMPLAINT)
    road = Scripted()
    assert 5 == drain(crew(store, road))
    assert mails[55:] == road.carried


def test_a_lane_in_trouble_does_not_delay_another(store: Store) -> None:
    """delivery:F8: while one partner hangs, another gets everything it is owed."""
    make_newsroom(store)
    with store.begin() as tx:
        make_partner(tx, "hangs")
        make_partner(tx, "well")
        for n in range(5):
            publish.publish(tx, f"tag:{n}", make_content())
    released, done = threading.Event(), threading.Event()
    well = Scripted(batch=1)

    def hang(_: Try) -> Result:
        assert released.wait(30)
        return Result(outcome=Outcome.UNKNOWN)

    def count(_: Try) -> Result:
        if len(well.carried) == 5:
            done.set()
        return ACCEPTED

    well.say = count
    roads: dict[str, Road] = {"partner/hangs": Scripted(say=hang, batch=1), "partner/well": well}
    with ThreadPoolExecutor(1) as pool:
        draining = pool.submit(drain, crew(store, roads))
        assert done.wait(30)  # although the other still hangs
        released.set()
        assert 6 == draining.result(30)


def test_a_pause_stops_a_lane_at_work(store: Store) -> None:
    """design:6: `partner pause` takes effect with the next claim, not when the queue is empty."""
    make_newsroom(store)
    with store.begin() as tx:
        make_partner(tx)
        for n in range(5):
            publish.publish(tx, f"tag:{n}", make_content())

    def pause(_: Try) -> Result:
        with store.begin() as tx:
            partners.pause(tx, "agency", paused=True)
        return ACCEPTED

    assert 1 == run(crew(store, Scripted(say=pause, batch=1)), "partner/agency", Channel.WEBHOOK)
    assert ["accepted"] + ["due"] * 4 == states(store)


def test_a_killed_worker_leaves_doubts_and_duties(store: Store, clock: FakeClock) -> None:
    """delivery:1.4, mail:SE14: a road that breaks leaves what it took in doubt; what was known is written."""
    mails = owe(store, 3)

    def die(attempt: Try) -> Result:
        if attempt.address == mails[1]:
            raise MemoryError
        return ACCEPTED

    with pytest.raises(MemoryError):
        drain(crew(store, Scripted(say=die)))
    assert ["accepted", "sending", "sending"] == states(store)
    clock.advance(minutes=10)
    road = Scripted()
    assert 0 == drain(crew(store, road))
    with store.read() as tx:
        outcomes = [row.last_outcome for row in deliveries.listing(tx)]
    assert [Outcome.ACCEPTED, Outcome.UNKNOWN, Outcome.UNKNOWN] == outcomes
    clock.advance(minutes=10)
    assert 2 == drain(crew(store, road))


def test_many_lanes_send_each_once(store_url: str, clock: FakeClock) -> None:
    """delivery:1: two workers of four connections each carry 100 letters, every one once."""
    from syndicator.store import open_store

    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        mails = owe(store, 100)
        roads = [Scripted(batch=10) for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            tries = [
                future.result(60) for future in [pool.submit(drain, crew(store, road, 4)) for road in roads]
            ]
    assert 100 == sum(tries)
    assert sorted(mails) == sorted(mail for road in roads for mail in road.carried)


def test_attending_goes_on_until_told_to_stop(store: Store) -> None:
    """design:4: the loop sends what becomes due later, on a hint at once, and ends when told."""
    owe(store, 2)
    sent, wake = threading.Semaphore(0), threading.Event()

    def tell(_: Try) -> Result:
        sent.release()
        return ACCEPTED

    working = crew(store, Scripted(say=tell))
    loop = threading.Thread(target=attend, args=(working, wake))
    loop.start()
    for _ in range(2):
        assert sent.acquire(timeout=30)
    with store.begin() as tx:
        publish.publish(tx, "tag:later", make_content())
    wake.set()
    for _ in range(2):
        assert sent.acquire(timeout=30)
    working.stop.set()
    wake.set()
    loop.join(30)
    assert not loop.is_alive()
    assert ["accepted"] * 4 == states(store)


def test_a_refusal_of_the_rules_ends_no_other_lane(store: Store) -> None:
    """code-models:12: what a lane raises on purpose is reported; the loop serves the others."""
    make_newsroom(store)
    with store.begin() as tx:
        make_partner(tx, "bad")
        make_partner(tx, "good")
        publish.publish(tx, UID, make_content())
    sent, wake = threading.Event(), threading.Event()

    def tell(_: Try) -> Result:
        sent.set()
        return ACCEPTED

    roads: dict[str, Road] = {
        "partner/bad": Scripted(opening=Refused("no")),
        "partner/good": Scripted(say=tell),
    }
    working = crew(store, roads)
    loop = threading.Thread(target=attend, args=(working, wake))
    loop.start()
    assert sent.wait(30)
    working.stop.set()
    wake.set()
    loop.join(30)
    assert not loop.is_alive()
