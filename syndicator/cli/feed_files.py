"""Stored feeds as files, and a light look at whether they are well: parsed, with what RFC 4287 and RSS 2.0 ask for.

Not the W3C validator (tests run that one): it finds what would keep a reader from reading at all.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from syndicator.errors import Refused
from syndicator.model.site import Format, Site, feed_path

if TYPE_CHECKING:
    from syndicator.store import Store
    from syndicator.store.documents import Bodies, Validators

ATOM = "{http://www.w3.org/2005/Atom}"
# Format → where its items are, and what feed and items need.
NEEDS: dict[Format, tuple[str, str, tuple[str, ...], tuple[str, ...], str]] = {
    Format.ATOM: (
        f"{ATOM}feed",
        f"{ATOM}entry",
        ("id", "title", "updated"),
        ("id", "title", "updated"),
        ATOM,
    ),
    Format.RSS: ("rss", "channel/item", ("title", "link", "description"), ("title", "guid"), ""),
}


def export(store: Store, folder: Path) -> tuple[list[Path], int]:
    """Write every document and its gzip under `folder`; returns the files written, and how many there are."""
    written, total = [], 0
    for known, bodies in _documents(store):
        path = folder / feed_path(known.topic, known.format).lstrip("/")
        for name, body in ((path, bodies.body), (path.with_name(f"{path.name}.gz"), bodies.gzip)):
            total += 1
            if _replace(name, body, known.modified):
                written.append(name)
    return written, total


def problems(store: Store, site: Site) -> Iterator[dict[str, Any]]:
    """What is wrong with the stored documents."""
    for known, bodies in _documents(store):
        for problem in _faults(known.format, bodies):
            url = site.feed_url(known.topic, known.format)
            yield {"topic": known.topic, "format": known.format, "url": url, "problem": problem}


def _documents(store: Store) -> Iterator[tuple[Validators, Bodies]]:
    from syndicator.store import documents

    with store.read() as tx:
        listed = sorted(documents.validators(tx), key=lambda known: (known.topic, known.format))
    for known in listed:  # one at a time: a large newsroom's feeds need not fit into memory
        with store.read() as tx:
            bodies = documents.bodies(tx, known.topic, known.format)
        if bodies:
            yield known, bodies


def _replace(path: Path, body: bytes, modified: datetime) -> bool:
    """Put `body` there in one step, dated as the feed is; False if it is there already."""
    try:
        if path.is_file() and path.read_bytes() == body:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(new).chmod(0o644)  # a web server under another name must read it
        os.utime(new, (modified.timestamp(), modified.timestamp()))
        Path(new).replace(path)
    except OSError as fault:
        raise Refused(f"{path} cannot be written: {fault.strerror}") from None
    return True


def _faults(format: Format, bodies: Bodies) -> Iterator[str]:
    if gzip.decompress(bodies.gzip) != bodies.body:
        yield "its gzip copy holds other bytes"
    try:
        root = etree.fromstring(bodies.body, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as fault:
        yield f"it is no XML: {fault.msg}"
        return
    top, item, feed_needs, item_needs, space = NEEDS[format]
    if root.tag != top:
        yield f"its root is {root.tag}, not {top}"
        return
    head = root if format is Format.ATOM else root.find("channel")
    entries = root.findall(item)
    yield from (f"it has no {name}" for name in feed_needs if head is None or not head.findtext(space + name))
    names = Counter(
        entry.findtext(f"{space}{'id' if format is Format.ATOM else 'guid'}") for entry in entries
    )
    for number, entry in enumerate(entries, 1):
        yield from (f"item {number} has no {name}" for name in item_needs if not entry.findtext(space + name))
    yield from (f"the id {name} stands {count} times" for name, count in names.items() if count > 1)
