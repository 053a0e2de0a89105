"""The ledger's figures about one release: by what was sent and over which channel, samples left out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select

from syndicator.model.bounce import Kind
from syndicator.model.delivery import Channel, DeliveryState
from syndicator.store import schema
from syndicator.store.engine import Tx

d, p, a = schema.deliveries.c, schema.partners.c, schema.attempts.c
SHOWN = "shown/0"  # the subject of letters that showed the item beside others
CAME_BACK = (Kind.HARD, Kind.SOFT, Kind.POLICY)
CLEAR = (DeliveryState.REFUSED, DeliveryState.CANCELLED, DeliveryState.EXPIRED, DeliveryState.UNKNOWN)


@dataclass(slots=True)
class Figures:
    """Of one subject over one channel."""

    subject: str
    channel: Channel
    states: Counter[DeliveryState] = field(default_factory=Counter)
    reasons: Counter[tuple[DeliveryState, str]] = field(default_factory=Counter)
    first: datetime | None = None
    last: datetime | None = None
    repeated: int = 0
    bounced: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a partner's machine answered last about one subject."""

    subject: str
    partner: str
    state: DeliveryState
    code: int | None
    settled: datetime | None


def figures(tx: Tx, release_id: int, item_id: int | None) -> list[Figures]:
    """How many duties stand where, by subject and channel, in the order they were planned."""
    found: dict[tuple[str, str], Figures] = {}
    taken = d.state == DeliveryState.ACCEPTED
    query = (
        select(
            d.subject,
            d.channel,
            d.state,
            func.count().label("n"),
            func.sum(d.doubts).label("doubts"),
            func.min(d.settled).filter(taken).label("first"),
            func.max(d.settled).filter(taken).label("last"),
        )
        .where(_about(release_id, item_id))
        .group_by(d.subject, d.channel, d.state)
        .order_by(func.min(d.id))
    )
    for row in tx.connection.execute(query):
        key = (row.subject, row.channel)
        one = found.setdefault(key, Figures(row.subject, Channel(row.channel)))
        state = DeliveryState(row.state)
        one.states[state] = row.n
        one.repeated += row.doubts if state is not DeliveryState.UNKNOWN else 0
        one.first, one.last = row.first or one.first, row.last or one.last
    for subject, channel, state, words, count in _reasons(tx, release_id, item_id):
        found[subject, channel].reasons[state, words] += count
    for subject, channel, count in _came_back(tx, release_id, item_id):
        found[subject, channel].bounced = count
    return [*found.values(), *_beside_others(tx, item_id)]


def _came_back(tx: Tx, release_id: int, item_id: int | None) -> Iterator[tuple[str, str, int]]:
    """How many letters that a next hop took came back afterwards, by subject and channel."""
    b = schema.bounces.c
    back = b.kind.in_(CAME_BACK) & d.state.in_((DeliveryState.ACCEPTED, DeliveryState.UNKNOWN))
    query = (
        select(d.subject, d.channel, func.count(d.id.distinct()).label("n"))
        .join(schema.bounces, b.delivery_id == d.id)
        .where(_about(release_id, item_id), back)
        .group_by(d.subject, d.channel)
    )
    for row in tx.connection.execute(query):
        yield row.subject, row.channel, row.n


def _beside_others(tx: Tx, item_id: int | None) -> Iterator[Figures]:
    """Digests, and issues of the newsletter, that showed the item: all of them together."""
    dc = schema.delivery_contents.c
    letters = select(dc.delivery_id).where(dc.item_id == item_id)
    other = d.id.in_(letters) & (d.item_id.is_(None) | (d.item_id != item_id))
    query = select(
        d.channel, d.state, func.count().label("n"), func.min(d.settled).label("first"), func.max(d.settled).label("last")
    ).where(other, d.release_id.is_(None)).group_by(d.channel, d.state)  # fmt: skip
    found: dict[str, Figures] = {}
    for row in tx.connection.execute(query) if item_id is not None else ():
        one = found.setdefault(row.channel, Figures(SHOWN, Channel(row.channel)))
        one.states[DeliveryState(row.state)] = row.n
        if row.state == DeliveryState.ACCEPTED:
            one.first, one.last = row.first, row.last
    yield from found.values()


def answers(tx: Tx, release_id: int, item_id: int | None) -> list[Answer]:
    """What partners answered, each about each subject."""
    last = defaultdict[int, int | None](lambda: None)
    rows = tx.connection.execute(
        select(d.id, d.subject, p.slug, d.state, d.settled)
        .join(schema.partners, p.id == d.partner_id)
        .where(_about(release_id, item_id))
        .order_by(d.id)
    ).all()
    codes = select(a.delivery_id, a.code).where(a.delivery_id.in_([row.id for row in rows])).order_by(a.id)
    last.update({row.delivery_id: row.code for row in tx.connection.execute(codes)})
    return [
        Answer(row.subject, row.slug, DeliveryState(row.state), last[row.id], row.settled) for row in rows
    ]


def _about(release_id: int, item_id: int | None) -> ColumnElement[bool]:
    """Whatever is about the release or its item; a marked test is about nothing."""
    about = d.release_id == release_id
    return (about if item_id is None else or_(about, d.item_id == item_id)) & ~d.subject.like("sample/%")


def _reasons(
    tx: Tx, release_id: int, item_id: int | None
) -> Iterator[tuple[str, str, DeliveryState, str, int]]:
    """Why some were not handed over: the sort of the last answer where one is known, else what the row says."""
    latest = (
        select(a.delivery_id, func.max(a.id).label("id"))
        .join(schema.deliveries, d.id == a.delivery_id)
        .where(_about(release_id, item_id), d.state.in_(CLEAR))
        .group_by(a.delivery_id)
        .subquery()
    )
    query: Any = (
        select(d.subject, d.channel, d.state, a.cause, a.code, d.detail, func.count().label("n"))
        .outerjoin(latest, latest.c.delivery_id == d.id)
        .outerjoin(schema.attempts, a.id == latest.c.id)
        .where(_about(release_id, item_id), d.state.in_(CLEAR))
        .group_by(d.subject, d.channel, d.state, a.cause, a.code, d.detail)
        .order_by(func.count().desc())
    )
    for row in tx.connection.execute(query):
        state = DeliveryState(row.state)
        sort = row.cause if state is DeliveryState.REFUSED else None
        code = f" ({row.code})" if sort and row.code else ""
        yield (
            row.subject,
            row.channel,
            state,
            f"{sort}{code}" if sort else row.detail or "no reason given",
            row.n,
        )
