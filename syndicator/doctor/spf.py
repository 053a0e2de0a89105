"""SPF as receivers evaluate it (RFC 7208 §4): what a record says of one address, and its own faults.

Macros are not expanded, for they speak of a letter and none is sent here: a term that needs one counts
as not matching. `ptr` is left out likewise; the RFC says not to use it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_address, ip_network

from syndicator.errors import Invalid
from syndicator.wire.dns import Resolver

MOST_LOOKUPS = 10  # §4.6.4
_TERM = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)(?=[:/]|$)(?::([^/]+(?<!/)))?((?://?\d+)*)", re.IGNORECASE
)
_NETWORK = re.compile(r"([+?~-]?)ip[46]:(.+)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)


class Verdict(StrEnum):
    """What a record says of an address; NEUTRAL also where it says nothing."""

    PASS = "+"  # noqa: S105 - a word of the RFC
    NEUTRAL = "?"
    SOFTFAIL = "~"
    FAIL = "-"


class Spf:
    """One evaluation; `lookups` counts the questions that the limit of ten counts."""

    def __init__(self, resolver: Resolver) -> None:
        self._dns = resolver
        self.lookups = 0

    def record(self, domain: str) -> str:
        """The one SPF record of a domain, empty if there is none; raises Invalid where there are several."""
        ours = [text for text in self._dns.texts(domain) if re.match(r"v=spf1(?: |$)", text, re.IGNORECASE)]
        if len(ours) > 1:
            raise Invalid(
                f"{domain} has {len(ours)} SPF records: receivers then count all as broken (RFC 7208 §4.5)"
            )
        return ours[0] if ours else ""

    def judge(self, domain: str, address: str) -> Verdict:
        """What receivers conclude for mail from this address; raises Invalid for a record they call broken."""
        record, led = self.record(domain), ""
        for term in record.split()[1:]:
            modifier = _MODIFIER.fullmatch(term)
            if modifier:
                led = modifier[2] if modifier[1].lower() == "redirect" else led
            elif (verdict := self._match(term, domain, address)) is not None:
                return verdict
        if not led:
            return Verdict.NEUTRAL
        self._count()
        if not self.record(led):
            raise Invalid(f"redirect={led}: no SPF record stands there")
        return self.judge(led, address)

    def _match(self, term: str, domain: str, address: str) -> Verdict | None:
        network = _NETWORK.fullmatch(term)
        if network:
            return _verdict(network[1]) if _inside(address, network[2]) else None
        found = _TERM.fullmatch(term)
        if not found:
            raise Invalid(f"{term!r} is no term of SPF")
        sign, name, target, masks = found[1], found[2].lower(), found[3] or domain, found[4]
        if name == "all":
            return _verdict(sign)
        self._count()
        if "%" in target or name in {"ptr", "exists"}:
            return None
        if name == "include":
            return _verdict(sign) if self._included(target, address) else None
        hosts = [host for _, host in self._dns.exchanges(target)] if name == "mx" else [target]
        known = [one for host in hosts if host for one in self._dns.addresses(host)]
        return _verdict(sign) if any(_inside(address, one + _mask(one, masks)) for one in known) else None

    def _included(self, target: str, address: str) -> bool:
        if not self.record(target):
            raise Invalid(f"include:{target}: no SPF record stands there")
        return self.judge(target, address) is Verdict.PASS

    def _count(self) -> None:
        self.lookups += 1
        if self.lookups > MOST_LOOKUPS:
            raise Invalid(f"it takes more than {MOST_LOOKUPS} look-ups (RFC 7208 §4.6.4)")


def _verdict(sign: str) -> Verdict:
    return Verdict(sign or "+")


def _mask(address: str, masks: str) -> str:
    """The part of `/24//64` that is for this kind of address.

    >>> _mask("192.0.2.1", "/24//64"), _mask("2001:db8::1", "/24//64"), _mask("192.0.2.1", "")
    ('/24', '/64', '')
    """
    four, _, six = masks.partition("//")
    mine = six if ":" in address else four.removeprefix("/")
    return f"/{mine}" if mine else ""


def _inside(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        raise Invalid(f"{network!r} is no address range") from None
