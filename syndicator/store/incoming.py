"""What upstreams brought: which identities are known, what became of them, and which are in the feed now.

The pure rules are in `model.incoming`; who may write for an upstream is the claim's affair
(`store.upstreams`); what becomes of what left a feed is in `store.departures`. Serves walk A.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Select, bindparam, case, exists, func, select, update

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
# Built once, here and below: SQLAlchemy takes six times as long to put a statement together as to run it.
MINE = n.upstream_id == bindparam("upstream")


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
    names = {name: one for one in identities for name in (one, veiled(one))}
    return {
        names[row.identity]: _known(tx, row)
        for some in _batches(names)
        for row in tx.connection.execute(_KNOWN, {"upstream": upstream_id, "some": some})
    }


def alike(tx: Tx, upstream_id: int, things: Sequence[Incoming]) -> list[Alike]:
    """What is known that may be one of these things under another identity: of the same alias, place, uid or former name.

    What many share (`FEW`) is left out: a feed whose entries are all alike would have us read all it ever brought.
    """
    asked: tuple[tuple[str, Collection[str | None]], ...] = (
        ("alias", {thing.second for thing in things}),
        ("place", {thing.place for thing in things}),
        ("uid", {thing.guid for thing in things}),
        ("identity", frozenset().union(*(thing.former for thing in things))),
    )
    found: dict[str, Alike] = {}
    for column, values in asked:
        for some in _batches(filter(None, values)):
            for row in tx.connection.execute(_ALIKE[column], {"upstream": upstream_id, "some": some}):
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
    return [Present(*row) for row in tx.connection.execute(_PRESENT, {"upstream": upstream_id})]


def hashes(tx: Tx, upstream_id: int) -> frozenset[str]:
    """The hashes (`Incoming.raw`) of what is in the upstream's feed now: entries that need not be read again.

    What other rules read (`READING`) is read again.
    """
    return frozenset(tx.connection.execute(_HASHES, {"upstream": upstream_id}).scalars())


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
    return tx.connection.execute(_ANYTHING, {"upstream": upstream_id}).first() is not None


def remember(tx: Tx, upstream_id: int, thing: Incoming, uid: str, *, since: datetime) -> None:
    """Write down what a thing became, which words it came with and where the rules put it; it is in the feed.

    `since` is when it was first seen, if it is new.
    """
    # What lost its date, or its address, keeps the last it had (feeds:I18).
    kept = {"dated": thing.dated, "page": thing.page or thing.link, "place": thing.place}
    values = {
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
    key = {"upstream_id": upstream_id, "identity": thing.identity}
    said = {name: value for name, value in kept.items() if value is not None}
    if tx.connection.execute(
        _AGAIN, {**values, **said, "upstream": upstream_id, "name": thing.identity}
    ).rowcount == 0 and not _still_veiled(tx, upstream_id, thing):
        row = {**key, **values, **kept, "first": since}
        insert_or_update(tx, schema.incoming, row, ("upstream_id", "identity"))


def rename(tx: Tx, upstream_id: int, before: str, identity: str) -> None:
    """What was known by one identity is known by another from now on: its site moved (feeds:I15)."""
    if before.startswith(VEIL):
        identity = veiled(identity)
    renamed = update(schema.incoming).where(*_row_of(upstream_id, before))
    tx.connection.execute(renamed.values(identity=identity))


def leave(tx: Tx, upstream_id: int, identities: Collection[str], *, ask: bool) -> None:
    """These are not in the feed any more; with `ask` their pages are asked whether they are gone (feeds:I17)."""
    when = {"upstream": upstream_id, "instant": tx.now, "check": tx.now if ask else None}
    for some in _batches(identities):
        tx.connection.execute(_LEAVE, {**when, "some": some})


def dates(tx: Tx, uids: Collection[str]) -> dict[str, datetime]:
    """When the live items among these were published."""
    return {
        row.uid: row.published
        for some in _batches(uids)
        for row in tx.connection.execute(_DATES, {"some": some})
    }


def anybody(tx: Tx) -> bool:
    """Whether there is somebody to whom items are pushed: a live subscription, or a partner."""
    return bool(tx.connection.execute(_ANYBODY).scalar())


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


def _alike(column: ColumnElement[Any]) -> Select[Any]:
    among = column.in_(bindparam("some", expanding=True))
    few = select(column).where(MINE, among).group_by(column).having(func.count() <= FEW)
    return _remembered(n.alias, n.place).where(MINE, column.in_(few))


_SOME = n.identity.in_(bindparam("some", expanding=True))
_KNOWN = _remembered().where(MINE, _SOME)
_ALIKE = {name: _alike(n[name]) for name in ("alias", "place", "uid", "identity")}
_PRESENT = select(n.identity, n.uid, n.raw, n.page).where(MINE, n.present)
_HASHES = select(n.raw).where(MINE, n.present, n.raw.is_not(None), n.fingerprint.startswith(f"{READING}:"))
_ANYTHING = select(n.identity).where(MINE).limit(1)
_RENEW = update(schema.incoming).where(MINE, n.identity == bindparam("name"))
_AGAIN = _RENEW.values(first=FIRST)
_LEAVE = (
    update(schema.incoming)
    .where(MINE, _SOME, n.present)
    .values(
        present=False,
        gone=bindparam("instant", type_=n.gone.type),
        check_at=case((n.page.is_not(None), bindparam("check", type_=n.check_at.type))),
    )
)
_DATES = select(schema.items.c.uid, schema.items.c.published).where(
    schema.items.c.state == "live", schema.items.c.uid.in_(bindparam("some", expanding=True))
)
_ANYBODY = select(
    exists().where(schema.subscriptions.c.state == SubscriptionState.ACTIVE)
    | exists().where(~schema.partners.c.paused)
)


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
    here = {"seen": tx.now, "raw": thing.raw, "present": True, "gone": None}
    which = {"upstream": upstream_id, "name": veiled(thing.identity)}
    return tx.connection.execute(_RENEW, {**here, **which}).rowcount > 0


def _row_of(upstream_id: int, identity: str) -> tuple[Any, Any]:
    return n.upstream_id == upstream_id, n.identity == identity


def _batches(values: Iterable[str]) -> Iterator[list[str]]:
    every = list(values)
    return (every[start : start + BATCH] for start in range(0, len(every), BATCH))
