"""Who is owed an item, a confirmation, a try: duties that come from a subscription or from a partner's wishes."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    cast,
    exists,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
)

from syndicator.model.audience import Cadence, Standing, SubscriptionState
from syndicator.model.audience import address as mail_address
from syndicator.model.delivery import Channel, Priority, Role, confirmation_subject
from syndicator.model.item import Content, Item
from syndicator.store import columns, schema, segments, suppressions
from syndicator.store.deliveries.duties import MAIL_LANE, fresh, insert_planned, record_contents, row_columns
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.partners import ensure_lane
from syndicator.store.partners import listing as all_partners

d, dc, s, c = (
    schema.deliveries.c,
    schema.delivery_contents.c,
    schema.subscriptions.c,
    schema.contacts.c,
)
WHO = schema.contacts.alias("who")
IMMEDIATE = s.cadence == Cadence.IMMEDIATE


def plan_owed(tx: Tx, item: Item, topic_ids: Collection[int], subject: str, topics: frozenset[str]) -> int:
    """Owe the item at once to everyone whose subscriptions to one of these topics say so, and to partners.

    Once per recipient for ever: planning twice adds nothing. Returns how many deliveries were added.
    """
    if not topic_ids:
        return 0
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    recipient = literal("contact/") + cast(s.contact_id, Text)
    had = exists().where(dc.item_id == item.id, dc.recipient == recipient, dc.role == Role.OWED)
    planned = exists().where(d.subject == subject, d.recipient == recipient)
    known = _known(tx, item)
    who = audience(tx, item.content, topic_ids, had | planned if known else false()).subquery().c
    rows = select(*_planned(subject, who.contact_id, item, Priority.IMMEDIATE, tx.now, who.sub))
    added = insert_planned(tx, rows, new=True)
    added += _plan_partners(tx, item, subject, topics)
    # Somebody may have taken up again what was cancelled: its recipient was owed this by another one since.
    record_contents(tx, d.subject == subject, new=not known)
    return added


def audience(
    tx: Tx,
    content: Content,
    topic_ids: Collection[int],
    had: ColumnElement[bool],
    whose: ColumnElement[bool] | None = None,
) -> Select[Any]:
    """Whom words that enter these topics are owed by mail: `contact_id`, and as `sub` the subscription they come by.

    One function for whoever plans and whoever shows the plan, so that what is shown is what is done. Both
    conditions are about a row of subscriptions: `had` is true where its contact has the item already, `whose` of
    those it comes by, if not of those it comes by `at_once`.
    """
    live = (s.topic_id.in_(sorted(topic_ids)), s.state == SubscriptionState.ACTIVE)
    mailed = (reachable(WHO.c, tx.now), segments.members(tx, content.audience, s.contact_id))
    who = select(s.contact_id, func.min(s.id).label("sub")).join(WHO, WHO.c.id == s.contact_id)
    who = who.where(*live, at_once(content) if whose is None else whose, ~had, *mailed)
    return who.group_by(s.contact_id)


def at_once(content: Content) -> ColumnElement[bool]:
    """Of a row of subscriptions and of `WHO`: these words do not wait for a digest.

    What is urgent waits for none, but for those who never want more mail than their cadences say.
    """
    return IMMEDIATE | ~WHO.c.capped if content.urgent else IMMEDIATE


def reachable(who: Any, now: datetime) -> ColumnElement[bool]:
    """Of a row of contacts: they are owed what is new at this instant; the paused, the merely known are not."""
    return and_(who.standing == Standing.LISTED, or_(who.paused_until.is_(None), who.paused_until <= now))


def plan_confirmation(tx: Tx, contact_id: int, subscription_id: int) -> int:
    """Owe the mail that asks somebody to confirm a subscription; once per subscription."""
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    row = {
        "subject": confirmation_subject(subscription_id),
        "recipient": f"contact/{contact_id}",
        "contact_id": contact_id,
        "subscription_id": subscription_id,
        "channel": Channel.MAIL,
        "lane": MAIL_LANE,
        "priority": Priority.CONFIRMATION,
        "domain": select(c.domain).where(c.id == contact_id).scalar_subquery(),
        **fresh(tx.now),
    }
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(**row)).rowcount


def plan_test(tx: Tx, partner_id: int, slug: str, number: str) -> int:
    """A delivery that only tries the road to a partner; returns its key."""
    row = {
        "subject": f"test/{number}",
        "recipient": f"partner/{partner_id}",
        "partner_id": partner_id,
        "channel": Channel.WEBHOOK,
        "lane": f"partner/{slug}",
        "priority": Priority.CONFIRMATION,
        **fresh(tx.now),
    }
    return int(tx.connection.execute(insert(schema.deliveries).values(**row).returning(d.id)).scalar_one())


def plan_mailbox(
    tx: Tx, subject: str, address: str, *, release_id: int | None = None, version: int | None = None
) -> int:
    """Owe one letter to an address that need not be a contact's: a sample, an alarm; 0 if it was planned before.

    It is to who works here, or is asked for by them: to have left the media list does not stop it.
    It carries no item, so that it counts as having nothing and nobody is told of a correction because of it.
    """
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    row = {
        "subject": subject,
        "recipient": f"mailbox/{address}",
        "mailbox": address,
        "domain": address.rpartition("@")[2].lower(),
        "release_id": release_id,
        "version": version,
        "channel": Channel.MAIL,
        "lane": MAIL_LANE,
        "priority": Priority.CONFIRMATION,
        **fresh(tx.now),
        "stop": suppressions.barred(tx, mail_address(address), own_affair=True),
    }
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(**row)).rowcount


def samples(tx: Tx, release_id: int, version: int) -> int:
    """How many tests of this version of a release were mailed, or will be."""
    theirs = (d.release_id == release_id) & (d.version == version) & d.subject.like("sample/%")
    return tx.connection.execute(select(func.count(d.subject.distinct())).where(theirs)).scalar_one()


def _known(tx: Tx, item: Item) -> bool:
    """Whether anybody was planned anything of this item; its caller holds it, so the answer stays true."""
    planned, carried = exists().where(d.item_id == item.id), exists().where(dc.item_id == item.id)
    return bool(tx.connection.execute(select(planned | carried)).scalar())


def _planned(
    subject: str, contact: Any, item: Item, priority: Priority, now: datetime, subscription: Any
) -> list[ColumnElement[Any]]:
    nobody = cast(null(), columns.Id)
    recipient = literal("contact/") + cast(contact, Text)
    mail = literal(Channel.MAIL.value)
    return row_columns(
        subject, recipient, contact, nobody, subscription, item, mail, literal(MAIL_LANE), priority, now
    )


def _plan_partners(tx: Tx, item: Item, subject: str, topics: frozenset[str]) -> int:
    had = set(
        tx.connection.execute(
            select(dc.recipient).where(dc.item_id == item.id, dc.role == Role.OWED)
        ).scalars()
        if item.revision > 1
        else ()
    )
    rows = [
        {
            "subject": subject,
            "recipient": f"partner/{partner.id}",
            "partner_id": partner.id,
            "item_id": item.id,
            "revision": item.revision,
            "channel": partner.channel,
            "lane": f"partner/{partner.slug}",
            "priority": Priority.IMMEDIATE,
            **fresh(tx.now),
        }
        for partner in all_partners(tx)
        if partner.wants(topics, item.content.kind) and f"partner/{partner.id}" not in had
    ]
    add = insert_or_skip(tx, schema.deliveries)
    return sum(tx.connection.execute(add.values(**row)).rowcount for row in rows)
