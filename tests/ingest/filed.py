"""An upstream whose readings a test makes by hand: no server, no parser, but a real claim and a real store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from syndicator.ingest.filing import Filing, Reading
from syndicator.ingest.previews import Preview, preview
from syndicator.model.delivery import DeliveryState
from syndicator.model.incoming import Incoming
from syndicator.model.item import Content, Item
from syndicator.model.release import Release
from syndicator.model.upstream import Relation, Upstream, Validators
from syndicator.store import Store, deliveries, incoming, items, releases, upstreams
from syndicator.store.upstreams import Claim, Heard
from tests.make import NOW

LEASE = timedelta(minutes=3)
OURS = "news.example"


def thing(number: int = 1, **other: Any) -> Incoming:
    """Item `number` of https://cms.example, published an hour ago; `title`, `body`, `url`… go into its words."""
    words: dict[str, Any] = {
        name: other.pop(name)
        for name in ("title", "body", "authors", "media", "kind", "topics", "rights")
        if name in other
    }
    values: dict[str, Any] = {
        "guid": f"https://cms.example/?p={number}",
        "link": f"https://cms.example/{number}",
        "published": NOW - timedelta(hours=1, minutes=number),
        "dated": f"{number} minutes past",
        **other,
    }
    content = Content(**{"title": f"Item {number}", "topics": ("policy",), "url": values["link"], **words})
    raw = hashlib.sha256(repr((values, content)).encode()).hexdigest()
    return Incoming(**{"content": content, "raw": raw, **values})


def moved(one: Incoming, to: str, before: str = "https://cms.example") -> Incoming:
    """The same thing after its site went to another scheme and host."""
    url = (one.link or "").replace(before, to)
    body = one.content.body.replace(before, to)
    return replace(
        one,
        guid=one.guid and one.guid.replace(before, to),
        link=url,
        content=replace(one.content, url=url, body=body),
        raw=f"{one.raw}{to}",
    )


class Origin:
    """An upstream in a store, read as often as a test says."""

    def __init__(self, store: Store, slug: str = "cms", **other: Any) -> None:
        self.store, self.slug = store, slug
        self._numbers = count(1)
        values = {"relation": Relation.OWN, "topics": ("policy",), **other}
        with store.begin() as tx:
            upstreams.add(
                tx, Upstream(id=0, slug=slug, url="https://cms.example/feed", created=tx.now, **values)
            )

    def mint(self, now: datetime) -> str:
        return f"tag:{OURS},{now:%Y-%m-%d}:{next(self._numbers)}"

    def claim(self) -> Claim:
        with self.store.begin() as tx:
            claim = upstreams.claim(tx, self.slug, LEASE)
        assert claim
        return claim

    def filing(self, *things: Incoming, **other: Any) -> Filing:
        """What files these things as the whole of the feed; entries we have already are only named, as the parser does."""
        claim = self.claim()
        with self.store.read() as tx:
            known = incoming.hashes(tx, claim.upstream.id)
        unread = [one.raw for one in things if one.raw in known]
        fresh = tuple(one for one in things if one.raw not in known)
        reading = Reading(things=fresh, unchanged=tuple(filter(None, unread)), **other)
        return Filing(self.store, claim, reading, self.mint, OURS)

    def reads(self, *things: Incoming, **other: Any) -> Filing:
        """Read the feed to its end, and settle."""
        filing = self.filing(*things, **other)
        for _ in filing.steps():
            pass
        self.settle(filing)
        return filing

    def settle(self, filing: Filing) -> None:
        """Write down that this reading has ended."""
        claim = filing._claim
        with self.store.begin() as tx:
            heard = Heard(validators=Validators() if filing.again else Validators(body_hash="x"))
            upstreams.settle_success(tx, claim, heard)

    def brought(self, *things: Incoming) -> Filing:
        """A hub brings these: filed to the end, and settled."""
        with self.store.begin() as tx:
            claim = upstreams.claim_pushed(tx, self.slug, LEASE)
        assert claim
        filing = Filing(self.store, claim, Reading(things=things, whole=False), self.mint, OURS)
        for _ in filing.steps():
            pass
        with self.store.begin() as tx:
            upstreams.settle_pushed(tx, claim, again=filing.again)
        return filing

    def looks(self, *things: Incoming) -> Preview:
        """The dry run."""
        with self.store.read() as tx:
            upstream = upstreams.named(tx, self.slug)
        return preview(self.store, Reading(things=things), upstream, OURS)

    def edit(self, **other: Any) -> None:
        """Change its configuration."""
        with self.store.begin() as tx:
            upstreams.edit(tx, replace(upstreams.named(tx, self.slug), **other))


def fates(filing: Filing | Preview) -> list[str]:
    """What became of each thing, in the order of filing."""
    return [str(one.fate) for one in filing.prospects]


def public(store: Store) -> list[Item]:
    """All live items."""
    with store.read() as tx:
        return [item for item in items.listing(tx) if item.live]


def titles(store: Store) -> list[str]:
    """Their titles."""
    return [item.content.title for item in public(store)]


def waiting(store: Store) -> list[Release]:
    """All releases."""
    with store.read() as tx:
        return releases.listing(tx)


def owed(store: Store) -> int:
    """How many deliveries are planned; what a silent revision replaced before it was sent counts once."""
    with store.read() as tx:
        return sum(one.state is not DeliveryState.CANCELLED for one in deliveries.listing(tx))


def things(numbers: Sequence[int]) -> list[Incoming]:
    """Several."""
    return [thing(number) for number in numbers]
