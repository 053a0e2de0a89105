"""What lies behind an address: feeds, and of a WordPress site all that an operator wants to know before adding it.

Nothing is written. Fetches go through the same guarded client and the same gate as a poll; what the site
says is shown, never believed: a line to paste into a web server's settings holds no word of it that could
end it.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from syndicator.errors import SyndicatorError, TryLater, WireFault
from syndicator.ingest.child.page import WORDPRESS_API
from syndicator.ingest.entries import Link, Parsed
from syndicator.ingest.fetch import Body, Getter, fetch
from syndicator.ingest.filing import reading_of
from syndicator.ingest.parse import Pool, Unreadable
from syndicator.ingest.previews import Preview, preview
from syndicator.ingest.sources import wordpress
from syndicator.ingest.sources.subscriptions import reader_of
from syndicator.ingest.sources.wordpress import Category, Wordpress
from syndicator.model.item import ALL
from syndicator.model.site import Format, Site
from syndicator.model.upstream import Upstream, Validators
from syndicator.store import Store, upstreams

PATH = re.compile(r"/[A-Za-z0-9/_.~-]{1,500}")  # what may be written into a web server's settings
AGENT = "^Syndicator/"  # our own polls are not led away, else we would read ourselves


@dataclass(frozen=True, slots=True)
class Found:
    """What is behind `url`: its feeds, best first; its newest items as they would become; the site, if WordPress."""

    url: str
    feeds: tuple[Link, ...]
    title: str = ""
    shown: Preview | None = None
    fault: str | None = None
    site: Wordpress | None = None
    categories: tuple[Category, ...] = ()

    @property
    def best(self) -> str | None:
        """The feed to add: the first that holds no comments."""
        return next((feed.url for feed in self.feeds if not feed.comments), None)


@dataclass(frozen=True, slots=True)
class Look:
    """Who looks, and how: `own_host` is that of our own site, `like` says how the items would be filed.

    What an upstream reads already is shown as that one's next poll would have it.
    """

    client: Getter
    pool: Pool
    store: Store
    like: Upstream
    own_host: str
    now: datetime

    async def at(self, url: str) -> Found:
        """What is behind `url`. Raises SyndicatorError where nothing can be had."""
        feed, feeds = await self._read(url)
        site = await self._site(feed.link if feed else url, url)
        if not feeds and site:
            feeds = (Link(url=urljoin(site.home.rstrip("/") + "/", "feed/"), title=site.name),)
        best, fault = Found(url, feeds).best, None
        if feed is None and best:
            try:
                feed, _ = await self._read(best)
            except SyndicatorError as refusal:
                fault = str(refusal)
        said = await wordpress.categories(self.client, site) if site else []
        shown = await asyncio.to_thread(self._preview, feed, best or url) if feed else None
        title = (feed.title if feed else "") or (site.name if site else "")
        return Found(url, feeds, title, shown, fault, site, tuple(said))

    async def _read(self, url: str) -> tuple[Parsed | None, tuple[Link, ...]]:
        """The feed at an address, or the feeds that the page there names."""
        answer = await fetch(self.client, url, Validators(), self.now)
        if not isinstance(answer, Body):
            words = getattr(answer, "words", "it answered with nothing new")
            raise (TryLater if getattr(answer, "retry_after", None) else SyndicatorError)(
                f"{url} cannot be read: {words}"
            )
        try:
            feed = await asyncio.to_thread(
                self.pool.parse, answer.body, content_type=answer.content_type, url=answer.base
            )
        except Unreadable as refusal:
            named = {link.url: link for link in (*answer.feeds, *refusal.links)}.values()
            return None, tuple(link for link in named if link.type != WORDPRESS_API)
        return feed, (Link(url=url, title=feed.title[:4_000]),)

    async def _site(self, page: str | None, url: str) -> Wordpress | None:
        for address in dict.fromkeys([page or url, url]):
            try:
                if site := await wordpress.site_of(self.client, address):
                    return site
            except (WireFault, SyndicatorError):
                continue
        return None

    def _preview(self, feed: Parsed, url: str) -> Preview:
        with self.store.read() as tx:
            theirs = reader_of(tx, url)
            like = upstreams.named(tx, theirs) if theirs else self.like
        return preview(self.store, reading_of(feed, like, self.now), like, self.own_host)


def redirects(
    home: str, categories: Sequence[Category], topics: Collection[str], ours: Site
) -> list[tuple[str, str]]:
    """Which paths of a WordPress site's feeds lead where with us: all, and each category that a topic is named as."""
    root = urlsplit(home).path.rstrip("/")
    pairs = [(f"{root}/feed", ALL)]
    for one in categories:
        path = urlsplit(one.link or "").path.rstrip("/")
        if one.slug in topics and path.startswith(f"{root}/"):
            pairs.append((f"{path}/feed", one.slug))
    safe = [(path, topic) for path, topic in pairs if PATH.fullmatch(path)]
    atom = [(f"{path}/atom", ours.feed_url(topic, Format.ATOM)) for path, topic in safe]
    return [(path, ours.feed_url(topic, Format.RSS)) for path, topic in safe] + atom


def apache(home: str, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The redirects as lines for `.htaccess` in the site's own folder, above those of WordPress."""
    root = urlsplit(home).path.rstrip("/") + "/"
    lines = ["RewriteEngine On"]
    for path, target in pairs:
        end = "" if path.endswith("/atom") else "(?:rss|rss2|rdf)?/?"
        lines.append(f"RewriteCond %{{HTTP_USER_AGENT}} !{AGENT}")
        lines.append(f"RewriteRule ^{re.escape(path.removeprefix(root))}/?{end}$ {target} [R=302,L]")
    return lines


def nginx(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """The redirects as lines for the site's `server` block."""
    lines = ['set $syndicated "";']
    for path, target in pairs:
        end = "" if path.endswith("/atom") else "(?:rss|rss2|rdf)?/?"
        lines.append(f'if ($uri ~ "^{re.escape(path)}/?{end}$") {{ set $syndicated {target}; }}')
    lines.append(f'if ($http_user_agent ~ "{AGENT}") {{ set $syndicated ""; }}')
    lines.append("if ($syndicated) { return 302 $syndicated; }")
    return lines


def add_line(slug: str, feed: str, like: Upstream) -> str:
    """The command that adds the feed, to be pasted into a shell."""
    said = ["syndicator", "upstream", "add", slug, feed, "--relation", str(like.relation)]
    said += ["--topics", ",".join(like.topics)] if like.topics else []
    said += [word for network in like.allow_private for word in ("--allow-private", network)]
    return shlex.join(said)


def as_json(found: Found, ours: Site, topics: Collection[str]) -> dict[str, Any]:
    """All that was found, for `--json`; `add` and the like are the caller's."""
    shown = found.shown
    said: dict[str, Any] = {
        "url": found.url,
        "title": found.title,
        "feeds": [{"url": one.url, "title": one.title, "comments": one.comments} for one in found.feeds],
        "items": [one.as_json() for one in shown.prospects] if shown else [],
        "refused": [one.as_json() for one in shown.left_out] if shown else [],
        "fault": found.fault,
        "wordpress": None,
    }
    if found.site:
        pairs = redirects(found.site.home, found.categories, topics, ours)
        said["wordpress"] = {
            "home": found.site.home,
            "api": found.site.api,
            "name": found.site.name,
            "categories": [
                {"slug": one.slug, "name": one.name, "items": one.count, "topic": one.slug in topics}
                for one in found.categories
            ],
            "redirects": dict(pairs),
            "apache": apache(found.site.home, pairs),
            "nginx": nginx(pairs),
            "ping": ours.url("/xmlrpc"),
            "import": shlex.join(["syndicator", "item", "import", found.site.home]),
        }
    return said
