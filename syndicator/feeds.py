"""Stale topics → documents: render what changed, join, and store bytes that differ (walk A).

Feeds are bytes at rest: the same items give the same bytes and the same ETag. One bad item is left
out and named, the rest of the feed stands. Pages and drafts are none of this room's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicator.model.item import Item, Topic
from syndicator.model.site import Format, Site
from syndicator.observe import logger
from syndicator.render import documents as rendering
from syndicator.render import entries
from syndicator.render.entries import RenderFault
from syndicator.store import Store, Tx, documents, items, topics

log = logger("feeds")
SECOND = timedelta(seconds=1)
# Topics in one transaction: short enough that a writer on SQLite hardly waits.
BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What one round did: documents whose bytes changed, and uids that could not be rendered."""

    topics: int = 0
    changed: int = 0
    left_out: tuple[str, ...] = ()


def rebuild_stale(store: Store, site: Site) -> Rebuilt:
    """Build every stale topic's documents anew, a few topics per transaction, until none is due."""
    built = changed = 0
    left_out: set[str] = set()
    while True:
        with store.begin() as tx:
            taken = topics.take_stale(tx, BATCH)
            titles = topics.titles(tx) if taken else {}
            for topic in taken:
                differing, bad = _rebuild(tx, topic, site, titles)
                changed += differing
                left_out.update(bad)
        built += len(taken)
        if not taken:
            return Rebuilt(topics=built, changed=changed, left_out=tuple(sorted(left_out)))


def next_stale(tx: Tx) -> datetime | None:
    """When the next stale topic may be built, or None."""
    return topics.next_stale(tx)


def look(site: Site) -> str:
    """What every document depends on besides its items; another look makes all of them stale."""
    return hashlib.sha256(f"{entries.RENDERER_VERSION} {site!r}".encode()).hexdigest()


def _rebuild(tx: Tx, topic: Topic, site: Site, titles: dict[str, str]) -> tuple[int, set[str]]:
    """All documents of a topic; returns how many changed, and the uids left out."""
    ids = topics.newest(tx, topic.id, site.window)
    window = items.in_order(items.many(tx, ids), ids)
    oldest = window[-1].published if len(window) == site.window else None
    gone = topics.withdrawn(tx, topic.id, oldest, site.window)
    empty = not window and not gone
    if empty and documents.find(tx, topic.id, Format.ATOM) is None:  # nothing public was ever in it
        topics.set_fresh(tx, topic.id, None, look(site))
        return 0, set()
    fragments, bad = _fragments(tx, window, site, titles)
    outcomes = [_store(tx, topic, site, format, window, fragments[format], gone) for format in Format]
    again = max((outcome for outcome in outcomes if isinstance(outcome, datetime)), default=None)
    topics.set_fresh(tx, topic.id, again, look(site))
    return sum(outcome is True for outcome in outcomes), bad


def _fragments(
    tx: Tx, window: Sequence[Item], site: Site, titles: dict[str, str]
) -> tuple[dict[Format, list[bytes]], set[str]]:
    """The fragments of the window in every format; an item is in all formats or in none (feeds:P7)."""
    views, bad = _views(tx, window, site, titles)
    keys = {(item.id, format): entries.key(view, format) for item, view in views for format in Format}
    known = documents.known_fragments(tx, keys.values())
    made: dict[Format, list[bytes]] = {format: [] for format in Format}
    for item, view in views:
        try:
            bodies = {
                format: known.get(keys[item.id, format]) or entries.fragment(view, format)
                for format in Format
            }
        except RenderFault as fault:
            bad.add(_left_out(item, fault))
            continue
        for format, body in bodies.items():
            made[format].append(body)
            if keys[item.id, format] not in known:
                documents.save_fragment(tx, keys[item.id, format], item.id, body)
    return made, bad


def _views(
    tx: Tx, window: Sequence[Item], site: Site, titles: dict[str, str]
) -> tuple[list[tuple[Item, entries.Entry]], set[str]]:
    people = {person.slug: person for person in items.spokespeople(tx)}
    views: list[tuple[Item, entries.Entry]] = []
    bad: set[str] = set()
    for item in window:
        try:
            views.append(
                (item, entries.entry(item, site, titles, people.get(item.content.spokesperson or "")))
            )
        except RenderFault as fault:
            bad.add(_left_out(item, fault))
    return views, bad


def _left_out(item: Item, fault: RenderFault) -> str:
    log.error("left out", uid=item.uid, fault=str(fault))
    return item.uid


def _store(
    tx: Tx,
    topic: Topic,
    site: Site,
    format: Format,
    window: Sequence[Item],
    fragments: Sequence[bytes],
    gone: Sequence[topics.Withdrawn],
) -> bool | datetime:
    """Whether new bytes were stored; or the instant from which they may be.

    Clients that send only a date would miss a second change within one second, so that one goes
    live at the next second and the old body is served until then (feeds:H5).
    """
    moments = [*(item.updated for item in window), *(one.when for one in gone)]
    tombstones = [rendering.Tombstone(uid=one.uid, when=one.when, note=one.note or "") for one in gone]
    head = rendering.head(topic, site, format, moments)
    packed = rendering.pack(rendering.document(head, fragments, tombstones))
    before = documents.find(tx, topic.id, format)
    if before and before.etag == packed.etag:
        return False
    modified = tx.now.replace(microsecond=0)
    if before and before.modified >= modified:
        return before.modified + SECOND
    documents.save(
        tx,
        topic.id,
        format,
        etag=packed.etag,
        body=packed.body,
        gzip=packed.gzip,
        modified=modified,
        items=len(fragments),
    )
    return True
