"""What left its feed: which pages are to be asked whether they are gone, and what a person is shown (feeds:I17).

`incoming.leave` begins it; `ingest.departures` asks the pages. A thing that comes back into its feed
begins anew (`incoming.remember`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import and_, func, or_, select, update

from syndicator.errors import NotFound
from syndicator.store import incoming, schema
from syndicator.store.engine import Tx

n = schema.incoming.c

APART = timedelta(hours=1)  # between two looks at a page
KEPT = -1  # instead of a count of checks: a person said that the item stays


class Check(NamedTuple):
    """A page to be asked: of what, and how often it was 404 or 410 before."""

    upstream_id: int
    slug: str
    identity: str
    uid: str
    page: str
    checks: int
    gone: datetime


class Departed(NamedTuple):
    """Something its origin took down while it is public here, or waits to be; `since` it is certain."""

    uid: str
    title: str
    page: str | None
    since: datetime


class Waiting(NamedTuple):
    """Something that left its feed and whose page is to be asked; `missing` is how often it was not there so far."""

    uid: str
    title: str
    page: str
    missing: int
    next_look: datetime


def take_due(tx: Tx, limit: int, each: int) -> list[Check]:
    """Up to `limit` pages to be asked now, at most `each` of an upstream, by turns of theirs; others leave them
    alone for an hour from now on.
    """
    u = schema.upstreams.c
    due = and_(n.check_at <= tx.now, n.upstream_id == u.id, ~u.paused)
    place = func.row_number().over(partition_by=n.upstream_id, order_by=(n.check_at, n.identity))
    ranked = select(n.upstream_id, n.identity, place.label("place")).where(due).subquery()
    r = ranked.c
    query = (
        select(n.upstream_id, u.slug, n.identity, n.uid, n.page, n.checks, n.gone)
        .join(schema.upstreams, u.id == n.upstream_id)
        .join(ranked, and_(r.upstream_id == n.upstream_id, r.identity == n.identity))
        # Once more what is due: another worker may have taken it since it was ranked.
        .where(due, r.place <= each)
        .order_by(r.place, n.check_at, n.identity)
        .limit(limit)
        .with_for_update(of=schema.incoming, skip_locked=True)
    )
    taken = [Check(*row) for row in tx.connection.execute(query)]
    for one in taken:
        _write(tx, one.upstream_id, one.identity, check_at=tx.now + APART)
    return taken


def count(tx: Tx, upstream_id: int, identity: str, checks: int) -> bool:
    """Write down how often in a row a page was not there. False if it came back into its feed meanwhile."""
    return _write(tx, upstream_id, identity, checks=checks)


def pending(tx: Tx, upstream_id: int) -> int:
    """How many things of this upstream seem to be gone, or are."""
    query = select(func.count()).where(
        n.upstream_id == upstream_id, ~n.present, or_(n.checks > 0, n.departed.is_not(None))
    )
    return int(tx.connection.execute(query).scalar_one())


def settle(tx: Tx, upstream_id: int, identity: str) -> None:
    """Ask its page no more: it is there, or its item is withdrawn."""
    _write(tx, upstream_id, identity, check_at=None, checks=0, departed=None)


def put_before_a_person(tx: Tx, upstream_id: int, identity: str) -> bool:
    """Show it in `upstream show` until somebody withdraws or keeps it. False if somebody kept it before."""
    row = tx.connection.execute(
        select(n.checks, n.departed).where(n.upstream_id == upstream_id, n.identity == identity)
    ).first()
    if row is None or row.checks == KEPT:
        return False
    return _write(tx, upstream_id, identity, check_at=None, departed=row.departed or tx.now)


def keep(tx: Tx, uid: str) -> None:
    """A person's word that the item stays although its origin took it down; raises NotFound if nobody asked."""
    kept = update(schema.incoming).where(n.uid == uid, n.departed.is_not(None))
    done = tx.connection.execute(kept.values(departed=None, check_at=None, checks=KEPT))
    if done.rowcount == 0:
        raise NotFound(f"nobody asks about {uid}; `syndicator upstream show` names what its origin took down")


def listing(tx: Tx, upstream_id: int) -> list[Departed]:
    """What its origin took down and is still public here, or waits to be, longest known first."""
    query = (
        select(n.identity, n.departed, n.page)
        .where(n.upstream_id == upstream_id, n.departed.is_not(None))
        .order_by(n.departed, n.identity)
    )
    rows = tx.connection.execute(query).all()
    known = incoming.known(tx, upstream_id, [row.identity for row in rows])
    found = [(row, incoming.standing(tx, known[row.identity])) for row in rows]
    return [Departed(known[row.identity].uid, one, row.page, row.departed) for row, one in found if one]


def waiting(tx: Tx, upstream_id: int, limit: int) -> list[Waiting]:
    """Whose pages are asked next, up to `limit`, the soonest first."""
    query = (
        select(n.identity, n.uid, n.page, n.checks, n.check_at)
        .where(n.upstream_id == upstream_id, n.check_at.is_not(None), n.page.is_not(None))
        .order_by(n.check_at, n.identity)
        .limit(limit)
    )
    rows = tx.connection.execute(query).all()
    known = incoming.known(tx, upstream_id, [row.identity for row in rows])
    return [
        Waiting(row.uid, incoming.standing(tx, known[row.identity]) or "", row.page, row.checks, row.check_at)
        for row in rows
    ]


def _write(tx: Tx, upstream_id: int, identity: str, **values: Any) -> bool:
    row = update(schema.incoming).where(n.upstream_id == upstream_id, n.identity == identity, ~n.present)
    return tx.connection.execute(row.values(**values)).rowcount == 1
