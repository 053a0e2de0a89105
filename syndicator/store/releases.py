"""Releases: drafts, embargoed and held things, none of which the item store knows (walk B)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.item import Content, content_from_json, content_to_json
from syndicator.model.release import OPEN_RELEASES, Embargo, Release, ReleaseState
from syndicator.store import names, schema
from syndicator.store.engine import Tx, insert_or_skip

r = schema.releases.c
# Held items go out by themselves at their date; quarantined ones have none and wait for a yes.
TIMED = (ReleaseState.SCHEDULED, ReleaseState.HELD)


def find(tx: Tx, uid: str) -> Release | None:
    """The release with this uid, or None."""
    row = tx.connection.execute(select(schema.releases).where(r.uid == uid)).first()
    return _release(tx, row) if row else None


def named(tx: Tx, uid: str) -> Release:
    """The release with this uid; raises NotFound."""
    release = find(tx, uid)
    if release is None:
        raise NotFound(f"there is no release {uid}; `syndicator release list` shows them all")
    return release


def held_for_change(tx: Tx, uid: str) -> Release:
    """The release, locked until this transaction ends: two hands never move it at once."""
    tx.connection.execute(select(r.id).where(r.uid == uid).with_for_update())
    return named(tx, uid)


def listing(tx: Tx, *, limit: int | None = None, after: int = 0, state: str | None = None) -> list[Release]:
    """Releases in the order they were drafted."""
    query = select(schema.releases).where(r.id > after).order_by(r.id).limit(limit)
    if state:
        query = query.where(r.state == state)
    return [_release(tx, row) for row in tx.connection.execute(query)]


def left_by(tx: Tx, upstream: str) -> Iterator[Release]:
    """What the upstream of this slug brought and is not public: waiting, cancelled or missed."""
    query = select(schema.releases).where(r.upstream == upstream, r.state != ReleaseState.RELEASED)
    return (_release(tx, row) for row in tx.connection.execute(query.order_by(r.id)))


def waiting_from(tx: Tx, upstream: str) -> int:
    """How many of them may still become public."""
    query = select(func.count()).where(r.upstream == upstream, r.state.in_(OPEN_RELEASES))
    return tx.connection.execute(query).scalar_one()


def add(
    tx: Tx,
    uid: str,
    content: Content,
    *,
    state: ReleaseState = ReleaseState.DRAFT,
    embargo: Embargo | None = None,
    at: datetime | None = None,
    published: datetime | None = None,
    upstream: str | None = None,
    reason: str | None = None,
) -> Release:
    """A new release in its first version; raises Conflict if somebody else was faster."""
    values = {
        "uid": uid,
        "state": state,
        "version": 1,
        "content": content_to_json(content),
        **_embargo_values(embargo),
        "at": at,
        "published": published,
        "upstream": upstream,
        "reason": reason,
        "created": tx.now,
        "updated": tx.now,
    }
    if tx.connection.execute(insert_or_skip(tx, schema.releases).values(**values)).rowcount == 0:
        raise Conflict(f"a release {uid} was made at this moment by somebody else; look at it and try again")
    return named(tx, uid)


def save(tx: Tx, release: Release) -> Release:
    """Write what may change of a release; the caller holds it (`held_for_change`)."""
    values = {
        "state": release.state,
        "version": release.version,
        "content": content_to_json(release.content),
        **_embargo_values(release.embargo),
        "at": release.at,
        "published": release.published,
        "approved_by": release.approved_by,
        "reason": release.reason,
        "updated": tx.now,
    }
    tx.connection.execute(update(schema.releases).where(r.id == release.id).values(**values))
    return named(tx, release.uid)


def take_next_due(tx: Tx, but: Collection[int] = ()) -> Release | None:
    """A scheduled or held release whose instant has come, held by this transaction; None when none is due.

    `but` are keys of those that are to be left alone.
    """
    query = (
        select(schema.releases)
        .where(r.state.in_(TIMED), r.at <= tx.now, r.id.not_in(list(but)))
        .order_by(r.at, r.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = tx.connection.execute(query).first()
    return _release(tx, row) if row else None


def take_next_missed(tx: Tx) -> Release | None:
    """A release nobody approved or scheduled although its embargo has gone by; it never goes by itself."""
    query = (
        select(schema.releases)
        .where(r.state.in_((ReleaseState.DRAFT, ReleaseState.APPROVED)), r.embargo_until <= tx.now)
        .order_by(r.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = tx.connection.execute(query).first()
    return _release(tx, row) if row else None


def next_at(tx: Tx) -> datetime | None:
    """The next instant at which a release goes out by itself, or None."""
    return tx.connection.execute(select(func.min(r.at)).where(r.state.in_(TIMED))).scalar()


def _embargo_values(embargo: Embargo | None) -> dict[str, Any]:
    return {
        "embargo_until": embargo.until if embargo else None,
        "embargo_zone": embargo.zone if embargo else None,
        "embargo_wall": embargo.wall if embargo else None,
    }


def _release(tx: Tx, row: Row[Any]) -> Release:
    embargo = None
    if row.embargo_until:
        embargo = Embargo(
            until=row.embargo_until, zone=row.embargo_zone or "UTC", wall=row.embargo_wall or ""
        )
    return Release(
        id=row.id,
        uid=row.uid,
        state=ReleaseState(row.state),
        version=row.version,
        content=names.filed(tx, content_from_json(row.content)),
        embargo=embargo,
        at=row.at,
        published=row.published,
        created=row.created,
        updated=row.updated,
        approved_by=row.approved_by,
        upstream=row.upstream,
        reason=row.reason,
    )
