"""An upstream's row, and what is made of it and written into it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, bindparam, select

from syndicator.errors import NotFound
from syndicator.model.item import Kind, Significance
from syndicator.model.routing import Route, route_from, route_to_json
from syndicator.model.upstream import OnGone, Relation, Upstream
from syndicator.store import names, schema
from syndicator.store.engine import Tx

u = schema.upstreams.c
_BY_SLUG = select(schema.upstreams).where(u.slug == bindparam("slug"))


def row_of(tx: Tx, slug: str) -> Row[Any]:
    """The row with this slug; raises NotFound."""
    row = tx.connection.execute(_BY_SLUG, {"slug": slug}).first()
    if row is None:
        raise NotFound(f'there is no upstream "{slug}"; `syndicator upstream list` shows them all')
    return row


def anew(now: datetime) -> dict[str, Any]:
    """What another address begins with: due at once, nothing known of it."""
    said = (
        "etag",
        "last_modified",
        "body_hash",
        "fault",
        "status",
        "pace",
        "site",
        "moved_to",
        "moved_since",
        "asking",
        "accepted",
    )
    return {**dict.fromkeys(said), "failures": 0, "polls": 0, "unmodified": 0, "next_check": now}


def values_of(upstream: Upstream) -> dict[str, Any]:
    """What a person or the file says of it, by column."""
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
        "full_text": upstream.full_text,
        "host": upstream.host,
        "allow_private": list(upstream.allow_private),
        "paused": upstream.paused,
        "file": upstream.file,
    }


def upstream_of(tx: Tx, row: Row[Any]) -> Upstream:
    """The upstream in a row; topics that were renamed or merged by their present names."""
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
        full_text=row.full_text,
        allow_private=tuple(row.allow_private),
        paused=row.paused,
        file=row.file,
        created=row.created,
    )


def _routed(tx: Tx, rule: dict[str, Any]) -> Route:
    route = route_from(rule)
    return replace(route, topics=names.present(tx, list(route.topics)))
