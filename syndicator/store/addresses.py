"""What happens to a topic in its life: another name, a merger into another topic, an end.

Set-based, however many items and readers it has. Whether it may happen is decided in the flow
(`syndicator.topics`), and that it is told to other processes, too.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, insert, select, update

from syndicator.model.item import Topic
from syndicator.store import archives, audience, memberships, names, schema, topics
from syndicator.store.engine import Tx

t, n, d = schema.topics.c, schema.topic_slugs.c, schema.documents.c


def hold(tx: Tx, *slugs: str) -> list[Topic]:
    """These topics, which nobody files under or changes until this transaction ends; raises NotFound."""
    names.hold(tx)
    # Who drafts a release under one of them holds it by KEY SHARE, until it is filed there.
    locked = select(t.id).where(t.slug.in_(slugs)).order_by(t.id).with_for_update()
    tx.connection.execute(locked).all()
    return [topics.named(tx, slug) for slug in slugs]


def rename(tx: Tx, topic: Topic, slug: str, title: str) -> None:
    """Give a topic another slug and title; the old slug leads to it from now on, its uid stays."""
    topics.forget_name(tx, topic.id)
    if slug != topic.slug:
        tx.connection.execute(delete(schema.topic_slugs).where(n.slug == slug, n.topic_id == topic.id))
        _leads_to(tx, topic.slug, topic.id, public=_was_public(tx, topic))
    tx.connection.execute(update(schema.topics).where(t.id == topic.id).values(slug=slug, title=title))
    names.forget(tx)


def merge(tx: Tx, source: Topic, into: Topic) -> None:
    """Let the items, readers and addresses of a topic go to another; nobody is owed anything by it.

    The row of the first stays, for its history: `merged` says where it went.
    """
    topics.forget_name(tx, source.id)
    topics.mark_stale(tx, [into.id])
    public = _was_public(tx, source)
    memberships.move(tx, source.id, into.id)
    tx.connection.execute(delete(schema.documents).where(d.topic_id == source.id))
    archives.forget_topic(tx, source.id)
    over = dict.fromkeys(("closing", "closed", "farewell", "stale", "head"))
    tx.connection.execute(update(schema.topics).where(t.id == source.id).values(merged=into.id, **over))
    tx.connection.execute(update(schema.topics).where(t.merged == source.id).values(merged=into.id))
    tx.connection.execute(update(schema.topic_slugs).where(n.topic_id == source.id).values(topic_id=into.id))
    _leads_to(tx, source.slug, into.id, public=public)
    names.forget(tx)
    audience.merge_subscriptions(tx, source.id, into.id)
    for ruled in topics.ruled(tx):
        if ruled.rule and into.slug in ruled.rule.names:  # it may have named either, or both
            topics.refill(tx, ruled)


def close(tx: Tx, topic: Topic, over: datetime, note: str) -> None:
    """Announce the end of a topic, or change its date or words; the first announcement keeps its date."""
    announced = topic.closing.announced if topic.closing else tx.now
    values = {"closing": announced, "closed": over, "farewell": note or None}
    tx.connection.execute(update(schema.topics).where(t.id == topic.id).values(**values))
    topics.mark_stale(tx, [topic.id])


def keep_open(tx: Tx, topic: Topic) -> None:
    """Take an announced end back."""
    values = dict.fromkeys(("closing", "closed", "farewell"))
    tx.connection.execute(update(schema.topics).where(t.id == topic.id).values(**values))
    topics.mark_stale(tx, [topic.id])


def _was_public(tx: Tx, topic: Topic) -> bool:
    """Whether its page or feeds were ever there: it holds an item, or did when they were built."""
    m = schema.memberships.c
    held, built = exists().where(m.topic_id == topic.id), exists().where(d.topic_id == topic.id)
    return bool(tx.connection.execute(select(held | built)).scalar())


def _leads_to(tx: Tx, slug: str, topic_id: int, *, public: bool) -> None:
    values = {"slug": slug, "topic_id": topic_id, "ended": tx.now, "public": public}
    tx.connection.execute(insert(schema.topic_slugs).values(**values))
