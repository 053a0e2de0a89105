"""A head as feedgen writes it in Atom and RSS, with what feedgen cannot say added by extension.

Serves walk A. T-numbers are feedgen 1.0's traps, P- and W-numbers our rules for feeds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, assert_never

from feedgen.ext.base import BaseExtension
from feedgen.feed import FeedGenerator
from lxml import etree

from syndicator.model.site import MEDIA_TYPES, Format
from syndicator.render.elements import (
    ATOM,
    DC,
    HISTORY,
    MEDIA,
    TOMBSTONES,
    child,
    plain,
    rfc822,
    spell_out,
    text,
)
from syndicator.render.head import Head, Tombstone
from syndicator.render.view import clean, line

# An address fit for `managingEditor`, which RSS 2.0 wants as mail first, name in brackets.
_MAIL = re.compile(r"[^\s<>()@]+@[^\s<>()@]+")
_PICTURES = (".gif", ".jpeg", ".jpg", ".png")  # RSS 2.0, element `image`
STYLESHEET = "/static/feed.css"


def generator(head: Head, tombstones: Sequence[Tombstone] = ()) -> Any:
    """The head as feedgen's own object with our extension, without entries."""
    made = FeedGenerator()
    made.id(head.uid)
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
    made.register_extension("syndicator", partial(_Extension, head, tuple(tombstones)))
    return made


def whole(head: Head, made: Any) -> bytes:
    """What feedgen itself prints."""
    return bytes(made.atom_str() if head.format is Format.ATOM else made.rss_str())


class _Unprinted(datetime):
    """A date feedgen takes and does not print: false, as an absent one.

    T22: it formats RSS dates by switching the locale of the whole process, so ours goes in by extension.
    """

    def __bool__(self) -> bool:
        return False


_NEVER = _Unprinted(1970, 1, 1, tzinfo=UTC)


class _Extension(BaseExtension):  # type: ignore[misc]  # feedgen is untyped
    """What feedgen cannot say in a head."""

    def __init__(self, head: Head, tombstones: Sequence[Tombstone]) -> None:
        self.head, self.tombstones = head, tombstones

    def extend_ns(self) -> dict[str, str]:
        # P3: the usual prefixes. `dc` and `media` serve the fragments; feedgen adds atom and content in RSS.
        prefixes = {"media": MEDIA}
        if self.head.format is Format.RSS:
            prefixes["dc"] = DC
        if self.head.complete or self.head.page is not None:
            prefixes["fh"] = HISTORY
        if self.tombstones and self.head.format is Format.ATOM:
            prefixes["at"] = TOMBSTONES
        return prefixes

    def extend_atom(self, feed: Any) -> Any:
        _name_stylesheet(feed, self.head)
        for found in feed.iterchildren("title", "subtitle", "rights"):
            spell_out(found)
        _tell_history(feed, self.head)
        for tombstone in self.tombstones:
            _bury(feed, tombstone)
        return feed

    def extend_rss(self, rss: Any) -> Any:
        _name_stylesheet(rss, self.head)
        channel = rss[0]
        for found in channel.iterchildren("title", "description", "copyright", "category"):
            spell_out(found)
        for found in channel.iterfind("image/title"):
            spell_out(found)
        text(channel, "lastBuildDate", rfc822(self.head.updated))
        for rel, href in _relations(self.head):  # T5: feedgen prints rel="self" alone
            child(channel, f"{{{ATOM}}}link", rel=rel, href=href)
        _tell_history(channel, self.head)
        return rss


def _relations(head: Head) -> Iterator[tuple[str, str]]:
    for hub in head.hubs:  # W1
        yield "hub", hub
    if head.page is not None:  # RFC 5005 §4, P26
        yield "current", head.live_url
    if head.older_url:
        yield "prev-archive", head.older_url
    if head.newer_url:
        yield "next-archive", head.newer_url


def _name_stylesheet(root: Any, head: Head) -> None:
    # P30: CSS still shows a feed as a page where browsers have given up XSLT.
    if head.site.stylesheet:
        said = f'type="text/css" href="{head.site.url(STYLESHEET)}"'
        root.addprevious(etree.ProcessingInstruction("xml-stylesheet", said))


def _tell_history(parent: Any, head: Head) -> None:
    if head.complete:
        child(parent, f"{{{HISTORY}}}complete")
    if head.page is not None:
        child(parent, f"{{{HISTORY}}}archive")


def _describe(made: Any, head: Head) -> None:
    made.subtitle(head.description)
    if named := head.category:
        made.category(term=named.slug, label=named.title, scheme=named.scheme)
    made.link(href=head.url, rel="self", type=MEDIA_TYPES[head.format].partition(";")[0])
    if head.format is Format.ATOM:
        for rel, href in _relations(head):
            made.link(href=href, rel=rel)
    # T4: the channel's link is the last link given, whatever its rel.
    made.link(href=head.page_url, rel="alternate", type="text/html")


def _fill_atom(made: Any, head: Head) -> None:
    made.updated(head.updated)
    made.author(name=line(head.site.title), uri=head.site.url("/"))
    if icon := head.picture(head.site.icon):
        made.icon(icon)
    if logo := head.picture(head.site.logo):
        made.logo(logo)


def _fill_rss(made: Any, head: Head) -> None:
    made.updated(_NEVER)
    made.ttl(max(1, head.site.max_age // 60))  # minutes; agrees with Cache-Control (H7)
    desk = line(head.site.media_contact or "")
    if _MAIL.fullmatch(desk):  # T15
        made.managingEditor(f"{desk} ({line(head.site.title)})")
    for picture in map(head.picture, (head.site.logo, head.site.icon)):
        if picture.lower().endswith(_PICTURES):
            made.image(picture)  # its title and link become the channel's, as the RSS Profile asks
            break


def _bury(feed: Any, tombstone: Tombstone) -> None:
    when = tombstone.when.astimezone(UTC).replace(microsecond=0).isoformat()
    made = child(feed, f"{{{TOMBSTONES}}}deleted-entry", ref=clean(tombstone.uid), when=when)
    if note := line(tombstone.note):
        plain(made, f"{{{TOMBSTONES}}}comment", note)
