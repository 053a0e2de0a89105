"""JSON Feed 1.1."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syndicator.render.jsonfeed import VERSION
from syndicator.render.lint.content import html
from syndicator.render.lint.found import (
    LARGE_ITEM,
    Level,
    Problem,
    Served,
    address,
    characters,
    elsewhere,
    error,
    language,
    rfc3339,
    size,
    title,
    twins,
    warning,
)

TEXTS = ("title", "content_html", "content_text", "summary", "url", "external_url", "image", "banner_image")
LINKS = ("url", "external_url", "image", "banner_image")


def check(served: Served) -> Iterator[Problem]:
    """What is wrong with a JSON Feed."""
    feed, found = _parsed(served.body)
    yield from found
    if feed is None:
        return
    if feed.get("version") != VERSION:
        yield error("", f"its version is {str(feed.get('version'))[:80]}", f"say {VERSION}")
    yield from _nulls(feed)
    yield from title("", _text(feed, "title"), needed=True)
    for name in ("home_page_url", "feed_url", "next_url", "icon", "favicon"):
        if name in feed:
            yield from address("", name, str(feed[name]))
    yield from _paging(feed, served)
    if "language" in feed:
        yield from language("", "language", str(feed["language"]))
    yield from _people("", feed)
    for hub in _objects(feed, "hubs"):
        if not (hub.get("type") and hub.get("url")):
            yield error("", "a hub has no type or no url", "both are needed")
    items = list(_objects(feed, "items"))
    if not isinstance(feed.get("items"), list):
        yield error("", "it has no list of items", "the list may be empty, not missing")
    for number, item in enumerate(items, 1):
        yield from _item(item, str(item.get("id") or f"item {number}"), served.now)
    ids = (item["id"] for item in items if isinstance(item.get("id"), str))
    yield from twins(ids, "id", Level.ERROR, "an item has one id, and no other has it")


def _parsed(body: bytes) -> tuple[dict[str, Any] | None, list[Problem]]:
    found = []
    if body.startswith(b"\xef\xbb\xbf"):
        found.append(error("", "it begins with a byte order mark", "write UTF-8 without one"))
        body = body[3:]
    try:
        feed = json.loads(body.decode())
    except (ValueError, RecursionError) as fault:
        return None, [
            *found,
            error("", f"it is no JSON: {fault}", "the item there cannot be rendered; see the log"),
        ]
    if not isinstance(feed, dict):
        return None, [*found, error("", "it is no JSON object", "this is no JSON Feed")]
    return feed, found


def _paging(feed: dict[str, Any], served: Served) -> Iterator[Problem]:
    wanted = served.live_url or served.url
    if feed.get("feed_url") != wanted:
        yield elsewhere(served, f"its feed_url is {feed.get('feed_url')}, it is served at {wanted}")
    if feed.get("next_url") is not None and feed["next_url"] in (feed.get("feed_url"), served.url):
        yield error("", "its next_url leads to itself", "a walk along it would never end")


def _item(item: dict[str, Any], where: str, now: datetime) -> Iterator[Problem]:
    if not isinstance(item.get("id"), str) or not item["id"].strip():
        yield error(where, "its id is missing or no text", "ids are text that never changes")
    if not (_text(item, "content_html") or _text(item, "content_text")):
        yield error(where, "it has neither content_html nor content_text", "one of the two is needed")
    yield from title(where, _text(item, "title"), needed=False)
    for name in TEXTS:
        if not isinstance(item.get(name, ""), str | None):
            yield error(where, f"{name} is no text", "put it in quotes")
        yield from characters(where, _text(item, name) or "")
    for name in LINKS:
        if (url := _text(item, name)) is not None:
            yield from address(where, name, url)
    for name in ("date_published", "date_modified"):
        if item.get(name) is not None:
            yield from rfc3339(where, name, str(item[name]), now)
    if item.get("language") is not None:
        yield from language(where, "language", str(item["language"]))
    tags = item.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        yield error(where, "a tag is no text", "tags are a list of texts")
    yield from _people(where, item)
    yield from _attachments(where, item)
    yield from html(where, _text(item, "content_html") or "")
    yield from size(where, len(json.dumps(item, ensure_ascii=False).encode(errors="replace")), LARGE_ITEM)


def _attachments(where: str, item: dict[str, Any]) -> Iterator[Problem]:
    for one in _objects(item, "attachments"):
        yield from address(where, "url of an attachment", str(one.get("url") or ""))
        if "/" not in str(one.get("mime_type") or ""):
            yield error(where, "an attachment has no mime_type", "name it, like audio/mpeg")
        for name in ("size_in_bytes", "duration_in_seconds"):
            number = one.get(name, 0)
            if isinstance(number, bool) or not isinstance(number, int | float) or number < 0:
                yield error(where, f"{name} is no number", "give it in digits, without quotes")
        if "size_in_bytes" not in one:
            yield warning(where, "an attachment has no size_in_bytes", "give its size")


def _people(where: str, holder: dict[str, Any]) -> Iterator[Problem]:
    for author in _objects(holder, "authors"):
        if not (author.get("name") or author.get("url") or author.get("avatar")):
            yield error(where, "an author has no name", "name the author")
        if author.get("url") is not None:
            yield from address(where, "url of an author", str(author["url"]))


def _objects(holder: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    given = holder.get(name)
    return (one for one in given if isinstance(one, dict)) if isinstance(given, list) else iter(())


def _text(holder: dict[str, Any], name: str) -> str | None:
    given = holder.get(name)
    return given if isinstance(given, str) else None


def _nulls(value: Any, path: str = "") -> Iterator[Problem]:
    if value is None:
        yield error("", f"{path} is null", "leave out what is not known")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _nulls(inner, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _nulls(inner, f"{path}[{number}]")
