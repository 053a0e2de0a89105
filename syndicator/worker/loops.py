"""The loops of a worker, each in its own thread, and its orderly end (walk C).

They sleep until the next due instant, a hint or one second; claims make them safe beside other workers.
"""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from syndicator import digest, feeds, press
from syndicator.delivery import lanes
from syndicator.errors import SyndicatorError, TryLater
from syndicator.ingest.poll import Polled, keep_awake
from syndicator.observe import logger
from syndicator.press.alarms import alarms_due
from syndicator.runtime import Runtime, mint_name
from syndicator.store import partners, schedules, upstreams
from syndicator.worker import jobs
from syndicator.worker.clock import Alarm
from syndicator.worker.jobs import BEAT, Hints
from syndicator.worker.stuck import Stuck

log = logger("worker")
FLOOR = 0.05  # seconds between turns while what is due cannot be done: another may hold it
LISTEN = 0.2  # seconds between looks whether a signal has come
GRACE = timedelta(seconds=25)
LIFT = timedelta(seconds=0.3)  # how long whoever lifted builds feeds before it looks for the next release
TURN = timedelta(seconds=5)  # how long the loop of feeds builds before it looks up
TIDY_EVERY = 3600.0  # seconds
NEWS_EVERY = 60.0  # seconds between looks after the newsletter
NAMED = 5  # of those for whose sake a private range is open
BOUNCES = "bounces"  # a loop only where a mailbox is set


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
        self._news = ""  # what the last look after the newsletter said
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
        if door := self.runtime.door:
            self._thread("lmtp", lambda: door.attend(self.stop))
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
        done = jobs.gather(self)
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
            self._news = jobs.try_newsletter(self, self._news)
        if self._tidied is None or now - self._tidied >= TIDY_EVERY:
            self._tidied = now
            jobs.forget_lost(self)
            jobs.prune(self)
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
                jobs.run(self, schedule, slot, "slot")

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
        keep_awake()
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


def openings(runtime: Runtime) -> dict[str, list[str]]:
    """The private address ranges that the guard lets us reach, and for whose sake: partners, upstreams, hubs."""
    with runtime.store.read() as tx:
        allowed = [(f"partner/{one.slug}", one.allow_private) for one in partners.listing(tx)]
        allowed += [(f"upstream/{one.slug}", one.allow_private) for one in upstreams.listing(tx)]
    allowed.append(("feeds.hubs", runtime.settings.feeds.allow_private))
    found: dict[str, list[str]] = {}
    for whom, ranges in allowed:
        for network in ranges:
            found.setdefault(network, []).append(whom)
    return found
