"""Upstreams and what they brought: which feed is due, what it last said, which identities are known.

A claim raises `lease_no`, the fence: whoever was overtaken settles and files nothing. The pure rules
(how long to wait, what an incoming item means) are in `model.upstream`. Serves walk A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, case, delete, func, or_, select, update

from syndicator.errors import Conflict, Invalid, NotFound
from syndicator.model.cadence import wait
from syndicator.model.item import SLUG, Kind, Significance
from syndicator.model.markup import web_address
from syndicator.model.routing import Route, route_from, route_to_json
from syndicator.model.upstream import OnGone, Relation, Upstream, Validators, folder_path, is_folder
from syndicator.store import names, schema, topics
from syndicator.store.engine import Tx, insert_or_skip

u, n = schema.upstreams.c, schema.incoming.c


class Claim(NamedTuple):
    """An upstream to poll now, what to send back to its server, and the fence to settle with."""

    upstream: Upstream
    validators: Validators
    lease_no: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How an upstream fares, for operators; `fault` is in words, `failures` are those in a row."""

    slug: str
    paused: bool
    checked: datetime | None
    succeeded: datetime | None
    next_check: datetime | None
    failures: int
    status: int | None
    fault: str | None


def add(tx: Tx, upstream: Upstream) -> Upstream:
    """Make an upstream, due at once. Raises Conflict if the slug is taken, Invalid or NotFound for bad values."""
    _vet(tx, upstream)
    values = {**_values(upstream), "created": tx.now, "next_check": tx.now, "failures": 0, "lease_no": 0}
    # RETURNING, not the row count: on PostgreSQL SQLAlchemy gives none for an INSERT with a serial key.
    made = insert_or_skip(tx, schema.upstreams).values(**values).returning(u.id)
    if tx.connection.execute(made).first() is None:
        raise Conflict(
            f'the upstream "{upstream.slug}" exists already; `syndicator upstream edit` changes it'
        )
    return named(tx, upstream.slug)


def edit(tx: Tx, upstream: Upstream) -> Upstream:
    """Write everything about the upstream with this slug; another URL forgets the old one's validators."""
    before = named(tx, upstream.slug)
    _vet(tx, upstream)
    tx.connection.execute(update(schema.upstreams).where(u.id == before.id).values(**_values(upstream)))
    if before.url != upstream.url:
        forgotten = dict.fromkeys(("etag", "last_modified", "body_hash", "fault", "status"))
        _overtake(tx, before.id)  # a poll of the old address must not settle here
        again = {"failures": 0, "next_check": tx.now}
        tx.connection.execute(update(schema.upstreams).where(u.id == before.id).values(**forgotten, **again))
    return named(tx, upstream.slug)


def named(tx: Tx, slug: str) -> Upstream:
    """The upstream with this slug; raises NotFound."""
    return _upstream(tx, _row(tx, slug))


def listing(tx: Tx) -> list[Upstream]:
    """All upstreams, by slug."""
    return [_upstream(tx, row) for row in tx.connection.execute(select(schema.upstreams).order_by(u.slug))]


def status(tx: Tx, slug: str) -> Status:
    """How one upstream fares; raises NotFound."""
    return _status(_row(tx, slug))


def statuses(tx: Tx) -> list[Status]:
    """How all upstreams fare, by slug."""
    return [_status(row) for row in tx.connection.execute(select(schema.upstreams).order_by(u.slug))]


def pause(tx: Tx, slug: str, paused: bool) -> None:  # noqa: FBT001 - as pause_partner
    """Stop or resume polling; resuming forgets past failures and polls at once. Raises NotFound."""
    row = _row(tx, slug)
    fresh = {} if paused else {"failures": 0, "fault": None, "next_check": tx.now}
    tx.connection.execute(update(schema.upstreams).where(u.id == row.id).values(paused=paused, **fresh))


def remove(tx: Tx, slug: str) -> None:
    """Forget an upstream and which identities it brought; its items and held releases stay. Raises NotFound."""
    row = _row(tx, slug)
    _overtake(tx, row.id)  # waits for whoever files for it at this moment, and stops the rest
    tx.connection.execute(delete(schema.incoming).where(n.upstream_id == row.id))
    for table in (schema.inbox, schema.hub_subscriptions):
        tx.connection.execute(delete(table).where(table.c.upstream_id == row.id))
    tx.connection.execute(delete(schema.upstreams).where(u.id == row.id))


def poll_now(tx: Tx, slug: str) -> None:
    """Make an upstream due at once; a paused one stays paused. Raises NotFound."""
    tx.connection.execute(update(schema.upstreams).where(u.id == _row(tx, slug).id).values(next_check=tx.now))


def next_check(tx: Tx) -> datetime | None:
    """The next instant at which an upstream is due, or None; a leased one is due when its lease ends."""
    due = case((u.lease_until > u.next_check, u.lease_until), else_=u.next_check)
    return tx.connection.execute(select(func.min(due)).where(~u.paused)).scalar()


def claim_due(tx: Tx, limit: int, lease: timedelta) -> list[Claim]:
    """Take up to `limit` upstreams that are due, longest waiting first, until the lease runs out."""
    return _claim(tx, and_(u.next_check <= tx.now, ~u.paused), limit, lease)


def claim(tx: Tx, slug: str, lease: timedelta) -> Claim | None:
    """Take one upstream, due or not, paused or not; None while somebody else polls it. Raises NotFound."""
    return next(iter(_claim(tx, u.id == _row(tx, slug).id, 1, lease)), None)


def fence(tx: Tx, held: Claim) -> bool:
    """Whether the claim still holds; if so no one else files for this upstream until the transaction ends."""
    touched = update(schema.upstreams).where(*_mine(held)).values(lease_no=held.lease_no)
    return tx.connection.execute(touched).rowcount == 1


def settle_success(
    tx: Tx, held: Claim, validators: Validators, *, status: int = 200, fault: str | None = None
) -> bool:
    """Write down a good poll and what the server said; `fault` names entries left out. False if overtaken."""
    values = {
        "etag": validators.etag,
        "last_modified": validators.last_modified,
        "body_hash": validators.body_hash,
        "succeeded": tx.now,
        "failures": 0,
        "fault": fault,
        "next_check": tx.now + wait(held.upstream.slug, 0),
        "status": status,
    }
    return _settle(tx, held, values)


def settle_unchanged(tx: Tx, held: Claim, validators: Validators, *, status: int = 304) -> bool:
    """Write down that nothing is new; what the last reading left out stays to be seen. False if overtaken."""
    values = {
        "etag": validators.etag,
        "last_modified": validators.last_modified,
        "body_hash": validators.body_hash,
        "succeeded": tx.now,
        "failures": 0,
        "fault": case((u.failures == 0, u.fault), else_=None),
        "next_check": tx.now + wait(held.upstream.slug, 0),
        "status": status,
    }
    return _settle(tx, held, values)


def settle_failure(
    tx: Tx,
    held: Claim,
    fault: str,
    *,
    status: int | None = None,
    retry_after: timedelta | None = None,
    gone: bool = False,
) -> bool:
    """Write down a failed poll and back off; `gone` (410) pauses. Items stay. False if overtaken (feeds:I6)."""
    before = tx.connection.execute(select(u.failures).where(*_mine(held))).scalar()
    if before is None:
        return False
    values: dict[str, Any] = {
        "failures": before + 1,
        "fault": fault,
        "next_check": tx.now + wait(held.upstream.slug, before + 1, retry_after),
        "status": status,
    }
    return _settle(tx, held, {**values, "paused": True} if gone else values)


def _vet(tx: Tx, upstream: Upstream) -> None:
    if not SLUG.fullmatch(upstream.slug):
        raise Invalid(f"{upstream.slug!r} is no upstream slug: use 1 to 64 of a-z, 0-9 and hyphen")
    if is_folder(upstream.url):
        folder_path(upstream.url)
        if upstream.relation is not Relation.OWN:
            raise Invalid("a folder of files is nobody else's: use --relation own")
    elif web_address(upstream.url) is None:
        raise Invalid(f"{upstream.url!r} is no web address: start it with https://")
    if upstream.on_change not in {Significance.SILENT, Significance.CORRECTION}:
        raise Invalid(
            f'on_change = "{upstream.on_change}" is a person\'s to decide: use silent or correction'
        )
    topics.check_plain(tx, [*upstream.topics, *(slug for rule in upstream.rules for slug in rule.topics)])


def _row(tx: Tx, slug: str) -> Row[Any]:
    row = tx.connection.execute(select(schema.upstreams).where(u.slug == slug)).first()
    if row is None:
        raise NotFound(f'there is no upstream "{slug}"; `syndicator upstream list` shows them all')
    return row


def _claim(tx: Tx, wanted: ColumnElement[bool], limit: int, lease: timedelta) -> list[Claim]:
    free = or_(u.lease_until.is_(None), u.lease_until <= tx.now)
    due = (
        select(u.id)
        .where(wanted, free)
        .order_by(u.next_check, u.id)
        .limit(limit)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite holds the write lock already
        .cte("due")
    )
    take = (
        update(schema.upstreams)
        .where(u.id.in_(select(due.c.id)))
        .values(lease_no=u.lease_no + 1, lease_until=tx.now + lease, checked=tx.now)
        .returning(*schema.upstreams.c)
    )
    rows = sorted(tx.connection.execute(take), key=lambda row: (row.next_check, row.id))
    return [Claim(_upstream(tx, row), _validators(row), row.lease_no) for row in rows]


def _mine(held: Claim) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return u.id == held.upstream.id, u.lease_no == held.lease_no


def _settle(tx: Tx, held: Claim, values: dict[str, Any]) -> bool:
    settled = update(schema.upstreams).where(*_mine(held)).values(lease_until=None, **values)
    return tx.connection.execute(settled).rowcount == 1


def _overtake(tx: Tx, upstream_id: int) -> None:
    taken = {"lease_no": u.lease_no + 1, "lease_until": None}
    tx.connection.execute(update(schema.upstreams).where(u.id == upstream_id).values(**taken))


def _values(upstream: Upstream) -> dict[str, Any]:
    return {
        "slug": upstream.slug,
        "url": upstream.url,
        "relation": upstream.relation,
        "topics": list(upstream.topics),
        "kind": upstream.kind,
        "push": upstream.push,
        "push_max_age": int(upstream.push_max_age.total_seconds()),
        "on_change": upstream.on_change,
        "hold": upstream.hold,
        "delay": int(upstream.delay.total_seconds()),
        "every": int(upstream.every.total_seconds()) if upstream.every else None,
        "rules": [route_to_json(rule) for rule in upstream.rules],
        "on_gone": upstream.on_gone,
        "confirm_above": upstream.confirm_above,
        "host": upstream.host,
        "allow_private": list(upstream.allow_private),
        "paused": upstream.paused,
        "file": upstream.file,
    }


def _upstream(tx: Tx, row: Row[Any]) -> Upstream:
    return Upstream(
        id=row.id,
        slug=row.slug,
        url=row.url,
        relation=Relation(row.relation),
        topics=names.present(tx, row.topics),
        kind=Kind(row.kind),
        push=row.push,
        push_max_age=timedelta(seconds=row.push_max_age),
        on_change=Significance(row.on_change),
        hold=row.hold,
        delay=timedelta(seconds=row.delay),
        every=timedelta(seconds=row.every) if row.every else None,
        rules=tuple(_routed(tx, rule) for rule in row.rules),
        on_gone=OnGone(row.on_gone),
        confirm_above=row.confirm_above,
        allow_private=tuple(row.allow_private),
        paused=row.paused,
        file=row.file,
        created=row.created,
    )


def _routed(tx: Tx, rule: dict[str, Any]) -> Route:
    route = route_from(rule)
    return replace(route, topics=names.present(tx, list(route.topics)))


def _validators(row: Row[Any]) -> Validators:
    return Validators(etag=row.etag, last_modified=row.last_modified, body_hash=row.body_hash)


def _status(row: Row[Any]) -> Status:
    return Status(
        slug=row.slug,
        paused=row.paused,
        checked=row.checked,
        succeeded=row.succeeded,
        next_check=None if row.paused else row.next_check,
        failures=row.failures,
        status=row.status,
        fault=row.fault,
    )
