"""What is kept to show that somebody said yes: to which words, when, from where (mail:LM3, security:D7). Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, ip_address, ip_network

# What of an address is kept: enough to tell one country and provider from another, not one person.
KEPT_V4, KEPT_V6 = 24, 48
# What one visitor is counted by where a limit holds: a household, a company, a machine's own (mail:LM4).
COUNTED_V4, COUNTED_V6 = 24, 64
CONSENT_WORDS = "I want to receive news of the topics I chose by mail. I can change or end this at any time."
AGREEMENT_WORDS = "I will not publish, or pass on, anything before its embargo ends."
AGENT = 200  # characters kept of what a browser calls itself


class Act(StrEnum):
    """What happened that evidence is kept of."""

    REQUESTED = "requested"  # the form was sent off
    ASKED = "asked"  # the mail that asks "is it you?" was owed
    KNOWN = "known"  # the mail that says "you are on the list already" was owed
    CONFIRMED = "confirmed"
    IMPORTED = "imported"
    CHANGED = "changed"
    LEFT = "left"
    BASIS = "basis"  # a person of ours recorded another lawful basis
    APPLIED = "applied"  # asked to be accredited, and agreed to its terms
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class Wording:
    """A text somebody said yes to; `hash` stands for it in evidence."""

    version: str
    language: str
    text: str

    @property
    def hash(self) -> str:
        """SHA-256, in hex, over version, language and text; the same words under another version are others."""
        parts = f"{self.version}\0{self.language}\0{self.text}"
        return hashlib.sha256(parts.encode()).hexdigest()


def truncated(ip: str | None) -> str | None:
    """The network an IP address is in, as evidence keeps it; None for what is none. Again changes nothing.

    >>> truncated("192.0.2.77"), truncated("2001:db8:1:2::7"), truncated("192.0.2.0/24"), truncated("unknown")
    ('192.0.2.0/24', '2001:db8:1::/48', '192.0.2.0/24', None)
    """
    return _network(ip, KEPT_V4, KEPT_V6)


def counted(ip: str | None) -> str | None:
    """The network an IP address is counted by; None for what is none.

    >>> counted("192.0.2.77"), counted("2001:db8:1:2::7")
    ('192.0.2.0/24', '2001:db8:1:2::/64')
    """
    return _network(ip, COUNTED_V4, COUNTED_V6)


def _network(ip: str | None, v4: int, v6: int) -> str | None:
    bare, _, length = (ip or "").strip().partition("/")
    try:
        found = ip_address(bare.partition("%")[0])
        bits = min(v4 if isinstance(found, IPv4Address) else v6, int(length or 128))
        return str(ip_network((found, bits), strict=False))
    except ValueError:
        return None
