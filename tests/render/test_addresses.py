"""Addresses on their way out: absolute or not at all, in fields and in HTML (feeds:P6)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.item import Author, Medium
from syndicator.model.markup import clean
from syndicator.model.site import Format
from syndicator.render import entries
from syndicator.render.addresses import html, web
from tests.render.test_entries import IMAGE, ORIGIN, POOR, RICH, entry, fragment, with_content

HOME = "https://news.example.org/items/a-line"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://example.org", "https://example.org"),
        ("http://example.org:8080/a?b=1&c=%20#d", "http://example.org:8080/a?b=1&c=%20#d"),
        ("/media/a.png", "https://news.example.org/media/a.png"),
        ("b.png", "https://news.example.org/items/b.png"),
        ("//cdn.example.org/a", "https://cdn.example.org/a"),
        ("https://example.org/ä b<c>", "https://example.org/%C3%A4%20b%3Cc%3E"),
        ("https://bücher.example:80/", "https://xn--bcher-kva.example:80/"),
        ("https://[2001:db8::1]/", "https://[2001:db8::1]/"),
        (" java\nscript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("mailto:a@example.org", ""),
        ("ftp://example.org/", ""),
        ("http:///nowhere", ""),
        ("https://exa mple.org/", ""),
        ("https://[broken/", ""),
        ("https://" + "ä" * 300 + "/", ""),
        ("https://example.org/\x00\ud800", "https://example.org/"),
    ],
)
def test_web(given: str, expected: str) -> None:
    """feeds:P6 An address becomes an absolute URI of the web, or nothing."""
    assert expected == web(given, HOME)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ('<p>a <a href="/b">b</a></p>', '<p>a <a href="https://news.example.org/b">b</a></p>'),
        ('<img src="c.png" alt="C">', '<img src="https://news.example.org/items/c.png" alt="C">'),
        ('<img srcset="/c.png 2x" src="https://example.org/c.png">', '<img src="https://example.org/c.png">'),
        ('<video poster="/p.png" src="/v.mp4">text</video>', "text"),
        ('<a href="javascript:alert(1)">x</a>', "<a>x</a>"),
        ('<a href="https:evil">x</a>', '<a href="https://news.example.org/items/evil">x</a>'),
        ('<a href="https://example.org/" onclick="x()">x</a>', '<a href="https://example.org/">x</a>'),
        ("<script>alert(1)</script>x", "x"),
        ("a < b", "a &lt; b"),
        ("<p", ""),
    ],
)
def test_html(given: str, expected: str) -> None:
    """feeds:P6 HTML goes out with absolute addresses and harmless tags, whoever stored it."""
    assert expected == html(given, HOME)


SNIPPETS = st.sampled_from(
    [
        "<p>",
        "</p>",
        '<a href="',
        '<img src="',
        "https://example.org/",
        "/x",
        "javascript:x",
        '" title="',
        '">',
        "<br>",
        "<b class=x>",
        "a",
        "&",
        "<",
        ">",
        "'",
    ]
)


@given(st.lists(SNIPPETS, max_size=12).map("".join))
def test_html_is_clean(source: str) -> None:
    """feeds:P6 What was cleaned passes untouched, and no address in what passes is anything but absolute."""
    cleaned = clean(source, HOME)
    assert cleaned == html(cleaned, "https://other.example/")
    passed = html(source, HOME)
    assert passed == html(passed, "https://other.example/")
    found = re.findall(r'<[a-z][^>]*? (?:href|src|cite)="([^"]*)"', passed)
    assert all(url.startswith(("https://", "http://", "mailto:")) for url in found)


def test_every_field() -> None:
    """feeds:P6 No field of an item lets a relative or dangerous address out."""
    item = with_content(
        RICH,
        url="javascript:alert(1)",
        body='<a href="/x">x</a><img src="javascript:y">',
        authors=(Author(name="Ada", url="/ada"), Author(name="Bob", url="javascript:z")),
        media=(replace(IMAGE, url="/media/b.png"), Medium(url="data:,x", type="image/png", length=1)),
        source=replace(ORIGIN, url="//origin.example.net/home"),
    )
    made = entry(item)
    assert "https://news.example.org/items/q-a-now" == made.url
    assert ["https://news.example.org/ada", None] == [author.url for author in made.authors]
    assert ["https://news.example.org/media/b.png"] == [medium.url for medium in made.media]
    assert made.source
    assert "https://origin.example.net/home" == made.source.url
    for format in Format:
        text = fragment(item, format)
        assert "javascript" not in text
        assert re.findall(r'(?:href|src|url)=\\?(?:"|&quot;)(?!https?:)', text) == []


def test_a_source_that_is_nowhere() -> None:
    """feeds:P21 A source whose feed has no address is no source; one whose id is none has its address for it."""
    assert entry(with_content(RICH, source=replace(ORIGIN, feed_url="javascript:x"))).source is None
    made = entry(with_content(RICH, source=replace(ORIGIN, id="7", title=" "))).source
    assert made
    assert (ORIGIN.feed_url, ORIGIN.feed_url) == (made.id, made.title)


def test_html_too_deep() -> None:
    """feeds:P4 HTML nested so deep that cleaning would take minutes costs its item, not the feed."""
    with pytest.raises(entries.RenderFault, match="100 deep"):
        entry(with_content(POOR, body="<div class=x>" * 5000))
