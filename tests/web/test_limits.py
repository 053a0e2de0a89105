"""Whole feeds by visitor: the count itself, who a visitor is, and both doors keeping to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.store import Store
from syndicator.web.limits import Trust, Visitors
from tests.web.served import Running, lasting_store, running, save_document

PATH = "/feeds/policy.atom"
HOUR = 3600.0


def test_a_minute_holds_the_limit() -> None:
    """feeds:H9 the limit may be taken at once; then one comes back after the other."""
    visitors = Visitors(3)
    assert [0, 0, 0, 20] == [visitors.take("a", 100.0) for _ in range(4)]
    assert [20, 1, 0, 20] == [visitors.take("a", now) for now in (100.5, 119.5, 120.0, 120.0)]
    assert [0, 0, 0] == [visitors.take("a", 200.0) for _ in range(3)]


def test_visitors_do_not_pay_for_each_other() -> None:
    """feeds:H9 the count is per client."""
    visitors = Visitors(1)
    assert [0, 0, 60] == [visitors.take(name, 0.0) for name in ("a", "b", "a")]


def test_a_refusal_costs_nothing() -> None:
    """feeds:H9 asking in vain puts nobody off further."""
    visitors = Visitors(1)
    assert [0, 60, 59, 1, 0] == [visitors.take("a", now) for now in (0.0, 0.0, 1.0, 59.9, 60.0)]


@given(st.integers(1, 1000), st.floats(0, 1e7))
def test_who_comes_hourly_is_never_limited(limit: int, begin: float) -> None:
    """feeds:H9 even whole feeds, fetched once an hour, are never too many."""
    visitors = Visitors(limit)
    assert [0] * 50 == [visitors.take("a", begin + hour * HOUR) for hour in range(50)]


@given(st.integers(1, 500), st.lists(st.floats(0, 120), max_size=300))
def test_no_minute_holds_more_than_twice_the_limit(limit: int, pauses: list[float]) -> None:
    """feeds:H9 however it is asked, a minute gives no more than was saved up and what comes back meanwhile."""
    visitors, now, given_at = Visitors(limit), 0.0, []
    for pause in pauses:
        now += pause / 100
        if visitors.take("a", now) == 0:
            given_at.append(now)
    for begin in given_at:
        assert sum(begin <= at < begin + 60 for at in given_at) <= 2 * limit


def test_memory_is_bounded() -> None:
    """feeds:H9 whoever came longest ago is forgotten first."""
    visitors = Visitors(1, capacity=100)
    for name in range(1000):
        visitors.take(str(name), 0.0)
    assert 100 == len(visitors)
    assert [60, 0] == [visitors.take(name, 0.0) for name in ("999", "0")]


PROXIES = Trust(["10.0.0.0/8", "127.0.0.1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded", "visitor"),
    [
        ("203.0.113.9", None, "203.0.113.9"),
        ("203.0.113.9", b"198.51.100.1", "203.0.113.9"),  # its word is not believed
        ("::ffff:203.0.113.9", None, "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", None, "2001:db8:1:2::/64"),
        ("10.1.2.3", b"198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", b"6.6.6.6, 198.51.100.1", "198.51.100.1"),  # what stands before it, anybody can write
        ("10.1.2.3", b"6.6.6.6, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.1.2.3", b"198.51.100.1:4711", "198.51.100.1"),
        ("10.1.2.3", b'"[2001:db8:1:2::9]:443"', "2001:db8:1:2::/64"),
        ("fd00::1", b"2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("127.0.0.1", b"198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", None, None),
        ("10.1.2.3", b"", None),
        ("10.1.2.3", b"unknown", None),
        ("10.1.2.3", b"10.1.1.1", None),
        ("127.0.0.2", None, None),  # a proxy nobody told us of
        ("127.0.0.2", b"198.51.100.1", None),
        ("::1", None, None),
        ("no address", None, None),
    ],
)
def test_who_a_visitor_is(peer: str, forwarded: bytes | None, visitor: str | None) -> None:
    """feeds:H9 the peer, or the last hop a trusted proxy names that is none itself; nobody where none can be told."""
    assert visitor == PROXIES.visitor(peer, forwarded)


@given(st.binary(max_size=3000))
def test_no_header_breaks_it(forwarded: bytes) -> None:
    """feeds:H9 whatever stands in X-Forwarded-For."""
    PROXIES.visitor("10.1.2.3", forwarded)


@pytest.fixture(scope="module", params=["early", "asgi"])
def web(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A web process that gives three whole feeds a minute, behind a proxy on this machine; once per door."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        save_document(store, b"words")
        early = request.param == "early"
        with running(store, early=early, full_reads=3, trusted_proxies=["127.0.0.1"]) as web:
            yield web


def test_too_many_whole_feeds(web: Running) -> None:
    """feeds:H9 feeds:H10 the fourth is refused with the seconds to wait; others, 304 and HEAD are not."""
    me = "198.51.100.1"
    replies = [web.ask(PATH, X_Forwarded_For=me) for _ in range(4)]
    assert [200, 200, 200, 429] == [reply.status for reply in replies]
    refused = replies[-1].headers
    assert 1 <= int(refused["retry-after"]) <= 20
    assert ("*", "no-store") == (refused["access-control-allow-origin"], refused["cache-control"])
    assert 200 == web.ask(PATH, X_Forwarded_For="198.51.100.2").status
    assert [304] * 20 == [web.ask(PATH, If_None_Match="*", X_Forwarded_For=me).status for _ in range(20)]
    assert [200] * 20 == [web.ask(PATH, "HEAD", X_Forwarded_For=me).status for _ in range(20)]
    assert 404 == web.ask("/feeds/unknown.atom", X_Forwarded_For=me).status


def test_a_proxy_that_says_nothing(web: Running) -> None:
    """feeds:H9 where nobody can be told from anybody, nobody is limited."""
    assert [200] * 10 == [web.ask(PATH).status for _ in range(10)]


@pytest.mark.parametrize("early", [True, False])
def test_a_proxy_nobody_told_us_of(store: Store, early: bool) -> None:  # noqa: FBT001 - a parameter
    """feeds:H9 a peer on this machine may speak for everybody: it is no visitor."""
    save_document(store, b"words")
    with running(store, early=early, full_reads=3) as web:
        assert [200] * 10 == [web.ask(PATH, X_Forwarded_For="198.51.100.1").status for _ in range(10)]
