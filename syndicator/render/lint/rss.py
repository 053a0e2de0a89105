"""RSS 2.0 as the RSS Advisory Board's profile and the usual readers want it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syndicator.render.elements import ATOM, CONTENT, DC
from syndicator.render.lint import markup
from syndicator.render.lint.content import html
from syndicator.render.lint.found import (
    LARGE_ITEM,
    Level,
    Problem,
    Served,
    address,
    error,
    language,
    rfc822,
    size,
    title,
    twins,
    whole,
)

LINK = f"channel/{{{ATOM}}}link"
_MAIL = re.compile(r"\S+@\S+\.\S+|\S+@localhost")


def check(root: Any, served: Served) -> Iterator[Problem]:
    """What is wrong with an RSS document."""
    if root.tag != "rss":
        yield error("", f"its root is {root.tag}, not rss", "this is no RSS feed")
        return
    if root.get("version") != "2.0":
        yield error("", f"it is RSS {root.get('version')}", 'say version="2.0"')
    if len(root.findall("channel")) != 1:
        yield error("", f"it has {len(root.findall('channel'))} channels", "the format asks for exactly one")
        return
    channel = root.find("channel")
    yield from markup.attributes(root)
    yield from markup.links(root, served, LINK)
    yield from markup.history(root, channel, served, LINK)
    yield from _channel(channel, served.now)
    items = channel.findall("item")
    for number, item in enumerate(items, 1):
        yield from _item(item, item.findtext("guid") or f"item {number}", served.now)
    guids = filter(None, (item.findtext("guid") for item in items))
    yield from twins(guids, "id", Level.ERROR, "an item has one guid, and no other has it")


def _channel(channel: Any, now: datetime) -> Iterator[Problem]:
    once = "language lastBuildDate pubDate ttl image copyright managingEditor webMaster generator"
    yield from markup.once("", channel, "", "title link description", once)
    yield from title("", channel.findtext("title"), needed=True)
    yield from address("", "link", channel.findtext("link") or "")
    if (tag := channel.findtext("language")) is not None:
        yield from language("", "language", tag)
    yield from _dates("", channel, ("lastBuildDate", "pubDate"), now)
    if (ttl := channel.findtext("ttl")) is not None:
        yield from whole("", "ttl", ttl, least=1)
    for name in ("managingEditor", "webMaster"):
        if (person := channel.findtext(name)) is not None and not _MAIL.match(person):
            yield error("", f"{name} holds no mail address", "write it like press@example.org (Press desk)")
    if (image := channel.find("image")) is not None:
        yield from markup.once("", image, "", "url title link", "")
        yield from address("", "url of the image", image.findtext("url") or "")


def _item(item: Any, where: str, now: datetime) -> Iterator[Problem]:
    once = "title link description author guid pubDate enclosure source comments"
    yield from markup.once(where, item, "", "", f"{once} {{{CONTENT}}}encoded")
    description, encoded = item.findtext("description"), item.findtext(f"{{{CONTENT}}}encoded")
    if not (item.findtext("title") or description):
        yield error(where, "it has neither title nor description", "one of the two is needed")
    yield from title(where, item.findtext("title"), needed=False)
    if (link := item.findtext("link")) is not None:
        yield from address(where, "link", link)
    yield from _guid(item, where)
    yield from _dates(where, item, ("pubDate",), now)
    yield from _author(item, where)
    for enclosure in item.findall("enclosure"):
        yield from _enclosure(enclosure, where)
    for source in item.findall("source"):
        yield from address(where, "url of its source", source.get("url", ""))
    for text in (description, encoded):
        yield from html(where, text or "")
    yield from markup.media(where, item)
    yield from size(where, markup.weight(item), LARGE_ITEM)


def _guid(item: Any, where: str) -> Iterator[Problem]:
    guid = item.find("guid")
    if guid is None or not (guid.text or "").strip():
        yield error(where, "it has no guid", "without one readers show it anew after each edit")
    elif guid.get("isPermaLink", "true") == "true":
        if not (guid.text or "").startswith(("http://", "https://")):
            what = "its guid is said to be a link and is none"
            yield error(where, what, 'say isPermaLink="false"')
    elif guid.get("isPermaLink") != "false":
        yield error(where, f"isPermaLink is {guid.get('isPermaLink')}", "it is true or false")


def _author(item: Any, where: str) -> Iterator[Problem]:
    author = item.findtext("author")
    if author is not None and not _MAIL.match(author):
        yield error(where, "author holds no mail address", "write the name as dc:creator")
    if author is not None and item.find(f"{{{DC}}}creator") is not None:
        yield error(where, "it has author and dc:creator", "give one of them: they mean the same")


def _enclosure(enclosure: Any, where: str) -> Iterator[Problem]:
    yield from address(where, "enclosure", enclosure.get("url", ""))
    if "/" not in enclosure.get("type", ""):
        yield error(where, "an enclosure has no type", "name its MIME type, like audio/mpeg")
    yield from whole(where, "length of an enclosure", enclosure.get("length"))


def _dates(where: str, parent: Any, names: tuple[str, ...], now: datetime) -> Iterator[Problem]:
    for name in names:
        if (text := parent.findtext(name)) is not None:
            yield from rfc822(where, name, text, now)
