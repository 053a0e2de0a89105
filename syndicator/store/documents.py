"""Documents: the stored bytes of feeds with their validators, and the fragments they are joined from.

Bytes at rest: the web reads them, nobody renders on request. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, exists, func, select, text, update

from syndicator.model.site import Format
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_update

d, f, t, m = schema.documents.c, schema.fragments.c, schema.topics.c, schema.memberships.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a web process keeps in memory of a document: under 1 kB, no body.

    `etag` is the quoted strong tag of the identity coding; `modified` is in whole seconds, UTC;
    `pages` is how many closed archive pages the topic has.
    """

    topic: str
    format: Format
    etag: str
    modified: datetime
    stored: datetime
    size: int
    gzip_size: int
    pages: int


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bytes of a document, plain and gzip."""

    body: bytes
    gzip: bytes
    etag: str


def known_fragments(
    tx: Tx, item_ids: Collection[int], profile: str, look: str
) -> dict[tuple[int, Format], bytes]:
    """The fragments that still say what their items say, for this profile and look of the site."""
    i = schema.items.c
    query = (
        select(f.item_id, f.format, f.body)
        .join(schema.items, (i.id == f.item_id) & (i.revision == f.revision))
        .where(f.item_id.in_(list(item_ids)), f.profile == profile, f.look == look)
    )
    return {(row.item_id, Format(row.format)): row.body for row in tx.connection.execute(query)}


def save_fragment(
    tx: Tx, item_id: int, format: Format, profile: str, *, revision: int, look: str, body: bytes
) -> None:
    """Keep a fragment for the next time its item stands in a document."""
    values = {
        "item_id": item_id,
        "format": format,
        "profile": profile,
        "revision": revision,
        "look": look,
        "body": body,
    }
    insert_or_update(tx, schema.fragments, values, ("item_id", "format", "profile"))


def forget_fragments(tx: Tx, item_ids: Iterable[int]) -> None:
    """Drop every fragment of these items: they are gone."""
    tx.connection.execute(delete(schema.fragments).where(f.item_id.in_(list(item_ids))))


def forget_named(tx: Tx, topic_id: int) -> None:
    """Drop the fragments of all items in a topic, for they say its name; topics.mark_all_stale goes with it."""
    inside = exists().where(m.topic_id == topic_id, m.item_id == f.item_id)
    tx.connection.execute(delete(schema.fragments).where(inside))


def forget_all(tx: Tx) -> None:
    """Drop every fragment: something they all may say has changed, such as whom to ask."""
    tx.connection.execute(delete(schema.fragments))


def find(tx: Tx, topic_id: int, format: Format) -> Validators | None:
    """The validators of a topic's document, or None if it was never built."""
    row = tx.connection.execute(_validators().where(d.topic_id == topic_id, d.format == format)).first()
    return _row(row) if row else None


def save(
    tx: Tx,
    topic_id: int,
    format: Format,
    *,
    etag: str,
    body: bytes,
    gzip: bytes,
    modified: datetime,
    items: int,
) -> None:
    """Put new bytes in the place of the old ones; `modified` is the whole second they changed in."""
    values = {
        "topic_id": topic_id,
        "format": format,
        "etag": etag,
        "body": body,
        "gzip": gzip,
        "modified": modified,
        "stored": tx.now,
        "items": items,
    }
    insert_or_update(tx, schema.documents, values, ("topic_id", "format"))


def validators(tx: Tx, since: datetime | None = None) -> list[Validators]:
    """Validators of all documents, or of those stored at or after `since`."""
    query = _validators()
    if since:
        query = query.where(d.stored >= since)
    return [_row(row) for row in tx.connection.execute(query)]


def bodies(tx: Tx, topic: str, format: Format) -> Bodies | None:
    """The bytes of a topic's document as they are now, or None."""
    query = select(d.body, d.gzip, d.etag).join(schema.topics, t.id == d.topic_id)
    row = tx.connection.execute(query.where(t.slug == topic, d.format == format)).first()
    return Bodies(row.body, row.gzip, row.etag) if row else None


def data_version(tx: Tx) -> int:
    """A number that changes when another connection has committed (SQLite only)."""
    return int(tx.connection.execute(text("PRAGMA data_version")).scalar_one())


def mark_missing(tx: Tx) -> int:
    """Make stale every topic that has a live item and no document; returns how many. None, if all is well."""
    live = exists().where(m.topic_id == t.id, m.gone.is_(None))
    missing = live & ~exists().where(d.topic_id == t.id) & t.stale.is_(None)
    return tx.connection.execute(update(schema.topics).where(missing).values(stale=tx.now)).rowcount


def prune_fragments(tx: Tx, window: int) -> int:
    """Drop fragments of items that are in no topic's newest `window` any more; returns how many."""
    rank = func.row_number().over(partition_by=m.topic_id, order_by=(m.published.desc(), m.uid.desc()))
    ranked = select(m.item_id, rank.label("place")).where(m.gone.is_(None)).subquery()
    live = select(ranked.c.item_id).where(ranked.c.place <= window)
    return tx.connection.execute(delete(schema.fragments).where(f.item_id.not_in(live))).rowcount


def _validators() -> Any:
    sizes = (func.length(d.body).label("size"), func.length(d.gzip).label("gzip_size"))
    query = select(t.slug.label("topic"), d.format, d.etag, d.modified, d.stored, t.pages, *sizes)
    return query.join(schema.topics, t.id == d.topic_id)


def _row(row: Row[Any]) -> Validators:
    return Validators(**{**row._asdict(), "format": Format(row.format)})
