"""Whom a release will reach, asked of the same functions that plan it: what is foreseen is what is done.

Nothing is written here. One row for each subscription to one of the release's topics says whether its contact
gets the release by it, and everything by which a person can be told why, or why not (peers: the operator must see the
future).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, select

from syndicator.model.audience import Cadence, Standing, SubscriptionState
from syndicator.model.delivery import DeliveryState, advance_subject
from syndicator.model.item import memberships
from syndicator.model.release import Release
from syndicator.store import schema, segments, suppressions, topics
from syndicator.store.accreditations import holding
from syndicator.store.deliveries.advances import HAS, IS_ADVANCE, entitled, same_words
from syndicator.store.deliveries.duties import MAY_HAVE_IT, UNSENT
from syndicator.store.deliveries.owed import at_once, audience
from syndicator.store.engine import Tx

d, s, c, a, t = (
    schema.deliveries.c,
    schema.subscriptions.c,
    schema.contacts.c,
    schema.accreditations.c,
    schema.topics.c,
)


@dataclass(frozen=True, slots=True)
class Wish:
    """One subscription to one of the topics, and what it means for its contact.

    `owed`: they get the release by this one; `advance`: an advance copy will be on its way to them; `had`: they
    have these very words by then; `accredited`: may see what is under embargo now; `inside`: the release is for
    them, by the segments it names; `paused`: until when they want no mail, where they are paused.
    """

    contact_id: int
    address: str
    topic: str
    cadence: Cadence
    state: SubscriptionState
    ended: str | None
    suppressed: str | None
    accredited: bool
    advance: bool
    had: bool
    owed: bool
    inside: bool = True
    paused: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What the answer depends on, beside the rows: when it goes out, when advances do, whether those get it again.

    `advance` is None where no advance copies are to come; `again` is the house's rule for who has them.
    """

    at: datetime
    advance: datetime | None
    again: bool = False


def wishes(tx: Tx, release: Release, ahead: Foresight) -> Iterator[Wish]:
    """Every subscription, live or ended, to one of the release's topics, contact by contact.

    Before its instant, advance copies that wait are taken to be sent in time; at its instant, what waits is
    owed the release itself, as `advances.carry_over` has it.
    """
    slugs = memberships(release.content, topics.ruled(tx))
    keys = list(topics.ids(tx, slugs).values())
    coming = _coming(tx, release, ahead)
    has = _has(tx, release, ahead) | coming if not ahead.again else false()
    held = select(d.contact_id).where(d.release_id == release.id, IS_ADVANCE, MAY_HAVE_IT | UNSENT)
    # Asked for by itself: joined to the rows below, SQLite reads all of it for each of them.
    who = audience(tx, release.content, keys, has, at_once(release.content) | s.contact_id.in_(held))
    owed = {row.sub for row in tx.connection.execute(who)}
    accredited = and_(a.contact_id == s.contact_id, holding(tx.now))
    query = (
        select(
            s.id,
            s.contact_id,
            c.address,
            t.slug,
            s.cadence,
            s.state,
            s.reason,
            suppressions.WHY,
            a.id.is_not(None),
            coming,
            has,
            segments.members(tx, release.content.audience, s.contact_id),
            c.paused_until,
        )
        .join(schema.contacts, c.id == s.contact_id)
        .join(schema.topics, t.id == s.topic_id)
        .outerjoin(schema.suppressions, suppressions.by_address(tx.now))
        .outerjoin(suppressions.OF_DOMAIN, suppressions.by_domain(tx.now))
        .outerjoin(schema.accreditations, accredited)
        .where(s.topic_id.in_(sorted(keys)), c.standing != Standing.ERASED)
        .order_by(s.contact_id, s.id)
    )
    for row in tx.connection.execute(query):
        key, contact, address, topic, cadence, state, *facts = row
        ended, suppressed, accredited_now, advance, had, inside, paused = facts
        yield Wish(
            contact,
            address,
            topic,
            Cadence(cadence),
            SubscriptionState(state),
            ended,
            suppressed,
            accredited_now,
            advance,
            had,
            key in owed,
            inside,
            paused if paused and paused > tx.now else None,
        )


def _has(tx: Tx, release: Release, ahead: Foresight) -> ColumnElement[bool]:
    """Of a row of subscriptions: its contact has these very words, or will have them by then."""
    words = d.subject.in_(same_words(tx, release)) & d.state.in_(HAS)
    if tx.now < ahead.at:
        sending = d.state == DeliveryState.SENDING
        words = words | (d.subject == advance_subject(release.uid, release.version)) & sending
    return s.contact_id.in_(select(d.contact_id).where(d.release_id == release.id, IS_ADVANCE, words))


def _coming(tx: Tx, release: Release, ahead: Foresight) -> ColumnElement[bool]:
    """Of a row of subscriptions: an advance copy is still to go to its contact, planned already or by the rule."""
    planned = advance_subject(release.uid, release.version)
    if tx.now >= ahead.at or ahead.advance is None:
        return false()
    if tx.connection.execute(select(d.id).where(d.subject == planned).limit(1)).first():
        return s.contact_id.in_(select(d.contact_id).where(d.subject == planned, UNSENT))
    return s.contact_id.in_(select(entitled(tx, release, ahead.advance).subquery().c.contact_id))
