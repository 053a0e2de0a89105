"""The ledger as operators see it, and what a person may do to a row: try again, or settle a doubt."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    func,
    literal_column,
    select,
    true,
    update,
)

from syndicator.errors import NotFound, Refused
from syndicator.model.delivery import (
    OPEN,
    Cause,
    Channel,
    DeliveryState,
    Outcome,
    ping_hub,
)
from syndicator.store import schema
from syndicator.store.deliveries.duties import record_contents
from syndicator.store.deliveries.trying import forget
from syndicator.store.engine import Tx
from syndicator.store.stops import hold

LOOKED_AT = 5_000  # rows in memory at a time
d, dc, c, s, x, p, lane = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.contacts.c,
    schema.subscriptions.c,
    schema.suppressions.c,
    schema.partners.c,
    schema.lanes.c,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A ledger row as operators see it; `recipient` is the address, the partner's slug or the hub, whole."""

    id: int
    subject: str
    recipient: str
    channel: Channel
    state: DeliveryState
    attempts: int
    last_outcome: Outcome | None
    detail: str | None
    due: datetime | None
    created: datetime
    settled: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try, kept for ever."""

    number: int
    worker: str | None
    started: datetime
    ended: datetime
    outcome: Outcome
    code: int | None
    cause: Cause | None
    detail: str


def listing(
    tx: Tx, *, limit: int | None = None, after: int = 0, state: str | None = None, subject: str | None = None
) -> list[Delivery]:
    """Ledger rows in the order they were planned."""
    query = _deliveries().where(d.id > after).order_by(d.id).limit(limit)
    if state:
        query = query.where(d.state == state)
    if subject:
        query = query.where(d.subject.startswith(subject, autoescape=True))
    return [_delivery(row) for row in tx.connection.execute(query)]


def named(tx: Tx, delivery_id: int) -> Delivery:
    """One ledger row; raises NotFound."""
    row = tx.connection.execute(_deliveries().where(d.id == delivery_id)).first()
    if row is None:
        raise NotFound(f"there is no delivery {delivery_id}; `syndicator delivery list` shows them all")
    return _delivery(row)


def taken_for(tx: Tx, domains: Collection[str], since: datetime) -> int:
    """How many letters to addresses of these domains were handed over since then."""
    theirs = d.domain.in_(list(domains)) & (d.channel == Channel.MAIL)
    query = select(func.count()).where(theirs, d.state == DeliveryState.ACCEPTED, d.settled >= since)
    return int(tx.connection.execute(query).scalar_one())


def letter(tx: Tx, is_it: Callable[[str, str], bool]) -> Delivery | None:
    """The latest letter of whose subject and recipient this is true, or None; every one is looked at until then."""
    mails = select(d.id, d.subject, d.recipient).where(d.channel == Channel.MAIL).order_by(d.id.desc())
    before: int | None = None
    while rows := tx.connection.execute(
        mails.where(d.id < before if before else true()).limit(LOOKED_AT)
    ).all():
        found = next((row.id for row in rows if is_it(row.subject, row.recipient)), None)
        if found:
            return named(tx, found)
        before = rows[-1].id
    return None


def attempts(tx: Tx, delivery_id: int) -> list[Attempt]:
    """Every try of a delivery, oldest first."""
    a = schema.attempts.c
    rows = tx.connection.execute(select(schema.attempts).where(a.delivery_id == delivery_id).order_by(a.id))
    return [
        Attempt(
            number=row.number,
            worker=row.worker,
            started=row.started,
            ended=row.ended,
            outcome=Outcome(row.outcome),
            code=row.code,
            cause=Cause(row.cause) if row.cause else None,
            detail=row.detail,
        )
        for row in rows
    ]


def contents(tx: Tx, delivery_id: int) -> list[tuple[int, int]]:
    """Which (item, revision) a delivery carried."""
    query = (
        select(dc.item_id, dc.revision).where(dc.delivery_id == delivery_id).order_by(dc.item_id, dc.revision)
    )
    return [(row.item_id, row.revision) for row in tx.connection.execute(query)]


def counts(tx: Tx) -> dict[tuple[Channel, DeliveryState], int]:
    """How many deliveries stand where, by channel."""
    rows = tx.connection.execute(
        select(d.channel, d.state, func.count().label("n")).group_by(d.channel, d.state)
    )
    return {(Channel(row.channel), DeliveryState(row.state)): row.n for row in rows}


def open_count(tx: Tx) -> int:
    """How many duties are not settled yet."""
    query = select(func.count()).select_from(schema.deliveries).where(d.state.in_(OPEN))
    return int(tx.connection.execute(query).scalar_one())


def retry(tx: Tx, delivery_id: int) -> None:
    """A person says: try this again now. Raises Refused for one that was accepted or is under way."""
    under_way = (DeliveryState.ACCEPTED, DeliveryState.LEASED, DeliveryState.SENDING)
    values = {"state": DeliveryState.DUE, "due": tx.now, "settled": None, "late_ok": True, "stop": None}
    if not _moved(tx, delivery_id, d.state.not_in(under_way), values):
        state = named(tx, delivery_id).state
        raise Refused(
            f"delivery {delivery_id} is {state}; only what failed, waits or is in doubt can be tried again"
        )
    # A cancelled one carries nothing any more; what goes out after all must be known to have been had.
    record_contents(tx, d.id == delivery_id)


def retry_late(tx: Tx) -> int:
    """A person says: send what is late, all of it. Returns how many were waiting for that."""
    values = {"due": tx.now, "late_ok": True, "detail": None}
    late = _IS_LATE & d.stop.is_(None)  # an issue that shows what was taken back waits for other words
    hold(tx, late)
    return tx.connection.execute(update(schema.deliveries).where(late).values(**values)).rowcount


def resolve(tx: Tx, delivery_id: int, state: DeliveryState, reason: str) -> None:
    """A person settles a doubt: it arrived, or it is not to be tried again. What is late can be dropped, too."""
    values = {"state": state, "detail": reason, "settled": tx.now, "due": None, "stop": None}
    cancelled = state is DeliveryState.CANCELLED
    if cancelled and _moved(tx, delivery_id, _IS_LATE, values):
        forget(tx, [delivery_id])
    elif not _moved(tx, delivery_id, d.state == DeliveryState.UNKNOWN, values):
        found = named(tx, delivery_id).state
        raise Refused(
            f"delivery {delivery_id} is {found}; only a doubt (unknown) can be resolved, "
            "and what waits because it is late can be cancelled"
        )


# Late ones are due, but at no time: they wait for a person.
_IS_LATE = (d.state == literal_column("'due'")) & d.due.is_(None)


def _moved(tx: Tx, delivery_id: int, allowed: ColumnElement[bool], values: dict[str, Any]) -> bool:
    """Move a row if its state allows it, in one statement: a worker may be moving it, too."""
    moving = update(schema.deliveries).where(d.id == delivery_id, allowed).values(**values)
    return tx.connection.execute(moving).rowcount == 1


def _deliveries() -> Select[Any]:
    return (
        select(schema.deliveries, c.address, p.slug)
        .outerjoin(schema.contacts, c.id == d.contact_id)
        .outerjoin(schema.partners, p.id == d.partner_id)
    )


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        id=row.id,
        subject=row.subject,
        recipient=row.address or row.mailbox or row.slug or ping_hub(row.recipient),
        channel=Channel(row.channel),
        state=DeliveryState(row.state),
        attempts=row.attempts,
        last_outcome=Outcome(row.outcome) if row.outcome else None,
        detail=row.detail,
        due=row.due,
        created=row.created,
        settled=row.settled,
    )
