"""Stale topics → documents: render what changed, join, and store bytes that differ (walk A).

Feeds are bytes at rest: the same items give the same bytes and the same ETag. One bad item is left
out and named, the rest of the feed stands. Pages and drafts are none of this room's business.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicator.model.item import Item, Spokesperson, Topic
from syndicator.model.site import Format, Site
from syndicator.observe import logger
from syndicator.render import documents as rendering
from syndicator.render import entries
from syndicator.store import Store, Tx, documents, items, topics

log = logger("feeds")
SECOND = timedelta(seconds=1)
BATCH = 64  # topics taken by one transaction at most
# Seconds after which a transaction begins no further topic: on SQLite every writer waits for it (DESIGN §5.3).
BUDGET = 0.04


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What one round did: documents whose bytes changed, and uids that could not be rendered."""

    topics: int = 0
    changed: int = 0
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Names:
    """What entries say besides their items, read once in a transaction, after it took its topics.

    Whoever changes a name marks the topics stale, and so waits for us, or was seen by us.
    """

    titles: dict[str, str]
    people: dict[str, Spokesperson]

    def learn(self, tx: Tx, window: Sequence[Item]) -> None:
        """Read the titles of topics these items are filed under, as far as they are not known."""
        filed = {slug for item in window for slug in item.content.topics}
        if missing := filed.difference(self.titles):
            self.titles.update(topics.titles(tx, missing))


def rebuild_stale(store: Store, site: Site) -> Rebuilt:
    """Build every stale topic's documents anew, a few topics per transaction, until none is due."""
    built = changed = 0
    left_out: set[str] = set()
    while True:
        with store.begin() as tx:
            done = _some(tx, site)
        built += len(done)
        changed += sum(differing for differing, _ in done)
        left_out.update(*(bad for _, bad in done))
        if not done:
            return Rebuilt(topics=built, changed=changed, left_out=tuple(sorted(left_out)))


def next_stale(tx: Tx) -> datetime | None:
    """When the next stale topic may be built, or None."""
    return topics.next_stale(tx)


def look(site: Site) -> str:
    """What every document depends on besides its items; another look makes all of them stale."""
    return hashlib.sha256(f"{entries.RENDERER_VERSION} {site!r}".encode()).hexdigest()


def _some(tx: Tx, site: Site) -> list[tuple[int, set[str]]]:
    """Rebuild stale topics, one at least, as many as fit into the budget if all take as long as the last."""
    began = last = time.monotonic()
    taken = topics.take_stale(tx, BATCH)
    names = _names(tx, taken)
    done: list[tuple[int, set[str]]] = []
    for topic in taken:
        done.append(_rebuild(tx, topic, site, names))
        now = time.monotonic()
        if now - began + now - last > BUDGET:
            break
        last = now
    return done


def _names(tx: Tx, taken: Sequence[Topic]) -> _Names:
    people = {person.slug: person for person in items.spokespeople(tx)} if taken else {}
    return _Names({topic.slug: topic.title for topic in taken}, people)


def _rebuild(tx: Tx, topic: Topic, site: Site, names: _Names) -> tuple[int, set[str]]:
    """All documents of a topic; returns how many changed, and the uids left out."""
    ids = topics.newest(tx, topic.id, site.window)
    window = items.in_order(items.many(tx, ids), ids)
    oldest = window[-1].published if len(window) == site.window else None
    gone = topics.withdrawn(tx, topic.id, oldest, site.window)
    empty = not window and not gone
    if empty and documents.find(tx, topic.id, Format.ATOM) is None:  # nothing public was ever in it
        topics.set_fresh(tx, topic.id, None, look(site))
        return 0, set()
    names.learn(tx, window)
    fragments, bad = _fragments(tx, topic, window, site, names)
    outcomes = [_store(tx, topic, site, format, window, fragments[format], gone) for format in Format]
    again = max((outcome for outcome in outcomes if isinstance(outcome, datetime)), default=None)
    topics.set_fresh(tx, topic.id, again, look(site))
    return sum(outcome is True for outcome in outcomes), bad


def _fragments(
    tx: Tx, topic: Topic, window: Sequence[Item], site: Site, names: _Names
) -> tuple[dict[Format, list[bytes]], set[str]]:
    """The fragments of the window in every format; an item is in all formats or in none (feeds:P7)."""
    profile, here = topic.profile.name, look(site)
    known = documents.known_fragments(tx, [item.id for item in window], profile, here)
    made: dict[Format, list[bytes]] = {format: [] for format in Format}
    bad: set[str] = set()
    for item in window:
        try:
            bodies = {format: known[item.id, format] for format in Format if (item.id, format) in known}
            if len(bodies) < len(Format):
                person = names.people.get(item.content.spokesperson or "")
                view = entries.entry(item, site, names.titles, person)
                bodies = {format: entries.fragment(view, format, topic.profile) for format in Format}
        except Exception:  # feeds:P7: a bug that one item wakes is loud, and costs no other item
            log.exception("left out", uid=item.uid)
            bad.add(item.uid)
            continue
        for format, body in bodies.items():
            made[format].append(body)
            if (item.id, format) not in known:
                documents.save_fragment(
                    tx, item.id, format, profile, revision=item.revision, look=here, body=body
                )
    return made, bad


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
