"""Jobs: what a schedule's run does, and what a worker does each hour besides; one row for each run (walk C).

Each does nothing when it is called twice, and no harm when it is stopped in the middle.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from syndicator import digest, feeds, newsletter
from syndicator import topics as topic_life
from syndicator.delivery import lanes
from syndicator.errors import SyndicatorError, TryLater
from syndicator.model.schedule import Job, RunState, Schedule
from syndicator.observe import logger
from syndicator.press import media as press_media
from syndicator.runtime import Runtime
from syndicator.runtime.terms import terms_of
from syndicator.signup.joining import tidy as tidy_signups
from syndicator.store import bounces, deliveries, documents, retention, schedules, upstreams

log = logger("worker")
KEEP_RUNS = timedelta(days=90)
KEEP_PINGS = timedelta(days=7)
KEEP_BACKSCATTER = timedelta(days=90)  # what came back of no letter of ours: as long as one may be replayed
KEEP_WORKERS = timedelta(days=1)
LOST = timedelta(minutes=5)  # a worker that has not been seen for so long has left its runs
END_TRIES = 60  # beats a finished run waits for a database that is away, to be written down
BEAT = 1.0  # seconds: how long a loop sleeps at most, and how often a worker says it is alive


@dataclass
class Hints:
    """Events by which loops of one process wake each other; a lost one costs a second at most."""

    feeds: threading.Event = field(default_factory=threading.Event)
    deliver: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    poll: threading.Event = field(default_factory=threading.Event)
    alarms: threading.Event = field(default_factory=threading.Event)
    digest: threading.Event = field(default_factory=threading.Event)
    tidy: threading.Event = field(default_factory=threading.Event)
    bounces: threading.Event = field(default_factory=threading.Event)

    def all(self) -> Sequence[threading.Event]:
        """Every one of them."""
        waits = (self.feeds, self.deliver, self.release, self.poll)
        return (*waits, self.alarms, self.digest, self.tidy, self.bounces)


class Hand(Protocol):
    """A worker as its jobs see it: what it works with, its name, whether it is told to stop, whom it can wake."""

    runtime: Runtime
    name: str
    stop: threading.Event
    hints: Hints
    crew: lanes.Crew


def run(hand: Hand, schedule: Schedule, slot: datetime, trigger: str) -> int | None:
    """Run a schedule's job for one slot; the run's id, or None if another worker has the slot already."""
    with hand.runtime.store.begin() as tx:
        run_id = schedules.start_run(tx, schedule, slot, trigger, hand.name)
    if run_id is None:
        return None
    state, detail = _performed(hand, schedule)
    _end_run(hand, run_id, state, detail)
    log.info(
        "run", schedule=schedule.name, job=schedule.job, slot=slot.isoformat(), state=state, detail=detail
    )
    return run_id


def perform(hand: Hand, schedule: Schedule) -> str:
    """Do the job of a schedule; returns what was done, in words."""
    match schedule.job:
        case Job.POLL:
            return _poll_now(hand, schedule)
        case Job.FEEDS:
            built = feeds.rebuild_stale(hand.runtime.store, hand.runtime.site)
            return f"{built.changed} documents changed"
        case Job.RECONCILE:
            return reconcile(hand)
        case Job.PRUNE:
            return prune(hand)
        case Job.DIGEST:
            done = gather(hand)
            hand.hints.deliver.set()
            return f"{done.digests} digests planned, {done.windows} windows closed"
        case Job.NEWSLETTER:
            return tend_newsletter(hand)


def gather(hand: Hand) -> digest.Gathered:
    """Plan the digests whose windows have closed, at the pace the settings say."""
    told = hand.runtime.settings.digest
    pace = digest.Pace(settle=told.settle, spread=told.spread)
    return digest.digests_due(hand.runtime.store, pace, stop=hand.stop.is_set)


def reconcile(hand: Hand) -> str:
    """Look for lost work by another way than the loops do, and put it back."""
    with hand.runtime.store.begin() as tx:
        undocumented = documents.mark_missing(tx)
    lanes.recover(hand.crew)
    return f"{undocumented} topics without documents, {forget_lost(hand)} runs whose worker is gone"


def tend_newsletter(hand: Hand) -> str:
    """Open, remind, publish: what the newsletter wants now; wakes whoever builds feeds and mails."""
    done = newsletter.tend(hand.runtime.store, hand.runtime.newsletter)
    if done.item:
        hand.hints.feeds.set()
        hand.hints.deliver.set()
    return done.words


def try_newsletter(hand: Hand, before: str = "") -> str:
    """The same beside other work: what is wrong with the newsletter is a line in the log, and holds nothing else up.

    What this said `before` is not logged again.
    """
    try:
        return tend_newsletter(hand)
    except TryLater:
        raise
    except SyndicatorError as fault:
        if str(fault) != before:
            log.warning("newsletter failed", fault=str(fault))
        return str(fault)


def forget_lost(hand: Hand) -> int:
    """Fail the runs of workers that are gone; returns how many."""
    with hand.runtime.store.begin() as tx:
        lost = schedules.fail_lost(tx, LOST)
    if lost:
        log.warning("runs lost", count=lost)
    return lost


def prune(hand: Hand) -> str:
    """Forget what is out of use and what is known of people for too long; returns what was done, in words."""
    settings = hand.runtime.settings
    privacy = settings.privacy
    with hand.runtime.store.begin() as tx:
        fragments = documents.prune_fragments(tx, hand.runtime.site.window)
        runs = schedules.prune_runs(tx, KEEP_RUNS)
        schedules.prune_workers(tx, KEEP_WORKERS)
        pings = deliveries.prune_pings(tx, KEEP_PINGS)
        bounces.prune(tx, tx.now - KEEP_BACKSCATTER, tx.now - privacy.bounces)
        topic_life.end_due(tx)  # nothing is sent for a topic that is over, so an hour late is no harm
        retention.expire(tx, privacy.evidence, privacy.requests)
    signups = tidy_signups(hand.runtime.store, terms_of(settings), privacy.requests)
    files = press_media.sweep(hand.runtime.store, hand.runtime.cabinet)
    return (
        f"{fragments} fragments, {runs} runs, {pings} pings, {signups} sign-ups and {files} files forgotten"
    )


def _performed(hand: Hand, schedule: Schedule) -> tuple[RunState, str]:
    try:
        return RunState.DONE, perform(hand, schedule)
    except SyndicatorError as fault:
        return RunState.FAILED, str(fault)
    except Exception as bug:  # loud, but its row must say that it is over
        log.exception("run broke", schedule=schedule.name, job=schedule.job)
        return RunState.FAILED, f"a fault of our own: {type(bug).__name__}; the log has more"


def _end_run(hand: Hand, run_id: int, state: RunState, detail: str) -> None:
    for patience in reversed(range(END_TRIES)):
        try:
            with hand.runtime.store.begin() as tx:
                schedules.end_run(tx, run_id, state, detail)
        except TryLater:  # the database is away: this row would run for ever
            if not patience or hand.stop.wait(BEAT):
                raise
        else:
            return


def _poll_now(hand: Hand, schedule: Schedule) -> str:
    with hand.runtime.store.begin() as tx:
        wanted = [schedule.upstream] if schedule.upstream else [one.slug for one in upstreams.listing(tx)]
        for slug in wanted:
            upstreams.poll_now(tx, slug)
    hand.hints.poll.set()
    return f"asked for {len(wanted)} upstreams"
