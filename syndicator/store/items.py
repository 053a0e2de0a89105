"""Items, their revisions, and the spokespeople one may ask about them.

Only `publish` calls what writes items here. Serves walks A and B.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, Text, bindparam, cast, exists, func, insert, literal, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.item import (
    Boilerplate,
    Content,
    Item,
    ItemState,
    Revision,
    Significance,
    Spokesperson,
    content_from_json,
    content_to_json,
    slug_for,
)
from syndicator.store import names, schema, wiped
from syndicator.store.engine import Tx, insert_or_skip, insert_or_update

i, r = schema.items.c, schema.revisions.c


def find(tx: Tx, uid: str) -> Item | None:
    """The item with this uid as it is now, or None."""
    return _one(tx, _BY_UID, uid=uid)


def named(tx: Tx, uid: str) -> Item:
    """The item with this uid; raises NotFound."""
    item = find(tx, uid)
    if item is None:
        raise NotFound(f"there is no item {uid}; `syndicator item list` shows them all")
    return item


def held_for_change(tx: Tx, uid: str) -> Item:
    """The item, locked until this transaction ends, so that revisions follow each other; raises NotFound."""
    # Not FOR UPDATE, which would stop whoever only refers to the item, such as a rebuild that keeps its fragment.
    tx.connection.execute(_HOLD, {"uid": uid})
    return named(tx, uid)


def by_slug(tx: Tx, slug: str) -> Item | None:
    """The item at /items/{slug}, whatever its state, or None; the address of a redacted one still leads to it."""
    here = _one(tx, _current().where(i.slug == slug))
    return here or _one(tx, _current().where(i.slug == former_slug(slug)))


def former_slug(slug: str) -> str:
    """What an address is called once its words are gone: it still answers, and says nothing.

    >>> former_slug("on-budgets")
    'redacted-b815ff16fc6d2b7842022737'
    """
    return f"redacted-{hashlib.sha256(slug.encode()).hexdigest()[:24]}"


def by_id(tx: Tx, item_id: int) -> Item | None:
    """The item with the store's own key, or None."""
    return _one(tx, _current().where(i.id == item_id))


def many(tx: Tx, ids: Iterable[int]) -> list[Item]:
    """The items with these keys, in no particular order."""
    return [_item(tx, row) for row in tx.connection.execute(_current().where(i.id.in_(list(ids))))]


def listing(tx: Tx, *, limit: int | None = None, after: int = 0, topic: str | None = None) -> list[Item]:
    """Items in the order they were stored, of one topic if named; `after` is the last key seen."""
    query = _current().where(i.id > after).order_by(i.id).limit(limit)
    if topic:
        m, t = schema.memberships.c, schema.topics.c
        query = query.where(exists().where(m.item_id == i.id, m.topic_id == t.id, t.slug == topic))
    return [_item(tx, row) for row in tx.connection.execute(query)]


def names_from(tx: Tx, upstream: str) -> dict[str, str | None]:
    """By uid, what the feed of this upstream named each item it brought with: its guid, else its page, if any."""
    guid, page = r.content[("guid", "value")].as_string(), r.content["url"].as_string()
    current = (r.item_id == i.id) & (r.number == i.revision)
    query = select(i.uid, func.coalesce(guid, page).label("name")).join(schema.revisions, current)
    return {row.uid: row.name for row in tx.connection.execute(query.where(i.upstream == upstream))}


def history(tx: Tx, item_id: int) -> list[Revision]:
    """Every version of an item, oldest first."""
    rows = tx.connection.execute(select(schema.revisions).where(r.item_id == item_id).order_by(r.number))
    return [_revision(tx, row) for row in rows]


def revision(tx: Tx, item_id: int, number: int) -> Revision:
    """One version of an item; raises NotFound."""
    query = select(schema.revisions).where(r.item_id == item_id, r.number == number)
    row = tx.connection.execute(query).first()
    if row is None:
        raise NotFound(f"item {item_id} has no revision {number}")
    return _revision(tx, row)


def add(tx: Tx, uid: str, content: Content, published: datetime, upstream: str | None) -> Item:
    """A new live item with its first revision and the first slug that is free.

    Raises Conflict if the uid exists, Refused if it was redacted.
    """
    wiped.refuse(tx, uid)
    values = {
        "uid": uid,
        "state": ItemState.LIVE,
        "revision": 1,
        "published": published,
        "updated": own_moment(tx, published),
        "upstream": upstream,
    }
    item_id, slug = _insert(tx, values, content.title)
    _add_revision(tx, item_id, 1, Significance.FIRST, content, None)
    return Item(id=item_id, slug=slug, content=content, **{**values, "state": ItemState.LIVE})  # type: ignore[arg-type]


def revise(
    tx: Tx, item: Item, significance: Significance, content: Content, note: str | None, marked: str = ""
) -> Item:
    """The next revision of `item`, which carries the new state, `updated`, note and `marked` already.

    `marked` is what this very revision, a correction, changed.
    """
    revised = replace(item, revision=item.revision + 1, content=content)
    values = {
        "key": item.id,
        "state": item.state,
        "revision": revised.revision,
        "updated": item.updated,
        "note": item.note,
        "marked": item.marked or None,
    }
    tx.connection.execute(_REVISE, values)
    _add_revision(tx, item.id, revised.revision, significance, content, note, marked)
    return revised


def own_moment(tx: Tx, moment: datetime) -> datetime:
    """The whole second of `moment`, or the first microsecond in it no item was updated at.

    Atom wants no two entries of a feed with the same `updated`; a microsecond tells siblings apart
    that were published within one second.
    """
    second = moment.replace(microsecond=0)
    last = tx.connection.execute(_UPDATED, {"second": second, "next": second + timedelta(seconds=1)}).scalar()
    return second if last is None else last + timedelta(microseconds=1)


def spokesperson(tx: Tx, slug: str | None) -> Spokesperson | None:
    """The reusable record of whom to ask, or None."""
    if slug is None:
        return None
    row = tx.connection.execute(select(schema.spokespeople).where(schema.spokespeople.c.slug == slug)).first()
    return Spokesperson(**row._asdict()) if row else None


def check_spokesperson(tx: Tx, slug: str | None) -> None:
    """Raise NotFound, naming those there are, unless somebody has this slug (or none is named)."""
    if slug and spokesperson(tx, slug) is None:
        known = ", ".join(person.slug for person in spokespeople(tx)) or "none yet"
        raise NotFound(f'there is no spokesperson "{slug}" in the config file; there are: {known}')


def spokespeople(tx: Tx) -> list[Spokesperson]:
    """All of them, by slug."""
    return [
        Spokesperson(**row._asdict())
        for row in tx.connection.execute(select(schema.spokespeople).order_by("slug"))
    ]


def save_spokesperson(tx: Tx, person: Spokesperson) -> None:
    """Make or replace the record of this slug."""
    insert_or_update(tx, schema.spokespeople, asdict(person), "slug")


def boilerplates(tx: Tx) -> list[Boilerplate]:
    """The reusable parts of releases, by slug."""
    rows = tx.connection.execute(select(schema.boilerplates).order_by("slug"))
    return [Boilerplate(**row._asdict()) for row in rows]


def save_boilerplate(tx: Tx, part: Boilerplate) -> None:
    """Make or replace the part of this slug; what was drafted with it keeps the words it had."""
    insert_or_update(tx, schema.boilerplates, asdict(part), "slug")


def _current() -> Select[Any]:
    return select(schema.items, r.content).join(
        schema.revisions, (r.item_id == i.id) & (r.number == i.revision)
    )


# Built once: these run for every item that comes in, and SQLAlchemy takes longer to build one than to run it.
_BY_UID = _current().where(i.uid == bindparam("uid"))
_HOLD = select(i.id).where(i.uid == bindparam("uid")).with_for_update(key_share=True)
_BY_SLUG = select(i.id).where(i.slug == bindparam("slug"))
_REVISE = update(schema.items).where(i.id == bindparam("key"))
_ADD_REVISION = insert(schema.revisions)
_UPDATED = select(func.max(i.updated)).where(i.updated >= bindparam("second"), i.updated < bindparam("next"))


def _insert(tx: Tx, values: dict[str, Any], title: str) -> tuple[int, str]:
    slug, number = slug_for(title), 1
    plain = slug
    while True:
        if not _was_redacted(tx, slug):
            row = insert_or_skip(tx, schema.items).values(**values, slug=slug).returning(i.id)
            if item_id := tx.connection.execute(row).scalar():
                return item_id, slug
            if find(tx, values["uid"]):
                raise Conflict(f"the item {values['uid']} exists already; `syndicator item edit` changes it")
        # Another transaction may take this one, too, between look and insert: then the next is looked for.
        number = _first_free(tx, plain, number + 1)
        slug = f"{plain}-{number}"


def _was_redacted(tx: Tx, slug: str) -> bool:
    """Whether what had this address was redacted: it answers for that, and is nobody else's."""
    return tx.connection.execute(_BY_SLUG, {"slug": former_slug(slug)}).first() is not None


def _first_free(tx: Tx, plain: str, start: int) -> int:
    """The first number from `start` on whose slug nobody has; the database counts, one look at the index for each."""
    # Not LIKE: SQLite never looks that up in an index, PostgreSQL only where it collates as C.
    counted = select(literal(start).label("n")).cte("counted", recursive=True)
    slug = literal(f"{plain}-") + cast(counted.c.n, Text)
    # A scalar query stays a look-up for each number; of EXISTS PostgreSQL may make a join with the whole table.
    holder = select(i.id).where(i.slug == slug).correlate(counted).scalar_subquery()
    counted = counted.union_all(select(counted.c.n + 1).where(holder.is_not(None)))
    return int(tx.connection.execute(select(func.max(counted.c.n))).scalar_one())


def _one(tx: Tx, query: Select[Any], **bound: str) -> Item | None:
    row = tx.connection.execute(query, bound).first()
    return _item(tx, row) if row else None


def _item(tx: Tx, row: Row[Any]) -> Item:
    values = row._asdict()
    values["state"] = ItemState(values["state"])
    values["content"] = names.filed(tx, content_from_json(values["content"]))
    values["marked"] = values["marked"] or ""
    return Item(**values)


def _revision(tx: Tx, row: Row[Any]) -> Revision:
    return Revision(
        number=row.number,
        significance=Significance(row.significance),
        content=names.filed(tx, content_from_json(row.content)),
        created=row.created,
        note=row.note,
        marked=row.marked or "",
    )


def _add_revision(
    tx: Tx,
    item_id: int,
    number: int,
    significance: Significance,
    content: Content,
    note: str | None,
    marked: str = "",
) -> None:
    row = {
        "item_id": item_id,
        "number": number,
        "significance": significance,
        "content": content_to_json(content),
        "fingerprint": content.fingerprint,
        "note": note,
        "marked": marked or None,
        "created": tx.now,
    }
    tx.connection.execute(_ADD_REVISION, row)


def in_order(items: Iterable[Item], ids: Sequence[int]) -> list[Item]:
    """The items in the order of `ids`."""
    by_key = {item.id: item for item in items}
    return [by_key[key] for key in ids if key in by_key]
