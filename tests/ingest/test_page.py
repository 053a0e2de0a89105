"""Which feeds a web page names, told from its head however broken the page is."""

from __future__ import annotations

import time
from typing import Any

import pytest

from syndicator.ingest.child import reading
from syndicator.ingest.child.page import feeds_of
from syndicator.ingest.child.scan import Refuse
from syndicator.ingest.entries import Link
from syndicator.ingest.parse import Unreadable, parse

URL = "https://site.example/news/"
RSS = 'rel="alternate" type="application/rss+xml"'


def named(head: str, *, url: str = URL) -> list[str]:
    return [str(link["url"]) for link in feeds_of(f"<html><head>{head}</head><body></body></html>", url)]


@pytest.mark.parametrize(
    "link",
    [
        f'<link {RSS} href="/feed">',
        f"<LINK HREF='/feed' {RSS.upper()} />",
        "<link rel=alternate type=application/rss+xml href=/feed>",
        '<link rel="home Alternate" type="application/atom+xml; charset=utf-8" href="../feed">',
        '<link rel="alternate" type="application/feed+json" href="https://site.example/feed"/>',
        '<link rel="feed" href="/feed">',
        '<link rel="alternate" type="text/xml" title="RSS" href="/feed">',
        f'<base href="/"><link {RSS} href="feed">',
        f'<base href="https://site.example/x/"><base href="https://no.example/"><link {RSS} href="../feed">',
        f'<!-- <link {RSS} href="/old"> --><link {RSS} href="/feed">',
        f'<script>"<link {RSS} href=/evil>"; if (a < b) {{}}</script><link {RSS} href="/feed">',
        f'<title>a <link {RSS} href="/evil"></title><style>a>b{{}}</style><link {RSS} href="/feed">',
        f'<meta name="description" content="1 > 0"><link {RSS} href="/feed">',
    ],
)
def test_ways_to_name_a_feed(link: str) -> None:
    """feeds:I11 — rel, type and address in all spellings, against the base; comments and scripts are none."""
    assert named(link) == ["https://site.example/feed"]


@pytest.mark.parametrize(
    "head",
    [
        '<link rel="alternate" hreflang="de" href="/de">',
        '<link rel="alternate stylesheet" type="text/xml" title="rss" href="/x.xsl">',
        f"<link {RSS}>",
        f'<link {RSS} href="javascript:alert(1)">',
        f'<link {RSS} href="file:///etc/passwd">',
        '<link rel="alternate" type="application/json+oembed" href="/oembed">',
        '<link rel="alternate" title="JSON" type="application/json" href="/wp-json/wp/v2/pages/2">',
        f'</head><body><link {RSS} href="/feed">',
        f'<div><link {RSS} href="/feed"></div>',
        f'<p>x</p><link {RSS} href="/feed">',
        f'<!-- never closed <link {RSS} href="/feed">',
    ],
)
def test_what_is_none(head: str) -> None:
    """feeds:I11 — other alternates, other schemes (security:H2), and whatever stands in the body."""
    assert named(head) == []


def test_several() -> None:
    """feeds:I11 — in their order, comments last, each once, with what people need to choose."""
    head = "".join(
        f'<link {RSS} title="{title}" href="{href}">'
        for title, href in (
            ("Site &raquo; Comments Feed", "/c?a=1&amp;b=2"),
            ("News", "/feed"),
            ("Again", "/feed"),
            ("Post", "/comments/feed/"),
            ("Uncommented\nwords", "/other"),
        )
    )
    assert [
        (one["title"], one["url"].removeprefix("https://site.example"), one["comments"])
        for one in feeds_of(head, URL)
    ] == [
        ("News", "/feed", False),
        ("Uncommented words", "/other", False),
        ("Site » Comments Feed", "/c?a=1&b=2", True),
        ("Post", "/comments/feed/", True),
    ]


def test_not_without_end() -> None:
    """feeds:I11, security:X1 — at most a hundred, and a long head costs no seconds."""
    many = "".join(f'<link {RSS} href="/{n}">' for n in range(5_000))
    assert len(named(many)) == 100
    for hostile in (
        "<a '" * 120_000,
        "<!--" * 120_000,
        "<script>" * 60_000,
        "<link " * 80_000,
        '<link a="' * 60_000,
    ):
        started = time.process_time()
        feeds_of(hostile, URL)
        assert time.process_time() - started < 5


def test_a_wordpress_site_says_so() -> None:
    """DESIGN §2 — the root of its REST interface is named beside its feeds."""
    (link,) = feeds_of('<link rel="https://api.w.org/" href="https://site.example/wp-json/">', URL)
    assert Link(**link) == Link(url="https://site.example/wp-json/", type="wordpress-api")


PAGES = {
    "html": "<!doctype html><html><head>{}</head></html>",
    "xhtml": '<?xml version="1.0"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x"><html><head>{}</head></html>',
    "without a doctype": "\n<HTML lang=en><head>{}</head>",
    "deep": "<!doctype html><html><head>{}</head><body>" + "<div>" * 500,
    "with a comment first": "<!-- x --><!doctype html><html><head>{}</head></html>",
}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())
def test_a_page_is_refused_with_its_feeds(page: str) -> None:
    """feeds:I11 — in words, with the feeds it names, whatever it is served as."""
    body = page.format(f'<link {RSS} title="Grüße" href="feed">').encode()
    for served in ("text/html; charset=utf-8", "application/rss+xml"):
        with pytest.raises(Refuse, match="this is a web page, not a feed; the feeds it names") as caught:
            reading.read(body, served, URL)
        assert [Link(**link) for link in caught.value.links] == [
            Link(url=f"{URL}feed", title="Grüße", type="application/rss+xml")
        ]


def test_links_cross_from_the_child() -> None:
    """feeds:I11 — what the child found is validated, and stands on the refusal."""
    body = PAGES["html"].format(f'<link {RSS} href="feed">').encode()
    with pytest.raises(Unreadable) as caught:
        parse(body, url=URL)
    links: Any = caught.value.links
    assert links == (Link(url=f"{URL}feed", type="application/rss+xml"),)


@pytest.mark.parametrize("served", ["text/html", "text/plain", "application/octet-stream", ""])
def test_a_feed_is_one_whatever_it_is_served_as(served: str) -> None:
    """feeds:I11 — the bytes are looked at, not their label; markup in its text makes it no page."""
    body = b"<rss><channel><title>t</title><item><description>&lt;html&gt;<![CDATA[<!doctype html><html>]]></description></item></channel></rss>"
    assert reading.read(body, served, URL)["version"] == "rss"
