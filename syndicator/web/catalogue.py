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
from syndicator.web.feeds import GONE, NOT_FOUND, NOT_READY, Answer, Entry, Memory, moved
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
        self._entries: dict[str, Entry] = {}
        self._addresses = Addresses({}, frozenset())
        self._merged: frozenset[str] = frozenset()
        self._ended: frozenset[str] = frozenset()
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

    def find(self, path: str) -> Entry | Answer | None:
        """The document at this path, or the answer where there is none; None: it must be read first."""
        entry = self._entries.get(path)
        return entry if entry is not None else self._otherwise(path)

    def body(self, path: str, entry: Entry, coding: int) -> bytes | None:
        """The very bytes `entry` describes, or None if they must be read first."""
        return self.shelf.body(path, entry, coding)

    def _otherwise(self, path: str) -> Entry | Answer | None:
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
        live = self._entries.get(feed_path(topic, format))
        if page is None or live is None or page > live.pages:
            return NOT_FOUND
        return self.shelf.entry(path)

    def _gone(self, topic: str, page: int | None, format: Format) -> Answer | None:
        """301 or 410 where a topic was; 404 as everywhere if nothing of it is public."""
        names, merged = self._addresses.moved, False
        if topic not in names:
            return GONE if topic in self._ended else None
        for _ in names:  # a former name may lead to another
            merged |= topic in self._merged
            topic = names.get(topic, topic)
        live = self._entries.get(feed_path(topic, format))
        if live is None:
            return GONE if topic in self._ended else NOT_FOUND
        if page is None or merged:  # a merged topic's pages are nowhere; its items are in the other's
            return moved(self._prefix + live.path)
        return moved(self._prefix + archive_path(topic, page, format))

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
            before = self._entries.get(path)
            with self._store.read() as tx:
                bodies = documents.bodies(tx, topic, format)
                place = topics.find(tx, topic)
                current = documents.find(tx, place.id, format) if place else None
            if bodies is None or current is None:
                return _One(NOT_FOUND)
            if bodies.etag == current.etag:  # PostgreSQL: each statement sees what was committed before it
                entry = self._learn(path, current, before)
                if entry.etag != bodies.etag:
                    continue  # newer ones became known while these were read
                self.shelf.hold(path, entry, bodies)
                return _One(entry, bodies)
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
        held = self.shelf.entry(path)
        entry = held if held and held.etag == found.etag else Entry(known, self._site, page)
        bodies = Bodies(gzip.decompress(found.gzip), found.gzip, found.etag)
        self.shelf.hold(path, entry, bodies)
        return _One(entry, bodies)

    def refresh(self, *, sweep: bool = True) -> None:
        """Read validators: of everything, or of what was stored lately; and where topics are no more."""
        with (self._watch or self._store).read() as tx:
            sweep = self._read_addresses(tx) or sweep
            found = documents.validators(tx, None if sweep else self._since())
            changed = self._changed_pages(tx, sweep=sweep)
        found = [known for known in found if known.topic not in self._addresses.closed]
        for known in found:
            self._note(_path_of(known), known, sweep=sweep)
        if sweep:
            self._forget(set(self._entries) - {_path_of(known) for known in found})
            self._swept = time.monotonic()
        for path in changed:
            self.load(path)
        self._newest = max((known.stored for known in found), default=self._newest)
        self._looked = time.monotonic()
        self.ready = True

    def _read_addresses(self, tx: Tx) -> bool:
        """Learn which names are no more; nothing of them stays in memory. True if anything is new."""
        found = topics.addresses(tx)
        if found == self._addresses:
            return False
        # A merged topic keeps its row, a former name has none; a topic that never had a feed ends unseen.
        self._merged = frozenset(slug for slug in found.moved if topics.find(tx, slug))
        self._ended = frozenset(slug for slug in found.closed if _was_public(tx, slug))
        self._addresses = found
        lost = {*found.moved, *found.closed}
        self._forget([path for path, entry in list(self._entries.items()) if entry.topic in lost])
        self.shelf.drop(self.shelf.archives(lost))
        return True

    def _changed_pages(self, tx: Tx, *, sweep: bool) -> list[str]:
        """The archive pages in memory that may have changed."""
        held = self.shelf.archives()
        if not held or self._newest is None:
            return []
        since = self._newest - (LATEST if sweep else OVERLAP)
        written = {archive_path(*place) for place in archives.stored_since(tx, since)}
        return [path for path in held if path in written]

    def _note(self, path: str, known: Validators, *, sweep: bool) -> None:
        entry = self._entries.get(path)
        if entry and entry.etag == known.etag and entry.modified == int(known.modified.timestamp()):
            entry.pages = known.pages
            return
        if entry and not sweep and known.stored < entry.stored:
            return  # a request has read newer bytes meanwhile
        if path in self.shelf:  # in demand: have the new bytes at hand before the first poll asks
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
            entry.pages = known.pages
            return entry

    def _forget(self, paths: Iterable[str]) -> None:
        paths = list(paths)
        with self._lock:
            for path in paths:
                self._entries.pop(path, None)
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
        """Whether another connection may have committed; read before the rows, so nothing is missed."""
        if self._watch is None or self._watch.kind != "sqlite":
            return True
        with self._watch.read() as tx:
            version = documents.data_version(tx)
        before, self._version = self._version, version
        return version != before


class _One:
    """One document with its bytes: what `answer` is asked with when memory did not hold them."""

    def __init__(self, found: Entry | Answer, bodies: Bodies | None = None) -> None:
        self._found, self._bodies = found, bodies

    def find(self, _path: str) -> Entry | Answer | None:
        return self._found

    def body(self, _path: str, _entry: Entry, coding: int) -> bytes | None:
        if self._bodies is None or coding > GZIP:
            return None
        return self._bodies.gzip if coding == GZIP else self._bodies.body

    def load(self, _path: str) -> Memory:
        return self


def _was_public(tx: Tx, slug: str) -> bool:
    topic = topics.find(tx, slug)
    return topic is not None and any(documents.find(tx, topic.id, format) for format in Format)


def _path_of(known: Validators) -> str:
    return feed_path(known.topic, known.format)
