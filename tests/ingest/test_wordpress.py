"""A WordPress site read by its API: all that is public, under the guids of its feed; and sites that lie."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from syndicator.errors import Blocked, Invalid, SyndicatorError, TryLater
from syndicator.ingest.entries import Entry
from syndicator.ingest.filing import LeftOut
from syndicator.ingest.parse import parse
from syndicator.ingest.sources import wordpress
from syndicator.ingest.sources.wordpress import Wordpress
from syndicator.wire.guard import Guard, parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.feeds import AGENT, LIMITS
from tests.ingest.press import FIRST, Post, Press, serving
from tests.make import NOW

T = TypeVar("T")


@pytest.fixture
def press() -> Iterator[Press]:
    """A site with three posts."""
    with serving() as site:
        site.fill(3)
        yield site


def asking(work: Callable[[AsyncClient], Awaitable[T]], guard: Guard | None = None) -> T:
    """What comes of work with a real client that may reach loopback."""

    async def done() -> T:
        async with AsyncClient(guard or parse_guard(["127.0.0.0/8"]), AGENT, LIMITS) as client:
            return await work(client)

    return asyncio.run(done())


def found(press: Press, path: str = "/") -> Wordpress | None:
    """The site behind an address of it."""
    return asking(lambda client: wordpress.site_of(client, press.url(path)))


def walked(press: Press, waits: list[float] | None = None) -> tuple[list[Entry], list[LeftOut]]:
    """All that the walk brings."""
    site = Wordpress(press.url("wp-json/"), press.home, "Press")

    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)

    async def walk(client: AsyncClient) -> tuple[list[Entry], list[LeftOut]]:
        entries: list[Entry] = []
        refused: list[LeftOut] = []
        async for piece in wordpress.posts(client, site, NOW, sleep):
            entries += piece.feed.entries
            refused += piece.refused
        return entries, refused

    return asking(walk)


def offsets(press: Press) -> list[tuple[int, int]]:
    """Offset and size of what was asked of the posts."""
    queries = [parse_qs(urlsplit(path).query) for path in press.asked if "/posts?" in path]
    return [(int(query["offset"][0]), int(query["per_page"][0])) for query in queries]


def test_a_site_is_known_by_its_header_its_head_or_its_usual_place(press: Press) -> None:
    """feeds:I11 — by the Link header, the link in the head, the API's own address, and by plain permalinks."""
    site = Wordpress(press.url("wp-json/"), press.home.rstrip("/"), "The Press & Co")
    assert site == found(press)
    press.instead["/"] = lambda _query: (200, {"content-type": "text/html"}, press.page())
    assert site == found(press)
    assert site == found(press, "/wp-json/wp/v2/posts")
    press.instead["/"] = lambda _query: (200, {"content-type": "text/html"}, b"<title>No word of it")
    assert site == found(press)
    press.say("/wp-json/", {"code": "rest_disabled"}, status=401)
    assert found(press) is None


def test_an_api_behind_a_query_is_asked_by_that_query(press: Press) -> None:
    """feeds:I11 — where permalinks are plain the API is `?rest_route=/`."""
    press.instead["/"] = lambda query: (
        press.answer(f"/wp-json{query['rest_route']}", query)
        if "rest_route" in query
        else (200, {"link": f'<{press.url("?rest_route=/")}>; rel="https://api.w.org/"'}, b"<p>page")
    )
    site = found(press)
    assert site
    assert press.url("?rest_route=/") == site.api
    assert "Policy" in [one.name for one in asking(lambda client: wordpress.categories(client, site))]


def test_all_posts_come_oldest_first_as_the_feed_has_them(press: Press) -> None:
    """feeds:I15 — guid, title, words, date, author and terms of a post are those of its feed entry."""
    press.posts = [Post(1, title="Cats &#038; <em>dogs</em> &#8211; 5 &lt; 6", terms=(4, 9)), Post(2)]
    entries, refused = walked(press)
    told = parse(press.feed(), url=press.url("feed/")).entries
    assert [] == refused
    assert ["Cats & dogs – 5 < 6", "Post 2"] == [one.title for one in entries]
    assert [one.guid for one in reversed(told)] == [one.guid for one in entries]
    assert [one.published for one in reversed(told)] == [one.published for one in entries]
    assert [one.body for one in reversed(told)] == [one.body for one in entries]
    assert [one.authors for one in reversed(told)] == [one.authors for one in entries]
    assert "In short, 1 […]" == entries[0].summary
    assert [("Events & People", "category"), ("wolves", "post_tag")] == [
        (one.term, one.scheme) for one in entries[0].categories
    ]


def test_a_guid_is_the_one_the_feed_says(press: Press) -> None:
    """feeds:I15 — the API writes `&#038;` out, XML means the ampersand."""
    press.posts = [Post(7)]
    press.say(
        "/wp-json/wp/v2/posts",
        [press.post(press.posts[0]) | {"guid": {"rendered": "https://a.example/?a=1&#038;p=7"}}],
    )
    assert ["https://a.example/?a=1&p=7"] == [one.guid for one in walked(press)[0]]


def test_a_large_catalogue_is_walked_politely(press: Press) -> None:
    """feeds:I4 — a hundred at a time, one request after the other, a pause between two, our name on each."""
    press.fill(250)
    waits: list[float] = []
    entries, _ = walked(press, waits)
    assert list(range(1, 251)) == [int((one.guid or "").rpartition("=")[2]) for one in entries]
    assert [(0, 100), (100, 100), (200, 100)] == offsets(press)
    assert [wordpress.PAUSE] * 2 == waits
    assert {AGENT} == press.agents


def test_what_is_not_public_is_refused_by_name(press: Press) -> None:
    """DESIGN §5 — drafts and posts behind a password are never taken, whatever the site gives out."""
    press.posts = [Post(1), Post(2, password="x", title="Secret"), Post(3)]
    rows = [press.post(post) for post in press.posts]
    rows[2] |= {"status": "private"}
    press.say("/wp-json/wp/v2/posts", rows, headers={"X-WP-Total": "3"})
    entries, refused = walked(press)
    assert ["Post 1"] == [one.title for one in entries]
    assert [("Secret", "password"), ("Post 3", "private")] == [
        (one.title, next(word for word in ("password", "private") if word in one.why)) for one in refused
    ]


def test_retry_after_is_obeyed_within_reason(press: Press) -> None:
    """feeds:I6 — 429 waits as it is told; a server that wants hours is left alone, in words."""
    busy = iter([(429, "7"), (503, "9"), (200, "")])

    def answer(query: dict[str, str]) -> Any:
        status, wait = next(busy)
        if status != 200:
            return status, {"retry-after": wait}, b""
        del press.instead["/wp-json/wp/v2/posts"]
        return press.answer("/wp-json/wp/v2/posts", query)

    press.instead["/wp-json/wp/v2/posts"] = answer
    waits: list[float] = []
    assert 3 == len(walked(press, waits)[0])
    assert [7.0, 9.0] == waits
    press.say("/wp-json/wp/v2/posts", b"", status=429, headers={"retry-after": "36000"})
    with pytest.raises(TryLater, match="import again"):
        walked(press)


def test_answers_too_large_are_asked_for_in_smaller_ones(press: Press) -> None:
    """feeds:I7 — a body above the limit is asked for again with fewer posts; one that alone is too large is passed over."""
    press.fill(7)
    press.posts[3].content = "x" * 5_100_000
    entries, refused = walked(press)
    assert [1, 2, 3, 5, 6, 7] == [int((one.guid or "").rpartition("=")[2]) for one in entries]
    assert ["post 4 by date"] == [one.title for one in refused]
    assert {100, 20, 4, 1} == {size for _, size in offsets(press)}


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        "x",
        7,
        {},
        {"id": "1", "guid": {"rendered": "g"}},
        {"id": 1, "guid": "g"},
        {"id": 1, "guid": {"rendered": ["g"]}},
        {"id": 1, "guid": {"rendered": "g"}, "title": "T"},
        {"id": 1, "guid": {"rendered": "g"}, "content": {"rendered": 5}},
        {"id": 1, "guid": {"rendered": "g" * 5_000}},
        {"id": 1, "guid": {"rendered": "g"}, "link": "https://a.example/" + "x" * 4_000},
        {"id": 1, "guid": {"rendered": "g"}, "_embedded": {"author": {"0": {}}}},
        {"id": 1, "guid": {"rendered": "g"}, "date_gmt": 20260101},
    ],
)
def test_a_post_of_wrong_types_is_refused_alone(press: Press, row: Any) -> None:
    """delivery-and-security:X4 — whatever stands among them, the other posts come in."""
    rows = [press.post(press.posts[0]), row, press.post(press.posts[2])]
    press.say("/wp-json/wp/v2/posts", rows, headers={"X-WP-Total": "3"})
    entries, refused = walked(press)
    assert ["Post 1", "Post 3"] == [one.title for one in entries]
    assert 1 == len(refused)
    assert refused[0].why


def test_oddities_of_php_are_no_faults(press: Press) -> None:
    """feeds:I18 — an empty map is a list, an author that is gone is an error in its place, a date may be null."""
    row = press.post(press.posts[0])
    odd = [
        row | {"id": 11, "_embedded": [], "date_gmt": None},
        row
        | {
            "id": 12,
            "_embedded": {"author": [{"code": "rest_user_invalid_id", "message": "Invalid user ID."}]},
        },
        row | {"id": 13, "date_gmt": "0000-00-00T00:00:00"},
        row | {"id": 14, "date_gmt": "0001-01-01T00:00:00+14:00"},
    ]
    press.say("/wp-json/wp/v2/posts", odd, headers={"X-WP-Total": "4"})
    entries, refused = walked(press)
    assert [] == refused
    assert [None, datetime(2026, 1, 5, 10, 0, tzinfo=UTC), None, None] == [one.published for one in entries]
    assert all(not one.authors for one in entries[:2])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"<!DOCTYPE html><title>Log in</title>", 200, "does not answer with JSON"),
        (b'{"code":"rest_cannot_access"}', 401, "answered 401"),
        (b'{"posts": []}', 200, "list of at most 100"),
        (b"[" * 200_000, 200, "does not answer with JSON"),
        (b"[" + b"{}," * 100_000 + b"{}]", 200, "list of at most 100"),
        (b'[{"id": 1' + b"0" * 10_000, 200, "does not answer with JSON"),
        (b'["\\ud800"]\xff', 200, "does not answer with JSON"),
    ],
)
def test_what_is_no_such_api_is_refused_in_words(press: Press, body: bytes, status: int, words: str) -> None:
    """delivery-and-security:X4 — HTML instead of JSON, JSON of any depth and length: a reason, and the other way to go."""
    press.say("/wp-json/wp/v2/posts", body, status=status)
    with pytest.raises((Invalid, SyndicatorError), match=words) as refusal:
        walked(press)
    assert "WXR" in str(refusal.value)


def test_a_site_that_claims_a_million_pages_is_not_believed(press: Press) -> None:
    """feeds:I7 — the same answer for ever ends the walk at the first that brings nothing new."""
    rows = [press.post(post) for post in press.posts]
    press.say("/wp-json/wp/v2/posts", rows, headers={"X-WP-Total": "100000000", "X-WP-TotalPages": "1000000"})
    entries, _ = walked(press)
    assert 3 == len(entries)
    assert 2 == len(offsets(press))


def test_a_site_that_invents_posts_for_ever_is_left(press: Press, monkeypatch: pytest.MonkeyPatch) -> None:
    """feeds:I7 — the walk has an end of its own."""
    monkeypatch.setattr(wordpress, "MOST_POSTS", 450)

    def invented(query: dict[str, str]) -> Any:
        start = int(query["offset"])
        rows = [press.post(Post(start + n)) for n in range(100)]
        return 200, {"content-type": "application/json", "X-WP-Total": "9" * 9}, _dumped(rows)

    press.instead["/wp-json/wp/v2/posts"] = invented
    assert 500 == len(walked(press)[0])


def test_no_way_leads_to_a_private_address(press: Press) -> None:
    """security:S2 — what the page, the header or a redirect names goes through the same guard."""
    site = Wordpress("http://127.0.0.1:1/wp-json/", press.home, "x")
    with pytest.raises(Blocked):
        asking(lambda client: wordpress.site_of(client, press.home), Guard())
    with pytest.raises(Blocked):
        asking(lambda client: wordpress.categories(client, site), Guard())
    for named in ("http://169.254.169.254/wp-json/", "http://10.0.0.1/wp-json/", "file:///etc/passwd"):
        press.instead["/"] = lambda _query, named=named: (  # type: ignore[misc]
            200,
            {"link": f'<{named}>; rel="https://api.w.org/"'},
            f'<link rel="https://api.w.org/" href="{named}">'.encode(),
        )
        assert press.url("wp-json/") == getattr(found(press), "api", None)
    press.say("/wp-json/wp/v2/posts", b"", status=302, headers={"location": "http://169.254.169.254/latest/"})
    with pytest.raises(Blocked):
        walked(press)


def test_categories_are_held_to_their_types(press: Press) -> None:
    """feeds:I25 — names and counts as they are; what has other types is passed over; an endless list ends."""
    site = found(press)
    assert site
    press.posts = [Post(1, terms=(3,)), Post(2, terms=(3, 4))]
    got = asking(lambda client: wordpress.categories(client, site))
    assert [("policy", 2), ("events-people", 1)] == [(one.slug, one.count) for one in got]
    same = [press.category(3)] * 50 + [{"name": 1}, None, {"slug": "x"}] + [press.category(4)] * 47
    press.say("/wp-json/wp/v2/categories", same)
    assert 2 <= len({one.slug for one in asking(lambda client: wordpress.categories(client, site))})
    press.say("/wp-json/wp/v2/categories", b"<html>")
    with pytest.raises(Invalid):
        asking(lambda client: wordpress.categories(client, site))


def test_hostile_html_in_a_name_costs_nothing(press: Press) -> None:
    """delivery-and-security:H2 — names are text; nesting without end is no name."""
    row = press.post(press.posts[0])
    deep = "<div>" * 3_000
    row["title"] = {"rendered": '<script>alert(1)</script>Safe<img src=x onerror="alert(1)">'}
    row["excerpt"] = {"rendered": deep + "x", "protected": False}
    press.say("/wp-json/wp/v2/posts", [row])
    ((entry,), _) = walked(press)
    assert "Safe" == entry.title
    assert "" == entry.summary
    assert FIRST.year == (entry.published or NOW).year


def _dumped(rows: Any) -> bytes:
    import json

    return json.dumps(rows).encode()
