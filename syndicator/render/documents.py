"""Fragments into documents: a head rendered by feedgen, the joined fragments, a tail.

The result is byte for byte what feedgen's own `atom_str()` and `rss_str()` would give for the same
entries, at the cost of the head alone. `pack` adds what is stored beside the bytes: the compressed
copy and the validators. Which items are in a document is decided by the flow, not here.
Serves walk A. T-numbers are feedgen 1.0's traps, P-numbers our rules for feeds.
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, assert_never

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from syndicator.model.item import ALL, Topic
from syndicator.model.site import MEDIA_TYPES, Format, Site
from syndicator.render import jsonfeed
from syndicator.render.entries import ATOM, DC, MEDIA, category, clean, line, rfc822, spell_out

TOMBSTONES = "http://purl.org/atompub/tombstones/1.0"  # RFC 6721 §2
# An address fit for `managingEditor`, which RSS 2.0 wants as mail first, name in brackets.
_MAIL = re.compile(r"[^\s<>()@]+@[^\s<>()@]+")
_TAILS = {Format.ATOM: b"</feed>", Format.RSS: b"</channel></rss>"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What a document says about itself. `updated` comes from data, never from a clock (P10, T6)."""

    topic: Topic
    site: Site
    format: Format
    updated: datetime

    @property
    def title(self) -> str:
        """What a reader's list shows; distinct for each topic."""
        own = line(self.topic.title) or self.topic.slug
        return line(self.site.title) if self.topic.slug == ALL else f"{line(self.site.title)}: {own}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """An item that is gone since `when`; `note` says why, in plain text (RFC 6721 §3)."""

    uid: str
    when: datetime
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A document as stored. `digest` is the SHA-256 (hex) of `body`; tags are strong (RFC 9110 §8.8.3)."""

    body: bytes
    gzip: bytes
    etag: str
    digest: str

    @property
    def gzip_etag(self) -> str:
        """The tag of the gzip representation: other bytes, another tag."""
        return f'{self.etag[:-1]}-gzip"'


def head(topic: Topic, site: Site, format: Format, moments: Iterable[datetime]) -> Head:
    """The head of a topic's live feed.

    `moments` are the `updated` of its entries and the times of withdrawals; all must be aware.
    """
    newest = max((topic.created.replace(microsecond=0), *moments)).astimezone(UTC)
    return Head(topic=topic, site=site, format=format, updated=newest)


def document(head: Head, fragments: Sequence[bytes], tombstones: Sequence[Tombstone] = ()) -> bytes:
    """The whole feed, fragments in the order given; tombstones show in Atom only (P23)."""
    if head.format is Format.JSON:
        return jsonfeed.document(head, fragments)
    empty = whole(head, generator(head, tombstones, media=any(map(_ends_in_media, fragments))))
    tail = _TAILS[head.format]
    return b"".join((empty.removesuffix(tail), *fragments, tail))


def generator(head: Head, tombstones: Sequence[Tombstone] = (), *, media: bool) -> Any:
    """The head as feedgen's own object with our extension, without entries."""
    made = FeedGenerator()
    made.id(head.topic.uid)
    made.title(head.title)
    made.generator("Syndicator")  # T27, P15: with a version each deploy would change every ETag
    made.language(head.site.language)
    if head.site.rights:
        made.rights(line(head.site.rights))
    _describe(made, head)
    match head.format:
        case Format.ATOM:
            _fill_atom(made, head)
        case Format.RSS:
            _fill_rss(made, head)
        case Format.JSON:
            raise ValueError("JSON Feed is written by render.jsonfeed")
        case _:
            assert_never(head.format)
    made.register_extension("syndicator", partial(_Extension, head, tuple(tombstones), media=media))
    return made


def whole(head: Head, made: Any) -> bytes:
    """What feedgen itself prints."""
    return bytes(made.atom_str() if head.format is Format.ATOM else made.rss_str())


def pack(body: bytes) -> Packed:
    """The body with its gzip copy and validators; the same body always packs to the same bytes."""
    digest = hashlib.sha256(body).hexdigest()
    # wbits 31 is a gzip frame with mtime 0 and no name (RFC 1952 §2.3): nothing of the moment gets in.
    return Packed(body=body, gzip=zlib.compress(body, 6, wbits=31), etag=f'"{digest[:32]}"', digest=digest)


class _Unprinted(datetime):
    """A date feedgen takes and does not print: false, as an absent one.

    T22: it formats RSS dates by switching the locale of the whole process, so ours goes in by extension.
    """

    def __bool__(self) -> bool:
        return False


class _Extension(BaseExtension):  # type: ignore[misc]  # feedgen is untyped
    """What feedgen cannot say in a head."""

    def __init__(self, head: Head, tombstones: Sequence[Tombstone], *, media: bool) -> None:
        self.head, self.tombstones, self.media = head, tombstones, media

    def extend_ns(self) -> dict[str, str]:
        # P3: the usual prefixes, and only where they are used; feedgen adds atom and content in RSS.
        prefixes = {"dc": DC} if self.head.format is Format.RSS else {}
        if self.media:
            prefixes["media"] = MEDIA
        if self.tombstones and self.head.format is Format.ATOM:
            prefixes["at"] = TOMBSTONES
        return prefixes

    def extend_atom(self, feed: Any) -> Any:
        for tombstone in self.tombstones:
            _bury(feed, tombstone)
        return feed

    def extend_rss(self, rss: Any) -> Any:
        channel = rss[0]
        for name in ("title", "description"):
            spell_out(channel.find(name))
        etree.SubElement(channel, "lastBuildDate").text = rfc822(self.head.updated)
        for hub in self.head.site.hubs:  # T5: feedgen prints rel="self" alone
            etree.SubElement(channel, f"{{{ATOM}}}link", {"rel": "hub", "href": hub})
        return rss


def _ends_in_media(fragment: bytes) -> bool:
    # `entries` writes media elements last and text holds no bare "<": the last tag but one tells,
    # where a search through all fragments would cost as much as the head itself.
    last = fragment.rfind(b"<", 0, fragment.rfind(b"<"))
    return fragment.startswith((b"<media:", b"</media:"), last)


def _describe(made: Any, head: Head) -> None:
    made.subtitle(line(head.site.description) or head.title)
    if head.topic.slug != ALL:
        named = category(head.topic.slug, head.topic.title, head.site)
        made.category(term=named.slug, label=named.title, scheme=named.scheme)
    own, media_type = head.site.feed_url(head.topic.slug, head.format), MEDIA_TYPES[head.format]
    made.link(href=own, rel="self", type=media_type.partition(";")[0])
    if head.format is Format.ATOM:
        for hub in head.site.hubs:
            made.link(href=hub, rel="hub")
    # T4: the channel's link is the last link given, whatever its rel.
    made.link(href=head.site.topic_url(head.topic.slug), rel="alternate", type="text/html")


def _fill_atom(made: Any, head: Head) -> None:
    made.updated(head.updated)
    made.author(name=line(head.site.title), uri=head.site.url("/"))


def _fill_rss(made: Any, head: Head) -> None:
    made.updated(_Unprinted.fromtimestamp(head.updated.timestamp(), UTC))
    made.ttl(max(1, head.site.max_age // 60))  # minutes; agrees with Cache-Control (H7)
    desk = line(head.site.media_contact or "")
    if _MAIL.fullmatch(desk):  # T15
        made.managingEditor(f"{desk} ({line(head.site.title)})")


def _bury(feed: Any, tombstone: Tombstone) -> None:
    when = tombstone.when.astimezone(UTC).replace(microsecond=0).isoformat()
    name = f"{{{TOMBSTONES}}}deleted-entry"
    made = etree.SubElement(feed, name, {"ref": clean(tombstone.uid), "when": when})
    if note := line(tombstone.note):
        etree.SubElement(made, f"{{{TOMBSTONES}}}comment").text = note
