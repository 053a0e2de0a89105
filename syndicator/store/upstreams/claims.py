"""Who polls an upstream now, and how that ended: claims, fences and settlements.

A claim raises `lease_no`, the fence: whoever was overtaken settles and files nothing. Hosts are asked
one feed at a time, by all workers together (feeds:I4). How long to wait is `model.cadence`'s to say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, Update, and_, bindparam, case, func, literal, or_, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from syndicator.model.cadence import QUIET, Pace, next_wait, pace_from, pace_to_json
from syndicator.model.incoming import READING
from syndicator.model.upstream import Upstream, Validators
from syndicator.store import schema
from syndicator.store.engine import Tx, alone
from syndicator.store.upstreams.records import poll_now
from syndicator.store.upstreams.rows import anew, row_of, upstream_of

u, h = schema.upstreams.c, schema.hub_subscriptions.c

CLAIM_LOCK = 7_263_004
ANSWERED = 200  # the status of what was no feed, and of no other failure
APART = timedelta(seconds=1)  # between two requests to one host
MOVED_FOR = timedelta(days=3)  # how long a permanent redirect must be seen to be believed (feeds:I5)


class Claim(NamedTuple):
    """An upstream to poll now, what is remembered of it, and the fence to settle with.

    `failures` are those in a row before; `astray` says that something else than a feed was there the last
    time, or that a page led here since. `told` is whether a hub tells us of its changes. `asking` is how many
    items wait for a yes, and `accepted` that yes.
    """

    upstream: Upstream
    validators: Validators
    lease_no: int
    failures: int = 0
    astray: bool = False
    pace: Pace = QUIET
    moved_to: str | None = None
    moved_since: datetime | None = None
    told: bool = False
    read: bool = False
    asking: int | None = None
    answered: datetime | None = None
    accepted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a good answer said: of its bytes, of how often to come, and of the feed's own page and address.

    `pace` None: it is as it was, but for the lifetime `header`. `site` None: as it was. `moved` is where
    permanent redirects led.
    """

    validators: Validators
    status: int = 200
    header: timedelta | None = None
    pace: Pace | None = None
    site: str | None = None
    moved: str | None = None


def next_check(tx: Tx) -> datetime | None:
    """The next instant at which an upstream is due that nobody polls now, or None."""
    waiting = select(u.next_check).where(~u.paused, _free(tx)).order_by(u.next_check).limit(1)
    return tx.connection.execute(waiting).scalar()


def anything_due(tx: Tx) -> bool:
    """Whether an upstream is due that nobody polls now."""
    return tx.connection.execute(_DUE, {"instant": tx.now}).first() is not None


def any_free(tx: Tx, slugs: Collection[str]) -> bool:
    """Whether nobody polls one of these now."""
    return (
        tx.connection.execute(select(u.id).where(u.slug.in_(slugs), _free(tx)).limit(1)).first() is not None
    )


def claim_due(tx: Tx, limit: int, lease: timedelta) -> list[Claim]:
    """Take up to `limit` upstreams that are due, longest waiting first, until the lease runs out.

    One of a host at a time, and none whose host was asked within the last second, by whichever worker:
    those are passed by, and due as before.
    """
    alone(tx, CLAIM_LOCK)  # two workers that look at the same instant would take two feeds of one host
    due = and_(u.next_check <= tx.now, ~u.paused)
    return _claim(tx, list(_one_per_host(tx, due, limit)), lease)


def claim_some(tx: Tx, slugs: Collection[str], limit: int, lease: timedelta) -> list[Claim]:
    """Take up to `limit` of these upstreams, due or not, paused or not, one of a host at a time as `claim_due` does."""
    alone(tx, CLAIM_LOCK)
    return _claim(tx, list(_one_per_host(tx, u.slug.in_(slugs), limit)), lease)


def claim(tx: Tx, slug: str, lease: timedelta) -> Claim | None:
    """Take one upstream, due or not, paused or not; None while somebody else polls it. Raises NotFound."""
    return next(iter(_claim(tx, [row_of(tx, slug).id], lease)), None)


def seen(tx: Tx, upstream: Upstream) -> Claim:
    """What a claim of an upstream would tell, taking nothing; `upstream` may say otherwise how it is filed. Raises NotFound."""
    return _claimed(tx, row_of(tx, upstream.slug), told=False)._replace(upstream=upstream)


def claim_pushed(tx: Tx, slug: str, lease: timedelta) -> Claim | None:
    """Take one upstream to file what a hub brought; nobody is asked, so its clock stays as it is. As `claim`.

    A yes was given to what the feed has: the next poll of that takes it along, not a push.
    """
    taken = _claim(tx, [row_of(tx, slug).id], lease, asked=False)
    return taken[0]._replace(accepted=None) if taken else None


def ask(tx: Tx, held: Claim, count: int) -> None:
    """Write down that so many items of this upstream would be pushed at once and wait for a yes."""
    tx.connection.execute(update(schema.upstreams).where(*_mine(held)).values(asking=count, accepted=None))


def answered(tx: Tx, held: Claim) -> None:
    """Nothing waits for a yes any more: it was filed, or is no longer so much."""
    values: dict[str, Any] = {"asking": None, "accepted": None}
    if held.accepted:
        values["answered"] = tx.now
    tx.connection.execute(update(schema.upstreams).where(*_mine(held)).values(**values))


def fence(tx: Tx, held: Claim) -> bool:
    """Whether the claim still holds; if so no one else files for this upstream until the transaction ends."""
    mine = {"key": held.upstream.id, "fence": held.lease_no}
    return tx.connection.execute(_TOUCH, mine).rowcount == 1


def settle_success(tx: Tx, held: Claim, heard: Heard, *, fault: str | None = None) -> bool:
    """Write down a good poll and what the server said; `fault` names entries left out. False if overtaken."""
    values, moved = _good(tx, held, heard)
    return _settle(tx, held, {**values, "fault": "; ".join(filter(None, (moved, fault))) or None})


def settle_unchanged(tx: Tx, polls: Sequence[tuple[Claim, Heard]]) -> None:
    """Write down of many upstreams at once that nothing is new; what the last reading left out stays to be seen.

    Whoever was overtaken settles nothing.
    """
    if not polls:
        return
    rows = []
    for held, heard in polls:
        values, moved = _good(tx, held, heard)
        rows.append({**values, "fault": moved, "key": held.upstream.id, "fence": held.lease_no})
    given = _given(name for name in rows[0] if name in u)
    soon = {"next_check": _or_sooner(given["next_check"]), "lease_until": None}
    fault = func.coalesce(given["fault"], case((u.failures == 0, u.fault), else_=None))
    counted = {"polls": u.polls + 1, "unmodified": u.unmodified + 1, "fault": fault}
    tx.connection.execute(_OURS.values(**{**given, **soon, **counted}), rows)


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
    wait = next_wait(
        held.upstream,
        failures=held.failures + 1,
        stated=held.pace,
        retry_after=retry_after,
        told=held.told,
        now=tx.now,
    )
    until = tx.now + wait if retry_after else None
    values: dict[str, Any] = {
        "failures": held.failures + 1,
        "fault": fault,
        "next_check": tx.now + wait,
        "status": status,
        "pace": pace_to_json(replace(held.pace, until=until)),
    }
    return _settle(tx, held, {**values, "paused": True} if gone else values, heed_pings=not (gone or until))


def settle_elsewhere(tx: Tx, held: Claim, url: str) -> bool:
    """Read another address from now on, at once: the page at the old one names it as its feed. False if overtaken.

    It counts as a failure until that one is read.
    """
    at = replace(held.upstream, url=url)
    return _settle(tx, held, {"url": url, "host": at.host, **anew(tx.now), "failures": 1}, heed_pings=False)


def settle_pushed(tx: Tx, held: Claim, *, again: bool = False) -> bool:
    """End a claim that asked nobody: validators and clock stay as they are. False if overtaken (feeds:W6).

    With `again` the feed is asked as soon as after a ping, and read whole: not all that was brought could be taken.
    """
    if not again:
        return _settle(tx, held, {}, heed_pings=False)
    forgotten = unread(held.validators)
    values = {"etag": None, "last_modified": None, "body_hash": forgotten.body_hash}
    settled = _settle(tx, held, values, heed_pings=False)
    if settled:
        poll_now(tx, held.upstream.slug)  # a hub that brings rubbish must not make us flood the feed's host
    return settled


def unread(validators: Validators) -> Validators:
    """What to remember of a body that must be read again: nothing conditional; whether it is the first stays."""
    return Validators(body_hash=None if validators.body_hash is None else "")


def renew(tx: Tx, held: Sequence[Claim], lease: timedelta) -> None:
    """Keep claims whose work takes longer than their lease."""
    if held:
        mine = update(schema.upstreams).where(
            u.id == bindparam("key"), u.lease_no == bindparam("fence"), u.lease_until.is_not(None)
        )
        rows = [{"key": one.upstream.id, "fence": one.lease_no} for one in held]
        tx.connection.execute(mine.values(lease_until=tx.now + lease), rows)


def give_back(tx: Tx, held: Sequence[Claim]) -> None:
    """End claims of polls that were broken off: they are due as before, without waiting for the lease."""
    for one in held:
        _settle(tx, one, {}, heed_pings=False)


def _good(tx: Tx, held: Claim, heard: Heard) -> tuple[dict[str, Any], str | None]:
    """What a good answer changes, and what a person should know of its address."""
    pace = replace(heard.pace or held.pace, until=None)
    pace = replace(pace, header=heard.header or (pace.header if heard.pace is None else None))
    wait = next_wait(held.upstream, stated=pace, told=held.told, now=tx.now)
    address, fault = _address(tx, held, heard.moved)
    values = {
        "etag": heard.validators.etag,
        "last_modified": heard.validators.last_modified,
        "body_hash": _by_our_rules(heard.validators.body_hash),
        "succeeded": tx.now,
        "failures": 0,
        "next_check": tx.now + wait,
        "status": heard.status,
        "pace": pace_to_json(pace),
        **address,
    }
    return {**values, "site": heard.site} if heard.site else values, fault


def _address(tx: Tx, held: Claim, moved: str | None) -> tuple[dict[str, Any], str | None]:
    """Where it is from now on: a permanent redirect is believed after days, for captive portals answer 301 (feeds:I5)."""
    upstream = held.upstream
    since = held.moved_since if moved == held.moved_to else tx.now
    here = {"url": upstream.url, "host": upstream.host, "moved_to": None, "moved_since": None}
    if moved is None or since is None or moved == upstream.url:
        return here, None
    seen = {**here, "moved_to": moved, "moved_since": since}
    if tx.now - since < MOVED_FOR:
        return seen, None
    if upstream.file:
        return seen, f"it has moved to {moved}; change the address in the file"
    return {**here, "url": moved, "host": replace(upstream, url=moved).host}, None


def _free(tx: Tx) -> ColumnElement[bool]:
    return _free_at(literal(tx.now, u.lease_until.type))


def _free_at(instant: ColumnElement[datetime]) -> ColumnElement[bool]:
    return or_(u.lease_until.is_(None), u.lease_until <= instant)


def _one_per_host(tx: Tx, wanted: ColumnElement[bool], limit: int) -> Iterator[int]:
    """Of those wanted the longest waiting first, the first of each host that is idle, `limit` at most."""
    seen: set[str] = set()
    found, size = 0, 2 * limit
    due = select(u.id, u.host, u.next_check).where(wanted, _free(tx))
    page = due
    while True:
        rows = tx.connection.execute(page.order_by(u.next_check, u.id).limit(size)).all()
        seen |= _busy(tx, {row.host for row in rows} - seen - {""})
        for row in rows:
            if row.host not in seen and found < limit:
                found += 1
                seen |= {row.host} - {""}  # folders have none, and need none
                yield row.id
        if len(rows) < size or found == limit:
            return
        # One host may have thousands of feeds, all due: the others wait behind them, not for them.
        last, size = rows[-1], size * 4
        page = due.where(
            or_(u.next_check > last.next_check, and_(u.next_check == last.next_check, u.id > last.id))
        )


def _busy(tx: Tx, hosts: set[str]) -> set[str]:
    """Those hosts that are being asked, or were a moment ago."""
    # A lease for filing what a hub brought asks nobody.
    asked = or_(and_(u.lease_until > tx.now, u.visiting), u.checked > tx.now - APART)
    query = select(u.host).where(u.host.in_(hosts), asked).distinct()
    return set(tx.connection.execute(query).scalars())


def _claim(tx: Tx, ids: Sequence[int], lease: timedelta, *, asked: bool = True) -> list[Claim]:
    if not ids:
        return []
    values = {"some": ids, "instant": tx.now, "until": tx.now + lease}
    found = tx.connection.execute(_TAKE_AND_ASK if asked else _TAKE, values)
    rows = sorted(found, key=lambda row: (row.next_check, row.id))
    told = set(tx.connection.execute(_TOLD, {"some": [row.id for row in rows]}).scalars())
    return [_claimed(tx, row, told=row.id in told) for row in rows]


def _claimed(tx: Tx, row: Row[Any], *, told: bool) -> Claim:
    return Claim(
        upstream_of(tx, row),
        _validators(row),
        row.lease_no,
        failures=row.failures,
        astray=row.failures > 0 and (row.fault is None or row.status == ANSWERED),
        pace=pace_from(row.pace),
        moved_to=row.moved_to,
        moved_since=row.moved_since,
        told=told,
        read=row.succeeded is not None,
        asking=row.asking,
        answered=row.answered,
        accepted=row.accepted,
    )


def _by_our_rules(body_hash: str | None) -> str | None:
    return f"{READING}:{body_hash}" if body_hash else body_hash


def _validators(row: Row[Any]) -> Validators:
    """What the last answer said; of a body that other rules read (`READING`), that it must be read again (feeds:I1)."""
    reading, _, body_hash = (row.body_hash or "").rpartition(":")
    said = Validators(etag=row.etag, last_modified=row.last_modified, body_hash=row.body_hash and body_hash)
    return said if reading == str(READING) else unread(said)


def _mine(held: Claim) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return u.id == held.upstream.id, u.lease_no == held.lease_no


def _settle(tx: Tx, held: Claim, values: dict[str, Any], *, heed_pings: bool = True) -> bool:
    polled = "succeeded" in values
    mine = {"key": held.upstream.id, "fence": held.lease_no}
    said = {name: value for name, value in values.items() if value is not None}
    none = tuple(
        name for name, value in values.items() if value is None
    )  # bound to a JSON column it would be "null"
    sooner = heed_pings and "next_check" in values
    settled = _settlement(tuple(said), none, polled=polled, sooner=sooner)
    return tx.connection.execute(settled, {**said, **mine}).rowcount == 1


@lru_cache(maxsize=128)
def _settlement(names: tuple[str, ...], none: tuple[str, ...], *, polled: bool, sooner: bool) -> Update:
    given: dict[str, Any] = {**_given(names), **dict.fromkeys(none), "lease_until": None}
    if sooner:
        given["next_check"] = _or_sooner(given["next_check"])
    if polled:
        given["polls"] = u.polls + 1
    return _OURS.values(**given)


def _given(names: Iterable[str]) -> dict[str, Any]:
    return {name: bindparam(name, type_=u[name].type) for name in names}


def _or_sooner(planned: ColumnElement[Any]) -> ColumnElement[Any]:
    """The next check as planned, or sooner if somebody wished for one since this poll began."""
    wished = and_(u.next_check > u.checked, u.next_check < planned)
    return case((wished, u.next_check), else_=planned)


def _taking(*, asked: bool) -> ReturningUpdate[Any]:
    free = (
        select(u.id)
        .where(u.id.in_(bindparam("some", expanding=True)), _free_at(_NOW))
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite holds the write lock already
        .cte("free")
    )
    until = bindparam("until", type_=u.lease_until.type)
    taken: dict[str, Any] = {"lease_no": u.lease_no + 1, "lease_until": until, "visiting": asked}
    if asked:
        # A check that is later than this one was wished for since (`poll_now`).
        taken |= {"checked": _NOW, "next_check": case((u.next_check > _NOW, _NOW), else_=u.next_check)}
    take = update(schema.upstreams).where(u.id.in_(select(free.c.id))).values(**taken)
    return take.returning(*schema.upstreams.c)


# Built once: SQLAlchemy takes longer to put a statement together than to run it.
_NOW = bindparam("instant", type_=u.next_check.type)
_OURS = update(schema.upstreams).where(u.id == bindparam("key"), u.lease_no == bindparam("fence"))
_TOUCH = _OURS.values(lease_no=u.lease_no)
_DUE = select(u.id).where(u.next_check <= _NOW, ~u.paused, _free_at(_NOW)).limit(1)
_TAKE_AND_ASK, _TAKE = _taking(asked=True), _taking(asked=False)
_TOLD = select(h.upstream_id).where(h.upstream_id.in_(bindparam("some", expanding=True)), h.state == "active")
