"""Former names of topics: what was filed, ruled or configured under one is read under the present one.

Rows keep the words they were written with; whoever loads them asks here. A merged topic is a former
name of the one it went into. The table is tiny and read once in a transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import select

from syndicator.model.item import Content, Rule
from syndicator.store import schema
from syndicator.store.engine import Tx, alone

NAMES_LOCK = 7_263_003
MEMO = "former names of topics"
HELD = "names are held"
t, n = schema.topics.c, schema.topic_slugs.c
# Built once: nearly every transaction asks.
_FORMER = select(n.slug, t.slug.label("now")).join(schema.topics, t.id == n.topic_id).order_by(n.slug)


def former(tx: Tx) -> Mapping[str, str]:
    """Former slug → present slug, as this transaction first saw it (`forget` reads it anew)."""
    if MEMO not in tx.memo:
        tx.memo[MEMO] = {row.slug: row.now for row in tx.connection.execute(_FORMER)}
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
