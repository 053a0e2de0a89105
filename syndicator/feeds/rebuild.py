"""Stale topics → live documents: a few topics per transaction, read and written together.

A topic that cannot be built costs no other: it is named and put off for a while. Serves walk A.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syndicator.errors import TryLater
from syndicator.feeds import archive, plan
from syndicator.feeds.fragments import ByFormat, Fragments, look
from syndicator.model.item import Topic
from syndicator.model.site import Format, Site
from syndicator.observe import logger
from syndicator.render import documents as rendering
from syndicator.render import entries
from syndicator.store import Store, Tx, archives, deliveries, documents, notices, topics

log = logger("feeds")
BATCH = 32  # topics taken by one transaction at most: what it has no time for was read in vain
# Seconds after which a transaction begins no further topic: on SQLite every writer waits for it (DESIGN §5.3).
BUDGET = 0.04
REST = timedelta(seconds=10)  # until a topic that could not be built is tried again


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """What one call did: topics made fresh, live documents whose bytes changed, archive pages closed.

    `left_out` are the uids of items that could not be rendered, `failed` the slugs of topics that could
    not be built and are put off.
    """

    topics: int = 0
    changed: int = 0
    pages: int = 0
    left_out: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Tally:
    """The same while it is being counted."""

    topics: int = 0
    changed: int = 0
    pages: int = 0
    left_out: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def frozen(self) -> Rebuilt:
        left_out, failed = tuple(sorted(self.left_out)), tuple(sorted(self.failed))
        return Rebuilt(
            topics=self.topics, changed=self.changed, pages=self.pages, left_out=left_out, failed=failed
        )


def rebuild_stale(store: Store, site: Site, patience: timedelta | None = None) -> Rebuilt:
    """Build every stale topic's documents anew, a few topics per transaction, until none is due.

    With `patience` no further transaction begins after so long; one does in any case.
    """
    tally, here = _Tally(), look(site)
    ends = time.monotonic() + patience.total_seconds() if patience is not None else None
    while _some(store, site, here, tally):
        if ends is not None and time.monotonic() >= ends:
            break
    return tally.frozen()


def next_stale(tx: Tx) -> datetime | None:
    """When the next stale topic may be built, or None."""
    return topics.next_stale(tx)


def _some(store: Store, site: Site, here: str, tally: _Tally) -> bool:
    """One transaction's worth; False when nothing was due."""
    try:
        with store.begin() as tx:
            batch = _Batch(tx, site, here, topics.take_stale(tx, BATCH))
            batch.build()
    except TryLater:
        raise
    except Exception:  # one of its topics; which, and whether the others are well, shows when each is alone
        log.warning("a batch of topics failed; building them one by one", exc_info=True)
        return _one_by_one(store, site, here, tally)
    batch.count(tally)
    return bool(batch.taken)


def _one_by_one(store: Store, site: Site, here: str, tally: _Tally) -> bool:
    done = 0
    while done < BATCH and _alone(store, site, here, tally):
        done += 1
    return done > 0


def _alone(store: Store, site: Site, here: str, tally: _Tally) -> bool:
    """The topic that has waited longest, in a transaction of its own; put off if it cannot be built."""
    taken: list[Topic] = []
    try:
        with store.begin() as tx:
            taken += topics.take_stale(tx, 1)
            batch = _Batch(tx, site, here, taken)
            batch.build()
    except TryLater:
        raise
    except Exception:
        if not taken:
            raise
        log.exception("topic not built", topic=taken[0].slug)
        tally.failed.add(taken[0].slug)
        with store.begin() as tx:
            topics.put_off(tx, taken[0].id, tx.now + REST)
        return True
    batch.count(tally)
    return bool(taken)


class _Batch:
    """The topics of one transaction: what they share is read once, what they give is written together."""

    def __init__(self, tx: Tx, site: Site, here: str, taken: Sequence[Topic]) -> None:
        self.taken = taken
        self._tx, self._site = tx, site
        self._began = time.monotonic()
        self._fragments = Fragments(tx, site, here)
        keys = [topic.id for topic in taken]
        self._before = documents.current(tx, keys) if keys else {}
        self._with_withdrawn = documents.with_withdrawn(tx, keys) if keys else set()
        self._doomed = archives.doomed(tx, keys) if keys else set()
        self._made: list[documents.Made] = []
        self._again: dict[int, datetime | None] = {}
        self._fresh = self._pages = self._cut = 0

    def build(self) -> None:
        """Build the topics, one at least, as many as fit into the budget if all take as long as the last."""
        last = self._began
        for topic in self.taken:
            self._build(topic)
            now = time.monotonic()
            if now - self._began + now - last > BUDGET:
                break
            last = now
        self._write()

    def count(self, tally: _Tally) -> None:
        """Add what was done, once it is committed."""
        tally.topics += self._fresh
        tally.changed += len(self._made)
        tally.pages += self._pages
        tally.left_out |= self._fragments.left_out

    def _late(self) -> bool:
        return time.monotonic() - self._began > BUDGET

    def _build(self, topic: Topic) -> None:
        tx, site = self._tx, self._site
        window = documents.window(tx, topic.id, site.window, topic.profile.name, self._fragments.look)
        bodies = self._in_short(topic, window, self._fragments.of(window, topic.profile, keep=True))
        shown = plan.fitting(map(archive.size, bodies))
        edge = plan.edge(window, shown, site.window)
        again = self._cut_doomed(topic)
        closed = archive.close_due(tx, topic, site, edge, self._fragments, self._late)
        self._pages += closed.pages - topic.pages
        if closed.more:
            # Due at once, behind whoever waits already. The old live document stands until all is on pages,
            # for what it shows may be on none yet; but what is public no more must not wait so long.
            self._again[topic.id] = tx.now
            if not self._shows_gone(topic):
                return
        gone = self._gone(topic, edge)
        if window or gone or (topic.id, Format.ATOM) in self._before:  # else nothing public was ever in it
            live = _Live(topic, closed.pages, window[:shown], bodies[:shown], gone)
            again = min(filter(None, (again, self._live(live))), default=None)
        if not closed.more:
            self._settle(topic, again)

    def _in_short(
        self, topic: Topic, window: Sequence[documents.Placed], bodies: list[ByFormat]
    ) -> list[ByFormat]:
        """The fragments, summaries in the place of those for which there is no room."""
        places = plan.in_short([archive.size(body) for body in bodies])
        if not places or not topic.profile.full_text:
            return bodies
        short = replace(topic.profile, full_text=False)
        kept = documents.window(self._tx, topic.id, len(window), short.name, self._fragments.look)
        made = self._fragments.of([kept[place] for place in sorted(places)], short, keep=True)
        for place, body in zip(sorted(places), made, strict=True):
            bodies[place] = body
        return bodies

    def _settle(self, topic: Topic, again: datetime | None) -> None:
        self._again[topic.id] = again
        self._fresh += 1

    def _cut_doomed(self, topic: Topic) -> datetime | None:
        if topic.id not in self._doomed:
            return None
        changed, again = archive.cut_doomed(self._tx, topic, self._site, self._late)
        self._cut += changed
        return again

    def _shows_gone(self, topic: Topic) -> bool:
        """Whether the live document as it stands shows an item that was withdrawn since.

        It is asked itself: by their instants a withdrawal that waited for us would seem to be older than it.
        """
        stands = documents.bodies(self._tx, topic.slug, Format.JSON)
        return stands is not None and documents.any_gone(self._tx, rendering.uids_of(stands.body))

    def _gone(self, topic: Topic, edge: tuple[datetime, str] | None) -> list[topics.Withdrawn]:
        if topic.id not in self._with_withdrawn:
            return []
        return topics.withdrawn(self._tx, topic.id, edge[0] if edge else None, self._site.window)

    def _live(self, live: _Live) -> datetime | None:
        """Make those live documents whose bytes differ; the instant from which others may change, if they must wait."""
        again = None
        for format in Format:
            body = live.document(self._site, format)
            before = self._before.get((live.topic.id, format))
            if before and before.etag == rendering.tag(body):
                continue
            if wait := plan.waits_until(before.modified if before else None, self._tx.now):
                again = wait
                continue
            packed = rendering.pack(body)
            self._made.append(
                documents.Made(live.topic.id, format, packed.etag, body, packed.gzip, live.items)
            )
        return again

    def _write(self) -> None:
        tx = self._tx
        self._fragments.save()
        documents.save_all(tx, self._made, tx.now.replace(microsecond=0))
        topics.set_all_fresh(tx, self._again, self._fragments.look)
        if self._site.hubs:
            slugs = {topic.id: topic.slug for topic in self.taken}
            urls = [self._site.feed_url(slugs[made.topic_id], made.format) for made in self._made]
            tags = [made.etag.strip('"') for made in self._made]
            deliveries.plan_changes(tx, self._site.hubs, dict(zip(urls, tags, strict=True)))
        if self._made or self._pages or self._cut:
            notices.announce(tx)


class _Live:
    """A topic's live documents before they are bytes."""

    def __init__(
        self,
        topic: Topic,
        pages: int,
        window: Sequence[documents.Placed],
        bodies: Sequence[ByFormat],
        gone: Sequence[topics.Withdrawn],
    ) -> None:
        self.topic, self._pages = topic, pages
        self._bodies = [body for body in bodies if body]
        self._moments = [
            *(one.updated for one, body in zip(window, bodies, strict=True) if body),
            *(one.when for one in gone),
        ]
        self._tombstones = [
            rendering.Tombstone(uid=one.uid, when=one.when, note=one.note or "") for one in gone
        ]

    @property
    def items(self) -> int:
        """How many items they show."""
        return len(self._bodies)

    def document(self, site: Site, format: Format) -> bytes:
        """The bytes in one format."""
        topic = self.topic
        head = rendering.head(topic, site, format, self._moments, pages=self._pages, complete=not self._pages)
        fragments = [body[format] for body in self._bodies]
        if topic.closing:
            last = entries.fragment(entries.farewell(topic, site), format, topic.profile)
            fragments.insert(0, last)
        return rendering.document(head, fragments, self._tombstones)
