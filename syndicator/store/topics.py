"""Topics: what they are called, what may be filed under them, and which of their documents are stale.

Which items they hold is in `memberships`; what happens to a topic in its life (another name, a merger,
an end) is in `addresses`. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.item import ALL, Closing, Content, Item, Kind, Profile, PubDate, Rule, Topic
from syndicator.store import columns, documents, memberships, names, schema
from syndicator.store.archives import NO_PAGE
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.memberships import (
    MOST_PARAMETERS,
    Withdrawn,
    bury,
    ever_of_item,
    newest,
    of_item,
    withdrawn,
)

__all__ = [
    "Addresses", "Withdrawn", "add", "addresses", "all_addresses", "bury", "check_plain", "check_rule", "edit", "enter",
    "ever_of_item", "file_under", "find", "find_public", "forget_name", "ids", "leave", "listing",
    "mark_all_stale", "mark_outdated", "mark_stale", "named", "newest", "next_end", "next_stale", "of_item", "outdated",
    "public", "put_off", "readable", "refill", "retry_unrendered", "ruled", "set_all_fresh", "some", "take_stale", "titles", "withdrawn",
]  # fmt: skip

t, m = schema.topics.c, schema.memberships.c


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where topics are no more: former slug → the slug to be sent on to, and slugs that are closed for good."""

    moved: dict[str, str]
    closed: frozenset[str]


def add(tx: Tx, topic: Topic) -> Topic:
    """Make a topic; raises Conflict if the slug is taken, NotFound if its rule names an unknown one.

    A former name of another topic is taken, too: its readers are led on.
    """
    names.hold(tx)
    if now := names.former(tx).get(topic.slug):
        raise Conflict(
            f'"{topic.slug}" is a former name of the topic "{now}" and leads there; choose another'
        )
    if topic.rule:
        check_rule(tx, topic.rule)
    statement = insert_or_skip(tx, schema.topics).values(**_values(topic), created=topic.created)
    if tx.connection.execute(statement).rowcount == 0:
        raise Conflict(f'the topic "{topic.slug}" exists already; `syndicator topic list` shows it')
    return named(tx, topic.slug)


def edit(tx: Tx, topic: Topic) -> None:
    """Write title, rule and owner of the topic with this slug; its documents become stale.

    Another title stands as a category in other topics' feeds, too.
    """
    names.hold(tx)
    if topic.rule:
        check_rule(tx, topic.rule)
    before = named(tx, topic.slug)
    if before.title != topic.title:
        forget_name(tx, before.id)
    values = {key: value for key, value in _values(topic).items() if key not in ("slug", "uid")}
    tx.connection.execute(update(schema.topics).where(t.slug == topic.slug).values(**values, stale=tx.now))


def listing(tx: Tx) -> list[Topic]:
    """All topics, by slug."""
    return [_topic(tx, row) for row in tx.connection.execute(select(schema.topics).order_by(t.slug))]


def ruled(tx: Tx) -> list[Topic]:
    """The topics made by a rule that are not over, by slug."""
    return [_topic(tx, row) for row in tx.connection.execute(_RULED, {"instant": tx.now})]


def some(tx: Tx, slugs: Collection[str]) -> dict[str, Topic]:
    """Slug → topic, of those among these slugs that exist."""
    found = tx.connection.execute(_SOME, {"some": sorted(set(slugs))})
    return {row.slug: _topic(tx, row) for row in found}


def find(tx: Tx, slug: str) -> Topic | None:
    """The topic with this slug, or None."""
    row = tx.connection.execute(select(schema.topics).where(t.slug == slug)).first()
    return _topic(tx, row) if row else None


def named(tx: Tx, slug: str) -> Topic:
    """The topic with this slug; raises NotFound."""
    topic = find(tx, slug)
    if topic is None:
        now = names.former(tx).get(slug)
        hint = f'it is called "{now}" now' if now else "`syndicator topic list` shows them all"
        raise NotFound(f'there is no topic "{slug}"; {hint}')
    return topic


def titles(tx: Tx, slugs: Collection[str] | None = None) -> dict[str, str]:
    """Slug → title of every topic, or of those among `slugs`."""
    query = select(t.slug, t.title).order_by(t.slug)
    if slugs is not None:
        query = query.where(t.slug.in_(sorted(slugs)))
    return {row.slug: row.title for row in tx.connection.execute(query)}


def ids(tx: Tx, slugs: Collection[str]) -> dict[str, int]:
    """Slug → key; raises NotFound naming the first slug there is no topic for."""
    found = {row.slug: row.id for row in tx.connection.execute(_KEYS, {"some": list(slugs)})}
    for slug in sorted(set(slugs) - set(found)):
        named(tx, slug)
    return found


def file_under(tx: Tx, content: Content, already: Collection[str] = ()) -> Content:
    """The words under the present names of their topics, which keep these names until this transaction ends.

    Raises as `check_plain`. Whoever renames, merges or closes a topic waits for us, or was seen by us.
    """
    for _ in range(3):  # again, if a name was changed while we waited: merged topics keep theirs
        slugs = names.present(tx, content.topics)
        held = tx.connection.execute(_HOLD, {"some": slugs}).all() if slugs else ()
        if not slugs or tx.on_sqlite:  # nobody else writes while we do
            break
        names.forget(tx)
        if len(held) == len(slugs) and names.present(tx, content.topics) == slugs:
            break
    check_plain(tx, content.topics, already)
    return names.filed(tx, content)


def readable(tx: Tx) -> dict[str, int]:
    """Slug → key of every topic, former names of topics among them: what a list from elsewhere may name."""
    keys = {row.slug: row.id for row in tx.connection.execute(select(t.slug, t.id))}
    return keys | {slug: keys[now] for slug, now in names.former(tx).items()}


def check_plain(tx: Tx, slugs: Iterable[str], already: Collection[str] = ()) -> None:
    """Raise unless something may be filed under every slug: a plain topic that is not about to close.

    What is in a topic `already` may stay there while it closes.
    """
    for slug, topic in _plain(tx, slugs).items():
        if topic.closing and slug not in already:
            when = topic.closing.over.isoformat(timespec="seconds")
            raise Refused(f'the topic "{slug}" closes at {when} and takes nothing new; file it elsewhere')


def check_rule(tx: Tx, rule: Rule) -> None:
    """Raise unless the rule speaks of plain topics that exist, so that rules can have no cycles."""
    _plain(tx, sorted(rule.names))


def _plain(tx: Tx, slugs: Iterable[str]) -> dict[str, Topic]:
    slugs = names.present(tx, slugs)
    known = some(tx, slugs)
    for slug in slugs:
        if slug not in known:
            raise NotFound(f'there is no topic "{slug}"; `syndicator topic add {slug} "Its title"` makes it')
        if known[slug].rule or slug == ALL:
            raise Invalid(f'"{slug}" holds items by its rule; file the item under a plain topic')
    return known


def addresses(tx: Tx) -> Addresses:
    """Which slugs answer 301 and whither, and which answer 410 at this instant (feeds:H8).

    Names under which there never was a feed are left out: to the public they are as unknown as any word.
    """
    n, built = schema.topic_slugs.c, exists().where(schema.documents.c.topic_id == t.id)
    moved = select(n.slug, t.slug.label("now")).join(schema.topics, t.id == n.topic_id).where(n.public)
    over = _over(tx).where(built)
    return Addresses(
        moved={row.slug: row.now for row in tx.connection.execute(moved.order_by(n.slug))},
        closed=frozenset(tx.connection.execute(over).scalars()),
    )


def all_addresses(tx: Tx) -> Addresses:
    """The same of all topics, whether or not the public ever heard of them: for those who run them."""
    return Addresses(
        moved=dict(names.former(tx)), closed=frozenset(tx.connection.execute(_over(tx)).scalars())
    )


def next_end(tx: Tx) -> datetime | None:
    """When the next topic ends of those that have not yet; None if no end is planned."""
    query = select(func.min(t.closed)).where(t.closed > tx.now, t.merged.is_(None))
    found: datetime | None = tx.connection.execute(query).scalar()
    return found


def _over(tx: Tx) -> Select[Any]:
    return select(t.slug).where(t.closed <= tx.now, t.merged.is_(None))


def enter(tx: Tx, item: Item, slugs: Collection[str]) -> list[int]:
    """Put the item into these topics; returns the keys of those it was not in before."""
    return memberships.enter(tx, item, sorted(ids(tx, slugs).values()))


def leave(tx: Tx, item: Item, stay: Collection[str]) -> None:
    """Take the item out of every topic not in `stay`: it was filed differently. Closed pages keep it."""
    memberships.leave(tx, item, ids(tx, stay).values())


def refill(tx: Tx, topic: Topic) -> int:
    """Make a ruled topic hold what its rule says, after the rule changed; returns how many entered.

    No delivery is planned (DESIGN §2, Topic).
    """
    rule = names.ruled(tx, topic.rule or Rule())
    entered = memberships.refill(tx, topic.id, rule)
    mark_stale(tx, [topic.id])
    return entered


def mark_stale(tx: Tx, topic_ids: Collection[int]) -> None:
    """Say that documents of these topics must be built anew; in key order, so that writers never deadlock."""
    if topic_ids:
        some = sorted(topic_ids)
        tx.connection.execute(_LOCK, {"some": some}).all()
        tx.connection.execute(_STALE, {"some": some, "instant": tx.now})


def forget_name(tx: Tx, topic_id: int) -> None:
    """Its slug or title changes: whatever says it must be rendered anew, in all topics that share its items.

    Marked first, which waits for whoever renders them now; the fragments it leaves go, too.
    """
    other = schema.memberships.alias("other")
    shared = select(other.c.topic_id).join(schema.memberships, m.item_id == other.c.item_id)
    kin = sorted(
        {topic_id, *tx.connection.execute(shared.where(m.topic_id == topic_id).distinct()).scalars()}
    )
    for start in range(0, len(kin), MOST_PARAMETERS):
        mark_stale(tx, kin[start : start + MOST_PARAMETERS])
    documents.forget_named(tx, topic_id)


def mark_all_stale(tx: Tx) -> None:
    """After a change of the site itself: title, address, hubs, renderer."""
    names.hold(tx)
    tx.connection.execute(update(schema.topics).values(stale=tx.now))


def outdated(tx: Tx, look: str) -> bool:
    """Whether any document was built for another look of the site (`feeds.look`)."""
    old = select(t.id).where(t.head.is_not(None), t.head != look, is_open(tx)).limit(1)
    return tx.connection.execute(old).first() is not None


def mark_outdated(tx: Tx, look: str) -> None:
    """Make stale whatever was built for another look of the site; what could not be rendered then is tried again."""
    old = t.head.is_not(None) & (t.head != look)
    names.hold(tx)
    tx.connection.execute(update(schema.topics).where(old).values(stale=tx.now))
    retry_unrendered(tx)


def retry_unrendered(tx: Tx) -> None:
    """Let items that stand on no page, because they could not be rendered, stand on a later one if they can now.

    After `mark_all_stale`, or what else waits for a rebuild that may be closing a page.
    """
    left_out = update(schema.memberships).where(m.page == NO_PAGE)
    tx.connection.execute(left_out.values(page=None))


def take_stale(tx: Tx, limit: int) -> list[Topic]:
    """Up to `limit` topics whose documents are stale and may be built now; held by this transaction."""
    query = (
        select(schema.topics)
        .where(t.stale <= tx.now, is_open(tx))
        .order_by(t.stale, t.id)
        .limit(limit)
        .with_for_update(skip_locked=True, key_share=True)
    )
    return [_topic(tx, row) for row in tx.connection.execute(query)]


def next_stale(tx: Tx) -> datetime | None:
    """When the next stale topic may be built, or None."""
    return tx.connection.execute(select(func.min(t.stale)).where(t.stale.is_not(None), is_open(tx))).scalar()


def set_all_fresh(tx: Tx, again: Mapping[int, datetime | None], look: str) -> None:
    """The documents of these topics are built for this look of the site, and due again from an instant on (feeds:H5)."""
    if again:
        statement = update(schema.topics).where(t.id == bindparam("key"))
        rows = [{"key": key, "stale": moment, "head": look} for key, moment in again.items()]
        tx.connection.execute(statement, rows)


def put_off(tx: Tx, topic_id: int, until: datetime) -> None:
    """The documents could not be built; they stay as they are, and are due again from `until` on."""
    tx.connection.execute(update(schema.topics).where(t.id == topic_id).values(stale=until))


def find_public(tx: Tx, slug: str) -> Topic | None:
    """The topic with this slug if it is not over and holds a live item; else it is as unknown as any word."""
    live = exists().where(m.topic_id == t.id, m.gone.is_(None))
    row = tx.connection.execute(select(schema.topics).where(t.slug == slug, live, is_open(tx))).first()
    return _topic(tx, row) if row else None


def public(tx: Tx, slugs: Collection[str] | None = None) -> list[Topic]:
    """The topics that are not over and hold a live item, all or among `slugs`: all the public ever hears of."""
    query = select(schema.topics).where(exists().where(m.topic_id == t.id, m.gone.is_(None)), is_open(tx))
    if slugs is not None:
        query = query.where(t.slug.in_(sorted(slugs)))
    return [_topic(tx, row) for row in tx.connection.execute(query.order_by(t.slug))]


def is_open(tx: Tx) -> ColumnElement[bool]:
    """Whether a topic is one that is neither over at this instant nor merged into another."""
    return _is_open(literal(tx.now, columns.Instant()))


def _is_open(instant: ColumnElement[datetime]) -> ColumnElement[bool]:
    return t.merged.is_(None) & or_(t.closed.is_(None), t.closed > instant)


# Built once, as in `items`: each item that is filed asks all of them.
_NOW = bindparam("instant", type_=columns.Instant())
_AMONG = t.slug.in_(bindparam("some", expanding=True))
_AMONG_KEYS = t.id.in_(bindparam("some", expanding=True))
_RULED = select(schema.topics).where(t.rule.is_not(None), _is_open(_NOW)).order_by(t.slug)
_SOME = select(schema.topics).where(_AMONG).order_by(t.slug)
_KEYS = select(t.slug, t.id).where(_AMONG)
_HOLD = select(t.id).where(_AMONG).order_by(t.id).with_for_update(read=True, key_share=True)
# NO KEY UPDATE on PostgreSQL: whoever files an item holds its topics by KEY SHARE, as foreign keys do.
_LOCK = select(t.id).where(_AMONG_KEYS).order_by(t.id).with_for_update(key_share=True)
# Who waits already keeps his place: news must not put off what was stale before.
_STALE = update(schema.topics).where(_AMONG_KEYS).values(stale=case((t.stale < _NOW, t.stale), else_=_NOW))


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


def _topic(tx: Tx, row: Row[Any]) -> Topic:
    rule = row.rule
    return Topic(
        id=row.id,
        slug=row.slug,
        title=row.title,
        uid=row.uid,
        created=row.created,
        file=row.file,
        rule=names.ruled(tx, _rule(rule)) if rule is not None else None,
        profile=Profile(full_text=row.full_text, pub_date=PubDate(row.pub_date)),
        closing=Closing(row.closing, row.closed, row.farewell or "") if row.closing else None,
        pages=row.pages,
    )


def _rule(values: dict[str, list[str]]) -> Rule:
    kinds = tuple(Kind(kind) for kind in values.get("kinds", ()))
    return Rule(**{key: tuple(value) for key, value in values.items() if key != "kinds"}, kinds=kinds)
