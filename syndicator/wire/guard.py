"""The guard at the socket: whom we may talk to, asked of every address that a name leads to.

A name is resolved once, every answer is vetted, and a vetted literal is dialled, so that no second
look-up can slip another address in (`delivery-and-security` §3, S2, S3, S9). Pure: both clients ask
here before they dial; how they look up and dial is in `wire.http` and `wire.http_async`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from syndicator.errors import Blocked, Invalid

Address = IPv4Address | IPv6Address
Answers = Sequence[tuple[Any, ...]]  # what socket.getaddrinfo answers
Resolve = Callable[..., Answers]  # called and answering like socket.getaddrinfo

DIAL_ADDRESSES = 8  # a name with a thousand answers must not make a scanner of us

# Not the internet, whatever the running Python's `is_global` thinks of them (S2).
_CLOSED_V4 = "0.0.0.0/8 100.64.0.0/10 192.0.0.0/24 192.88.99.0/24 198.18.0.0/15 224.0.0.0/3"
_CLOSED_V6 = "2001::/23 2001:db8::/32 2002::/16 3fff::/20"  # Teredo and its kin, documentation, 6to4
_CLOSED = tuple(map(ip_network, f"{_CLOSED_V4} {_CLOSED_V6}".split()))
# IANA gives out 2000::/3 alone (RFC 4291 §2.4): NAT64, v4-compatible and local addresses lie outside.
_OPEN_V6 = IPv6Network("2000::/3")
_HOUSE = tuple(
    map(ip_network, "127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7".split())
)

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whom we may talk to: the public internet on `ports`, and `allow` on any port (S2, S3, S9)."""

    allow: tuple[IPv4Network | IPv6Network, ...] = ()
    ports: frozenset[int] = frozenset({80, 443})

    def vet(self, address: Address) -> bool:
        """Whether this address may be dialled; a v4-mapped one is judged by what it wraps.

        >>> Guard().vet(ip_address("93.184.216.34")), Guard().vet(ip_address("::ffff:127.0.0.1"))
        (True, False)
        """
        plain = _unwrapped(address)
        return self._allows(plain) or _public(plain)

    def vet_port(self, address: Address, port: int) -> bool:
        """Whether this port of a vetted address may be dialled."""
        return 0 < port < 65_536 and (port in self.ports or self._allows(_unwrapped(address)))

    def check_port(self, port: int) -> None:
        """Refuse a port that no address could open, before anything is looked up; raises Blocked."""
        if not self.allow and port not in self.ports:
            raise Blocked(closed_port(port))

    def vetted(self, host: str, port: int, answers: Answers) -> list[Address]:
        """The addresses to dial, of all that `host` leads to; raises Blocked if any one is not allowed."""
        addresses = [_unwrapped(ip_address(answer[4][0])) for answer in answers]
        for address in addresses:
            if not self.vet(address):
                raise Blocked(_closed_address(host, address))
            if not self.vet_port(address, port):
                raise Blocked(closed_port(port))
        return addresses[:DIAL_ADDRESSES]

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self.allow)


def parse_guard(ranges: Sequence[str]) -> Guard:
    """The guard that lets these CIDR ranges and single addresses through too; raises Invalid.

    >>> parse_guard(["127.0.0.0/8"]).vet(ip_address("127.0.0.1"))
    True
    """
    try:
        return Guard(allow=tuple(map(ip_network, ranges)))
    except ValueError as fault:
        raise Invalid(f"{fault}; write an address range like 10.1.0.0/16") from fault


def literal(host: str) -> Answers | None:
    """The one answer that needs no look-up, where `host` is an address itself."""
    return [(0, 0, 0, "", (host, 0))] if _address(host) else None


def check_host(host: str) -> None:
    """Refuse a host that is neither a plain name nor a plain address (S3); raises Blocked."""
    if ":" in host and "%" not in host:
        return  # httpx let nothing but an IPv6 literal keep a colon; a zone is refused below
    labels = host.split(".")
    plain = len(host) <= 253 and all(map(_LABEL.fullmatch, labels))
    # Names that end in a number are addresses in disguise (WHATWG URL): 127.1, 0x7f.1, 2130706433.
    if not plain or (_NUMBER.fullmatch(labels[-1]) and _address(host) is None):
        raise Blocked("the host is neither a plain name nor a plain address; write it like host.example")


def closed_port(port: int) -> str:
    """What is said of a port that may not be dialled."""
    return f"port {port} is closed to us; use 80 or 443, or allow the address by allow_private"


def _closed_address(host: str, address: Address) -> str:
    named = f"{address} is" if _address(host) else f"{host} leads to {address},"
    for network in _HOUSE:
        if address in network:
            return f'{named} a private address; allow it with allow_private = ["{network}"] if you mean it'
    return f"{named} not a public address; it is not reached"


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _unwrapped(address: Address) -> Address:
    return getattr(address, "ipv4_mapped", None) or address


def _public(address: Address) -> bool:
    outside = address.version == 6 and address not in _OPEN_V6
    closed = address.is_multicast or address.is_reserved or any(address in network for network in _CLOSED)
    return address.is_global and not outside and not closed
