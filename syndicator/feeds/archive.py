"""What no longer fits into a live document → closed pages; what was withdrawn comes out of them.

A page is closed when one of the items on no page has left the live document, and then holds the
oldest of them by the order in which they entered the topic: full in the ordinary course, and
overlapping the live document. So whatever is public stands in the live document or on a page, at
every moment, and a page once closed never changes but by losing an item (RFC 5005 §4, RFC 6721).
Serves walk A.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from syndicator.errors import SyndicatorError
from syndicator.feeds import plan
from syndicator.feeds.fragments import ByFormat, Fragments
from syndicator.model.item import Topic
from syndicator.model.site import Format, Site
from syndicator.render import documents as rendering
from syndicator.store import Tx, archives, documents

GZIP = 31  # wbits of zlib for a gzip frame


class Damaged(SyndicatorError):
    """A stored page does not hold what the records say it holds."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How many pages the topic has now, and whether more must be closed before its live document changes."""

    pages: int
    more: bool = False


def close_due(
    tx: Tx,
    topic: Topic,
    site: Site,
    edge: tuple[datetime, str] | None,
    fragments: Fragments,
    late: Callable[[], bool],
) -> Closed:
    """Close pages until every item older than `edge` stands on one, or it is late; one at least, if any is due.

    When it is late after the last page, `more` says so, too: large documents are a transaction's work each.
    """
    pages = topic.pages
    while edge and archives.any_outside(tx, topic.id, edge):
        pages += _close(tx, topic, site, pages + 1, fragments)
        if late():  # after a page's worth that cannot be rendered, too: it took its time
            return Closed(pages, more=True)
    return Closed(pages)


def cut_doomed(tx: Tx, topic: Topic, site: Site, late: Callable[[], bool]) -> tuple[int, datetime | None]:
    """Cut what was withdrawn out of the topic's closed pages until it is late; out of one at least.

    Returns how many documents changed, and when to come again. Raises Damaged if a page cannot be taken apart.
    """
    changed, again = 0, None
    for page in archives.doomed_pages(tx, topic.id):
        if changed and late():
            return changed, tx.now
        stored = archives.documents_of(tx, topic.id, page)
        if wait := plan.waits_until(max((one.modified for one in stored.values()), default=None), tx.now):
            again = wait
            continue
        placed = archives.contents(tx, topic.id, page)
        for format, one in stored.items():
            body = _without_gone(one, placed, topic, site)
            _save(tx, topic.id, page, format, body)
        archives.mark_cut(tx, topic.id, page)
        changed += len(stored)
    return changed, again


def retell(tx: Tx, topic: Topic, site: Site, page: int) -> int | None:
    """Write a closed page anew as its records are now, so that its tombstones say what they say now.

    Returns how many documents changed, or None if they may not within this second. Raises Damaged as `cut_doomed`.
    """
    stored = archives.documents_of(tx, topic.id, page)
    placed = archives.contents(tx, topic.id, page)
    changed = {format: _without_gone(one, placed, topic, site) for format, one in stored.items()}
    changed = {
        format: body for format, body in changed.items() if rendering.pack(body).etag != stored[format].etag
    }
    if changed and plan.waits_until(max(stored[format].modified for format in changed), tx.now):
        return None
    for format, body in changed.items():
        _save(tx, topic.id, page, format, body)
    if any(one.gone and not one.cut for one in placed):
        archives.mark_cut(tx, topic.id, page)
    return len(changed)


def _close(tx: Tx, topic: Topic, site: Site, page: int, fragments: Fragments) -> int:
    """Close one page; returns 0 if none of its items could be rendered, and so there is no page."""
    profile = topic.profile
    first = documents.first_open(tx, topic.id, site.window, profile.name, fragments.look)
    bodies = dict(zip((one.item_id for one in first), fragments.of(first, profile, keep=False), strict=True))
    taken = first[: plan.fitting(size(bodies[one.item_id]) for one in first)]
    placed = plan.newest_first(one for one in taken if bodies[one.item_id])
    left_out = [one.item_id for one in taken if not bodies[one.item_id]]
    archives.close(tx, topic.id, page, [one.item_id for one in placed], left_out)
    if not placed:
        return 0
    for format in Format:
        head = rendering.head(topic, site, format, [one.updated for one in placed], page=page)
        body = rendering.document(head, [bodies[one.item_id][format] for one in placed])
        _save(tx, topic.id, page, format, body)
    return 1


def size(bodies: ByFormat) -> int:
    """What an item takes of a document's room: its largest fragment, so that all formats hold the same items."""
    return max(map(len, bodies.values()), default=0)


def _without_gone(
    stored: archives.Archive, placed: Sequence[archives.Archived], topic: Topic, site: Site
) -> bytes:
    """The page below a new head, with the fragments of what is still there byte for byte as they were."""
    standing = [one for one in placed if not one.cut]
    fragments = rendering.fragments_of(zlib.decompress(stored.gzip, GZIP), stored.format)
    if len(fragments) != len(standing):
        raise Damaged(
            f"{topic.slug}, archive page {stored.page}: {len(fragments)} entries in the {stored.format} document"
            f" where {len(standing)} are on record; restore it from a backup"
        )
    kept = [body for body, one in zip(fragments, standing, strict=True) if one.gone is None]
    gone = sorted(((one.gone, one.uid, one.note) for one in placed if one.gone), reverse=True)
    tombstones = [rendering.Tombstone(uid=uid, when=when, note=note) for when, uid, note in gone]
    moments = [one.when for one in tombstones]
    head = rendering.head(topic, site, stored.format, moments, page=stored.page)
    return rendering.document(head, kept, tombstones)


def _save(tx: Tx, topic_id: int, page: int, format: Format, body: bytes) -> None:
    packed = rendering.pack(body)
    archives.save(
        tx,
        topic_id,
        page,
        format,
        etag=packed.etag,
        gzip=packed.gzip,
        size=len(body),
        modified=tx.now.replace(microsecond=0),
    )
