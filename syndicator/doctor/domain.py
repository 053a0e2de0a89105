"""What DNS says of the domains we send from, and whether receivers will believe it (mail:DC1).

Each check is a question or a few to one resolver and a rule of `records` or `spf`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from syndicator.doctor import records
from syndicator.doctor.finding import Finding, fail, guarded, ok, skipped, warn
from syndicator.doctor.spf import Spf, Verdict
from syndicator.errors import Invalid
from syndicator.wire.dns import Resolver, is_literal

# An address nobody sends from (RFC 5737): what SPF says of it, it says of everybody.
STRANGER = "192.0.2.1"
DNS_ADVICE = "ask again later; if it stays, mend the zone or name a DNS server with --resolver"


@dataclass(frozen=True, slots=True)
class Signing:
    """A key that signs our mail: where its public half should stand, and its private half as PEM."""

    selector: str
    domain: str
    private_key: str

    @property
    def name(self) -> str:
        """The name of its TXT record (RFC 6376 §3.6.2.1)."""
        return f"{self.selector}._domainkey.{self.domain}"

    def __repr__(self) -> str:
        return f"Signing({self.name})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Domains:
    """Every name that a receiver will look up when our mail comes."""

    sender: str  # the domain of From
    bounce: str  # the domain of the envelope's sender
    helo: str
    relay: str  # the relay's host
    keys: tuple[Signing, ...] = ()


def examine(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    """All checks of the domains, in the order in which receivers ask."""
    for check, work in (
        ("helo", _helo),
        ("ptr", _ptr),
        ("spf", _spf),
        ("dkim", _dkim),
        ("dmarc", _dmarc),
        ("mx", _mx),
        ("null-mx", _null_mx),
    ):
        yield from guarded(check, partial(work, domains, resolver), DNS_ADVICE)


def _helo(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    if is_literal(domains.helo):
        words = f"we greet the relay with a bare address, {domains.helo}"
        yield fail(
            "helo", words, "set site.base_url to a name: many receivers refuse an address (RFC 5321 §4.1.4)"
        )
    elif found := resolver.addresses(domains.helo):
        yield ok("helo", f"{domains.helo}, the name we greet with, is {found[0]}")
    else:
        yield fail(
            "helo",
            f"{domains.helo}, the name we greet the relay with, has no address",
            f"publish an A or AAAA record for {domains.helo}, or set site.base_url to a name that has one",
        )


def _ptr(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    addresses = resolver.addresses(domains.relay)
    if not addresses:
        yield fail("ptr", f"{domains.relay}, the relay, has no address", "check mail.host")
    outside = [one for one in addresses if ip_address(one).is_global]
    if addresses and not outside:
        yield skipped(
            "ptr", f"{domains.relay} has only private addresses here; the one it sends from is not known"
        )
    for address in outside:
        names = resolver.names(address)
        if not names:
            yield fail("ptr", f"{address} ({domains.relay}) points back to no name", _ask_for_ptr(address))
        elif not any(address in resolver.addresses(name) for name in names):
            words = f"{address} points back to {names[0]}, which does not lead to it"
            yield fail("ptr", words, _ask_for_ptr(address))
        else:
            yield ok("ptr", f"{address} points back to {names[0]} and that name to it")


def _ask_for_ptr(address: str) -> str:
    return f"ask whoever gave out {address} for a PTR record that names a host with this very address"


def _spf(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    domain, asked = domains.bounce, Spf(resolver)
    advice = f"publish one TXT record at {domain} such as: v=spf1 include:<your relay's domain> -all"
    try:
        if not asked.record(domain):
            yield fail(
                "spf", f"{domain} has no SPF record: receivers cannot tell who may send for it", advice
            )
            return
        stranger = asked.judge(domain, STRANGER)
        relays = [one for one in resolver.addresses(domains.relay) if ip_address(one).is_global]
        outside = [one for one in relays if Spf(resolver).judge(domain, one) is not Verdict.PASS]
    except Invalid as fault:
        yield fail("spf", f"{domain}: {fault}", advice)
        return
    if stranger is Verdict.PASS:
        yield fail("spf", f"{domain} lets everybody send for it", "end the record with -all or ~all")
    elif outside:
        words = f"{domain} does not name the relay's address {outside[0]}"
        yield warn("spf", words, f"add ip4:{outside[0]} to it unless the relay sends from other addresses")
    elif stranger is Verdict.NEUTRAL:
        yield warn("spf", f"{domain} says nothing of other senders", "end the record with -all or ~all")
    else:
        yield ok("spf", f"{domain} names who may send for it, in {asked.lookups} look-ups of 10")


def _dkim(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    if not domains.keys:
        yield skipped(
            "dkim",
            "no [[dkim]] key here: the relay signs",
            "look for DKIM-Signature in a mail that came through it",
        )
    for key in domains.keys:
        yield from guarded(f"dkim/{key.selector}", partial(_key, key, resolver), DNS_ADVICE)


def _key(key: Signing, resolver: Resolver) -> Iterator[Finding]:
    check, found = f"dkim/{key.selector}", resolver.texts(key.name)
    publish = f"publish the public half of this key as TXT at {key.name}: v=DKIM1; k=rsa; p=<base64>"
    if not found:
        yield fail(check, f"no TXT record at {key.name}", publish)
    elif fault := records.dkim_fault(found, key.private_key):
        yield fail(check, f"{key.name}: {fault}", publish)
    elif records.dkim_testing(found[0]):
        yield warn(check, f"{key.name} says t=y: receivers take it for a test", "remove t=y from the record")
    else:
        yield ok(check, f"{key.name} holds the public half of the key here")


def _dmarc(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    where, found = _published_dmarc(domains.sender, resolver)
    if found is None:
        words = f"{domains.sender} has no DMARC record: Gmail and Yahoo ask for one"
        advice = f"publish as TXT at _dmarc.{domains.sender}: v=DMARC1; p=none; rua=mailto:<your address>"
        yield fail("dmarc", words, advice)
        return
    more = "; quarantine or reject keeps others from using it" if found.policy == "none" else ""
    yield ok("dmarc", f"_dmarc.{where} says p={found.policy}{more}")
    yield from _alignment(domains, found, where)


def _published_dmarc(domain: str, resolver: Resolver) -> tuple[str, records.Dmarc | None]:
    for name in records.parents(domain):
        if found := records.dmarc(resolver.texts(f"_dmarc.{name}")):
            return name, found
    return domain, None


def _alignment(domains: Domains, found: records.Dmarc, where: str) -> Iterator[Finding]:
    sender = domains.sender
    by_spf = records.aligned(domains.bounce, sender, strict=found.strict_spf, organisation=where)
    by_dkim = [
        records.aligned(key.domain, sender, strict=found.strict_dkim, organisation=where)
        for key in domains.keys
    ]
    said = f"From is {sender}, bounces go to {domains.bounce}, {_signers(domains.keys)}"
    if domains.keys and not all(by_dkim):
        yield fail(
            "alignment", f"{said}: DKIM does not speak for From", f"sign with a domain of {where} in [[dkim]]"
        )
    elif by_spf:
        yield ok("alignment", said)
    elif domains.keys:
        advice = f"set mail.bounce_domain to a domain within {where}, so that SPF speaks for From as well"
        yield warn("alignment", f"{said}: only DKIM speaks for From", advice)
    else:
        advice = f"set mail.bounce_domain to a domain within {where}, or sign with [[dkim]]"
        yield fail("alignment", f"{said}: nothing here speaks for From", advice)


def _signers(keys: Sequence[Signing]) -> str:
    return f"{keys[0].domain} signs" if keys else "the relay signs"


def _mx(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    hosts = [host for _, host in resolver.exchanges(domains.bounce) if host]
    advice = f"publish an MX record for {domains.bounce} that names a host which takes its mail"
    if not hosts:
        bare = resolver.addresses(domains.bounce)
        words = f"{domains.bounce} has no MX record"
        yield (
            warn("mx", f"{words}; its address stands in", advice)
            if bare
            else fail("mx", f"{words}: bounces are lost", advice)
        )
    elif lost := [host for host in hosts if not resolver.addresses(host)]:
        yield fail("mx", f"the MX of {domains.bounce} names {lost[0]}, which has no address", advice)
    else:
        yield ok("mx", f"bounces of {domains.bounce} go to {hosts[0]}")


def _null_mx(domains: Domains, resolver: Resolver) -> Iterator[Finding]:
    shut = [
        name
        for name in _each(domains.sender, domains.bounce)
        if any(not host for _, host in resolver.exchanges(name))
    ]
    if shut:
        advice = (
            f"remove `MX 0 .` from {shut[0]}: a domain that takes no mail must not send any (RFC 7505 §4.2)"
        )
        yield fail("null-mx", f"{shut[0]} says that it takes no mail", advice)
    else:
        yield ok("null-mx", "the domains of From and of bounces take mail")


def _each(*names: str) -> Iterable[str]:
    return dict.fromkeys(name.lower() for name in names)
