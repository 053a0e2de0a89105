"""OPML read: the feeds that somebody's list names, ours or any other program's (feeds:I27, P29).

Tolerant of what such files really hold: folders, missing titles, bare ampersands, entities of HTML,
addresses relative to the file. Strict about what nobody needs: a DTD with declarations, depth, size.
What is done with the feeds is the caller's affair.
"""

from __future__ import annotations

import codecs
import html
import re
from dataclasses import dataclass, field
from xml.parsers import expat

from syndicator.errors import Invalid
from syndicator.model.markup import strip_illegal, web_address
from syndicator.model.nesting import MAX_DEPTH
from syndicator.model.upstream import address_fault, over_the_web

MOST_BYTES = 32 * 2**20
MOST_OUTLINES = 200_000
MOST_ATTRIBUTES = (
    200  # on one element, and characters of one: what feeds may have (delivery-and-security X1, X4)
)
MOST_VALUE = 2**20
_WIDE = {  # the first bytes of XML in a wide encoding, with its mark or without
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\x00?\x00": "utf-16-le",
    b"\x00<\x00?": "utf-16-be",
}
_DECLARED = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")
# An ampersand that is no reference XML knows by itself: bare, or a name that only HTML has.
_AMPERSAND = re.compile(
    r"&(?!(?:amp|lt|gt|quot|apos);)(?:(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)?"
)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """A feed in the list: its address, what it is called, its page if named, and the folders it lies in."""

    url: str
    title: str
    page: str | None = None
    folders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """What a list names, in its order, each address once; `refused` are addresses that are none of the web's."""

    feeds: tuple[Outline, ...]
    refused: tuple[str, ...] = ()


def read(body: bytes, base_url: str | None = None) -> Subscriptions:
    """The feeds in an OPML document; relative addresses are meant from `base_url`.

    Raises Invalid, saying why, for what is no OPML, too large, too deep, or declares entities.
    """
    if len(body) > MOST_BYTES:
        raise Invalid(f"this OPML is larger than {MOST_BYTES // 2**20} MB; cut it into several files")
    reader = _Reader(base_url)
    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.Parse(_mended(body).encode("utf-8", "replace"), True)
    except expat.ExpatError as fault:
        raise Invalid(f"this OPML cannot be read: {fault}") from None
    return Subscriptions(tuple(reader.feeds.values()), tuple(reader.refused))


@dataclass(slots=True)
class _Reader:
    """Walks over the elements without building a tree of them."""

    base_url: str | None
    feeds: dict[str, Outline] = field(default_factory=dict)
    refused: dict[str, None] = field(default_factory=dict)
    open: list[str | None] = field(default_factory=list)  # a folder's name, None for any other element
    outlines: int = 0

    def doctype(self, _name: str, _system: str | None, _public: str | None, declares: int) -> None:
        # Entities are expanded where they stand: a kilobyte of them makes gigabytes. OPML has no need of any.
        if declares:
            raise Invalid("this OPML has a DTD of its own, which we do not read; remove its DOCTYPE")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if not self.open and name.lower() != "opml":
            raise Invalid(f"this is no OPML: its first element is <{name[:40]}>")
        if len(self.open) >= MAX_DEPTH:
            raise Invalid(f"this OPML is nested more than {MAX_DEPTH} deep")
        if len(attributes) > MOST_ATTRIBUTES:
            raise Invalid(f"an element of this OPML has more than {MOST_ATTRIBUTES} attributes")
        if any(len(value) > MOST_VALUE for value in attributes.values()):
            raise Invalid(f"a text in this OPML is longer than {MOST_VALUE:,} characters")
        self.open.append(self._outline(attributes) if name.lower() == "outline" else None)

    def end(self, _name: str) -> None:
        self.open.pop()

    def _outline(self, attributes: dict[str, str]) -> str | None:
        """Keep the feed an outline names; the name of the folder it is otherwise, or None."""
        self.outlines += 1
        if self.outlines > MOST_OUTLINES:
            raise Invalid(f"this OPML has more than {MOST_OUTLINES} outlines; cut it into several files")
        known = {name.lower(): _SPACE.sub(" ", value).strip() for name, value in attributes.items()}
        title = known.get("title") or known.get("text") or ""
        if not (named := known.get("xmlurl")):
            return title or None
        url = web_address(over_the_web(named), self.base_url)
        if url is None or address_fault(url):
            self.refused[named[:200]] = None
        else:
            page = web_address(known.get("htmlurl"), self.base_url)
            folders = tuple(folder for folder in self.open if folder)
            self.feeds.setdefault(url, Outline(url=url, title=title or url, page=page, folders=folders))
        return None


def _mended(body: bytes) -> str:
    """The text, as well-formed as can be told without guessing: ampersands, characters XML forbids."""
    text = strip_illegal(_decoded(body).lstrip("\ufeff"))
    # The declaration names an encoding that is no longer its own, and white space may not stand before it.
    return _AMPERSAND.sub(_reference, _DECLARATION.sub("", text, count=1)).strip()


def _decoded(body: bytes) -> str:
    wide = next((name for mark, name in _WIDE.items() if body.startswith(mark)), None)
    declared = _DECLARED.match(body.removeprefix(codecs.BOM_UTF8))
    name = wide or (declared[1].decode("ascii") if declared else "utf-8")
    if body.startswith(codecs.BOM_UTF8):
        name = "utf-8"
    try:
        return body.decode(name, "replace")
    except (LookupError, UnicodeError):  # no such encoding, or one that decodes no text
        return body.decode("utf-8", "replace")


def _reference(found: re.Match[str]) -> str:
    """A reference as the character it means, if that may stand in XML; a bare ampersand as itself."""
    if found[1] is None:
        return "&amp;"
    meant = html.unescape(found[0])
    if meant == found[0]:
        return f"&amp;{found[1]};"
    # Quotes as well: it may stand in an attribute.
    return html.escape(strip_illegal(meant), quote=True)
