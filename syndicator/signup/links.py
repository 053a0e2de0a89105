"""Leaving, and looking at what one subscribes to: what the links in our mail do.

Whether a subscription is live is the store's to say; how people come is in `joining` and `confirming`.
"""

from __future__ import annotations

from dataclasses import dataclass

from syndicator.errors import NotFound
from syndicator.model.audience import Cadence, Contact, Subscription, SubscriptionState
from syndicator.signup.tokens import Purpose, Tokens
from syndicator.store import Tx, audience, deliveries

LEFT = "unsubscribed"


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person and what they are subscribed to now."""

    contact: Contact
    subscriptions: tuple[Subscription, ...]


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None
) -> tuple[Subscription, bool]:
    """A subscription, and whether it is new; without consent the mail that asks for it is owed with it."""
    subscription, new = audience.subscribe(tx, contact_id, topic_id, cadence, consent)
    if new and subscription.state is SubscriptionState.PENDING:
        deliveries.plan_confirmation(tx, contact_id, subscription.id)
    return subscription, new


def unsubscribe(tx: Tx, tokens: Tokens, token: str) -> bool:
    """End the subscription of this token and stop what is not yet on the wire (LM7); twice is harmless.

    A token of one that another cadence or a merger of topics replaced ends what took its place. False if nothing was ended. Whoever answers a person must not let the two look different.
    """
    subscription = _subscription(tx, tokens.read(Purpose.UNSUBSCRIBE, token))
    if subscription and subscription.state is SubscriptionState.ENDED:
        subscription = audience.successor(tx, subscription)
    if subscription is None or not audience.end(tx, subscription.id, LEFT):
        return False
    deliveries.cancel_for_subscription(tx, subscription.id, LEFT)
    return True


def preferences(tx: Tx, tokens: Tokens, token: str) -> Preferences | None:
    """Whom this token belongs to and their live subscriptions, or None."""
    contact_id = tokens.read(Purpose.PREFERENCES, token)
    if contact_id is None:
        return None
    known = audience.subscriptions(tx, contact_id)
    if not known:  # signed by us, but the database is another one
        return None
    live = tuple(one for one in known if one.state is not SubscriptionState.ENDED)
    contact = audience.contact_by_id(tx, contact_id)
    return Preferences(contact=contact, subscriptions=live)


def _subscription(tx: Tx, subscription_id: int | None) -> Subscription | None:
    if subscription_id is None:
        return None
    try:
        return audience.subscription(tx, subscription_id)
    except NotFound:
        return None  # signed by us, but the database is another one: a restored or emptied store
