"""Contacts, subscriptions, suppressions and partners: who may be told, and over what road.

A subscription is ended, never deleted; a suppression stands above everything and is asked at claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, delete, select, update

from syndicator.errors import Conflict, NotFound
from syndicator.model.audience import Address, Cadence, Contact, Partner, Subscription, SubscriptionState
from syndicator.model.delivery import Channel, OnUnknown
from syndicator.model.item import Kind
from syndicator.store import names, schema
from syndicator.store.engine import Tx, insert_or_skip

c, s, t, p, x = (
    schema.contacts.c,
    schema.subscriptions.c,
    schema.topics.c,
    schema.partners.c,
    schema.suppressions.c,
)


def add_contact(
    tx: Tx, address: Address, *, name: str = "", outlet: str = "", zone: str = "UTC"
) -> tuple[Contact, bool]:
    """The contact with this address, and whether it is new; an existing one keeps its own words."""
    values = {"address": address.typed, "key": address.key, "name": name, "outlet": outlet, "zone": zone}
    new = (
        tx.connection.execute(insert_or_skip(tx, schema.contacts).values(**values, created=tx.now)).rowcount
        == 1
    )
    return contact(tx, address), new


def contact(tx: Tx, address: Address) -> Contact:
    """The contact with this address; raises NotFound."""
    row = tx.connection.execute(_contacts().where(c.key == address.key)).first()
    if row is None:
        raise NotFound(f"{address.typed} is not on the media list; `syndicator contact add` puts it there")
    return _contact(row)


def contact_by_id(tx: Tx, contact_id: int) -> Contact:
    """The contact with the store's own key."""
    return _contact(tx.connection.execute(_contacts().where(c.id == contact_id)).one())


def contacts(tx: Tx, *, limit: int | None = None, after: int = 0) -> list[Contact]:
    """Everybody on the media list, in the order they came."""
    query = _contacts().where(c.id > after).order_by(c.id).limit(limit)
    return [_contact(row) for row in tx.connection.execute(query)]


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None
) -> tuple[Subscription, bool]:
    """A live subscription of this contact to this topic, and whether it is new.

    With `consent` it is active at once, else pending. Another cadence ends the old subscription and
    starts another, so that history says what held when; but a wish nobody has confirmed never ends an
    active one, or anybody could silence anybody.
    """
    known = _live(tx, contact_id, topic_id)
    active = known is not None and known.state is SubscriptionState.ACTIVE
    if known and ((consent is None and active) or (known.cadence is cadence and (active or not consent))):
        return known, False
    if known:
        end(tx, known.id, "replaced")
    values = {
        "contact_id": contact_id,
        "topic_id": topic_id,
        "cadence": cadence,
        "state": SubscriptionState.ACTIVE if consent else SubscriptionState.PENDING,
        "consent": consent,
        "created": tx.now,
        "confirmed": tx.now if consent else None,
    }
    row = insert_or_skip(tx, schema.subscriptions).values(**values).returning(s.id)
    new = tx.connection.execute(row).scalar()
    if new is None:  # the same wish was quicker on another connection
        return subscribe(tx, contact_id, topic_id, cadence, consent)
    return subscription(tx, new), True


def subscription(tx: Tx, subscription_id: int) -> Subscription:
    """One subscription, live or ended; raises NotFound."""
    row = tx.connection.execute(_subscriptions().where(s.id == subscription_id)).first()
    if row is None:
        raise NotFound(f"there is no subscription {subscription_id}")
    return _subscription(row)


def subscriptions(tx: Tx, contact_id: int) -> list[Subscription]:
    """Every subscription a contact has or had, oldest first."""
    rows = tx.connection.execute(_subscriptions().where(s.contact_id == contact_id).order_by(s.id))
    return [_subscription(row) for row in rows]


def confirm(tx: Tx, subscription_id: int, consent: str) -> bool:
    """Make a pending subscription active; False if it was active already or has ended."""
    made = tx.connection.execute(
        update(schema.subscriptions)
        .where(s.id == subscription_id, s.state == SubscriptionState.PENDING)
        .values(state=SubscriptionState.ACTIVE, consent=consent, confirmed=tx.now)
    )
    return made.rowcount == 1


def end(tx: Tx, subscription_id: int, reason: str) -> bool:
    """End a subscription, keeping it as history; False if it had ended already."""
    ended = tx.connection.execute(
        update(schema.subscriptions)
        .where(s.id == subscription_id, s.state != SubscriptionState.ENDED)
        .values(state=SubscriptionState.ENDED, ended=tx.now, reason=reason)
    )
    return ended.rowcount == 1


def suppress(tx: Tx, address: Address, reason: str) -> None:
    """Never mail this address again; the first reason stays."""
    values = {"key": address.key, "reason": reason, "created": tx.now}
    tx.connection.execute(insert_or_skip(tx, schema.suppressions).values(**values))


def unsuppress(tx: Tx, address: Address) -> bool:
    """Allow mail to this address again; False if it was not suppressed."""
    return tx.connection.execute(delete(schema.suppressions).where(x.key == address.key)).rowcount == 1


def suppression(tx: Tx, address: Address) -> str | None:
    """Why this address must not be mailed, or None."""
    return tx.connection.execute(select(x.reason).where(x.key == address.key)).scalar()


def add_partner(tx: Tx, partner: Partner) -> Partner:
    """Make a partner and the lane its deliveries go by; raises Conflict if the slug is taken."""
    statement = insert_or_skip(tx, schema.partners).values(**_partner_values(partner), created=tx.now)
    if tx.connection.execute(statement).rowcount == 0:
        raise Conflict(f'the partner "{partner.slug}" exists already; `syndicator partner list` shows it')
    ensure_lane(tx, f"partner/{partner.slug}", partner.channel)
    return named_partner(tx, partner.slug)


def edit_partner(tx: Tx, partner: Partner) -> None:
    """Write everything about the partner with this slug."""
    tx.connection.execute(
        update(schema.partners).where(p.slug == partner.slug).values(**_partner_values(partner))
    )


def partners(tx: Tx) -> list[Partner]:
    """All partners, by slug."""
    return [_partner(tx, row) for row in tx.connection.execute(select(schema.partners).order_by(p.slug))]


def named_partner(tx: Tx, slug: str) -> Partner:
    """The partner with this slug; raises NotFound."""
    row = tx.connection.execute(select(schema.partners).where(p.slug == slug)).first()
    if row is None:
        raise NotFound(f'there is no partner "{slug}"; `syndicator partner list` shows them all')
    return _partner(tx, row)


def pause_partner(tx: Tx, slug: str, *, paused: bool) -> None:
    """Stop or resume everything that goes to a partner; nothing planned is lost. Raises NotFound."""
    partner = named_partner(tx, slug)
    tx.connection.execute(update(schema.partners).where(p.id == partner.id).values(paused=paused))
    lane = schema.lanes.c
    tx.connection.execute(
        update(schema.lanes)
        .where(lane.key == f"partner/{slug}")
        .values(paused=paused, failures=0, open=tx.now, fault=None)
    )


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


def _contacts() -> Select[Any]:
    return select(schema.contacts, x.reason.label("suppressed")).outerjoin(
        schema.suppressions, x.key == c.key
    )


def _contact(row: Row[Any]) -> Contact:
    return Contact(
        id=row.id,
        address=Address(typed=row.address, key=row.key),
        name=row.name,
        outlet=row.outlet,
        zone=row.zone,
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


def _subscription(row: Row[Any]) -> Subscription:
    return Subscription(
        id=row.id,
        contact_id=row.contact_id,
        topic=row.topic,
        cadence=Cadence(row.cadence),
        state=SubscriptionState(row.state),
        created=row.created,
        consent=row.consent,
        ended=row.ended,
        reason=row.reason,
    )


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
