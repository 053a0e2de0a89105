"""Upstreams as people see them: made, edited, paused, removed, asked for at once, and how they fare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, delete, func, select, update

from syndicator.errors import Conflict, Invalid, Refused
from syndicator.model.cadence import SPACING, pace_from
from syndicator.model.item import SLUG, Significance
from syndicator.model.upstream import Relation, Upstream, address_fault, folder_path, is_folder
from syndicator.store import schema, topics
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.hubs import leave
from syndicator.store.upstreams.rows import anew, row_of, upstream_of, values_of

u, n, h = schema.upstreams.c, schema.incoming.c, schema.hub_subscriptions.c

RECENT = timedelta(weeks=4)  # what counts for items per week
STRANGERS = timedelta(minutes=5)  # between two polls of somebody else's feed, however often anybody pings
FRAIL = 3  # failures in a row after which a ping is no reason to ask again

Yes = Literal["push", "quiet"]  # a person's yes to many new items: as usual, or sent to nobody


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """How an upstream fares, for operators; `fault` is in words, `failures` are those in a row.

    Of `polls` good answers `unmodified` brought nothing new. `weekly` is items per week, `hub` how the
    subscription to its hub stands, `checks` how many pages of vanished items are still asked, `departed`
    how many are surely gone and wait for a person, `asking` how many new items do.
    """

    slug: str
    paused: bool
    checked: datetime | None
    succeeded: datetime | None
    next_check: datetime | None
    failures: int
    status: int | None
    fault: str | None
    polls: int = 0
    unmodified: int = 0
    site: str | None = None
    moved_to: str | None = None
    asking: int | None = None
    weekly: float = 0.0
    hub: str | None = None
    checks: int = 0
    departed: int = 0


def add(tx: Tx, upstream: Upstream) -> Upstream:
    """Make an upstream, due at once. Raises Conflict if the slug is taken, Invalid or NotFound for bad values."""
    _vet(tx, upstream)
    values = {**values_of(upstream), "created": tx.now, "next_check": tx.now, "failures": 0, "lease_no": 0}
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
    tx.connection.execute(update(schema.upstreams).where(u.id == before.id).values(**values_of(upstream)))
    if before.url != upstream.url:
        _overtake(tx, before.id)  # a poll of the old address must not settle here
        tx.connection.execute(update(schema.upstreams).where(u.id == before.id).values(**anew(tx.now)))
        leave(tx, before.id)  # what a hub brings is of the old address
    return named(tx, upstream.slug)


def named(tx: Tx, slug: str) -> Upstream:
    """The upstream with this slug; raises NotFound."""
    return upstream_of(tx, row_of(tx, slug))


def listing(tx: Tx) -> list[Upstream]:
    """All upstreams, by slug."""
    return [upstream_of(tx, row) for row in tx.connection.execute(select(schema.upstreams).order_by(u.slug))]


def status(tx: Tx, slug: str) -> Status:
    """How one upstream fares; raises NotFound."""
    row = row_of(tx, slug)
    return _statuses(tx, [row], u.id == row.id)[0]


def statuses(tx: Tx) -> list[Status]:
    """How all upstreams fare, by slug."""
    rows = tx.connection.execute(select(schema.upstreams).order_by(u.slug)).all()
    return _statuses(tx, rows)


def pause(tx: Tx, slug: str, paused: bool) -> None:  # noqa: FBT001 - as pause_partner
    """Stop or resume polling; resuming forgets past failures and polls at once. Raises NotFound."""
    row = row_of(tx, slug)
    fresh = {} if paused else {"failures": 0, "fault": None, "next_check": tx.now}
    tx.connection.execute(update(schema.upstreams).where(u.id == row.id).values(paused=paused, **fresh))


def remove(tx: Tx, slug: str) -> None:
    """Forget an upstream and which identities it brought; its items and held releases stay. Raises NotFound."""
    row = row_of(tx, slug)
    _overtake(tx, row.id)  # waits for whoever files for it at this moment, and stops the rest
    tx.connection.execute(delete(schema.incoming).where(n.upstream_id == row.id))
    for table in (schema.inbox, schema.hub_subscriptions):
        tx.connection.execute(delete(table).where(table.c.upstream_id == row.id))
    tx.connection.execute(delete(schema.upstreams).where(u.id == row.id))


def poll_now(tx: Tx, slug: str) -> None:
    """Make an upstream due at once, but for `SPACING` since it was last asked and a Retry-After; a paused one stays so.

    A poll that runs at this moment may have asked too early: another one follows it. Raises NotFound.
    """
    _make_due(tx, row_of(tx, slug), SPACING)


def ping(tx: Tx, slug: str, *, by_anybody: bool = False) -> None:
    """The same for whoever has its ping address, but that one which fails again and again keeps its backoff (feeds:I6).

    `by_anybody` who knows no secret: somebody else's feed is asked no sooner than `STRANGERS` after the
    last time, and keeps its backoff from the first failure on: nobody floods its host through us. Raises NotFound.
    """
    row = row_of(tx, slug)
    shielded = by_anybody and row.relation == Relation.FOREIGN
    if row.failures < (1 if shielded else FRAIL):
        _make_due(tx, row, STRANGERS if shielded else SPACING)


def _make_due(tx: Tx, row: Row[Any], spacing: timedelta) -> None:
    leased = row.lease_until is not None and row.lease_until > tx.now
    bounds = [tx.now, row.checked and row.checked + spacing, pace_from(row.pace).until]
    wanted = max(bound for bound in bounds if bound)
    if leased or wanted < row.next_check:
        tx.connection.execute(update(schema.upstreams).where(u.id == row.id).values(next_check=wanted))


def accept(tx: Tx, slug: str, how: Yes) -> Upstream:
    """A person's yes to what waits; the next poll, which is due now, files it. Raises NotFound, and Refused if nothing waits."""
    row = row_of(tx, slug)
    if row.asking is None:
        raise Refused(
            f'nothing of "{slug}" waits for a yes; `syndicator upstream show {slug}` shows how it fares'
        )
    tx.connection.execute(
        update(schema.upstreams).where(u.id == row.id).values(accepted=how, next_check=tx.now)
    )
    return named(tx, slug)


def _vet(tx: Tx, upstream: Upstream) -> None:
    if not SLUG.fullmatch(upstream.slug):
        raise Invalid(f"{upstream.slug!r} is no upstream slug: use 1 to 64 of a-z, 0-9 and hyphen")
    if is_folder(upstream.url):
        folder_path(upstream.url)
        if upstream.relation is not Relation.OWN:
            raise Invalid("a folder of files is nobody else's: use --relation own")
    elif fault := address_fault(upstream.url):
        raise Invalid(fault)
    if upstream.on_change not in {Significance.SILENT, Significance.CORRECTION}:
        raise Invalid(
            f'on_change = "{upstream.on_change}" is a person\'s to decide: use silent or correction'
        )
    topics.check_plain(tx, [*upstream.topics, *(slug for rule in upstream.rules for slug in rule.topics)])


def _overtake(tx: Tx, upstream_id: int) -> None:
    taken = {"lease_no": u.lease_no + 1, "lease_until": None}
    tx.connection.execute(update(schema.upstreams).where(u.id == upstream_id).values(**taken))


def _statuses(tx: Tx, rows: Sequence[Row[Any]], *which: ColumnElement[bool]) -> list[Status]:
    """The rows, with what other tables say of these upstreams."""
    ours = [u.id == n.upstream_id, *which]
    count = select(n.upstream_id, func.count()).where(*ours).group_by(n.upstream_id)
    new = _counts(tx, count.where(n.first > tx.now - RECENT))
    checks = _counts(tx, count.where(n.check_at.is_not(None)))
    departed = _counts(tx, count.where(n.departed.is_not(None)))
    hubs = {row.upstream_id: row.state for row in tx.connection.execute(select(h.upstream_id, h.state))}
    return [
        Status(
            slug=row.slug,
            paused=row.paused,
            checked=row.checked,
            succeeded=row.succeeded,
            next_check=None if row.paused else row.next_check,
            failures=row.failures,
            status=row.status,
            fault=row.fault,
            polls=row.polls,
            unmodified=row.unmodified,
            site=row.site,
            moved_to=row.moved_to,
            asking=row.asking,
            weekly=round(new.get(row.id, 0) / (RECENT / timedelta(weeks=1)), 1),
            hub=hubs.get(row.id),
            checks=checks.get(row.id, 0),
            departed=departed.get(row.id, 0),
        )
        for row in rows
    ]


def _counts(tx: Tx, query: Any) -> dict[int, int]:
    return {row[0]: row[1] for row in tx.connection.execute(query)}
