"""Tags: words of ours about contacts, by which lists are cut and segments are made."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sqlalchemy import delete, func, select

from syndicator.store import schema
from syndicator.store.engine import Tx, among, insert_or_skip

k = schema.contact_tags.c


def of(tx: Tx, contact_id: int) -> list[str]:
    """The tags of one contact, in order."""
    return list(
        tx.connection.execute(select(k.tag).where(k.contact_id == contact_id).order_by(k.tag)).scalars()
    )


def of_all(tx: Tx, contact_ids: Collection[int]) -> dict[int, list[str]]:
    """The tags of these contacts, in order, by contact; who has none is not in it."""
    query = select(k.contact_id, k.tag).where(among(k.contact_id, "whose")).order_by(k.contact_id, k.tag)
    found: dict[int, list[str]] = {}
    for contact_id, tag in tx.connection.execute(query, {"whose": sorted(contact_ids)}):
        found.setdefault(contact_id, []).append(tag)
    return found


def counts(tx: Tx) -> Mapping[str, int]:
    """Every tag there is, and how many have it."""
    query = select(k.tag, func.count().label("number")).group_by(k.tag).order_by(k.tag)
    return {row.tag: row.number for row in tx.connection.execute(query)}


def put(tx: Tx, contact_id: int, tags: Iterable[str]) -> list[str]:
    """Give a contact these tags; returns those that are new."""
    before = set(of(tx, contact_id))
    new = sorted(set(tags) - before)
    if new:
        rows = [{"contact_id": contact_id, "tag": tag} for tag in new]
        tx.connection.execute(insert_or_skip(tx, schema.contact_tags), rows)
    return new


def take(tx: Tx, contact_id: int, tags: Iterable[str]) -> int:
    """Take these tags from a contact; how many they had."""
    gone = delete(schema.contact_tags).where(k.contact_id == contact_id, k.tag.in_(sorted(set(tags))))
    return tx.connection.execute(gone).rowcount
