"""Subscriptions that staff makes: with somebody's yes at once, else it is asked for by mail."""

from __future__ import annotations

from syndicator.model.audience import Cadence, Subscription, SubscriptionState
from syndicator.store import Tx, audience, deliveries


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None
) -> tuple[Subscription, bool]:
    """A subscription, and whether it is new; without consent the mail that asks for it is owed with it."""
    subscription, new = audience.subscribe(tx, contact_id, topic_id, cadence, consent)
    if new and subscription.state is SubscriptionState.PENDING:
        deliveries.plan_confirmation(tx, contact_id, subscription.id)
    return subscription, new
