"""Sitemaps, news sitemaps and their index as XML (sitemaps.org 0.9, Google's news 0.9).

Pure, and in pieces: the caller joins head, lines and tail, so that fifty thousand addresses are never
held at once. What is in them is decided by `web.discovery`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from syndicator.model.markup import strip_illegal

MOST = 50_000  # addresses in one sitemap, sitemaps in one index (sitemaps.org)
MOST_NEWS = 1_000  # addresses in one news sitemap
_NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"
_NEWS = "http://www.google.com/schemas/sitemap-news/0.9"
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_REGIONAL = frozenset({"zh-cn", "zh-tw"})  # the two whose region Google wants as well


@dataclass(frozen=True, slots=True)
class Place:
    """An address and when what stands there last changed."""

    url: str
    modified: datetime | None = None


@dataclass(frozen=True, slots=True)
class News:
    """An item as a news sitemap names it."""

    url: str
    title: str
    published: datetime
    language: str


def sitemap(places: Iterable[Place]) -> Iterator[bytes]:
    """A sitemap, piece by piece; the caller gives MOST places at most."""
    yield f'{_DECLARATION}<urlset xmlns="{_NAMESPACE}">\n'.encode()
    for place in places:
        yield f"<url>{_place(place)}</url>\n".encode()
    yield b"</urlset>\n"


def index(parts: Iterable[Place]) -> Iterator[bytes]:
    """The sitemap of sitemaps, piece by piece."""
    yield f'{_DECLARATION}<sitemapindex xmlns="{_NAMESPACE}">\n'.encode()
    for part in parts:
        yield f"<sitemap>{_place(part)}</sitemap>\n".encode()
    yield b"</sitemapindex>\n"


def news_sitemap(publication: str, language: str, news: Iterable[News]) -> Iterator[bytes]:
    """What was published lately, piece by piece; an item without a language of its own has `language`."""
    yield f'{_DECLARATION}<urlset xmlns="{_NAMESPACE}" xmlns:news="{_NEWS}">\n'.encode()
    name = _text(publication)
    for one in news:
        publisher = f"<news:name>{name}</news:name><news:language>{_language(one.language or language)}</news:language>"
        yield (
            f"<url><loc>{_text(one.url)}</loc><news:news><news:publication>{publisher}</news:publication>"
            f"<news:publication_date>{_date(one.published)}</news:publication_date>"
            f"<news:title>{_text(one.title)}</news:title></news:news></url>\n"
        ).encode("utf-8", "replace")
    yield b"</urlset>\n"


def _place(place: Place) -> str:
    modified = f"<lastmod>{_date(place.modified)}</lastmod>" if place.modified else ""
    return f"<loc>{_text(place.url)}</loc>{modified}"


def _text(text: str) -> str:
    return escape(strip_illegal(text))


def _date(moment: datetime) -> str:
    # W3C date and time; the whole second, for crawlers choke on less.
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def _language(tag: str) -> str:
    """What Google takes: ISO 639 without a region, but for two.

    >>> [_language(tag) for tag in ("en-GB", "zh-CN", "de")]
    ['en', 'zh-cn', 'de']
    """
    lower = tag.lower()
    return _text(lower if lower in _REGIONAL else lower.partition("-")[0])
