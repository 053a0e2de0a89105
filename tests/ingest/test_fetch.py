"""Fetching over a real socket: what is sent, and what each answer means."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from syndicator import __version__
from syndicator.ingest.fetch import Body, Failed, Gone, Unchanged, fetch
from syndicator.ingest.headers import retry_after
from syndicator.model.cadence import CEILING
from syndicator.model.upstream import Validators
from syndicator.wire.http_async import AsyncClient
from tests.ingest.feeds import Site, entry, rss
from tests.make import NOW

NOTHING = Validators()
HTTP_NOW = "Mon, 02 Mar 2026 09:00:00 GMT"


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
    assert not {"if-none-match", "if-modified-since", "cookie", "referer"} & set(asked)


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


def test_410_is_gone(site: Site) -> None:
    """feeds:I6 — 410 stops polling."""
    site.say(b"", 410)
    assert isinstance(get(site), Gone)


def test_304_that_nobody_asked_for_is_a_failure(site: Site) -> None:
    """A server that says 304 to an unconditional request gave us nothing."""
    site.say(b"", 304)
    assert isinstance(get(site), Failed)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        ("Mon, 02 Mar 2026 09:10:00 GMT", timedelta(minutes=10)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", timedelta()),
        ("999999999999999999999", CEILING),
        ("Fri, 31 Dec 9999 23:59:59 GMT", CEILING),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(text: str | None, wait: timedelta | None) -> None:
    """feeds:I6 — seconds or a date, capped at a day; nonsense is no wish."""
    assert retry_after(text, NOW) == wait


def test_retry_after_is_handed_on(site: Site) -> None:
    """feeds:I6 — 429 says how long to stay away."""
    site.say(b"", 429, retry_after="3600")
    got = get(site)
    assert isinstance(got, Failed)
    assert got.retry_after == timedelta(hours=1)


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


def test_a_private_address_is_not_dialled(site: Site) -> None:
    """feeds:I10 — without leave, loopback is refused before anything is sent."""
    got = ask(site.shut(), site.url)
    assert isinstance(got, Failed)
    assert "(nothing was sent)" in got.words
    assert site.asked == []


def test_content_location_is_the_base(site: Site) -> None:
    """feeds:I21 — relative addresses resolve against Content-Location, then the final address."""
    site.say(rss(entry()), content_location="/real/feed.xml")
    assert body_of(site).base == f"http://127.0.0.1:{site.port}/real/feed.xml"
    site.say(rss(entry()), content_location="http://[broken")
    assert body_of(site).base == site.url
