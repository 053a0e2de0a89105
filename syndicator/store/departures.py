"""What left its feed: which pages are to be asked whether they are gone, and what a person is shown (feeds:I17).

`incoming.leave` begins it; `ingest.departures` asks the pages. A thing that comes back into its feed
begins anew (`incoming.remember`).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import func, or_, select, update

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


def take_due(tx: Tx, looked_at: int, limit: int) -> list[Check]:
    """Up to `limit` pages to be asked now, one of each upstream among the first `looked_at`; others leave them
    alone for an hour from now on.
    """
    u = schema.upstreams.c
    query = (
        select(n.upstream_id, u.slug, n.identity, n.uid, n.page, n.checks, n.gone)
        .join(schema.upstreams, u.id == n.upstream_id)
        .where(n.check_at <= tx.now, ~u.paused)
        .order_by(n.check_at, n.identity)
        .limit(looked_at)
        .with_for_update(of=schema.incoming, skip_locked=True)
    )
    first: dict[int, Check] = {}
    for row in tx.connection.execute(query):
        first.setdefault(row.upstream_id, Check(*row))
    taken = list(first.values())[:limit]
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


def _write(tx: Tx, upstream_id: int, identity: str, **values: Any) -> bool:
    row = update(schema.incoming).where(n.upstream_id == upstream_id, n.identity == identity, ~n.present)
    return tx.connection.execute(row.values(**values)).rowcount == 1
