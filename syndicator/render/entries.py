"""One item, one fragment: the Atom entry and the RSS item, rendered by feedgen one at a time.

`entry` makes the neutral, cleaned render input that every format shares, JSON Feed included; `key`
names the bytes it will give, so that only what changed is rendered; `fragment` renders it, ready to
be joined by `documents`. One item that cannot be rendered raises a RenderFault and costs only itself.
Serves walk A. T-numbers are feedgen 1.0's traps, P-numbers our rules for feeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from html import escape, unescape
from typing import Any, NamedTuple, assert_never
from zoneinfo import ZoneInfo

from feedgen.entry import FeedEntry
from feedgen.ext.base import BaseEntryExtension
from lxml import etree

from syndicator.errors import SyndicatorError
from syndicator.model.item import (
    ALL,
    FULL,
    Author,
    Guid,
    Item,
    Medium,
    Profile,
    PubDate,
    Source,
    Spokesperson,
)
from syndicator.model.site import Format, Site
from syndicator.render import jsonfeed

# Part of every key: raise it when the same entry shall give other bytes.
RENDERER_VERSION = 1

ATOM = "http://www.w3.org/2005/Atom"
CONTENT = "http://purl.org/rss/1.0/modules/content/"
DC = "http://purl.org/dc/elements/1.1/"
MEDIA = "http://search.yahoo.com/mrss/"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"

# What XML 1.0 §2.2 cannot hold; emoji and the C1 controls stay (P4, T1).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = re.compile("[\t\n\r \x85\u2028\u2029]+")  # no-break spaces are typography and stay
_MARKUP = re.compile("([&<])")
_TAGS = re.compile(r"<[^>]*>")
_DECLARATIONS = re.compile(rb' xmlns:[a-z]+="[^"]*"')
TITLE_LENGTH = 60  # characters of a title made from the text (P18)

# The two words we add to an author's own: correction, contact.
_WORDS = {
    "de": ("Korrektur", "Kontakt"),
    "es": ("Corrección", "Contacto"),
    "fr": ("Rectification", "Contact"),
    "it": ("Rettifica", "Contatto"),
    "nl": ("Correctie", "Contact"),
}
_ENGLISH = ("Correction", "Contact")


class RenderFault(SyndicatorError):
    """One item cannot be rendered; `uid` names it, so that the feed can go out without it."""

    def __init__(self, uid: str, why: object) -> None:
        self.uid = uid
        super().__init__(f"{uid} cannot be rendered and is left out of its feeds: {why}")


class Category(NamedTuple):
    """A topic as feeds name it; `scheme` is the address all our topics live under."""

    slug: str
    title: str
    scheme: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that a rendered item depends on, cleaned for XML (P4): what is not in here cannot change its bytes.

    `language` is None where it is the site's; `published` and `updated` are UTC in whole seconds;
    `title`, `summary`, `correction` and `contact` are plain text, `body` is HTML.
    """

    uid: str
    url: str
    title: str
    summary: str
    body: str
    language: str | None
    published: datetime
    updated: datetime
    authors: tuple[Author, ...]
    categories: tuple[Category, ...]
    media: tuple[Medium, ...]
    source: Source | None
    guid: Guid | None
    contact: str
    correction: str

    @property
    def content(self) -> str:
        """The full text as HTML: the dated correction first, the contact last; empty if all is in `summary`."""
        if not (self.body or self.correction or self.contact):
            return ""
        body = self.body or f"<p>{escape(self.summary, quote=False)}</p>"
        return f"{_paragraph(self.correction)}{body}{_paragraph(self.contact)}"


def entry(item: Item, site: Site, titles: Mapping[str, str], spokesperson: Spokesperson | None) -> Entry:
    """The render input of a live item; `titles` maps topic slugs to titles.

    Raises RenderFault when it has no words at all, or a date without an offset (T21).
    """
    words = item.content
    summary, body = clean(words.summary), clean(words.body)
    title = plain_title(words.title, summary, body)
    if not title:
        raise RenderFault(item.uid, "it has neither title nor text; give it one with `syndicator item edit`")
    language = clean(words.language or "")
    return Entry(
        uid=clean(item.uid),
        url=clean(words.url or site.item_url(item.slug)),
        title=title,
        summary=summary.strip(),
        body=body.strip(),
        language=language if language and language != site.language else None,
        published=_utc(item.published, item.uid).replace(microsecond=0),  # T21
        updated=_utc(item.updated, item.uid),
        authors=tuple(_authors(words.authors)) or (Author(name=line(site.title), url=site.url("/")),),
        categories=tuple(_categories(words.topics, site, titles)),
        media=tuple(_medium(medium) for medium in words.media),
        source=words.source and _source(words.source, item.uid),
        guid=words.guid and Guid(value=clean(words.guid.value), permalink=words.guid.permalink),
        contact=_contact(spokesperson, language or site.language),
        correction=_correction(item, site, language or site.language),
    )


def fragment(entry: Entry, format: Format, profile: Profile = FULL) -> bytes:
    """The entry as UTF-8 XML without declarations, or as a JSON object, to be joined below a `documents` head.

    Raises RenderFault naming the uid when the entry cannot be rendered (T29).
    """
    if not profile.full_text:
        entry = replace(entry, body="")
    if profile.pub_date is PubDate.UPDATED and format is Format.RSS:
        entry = replace(entry, published=entry.updated)
    try:
        if format is Format.JSON:
            return jsonfeed.item(entry)
        made = feed_entry(entry, format)
        return _serialised(made.atom_entry() if format is Format.ATOM else made.rss_entry(), format)
    except Exception as fault:  # whatever feedgen or lxml stumbles over, it is this one item
        raise RenderFault(entry.uid, fault) from fault


def feed_entry(entry: Entry, format: Format) -> Any:
    """The entry as feedgen's own object with our extension; feedgen could append it to a whole feed."""
    made = FeedEntry()
    made.id(entry.uid)
    made.title(entry.title)
    made.updated(entry.updated)  # T6: otherwise now
    made.link(href=entry.url)  # T9: Atom without content needs an alternate link
    made.category([{"term": c.slug, "label": c.title, "scheme": c.scheme} for c in entry.categories])
    match format:
        case Format.ATOM:
            _fill_atom(made, entry)
        case Format.RSS:
            _fill_rss(made, entry)
        case Format.JSON:
            raise ValueError("JSON Feed is written by render.jsonfeed")
        case _:
            assert_never(format)
    made.register_extension("syndicator", partial(_Extension, entry))
    return made


def clean(text: str) -> str:
    """The text without what XML 1.0 forbids (P4)."""
    # All that is printable is allowed, and that test is ten times quicker on short texts.
    return text if text.isprintable() else _FORBIDDEN.sub("", text)


def line(text: str) -> str:
    """The text, cleaned, on one line."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return _BREAKS.sub(" ", clean(text)).strip()


def plain_title(title: str, summary: str, body: str) -> str:
    """The title, or about 60 characters of the text where there is none (P18)."""
    given = line(title)
    if given:
        return given
    text = line(summary) or line(unescape(_TAGS.sub(" ", body)))
    return text if len(text) <= TITLE_LENGTH else text[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


def rfc822(moment: datetime) -> str:
    """A UTC instant as RSS wants it: English names and four-digit years whatever the locale (P11, T22)."""
    return format_datetime(moment, usegmt=True)


def spell_out(element: Any) -> None:
    """Write `&` and `<` of a plain text in RSS as hexadecimal references.

    What the RSS Profile found most readers to show literally (P5), and the validator asks for; to XML
    parsers it is the same text.
    """
    first, *rest = _MARKUP.split(element.text)
    if rest:
        element.text = first
    for sign, after in zip(rest[::2], rest[1::2], strict=True):
        reference = etree.Entity(f"#x{ord(sign):X}")
        reference.tail = after
        element.append(reference)


class _Extension(BaseEntryExtension):  # type: ignore[misc]  # feedgen is untyped
    """What feedgen loses or gets wrong in an entry."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def extend_atom(self, element: Any) -> Any:
        for link in element.findall("link"):  # T2: they have lost rel, type, title and length
            element.remove(link)
        _atom_links(element, self.entry)
        if self.entry.language:
            element.set(XML_LANG, self.entry.language)  # T26
        if self.entry.source:
            _atom_source(element, self.entry.source)
        _images(element, self.entry.media)  # media last: `documents` relies on it
        return element

    def extend_rss(self, item: Any) -> Any:
        spell_out(item[0])  # the title, which feedgen writes first
        _text(item, "pubDate", rfc822(self.entry.published))
        if not _addressed(self.entry.authors):
            for author in self.entry.authors:
                _text(item, f"{{{DC}}}creator", author.name)
        if self.entry.language:
            _text(item, f"{{{DC}}}language", self.entry.language)
        _text(item, f"{{{ATOM}}}updated", self.entry.updated.isoformat())  # RSS has no word for it
        _images(item, self.entry.media)  # media last here too
        for medium in self.entry.media[1:]:  # T12: RSS has one enclosure
            if not medium.type.startswith("image/"):
                _media_content(item, medium)
        return item


def _fill_atom(made: Any, entry: Entry) -> None:
    made.published(entry.published)
    made.author([_person(author) for author in entry.authors])
    if entry.summary:
        made.summary(entry.summary)
    if content := entry.content:
        made.content(content, type="html")  # T7, T8, T10: always html, never CDATA or xhtml


def _fill_rss(made: Any, entry: Entry) -> None:
    guid = entry.guid or Guid(value=entry.uid, permalink=entry.uid == entry.url)  # P9
    made.guid(guid.value, permalink=guid.permalink)
    # P17: a description is HTML, so the plain summary is escaped once more than in Atom.
    content = entry.content
    made.description(escape(entry.summary, quote=False) or content)
    if entry.summary and content:
        made.content(content, type="html")
    if _addressed(entry.authors):
        made.author(_person(entry.authors[0]))
    for medium in entry.media[:1]:
        made.enclosure(medium.url, medium.length, medium.type)  # T11: both always given
    if entry.source:
        made.source(entry.source.feed_url, entry.source.title)


def _addressed(authors: tuple[Author, ...]) -> bool:
    # P16, T15: RSS takes one author and only with a real address; all others are dc:creator, never both.
    return len(authors) == 1 and authors[0].email is not None


def _person(author: Author) -> dict[str, str]:
    fields = {"name": author.name, "email": author.email, "uri": author.url}
    return {name: value for name, value in fields.items() if value}


def _atom_links(element: Any, entry: Entry) -> None:
    _child(element, "link", rel="alternate", href=entry.url)
    for medium in entry.media:
        title = {"title": medium.title} if medium.title else {}
        link = {"rel": "enclosure", "href": medium.url, "type": medium.type, "length": str(medium.length)}
        _child(element, "link", **link, **title)


def _atom_source(element: Any, source: Source) -> None:
    # T14, P21: feedgen knows a title and a bare link; readers and the validator want id and updated.
    made = _child(element, "source")
    _text(made, "id", source.id)
    _text(made, "title", source.title)
    _text(made, "updated", source.updated.isoformat())
    _child(made, "link", rel="self", href=source.feed_url)
    if source.url:
        _child(made, "link", rel="alternate", href=source.url)


def _images(parent: Any, media: tuple[Medium, ...]) -> None:
    images = [medium for medium in media if medium.type.startswith("image/")]
    for image in images:
        _media_content(parent, image)
    for image in images[:1]:  # P20: the first stands for the item
        _child(parent, f"{{{MEDIA}}}thumbnail", url=image.url)


def _media_content(parent: Any, medium: Medium) -> None:
    # T19: figures as text, and no media:group around.
    sort = medium.type.partition("/")[0]
    known = {"medium": sort} if sort in {"image", "audio", "video"} else {}
    made = _child(
        parent, f"{{{MEDIA}}}content", url=medium.url, type=medium.type, fileSize=str(medium.length), **known
    )
    if medium.title:
        _text(made, f"{{{MEDIA}}}title", medium.title)


def _child(parent: Any, name: str, **attributes: str) -> Any:
    return etree.SubElement(parent, name, attributes)


def _text(parent: Any, name: str, text: str) -> None:
    _child(parent, name).text = text


def _serialised(element: Any, format: Format) -> bytes:
    # T25: below a holder that declares the document's prefixes lxml uses them; then the copies go away.
    holder = etree.Element("holder", nsmap=_PREFIXES[format])
    holder.append(element)
    start, end, rest = etree.tostring(element, encoding="UTF-8", xml_declaration=False).partition(b">")
    return _DECLARATIONS.sub(b"", start) + end + rest


_PREFIXES: dict[Format, dict[str, str]] = {
    Format.ATOM: {"media": MEDIA},
    Format.RSS: {"atom": ATOM, "content": CONTENT, "dc": DC, "media": MEDIA},
}


def _paragraph(text: str) -> str:
    return f"<p><em>{escape(text, quote=False)}</em></p>" if text else ""


def _utc(moment: datetime, uid: str) -> datetime:
    if moment.tzinfo is None:
        raise RenderFault(uid, f"its date {moment} has no offset")
    return moment.astimezone(UTC)


def _authors(authors: tuple[Author, ...]) -> Iterator[Author]:
    for author in authors:
        email = line(author.email or "") or None
        name = line(author.name) or email
        if name:
            yield Author(name=name, email=email, url=line(author.url or "") or None)


def _categories(topics: tuple[str, ...], site: Site, titles: Mapping[str, str]) -> Iterator[Category]:
    for slug in dict.fromkeys(topics):  # in the author's order, each once
        if slug != ALL:
            yield category(slug, titles.get(slug, ""), site)


def category(slug: str, title: str, site: Site) -> Category:
    """A topic as a category; its slug stands in for an empty title (T20)."""
    return Category(clean(slug), line(title) or clean(slug), site.url("/topics/"))


def _medium(medium: Medium) -> Medium:
    return Medium(
        url=clean(medium.url), type=clean(medium.type), length=medium.length, title=line(medium.title),
        alt=line(medium.alt), credit=line(medium.credit), width=medium.width, height=medium.height,
        duration=medium.duration,
    )  # fmt: skip


def _source(source: Source, uid: str) -> Source:
    return Source(
        id=clean(source.id),
        title=line(source.title) or clean(source.feed_url),
        updated=_utc(source.updated, uid),
        feed_url=clean(source.feed_url),
        url=clean(source.url) if source.url else None,
    )


def _contact(person: Spokesperson | None, language: str) -> str:
    if person is None:
        return ""
    hours = " ".join(filter(None, (person.hours, person.zone and f"({person.zone})")))
    parts = (person.name, person.role, person.phone, person.mail, hours)
    return f"{_words(language)[1]}: {', '.join(filter(None, map(line, parts)))}"


def _correction(item: Item, site: Site, language: str) -> str:
    note = line(item.note or "")
    if not note:
        return ""
    day = item.updated.astimezone(ZoneInfo(site.zone)).date()
    return f"{_words(language)[0]}, {day.isoformat()}: {note}"


def _words(language: str) -> tuple[str, str]:
    return _WORDS.get(language.partition("-")[0].lower(), _ENGLISH)
