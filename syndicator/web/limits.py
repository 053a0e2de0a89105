"""How many whole feeds a visitor may fetch (feeds:H9), how often he may ping, and who a visitor is.

Pure: time comes as an argument, in seconds of a clock that never jumps. Answers without a body
(304, HEAD) are never asked about here, so whoever polls with conditions is never limited.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

MINUTE = 60.0  # seconds
CAPACITY = 50_000  # visitors remembered; some 8 MB
SHARE = 64  # bits of an IPv6 address that are a household's or a machine's own (RFC 6177)


class Visitors:
    """Counts whole feeds by visitor: `limit` a minute, all at once or spread; 0 is no limit.

    The generic cell rate algorithm: one number for a visitor, the moment at which all he took is
    paid off. Whoever came longest ago is forgotten first when there are too many.
    """

    def __init__(self, limit: int, capacity: int = CAPACITY) -> None:
        self.limit, self._capacity = limit, capacity
        self._price = MINUTE / limit if limit else 0.0
        self._paid: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._paid)

    def take(self, visitor: str, now: float) -> int:
        """0 if this visitor may have one more, which is then counted; else the seconds to wait, at least 1."""
        paid = max(self._paid.pop(visitor, now), now)
        excess = paid + self._price - now - MINUTE
        # Sums of prices miss a whole minute by a few of the last bits.
        allowed = excess <= 1e-6
        self._paid[visitor] = paid + self._price if allowed else paid
        if len(self._paid) > self._capacity:
            del self._paid[next(iter(self._paid))]
        return 0 if allowed else max(1, math.ceil(excess))


class Knocks:
    """Counts requests that make us do something: `each` a minute by one visitor, `all` by everybody together.

    Whoever cannot be told from others is counted among all, and nobody is made to wait for the sake of one.
    """

    def __init__(self, each: int, all: int) -> None:
        self._each, self._all = Visitors(each), Visitors(all)

    def take(self, visitor: str | None, now: float) -> int:
        """0 if this visitor may have one more, which is then counted; else the seconds to wait, at least 1."""
        wait = self._each.take(visitor, now) if visitor else 0
        return wait or self._all.take("", now)


class Trust:
    """Whose word on a visitor's address is believed: the reverse proxies in these ranges."""

    def __init__(self, proxies: Sequence[str] = ()) -> None:
        self._proxies = tuple(ip_network(proxy) for proxy in proxies)
        self._remembered = lru_cache(maxsize=4096)(self._visitor)

    def speaks_for_others(self, peer: str) -> bool:
        """Whether what this peer says in X-Forwarded-For matters."""
        found = _address(peer)
        return found is not None and self._trusted(found)

    def visitor(self, peer: str, forwarded: bytes | None = None) -> str | None:
        """Who asks, as one word: an IPv4 address, or an IPv6 /64; None if that cannot be told.

        The peer itself, or, where that is a trusted proxy, the last hop in X-Forwarded-For that is none.
        A peer on this machine that is not trusted is a proxy nobody told us of: it must not make one
        visitor of all.
        """
        if forwarded is not None and len(forwarded) > 1000:
            forwarded = forwarded[-1000:]
        return self._remembered(peer, forwarded)

    def _visitor(self, peer: str, forwarded: bytes | None) -> str | None:
        found = _address(peer)
        if found is None:
            return None
        if not self._trusted(found):
            return None if found.is_loopback else _share(found)
        for hop in reversed((forwarded or b"").decode("latin-1").split(",")):
            found = _address(hop)
            if found is None:
                return None  # a proxy of ours that does not say, or says what nobody understands
            if not self._trusted(found):
                return _share(found)
        return None

    def _trusted(self, address: Address) -> bool:
        return any(address in proxy for proxy in self._proxies)


def _address(text: str) -> Address | None:
    """An address as peers and proxies write it: bare, in brackets, with a port or a zone."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _share(address: Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, SHARE), strict=False))
