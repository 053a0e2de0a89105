"""Lanes: claim, send, settle — one destination each, so that none can starve another.

A turn of a lane is: claim in a short transaction; make ready; mark *sending* and commit; only then
open the mouth; settle in groups. Killed at any point, the ledger knows: leased rows were certainly not
sent, *sending* rows are doubts (`requirements/delivery-and-security` §1.4 rules 2-5). A destination in
trouble is left alone for a while that doubles, and is one incident, not ten thousand.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue

from syndicator.delivery.road import Parcel, Road
from syndicator.errors import SyndicatorError, TryLater, WireFault
from syndicator.model.delivery import Channel, Outcome, Policy, Result, Try, blames_destination, spared
from syndicator.model.outcomes import SUSPICIOUS
from syndicator.observe import logger
from syndicator.store import Store, Tx, alarms, deliveries

log = logger("delivery")
# Results wait at most this long for company before they are written (SE14), in seconds.
FLUSH_AFTER = 0.1
# A claim is held this long at most before it is marked *sending*: it comes back soon after a crash.
CLAIM_LEASE = timedelta(minutes=1)
MAX_LANES = 64
# Seconds between looks: with nothing under way, while lanes are at work, and at most.
SOON, LULL, LONGEST = 0.02, 0.2, 1.0
# What is marked *sending* is in doubt after a crash: a thread starts with few, and never has more than
# this share of what it has carried so far in hand, up to the road's batch.
FIRST_BATCH = 4
SHARE = 4
# Between letters a lane looks this often whether it shall stop (mail:SE17 wants a second), in seconds.
LOOK = 0.5
# A destination in trouble for so long is an alarm.
ALARM_AFTER = {Channel.MAIL: timedelta(minutes=5), Channel.WEBHOOK: timedelta(hours=1)}

Roads = Callable[[str, Channel], Road]
Group = Sequence[tuple[Try, Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """What every lane of a worker shares. `worker` is its unique name; `width` is lanes by channel at once."""

    store: Store
    roads: Roads
    worker: str
    policy: Policy
    width: Callable[[Channel], int]
    stop: threading.Event


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

    Sleeps until the next due instant, a hint (`wake`) or one second, whichever is first.
    """
    running: dict[tuple[str, int], Future[int]] = {}
    with ThreadPoolExecutor(MAX_LANES, "lane") as pool:
        while not crew.stop.is_set():
            wake.clear()
            try:
                recover(crew)
                _start_lanes(crew, pool, running)
                pause = _pause(crew, LULL if running else SOON)
            except TryLater as fault:  # the database is away: it will be back
                log.warning("store away", fault=str(fault))
                pause = LONGEST
            except Exception:  # a bug: loud, but what is due must still get out
                log.exception("lanes broke")
                pause = LONGEST
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
    tries = 0
    lease = min(CLAIM_LEASE, crew.policy.lease)
    with closing(road):
        while not crew.stop.is_set():
            batch = min(max(FIRST_BATCH, tries // SHARE), road.batch)
            with crew.store.begin() as tx:
                claimed = deliveries.claim(tx, key, crew.worker, batch, lease, crew.policy)
                parcels = road.prepare(tx, claimed)
            if not claimed:
                break
            carried, healthy = _turn(crew, key, road, parcels)
            tries += carried
            if not healthy:
                break
    return tries


def _turn(crew: Crew, key: str, road: Road, parcels: Sequence[Parcel]) -> tuple[int, bool]:
    """Carry one claim; returns how many were tried and whether the destination is well."""
    tries = [parcel.attempt for parcel in parcels]
    try:
        road.open()
    except (WireFault, TryLater) as fault:
        _trouble(crew, key, tries[0].channel, tries, str(fault))
        return 0, False
    with crew.store.begin() as tx:
        ours = {attempt.id for attempt in deliveries.start(tx, tries, crew.policy.lease)}
    mine = [parcel for parcel in parcels if parcel.attempt.id in ours]
    counted = _Counted()
    if faulty := [(parcel.attempt, parcel.fault) for parcel in mine if parcel.fault]:
        _settle(crew, key, faulty, counted, ())
    patience = crew.policy.lease.total_seconds() / 4
    for group in _groups(lambda: _carried(_Watch(crew, key, sorted(ours)), road, mine), patience):
        _settle(crew, key, counted.hear(group), counted, [parcel.attempt for parcel in mine])
    return len(counted.ids), _conclude(crew, key, tries[0].channel, counted.rest(mine), counted)


def _settle(crew: Crew, key: str, group: Group, counted: _Counted, all_of_turn: Sequence[Try]) -> None:
    """Write a group of results; known results are worth a second try when the database stumbles."""
    counted.ids.update(attempt.id for attempt, _ in group)
    for last in (False, True):
        try:
            with crew.store.begin() as tx:
                deliveries.settle_all(tx, group, crew.policy)
                _break(tx, key, group, crew.policy)
                # A slow relay must not make doubts of what is alive: whoever works keeps the lease.
                if counted.lease_is_old(crew.policy.lease):
                    deliveries.renew(
                        tx, [one for one in all_of_turn if one.id not in counted.ids], crew.policy.lease
                    )
            return
        except TryLater:
            if last:
                raise


def _break(tx: Tx, key: str, group: Group, policy: Policy) -> None:
    """Pause the lane if a sending is turned away too often; once a sending, for then a person has decided."""
    if not policy.stop_above:
        return
    bad = {
        attempt.subject
        for attempt, result in group
        if result.outcome is Outcome.REFUSED and result.cause in SUSPICIOUS
    }
    for subject in sorted(bad):
        why = deliveries.suspicion(tx, subject, policy.stop_above)
        if why is None:
            continue
        words = (
            f"{why}: all of this lane is paused; see `syndicator delivery list --subject {subject} "
            f"--state refused`, then `delivery resume {key}`"
        )
        if alarms.raise_(tx, f"stop/{subject}", f"Mail is paused: {subject} is turned away", words):
            deliveries.pause(tx, key, words)
            log.error("lane paused", lane=key, fault=words)


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
        self.accepted += sum(result.outcome is Outcome.ACCEPTED for _, result in group)
        return [(attempt, self._judged(attempt, result)) for attempt, result in group]

    def _judged(self, attempt: Try, result: Result) -> Result:
        if blames_destination(attempt.channel, result):
            self.trouble = result.detail
        if result.over:
            self.over = result.detail
        words = {"delivery": attempt.id, "subject": attempt.subject, "lane": attempt.lane}
        log.info("tried", **words, outcome=result.outcome)
        if not spared(attempt, result, well=self.accepted > 0):
            return result
        self.spared.append(attempt.id)
        return replace(result, spared=True)

    def rest(self, parcels: Sequence[Parcel]) -> list[Try]:
        """What was taken and certainly not sent."""
        return [parcel.attempt for parcel in parcels if parcel.attempt.id not in self.ids]

    def lease_is_old(self, lease: timedelta) -> bool:
        """Whether a quarter of the lease is over; it then starts anew."""
        old = time.monotonic() - self._leased > lease.total_seconds() / 4
        if old:
            self._leased = time.monotonic()
        return old


def _conclude(crew: Crew, key: str, channel: Channel, untouched: Sequence[Try], counted: _Counted) -> bool:
    """Write what the turn says about the destination itself; True if it is well."""
    if counted.trouble is not None and not counted.accepted:
        _trouble(crew, key, channel, untouched, counted.trouble, counted.spared)
        return False
    if not untouched and counted.over is None:  # the usual case: a look instead of a write
        with crew.store.read() as tx:
            if not (counted.accepted and deliveries.in_trouble(tx, key)):
                return True
    with crew.store.begin() as tx:
        deliveries.give_back(tx, untouched)
        if counted.accepted and deliveries.lane_works(tx, key):
            alarms.end(tx, f"lane/{key}/")
            log.warning("lane works again", lane=key)
        if counted.over is not None:
            deliveries.lane_over(tx, key, counted.over)
    if counted.over is not None:
        log.warning("lane over", lane=key, fault=counted.over)
    return counted.over is None


def _trouble(
    crew: Crew, key: str, channel: Channel, tries: Sequence[Try], fault: str, hit: Sequence[int] = ()
) -> None:
    """The destination is in trouble: one incident, told once and every hour, an alarm when it lasts."""
    with crew.store.begin() as tx:
        deliveries.give_back(tx, tries)
        incident = deliveries.lane_failed(tx, key, fault, hit)
        lasting = ALARM_AFTER.get(channel)
        if lasting is not None and tx.now - incident.since >= lasting:
            _alarm(tx, key, incident, fault)
    if incident.news:
        log.warning("lane in trouble", lane=key, fault=fault, since=incident.since.isoformat())


def _alarm(tx: Tx, key: str, incident: deliveries.Incident, fault: str) -> None:
    since = incident.since.isoformat(timespec="seconds")
    waiting = next(one.waiting for one in deliveries.lanes(tx) if one.key == key)
    words = (
        f"Since {since} nothing gets through to {key}: {fault}. {waiting} wait; they go out by themselves when it is "
        "back, and what is too late by then asks first (`syndicator delivery lanes`)."
    )
    alarms.raise_(tx, f"lane/{key}/{since}", f"{key} is out of reach", words)


class _Watch:
    """Looks, between letters, whether somebody stopped the lane or a letter; told to stop, it lets nothing pass."""

    def __init__(self, crew: Crew, key: str, ids: Sequence[int]) -> None:
        self._crew, self._key, self._ids = crew, key, ids
        self._looked = time.monotonic()
        self._stopped: frozenset[int] | None = frozenset()

    def lets(self, parcel: Parcel) -> bool:
        """Whether this one may be taken to the wire now; those it keeps back are given back, unsent."""
        if self._crew.stop.is_set():
            return False
        if time.monotonic() - self._looked > LOOK:
            self._look()
        return self._stopped is not None and parcel.attempt.id not in self._stopped

    def _look(self) -> None:
        try:
            with self._crew.store.read() as tx:
                self._stopped = deliveries.stopped(tx, self._key, self._ids)
        except TryLater:  # what cannot be written down must not be sent
            self._stopped = None
        self._looked = time.monotonic()


def _carried(watch: _Watch, road: Road, parcels: Sequence[Parcel]) -> Iterator[tuple[Try, Result]]:
    ready = (parcel for parcel in parcels if parcel.fault is None and watch.lets(parcel))
    for parcel, result in road.carry(ready):
        if not result.spared:  # what stood behind another's trouble was not tried: it is given back
            yield parcel.attempt, result


def _groups(carry: Callable[[], Iterator[tuple[Try, Result]]], patience: float) -> Iterator[Group]:
    """Results as they come, in groups; none waits longer than FLUSH_AFTER for company.

    After `patience` seconds without any an empty group, so that whoever waits long keeps the lease.

    Carried by a thread of its own, so that what is known is written while the next answer is awaited.
    """
    heard: SimpleQueue[tuple[Try, Result] | BaseException | None] = SimpleQueue()
    ended = threading.Event()
    threading.Thread(target=_pump, args=(carry, heard, ended), name="carrier", daemon=True).start()
    while True:
        group: list[tuple[Try, Result]] = []
        got: tuple[Try, Result] | BaseException | None = None
        with suppress(Empty):
            got = heard.get(timeout=patience)
            # Woken for every single result, this thread would cost the carrier more than the letters do.
            ended.wait(FLUSH_AFTER)
            while isinstance(got, tuple):
                group.append(got)
                got = heard.get_nowait()
            if group:
                yield group
            if got is not None:
                raise got
            return
        yield group


def _pump(
    carry: Callable[[], Iterator[tuple[Try, Result]]],
    heard: SimpleQueue[tuple[Try, Result] | BaseException | None],
    ended: threading.Event,
) -> None:
    try:
        for result in carry():
            heard.put(result)
        heard.put(None)
    except BaseException as fault:  # noqa: BLE001 - raised again where it can be heard
        heard.put(fault)
    ended.set()


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
