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
from html import escape, unescape
from typing import NamedTuple

from syndicator.model.difference import more_words, shortened
from syndicator.model.item import (
    ALL,
    FULL,
    Author,
    Content,
    Guid,
    Item,
    Medium,
    Profile,
    PubDate,
    Source,
    Spokesperson,
    Topic,
    is_absolute_iri,
)
from syndicator.model.markup import excerpt, plain_text
from syndicator.model.release import in_zone
from syndicator.model.site import Format, Site
from syndicator.render import fragments, jsonfeed
from syndicator.render.addresses import html, web
from syndicator.render.view import Category, Entry, RenderFault, clean, line

__all__ = ["RENDERER_VERSION", "Entry", "RenderFault", "entry", "farewell", "fragment"]

# Part of what fragments are kept under: raise it when the same entry shall give other bytes.
RENDERER_VERSION = 3

_TAGS = re.compile(r"<[^>]*>")
LONGEST_MARKED = 6_000  # characters of what a correction changed that a feed shows: the page has it all
TITLE_LENGTH = 60  # characters of a title made from the text (P18)

# A media type as RFC 6838 §4.2 has it, an address as RFC 5322 §3.4.1 has most, a language tag by its shape
# (RFC 5646 §2.1).
_TYPE = re.compile(r"[A-Za-z0-9][\w!#$&^.+-]*/[A-Za-z0-9][\w!#$&^.+-]*", re.ASCII)
_MAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
_UNTYPED = "application/octet-stream"


class _Words(NamedTuple):
    """What we add to an author's own words: correction, contact, and the end of a feed."""

    correction: str
    contact: str
    absence: str
    ends: str


_WORDS = {
    "de": _Words("Korrektur", "Kontakt", "in Abwesenheit", "Dieser Feed endet am {day}"),
    "es": _Words("Corrección", "Contacto", "en su ausencia", "Este canal termina el {day}"),
    "fr": _Words("Rectification", "Contact", "en son absence", "Ce flux prend fin le {day}"),
    "it": _Words("Rettifica", "Contatto", "in sua assenza", "Questo feed termina il {day}"),
    "nl": _Words("Correctie", "Contact", "bij afwezigheid", "Deze feed stopt op {day}"),
}
_ENGLISH = _Words("Correction", "Contact", "in their absence", "This feed ends on {day}")


def entry(
    item: Item,
    site: Site,
    titles: Mapping[str, str],
    spokesperson: Spokesperson | None,
    stand_in: Spokesperson | None = None,
) -> Entry:
    """The render input of a live item; `titles` maps topic slugs to titles, `stand_in` is for the spokesperson.

    Raises RenderFault when it has no words at all, no permanent id, HTML nested too deep, or a date that has no
    offset (T21) or cannot be told in UTC.
    """
    try:
        return _entry(item, site, titles, spokesperson, stand_in)
    except (ValueError, OverflowError) as fault:
        raise RenderFault(item.uid, fault) from fault


def _entry(
    item: Item,
    site: Site,
    titles: Mapping[str, str],
    spokesperson: Spokesperson | None,
    stand_in: Spokesperson | None,
) -> Entry:
    words, uid = item.content, clean(item.uid)
    if not is_absolute_iri(uid):
        raise ValueError("its uid is no absolute IRI, which Atom asks for")
    home = site.item_url(item.slug)
    url = web(words.url, home) or home if words.url else home
    summary, body = clean(words.summary).strip(), html(clean(words.body).strip(), url)
    title = plain_title(words.title, summary, body)
    if not title:
        raise ValueError("it has neither title nor text; give it one with `syndicator item edit`")
    language = _language(words.language, site)
    return Entry(
        uid=uid,
        url=url,
        title=title,
        summary=summary,
        body=body,
        language=language if language != site.language else None,
        published=_utc(item.published).replace(microsecond=0),  # T21
        updated=_utc(item.updated),
        authors=tuple(_authors(words.authors, url)) or (_desk(site),),
        categories=tuple(_categories(words.topics, site, titles)),
        media=tuple(_media(words.media, url)),
        source=words.source and _source(words.source, url),
        guid=_guid(words.guid),
        contact=_contact(spokesperson, stand_in, language),
        correction=_correction(item, site, language),
        rights=line(words.rights),
        marked=_marked(item, home, language),
        lead=_lead(words),
    )


def farewell(topic: Topic, site: Site) -> Entry:
    """The last entry of a topic that is closing: that it ends, on which day, and what its note says (feeds:H8).

    Raises RenderFault when the topic is not closing.
    """
    uid = f"{topic.uid}:closed"
    if topic.closing is None:
        raise RenderFault(uid, "the topic is not closing")
    ends = _words(site.language).ends.format(day=_day(topic.closing.over, site))
    named = Category.of(topic.slug, topic.title, site)
    announced = _utc(topic.closing.announced)
    return Entry(
        uid=clean(uid),
        url=site.topic_url(topic.slug),
        title=f"{named.title}: {ends}",
        summary=clean(topic.closing.note).strip() or f"{ends}.",
        body="",
        language=None,
        published=announced.replace(microsecond=0),
        updated=announced,
        authors=(_desk(site),),
        categories=(named,),
        media=(),
        source=None,
        guid=None,
        contact="",
        correction="",
        rights="",
    )


def fragment(entry: Entry, format: Format, profile: Profile = FULL) -> bytes:
    """The entry as UTF-8 XML without declarations, or as a JSON object, to be joined below a `documents` head.

    Raises RenderFault naming the uid when the entry cannot be rendered (T29).
    """
    try:
        if not profile.full_text:
            entry = replace(
                entry, summary=entry.summary or excerpt(plain_text(entry.body)), body="", marked=""
            )
        if profile.pub_date is PubDate.UPDATED and format is Format.RSS:  # P14
            entry = replace(entry, published=entry.updated)
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


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"its date {moment} has no offset")
    return moment.astimezone(UTC)


def _day(moment: datetime, site: Site) -> str:
    return in_zone(moment, site.zone).date().isoformat()


def _language(given: str | None, site: Site) -> str:
    return given if given and _LANGUAGE.fullmatch(given) else site.language


def _desk(site: Site) -> Author:
    return Author(name=line(site.title), url=site.url("/"))  # P16: somebody must have written it


def _authors(authors: tuple[Author, ...], base: str) -> Iterator[Author]:
    for author in authors:
        email = line(author.email or "")
        if name := line(author.name) or email:
            real = email if _MAIL.fullmatch(email) else None
            yield Author(name=name, email=real, url=web(author.url, base) or None if author.url else None)


def _categories(topics: tuple[str, ...], site: Site, titles: Mapping[str, str]) -> Iterator[Category]:
    for slug in dict.fromkeys(map(clean, topics)):  # in the author's order, each once
        if slug and slug != ALL:
            yield Category.of(slug, titles.get(slug, ""), site)


def _media(media: tuple[Medium, ...], base: str) -> Iterator[Medium]:
    for medium in media:
        if url := web(medium.url, base):  # P6: a file that is nowhere is left out
            yield Medium(
                url=url,
                type=medium.type if _TYPE.fullmatch(medium.type) else _UNTYPED,
                length=max(0, medium.length),
                title=line(medium.title),
                alt=line(medium.alt),
                credit=line(medium.credit),
                licence=line(medium.licence),
                width=max(0, medium.width),
                height=max(0, medium.height),
                duration=max(0, medium.duration),
            )


def _source(source: Source, base: str) -> Source | None:
    feed_url = web(source.feed_url, base)
    if not feed_url:
        return None
    return Source(
        id=clean(source.id) if is_absolute_iri(clean(source.id)) else feed_url,
        title=line(source.title) or feed_url,
        updated=_utc(source.updated),
        feed_url=feed_url,
        url=web(source.url, base) or None if source.url else None,
    )


def _guid(guid: Guid | None) -> Guid | None:
    value = clean(guid.value) if guid else ""
    return Guid(value=value, permalink=guid.permalink) if guid and value else None


def _lead(words: Content) -> str:
    """Kicker and dek before the text: no format has a place for them, and a text without them is not whole."""
    kicker, dek = line(words.kicker), line(words.dek)
    said = f"<p><small>{escape(kicker, quote=False)}</small></p>" if kicker else ""
    return f"{said}<p><strong>{escape(dek, quote=False)}</strong></p>" if dek else said


def _contact(person: Spokesperson | None, stand_in: Spokesperson | None, language: str) -> str:
    if person is None:
        return ""
    words = _words(language)
    absent = f"; {words.absence}: {_reach(stand_in)}" if stand_in else ""
    return f"{words.contact}: {_reach(person)}{absent}"


def _reach(person: Spokesperson) -> str:
    hours = person.hours and " ".join(filter(None, (person.hours, person.zone and f"({person.zone})")))
    parts = (person.name, person.role, person.phone, person.mail, hours)
    return ", ".join(filter(None, map(line, parts)))


def _correction(item: Item, site: Site, language: str) -> str:
    note = line(item.note or "")
    return f"{_words(language).correction}, {_day(item.updated, site)}: {note}" if note else ""


def _marked(item: Item, home: str, language: str) -> str:
    """What the correction changed; a long one leads to the item's page for the rest."""
    if not (item.note and item.marked):
        return ""
    rest = f'<li><a href="{escape(home)}">{more_words(language)}</a></li>'
    return html(shortened(clean(item.marked), LONGEST_MARKED, rest), home)


def _words(language: str) -> _Words:
    return _WORDS.get(language.partition("-")[0].lower(), _ENGLISH)
