"""Deliveries: the duty to bring one subject to one recipient, and the pure rules about it.

Lives of a delivery (DESIGN §2, `requirements/delivery-and-security` §1.4):

    due → leased → sending → accepted | refused | unknown | cancelled | expired
     ↑_______________|  deferred: due again          (a held doubt stays unknown, no due time)

Serves walk B. The rows and the claims are in `store.deliveries`; the flow in `delivery.lanes`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum


class Outcome(StrEnum):
    """How one try ended. We never say "delivered" for "accepted"."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # certainly not accepted; try again
    REFUSED = "refused"  # never
    UNKNOWN = "unknown"  # it may have arrived


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    DUE = "due"
    LEASED = "leased"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN = (DeliveryState.DUE, DeliveryState.LEASED, DeliveryState.SENDING)
# A correction goes to everyone who had the thing or may have it: doubt counts as having.
MAY_HAVE = (DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.SENDING)


class Priority(IntEnum):
    """Who goes first; smaller goes earlier."""

    KILL = 10
    CONFIRMATION = 20
    CORRECTION = 30
    IMMEDIATE = 40
    # Each hub has a lane of its own, so a ping waits for no mail and no mail for it; the place counts
    # only where somebody reads the whole ledger in order.
    PING = 45
    DIGEST = 50
    NEWSLETTER = 60


class Channel(StrEnum):
    """By what road a recipient is reached. A closed union: each has its sender in `delivery`."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    WEBSUB = "websub"  # pings to outside hubs


class OnUnknown(StrEnum):
    """What to do about a doubt: try once more with the same identity, or leave it to a person."""

    REPEAT = "repeat"
    HOLD = "hold"


class Role(StrEnum):
    """Why a recipient got a revision; `owed` is given once per person and item for ever."""

    OWED = "owed"
    TOLD = "told"  # a correction or a kill, after they had it
    ADVANCE = "advance"  # an embargoed copy in words that were not yet those of the item


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a try may take, and what a doubt leads to."""

    lease: timedelta = timedelta(minutes=10)
    repeat_after: timedelta = timedelta(minutes=10)
    on_unknown: OnUnknown | None = None  # None: what the subject and channel ask for


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One delivery taken for sending: all a lane needs to know, and the fence it settles with.

    `recipient` is the ledger's key of the recipient ("contact/42"); `address` the mail address or the
    partner's slug, `domain` the former's domain; `planned` the instant it became a duty. An advance names
    its release and the `version` of it, a notice about an embargo the release and the notice's number.
    """

    id: int
    subject: str
    channel: Channel
    lane: str
    recipient: str
    address: str
    name: str
    attempt: int
    lease_no: int
    item_id: int | None
    revision: int | None
    release_id: int | None = None
    version: int | None = None
    domain: str = ""
    subscription_id: int | None = None
    planned: datetime
    doubts: int = 0
    worker: str | None = None
    priority: Priority = Priority.IMMEDIATE
    on_unknown: OnUnknown | None = None  # the partner's own wish

    @property
    def role(self) -> Role:
        """Why the recipient gets it: told of a correction or a kill, or owed it."""
        return Role.TOLD if self.priority in (Priority.KILL, Priority.CORRECTION) else Role.OWED


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one try ended, in words an operator understands.

    `code` is the SMTP or HTTP status; `after` the pause the other side asked for; `over` says that
    the destination wants nothing more, ever (HTTP 410).
    """

    outcome: Outcome
    detail: str = ""
    code: int | None = None
    after: timedelta | None = None
    over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What becomes of the delivery: its next state and, if it is due again, when."""

    state: DeliveryState
    due: datetime | None = None


# Svix's schedule, which partners know (`requirements/delivery-and-security` §1.4 rule 7).
WEBHOOK_WAITS = tuple(timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 36000))
# SE8: greylisting wants 5-6 minutes first, then ever longer, then every four hours.
MAIL_WAITS = tuple(timedelta(minutes=m) for m in (5, 15, 30, 60, 120, 240, 240, 240, 240, 240, 240, 240))
# A ping is cheap and about now: soon again, then ever slower; the last pause is repeated.
PING_WAITS = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 1800, 3600))
WAITS = {Channel.MAIL: MAIL_WAITS, Channel.WEBHOOK: WEBHOOK_WAITS, Channel.WEBSUB: PING_WAITS}
PING_LIFE = timedelta(hours=6)  # by then hubs and readers have polled, or the next change has its own ping
PING_DELAY = timedelta(seconds=2)  # until bytes just stored are served by every process (DESIGN §5.5)
RETRY_AFTER_CAP = timedelta(hours=24)


def revision_subject(uid: str, number: int) -> str:
    """The subject of a revision; what the ledger's UNIQUE is built on."""
    return f"revision/{uid}/{number}"


def advance_subject(uid: str, version: int) -> str:
    """The subject of an embargoed copy of one version of a release."""
    return f"advance/{uid}/{version}"


def notice_subject(uid: str, number: int) -> str:
    """The subject of the `number`-th notice about an embargo to those who had an advance: moved, lifted, cancelled."""
    return f"notice/{uid}/{number}"


def sample_subject(uid: str, version: int, number: str) -> str:
    """The subject of a marked test of a release to a named address; it counts nowhere."""
    return f"sample/{uid}/{version}/{number}"


def alarm_subject(alarm_id: int) -> str:
    """The subject of a mail that tells the desk of an alarm."""
    return f"alarm/{alarm_id}"


def confirmation_subject(subscription_id: int) -> str:
    """The subject of the mail that asks somebody to confirm a subscription."""
    return f"confirmation/{subscription_id}"


def ping_subject(url: str, version: str) -> str:
    """The subject of the ping that tells a hub of one change of one feed."""
    return f"ping/{url}/{version}"


def ping_recipient(hub: str, url: str) -> str:
    """The ledger's key of a hub, as far as one feed is concerned: each feed is a topic of its own (feeds:W1).

    >>> ping_hub(ping_recipient("https://hub.example/", "https://news.example/feeds/all.atom"))
    'https://hub.example/'
    """
    return f"hub/{hub} {url}"


def hub_lane(hub: str) -> str:
    """The lane of a hub: a destination of its own, so that one that hangs holds up no other."""
    return f"hub/{hub}"


def ping_hub(recipient: str) -> str:
    """The address of the hub in a ping's recipient."""
    return recipient.removeprefix("hub/").partition(" ")[0]


def ping_url(recipient: str) -> str:
    """The address of the changed feed in a ping's recipient."""
    return recipient.partition(" ")[2]


def doubt_policy(attempt: Try, policy: Policy) -> OnUnknown:
    """What a doubt leads to: the partner's wish, else the house's, else by subject (DESIGN §5.1)."""
    if wish := attempt.on_unknown or policy.on_unknown:
        return wish
    held = attempt.channel is Channel.MAIL and attempt.subject.startswith(("digest/", "newsletter/"))
    return OnUnknown.HOLD if held else OnUnknown.REPEAT


def wait(channel: Channel, tries: int, key: str) -> timedelta | None:
    """The pause after the `tries`-th failed try, ±20 % by the key, or None to give up.

    >>> wait(Channel.WEBHOOK, 99, "x") is None
    True
    """
    waits = WAITS[channel]
    if tries > len(waits):
        return None
    spread = 0.8 + zlib.crc32(f"{key}/{tries}".encode()) % 1000 / 2500  # no dice: 0.8 … 1.2 from the key
    return waits[tries - 1] * spread


def blames_destination(channel: Channel, result: Result) -> bool:
    """Whether a result says that the destination itself is in trouble, not only this one recipient.

    A partner or a hub is one machine: whatever it does not take is its trouble. A relay speaks of
    recipients too; a lost connection, 421 and 530 are about itself (RFC 5321 §3.8, RFC 4954 §6).

    >>> blames_destination(Channel.MAIL, Result(outcome=Outcome.DEFERRED, code=450))
    False
    """
    if result.outcome not in (Outcome.DEFERRED, Outcome.UNKNOWN):
        return False
    return channel is not Channel.MAIL or result.code in (None, 421, 530)


def settle(attempt: Try, result: Result, policy: Policy, now: datetime) -> Settlement:
    """What follows from a result: pure, so that every branch can be tried at its edge.

    A doubt under *repeat* is repeated once; a second doubt stays `unknown` for a person. A ping says
    the same however often it comes, so no doubt about one is left to anybody.
    """
    if attempt.channel is Channel.WEBSUB and result.outcome in (Outcome.DEFERRED, Outcome.UNKNOWN):
        return _after_silence(attempt, result, now)
    match result.outcome:
        case Outcome.ACCEPTED:
            return Settlement(state=DeliveryState.ACCEPTED)
        case Outcome.REFUSED:
            return Settlement(state=DeliveryState.REFUSED)
        case Outcome.UNKNOWN:
            return _after_doubt(attempt, policy, now)
        case Outcome.DEFERRED:
            return _after_deferral(attempt, result, now)


def _after_doubt(attempt: Try, policy: Policy, now: datetime) -> Settlement:
    if doubt_policy(attempt, policy) is OnUnknown.REPEAT and attempt.doubts == 0:
        return Settlement(state=DeliveryState.DUE, due=now + policy.repeat_after)
    return Settlement(state=DeliveryState.UNKNOWN)


def _after_deferral(attempt: Try, result: Result, now: datetime) -> Settlement:
    pause = wait(attempt.channel, attempt.attempt, f"{attempt.subject}/{attempt.recipient}")
    if pause is None:
        return Settlement(state=DeliveryState.REFUSED)
    return Settlement(state=DeliveryState.DUE, due=now + max(pause, _asked(result)))


def _after_silence(attempt: Try, result: Result, now: datetime) -> Settlement:
    tries = min(attempt.attempt, len(PING_WAITS))
    pause = wait(attempt.channel, tries, f"{attempt.subject}/{attempt.recipient}") or timedelta()
    due = now + max(pause, _asked(result))
    if due > attempt.planned + PING_LIFE:
        return Settlement(state=DeliveryState.EXPIRED)
    return Settlement(state=DeliveryState.DUE, due=due)


def _asked(result: Result) -> timedelta:
    return min(result.after, RETRY_AFTER_CAP) if result.after else timedelta()
