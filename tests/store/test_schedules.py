"""Schedules and runs: what is owed, what is history, who is alive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from syndicator.errors import Conflict, NotFound
from syndicator.model.schedule import At, Cron, Every, Job, RunState, Schedule, When
from syndicator.store import Store, open_store, schedules
from tests.make import NOW, FakeClock

EIGHT = datetime(2026, 3, 3, 8, tzinfo=UTC)


def add(store: Store, when: When = Cron("0 8 * * *"), **other: object) -> Schedule:  # noqa: B008
    with store.begin() as tx:
        values = {"id": 0, "name": "daily", "job": Job.PRUNE, "when": when, "created": NOW, **other}
        return schedules.add(tx, Schedule(**values))  # type: ignore[arg-type]


def owed(store: Store) -> list[datetime]:
    with store.read() as tx:
        return [slot for _, slots in schedules.due(tx) for slot in slots]


def run(store: Store, schedule: Schedule, slot: datetime, trigger: str = "slot") -> int | None:
    with store.begin() as tx:
        key = schedules.start_run(tx, schedule, slot, trigger, "w")
        if key:
            schedules.end_run(tx, key, RunState.DONE, "fine")
        return key


@pytest.mark.parametrize(
    "when", [Cron("0 8 * * 1-5"), Every(timedelta(minutes=90)), At(NOW + timedelta(days=1))]
)
def test_a_schedule_comes_back_whole(store: Store, when: When) -> None:
    """operations:SC1: a row with name, job, recurrence, zone and owner, read as written; a name is taken once."""
    made = add(store, when, zone="Europe/Berlin", upstream="cms", file=True)
    with store.begin() as tx:
        assert made == schedules.named(tx, "daily")
        assert [made] == schedules.listing(tx)
        with pytest.raises(NotFound, match="schedule list"):
            schedules.named(tx, "x")
        with pytest.raises(Conflict):
            schedules.add(tx, made)


def test_nothing_is_owed_for_the_time_before(store: Store, clock: FakeClock) -> None:
    """operations:SC7: made, edited or resumed, a schedule makes up for nothing that went by before."""
    made = add(store)
    assert [] == owed(store)
    clock.now = EIGHT
    assert [EIGHT] == owed(store)
    with store.begin() as tx:
        schedules.edit(tx, replace(made, when=Cron("0 7 * * *")))
    assert [] == owed(store)
    with store.begin() as tx:
        schedules.pause(tx, "daily", paused=True)
    clock.advance(days=3)
    assert [] == owed(store)
    with store.begin() as tx:
        schedules.pause(tx, "daily", paused=False)
    assert [] == owed(store)


def test_three_days_of_rest_are_one_run(store: Store, clock: FakeClock) -> None:
    """operations:SC8: after a stop of three days the newest slot is owed, once."""
    made = add(store)
    clock.now = EIGHT
    assert run(store, made, EIGHT)
    clock.advance(days=3, hours=2)
    (slot,) = owed(store)
    assert EIGHT + timedelta(days=3) == slot
    assert run(store, made, slot)
    assert [] == owed(store)
    assert run(store, made, slot) is None


def test_run_now_moves_no_slot(store: Store, clock: FakeClock) -> None:
    """operations:SC6: a run a person asked for leaves what is owed as it was, also after history was pruned."""
    made = add(store)
    clock.now = EIGHT + timedelta(minutes=5)
    run(store, made, clock.now, schedules.MANUAL)
    assert [EIGHT] == owed(store)
    run(store, made, EIGHT)
    clock.advance(minutes=5)
    run(store, made, clock.now, schedules.MANUAL)
    clock.advance(hours=1)
    with store.begin() as tx:
        schedules.prune_runs(tx, timedelta(minutes=1))
    assert [] == owed(store)


def test_asking_what_is_owed_costs_the_same_after_years(sqlite_url: str) -> None:
    """performance: `due` is asked each second, so it reads the newest run, not all of them."""
    with open_store(sqlite_url, host_clock=lambda: EIGHT, fixed_clock=lambda: EIGHT) as store:
        made = add(store, Every(timedelta(seconds=1)))
        steps = []
        for count in (10, 3000):
            with store.begin() as tx:
                for n in range(count):
                    schedules.start_run(tx, made, EIGHT - timedelta(hours=count, seconds=n), "slot", "w")
            steps.append(effort(store))
    assert steps[1] <= 2 * steps[0]


def effort(store: Store) -> int:
    """How many steps SQLite takes to say what is owed."""
    taken: list[None] = []
    with store.read() as tx:
        tx.connection.connection.driver_connection.set_progress_handler(lambda: taken.append(None), 1)  # type: ignore[union-attr]
        schedules.due(tx)
        tx.connection.connection.driver_connection.set_progress_handler(None, 1)  # type: ignore[union-attr]
    return len(taken)


def test_history_is_newest_first(store: Store, clock: FakeClock) -> None:
    """operations:SC7: runs are kept with slot, times, outcome and words; old ones go, the newest stays."""
    made = add(store)
    for n in range(3):
        clock.now = EIGHT + timedelta(days=n)
        run(store, made, clock.now)
    with store.begin() as tx:
        assert [2, 1, 0] == [(one.slot - EIGHT).days for one in schedules.history(tx, "daily")]
        latest = schedules.history(tx, "daily", 1)[0]
        assert ("slot", "w", RunState.DONE, "fine", clock.now) == (
            latest.trigger, latest.worker, latest.state, latest.detail, latest.ended,
        )  # fmt: skip
    clock.advance(days=400)
    with store.begin() as tx:
        assert 2 == schedules.prune_runs(tx, timedelta(days=30))
        assert [latest] == schedules.history(tx, "daily")
        schedules.remove(tx, "daily")
        assert [] == schedules.listing(tx)


def test_workers_say_that_they_live(store: Store, clock: FakeClock) -> None:
    """operations:SC10: a beat is one row per worker; who ended without a word is forgotten."""
    with store.begin() as tx:
        assert schedules.last_beat(tx) is None
        schedules.beat(tx, "a", NOW)
        schedules.beat(tx, "b", NOW)
    clock.advance(hours=1)
    with store.begin() as tx:
        schedules.beat(tx, "a", NOW)
        assert [("a", clock.now), ("b", NOW)] == schedules.workers(tx)
        assert 1 == schedules.prune_workers(tx, timedelta(minutes=30))
        schedules.leave(tx, "a")
        assert [] == schedules.workers(tx)
