"""Releases: drafts, embargoed and held things, none of which the item store knows (walk B)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, insert, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.item import Content, content_from_json, content_to_json
from syndicator.model.release import (
    OPEN_RELEASES,
    Embargo,
    Notice,
    NoticeKind,
    Release,
    ReleaseState,
    Version,
)
from syndicator.store import names, schema, wiped
from syndicator.store.engine import Tx, insert_or_skip

r, v, n = schema.releases.c, schema.release_versions.c, schema.embargo_notices.c
# Held items go out by themselves at their date; quarantined ones have none and wait for a yes.
TIMED = (ReleaseState.SCHEDULED, ReleaseState.HELD)
_BY_UID = select(schema.releases).where(r.uid == bindparam("uid"))


def find(tx: Tx, uid: str) -> Release | None:
    """The release with this uid, or None."""
    row = tx.connection.execute(_BY_UID, {"uid": uid}).first()
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
    by: str | None = None,
) -> Release:
    """A new release in its first version, drafted `by`.

    Raises Conflict if somebody else was faster, Refused for a uid that was redacted.
    """
    wiped.refuse(tx, uid)
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
        "drafted_by": by,
        "created": tx.now,
        "updated": tx.now,
    }
    if tx.connection.execute(insert_or_skip(tx, schema.releases).values(**values)).rowcount == 0:
        raise Conflict(f"a release {uid} was made at this moment by somebody else; look at it and try again")
    release = named(tx, uid)
    _keep(tx, release)
    return release


def save(tx: Tx, release: Release) -> Release:
    """Write what may change of a release, and keep its words if they are a new version; raises Refused if it was redacted.

    The caller holds it (`held_for_change`).
    """
    wiped.refuse(tx, release.uid)
    values = {
        "state": release.state,
        "version": release.version,
        "content": content_to_json(release.content),
        **_embargo_values(release.embargo),
        "at": release.at,
        "published": release.published,
        "drafted_by": release.drafted_by,
        "approved_by": release.approved_by,
        "approved": release.approved,
        "advance": release.advance,
        "moves": release.moves,
        "released": release.released,
        "reason": release.reason,
        "updated": tx.now,
    }
    tx.connection.execute(update(schema.releases).where(r.id == release.id).values(**values))
    _keep(tx, release)
    return named(tx, release.uid)


def version(tx: Tx, release_id: int, number: int) -> Version:
    """One version of a release's words, as they were handed in; raises NotFound."""
    query = _versions(release_id).where(v.version == number)
    row = tx.connection.execute(query).first()
    if row is None:
        raise NotFound(f"this release has no version {number}")
    return _version(tx, row)


def versions(tx: Tx, release_id: int) -> list[Version]:
    """Every version of a release's words, oldest first."""
    return [_version(tx, row) for row in tx.connection.execute(_versions(release_id))]


def version_of_base(tx: Tx, release_id: int, base: str) -> Version | None:
    """The latest version with this fingerprint of words and embargo, or None."""
    query = _versions(release_id).where(v.base == base)
    rows = tx.connection.execute(query).all()
    return _version(tx, rows[-1]) if rows else None


def add_notice(
    tx: Tx, release_id: int, kind: NoticeKind, before: datetime | None, after: datetime | None, words: str
) -> Notice:
    """Write down what is to be told about an embargo; the caller holds the release, so numbers count up."""
    last = tx.connection.execute(select(func.max(n.number)).where(n.release_id == release_id)).scalar() or 0
    told = {"kind": kind, "before": before, "after": after, "words": words, "created": tx.now}
    values = {"release_id": release_id, "number": last + 1, **told}
    tx.connection.execute(insert(schema.embargo_notices).values(**values))
    return notice(tx, release_id, last + 1)


def notice(tx: Tx, release_id: int, number: int) -> Notice:
    """What was told about an embargo, by its number; raises NotFound."""
    found = [one for one in notices(tx, release_id) if one.number == number]
    if not found:
        raise NotFound(f"this release has no notice {number}")
    return found[0]


def notices(tx: Tx, release_id: int) -> list[Notice]:
    """Everything told about an embargo, oldest first."""
    query = select(schema.embargo_notices).where(n.release_id == release_id).order_by(n.number)
    return [
        Notice(
            number=row.number,
            kind=NoticeKind(row.kind),
            before=row.before,
            after=row.after,
            words=row.words or "",
            created=row.created,
        )
        for row in tx.connection.execute(query)
    ]


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


def _keep(tx: Tx, release: Release) -> None:
    """A version is written once; what is written of it stays."""
    values = {
        "release_id": release.id,
        "version": release.version,
        "base": release.base,
        "content": content_to_json(release.content),
        **_embargo_values(release.embargo),
        "drafted_by": release.drafted_by,
        "created": tx.now,
    }
    tx.connection.execute(insert_or_skip(tx, schema.release_versions).values(**values))


def _versions(release_id: int) -> Select[Any]:
    return select(schema.release_versions).where(v.release_id == release_id).order_by(v.version)


def _version(tx: Tx, row: Row[Any]) -> Version:
    return Version(
        number=row.version,
        content=names.filed(tx, content_from_json(row.content)),
        embargo=_embargo(row),
        drafted_by=row.drafted_by,
        created=row.created,
    )


def _embargo_values(embargo: Embargo | None) -> dict[str, Any]:
    return {
        "embargo_until": embargo.until if embargo else None,
        "embargo_zone": embargo.zone if embargo else None,
        "embargo_wall": embargo.wall if embargo else None,
    }


def _embargo(row: Row[Any]) -> Embargo | None:
    if row.embargo_until is None:
        return None
    return Embargo(until=row.embargo_until, zone=row.embargo_zone or "UTC", wall=row.embargo_wall or "")


def _release(tx: Tx, row: Row[Any]) -> Release:
    return Release(
        id=row.id,
        uid=row.uid,
        state=ReleaseState(row.state),
        version=row.version,
        content=names.filed(tx, content_from_json(row.content)),
        embargo=_embargo(row),
        at=row.at,
        published=row.published,
        created=row.created,
        updated=row.updated,
        drafted_by=row.drafted_by,
        approved_by=row.approved_by,
        approved=row.approved,
        advance=row.advance,
        moves=row.moves,
        released=row.released,
        upstream=row.upstream,
        reason=row.reason,
    )
