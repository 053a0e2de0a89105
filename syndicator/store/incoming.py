"""What upstreams brought: which identities are known, what became of them, and which are in the feed now.

The pure rules are in `model.incoming`; who may write for an upstream is the claim's affair
(`store.upstreams`); what becomes of what left a feed is in `store.departures`. Serves walk A.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Select, case, exists, func, select, update

from syndicator.model.audience import SubscriptionState
from syndicator.model.incoming import READING, Filed, Incoming, Known
from syndicator.model.item import Kind
from syndicator.model.release import OPEN_RELEASES, ReleaseState
from syndicator.store import items, names, releases, schema
from syndicator.store.engine import Tx, insert_or_update

n = schema.incoming.c
# SQLite takes 32,766 bound values in a statement, but its plans are made for fewer.
BATCH = 500
FIRST = func.coalesce(n.first, n.seen)  # what was held before anybody wrote down when it was first seen
VEIL = "redacted:"  # before the hash that stands for the identity of what was redacted
FEW = 5  # what more than these share tells none of them from another


class Present(NamedTuple):
    """What was in the feed when it was last read."""

    identity: str
    uid: str
    raw: str | None
    page: str | None


class Alike(NamedTuple):
    """A known identity that may be the same thing as another: without scheme and host, or by its link."""

    known: Known
    alias: str | None
    place: str | None


def veiled(identity: str) -> str:
    """What a redacted thing's identity is kept as: its origin may name it in words, and must not bring it back."""
    return identity if identity.startswith(VEIL) else VEIL + hashlib.sha256(identity.encode()).hexdigest()


def known(tx: Tx, upstream_id: int, identities: Collection[str]) -> dict[str, Known]:
    """What is remembered of these identities, by identity; those never seen are missing."""
    query = _remembered().where(n.upstream_id == upstream_id)
    names = {name: one for one in identities for name in (one, veiled(one))}
    return {
        names[row.identity]: _known(tx, row)
        for some in _batches(names)
        for row in tx.connection.execute(query.where(n.identity.in_(some)))
    }


def alike(tx: Tx, upstream_id: int, things: Sequence[Incoming]) -> list[Alike]:
    """What is known that may be one of these things under another identity: of the same alias, place, uid or former name.

    What many share (`FEW`) is left out: a feed whose entries are all alike would have us read all it ever brought.
    """
    mine = n.upstream_id == upstream_id
    query = _remembered(n.alias, n.place).where(mine)
    asked: tuple[tuple[Any, Collection[str | None]], ...] = (
        (n.alias, {thing.second for thing in things}),
        (n.place, {thing.place for thing in things}),
        (n.uid, {thing.guid for thing in things}),
        (n.identity, frozenset().union(*(thing.former for thing in things))),
    )
    found: dict[str, Alike] = {}
    for column, values in asked:
        for some in _batches(filter(None, values)):
            few = select(column).where(mine, column.in_(some)).group_by(column).having(func.count() <= FEW)
            for row in tx.connection.execute(query.where(column.in_(few))):
                if row.identity not in found:
                    found[row.identity] = Alike(_known(tx, row), row.alias, row.place)
    return list(found.values())


def titles(tx: Tx, uids: Collection[str]) -> dict[str, str]:
    """What is public of these uids, or else the release, is called."""
    i, v, r = schema.items.c, schema.revisions.c, schema.releases.c
    current = (v.item_id == i.id) & (v.number == i.revision)
    public = select(i.uid, v.content["title"].as_string().label("title")).join(schema.revisions, current)
    waiting = select(r.uid, r.content["title"].as_string().label("title"))
    found: dict[str, str] = {}
    for some in _batches(uids):
        for query in (waiting.where(r.uid.in_(some)), public.where(i.uid.in_(some))):
            found |= {row.uid: row.title for row in tx.connection.execute(query)}
    return found


def present(tx: Tx, upstream_id: int) -> list[Present]:
    """What was in the upstream's feed when it was last read."""
    query = select(n.identity, n.uid, n.raw, n.page).where(n.upstream_id == upstream_id, n.present)
    return [Present(*row) for row in tx.connection.execute(query)]


def hashes(tx: Tx, upstream_id: int) -> frozenset[str]:
    """The hashes (`Incoming.raw`) of what is in the upstream's feed now: entries that need not be read again.

    What other rules read (`READING`) is read again.
    """
    current = n.fingerprint.startswith(f"{READING}:")
    query = select(n.raw).where(n.upstream_id == upstream_id, n.present, n.raw.is_not(None), current)
    return frozenset(tx.connection.execute(query).scalars())


def remembers(tx: Tx, upstream_id: int, uid: str) -> bool:
    """Whether some identity of this upstream became the item or release of this uid."""
    query = select(n.identity).where(n.upstream_id == upstream_id, n.uid == uid).limit(1)
    return tx.connection.execute(query).first() is not None


def elsewhere(tx: Tx, upstream_id: int, identity: str) -> bool:
    """Whether another upstream brought something of this identity."""
    others = schema.upstreams.c.id
    # By the key, one upstream after the other: there is no index of identities alone.
    named = select(n.uid).where(n.upstream_id == others, n.identity == identity)
    query = select(others).where(others != upstream_id, named.exists()).limit(1)
    return tx.connection.execute(query).first() is not None


def first_seen(tx: Tx, upstream_id: int) -> datetime | None:
    """When the first thing of this upstream was seen; None if nothing was yet, or nobody wrote down when."""
    seen: datetime | None = tx.connection.execute(
        select(func.min(FIRST)).where(n.upstream_id == upstream_id)
    ).scalar()
    return seen


def lately(tx: Tx, upstream_id: int, since: datetime) -> int:
    """How many young items this upstream has brought since then, those of its first reading apart."""
    i = schema.items.c
    began = select(func.min(FIRST)).where(n.upstream_id == upstream_id).scalar_subquery()
    query = (
        select(func.count())
        .select_from(schema.incoming.join(schema.items, i.uid == n.uid))
        .where(n.upstream_id == upstream_id, n.first > since, n.first != began, i.published > since)
    )
    return int(tx.connection.execute(query).scalar_one())


def anything(tx: Tx, upstream_id: int) -> bool:
    """Whether anything of this upstream was ever filed."""
    query = select(n.identity).where(n.upstream_id == upstream_id).limit(1)
    return tx.connection.execute(query).first() is not None


def remember(tx: Tx, upstream_id: int, thing: Incoming, uid: str, *, since: datetime) -> None:
    """Write down what a thing became, which words it came with and where the rules put it; it is in the feed.

    `since` is when it was first seen, if it is new.
    """
    # What lost its date, or its address, keeps the last it had (feeds:I18).
    kept = {"dated": thing.dated, "page": thing.page or thing.link, "place": thing.place}
    values = {
        "upstream_id": upstream_id,
        "identity": thing.identity,
        "uid": uid,
        "fingerprint": _written(thing),
        "seen": tx.now,
        "rights": thing.content.rights,
        "raw": thing.raw,
        "present": True,
        "alias": thing.second,
        "gone": None,
        "check_at": None,
        "checks": 0,
        "departed": None,
    }
    known_already = _row_of(upstream_id, thing.identity)
    said = {name: value for name, value in kept.items() if value is not None}
    if tx.connection.execute(
        update(schema.incoming).where(*known_already).values(**values, **said, first=FIRST)
    ).rowcount == 0 and not _still_veiled(tx, upstream_id, thing):
        row = {**values, **kept, "first": since}
        insert_or_update(tx, schema.incoming, row, ("upstream_id", "identity"))


def rename(tx: Tx, upstream_id: int, before: str, identity: str) -> None:
    """What was known by one identity is known by another from now on: its site moved (feeds:I15)."""
    if before.startswith(VEIL):
        identity = veiled(identity)
    renamed = update(schema.incoming).where(*_row_of(upstream_id, before))
    tx.connection.execute(renamed.values(identity=identity))


def leave(tx: Tx, upstream_id: int, identities: Collection[str], *, ask: bool) -> None:
    """These are not in the feed any more; with `ask` their pages are asked whether they are gone (feeds:I17)."""
    check = case((n.page.is_not(None), tx.now)) if ask else None
    for some in _batches(identities):
        left = update(schema.incoming).where(n.upstream_id == upstream_id, n.identity.in_(some), n.present)
        tx.connection.execute(left.values(present=False, gone=tx.now, check_at=check))


def dates(tx: Tx, uids: Collection[str]) -> dict[str, datetime]:
    """When the live items among these were published."""
    i = schema.items.c
    query = select(i.uid, i.published).where(i.state == "live")
    return {
        row.uid: row.published
        for some in _batches(uids)
        for row in tx.connection.execute(query.where(i.uid.in_(some)))
    }


def anybody(tx: Tx) -> bool:
    """Whether there is somebody to whom items are pushed: a live subscription, or a partner."""
    s, p = schema.subscriptions.c, schema.partners.c
    query = select(exists().where(s.state == SubscriptionState.ACTIVE) | exists().where(~p.paused))
    return bool(tx.connection.execute(query).scalar())


def standing(tx: Tx, known: Known) -> str | None:
    """The title of what it became, if that is public or waits to be; None if it was taken back or never will be."""
    item = items.find(tx, known.uid)
    if item:
        return item.content.title if item.live else None
    release = releases.find(tx, known.uid)
    return release.content.title if release and release.state in OPEN_RELEASES else None


def _remembered(*more: Any) -> Select[Any]:
    r = schema.releases.c
    return select(
        n.identity,
        n.uid,
        n.fingerprint,
        n.rights,
        FIRST.label("first"),
        n.present,
        n.raw,
        n.dated,
        n.page,
        r.state,
        r.at,
        *more,
    ).outerjoin(schema.releases, r.uid == n.uid)


def _known(tx: Tx, row: Row[Any]) -> Known:
    words, *filed = row.fingerprint.split(" ")
    reading, _, words = words.rpartition(":")
    return Known(
        uid=row.uid,
        fingerprint=words,
        held=ReleaseState(row.state) if row.state else None,
        at=row.at,
        identity=row.identity,
        filed=_filed(tx, *filed) if filed else None,
        first=row.first,
        present=row.present,
        raw=row.raw,
        dated=row.dated,
        page=row.page,
        rights=row.rights,
        stale=reading != str(READING),
    )


def _written(thing: Incoming) -> str:
    """Words and filing in one: by which rules it was read, a hash, the kind, and the topics, if any."""
    filed = thing.filed
    return " ".join((f"{READING}:{thing.fingerprint}", filed.kind, *filed.topics))


def _filed(tx: Tx, kind: str, *slugs: str) -> Filed:
    return Filed(Kind(kind), tuple(sorted(names.present(tx, slugs))))


def _still_veiled(tx: Tx, upstream_id: int, thing: Incoming) -> bool:
    """Whether it was redacted here: then no word of it is remembered, only that its origin still has it."""
    hidden = update(schema.incoming).where(*_row_of(upstream_id, veiled(thing.identity)))
    here = {"seen": tx.now, "raw": thing.raw, "present": True, "gone": None}
    return tx.connection.execute(hidden.values(**here)).rowcount > 0


def _row_of(upstream_id: int, identity: str) -> tuple[Any, Any]:
    return n.upstream_id == upstream_id, n.identity == identity


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    every = list(values)
    return (every[start : start + BATCH] for start in range(0, len(every), BATCH))
