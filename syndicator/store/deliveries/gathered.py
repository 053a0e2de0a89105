"""What digests carry, as whoever writes them asks: all those of a claim in one query.

Asked when a letter is written, so that nothing is shown that was taken back meanwhile, nor what came under a topic
its reader has left (mail:DG8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from syndicator.model.audience import SubscriptionState
from syndicator.model.item import ItemState
from syndicator.store import schema
from syndicator.store.engine import Tx, among

d, dc, c, s, p, i, t = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.pushes.c,
    schema.items.c,
    schema.topics.c,
)


@dataclass(frozen=True, slots=True, order=True)
class Under:
    """A topic as its reader sees it."""

    slug: str
    title: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one digest holds: topics in its reader's order, under each (item, revision), each item once.

    `zone` and `language` are the reader's. Items stand newest first. `since` is when the one that waited longest was
    pushed: where an outage was made up for, that is long before its window.
    """

    zone: str
    language: str
    since: datetime
    topics: tuple[tuple[Under, tuple[tuple[int, int], ...]], ...]


_CARRIED = (
    select(dc.delivery_id, c.zone, c.language, t.slug, t.title, i.id, i.revision, p.at)
    .join(schema.deliveries, d.id == dc.delivery_id)
    .join(schema.contacts, c.id == d.contact_id)
    .join(schema.items, i.id == dc.item_id)
    .join(schema.pushes, p.item_id == dc.item_id)
    .join(
        schema.subscriptions,
        (s.contact_id == d.contact_id) & (s.topic_id == p.topic_id) & (s.state == SubscriptionState.ACTIVE),
    )
    .join(schema.topics, t.id == s.topic_id)
    .where(among(dc.delivery_id, "keys"), i.state == ItemState.LIVE)
    .order_by(dc.delivery_id, s.id, i.published.desc(), i.uid)
)


def gathered(tx: Tx, delivery_ids: Sequence[int]) -> dict[int, Gathered]:
    """What each of these digests holds now; those of which nothing is left are not among them."""
    found: dict[int, tuple[str, str, dict[Under, list[tuple[int, int]]]]] = {}
    pushed: dict[int, dict[int, datetime]] = defaultdict(dict)
    for delivery, zone, language, slug, title, item, revision, at in tx.connection.execute(
        _CARRIED, {"keys": list(delivery_ids)}
    ):
        before = pushed[delivery].get(item)
        pushed[delivery][item] = max(
            at, before or at
        )  # under a topic of before its reader's time it counts not
        if before is None:  # once, under the first of its topics
            _, _, topics = found.setdefault(delivery, (zone, language, {}))
            topics.setdefault(Under(slug, title), []).append((item, revision))
    return {
        delivery: Gathered(
            zone,
            language,
            min(pushed[delivery].values()),
            tuple((under, tuple(held)) for under, held in topics.items()),
        )
        for delivery, (zone, language, topics) in found.items()
    }
