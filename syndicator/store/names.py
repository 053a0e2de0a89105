"""Former names of topics: what was filed, ruled or configured under one is read under the present one.

Rows keep the words they were written with; whoever loads them asks here. A merged topic is a former
name of the one it went into. The table is tiny and read once in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Table, Text, cast, delete, select, update

from syndicator.model.item import Content, Rule
from syndicator.store import schema
from syndicator.store.engine import Tx, alone

NAMES_LOCK = 7_263_003
MEMO = "former names of topics"
HELD = "names are held"


def former(tx: Tx) -> Mapping[str, str]:
    """Former slug → present slug, as this transaction first saw it (`forget` reads it anew)."""
    if MEMO not in tx.memo:
        t, n = schema.topics.c, schema.topic_slugs.c
        query = select(n.slug, t.slug.label("now")).join(schema.topics, t.id == n.topic_id)
        tx.memo[MEMO] = {row.slug: row.now for row in tx.connection.execute(query.order_by(n.slug))}
    known: Mapping[str, str] = tx.memo[MEMO]
    return known


def forget(tx: Tx) -> None:
    """Read the names anew when they are next asked for: they changed, or may have."""
    tx.memo.pop(MEMO, None)


def present(tx: Tx, slugs: Iterable[str]) -> tuple[str, ...]:
    """These topics by their present names, each once, in the order given; unknown ones as they are."""
    names = former(tx)
    return tuple(dict.fromkeys(names.get(slug, slug) for slug in slugs))


def filed(tx: Tx, content: Content) -> Content:
    """The words as they were written, under the present names of their topics."""
    topics = present(tx, content.topics)
    return content if topics == content.topics else replace(content, topics=topics)


def ruled(tx: Tx, rule: Rule) -> Rule:
    """The rule in the present names of the topics it speaks of."""
    return replace(rule, any=present(tx, rule.any), all=present(tx, rule.all), none=present(tx, rule.none))


def hold(tx: Tx) -> None:
    """Change alone what topics are called and what they hold; others who would wait here until we end.

    Before any lock on a topic or an item. Both change what many topics share, in no order one could
    keep: whoever renamed and whoever withdrew would wait for each other. And whoever fills a topic by
    its rule must see every item, whoever files one every rule.
    """
    if HELD not in tx.memo:
        alone(tx, NAMES_LOCK)
        tx.memo[HELD] = True
        forget(tx)


def settle(tx: Tx, slug: str) -> None:
    """Write the present name wherever this former one stands; the former one is free then.

    Reads every revision: for the rare case that a name is given to another topic.
    """
    now = former(tx)[slug]
    for table, column, keys in _SAID:
        _rewrite(tx, table, column, keys, slug, now)
    tx.connection.execute(delete(schema.topic_slugs).where(schema.topic_slugs.c.slug == slug))
    forget(tx)


# Where topics are named: the table, its JSON column, its key.
_SAID: tuple[tuple[Table, str, tuple[str, ...]], ...] = (
    (schema.revisions, "content", ("item_id", "number")),
    (schema.releases, "content", ("id",)),
    (schema.topics, "rule", ("id",)),
    (schema.partners, "topics", ("id",)),
    (schema.upstreams, "topics", ("id",)),
)


def _rewrite(tx: Tx, table: Table, column: str, keys: tuple[str, ...], slug: str, now: str) -> None:
    said = table.c[column]
    query = select(*(table.c[key] for key in keys), said.label("said"))
    rows = tx.connection.execute(query.where(cast(said, Text).contains(f'"{slug}"'))).all()
    for row in rows:
        mine = [table.c[key] == getattr(row, key) for key in keys]
        values = {column: _renamed(row.said, slug, now)}
        tx.connection.execute(update(table).where(*mine).values(values))


def _renamed(said: Any, slug: str, now: str) -> Any:
    """A list of slugs, or what holds such lists under the names of a rule or of a content's topics."""
    if isinstance(said, list):
        return list(dict.fromkeys(now if one == slug else one for one in said))
    lists = ("topics", "any", "all", "none")
    return {key: _renamed(value, slug, now) if key in lists else value for key, value in said.items()}
