"""Stored feeds as files for any web server: the bytes the web process would send, and their gzip beside.

Of a topic the archive pages are written before the documents that lead to them. Whatever this run may write
stands in the manifest before it is written, and until it is removed: after a crash the next run knows what
is ours, and what is served no more is removed by it, whatever happened between. Nothing else is ever
removed. It names the house as well, for another one may export there one day. Beside walk A: it reads what that stored.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO

from syndicator.errors import Refused, TryLater
from syndicator.feeds.rebuild import Rebuilt, rebuild_stale
from syndicator.model.item import Topic
from syndicator.model.site import Format, Site, archive_path, feed_path
from syndicator.render import documents as rendering
from syndicator.render import nginx, opml
from syndicator.store import Store, Tx, archives, documents, public, topics

MANIFEST = ".syndicator-export.json"
LOCK = ".syndicator-export.lock"
NEW = ".syndicator-export.new"  # the one file being written; a killed run leaves it, the next one drops it
BESIDE = ("feeds.opml", "feeds.opml.gz", "nginx/addresses.conf", "nginx/feeds.conf")
# Nothing else is ever removed, whatever stands in a manifest.
OURS = re.compile(
    r"feeds/[a-z0-9-]+(?:/archive/[0-9]+)?\.(?:atom|rss|json)(?:\.gz)?|feeds\.opml(?:\.gz)?|nginx/[a-z]+\.conf"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A document as it is stored; `page` is 0 for the live one, `now` the instant it was read at."""

    topic: str
    format: Format
    page: int
    body: bytes
    gzip: bytes
    etag: str
    modified: datetime
    now: datetime

    @property
    def path(self) -> str:
        """Where the public finds it."""
        return _path(self.topic, self.page, self.format)


@dataclass(frozen=True, slots=True)
class File:
    """A file to be there: its path below the folder, its bytes, and when they last changed."""

    path: str
    body: bytes
    modified: datetime


@dataclass(slots=True)
class Exported:
    """What an export did: what was built before, how many files there are now, which were written and removed."""

    built: Rebuilt
    files: int = 0
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)


def export(store: Store, site: Site, folder: Path, *, unasked: bool = False) -> Exported:
    """Build what is stale and make `folder` hold what is served: feeds, archive pages, their list, words for nginx.

    Only what differs is touched. Raises Refused where it cannot be written, or where nobody asked for it now
    (`unasked`) and another house exports there by now; TryLater while another export writes to it.
    """
    done = Exported(rebuild_stale(store, site))
    with _alone(folder):
        kept = _Folder(folder, site.base_url, done)
        if unasked and not kept.ours:
            raise Refused(
                f"another house exports there by now, so nothing was touched; if it is {site.base_url}'s, say "
                f"`syndicator feed export {folder}`"
            )
        with store.read() as tx:
            kept.promise(_names(tx), tx.now)
        for one in everything(store):
            path = one.path.lstrip("/")
            kept.put(File(path, one.body, one.modified), one.now)
            kept.put(File(f"{path}.gz", one.gzip, one.modified), one.now)
        with store.read() as tx:
            beside, served, now = _beside(tx, site), _names(tx), tx.now
        for file in beside:
            kept.put(file, now)
        kept.end(served, now)
    return done


def everything(store: Store) -> Iterator[Stored]:
    """Every document the public is served, topic by topic: its archive pages one by one, then its live documents."""
    with store.read() as tx:
        slugs = sorted({known.topic for known in _validators(tx)})
    for slug in slugs:
        live, pages = _live(store, slug)
        for page in range(1, pages + 1):
            for format in Format:
                with store.read() as tx:
                    found, now = archives.find(tx, slug, page, format), tx.now
                if found:
                    body = gzip.decompress(found.gzip)
                    yield Stored(slug, format, page, body, found.gzip, found.etag, found.modified, now)
        yield from live


def _live(store: Store, slug: str) -> tuple[list[Stored], int]:
    """A topic's live documents, and how many pages it has."""
    with store.read() as tx:
        topic = topics.find(tx, slug)
        read = [_document(tx, topic, format) for format in Format] if topic else []
        # Asked last: on PostgreSQL a page may be closed meanwhile, and the documents lead to it.
        topic = topics.find(tx, slug)
    return [live for live in read if live], topic.pages if topic else 0


def _document(tx: Tx, topic: Topic, format: Format) -> Stored | None:
    known = documents.find(tx, topic.id, format)
    live = documents.bodies(tx, topic.slug, format)
    if known is None or live is None:
        return None
    if known.etag != live.etag:  # PostgreSQL again: it was stored anew between the two
        return _document(tx, topic, format)
    return Stored(topic.slug, format, 0, live.body, live.gzip, live.etag, known.modified, tx.now)


def _validators(tx: Tx) -> list[documents.Validators]:
    closed = topics.addresses(tx).closed
    return [known for known in documents.validators(tx) if known.topic not in closed]


def _names(tx: Tx) -> set[str]:
    """The paths of all that is served at this instant."""
    paths = {
        _path(known.topic, page, known.format).lstrip("/")
        for known in _validators(tx)
        for page in range(known.pages + 1)
    }
    return {*paths, *(f"{path}.gz" for path in paths), *BESIDE}


def _path(topic: str, page: int, format: Format) -> str:
    return archive_path(topic, page, format) if page else feed_path(topic, format)


def _beside(tx: Tx, site: Site) -> list[File]:
    listed = [opml.Listed(topic.slug, topic.title) for topic in public.topics(tx)]
    known = topics.addresses(tx)
    packed = rendering.pack(opml.document(site, listed))
    moved = nginx.addresses(site, known.moved, topics.some(tx, known.moved), known.closed)
    bodies = (packed.body, packed.gzip, moved, nginx.locations(site))
    return [File(path, body, tx.now) for path, body in zip(BESIDE, bodies, strict=True)]


class _Folder:
    """The folder in the hands of one run, which counts what it does in `done`."""

    def __init__(self, folder: Path, house: str, done: Exported) -> None:
        self._folder = folder
        self._house = house
        self._done = done
        self._ours, self._named = _manifest(folder)
        self._kept: set[str] = set()

    @property
    def ours(self) -> bool:
        """Whether no other house has exported to it, as far as its manifest says."""
        return self._named in ("", self._house)

    def promise(self, paths: set[str], now: datetime) -> None:
        """Say that these files are ours, before there is one of them."""
        if not (self.ours and paths <= self._ours):
            self._own(self._ours | paths, now)

    def put(self, file: File, now: datetime) -> None:
        """Let a file be there."""
        self.promise({file.path}, now)
        self._kept.add(file.path)
        if _replace(self._folder, file):
            self._done.written.append(self._folder / file.path)

    def end(self, served: set[str], now: datetime) -> None:
        """Remove what is ours and served no more, be it since this run began."""
        kept = self._kept & served
        for path in sorted(self._ours - kept):
            if _remove(self._folder, path):
                self._done.removed.append(self._folder / path)
        self._own(kept, now)
        self._done.files = len(kept)

    def _own(self, paths: set[str], now: datetime) -> None:
        self._ours, self._named = paths, self._house
        lines = [self._house, *sorted(paths)]
        _replace(self._folder, File(MANIFEST, json.dumps(lines, indent=0).encode(), now), sync=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder against other exports; what a killed one left half written is dropped."""
    with _locked(folder):
        try:
            (folder / NEW).unlink(missing_ok=True)
        except OSError as fault:
            raise Refused(f"{folder / NEW} cannot be removed: {fault.strerror}") from None
        yield


@contextmanager
def _locked(folder: Path) -> Iterator[IO[bytes]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("ab")
    except OSError as fault:
        raise Refused(f"{folder} cannot be written: {fault.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the kernel lets go of it when the process ends
        except BlockingIOError:
            raise TryLater(f"another export is writing to {folder}: wait for its end") from None
        except OSError as fault:
            raise Refused(f"{folder / LOCK} cannot be locked: {fault.strerror}") from None
        yield lock


def _manifest(folder: Path) -> tuple[set[str], str]:
    """What earlier exports wrote, or began to, and whose they were.

    Empty if there was none, or their manifest cannot be read; older ones named no house.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return set(), ""
    lines = [line for line in listed if isinstance(line, str)]
    house = next((line for line in lines if "://" in line), "")
    return {path for path in lines if OURS.fullmatch(path)}, house


def _replace(folder: Path, file: File, *, sync: bool = False) -> bool:
    """Put a file there in one step, dated as the feed is; False if it is there already.

    With `sync` it is on the disk before whatever is written next.
    """
    path, new = folder / file.path, folder / NEW
    try:
        if path.is_file() and path.read_bytes() == file.body:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("wb") as opened:
            opened.write(file.body)
            if sync:
                opened.flush()
                os.fsync(opened.fileno())
        new.chmod(0o644)  # a web server under another name must read it
        moment = int(file.modified.timestamp())  # whole seconds, as Last-Modified says it
        os.utime(new, (moment, moment))
        new.replace(path)
    except OSError as fault:
        new.unlink(missing_ok=True)
        raise Refused(f"{path} cannot be written: {fault.strerror}") from None
    return True


def _remove(folder: Path, path: str) -> bool:
    """Remove a file and the folders it leaves empty; False if it was not there."""
    there = os.path.lexists(folder / path)
    try:
        (folder / path).unlink(missing_ok=True)
        for parent in (folder / path).relative_to(folder).parents:
            if parent != Path():
                (folder / parent).rmdir()
    except OSError as fault:
        if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise Refused(f"{folder / path} cannot be removed: {fault.strerror}") from None
    return there
