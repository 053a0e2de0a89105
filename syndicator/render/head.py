"""What a document says about itself before its first item, in whatever format it is written.

A head belongs to a topic's live document, or to one of its closed archive pages (RFC 5005 §4). How it
is written is the business of `documents` and `jsonfeed`. Serves walk A. P- and W-numbers are our
rules for feeds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from syndicator.model.item import ALL, Topic
from syndicator.model.site import Format, Site
from syndicator.render.addresses import web
from syndicator.render.view import Category, clean, line


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A document's head. `updated` comes from data, never from a clock (P10, T6).

    `page` is the number of a closed archive page (1 is the oldest), None for the live document;
    `newest_page` is the newest closed page the live document leads to, 0 if there is none; `complete`
    says that the live document holds everything there is (P27).
    """

    topic: Topic
    site: Site
    format: Format
    updated: datetime
    page: int | None = None
    newest_page: int = 0
    complete: bool = False

    @property
    def uid(self) -> str:
        """The permanent id of the feed, the same in its archive pages."""
        return clean(self.topic.uid)

    @property
    def title(self) -> str:
        """What a reader's list shows; distinct for each topic."""
        own = line(self.topic.title) or self.topic.slug
        return line(self.site.title) if self.topic.slug == ALL else f"{line(self.site.title)}: {own}"

    @property
    def description(self) -> str:
        """What the newsroom says of itself; the title where it says nothing, for RSS must have one."""
        return line(self.site.description) or self.title

    @property
    def category(self) -> Category | None:
        """The topic as a category; the feed of everything has none."""
        every = self.topic.slug == ALL
        return None if every else Category.of(self.topic.slug, self.topic.title, self.site)

    @property
    def page_url(self) -> str:
        """Where a person reads the topic."""
        return self.site.topic_url(self.topic.slug)

    @property
    def live_url(self) -> str:
        """Where the live document of this format is."""
        return self.site.feed_url(self.topic.slug, self.format)

    @property
    def url(self) -> str:
        """Where this very document is (P15)."""
        return self.live_url if self.page is None else self._archive(self.page)

    @property
    def older_url(self) -> str:
        """The archive page that holds what came before, or nothing (P26)."""
        older = self.newest_page if self.page is None else self.page - 1
        return self._archive(older) if older else ""

    @property
    def newer_url(self) -> str:
        """Where the archive page after this one is, or will be: a closed page never changes, so it says so now."""
        return "" if self.page is None else self._archive(self.page + 1)

    @property
    def hubs(self) -> tuple[str, ...]:
        """The hubs that tell of changes (W1); an archive page has none, for it never changes."""
        return self.site.hubs if self.page is None else ()

    def picture(self, url: str) -> str:
        """The address of one of the site's pictures, absolute (P6); nothing if there is none."""
        return web(url, self.site.url("/")) if url else ""

    def _archive(self, page: int) -> str:
        return self.site.archive_url(self.topic.slug, page, self.format)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """An item that is gone since `when`; `note` says why, in plain text (RFC 6721 §3)."""

    uid: str
    when: datetime
    note: str = ""


def head(
    topic: Topic,
    site: Site,
    format: Format,
    moments: Iterable[datetime],
    *,
    page: int | None = None,
    pages: int = 0,
    complete: bool = False,
) -> Head:
    """The head of a topic's live document, or of its closed archive page number `page`.

    `moments` are the `updated` of the document's entries and the times of withdrawals named in it, all
    aware; a live document counts the announcement of the topic's closing among them by itself. `pages`
    is how many closed pages the topic has, needed for the live document only. `complete` says that the
    live document holds all there ever was; beside archive pages it is ignored (RFC 5005 §2, P27).
    """
    known = [topic.created.replace(microsecond=0), *moments]
    if page is None and topic.closing:
        known.append(topic.closing.announced)
    return Head(
        topic=topic,
        site=site,
        format=format,
        updated=max(known).astimezone(UTC),
        page=page,
        newest_page=pages if page is None else 0,
        complete=complete and page is None and not pages,
    )
