"""Lanes: claim, send, settle — one destination each, so that none can starve another.

A turn of a lane is: claim in a short transaction; make ready; mark *sending* and commit; only then
open the mouth; settle in groups. Killed at any point, the ledger knows: leased rows were certainly not
sent, *sending* rows are doubts (`requirements/delivery-and-security` §1.4 rules 2-5). A destination in
trouble is left alone for a while that doubles, and is one incident, not ten thousand.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from syndicator.delivery import troubles
from syndicator.delivery.carrying import Hand, Watch
from syndicator.delivery.clerk import Clerk, Held
from syndicator.delivery.road import Parcel, Road
from syndicator.errors import SyndicatorError, TryLater, WireFault
from syndicator.model.delivery import Channel, Outcome, Policy, Result, Try, blames_destination, spared
from syndicator.observe import logger
from syndicator.store import Store, Tx, deliveries

log = logger("delivery")
# A claim is held this long at most before it is marked *sending*: it comes back soon after a crash.
CLAIM_LEASE = timedelta(minutes=1)
MAX_LANES = 64
# Seconds between looks: with nothing under way, while lanes are at work, and at most.
SOON, LULL, LONGEST = 0.02, 0.2, 0.2
# With the database away; and between looks for what dead workers held.
AWAY = 1.0
# What is marked *sending* is in doubt after a crash: a thread starts with few, and never has more than
# this share of what it has carried so far in hand, up to the road's batch (docs/adr/0038).
FIRST_BATCH = 4
SHARE = 1
# What is only leased was certainly not sent: so many times as much may be taken ahead and written.
AHEAD = 4
# The next are marked *sending* when of those in hand only this part is left to begin with.
FEW = 5
# Between letters a lane looks this often whether it shall stop (mail:SE17 wants a second), in seconds.
LOOK = 0.5

Roads = Callable[[str, Channel], Road]
Group = troubles.Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What every lane of a worker shares. `worker` is its unique name; `width` is lanes by channel at once."""

    store: Store
    roads: Roads
    worker: str
    policy: Policy
    width: Callable[[Channel], int]
    stop: threading.Event
    clerk: Clerk = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """One clerk writes for all lanes."""
        object.__setattr__(self, "clerk", Clerk(self.store))


def drain(crew: Crew) -> int:
    """Send everything that is due now, on all lanes at once; returns how many tries were made."""
    tries = 0
    with ThreadPoolExecutor(MAX_LANES, "lane") as pool:
        while not crew.stop.is_set():
            recover(crew)
            running = [pool.submit(run, crew, key, channel) for key, channel in _open_lanes(crew)]
            done = sum(future.result() for future in running)
            tries += done
            if not done:
                return tries
    return tries


def attend(crew: Crew, wake: threading.Event) -> None:
    """Serve all lanes until told to stop: start a thread for each lane with something due.

    Sleeps until the next due instant, a hint (`wake`) or a fifth of a second, whichever is first: what another
    process made due has no hint.
    """
    running: dict[tuple[str, int], Future[int]] = {}
    recovered = -AWAY
    with ThreadPoolExecutor(MAX_LANES, "lane") as pool:
        while not crew.stop.is_set():
            wake.clear()
            try:
                if time.monotonic() - recovered > AWAY:
                    recover(crew)
                    recovered = time.monotonic()
                _start_lanes(crew, pool, running)
                pause = _pause(crew, LULL if running else SOON)
            except TryLater as fault:  # the database is away: it will be back
                log.warning("store away", fault=str(fault))
                pause = AWAY
            except Exception:  # a bug: loud, but what is due must still get out
                log.exception("lanes broke")
                pause = AWAY
            wake.wait(pause)


def recover(crew: Crew) -> None:
    """Take back what dead workers held."""
    with crew.store.begin() as tx:
        leased, doubts = deliveries.recover(tx, crew.policy)
    if leased or doubts:
        log.warning("recovered", due_again=leased, doubts=doubts)


def next_due(crew: Crew) -> datetime | None:
    """When the ledger next asks for attention."""
    with crew.store.read() as tx:
        return deliveries.next_due(tx)


def run(crew: Crew, key: str, channel: Channel) -> int:
    """Serve one lane until nothing is due on it or its destination is in trouble; returns tries made."""
    road = crew.roads(key, channel)
    tries, pace = 0, 0.0
    with closing(road):
        while not crew.stop.is_set():
            began = time.monotonic()
            parcels = _prepared(crew, key, road, _most(road, tries, pace))
            if not parcels:
                troubles.probe(crew.store, key, channel, road)
                break
            carried, healthy = _Turn(crew, key, channel, road, parcels, tries).run()
            tries += carried
            pace = carried / (time.monotonic() - began)
            if not healthy:
                break
    return tries


def _window(road: Road, tries: int) -> int:
    """How many may be marked *sending* at once, after so many tries."""
    return min(max(FIRST_BATCH, tries // SHARE), road.batch)


def _most(road: Road, tries: int, pace: float) -> int:
    """How many to claim: what one second carries, and no more than AHEAD times what may be marked *sending*."""
    window = _window(road, tries)
    if window < road.batch or window == 1:  # not warm yet, or strictly one after the other
        return window
    return max(window, min(AHEAD * window, int(pace)))


def _prepared(crew: Crew, key: str, road: Road, most: int) -> list[Parcel]:
    lease = min(CLAIM_LEASE, crew.policy.lease)
    claimed = crew.clerk.write(
        (), lambda tx, _: deliveries.claim(tx, key, crew.worker, most, lease, crew.policy)
    )
    if not claimed:
        return []
    try:
        with crew.store.read() as tx:  # letters take a while to write: nobody waits for us meanwhile
            return road.prepare(tx, claimed)
    except Exception:
        with suppress(TryLater), crew.store.begin() as tx:
            deliveries.give_back(tx, claimed)
        raise


class _Turn:
    """Carries one claim: marks a few *sending*, hands them over, writes how they ended and marks the next, in one go."""

    def __init__(
        self, crew: Crew, key: str, channel: Channel, road: Road, parcels: Sequence[Parcel], tries: int
    ) -> None:
        self._crew, self._key, self._channel, self._road, self._before = crew, key, channel, road, tries
        self._parcels = parcels
        self._waiting = deque(parcels)
        self._out: dict[int, Try] = {}  # marked *sending*, and not heard of
        self._group: list[tuple[Try, Result]] = []
        self._kept: list[Try] = []
        self._counted = _Counted()
        self._paused = False

    def run(self) -> tuple[int, bool]:
        """Returns how many were tried and whether the destination is well."""
        try:
            self._road.open()
        except (WireFault, TryLater) as fault:
            tries = [parcel.attempt for parcel in self._parcels]
            troubles.met(self._crew.store, self._key, self._channel, tries, str(fault))
            return 0, False
        watch = Watch(self._crew.store, self._key, self._crew.stop, lambda: list(self._out), LOOK)
        hand = Hand(self._road, watch)
        patience = self._crew.policy.lease.total_seconds() / 4
        try:
            self._go_on(hand)
            while self._out and not hand.over:
                self._listen(hand, patience)
                self._go_on(hand)
        except BaseException:
            self._give_up(hand)
            raise
        hand.let_go()
        hand.join()
        untouched = self._counted.rest(self._parcels)
        return len(self._counted.ids), _conclude(
            self._crew, self._key, self._channel, untouched, self._counted
        )

    def _give_up(self, hand: Hand) -> None:
        """What cannot be written down is not sent; and while the hand is at work, the road is not ours to close."""
        hand.halt()
        with suppress(SyndicatorError):  # else their leases end, and all in hand are doubts
            self._listen(hand, 0)
            answered, self._group = self._group, []
            self._write(())  # first what was kept back: that is certain
            self._group = answered
            self._write(())

    def _listen(self, hand: Hand, patience: float) -> None:
        heard = hand.hear(patience)
        for attempt, _ in heard:
            del self._out[attempt.id]
        self._kept += [attempt for attempt, result in heard if result is None]
        self._group += self._counted.hear([(one, result) for one, result in heard if result is not None])

    def _go_on(self, hand: Hand) -> None:
        """Write what is known and hand over what comes next, until there is something to wait for."""
        while True:
            more = [] if hand.over else self._next()
            if not (more or self._group or self._kept or self._counted.lease_is_old(self._crew.policy.lease)):
                return
            begun = self._write(more)
            self._out |= {parcel.attempt.id: parcel.attempt for parcel in begun}
            for parcel in begun:
                if parcel.fault:  # it needs no carrying
                    self._group += self._counted.hear([(parcel.attempt, parcel.fault)])
                    del self._out[parcel.attempt.id]
            ready = [parcel for parcel in begun if not parcel.fault]
            hand.give(ready, len(self._out) // FEW if self._goes_on() else -1)
            if self._out and not (self._group and not ready):
                return

    def _goes_on(self) -> bool:
        ill = self._paused or self._crew.stop.is_set() or self._counted.ailing
        return bool(self._waiting) and not ill

    def _next(self) -> list[Parcel]:
        if not self._goes_on():
            return []
        room = _window(self._road, self._before + len(self._counted.ids)) - len(self._out)
        return [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]

    def _write(self, more: Sequence[Parcel]) -> list[Parcel]:
        """One transaction: how some ended, and that others are now *sending*; those may go."""
        group, kept, self._group, self._kept = self._group, self._kept, [], []
        touched = [*(attempt for attempt, _ in group), *(parcel.attempt for parcel in more)]

        def work(tx: Tx, held: Held) -> list[Parcel]:
            return self._written(tx, held, group, kept, more)

        blamed = deliveries.telling(group)
        try:
            return self._crew.clerk.write(touched, work, blamed)
        except TryLater:  # known results are worth a second try when the database stumbles
            return self._crew.clerk.write(touched, work, blamed)

    def _written(
        self, tx: Tx, held: Held, group: Group, kept: Sequence[Try], more: Sequence[Parcel]
    ) -> list[Parcel]:
        key, policy = self._key, self._crew.policy
        tries = [parcel.attempt for parcel in more]
        if group:
            deliveries.settle_all(tx, group, policy, held)
            troubles.stop_if_turned_away(tx, key, group, policy)
        if kept:
            deliveries.give_back(tx, kept)
        how = deliveries.condition(tx, key)
        self._paused = how.paused
        if how.failures and self._counted.accepted:
            troubles.over(tx, key)
        # A slow relay must not make doubts of what is alive: whoever works keeps the lease.
        if self._counted.lease_is_old(policy.lease):
            deliveries.renew(tx, list(self._out.values()), policy.lease)
            self._counted.leased()
        if how.paused or not tries:
            return []
        begun = {attempt.id for attempt in deliveries.start(tx, tries, policy.lease, held)}
        return [parcel for parcel in more if parcel.attempt.id in begun]


class _Counted:
    """What a turn has heard so far, and what that says about the destination."""

    def __init__(self) -> None:
        self.ids: set[int] = set()
        self.spared: list[int] = []
        self.accepted = 0
        self.trouble: str | None = None
        self.over: str | None = None
        self._leased = time.monotonic()

    def hear(self, group: Group) -> Group:
        """Take in how these tries ended; those that met the destination's own trouble are marked as spared."""
        self.ids.update(attempt.id for attempt, _ in group)
        self.accepted += sum(result.outcome is Outcome.ACCEPTED for _, result in group)
        told = log.bind()  # a logger that is bound costs less to ask
        return [(attempt, self._judged(attempt, result, told)) for attempt, result in group]

    def _judged(self, attempt: Try, result: Result, told: Any) -> Result:
        told.info(
            "tried",
            delivery=attempt.id,
            subject=attempt.subject,
            lane=attempt.lane,
            outcome=result.outcome,
        )
        if result.outcome is Outcome.ACCEPTED:
            return result
        if blames_destination(attempt.channel, result):
            self.trouble = result.detail
        if result.over:
            self.over = result.detail
        if not spared(attempt, result, well=self.accepted > 0):
            return result
        self.spared.append(attempt.id)
        return replace(result, spared=True)

    def rest(self, parcels: Sequence[Parcel]) -> list[Try]:
        """What was taken and certainly not sent."""
        return [parcel.attempt for parcel in parcels if parcel.attempt.id not in self.ids]

    @property
    def ailing(self) -> bool:
        """Whether nothing more should be tried: the destination is in trouble, or wants nothing more."""
        return self.over is not None or (self.trouble is not None and not self.accepted)

    def lease_is_old(self, lease: timedelta) -> bool:
        """Whether a quarter of the lease is over."""
        return time.monotonic() - self._leased > lease.total_seconds() / 4

    def leased(self) -> None:
        """The lease has started anew."""
        self._leased = time.monotonic()


def _conclude(crew: Crew, key: str, channel: Channel, untouched: Sequence[Try], counted: _Counted) -> bool:
    """Write what the turn says about the destination itself; True if it is well."""
    if counted.trouble is not None and not counted.accepted:
        troubles.met(crew.store, key, channel, untouched, counted.trouble, counted.spared)
        return False
    if not untouched and counted.over is None:  # the usual case
        return True
    with crew.store.begin() as tx:
        deliveries.give_back(tx, untouched)
        if counted.over is not None:
            deliveries.lane_over(tx, key, counted.over)
    if counted.over is not None:
        log.warning("lane over", lane=key, fault=counted.over)
    return counted.over is None


def _open_lanes(crew: Crew) -> list[tuple[str, Channel]]:
    with crew.store.read() as tx:
        lanes = deliveries.due_lanes(tx)
    return [(key, channel) for key, channel in lanes for _ in range(crew.width(channel))]


def _start_lanes(crew: Crew, pool: ThreadPoolExecutor, running: dict[tuple[str, int], Future[int]]) -> None:
    for slot in [slot for slot, future in running.items() if future.done()]:
        _report(slot[0], running.pop(slot))
    with crew.store.read() as tx:
        lanes = deliveries.due_lanes(tx)
    for key, channel in lanes:
        for n in range(crew.width(channel)):
            if (key, n) not in running and len(running) < MAX_LANES:
                running[key, n] = pool.submit(run, crew, key, channel)


def _report(key: str, future: Future[int]) -> None:
    fault = future.exception()
    if isinstance(fault, SyndicatorError):
        log.warning("lane ended", lane=key, fault=str(fault))
    elif fault:  # a bug is no SyndicatorError: it must be loud, but other lanes go on
        log.error("lane broke", lane=key, exc_info=fault)


def _pause(crew: Crew, shortest: float) -> float:
    with crew.store.read() as tx:
        due = deliveries.next_due(tx)
        wait = (due - tx.now).total_seconds() if due else LONGEST
    return min(max(wait, shortest), LONGEST)
