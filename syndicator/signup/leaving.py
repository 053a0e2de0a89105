"""Leaving, and taking it back: what the links to leave do, for one topic, for everything, for a while.

Leaving is immediate and asks nothing (mail:LM7, LM21). Since a forwarded mail can end what a whole desk reads, a
short farewell, the page, and the one who looks after a desk's address offer to take it back for seven days.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from syndicator.errors import Invalid
from syndicator.model.audience import (
    Address,
    Cadence,
    Contact,
    Standing,
    Subscription,
    SubscriptionState,
    address,
)
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.signup.tokens import Purpose, Tokens
from syndicator.store import Tx, audience, letters, suppressions, topics, windows, wishes

UNDO_FOR = timedelta(days=7)
PAUSE = timedelta(days=30)
FAREWELLS = timedelta(
    days=1
)  # at most one in that time of topics, and one of everything, however many clicks
LEFT = wishes.LEFT


class Scope(StrEnum):
    """What somebody means who opens a link to leave; a machine's one click means the first (mail:LM8)."""

    TOPIC = "topic"  # what that mail was made for
    ALL = "all"
    PAUSE = "pause"
    LESS = "less"
    UNDO = "undo"


def unsubscribe(tx: Tx, tokens: Tokens, token: str, **who: Any) -> bool:
    """End what the mail with this token was made for, and stop what is not yet on the wire; twice is harmless.

    A token of one that another cadence or a merger of topics replaced ends what took its place; one from a digest
    ends all that is gathered in it. False if nothing was ended. Whoever answers a person must not let the two look
    different.
    """
    subscription = of_token(tx, tokens, token)
    if subscription is None or subscription.state is SubscriptionState.ENDED:
        return False
    leave(tx, subscription.contact_id, windows.digest_subscriptions(tx, subscription.id), **who)
    return True


def act(tx: Tx, tokens: Tokens, token: str, scope: Scope, cadence: Cadence | None = None, **who: Any) -> None:
    """Do what was chosen on the page behind a link to leave; a token that is not ours does nothing."""
    if scope is Scope.TOPIC:
        unsubscribe(tx, tokens, token, **who)
        return
    subscription = of_token(tx, tokens, token)
    if subscription is None or _forgotten(tx, subscription.contact_id):
        return
    match scope:
        case Scope.ALL:
            leave_all(tx, subscription.contact_id, **who)
        case Scope.PAUSE:
            wishes.pause(tx, subscription.contact_id, tx.now + PAUSE, **who)
        case Scope.UNDO:
            wishes.pause(tx, subscription.contact_id, None, **who)
            objection = suppressions.of(tx, audience.contact_by_id(tx, subscription.contact_id).address)
            for left in (subscription.ended, objection.created if objection else None):  # two clicks, maybe
                if left:
                    undo(tx, subscription.contact_id, left, **who)
        case Scope.LESS if cadence:
            for one in windows.digest_subscriptions(tx, subscription.id):
                wishes.change_cadence(tx, one, cadence, **who)


def leave(tx: Tx, contact_id: int, subscription_ids: Sequence[int], **who: Any) -> datetime:
    """End these subscriptions at their owner's wish, and say farewell; the instant, which undoing names."""
    return _leave(tx, contact_id, subscription_ids, everything=False, **who)


def _leave(
    tx: Tx, contact_id: int, subscription_ids: Sequence[int], *, everything: bool, **who: Any
) -> datetime:
    wishes.hold(tx, contact_id)
    live = [audience.subscription(tx, one) for one in subscription_ids]
    active = [one for one in live if one.state is SubscriptionState.ACTIVE]
    left = wishes.leave(tx, contact_id, subscription_ids, **who)
    if active or everything:
        _farewell(tx, audience.contact_by_id(tx, contact_id), active, everything=everything)
    return left


def leave_all(tx: Tx, contact_id: int, **who: Any) -> datetime:
    """End everything, and let nobody put the address back: an objection to all of it (mail:LM21).

    Only they themselves lift it, by taking it back or by a sign-up of their own.
    """
    wishes.hold(tx, contact_id)
    contact = audience.contact_by_id(tx, contact_id)
    new = suppressions.suppress(tx, contact.address, Reason.LEFT, source="the contact")
    live = [one.id for one in audience.subscriptions(tx, contact_id) if one.ended is None]
    return _leave(tx, contact_id, live, everything=new or bool(live), **who)


def undo(tx: Tx, contact_id: int, left: datetime, **who: Any) -> bool:
    """Take back what somebody left at that instant, within seven days; whether it is as it was. Twice is harmless."""
    contact = audience.find_contact(tx, contact_id)
    if contact is None or contact.standing is Standing.ERASED or tx.now - left > UNDO_FOR:
        return False
    wishes.hold(tx, contact_id)
    objection = suppressions.of(tx, contact.address)
    lifted = bool(
        objection
        and objection.reason is Reason.LEFT
        and objection.created == left
        and not objection.domain
        and suppressions.unsuppress(tx, contact.address)
    )
    begun = wishes.restart(tx, contact_id, left, **who)
    return lifted or bool(begun) or wishes.taken_back(tx, contact_id, left)


def told_of_all(tx: Tx, contact_id: int) -> bool:
    """Whether a farewell takes back that they left everything, as it stands now: not each time one is sent."""
    objection = suppressions.of(tx, audience.contact_by_id(tx, contact_id).address)
    told = letters.said_lately(tx, Letter.FAREWELL, contact_id, UNDO_FOR)
    return objection is not None and any(
        datetime.fromisoformat(one["left"]) == objection.created for one in told
    )


def of_token(tx: Tx, tokens: Tokens, token: str) -> Subscription | None:
    """The subscription a link to leave is about now: the last that took its place, live or ended."""
    subscription = audience.find_subscription(tx, tokens.read(Purpose.UNSUBSCRIBE, token))
    return subscription and audience.latest(tx, subscription)


def _forgotten(tx: Tx, contact_id: int) -> bool:
    """Whether nothing may be written about this contact any more, not even from where a link was opened (LM19)."""
    wishes.hold(tx, contact_id)
    return audience.contact_by_id(tx, contact_id).standing is Standing.ERASED


def _farewell(tx: Tx, contact: Contact, ended: Sequence[Subscription], *, everything: bool) -> None:
    """To whoever left, and to who looks after the address; the second only where that is another.

    Who came back, by an undo or a sign-up, is told again, should everything end anew: a link in forwarded mail ends
    nothing silently.
    """
    told = [
        one
        for one in letters.said_lately(tx, Letter.FAREWELL, contact.id, FAREWELLS)
        if bool(one.get("all")) is everything
    ]
    if any(not everything or _holds(tx, contact, one) for one in told):
        return
    titles = topics.titles(tx)
    facts = {
        "topics": [titles.get(one.topic, one.topic) for one in ended],
        "until": (tx.now + UNDO_FOR).isoformat(),
        "zone": contact.zone,
        "left": tx.now.isoformat(),
        **({"all": True} if everything else {}),
    }
    letters.plan(tx, Letter.FAREWELL, contact.address, contact_id=contact.id, about=contact.id, facts=facts)
    owner = _owner(contact)
    if owner and owner.key != contact.address.key:
        named = facts | {"address": contact.address.typed}
        letters.plan(tx, Letter.OWNER, owner, about=contact.id, facts=named)


def _holds(tx: Tx, contact: Contact, farewell: Mapping[str, Any]) -> bool:
    """Whether this farewell to everything is to what they object to now, and none of that was taken back."""
    objection, left = suppressions.of(tx, contact.address), datetime.fromisoformat(farewell["left"])
    same = objection is not None and objection.created == left
    return same and not wishes.taken_back(tx, contact.id, left)


def _owner(contact: Contact) -> Address | None:
    try:
        return address(contact.owner) if contact.owner else None
    except Invalid:  # it was an address when it was written
        return None
