"""Markup: front matter and Markdown in, clean HTML and plain text out. Pure; knows no files.

One allow-list (`requirements/delivery-and-security` H1) cleans whatever HTML comes in, at ingest
and once more where a fragment is rendered. URLs become absolute on the way in (feeds:P6).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.errors import MessageError
from email.header import decode_header, make_header
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

import nh3
from inscriptis import get_text
from markdown_it import MarkdownIt
from markdown_it.token import Token

from syndicator.errors import Invalid
from syndicator.model.frontmatter import LARGEST, QUOTED, parted, quoted, words
from syndicator.model.item import SLUG, Author, Content, Kind, Medium, is_absolute_iri
from syndicator.model.nesting import MAX_DEPTH, too_deep
from syndicator.model.release import Embargo, embargo_from, zone_named
from syndicator.model.upstream import LONGEST_KEY

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
FIELDS = frozenset(
    "uid title summary kind topics published url authors spokesperson language media embargo embargo_zone slug".split()
)
MEDIA_FIGURES = {"width": "pixels", "height": "pixels", "duration": "seconds"}  # feeds:P20
MEDIA_FIELDS = frozenset({"url", "type", "length", "title", "alt", "credit", *MEDIA_FIGURES})
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")  # a language tag by its shape (RFC 5646 §2.1)
LONGEST_LANGUAGE = 35  # characters: none that is in use is longer (RFC 5646 §4.4.1)
MAX_BODY = 5_000_000
MAX_HTML = 2 * MAX_BODY  # a link's address may be said once and referred to ten thousand times
LONGEST_ENCODED = 1_000  # characters in which an encoded word is looked for: the search is no linear one


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a Markdown file with front matter says: words, and what an item or a release adds."""

    content: Content
    uid: str | None = None
    published: datetime | None = None
    embargo: Embargo | None = None


def draft_from(text: str, *, base_url: str, zone: str) -> Draft:
    """Read a Markdown file with YAML front matter; `zone` is used where a time has no offset.

    Raises Invalid naming the field and what to write instead.
    """
    fields, body = parted(text)
    _refuse_unknown(fields)
    if len(body) > MAX_BODY:
        raise Invalid(f"the text is {len(body):,} characters long; the limit is {MAX_BODY:,}")
    source = markdown(body)
    if too_deep(source):
        raise Invalid(f"the text holds HTML more than {MAX_DEPTH} deep: end each tag that it begins")
    content = Content(
        title=_title(fields),
        kind=_kind(fields),
        summary=strip_illegal(words(fields.get("summary"), "summary")).strip(),
        body=clean(source, base_url),
        text=strip_illegal(body),
        topics=_topics(fields),
        language=_language(fields),
        url=_url(fields),
        authors=_authors(fields),
        spokesperson=_text(fields, "spokesperson"),
        media=_media(fields),
    )
    return Draft(
        content=content,
        uid=_uid(fields),
        published=_instant(fields.get("published"), "published", zone),
        embargo=_embargo(fields, zone),
    )


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


def clean(source: str, base_url: str | None = None) -> str:
    """`source` with only what the allow-list names; URLs absolute against `base_url`.

    Without a base, relative URLs are dropped: a reader could not follow them anyway (feeds:P6).
    """

    def keep(_tag: str, attribute: str, value: str) -> str | None:
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
    return strip_illegal(cleaned).strip()  # once more: a reference such as &#1; is a character by now


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
    return get_text(f"<div>{source}</div>").strip() if source else ""


def excerpt(text: str, limit: int = 300) -> str:
    """The start of a plain text, cut at a word, at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rsplit(" ", 1)[0] + "…"


def from_plain(text: str) -> str:
    """HTML that shows a plain text as it is: what a feed's plain-text content becomes."""
    return "".join(f"<p>{html.escape(part)}</p>" for part in re.split(r"\n\s*\n", text.strip()) if part)


def _refuse_unknown(fields: Mapping[str, Any]) -> None:
    unknown = sorted(str(name) for name in fields if name not in FIELDS)
    if unknown:
        raise Invalid(
            f"the front matter has no field {quoted(unknown[0])}; fields are {', '.join(sorted(FIELDS))}"
        )


def _title(fields: Mapping[str, Any]) -> str:
    title = words(fields.get("title"), "title")
    if not title.strip():
        raise Invalid(
            "the front matter has no title: add a line such as title: Society welcomes new guideline"
        )
    return one_line(strip_illegal(title), "the title")


def _kind(fields: Mapping[str, Any]) -> Kind:
    kind = words(fields.get("kind"), "kind") or Kind.NEWS
    try:
        return Kind(kind)
    except ValueError:
        raise Invalid(f"unknown kind {quoted(kind)}: use {', '.join(Kind)}") from None


def _topics(fields: Mapping[str, Any]) -> tuple[str, ...]:
    topics = fields.get("topics") or []
    if isinstance(topics, str):
        topics = [part.strip() for part in topics.split(",")]
    if not isinstance(topics, list):
        raise Invalid("topics is no list: write topics: [policy, health]")
    for topic in topics:
        if not isinstance(topic, str) or not SLUG.fullmatch(topic):
            raise Invalid(f"topics: {quoted(topic)} is no topic slug: use 1 to 64 of a-z, 0-9 and hyphen")
    return tuple(dict.fromkeys(topics))


def _text(fields: Mapping[str, Any], name: str) -> str | None:
    return one_line(words(fields.get(name), name), name) or None


def _language(fields: Mapping[str, Any]) -> str | None:
    language = _text(fields, "language")
    if language and not language_tag(language):
        raise Invalid(
            f"language {quoted(language)} is no language tag: write en, de or pt-BR, or leave it out"
        )
    return language


def _uid(fields: Mapping[str, Any]) -> str | None:
    uid = _text(fields, "uid")
    if uid and not is_absolute_iri(uid):
        raise Invalid(
            f"uid {quoted(uid)} is no absolute IRI: use a tag: or urn:uuid: address, or leave it out"
        )
    if uid and len(uid) > LONGEST_KEY:
        raise Invalid(f"uid {quoted(uid)} is too long: use at most {LONGEST_KEY} characters")
    return uid


def _url(fields: Mapping[str, Any]) -> str | None:
    url = _text(fields, "url")
    if url and not web_address(url):
        raise Invalid(f"url {quoted(url)} is no web address: start it with https://")
    return url


def _authors(fields: Mapping[str, Any]) -> tuple[Author, ...]:
    authors = fields.get("authors") or []
    if isinstance(authors, str):
        authors = [authors]
    if not isinstance(authors, list):
        raise Invalid("authors is no list: write authors: [Jane Doe, John Roe]")
    return tuple(_author(number, author) for number, author in enumerate(authors, 1))


def _author(number: int, value: Any) -> Author:
    if isinstance(value, str):
        return Author(name=one_line(value, "an author"))
    if not isinstance(value, Mapping) or not value.get("name"):
        raise Invalid(f"authors: entry {number} needs a name")
    said = {key: words(value.get(key), f"author {key}") for key in ("name", "email", "url")}
    parts = {key: one_line(text, f"author {key}") for key, text in said.items() if text}
    if "url" in parts and not web_address(parts["url"]):
        raise Invalid(f"author url {quoted(parts['url'])} is no web address: start it with https://")
    return Author(**parts)


def _media(fields: Mapping[str, Any]) -> tuple[Medium, ...]:
    media = fields.get("media") or []
    if not isinstance(media, list):
        raise Invalid("media is no list: write - url: …, type: …, length: … for each file")
    return tuple(_medium(number, value) for number, value in enumerate(media, 1))


def _medium(number: int, value: Any) -> Medium:
    value = value if isinstance(value, Mapping) else {}
    if missing := [key for key in ("url", "type", "length") if key not in value]:
        raise Invalid(
            f"media: entry {number} has no {' and no '.join(missing)}; each needs url, type and length (bytes)"
        )
    if unknown := sorted(str(name) for name in value if name not in MEDIA_FIELDS):
        raise Invalid(
            f"media has no field {quoted(unknown[0])}; fields are {', '.join(sorted(MEDIA_FIELDS))}"
        )
    said = {
        key: one_line(words(value.get(key), f"a media {key}"), f"a media {key}")
        for key in ("url", "type", "title", "alt", "credit")
    }
    url = web_address(said["url"])
    if url is None:
        raise Invalid(f"media: entry {number} needs an https url, not {quoted(said['url'])}")
    if not _figure(value["length"]):
        raise Invalid(f"media: entry {number} needs a length in bytes, not {quoted(value['length'])}")
    for name, unit in MEDIA_FIGURES.items():
        if not _figure(value.get(name, 0)):
            raise Invalid(f"media: {name} {quoted(value[name])} is no whole number of {unit}")
    width, height, duration = (value.get(name, 0) for name in MEDIA_FIGURES)
    return Medium(
        url=url,
        type=said["type"],
        length=value["length"],
        title=said["title"],
        alt=said["alt"],
        credit=said["credit"],
        width=width,
        height=height,
        duration=duration,
    )


def _figure(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST  # True is no figure, though Python counts it as 1


def _embargo(fields: Mapping[str, Any], zone: str) -> Embargo | None:
    until, place = (
        words(fields.get("embargo"), "embargo"),
        words(fields.get("embargo_zone"), "embargo_zone") or zone,
    )
    for name, value in (("embargo", until), ("embargo_zone", place)):
        if len(value) > QUOTED:
            raise Invalid(
                f"{name} {quoted(value)} is too long: write 2026-03-02 09:00, and Europe/Berlin as its zone"
            )
    return embargo_from(until, place) if until else None


def _instant(value: Any, name: str, zone: str) -> datetime | None:
    if value in (None, ""):
        return None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    try:
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(words(value, name))
        aware = instant if instant.tzinfo else instant.replace(tzinfo=zone_named(zone))
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(f"{name} {quoted(value)} is no instant: write 2026-03-02T09:00:00+01:00") from None
