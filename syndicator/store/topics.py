"""Topics, which items they hold, and which of their documents are stale.

An item's place in a topic is a membership; the store keeps its date and uid beside it, so that a
topic's newest items come off one index however large the store is. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, bindparam, delete, exists, func, insert, or_, select, update

from syndicator.errors import Conflict, Invalid, NotFound
from syndicator.model.item import ALL, Closing, Item, Kind, Profile, PubDate, Rule, Topic
from syndicator.store import documents, schema
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.names import former

t, m = schema.topics.c, schema.memberships.c
CHUNK = 1_000  # rows in memory at a time where all items are read
MOST_PARAMETERS = 10_000  # PostgreSQL takes 65,535 in one statement, some builds of SQLite 32,766


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where topics are no more: former slug → the slug to be sent on to, and slugs that are closed for good."""

    moved: dict[str, str]
    closed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """An item that left a topic: what a tombstone says (RFC 6721 §2)."""

    uid: str
    when: datetime
    note: str | None


def add(tx: Tx, topic: Topic) -> Topic:
    """Make a topic; raises Conflict if the slug is taken, NotFound if its rule names an unknown one."""
    if topic.rule:
        check_rule(tx, topic.rule)
    statement = insert_or_skip(tx, schema.topics).values(**_values(topic), created=topic.created)
    if tx.connection.execute(statement).rowcount == 0:
        raise Conflict(f'the topic "{topic.slug}" exists already; `syndicator topic list` shows it')
    return named(tx, topic.slug)


def edit(tx: Tx, topic: Topic) -> None:
    """Write title, rule and owner of the topic with this slug; its documents become stale.

    Another title makes all documents stale: it stands as a category in other topics' feeds, too.
    """
    if topic.rule:
        check_rule(tx, topic.rule)
    before = named(tx, topic.slug)
    if before.title != topic.title:
        documents.forget_named(tx, before.id)
        mark_all_stale(tx)
    values = {key: value for key, value in _values(topic).items() if key not in ("slug", "uid")}
    tx.connection.execute(update(schema.topics).where(t.slug == topic.slug).values(**values, stale=tx.now))


def listing(tx: Tx) -> list[Topic]:
    """All topics, by slug."""
    return [_topic(row) for row in tx.connection.execute(select(schema.topics).order_by(t.slug))]


def ruled(tx: Tx) -> list[Topic]:
    """The topics made by a rule, by slug."""
    query = select(schema.topics).where(t.rule.is_not(None)).order_by(t.slug)
    return [_topic(row) for row in tx.connection.execute(query)]


def some(tx: Tx, slugs: Collection[str]) -> dict[str, Topic]:
    """Slug → topic, of those among these slugs that exist."""
    query = select(schema.topics).where(t.slug.in_(sorted(set(slugs)))).order_by(t.slug)
    return {row.slug: _topic(row) for row in tx.connection.execute(query)}


def find(tx: Tx, slug: str) -> Topic | None:
    """The topic with this slug, or None."""
    row = tx.connection.execute(select(schema.topics).where(t.slug == slug)).first()
    return _topic(row) if row else None


def named(tx: Tx, slug: str) -> Topic:
    """The topic with this slug; raises NotFound."""
    topic = find(tx, slug)
    if topic is None:
        raise NotFound(f'there is no topic "{slug}"; `syndicator topic list` shows them all')
    return topic


def titles(tx: Tx, slugs: Collection[str] | None = None) -> dict[str, str]:
    """Slug → title of every topic, or of those among `slugs`."""
    query = select(t.slug, t.title).order_by(t.slug)
    if slugs is not None:
        query = query.where(t.slug.in_(sorted(slugs)))
    return {row.slug: row.title for row in tx.connection.execute(query)}


def ids(tx: Tx, slugs: Collection[str]) -> dict[str, int]:
    """Slug → key; raises NotFound naming the first slug there is no topic for."""
    found = {
        row.slug: row.id for row in tx.connection.execute(select(t.slug, t.id).where(t.slug.in_(list(slugs))))
    }
    for slug in sorted(set(slugs) - set(found)):
        named(tx, slug)
    return found


def check_plain(tx: Tx, slugs: Iterable[str]) -> None:
    """Raise unless every slug is a plain topic: an item is filed under plain ones only."""
    slugs = list(slugs)
    known = some(tx, slugs)
    for slug in slugs:
        if slug not in known:
            raise NotFound(f'there is no topic "{slug}"; `syndicator topic add {slug} "Its title"` makes it')
        if known[slug].rule or slug == ALL:
            raise Invalid(f'"{slug}" holds items by its rule; file the item under a plain topic')


def check_rule(tx: Tx, rule: Rule) -> None:
    """Raise unless the rule speaks of plain topics that exist, so that rules can have no cycles."""
    check_plain(tx, sorted(rule.names))


def addresses(tx: Tx) -> Addresses:
    """Which slugs answer 301 and whither, and which answer 410 at this instant (feeds:H8)."""
    over = select(t.slug).where(t.closed <= tx.now, t.merged.is_(None))
    return Addresses(moved=dict(former(tx)), closed=frozenset(tx.connection.execute(over).scalars()))


def enter(tx: Tx, item: Item, slugs: Collection[str]) -> list[int]:
    """Put the item into these topics; returns the keys of those it was not in before."""
    entered = []
    for topic_id in sorted(ids(tx, slugs).values()):
        row = {"topic_id": topic_id, "item_id": item.id, "published": item.published, "uid": item.uid}
        if tx.connection.execute(insert_or_skip(tx, schema.memberships).values(**row)).rowcount:
            entered.append(topic_id)
    return entered


def leave(tx: Tx, item: Item, stay: Collection[str]) -> None:
    """Take the item out of every topic not in `stay`, without a trace: it was filed differently."""
    kept = select(t.id).where(t.slug.in_(list(stay)))
    tx.connection.execute(delete(schema.memberships).where(m.item_id == item.id, m.topic_id.not_in(kept)))


def bury(tx: Tx, item: Item) -> None:
    """Take a withdrawn item out of its topics' feeds; a tombstone stays."""
    tx.connection.execute(update(schema.memberships).where(m.item_id == item.id).values(gone=tx.now))


def of_item(tx: Tx, item_id: int) -> dict[str, int]:
    """Slug → key of the topics the item is or was in."""
    query = select(t.slug, t.id).join(schema.memberships, m.topic_id == t.id).where(m.item_id == item_id)
    return {row.slug: row.id for row in tx.connection.execute(query.order_by(t.slug))}


def ever_of_item(tx: Tx, item_id: int) -> set[int]:
    """Keys of the topics the item is or was in, those among them that only a closed page of theirs remembers."""
    a = schema.archived.c
    inside = select(m.topic_id).where(m.item_id == item_id)
    return set(tx.connection.execute(inside.union(select(a.topic_id).where(a.item_id == item_id))).scalars())


def mark_stale(tx: Tx, topic_ids: Collection[int]) -> None:
    """Say that documents of these topics must be built anew; in key order, so that writers never deadlock."""
    if topic_ids:
        # NO KEY UPDATE on PostgreSQL: whoever files an item holds its topics by KEY SHARE, as foreign keys do.
        locked = select(t.id).where(t.id.in_(sorted(topic_ids))).order_by(t.id)
        tx.connection.execute(locked.with_for_update(key_share=True)).all()
        tx.connection.execute(update(schema.topics).where(t.id.in_(sorted(topic_ids))).values(stale=tx.now))


def mark_all_stale(tx: Tx) -> None:
    """After a change of the site itself: title, address, hubs, renderer."""
    tx.connection.execute(update(schema.topics).values(stale=tx.now))


def outdated(tx: Tx, look: str) -> bool:
    """Whether any document was built for another look of the site (`feeds.look`)."""
    old = select(t.id).where(t.head.is_not(None), t.head != look).limit(1)
    return tx.connection.execute(old).first() is not None


def mark_outdated(tx: Tx, look: str) -> None:
    """Make stale whatever was built for another look of the site."""
    old = t.head.is_not(None) & (t.head != look)
    tx.connection.execute(update(schema.topics).where(old).values(stale=tx.now))


def take_stale(tx: Tx, limit: int) -> list[Topic]:
    """Up to `limit` topics whose documents are stale and may be built now; held by this transaction."""
    query = (
        select(schema.topics)
        .where(t.stale <= tx.now)
        .order_by(t.stale, t.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [_topic(row) for row in tx.connection.execute(query)]


def next_stale(tx: Tx) -> datetime | None:
    """When the next stale topic may be built, or None."""
    return tx.connection.execute(select(func.min(t.stale)).where(t.stale.is_not(None))).scalar()


def set_fresh(tx: Tx, topic_id: int, again: datetime | None, look: str) -> None:
    """The documents are built for this look of the site; `again` is when they must be once more (feeds:H5)."""
    tx.connection.execute(update(schema.topics).where(t.id == topic_id).values(stale=again, head=look))


def set_all_fresh(tx: Tx, again: Mapping[int, datetime | None], look: str) -> None:
    """The same for many topics at once: their keys, and the instants from which they are due again."""
    if again:
        statement = update(schema.topics).where(t.id == bindparam("key"))
        rows = [{"key": key, "stale": moment, "head": look} for key, moment in again.items()]
        tx.connection.execute(statement, rows)


def put_off(tx: Tx, topic_id: int, until: datetime) -> None:
    """The documents could not be built; they stay as they are, and are due again from `until` on."""
    tx.connection.execute(update(schema.topics).where(t.id == topic_id).values(stale=until))


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


def find_public(tx: Tx, slug: str) -> Topic | None:
    """The topic with this slug if it holds a live item; one that holds none is as unknown as any word."""
    live = exists().where(m.topic_id == t.id, m.gone.is_(None))
    row = tx.connection.execute(select(schema.topics).where(t.slug == slug, live)).first()
    return _topic(row) if row else None


def public(tx: Tx, slugs: Collection[str] | None = None) -> list[Topic]:
    """The topics that hold a live item, all or among `slugs`: the only ones the public ever hears of."""
    query = select(schema.topics).where(exists().where(m.topic_id == t.id, m.gone.is_(None)))
    if slugs is not None:
        query = query.where(t.slug.in_(sorted(slugs)))
    return [_topic(row) for row in tx.connection.execute(query.order_by(t.slug))]


def refill(tx: Tx, topic: Topic) -> int:
    """Make a ruled topic hold exactly the items its rule says, after the rule changed; returns how many entered.

    Tombstones of what was withdrawn stay. Items keep the order in which they were published; no delivery is planned (DESIGN §2, Topic).
    """
    rule = topic.rule or Rule()
    wanted = [row for row in _live_items(tx) if rule.matches(frozenset(row.topics), Kind(row.kind))]
    here = select(m.item_id).where(m.topic_id == topic.id, m.gone.is_(None))
    present = set(tx.connection.execute(here).scalars())
    doomed = sorted(present.difference(row.id for row in wanted))
    for some in _batched(doomed, MOST_PARAMETERS):
        tx.connection.execute(delete(schema.memberships).where(m.topic_id == topic.id, m.item_id.in_(some)))
    rows = [
        {"topic_id": topic.id, "item_id": row.id, "published": row.published, "uid": row.uid}
        for row in wanted
        if row.id not in present
    ]
    if rows:
        tx.connection.execute(insert(schema.memberships), rows)
    mark_stale(tx, [topic.id])
    return len(rows)


def _batched(keys: Sequence[int], size: int) -> Iterable[Sequence[int]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


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
    for row in tx.connection.execute(query, execution_options={"yield_per": CHUNK}):
        yield _Filed(row.id, row.uid, row.published, row.kind or Kind.NEWS, row.topics or ())


def _values(topic: Topic) -> dict[str, Any]:
    rule = None
    if topic.rule:
        rule = {key: list(value) for key, value in asdict(topic.rule).items() if value}
    return {
        "slug": topic.slug,
        "title": topic.title,
        "uid": topic.uid,
        "rule": rule,
        "file": topic.file,
        "full_text": topic.profile.full_text,
        "pub_date": topic.profile.pub_date,
    }


def _topic(row: Row[Any]) -> Topic:
    rule = row.rule
    return Topic(
        id=row.id,
        slug=row.slug,
        title=row.title,
        uid=row.uid,
        created=row.created,
        file=row.file,
        rule=_rule(rule) if rule is not None else None,
        profile=Profile(full_text=row.full_text, pub_date=PubDate(row.pub_date)),
        closing=Closing(row.closing, row.closed, row.farewell or "") if row.closing else None,
        pages=row.pages,
    )


def _rule(values: dict[str, list[str]]) -> Rule:
    kinds = tuple(Kind(kind) for kind in values.get("kinds", ()))
    return Rule(**{key: tuple(value) for key, value in values.items() if key != "kinds"}, kinds=kinds)
