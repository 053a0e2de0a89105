"""Once through: each loop turned until nothing is due, in the order of the walk, and an end (`worker --once`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from typing import Any

from syndicator import feeds, press
from syndicator.delivery import lanes
from syndicator.errors import Invalid
from syndicator.model.schedule import Job
from syndicator.press.alarms import alarms_due
from syndicator.runtime import Runtime
from syndicator.worker import jobs
from syndicator.worker.loops import BOUNCES, Worker

LOOPS = ("release", "feeds", "poll", "digest", "deliver")


def run_once(runtime: Runtime, loops: Sequence[str] = LOOPS) -> dict[str, Any]:
    """Turn the named loops, in the order of the walk, until nothing is due; what each did, in figures.

    A newsletter that is set up wrongly stops none of the others, and raises only where it was named alone.
    """
    if loops is LOOPS:
        more = {BOUNCES: runtime.intake, Job.NEWSLETTER: runtime.newsletter.rules.topic}
        loops = (*LOOPS, *(name for name, there in more.items() if there))
    named = (*LOOPS, BOUNCES, Job.PRUNE, Job.RECONCILE, Job.NEWSLETTER)
    unknown = [name for name in loops if name not in named]
    if unknown:
        raise Invalid(f"there is no job {unknown[0]!r}: use {', '.join(named)}")
    worker = Worker(runtime, threading.Event())
    tend = jobs.tend_newsletter if set(loops) == {Job.NEWSLETTER} else jobs.try_newsletter
    turns: dict[str, Callable[[], Any]] = {
        "poll": lambda: _poll_all(runtime),
        "release": lambda: _release_all(runtime),
        Job.NEWSLETTER: lambda: tend(worker),  # before the feeds it is in, and its mails
        "feeds": lambda: feeds.rebuild_stale(runtime.store, runtime.site).changed,
        BOUNCES: lambda: runtime.intake.turn().total() if runtime.intake else 0,
        "digest": lambda: jobs.gather(worker).digests,
        "deliver": lambda: lanes.drain(worker.crew),
        Job.PRUNE: lambda: jobs.prune(worker),
        Job.RECONCILE: lambda: jobs.reconcile(worker),
    }
    return {name: turn() for name, turn in turns.items() if name in loops}


def _release_all(runtime: Runtime) -> int:
    released = press.release_due(runtime.store, runtime.rules)
    alarms_due(runtime.store, runtime.settings.press.alarms)
    return len(released.items)


def _poll_all(runtime: Runtime) -> int:
    with runtime.poller() as poller:
        return asyncio.run(poller.drain()).polled
