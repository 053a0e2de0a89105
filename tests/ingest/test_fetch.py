"""Fetching over a real socket: what is sent, and what each answer means."""

from __future__ import annotations

import asyncio
import gzip
import socket
from contextlib import closing
from datetime import timedelta

import pytest

from syndicator import __version__
from syndicator.ingest.fetch import Body, Failed, Gone, Unchanged, fetch
from syndicator.model.cadence import CEILING
from syndicator.model.upstream import Validators
from syndicator.wire.guard import parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.feeds import AGENT, Site, entry, rss
from tests.make import NOW
from tests.wire.http_server import Server, flooding

NOTHING = Validators()
HTTP_NOW = "Mon, 02 Mar 2026 09:00:00 GMT"
HTTP_NOON = "Mon, 02 Mar 2026 12:00:00 GMT"
LOOPBACK = parse_guard(["127.0.0.0/8"])


def get(site: Site, validators: Validators = NOTHING) -> Unchanged | Body | Gone | Failed:
    return ask(site.open(), site.url, validators)


def ask(opened: AsyncClient, url: str, validators: Validators = NOTHING) -> Unchanged | Body | Gone | Failed:
    async def asked() -> Unchanged | Body | Gone | Failed:
        async with opened as client:
            return await fetch(client, url, validators, NOW)

    return asyncio.run(asked())


def body_of(site: Site, validators: Validators = NOTHING) -> Body:
    got = get(site, validators)
    assert isinstance(got, Body), got
    return got


def test_first_fetch_is_unconditional_and_names_us(site: Site) -> None:
    """feeds:I3, feeds:I9 — no condition, no cookie, no referer; name, version and contact address."""
    site.say(rss(entry()))
    body_of(site)
    asked = site.asked[0]
    assert asked["user-agent"] == f"Syndicator/{__version__} (+https://news.example)"
    assert asked["path"] == "/feed"
    assert "application/feed+json" in asked["accept"]
    assert not {"if-none-match", "if-modified-since", "cookie", "referer", "a-im"} & set(asked)


def test_a_query_is_sent_as_it_is(site: Site) -> None:
    """feeds:I3 — nothing is added to an address, and nothing of it is changed."""
    site.say(rss(entry()))
    ask(site.open(), f"{site.url}?b=2&a=%7e&a=1#part")
    assert site.asked[0]["path"] == "/feed?b=2&a=%7e&a=1"


def test_no_cookie_is_ever_sent_back(site: Site) -> None:
    """feeds:I3 — a server cannot mark us, within a poll or from one to the next."""
    site.say(rss(entry()), set_cookie="id=1")
    site.moved["/feed"] = (302, "/elsewhere")
    body_of(site)
    body_of(site)
    assert not any("cookie" in asked or "referer" in asked for asked in site.asked)


def test_validators_go_back_byte_for_byte(site: Site) -> None:
    """feeds:I1 — odd ETags and dates return exactly as they came."""
    etag, modified = 'W/"a b-gzip"', "Mon, 2 Mar 2026 9:00:00 +0000"
    site.say(rss(entry()), etag=etag, last_modified=modified)
    first = body_of(site)
    assert isinstance(get(site, first.validators), Unchanged)
    assert (site.asked[1]["if-none-match"], site.asked[1]["if-modified-since"]) == (etag, modified)


def test_same_body_is_unchanged_and_brings_new_validators(site: Site) -> None:
    """feeds:I1 — both validators are replaced after every 200, also when the body is the same."""
    site.say(rss(entry()), etag='"1"', last_modified=HTTP_NOW)
    first = body_of(site)
    site.say(rss(entry()), etag='"2"')
    got = get(site, first.validators)
    assert isinstance(got, Unchanged)
    assert (got.validators.etag, got.validators.last_modified) == ('"2"', None)


def test_validators_of_a_temporary_target_are_not_kept(site: Site) -> None:
    """feeds:I2 — what a temporary redirect led to has its own validators; a permanent one shares them."""
    site.say(rss(entry()), etag='"1"')
    site.moved["/feed"] = (302, "/elsewhere")
    assert body_of(site).validators.etag is None
    site.moved["/feed"] = (301, "/elsewhere")
    assert body_of(site).validators.etag == '"1"'


def test_an_address_that_is_only_written_otherwise_keeps_its_validators(site: Site) -> None:
    """feeds:I2 — a fragment, or a host in capitals, is no redirect."""
    site.say(rss(entry()), etag='"1"')
    got = ask(site.open(), site.url.replace("http", "HTTP") + "#latest")
    assert isinstance(got, Body)
    assert (got.validators.etag, got.moved) == ('"1"', None)


def test_a_temporary_target_is_not_asked_for_what_the_other_had(site: Site) -> None:
    """feeds:I2 — our conditions stay behind when today's answer comes from elsewhere; a lasting move takes them."""
    site.say(rss(entry()), etag='"1"', last_modified=HTTP_NOW)
    known = body_of(site).validators
    site.moved["/feed"] = (307, "/elsewhere")
    assert isinstance(get(site, known), Unchanged)  # the same bytes, read in full
    site.moved["/feed"] = (308, "/elsewhere")
    assert get(site, known).status == 304
    asked = ["if-none-match" in request for request in site.asked if request["path"] == "/elsewhere"]
    assert asked == [False, True]


def test_a_304_from_a_temporary_target_is_a_failure(site: Site) -> None:
    """feeds:I2 — it was asked nothing conditional, so its 304 says nothing of what we have."""
    site.say(rss(entry()), etag='"1"')
    known = body_of(site).validators
    site.moved["/feed"] = (302, "/elsewhere")
    site.say(b"", 304)
    assert isinstance(get(site, known), Failed)


@pytest.mark.parametrize(
    ("first", "second", "lasting"),
    [(301, 308, True), (308, 301, True), (301, 302, False), (307, 301, False), (303, 303, False)],
)
def test_a_lasting_move_is_told(site: Site, first: int, second: int, *, lasting: bool) -> None:
    """feeds:I5 — where every hop was permanent, the new address is reported, also of what is unchanged."""
    site.say(rss(entry()), etag='"1"')
    site.moved |= {"/feed": (first, "/between"), "/between": (second, "/new")}
    there = site.url.replace("/feed", "/new") if lasting else None
    body = body_of(site)
    assert (body.moved, body.url) == (there, site.url.replace("/feed", "/new"))
    again = get(site, body.validators)
    assert isinstance(again, Unchanged)
    assert again.moved == there


def test_what_has_not_moved_has_no_new_address(site: Site) -> None:
    """feeds:I5 — without a redirect there is nothing to adopt."""
    site.say(rss(entry()))
    assert body_of(site).moved is None


def test_six_redirects_are_too_many(site: Site) -> None:
    """feeds:I5 — a loop ends in words, not in a hang."""
    site.moved["/feed"] = (302, "/feed")
    got = get(site)
    assert isinstance(got, Failed)
    assert "redirects more than 5 times" in got.words


def test_an_etag_that_cannot_be_sent_is_dropped(site: Site) -> None:
    """One odd header of theirs must not stop every later poll."""
    site.say(rss(entry()), etag='"caf\xe9"')
    first = body_of(site)
    assert first.validators.etag is None
    assert isinstance(get(site, first.validators), Unchanged)


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_errors_fail_in_words(site: Site, status: int) -> None:
    """feeds:I6 — any other status is a failure that names it."""
    site.say(b"<html/>", status)
    got = get(site)
    assert isinstance(got, Failed)
    assert str(status) in got.words


def test_a_304_that_nobody_asked_for_is_named_as_that(site: Site) -> None:
    """feeds:I6 — we have nothing of it yet, so it says nothing; nor is it a redirect without an address."""
    site.say(b"", 304)
    got = get(site)
    assert isinstance(got, Failed)
    assert "304, though it was not asked" in got.words


def test_what_a_proxy_touched_is_read(site: Site) -> None:
    """feeds:I6 — 203 is a 200 that was transformed on its way, validators and all (RFC 9110 §15.3.4)."""
    site.say(rss(entry()), 203, etag='"1"')
    assert body_of(site).validators.etag == '"1"'


def test_410_is_gone(site: Site) -> None:
    """feeds:I6 — 410 stops polling."""
    site.say(b"", 410)
    assert isinstance(get(site), Gone)


def test_a_410_behind_a_temporary_redirect_is_not_the_end(site: Site) -> None:
    """feeds:I6 — what is closed there is where we were sent today, and only a permanent move makes it ours."""
    site.say(b"", 410)
    site.moved["/feed"] = (302, "/elsewhere")
    assert isinstance(get(site), Failed)
    site.moved["/feed"] = (301, "/elsewhere")
    assert isinstance(get(site), Gone)


def test_304_that_nobody_asked_for_is_a_failure(site: Site) -> None:
    """A server that says 304 to an unconditional request gave us nothing."""
    site.say(b"", 304)
    assert isinstance(get(site), Failed)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_handed_on(site: Site, status: int) -> None:
    """feeds:I6 — 429 and 503 say how long to stay away, and a day is the most we take."""
    for asked, wait in (("3600", timedelta(hours=1)), (HTTP_NOON, timedelta(hours=3)), ("999999", CEILING)):
        site.say(b"", status, retry_after=asked)
        got = get(site)
        assert isinstance(got, Failed)
        assert (got.retry_after, got.status) == (wait, status)


def test_an_empty_answer_fails(site: Site) -> None:
    """An empty 200 is a fault of the server, not a feed without items."""
    site.say(b" \n")
    assert get(site) == Failed("the answer is empty", status=200)


def test_a_gzip_bomb_stops_at_the_limit(site: Site) -> None:
    """feeds:I7 — five million bytes after inflation, and no more."""
    site.say(b" " * 200_000_000)
    site.zip()
    got = get(site)
    assert isinstance(got, Failed)
    assert "more than 5000000 bytes" in got.words


def test_gzip_is_read(site: Site) -> None:
    """feeds:I7 — a compressed body is the same body."""
    site.say(rss(entry()))
    site.zip()
    assert body_of(site).body == rss(entry())


@pytest.mark.parametrize("content_type", ["application/x-gzip", "application/gzip", "application/xml"])
def test_gzip_without_a_word_about_it_is_read(site: Site, content_type: str) -> None:
    """feeds:I7 — feed.xml.gz served as it lies there, once wrapped or twice; the type of the wrapping is no charset."""
    packed = gzip.compress(rss(entry()))
    site.say(packed, content_type=content_type)
    got = body_of(site)
    assert got.body == rss(entry())
    assert got.content_type == ("application/xml" if content_type == "application/xml" else "")
    site.zip()
    assert body_of(site).body == rss(entry())


def test_gzip_packed_anew_is_the_same_body(site: Site) -> None:
    """feeds:I1 — what counts is what was packed: the time that gzip writes down changes nothing."""
    site.say(gzip.compress(rss(entry()), mtime=1))
    known = body_of(site).validators
    site.say(gzip.compress(rss(entry()), mtime=2))
    assert isinstance(get(site, known), Unchanged)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (gzip.compress(bytes(200_000_000)), "more than 5000000 bytes"),
        (gzip.compress(rss(entry()))[:-9], "gzip that is cut off"),
        (gzip.compress(b"")[:10] + b"nonsense", "broken gzip"),
    ],
    ids=["bomb", "cut off", "broken"],
)
def test_bad_gzip_without_a_word_about_it_fails(site: Site, body: bytes, words: str) -> None:
    """feeds:I7 — a bomb that is not announced stops at the same limit."""
    site.say(body)
    got = get(site)
    assert isinstance(got, Failed)
    assert words in got.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<rss/>", "its Content-Length says 500"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n<rss/>", "broken HTTP"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n<rss/>\r\n", "after 6 bytes"),
    ],
)
def test_a_wrong_length_is_a_failure_that_says_so(answer: bytes, words: str) -> None:
    """feeds:I7 — half a feed is never taken for a feed."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with closing(Server(say)) as server:
        got = ask(AsyncClient(LOOPBACK, AGENT), server.url())
    assert isinstance(got, Failed)
    assert words in got.words


def test_an_endless_feed_fails() -> None:
    """feeds:I7 — a body without end is read up to the limit and no further."""
    with closing(Server(flooding(b"HTTP/1.1 200 OK\r\n\r\n<rss>", bytes(65_536)))) as server:
        got = ask(AsyncClient(LOOPBACK, AGENT), server.url())
    assert isinstance(got, Failed)
    assert "more than 5000000 bytes" in got.words


def test_headers_say_how_long_to_wait(site: Site) -> None:
    """feeds:I4 — of a new body, of the same body and of a 304 alike."""
    site.say(rss(entry()), cache_control="max-age=1800", age="600")
    first = body_of(site)
    again = get(site, first.validators)
    assert isinstance(again, Unchanged)
    assert (first.headers_pace, again.headers_pace) == (timedelta(minutes=20), timedelta(minutes=20))
    site.say(rss(entry()), etag='"1"', cache_control="max-age=7200")
    tagged = get(site, first.validators)
    assert isinstance(tagged, Unchanged)
    unmodified = get(site, tagged.validators)
    assert isinstance(unmodified, Unchanged)
    assert (unmodified.status, unmodified.headers_pace) == (304, timedelta(hours=2))


def test_links_are_handed_on(site: Site) -> None:
    """feeds:I11 — hub and self of the Link header, absolute, seen from where the feed was found."""
    site.say(rss(entry()), link='<https://hub.example/>; rel="hub", <feed.xml>; rel=self')
    site.moved["/feed"] = (301, "/deep/feed")
    self_link = site.url.replace("/feed", "/deep/feed.xml")
    assert body_of(site).links == (("hub", "https://hub.example/"), ("self", self_link))


def test_a_private_address_is_not_dialled(site: Site) -> None:
    """feeds:I10 — without leave, loopback is refused before anything is sent."""
    got = ask(site.shut(), site.url)
    assert isinstance(got, Failed)
    assert "(nothing was sent)" in got.words
    assert site.asked == []


def test_a_private_address_behind_a_redirect_is_not_dialled(site: Site) -> None:
    """feeds:I10 — every hop is vetted, and the words say that a redirect led there."""
    site.moved["/feed"] = (301, "http://169.254.169.254/latest/meta-data/")
    got = get(site)
    assert isinstance(got, Failed)
    assert "127.0.0.1 redirects to where we do not go: 169.254.169.254 is not a public address" in got.words
    assert "nothing was sent" not in got.words


def test_content_location_is_the_base(site: Site) -> None:
    """feeds:I21 — relative addresses resolve against Content-Location, then the final address."""
    site.say(rss(entry()), content_location="/real/feed.xml")
    assert body_of(site).base == f"http://127.0.0.1:{site.port}/real/feed.xml"
    site.say(rss(entry()), content_location="http://[broken")
    assert body_of(site).base == site.url
    site.say(rss(entry()), content_location="data:text/xml,x")
    assert body_of(site).base == site.url
