"""Who tells us of an upstream's changes: hubs (WebSub, the subscriber's side), what they brought, and pings.

One row per upstream says where its subscription stands; `asked` is set while an answer of the hub is
awaited, and only then may the hub confirm anything (feeds:W5). What a hub brings waits in the inbox until
a worker has read it. What is decided here is decided in `ingest.websub`; these are the statements.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import Row, and_, case, delete, func, insert, or_, select, update

from syndicator.errors import NotFound
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_update

h, i, u = schema.hub_subscriptions.c, schema.inbox.c, schema.upstreams.c


class Standing(StrEnum):
    """Where a subscription stands."""

    PENDING = "pending"  # wanted, or asked for
    ACTIVE = "active"  # the hub has verified it; it may be renewed at this moment
    REFUSED = "refused"
    LEAVING = "leaving"  # not wanted any more; the hub is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One upstream's subscription; `callback` is the random end of our address,
    once it was asked for; without a `secret` it never was.

    `asked`: since when an answer is awaited. `next_try`: when something is to be done about it. `failures`
    counts requests in a row that came to nothing, the present one included.
    """

    upstream_id: int
    hub: str
    topic: str
    callback: str
    secret: str = ""
    state: Standing = Standing.PENDING
    asked: datetime | None = None
    lease_until: datetime | None = None
    next_try: datetime
    failures: int = 0
    fault: str | None = None


class Due(NamedTuple):
    """A subscription about which something is to be done, and its upstream."""

    subscription: Subscription
    slug: str
    paused: bool


class Pushed(NamedTuple):
    """A body that a hub brought for an upstream; `topic` is the address its links are relative to."""

    id: int
    slug: str
    body: bytes
    content_type: str
    topic: str


class Place(NamedTuple):
    """Where an upstream is: its feed, and the page its feed names as its own."""

    slug: str
    url: str
    site: str | None


def find(tx: Tx, upstream_id: int) -> Subscription | None:
    """The subscription of an upstream, or None."""
    return _first(tx, h.upstream_id == upstream_id)


def behind(tx: Tx, callback: str) -> Subscription | None:
    """The subscription whose callback this is, while its upstream is read; None for an end nobody was ever told."""
    known = _first(tx, h.callback == callback)
    if known is None:
        return None
    paused = tx.connection.execute(select(u.paused).where(u.id == known.upstream_id)).scalar_one()
    return None if paused and known.state is not Standing.LEAVING else known


def active(tx: Tx, upstream_id: int) -> bool:
    """Whether a hub tells us of this upstream's changes now, so that polls may be few."""
    known = find(tx, upstream_id)
    return known is not None and is_active(known, tx.now)


def is_active(known: Subscription, now: datetime) -> bool:
    """Whether what this hub brings is taken: verified, and its lease has not run out."""
    leased = known.lease_until is not None and known.lease_until > now
    return known.state is Standing.ACTIVE and leased


def want(tx: Tx, upstream_id: int, hub: str, topic: str) -> None:
    """Have this upstream subscribed at this hub as soon as may be; whatever stood there before is forgotten."""
    wanted = Subscription(
        upstream_id=upstream_id,
        hub=hub,
        topic=topic,
        callback=f"/{upstream_id}",  # no path segment holds a slash: nobody can call it
        next_try=tx.now,
    )
    insert_or_update(tx, schema.hub_subscriptions, _values(wanted), "upstream_id")


def leave(tx: Tx, upstream_id: int) -> None:
    """End the subscription of an upstream: the hub is told soon, and what it brought unread is forgotten.

    For an upstream whose address is another now, too: what the hub brings belongs to the former one.
    """
    tx.connection.execute(delete(schema.inbox).where(i.upstream_id == upstream_id))
    mine = h.upstream_id == upstream_id
    told = h.state.in_([Standing.PENDING, Standing.ACTIVE]) & (h.secret != "")
    values = {"state": Standing.LEAVING, "asked": None, "next_try": tx.now, "failures": 0, "fault": None}
    tx.connection.execute(update(schema.hub_subscriptions).where(mine, told).values(**values))
    rest = mine & (h.state != Standing.LEAVING)  # nothing to take back
    tx.connection.execute(delete(schema.hub_subscriptions).where(rest))


def drop(tx: Tx, known: Subscription) -> None:
    """Forget a subscription, and have the feed read whole once more: the hub it offers now is in it."""
    gone = delete(schema.hub_subscriptions).where(*_same(known))
    if tx.connection.execute(gone).rowcount:
        # Nothing conditional; whether it was ever read stays (`upstreams.unread`).
        unread = {"etag": None, "last_modified": None, "body_hash": case((u.body_hash.is_not(None), ""))}
        tx.connection.execute(update(schema.upstreams).where(u.id == known.upstream_id).values(**unread))


def anything_due(tx: Tx) -> bool:
    """Whether there is something to be done about any subscription."""
    return tx.connection.execute(_due().where(_is_due(tx)).limit(1)).first() is not None


def due(tx: Tx, limit: int) -> list[Due]:
    """Subscriptions about which something is to be done, longest waiting first."""
    rows = tx.connection.execute(_due().where(_is_due(tx)).order_by(h.next_try, h.upstream_id).limit(limit))
    return [Due(_subscription(row), row.slug, row.paused) for row in rows]


def change(tx: Tx, known: Subscription, after: Subscription) -> bool:
    """Write a row anew if it is still as it was seen; False if somebody else was faster."""
    seen = and_(*_same(known), h.next_try == known.next_try)
    changed = update(schema.hub_subscriptions).where(seen).values(**_values(after))
    return tx.connection.execute(changed).rowcount == 1


def note(tx: Tx, known: Subscription, fault: str) -> bool:
    """Say what came of a request, unless the hub has asked back, or was asked again, since; False if it has."""
    waiting = and_(*_same(known), h.asked == known.asked)
    changed = update(schema.hub_subscriptions).where(waiting).values(fault=fault)
    return tx.connection.execute(changed).rowcount == 1


def put(tx: Tx, known: Subscription, body: bytes, content_type: str, most: int) -> int:
    """Keep a body until a worker has read it, at most `most` for an upstream; how many old ones gave way."""
    mine = i.upstream_id == known.upstream_id
    row = {
        "upstream_id": known.upstream_id,
        "body": body,
        "content_type": content_type,
        "received": tx.now,
    }
    tx.connection.execute(insert(schema.inbox).values(**row))
    newest = select(i.id).where(mine).order_by(i.id.desc()).limit(most)
    return tx.connection.execute(delete(schema.inbox).where(mine, i.id.not_in(newest))).rowcount


def pushed(tx: Tx, limit: int) -> list[Pushed]:
    """What waits to be read: the oldest body of each upstream that nobody polls at this moment."""
    free = and_(~u.paused, or_(u.lease_until.is_(None), u.lease_until <= tx.now))
    oldest = (
        select(func.min(i.id))
        .join(schema.upstreams, u.id == i.upstream_id)
        .where(free)
        .group_by(i.upstream_id)
        .order_by(func.min(i.id))
        .limit(limit)
    )
    topic = func.coalesce(h.topic, u.url).label("topic")
    query = (
        select(i.id, u.slug, i.body, i.content_type, topic)
        .join(schema.upstreams, u.id == i.upstream_id)
        .outerjoin(schema.hub_subscriptions, h.upstream_id == i.upstream_id)
        .where(i.id.in_(oldest))
        .order_by(i.id)
    )
    return [
        Pushed(row.id, row.slug, row.body, row.content_type, row.topic)
        for row in tx.connection.execute(query)
    ]


def news(tx: Tx, pushed_id: int) -> bool | None:
    """Whether a waiting body came after its feed was last read, which may have newer words; None if none waits."""
    query = select(i.received, u.succeeded).join(schema.upstreams, u.id == i.upstream_id)
    row = tx.connection.execute(query.where(i.id == pushed_id)).first()
    return None if row is None else row.succeeded is None or row.received >= row.succeeded


def forget(tx: Tx, pushed_id: int) -> None:
    """A body has been read, or cannot be."""
    tx.connection.execute(delete(schema.inbox).where(i.id == pushed_id))


def places(tx: Tx, hosts: Collection[str]) -> list[Place]:
    """The upstreams that are read whose feed, or perhaps whose page, is on one of these hosts; by slug."""
    pages = [u.site.contains(f"//{host}", autoescape=True) for host in sorted(hosts)]
    near = and_(~u.paused, or_(u.host.in_(list(hosts)), *pages))
    query = select(u.slug, u.url, u.site).where(near).order_by(u.slug)
    return [Place(row.slug, row.url, row.site) for row in tx.connection.execute(query)]


def slug_of(tx: Tx, upstream_id: int) -> str:
    """The slug of an upstream; raises NotFound."""
    slug = tx.connection.execute(select(u.slug).where(u.id == upstream_id)).scalar()
    if slug is None:
        raise NotFound("this upstream was removed")
    return str(slug)


def _first(tx: Tx, where: Any) -> Subscription | None:
    row = tx.connection.execute(select(schema.hub_subscriptions).where(where)).first()
    return None if row is None else _subscription(row)


def _due() -> Any:
    return select(schema.hub_subscriptions, u.slug, u.paused).join(schema.upstreams, u.id == h.upstream_id)


def _is_due(tx: Tx) -> Any:
    return or_(h.next_try <= tx.now, and_(u.paused, h.state != Standing.LEAVING))


def _same(known: Subscription) -> tuple[Any, ...]:
    return h.upstream_id == known.upstream_id, h.callback == known.callback, h.state == known.state


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        upstream_id=row.upstream_id,
        hub=row.hub,
        topic=row.topic,
        callback=row.callback,
        secret=row.secret,
        state=Standing(row.state),
        asked=row.asked,
        lease_until=row.lease_until,
        next_try=row.next_try,
        failures=row.failures,
        fault=row.fault,
    )


def _values(known: Subscription) -> dict[str, Any]:
    return asdict(known)
