"""Saying yes: what the button behind the link in a mail does, and what is shown before it (mail:LM2, LM3).

The link is of a whole sign-up, with which contact and subscriptions begin, or of one subscription that staff made.
Either way the same link says the same again, for three days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from syndicator.errors import NotFound, Refused
from syndicator.model.audience import Address, Contact, SubscriptionState, address
from syndicator.model.consent import Act
from syndicator.model.joining import RequestState, Wish
from syndicator.model.suppression import Reason
from syndicator.signup.joining import FORM, Visit
from syndicator.signup.tokens import Purpose, Tokens
from syndicator.store import Tx, audience, evidence, names, requests, suppressions, topics, wishes
from syndicator.store.requests import Request

CONFIRM_WITHIN = timedelta(hours=72)  # mail:LM2 asks for 48 to 72 hours
PERMIT_WITHIN = timedelta(days=30)  # whoever is asked by us, not by themselves, has more time
NEVER = (RequestState.QUIET, RequestState.KNOWN, RequestState.ERASED)  # nothing to say yes to
CONSENT = "confirmed by the link in the mail"


class Confirmation(StrEnum):
    """What became of a confirmation; unknown, forged and late links look the same from outside."""

    CONFIRMED = "confirmed"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link would confirm: the wish behind it, with the titles of its topics by slug."""

    wish: Wish
    titles: dict[str, str]


def signed(tokens: Tokens, token: str) -> bool:
    """Whether we made this link; asks no database."""
    return tokens.read_request(token) is not None or tokens.read(Purpose.CONFIRM, token) is not None


def asked(tx: Tx, tokens: Tokens, token: str) -> Asked | None:
    """What the link of a sign-up would confirm, as long as it may; None for every other."""
    request = _open(tx, tokens, token)
    if request is None or request.wish is None:
        return None
    return Asked(request.wish, topics.titles(tx, names.present(tx, request.wish.topics)))


def used(tx: Tx, tokens: Tokens, token: str) -> int | None:
    """Whose link this is, where it has done what it was for and still holds: the key of the contact."""
    if tokens.read_request(token) is not None:
        request = _open(tx, tokens, token)
        contact_id = request.contact_id if request and request.confirmed else None
        return contact_id if contact_id is not None and wishes.live(tx, contact_id) else None
    linked = audience.find_subscription(tx, tokens.read(Purpose.CONFIRM, token))
    if linked and linked.reason in (audience.MERGED, audience.REPLACED):
        linked = audience.latest(tx, linked)
    return linked.contact_id if linked and linked.state is SubscriptionState.ACTIVE else None


def confirm(tx: Tx, tokens: Tokens, token: str, visit: Visit | None = None) -> Confirmation:
    """Make true what this link asks for; the same link again says the same again (LM2).

    `visit` is from where they said so, for the evidence.
    """
    return confirmed(tx, tokens, token, visit)[0]


def confirmed(
    tx: Tx, tokens: Tokens, token: str, visit: Visit | None = None
) -> tuple[Confirmation, int | None]:
    """As `confirm`, and whose it was: the key of the contact, where something holds."""
    if tokens.read_request(token) is not None:
        contact_id = _sign_up(tx, tokens, token, visit or Visit())
    else:
        contact_id = _one(tx, tokens.read(Purpose.CONFIRM, token), visit or Visit())
    return (Confirmation.OVER if contact_id is None else Confirmation.CONFIRMED), contact_id


def _sign_up(tx: Tx, tokens: Tokens, token: str, visit: Visit) -> int | None:
    request = _open(tx, tokens, token)
    if request is None:
        return None
    if request.confirmed:
        return request.contact_id
    if request.wish is None:
        return None
    wish, who = request.wish, address(request.wish.address)
    suppressions.hold(
        tx, suppressions.digest(tx, who.key)
    )  # an erasure finds the contact, or we find it done
    if not _welcome(tx, who):
        return None
    listed = _listed(tx, who, wish)
    if listed is None:
        return None
    contact, new = listed
    if not requests.confirm(tx, request.id, contact.id):  # a second click was faster
        return contact.id
    requests.complete(tx, contact.id, wish)
    wording = evidence.wording_of(tx, request.consent)
    consent = f"{CONSENT} (wording {wording.version})" if wording else CONSENT
    begun = _subscribe(tx, contact.id, wish, consent)
    evidence.record(
        tx,
        Act.CONFIRMED,
        contact_id=contact.id,
        digest=suppressions.digest(tx, who.key),
        form=FORM,
        consent=request.consent,
        **visit.where,
        request=request.id,
        new=new,
        topics=begun,
        cadence=wish.cadence,
    )
    return contact.id


def _listed(tx: Tx, who: Address, wish: Wish) -> tuple[Contact, bool] | None:
    """The contact with this address, ours until we end, and whether it is new; None if it was forgotten meanwhile."""
    trial = tx.connection.begin_nested()
    try:
        contact, new = audience.add_contact(tx, who, zone=wish.zone)
    except Refused:
        trial.rollback()
        return None
    wishes.hold(tx, contact.id)
    if not _welcome(
        tx, who
    ):  # asked anew: who has the row blanked it, or another was made for a forgotten address
        trial.rollback()
        return None
    trial.commit()
    return contact, new


def _welcome(tx: Tx, who: Address) -> bool:
    """Whether this address may be on the list, now that its owner has said so; who had left comes back."""
    standing = suppressions.of(tx, who)
    if standing is None:
        return True
    if standing.domain or standing.reason is not Reason.LEFT:
        return False
    suppressions.unsuppress(tx, who)
    return suppressions.of(tx, who) is None  # their whole domain may be suppressed all the same


def _subscribe(tx: Tx, contact_id: int, wish: Wish, consent: str) -> list[str]:
    """Begin what is not live yet, and say what that was; what is live stays as it is."""
    theirs = audience.subscriptions(tx, contact_id)
    live = {one.topic for one in theirs if one.state is SubscriptionState.ACTIVE}
    begun = []
    for slug in names.present(tx, wish.topics):
        if slug in live:
            continue
        try:
            topic = topics.named(tx, slug)
            _, new = audience.subscribe(tx, contact_id, topic.id, wish.cadence_of(slug), consent)
        except (NotFound, Refused):  # the topic is over, or closes: the others do not suffer for it
            continue
        begun += [slug] if new else []
    return begun


def _open(tx: Tx, tokens: Tokens, token: str) -> Request | None:
    """The sign-up of this link, as long as the link is good for anything."""
    request_id = tokens.read_request(token)
    request = requests.by_id(tx, request_id) if request_id is not None else None
    if request is None or request.state in NEVER:
        return None
    within = PERMIT_WITHIN if request.state is RequestState.PERMISSION else CONFIRM_WITHIN
    return request if tx.now - (request.confirmed or request.created) <= within else None


def _one(tx: Tx, subscription_id: int | None, visit: Visit) -> int | None:
    """Whose subscription is active now that this one was to be confirmed; None where none is.

    What took its place meanwhile, at another cadence or topic, has their yes as well, within the time of this link.
    """
    linked = audience.find_subscription(tx, subscription_id)
    if linked is None:
        return None
    subscription = linked
    if linked.reason in (audience.MERGED, audience.REPLACED):
        subscription = audience.latest(tx, linked)
    if subscription.state is SubscriptionState.PENDING and tx.now - linked.created <= CONFIRM_WITHIN:
        if audience.confirm(tx, subscription.id, CONSENT):
            _prove(tx, subscription.contact_id, subscription.topic, visit)
        subscription = audience.subscription(tx, subscription.id)  # a second click may have been faster
    return subscription.contact_id if subscription.state is SubscriptionState.ACTIVE else None


def _prove(tx: Tx, contact_id: int, topic: str, visit: Visit) -> None:
    digest = suppressions.digest(tx, audience.contact_by_id(tx, contact_id).address.key)
    evidence.record(tx, Act.CONFIRMED, contact_id=contact_id, digest=digest, topics=[topic], **visit.where)
