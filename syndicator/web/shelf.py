"""The bytes in demand, within a budget, and the costly codings of those that are asked for often.

Who is asked for least goes first. A document read whole `HOT` times in a minute gets br and zstd,
made by a thread of its own; they are held here only, and dropped when it cools down (feeds:H13).
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable

from syndicator.observe import logger
from syndicator.store.documents import Bodies
from syndicator.web.codings import BR, GZIP, IDENTITY, STORED, ZSTD, compress
from syndicator.web.feeds import Served

BUDGET = 64 * 2**20  # bytes of bodies held in memory
HOT = 30  # whole reads between two coolings that make a document worth the time


class Held:
    """One document's bytes by coding, and how often they were read since the last cooling."""

    __slots__ = ("bodies", "reads", "served", "weight")

    def __init__(self, served: Served, bodies: Bodies, reads: int) -> None:
        self.served, self.reads = served, reads
        self.bodies = {IDENTITY: bodies.body, GZIP: bodies.gzip}
        self.weight = len(bodies.body) + len(bodies.gzip)


class Shelf:
    """Bodies by path, the least asked for first; safe between threads."""

    def __init__(self, budget: int = BUDGET, hot: int = HOT) -> None:
        self.budget, self.hot = budget, hot
        self.weight = 0
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._lock = threading.Lock()
        self._warm: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="codings", daemon=True)

    def __contains__(self, path: str) -> bool:
        return path in self._held

    def find(self, path: str) -> Served | None:
        """Whose bytes are held for a path; archive pages are known here only."""
        held = self._held.get(path)
        return held.served if held else None

    def body(self, path: str, served: Served, coding: int) -> bytes | None:
        """The bytes `served` describes in a coding, if they are here; counts as a reading."""
        with self._lock:
            held = self._held.get(path)
            if held is None or held.served.etag != served.etag:
                return None
            self._held.move_to_end(path)
            held.reads += 1
            if held.reads == self.hot:
                self._warm.put(path)
        return held.bodies.get(coding)

    def hold(self, path: str, served: Served, bodies: Bodies) -> None:
        """Put bytes in the place of older ones; what was hot stays so, and gets its codings anew."""
        with self._lock:
            before = self._held.get(path)
            if before and before.served is served:
                return
            reads = before.reads if before else 0
            hot = before is not None and (reads >= self.hot or BR in before.bodies)
            self._drop(path)
            held = Held(served, bodies, reads)
            if held.weight > self.budget:
                return  # it is read each time, and moves nobody else out
            self._held[path] = held
            self.weight += held.weight
            self._fit()
        if hot:
            self._warm.put(path)

    def drop(self, paths: Iterable[str]) -> None:
        """Forget these."""
        with self._lock:
            for path in paths:
                self._drop(path)

    def archives(self, topics: Collection[str]) -> list[str]:
        """The paths of the archive pages of these topics that are here."""
        with self._lock:
            every = [(path, held.served) for path, held in self._held.items()]
        return [path for path, served in every if served.page is not None and served.topic in topics]

    def topics(self) -> set[str]:
        """The topics of which an archive page is here."""
        with self._lock:
            return {held.served.topic for held in self._held.values() if held.served.page is not None}

    # -- codings --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to make codings."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; it is not waited for long."""
        self._warm.put(None)
        if self._thread.is_alive():
            self._thread.join(5)

    def cool(self) -> None:
        """A minute has passed: count anew, and let go of the codings of whatever was read less."""
        with self._lock:
            for held in self._held.values():
                if held.reads < self.hot and BR in held.bodies:
                    held.served.ready = STORED
                    self.weight -= sum(len(held.bodies.pop(coding)) for coding in (BR, ZSTD))
                    held.weight = sum(map(len, held.bodies.values()))
                held.reads = 0

    def warm(self, path: str) -> None:
        """Make the costly codings of what is held for a path."""
        held = self._held.get(path)
        if held is None or BR in held.bodies:
            return
        made = compress(held.bodies[IDENTITY])
        with self._lock:
            if self._held.get(path) is not held:
                return  # newer bytes came meanwhile
            held.bodies = {**held.bodies, **made}
            more = sum(map(len, made.values()))
            held.weight += more
            self.weight += more
            # The sizes first: as soon as a coding is ready, heads are made with them.
            held.served.sizes = (*held.served.sizes[:2], len(made[BR]), len(made[ZSTD]))
            held.served.ready = STORED | 1 << BR | 1 << ZSTD
            self._fit()

    def _run(self) -> None:
        while (path := self._warm.get()) is not None:
            try:
                self.warm(path)
            except Exception:  # noqa: BLE001 - the stored codings serve; a bug here is loud in the log
                logger("web").exception("codings not made", path=path)

    def _fit(self) -> None:
        while self.weight > self.budget:
            self._drop(next(iter(self._held)))

    def _drop(self, path: str) -> None:
        gone = self._held.pop(path, None)
        if gone:
            gone.served.ready = STORED
            self.weight -= gone.weight
