"""The public newsroom: front page, topics, items; `web.discovery` leads to them.

Pages show what is public and nothing else: they read items, which exist only once released, and
topics that hold a live one. What was withdrawn keeps its address and answers 410 with a notice
(operations:PW8); a topic that was renamed leads to where it went, one that is over says so
(feeds:H8). Reads only; the flows write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.model.item import ALL, Item, ItemState, Spokesperson, Topic
from syndicator.model.markup import web_address
from syndicator.model.site import Site
from syndicator.store import Store, Tx, items, public, topics
from syndicator.store.public import PublicTopic
from syndicator.web.discovery import Discovery
from syndicator.web.pages import (
    COPY,
    FAVICON,
    FEED_STYLE,
    FOR_A_DAY,
    FOR_GOOD,
    FORM_STYLE,
    PUBLIC,
    STYLE,
    ZONE,
    Pages,
    unless_known,
)

LATEST = 30  # items on the front page
CSS, SVG, JS = "text/css; charset=utf-8", "image/svg+xml", "text/javascript; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask about an item, and who stands in for them."""

    person: Spokesperson
    stand_in: Spokesperson | None


class Newsroom:
    """The pages over one store."""

    def __init__(self, store: Store, site: Site, pages: Pages) -> None:
        self._store, self._site, self._pages = store, site, pages
        self._discovery = Discovery(store, site, pages)

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are part of the contract (DESIGN §6)."""
        return [
            Route("/", self.front),
            Route("/topics/{slug}", self.topic),
            Route("/items/{slug}", self.item),
            *self._discovery.routes(),
            Route("/favicon.ico", self.favicon),
            Route("/favicon.svg", _static(FAVICON, SVG, FOR_A_DAY)),
            Route("/static/style.css", _static(STYLE, CSS, FOR_GOOD)),
            # Feeds name it without a version: their bytes must not change with a style.
            Route("/static/feed.css", _static(FEED_STYLE, CSS, FOR_A_DAY)),
            Route("/static/copy.js", _static(COPY, JS, FOR_GOOD)),
            Route("/static/form.css", _static(FORM_STYLE, CSS, FOR_GOOD)),
            Route("/static/zone.js", _static(ZONE, JS, FOR_GOOD)),
        ]

    def front(self, request: Request) -> Response:
        """The latest items and the way to everything else."""
        with self._store.read() as tx:
            everything = topics.find(tx, ALL)
            latest = _newest(tx, everything, LATEST) if everything else []
            shown = public_topics(tx)
        return self._pages.page(request, "front.html", items=latest, topics=shown)

    def topic(self, request: Request) -> Response:
        """The latest items of a topic; a topic that holds none is as unknown as any other word."""
        slug = request.path_params["slug"]
        if slug == ALL:
            return RedirectResponse(self._pages.path("/"), 301)
        with self._store.read() as tx:
            topic = topics.find_public(tx, slug)
            if topic is None:
                return self._elsewhere(request, tx, slug)
            latest = _newest(tx, topic, self._site.window)
        return self._pages.page(request, "topic.html", topic=topic, items=latest, closing=topic.closing)

    def _elsewhere(self, request: Request, tx: Tx, slug: str) -> Response:
        """Where a topic went, that it is over, or that there is none (H8)."""
        known = topics.addresses(tx)
        if now_called := known.moved.get(slug):
            path = "/" if now_called == ALL else f"/topics/{quote(now_called)}"
            return RedirectResponse(self._pages.path(path), 301, PUBLIC)
        over = topics.find(tx, slug) if slug in known.closed else None
        if over is None:
            return missing(self._pages, request)
        return self._pages.page(request, "over.html", status=410, topic=over, closing=over.closing)

    def item(self, request: Request) -> Response:
        """An item, or the notice of its withdrawal."""
        with self._store.read() as tx:
            item = items.by_slug(tx, request.path_params["slug"])
            if item is None:
                return missing(self._pages, request)
            values = item_values(tx, item, topics.of_item(tx, item.id), self._site)
        if not item.live:
            told = item.state is not ItemState.REDACTED  # redacted: not a word of it is left
            return self._pages.page(request, "gone.html", status=410, item=item, told=told)
        return self._pages.page(request, "item.html", **values)

    def favicon(self, request: Request) -> Response:
        """What browsers and readers look for unasked: the operator's picture, or ours."""
        named = web_address(self._site.favicon)
        if named and named != self._site.url("/favicon.ico"):
            return RedirectResponse(named, 302, FOR_A_DAY)
        return unless_known(request, FAVICON, FOR_A_DAY, SVG)


def item_values(tx: Tx, item: Item, slugs: Collection[str], site: Site) -> dict[str, Any]:
    """What item.html shows of an item that is filed under these topics; of those only what the public hears of."""
    return {
        "item": item,
        "topics": public_topics(tx, slugs),
        "asked": _asked(tx, item.content.spokesperson),
        "canonical": web_address(item.content.url) or site.item_url(item.slug),
    }


def public_topics(tx: Tx, slugs: Collection[str] | None = None) -> list[PublicTopic]:
    """The topics the public hears of, all or among `slugs`, by title; `all` is the front page itself."""
    return [topic for topic in public.topics(tx, slugs) if topic.slug != ALL]


def missing(pages: Pages, request: Request, headers: Mapping[str, str] = PUBLIC) -> Response:
    """The one answer for whatever is not there, the same bytes whatever may be planned."""
    return pages.page(request, "missing.html", status=404, headers=headers)


def _newest(tx: Tx, topic: Topic, limit: int) -> list[Item]:
    ids = topics.newest(tx, topic.id, limit)
    return items.in_order(items.many(tx, ids), ids)


def _asked(tx: Tx, slug: str | None) -> Asked | None:
    person = items.spokesperson(tx, slug)
    return Asked(person, items.spokesperson(tx, person.stand_in)) if person else None


def _static(body: bytes, kind: str, headers: Mapping[str, str]) -> Callable[[Request], Awaitable[Response]]:
    async def file(request: Request) -> Response:
        return unless_known(request, body, headers, kind)

    return file
