"""Suppression: an address or a whole domain that must not be mailed, and why (DESIGN §2, mail:LM10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syndicator.errors import Invalid


class Reason(StrEnum):
    """Why an address is suppressed. Which of them end by themselves or by a new yes is `LASTING`'s to say."""

    LEFT = "unsubscribed"  # from everything; a new sign-up of their own lifts it
    DEAD = "dead"  # the address takes no mail
    COMPLAINT = "complaint"  # reported as unwanted
    MANUAL = "manual"  # staff said so
    LEGAL = "legal"
    ERASED = "erased"


# Only their own new double opt-in, after a person of ours has lifted it, brings these back; they never expire.
LASTING = frozenset({Reason.COMPLAINT, Reason.LEGAL, Reason.ERASED})
LEAST_DEAD = timedelta(days=180)  # an address that is dead is left alone for so long at least
_WEAKEST_FIRST = (Reason.LEFT, Reason.DEAD, Reason.MANUAL, Reason.COMPLAINT, Reason.LEGAL, Reason.ERASED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """One suppression in force. `domain` is set for a whole domain; of an address only a digest is kept."""

    reason: Reason
    words: str = ""
    source: str = ""
    created: datetime
    expires: datetime | None = None
    domain: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.words}" if self.words else str(self.reason)


def outranks(new: Reason, old: Reason) -> bool:
    """Whether a new reason takes the place of one that holds; an equal or weaker one leaves it as it is."""
    return _WEAKEST_FIRST.index(new) > _WEAKEST_FIRST.index(old)


def check_expiry(reason: Reason, expires: datetime | None, now: datetime) -> None:
    """Raise Invalid where a suppression for this reason may not end then (mail:LM10)."""
    if expires is None:
        return
    if reason in LASTING:
        raise Invalid(f"a suppression for {reason} never ends by itself: leave out until when")
    if expires <= now:
        raise Invalid(f"{expires:%Y-%m-%d %H:%M} UTC has gone by already: say a later instant")
    if reason is Reason.DEAD and expires - now < LEAST_DEAD:
        raise Invalid(f"a dead address is left alone for {LEAST_DEAD.days} days at least")
