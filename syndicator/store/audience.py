"""Contacts and subscriptions: who may be told of what.

A subscription is ended, never deleted. Who must not be mailed is in `suppressions`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, exists, insert, literal, select, true, update

from syndicator.errors import NotFound, Refused
from syndicator.model.audience import (
    Address,
    Cadence,
    Contact,
    Standing,
    Subscription,
    SubscriptionState,
    Times,
)
from syndicator.model.delivery import OPEN, DeliveryState
from syndicator.model.digest import DIGESTS
from syndicator.store import names, schema, suppressions, windows
from syndicator.store.engine import Tx, among, insert_or_skip

c, s, t, d = (
    schema.contacts.c,
    schema.subscriptions.c,
    schema.topics.c,
    schema.deliveries.c,
)
REPLACED, MERGED, CLOSED = "replaced", "merged", "closed"
UNDONE = "unsubscribed, and taken back"
WAITING = (*OPEN, DeliveryState.UNKNOWN)  # may still go out, or go out again


def add_contact(
    tx: Tx, address: Address, *, name: str = "", outlet: str = "", zone: str = "UTC"
) -> tuple[Contact, bool]:
    """The contact with this address, and whether it is new; an existing one keeps its own words.

    Raises Refused for an address whose owner had it erased.
    """
    if suppressions.erased(tx, address):
        raise Refused(f"{address.typed} was erased at its owner's wish: nobody puts it on the list again")
    domain = address.key.rpartition("@")[2]
    words = {"name": name, "outlet": outlet, "zone": zone}
    values = {"address": address.typed, "key": address.key, "domain": domain, **words}
    values["digest"] = suppressions.digest(tx, address.key)
    added = tx.connection.execute(insert_or_skip(tx, schema.contacts).values(**values, created=tx.now))
    return contact(tx, address), added.rowcount == 1


def contact(tx: Tx, address: Address) -> Contact:
    """The contact with this address; raises NotFound."""
    found = known_contact(tx, address)
    if found is None:
        raise NotFound(f"{address.typed} is not on the media list; `syndicator contact add` puts it there")
    return found


def contact_by_id(tx: Tx, contact_id: int) -> Contact:
    """The contact with the store's own key."""
    return _contact(tx.connection.execute(_contacts(tx.now).where(c.id == contact_id)).one())


def known_contact(tx: Tx, address: Address) -> Contact | None:
    """The contact with this address, or None."""
    row = tx.connection.execute(_contacts(tx.now).where(c.key == address.key)).first()
    return _contact(row) if row else None


def find_contact(tx: Tx, contact_id: int | None) -> Contact | None:
    """The contact a token speaks of, or None: the database may be another one than it was made for."""
    if contact_id is None or contact_id >= 2**63:
        return None
    row = tx.connection.execute(_contacts(tx.now).where(c.id == contact_id)).first()
    return _contact(row) if row else None


def find_subscription(tx: Tx, subscription_id: int | None) -> Subscription | None:
    """The subscription a token speaks of, or None."""
    if subscription_id is None:
        return None
    row = tx.connection.execute(_subscriptions().where(s.id == subscription_id)).first()
    return _subscription(row) if row else None


def contacts(
    tx: Tx, *, limit: int | None = None, after: int = 0, where: ColumnElement[bool] | None = None
) -> list[Contact]:
    """Everybody on the media list, in the order they came, or those `where` (of a row of contacts) takes."""
    query = _contacts(tx.now).where(c.id > after, true() if where is None else where).order_by(c.id)
    query = query.limit(limit)
    return [_contact(row) for row in tx.connection.execute(query)]


def hold(tx: Tx, contact_ids: Collection[int]) -> None:
    """Let nobody else change these contacts until we end: before what bars their addresses, and before their letters."""
    if not tx.on_sqlite:
        theirs = select(c.id).where(among(c.id, "whose")).order_by(c.id).with_for_update(key_share=True)
        tx.connection.execute(theirs, {"whose": sorted(contact_ids)}).all()


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None
) -> tuple[Subscription, bool]:
    """A live subscription of this contact to this topic, and whether it is new.

    With `consent` it is active at once, else pending. Another cadence ends the old subscription and
    starts another, so that history says what held when; but a wish nobody has confirmed never ends an
    active one, or anybody could silence anybody. A merged topic is the one it went into; raises Refused
    for one that is about to close, and for somebody who was forgotten meanwhile.
    """
    hold(tx, (contact_id,))
    if tx.connection.execute(select(c.standing).where(c.id == contact_id)).scalar() == Standing.ERASED:
        raise Refused("they were erased at their wish, and nothing can be begun for them any more")
    topic_id = _lasting(tx, topic_id)
    known = _live(tx, contact_id, topic_id)
    active = known is not None and known.state is SubscriptionState.ACTIVE
    if known and ((consent is None and active) or (known.cadence is cadence and (active or not consent))):
        return known, False
    if known:
        end(tx, known.id, REPLACED)
    values = {
        "contact_id": contact_id,
        "topic_id": topic_id,
        "cadence": cadence,
        "state": SubscriptionState.ACTIVE if consent else SubscriptionState.PENDING,
        "consent": consent,
        "created": tx.now,
        "since": known.since if known and active and known.cadence in DIGESTS else tx.now,
        "confirmed": tx.now if consent else None,
    }
    row = insert_or_skip(tx, schema.subscriptions).values(**values).returning(s.id)
    new = tx.connection.execute(row).scalar()
    if new is None:  # the same wish was quicker on another connection
        return subscribe(tx, contact_id, topic_id, cadence, consent)
    if consent:
        _list(tx, new)
        if known:  # what waited for a digest of theirs, too
            windows.rewind(tx, contact_id)
        else:
            windows.open_(tx, contact_id, cadence)
    return subscription(tx, new), True


def subscription(tx: Tx, subscription_id: int) -> Subscription:
    """One subscription, live or ended; raises NotFound."""
    row = tx.connection.execute(_subscriptions().where(s.id == subscription_id)).first()
    if row is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return _subscription(row)


def newest_live(tx: Tx) -> Subscription | None:
    """The newest subscription that has not ended; None where there is none."""
    query = _subscriptions().where(s.state != SubscriptionState.ENDED).order_by(s.id.desc()).limit(1)
    row = tx.connection.execute(query).first()
    return _subscription(row) if row else None


def subscriptions(tx: Tx, contact_id: int) -> list[Subscription]:
    """Every subscription a contact has or had, oldest first."""
    rows = tx.connection.execute(_subscriptions().where(s.contact_id == contact_id).order_by(s.id))
    return [_subscription(row) for row in rows]


def subscriptions_of(tx: Tx, contact_ids: Collection[int]) -> dict[int, list[Subscription]]:
    """Every subscription these contacts have or had, oldest first, by contact."""
    query = _subscriptions().where(among(s.contact_id, "whose")).order_by(s.id)
    found: dict[int, list[Subscription]] = {}
    for row in tx.connection.execute(query, {"whose": sorted(contact_ids)}):
        found.setdefault(row.contact_id, []).append(_subscription(row))
    return found


def confirm(tx: Tx, subscription_id: int, consent: str) -> bool:
    """Make a pending subscription active; False if it was active already or has ended."""
    made = tx.connection.execute(
        update(schema.subscriptions)
        .where(s.id == subscription_id, s.state == SubscriptionState.PENDING)
        .values(state=SubscriptionState.ACTIVE, consent=consent, confirmed=tx.now, since=tx.now)
    )
    if made.rowcount:
        _list(tx, subscription_id)
        windows.rewind(tx, subscription(tx, subscription_id).contact_id)
    return made.rowcount == 1


def end(tx: Tx, subscription_id: int, reason: str) -> bool:
    """End a subscription, keeping it as history; False if it had ended already."""
    ended = tx.connection.execute(
        update(schema.subscriptions)
        .where(s.id == subscription_id, s.state != SubscriptionState.ENDED)
        .values(state=SubscriptionState.ENDED, ended=tx.now, reason=reason)
    )
    return ended.rowcount == 1


def successor(tx: Tx, ended: Subscription) -> Subscription | None:
    """What took the place of a subscription that a change of cadence or a merger ended, if that is live."""
    found = latest(tx, ended)
    return None if found.ended else found


def latest(tx: Tx, ended: Subscription) -> Subscription:
    """The last that took this subscription's place, live or ended; itself, if none did.

    One that its contact began anew later did not take its place.
    """
    topic = names.present(tx, (ended.topic,))
    theirs = subscriptions(tx, ended.contact_id)
    others = [one for one in theirs if one.id != ended.id and names.present(tx, (one.topic,)) == topic]
    while ended.ended and ended.reason in (REPLACED, MERGED, UNDONE):
        there = _in_its_place(ended, others)
        if not there:
            break
        ended = min(there, key=lambda one: one.ended is not None)  # the live one, if there is one
        others.remove(ended)
    return ended


def _in_its_place(ended: Subscription, others: list[Subscription]) -> list[Subscription]:
    then = ended.ended or ended.created
    if ended.reason == UNDONE:  # it goes on in the next one
        return [one for one in others if one.id > ended.id and one.created >= then][:1]
    return [one for one in others if one.created <= then and (one.ended is None or one.ended >= then)]


def merge_subscriptions(tx: Tx, source: int, into: int) -> None:
    """End what is live of one topic, and begin it at another with all it had; however many they are.

    Whoever has the other topic keeps that, unless it is only a wish and this one is active. What is on
    its way goes on under the new one.
    """
    live = s.state != SubscriptionState.ENDED
    if not tx.on_sqlite:  # there a writer is alone anyway
        held = select(s.id).where(s.topic_id.in_((source, into)), live).order_by(s.id)
        tx.connection.execute(held.with_for_update()).all()
    ended = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": MERGED}
    other = schema.subscriptions.alias("other").c
    theirs = exists().where(other.contact_id == s.contact_id)
    active = theirs.where(other.topic_id == source, other.state == SubscriptionState.ACTIVE)
    wish = (s.topic_id == into) & (s.state == SubscriptionState.PENDING) & active
    tx.connection.execute(update(schema.subscriptions).where(wish).values(**ended))
    has = theirs.where(other.topic_id == into, other.state != SubscriptionState.ENDED)
    kept = ("contact_id", "cadence", "state", "consent", "created", "since", "confirmed")
    begun = select(literal(into), *(s[name] for name in kept)).where(s.topic_id == source, live, ~has)
    new = insert(schema.subscriptions).from_select(["topic_id", *kept], begun.order_by(s.id))
    tx.connection.execute(new)
    _carry_on(tx, source, into)
    tx.connection.execute(update(schema.subscriptions).where(s.topic_id == source, live).values(**ended))


def end_closed(tx: Tx) -> int:
    """End the subscriptions of topics that are over, but for those something is on its way or waits under."""
    over = select(t.id).where(t.closed <= tx.now, t.merged.is_(None))
    waiting = exists().where(d.subscription_id == s.id, d.state.in_(OPEN))
    w = schema.windows.c
    theirs = (w.contact_id == s.contact_id) & (w.cadence == s.cadence)
    unread = exists().where(
        theirs, t.id == s.topic_id, w.opened <= t.closed, s.state == SubscriptionState.ACTIVE
    )
    which = s.topic_id.in_(over) & (s.state != SubscriptionState.ENDED) & ~waiting & ~unread
    values = {"state": SubscriptionState.ENDED, "ended": tx.now, "reason": CLOSED}
    return tx.connection.execute(update(schema.subscriptions).where(which).values(**values)).rowcount


def _list(tx: Tx, subscription_id: int) -> None:
    """A yes is a yes: whoever was on the list without one stands on it like anybody from now on."""
    whose = select(s.contact_id).where(s.id == subscription_id).scalar_subquery()
    legacy = (c.id == whose) & (c.standing == Standing.LEGACY)
    tx.connection.execute(update(schema.contacts).where(legacy).values(standing=Standing.LISTED))


def _contacts(now: datetime) -> Select[Any]:
    return (
        select(schema.contacts, suppressions.WHY.label("suppressed"))
        .outerjoin(schema.suppressions, suppressions.by_address(now))
        .outerjoin(suppressions.OF_DOMAIN, suppressions.by_domain(now))
    )


def _contact(row: Row[Any]) -> Contact:
    return Contact(
        id=row.id,
        address=Address(typed=row.address, key=row.key),
        name=row.name,
        outlet=row.outlet,
        country=row.country,
        language=row.language,
        zone=row.zone,
        times=Times(hour=row.hour, weekday=row.weekday, monthday=row.monthday, nth=row.nth),
        capped=row.capped,
        text_only=row.text_only,
        paused_until=row.paused_until,
        standing=Standing(row.standing),
        basis=row.basis,
        owner=row.owner,
        notes=row.notes,
        generation=row.generation,
        press_generation=row.press_generation,
        created=row.created,
        suppressed=row.suppressed,
    )


def _subscriptions() -> Select[Any]:
    return select(schema.subscriptions, t.slug.label("topic")).join(schema.topics, t.id == s.topic_id)


def _live(tx: Tx, contact_id: int, topic_id: int) -> Subscription | None:
    query = _subscriptions().where(
        s.contact_id == contact_id, s.topic_id == topic_id, s.state != SubscriptionState.ENDED
    )
    row = tx.connection.execute(query).first()
    return _subscription(row) if row else None


def _lasting(tx: Tx, topic_id: int) -> int:
    """The topic a subscription may begin at, which nobody merges or closes until this transaction ends."""
    query = select(t.slug, t.merged, t.closing).where(t.id == topic_id)
    row = tx.connection.execute(query.with_for_update(read=True, key_share=True)).one()
    if row.merged:
        return _lasting(tx, row.merged)
    if row.closing:
        raise Refused(f'the topic "{row.slug}" closes: nobody can subscribe to it any more')
    return topic_id


def _carry_on(tx: Tx, source: int, into: int) -> None:
    live = s.state != SubscriptionState.ENDED
    old = select(s.id).where(s.topic_id == source, live)
    mine = d.subscription_id.in_(old) & d.state.in_(WAITING)
    if not tx.on_sqlite:  # by key, as the lanes do
        tx.connection.execute(select(d.id).where(mine).order_by(d.id).with_for_update()).all()
    new = select(s.id).where(s.contact_id == d.contact_id, s.topic_id == into, live).scalar_subquery()
    tx.connection.execute(update(schema.deliveries).where(mine).values(subscription_id=new))


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        contact_id=row.contact_id,
        topic=row.topic,
        cadence=Cadence(row.cadence),
        state=SubscriptionState(row.state),
        created=row.created,
        since=row.since or row.created,
        consent=row.consent,
        ended=row.ended,
        reason=row.reason,
    )
