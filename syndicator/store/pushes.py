"""Pushes: an item entered a topic while it was to be told, whoever reads that. Digests are made of these.

One row per item and topic, the first time: what leaves a topic and comes back is no news (ADR 44).
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, literal, select, update

from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

p = schema.pushes.c


def record(tx: Tx, item_id: int, topic_ids: Iterable[int]) -> None:
    """Write down that this item was pushed to these topics now, unless it was before."""
    rows = [{"item_id": item_id, "topic_id": key, "at": tx.now} for key in sorted(topic_ids)]
    if rows:
        tx.connection.execute(insert_or_skip(tx, schema.pushes), rows)


def move(tx: Tx, source: int, into: int) -> None:
    """Let what was pushed to one topic count as pushed to the other, whose readers its own have joined.

    What was pushed to both counts from the later time on: readers of either are still to have it.
    """
    there = schema.pushes.alias("there").c
    later = select(there.at).where(there.topic_id == source, there.item_id == p.item_id).scalar_subquery()
    both = update(schema.pushes).where(p.topic_id == into, later > p.at)
    tx.connection.execute(both.values(at=later))
    moved = select(p.item_id, literal(into), p.at).where(p.topic_id == source)
    names = ["item_id", "topic_id", "at"]
    tx.connection.execute(insert_or_skip(tx, schema.pushes).from_select(names, moved))
    tx.connection.execute(delete(schema.pushes).where(p.topic_id == source))
