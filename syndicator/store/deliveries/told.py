"""Who hears of a correction, a withdrawal or a kill: whoever by the ledger had the item, or may have (DESIGN promise 3).

Everything here goes by `delivery_contents`, so readers of a digest or of an advance copy count like all others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    union,
    update,
)

from syndicator.model.audience import SubscriptionState
from syndicator.model.delivery import OPEN, DeliveryState, Priority, Role
from syndicator.model.item import Item
from syndicator.model.site import Format
from syndicator.store import columns, occasions, schema
from syndicator.store.deliveries.duties import (
    IS_OWED,
    MAY_HAVE_IT,
    NOTHING_LEFT,
    UNSENT,
    cancel,
    insert_planned,
    record_contents,
    row_columns,
    unsent,
)
from syndicator.store.deliveries.owed import audience
from syndicator.store.engine import Tx
from syndicator.store.stops import hold
from syndicator.store.suppressions import silenced

d, dc, s = schema.deliveries.c, schema.delivery_contents.c, schema.subscriptions.c
IS_SENDING = d.state == DeliveryState.SENDING
SHOWS_OLD = (
    "the issue shows an item that was changed since: `syndicator item edit` or `item correct` the issue"
)
STOPPED = "newsletter-stopped/"  # how alarms about such an issue begin, before its uid
LIVE = exists().where(s.contact_id == d.contact_id, s.state == SubscriptionState.ACTIVE)
_EVER_OWED = select(
    exists().where(d.item_id == bindparam("item")) | exists().where(dc.item_id == bindparam("item"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Radius:
    """Whom an act would reach: readers and partners to be told, feeds to be built anew, duties it can still stop.

    `doubtful` counts deliveries that may have arrived; their recipients are told like all others.
    """

    mails: int
    partners: int
    feeds: int
    stoppable: int
    doubtful: int

    def __str__(self) -> str:
        """For people: "212 mails, 3 partners, 4 feeds, 61 still stoppable"."""
        parts = [
            _counted(self.mails, "mail"),
            _counted(self.partners, "partner"),
            _counted(self.feeds, "feed"),
        ]
        doubts = [f"{self.doubtful} in doubt"] if self.doubtful else []
        return ", ".join([*parts, f"{self.stoppable} still stoppable", *doubts])


def radius(
    tx: Tx, item: Item, priority: Priority = Priority.CORRECTION, *, machines_only: bool = False
) -> Radius:
    """Whom a correction, a withdrawal (`machines_only`) or a kill of this item would reach, if it came now."""
    m = schema.memberships.c
    reached = _reached(item, priority, tx.now, machines_only=machines_only).subquery().c
    told = tx.connection.execute(
        select(
            func.count(reached.recipient.distinct()).filter(reached.contact_id.is_not(None)).label("mails"),
            func.count(reached.recipient.distinct())
            .filter(reached.partner_id.is_not(None))
            .label("partners"),
        )
    ).one()
    topics = select(func.count()).where(m.item_id == item.id, m.gone.is_(None))
    waiting = select(func.count()).select_from(schema.deliveries).where(unsent(item), d.doubts == 0)
    unsure = d.state.in_((DeliveryState.UNKNOWN, DeliveryState.SENDING)) | (
        (d.doubts > 0) & (d.state != DeliveryState.ACCEPTED)
    )
    doubts = select(func.count(d.id.distinct())).join(schema.delivery_contents, dc.delivery_id == d.id)
    return Radius(
        mails=told.mails,
        partners=told.partners,
        feeds=tx.connection.execute(topics).scalar_one() * len(Format),
        stoppable=tx.connection.execute(waiting).scalar_one(),
        doubtful=tx.connection.execute(doubts.where(dc.item_id == item.id, unsure)).scalar_one(),
    )


def newcomers(tx: Tx, item: Item, topic_ids: Collection[int]) -> int:
    """How many contacts would get an item because it enters these topics: not those who are told of it anyway."""
    recipient = literal("contact/") + cast(s.contact_id, Text)
    theirs = (dc.item_id == item.id) & (dc.recipient == recipient)
    owed = exists().where(theirs, dc.role == Role.OWED)
    told = exists().where(theirs, d.id == dc.delivery_id, MAY_HAVE_IT)
    had = owed | told | silenced(s.contact_id, tx.now)
    found = audience(tx, item.content, topic_ids, had).subquery()
    return int(tx.connection.execute(select(func.count()).select_from(found)).scalar_one())


def plan_told(tx: Tx, item: Item, subject: str, priority: Priority, *, machines_only: bool = False) -> int:
    """Tell everyone who had the item, or may have (DESIGN promise 3); returns how many were added.

    A correction needs at least one live subscription of the contact; a kill reaches the others too.
    A plain withdrawal is told to partners alone (`machines_only`): they keep copies. Told under the
    subscription they had it by if that is live, else under any live one. Nobody who is suppressed is told.
    """
    had = _reached(item, priority, tx.now, machines_only=machines_only).subquery().c
    another = (
        select(func.min(s.id))
        .where(s.contact_id == had.contact_id, s.state == SubscriptionState.ACTIVE)
        .scalar_subquery()
    )
    columns = row_columns(
        subject,
        had.recipient,
        had.contact_id,
        had.partner_id,
        func.coalesce(had.kept, another, had["sub"]),
        item,
        had.channel,
        had.lane,
        priority,
        tx.now,
    )
    added = insert_planned(tx, select(*columns).where(literal(True)))
    record_contents(tx, d.subject == subject)
    return added


def _reached(item: Item, priority: Priority, now: datetime, *, machines_only: bool) -> Select[Any]:
    """Who is to be told, one row for each: the one place that says so."""
    own = schema.subscriptions.alias("own")
    kept = case((own.c.state == SubscriptionState.ACTIVE, own.c.id))
    reached = (
        select(
            d.contact_id,
            d.partner_id,
            d.recipient,
            d.channel,
            d.lane,
            func.max(d.subscription_id).label("sub"),
            func.max(kept).label("kept"),
        )
        .join(schema.delivery_contents, dc.delivery_id == d.id)
        .outerjoin(own, own.c.id == d.subscription_id)
        .where(dc.item_id == item.id, MAY_HAVE_IT, ~silenced(d.contact_id, now))
        .group_by(d.contact_id, d.partner_id, d.recipient, d.channel, d.lane)
    )
    if machines_only:
        return reached.where(d.partner_id.is_not(None))
    return reached if priority is Priority.KILL else reached.where(or_(d.partner_id.is_not(None), LIVE))


def last_had(tx: Tx, item_id: int, number: int, recipient: str) -> int | None:
    """The latest revision before `number` that this recipient had, or may have had; None if none is on record.

    Two look-ups in indexes: an item may have a hundred thousand recipients, and each is asked for.
    """
    own = select(d.revision).where(
        d.item_id == item_id, d.recipient == recipient, d.revision < number, MAY_HAVE_IT
    )
    owed = (
        select(dc.revision)
        .join(schema.deliveries, d.id == dc.delivery_id)
        .where(dc.item_id == item_id, dc.recipient == recipient, IS_OWED, MAY_HAVE_IT)
        .where(dc.revision < number)
    )
    both = union(own, owed).subquery()
    return tx.connection.execute(select(func.max(both.c[0]))).scalar()


def somebody_had(tx: Tx, uids: Collection[str]) -> set[str]:
    """Those of these items that somebody had, or may have, who would be told of a correction (`plan_told`)."""
    one, i = list(uids), schema.items.c
    query = (
        select(i.uid)
        .join(schema.delivery_contents, dc.item_id == i.id)
        .join(schema.deliveries, d.id == dc.delivery_id)
        .where(MAY_HAVE_IT, d.partner_id.is_not(None) | LIVE)
        .distinct()
    )
    found: set[str] = set()
    for start in range(0, len(one), 500):
        found |= set(tx.connection.execute(query.where(i.uid.in_(one[start : start + 500]))).scalars())
    return found


def replace_unsent(tx: Tx, item: Item, subject: str, *, told: bool) -> int:
    """Let whatever carries an older revision and has certainly not been sent carry this one instead.

    The old rows are cancelled, new ones owe the same to the same recipients. A due repeat of a doubt
    is cancelled, and what is on its way is stopped, only if a correction tells them (`told`): they may have
    had it. Else it is repeated as it was, for nothing may be lost.
    """
    if not tx.connection.execute(_EVER_OWED, {"item": item.id}).scalar():
        return 0  # as most that changes at its origin
    _hold(tx, item)
    reason = "a newer revision took its place"
    # Mails of an issue that were stopped because of what it showed: its new words let them go.
    stopped = (d.item_id == item.id) & (d.stop == SHOWS_OLD)
    waiting = (unsent(item) | (stopped & (d.state == DeliveryState.CANCELLED))) & (d.subject != subject)
    same = (d.recipient, d.contact_id, d.partner_id, d.subscription_id)
    instant = literal(tx.now, columns.Instant())
    due = case((d.stop == SHOWS_OLD, instant), else_=d.due)
    anew = (literal(DeliveryState.DUE.value), due, literal(0), literal(0), literal(0), instant)
    words = (literal(subject), *same, d.item_id, literal(item.revision), d.channel, d.lane, d.priority)
    heirs = select(*words, *anew).where(waiting, d.doubts == 0)
    doomed = select(d.id).where(waiting, d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    added = insert_planned(tx, heirs)
    cancel(tx, waiting if told else waiting & (d.doubts == 0), reason)
    _let_go(tx, item)
    record_contents(tx, d.subject == subject)
    _compose_anew(tx, item)
    if told:
        _stop_issues(tx, item)
        _stop(tx, item, reason, d.subject != subject)
        cancel(tx, d.id.in_(_others(item)) & d.release_id.is_not(None) & UNSENT, reason)
    return added


def cancel_unsent(tx: Tx, item: Item, reason: str) -> int:
    """Nothing of this item that is not yet on the wire goes out any more; returns how many were stopped.

    What is marked as being sent is told to stop: a lane takes up none of it any more (mail:SE17).
    """
    _hold(tx, item)
    doomed = select(d.id).where(unsent(item), d.doubts == 0)
    tx.connection.execute(delete(schema.delivery_contents).where(dc.delivery_id.in_(doomed)))
    stopped = cancel(tx, unsent(item), reason)
    stopped += cancel(tx, d.id.in_(_others(item)) & d.release_id.is_not(None) & UNSENT, reason)
    stopped += _compose_anew(tx, item, without=True)
    _stop_issues(tx, item)
    _let_go(tx, item)
    _stop(tx, item, reason)
    # What else a stopped digest held is owed still: it comes with the next one.
    digests = d.id.in_(_others(item)) & d.release_id.is_(None) & (d.state == DeliveryState.SENDING)
    tx.connection.execute(update(schema.deliveries).where(digests).values(stop=reason))
    return stopped


def _others(item: Item) -> Select[Any]:
    """Deliveries that are not of this item alone but carried it: digests, advance copies."""
    carried = select(dc.delivery_id).where(dc.item_id == item.id)
    return select(d.id).where(d.id.in_(carried), d.item_id.is_(None), d.state.in_(OPEN))


def _hold(tx: Tx, item: Item) -> None:
    """Let no lane start or settle what carries this item until we commit: what is unsent stays unsent."""
    own = select(d.id).where(d.item_id == item.id, d.state.in_(OPEN))
    every: CompoundSelect[Any] = union(own, _others(item), _issues(item))
    hold(tx, d.id.in_(select(every.subquery().c.id)))


def _stop(tx: Tx, item: Item, reason: str, *which: ColumnElement[bool]) -> None:
    """Whatever of this item is on its way, but not yet on the wire, is not to be sent."""
    for carries in (d.item_id == item.id, d.id.in_(_others(item)) & d.release_id.is_not(None)):
        sending = update(schema.deliveries).where(carries, d.state == DeliveryState.SENDING, *which)
        tx.connection.execute(sending.values(stop=reason))


def _issues(item: Item) -> Select[Any]:
    """Open deliveries of issues of the newsletter that show this item."""
    carried = select(dc.delivery_id).where(dc.item_id == item.id, dc.role == Role.SHOWN)
    return select(d.id).where(d.id.in_(carried), d.state.in_(OPEN))


def _stop_issues(tx: Tx, item: Item) -> None:
    """No issue goes out with words of the item that are not true any more: it waits until a person changes it.

    The words of an issue are its editor's, so they are not written anew here. Who may have it is told instead.
    """
    theirs, i = d.id.in_(_issues(item)), schema.items.c
    issues = select(i.uid).where(i.id.in_(select(d.item_id).where(theirs)))
    for uid in tx.connection.execute(issues).scalars().all():
        words = (
            f"Mails of the issue {uid} of the newsletter have not gone out, and wait: it shows the item {item.uid}, which "
            f"was changed since. `syndicator item edit {uid} FILE` with words that are true sends them."
        )
        occasions.raise_(tx, STOPPED + uid, "mails of an issue of the newsletter wait for an edit", words)
    cancel(tx, theirs & UNSENT & (d.doubts > 0), SHOWS_OLD)
    back = {"state": DeliveryState.DUE, "due": None, "lease_until": None, "leased_by": None}
    waiting = update(schema.deliveries).where(theirs, UNSENT)
    tx.connection.execute(waiting.values(lease_no=d.lease_no + 1, stop=SHOWS_OLD, detail=SHOWS_OLD, **back))
    tx.connection.execute(update(schema.deliveries).where(theirs, IS_SENDING).values(stop=SHOWS_OLD))


def _let_go(tx: Tx, item: Item) -> None:
    """An issue that was changed, or taken back: nothing of it waits for that any more."""
    stopped = update(schema.deliveries).where(d.item_id == item.id, d.stop == SHOWS_OLD)
    if tx.connection.execute(stopped.where(~IS_SENDING).values(stop=None)).rowcount:
        occasions.end(tx, STOPPED + item.uid)


def _compose_anew(tx: Tx, item: Item, *, without: bool = False) -> int:
    """Digests not yet on the wire carry the newest words of the item, or go out `without` it.

    Returns how many were cancelled because nothing is left of them. Their windows count (mail:DG8).
    """
    digests = _others(item).where(UNSENT, d.release_id.is_(None), d.doubts == 0)
    keys = list(tx.connection.execute(digests).scalars())
    emptied = 0
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        theirs = (dc.item_id == item.id) & dc.delivery_id.in_(some)
        # The fence: whoever has taken one already wrote it with the old words, and must not send that.
        taken = update(schema.deliveries).where(d.id.in_(some), d.state == DeliveryState.LEASED)
        back = {"state": DeliveryState.DUE, "due": tx.now, "lease_until": None, "leased_by": None}
        tx.connection.execute(taken.values(lease_no=d.lease_no + 1, **back))
        if without:
            tx.connection.execute(delete(schema.delivery_contents).where(theirs))
            empty = d.id.in_(some) & ~exists().where(dc.delivery_id == d.id)
            emptied += cancel(tx, empty, NOTHING_LEFT)
        else:
            carried = update(schema.delivery_contents).where(theirs)
            tx.connection.execute(carried.values(revision=item.revision))
    return emptied


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
