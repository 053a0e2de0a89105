"""Stored feeds as files for any web server: the bytes the web process would send, and their gzip beside.

A re-export touches only what changed. What this export once wrote and is served no more (a topic that was
closed, merged or renamed) is removed; the manifest knows what that is, and nothing else is ever removed.
"""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator.errors import Refused
from syndicator.model.site import Format, Site, archive_path, feed_path

if TYPE_CHECKING:
    from syndicator.store import Store, Tx

MANIFEST = ".syndicator-export.json"
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
        if self.page:
            return archive_path(self.topic, self.page, self.format)
        return feed_path(self.topic, self.format)


@dataclass(frozen=True, slots=True)
class File:
    """A file to be there: its path below the folder, its bytes, and when they last changed."""

    path: str
    body: bytes
    modified: datetime


@dataclass(slots=True)
class Exported:
    """What an export did: how many files there are now, which were written, and which were removed."""

    files: int = 0
    written: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)


def everything(store: Store) -> Iterator[Stored]:
    """Every document the public is served, each live one before its archive pages; one in memory at a time."""
    from syndicator.store import archives, documents

    with store.read() as tx:
        listed = sorted(documents.validators(tx), key=lambda known: (known.topic, known.format))
        closed = _closed(tx)
    for known in listed:
        if known.topic in closed:
            continue
        with store.read() as tx:
            live = documents.bodies(tx, known.topic, known.format)
            found = documents.validators(tx, known.stored) if live and live.etag != known.etag else [known]
            pages = [page.page for page in archives.of_topic(tx, known.topic) if page.format is known.format]
            now = tx.now
        same = (one for one in found if (one.topic, one.format) == (known.topic, known.format))
        if live and (fresh := next(same, None)):  # it may have been stored anew since it was listed
            yield Stored(known.topic, known.format, 0, live.body, live.gzip, live.etag, fresh.modified, now)
        yield from _pages(store, known.topic, known.format, pages)


def _pages(store: Store, topic: str, format: Format, numbers: Sequence[int]) -> Iterator[Stored]:
    from syndicator.store import archives

    for number in numbers:
        with store.read() as tx:
            found, now = archives.find(tx, topic, number, format), tx.now
        if found:
            body = gzip.decompress(found.gzip)
            yield Stored(topic, format, number, body, found.gzip, found.etag, found.modified, now)


def export(store: Store, site: Site, folder: Path) -> Exported:
    """Make `folder` hold what is served; raises Refused where it cannot be written.

    Feeds, archive pages, the list of feeds, and two files to be included by nginx.
    """
    done = Exported()
    former = _manifest(folder)
    kept: set[str] = set()
    for file in _files(store, site):
        kept.add(file.path)
        if _replace(folder / file.path, file.body, file.modified):
            done.written.append(folder / file.path)
    for path in sorted(former - kept):
        _remove(folder, path)
        done.removed.append(folder / path)
    listed = json.dumps(sorted(kept), indent=0).encode()
    with store.read() as tx:
        _replace(folder / MANIFEST, listed, tx.now)
    done.files = len(kept)
    return done


def _files(store: Store, site: Site) -> Iterator[File]:
    for one in everything(store):
        path = one.path.lstrip("/")
        yield File(path, one.body, one.modified)
        yield File(f"{path}.gz", one.gzip, one.modified)
    yield from _beside(store, site)


def _beside(store: Store, site: Site) -> Iterator[File]:
    from syndicator.cli import nginx
    from syndicator.render import documents, opml
    from syndicator.store import public, topics

    with store.read() as tx:
        listed = [opml.Listed(topic.slug, topic.title) for topic in public.topics(tx)]
        known = topics.addresses(tx)
        merged = frozenset(slug for slug in known.moved if topics.find(tx, slug))
        now = tx.now
    packed = documents.pack(opml.document(site, listed))
    yield File("feeds.opml", packed.body, now)
    yield File("feeds.opml.gz", packed.gzip, now)
    yield File("nginx/addresses.conf", nginx.addresses(site, known.moved, merged, known.closed), now)
    yield File("nginx/feeds.conf", nginx.locations(site), now)


def _closed(tx: Tx) -> frozenset[str]:
    from syndicator.store import topics

    return topics.addresses(tx).closed


def _manifest(folder: Path) -> set[str]:
    """What the last export wrote; empty if there was none, or its manifest cannot be read."""
    try:
        listed = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return set()
    return {path for path in listed if isinstance(path, str) and OURS.fullmatch(path)}


def _replace(path: Path, body: bytes, modified: datetime) -> bool:
    """Put `body` there in one step, dated as the feed is; False if it is there already."""
    new = None
    try:
        if path.is_file() and path.read_bytes() == body:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(new).chmod(0o644)  # a web server under another name must read it
        moment = int(modified.timestamp())  # whole seconds, as Last-Modified says it
        os.utime(new, (moment, moment))
        Path(new).replace(path)
    except OSError as fault:
        if new:
            Path(new).unlink(missing_ok=True)
        raise Refused(f"{path} cannot be written: {fault.strerror}") from None
    return True


def _remove(folder: Path, path: str) -> None:
    try:
        (folder / path).unlink(missing_ok=True)
        for parent in (folder / path).relative_to(folder).parents:
            if parent != Path():
                (folder / parent).rmdir()
    except OSError as fault:
        if fault.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT):
            raise Refused(f"{folder / path} cannot be removed: {fault.strerror}") from None
