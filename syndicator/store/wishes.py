"""What people change of their own: how often, when, a rest, an end, and taking an end back.

Nothing is overwritten: one subscription ends with a reason and another begins (peers:3), and each change leaves a
row of evidence. Who asked for it, from where, is `who`: what `evidence.record` takes. Serves the preference
centre, the links to leave, and staff who do the same by hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, select, update

from syndicator.errors import Invalid
from syndicator.model.audience import Cadence, Subscription, SubscriptionState
from syndicator.model.delivery import OPEN, Priority
from syndicator.store import audience, deliveries, evidence, names, schema, stops, topics, windows
from syndicator.store.deliveries import duties, trying
from syndicator.store.engine import Tx

c, s, d = schema.contacts.c, schema.subscriptions.c, schema.deliveries.c
dc, m = schema.delivery_contents.c, schema.memberships.c
LEFT, PAUSED = "unsubscribed", "the contact has paused all mail"
# What decides when a contact's digests come.
TIMES = frozenset({"zone", "hour", "weekday", "monthday", "nth"})
SAID = TIMES | {
    "language",
    "country",
    "capped",
    "text_only",
    "paused_until",
}  # evidence says from what to what
EDITABLE = SAID | {"name", "outlet", "owner", "notes", "basis", "standing"}


def change_cadence(tx: Tx, subscription_id: int, cadence: Cadence, **who: Any) -> Subscription:
    """End this subscription and begin another that is the same but for its cadence; the live one, as it is now.

    What a digest had gathered and not brought yet is for the new one, too; what is on its way goes on under it.
    One that has that cadence already, or has ended, stays as it is.
    """
    old = audience.subscription(tx, subscription_id)
    ended = old.state is SubscriptionState.ENDED
    if ended or old.cadence is cadence or not audience.end(tx, old.id, audience.REPLACED):
        return old
    topic_id = tx.connection.execute(select(s.topic_id).where(s.id == old.id)).scalar_one()
    new = _begin(tx, old, topic_id, cadence, tx.now if old.cadence is Cadence.IMMEDIATE else old.since)
    _carry_on(tx, old.id, new.id)
    windows.rewind(tx, old.contact_id)
    _note(tx, old.contact_id, "changed", who, topic=old.topic, cadence=[old.cadence, cadence])
    return new


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str, **who: Any
) -> Subscription:
    """Begin a subscription that a contact chose, with this as their consent; one that is live stays as it is."""
    begun, new = audience.subscribe(tx, contact_id, topic_id, cadence, consent)
    if new:
        _note(tx, contact_id, "changed", who, topic=begun.topic, cadence=[None, cadence])
    return begun


def edit_contact(tx: Tx, contact_id: int, who: dict[str, Any] | None = None, **fields: Any) -> list[str]:
    """Write these fields of a contact; the names of those that were another before.

    Fields are `name`, `outlet`, `country`, `language`, `zone`, `hour`, `weekday`, `monthday`, `nth`, `capped`,
    `text_only`, `paused_until`, `owner`, `notes`, `basis`, `standing`, already checked. Where the times change, digests that
    wait come at the new ones. Raises Invalid for any other field.
    """
    if unknown := sorted(fields.keys() - EDITABLE):
        raise Invalid(
            f"there is no field {unknown[0]!r} of a contact to change: use {', '.join(sorted(EDITABLE))}"
        )
    query = select(*(c[name] for name in fields)).where(c.id == contact_id).with_for_update()
    known = tx.connection.execute(query).mappings().one() if fields else {}
    new = {name: value for name, value in fields.items() if known[name] != value}
    if new:
        tx.connection.execute(update(schema.contacts).where(c.id == contact_id).values(**new))
        told = {name: [_plain(known[name]), _plain(new[name])] for name in sorted(new.keys() & SAID)}
        _note(tx, contact_id, "changed", who or {}, fields=sorted(new), **({"values": told} if told else {}))
    if new.keys() & TIMES:
        windows.rewind(tx, contact_id)
    return sorted(new)


def void_links(tx: Tx, contact_id: int) -> None:
    """Links to preferences that were mailed so far lead nowhere from now on; those to leave go on working."""
    values = {"generation": c.generation + 1}
    tx.connection.execute(update(schema.contacts).where(c.id == contact_id).values(**values))


def pause(tx: Tx, contact_id: int, until: datetime | None, **who: Any) -> bool:
    """Bring no news before `until`, or None or an instant that has come: from now on again. Whether that is new.

    What waits and is not yet on the wire is cancelled. Corrections and kills of what they have still come.
    """
    if until is None or until <= tx.now:
        known = audience.contact_by_id(tx, contact_id).paused_until
        if known is None or known <= tx.now:
            return False
        until = tx.now  # what came out meanwhile was not for them
    changed = bool(edit_contact(tx, contact_id, who, paused_until=until))
    if changed and until > tx.now:
        news = d.priority.in_((int(Priority.IMMEDIATE), int(Priority.DIGEST), int(Priority.NEWSLETTER)))
        theirs = _by_subscription(contact_id) & news
        stops.hold(tx, theirs & d.state.in_(OPEN))
        keys = tx.connection.execute(select(d.id).where(theirs, duties.UNSENT)).scalars().all()
        trying.cancel(tx, [(key, PAUSED) for key in keys])
        stops.stop(tx, theirs, PAUSED)
    return changed


def leave(
    tx: Tx, contact_id: int, subscription_ids: Sequence[int], reason: str = LEFT, **who: Any
) -> datetime:
    """End these subscriptions of the contact and stop what came through them; the instant, which undoing names.

    Those that have ended already stay as they are.
    """
    keys = [one for one in subscription_ids if audience.end(tx, one, reason)]
    ended = [audience.subscription(tx, one) for one in keys]
    for one in ended:
        _hand_over_digests(tx, one)
        deliveries.cancel_for_subscription(tx, one.id, reason)
        stops.stop(tx, (d.subscription_id == one.id) & (d.priority != Priority.KILL), reason)
    if ended:
        windows.rewind(tx, contact_id)
        _note(tx, contact_id, "left", who, topics=[one.topic for one in ended], reason=reason)
    return tx.now


def live(tx: Tx, contact_id: int) -> list[Subscription]:
    """What a contact subscribes to now, confirmed or not."""
    return [one for one in audience.subscriptions(tx, contact_id) if one.ended is None]


def left_at(tx: Tx, contact_id: int, left: datetime) -> list[Subscription]:
    """What the contact left at that instant, and has not taken back."""
    every = audience.subscriptions(tx, contact_id)
    return [one for one in every if one.ended == left and one.reason == LEFT]


def restart(tx: Tx, contact_id: int, left: datetime, **who: Any) -> list[Subscription]:
    """Begin again what the contact left at that instant, as though it had never ended; what was begun.

    A topic they have begun anew since then stays as it is, and one that is over is left out. The same again does
    nothing: what was taken back says so.
    """
    theirs = audience.subscriptions(tx, contact_id)
    begun = []
    for old in left_at(tx, contact_id, left):
        tx.connection.execute(
            update(schema.subscriptions).where(s.id == old.id).values(reason=audience.UNDONE)
        )
        topic = topics.find(tx, names.present(tx, (old.topic,))[0])
        if topic is None or topic.closing is not None:
            continue
        same = [one for one in theirs if names.present(tx, (one.topic,)) == (topic.slug,)]
        if all(one.ended for one in same):
            begun.append(_begin(tx, old, topic.id, old.cadence, old.since))
            theirs.append(begun[-1])
    if begun:
        windows.rewind(tx, contact_id)
        _note(tx, contact_id, "changed", who, undone=[one.topic for one in begun])
    return begun


def taken_back(tx: Tx, contact_id: int, left: datetime) -> bool:
    """Whether something the contact left at that instant was taken back."""
    every = audience.subscriptions(tx, contact_id)
    return any(one.ended == left and one.reason == audience.UNDONE for one in every)


def hold(tx: Tx, contact_id: int) -> None:
    """Let nobody else change anything of this contact's own until we end, nor what is on its way to them.

    First of all: whoever comes with a result, a bounce, or another wish of theirs waits for us before they hold
    anything that we wait for.
    """
    tx.connection.execute(select(c.id).where(c.id == contact_id).with_for_update()).all()
    stops.hold(tx, (d.contact_id == contact_id) & d.state.in_(OPEN))


def _hand_over_digests(tx: Tx, ended: Subscription) -> None:
    """What was gathered and waits goes out under what else is gathered as often, without what was only for this one."""
    beside = (s.contact_id == ended.contact_id) & (s.state == SubscriptionState.ACTIVE)
    same = select(func.min(s.id)).where(beside, s.cadence == ended.cadence)
    heir = tx.connection.execute(same).scalar()
    theirs = _by_subscription(ended.contact_id) & d.subject.like(f"digest/{ended.cadence}/%")
    if heir is None or ended.cadence is Cadence.IMMEDIATE:
        return
    stops.hold(tx, theirs & d.state.in_(OPEN))
    mine = theirs & (d.subscription_id == ended.id) & d.state.in_(OPEN)
    tx.connection.execute(update(schema.deliveries).where(mine).values(subscription_id=heir))
    wanted = select(m.item_id).join(schema.subscriptions, s.topic_id == m.topic_id).where(beside)
    waiting = select(d.id).where(theirs, duties.UNSENT, d.doubts == 0)
    unwanted = dc.delivery_id.in_(waiting) & dc.item_id.not_in(wanted)
    tx.connection.execute(delete(schema.delivery_contents).where(unwanted))
    empty = waiting.where(~exists().where(dc.delivery_id == d.id))
    trying.cancel(tx, [(key, LEFT) for key in tx.connection.execute(empty).scalars().all()])


def _by_subscription(contact_id: int) -> ColumnElement[bool]:
    """What a contact gets by any subscription, found by an index, however long the ledger is."""
    return d.subscription_id.in_(select(s.id).where(s.contact_id == contact_id))


def _begin(tx: Tx, old: Subscription, topic_id: int, cadence: Cadence, since: datetime) -> Subscription:
    """A subscription in the place of another, with its consent."""
    pending = old.consent is None
    values = {
        "contact_id": old.contact_id,
        "topic_id": topic_id,
        "cadence": cadence,
        "state": SubscriptionState.PENDING if pending else SubscriptionState.ACTIVE,
        "consent": old.consent,
        "created": tx.now,
        "since": since,
        "confirmed": None if pending else tx.now,
    }
    row = insert(schema.subscriptions).values(**values).returning(s.id)
    return audience.subscription(tx, int(tx.connection.execute(row).scalar_one()))


def _carry_on(tx: Tx, old: int, new: int) -> None:
    """What is on its way under one subscription goes on under the one in its place."""
    theirs = (d.subscription_id == old) & d.state.in_(audience.WAITING)
    stops.hold(tx, theirs)
    tx.connection.execute(update(schema.deliveries).where(theirs).values(subscription_id=new))


def _note(tx: Tx, contact_id: int, act: str, who: dict[str, Any], **detail: Any) -> None:
    digest = tx.connection.execute(select(c.digest).where(c.id == contact_id)).scalar_one()
    evidence.record(tx, act, contact_id=contact_id, digest=digest, **who, **detail)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
