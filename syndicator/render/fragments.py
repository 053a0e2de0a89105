"""One entry as feedgen writes it in Atom and RSS, with what feedgen loses put back by extension.

Serves walk A. T-numbers are feedgen 1.0's traps, P-numbers our rules for feeds.
"""

from __future__ import annotations

import re
from functools import partial
from html import escape
from typing import Any, assert_never

from feedgen.entry import FeedEntry
from feedgen.ext.base import BaseEntryExtension
from lxml import etree

from syndicator.model.item import Author, Guid, Medium, Source
from syndicator.model.site import Format
from syndicator.render.elements import (
    ATOM,
    CONTENT,
    DC,
    MEDIA,
    XML_LANG,
    child,
    plain,
    rfc822,
    spell_out,
    text,
)
from syndicator.render.view import Entry

_DECLARATIONS = re.compile(rb' xmlns:[a-z]+="[^"]*"')
_PREFIXES: dict[Format, dict[str, str]] = {
    Format.ATOM: {"media": MEDIA},
    Format.RSS: {"atom": ATOM, "content": CONTENT, "dc": DC, "media": MEDIA},
}
_MEDIUMS = frozenset({"image", "audio", "video"})


def xml(entry: Entry, format: Format) -> bytes:
    """The entry as UTF-8 XML without declarations, to be joined below a head."""
    made = feed_entry(entry, format)
    return _serialised(made.atom_entry() if format is Format.ATOM else made.rss_entry(), format)


def feed_entry(entry: Entry, format: Format) -> Any:
    """The entry as feedgen's own object with our extension; feedgen could append it to a whole feed."""
    made = FeedEntry()
    made.id(entry.uid)
    # P5: plain text in both formats. (A title that quotes an end tag makes the validator guess ContainsHTML
    # all the same; it is no HTML, and Atom's type="text" says so.)
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


class _Extension(BaseEntryExtension):  # type: ignore[misc]  # feedgen is untyped
    """What feedgen loses or gets wrong in an entry."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    def extend_atom(self, element: Any) -> Any:
        _spell_out(element, "title", "summary")
        for link in element.findall("link"):  # T2: they have lost rel, type, title and length
            element.remove(link)
        _atom_links(element, self.entry)
        if self.entry.language:
            element.set(XML_LANG, self.entry.language)  # T26
        if self.entry.source:
            _atom_source(element, self.entry.source)
        if self.entry.rights:  # RFC 4287 §4.2.10: where there are none, those of the feed hold
            plain(element, "rights", self.entry.rights)
        _media(element, self.entry)
        return element

    def extend_rss(self, item: Any) -> Any:
        _spell_out(item, "title", "category")
        text(item, "pubDate", rfc822(self.entry.published))
        if not _addressed(self.entry.authors):
            for author in self.entry.authors:
                plain(item, f"{{{DC}}}creator", author.name)
        if self.entry.language:
            text(item, f"{{{DC}}}language", self.entry.language)
        if self.entry.rights:  # RSS itself has a channel's only
            plain(item, f"{{{DC}}}rights", self.entry.rights)
        text(item, f"{{{ATOM}}}updated", self.entry.updated.isoformat())  # RSS has no word for it
        _media(item, self.entry)
        return item


def _spell_out(element: Any, *names: str) -> None:
    for found in element.iterchildren(*names):
        spell_out(found)


def _fill_atom(made: Any, entry: Entry) -> None:
    made.published(entry.published)
    made.author([_person(author) for author in entry.authors])
    content = entry.content
    if entry.summary or not content:  # RFC 4287 §4.1.1.1: an entry should say something
        made.summary(entry.summary or entry.title)
    if content:
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
    for medium in entry.media[:1]:  # T12, P19: RSS has one enclosure, the main one
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
    child(element, "link", rel="alternate", href=entry.url)
    for medium in entry.media:  # P19: any number of them
        title = {"title": medium.title} if medium.title else {}
        link = {"rel": "enclosure", "href": medium.url, "type": medium.type, "length": str(medium.length)}
        child(element, "link", **link, **title)


def _atom_source(element: Any, source: Source) -> None:
    # T14, P21: feedgen knows a title and a bare link; readers and the validator want id and updated.
    made = child(element, "source")
    text(made, "id", source.id)
    plain(made, "title", source.title)
    text(made, "updated", source.updated.isoformat())
    child(made, "link", rel="self", href=source.feed_url)
    if source.url:
        child(made, "link", rel="alternate", href=source.url)


def _media(parent: Any, entry: Entry) -> None:
    for medium in entry.media:  # the enclosures once more: only here is room for what is known of them
        _media_content(parent, medium)
    for image in entry.images[:1]:  # P20: the first stands for the item
        child(parent, f"{{{MEDIA}}}thumbnail", url=image.url, **_size(image))


def _media_content(parent: Any, medium: Medium) -> None:
    # T19: figures as text, and no media:group around; what is not known (0) is not said.
    sort = medium.type.partition("/")[0]
    known = {"fileSize": medium.length, "duration": medium.duration}
    said = {"url": medium.url, "type": medium.type, **({"medium": sort} if sort in _MEDIUMS else {})}
    figures = {name: str(value) for name, value in known.items() if value}
    made = child(parent, f"{{{MEDIA}}}content", **said, **figures, **_size(medium))
    if medium.title:
        plain(made, f"{{{MEDIA}}}title", medium.title)
    if medium.alt:
        plain(made, f"{{{MEDIA}}}description", medium.alt, type="plain")
    if medium.credit:  # roles are the European Broadcasting Union's, as Media RSS has it
        role = "photographer" if sort == "image" else "author"
        plain(made, f"{{{MEDIA}}}credit", medium.credit, role=role, scheme="urn:ebu")
    if medium.licence:  # not media:license, whose address we do not have and which validators do not know
        plain(made, f"{{{MEDIA}}}copyright", medium.licence)


def _size(medium: Medium) -> dict[str, str]:
    known = medium.width > 0 and medium.height > 0
    return {"width": str(medium.width), "height": str(medium.height)} if known else {}


def _serialised(element: Any, format: Format) -> bytes:
    # T25: below a holder that declares the document's prefixes lxml uses them; then the copies go away.
    holder = etree.Element("holder", nsmap=_PREFIXES[format])
    holder.append(element)
    start, end, rest = etree.tostring(element, encoding="UTF-8", xml_declaration=False).partition(b">")
    return _DECLARATIONS.sub(b"", start) + end + rest
