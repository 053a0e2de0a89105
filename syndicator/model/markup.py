"""Markup: Markdown and HTML of strangers in, clean HTML and plain text out. Pure; knows no files.

One allow-list (`requirements/delivery-and-security` H1) cleans whatever HTML comes in, at ingest
and once more where a fragment is rendered. URLs become absolute on the way in (feeds:P6).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import nh3
from inscriptis import Inscriptis, get_text
from lxml.html import document_fromstring
from markdown_it import MarkdownIt
from markdown_it.token import Token

from syndicator.errors import Invalid
from syndicator.model.frontmatter import quoted
from syndicator.model.item import Content
from syndicator.model.release import Embargo
from syndicator.model.tables import unfold

# What XML 1.0 §2.2 forbids, and NUL and lone surrogates with it; tab, LF and CR stay (feeds:P4).
ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# Line breaks and controls no one-line field may hold; bidi overrides hide what a header says (MC20).
UNLINEAR = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
TAGS = frozenset(
    "a abbr b blockquote br caption cite code dd del dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img ins "
    "kbd li mark ol p pre q s samp small span strong sub sup table tbody td tfoot th thead time tr u ul var".split()
)
ATTRIBUTES: dict[str, set[str]] = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "blockquote": {"cite"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "time": {"datetime"},
    "*": {"lang", "dir"},
}
URL_ATTRIBUTES = frozenset({"href", "src", "cite"})
SCHEMES = {"http", "https", "mailto"}
_PRE = re.compile(r'(<pre(?: [a-z-]+="[^"]*")*>)\n')  # nh3 escapes the quotes in values
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")  # a language tag by its shape (RFC 5646 §2.1)
LONGEST_LANGUAGE = 35  # characters: none that is in use is longer (RFC 5646 §4.4.1)
MAX_HTML = 10_000_000  # a link's address may be said once and referred to ten thousand times
LONGEST_ENCODED = 1_000  # characters in which an encoded word is looked for: the search is no linear one


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a Markdown file with front matter says (`drafts.draft_from`): words, and what an item or a release adds.

    `base` is the version of a release it was made from (`Release.base`). A medium without an address is a file that lies beside the text and is still to be taken in; `keep_position`
    names those whose place of taking may be published.
    """

    content: Content
    uid: str | None = None
    published: datetime | None = None
    embargo: Embargo | None = None
    base: str | None = None
    keep_position: frozenset[str] = frozenset()

    @property
    def unresolved(self) -> str:
        """What is named and not put in yet, in words: a file beside the text, a boilerplate; empty when nothing is."""
        files = [medium.file for medium in self.content.media if not medium.url]
        if files:
            return f"the file {files[0]!r}"
        return f"the boilerplate {self.content.boilerplates[0]!r}" if self.content.boilerplates else ""


@lru_cache(maxsize=1)
def _markdown_parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def markdown(text: str) -> str:
    """The HTML of a Markdown text (CommonMark with tables); not yet clean. Raises Invalid if it grows too long."""
    parser, env = _markdown_parser(), dict[str, Any]()
    tokens = parser.parse(strip_illegal(text), env)
    if (
        _weight(tokens) > MAX_HTML
        or len(source := str(parser.renderer.render(tokens, parser.options, env))) > MAX_HTML
    ):
        raise Invalid(f"the text makes more than {MAX_HTML:,} characters of HTML: shorten it or its links")
    return source


def _weight(tokens: Iterable[Token]) -> int:
    # Before anything is rendered: here the addresses of one definition are still one text in memory.
    return sum(
        sum(len(str(value)) for value in token.attrs.values()) + _weight(token.children or ())
        for token in tokens
    )


def clean(source: str, base_url: str | None = None, pictures: Mapping[str, str] | None = None) -> str:
    """`source` with only what the allow-list names; URLs absolute against `base_url`.

    Without a base, relative URLs are dropped: a reader could not follow them anyway (feeds:P6). `pictures` are
    addresses of files by the names by which the text calls them.
    """

    def keep(_tag: str, attribute: str, value: str) -> str | None:
        if pictures and attribute == "src" and (own := pictures.get(unquote(value))):
            return own
        return absolute(value, base_url) if attribute in URL_ATTRIBUTES else value

    cleaned = nh3.clean(
        strip_illegal(source),
        tags=set(TAGS),
        attributes=ATTRIBUTES,
        attribute_filter=keep,
        url_schemes=SCHEMES,
        link_rel=None,
        strip_comments=True,
    )
    return first_lines(
        strip_illegal(cleaned).strip()
    )  # once more: a reference such as &#1; is a character by now


def first_lines(cleaned: str) -> str:
    """What nh3 wrote, with one more line break where a <pre> begins with one: whoever reads it drops the first.

    HTML §13.2.6.4.7 has parsers do so, and §13.3 warns of those who write; else each hop would take a line away.
    """
    return _PRE.sub(r"\1\n\n", cleaned) if "<pre" in cleaned else cleaned


def absolute(url: str, base_url: str | None) -> str | None:
    """`url` made absolute, or None if its scheme is not allowed or there is no base to resolve it."""
    # Browsers drop tabs and line breaks inside a URL before they read its scheme (WHATWG URL §4.4).
    bare = re.sub(r"[\t\n\r]", "", url).strip()
    try:
        joined = urljoin(base_url, bare) if base_url else bare
        scheme = urlsplit(joined).scheme.lower()
    except ValueError:
        return None
    return joined if scheme in SCHEMES else None


def web_address(url: str | None, base_url: str | None = None) -> str | None:
    """`url` as an absolute http(s) address, or None: what a link that came from outside must be (H2)."""
    found = absolute(url, base_url) if url else None
    return found if found and found.lower().startswith(("http://", "https://")) else None


def language_tag(text: str | None) -> str | None:
    """`text` if it reads as a language tag does, such as pt-BR, else None."""
    tag = (text or "").strip()
    return tag if len(tag) <= LONGEST_LANGUAGE and LANGUAGE.fullmatch(tag) else None


def strip_illegal(text: str) -> str:
    """`text` without what XML 1.0 forbids; emoji, C1 and every other character stay (feeds:P4)."""
    return ILLEGAL.sub("", text)


def one_line(text: str, what: str) -> str:
    """`text` trimmed; raises Invalid for a line break, a control or a bidi override, even an encoded one (I1)."""
    if UNLINEAR.search(text):
        raise Invalid(f"{what} holds a line break or control character: {quoted(text)}")
    if _hides_a_break(text):
        raise Invalid(
            f"{what} holds an encoded word (=?…?=) that no mail may carry: {quoted(text)}; write plain text"
        )
    return text.strip()


def harmless_line(text: str) -> str:
    """`text`, its encoded words broken apart if one of them would break a header's line once decoded (I1).

    >>> harmless_line("=?utf-8?q?a=0aBcc:_evil?=")
    '= ?utf-8?q?a=0aBcc:_evil?='
    """
    return text.replace("=?", "= ?") if _hides_a_break(text) else text


def _hides_a_break(text: str) -> bool:
    """Whether text that looks like RFC 2047 §2 is broken, or holds within what no line may hold."""
    if "=?" not in text or "?=" not in text:
        return False
    if len(text) > LONGEST_ENCODED:
        return True
    try:
        decoded = str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError):
        return True
    return bool(UNLINEAR.search(decoded) or ILLEGAL.search(decoded))


def plain_text(source: str) -> str:
    """Clean HTML as plain text, for a summary or a text part; entities resolved."""
    whole = f"<div>{source}</div>"
    if "<table" not in source.lower():
        return get_text(whole).strip() if source else ""
    tree = document_fromstring(whole)
    unfold(tree)
    return str(Inscriptis(tree).get_text()).strip()


def excerpt(text: str, limit: int = 300) -> str:
    """The start of a plain text, cut at a word, at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def from_plain(text: str) -> str:
    """HTML that shows a plain text as it is: what a feed's plain-text content becomes."""
    return "".join(f"<p>{html.escape(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()) if part)
