"""A look at the bytes before feedparser sees them: what is no feed, and what would make it labour.

Feedparser falls back to a tolerant parser when XML is broken, so this scan is tolerant too: it walks
over tags as that one would, in linear time, and refuses in words (delivery-and-security X1). It runs in
the parse child, because nobody should trust a scanner of hostile bytes either.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from syndicator.model.markup import strip_illegal

MAX_DEPTH = 100
MAX_ATTRIBUTES = 200  # on one tag
MAX_ITEMS = 5_000
MAX_TOKEN = 2**20  # bytes of one tag, comment, CDATA section or text between tags
MAX_ABSURD = 4 * MAX_TOKEN  # bytes of a text for which its feed is refused, not its item only left out
MAX_ENTITIES = 300
MAX_ENTITY = 128  # bytes of one entity's value: five million bytes of references stay bearable

FEEDS = frozenset({b"rss", b"feed", b"rdf", b"channel"})
ITEMS = frozenset({b"item", b"entry"})
PAGES = frozenset({b"html", b"head", b"body"})
TEXTS = frozenset({"text", "CDATA section"})
VOID = frozenset(b"area br col embed hr img input meta param wbr".split())  # HTML has no end tag for them
IMPLIED = frozenset(b"p li td tr dt dd option".split())  # the next one ends the one before, in HTML
# `<` ends a tag in both parsers even inside quotes (XML 1.0 §3.1): no match reaches beyond the next one.
TAG = re.compile(rb"<(/?)([A-Za-z_:][^\s/>\"'<=]*+)((?:[^\"'<>]++|\"[^\"<]*+\"|'[^'<]*+')*+)>")
ATTRIBUTE = re.compile(rb"[^\s=\"'/]++(?:\s*+=\s*+(?:\"[^\"]*+\"|'[^']*+'|[^\s\"'>]++))?+")
DOCTYPE = re.compile(
    rb"<!DOCTYPE\b(?:[^\[<>\"']++|\"[^\"]*+\"|'[^']*+')*+(?:\[((?:<!--(?:[^-]|-(?!->))*+-->|[^\]\"'<]++|<(?!!--)|\"[^\"]*+\"|'[^']*+')*+)\]\s*+)?>",
    re.IGNORECASE,
)
ENTITY = re.compile(
    rb"<!ENTITY\s+(?:(%)\s+)?([^\s\"'>]+)\s+(?:(SYSTEM|PUBLIC)\b|\"([^\"]*)\"|'([^']*)')", re.IGNORECASE
)
NESTED = re.compile(rb"%\w|&(?!#)")
NAME = re.compile(rb"\w+")
# What an item that is left out may be known by; bounded, for it may be the overlong text itself.
TITLE, IDENTITY = (
    re.compile(rb"<(?:\w{1,20}:)?(?:%s)\b[^<>]{0,200}>\s*(?:<!\[CDATA\[)?([^<>\]]{1,800})" % name)
    for name in (b"title", b"guid|id")
)
DECLARATION = re.compile(rb"\A\s*<\?xml[^>]*\?>")
NEAR = 65_536  # characters in which a feed has to begin
ROOT = re.compile(r"<(?:\w{1,20}:)?(?:rss|feed|rdf)(?=[\s>])", re.IGNORECASE)
BEGINS = re.compile(rf"<\?xml\b[^<>]{{0,300}}>|<!DOCTYPE|{ROOT.pattern}", re.IGNORECASE)
PAGE = re.compile(r"(?:<\?xml\b[^<>]{0,300}>)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
PAGE_TAG = re.compile(r"<(?:html|head|body)\b", re.IGNORECASE)
CHARACTER = re.compile(rb"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?")
# A producer seen in the wild writes <rss:item> and never says what rss: is.
UNDECLARED = re.compile(rb"(</?)rss:(?=[A-Za-z])")


class Refuse(Exception):
    """Why a body is not read, for the owner of the feed; `links` are the feeds that a web page names (feeds:I11)."""

    def __init__(self, why: str, links: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(why)
        self.links = links


class Page(Refuse):
    """The body is a web page; `ingest.child.page` may find feeds in it."""

    def __init__(self, links: Sequence[dict[str, Any]] = ()) -> None:
        named = "; the feeds it names are the ones to add" if links else ""
        super().__init__(f"this is a web page, not a feed{named}", links)


class Omitted(NamedTuple):
    """An item that feedparser is not shown, and why."""

    title: str
    guid: str | None
    why: str


class Prepared(NamedTuple):
    """A body as the parsers shall see it: UTF-8 without a declaration, and what was found or cut out on the way."""

    body: bytes
    entities: dict[str, str]
    omitted: list[Omitted]


def prepared(text: str) -> Prepared:
    """The text of a body, looked at and made safe to parse; raises Refuse for what is no feed, or an attack."""
    text = text.lstrip("\ufeff").lstrip()
    if PAGE.match(text) and not ROOT.search(text):
        raise Page  # at once: what a page may hold is none of our concern
    body = DECLARATION.sub(b"", strip_illegal(_from_the_start(text)).encode("utf-8"))
    scan = Scan(body)
    scan.walk()
    if scan.is_page:
        raise Page
    omitted = [_omitted(body[start:end], why) for start, end, why in scan.overlong]
    for start, end, _ in reversed(scan.overlong):  # from the end: what stands before keeps its place
        body = body[:start] + body[end:]
    plain = _entities(scan.doctype[1] or b"") if scan.doctype else []
    body = _without_doctype(body, scan.doctype, plain)
    if b"<rss:item" in body and b"xmlns:rss" not in body:
        body = UNDECLARED.sub(rb"\1", body)
    entities = {name.decode("utf-8"): value.decode("utf-8") for name, value in plain}
    return Prepared(CHARACTER.sub(_legal, body), entities, omitted)


def _from_the_start(text: str) -> str:
    """Without what a program printed before the feed began: warnings, markup of them, blank lines (feeds:I19)."""
    begins = BEGINS.search(text, 0, NEAR)
    if begins is None or PAGE_TAG.search(text, 0, begins.start()):
        return text
    return text[begins.start() :]


def _omitted(item: bytes, why: str) -> Omitted:
    title, guid = (_words(pattern.search(item)) for pattern in (TITLE, IDENTITY))
    return Omitted(title or guid, guid or None, why)


def _words(found: re.Match[bytes] | None) -> str:
    said = html.unescape(found[1].decode("utf-8", "replace")) if found else ""
    return " ".join(strip_illegal(said).split())


class Scan:
    """One walk over the tags of a body; `doctype` is where its document type declaration stands.

    `overlong` has where each item with a text above MAX_TOKEN begins and ends, and why it is to be left out.
    """

    def __init__(self, body: bytes) -> None:
        self.doctype: re.Match[bytes] | None = None
        self.overlong: list[tuple[int, int, str]] = []
        self._body = body
        self._open: list[bytes] = []
        self._first: bytes | None = None
        self._feed = False
        self._items = 0
        self._item: tuple[int, int] | None = None  # where the item we are in begins, and how deep it lies
        self._why = ""  # it is to be left out

    def walk(self) -> None:
        """Raise Refuse at the first thing that we do not take."""
        at = 0
        while (start := self._body.find(b"<", at)) >= 0:
            self._bounded(at, start, "text")
            at = self._token(start)
        self._bounded(at, len(self._body), "text")
        if self._why:
            raise Refuse(self._why)  # the item never ends: nobody knows what to leave out

    @property
    def is_page(self) -> bool:
        """Whether what was walked over is a web page."""
        declared = self.doctype and re.match(rb"<!DOCTYPE\s+html", self.doctype[0], re.IGNORECASE)
        return not self._feed and bool(declared or self._first in PAGES)

    def _token(self, start: int) -> int:
        """Look at what begins at `start`; where the next thing begins."""
        body = self._body
        if body.startswith(b"<!--", start):
            return self._until(b"-->", start, "comment", closed=True)
        if body.startswith(b"<![CDATA[", start):
            return self._until(b"]]>", start, "CDATA section")
        if body.startswith((b"<?", b"<!"), start):
            return self._declaration(start)
        tag = TAG.match(body, start)
        if tag is None:
            return start + 1  # a stray "<", which tolerant parsers read as text
        self._bounded(start, tag.end(), "tag")
        self._tag(tag)
        return tag.end()

    def _declaration(self, start: int) -> int:
        if self._first is None and self._body[start : start + 9].upper() == b"<!DOCTYPE":
            if self.doctype:
                raise Refuse("it declares two document types")
            self.doctype = DOCTYPE.match(self._body, start)
            if self.doctype is None:
                raise Refuse("its document type declaration is broken")
            return self.doctype.end()
        return self._until(b">", start, "declaration")

    def _until(self, end: bytes, start: int, what: str, *, closed: bool = False) -> int:
        found = self._body.find(end, start)
        if found < 0 and closed:
            raise Refuse(f"a {what} is never closed")
        stop = found + len(end) if found >= 0 else len(self._body)
        self._bounded(start, stop, what)
        return stop

    def _bounded(self, start: int, stop: int, what: str) -> None:
        if stop - start <= MAX_TOKEN:
            return
        absurd = stop - start > MAX_ABSURD
        why = f"a {what} in it is longer than {(MAX_ABSURD if absurd else MAX_TOKEN) // 2**20} MiB"
        if absurd or what not in TEXTS or self._item is None:
            raise Refuse(why)
        self._why = why

    def _tag(self, tag: re.Match[bytes]) -> None:
        closing, name, rest = tag.groups()
        local = name.rpartition(b":")[2].lower()
        if closing:
            self._close(local)
            self._leave(local, tag.end())
            return
        self._first = self._first or local
        self._feed = self._feed or local in FEEDS
        self._items += local in ITEMS
        if self._items > MAX_ITEMS:
            raise Refuse(f"it holds more than {MAX_ITEMS:,} items")
        # An attribute takes two bytes at least: most tags need no counting.
        if len(rest) > 2 * MAX_ATTRIBUTES and len(ATTRIBUTE.findall(rest)) > MAX_ATTRIBUTES:
            raise Refuse(f"a tag in it has more than {MAX_ATTRIBUTES} attributes")
        again = local in IMPLIED and self._open[-1:] == [local]
        if not rest.endswith(b"/") and local not in VOID and not again:
            if local in ITEMS and self._item is None:
                self._item = tag.start(), len(self._open)
            self._open.append(local)
        if len(self._open) > MAX_DEPTH:
            raise Refuse(f"it is nested more than {MAX_DEPTH} deep")

    def _close(self, local: bytes) -> None:
        # As tolerant parsers do: an end tag ends whatever was left open inside it.
        if local in self._open:
            while self._open.pop() != local:
                pass

    def _leave(self, local: bytes, end: int) -> None:
        if self._item is None or len(self._open) > self._item[1]:
            return
        if self._why and local not in ITEMS:
            raise Refuse(self._why)  # what it lies in ends before it does
        if self._why:
            self.overlong.append((self._item[0], end, self._why))
        self._item, self._why = None, ""


def _without_doctype(body: bytes, doctype: re.Match[bytes] | None, plain: list[tuple[bytes, bytes]]) -> bytes:
    """Without the declaration; plain entities are declared again, and nothing else."""
    if doctype is None:
        return body
    declared = b"".join(b'<!ENTITY %s "%s">\n' % pair for pair in plain)
    kept = b"\n<!DOCTYPE feed [\n%s]>\n" % declared if plain else b""
    return body[: doctype.start()] + kept + body[doctype.end() :]


def _entities(subset: bytes) -> list[tuple[bytes, bytes]]:
    plain = []
    for parameter, name, external, *values in ENTITY.findall(subset):
        if parameter:
            continue  # never fetched, never expanded; old RSS names HTML's own entity sets so
        value = values[0] or values[1]
        if external:
            raise Refuse("it declares an external entity")
        if NESTED.search(value):
            raise Refuse("it declares an entity made of other entities")
        if len(value) > MAX_ENTITY:
            raise Refuse(f"it declares an entity longer than {MAX_ENTITY} bytes")
        if NAME.fullmatch(name) and not set(b'"<>') & set(value):
            plain.append((name, value))
    if len(plain) > MAX_ENTITIES:
        raise Refuse(f"it declares more than {MAX_ENTITIES} entities")
    return plain


def _legal(reference: re.Match[bytes]) -> bytes:
    """The reference, or nothing if XML 1.0 §2.2 knows no such character: feedparser raises there (feeds:I12)."""
    hexadecimal, decimal = reference.groups()
    digits = (hexadecimal or decimal).lstrip(b"0") or b"0"
    point = int(digits[:8], 16 if hexadecimal else 10)
    legal = point in {9, 10, 13} or 0x20 <= point <= 0xD7FF or 0xE000 <= point <= 0xFFFD
    return reference[0] if legal or 0x10000 <= point <= 0x10FFFF else b""
