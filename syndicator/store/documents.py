"""Documents: the stored bytes of feeds with their validators, and the fragments they are joined from.

Bytes at rest: the web reads them, nobody renders on request. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, bindparam, delete, exists, func, or_, select, text, update

from syndicator.model.item import ItemState
from syndicator.model.site import Format
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_update_all

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
class Current:
    """What a new document is compared with: the tag of the stored bytes, and when they changed."""

    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """New bytes of a document, plain and gzip, with the tag of the plain ones; `items` is how many they show."""

    topic_id: int
    format: Format
    etag: str
    body: bytes
    gzip: bytes
    items: int


@dataclass(frozen=True, slots=True)
class Bodies:
    """The bytes of a document, plain and gzip."""

    body: bytes
    gzip: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A live item in a topic as a document needs it: no words, but its kept fragments.

    `fragments` is empty unless there is one of every format that still says what the item says;
    `published` and `updated` are UTC.
    """

    item_id: int
    uid: str
    published: datetime
    updated: datetime
    fragments: dict[Format, bytes]


def window(tx: Tx, topic_id: int, limit: int, profile: str, look: str) -> list[Placed]:
    """The newest live items of a topic by published, then uid: total and stable (P13)."""
    values = {"topic": topic_id, "limit": limit, "profile": profile, "look": look}
    return [_placed(row) for row in tx.connection.execute(_WINDOW, values)]


def first_open(tx: Tx, topic_id: int, limit: int, profile: str, look: str) -> list[Placed]:
    """The live items of a topic that stand on no closed page, in the order in which they entered it."""
    values = {"topic": topic_id, "limit": limit, "profile": profile, "look": look}
    return [_placed(row) for row in tx.connection.execute(_FIRST_OPEN, values)]


def save_fragments(
    tx: Tx,
    profile: str,
    look: str,
    made: Iterable[tuple[int, int, dict[Format, bytes]]],
) -> None:
    """Keep fragments for the next time their items stand in a document: item key, revision, and one per format.

    In key order, so that two who render the same items for different topics never deadlock.
    """
    rows = [
        {
            "item_id": item_id,
            "format": format,
            "profile": profile,
            "revision": revision,
            "look": look,
            "body": body,
        }
        for item_id, revision, bodies in sorted(made, key=lambda one: one[0])
        for format, body in sorted(bodies.items())
    ]
    insert_or_update_all(tx, schema.fragments, rows, ("item_id", "format", "profile"))


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


def current(tx: Tx, topic_ids: Collection[int]) -> dict[tuple[int, Format], Current]:
    """The tag and date of every document of these topics."""
    query = select(d.topic_id, d.format, d.etag, d.modified).where(d.topic_id.in_(sorted(topic_ids)))
    return {
        (row.topic_id, Format(row.format)): Current(row.etag, row.modified)
        for row in tx.connection.execute(query)
    }


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
    made = Made(topic_id, format, etag=etag, body=body, gzip=gzip, items=items)
    save_all(tx, [made], modified)


def save_all(tx: Tx, made: Iterable[Made], modified: datetime) -> None:
    """The same for many documents that changed in one second."""
    rows = [{**_values(one), "modified": modified, "stored": tx.now} for one in made]
    insert_or_update_all(tx, schema.documents, rows, ("topic_id", "format"))


def with_withdrawn(tx: Tx, topic_ids: Collection[int]) -> set[int]:
    """Those among these topics that something was withdrawn from: only they have tombstones to look for."""
    gone = exists().where(m.topic_id == t.id, m.gone.is_not(None))
    return set(tx.connection.execute(select(t.id).where(t.id.in_(sorted(topic_ids)), gone)).scalars())


def any_gone(tx: Tx, uids: Collection[str]) -> bool:
    """Whether one of these items is public no more."""
    i = schema.items.c
    gone = select(i.id).where(i.uid.in_(sorted(uids)), i.state != ItemState.LIVE).limit(1)
    return tx.connection.execute(gone).first() is not None


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
    """Drop fragments of items that are in no topic's newest `window` any more; returns how many.

    It asks each topic for the last item of its window, and each fragment for its item's place: what it
    costs grows with topics and fragments, not with the items in the store.
    """
    last = (
        select(m.id)
        .where(m.topic_id == t.id, m.gone.is_(None))
        .order_by(m.published.desc(), m.uid.desc())
        .offset(window - 1)
        .limit(1)
        .correlate(schema.topics)
        .scalar_subquery()
    )
    lasts = (
        select(t.id.label("topic_id"), last.label("key"))
        .cte("lasts", nesting=True)
        .prefix_with("MATERIALIZED")
    )
    edge, own = schema.memberships.alias("edge").c, schema.memberships.alias("own")
    newer = or_(
        own.c.published > edge.published, (own.c.published == edge.published) & (own.c.uid >= edge.uid)
    )
    kept = (
        select(own.c.item_id)
        .join(lasts, lasts.c.topic_id == own.c.topic_id)
        .outerjoin(edge.id.table, edge.id == lasts.c.key)
        .where(own.c.gone.is_(None), or_(lasts.c.key.is_(None), newer))
        .where(own.c.item_id.in_(select(f.item_id)))
    )
    return tx.connection.execute(delete(schema.fragments).where(f.item_id.not_in(kept))).rowcount


def _validators() -> Any:
    sizes = (func.length(d.body).label("size"), func.length(d.gzip).label("gzip_size"))
    query = select(t.slug.label("topic"), d.format, d.etag, d.modified, d.stored, t.pages, *sizes)
    return query.join(schema.topics, t.id == d.topic_id)


def _row(row: Row[Any]) -> Validators:
    return Validators(**{**row._asdict(), "format": Format(row.format)})


def _values(made: Made) -> dict[str, Any]:
    return {name: getattr(made, name) for name in Made.__slots__}


def _placed(row: Row[Any]) -> Placed:
    bodies: tuple[bytes | None, ...] = tuple(row)[4:]
    kept = {format: body for format, body in zip(Format, bodies, strict=True) if body is not None}
    fragments = kept if len(kept) == len(Format) else {}
    return Placed(row.item_id, row.uid, row.published, row.updated, fragments)


def _with_fragments(among: Any, order: Callable[[Any], tuple[Any, ...]]) -> Select[Any]:
    """Members of a topic, each in one row with its fragment of every format, or NULL where there is none."""
    i = schema.items.c
    members = select(m.id, m.item_id, m.uid, m.published).where(m.topic_id == bindparam("topic"), among)
    chosen = members.order_by(*order(m)).limit(bindparam("limit")).subquery()
    kept = {format: schema.fragments.alias(f"{format}_fragments") for format in Format}
    bodies = [table.c.body.label(f"{format}_body") for format, table in kept.items()]
    query = select(chosen.c.item_id, chosen.c.uid, chosen.c.published, i.updated, *bodies)
    query = query.join(schema.items, i.id == chosen.c.item_id)
    for format, table in kept.items():
        serves = and_(
            table.c.item_id == chosen.c.item_id,
            table.c.format == format.value,
            table.c.profile == bindparam("profile"),
            table.c.revision == i.revision,
            table.c.look == bindparam("look"),
        )
        query = query.outerjoin(table, serves)
    return query.order_by(*order(chosen.c))  # a subquery's order is promised to nobody


# Made once: composing them anew for each of ten thousand topics would cost more than running them.
_WINDOW = _with_fragments(m.gone.is_(None), lambda c: (c.published.desc(), c.uid.desc()))
_FIRST_OPEN = _with_fragments(m.gone.is_(None) & m.page.is_(None), lambda c: (c.id,))
