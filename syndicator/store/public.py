"""What the public hears of, many at a time: the addresses of items and topics for crawlers and lists.

Only columns that are shown are read, in chunks, so that a million items need no more memory than a
thousand. Reads only. Serves the pages beside walk A: the list of feeds, OPML, sitemaps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select

from syndicator.model.item import ALL
from syndicator.store import schema
from syndicator.store.engine import Tx
from syndicator.store.topics import is_open

i, m, r, t = schema.items.c, schema.memberships.c, schema.revisions.c, schema.topics.c
CHUNK = 1_000  # rows in memory at a time


@dataclass(frozen=True, slots=True)
class PublicTopic:
    """A topic as lists show it; `newest` is when its newest live item was published."""

    id: int
    slug: str
    title: str
    newest: datetime


@dataclass(frozen=True, slots=True)
class PublicItem:
    """An item as lists show it."""

    slug: str
    title: str
    published: datetime
    updated: datetime
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Version:
    """Changes whenever anything about a range of items does: every change is a revision, and dated."""

    items: int
    revisions: int
    live: int
    updated: datetime | None


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the store reaches: its last key, and when an item last changed. Two look-ups in indexes."""

    last: int
    updated: datetime | None


def topics(tx: Tx, slugs: Collection[str] | None = None) -> list[PublicTopic]:
    """The topics that hold a live item and are not over, all or among `slugs`, by title, but `all` first.

    One statement: a look-up in an index for each topic.
    """
    newest = select(func.max(m.published)).where(m.topic_id == t.id, m.gone.is_(None)).scalar_subquery()
    candidates = select(t.id, t.slug, t.title, newest.label("newest")).where(is_open(tx))
    if slugs is not None:
        candidates = candidates.where(t.slug.in_(sorted(slugs)))
    shown = candidates.subquery()
    query = select(shown).where(shown.c.newest.is_not(None))
    found = [PublicTopic(row.id, row.slug, row.title, row.newest) for row in tx.connection.execute(query)]
    return sorted(found, key=lambda topic: (topic.slug != ALL, topic.title.casefold(), topic.slug))


def newest_of(tx: Tx, topic_ids: Collection[int]) -> dict[int, PublicItem]:
    """Topic's key → its newest live item, for these topics; one statement."""
    first = (
        select(m.item_id)
        .where(m.topic_id == t.id, m.gone.is_(None))
        .order_by(m.published.desc(), m.uid.desc())
        .limit(1)
        .correlate(schema.topics)
        .scalar_subquery()
    )
    query = _shown(t.id.label("topic_id")).join(schema.topics, i.id == first).where(t.id.in_(list(topic_ids)))
    return {row.topic_id: _item(row) for row in tx.connection.execute(query)}


def latest(tx: Tx, limit: int) -> list[PublicItem]:
    """The newest live items, newest first by published, then uid (P13)."""
    return [_item(row) for row in tx.connection.execute(_everything().limit(limit))]


def news(tx: Tx, since: datetime, limit: int) -> list[PublicItem]:
    """The live items published at or after `since` whose page is ours, newest first."""
    query = _everything().where(m.published >= since, _ours()).limit(limit)
    return [_item(row) for row in tx.connection.execute(query)]


def extent(tx: Tx) -> Extent:
    """How far the store reaches; the same as before means that no address and no date has changed."""
    last, updated = select(func.max(i.id)).scalar_subquery(), select(func.max(i.updated)).scalar_subquery()
    row = tx.connection.execute(select(last.label("last"), updated.label("updated"))).one()
    return Extent(row.last or 0, row.updated)


def version(tx: Tx, after: int, last: int) -> Version:
    """What tells whether anything about the items with keys above `after`, up to `last`, has changed."""
    live = func.coalesce(func.sum(case((i.state == "live", 1), else_=0)), 0)
    query = select(
        func.count().label("items"),
        func.coalesce(func.sum(i.revision), 0).label("revisions"),
        live.label("live"),
        func.max(i.updated).label("updated"),
    ).where(i.id > after, i.id <= last)
    row = tx.connection.execute(query).one()
    return Version(int(row.items), int(row.revisions), int(row.live), row.updated)


def pages(tx: Tx, after: int, last: int) -> Iterator[tuple[str, datetime]]:
    """Slug and `updated` of the live items whose page is ours, with keys above `after`, up to `last`, by key."""
    query = select(i.id, i.slug, i.updated).join(schema.revisions, _present())
    query = query.where(i.id > after, i.id <= last, i.state == "live", _ours()).order_by(i.id)
    for row in tx.connection.execute(query, execution_options={"yield_per": CHUNK}):
        yield row.slug, row.updated


def moments(tx: Tx, last: int, span: int) -> dict[int, datetime]:
    """Part → when an item of it last changed; part n holds the keys from n * span + 1. Empty parts are left out."""
    part = ((i.id - 1) // span).label("part")
    query = select(part, func.max(i.updated).label("updated")).where(i.id <= last).group_by(part)
    return {int(row.part): row.updated for row in tx.connection.execute(query)}


def _present() -> ColumnElement[bool]:
    return (r.item_id == i.id) & (r.number == i.revision)


def _ours() -> ColumnElement[bool]:
    # What has its own address elsewhere names that as canonical: no crawler wants ours.
    own: ColumnElement[bool] = r.content["url"].as_string().is_(None)
    return own


def _shown(*more: Any) -> Select[Any]:
    title, language = r.content["title"].as_string(), r.content["language"].as_string()
    columns = (i.slug, title.label("title"), i.published, i.updated, language.label("language"))
    return select(*more, *columns).select_from(schema.items).join(schema.revisions, _present())


def _everything() -> Select[Any]:
    everything = select(t.id).where(t.slug == ALL).scalar_subquery()
    query = _shown().join(schema.memberships, m.item_id == i.id)
    query = query.where(m.topic_id == everything, m.gone.is_(None))
    return query.order_by(m.published.desc(), m.uid.desc())


def _item(row: Any) -> PublicItem:
    return PublicItem(row.slug, row.title or "", row.published, row.updated, row.language)
