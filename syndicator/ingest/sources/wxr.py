"""WordPress exports (WXR): RSS with names of WordPress' own, of any size, as pieces that the gate takes.

The file is walked over once and never held: an item is taken apart by a lexer that knows CDATA, and
what is public is written anew as plain RSS, up to 4 MB at a time, for `ingest.parse`. Comments, drafts,
attachments and whatever plugins add stay behind. Nothing here trusts the file: it only cuts.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from syndicator.errors import Invalid
from syndicator.ingest.filing import LeftOut
from syndicator.model.markup import plain_text, strip_illegal

MOST_ITEM = 16_000_000  # bytes of one item with its comments; its text has less
MOST_TEXT = 1_000_000  # bytes of one item's text, as the gate takes it
MOST_HEAD = 16_000_000  # bytes before the first item: categories, tags, authors
PIECE = 4_000_000  # bytes
ITEMS = 1_000  # in a piece
READ = 2**20
SNIFFED = 65_536
MARK = b"http://wordpress.org/export/"
HEADER = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>'
)
FOOTER = "</channel></rss>\n"
# What may stand in the file, as far as it matters where an item begins and ends.
TOKEN = re.compile(rb"<!\[CDATA\[|<!--|<item(?=[\s>])[^<>]{0,200}+>|</item\s{0,200}+>|</channel\s{0,200}+>")
TAG = re.compile(rb"<!\[CDATA\[|<!--|<(/?)([A-Za-z][\w:.-]{0,80}+)([^<>]{0,4000}+)>")
PLAIN = re.compile(r"utf-?8|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]", re.IGNORECASE)
TITLE = re.compile(r"<item><title>([^<]{1,1000})")
NICE = re.compile(r"(domain|nicename)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
DECLARED = re.compile(rb"\A\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
BLOCK = re.compile(
    r"\A</?(?:address|article|aside|blockquote|details|div|dl|fieldset|figure|footer|form|h[1-6]|header|hr|iframe|main|nav|ol|"
    r"p|pre|section|table|tbody|td|tfoot|th|thead|tr|ul|li)\b",
    re.IGNORECASE,
)
# WordPress' own shortcodes; those that hold words lose their marks alone.
SHORTCODE = re.compile(r"\[/?(?:caption|wp_caption|embed|gallery|playlist|audio|video)\b[^\[\]]{0,1000}\]")
KEPT = ("title", "link", "pubDate", "guid")


class _Child(NamedTuple):
    """An element: its name, its attributes as they are written, its text."""

    name: str
    attributes: str
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some items of the export, each written anew as RSS, and those that are not to be taken, with why."""

    head: str
    items: tuple[str, ...]
    refused: tuple[LeftOut, ...] = ()

    @property
    def body(self) -> bytes:
        """The RSS document of these items."""
        return f"{HEADER}{self.head}{''.join(self.items)}{FOOTER}".encode("utf-8", "replace")

    @property
    def titles(self) -> tuple[str, ...]:
        """What the items are called."""
        found = (TITLE.match(item) for item in self.items)
        return tuple(html.unescape(one[1])[:200] if one else "an item" for one in found)

    def halves(self) -> tuple[Piece, Piece]:
        """The items in two pieces: where the gate refuses all, one alone may be the reason."""
        middle = len(self.items) // 2
        return Piece(self.head, self.items[:middle]), Piece(self.head, self.items[middle:])


@dataclass(slots=True)
class Export:
    """An export that is being read; `cut` says afterwards that the file broke off, `skipped` counts attachments
    and other things that are no posts. With `pages` pages are taken as well.
    """

    file: BinaryIO
    pages: bool = False
    cut: bool = False
    skipped: int = 0
    _authors: dict[str, str] = field(default_factory=dict)
    _codec: str = "utf-8"

    def pieces(self) -> Iterator[Piece]:
        """The export in pieces, in the order of the file; raises Invalid for what is no export."""
        parts = self._parts()
        head = self._begun(next(parts))
        items: list[str] = []
        refused: list[LeftOut] = []
        size = 0
        for part in parts:
            outcome = self._item(part)
            grown = size + len(outcome.encode("utf-8", "replace")) if isinstance(outcome, str) else size
            if grown > PIECE or len(items) + len(refused) >= ITEMS:
                yield Piece(head, tuple(items), tuple(refused))
                items, refused, grown = [], [], grown - size
            size = grown
            if isinstance(outcome, LeftOut):
                refused.append(outcome)
            elif outcome:
                items.append(outcome)
        if items or refused:
            yield Piece(head, tuple(items), tuple(refused))

    def _begun(self, head: bytes) -> str:
        if MARK not in head[:SNIFFED]:
            raise Invalid(
                "this is no WordPress export (WXR): make one at Tools → Export, All content or Posts"
            )
        declared = DECLARED.match(head)
        self._codec = _codec(declared[1].decode("ascii") if declared else "utf-8")
        self._authors = dict(self._named(head))
        fields = _fields(_children(head[head.find(b"<channel") :][:SNIFFED], self._codec, within=1))
        return "".join(f"<{name}>{escape(fields.get(name, ''))}</{name}>" for name in ("title", "link"))

    def _named(self, head: bytes) -> Iterator[tuple[str, str]]:
        """Who wrote it: an item names logins, readers know names."""
        for author in head.split(b"<wp:author>")[1:10_001]:
            fields = _fields(_children(author[:10_000], self._codec))
            login, name = fields.get("wp:author_login"), fields.get("wp:author_display_name")
            if login and name:
                yield login, name

    def _parts(self) -> Iterator[bytes]:
        """First all before the first item, then item by item, without their own tags."""
        cutter = _Cutter(self.file)
        yield from cutter.parts()
        self.cut = cutter.cut

    def _item(self, item: bytes) -> str | LeftOut | None:
        """An item as RSS; why it is refused; or None for what is no item at all, such as an attachment."""
        if not item:
            return LeftOut(title="an item", identity=None, why=f"it is larger than {MOST_ITEM // 10**6} MB")
        children = list(_children(item, self._codec))
        fields = _fields(children)
        kind = fields.get("wp:post_type", "post")
        if kind not in ({"post", "page"} if self.pages else {"post"}):
            self.skipped += 1
            return None
        if why := _refusal(fields):
            title = plain_text(fields.get("title", "")[:1000]) or "an item"
            return LeftOut(title=title[:200], identity=fields.get("guid"), why=why)
        return self._rss(children, fields)

    def _rss(self, children: list[_Child], fields: dict[str, str]) -> str:
        name = fields.get("dc:creator", "")
        said = {kept: fields.get(kept, "") for kept in KEPT}
        said |= {
            "description": fields.get("excerpt:encoded", ""),
            "dc:creator": self._authors.get(name, name),
        }
        parts = [_element(tag, text) for tag, text in said.items() if text]
        # Never escaped: a text of tags alone would grow to four times its size.
        text = strip_illegal(paragraphs(fields.get("content:encoded", ""))).replace("]]>", "]]]]><![CDATA[>")
        parts.append(f"<content:encoded><![CDATA[{text}]]></content:encoded>")
        return f"<item>{''.join([*parts, *_categories(children)])}</item>"


def is_export(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a WordPress export."""
    return MARK in start[:SNIFFED]


def paragraphs(text: str) -> str:
    r"""A post's text as HTML: what the classic editor kept as lines becomes paragraphs, as WordPress itself does.

    >>> paragraphs("One<br />two\n\nThree")
    '<p>One<br />two</p>\n<p>Three</p>'
    """
    if "<!-- wp:" in text:
        return text  # of the block editor: it is HTML already
    done: list[str] = []
    inside = False  # of <pre>, where an empty line is one
    for part in re.split(r"\n[ \t\r]*+\n", SHORTCODE.sub("", text)):
        whole = inside or BLOCK.match(part.strip())
        inside = (inside or "<pre" in part) and "</pre" not in part.rpartition("<pre")[2]
        if whole:
            done.append(part)
        elif part.strip():
            done.append(f"<p>{_broken(part.strip())}</p>")
    return "\n".join(done)


@dataclass(slots=True)
class _Cutter:
    """Cuts a file at the borders of its items, reading it once; never holds more than the largest of them."""

    file: BinaryIO
    cut: bool = True
    buffer: bytes = b""
    start: int = 0  # where the part begins that we are in
    at: int = 0  # up to here no border is left

    def parts(self) -> Iterator[bytes]:
        """The head, then each whole item; an empty one stands for an item that is too large."""
        head = self._until(b"<item", MOST_HEAD)
        if head is None:
            raise Invalid("this is no WordPress export: there is no item in it")
        yield head
        while (item := self._until(b"</item", MOST_ITEM)) is not None:
            yield item
            if self._until(b"<item", MOST_HEAD) is None:
                return

    def _until(self, border: bytes, most: int) -> bytes | None:
        """What stands before the next tag of this sort, which is passed; None at the end of the file or channel."""
        dropped = False
        while found := self._next():
            if found[0].startswith(b"</channel"):
                self.cut = False
                break
            if found[0].startswith(border):
                before = b"" if dropped else self.buffer[self.start : found.start()]
                self.start = self.at = found.end()
                return before
            self.at = max(self.at, found.end())
            if self.at - self.start > most:  # too large to keep: only its end is looked for now
                self.start, dropped = self.at, True
        return None

    def _next(self) -> re.Match[bytes] | None:
        """The next border, read on as far as needed; or a CDATA section or comment, passed with all it holds."""
        if self.start > READ:
            self.buffer, self.at, self.start = self.buffer[self.start :], self.at - self.start, 0
        while (found := TOKEN.search(self.buffer, self.at)) is None:
            self.at = max(self.at, len(self.buffer) - 300)  # a tag may be cut in two
            if not self._more():
                return None
        return found if not found[0].startswith(b"<!") or self._skip(found) else None

    def _skip(self, opened: re.Match[bytes]) -> bool:
        end = b"]]>" if opened[0] == b"<![CDATA[" else b"-->"
        start = opened.end()
        while (closed := self.buffer.find(end, start)) < 0:
            start = max(start, len(self.buffer) - 2)
            if not self._more():
                return False
        self.at = closed + len(end)
        return True

    def _more(self) -> bool:
        if len(self.buffer) - self.start > 4 * MOST_ITEM:
            raise Invalid(f"a part of this export is larger than {4 * MOST_ITEM // 10**6} MB and never ends")
        piece = self.file.read(READ)
        self.buffer += piece
        return bool(piece)


def _fields(children: Iterable[_Child]) -> dict[str, str]:
    """The texts by name, the first of each."""
    found: dict[str, str] = {}
    for name, _, text in children:
        found.setdefault(name, text)
    return found


def _children(item: bytes, codec: str, within: int = 0) -> Iterator[_Child]:
    """Each element at this depth; what lies deeper, as in a comment, is part of its text."""
    depth, at = 0, 0
    name = rest = ""
    text: list[str] = []
    while opened := TAG.search(item, at):
        if depth > within:
            text.append(_unescaped(item[at : opened.start()], codec))
        at = opened.end()
        if opened[0].startswith(b"<!"):
            raw, at = _section(item, opened)
            if depth > within and opened[0] == b"<![CDATA[":
                text.append(_decoded(raw, codec))
        elif opened[1]:
            depth = max(depth - 1, 0)
            if depth == within and name:
                yield _Child(name, rest, "".join(text).strip())
                name = ""
        elif not opened[3].rstrip().endswith(b"/"):
            if depth == within:
                name, rest, text = opened[2].decode("ascii", "replace"), _decoded(opened[3], codec), []
            depth += 1


def _section(item: bytes, opened: re.Match[bytes]) -> tuple[bytes, int]:
    end = b"]]>" if opened[0] == b"<![CDATA[" else b"-->"
    closed = item.find(end, opened.end())
    stop = closed if closed >= 0 else len(item)
    return item[opened.end() : stop], stop + len(end)


def _categories(children: Iterable[_Child]) -> Iterator[str]:
    for name, rest, text in children:
        if name == "category" and text:
            said = {key: a or b for key, a, b in NICE.findall(rest)}
            domain = quoteattr(strip_illegal(html.unescape(said.get("domain", "category"))))
            yield f"<category domain={domain}>{_escaped(text)}</category>"


def _refusal(fields: dict[str, str]) -> str | None:
    status = fields.get("wp:status", "publish")
    if status != "publish":
        return f"its status is {status[:40]}; only what is published is taken"
    if fields.get("wp:post_password"):
        return "it is protected by a password"
    if len(fields.get("content:encoded", "").encode("utf-8", "replace")) > MOST_TEXT:
        return f"its text is larger than {MOST_TEXT // 10**6} MB"
    return None


def _element(tag: str, text: str) -> str:
    attribute = ' isPermaLink="false"' if tag == "guid" else ""
    return f"<{tag}{attribute}>{_escaped(text)}</{tag}>"


def _escaped(text: str) -> str:
    return escape(strip_illegal(text))


def _broken(text: str) -> str:
    return re.sub(r"[ \t\r]*\n[ \t\r]*", "<br />\n", text)


def _unescaped(raw: bytes, codec: str) -> str:
    return html.unescape(_decoded(raw, codec))


def _decoded(raw: bytes, codec: str) -> str:
    return raw.decode(codec, "replace")


def _codec(name: str) -> str:
    """The declared encoding, if it writes tags as ASCII does; raises Invalid where nothing could be found."""
    if not PLAIN.fullmatch(name):
        raise Invalid(f"this export is written in {name!r}; save it as UTF-8")
    return name
