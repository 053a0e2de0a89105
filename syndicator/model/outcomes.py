"""How one try to deliver ended: the outcome, whose fault it was, and the words for whoever reads the ledger.

Serves walk B. What a server's reply means is `model.replies`; what follows from a result, `model.delivery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Outcome(StrEnum):
    """How one try ended. We never say "delivered" for "accepted"."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # certainly not accepted; try again
    REFUSED = "refused"  # never
    UNKNOWN = "unknown"  # it may have arrived


class Cause(StrEnum):
    """Why a letter was not accepted, as far as the answer tells (mail:SE6). It decides whom nobody may blame."""

    # of the recipient
    DEAD_ADDRESS = "dead-address"
    DISABLED = "disabled"
    FULL = "full"
    NO_MAIL = "no-mail"  # the domain takes no mail, or is none
    UTF8 = "utf8"  # the address needs SMTPUTF8 where nobody speaks it
    # of their server, for now
    GREYLISTED = "greylisted"
    THROTTLED = "throttled"
    BUSY = "busy"
    # ours: the recipient is never scored for these (pitfall 14)
    POLICY = "policy"
    CONTENT = "content"
    TOO_BIG = "too-big"
    # of the relay, or of the way to it: no recipient was judged at all
    RELAY = "relay"
    AUTH = "auth"
    OTHER = "other"


# Whatever the relay says about itself: one incident for everybody who waits, no attempt of anybody.
OF_THE_RELAY = frozenset({Cause.RELAY, Cause.AUTH})
WRITTEN = "written as "  # what a folder says of a letter it took, before the name of the file
# What makes somebody doubt a whole sending (mail:SE16).
SUSPICIOUS = frozenset({Cause.POLICY, Cause.DEAD_ADDRESS, Cause.DISABLED, Cause.NO_MAIL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one try ended, in words an operator understands.

    `code` is the SMTP or HTTP status; `cause` what sort of answer it was; `after` the pause the other side
    asked for; `over` says that the destination wants nothing more, ever (HTTP 410). `spared`: the
    destination was in trouble and judged nobody, so the try does not count.
    """

    outcome: Outcome
    detail: str = ""
    code: int | None = None
    cause: Cause | None = None
    after: timedelta | None = None
    over: bool = False
    spared: bool = False
