"""Sitemaps as their protocol wants them, whatever the words in them are."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from syndicator.render import sitemap
from syndicator.render.sitemap import News, Place
from tests.make import NOW

S = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
N = "{http://www.google.com/schemas/sitemap-news/0.9}"


def test_addresses_with_dates() -> None:
    """Each address has a loc and, where known, a lastmod in W3C form, in UTC."""
    east = datetime(2026, 3, 2, 10, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    places = [Place("https://news.example/?a=1&b=<2>", east), Place("https://news.example/x")]
    root = etree.fromstring(b"".join(sitemap.sitemap(places)))
    assert f"{S}urlset" == root.tag
    assert [
        [(f"{S}loc", "https://news.example/?a=1&b=<2>"), (f"{S}lastmod", "2026-03-02T09:00:00Z")],
        [(f"{S}loc", "https://news.example/x")],
    ] == [[(field.tag, field.text) for field in url] for url in root]


@pytest.mark.parametrize("year", [1, 999, 9999])
def test_every_year_has_four_figures(year: int) -> None:
    """A date of any age is one that crawlers can read."""
    body = b"".join(sitemap.sitemap([Place("https://news.example/", datetime(year, 1, 2, tzinfo=UTC))]))
    assert b"<lastmod>%04d-01-02T00:00:00Z</lastmod>" % year in body


def test_the_index() -> None:
    """The sitemap of sitemaps names each part."""
    root = etree.fromstring(b"".join(sitemap.index([Place("https://news.example/sitemap-1.xml", NOW)])))
    assert (f"{S}sitemapindex", [f"{S}sitemap"]) == (root.tag, [part.tag for part in root])
    assert "https://news.example/sitemap-1.xml" == root.findtext(f"{S}sitemap/{S}loc")


def test_news() -> None:
    """An item of the news sitemap has publication, language without region, date and title, in that order."""
    news = [
        News("https://news.example/items/a", "A & <b>", NOW, ""),
        News("https://news.example/items/b", "B", NOW, "zh-TW"),
        News("https://news.example/items/c", "C", NOW, "pt-BR"),
    ]
    root = etree.fromstring(b"".join(sitemap.news_sitemap("Society & Sons", "en-GB", news)))
    first = root[0].find(f"{N}news")
    assert first is not None
    assert [f"{N}publication", f"{N}publication_date", f"{N}title"] == [field.tag for field in first]
    assert ["Society & Sons", "en"] == [field.text for field in first[0]]
    assert ["2026-03-02T09:00:00Z", "A & <b>"] == [field.text for field in list(first)[1:]]
    assert ["en", "zh-tw", "pt"] == [one.text for one in root.iter(f"{N}language")]


def test_no_news() -> None:
    """A news sitemap may be empty, and is a document all the same."""
    root = etree.fromstring(b"".join(sitemap.news_sitemap("Society", "en", [])))
    assert (f"{S}urlset", 0) == (root.tag, len(root))


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_any_words(text: str) -> None:
    """feeds:P4 No words break the document."""
    body = b"".join(sitemap.news_sitemap(text, text, [News("https://news.example/", text, NOW, text)]))
    assert 1 == len(etree.fromstring(body))
