"""Items into entries, and entries into fragments: what one item says in every feed it stands in.

`entry` makes the neutral, cleaned render input that every format shares; `farewell` the one with which
a topic's feed ends; `fragment` renders it, ready to be joined by `documents`. One item that cannot be
rendered raises a RenderFault and costs only itself. Serves walk A. T-numbers are feedgen 1.0's traps,
P-numbers our rules for feeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from zoneinfo import ZoneInfo

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
from syndicator.render import fragments, jsonfeed
from syndicator.render.view import Category, Entry, RenderFault, clean, line

__all__ = ["RENDERER_VERSION", "Entry", "RenderFault", "entry", "fragment"]

# Part of what fragments are kept under: raise it when the same entry shall give other bytes.
RENDERER_VERSION = 2

_TAGS = re.compile(r"<[^>]*>")
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
        return jsonfeed.item(entry) if format is Format.JSON else fragments.xml(entry, format)
    except Exception as fault:  # whatever feedgen or lxml stumbles over, it is this one item
        raise RenderFault(entry.uid, fault) from fault


def plain_title(title: str, summary: str, body: str) -> str:
    """The title, or about 60 characters of the text where there is none (P18)."""
    given = line(title)
    if given:
        return given
    text = line(summary) or line(unescape(_TAGS.sub(" ", body)))
    return text if len(text) <= TITLE_LENGTH else text[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


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
            yield Category.of(slug, titles.get(slug, ""), site)


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
