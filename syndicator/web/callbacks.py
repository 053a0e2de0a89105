"""Where others tell us that there is news: hubs (feeds:W5), pings for one upstream, and WordPress's pings.

Nothing is parsed here but a ping's few hundred bytes: what a hub brings is kept as it came, for a worker
(`ingest.websub`). A hub's body is taken piece by piece, and no further than its limit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from syndicator.ingest import pings, websub
from syndicator.ingest.websub import Intent, Welcome
from syndicator.signup import Purpose, Tokens
from syndicator.store import Store
from syndicator.web import xmlrpc
from syndicator.web.limits import Knocks, Trust

MAX_BODY = 5_000_000  # bytes a hub may bring at a time, as many as a feed may have (feeds:I7)
IN_HAND = 8  # bodies being taken at one time, so many times MAX_BODY of memory at most
EACH, ALL = 60, 600  # pings a minute: by one visitor, and by all together
FRESH = {"cache-control": "no-store"}
NOT_HERE = "There is no such address.\n"
GONE_AWAY = "Half of it was missing.\n"  # nobody reads this
POST_HERE = "Send a POST to this address; what it holds is not read.\n"


class Callbacks:
    """The doors over one store."""

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        trust: Trust | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._tokens, self._clock = store, tokens, clock
        self._trust = Trust() if trust is None else trust
        self._knocks = Knocks(EACH, ALL)
        self._hands = _Hands(IN_HAND)

    def routes(self) -> list[BaseRoute]:
        """Where the doors stand; the paths are with hubs and in other people's settings."""
        return [
            Route("/callbacks/websub/{end}", self.verify, methods=["GET"]),
            Route("/callbacks/websub/{end}", self.push, methods=["POST"]),
            Route("/ping/{token}", self.ping, methods=["POST"]),
            Route("/ping/{token}", self.only_post, methods=["GET"]),
            Route("/xmlrpc", self.update, methods=["POST"]),
            Route("/xmlrpc", self.only_post, methods=["GET"]),
        ]

    def verify(self, request: Request) -> Response:
        """A hub asks whether we meant it: its challenge, if we did; else nothing is here (WebSub §5.3)."""
        said = request.query_params
        intent = Intent(
            mode=said.get("hub.mode", ""),
            topic=said.get("hub.topic", ""),
            challenge=said.get("hub.challenge", ""),
            lease=said.get("hub.lease_seconds", ""),
            reason=said.get("hub.reason", ""),
        )
        echo = websub.confirm(self._store, request.path_params["end"], intent)
        return _line(NOT_HERE, 404) if echo is None else _line(echo)

    async def push(self, request: Request) -> Response:
        """A hub brings something; whether its signature was right is not told to whoever sent it (WebSub §8)."""
        end = request.path_params["end"]
        match await run_in_threadpool(websub.welcome, self._store, end):
            case Welcome.NEVER:
                return _line("Nothing is wanted here any more.\n", 410)
            case Welcome.NOT_NOW:
                return _line(NOT_HERE, 404)
        with self._hands.free(end) as free:
            if not free:
                return _later(5)
            return await self._take(request, end)

    async def ping(self, request: Request) -> Response:
        """Ask one upstream now; what the ping holds is not read."""
        if wait := self._wait(request):
            return _later(wait)
        upstream_id = self._tokens.read(Purpose.PING, request.path_params["token"])
        if upstream_id is None or not await run_in_threadpool(pings.ask_now, self._store, upstream_id):
            return _line(NOT_HERE, 404)
        return _line("Thank you.\n", 202)

    async def update(self, request: Request) -> Response:
        """WordPress's Update Services: ask every upstream of the site that has news."""
        if wait := self._wait(request):
            return _later(wait)
        try:
            body = await whole_body(request, xmlrpc.MAX_BYTES)
        except ClientDisconnect:
            return _line(GONE_AWAY, 400)
        if body is None:
            return _line("A ping is short.\n", 413)
        return await run_in_threadpool(self._answer, body)

    def only_post(self, _request: Request) -> Response:
        """A line for whoever looks at a ping address in a browser; nothing happens."""
        return _line(POST_HERE, 405, allow="POST")

    async def _take(self, request: Request, end: str) -> Response:
        try:
            body = await whole_body(request, MAX_BODY)
        except ClientDisconnect:
            return _line(GONE_AWAY, 400)
        if body is None:
            return _line("This is more than a feed may have.\n", 413)
        kind, signed = request.headers.get("content-type", ""), request.headers.getlist("x-hub-signature")
        await run_in_threadpool(websub.take, self._store, end, body, kind, signed)
        return _line("Thank you.\n", 202)

    def _answer(self, body: bytes) -> Response:
        try:
            call = xmlrpc.read(body)
            said = self._pinged(call)
        except xmlrpc.Fault as trouble:
            said = xmlrpc.fault(trouble)
        return Response(said, headers=FRESH, media_type="text/xml")

    def _pinged(self, call: xmlrpc.Call) -> bytes:
        if call.method not in {"weblogUpdates.ping", "weblogUpdates.extendedPing"}:
            raise xmlrpc.Fault(xmlrpc.UNKNOWN_METHOD, "only weblogUpdates.ping and extendedPing are answered")
        if len(call.params) < 2:
            raise xmlrpc.Fault(xmlrpc.BAD_PARAMS, "a ping says the name of a site and its address")
        # Name and site; then a page that changed and the feed, or, from WordPress, the feed alone.
        found = pings.ask_site_now(self._store, call.params[1], call.params[2:])
        if not found:
            return xmlrpc.answer(error=True, message="No feed of this site is read here.")
        return xmlrpc.answer(error=False, message=f"Thank you, the news of this site is read now ({found}).")

    def _wait(self, request: Request) -> int:
        peer = request.client.host if request.client else ""
        hops = request.headers.getlist("x-forwarded-for") if self._trust.speaks_for_others(peer) else []
        visitor = self._trust.visitor(peer, ",".join(hops).encode("latin-1", "replace") if hops else None)
        return self._knocks.take(visitor, self._clock())


class _Hands:
    """Bodies being taken at this moment: one for an address, and so many in all."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[str] = set()

    @contextmanager
    def free(self, end: str) -> Iterator[bool]:
        """Whether one more may be taken from there, as long as the block runs."""
        if end in self._busy or len(self._busy) >= self._most:
            yield False
            return
        self._busy.add(end)
        try:
            yield True
        finally:
            self._busy.discard(end)


async def whole_body(request: Request, most: int) -> bytes | None:
    """The whole body, or None as soon as it is more than that."""
    stated = request.headers.get("content-length", "0")
    if stated.isdecimal() and int(stated[:20]) > most:
        return None
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            return None
    return bytes(body)


def _later(seconds: int) -> Response:
    return PlainTextResponse(
        "Too many at once; come again.\n", 429, headers={**FRESH, "retry-after": str(seconds)}
    )


def _line(text: str, status: int = 200, **headers: str) -> Response:
    return PlainTextResponse(text, status, headers={**FRESH, **headers})
