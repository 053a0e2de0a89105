"""The alarm clock: APScheduler, which knows when a schedule rings and never what it is for (walk C)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from syndicator.errors import TryLater
from syndicator.model.schedule import Schedule, next_slots
from syndicator.observe import logger

log = logger("worker")


class SlotTrigger(BaseTrigger):  # type: ignore[misc]  # apscheduler is untyped
    """APScheduler rings at the very slots `model.schedule.next_slots` computes, and at no other."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        """The slot after the previous one, or after now."""
        after = previous_fire_time or now
        return next(next_slots(self.schedule.when, self.schedule.zone, after), None)


class Alarm:
    """The alarm clock: APScheduler with jobs in memory only; it knows when, never what."""

    def __init__(self, fire: Callable[[str], None]) -> None:
        self._fire = fire
        self._set: dict[str, Schedule] = {}
        # One second of grace would drop a late ring (operations §0.6); ours asks the tables anyway.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        self._clock = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(4)}, job_defaults=defaults, timezone="UTC"
        )
        self._clock.start()

    def set(self, rows: Sequence[Schedule]) -> None:
        """Follow the rows: new, changed, paused and removed schedules."""
        wanted = {schedule.name: schedule for schedule in rows if not schedule.paused}
        for name in self._set.keys() - wanted.keys():
            with suppress(JobLookupError):  # APScheduler forgets a job that has no further slot
                self._clock.remove_job(name)
            del self._set[name]
        for name, schedule in wanted.items():
            if self._set.get(name) != schedule:
                self._clock.add_job(
                    self._safely, SlotTrigger(schedule), [name], id=name, replace_existing=True
                )
                self._set[name] = schedule

    def now(self, name: str) -> None:
        """Ring at once, beside the clock."""
        if name in self._set:
            self._clock.add_job(self._safely, None, [name], id=f"{name} (late)", replace_existing=True)

    def stop(self) -> None:
        """No further ring; runs in hand are waited for."""
        self._clock.shutdown(wait=True)

    def _safely(self, name: str) -> None:
        try:
            self._fire(name)
        except TryLater as fault:
            log.warning("store away", schedule=name, fault=str(fault))
        except Exception:
            log.exception("schedule broke", schedule=name)
