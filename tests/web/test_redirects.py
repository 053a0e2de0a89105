"""Addresses of a former site: which requests they fit, and both doors answering them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.settings import load
from syndicator.web.feeds import Answer
from syndicator.web.redirects import Redirects
from tests.web.served import Running, lasting_store, running, save_document, site

PAIRS = [
    ("/feed/", "/feeds/all.rss"),
    ("/category/science/feed/", "/feeds/science.rss"),
    ("/?p=123", "/items/a-statement"),
    ("/?feed=rss2", "/feeds/all.rss"),
    ("/?feed=rss2&cat=7", "/feeds/policy.rss"),
    ("/old", "https://elsewhere.example/new?x=1#y"),
    ("/caf%C3%A9/", "/topics/café"),
    ("/feeds/policy.atom", "/feeds/never.atom"),
    ("/feeds/index.xml", "/feeds/policy.atom"),
]
KNOWN = Redirects(PAIRS)


def target(answer: Answer | None) -> str | None:
    """Where it leads."""
    return dict(answer.head.headers)[b"location"].decode() if answer else None


@pytest.mark.parametrize(
    ("path", "query", "where"),
    [
        ("/feed/", b"", "/feeds/all.rss"),
        ("/feed", b"", "/feeds/all.rss"),
        ("/feed/", b"utm_source=x", "/feeds/all.rss"),
        ("/category/science/feed", b"", "/feeds/science.rss"),
        ("/", b"p=123", "/items/a-statement"),
        ("/", b"utm_source=x&p=123", "/items/a-statement"),
        ("/", b"feed=rss2&cat=8", "/feeds/all.rss"),
        ("/", b"cat=7&feed=rss2", "/feeds/policy.rss"),
        ("/old/", b"", "https://elsewhere.example/new?x=1#y"),
        ("/café/", b"", "/topics/caf%C3%A9"),
        ("/", b"", None),
        ("/", b"p=124", None),
        ("/", b"p", None),
        ("/Feed/", b"", None),
        ("/feed/x", b"", None),
    ],
)
def test_which_requests_fit(path: str, query: bytes, where: str | None) -> None:
    """feeds:H8 path and named parameters decide; a slash at the end, and other parameters, are no matter."""
    assert where == target(KNOWN.find(path, query))


@given(st.text(max_size=50), st.binary(max_size=500))
def test_nothing_breaks_it(path: str, query: bytes) -> None:
    """feeds:H8 whatever is asked for."""
    KNOWN.find("/" + path, query)
    KNOWN.find("/", query)


def test_a_site_in_a_folder() -> None:
    """feeds:H8 what leads within the site stays within its folder."""
    assert "/news/feeds/all.rss" == target(Redirects(PAIRS, "/news").find("/feed/", b""))
    assert "https://elsewhere.example/new?x=1#y" == target(Redirects(PAIRS, "/news").find("/old", b""))


@pytest.fixture(scope="module", params=["early", "asgi"])
def web(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A web process with former addresses; once per door."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        save_document(store, b"words")
        with running(store, site(), early=request.param == "early", redirects=PAIRS) as web:
            yield web


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "asked", ["/feed/", "/feed", "/?p=123", "/category/science/feed/", "/feeds/index.xml"]
)
def test_former_addresses(web: Running, asked: str, method: str) -> None:
    """feeds:H8 feeds:H10 301 for a day in caches, for browsers' readers as well."""
    reply = web.ask(asked, method)
    assert (301, target(KNOWN.find(*split(asked)))) == (reply.status, reply.headers["location"])
    assert "public, max-age=86400" == reply.headers["cache-control"]
    assert "*" == reply.headers["access-control-allow-origin"]
    assert "set-cookie" not in reply.headers


def test_a_host_in_other_letters() -> None:
    """feeds:H8 a name in other letters goes out as DNS has it, never with letters left out."""
    known = Redirects([("/m", "https://münchen.example:8443/ä?b=c")])
    assert "https://xn--mnchen-3ya.example:8443/%C3%A4?b=c" == target(known.find("/m", b""))


def test_the_settings_say_where_from(tmp_path: Path) -> None:
    """feeds:H8 what the file may hold is what leads on: paths, and paths with a query."""
    (tmp_path / "s.toml").write_text(
        '[[redirects]]\nfrom = "/?p=123"\nto = "/items/x"\n'
        '[[redirects]]\nfrom = "/category/x/feed/"\nto = "/feeds/x.rss"\n'
    )
    said = Redirects((one.from_, one.to) for one in load(tmp_path / "s.toml", {}).redirects)
    assert "/items/x" == target(said.find("/", b"p=123&utm_source=a"))
    assert "/feeds/x.rss" == target(said.find("/category/x/feed", b""))


def split(address: str) -> tuple[str, bytes]:
    """Path and query."""
    path, _, query = address.partition("?")
    return path, query.encode()


def test_a_feed_is_never_hidden(web: Running) -> None:
    """feeds:H8 where there is a feed, it is the feed."""
    assert (200, b"words") == ((reply := web.ask("/feeds/policy.atom")).status, reply.body)


def test_pages_stay_where_they_are(web: Running) -> None:
    """feeds:H8 a query that no former address names leads nowhere else."""
    assert 200 == web.ask("/").status
    assert 200 == web.ask("/?p=124").status
    assert 405 == web.ask("/feeds/index.xml", "POST", body=b"x").status
    assert 204 == web.ask("/feed/", "OPTIONS").status
