"""The public newsroom: front page, topics, items, the list of feeds.

Pages show what is public and nothing else: they read items, which exist only once released, and
topics that hold a live one. What was withdrawn keeps its address and answers 410 with a notice
(operations:PW8). Reads only; the flows write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.model.item import ALL, Item, ItemState, Spokesperson, Topic
from syndicator.model.markup import web_address
from syndicator.model.site import Site
from syndicator.store import Store, Tx, items, topics
from syndicator.web.pages import FAVICON, PUBLIC, STYLE, Pages, unless_known

LATEST = 30  # items on the front page
# The address of the style sheet changes with its bytes, so it may be kept for good.
FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable"}
FOR_A_DAY = {"cache-control": "public, max-age=86400"}
ROBOTS = b"User-agent: *\nDisallow: /media-list/\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """Whom to ask about an item, and who stands in for them."""

    person: Spokesperson
    stand_in: Spokesperson | None


class Newsroom:
    """The pages over one store."""

    def __init__(self, store: Store, site: Site, pages: Pages) -> None:
        self._store, self._site, self._pages = store, site, pages

    def routes(self) -> list[BaseRoute]:
        """Where the pages stand; the paths are part of the contract (DESIGN §6)."""
        return [
            Route("/", self.front),
            Route("/topics/{slug}", self.topic),
            Route("/items/{slug}", self.item),
            Route("/feeds", self.feeds),
            Route("/robots.txt", _robots),
            Route("/favicon.svg", _favicon),
            Route("/favicon.ico", _favicon),
            Route("/static/style.css", _style),
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
            latest = _newest(tx, topic, self._site.window) if topic else []
        if topic is None:
            return missing(self._pages, request)
        return self._pages.page(request, "topic.html", topic=topic, items=latest)

    def item(self, request: Request) -> Response:
        """An item, or the notice of its withdrawal."""
        with self._store.read() as tx:
            item = items.by_slug(tx, request.path_params["slug"])
            if item is None:
                return missing(self._pages, request)
            around = public_topics(tx, topics.of_item(tx, item.id))
            asked = _asked(tx, item.content.spokesperson)
        if not item.live:
            told = item.state is not ItemState.REDACTED  # redacted: not a word of it is left
            return self._pages.page(request, "gone.html", status=410, item=item, told=told)
        canonical = web_address(item.content.url) or self._site.item_url(item.slug)
        return self._pages.page(
            request, "item.html", item=item, topics=around, asked=asked, canonical=canonical
        )

    def feeds(self, request: Request) -> Response:
        """Every feed with its address."""
        with self._store.read() as tx:
            shown = public_topics(tx)
            everything = topics.find(tx, ALL)
        listed = [*([everything] if everything else []), *shown]
        return self._pages.page(request, "feeds.html", listed=listed)


def public_topics(tx: Tx, slugs: Collection[str] | None = None) -> list[Topic]:
    """The topics the public hears of, all or among `slugs`, by title; `all` is the front page itself."""
    shown = [topic for topic in topics.public(tx, slugs) if topic.slug != ALL]
    return sorted(shown, key=lambda topic: topic.title.casefold())


def missing(pages: Pages, request: Request, headers: Mapping[str, str] = PUBLIC) -> Response:
    """The one answer for whatever is not there, the same bytes whatever may be planned."""
    return pages.page(request, "missing.html", status=404, headers=headers)


def _newest(tx: Tx, topic: Topic, limit: int) -> list[Item]:
    ids = topics.newest(tx, topic.id, limit)
    return items.in_order(items.many(tx, ids), ids)


def _asked(tx: Tx, slug: str | None) -> Asked | None:
    person = items.spokesperson(tx, slug)
    return Asked(person, items.spokesperson(tx, person.stand_in)) if person else None


async def _robots(request: Request) -> Response:
    return unless_known(request, ROBOTS, FOR_A_DAY, "text/plain; charset=utf-8")


async def _favicon(request: Request) -> Response:
    return unless_known(request, FAVICON, FOR_A_DAY, "image/svg+xml")


async def _style(request: Request) -> Response:
    return unless_known(request, STYLE, FOR_GOOD, "text/css; charset=utf-8")
