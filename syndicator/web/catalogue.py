"""What is published, as the web process holds it in memory: validators of all, bytes of those in demand.

Other processes write; a thread here sees it within a second. On SQLite `PRAGMA data_version` says
whether there is anything to look for; what was stored lately is read with an overlap, and once a
minute everything, since commits come out of order and documents can vanish (DESIGN §5.5). Serves
the end of walk A; `web.feeds` asks it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta

from syndicator.errors import SyndicatorError, TryLater
from syndicator.model.site import Format, Site
from syndicator.observe import logger
from syndicator.store import Store, documents, topics
from syndicator.store.documents import Bodies, Validators
from syndicator.web.feeds import GZIP, Entry, Memory, path_of

BUDGET = 64 * 2**20  # bytes of bodies held in memory
OVERLAP = timedelta(seconds=30)  # how much later than its `stored` a row may be committed
SWEEP = 60.0  # seconds between looks at everything
# Seconds between looks; a commit elsewhere is visible within a second, the look itself included.
PAUSE = {"sqlite": 0.2, "postgresql": 0.5}


class Catalogue:
    """What is published, in memory: a `Memory` kept up to date with what other processes commit.

    `watch` is an open store that nobody else uses: on SQLite its one connection then tells, by
    `PRAGMA data_version`, whether anything was committed at all. Without it every look reads what was
    stored lately, which costs one look-up in an index while nothing happens.
    """

    def __init__(self, store: Store, site: Site, watch: Store | None = None, budget: int = BUDGET) -> None:
        self._store, self._site, self._watch, self._budget = store, site, watch, budget
        self._entries: dict[str, Entry] = {}
        self._places: dict[str, tuple[str, Format]] = {}
        self._bodies: OrderedDict[str, Bodies] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)
        self._version: int | None = None
        self._newest: datetime | None = None
        self._looked = self._swept = float("-inf")
        self.ready = False

    # -- for `answer` ---------------------------------------------------------------------------

    def find(self, path: str) -> Entry | None:
        """The document at this path, or None if there is none."""
        return self._entries.get(path)

    def body(self, path: str, entry: Entry, coding: int) -> bytes | None:
        """The very bytes `entry` describes, or None if they must be read first."""
        with self._lock:
            held = self._bodies.get(path)
            if held is None or held.etag != entry.etag:
                return None
            self._bodies.move_to_end(path)
        return _coded(held, coding)

    # -- reading --------------------------------------------------------------------------------

    def load(self, path: str) -> Memory:
        """Read the bytes at a path; what is returned holds them with the validators they were stored with.

        The store may be ahead of memory: tag and bytes must be of one piece, and memory learns.
        Raises TryLater if the document changes faster than it can be read.
        """
        topic, format = self._places[path]
        for _ in range(3):
            before = self._entries.get(path)
            with self._store.read() as tx:
                bodies = documents.bodies(tx, topic, format)
                place = topics.find(tx, topic)
                current = documents.find(tx, place.id, format) if place else None
            if bodies is None or current is None:
                return _One(None, None)
            if bodies.etag == current.etag:  # PostgreSQL: each statement sees what was committed before it
                entry = self._learn(path, current, before)
                if entry.etag != bodies.etag:
                    continue  # newer ones became known while these were read
                self._hold(path, bodies)
                return _One(entry, bodies)
        raise TryLater(f"{path} changes while it is read")

    def refresh(self, *, sweep: bool = True) -> None:
        """Read validators: of everything, or of what was stored lately."""
        with (self._watch or self._store).read() as tx:
            found = documents.validators(tx, None if sweep else self._since())
        for known in found:
            self._note(path_of(known), known, sweep=sweep)
        if sweep:
            self._forget(set(self._entries) - {path_of(known) for known in found})
            self._swept = time.monotonic()
        self._newest = max((known.stored for known in found), default=self._newest)
        self._looked = time.monotonic()
        self.ready = True

    def _note(self, path: str, known: Validators, *, sweep: bool) -> None:
        entry = self._entries.get(path)
        if entry and entry.etag == known.etag and entry.modified == int(known.modified.timestamp()):
            return
        if entry and not sweep and known.stored < entry.stored:
            return  # a request has read newer bytes meanwhile
        self._places[path] = (known.topic, known.format)
        if path in self._bodies:  # in demand: have the new bytes at hand before the first poll asks
            self.load(path)
        else:
            self._learn(path, known, entry)

    def _learn(self, path: str, known: Validators, before: Entry | None) -> Entry:
        """What memory holds from now on: `known`, unless something newer came in since it was `before`.

        Without that the store is right, also when its clock has jumped back.
        """
        with self._lock:
            entry = self._entries.get(path)
            if entry and entry is not before and entry.stored > known.stored:
                return entry
            if entry is None or entry.etag != known.etag or entry.stored != known.stored:
                entry = self._entries[path] = Entry(known, self._site)
            return entry

    def _hold(self, path: str, bodies: Bodies) -> None:
        with self._lock:
            self._drop(path)
            self._bodies[path] = bodies
            self._held += _weight_of(bodies)
            while self._held > self._budget:
                self._drop(next(iter(self._bodies)))

    def _drop(self, path: str) -> None:
        gone = self._bodies.pop(path, None)
        self._held -= _weight_of(gone) if gone else 0

    def _forget(self, paths: Iterable[str]) -> None:
        with self._lock:
            for path in paths:
                self._entries.pop(path, None)
                self._drop(path)

    def _since(self) -> datetime | None:
        return self._newest - OVERLAP if self._newest else None

    # -- the thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Load everything, then follow; a store that does not answer yet is asked again."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(5)

    def age(self) -> float:
        """Seconds since the store was last looked at with success; infinite before the first time."""
        return time.monotonic() - self._looked

    def _run(self) -> None:
        while not self._stop.wait(PAUSE[self._store.kind]):
            self._look()

    def _look(self) -> None:
        try:
            if time.monotonic() - self._swept >= SWEEP:
                self.refresh()
            elif self._committed():
                self.refresh(sweep=False)
            self._looked = time.monotonic()
        except SyndicatorError as fault:
            self._version = None  # what was to be read then is still to be read
            logger("web").warning("feeds not refreshed", fault=str(fault))
        except Exception:  # noqa: BLE001 - a bug is loud here, but feeds that stand still for ever are worse
            self._version = None
            logger("web").exception("feeds not refreshed")

    def _committed(self) -> bool:
        """Whether another connection may have committed; read before the rows, so nothing is missed."""
        if self._watch is None or self._watch.kind != "sqlite":
            return True
        with self._watch.read() as tx:
            version = documents.data_version(tx)
        before, self._version = self._version, version
        return version != before


class _One:
    """One document with its bytes: what `answer` is asked with when memory did not hold them."""

    ready = True

    def __init__(self, entry: Entry | None, bodies: Bodies | None) -> None:
        self._entry, self._bodies = entry, bodies

    def find(self, _path: str) -> Entry | None:
        return self._entry

    def body(self, _path: str, _entry: Entry, coding: int) -> bytes | None:
        return _coded(self._bodies, coding) if self._bodies else None

    def load(self, _path: str) -> Memory:
        return self


def _coded(bodies: Bodies, coding: int) -> bytes:
    return bodies.gzip if coding == GZIP else bodies.body


def _weight_of(bodies: Bodies) -> int:
    return len(bodies.body) + len(bodies.gzip)
