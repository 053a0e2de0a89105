"""The feeds that a web page names in its head (feeds:I11), read from its tags in linear time.

No tree is built of a page: what is looked for stands in the head, and a page may be as deep and as broken
as it likes. It runs in the parse child like all that looks at hostile bytes.
"""

from __future__ import annotations

import html
import re
from typing import Any

from syndicator.model.markup import strip_illegal, web_address

MAX_LINKS = 100
MAX_HEAD = 500_000  # characters
FEEDS = frozenset(
    {"application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml"}
)
MAYBE = frozenset({"application/json", "application/xml", "text/xml"})  # where its title or address says so
HINT = re.compile(r"rss|atom|feed|rdf", re.IGNORECASE)
COMMENTS = re.compile(
    r"\b(?:comments?|kommentare?|commentaires?|comentarios?|commenti|reacties)\b", re.IGNORECASE
)
WORDPRESS = "https://api.w.org/"
WORDPRESS_API = "wordpress-api"  # the type of a link that is no feed, and tells whose page this is
HEAD = frozenset("html head title base link meta script style noscript template".split())
RAW = frozenset("script style title template noscript".split())  # what is in them are no tags of the head
TAG = re.compile(  # a quote that is never closed is looked for no farther than any attribute is long
    r"<(/?)([a-z][^\s/>]*+)((?:[^\"'<>]++|\"[^\"]{0,4000}+\"|'[^']{0,4000}+')*+)>", re.IGNORECASE
)
ATTRIBUTE = re.compile(r"([^\s=>\"'/]++)(?:\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s>\"']++)))?+")


def feeds_of(text: str, url: str | None) -> list[dict[str, Any]]:
    """What `text`, the page at `url`, names as feeds, those of comments last, and where WordPress answers."""
    base, links = url, dict[str, dict[str, Any]]()
    for name, attributes in _head(text[:MAX_HEAD]):
        if name == "base" and base == url:
            base = web_address(attributes.get("href"), url) or url
        elif name == "link" and (link := _link(attributes, base)):
            links.setdefault(link["url"], link)
    return sorted(links.values(), key=lambda link: link["comments"])[:MAX_LINKS]


def _head(text: str) -> list[tuple[str, dict[str, str]]]:
    """The tags of the head with their attributes; it ends where anything begins that stands in a body."""
    tags, at = [], 0
    while (start := text.find("<", at)) >= 0:
        if text.startswith("<!--", start):
            at = text.find("-->", start) + 3
            if at == 2:
                break
            continue
        tag = TAG.match(text, start)
        if tag is None:
            at = start + 1
            continue
        at, name = tag.end(), tag[2].lower()
        if name not in HEAD or (tag[1] and name == "head"):
            break
        if tag[1]:
            continue
        if name in RAW:
            at = _end_of(text, name, at)
        else:
            tags.append((name, _attributes(tag[3])))
    return tags


def _end_of(text: str, name: str, at: int) -> int:
    end = re.compile(f"</{name}", re.IGNORECASE).search(text, at)
    return end.start() if end else len(text)


def _attributes(said: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, *values in ATTRIBUTE.findall(said):
        found.setdefault(name.lower(), html.unescape(next(filter(None, values), "")))
    return found


def _link(attributes: dict[str, str], base: str | None) -> dict[str, Any] | None:
    relations = attributes.get("rel", "").lower().split()
    href, title = attributes.get("href", ""), " ".join(strip_illegal(attributes.get("title", "")).split())
    kind = attributes.get("type", "").partition(";")[0].strip().lower()
    address = web_address(href, base)
    if not address or len(address) > 4_000:
        return None
    if WORDPRESS in relations:
        kind = WORDPRESS_API
    elif (
        "stylesheet" in relations
        or not ({"alternate", "feed"} & set(relations))
        or (
            kind not in FEEDS
            and not ((kind in MAYBE and HINT.search(f"{title} {href}")) or ("feed" in relations and not kind))
        )
    ):
        return None
    return {
        "url": strip_illegal(address),
        "title": title[:4_000],
        "type": kind,
        "comments": bool(COMMENTS.search(title) or COMMENTS.search(address.partition("?")[0])),
    }
