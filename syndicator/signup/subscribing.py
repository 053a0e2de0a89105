"""Subscriptions that staff makes: with somebody's yes at once, else it is asked for by mail."""

from __future__ import annotations

from syndicator.errors import Refused
from syndicator.model.audience import Cadence, Subscription, SubscriptionState
from syndicator.model.joining import EACH_ADDRESS, EVER
from syndicator.signup.confirming import CONFIRM_WITHIN
from syndicator.store import Tx, asking, audience, deliveries


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None, *, again: bool = False
) -> tuple[Subscription, bool]:
    """A subscription, and whether it is new; without consent the mail that asks for it is owed with it.

    One that waits for a yes begins anew, and asks once more, where the time of its link is over, or with `again`.
    Raises Refused where they were asked within a day, or three times without an answer (mail:LM4).
    """
    subscription, new = audience.subscribe(tx, contact_id, topic_id, cadence, consent)
    if (
        not new
        and subscription.state is SubscriptionState.PENDING
        and _may_ask(tx, subscription, again=again)
    ):
        audience.end(tx, subscription.id, audience.REPLACED)
        subscription, new = audience.subscribe(tx, contact_id, topic_id, cadence, None)
    if new and subscription.state is SubscriptionState.PENDING:
        deliveries.plan_confirmation(tx, contact_id, subscription.id)
    return subscription, new


def _may_ask(tx: Tx, waiting: Subscription, *, again: bool) -> bool:
    """Whether the mail about a subscription that waits for a yes is to go once more."""
    asked = asking.asked_for(tx, waiting)
    over = bool(asked) and tx.now - max(asked) > CONFIRM_WITHIN
    if not (again or over):
        return False
    if len(asked) >= EVER:
        raise Refused(
            f"they were asked for {waiting.topic} {len(asked)} times and never answered: ask them in another way, and "
            "say with --consent where their yes came from"
        )
    lately = [*asked, *asking.permissions(tx, waiting.contact_id)]
    if lately and tx.now - max(lately) <= EACH_ADDRESS:
        raise Refused(f"they were asked on {max(lately):%Y-%m-%d at %H:%M} UTC: once a day is enough")
    return True
