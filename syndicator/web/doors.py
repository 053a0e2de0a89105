"""The two doors at which feeds are answered, and the porter who stands at both (DESIGN §5.6).

Door 1 is uvicorn's own protocol class, made to answer feeds as soon as a request's head has been
read, before anything of ASGI is set up for it. Door 2 is a branch of the ASGI application before
routing, for every other server and case. What is said is `web.feeds.answer`'s at both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any

from starlette.concurrency import run_in_threadpool
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from syndicator.errors import SyndicatorError
from syndicator.observe import logger
from syndicator.web.feeds import NOT_FOUND, NOT_READY, Answer, Headers, Memory, answer, too_many
from syndicator.web.limits import Trust, Visitors
from syndicator.web.protocol import Limited

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Peer = tuple[str, int] | None

COPIED = 64 * 1024  # bytes of a body up to which one write of a copy is cheaper than two
LONGEST = 256  # bytes of an address with its query that this door reads; a feed's are a hundred
METHODS = {b"GET": "GET", b"HEAD": "HEAD"}
# Requests with one of these have a body, or want a conversation: uvicorn knows how to lead it.
UNUSUAL = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class Porter:
    """Answers from memory, and counts the whole feeds each visitor is given (H9)."""

    def __init__(self, memory: Memory, visitors: Visitors | None = None, trust: Trust | None = None) -> None:
        self.memory = memory
        self._visitors = Visitors(0) if visitors is None else visitors
        self._trust = Trust() if trust is None else trust

    def answer(
        self, method: str, path: str, headers: Headers, peer: Peer, now: float, memory: Memory | None = None
    ) -> Answer | None:
        """What to say; None if the store must be read first, `memory` is then what came of it.

        `now` is in seconds of a clock that never jumps.
        """
        reply = answer(method, path, headers, memory or self.memory)
        if reply is not None and reply.body and reply.head.status == 200 and self._visitors.limit and peer:
            visitor = self._visitor(peer[0], headers)
            wait = self._visitors.take(visitor, now) if visitor else 0
            return too_many(wait) if wait else reply
        return reply

    def _visitor(self, peer: str, headers: Headers) -> str | None:
        if not self._trust.speaks_for_others(peer):
            return self._trust.visitor(peer)
        hops = [value for name, value in headers if name == b"x-forwarded-for"]
        return self._trust.visitor(peer, b",".join(hops))


class Feeds:
    """Door 2: the ASGI application for everything under `/feeds/`; the store only for what is not in memory."""

    def __init__(self, porter: Porter, clock: Callable[[], float]) -> None:
        self._porter, self._clock = porter, clock

    async def reply(self, scope: Scope) -> Answer:
        """What to say to one request."""
        asked = scope["method"], scope["path"], scope["headers"], scope.get("client")
        reply = self._porter.answer(*asked, self._clock())
        if reply is not None:
            return reply
        try:
            found = await run_in_threadpool(self._porter.memory.load, scope["path"])
        except SyndicatorError as fault:
            logger("web").warning("feed not read", path=scope["path"], fault=str(fault))
            return NOT_READY
        return self._porter.answer(*asked, self._clock(), found) or NOT_READY


async def send_answer(reply: Answer, send: Send) -> None:
    """Say it, as ASGI wants it."""
    await send({"type": "http.response.start", "status": reply.head.status, "headers": reply.head.headers})
    await send({"type": "http.response.body", "body": reply.body})


class Early(Limited):
    """Door 1: answers what is known to memory, and hands everything else on to uvicorn as it came.

    The parser's callbacks are kept until the head is complete and then either answered or repeated to
    uvicorn's class. Only where nothing is under way on the connection and the reader keeps up is it
    answered here: order and flow control of everything else stay uvicorn's.
    """

    porter: Porter
    early = False  # whether the present request was answered here
    unusual = False
    # The server's own headers (Date), and the bytes made of them: uvicorn makes a new list each second.
    _server_headers: list[tuple[bytes, bytes]] | None = None
    _server_bytes = b""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # What would have to be done besides for each request: uvicorn does it.
        self._shut = bool(self.limit_concurrency is not None or self.config.access_log or self.root_path)

    def on_message_begin(self) -> None:
        """Begin to keep."""
        self.begin_head()
        self.url, self.headers = b"", []
        self.early = self.unusual = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep."""
        name = name.lower()
        if name in UNUSUAL:
            self.unusual = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Answer, or let uvicorn have it from the beginning."""
        url = self.url
        if url.startswith(b"/feeds/") and len(url) <= LONGEST and not self.unusual and not self._shut:
            self.end_head()
            reply = self._reply(url)
            if reply is not None:
                self._write(reply)
                return
        headers = self.headers
        HttpToolsProtocol.on_message_begin(self)
        self.on_url(url)
        for name, value in headers:
            HttpToolsProtocol.on_header(self, name, value)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The end of what was answered already is nothing."""
        if not self.early:
            super().on_message_complete()

    def _reply(self, url: bytes) -> Answer | None:
        """The answer, if it is one that this door may give now."""
        path, method = _path(url), METHODS.get(self.parser.get_method())
        if (
            path is None
            or method is None
            or self.busy()
            or self.flow.write_paused
            or self.transport.is_closing()
        ):
            return None
        reply = self.porter.answer(method, path, self.headers, self.client, self.loop.time())
        return None if reply is None or reply.head is NOT_FOUND.head else reply

    def _write(self, reply: Answer) -> None:
        head, body = reply
        keep = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
        end = b"\r\n" if keep else b"connection: close\r\n\r\n"
        parts = (head.line, self._dated(), head.block, end, body)
        if len(body) <= COPIED:
            self.transport.write(b"".join(parts))
        else:
            self.transport.writelines(parts)
        self.early = True
        self.server_state.total_requests += 1
        if keep:
            self.idle = True
            self.close_after(self.timeout_keep_alive)
        else:
            self.transport.close()

    def _dated(self) -> bytes:
        made, cls = self.server_state.default_headers, type(self)
        if made is not cls._server_headers:
            cls._server_headers = made
            cls._server_bytes = b"".join(b"%s: %s\r\n" % pair for pair in made)
        return cls._server_bytes


@lru_cache(maxsize=1024)
def _path(url: bytes) -> str | None:
    """The path of a request's target, where that is as plain as feeds' addresses are; else uvicorn reads it."""
    if b"%" in url or b"#" in url or not url.isascii():
        return None
    return url.partition(b"?")[0].decode("ascii")


# What the early door uses of uvicorn's inside, by the class it is expected in.
_USED: Mapping[type, frozenset[str]] = {
    HttpToolsProtocol: frozenset(
        "client config cycle flow headers limit_concurrency loop parser pipeline root_path server_state "
        "timeout_keep_alive timeout_keep_alive_task transport data_received on_header on_headers_complete "
        "on_message_begin on_message_complete on_url send_400_response".split()
    ),
    RequestResponseCycle: frozenset(("response_complete",)),
    FlowControl: frozenset(("write_paused",)),
    ServerState: frozenset(("default_headers", "total_requests")),
}


def strange(used: Mapping[type, frozenset[str]] = _USED) -> list[str]:
    """What the early door would look for in uvicorn and not find; empty as long as it fits."""
    missing = []
    for cls, names in used.items():
        made = getattr(vars(cls).get("__init__"), "__code__", None)
        there = {*dir(cls), *(made.co_names if made else ())}
        missing += [f"{cls.__name__}.{name}" for name in sorted(names - there)]
    return missing


def protocol(porter: Porter | None, used: Mapping[type, frozenset[str]] = _USED) -> type[Limited]:
    """The protocol class for a server: with the early door, or without where there is no porter or it does not fit."""
    missing = strange(used)
    if missing and porter:
        logger("web").warning("feeds are answered by ASGI alone", unknown_to_uvicorn=", ".join(missing))
    return type("Door", (Early,), {"porter": porter}) if porter and not missing else Limited
