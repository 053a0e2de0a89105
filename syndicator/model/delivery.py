"""Deliveries: the duty to bring one subject to one recipient, and the pure rules about it.

Lives of a delivery (DESIGN §2, `requirements/delivery-and-security` §1.4):

    due → leased → sending → accepted | refused | unknown | cancelled | expired
     ↑_______________|  deferred: due again          (a held doubt stays unknown, no due time)

Serves walk B. The rows and the claims are in `store.deliveries`; the flow in `delivery.lanes`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from syndicator.model.outcomes import OF_THE_RELAY, Cause, Outcome, Result
from syndicator.model.waits import LONGEST_ASKED, PING_LIFE, PING_WAITS, Channel, wait

__all__ = [
    "BRIEF",
    "FEW_SPARED",
    "MAY_HAVE",
    "MOST_SPARED",
    "OPEN",
    "PING_DELAY",
    "PING_LIFE",
    "SPARED_FOR",
    "Cause",
    "Channel",
    "DeliveryState",
    "OnUnknown",
    "Outcome",
    "Policy",
    "Priority",
    "Result",
    "Role",
    "Settlement",
    "Try",
    "advance_subject",
    "alarm_subject",
    "blames_destination",
    "confirmation_subject",
    "doubt_policy",
    "hub_lane",
    "notice_subject",
    "ping_hub",
    "ping_recipient",
    "ping_subject",
    "ping_url",
    "revision_subject",
    "sample_subject",
    "settle",
    "spared",
    "spared_for",
    "wait",
]


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


class OnUnknown(StrEnum):
    """What to do about a doubt: try once more with the same identity, or leave it to a person."""

    REPEAT = "repeat"
    HOLD = "hold"


class Role(StrEnum):
    """Why a recipient got a revision; `owed` is given once per person and item for ever."""

    OWED = "owed"
    TOLD = "told"  # a correction or a kill, after they had it
    SHOWN = "shown"  # in an issue of the newsletter: had, but not owed, so that it may be owed still
    ADVANCE = "advance"  # an embargoed copy in words that were not yet those of the item


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How long a try may take, what a doubt leads to, and when a person is asked.

    `late_after`: mail of a release that much behind its instant waits for a person; None, never.
    `domain_connections` and `domain_rate` (letters a second) bound what goes to one domain of recipients,
    0 is no limit. `stop_above`: per cent of a sending's first mails turned away at which mail pauses; 0 never.
    """

    lease: timedelta = timedelta(minutes=10)
    repeat_after: timedelta = timedelta(minutes=10)
    on_unknown: OnUnknown | None = None  # None: what the subject and channel ask for
    late_after: timedelta | None = None
    domain_connections: int = 0
    domain_rate: int = 0
    stop_above: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One delivery taken for sending: all a lane needs to know, and the fence it settles with.

    `recipient` is the ledger's key of the recipient ("contact/42"); `address` the mail address or the
    partner's slug, `domain` the former's domain; `planned` the instant it became a duty. An advance names
    its release and the `version` of it, a notice about an embargo the release and the notice's number;
    `under_embargo`: that release has an embargo and is not out yet.
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
    under_embargo: bool = False
    domain: str = ""
    subscription_id: int | None = None
    planned: datetime
    doubts: int = 0
    worker: str | None = None
    priority: Priority = Priority.IMMEDIATE
    on_unknown: OnUnknown | None = None  # the partner's own wish
    generation: int = 0  # of the contact's links
    press_generation: int = 0  # of those to releases under embargo
    text_only: bool = False  # without an HTML part

    @property
    def role(self) -> Role:
        """Why the recipient gets it: told of a correction or a kill, or owed it."""
        return Role.TOLD if self.priority in (Priority.KILL, Priority.CORRECTION) else Role.OWED


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What becomes of the delivery: its next state and, if it is due again, when; whether the try counts."""

    state: DeliveryState
    due: datetime | None = None
    counted: bool = True


PING_DELAY = timedelta(seconds=2)  # until bytes just stored are served by every process (DESIGN §5.5)
# What was spared comes again behind those who wait already, so that no letter can hold up the others.
SPARED_FOR = timedelta(seconds=1)
MOST_SPARED = 1000
LONGEST_SPARED = timedelta(minutes=30)
# What ended so many connections of a relay that was well in between is itself in trouble.
FEW_SPARED = 4
# Subjects nobody wants any more the day after: they are given up within a day.
BRIEF = ("confirmation/", "digest/", "newsletter/", "alarm/", "sample/", "letter/")


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
    late = attempt.priority is Priority.NEWSLETTER or attempt.subject.startswith(("digest/", "newsletter/"))
    held = attempt.channel is Channel.MAIL and late
    return OnUnknown.HOLD if held else OnUnknown.REPEAT


def blames_destination(channel: Channel, result: Result) -> bool:
    """Whether a result says that the destination itself is in trouble, not only this one recipient.

    A partner or a hub is one machine: whatever it does not take is its trouble. A relay speaks of
    recipients too; a lost connection, 421 and 530 are about itself (RFC 5321 §3.8, RFC 4954 §6), and so
    is whatever it says before it hears of a recipient (mail:SE7).

    >>> blames_destination(Channel.MAIL, Result(outcome=Outcome.DEFERRED, code=450))
    False
    """
    if result.outcome not in (Outcome.DEFERRED, Outcome.UNKNOWN):
        return False
    if channel is not Channel.MAIL:
        return True
    return result.cause in OF_THE_RELAY or result.code in (421, 530) or not (result.cause or result.code)


def spared(attempt: Try, result: Result, *, well: bool) -> bool:
    """Whether this try does not count: the relay was in trouble and judged nobody.

    `well` says that it took other letters meanwhile; then only 421 speaks of the relay, and even that not for
    ever: what ends every connection it is sent over is in trouble itself.
    """
    if attempt.channel is not Channel.MAIL or result.outcome is not Outcome.DEFERRED:
        return False
    if not blames_destination(attempt.channel, result):
        return False
    return not well or (result.code == 421 and attempt.lease_no - attempt.attempt < MOST_SPARED)


def spared_for(times: int) -> timedelta:
    """How long what met a relay's trouble so many times waits beyond the relay's own pause (bounded).

    >>> [str(spared_for(times)) for times in (1, 2, 3, 4, 5)]
    ['0:00:01', '0:00:08', '0:01:04', '0:08:32', '0:30:00']
    """
    pause: timedelta = min(SPARED_FOR * 8 ** min(max(times, 1) - 1, 6), LONGEST_SPARED)
    return pause


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
    if result.spared:
        return Settlement(state=DeliveryState.DUE, due=now + SPARED_FOR, counted=False)
    pause = wait(
        attempt.channel,
        attempt.attempt,
        f"{attempt.subject}/{attempt.recipient}",
        cause=result.cause,
        brief=attempt.subject.startswith(BRIEF),
    )
    if pause is None:
        # A partner's machine that took nothing for days has refused; a mailbox has run out of time.
        over = DeliveryState.EXPIRED if attempt.channel is Channel.MAIL else DeliveryState.REFUSED
        return Settlement(state=over)
    return Settlement(state=DeliveryState.DUE, due=now + max(pause, _asked(result)))


def _after_silence(attempt: Try, result: Result, now: datetime) -> Settlement:
    tries = min(attempt.attempt, len(PING_WAITS))
    pause = wait(attempt.channel, tries, f"{attempt.subject}/{attempt.recipient}") or timedelta()
    due = now + max(pause, _asked(result))
    if due > attempt.planned + PING_LIFE:
        return Settlement(state=DeliveryState.EXPIRED)
    return Settlement(state=DeliveryState.DUE, due=due)


def _asked(result: Result) -> timedelta:
    return min(result.after, LONGEST_ASKED) if result.after else timedelta()
