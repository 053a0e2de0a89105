"""Partners, the machines that are told of items, and the lanes by which deliveries to one destination go.

Serves `partner …`, and every planner of duties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.audience import Partner
from syndicator.model.delivery import Channel, OnUnknown
from syndicator.model.item import Kind
from syndicator.store import names, occasions, schema
from syndicator.store.engine import Tx, insert_or_skip

p = schema.partners.c


def add(tx: Tx, partner: Partner) -> Partner:
    """Make a partner and the lane its deliveries go by; raises Conflict if the slug is taken."""
    statement = insert_or_skip(tx, schema.partners).values(**_partner_values(partner), created=tx.now)
    if tx.connection.execute(statement).rowcount == 0:
        raise Conflict(f'the partner "{partner.slug}" exists already; `syndicator partner list` shows it')
    ensure_lane(tx, f"partner/{partner.slug}", partner.channel)
    return named(tx, partner.slug)


def edit(tx: Tx, partner: Partner) -> None:
    """Write everything about the partner with this slug."""
    tx.connection.execute(
        update(schema.partners).where(p.slug == partner.slug).values(**_partner_values(partner))
    )


def listing(tx: Tx) -> list[Partner]:
    """All partners, by slug."""
    return [_partner(tx, row) for row in tx.connection.execute(select(schema.partners).order_by(p.slug))]


def named(tx: Tx, slug: str) -> Partner:
    """The partner with this slug; raises NotFound."""
    row = tx.connection.execute(select(schema.partners).where(p.slug == slug)).first()
    if row is None:
        raise NotFound(f'there is no partner "{slug}"; `syndicator partner list` shows them all')
    return _partner(tx, row)


def pause(tx: Tx, slug: str, *, paused: bool) -> None:
    """Stop or resume everything that goes to a partner; nothing planned is lost. Raises NotFound.

    Either way their incident is over, and with it its alarm: what is still wrong shows anew.
    """
    partner = named(tx, slug)
    lane = schema.lanes.c
    key = f"partner/{slug}"
    tx.connection.execute(  # first, as whoever pauses the lane does
        update(schema.lanes)
        .where(lane.key == key)
        .values(paused=paused, failures=0, open=tx.now, fault=None, since=None)
    )
    tx.connection.execute(update(schema.partners).where(p.id == partner.id).values(paused=paused))
    occasions.end(tx, f"lane/{key}/")


def ensure_lane(tx: Tx, key: str, channel: Channel) -> None:
    """The row by which deliveries to one destination are claimed and backed off."""
    values = {"key": key, "channel": channel, "paused": False, "failures": 0, "open": tx.now}
    tx.connection.execute(insert_or_skip(tx, schema.lanes).values(**values))


@dataclass(frozen=True, slots=True)
class Lane:
    """A destination as operators see it: since when it is troubled, and why."""

    key: str
    channel: Channel
    paused: bool
    failures: int
    open: datetime
    fault: str | None


def lanes(tx: Tx) -> Sequence[Lane]:
    """All destinations."""
    rows = tx.connection.execute(select(schema.lanes).order_by(schema.lanes.c.key))
    return [
        Lane(row.key, Channel(row.channel), row.paused, row.failures, row.open, row.fault) for row in rows
    ]


def _partner_values(partner: Partner) -> dict[str, Any]:
    return {
        "slug": partner.slug,
        "channel": partner.channel,
        "url": partner.url,
        "secret": partner.secret,
        "topics": list(partner.topics),
        "kinds": list(partner.kinds),
        "on_unknown": partner.on_unknown,
        "allow_private": list(partner.allow_private),
        "paused": partner.paused,
        "file": partner.file,
    }


def _partner(tx: Tx, row: Row[Any]) -> Partner:
    return Partner(
        id=row.id,
        slug=row.slug,
        channel=Channel(row.channel),
        url=row.url,
        secret=row.secret,
        topics=names.present(tx, row.topics),
        kinds=tuple(Kind(kind) for kind in row.kinds),
        on_unknown=OnUnknown(row.on_unknown) if row.on_unknown else None,
        allow_private=tuple(row.allow_private),
        paused=row.paused,
        file=row.file,
        created=row.created,
    )
