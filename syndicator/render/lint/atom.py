"""Atom (RFC 4287), with tombstones (RFC 6721): what a validator would say, and a little more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from syndicator.render.elements import ATOM, TOMBSTONES
from syndicator.render.lint import markup
from syndicator.render.lint.content import html
from syndicator.render.lint.found import (
    LARGE_ITEM,
    Level,
    Problem,
    Served,
    address,
    error,
    identifier,
    language,
    rfc3339,
    size,
    title,
    twins,
    warning,
    whole,
)

A = f"{{{ATOM}}}"
GONE = f"{{{TOMBSTONES}}}deleted-entry"


def check(root: Any, served: Served) -> Iterator[Problem]:
    """What is wrong with an Atom document."""
    if root.tag != f"{A}feed":
        yield error("", f"its root is {root.tag}, not {A}feed", "this is no Atom feed")
        return
    entries = root.findall(f"{A}entry")
    yield from markup.attributes(root)
    yield from markup.once("", root, A, "id title updated", "subtitle rights generator icon logo")
    yield from markup.links(root, served, f"{A}link")
    yield from _alternates("", root, needed=True)
    yield from markup.history(root, root, served, f"{A}link")
    yield from _head(root, served.now)
    for number, entry in enumerate(entries, 1):
        yield from _entry(entry, entry.findtext(f"{A}id") or f"item {number}", served.now, root)
    ids = [entry.findtext(f"{A}id") or "" for entry in entries]
    yield from twins(filter(None, ids), "id", Level.ERROR, "an item has one id, and no other has it")
    moments = [entry.findtext(f"{A}updated") or "" for entry in entries]
    words = "move one of them by a moment: some readers tell versions by it"
    yield from twins(filter(None, moments), "updated", Level.WARNING, words)
    yield from _tombstones(root, frozenset(ids), served.now)


def _head(root: Any, now: datetime) -> Iterator[Problem]:
    if root.find(f"{A}id") is not None:
        yield from identifier("", "id", root.findtext(f"{A}id"))
    yield from title("", root.findtext(f"{A}title"), needed=True)
    if updated := root.findtext(f"{A}updated"):
        yield from rfc3339("", "updated", updated, now)
    for name in ("icon", "logo"):
        if (url := root.findtext(f"{A}{name}")) is not None:
            yield from address("", name, url)
    yield from _people("", root)
    yield from _categories("", root)


def _entry(entry: Any, where: str, now: datetime, root: Any) -> Iterator[Problem]:
    yield from markup.once(where, entry, A, "id title updated", "published content summary source rights")
    if entry.find(f"{A}id") is not None:
        yield from identifier(where, "id", entry.findtext(f"{A}id"))
    if entry.find(f"{A}title") is not None:
        yield from title(where, entry.findtext(f"{A}title"), needed=True)
    for name in ("updated", "published"):
        if (text := entry.findtext(f"{A}{name}")) is not None:
            yield from rfc3339(where, name, text, now)
    if not any(
        parent.find(f"{A}author") is not None for parent in (entry, root, *entry.findall(f"{A}source"))
    ):
        yield error(where, "it has no author", "name one on the item or on the feed (RFC 4287 §4.1.2)")
    yield from _people(where, entry)
    yield from _alternates(where, entry, needed=entry.find(f"{A}content") is None)
    yield from _links(where, entry)
    for name in ("summary", "content"):
        if (text_of := entry.find(f"{A}{name}")) is not None:
            yield from _text(where, name, text_of)
    yield from _categories(where, entry)
    for source in entry.findall(f"{A}source"):
        yield from _source(where, source)
    yield from markup.media(where, entry)
    yield from size(where, markup.weight(entry), LARGE_ITEM)


def _categories(where: str, parent: Any) -> Iterator[Problem]:
    for category in parent.findall(f"{A}category"):
        if not category.get("term"):
            yield error(where, "a category has no term", "name its topic")


def _alternates(where: str, element: Any, *, needed: bool) -> Iterator[Problem]:
    found = [link for link in element.findall(f"{A}link") if link.get("rel", "alternate") == "alternate"]
    if not found and needed:
        yield error(where, "it has no alternate link", "name the page people read, once")
    if len(found) > 1:
        yield error(where, f"it has {len(found)} alternate links", "name one page: readers take any of them")


def _links(where: str, entry: Any) -> Iterator[Problem]:
    for link in entry.findall(f"{A}link"):
        rel = link.get("rel", "alternate")
        yield from address(where, f"link rel={rel}", link.get("href", ""))
        if link.get("hreflang") is not None:
            yield from language(where, "hreflang", link.get("hreflang"))
        if rel == "enclosure":
            if "/" not in link.get("type", ""):
                yield error(where, "an enclosure has no type", "name its MIME type, like audio/mpeg")
            if link.get("length") is None:
                yield warning(where, "an enclosure has no length", "give its size in bytes")
            else:
                yield from whole(where, "length of an enclosure", link.get("length"))


def _people(where: str, parent: Any) -> Iterator[Problem]:
    for person in parent.findall(f"{A}author"):
        if not (person.findtext(f"{A}name") or "").strip():
            yield error(where, "an author has no name", "name the author")
        if (uri := person.findtext(f"{A}uri")) is not None:
            yield from address(where, "uri of an author", uri)
        if (email := person.findtext(f"{A}email")) is not None and "@" not in email:
            yield error(where, "email of an author is no mail address", "correct it or leave it out")


def _text(where: str, name: str, element: Any) -> Iterator[Problem]:
    kind = element.get("type", "text")
    if kind == "html":
        yield from html(where, element.text or "")
    elif kind not in ("text", "xhtml") and "/" not in kind:
        yield error(where, f"{name} is of the type {kind}", "use text or html (RFC 4287 §3.1.1)")
    if name == "content" and element.get("src") is None and not "".join(element.itertext()).strip():
        yield warning(where, "its content is empty", "give it a text, or leave content out")


def _source(where: str, source: Any) -> Iterator[Problem]:
    for name in ("id", "title", "updated"):
        if not source.findtext(f"{A}{name}"):
            yield warning(where, f"its source has no {name}", "name where it came from (RFC 4287 §4.2.11)")


def _tombstones(root: Any, ids: frozenset[str], now: datetime) -> Iterator[Problem]:
    for gone in root.findall(GONE):
        ref = gone.get("ref", "")
        yield from identifier("", "ref of a tombstone", ref)
        yield from rfc3339(ref, "when of a tombstone", gone.get("when", ""), now)
        if ref in ids:
            yield error(ref, "it stands here and is said to be gone", "an item is live or withdrawn")
