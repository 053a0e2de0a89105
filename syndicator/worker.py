"""The worker: loops that always turn, schedules that ring, and an orderly end (walk C).

Loops (release, feeds, poll, digest, deliver) run in every worker, each in its own thread; they sleep until
the next due instant, a hint or one second, and claims make them safe beside other workers. Schedules
fire through APScheduler, an alarm clock only: what is owed is read from the tables, and a run row
unique per slot lets one worker win. SIGTERM: no new work, finish what is in hand, leave.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from syndicator import digest, feeds, newsletter, press
from syndicator import topics as topic_life
from syndicator.delivery import lanes
from syndicator.errors import Invalid, SyndicatorError, TryLater
from syndicator.ingest.poll import Polled
from syndicator.model.item import Topic
from syndicator.model.release import Release
from syndicator.model.schedule import Job, RunState, Schedule, next_slots
from syndicator.observe import logger
from syndicator.press.alarms import alarms_due
from syndicator.runtime import Runtime, mint_name
from syndicator.runtime.terms import terms_of
from syndicator.signup.joining import tidy as tidy_signups
from syndicator.store import (
    Store,
    Tx,
    audience,
    bounces,
    deliveries,
    documents,
    releases,
    retention,
    schedules,
    topics,
    upstreams,
)

log = logger("worker")
BEAT = 1.0  # seconds: how long a loop sleeps at most, and how often a worker says it is alive
FLOOR = 0.05  # seconds between turns while what is due cannot be done: another may hold it
LISTEN = 0.2  # seconds between looks whether a signal has come
GRACE = timedelta(seconds=25)
LIFT = timedelta(seconds=0.3)  # how long whoever lifted builds feeds before it looks for the next release
TURN = timedelta(seconds=5)  # how long the loop of feeds builds before it looks up
KEEP_RUNS = timedelta(days=90)
KEEP_PINGS = timedelta(days=7)
KEEP_BACKSCATTER = timedelta(days=90)  # what came back of no letter of ours: as long as one may be replayed
KEEP_WORKERS = timedelta(days=1)
LOST = timedelta(minutes=5)  # a worker that has not been seen for so long has left its runs
TIDY_EVERY = 3600.0  # seconds
NEWS_EVERY = 60.0  # seconds between looks after the newsletter
STUCK_PAUSE = 60.0  # seconds until a release that cannot go out is tried, and complained of, again
END_TRIES = 60  # beats a finished run waits for a database that is away, to be written down
NAMED = 5  # of those for whose sake a private range is open
LOOPS = ("release", "feeds", "poll", "digest", "deliver")
BOUNCES = "bounces"  # a loop only where a mailbox is set


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


class Worker:
    """One worker process: start it, and it works until `stop` is set."""

    def __init__(self, runtime: Runtime, stop: threading.Event) -> None:
        self.runtime = runtime
        self.name = mint_name("worker")
        self.stop = stop
        self.hints = Hints()
        self.crew = runtime.crew(self.name, stop)
        self._threads: list[threading.Thread] = []
        self._stuck = Stuck()
        self._started: datetime | None = None
        self._tidied: float | None = None
        self._tended: float | None = None
        self._grace = GRACE

    def start(self) -> None:
        """Start every loop and the alarm clock, and say which private addresses we may be sent to (security:S9)."""
        for network, whom in openings(self.runtime).items():
            log.info("private addresses are open", range=network, count=len(whom), whom=whom[:NAMED])
        turns: dict[str, tuple[Callable[[], datetime | None], threading.Event]] = {
            "release": (self.release, self.hints.release),
            "feeds": (self.feeds, self.hints.feeds),
            "alarms": (self.alarms, self.hints.alarms),
            "digest": (self.digest, self.hints.digest),
            "tidy": (self.tidy, self.hints.tidy),
            **({BOUNCES: (self.bounces, self.hints.bounces)} if self.runtime.intake else {}),
        }
        for name, (turn, hint) in turns.items():
            self._thread(name, partial(self._loop, name, turn, hint))
        self._thread("deliver", lambda: lanes.attend(self.crew, self.hints.deliver))
        self._thread("poll", self._poll)
        self._thread("schedules", self._ring)
        log.info("started", worker=self.name, store=self.runtime.store.kind)

    def end(self, grace: timedelta) -> bool:
        """Wait for the work in hand, `grace` at most; True if nothing was left running."""
        self._grace = grace
        self.stop.set()
        for hint in self.hints.all():
            hint.set()
        deadline = time.monotonic() + grace.total_seconds()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        clean = not any(thread.is_alive() for thread in self._threads)
        with suppress(SyndicatorError), self.runtime.store.begin() as tx:
            schedules.leave(tx, self.name)
        log.info("ended", worker=self.name, clean=clean)
        return clean

    def release(self) -> datetime | None:
        """Make public what is due, build its feeds at once, and hint the lanes."""
        store = self.runtime.store
        if self._stuck.alone(store):
            return None
        done = press.release_due(store, self.runtime.rules)
        if done.behind:
            log.error("releases stopped", fault=done.behind)
            return None
        if done.items:
            self.hints.deliver.set()
            # After an upgrade or an import there is work for minutes, and other embargoes end meanwhile.
            feeds.rebuild_stale(store, self.runtime.site, LIFT)
            self.hints.feeds.set()
        with store.read() as tx:
            self._stuck.note(tx, done.failed)
            return None if done.failed else press.next_release(tx)

    def feeds(self) -> datetime | None:
        """Build what is stale, for some seconds at most: then it is asked whether to stop."""
        feeds.rebuild_stale(self.runtime.store, self.runtime.site, TURN)
        with self.runtime.store.read() as tx:
            return feeds.next_stale(tx)

    def digest(self) -> datetime | None:
        """Plan the digests whose windows have closed, and hint the lanes."""
        done = _gather(self)
        if done.digests:
            self.hints.deliver.set()
        return done.next

    def alarms(self) -> datetime | None:
        """Raise and end the alarms that are due, and hint the lanes: the desk is told by mail, too."""
        if alarms_due(self.runtime.store, self.runtime.settings.press.alarms):
            self.hints.deliver.set()
        return None  # whoever raised one elsewhere gives no hint: a look each beat costs three reads

    def tidy(self) -> None:
        """Forget what is out of use, at the start and once an hour, and look after the newsletter each minute."""
        now = time.monotonic()
        if self._tended is None or now - self._tended >= NEWS_EVERY:
            self._tended = now
            _tend_newsletter(self)
        if self._tidied is None or now - self._tidied >= TIDY_EVERY:
            self._tidied = now
            _forget_lost(self)
            _prune(self)
            digest.tend(self.runtime.store)

    def bounces(self) -> datetime | None:
        """Read the mailbox that bounces come into, when it is due."""
        intake = self.runtime.intake
        if intake is None:
            return None
        with self.runtime.store.read() as tx:
            now = tx.now
        if intake.due() <= now:
            intake.turn()
        return intake.due()

    def fire(self, name: str) -> None:
        """Run what this schedule owes, slot by slot; another worker may have been faster."""
        with self.runtime.store.read() as tx:
            owed = schedules.due(tx, name)
        for schedule, slots in owed:
            for slot in slots:
                run(self, schedule, slot, "slot")

    def _thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, turn: Callable[[], datetime | None], hint: threading.Event) -> None:
        while not self.stop.is_set():
            hint.clear()
            pause = BEAT
            try:
                pause = self._until(turn())
            except TryLater as fault:  # the database is away: it will be back
                log.warning("store away", loop=name, fault=str(fault))
            except SyndicatorError as fault:
                log.warning("loop failed", loop=name, fault=str(fault))
            except Exception:  # a bug: loud, but the other items must still get out
                log.exception("loop broke", loop=name)
            hint.wait(pause)

    def _poll(self) -> None:
        """Poll upstreams until told to stop; the poller minds faults itself, and is begun anew after a bug."""
        while not self.stop.is_set():
            try:
                with self.runtime.poller(self._polled) as poller:
                    asyncio.run(poller.run(self.stop, self.hints.poll, self._last_orders))
            except TryLater as fault:
                log.warning("store away", loop="poll", fault=str(fault))
            except Exception:
                log.exception("loop broke", loop="poll")
            self.stop.wait(BEAT)

    def _polled(self, polled: Polled) -> None:
        if polled.changed:
            self.hints.feeds.set()
            self.hints.deliver.set()

    def _last_orders(self) -> float:
        """Seconds that polls in hand may still take: most of the grace, for what was broken off is to be given back."""
        return self._grace.total_seconds() * 0.8

    def _until(self, due: datetime | None) -> float:
        if due is None:
            return BEAT
        with self.runtime.store.read() as tx:
            left = (due - tx.now).total_seconds()
        return min(left, BEAT) if left > 0 else FLOOR

    def _ring(self) -> None:
        """Keep the alarm clock set as the rows say, and this worker's heartbeat fresh."""
        alarm = Alarm(self.fire)
        while not self.stop.is_set():
            try:
                self._beat()
                self._wind(alarm)
            except TryLater as fault:
                log.warning("store away", loop="schedules", fault=str(fault))
            except Exception:
                log.exception("loop broke", loop="schedules")
            self.stop.wait(BEAT)
        alarm.stop()

    def _beat(self) -> None:
        with self.runtime.store.begin() as tx:
            self._started = self._started or tx.now
            schedules.beat(tx, self.name, self._started)

    def _wind(self, alarm: Alarm) -> None:
        with self.runtime.store.read() as tx:
            rows = schedules.listing(tx)
            owed = [schedule.name for schedule, _ in schedules.due(tx)]
        alarm.set(rows)
        for name in owed:  # a lost alarm is only late
            alarm.now(name)


class Stuck:
    """Releases that are due and cannot go out as they are: `press` complains at each try, so tries are few."""

    def __init__(self) -> None:
        self._releases: list[Release] = []
        self._topics: list[Topic] = []
        self._until = 0.0

    def note(self, tx: Tx, uids: Sequence[str]) -> None:
        """Keep in mind those a round has just failed on, as they are now."""
        self._releases = [release for uid in uids if (release := releases.find(tx, uid))]
        self._topics = topics.listing(tx) if uids else []
        self._until = time.monotonic() + STUCK_PAUSE

    def alone(self, store: Store) -> bool:
        """Whether nothing else is due, nothing that could help has changed, and no minute has gone by."""
        if not self._releases or time.monotonic() >= self._until:
            return False
        with store.begin() as tx:  # it looks at rows as one who would take them
            if self._changed(tx):
                return False
            known = [release.id for release in self._releases]
            return not (releases.take_next_due(tx, known) or releases.take_next_missed(tx))

    def _changed(self, tx: Tx) -> bool:
        if topics.listing(tx) != self._topics:
            return True
        return any(releases.find(tx, release.uid) != release for release in self._releases)


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


def run(worker: Worker, schedule: Schedule, slot: datetime, trigger: str) -> int | None:
    """Run a schedule's job for one slot; the run's id, or None if another worker has the slot already."""
    with worker.runtime.store.begin() as tx:
        run_id = schedules.start_run(tx, schedule, slot, trigger, worker.name)
    if run_id is None:
        return None
    state, detail = _performed(worker, schedule)
    _end_run(worker, run_id, state, detail)
    log.info(
        "run", schedule=schedule.name, job=schedule.job, slot=slot.isoformat(), state=state, detail=detail
    )
    return run_id


def perform(worker: Worker, schedule: Schedule) -> str:
    """Do the job of a schedule; returns what was done, in words."""
    match schedule.job:
        case Job.POLL:
            return _poll_now(worker, schedule)
        case Job.FEEDS:
            built = feeds.rebuild_stale(worker.runtime.store, worker.runtime.site)
            return f"{built.changed} documents changed"
        case Job.RECONCILE:
            return _reconcile(worker)
        case Job.PRUNE:
            return _prune(worker)
        case Job.DIGEST:
            done = _gather(worker)
            worker.hints.deliver.set()
            return f"{done.digests} digests planned, {done.windows} windows closed"
        case Job.NEWSLETTER:
            return _tend_newsletter(worker)


def _performed(worker: Worker, schedule: Schedule) -> tuple[RunState, str]:
    try:
        return RunState.DONE, perform(worker, schedule)
    except SyndicatorError as fault:
        return RunState.FAILED, str(fault)
    except Exception as bug:  # loud, but its row must say that it is over
        log.exception("run broke", schedule=schedule.name, job=schedule.job)
        return RunState.FAILED, f"a fault of our own: {type(bug).__name__}; the log has more"


def _end_run(worker: Worker, run_id: int, state: RunState, detail: str) -> None:
    for patience in reversed(range(END_TRIES)):
        try:
            with worker.runtime.store.begin() as tx:
                schedules.end_run(tx, run_id, state, detail)
        except TryLater:  # the database is away: this row would run for ever
            if not patience or worker.stop.wait(BEAT):
                raise
        else:
            return


def openings(runtime: Runtime) -> dict[str, list[str]]:
    """The private address ranges that the guard lets us reach, and for whose sake: partners, upstreams, hubs."""
    with runtime.store.read() as tx:
        allowed = [(f"partner/{one.slug}", one.allow_private) for one in audience.partners(tx)]
        allowed += [(f"upstream/{one.slug}", one.allow_private) for one in upstreams.listing(tx)]
    allowed.append(("feeds.hubs", runtime.settings.feeds.allow_private))
    found: dict[str, list[str]] = {}
    for whom, ranges in allowed:
        for network in ranges:
            found.setdefault(network, []).append(whom)
    return found


def run_worker(runtime: Runtime, grace: timedelta = GRACE) -> bool:
    """Work until SIGTERM or SIGINT, then end in order; True if nothing was left in hand."""
    told: list[int] = []  # an Event set by a signal handler may wait for the lock its own thread holds
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda which, _frame: told.append(which))
    worker = Worker(runtime, threading.Event())
    worker.start()
    while not told:
        time.sleep(LISTEN)
    return worker.end(grace)


def run_once(runtime: Runtime, loops: Sequence[str] = LOOPS) -> dict[str, Any]:
    """Turn the named loops, in the order of the walk, until nothing is due; what each did, in figures."""
    if loops is LOOPS:
        more = {BOUNCES: runtime.intake, Job.NEWSLETTER: runtime.newsletter.rules.topic}
        loops = (*LOOPS, *(name for name, there in more.items() if there))
    named = (*LOOPS, BOUNCES, Job.PRUNE, Job.RECONCILE, Job.NEWSLETTER)
    unknown = [name for name in loops if name not in named]
    if unknown:
        raise Invalid(f"there is no job {unknown[0]!r}: use {', '.join(named)}")
    worker = Worker(runtime, threading.Event())
    turns: dict[str, Callable[[], Any]] = {
        "poll": lambda: _poll_all(runtime),
        "release": lambda: _release_all(runtime),
        Job.NEWSLETTER: lambda: _tend_newsletter(worker),  # before the feeds it is in, and its mails
        "feeds": lambda: feeds.rebuild_stale(runtime.store, runtime.site).changed,
        BOUNCES: lambda: runtime.intake.turn().total() if runtime.intake else 0,
        "digest": lambda: _gather(worker).digests,
        "deliver": lambda: lanes.drain(worker.crew),
        Job.PRUNE: lambda: _prune(worker),
        Job.RECONCILE: lambda: _reconcile(worker),
    }
    return {name: turn() for name, turn in turns.items() if name in loops}


def _release_all(runtime: Runtime) -> int:
    released = press.release_due(runtime.store, runtime.rules)
    alarms_due(runtime.store, runtime.settings.press.alarms)
    return len(released.items)


def _poll_all(runtime: Runtime) -> int:
    with runtime.poller() as poller:
        return asyncio.run(poller.drain()).polled


def _poll_now(worker: Worker, schedule: Schedule) -> str:
    with worker.runtime.store.begin() as tx:
        wanted = [schedule.upstream] if schedule.upstream else [one.slug for one in upstreams.listing(tx)]
        for slug in wanted:
            upstreams.poll_now(tx, slug)
    worker.hints.poll.set()
    return f"asked for {len(wanted)} upstreams"


def _gather(worker: Worker) -> digest.Gathered:
    told = worker.runtime.settings.digest
    pace = digest.Pace(settle=told.settle, spread=told.spread)
    return digest.digests_due(worker.runtime.store, pace, stop=worker.stop.is_set)


def _reconcile(worker: Worker) -> str:
    """Look for lost work by another way than the loops do, and put it back."""
    with worker.runtime.store.begin() as tx:
        undocumented = documents.mark_missing(tx)
    lanes.recover(worker.crew)
    return f"{undocumented} topics without documents, {_forget_lost(worker)} runs whose worker is gone"


def _tend_newsletter(worker: Worker) -> str:
    """Open, remind, publish: what the newsletter wants now; wakes whoever builds feeds and mails."""
    done = newsletter.tend(worker.runtime.store, worker.runtime.newsletter)
    if done.item:
        worker.hints.feeds.set()
        worker.hints.deliver.set()
    return done.words


def _forget_lost(worker: Worker) -> int:
    with worker.runtime.store.begin() as tx:
        lost = schedules.fail_lost(tx, LOST)
    if lost:
        log.warning("runs lost", count=lost)
    return lost


def _prune(worker: Worker) -> str:
    with worker.runtime.store.begin() as tx:
        fragments = documents.prune_fragments(tx, worker.runtime.site.window)
        runs = schedules.prune_runs(tx, KEEP_RUNS)
        schedules.prune_workers(tx, KEEP_WORKERS)
        pings = deliveries.prune_pings(tx, KEEP_PINGS)
        bounces.prune(tx, tx.now - KEEP_BACKSCATTER)
        topic_life.end_due(tx)  # nothing is sent for a topic that is over, so an hour late is no harm
        retention.expire(tx, worker.runtime.settings.privacy.evidence)
    settings = worker.runtime.settings
    signups = tidy_signups(worker.runtime.store, terms_of(settings), settings.privacy.requests)
    return f"{fragments} fragments, {runs} runs, {pings} pings and {signups} sign-ups forgotten"
