"""Alarms about releases nobody made ready: at their instants, once, and over when they are over."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from syndicator import press
from syndicator.model.delivery import DeliveryState
from syndicator.model.release import Embargo, ReleaseState
from syndicator.press.alarms import alarms_due, occasions
from syndicator.store import Store, alarms, deliveries, open_store, releases
from syndicator.store.alarms import Unready
from tests.advances import accredited, end
from tests.make import NOW, FakeClock, make_content, make_newsroom

UID = "tag:x"
DESK = ("desk@example.org",)
AFTER = timedelta(days=2)
SPANS = {"24h": timedelta(hours=24), "2h": timedelta(hours=2), "15m": timedelta(minutes=15)}
TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _release(request: pytest.FixtureRequest) -> None:
    """A draft whose embargo ends in two days, where the test has a store."""
    if "store" in request.fixturenames:
        draft(request.getfixturevalue("store"))


def draft(store: Store) -> None:
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Secret words"), Embargo(until=NOW + AFTER))


def keys(store: Store) -> list[str]:
    """The ends of the keys of open alarms."""
    with store.read() as tx:
        return [one.key.rpartition("/")[2] for one in alarms.open_(tx)]


def mailed(store: Store) -> list[str]:
    with store.read() as tx:
        return [row.subject for row in deliveries.listing(tx, subject="alarm/")]


@pytest.mark.parametrize("approved", [False, True])
def test_a_release_that_is_not_ready_alarms_at_each_threshold(
    store: Store, clock: FakeClock, *, approved: bool
) -> None:
    """The desk hears of it at T−24 h, T−2 h and T−15 min, exactly then and not a moment before, once each, by mail too."""
    if approved:
        with store.begin() as tx:
            press.approve(tx, UID, "Ann")
    seen: list[str] = []
    for name, before in SPANS.items():
        clock.now = NOW + AFTER - before - TICK
        assert not alarms_due(store, DESK)
        assert seen == keys(store)
        clock.now += TICK
        assert alarms_due(store, DESK)
        seen.append(name)
        assert seen == keys(store)
        assert not alarms_due(store, DESK)
        assert len(seen) == len(mailed(store))
    with store.read() as tx:
        words = " ".join(one.subject + one.words for one in alarms.open_(tx))
    assert ("release schedule" in words) is approved
    assert "Secret" not in words


def test_a_missed_release_alarms_and_its_warnings_are_over(store: Store, clock: FakeClock) -> None:
    """At T it becomes missed, never public; that is an alarm of its own until somebody takes it up."""
    clock.now = NOW + AFTER - TICK
    alarms_due(store, DESK)
    clock.now += TICK
    alarms_due(store, DESK)
    assert [] == keys(store)
    press.release_due(store)
    alarms_due(store, DESK)
    assert ["missed"] == keys(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), None)
    alarms_due(store, DESK)
    assert [] == keys(store)


@pytest.mark.parametrize("end", ["scheduled", "cancelled", "moved"])
def test_an_alarm_is_over_when_its_occasion_is(store: Store, clock: FakeClock, end: str) -> None:
    """Scheduled, cancelled, or moved to another embargo: nothing stays open."""
    clock.now = NOW + AFTER - timedelta(hours=1)
    alarms_due(store, DESK)
    assert ["24h", "2h"] == keys(store)
    with store.begin() as tx:
        if end == "scheduled":
            press.approve(tx, UID, "Ann")
            press.schedule(tx, UID, None, "Ann")
        elif end == "cancelled":
            press.cancel(tx, UID, "no", "Ann")
        else:
            press.draft(tx, UID, make_content(), Embargo(until=NOW + AFTER * 2))
    alarms_due(store, DESK)
    assert [] == keys(store)
    if end == "moved":
        clock.now = NOW + AFTER * 2 - timedelta(hours=24)
        alarms_due(store, DESK)
        assert ["24h"] == keys(store)


def test_without_addresses_it_is_still_raised(store: Store, clock: FakeClock) -> None:
    """An alarm does not depend on mail; addresses that are named later still get it."""
    clock.now = NOW + AFTER - timedelta(hours=3)
    alarms_due(store, ())
    assert (["24h"], []) == (keys(store), mailed(store))
    alarms_due(store, DESK)
    assert 1 == len(mailed(store))


def test_two_workers_raise_one_alarm(store_url: str) -> None:
    """Whoever is first raises it; the other finds it raised."""
    clock = FakeClock()
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        draft(store)
        clock.now = NOW + AFTER - timedelta(hours=24)
        ready, faults = Barrier(2), list[BaseException]()

        def work() -> None:
            try:
                with open_store(store_url, host_clock=clock, fixed_clock=clock) as own:
                    ready.wait()
                    alarms_due(own, DESK)
            except BaseException as fault:  # noqa: BLE001 - shown below
                faults.append(fault)

        threads = [Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [] == faults
        assert (["24h"], 1) == (keys(store), len(mailed(store)))


def test_nobody_is_scolded_for_what_came_in_late() -> None:
    """A draft made three hours before its embargo meets two thresholds, not three; one a worker slept over is met late."""
    until = NOW + timedelta(hours=3)
    late = Unready("tag:x", ReleaseState.DRAFT, until, NOW)
    assert [] == list(occasions([late], NOW))
    soon = [one.key.rpartition("/")[2] for one in occasions([late], until - timedelta(minutes=1))]
    assert ["2h", "15m"] == soon
    assert [] == list(occasions([late], until))


def test_a_scheduled_release_never_alarms(store: Store, clock: FakeClock) -> None:
    """What is ready goes out in silence."""
    with store.begin() as tx:
        press.approve(tx, UID, "Ann")
        press.schedule(tx, UID, None, "Ann")
    clock.now = NOW + AFTER - TICK
    assert not alarms_due(store, DESK)
    assert [] == keys(store)
    with store.read() as tx:
        assert ReleaseState.SCHEDULED == releases.named(tx, UID).state


def test_an_end_that_readers_go_by_alarms_until_they_are_told(store: Store, clock: FakeClock) -> None:
    """mail:EM3: the desk hears of it where those who have a copy were not reached with the news that its end moved."""
    with store.begin() as tx:
        accredited(tx, "ann@x.example")
        press.approve(tx, UID, "Ann")
        press.schedule(tx, UID, None, "Ann")
    assert 1 == end(store, f"advance/{UID}/1", DeliveryState.ACCEPTED)
    clock.now = NOW + AFTER - timedelta(hours=3)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other words"), Embargo(until=NOW + 3 * AFTER))
    assert not alarms_due(store, DESK)
    clock.now += timedelta(minutes=5)
    assert alarms_due(store, DESK)
    assert ["unheard"] == keys(store)
    assert 1 == end(store, f"notice/{UID}/1", DeliveryState.ACCEPTED)
    assert alarms_due(store, DESK)
    assert [] == keys(store)
