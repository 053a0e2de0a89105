"""SPF by the letter of RFC 7208 §4 to §6, over a real DNS server."""

from __future__ import annotations

import pytest

from syndicator.doctor.spf import Spf, Verdict
from syndicator.wire.dns import Resolver
from tests.wire.dns_server import Server

ZONE = {
    "a.example A": "192.0.2.10",
    "a.example AAAA": "2001:db8::10",
    "a.example MX": "10 mx.example.",
    "mx.example A": "192.0.2.20",
    "inner.example TXT": '"v=spf1 ip4:192.0.2.30 ~all"',
    "other.example TXT": '"v=spf1 ip4:192.0.2.40 -all"',
}
CASES = [
    ("v=spf1 ip4:192.0.2.1 -all", "192.0.2.1", Verdict.PASS),
    ("v=spf1 ip4:192.0.2.0/28 -all", "192.0.2.16", Verdict.FAIL),
    ("V=SPF1 IP4:192.0.2.1 ~ALL", "192.0.2.2", Verdict.SOFTFAIL),
    ("v=spf1 ip6:2001:db8::/64 -all", "2001:db8::5", Verdict.PASS),
    ("v=spf1 ip6:2001:db8::/64 ?all", "192.0.2.1", Verdict.NEUTRAL),
    ("v=spf1 a -all", "192.0.2.10", Verdict.PASS),
    ("v=spf1 a/28 -all", "192.0.2.1", Verdict.PASS),
    ("v=spf1 a//120 -all", "2001:db8::1f", Verdict.PASS),
    ("v=spf1 a//120 -all", "192.0.2.11", Verdict.FAIL),
    ("v=spf1 a:mx.example -all", "192.0.2.20", Verdict.PASS),
    ("v=spf1 mx -all", "192.0.2.20", Verdict.PASS),
    ("v=spf1 -mx +all", "192.0.2.20", Verdict.FAIL),
    ("v=spf1 include:inner.example -all", "192.0.2.30", Verdict.PASS),
    ("v=spf1 include:inner.example -all", "192.0.2.31", Verdict.FAIL),  # the inner ~all is no match
    ("v=spf1 redirect=other.example", "192.0.2.40", Verdict.PASS),
    (
        "v=spf1 redirect=other.example ip4:192.0.2.1",
        "192.0.2.1",
        Verdict.PASS,
    ),  # it comes last wherever it stands
    ("v=spf1 redirect=other.example ?all", "192.0.2.1", Verdict.NEUTRAL),  # and not at all behind an all
    ("v=spf1 exists:%{i}.example ptr -all", "192.0.2.1", Verdict.FAIL),
    ("v=spf1 exp=why.example", "192.0.2.1", Verdict.NEUTRAL),
]


@pytest.mark.parametrize(("record", "address", "verdict"), CASES)
def test_a_verdict(record: str, address: str, verdict: Verdict) -> None:
    """mail:DC1 Mechanisms from left to right, redirect last, neutral where nothing matches."""
    with Server({**ZONE, "a.example TXT": f'"{record}"'}) as dns:
        assert verdict is Spf(Resolver(dns.place, 2)).judge("a.example", address)


def test_look_ups_are_counted() -> None:
    """mail:DC1 a, mx, include and redirect count, ip4 and all do not (§4.6.4)."""
    record = '"v=spf1 ip4:192.0.2.1 a mx include:inner.example -all"'
    with Server({**ZONE, "a.example TXT": record}) as dns:
        spf = Spf(Resolver(dns.place, 2))
        spf.judge("a.example", "192.0.2.99")
    assert 3 == spf.lookups
