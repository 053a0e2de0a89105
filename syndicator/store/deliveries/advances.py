"""Advance copies: who gets a release before its embargo ends, who hears what became of it, and who had it.

Their rows name the release and one version of its words; a notice's row the release and the notice's
number. There is no item yet: from its lift on, `delivery_contents` says that they had it, so that a
correction or a kill reaches them (DESIGN promise 3, EM1, EM3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    update,
)

from syndicator.model.audience import SubscriptionState
from syndicator.model.delivery import (
    OPEN,
    Channel,
    DeliveryState,
    Priority,
    Role,
    advance_subject,
    notice_subject,
    revision_subject,
)
from syndicator.model.item import Item, memberships
from syndicator.model.release import Notice, NoticeKind, Release
from syndicator.store import columns, releases, schema, segments, topics
from syndicator.store.accreditations import holding
from syndicator.store.deliveries.duties import (
    COLUMNS,
    MAIL_LANE,
    MAY_HAVE_IT,
    UNSENT,
    cancel,
    insert_planned,
    row_columns,
)
from syndicator.store.deliveries.owed import WHO, audience, reachable
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.partners import ensure_lane
from syndicator.store.stops import hold

d, dc, s, a, c = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.subscriptions.c,
    schema.accreditations.c,
    schema.contacts.c,
)
AT_ONCE = 500  # keys in one statement
HAS = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN)
IS_ADVANCE, IS_NOTICE = d.subject.like("advance/%"), d.subject.like("notice/%")


@dataclass(frozen=True, slots=True, kw_only=True)
class Had:
    """Somebody who was sent an advance copy, or may have been: which version, and what became of it when."""

    contact_id: int
    address: str
    name: str
    version: int
    state: DeliveryState
    settled: datetime | None


def plan_advances(tx: Tx, release: Release, due: datetime) -> int:
    """Owe an advance copy of the present words at `due` to the accredited; returns how many will get one.

    They need a live subscription, of any cadence, to one of the release's topics, and an accreditation that
    still counts at `due`. Who has these very words already gets no second copy. What was cancelled unsent, or
    waits, is due at `due` from now on.
    """
    subject = advance_subject(release.uid, release.version)
    # Asked once and by keys from there on: no plan of the database may ask it again for each of its rows.
    wanted = tx.connection.execute(entitled(tx, release, due)).all()
    if not wanted:
        return 0
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    dropped = (d.subject == subject) & (d.state == DeliveryState.CANCELLED)
    _hold(tx, release.id, dropped)
    unsent = d.state.in_((DeliveryState.DUE, DeliveryState.CANCELLED)) & (d.doubts == 0)
    again = update(schema.deliveries).values(
        state=DeliveryState.DUE, due=due, created=tx.now, detail=None, settled=None, stop=None
    )
    for start in range(0, len(wanted), AT_ONCE):
        some = wanted[start : start + AT_ONCE]
        theirs = d.recipient.in_([f"contact/{row.contact_id}" for row in some])
        tx.connection.execute(again.where(d.subject == subject, unsent, theirs))
        chosen = select(s.contact_id, s.id.label("sub")).where(s.id.in_([row.sub for row in some])).subquery()
        _insert(tx, subject, release, release.version, chosen.c, Priority.IMMEDIATE, due)
    return advances_waiting(tx, release)


def advances_waiting(tx: Tx, release: Release) -> int:
    """How many are about to get an advance copy of the present words."""
    subject = advance_subject(release.uid, release.version)
    waiting = select(func.count()).where(d.subject == subject, UNSENT)
    return tx.connection.execute(waiting).scalar_one()


def plan_notices(tx: Tx, release: Release, notice: Notice, priority: Priority) -> int:
    """Tell everyone who had an advance copy, or may have, what became of the embargo; returns how many."""
    own, other = schema.subscriptions.alias("own"), schema.subscriptions.alias("other")
    live = case((own.c.state == SubscriptionState.ACTIVE, own.c.id))
    another = (
        select(func.min(other.c.id))
        .where(other.c.contact_id == d.contact_id, other.c.state == SubscriptionState.ACTIVE)
        .scalar_subquery()
    )
    # Who has left since still holds words under embargo: a service to them, under no subscription.
    reached = (
        select(d.contact_id, func.coalesce(func.max(live), another).label("sub"))
        .outerjoin(own, own.c.id == d.subscription_id)
        .where(d.release_id == release.id, IS_ADVANCE, MAY_HAVE_IT)
        .group_by(d.contact_id)
    ).subquery()
    subject = notice_subject(release.uid, notice.number)
    return _insert(tx, subject, release, notice.number, reached.c, priority, tx.now)


def cancel_advances(tx: Tx, release_id: int, reason: str) -> int:
    """No advance copy that is not on the wire yet goes out any more; returns how many were stopped.

    What is being sent at this moment is stopped where that is still possible.
    """
    return _call_off(tx, release_id, IS_ADVANCE, reason)


def cancel_notices(tx: Tx, release_id: int, reason: str) -> int:
    """A notice about an embargo that nobody has been sent yet is told to them no more: something newer is.

    What is being sent at this moment is not tried again if it does not arrive: it would follow what is newer.
    """
    return _call_off(tx, release_id, IS_NOTICE, reason)


def was_told(tx: Tx, release: Release, notice: Notice) -> bool:
    """Whether anybody heard of this notice, or may have."""
    subject = notice_subject(release.uid, notice.number)
    return (
        tx.connection.execute(select(d.id).where(d.subject == subject, MAY_HAVE_IT).limit(1)).first()
        is not None
    )


def carry_over(tx: Tx, release: Release, item: Item, *, again: bool = False) -> int:
    """At the lift, before the item is owed to all: what the advance copies mean for it; returns how many it is owed to.

    Who has these very words is not owed them again, unless `again`. Who had other words, or whose copy had
    not certainly been sent, is owed the item now, whatever their cadence. Everyone who had a copy, or may
    have, counts as having the item from here on.
    """
    if tx.connection.execute(select(d.id).where(d.release_id == release.id).limit(1)).first() is None:
        return 0
    _hold(tx, release.id)
    theirs = (d.release_id == release.id) & IS_ADVANCE
    if not again:
        same = theirs & d.subject.in_(same_words(tx, release)) & d.state.in_(HAS)
        _record(tx, item, select(func.max(d.id), d.recipient).where(same).group_by(d.recipient), Role.OWED)
    _record(tx, item, select(d.id, d.recipient).where(theirs, MAY_HAVE_IT), Role.ADVANCE)
    owed = _owe_now(tx, item, theirs & (MAY_HAVE_IT | UNSENT))
    cancel_advances(tx, release.id, "the release is out: they get it instead")
    cancel_notices(tx, release.id, "the release is out")
    return owed


def had(tx: Tx, release_id: int) -> list[Had]:
    """Who was sent an advance copy or may have been, their latest version each, by address."""
    query = (
        select(d.contact_id, c.address, c.name, d.version, d.state, d.settled)
        .join(schema.contacts, c.id == d.contact_id)
        .where(d.release_id == release_id, IS_ADVANCE, MAY_HAVE_IT)
        .order_by(d.version)
    )
    latest = {row.contact_id: row for row in tx.connection.execute(query)}
    everybody = sorted(latest.values(), key=lambda row: row.address)
    return [Had(**{**row._mapping, "state": DeliveryState(row.state)}) for row in everybody]  # noqa: SLF001 - SQLAlchemy's own public name


def latest_had(tx: Tx, release_id: int) -> int | None:
    """The latest version of this release that anybody was sent, or may have been; None if nobody was."""
    theirs = select(func.max(d.version)).where(d.release_id == release_id, IS_ADVANCE, MAY_HAVE_IT)
    return tx.connection.execute(theirs).scalar()


def entitled(tx: Tx, release: Release, due: datetime) -> Select[Any]:
    """The accredited subscribers of the release's topics who do not have these words, with the subscription it comes by.

    Only those of its audience, and nobody who rests when it is due.
    """
    slugs = memberships(release.content, topics.ruled(tx))
    h = schema.deliveries.alias("h").c
    # Asked for as a whole, not for each subscription: there the ledger would be read once for every one of them.
    copies = select(h.contact_id).where(h.release_id == release.id, h.subject.like("advance/%"))
    has = copies.where(h.subject.in_(same_words(tx, release)), or_(h.state.in_(HAS), h.doubts > 0))
    return (
        select(s.contact_id, func.min(s.id).label("sub"))
        .join(schema.accreditations, a.contact_id == s.contact_id)
        .join(WHO, WHO.c.id == s.contact_id)
        .where(s.topic_id.in_(sorted(topics.ids(tx, slugs).values())), s.state == SubscriptionState.ACTIVE)
        .where(reachable(WHO.c, due), segments.members(tx, release.content.audience, s.contact_id))
        .where(holding(tx.now), or_(a.until.is_(None), a.until > due), s.contact_id.not_in(has))
        .group_by(s.contact_id)
    )


def same_words(tx: Tx, release: Release) -> list[str]:
    """Subjects of the versions whose words are those of the present one: only their embargo may differ.

    A cancelled release was taken back before those who had it: that they have the words counts no more.
    """
    over = [one for one in releases.notices(tx, release.id) if one.kind is NoticeKind.CANCELLED]
    since = over[-1].created if over else None
    return [
        advance_subject(release.uid, version.number)
        for version in releases.versions(tx, release.id)
        if version.content.fingerprint == release.content.fingerprint
        and (since is None or version.created > since)
    ]


def _insert(
    tx: Tx, subject: str, release: Release, version: int, who: Any, priority: Priority, due: datetime
) -> int:
    """Owe this to those of `who` (`contact_id`, `sub`) who are not owed it yet; returns how many were added."""
    nobody, instant = cast(null(), columns.Id), columns.Instant()
    values: dict[str, Any] = {
        "subject": literal(subject),
        "recipient": literal("contact/") + cast(who.contact_id, Text),
        "contact_id": who.contact_id,
        "partner_id": nobody,
        "subscription_id": who.sub,
        "item_id": nobody,
        "revision": nobody,
        "channel": literal(Channel.MAIL.value),
        "lane": literal(MAIL_LANE),
        "priority": literal(int(priority)),
        "state": literal(DeliveryState.DUE.value),
        "due": literal(due, instant),
        **{name: literal(0) for name in ("lease_no", "attempts", "doubts")},
        "created": literal(tx.now, instant),
    }
    # SQLite wants a WHERE before the conflict clause.
    rows = select(*(values[name] for name in COLUMNS)).where(literal(True))
    return insert_planned(tx, rows, also={"release_id": release.id, "version": version})


def _record(tx: Tx, item: Item, rows: Select[Any], role: Role) -> None:
    found = rows.subquery()
    delivery, recipient = found.c
    carried = select(
        delivery, literal(item.id), literal(item.revision), recipient, literal(role.value)
    ).where(literal(True))
    names = ["delivery_id", "item_id", "revision", "recipient", "role"]
    tx.connection.execute(insert_or_skip(tx, schema.delivery_contents).from_select(names, carried))


def _owe_now(tx: Tx, item: Item, had_or_waited: ColumnElement[bool]) -> int:
    """Owe the item at once to these of its subscribers, of any cadence, who are not recorded as having it."""
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    subject = revision_subject(item.uid, item.revision)
    recipient = literal("contact/") + cast(s.contact_id, Text)
    entered = list(topics.of_item(tx, item.id).values())
    owed = exists().where(dc.item_id == item.id, dc.recipient == recipient, dc.role == Role.OWED)
    theirs = s.contact_id.in_(select(d.contact_id).where(had_or_waited))
    who = audience(tx, item.content, entered, owed, theirs).subquery().c
    rows = select(
        *row_columns(
            subject,
            literal("contact/") + cast(who.contact_id, Text),
            who.contact_id,
            cast(null(), columns.Id),
            who.sub,
            item,
            literal(Channel.MAIL.value),
            literal(MAIL_LANE),
            Priority.IMMEDIATE,
            tx.now,
        )
    ).where(literal(True))
    added = insert_planned(tx, rows)
    _record(tx, item, select(d.id, d.recipient).where(d.subject == subject), Role.OWED)
    return added


def _call_off(tx: Tx, release_id: int, sort: ColumnElement[bool], reason: str) -> int:
    """Cancel what is certainly not on the wire, and stop what is being sent; returns how many were cancelled."""
    _hold(tx, release_id)
    theirs = (d.release_id == release_id) & sort
    sending = update(schema.deliveries).where(theirs, d.state == DeliveryState.SENDING)
    tx.connection.execute(sending.values(stop=reason))
    return cancel(tx, theirs & UNSENT, reason)


def _hold(tx: Tx, release_id: int, *others: ColumnElement[bool]) -> None:
    hold(tx, or_((d.release_id == release_id) & d.state.in_(OPEN), *others))
