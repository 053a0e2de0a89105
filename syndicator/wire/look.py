"""A look at the mail relay, without a letter: whether a session comes about, and how long its certificate lasts.

What `doctor` asks; letters go through `smtp`. Connecting, securing and logging in are `relay`'s, so a look
meets every fault that sending would meet.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime

from syndicator.wire.letters import Offer
from syndicator.wire.relay import Relay, offer, session


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen: the relay's extensions, and the end of its certificate in UTC; None without TLS."""

    offer: Offer
    certified_until: datetime | None


def look(relay: Relay) -> Look:
    """Connect, secure, log in and say goodbye; raises Unreachable or, after a 4xx, TryLater."""
    smtp = session(relay)
    try:
        return Look(offer(smtp), _certified_until(smtp.sock))
    finally:
        smtp.close()


def _certified_until(sock: object) -> datetime | None:
    if not isinstance(sock, ssl.SSLSocket):
        return None
    shown = sock.getpeercert() or {}
    ends = shown.get("notAfter")
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
