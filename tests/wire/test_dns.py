"""Questions to a real DNS server on the loopback, and what its silence means."""

from __future__ import annotations

import pytest

from syndicator.errors import Invalid, Unreachable
from syndicator.wire.dns import Resolver
from tests.wire.dns_server import Server

LONG = " ".join(f'"{"x" * 200}"' for _ in range(6))


def test_answers_of_each_kind() -> None:
    """The strings of a TXT record are joined, MX come by preference, an address is its own, none is empty."""
    records = {
        "news.example TXT": ['"v=spf1 " "-all"', '"other"'],
        "news.example MX": ["20 b.example.", "10 a.example."],
        "shut.example MX": "0 .",
        "a.example A": "192.0.2.1",
        "a.example AAAA": "2001:db8::1",
        "1.2.0.192.in-addr.arpa PTR": "a.example.",
    }
    with Server(records) as server:
        ask = Resolver(server.place)
        assert {"v=spf1 -all", "other"} == set(ask.texts("news.example"))
        assert ((10, "a.example"), (20, "b.example")) == ask.exchanges("news.example")
        assert ((0, ""),) == ask.exchanges("shut.example")
        assert ("192.0.2.1", "2001:db8::1") == ask.addresses("a.example")
        assert ("192.0.2.9",) == ask.addresses("192.0.2.9")
        assert ("a.example",) == ask.names("192.0.2.1")
        assert ((), ()) == (ask.texts("nobody.example"), ask.texts("a.example"))
        assert 0 == server.over_tcp


def test_a_long_answer_comes_over_tcp() -> None:
    """A DKIM key of 4096 bits does not fit into 512 octets."""
    with Server({"big.example TXT": LONG}) as server:
        assert (("x" * 1200),) == Resolver(server.place).texts("big.example")
        assert 1 == server.over_tcp


def test_silence_is_not_absence() -> None:
    """SERVFAIL and silence raise: an operator must not be told to publish what is there."""
    with Server({}, broken=["broken.example"], mute=["mute.example"]) as server:
        for name, patience in (("broken.example", 5.0), ("mute.example", 0.05)):
            with pytest.raises(Unreachable, match=f"no DNS server answers for {name}"):
                Resolver(server.place, patience).texts(name)


@pytest.mark.parametrize("place", ["dns.example:53", "127.0.0.1:0", "127.0.0.1:70000", "127.0.0.1:x", ""])
def test_a_server_is_an_address_and_a_port(place: str) -> None:
    """What is no address cannot be asked; which one is meant must be plain."""
    with pytest.raises(Invalid, match="is no DNS server"):
        Resolver(place)


def test_a_port_may_be_left_out() -> None:
    """53 is meant, also for IPv6."""
    for place, host in (
        ("192.0.2.53", "192.0.2.53"),
        ("[2001:db8::53]:53", "2001:db8::53"),
        ("2001:db8::53", "2001:db8::53"),
    ):
        asks = Resolver(place)._asks
        assert ([host], 53) == (list(asks.nameservers), asks.port)


def test_an_impossible_name_is_said() -> None:
    """A label of 64 octets is no name: the configuration is wrong, not the network."""
    with Server({}) as server, pytest.raises(Invalid, match="no name DNS could know"):
        Resolver(server.place).texts("x" * 64 + ".example")
