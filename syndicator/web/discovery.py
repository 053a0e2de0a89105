"""What leads to the feeds and pages: the list of feeds for people, OPML, sitemaps and robots.txt for programs.

All of it is made of what is public and nothing else, and all of it can be asked for conditionally.
Sitemaps are put together in chunks and kept compressed until something in them changes; beyond one
file they are cut by the order in which items were stored, so that a part that is full stays as it is.
"""

from __future__ import annotations

import hashlib
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from syndicator.model.item import ALL
from syndicator.model.site import Site
from syndicator.render import opml, sitemap
from syndicator.render.sitemap import MOST, MOST_NEWS, News, Place
from syndicator.store import Store, Tx, public
from syndicator.store.public import PublicTopic
from syndicator.web.codings import GZIP, STORED, choose
from syndicator.web.feeds import tag_matches
from syndicator.web.pages import FOR_A_DAY, Pages, unless_known

PER_PAGE = 100  # topics on one page of the list of feeds: some 200 kB
LATEST = 5  # items shown to give a taste
SPAN = 10_000  # keys of the store in one part of the sitemap; never changed, or all parts would
RECENT = timedelta(hours=48)  # what counts as news (Google's news sitemap)
KEPT = 16  # sitemaps held in memory, compressed: at most some 10 MB
XML = "application/xml; charset=utf-8"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")
OPEN = {"access-control-allow-origin": "*"}  # readers in browsers import lists, too (feeds:H10)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A sitemap as it was put together for a version of the store."""

    version: object
    opaque: str
    gzip: bytes


class Discovery:
    """The addresses over one store."""

    def __init__(self, store: Store, site: Site, pages: Pages) -> None:
        self._store, self._site, self._pages = store, site, pages
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._turns = [threading.Lock() for _ in range(KEPT)]
        # Constant, as for feeds: a lifetime that shrinks would tell of a lift.
        self._public = {"cache-control": f"public, max-age={site.max_age}, stale-while-revalidate=60"}
        self._robots = _robots(site, pages)

    def routes(self) -> list[BaseRoute]:
        """Where all this stands; the paths are part of the contract (DESIGN §6)."""
        return [
            Route("/feeds", self.feeds),
            Route("/feeds.opml", self.opml),
            Route("/sitemap.xml", self.sitemap),
            Route("/sitemap-{part}.xml", self.part),
            Route("/news-sitemap.xml", self.news),
            Route("/robots.txt", self.robots),
        ]

    # -- for people -----------------------------------------------------------------------------

    def feeds(self, request: Request) -> Response:
        """What a feed is, and every feed with its address; many topics are shown page by page."""
        wanted = request.query_params.get("q", "").strip()[:100]
        with self._store.read() as tx:
            every = public.topics(tx)
            found = _called(every, wanted) if wanted else every
            page, last = _page(request), max(1, -(-len(found) // PER_PAGE))
            if page > last:
                raise HTTPException(404)
            listed = found[(page - 1) * PER_PAGE : page * PER_PAGE]
            newest = public.newest_of(tx, [topic.id for topic in listed])
            latest = public.latest(tx, LATEST)
        return self._pages.page(
            request, "feeds.html", script="copy.js", listed=listed, newest=newest, latest=latest,
            wanted=wanted, page=page, last=last, many=len(every) > PER_PAGE, total=len(every),
        )  # fmt: skip

    # -- for programs ---------------------------------------------------------------------------

    def opml(self, request: Request) -> Response:
        """Every feed in one list (P29)."""
        with self._store.read() as tx:
            listed = [opml.Listed(topic.slug, topic.title) for topic in public.topics(tx)]
        body = opml.document(self._site, listed)
        return unless_known(request, body, {**self._public, **OPEN}, opml.MEDIA_TYPE)

    def sitemap(self, request: Request) -> Response:
        """Every page of ours, or where the parts are if there are too many for one file."""
        with self._turn(request), self._store.read() as tx:
            extent, topics = public.extent(tx), self._topics(tx)
            if len(topics) + extent.last <= MOST:
                version: object = (topics, public.version(tx, 0, extent.last))
                kept = self._keep(
                    request, version, lambda: sitemap.sitemap(chain(topics, self._items(tx, 0, extent.last)))
                )
            else:
                kept = self._keep(request, (topics[:1], extent), lambda: self._index(tx, topics, extent.last))
        return self._reply(request, kept)

    def part(self, request: Request) -> Response:
        """One part of the sitemap: 0 holds the topics, n the items from key (n - 1) * SPAN + 1 on."""
        if not _NUMBER.fullmatch(request.path_params["part"]):
            raise HTTPException(404)
        number = int(request.path_params["part"])
        with self._turn(request), self._store.read() as tx:
            extent = public.extent(tx)
            after, last = (number - 1) * SPAN, number * SPAN
            if after >= extent.last:
                raise HTTPException(404)
            if number == 0:
                topics = self._topics(tx)
                kept = self._keep(request, topics, lambda: sitemap.sitemap(topics))
            else:
                version = public.version(tx, after, last)
                kept = self._keep(request, version, lambda: sitemap.sitemap(self._items(tx, after, last)))
        return self._reply(request, kept)

    def news(self, request: Request) -> Response:
        """What was published in the last two days; nothing may have been."""
        site = self._site
        with self._store.read() as tx:
            found = public.news(tx, tx.now - RECENT, MOST_NEWS)
        news = [
            News(site.item_url(one.slug), one.title, one.published, one.language or site.language)
            for one in found
        ]
        body = b"".join(sitemap.news_sitemap(site.title, site.language, news))
        return unless_known(request, body, self._public, XML)

    async def robots(self, request: Request) -> Response:
        """What robots may not read, and where they find the rest."""
        return unless_known(request, self._robots, FOR_A_DAY, "text/plain; charset=utf-8")

    # -- sitemaps -------------------------------------------------------------------------------

    def _topics(self, tx: Tx) -> tuple[Place, ...]:
        """The front page and the topics' pages: when the newest item of each was published."""
        every = public.topics(tx)
        pages = [Place(self._site.topic_url(topic.slug), topic.newest) for topic in every]
        front = [] if every and every[0].slug == ALL else [Place(self._site.url("/"))]
        return (*front, *pages)[:MOST]

    def _items(self, tx: Tx, after: int, last: int) -> Iterator[Place]:
        for slug, updated in public.pages(tx, after, last):
            yield Place(self._site.item_url(slug), updated)

    def _index(self, tx: Tx, topics: tuple[Place, ...], last: int) -> Iterator[bytes]:
        parts = public.moments(tx, last, SPAN)
        first = Place(self._site.url("/sitemap-0.xml"), topics[0].modified)
        rest = (Place(self._site.url(f"/sitemap-{n + 1}.xml"), parts[n]) for n in sorted(parts))
        return sitemap.index(chain([first], rest))

    def _turn(self, request: Request) -> threading.Lock:
        """To be held while a sitemap is looked for: of several who want the same, one puts it together."""
        return self._turns[hash(request.scope["path"]) % len(self._turns)]

    def _keep(self, request: Request, version: object, pieces: Callable[[], Iterable[bytes]]) -> _Kept:
        """What is at this path, put together anew if anything about it has changed since the last time."""
        path = request.scope["path"]
        with self._lock:
            kept = self._kept.get(path)
        if kept is None or kept.version != version:
            kept = _packed(version, pieces())
        with self._lock:
            self._kept[path] = kept
            self._kept.move_to_end(path)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return kept

    def _reply(self, request: Request, kept: _Kept) -> Response:
        codings = ",".join(request.headers.getlist("accept-encoding")).encode("latin-1")
        coded = choose(codings, STORED) == GZIP
        headers = {
            **self._public,
            "vary": "Accept-Encoding",
            "etag": f'"{kept.opaque}{"-gzip" if coded else ""}"',
        }
        tags = ",".join(request.headers.getlist("if-none-match")).encode("latin-1")
        if tags and tag_matches(kept.opaque.encode(), tags):
            return Response(status_code=304, headers=headers)
        if coded:
            return Response(kept.gzip, 200, {**headers, "content-encoding": "gzip", "content-type": XML})
        return Response(zlib.decompress(kept.gzip, wbits=31), 200, {**headers, "content-type": XML})


def _packed(version: object, pieces: Iterable[bytes]) -> _Kept:
    digest, packer, packed = hashlib.sha256(), zlib.compressobj(6, wbits=31), bytearray()
    for piece in pieces:
        digest.update(piece)
        packed += packer.compress(piece)
    packed += packer.flush()
    return _Kept(version, digest.hexdigest()[:32], bytes(packed))


def _robots(site: Site, pages: Pages) -> bytes:
    closed = ("/admin", "/media-list/", "/press/")  # behind them are tokens, or nobody's business
    lines = [
        "User-agent: *",
        *(f"Disallow: {pages.path(path)}" for path in closed),
        "",
        *(f"Sitemap: {site.url(path)}" for path in ("/sitemap.xml", "/news-sitemap.xml")),
    ]
    return ("\n".join(lines) + "\n").encode()


def _page(request: Request) -> int:
    """The page asked for; what is no number means the first."""
    asked = request.query_params.get("page", "1")
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() and len(asked) < 7 else 1


def _called(topics: Iterable[PublicTopic], words: str) -> list[PublicTopic]:
    words = words.casefold()
    return [topic for topic in topics if words in topic.title.casefold() or words in topic.slug]
