"""The worker: loops that always turn, schedules that ring, and an orderly end (walk C).

Loops (release, feeds, poll, digest, deliver) run in every worker (`loops`). Schedules fire through APScheduler, an alarm
clock only (`clock`): what is owed is read from the tables, and a run row unique per slot lets one worker win (`jobs`).
SIGTERM: no new work, finish what is in hand, leave. `once` is the same without waiting.
"""

from __future__ import annotations

from syndicator.worker.clock import Alarm, SlotTrigger
from syndicator.worker.jobs import BEAT, Hints, perform, run
from syndicator.worker.loops import BOUNCES, FLOOR, GRACE, NAMED, Worker, openings, run_worker
from syndicator.worker.once import LOOPS, run_once

__all__ = [
    "BEAT",
    "BOUNCES",
    "FLOOR",
    "GRACE",
    "LOOPS",
    "NAMED",
    "Alarm",
    "Hints",
    "SlotTrigger",
    "Worker",
    "openings",
    "perform",
    "run",
    "run_once",
    "run_worker",
]
