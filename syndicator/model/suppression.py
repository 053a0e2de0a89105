"""Suppression: an address or a whole domain that must not be mailed, and why (DESIGN §2, mail:LM10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
