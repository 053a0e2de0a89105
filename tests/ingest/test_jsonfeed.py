"""JSON Feed 1.0 and 1.1, which feedparser does not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from syndicator.ingest.child import reading
from syndicator.ingest.child.scan import Refuse
from syndicator.ingest.entries import Entry, File, Parsed, Person, incoming
from syndicator.ingest.parse import Pool, Unreadable
from tests.ingest.here import UPSTREAM, URL, read

VERSION = "https://jsonfeed.org/version/1.1"
ITEM = {"id": "1", "content_text": "Words."}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Real children, started at the first body."""
    with Pool(1) as running:
        yield running


def feed(*items: Any, **other: Any) -> bytes:
    return json.dumps({"version": VERSION, "title": "News", "items": items, **other}).encode()


def only(**said: Any) -> Entry:
    (one,) = read(feed({**ITEM, **said})).entries
    return one


def test_all_of_it() -> None:
    """feeds:I14 — every field of 1.1 that we keep arrives where XML's would."""
    body = feed(
        {
            "id": "tag:x,2026:1",
            "url": "https://cms.example/1",
            "external_url": "https://else.example/",
            "title": "A < B",
            "content_html": '<p>See <a href="more">more</a></p>',
            "content_text": "See more",
            "summary": "In short",
            "image": "https://cms.example/i.png",
            "banner_image": "https://cms.example/b.png",
            "date_published": "2026-03-02T10:00:00+01:00",
            "date_modified": "2026-03-03T10:00:00Z",
            "authors": [
                {"name": "Jane", "url": "https://jane.example/"},
                {"name": "John", "url": "mailto:j@x.example"},
            ],
            "tags": ["a", "b", "a"],
            "language": "de",
            "attachments": [
                {
                    "url": "/a.mp3",
                    "mime_type": "audio/mpeg",
                    "title": "Sound",
                    "size_in_bytes": 12,
                    "duration_in_seconds": 90.6,
                }
            ],
        },
        home_page_url="https://cms.example/",
        feed_url="https://cms.example/feed.json",
        language="en",
        hubs=[{"type": "rssCloud", "url": "https://no.example/"}, {"type": "WebSub", "url": "/hub"}, "x"],
    )
    parsed = read(body)
    (one,) = parsed.entries
    assert (parsed.version, parsed.title, parsed.link) == ("json11", "News", "https://cms.example/")
    assert parsed.self_link == parsed.id == "https://cms.example/feed.json"
    assert parsed.hubs == ("https://cms.example/hub",)
    assert (one.guid, one.link, one.title, one.summary) == (
        "tag:x,2026:1",
        "https://cms.example/1",
        "A < B",
        "In short",
    )
    assert one.published == datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert one.dated == "2026-03-02T10:00:00+01:00"
    assert one.authors == (
        Person(name="Jane", url="https://jane.example/"),
        Person(name="John", email="j@x.example"),
    )
    assert [term.term for term in one.categories] == ["a", "b"]
    assert one.language == "de"
    sound, picture = one.files
    assert sound == File(
        url="https://cms.example/a.mp3", type="audio/mpeg", title="Sound", length=12, duration=90
    )
    assert (picture.url, picture.type) == ("https://cms.example/i.png", "image/png")
    thing = incoming(one, parsed, UPSTREAM, one.published)
    assert thing.content.body == '<p>See <a href="https://cms.example/more">more</a></p>'
    assert thing.content.title == "A < B"


@pytest.mark.parametrize(
    ("said", "guid"),
    [(7, "7"), (7.5, "7.5"), ("7", "7"), (None, None), (True, None), (["x"], None), (10**50, "1" + "0" * 39)],
)
def test_ids(said: Any, guid: str | None) -> None:
    """feeds:I14 — numbers are texts; what is neither is none."""
    assert only(id=said).guid == guid


@pytest.mark.parametrize(
    ("item", "whole", "names"),
    [
        ({"author": {"name": "One"}}, {}, ["One"]),
        ({"authors": [{"name": "A"}, {"name": "B"}], "author": {"name": "Old"}}, {}, ["A", "B"]),
        ({}, {"author": {"name": "Feed"}}, ["Feed"]),
        ({}, {"authors": [{"name": "Feed"}]}, ["Feed"]),
        ({"authors": []}, {"authors": [{"name": "Feed"}]}, ["Feed"]),
        ({}, {"authors": [{"name": f"{n}"} for n in range(9)]}, ["0", "1", "2", "3", "4"]),
        ({"authors": [{"name": f"{n}"} for n in range(9)]}, {}, [f"{n}" for n in range(9)]),
        ({"author": "Just a name"}, {}, ["Just a name"]),
        ({"authors": [{"url": "https://x.example/"}, 5, None, {"name": ["x"]}]}, {}, []),
    ],
)
def test_authors(item: Any, whole: Any, names: list[str]) -> None:
    """feeds:I14 — `author` of 1.0 and `authors` of 1.1, of the item or inherited."""
    (one,) = read(feed({**ITEM, **item}, **whole)).entries
    assert [person.name for person in one.authors] == names


def test_texts_and_links() -> None:
    """feeds:I14 — plain text becomes HTML that shows it; a link may be the other page; 1.0 and no version are read."""
    assert only(content_text="A < B\n\nC").body == "<p>A &lt; B</p><p>C</p>"
    assert only(external_url="https://else.example/").link == "https://else.example/"
    assert only(url="/1").link == "https://cms.example/1"
    assert read(feed(ITEM, version="https://jsonfeed.org/version/1")).version == "json1"
    assert read(feed(ITEM, version="1.0")).version == "json"


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "x", [[]], [{}], [None], {"name": 5}, 1e308, -1])
@pytest.mark.parametrize(
    "name",
    [
        "title",
        "url",
        "tags",
        "authors",
        "attachments",
        "image",
        "date_published",
        "language",
        "content_html",
        "summary",
    ],
)
def test_fields_of_another_kind_are_harmless(name: str, value: Any) -> None:
    """feeds:I12, feeds:I14 — a field that is not what it should be costs itself only, also at the head of the feed."""
    assert only(**{name: value}).guid == "1"
    if name not in {"items", "version"}:
        assert (
            len(read(feed(ITEM, **{name: value, "hubs": value, "feed_url": value, "author": value})).entries)
            == 1
        )


def test_what_nobody_knows_is_passed_over() -> None:
    """feeds:I14 — other keys, extensions, items that are none; a change of an extension is no change of the item."""
    parsed = read(
        feed({**ITEM, "_ext": {"n": 1}, "other": []}, 5, None, "x", _ext={"about": "us"}, next_url="/2")
    )
    (one,) = parsed.entries
    assert one.raw
    again = read(feed({**ITEM, "_ext": {"n": 2}, "other": []}), known=frozenset({one.raw}))
    assert (again.unchanged, again.entries) == ((one.raw,), ())
    changed = read(feed({**ITEM, "content_text": "Other."}), known=frozenset({one.raw}))
    assert changed.unchanged == ()
    inherited = read(feed({**ITEM, "other": []}, language="de"), known=frozenset({one.raw}))
    assert inherited.unchanged == ()


def test_a_feed_that_has_ended() -> None:
    """feeds:I14 — `expired` is told to the owner; what is in it still counts."""
    parsed = read(feed(ITEM, expired=True))
    assert parsed.warning == "it says that it has ended: nothing new will come"
    assert len(parsed.entries) == 1


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "windows-1252"]
)
def test_encodings(encoding: str) -> None:
    """feeds:I14, feeds:I19 — with a mark and without; RFC 8259 says UTF-8, people say what they like."""
    body = json.dumps({"version": VERSION, "title": "Grüße", "items": []}, ensure_ascii=False).encode(
        encoding
    )
    assert read(b"\n" * (encoding == "utf-8") + body).title == "Grüße"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b'{"items": ' + b"[" * 200_000, "nested too deep", id="deep"),
        pytest.param(b'{"a": ' * 200_000, "nested too deep", id="deep-objects"),
        pytest.param(feed(*[{}] * 200_000), "more than 5,000 items", id="items"),
        pytest.param(feed({"id": "1", "content_html": "x" * 4_500_000}), "longer than 4 MiB", id="absurd"),
        pytest.param(feed(ITEM)[:-5], "broken", id="cut"),
        pytest.param(b"{'a': 1}", "broken", id="not-json"),
        pytest.param(b'{"items": [' + b"9" * 1_000_000 + b"]}", "not a feed", id="long-number"),
        pytest.param(b"[]", "not a feed", id="list"),
        pytest.param(b'{"items": []}', "not a feed", id="nameless"),
        pytest.param(b'{"version": "x", "items": {}}', "not a feed", id="no-items"),
        pytest.param(b'{"error": "no"}', "not a feed", id="other"),
    ],
)
def test_hostile_ones_are_refused_in_words(body: bytes, words: str, pool: Pool) -> None:
    """feeds:I14, feeds:I12, security:X1 — depth, numbers, lengths: told in words, here and from the child."""
    with pytest.raises(Refuse, match=words):
        reading.read(body, "", URL)
    with pytest.raises(Unreadable, match=words):
        pool.parse(body)


def test_an_overlong_item_costs_itself_only() -> None:
    """feeds:I14, feeds:I12 — it is left out and named; the others come in."""
    parsed = read(
        feed({"id": 1, "title": "Long", "content_html": "x" * 1_500_000}, {"id": 2, "title": "Short"})
    )
    assert [one.title for one in parsed.entries] == ["Short"]
    (left,) = parsed.omitted
    assert (left.title, left.guid) == ("Long", "1")
    assert "longer than 1 MiB" in left.why


def test_it_arrives_from_the_child(pool: Pool) -> None:
    """feeds:I14 — over the same line as XML, into the same types."""
    parsed = pool.parse(feed(ITEM), url=URL)
    assert isinstance(parsed, Parsed)
    assert parsed.entries[0].body == "<p>Words.</p>"


def test_duplicate_keys_and_odd_numbers() -> None:
    """feeds:I14 — NaN is no figure; of two keys the last counts, as everywhere; lone surrogates are dropped."""
    body = (
        b'{"version":"%s","title":"a\\ud800b","title":"c\\ud800d","items":[{"id":NaN,"title":"x\\u0000y"}]}'
        % VERSION.encode()
    )
    parsed = read(body)
    assert (parsed.title, parsed.entries[0].title, parsed.entries[0].guid) == ("cd", "xy", None)
