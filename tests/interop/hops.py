"""What we ingest and publish, another instance ingests and publishes: newsrooms in a row, and what changed on the way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import feedparser

from syndicator import feeds
from syndicator.ingest.filing import Filing, LeftOut, reading_of
from syndicator.ingest.parse import Pool
from syndicator.model.item import ALL, Rule, Topic
from syndicator.model.markup import UNLINEAR
from syndicator.model.site import MEDIA_TYPES, Format, Site
from syndicator.model.upstream import Upstream
from syndicator.store import Store, documents, items, open_store, topics, upstreams
from tests.interop.newsrooms import Served
from tests.make import NOW, FakeClock

LEASE = timedelta(minutes=3)


@dataclass
class Newsroom:
    """One instance: a store of its own, a site of its own, and a clock that stands still."""

    store: Store
    site: Site
    clock: FakeClock

    def found(self) -> None:
        """Make the topic that holds every item."""
        with self.store.begin() as tx:
            uid = f"tag:{self.site.host},2026:topic:all"
            topics.add(tx, Topic(slug=ALL, title="All", uid=uid, created=NOW, rule=Rule()))

    def document(self, format: Format) -> bytes:
        """The feed of everything, as it stands after a rebuild."""
        for _ in range(3):
            feeds.rebuild_stale(self.store, self.site)
            self.clock.advance(seconds=1)
        with self.store.read() as tx:
            bodies = documents.bodies(tx, ALL, format)
        assert bodies
        return bodies.body

    def read(self, pool: Pool, url: str, body: bytes, format: Format) -> Sequence[LeftOut]:
        """Read that feed as a foreign upstream, once more if it is known; what was left out of it."""
        with self.store.begin() as tx:
            if not upstreams.listing(tx):
                upstreams.add(
                    tx,
                    Upstream(id=0, slug="before", url=url, push=False, confirm_above=10**6, created=tx.now),
                )
            claim = upstreams.claim(tx, "before", LEASE)
        assert claim
        feed = pool.parse(body, content_type=MEDIA_TYPES[format], url=url)
        reading = reading_of(feed, claim.upstream, self.clock())
        minted = (f"tag:{self.site.host},2026:minted:{n}" for n in range(10**6))
        filing = Filing(self.store, claim, reading, lambda _now: next(minted), self.site.named_host)
        for _ in filing.steps():
            pass
        with self.store.begin() as tx:
            upstreams.pause(tx, "before", paused=False)
        self.clock.advance(minutes=10)  # the lease runs out
        return filing.left_out

    def uids(self) -> list[str]:
        """Every item there is, the gone ones too."""
        with self.store.read() as tx:
            return [item.uid for item in items.listing(tx)]


def opened(template: Path, folder: Path, host: str) -> Newsroom:
    """A new instance at https://{host}."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template.parent, folder)
    clock = FakeClock(NOW + timedelta(days=1))
    store = open_store(f"sqlite:///{folder / template.name}", host_clock=clock, fixed_clock=clock)
    room = Newsroom(store, Site(title=host, base_url=f"https://{host}", window=50), clock)
    room.found()
    return room


@dataclass(frozen=True)
class Seen:
    """An item of a feed as a reader sees it: only what must survive a hop."""

    id: str
    title: str
    body: str
    summary: str
    published: object
    source: str | None
    rights: str


def seen(body: bytes) -> dict[str, Seen]:
    """The items of a document, read by feedparser as it is; `source` is the id, or the address, of the credit.

    `rights` are those of the feed for what has none, and stands in no other feed (RFC 4287 §4.2.10).
    """
    found = feedparser.parse(body)
    return {entry["id"]: _seen(entry, found["feed"]) for entry in found["entries"]}


def _seen(entry: feedparser.FeedParserDict, feed: feedparser.FeedParserDict) -> Seen:
    contents = entry.get("content") or [{"value": ""}]
    source = entry.get("source") or {}
    return Seen(
        id=entry["id"],
        title=_line(entry.get("title", "")),
        body=contents[0]["value"],
        summary=entry.get("summary", ""),
        published=entry.get("published_parsed"),
        source=source.get("id") or source.get("href"),
        rights=_line(entry.get("rights") or ("" if source else feed.get("rights", ""))),
    )


def _line(text: str) -> str:
    return " ".join(UNLINEAR.sub(" ", text).split())  # hidden breaks are taken off


def differences(origin: Served, pool: Pool, template: Path, folder: Path) -> list[str]:
    """What is otherwise after this feed went through two more newsrooms than before; nothing, as it should be."""
    b = opened(template, folder / "b", "b.example")
    c = opened(template, folder / "c", "c.example")
    there, format = seen(origin.body), origin.format
    with b.store, c.store:
        left = b.read(pool, origin.url, origin.body, format)
        if len(there) == len(left):
            return []  # nothing of it is left to be published
        at_b = b.document(format)
        left_at_c = c.read(pool, b.site.feed_url(ALL, format), at_b, format)
        at_c = c.document(format)
        known = b.uids()
        b.read(pool, origin.url, origin.body, format)
        grown = (known, at_b) != (b.uids(), b.document(format))
    here = seen(at_b)
    faults = ["the same again changed it"] if grown else []
    faults += [f"left out at the second hop: {one.why}" for one in left_at_c]
    faults += ["lost or made up"] if len(here) != len(there) - len(left) else []
    faults += ["the second hop changed it"] if here != seen(at_c) else []
    return faults + [fault for uid, one in here.items() for fault in _unlike(one, there[uid], origin)]


def _unlike(one: Seen, there: Seen, origin: Served) -> Iterator[str]:
    for name in ("title", "rights", "body", "published"):
        # RSS does not say whether a title is HTML; as in the wild it is read as if it were.
        plain = (
            origin.format is Format.ATOM or name == "body" or not {"&", "<"} & set(str(getattr(there, name)))
        )
        if plain and getattr(one, name) != getattr(there, name):
            yield f"{name}: {getattr(there, name)!r} became {getattr(one, name)!r}"
    # Without a credit of its own it is credited to the feed, by its id in Atom, by its address in RSS.
    named = there.source or (origin.url if origin.format is Format.RSS else one.source)
    if not one.source or one.source != named:
        yield f"credited to {one.source}, not {named}"
