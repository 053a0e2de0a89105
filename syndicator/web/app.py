"""The web process: one ASGI application over the store, and the server that runs it.

Feeds and the addresses of a former site are answered before any routing (`web.doors`); everything
else goes through Starlette, and every page through the headers that keep it safe (security:H4).
`serve` runs uvicorn with what it lacks: limits on the size of a request's head and on the time it
may take (security:R5), and the feeds' early door.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from syndicator.errors import SyndicatorError
from syndicator.model.joining import Terms
from syndicator.model.site import Site
from syndicator.observe import logger
from syndicator.render.mail import Sender
from syndicator.signup import Tokens
from syndicator.signup.erasing import Eraser
from syndicator.signup.joining import Named, unnamed
from syndicator.store import Store
from syndicator.store.media import Cabinet
from syndicator.web.accreditation import Accreditation
from syndicator.web.callbacks import Callbacks
from syndicator.web.catalogue import Catalogue
from syndicator.web.doors import Feeds, Porter, Receive, Scope, Send, protocol, send_answer
from syndicator.web.feeds import NOT_FOUND, PREFIX, PREFLIGHT, Answer
from syndicator.web.health import Faults, Health
from syndicator.web.limits import Trust, Visitors
from syndicator.web.media import Media
from syndicator.web.media_list import MediaList
from syndicator.web.newsroom import Newsroom, missing
from syndicator.web.pages import SECURITY, Pages
from syndicator.web.preferences import PreferencePages
from syndicator.web.press import Press
from syndicator.web.redirects import Redirects

GRACE = 10  # seconds an answer under way may take once we are told to stop
KEEP_ALIVE = 30  # seconds an idle connection is kept: a reader polls several feeds in a row


def _nothing() -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """What the web process is made of.

    `watch` is a second `open_store` on the same database that nothing else uses (`web.catalogue`);
    `ready` names what else is not ready, such as a worker that was not seen lately. `redirects` are
    former addresses and present ones; `trusted_proxies` address ranges; `full_reads` how many whole
    feeds one visitor may fetch in a minute, 0 for any number. `cabinet` keeps the files of items; without
    one none is served. `sender` is who mail is from; without one no preview of a mail is shown. `terms` are what people
    sign up to; `named` gives a letter's Message-ID by its subject and recipient;
    `desk_mails` are told of who asks to be accredited. `eraser` forgets
    people; without one in the store alone.
    """

    store: Store
    site: Site
    tokens: Tokens
    watch: Store | None = None
    extra_routes: Sequence[BaseRoute] = ()
    ready: Faults = _nothing
    redirects: Sequence[tuple[str, str]] = ()
    trusted_proxies: Sequence[str] = ()
    full_reads: int = 0
    cabinet: Cabinet | None = None
    sender: Sender | None = None
    terms: Terms = field(default_factory=Terms)
    named: Named = unnamed
    desk_mails: Sequence[str] = ()
    eraser: Eraser | None = None


class App:
    """The ASGI application."""

    def __init__(self, web: Web) -> None:
        self.catalogue = Catalogue(web.store, web.site, web.watch)
        self._trust = Trust(web.trusted_proxies)
        self.porter = Porter(self.catalogue, Visitors(web.full_reads), self._trust)
        self._feeds = Feeds(self.porter, time.monotonic)
        self._redirects = Redirects(web.redirects, urlsplit(web.site.base_url).path.rstrip("/"))
        self._pages = Pages(web.site)
        self._starlette = Starlette(
            routes=self._routes(web),
            lifespan=self._lifespan,
            exception_handlers={404: self._missing, SyndicatorError: self._trouble, Exception: self._trouble},
        )
        # A redirect to the same path would be built from the Host header, token and all.
        self._starlette.router.redirect_slashes = False
        self._safe = [(name.encode(), value.encode()) for name, value in SECURITY.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Feeds first, by the shortest way; then former addresses; then everything else."""
        if scope["type"] == "http":
            reply = await self._short_cut(scope)
            if reply is not None:
                await send_answer(reply, send)
                return
        await self._starlette(scope, receive, self._guarded(send))

    async def _short_cut(self, scope: Scope) -> Answer | None:
        reply = None
        if scope["path"].startswith(PREFIX):
            reply = await self._feeds.reply(scope)
            if reply.head is not NOT_FOUND.head:
                return reply  # a former address never hides a feed
        way = self._redirects.find(scope["path"], scope["query_string"]) if self._redirects else None
        if way is None:
            return reply
        if scope["method"] == "GET":
            return way
        return {"HEAD": Answer(way.head), "OPTIONS": PREFLIGHT}.get(scope["method"], reply)

    def _guarded(self, send: Send) -> Send:
        async def safe(message: Any) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                extra = [(name, value) for name, value in self._safe if name not in own]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        return safe

    def _routes(self, web: Web) -> list[BaseRoute]:
        return [
            *Health(web.store, self.catalogue.age, web.ready).routes(),
            *Newsroom(web.store, web.site, self._pages).routes(),
            *PreferencePages(web.store, web.tokens, self._pages, self._trust, web.terms, web.eraser).routes(),
            *MediaList(web.store, web.tokens, self._pages, web.terms, self._trust, web.named).routes(),
            *Accreditation(
                web.store, web.tokens, self._pages, web.terms, self._trust, web.desk_mails
            ).routes(),
            *Callbacks(web.store, web.tokens, self._trust).routes(),
            *Press(web.store, web.tokens, self._pages, web.cabinet, web.sender, self._trust).routes(),
            *(Media(web.store, web.cabinet, self._pages).routes() if web.cabinet else ()),
            *web.extra_routes,
        ]

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(self.catalogue.start)
        try:
            yield
        finally:
            await run_in_threadpool(self.catalogue.stop)

    def _missing(self, request: Request, _fault: Exception) -> Response:
        return missing(self._pages, request)

    def _trouble(self, request: Request, fault: Exception) -> Response:
        """A neighbour is down: come again. A bug says the same to the visitor, and is logged by uvicorn."""
        expected = isinstance(fault, SyndicatorError)
        if expected:
            logger("web").warning("page not shown", fault=str(fault))
        headers = {"cache-control": "no-store", **({"retry-after": "30"} if expected else {})}
        return self._pages.page(request, "trouble.html", status=503 if expected else 500, headers=headers)


def create_app(web: Web) -> App:
    """The application, ready to be served; it opens nothing until its lifespan begins."""
    return App(web)


class Server(uvicorn.Server):
    """uvicorn, made to return when told to stop: it would else raise the signal once more and die of it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ask for an end at SIGTERM and SIGINT; in another thread than the first, by `should_exit` alone."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {name: signal.signal(name, self.handle_exit) for name in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)


def server(app: Any, host: str = "127.0.0.1", port: int = 8000, *, early: bool = True) -> Server:
    """A server that is not running yet; `run(sockets=[listen(…)])` it.

    `early` opens the feeds' own door before ASGI, where the app is ours.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=protocol(app.porter if early and isinstance(app, App) else None),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
        backlog=2048,
    )
    return Server(config)


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 lets the system choose. Raises OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made


def serve(
    app: Any, host: str = "127.0.0.1", port: int = 8000, started: Callable[[str, int], None] | None = None
) -> None:
    """Serve until SIGTERM or SIGINT, finish what is under way, and return.

    `started` is told the address once connections are taken up (the port, if 0 was asked for).
    """
    with listen(host, port) as bound:
        bound.listen(2048)
        if started:
            started(host, bound.getsockname()[1])
        server(app, host, port).run(sockets=[bound])
