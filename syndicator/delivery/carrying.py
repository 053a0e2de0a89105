"""The hand of a lane: a thread that carries parcels over a road while the lane keeps the books.

What is handed over is marked *sending* already. The hand tells how each parcel ended, or that it kept it back,
and says in time that it will soon have nothing left, so that the wire need not wait for the books.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from syndicator.delivery.road import Parcel, Road
from syndicator.errors import TryLater
from syndicator.model.delivery import Result, Try
from syndicator.store import Store, deliveries

# Results wait at most this long for company before they are written (SE14), in seconds.
FLUSH_AFTER = 0.1
# A result, or None for what was certainly not sent.
Heard = tuple[Try, Result | None]


class Watch:
    """Looks, between letters, whether somebody stopped the lane or a letter; told to stop, it lets nothing pass.

    `under_way` names the deliveries that may be stopped; `every` is the span between looks, in seconds.
    """

    def __init__(
        self,
        store: Store,
        key: str,
        stop: threading.Event,
        under_way: Callable[[], Sequence[int]],
        every: float,
    ) -> None:
        self._store, self._key, self._stop, self._under_way = store, key, stop, under_way
        self._every = every
        self._looked = time.monotonic()
        self._stopped: frozenset[int] | None = frozenset()

    def lets(self, parcel: Parcel) -> bool:
        """Whether this one may be taken to the wire now; those it keeps back are given back, unsent."""
        if self._stop.is_set():
            return False
        if time.monotonic() - self._looked > self._every:
            self._look()
        return self._stopped is not None and parcel.attempt.id not in self._stopped

    def _look(self) -> None:
        try:
            with self._store.read() as tx:
                self._stopped = deliveries.stopped(tx, self._key, self._under_way())
        except TryLater:  # what cannot be written down must not be sent
            self._stopped = None
        self._looked = time.monotonic()


class Hand:
    """Carries what it is given, in order, in a thread of its own, until it is let go or the road takes no more."""

    def __init__(self, road: Road, watch: Watch) -> None:
        self._road, self._watch = road, watch
        self._given: SimpleQueue[Parcel | None] = SimpleQueue()
        self._heard: SimpleQueue[Heard | BaseException | None] = SimpleQueue()
        self._news = threading.Event()  # worth waking the lane for: nearly nothing left, or all is done
        self._few = -1
        self._idle = True
        self._drained = True
        self._halted = False
        self._fault: BaseException | None = None
        self.over = False
        self._thread = threading.Thread(target=self._work, name="carrier", daemon=True)
        self._thread.start()

    def give(self, parcels: Iterable[Parcel], few: int) -> None:
        """Take these to the wire; wake whoever hears when only `few` are left to begin with (-1: when all is done)."""
        self._few = few
        self._news.clear()
        for parcel in parcels:
            self._idle = False
            self._given.put(parcel)
        if self._idle:
            self._news.set()

    def hear(self, patience: float) -> list[Heard]:
        """What became of parcels since; waits for the first, and FLUSH_AFTER for its company.

        Nothing after `patience` seconds without any. Raises what broke the road, when all else was heard.
        """
        group: list[Heard] = []
        try:
            got = self._heard.get(timeout=patience)
            # Woken for every single result, this thread would cost the carrier more than the letters do.
            if isinstance(got, tuple):
                self._news.wait(FLUSH_AFTER)
            while isinstance(got, tuple):
                group.append(got)
                got = self._heard.get_nowait()
        except Empty:
            return group
        self.over, self._fault = True, got if isinstance(got, BaseException) else None
        return group

    def let_go(self) -> None:
        """Nothing more will be given; what is under way may go on."""
        self._given.put(None)

    def halt(self) -> None:
        """Take nothing more to the wire, and wait until what is on it has an answer: the road is free then."""
        self._halted = True
        self.let_go()
        self._thread.join()

    def join(self) -> None:
        """Wait until the road is free again, when all was heard; raises what broke it."""
        self._thread.join()
        with suppress(Empty):
            while self._fault is None:
                got = self._heard.get_nowait()
                self._fault = got if isinstance(got, BaseException) else None
        if self._fault:
            raise self._fault

    def _work(self) -> None:
        fault: BaseException | None = None
        try:
            while (first := self._given.get()) is not None:
                self._drained = False
                for parcel, result in self._road.carry(self._let_through(first)):
                    # What stood behind another's trouble was not tried.
                    self._heard.put((parcel.attempt, None if result.spared else result))
                if not self._drained:
                    break
                self._idle = self._given.empty()
                if self._idle:
                    self._news.set()
        except BaseException as broken:  # noqa: BLE001 - raised again where it can be heard
            fault = broken
        self._heard.put(fault)
        self._idle = True
        self._news.set()

    def _let_through(self, first: Parcel) -> Iterator[Parcel]:
        parcel: Parcel | None = first
        try:
            while parcel is not None:
                if self._given.qsize() <= self._few:
                    self._news.set()
                if not self._halted and self._watch.lets(parcel):
                    yield parcel
                else:
                    self._heard.put((parcel.attempt, None))
                parcel = self._given.get_nowait()
            self._given.put(None)  # let go: for the loop outside, too
        except Empty:
            pass
        self._drained = True
