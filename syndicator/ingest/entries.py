"""What crosses from the parse child, and what it becomes: `Parsed` feed and entries → `Incoming`.

The child is not trusted: pydantic holds its answer to these types and sizes; HTML is cleaned here, once,
and whatever is an address or a line is checked again. A child that was taken over can lie about the feed,
no more.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from html import unescape
from typing import Annotated

from pydantic import AwareDatetime, ConfigDict, FailFast, Field
from pydantic.dataclasses import dataclass

from syndicator.errors import Invalid
from syndicator.model.incoming import Incoming
from syndicator.model.item import Author, Content, Guid, Medium, Source, is_absolute_iri
from syndicator.model.markup import (
    UNLINEAR,
    clean,
    excerpt,
    from_plain,
    harmless_line,
    language_tag,
    plain_text,
    strip_illegal,
    web_address,
)
from syndicator.model.nesting import too_deep
from syndicator.model.routing import Category
from syndicator.model.upstream import Relation, Upstream

# What is wrong costs at most one error for each field: a list of four million wrong things, said in 8 MB,
# cost 5 GB and 26 seconds in errors. So every list ends at its first (FailFast), and unknown names are dropped.
STRICT = ConfigDict(strict=True, extra="ignore")
MAX_ENTRIES = 5_000
MAX_TEXT = 2_000_000  # characters of one body; the child leaves out an entry with more
MARKUP = re.compile(r"<[^<>]*>")
TITLE_FROM_TEXT = 60  # characters, where there is no title (feeds:P18)
MAX_RIGHTS = 1_000  # characters

Line = Annotated[str, Field(max_length=4_000)]
Web = Annotated[str, Field(max_length=4_000, pattern=r"^(?i:https?)://")]
Prose = Annotated[str, Field(max_length=20_000)]
Html = Annotated[str, Field(max_length=MAX_TEXT)]
Figure = Annotated[int, Field(ge=0, le=10**6)]


@dataclass(frozen=True, slots=True, config=STRICT)
class Person:
    """Who wrote it; an address or web page only where the feed gives a real one."""

    name: Line
    email: Line | None = None
    url: Line | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class File:
    """An enclosure; figures are 0 where the feed says nothing sane (feeds:I24).

    `length` is in bytes, `width` and `height` in pixels, `duration` in seconds. `alt` says what a picture
    shows, `credit` who made it.
    """

    url: Line
    type: Annotated[str, Field(pattern=r"^[\w.+-]+/[\w.+-]+$", max_length=200)]
    length: Annotated[int, Field(ge=0, le=2**53)] = 0
    width: Figure = 0
    height: Figure = 0
    duration: Figure = 0
    title: Line = ""
    alt: Line = ""
    credit: Line = ""


@dataclass(frozen=True, slots=True, config=STRICT)
class Term:
    """A category: its term, the vocabulary it stems from, and its label for people (feeds:I25)."""

    term: Line
    scheme: Line | None = None
    label: Line | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class Origin:
    """The feed that an entry was taken from by the feed we read (RFC 4287 §4.2.11)."""

    id: Line | None = None
    title: Line = ""
    updated: AwareDatetime | None = None
    feed_url: Line | None = None
    url: Line | None = None


@dataclass(frozen=True, slots=True, config=STRICT)
class Deleted:
    """A tombstone: `at:deleted-entry`, the id it names, when, and why (RFC 6721)."""

    ref: Line
    when: AwareDatetime | None = None
    comment: Prose = ""


@dataclass(frozen=True, slots=True, config=STRICT)
class Link:
    """A feed that a web page offers; `comments` says that it holds comments, not items (feeds:I11).

    `type` is a media type, except "wordpress-api": that is no feed but the root of the site's REST interface.
    """

    url: Web
    title: Line = ""
    type: Line = ""
    comments: bool = False


@dataclass(frozen=True, slots=True, config=STRICT)
class Stated:
    """What a feed says of how often it changes: `interval` in seconds (ttl, sy:), and hours (UTC, 0 to 23) and
    weekdays (0 is Monday) in which it asks to be left alone (feeds:I4).
    """

    interval: Annotated[int, Field(ge=0, le=10**8)] | None = None
    skip_hours: Annotated[tuple[int, ...], Field(max_length=24), FailFast()] = ()
    skip_days: Annotated[tuple[int, ...], Field(max_length=7), FailFast()] = ()


@dataclass(frozen=True, slots=True, config=STRICT)
class Entry:
    """One entry as the feed has it: texts plain, addresses absolute, dates UTC or missing.

    `body` is HTML as it stands in the feed, not yet clean, its relative addresses meant against `base`.
    `dated` is its date as it is written; `raw` the hash of all the feed says of it that we keep. `rights`
    are its own, or those of the feed it was taken from.
    """

    guid: Line | None = None
    permalink: bool = False
    link: Line | None = None
    title: Prose = ""
    summary: Prose = ""
    body: Html = ""
    base: Line | None = None
    published: AwareDatetime | None = None
    authors: Annotated[tuple[Person, ...], Field(max_length=50), FailFast()] = ()
    language: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=35)] | None = None
    files: Annotated[tuple[File, ...], Field(max_length=50), FailFast()] = ()
    withheld: bool = False
    categories: Annotated[tuple[Term, ...], Field(max_length=200), FailFast()] = ()
    dated: Line | None = None
    raw: Line | None = None
    source: Origin | None = None
    formerly: Annotated[tuple[Line, ...], Field(max_length=2), FailFast()] = ()
    rights: Line = ""


@dataclass(frozen=True, slots=True, config=STRICT)
class Omitted:
    """An entry that was too large to be read, and why; the others were."""

    title: Prose
    guid: Line | None
    why: Prose


@dataclass(frozen=True, slots=True, config=STRICT)
class Parsed:
    """A feed as read; `warning` says what is wrong with it although it could be read (feeds:I13).

    `unchanged` are the hashes (`Entry.raw`) of entries that were not read, because we know them already;
    together with `entries` and `omitted` they are all that the feed holds.
    """

    version: Line
    title: Prose = ""
    id: Line | None = None
    link: Line | None = None
    self_link: Web | None = None
    updated: AwareDatetime | None = None
    entries: Annotated[tuple[Entry, ...], Field(max_length=MAX_ENTRIES), FailFast()] = ()
    omitted: Annotated[tuple[Omitted, ...], Field(max_length=MAX_ENTRIES), FailFast()] = ()
    warning: Prose | None = None
    unchanged: Annotated[tuple[Line, ...], Field(max_length=MAX_ENTRIES), FailFast()] = ()
    deleted: Annotated[tuple[Deleted, ...], Field(max_length=MAX_ENTRIES), FailFast()] = ()
    hubs: Annotated[tuple[Web, ...], Field(max_length=10), FailFast()] = ()
    stated: Stated = Stated()
    rights: Line = ""


@dataclass(frozen=True, slots=True, config=STRICT)
class Answer:
    """All that a child may say: a feed, or why it is refused, and which feeds the page names that it is instead."""

    feed: Parsed | None = None
    refused: Prose | None = None
    links: Annotated[tuple[Link, ...], Field(max_length=100), FailFast()] = ()


def incoming(entry: Entry, feed: Parsed, upstream: Upstream, now: datetime) -> Incoming:
    """An entry cleaned and filed as the upstream's configuration says.

    `now` dates the credit of a foreign feed that has no date. Raises Invalid for an entry that says
    nothing: one bad entry never spoils the feed.
    """
    body = _body(entry)
    link = web_address(entry.link)
    title, summary = _title(entry, body, link), _prose(entry.summary)
    if not upstream.full_text:
        summary, body = summary or excerpt(plain_text(body)), ""
    content = Content(
        title=title,
        kind=upstream.kind,
        summary=summary,
        body=body,
        topics=upstream.topics,
        language=language_tag(entry.language),
        url=link,
        authors=tuple(map(_author, entry.authors)),
        media=tuple(medium for medium in map(_medium, entry.files) if medium),
        source=_source(entry, feed, upstream, now) if upstream.relation is Relation.FOREIGN else None,
        rights=_rights(entry, feed, upstream),
    )
    guid = _key(entry.guid) if entry.guid else None
    if guid and feed.version.startswith("rss"):
        content = replace(content, guid=Guid(value=guid, permalink=entry.permalink))
    return Incoming(
        guid=guid,
        link=link,
        content=content,
        published=_utc(entry.published),
        withheld=entry.withheld,
        categories=tuple(category for category in map(_category, entry.categories) if category.term),
        raw=entry.raw,
        dated=_line(entry.dated) or None if entry.dated else None,
        formerly=tuple(filter(None, map(_key, entry.formerly))),
    )


def _body(entry: Entry) -> str:
    """Its HTML, clean; of what is nested too deep the words only: they are worth more than ten seconds."""
    if too_deep(entry.body):
        return clean(from_plain(unescape(MARKUP.sub(" ", entry.body))))
    return clean(entry.body, web_address(entry.base)) if entry.body else ""


def _category(term: Term) -> Category:
    scheme, label = (_line(text) or None if text else None for text in (term.scheme, term.label))
    return Category(term=_line(term.term), scheme=scheme, label=label)


def _title(entry: Entry, body: str, link: str | None) -> str:
    title = " ".join(_line(entry.title).split())
    text = title or excerpt(_prose(entry.summary) or plain_text(body), TITLE_FROM_TEXT) or link
    if not text:
        raise Invalid("it has neither a title nor a text nor a link")
    return excerpt(text, 1_000)


def _author(person: Person) -> Author:
    return Author(
        name=_line(person.name),
        email=_line(person.email) if person.email else None,
        url=web_address(person.url),
    )


def _medium(file: File) -> Medium | None:
    url = web_address(file.url)
    if url is None:
        return None
    return Medium(
        url=url,
        type=file.type,
        length=file.length,
        width=file.width,
        height=file.height,
        duration=file.duration,
        title=_line(file.title),
        alt=_line(file.alt),
        credit=_line(file.credit),
    )


def _source(entry: Entry, feed: Parsed, upstream: Upstream, now: datetime) -> Source:
    """Whom to credit: who was credited before us keeps it (RFC 4287 §4.2.11), else the feed we read."""
    said = entry.source
    feed_url = web_address(said.feed_url) if said else None
    named = said.id if said and said.id and is_absolute_iri(said.id) else feed_url
    if said is None or named is None:
        return _feed_as_source(feed, upstream, now)
    return Source(
        id=named,
        title=_line(said.title) or named,
        updated=_utc(said.updated) or _utc(entry.published) or now,
        feed_url=feed_url or named,
        url=web_address(said.url),
    )


def _rights(entry: Entry, feed: Parsed, upstream: Upstream) -> str:
    """What an item says itself; else what a foreign feed says of all that is its own (RFC 4287 §4.2.10, feeds:I28).

    Ours are the site's to say. What a feed took from another is not that feed's to grant.
    """
    inherits = upstream.relation is Relation.FOREIGN and entry.source is None
    said = _line(entry.rights) or (_line(feed.rights) if inherits else "")
    return excerpt(said, MAX_RIGHTS)


def _feed_as_source(feed: Parsed, upstream: Upstream, now: datetime) -> Source:
    dates = [entry.published for entry in feed.entries if entry.published]
    feed_url = web_address(feed.self_link) or upstream.url
    return Source(
        id=feed.id if feed.id and is_absolute_iri(feed.id) else feed_url,
        title=_line(feed.title) or upstream.slug,
        updated=_utc(feed.updated) or _utc(max(dates, default=None)) or now,
        feed_url=feed_url,
        url=web_address(feed.link),
    )


def _utc(instant: datetime | None) -> datetime | None:
    return instant.astimezone(UTC) if instant else None


def _prose(text: str) -> str:
    return strip_illegal(text).strip()


def _key(guid: str) -> str:
    return UNLINEAR.sub("", strip_illegal(guid)).strip()


def _line(text: str) -> str:
    # A hidden line break would be refused by every mail this title is put into (mail:MC20).
    return harmless_line(UNLINEAR.sub(" ", strip_illegal(text))).strip()
