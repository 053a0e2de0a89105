"""Archives: the closed pages of a topic, which items stand in them, and what must be cut out of them.

A closed page is written once (RFC 5005 §4) and kept compressed only; afterwards it may lose withdrawn
items and never gains or changes one. Which items make a page is decided in `feeds`. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, insert, or_, select, update

from syndicator.model.site import Format
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_update
from syndicator.store.memberships import MOST_PARAMETERS

a, d, m, t = schema.archives.c, schema.archived.c, schema.memberships.c, schema.topics.c
NO_PAGE = 0  # memberships.page of an item that could not be rendered when its page was closed
_REOPEN = (
    update(schema.memberships).where(m.item_id == bindparam("item"), m.page.is_not(None)).values(page=None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one archive document without its bytes.

    `etag` is the quoted strong tag of the identity coding, `size` its bytes; `modified` is in whole
    seconds, UTC, `stored` the instant of the transaction that wrote it.
    """

    page: int
    format: Format
    etag: str
    size: int
    modified: datetime
    stored: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive(Known):
    """One archive document; `gzip` is the only copy of its bytes."""

    gzip: bytes


@dataclass(frozen=True, slots=True)
class Archived:
    """An item as it stands, or stood, in a closed page; `gone` since when, `note` why, `cut` whether it is out."""

    item_id: int
    uid: str
    gone: datetime | None
    cut: bool
    note: str


def find(tx: Tx, slug: str, page: int, format: Format) -> Archive | None:
    """The closed page with this number, or None if there is none (yet)."""
    query = select(*_known(), a.gzip).join(schema.topics, t.id == a.topic_id)
    row = tx.connection.execute(query.where(t.slug == slug, a.page == page, a.format == format)).first()
    return Archive(**{**row._asdict(), "format": Format(row.format)}) if row else None


def stored_since(tx: Tx, since: datetime, slugs: Collection[str]) -> list[tuple[str, Known]]:
    """What was written of these topics' archives at or after `since`, newly closed or cut, with the topic's slug."""
    query = select(t.slug, *_known()).join(schema.topics, t.id == a.topic_id).where(a.stored >= since)
    every, found = sorted(slugs), list[tuple[str, Known]]()
    for start in range(0, len(every), MOST_PARAMETERS):
        for row in tx.connection.execute(query.where(t.slug.in_(every[start : start + MOST_PARAMETERS]))):
            words = {**row._asdict(), "format": Format(row.format)}
            found.append((words.pop("slug"), Known(**words)))
    return found


def of_topic(tx: Tx, slug: str) -> list[Known]:
    """All archive documents of a topic, oldest page first."""
    query = select(*_known()).join(schema.topics, t.id == a.topic_id).where(t.slug == slug)
    rows = tx.connection.execute(query.order_by(a.page, a.format))
    return [Known(**{**row._asdict(), "format": Format(row.format)}) for row in rows]


def reopen(tx: Tx, item_id: int) -> None:
    """The item has new words: the page that holds its old ones stands, a later one will hold these.

    After `topics.mark_stale`, which waits for a rebuild that may be putting the old words on a page.
    """
    tx.connection.execute(_REOPEN, {"item": item_id})


def doom(tx: Tx, item_id: int) -> list[int]:
    """Mark an item that is gone in every closed page it stands in; returns the keys of their topics.

    After `topics.mark_stale` for all of them, which waits for a rebuild that may be putting it on a page.
    """
    marked = update(schema.archived).where(d.item_id == item_id, d.gone.is_(None)).values(gone=tx.now)
    return sorted(set(tx.connection.execute(marked.returning(d.topic_id)).scalars()))


def forget_topic(tx: Tx, topic_id: int) -> None:
    """Drop the closed pages of a topic that is merged into another; its count of pages goes back to none."""
    tx.connection.execute(delete(schema.archives).where(a.topic_id == topic_id))
    tx.connection.execute(delete(schema.archived).where(d.topic_id == topic_id))
    tx.connection.execute(update(schema.topics).where(t.id == topic_id).values(pages=0))


def any_outside(tx: Tx, topic_id: int, oldest: tuple[datetime, str]) -> bool:
    """Whether a live item that stands on no closed page is older than `oldest` (published, uid).

    Of the items asked in turn at most a live window is not older, so the answer is as quick for a
    million items as for fifty.
    """
    published, uid = oldest
    older = or_(m.published < published, and_(m.published == published, m.uid < uid))
    query = select(m.id).where(m.topic_id == topic_id, m.gone.is_(None), m.page.is_(None), older)
    return tx.connection.execute(query.limit(1)).first() is not None


def close(tx: Tx, topic_id: int, page: int, placed: Sequence[int], left_out: Sequence[int]) -> None:
    """Close a page that holds the items `placed`, newest first; those `left_out` stand on no page."""
    for item_ids, number in ((placed, page), (left_out, NO_PAGE)):
        if item_ids:
            these = (m.topic_id == topic_id) & m.item_id.in_(list(item_ids))
            tx.connection.execute(update(schema.memberships).where(these).values(page=number))
    if placed:
        rows = [
            {"topic_id": topic_id, "page": page, "item_id": item_id, "place": place}
            for place, item_id in enumerate(placed)
        ]
        tx.connection.execute(insert(schema.archived), rows)
        tx.connection.execute(update(schema.topics).where(t.id == topic_id).values(pages=page))


def save(
    tx: Tx, topic_id: int, page: int, format: Format, *, etag: str, gzip: bytes, size: int, modified: datetime
) -> None:
    """Write one document of a closed page; `modified` is the whole second its bytes changed in."""
    values = {
        "topic_id": topic_id,
        "page": page,
        "format": format,
        "etag": etag,
        "gzip": gzip,
        "size": size,
        "modified": modified,
        "stored": tx.now,
    }
    insert_or_update(tx, schema.archives, values, ("topic_id", "page", "format"))


def doomed(tx: Tx, topic_ids: Iterable[int]) -> set[int]:
    """Those among these topics that have something to cut out of a closed page."""
    waiting = exists().where(d.topic_id == t.id, d.gone.is_not(None), ~d.cut)
    return set(tx.connection.execute(select(t.id).where(t.id.in_(sorted(topic_ids)), waiting)).scalars())


def doomed_pages(tx: Tx, topic_id: int) -> list[int]:
    """The pages of a topic that something must be cut out of, oldest first."""
    query = select(d.page).where(d.topic_id == topic_id, d.gone.is_not(None), ~d.cut)
    return list(tx.connection.execute(query.distinct().order_by(d.page)).scalars())


def contents(tx: Tx, topic_id: int, page: int) -> list[Archived]:
    """What a closed page held when it was closed, in its order."""
    i = schema.items.c
    query = (
        select(d.item_id, i.uid, d.gone, d.cut, i.note)
        .join(schema.items, i.id == d.item_id)
        .where(d.topic_id == topic_id, d.page == page)
        .order_by(d.place)
    )
    return [
        Archived(row.item_id, row.uid, row.gone, row.cut, row.note or "")
        for row in tx.connection.execute(query)
    ]


def documents_of(tx: Tx, topic_id: int, page: int) -> dict[Format, Archive]:
    """The documents of a closed page, with their bytes."""
    query = select(*_known(), a.gzip).where(a.topic_id == topic_id, a.page == page)
    rows = [{**row._asdict(), "format": Format(row.format)} for row in tx.connection.execute(query)]
    return {row["format"]: Archive(**row) for row in rows}


def mark_cut(tx: Tx, topic_id: int, page: int) -> None:
    """Whatever is gone is out of the bytes of this page."""
    these = (d.topic_id == topic_id) & (d.page == page) & d.gone.is_not(None)
    tx.connection.execute(update(schema.archived).where(these).values(cut=True))


def _known() -> tuple[Any, ...]:
    return a.page, a.format, a.etag, a.size, a.modified, a.stored
