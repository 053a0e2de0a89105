"""The door to DNS: what the set-up checks of `doctor` ask, of the system's servers or of one that is named.

Only questions and answers live here; what an answer means for mail is `doctor`'s to say. No answer (a
timeout, SERVFAIL, REFUSED) is never taken for "there is none": that would tell an operator to publish what
is published already.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.name
import dns.resolver
import dns.reversename
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

from syndicator.errors import Invalid, Unreachable

PATIENCE = 5.0  # seconds for one question, all its repeats together
DNS_PORT = 53


class Resolver:
    """Asks the servers the system names, or the one at `server` (`HOST:PORT`, HOST an address).

    Raises Invalid for a server that is no address, Unreachable where the system names none.
    """

    def __init__(self, server: str | None = None, patience: float = PATIENCE) -> None:
        try:
            self._asks = dns.resolver.Resolver(configure=server is None)
        except dns.resolver.NoResolverConfiguration:
            raise Unreachable(
                "this machine names no DNS server: give one with --resolver HOST:PORT"
            ) from None
        if server is not None:
            host, port = _place(server)
            self._asks.nameservers, self._asks.port = [host], port
        self._asks.lifetime = patience

    def texts(self, name: str) -> tuple[str, ...]:
        """The TXT records of a name, the strings of each joined (RFC 7208 §3.3); bytes outside ASCII as U+FFFD."""
        found = self._answers(name, "TXT")
        return tuple(
            b"".join(one.strings).decode("ascii", "replace") for one in found if isinstance(one, TXT)
        )

    def exchanges(self, name: str) -> tuple[tuple[int, str], ...]:
        """The MX records of a name by preference; a null MX (RFC 7505) is the host ``""``."""
        found = [one for one in self._answers(name, "MX") if isinstance(one, MX)]
        return tuple(
            sorted((one.preference, one.exchange.to_text(omit_final_dot=True).strip(".")) for one in found)
        )

    def addresses(self, name: str) -> tuple[str, ...]:
        """The addresses of a name, IPv4 first; an address is its own."""
        if is_literal(name):
            return (name.strip("[]"),)
        return tuple(one.to_text() for kind in ("A", "AAAA") for one in self._answers(name, kind))

    def names(self, address: str) -> tuple[str, ...]:
        """The names an address points back to (PTR)."""
        reverse = dns.reversename.from_address(address)
        return tuple(one.to_text().rstrip(".") for one in self._answers(reverse, "PTR"))

    def _answers(self, name: str | dns.name.Name, kind: str) -> list[Any]:
        try:
            return list(self._asks.resolve(name, kind, search=False, raise_on_no_answer=False))
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout) as fault:
            raise Unreachable(
                f"no DNS server answers for {name} {kind}: {_said(fault)}; try again later"
            ) from fault
        except (dns.exception.DNSException, UnicodeError) as fault:
            raise Invalid(
                f"{name} is no name DNS could know ({fault}): mend it in the configuration"
            ) from fault


def is_literal(name: str) -> bool:
    """Whether this is an address, in brackets or not, and no name."""
    try:
        ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def _place(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")):  # no port: an address alone
        host, port = server, str(DNS_PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not is_literal(host) or not (port.isascii() and port.isdecimal() and 0 < int(port) < 1 << 16):
        raise Invalid(f"{server!r} is no DNS server: write an address and a port, such as 192.0.2.53:53")
    return host, int(port)


def _said(fault: dns.exception.DNSException) -> str:
    if isinstance(fault, dns.resolver.LifetimeTimeout):
        return "no answer in time"
    return "the servers refuse, or cannot find out"
