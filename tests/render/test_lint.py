"""What lint says: nothing of our own documents, something of every way to break one; the W3C validator agrees."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syndicator.model.item import Item, Medium
from syndicator.model.site import Format
from syndicator.render import documents, entries
from syndicator.render.lint import Level, Problem, Served, lint
from tests.interop.newsrooms import Plan, live, newsrooms
from tests.make import NOW
from tests.render.test_entries import AGNES, AUDIO, PAPER, POOR, RICH, SITE, TOPIC, entry, with_content

PICTURE = Medium(
    url="https://news.example.org/media/b.png", type="image/png", length=99, alt="A bridge", width=9, height=6
)
FULL = with_content(
    replace(RICH, uid="tag:news.example.org,2026:item/1"),
    media=(AUDIO, PICTURE, PAPER),
    language="de-DE",
    body='<p>See <a href="https://example.org/?a=1">this</a> <img src="https://example.org/i.png" alt="Ada"></p>',
)
WHEN = NOW + timedelta(hours=1)
GONE = documents.Tombstone(uid="tag:news.example.org,2026:item/0", when=NOW)


def served(format: Format, body: bytes | None = None, **other: Any) -> Served:
    """A document as it is served: ours, or these bytes in its place."""
    url = SITE.feed_url(TOPIC.slug, format)
    return Served(body=ours(format) if body is None else body, format=format, url=url, now=WHEN, **other)


def ours(format: Format, *items: Item, page: int | None = None, **head: Any) -> bytes:
    """What the renderer makes of a rich and a poor item."""
    made = [entry(FULL, AGNES), entry(POOR)] if not items else [entry(item) for item in items]
    top = documents.head(TOPIC, SITE, format, [one.updated for one in made], page=page, **head)
    told = [entries.fragment(one, format) for one in made]
    return documents.document(top, told, () if page else (GONE,))


def broken(format: Format, old: str, new: str) -> bytes:
    """Our document with its first `old` replaced; a test that replaces nothing would show nothing."""
    body = ours(format)
    assert old.encode() in body, body.decode()
    return body.replace(old.encode(), new.encode(), 1)


@pytest.mark.parametrize("format", Format)
def test_our_own_documents_are_well(format: Format) -> None:
    """feeds:P1: a live document with everything in it, compressed and tagged as it is stored."""
    packed = documents.pack(ours(format))
    assert [] == lint(served(format, gzip=packed.gzip, etag=packed.etag))
    assert [] == lint(served(format, ours(format, complete=True)))
    assert [] == lint(served(format, ours(format, pages=3)))


@pytest.mark.parametrize("format", Format)
def test_our_own_archives_are_well(format: Format) -> None:
    """feeds:P26: the first and a later closed page."""
    for page in (1, 2):
        live, url = SITE.feed_url("policy", format), SITE.archive_url("policy", page, format)
        document = Served(body=ours(format, page=page), format=format, url=url, now=WHEN, live_url=live)
        assert [] == lint(document)


ATOM_FAULTS = {
    "cut off": ("</feed>", "", "it is no XML"),
    "byte order mark": ("<?xml", "\ufeff<?xml", "byte order mark"),
    "doctype": ("<feed", '<!DOCTYPE feed [<!ENTITY x "y">]><feed', "DOCTYPE"),
    "prefix not declared": ("<entry", "<x:y/><entry", "it is no XML"),
    "character": ("A line", "A \x01line", "it is no XML"),
    "other root": ("<feed ", "<feeds ", "it is no XML"),
    "no id": (f"<id>{POOR.uid}</id>", "", "no id"),
    "relative id": (f"<id>{POOR.uid}</id>", "<id>item/1</id>", "no absolute IRI"),
    "two ids": (f"<id>{POOR.uid}</id>", f"<id>{FULL.uid}</id>", f"the id {FULL.uid} stands 2 times"),
    "no title": ("<title>A line</title>", "", "it has no title"),
    "empty title": ("<title>A line</title>", "<title></title>", "missing or empty"),
    "two titles": ("<title>A line</title>", "<title>A</title><title>B</title>", "it has 2 title"),
    "no updated": ("<updated>2026-03-01T23:15:00+00:00</updated>", "", "it has no updated"),
    "date in words": ("<published>2026-03-02T09:00:00+00:00", "<published>yesterday", "no RFC 3339 date"),
    "no offset": (
        "<published>2026-03-02T09:00:00+00:00",
        "<published>2026-03-02T09:00:00",
        "no RFC 3339 date",
    ),
    "no such day": ("<published>2026-03-02T", "<published>2026-02-30T", "never was"),
    "future": ("<published>2026-03-02T", "<published>2027-03-02T", "in the future"),
    "other self": ('/policy.atom" rel="self"', '/other.atom" rel="self"', "its self link is"),
    "relative link": ('href="https://news.example.org/items/a-line"', 'href="/items/a-line"', "is relative"),
    "script": ('href="https://news.example.org/items/a-line"', 'href="javascript:x()"', "javascript: link"),
    "no type": ('type="audio/mpeg" length', "length", "no type"),
    "no length": ('length="1234"', "", "no length"),
    "wrong length": ('length="1234"', 'length="long"', "no whole number"),
    "no author": ("<author><name>Society &amp; Sons", "<author><name>", "an author has no name"),
    "language": ('xml:lang="de-DE"', 'xml:lang="deutsch!"', "no language tag"),
    "category": ('term="policy"', 'term=""', "no term"),
    "relative picture": ("https://example.org/i.png", "/i.png", "src in &lt;img> is relative"),
    "tombstone": ('when="2026', 'when="26', "when of a tombstone"),
    "tombstone of the living": (GONE.uid, POOR.uid, "said to be gone"),
}
RSS_FAULTS = {
    "version": ('version="2.0"', 'version="0.9"', "RSS 0.9"),
    "no description": ("<description>What the society says: 1 &#x3C; 2.</description>", "", "no description"),
    "two titles": ("<title>A line</title>", "<title>A</title><title>B</title>", "it has 2 title"),
    "year of two digits": ("02 Mar 2026 09", "02 Mar 26 09", "four-digit"),
    "weekday": ("<pubDate>Mon, 02", "<pubDate>Tue, 02", "another weekday"),
    "zone": ("09:00:00 GMT</pubDate>", "09:00:00 CET</pubDate>", "four-digit"),
    "no permalink": (f'isPermaLink="false">{POOR.uid}', f">{POOR.uid}", "is none"),
    "no guid": (f'<guid isPermaLink="false">{POOR.uid}</guid>', "", "no guid"),
    "author": (
        "<link>https://news.example.org/items/a-line",
        "<author>Ada</author><link>https://x.example/",
        "no mail",
    ),
    "author twice": ("<dc:creator>", "<author>a@x.example</author><dc:creator>", "author and dc:creator"),
    "enclosure": (
        '<enclosure url="https://news.example.org/media/t.mp3" length="1234"',
        '<enclosure url="t.mp3"',
        "relative",
    ),
    "two enclosures": (
        "<enclosure ",
        '<enclosure url="https://x.example/" length="1" type="a/b"/><enclosure ',
        "2 enclosure",
    ),
    "ttl": ("<ttl>5", "<ttl>soon", "ttl is no whole number"),
    "no alt": ("A bridge", "", "no alternative text"),
    "relative link": ("<link>https://news.example.org/items/a-line", "<link>items/a-line", "is relative"),
    "language": ("<language>en-GB", "<language>English, British", "no language tag"),
    "desk": ("<managingEditor>press@example.org", "<managingEditor>press", "no mail address"),
}
JSON_FAULTS = {
    "cut off": ("]}", "]", "it is no JSON"),
    "version": ("version/1.1", "version/2", "its version"),
    "null": ('"title":"A line"', '"title":null', "title is null"),
    "number for an id": (f'"id":"{POOR.uid}"', '"id":7', "no text"),
    "two ids": (f'"id":"{POOR.uid}"', f'"id":"{FULL.uid}"', "stands 2 times"),
    "no content": ('"content_text":"', '"content_txt":"', "neither content_html"),
    "other feed_url": ('"feed_url":"https', '"feed_url":"http', "its feed_url"),
    "next is self": (
        '"language":"en-GB"',
        '"next_url":"https://news.example.org/feeds/policy.json"',
        "leads to itself",
    ),
    "date": ('"date_published":"2026-03-02T09:00:00+00:00"', '"date_published":"2026-03-02"', "RFC 3339"),
    "attachment": ('"mime_type":"audio/mpeg"', '"mime_type":""', "no mime_type"),
    "size in quotes": ('"size_in_bytes":1234', '"size_in_bytes":"1234"', "no number"),
    "relative url": ('"url":"https://news.example.org/items/a-line"', '"url":"/items/a-line"', "is relative"),
    "character": ("A line", "A \\u0000 line", "U+0000"),
    "tags": ('"tags":["Policy"', '"tags":[7', "a tag is no text"),
    "hub": ('"type":"WebSub",', "", "a hub has no type"),
    "list": ('"items":[', '"entries":[', "no list of items"),
}
FAULTS = [
    pytest.param(format, *fault, id=f"{format}-{name}")
    for format, faults in ((Format.ATOM, ATOM_FAULTS), (Format.RSS, RSS_FAULTS), (Format.JSON, JSON_FAULTS))
    for name, fault in faults.items()
]


@pytest.mark.parametrize(("format", "old", "new", "words"), FAULTS)
def test_every_way_to_break_a_document_is_named(format: Format, old: str, new: str, words: str) -> None:
    """feeds:P1: what a validator would say, with something to do about it."""
    found = lint(served(format, broken(format, old, new)))
    assert words.replace("&lt;", "<") in "\n".join(one.what for one in found)
    assert all(one.advice for one in found)


@pytest.mark.skipif(
    "FEEDVALIDATOR_DIR" not in os.environ, reason="the W3C feed validator: FEEDVALIDATOR_DIR is not set"
)
def test_what_the_validator_says_lint_says(tmp_path: Path) -> None:
    """feeds:P1: of every broken document the W3C validator complains about, lint does, too."""
    from tests.interop import judge
    from tests.interop import newsrooms as interop

    asked = [
        interop.Served(
            "", SITE.feed_url("policy", format), format, broken(format, old, new), (), tombstones=True
        )
        for format, faults in ((Format.ATOM, ATOM_FAULTS), (Format.RSS, RSS_FAULTS))
        for old, new, _ in faults.values()
    ]
    asked += [document._replace(body=ours(document.format)) for document in asked[:1] + asked[-1:]]
    told = [bool(set(verdict) - {judge.ACCEPTED}) for verdict in judge.verdicts(asked, tmp_path)]
    assert [False, False] == told[-2:]  # the whole ones
    assert sum(told) > len(asked) / 2  # or the comparison would show nothing
    silent = [
        document.body
        for document, complained in zip(asked, told, strict=True)
        if complained and not lint(served(document.format, document.body))
    ]
    assert [] == silent


def said(body: str, **other: Any) -> list[str]:
    """What is said of an item with this HTML."""
    made = replace(entry(POOR), body=body, **other)
    head = documents.head(TOPIC, SITE, Format.JSON, [POOR.updated])
    document = documents.document(head, [entries.fragment(made, Format.JSON)])
    found = lint(served(Format.JSON, document))
    assert {POOR.uid} >= {one.where for one in found}
    return [one.what for one in found]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            '<a href="https://x.example/">a</a> <a href="mailto:a@x.example">b</a> <img src="https://x.example/i" alt="">',
            [],
        ),
        ('<a href="/a">a</a>', ["href in <a> is relative: /a"]),
        ('<a href="//x.example/a">a</a>', ["href in <a> is relative: //x.example/a"]),
        ('<a href="#note">a</a>', ["href in <a> leads within the page: #note"]),
        ('<a href="JavaScript:x()">a</a>' * 3, ["href in <a> is a javascript: link"]),
        ('<img alt="" src="data:image/gif;base64,R0">', ["src in <img> is a data: link"]),
        ('<video poster="p.png"></video>', ["poster in <video> is relative: p.png"]),
        (
            '<img alt="" srcset="https://x.example/a,b.png 1x, /b.png 2x">',
            ["srcset in <img> is relative: /b.png"],
        ),
        ('<img src="https://x.example/i">', ["the picture https://x.example/i in its text has no alt"]),
        ("<script>x</script>", ["its text holds <script>"]),
        ('<p onclick="x">p</p>', ["its text holds onclick= in <p>"]),
        ('<a href="http://[::1">a</a>', ["href in <a> is no address: http://[::1"]),
        ('<a href="https://x.example/a b">a</a>', ["href in <a> is misspelt: https://x.example/a b"]),
        ('<a href="ftp://x.example/">a</a>', ["href in <a> is a ftp: link, which few readers open"]),
    ],
)
def test_html_within_items(body: str, expected: list[str]) -> None:
    """feeds:P6: addresses absolute everywhere, pictures with words, nothing that readers strip."""
    assert expected == said(f"<p>{body}</p>")


def test_sizes_and_titles() -> None:
    """feeds:P24: 1 MB an item, 2 MB a document, and titles people can read."""
    assert "aggregators take 1,000,000" in "".join(said("<p>" + "x" * 1_100_000 + "</p>"))
    assert ["its title has 300 characters"] == said("<p>x</p>", title="x" * 300)
    many = ours(Format.ATOM) + b"<!--" + b"x" * 2_000_000 + b"-->"
    assert ["it is 2,0"] == [one.what[:9] for one in lint(served(Format.ATOM, many))]


def test_what_is_stored_beside_the_bytes() -> None:
    """feeds:H2: the gzip copy and the tag belong to these very bytes."""
    other = lint(served(Format.RSS, gzip=gzip.compress(b"other"), etag='"x"'))
    torn = lint(served(Format.RSS, gzip=b"\x1f\x8b\x08torn"))
    assert ["its gzip copy holds other bytes", "its ETag is not that of its bytes"] == [
        one.what for one in other
    ]
    assert ["its gzip copy holds other bytes"] == [one.what for one in torn]


@pytest.mark.parametrize("format", Format)
def test_a_closed_page_after_a_move(format: Format) -> None:
    """feeds:P26: a page keeps the address it was made with; that is worth a warning, and no error."""
    url = f"https://moved.example/feeds/policy/archive/2.{format}"
    live = f"https://moved.example/feeds/policy.{format}"
    page = Served(body=ours(format, page=2), format=format, url=url, now=WHEN, live_url=live)
    said = [one for one in lint(page) if "it is served at" in one.what]
    assert [Level.WARNING] == [one.level for one in said]
    assert "redirects" in said[0].advice


@pytest.mark.parametrize("format", [Format.ATOM, Format.RSS])
def test_archives_say_what_they_are(format: Format) -> None:
    """feeds:P26, feeds:P27: fh:archive on closed pages only, fh:complete never beside an archive."""
    live, url = SITE.feed_url("policy", format), SITE.archive_url("policy", 2, format)
    page = Served(body=ours(format, page=2), format=format, url=url, now=WHEN, live_url=live)
    assert "it says fh:archive" in [one.what for one in lint(replace(page, live_url=url))]
    silent = page.body.replace(b"<fh:archive/>", b"<fh:complete/>")
    words = [one.what for one in lint(replace(page, body=silent))]
    assert [
        "it is a page of an archive and has no fh:archive",
        "it says fh:complete beside an archive",
    ] == words
    circle = page.body.replace(b"archive/1.", b"archive/2.")
    assert ["its prev-archive link leads to itself"] == [one.what for one in lint(replace(page, body=circle))]


def test_items_are_named_by_their_uid() -> None:
    """feeds:P8: a problem says which item has it, and whether it is an error."""
    picture = with_content(POOR, media=(replace(PICTURE, alt=""),))
    (found,) = lint(served(Format.ATOM, ours(Format.ATOM, picture)))
    assert (
        Problem(
            Level.WARNING,
            POOR.uid,
            f"the picture {PICTURE.url} has no alternative text",
            "give its medium an `alt`",
        )
        == found
    )


@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)
@given(plan=newsrooms())
def test_no_newsroom_serves_an_error(sqlite_template: Path, tmp_path: Path, plan: Plan) -> None:
    """feeds:P1: whatever stands in the items of random newsrooms, nothing they serve is an error to lint."""
    folder = tmp_path / "newsroom"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sqlite_template.parent, folder)
    for one in live(plan, f"sqlite:///{folder / sqlite_template.name}"):
        live_url = one.url.replace(f"/archive/{one.page}.", ".")
        now = NOW + timedelta(days=9999)
        document = Served(body=one.body, format=one.format, url=one.url, now=now, live_url=live_url)
        assert [] == [found for found in lint(document) if found.level is Level.ERROR]


@given(st.binary(max_size=200), st.sampled_from(Format))
def test_any_bytes_are_judged(body: bytes, format: Format) -> None:
    """feeds:P1: what is no feed at all is an error, never a crash."""
    assert any(one.level is Level.ERROR for one in lint(served(format, body)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(list(json.loads(ours(Format.JSON)) | json.loads(ours(Format.JSON))["items"][0])),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_any_json_is_judged(head: Any, item: Any) -> None:
    """feeds:P2: keys of any type are no crash."""
    feed = {**json.loads(ours(Format.JSON)), **(head if isinstance(head, dict) else {}), "items": [item]}
    lint(served(Format.JSON, json.dumps(feed).encode()))
