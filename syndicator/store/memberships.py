"""Memberships: which items a topic holds, in which order they entered, and on which closed page they stand.

The date and uid of an item stand beside its membership, so that a topic's newest items come off one
index however large the store is. Only `topics` and the flows above it write here. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, exists, func, insert, literal, or_, select, update

from syndicator.model.item import Item, Kind, Rule
from syndicator.store import names, pushes, schema
from syndicator.store.engine import Tx, insert_or_skip

t, m, a = schema.topics.c, schema.memberships.c, schema.archived.c
CHUNK = 1_000  # rows in memory at a time where all items are read
MOST_PARAMETERS = 10_000  # PostgreSQL takes 65,535 in one statement, some builds of SQLite 32,766
# Built once, as in `items`.
_LEAVE = delete(schema.memberships).where(
    m.item_id == bindparam("item"), m.topic_id.not_in(bindparam("stay", expanding=True))
)
_OF_ITEM = (
    select(t.slug, t.id)
    .join(schema.memberships, m.topic_id == t.id)
    .where(m.item_id == bindparam("item"))
    .order_by(t.slug)
)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An item that left a topic: what a tombstone says (RFC 6721 §2)."""

    uid: str
    when: datetime
    note: str | None


def enter(tx: Tx, item: Item, topic_ids: Iterable[int]) -> list[int]:
    """Put the item into these topics, on no closed page yet; returns the keys of those it was not in before."""
    entered = []
    for topic_id in topic_ids:
        row = {"topic_id": topic_id, "item_id": item.id, "published": item.published, "uid": item.uid}
        if tx.connection.execute(insert_or_skip(tx, schema.memberships), row).rowcount:
            entered.append(topic_id)
    return entered


def leave(tx: Tx, item: Item, stay: Collection[int]) -> None:
    """Take the item out of every topic but these, without a trace."""
    tx.connection.execute(_LEAVE, {"item": item.id, "stay": list(stay)})


def bury(tx: Tx, item: Item) -> None:
    """Take a withdrawn item out of its topics' feeds; a tombstone stays."""
    tx.connection.execute(update(schema.memberships).where(m.item_id == item.id).values(gone=tx.now))


def move(tx: Tx, source: int, into: int) -> None:
    """Let all items of a topic enter another at the end of its order, and leave the first; however many they are.

    What stands in both stays where it was. Tombstones and pushes go along. Closed pages are not touched.
    """
    there = schema.memberships.alias("there").c
    twice = exists().where(there.topic_id == into, there.item_id == m.item_id)
    columns = ["topic_id", "item_id", "published", "uid", "gone"]
    moved = select(literal(into), m.item_id, m.published, m.uid, m.gone).where(m.topic_id == source, ~twice)
    tx.connection.execute(insert(schema.memberships).from_select(columns, moved.order_by(m.id)))
    tx.connection.execute(delete(schema.memberships).where(m.topic_id == source))
    pushes.move(tx, source, into)


def of_item(tx: Tx, item_id: int) -> dict[str, int]:
    """Slug → key of the topics the item is or was in."""
    return {row.slug: row.id for row in tx.connection.execute(_OF_ITEM, {"item": item_id})}


def ever_of_item(tx: Tx, item_id: int) -> set[int]:
    """Keys of the topics the item is or was in, those among them that only a closed page of theirs remembers."""
    a = schema.archived.c
    inside = select(m.topic_id).where(m.item_id == item_id)
    return set(tx.connection.execute(inside.union(select(a.topic_id).where(a.item_id == item_id))).scalars())


def newest(tx: Tx, topic_id: int, limit: int) -> list[int]:
    """Keys of the live items of a topic, newest first by published, then uid: total and stable (P13)."""
    query = (
        select(m.item_id)
        .where(m.topic_id == topic_id, m.gone.is_(None))
        .order_by(m.published.desc(), m.uid.desc())
        .limit(limit)
    )
    return list(tx.connection.execute(query).scalars())


def withdrawn(tx: Tx, topic_id: int, since: datetime | None, limit: int) -> list[Withdrawn]:
    """The latest withdrawals of items not older than `since`, newest first: the feed's tombstones."""
    i = schema.items.c
    query = (
        select(i.uid, m.gone, i.note)
        .join(schema.items, i.id == m.item_id)
        .where(m.topic_id == topic_id, m.gone.is_not(None))
        .order_by(m.gone.desc(), i.uid)
        .limit(limit)
    )
    if since:
        query = query.where(or_(m.published >= since, m.gone >= since))
    return [Withdrawn(row.uid, row.gone, row.note) for row in tx.connection.execute(query)]


def refill(tx: Tx, topic_id: int, rule: Rule) -> int:
    """Make a topic hold exactly the items this rule says; returns how many entered.

    Tombstones of what was withdrawn stay. What enters does so in the order in which it was published; an
    item whose words never changed comes back to the closed page that holds it.
    """
    names.hold(tx)  # no item is being filed while we look
    wanted = [row for row in _live_items(tx) if rule.matches(frozenset(row.topics), Kind(row.kind))]
    here = select(m.item_id).where(m.topic_id == topic_id, m.gone.is_(None))
    present = set(tx.connection.execute(here).scalars())
    doomed = sorted(present.difference(row.id for row in wanted))
    for start in range(0, len(doomed), MOST_PARAMETERS):
        some = doomed[start : start + MOST_PARAMETERS]
        tx.connection.execute(delete(schema.memberships).where(m.topic_id == topic_id, m.item_id.in_(some)))
    pages = _unchanged_pages(tx, topic_id)
    rows = [
        {
            "topic_id": topic_id,
            "item_id": row.id,
            "published": row.published,
            "uid": row.uid,
            "page": pages.get(row.id),
        }
        for row in wanted
        if row.id not in present
    ]
    if rows:
        tx.connection.execute(insert(schema.memberships), rows)
    return len(rows)


def _unchanged_pages(tx: Tx, topic_id: int) -> dict[int, int]:
    """Item → the closed page it stands on, of those that never had other words than these."""
    i = schema.items.c
    query = select(a.item_id, func.max(a.page).label("page")).join(schema.items, i.id == a.item_id)
    query = query.where(a.topic_id == topic_id, a.gone.is_(None), i.revision == 1).group_by(a.item_id)
    return {row.item_id: row.page for row in tx.connection.execute(query)}


@dataclass(frozen=True, slots=True)
class _Filed:
    id: int
    uid: str
    published: datetime
    kind: str
    topics: Sequence[str]


def _live_items(tx: Tx) -> Iterable[_Filed]:
    i, r = schema.items.c, schema.revisions.c
    query = (
        select(i.id, i.uid, i.published, r.content["kind"].label("kind"), r.content["topics"].label("topics"))
        .join(schema.revisions, (r.item_id == i.id) & (r.number == i.revision))
        .where(i.state == "live")
        .order_by(i.published, i.uid)
    )
    names.former(tx)  # read before the rows begin to flow
    for row in tx.connection.execute(query, execution_options={"yield_per": CHUNK}):
        filed = names.present(tx, row.topics or ())
        yield _Filed(row.id, row.uid, row.published, row.kind or Kind.NEWS, filed)
