"""The poll flow: due upstreams → claim → visit → settle, streaming, as many at a time as there are slots.

One event loop, one store thread, a few parsing threads (`ingest.visit`): an upstream that hangs, drips
or bombs takes one slot until its deadline and delays nobody. Unchanged feeds, nearly all of them, are
settled in groups. Beside the polls it reads what hubs bring, speaks to hubs and asks the pages of items
that vanished. Safe beside other workers: everything is claimed. Serves walk A.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Self

from syndicator.errors import SyndicatorError, TryLater
from syndicator.ingest import visit as visits
from syndicator.ingest.filing import Mint
from syndicator.ingest.parse import Pool
from syndicator.ingest.sides import HubDesk, Side, Sides, asking_pages, cancelled, guarded, tending
from syndicator.ingest.visit import ClientFor, Kit, Polled, Reader
from syndicator.model.site import Site
from syndicator.observe import logger
from syndicator.store import Store, Tx, hubs, upstreams
from syndicator.store.hubs import Pushed
from syndicator.store.upstreams import Claim, Heard

__all__ = [
    "LEASE",
    "WIDTH",
    "ClientFor",
    "HubDesk",
    "Kit",
    "Polled",
    "Poller",
    "Report",
    "poll_one",
    "poll_some",
]

log = logger("ingest")

WIDTH = 100  # upstreams in hand at a time
BATCH = 25  # free slots before more are claimed: a claim is a transaction
LEASE = timedelta(minutes=3)  # renewed while we live, so it is only for those that die
RENEW = 60.0  # seconds between renewals
SETTLE = 0.1  # seconds for which unchanged polls are gathered
BEAT = 1.0  # seconds: how long it sleeps at most, and how often what hubs brought is looked for
BLOCKED = 0.25  # seconds until upstreams that are due are looked at again, whose hosts are being asked

SWITCH = 0.001  # seconds another thread may keep Python to itself while the loop waits for it; usually 5
CALM = 0.003  # seconds of computing that one turn of the loop may take while more is begun
PUSHES = 10  # bodies from hubs in hand at a time, beside the polls: each may have megabytes
LAST_FETCH = 5.0  # seconds that a fetch may still take when we are told to stop


@dataclass(slots=True)
class Report:
    """What one round of polling did: how many upstreams were asked, and how many brought a change."""

    polled: int = 0
    changed: int = 0


@dataclass(slots=True)
class _Hand:
    """What is in hand: running visits with their claims, those of hubs among them, and unchanged ones that wait to be settled."""

    running: dict[asyncio.Task[None], Claim] = field(default_factory=dict)
    pushes: set[asyncio.Task[None]] = field(default_factory=set)
    unchanged: list[tuple[Claim, Heard]] = field(default_factory=list)

    def claims(self) -> list[Claim]:
        return [*self.running.values(), *(claim for claim, _ in self.unchanged)]


class Poller:
    """Polls upstreams from one process: `run` for as long as a worker lives, `drain` until nothing is due.

    `told` hears of every poll that has ended. `sides` is other work to look after every few seconds.
    """

    def __init__(
        self,
        store: Store,
        client_for: ClientFor,
        mint: Mint,
        reader: Reader,
        site: Site,
        *,
        desk: HubDesk | None = None,
        sides: Sequence[Side] = (),
        told: Callable[[Polled], None] = lambda _: None,
        width: int = WIDTH,
        parsers: int = 2,
        lease: timedelta = LEASE,
    ) -> None:
        self._kit = (store, client_for, mint, reader, site, parsers)
        self._sides = [*([tending(desk)] if desk else []), asking_pages, *sides]
        self._told, self._width, self._lease = told, width, lease

    async def run(
        self,
        stop: threading.Event,
        hint: threading.Event,
        grace: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Poll what is due until told to stop; `hint` says that something may be due now.

        Then nothing more is claimed, and what is in hand has so many seconds of `grace` to end.
        """
        async with self._round(self._told) as round_:
            ear = ThreadPoolExecutor(1, "poll-hint")
            try:
                await self._turns(round_, stop, hint, ear)
            finally:
                hint.set()  # nobody listens any more
                ear.shutdown()
            await round_.end(grace())

    async def drain(self) -> Report:
        """Poll until nothing is due that nobody else polls, file what hubs brought, and do the other work once."""
        async with self._round(self._told) as round_:
            while True:
                started = bool(await round_.fill_pushed()) | bool(await round_.fill())
                if not started and not round_.busy and await round_.pause() > BLOCKED:
                    break
                await round_.freed(BLOCKED)
            await round_.settle_all()
            for side in self._sides:
                await guarded(side, round_.kit)
            return round_.report

    async def these(self, slugs: Sequence[str]) -> list[Polled]:
        """Poll these upstreams now, due or not, in the order given; one that another process polls is not waited for.

        Where a page leads to its feed, that is read, too. Raises NotFound.
        """
        done: dict[str, Polled] = {}
        async with self._round(lambda one: done.update({one.slug: one})) as round_:
            await round_.kit.read(lambda tx: [upstreams.named(tx, slug) for slug in slugs])
            left = list(slugs)
            while left or round_.busy:
                claimed = await round_.fill(left)
                left = [slug for slug in left if slug not in claimed]
                if left and not claimed and not round_.busy and not await round_.blocked(left):
                    break
                await round_.freed(BLOCKED)
                for slug in [slug for slug, one in done.items() if one.led_on]:
                    del done[slug]
                    left.append(slug)
            await round_.settle_all()
        away = "is being polled at this moment; look again in a minute"
        return [done.get(slug) or Polled(slug=slug, fault=f'"{slug}" {away}') for slug in slugs]

    async def look(self, slugs: Sequence[str]) -> list[Polled]:
        """What each entry of these upstreams would become, and why; writes nothing. Raises NotFound."""
        kit, gate = Kit(*self._kit), asyncio.Semaphore(self._width)
        try:
            known = await kit.read(lambda tx: [(upstreams.named(tx, slug), tx.now) for slug in slugs])
            hosts = {upstream.host: asyncio.Lock() for upstream, _ in known}

            async def one(index: int) -> Polled:
                upstream, now = known[index]
                async with hosts[upstream.host], gate:
                    return await visits.look(kit, upstream, now)

            return await asyncio.gather(*map(one, range(len(known))))
        finally:
            kit.close()

    def _round(self, told: Callable[[Polled], None]) -> _Round:
        return _Round(Kit(*self._kit), told, self._width, self._lease)

    async def _turns(
        self, round_: _Round, stop: threading.Event, hint: threading.Event, ear: ThreadPoolExecutor
    ) -> None:
        sides = Sides(round_.kit, self._sides)
        heard: asyncio.Future[Any] | None = None
        listen = 0.0  # when to look for what hubs brought
        while not stop.is_set():
            pause = BEAT
            try:
                hint.clear()
                if time.monotonic() >= listen:
                    listen = time.monotonic() + BEAT
                    await round_.fill_pushed()
                if not await round_.fill():
                    pause = min(await round_.pause(), BEAT)
            except TryLater as fault:
                log.warning("store away", loop="poll", fault=str(fault))
            sides.go_on()
            if heard is None or heard.done():
                heard = asyncio.get_running_loop().run_in_executor(ear, hint.wait, BEAT)
            await round_.freed(pause, heard)
        await sides.end()


def keep_awake() -> None:
    """Let the loop be late by a few milliseconds at most, whatever else this process does, for as long as it lives.

    It asks for Python's lock after each look at its sockets, and again after each piece it reads or sends,
    while the store's thread and those that parse are busy. And what was loaded until now, some hundred
    thousand things, is not looked through for what is out of use: that takes a quarter of a second.
    """
    sys.setswitchinterval(SWITCH)
    if not gc.get_freeze_count():
        gc.freeze()


async def _calm() -> None:
    """Let the loop turn until a turn is short: a hundred fetches whose answers come at once would hold it up.

    Only computing counts: upstreams that are slow to answer cost none, and as many as there are slots are in hand.
    """
    for _ in range(WIDTH):
        began = time.thread_time()
        await asyncio.sleep(0)
        if time.thread_time() - began < CALM:
            return


def poll_one(
    store: Store,
    slug: str,
    client_for: ClientFor,
    mint: Mint,
    site: Site,
    *,
    dry_run: bool = False,
    reader: Reader | None = None,
    lease: timedelta = LEASE,
) -> Polled:
    """Read one upstream now, due or not; with `dry_run` nothing is written and its whole feed is shown.

    Raises NotFound, and TryLater while somebody else polls it.
    """

    async def one(reader: Reader) -> Polled:
        kit = Kit(store, client_for, mint, reader, site)
        try:
            if dry_run:
                upstream, now = await kit.read(lambda tx: (upstreams.named(tx, slug), tx.now))
                return await visits.look(kit, upstream, now)
            claim, now = await kit.write(lambda tx: (upstreams.claim(tx, slug, lease), tx.now))
            if claim is None:
                raise TryLater(f'"{slug}" is being polled at this moment; look again in a minute')
            same: list[tuple[Claim, Heard]] = []
            polled = await visits.visit(kit, claim, now, lambda *one: same.append(one))
            await kit.write(lambda tx: upstreams.settle_unchanged(tx, same))
            return polled
        finally:
            kit.close()

    if reader:
        return asyncio.run(one(reader))
    with Pool(1) as pool:
        return asyncio.run(one(pool))


def poll_some(poller: Poller, slugs: Sequence[str], *, dry_run: bool = False) -> list[Polled]:
    """Read these upstreams now, due or not, many at a time; with `dry_run` only look. Raises NotFound."""
    return asyncio.run(poller.look(slugs) if dry_run else poller.these(slugs))


class _Round:
    """One stretch of polling: slots that are filled and freed, and the grouped settling of what is unchanged."""

    def __init__(self, kit: Kit, told: Callable[[Polled], None], width: int, lease: timedelta) -> None:
        self.kit, self.report = kit, Report()
        self._told, self._width, self._lease = told, width, lease
        self._batch = max(1, min(BATCH, width // 4))
        self._hand = _Hand()
        self._freed, self._settling = asyncio.Event(), asyncio.Lock()
        self._keepers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Start what keeps leases and settles groups."""
        self._keepers = [
            asyncio.create_task(self._every(SETTLE, self.settle_all)),
            asyncio.create_task(self._every(RENEW, self._renew)),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Break off whatever is left, and give back what it held."""
        await self.end(0)
        await cancelled(self._keepers)
        self.kit.close()

    @property
    def busy(self) -> bool:
        """Whether any visit is in hand."""
        return bool(self._hand.running)

    @property
    def _free(self) -> int:
        return self._width - len(self._hand.running) + len(self._hand.pushes)

    async def fill(self, only: Sequence[str] | None = None) -> set[str]:
        """Claim as many as there are slots, if they are worth a claim, and start their visits; their slugs."""
        free = self._free
        if free < self._batch or only == []:
            return set()
        wanted = None if only is None else only[: self._width * 5]

        def claims(tx: Tx) -> tuple[list[Claim], datetime]:
            if wanted is None:
                return upstreams.claim_due(tx, free, self._lease), tx.now
            return upstreams.claim_some(tx, wanted, free, self._lease), tx.now

        if wanted is None and not await self.kit.read(upstreams.anything_due):
            return set()  # looking is cheaper than writing
        taken, now = await self.kit.write(claims)
        for claim in taken:
            self._start(claim, self._visited(claim, now))
            await _calm()
        return {claim.upstream.slug for claim in taken}

    async def fill_pushed(self) -> int:
        """Take what hubs brought, a few at a time, in slots of their own: upstreams that hang delay none; how many."""
        room = PUSHES - len(self._hand.pushes)
        if room <= 0:
            return 0
        waiting = await self.kit.read(lambda tx: hubs.pushed(tx, room))
        for pushed in waiting:
            claim, now = await self.kit.write(partial(self._claim_pushed, pushed))
            if claim:
                self._hand.pushes.add(self._start(claim, visits.receive(self.kit, pushed, claim, now)))
        return len(waiting)

    async def pause(self) -> float:
        """Seconds until the next upstream is due; a little while where it is due and its host is busy."""

        def left(tx: Tx) -> float:
            due = upstreams.next_check(tx)
            return (due - tx.now).total_seconds() if due else float("inf")

        return max(await self.kit.read(left), BLOCKED)

    async def blocked(self, slugs: Sequence[str]) -> bool:
        """Whether some of these are only waiting for their hosts, and nobody polls them."""
        return await self.kit.read(lambda tx: upstreams.any_free(tx, slugs))

    async def freed(self, seconds: float, *others: asyncio.Future[Any]) -> None:
        """Wait until enough slots are free to claim more, one of the others has happened, or the time is over."""
        slots = asyncio.ensure_future(self._freed.wait())
        await asyncio.wait([slots, *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        slots.cancel()
        self._freed.clear()

    async def settle_all(self) -> None:
        """Settle what was found unchanged since the last time, in one transaction."""
        async with self._settling:  # two at once would count the same polls twice
            group = self._hand.unchanged[:]
            if group:
                await self.kit.write(lambda tx: upstreams.settle_unchanged(tx, group))
                del self._hand.unchanged[: len(group)]

    async def end(self, grace: float) -> None:
        """Let what is in hand end; then break off the rest, and give it back.

        Fetches get less of the time: what has not come yet is read by the next worker.
        """
        running, ends = self._hand.running, time.monotonic() + grace
        if running and grace:
            await asyncio.wait(running, timeout=min(grace, LAST_FETCH))
        broken = [self._hand.running[task] for task in running if task in self.kit.fetching]
        await cancelled([task for task in running if task in self.kit.fetching])
        if running and grace:
            await asyncio.wait(running, timeout=max(ends - time.monotonic(), 0))
        broken += running.values()
        await cancelled(list(running))
        with suppress(SyndicatorError):  # the database is away: the leases run out
            await self.settle_all()
            if broken:
                await self.kit.write(lambda tx: upstreams.give_back(tx, broken))

    def _claim_pushed(self, pushed: Pushed, tx: Tx) -> tuple[Claim | None, datetime]:
        return visits.claim_pushed(tx, pushed, self._lease), tx.now

    def _start(self, claim: Claim, work: Awaitable[Polled]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(self._ended(claim, work))
        self._hand.running[task] = claim
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._hand.running[task]
        self._hand.pushes.discard(task)
        if self._free >= self._batch:
            self._freed.set()

    async def _visited(self, claim: Claim, now: datetime) -> Polled:
        return await visits.visit(self.kit, claim, now, lambda *same: self._hand.unchanged.append(same))

    async def _ended(self, claim: Claim, work: Awaitable[Polled]) -> None:
        slug = claim.upstream.slug
        try:
            polled = await work
        except TryLater as fault:  # overtaken, or the database is away: the lease runs out
            log.warning("poll not settled", upstream=slug, fault=str(fault))
        except Exception:
            log.exception("poll not settled", upstream=slug)
        else:
            self.report.polled += 1
            self.report.changed += polled.changed
            self._told(polled)

    async def _renew(self) -> None:
        held = self._hand.claims()
        await self.kit.write(lambda tx: upstreams.renew(tx, held, self._lease))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except TryLater as fault:
                log.warning("store away", loop="poll", fault=str(fault))
                await asyncio.sleep(BEAT)
            except Exception:
                log.exception("loop broke", loop="poll")
                await asyncio.sleep(BEAT)
