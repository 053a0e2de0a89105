"""The list of feeds as OPML 2.0, which every reader imports (feeds:P29).

One outline for each topic, in the format readers know best: with all three of them an import would
subscribe to everything three times. `ingest.sources.opml` reads it back. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from syndicator.model.item import ALL
from syndicator.model.markup import strip_illegal
from syndicator.model.site import Format, Site

MEDIA_TYPE = "text/x-opml; charset=utf-8"  # what OPML's author and the W3C validator expect


@dataclass(frozen=True, slots=True)
class Listed:
    """A topic in the list."""

    slug: str
    title: str


def document(site: Site, listed: Iterable[Listed]) -> bytes:
    """The OPML document; the same topics in the same order give the same bytes: no date, no clock."""
    title = _one_line(site.title)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<opml version="2.0">',
        f"<head><title>{escape(title)}</title></head>",
        "<body>",
        *(_outline(site, topic) for topic in listed),
        "</body>",
        "</opml>\n",
    ]
    return "\n".join(lines).encode("utf-8", "replace")


def stand(site: Site, slug: str, title: str) -> str:
    """What a reader's list calls a feed; distinct for each topic."""
    own, name = _one_line(title) or slug, _one_line(site.title)
    return name if slug == ALL else f"{name}: {own}"


def _outline(site: Site, topic: Listed) -> str:
    name = stand(site, topic.slug, topic.title)
    fields = {
        "text": name,
        "title": name,
        "type": "rss",  # the word for any feed, Atom as well (OPML 2.0, "subscription lists")
        "xmlUrl": site.feed_url(topic.slug, Format.ATOM),
        "htmlUrl": site.topic_url(topic.slug),
    }
    return f"<outline {' '.join(f'{key}={quoteattr(value)}' for key, value in fields.items())}/>"


def _one_line(text: str) -> str:
    # An attribute's line breaks become blanks when it is read (XML 1.0 §3.3.3), and OPML lets `text` hold
    # HTML: a reader that takes it at its word must not find a tag where none is meant.
    return " ".join(strip_illegal(text).replace("<", "‹").split())
