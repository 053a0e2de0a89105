"""What is published, as the web process holds it in memory: validators of all, bytes of those in demand.

Other processes write; a thread here sees it within a second. On SQLite `PRAGMA data_version` says
whether there is anything to look for, on PostgreSQL a notice does, with a short poll as safety; what
was stored lately is read with an overlap, and once a minute everything, since commits come out of
order and documents can vanish (DESIGN §5.5). Serves the end of walk A; `web.feeds` asks it.
"""

from __future__ import annotations

import gzip
import re
import threading
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from syndicator.errors import SyndicatorError, TryLater
from syndicator.model.site import Format, Site, archive_path, feed_path
from syndicator.observe import logger
from syndicator.store import Store, Tx, archives, documents, topics
from syndicator.store.documents import Bodies, Validators
from syndicator.store.topics import Addresses
from syndicator.web.codings import GZIP
from syndicator.web.feeds import GONE, NOT_FOUND, NOT_READY, Answer, Memory, Served, moved
from syndicator.web.shelf import BUDGET, Shelf

OVERLAP = timedelta(seconds=30)  # how much later than its `stored` a row may be committed
LATEST = timedelta(minutes=10)  # the same where everything is looked at
SWEEP = 60.0  # seconds between looks at everything
# Seconds between looks; a commit elsewhere is visible within a second, the look itself included.
PAUSE = {"sqlite": 0.2, "postgresql": 0.5}
# Slug, archive page if any, format. No name of a page has a zero before it or more digits than there can be.
_ADDRESS = re.compile(
    r"/feeds/([a-z0-9-]{1,64})(?:/archive/([1-9][0-9]{0,8}))?\.(" + "|".join(Format) + ")", re.ASCII
)


class Catalogue:
    """What is published, in memory: a `Memory` kept up to date with what other processes commit.

    `watch` is an open store that nobody else uses: on SQLite its one connection then tells, by
    `PRAGMA data_version`, whether anything was committed at all. Without it every look reads what was
    stored lately, which costs one look-up in an index while nothing happens.
    """

    def __init__(self, store: Store, site: Site, watch: Store | None = None, budget: int = BUDGET) -> None:
        self._store, self._site, self._watch = store, site, watch
        self.shelf = Shelf(budget)
        self._served: dict[str, Served] = {}
        self._addresses = Addresses({}, frozenset())
        self._merged: frozenset[str] = frozenset()
        self._ends: datetime | None = None
        self._prefix = urlsplit(site.base_url).path.rstrip("/")
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._listener = (watch or store).listener() if store.kind == "postgresql" else None
        self._thread = threading.Thread(target=self._run, name="catalogue", daemon=True)
        self._version: int | None = None
        self._newest: datetime | None = None
        self._looked = self._swept = float("-inf")
        self.ready = False

    # -- for `answer` ---------------------------------------------------------------------------

    def find(self, path: str) -> Served | Answer | None:
        """The document at this path, or the answer where there is none; None: it must be read first."""
        served = self._served.get(path)
        return served if served is not None else self._otherwise(path)

    def body(self, path: str, served: Served, coding: int) -> bytes | None:
        """The very bytes `served` describes, or None if they must be read first."""
        return self.shelf.body(path, served, coding)

    def _otherwise(self, path: str) -> Served | Answer | None:
        if not self.ready:
            return NOT_READY
        found = _ADDRESS.fullmatch(path)
        if found is None:
            return NOT_FOUND
        topic, format = found[1], Format(found[3])
        page = int(found[2]) if found[2] else None
        gone = self._gone(topic, page, format)
        if gone is not None:
            return gone
        live = self._served.get(feed_path(topic, format))
        if page is None or live is None or page > live.pages:
            return NOT_FOUND
        return self.shelf.find(path)

    def _gone(self, topic: str, page: int | None, format: Format) -> Answer | None:
        """301 or 410 where a topic was; 404 as everywhere if nothing of it is public."""
        known = self._addresses
        if topic not in known.moved:
            return GONE if topic in known.closed else None
        now = known.moved[topic]  # the present one: no name leads to a former one (ADR 19)
        if now in known.closed:
            return GONE
        if feed_path(now, format) not in self._served:
            return NOT_FOUND
        if page is None or now in self._merged:
            return moved(self._prefix + feed_path(now, format))
        return moved(self._prefix + archive_path(now, page, format))

    # -- reading --------------------------------------------------------------------------------

    def load(self, path: str) -> Memory:
        """Read what is at a path; what is returned holds the bytes with the validators they were stored with.

        The store may be ahead of memory: tag and bytes must be of one piece, and memory learns.
        Raises TryLater if the document changes faster than it can be read.
        """
        found = _ADDRESS.fullmatch(path)
        if found is None:
            return _One(NOT_FOUND)
        topic, format = found[1], Format(found[3])
        return (
            self._load_page(path, topic, int(found[2]), format)
            if found[2]
            else self._load(path, topic, format)
        )

    def _load(self, path: str, topic: str, format: Format) -> Memory:
        for _ in range(3):
            before = self._served.get(path)
            with self._store.read() as tx:
                bodies = documents.bodies(tx, topic, format)
                place = topics.find(tx, topic)
                current = documents.find(tx, place.id, format) if place else None
            if bodies is None or current is None:
                return _One(NOT_FOUND)
            if bodies.etag == current.etag:  # PostgreSQL: each statement sees what was committed before it
                served = self._learn(path, current, before)
                if served.etag != bodies.etag:
                    continue  # newer ones became known while these were read
                self.shelf.hold(path, served, bodies)
                return _One(served, bodies)
        raise TryLater(f"{path} changes while it is read")

    def _load_page(self, path: str, topic: str, page: int, format: Format) -> Memory:
        with self._store.read() as tx:
            found = archives.find(tx, topic, page, format)
        if found is None:
            self.shelf.drop([path])
            return _One(NOT_FOUND)
        known = Validators(
            topic=topic, format=format, etag=found.etag, modified=found.modified, stored=found.stored,
            size=found.size, gzip_size=len(found.gzip), pages=0,
        )  # fmt: skip
        held = self.shelf.find(path)
        served = held if held and held.etag == found.etag else Served(known, self._site, page)
        bodies = Bodies(gzip.decompress(found.gzip), found.gzip, found.etag)
        self.shelf.hold(path, served, bodies)
        return _One(served, bodies)

    def refresh(self, *, sweep: bool = True) -> None:
        """Read validators: of everything, or of what was stored lately; and where topics are no more."""
        with (self._watch or self._store).read() as tx:
            sweep = self._read_addresses(tx) or sweep
            found = documents.validators(tx, None if sweep else self._since())
            pages = self._written_pages(tx, sweep=sweep)
        found = [known for known in found if known.topic not in self._addresses.closed]
        for known in found:
            self._note(_path_of(known), known, sweep=sweep)
        if sweep:
            self._forget(set(self._served) - {_path_of(known) for known in found})
            self._swept = time.monotonic()
        for path, page in pages.items():
            held = self.shelf.find(path)
            if held and held.etag != page.etag:
                self.load(path)
        stored = [known.stored for known in found] + [page.stored for page in pages.values()]
        self._newest = max(stored, default=self._newest)
        self._looked = time.monotonic()
        self.ready = True

    def _read_addresses(self, tx: Tx) -> bool:
        """Learn which names are no more; nothing of them stays in memory. True if anything is new."""
        self._ends = topics.next_end(tx)
        found = topics.addresses(tx)
        if found == self._addresses:
            return False
        # Pages of a topic that went into another are nowhere, its items on the other's. A merged topic keeps
        # its row, a former name has none; whose former name it was is not told apart once both lead there.
        self._merged = frozenset(found.moved[slug] for slug in topics.some(tx, found.moved))
        self._addresses = found
        lost = {*found.moved, *found.closed}
        self._forget([path for path, served in list(self._served.items()) if served.topic in lost])
        self.shelf.drop(self.shelf.archives(lost))
        return True

    def _written_pages(self, tx: Tx, *, sweep: bool) -> dict[str, archives.Known]:
        """What was lately written of the archives of which a page is in memory, by path."""
        held = self.shelf.topics()
        if not held or self._newest is None:
            return {}
        since = self._newest - (LATEST if sweep else OVERLAP)
        written = archives.stored_since(tx, since, held)
        return {archive_path(slug, page.page, page.format): page for slug, page in written}

    def _note(self, path: str, known: Validators, *, sweep: bool) -> None:
        served = self._served.get(path)
        if served and served.etag == known.etag and served.modified == int(known.modified.timestamp()):
            served.pages = known.pages
            return
        if served and not sweep and known.stored < served.stored:
            return  # a request has read newer bytes meanwhile
        if path in self.shelf:  # in demand: have the new bytes at hand before the first poll asks
            self.load(path)
        else:
            self._learn(path, known, served)

    def _learn(self, path: str, known: Validators, before: Served | None) -> Served:
        """What memory holds from now on: `known`, unless something newer came in since it was `before`.

        Without that the store is right, also when its clock has jumped back.
        """
        with self._lock:
            served = self._served.get(path)
            if served and served is not before and served.stored > known.stored:
                return served
            if served is None or served.etag != known.etag or served.stored != known.stored:
                served = self._served[path] = Served(known, self._site)
            served.pages = known.pages
            return served

    def _forget(self, paths: Iterable[str]) -> None:
        paths = list(paths)
        with self._lock:
            for path in paths:
                self._served.pop(path, None)
        self.shelf.drop(paths)

    def _since(self) -> datetime | None:
        return self._newest - OVERLAP if self._newest else None

    # -- the thread -----------------------------------------------------------------------------

    def start(self) -> None:
        """Load everything, then follow; a store that does not answer yet is asked again."""
        self._look()
        self._thread.start()
        self.shelf.start()

    def stop(self) -> None:
        """End the threads and wait for them."""
        self._stop.set()
        if self._listener:
            self._listener.close()
        self.shelf.stop()
        if self._thread.is_alive():
            self._thread.join(5)

    def age(self) -> float:
        """Seconds since the store was last looked at with success; infinite before the first time."""
        return time.monotonic() - self._looked

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._listener:
                self._listener.wait(PAUSE["postgresql"])
            else:
                self._stop.wait(PAUSE["sqlite"])
            if not self._stop.is_set():
                self._look()
        if self._listener:
            self._listener.release()

    def _look(self) -> None:
        try:
            if time.monotonic() - self._swept >= SWEEP:
                self.shelf.cool()
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
        """Whether there may be something new; asked before the rows are read, so nothing is missed.

        Another connection has committed, or the instant has come at which a topic ends: for that nobody does.
        """
        if self._watch is None or self._watch.kind != "sqlite":
            return True
        with self._watch.read() as tx:
            version, now = documents.data_version(tx), tx.now
        before, self._version = self._version, version
        return version != before or (self._ends is not None and self._ends <= now)


class _One:
    """One document with its bytes: what `answer` is asked with when memory did not hold them."""

    def __init__(self, found: Served | Answer, bodies: Bodies | None = None) -> None:
        self._found, self._bodies = found, bodies

    def find(self, _path: str) -> Served | Answer | None:
        return self._found

    def body(self, _path: str, _served: Served, coding: int) -> bytes | None:
        if self._bodies is None or coding > GZIP:
            return None
        return self._bodies.gzip if coding == GZIP else self._bodies.body

    def load(self, _path: str) -> Memory:
        return self


def _path_of(known: Validators) -> str:
    return feed_path(known.topic, known.format)
