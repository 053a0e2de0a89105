"""Who is told: contacts, their subscriptions and cadences, and partners (DESIGN §2).

A subscription is never deleted, only ended, with a reason. An address is kept as typed for
sending and as a canonical key for uniqueness (`requirements/mail` LM5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email

from syndicator.errors import Invalid
from syndicator.model.delivery import Channel, OnUnknown
from syndicator.model.item import ALL, Kind
from syndicator.model.markup import one_line


class Cadence(StrEnum):
    """How often a subscription brings mail."""

    IMMEDIATE = "immediate"
    DAILY = "daily"
    WORKDAYS = "workdays"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    NTH_WEEKDAY = "nth-weekday"  # of the month


class Standing(StrEnum):
    """How somebody stands on the list."""

    LISTED = "listed"
    LEGACY = "legacy"  # imported without proof of a yes: asked once for it, and sent nothing else
    ERASED = "erased"  # forgotten: the row is kept for what was sent, without a word about the person


class SubscriptionState(StrEnum):
    """The life of a subscription."""

    PENDING = "pending"
    ACTIVE = "active"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A mail address: as typed for sending, and the key by which two spellings are one."""

    typed: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """When somebody's digests come, by the clock on their wall: `hour` always, the others by cadence.

    `weekday` 0 is Monday; `monthday` past the end of a month is its last day; `nth` is which of the month's
    `weekday`s, 5 the last.
    """

    hour: int = 8
    weekday: int = 0
    monthday: int = 1
    nth: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """Somebody on the media list. `zone` is the IANA zone their digests keep to.

    `country` is ISO 3166-1 alpha-2 and `language` a tag of RFC 5646, empty where unknown. `capped`: they want never
    more mail than their cadences say, urgent or not; `text_only`: letters without an HTML part. `basis` is the lawful basis somebody recorded in place of
    their own yes; `owner` the address of whoever looks after a desk's address. The generations void former links.
    """

    id: int
    address: Address
    name: str = ""
    outlet: str = ""
    country: str = ""
    language: str = ""
    zone: str = "UTC"
    times: Times = Times()
    capped: bool = False
    text_only: bool = False
    paused_until: datetime | None = None
    standing: Standing = Standing.LISTED
    basis: str | None = None
    owner: str | None = None
    notes: str = ""
    generation: int = 0
    press_generation: int = 0
    created: datetime
    suppressed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accreditation:
    """Somebody may see what is under embargo: who said so, until when, and to what they agreed (EM1, LM20)."""

    id: int
    contact_id: int
    granted: datetime
    granted_by: str
    agreement: str
    until: datetime | None = None
    ended: datetime | None = None
    reason: str | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it counts at this instant."""
        return self.ended is None and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Contact × topic × cadence. `consent` says where the yes came from; None while pending.

    Items pushed from `since` on are for it: earlier than `created` where it took the place of another.
    """

    id: int
    contact_id: int
    topic: str
    cadence: Cadence
    state: SubscriptionState
    created: datetime
    since: datetime
    consent: str | None = None
    ended: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An organisation's machine that receives pushes.

    Empty `topics` or `kinds` mean all of them. `secret` signs webhooks (Standard Webhooks,
    `whsec_` + base64); `allow_private` lists address ranges it may be reached at in spite of the
    guard; `file` marks it as managed by the config file.
    """

    id: int
    slug: str
    channel: Channel
    url: str
    secret: str
    topics: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    on_unknown: OnUnknown | None = None
    allow_private: tuple[str, ...] = ()
    paused: bool = False
    file: bool = False
    created: datetime

    def wants(self, topics: frozenset[str], kind: Kind) -> bool:
        """Whether an item that enters these topics (ruled ones and `all` included) goes to this partner."""
        return not topics.isdisjoint(self.topics or (ALL,)) and (not self.kinds or kind in self.kinds)


def address(text: str) -> Address:
    """The address in `text`; raises Invalid in words a person can act on. Never asks the DNS.

    The domain becomes lower-case A-labels; the local part keeps its case for sending and is folded
    in the key; dots and plus tags are never stripped (LM5).

    >>> address("Jane.Doe+press@Example.ORG").key
    'jane.doe+press@example.org'
    """
    if any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise Invalid(f"{text!r} is no mail address: it holds a line break or control character")
    try:
        valid = validate_email(
            text.strip(), check_deliverability=False, test_environment=True, globally_deliverable=False
        )
    except EmailNotValidError as fault:
        why = str(fault).rstrip(".").replace("An email", "A mail").replace("email", "mail")
        raise Invalid(f"{text!r} is no mail address: {why[:1].lower()}{why[1:]}") from None
    domain = (valid.ascii_domain or valid.domain).lower()
    typed = f"{valid.local_part}@{domain}"
    return Address(typed=typed, key=key_of(typed))


def key_of(typed: str) -> str:
    """The canonical key of an address that was understood before: of two spellings of one address it is the same.

    >>> key_of("ÉVA@example.org")
    'éva@example.org'
    """
    local, _, domain = typed.rpartition("@")
    # Not `casefold`: to it ſ is s and ß is ss, and whoever has the one mailbox would say yes for the other's reader.
    return f"{local.lower()}@{domain.lower()}"


def person_name(text: str) -> str:
    """A display name fit for a header; raises Invalid on line breaks and control characters (I1)."""
    return one_line(text, "a name")


def cadence_named(text: str) -> Cadence:
    """The cadence with this name; raises Invalid with those there are."""
    try:
        return Cadence(text)
    except ValueError:
        raise Invalid(f"unknown cadence {text!r}: use {', '.join(Cadence)}") from None


def webhook_url(text: str) -> str:
    """The URL of a webhook; raises Invalid unless it is absolute http(s) without user or fragment."""
    one_line(text, "a URL")
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        good = good and "@" not in parts.netloc and not parts.fragment
    except ValueError:  # broken brackets, a port that is no number or too large
        good = False
    if not good:
        raise Invalid(
            f"{text!r} is no webhook address: use https://host/path without user, password or #fragment"
        )
    return text
