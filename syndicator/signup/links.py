"""Joining, confirming, leaving, and looking at what one subscribes to: what the links in our mail do.

A link carries a token: a row's key and a MAC over (purpose, row, generation). Nothing is stored
for it, nothing about a person stands in it, and a token for one purpose is worthless for another.
Unsubscribe tokens never expire and survive a change of key. Whether a subscription is live is the
store's to say; sign-up itself (the form, its limits) comes on top of this.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from syndicator.errors import Invalid, NotFound
from syndicator.model.audience import Cadence, Contact, Subscription, SubscriptionState
from syndicator.store import Tx, audience, deliveries

CONFIRM_WITHIN = timedelta(hours=72)  # mail:LM2 asks for 48 to 72 hours
CONSENT = "confirmed by the link in the mail"
LEFT = "unsubscribed"
# 144 bits of HMAC-SHA256: more than LM2 asks for, and base64 has no spare bits to play with.
MAC_BYTES = 18


class Purpose(StrEnum):
    """What a token is good for; part of what is signed, never of the token."""

    CONFIRM = "confirm"
    UNSUBSCRIBE = "unsubscribe"
    PREFERENCES = "preferences"
    PING = "ping"
    PRESS = "press"
    PREVIEW = "preview"


class Confirmation(StrEnum):
    """What became of a confirmation; unknown, forged and late links look the same from outside."""

    CONFIRMED = "confirmed"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the link to a preview shows, until when: one version of a release."""

    release_id: int
    version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Preferences:
    """A person and what they are subscribed to now."""

    contact: Contact
    subscriptions: tuple[Subscription, ...]


class Tokens:
    """Mints and reads tokens. The first key signs; former keys after it only verify."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys or not all(keys):
            raise Invalid("links in mail need a signing key: set site.secret_key")
        self._keys = tuple(key.encode() for key in keys)

    def __repr__(self) -> str:
        return f"Tokens({len(self._keys)} keys)"  # never the keys: a repr ends up in logs

    def confirm_token(self, subscription_id: int) -> str:
        """For `/media-list/confirm/{token}`."""
        return self._mint(self._keys[0], Purpose.CONFIRM, subscription_id, 0)

    def unsubscribe_token(self, subscription_id: int) -> str:
        """For `/media-list/unsubscribe/{token}`; good for ever."""
        return self._mint(self._keys[0], Purpose.UNSUBSCRIBE, subscription_id, 0)

    def preferences_token(self, contact_id: int, generation: int = 0) -> str:
        """For `/media-list/preferences/{token}`; another generation makes earlier ones worthless."""
        return self._mint(self._keys[0], Purpose.PREFERENCES, contact_id, generation)

    def ping_token(self, upstream_id: int) -> str:
        """For `/ping/{token}`; good as long as the key."""
        return self._mint(self._keys[0], Purpose.PING, upstream_id, 0)

    def press_token(self, contact_id: int, release_id: int) -> str:
        """For `/press/{token}/`, one person's own; good as long as they are accredited (mail:EM6)."""
        return self._seal(self._keys[0], Purpose.PRESS, (contact_id, release_id))

    def read_press(self, token: str) -> tuple[int, int] | None:
        """The contact and the release such a token speaks of, or None if we did not sign it."""
        found = self._unseal(Purpose.PRESS, token, 2)
        return (found[0], found[1]) if found else None

    def preview_token(self, release_id: int, version: int, expires: datetime) -> str:
        """For `/press/{token}/` of a preview; `expires` counts in whole seconds and stands in it."""
        parts = (release_id, version, int(expires.timestamp()))
        return self._seal(self._keys[0], Purpose.PREVIEW, parts)

    def read_preview(self, token: str, now: datetime) -> Preview | None:
        """What such a token shows, or None if we did not sign it or its time is over at `now`."""
        found = self._unseal(Purpose.PREVIEW, token, 3)
        if found is None:
            return None
        release_id, version, ends = found
        expires = datetime.fromtimestamp(ends, UTC)  # we signed it: it is in the calendar
        return Preview(release_id, version, expires) if now < expires else None

    def read(self, purpose: Purpose, token: str, generation: int = 0) -> int | None:
        """The row a token speaks of, or None if we did not sign it for this purpose."""
        number = token.partition(".")[0]
        if not _is_key(number):
            return None
        row = int(number)
        given = token.encode("utf-8", "surrogatepass")
        # Whole tokens are compared: base64 that decodes to the same bytes is not the same token.
        known = [self._mint(key, purpose, row, generation).encode() for key in self._keys]
        return row if any(hmac.compare_digest(given, one) for one in known) else None

    def _unseal(self, purpose: Purpose, token: str, count: int) -> tuple[int, ...] | None:
        *figures, _mac = token.split(".", count)
        if len(figures) != count or not all(_is_key(one) for one in figures):
            return None
        parts = tuple(int(one) for one in figures)
        given = token.encode("utf-8", "surrogatepass")
        known = [self._seal(key, purpose, parts).encode() for key in self._keys]
        return parts if any(hmac.compare_digest(given, one) for one in known) else None

    @staticmethod
    def _seal(key: bytes, purpose: Purpose, parts: tuple[int, ...]) -> str:
        figures = [str(part) for part in parts]
        signed = "/".join(["syndicator", purpose, *figures]).encode()
        return ".".join([*figures, _mac(key, signed)])

    @staticmethod
    def _mint(key: bytes, purpose: Purpose, row: int, generation: int) -> str:
        # The parts cannot run into each other: a purpose is a word of ours, the rest are figures.
        signed = f"syndicator/{purpose}/{row}/{generation}".encode()
        return f"{row}.{_mac(key, signed)}"


def subscribe(
    tx: Tx, contact_id: int, topic_id: int, cadence: Cadence, consent: str | None
) -> tuple[Subscription, bool]:
    """A subscription, and whether it is new; without consent the mail that asks for it is owed with it."""
    subscription, new = audience.subscribe(tx, contact_id, topic_id, cadence, consent)
    if new and subscription.state is SubscriptionState.PENDING:
        deliveries.plan_confirmation(tx, contact_id, subscription.id)
    return subscription, new


def confirm(tx: Tx, tokens: Tokens, token: str) -> Confirmation:
    """Make the subscription of this token active; the same link again says the same again (LM2)."""
    subscription = _subscription(tx, tokens.read(Purpose.CONFIRM, token))
    if subscription and subscription.reason == audience.MERGED:
        subscription = audience.successor(tx, subscription)
    if subscription is None:
        return Confirmation.OVER
    if subscription.state is SubscriptionState.PENDING and tx.now - subscription.created <= CONFIRM_WITHIN:
        audience.confirm(tx, subscription.id, CONSENT)
        subscription = audience.subscription(tx, subscription.id)  # a second click may have been faster
    live = subscription.state is SubscriptionState.ACTIVE
    return Confirmation.CONFIRMED if live else Confirmation.OVER


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


def _mac(key: bytes, signed: bytes) -> str:
    keyed = _keyed(key).copy()
    keyed.update(signed)
    return base64.urlsafe_b64encode(keyed.digest()[:MAC_BYTES]).decode()


@functools.lru_cache(8)
def _keyed(key: bytes) -> hmac.HMAC:
    """The key as HMAC works with it: a copy costs a fraction of it, and two stand in each letter."""
    return hmac.new(key, digestmod=hashlib.sha256)


def _is_key(figures: str) -> bool:
    return figures.isascii() and figures.isdigit() and len(figures) <= 19  # a key is below 2**63
