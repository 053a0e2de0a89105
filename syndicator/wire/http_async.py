"""The door to HTTP for flows that wait for thousands at once: feeds, their hubs, the pages of their items.

The sister of `wire.http` under the same rules (`wire.guard`, `wire.exchange`), on asyncio; serves walk A
(fetch). Sockets are ours from the first byte to the last, TLS too, so that a cancelled exchange leaves
nothing behind and a fast sender cannot hold up the loop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from importlib.util import find_spec
from typing import Any, TypeVar

import httpcore
import httpx

from syndicator.errors import NoAnswer
from syndicator.wire import guard as guards
from syndicator.wire.exchange import (
    DIAL_SECONDS,
    KEEP_ALIVE_SECONDS,
    USUAL,
    Headers,
    Intake,
    Limits,
    Reply,
    Walk,
    authorities,
    checked,
    hung_up,
    mapped,
    own_headers,
)
from syndicator.wire.guard import Address, Answers, Guard, Resolve

AT_ONCE = 16_384  # bytes read between two turns of the loop: parsing tiny chunks takes 10 ms for so many
HEAD_PIECE = 2_048  # bytes of what comes before a body: parsing 16,384 of "100 Continue" takes 50 ms
HEAD_READS = 64  # of them: more than httpcore takes for one head, so it was no head
PIECES = 64  # of a body, handled between two turns of the loop

# httpcore looks for sniffio at every lock it takes; where there is none, that search through the whole path was
# a fifth of what a feed costs.
if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment]  # how Python itself says "not to be imported"

T = TypeVar("T")


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """A guarded client for one destination, with one connection that is kept for five seconds.

    Tasks may share it and take turns; the deadline begins with the turn. `resolve` stands in for
    `socket.getaddrinfo` and is called in a thread, `tls` stands in for the usual authorities. Proxies in the
    environment are not used (S3). Cheap to make: one per upstream and poll.
    """

    def __init__(
        self,
        guard: Guard,
        user_agent: str,
        limits: Limits = USUAL,
        *,
        resolve: Resolve = socket.getaddrinfo,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._own = own_headers(user_agent)
        self._limits = limits
        self._backend = _Backend(guard, resolve)
        self._turn = asyncio.Lock()
        context = tls or authorities()
        # The transport alone, not httpx.AsyncClient: that one keeps cookies, reads .netrc and logs whole URLs.
        self._transport = httpx.AsyncHTTPTransport(verify=context, trust_env=False)
        # httpx has no public place for a backend; the tests fail should this one move.
        self._transport._pool = httpcore.AsyncConnectionPool(  # noqa: SLF001
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self._backend,
        )

    async def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises Blocked, Unreachable, NoAnswer, TooLarge, and Invalid for an illegal header."""
        return await self._exchange("GET", url, headers, None, self._limits)

    async def status(self, url: str, headers: Headers | None = None) -> int:
        """How `url` answers, redirects followed as by `get`; its body is not read. Raises like `get`."""
        limits = replace(self._limits, max_bytes=1, status_only=True)
        return (await self._exchange("GET", url, headers, None, limits)).status

    async def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send `body` to `url`; raises like `get`. Only 307 and 308 may repeat it, others are replies."""
        return await self._exchange("POST", url, headers, body, self._limits)

    async def aclose(self) -> None:
        """Hang up; a further request would dial anew."""
        try:
            await self._transport.aclose()
        finally:
            self._backend.hang_up()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _exchange(
        self, method: str, url: str, headers: Headers | None, body: bytes | None, limits: Limits
    ) -> Reply:
        walk = Walk(method, url, self._own | checked(headers or {}), body, limits)
        async with self._turn:
            self._backend.start(self._limits.deadline)
            try:
                return await self._walked(walk)
            except asyncio.CancelledError:
                self._backend.hang_up()  # whatever httpcore came to tidy up before it was cancelled itself
                raise

    async def _walked(self, walk: Walk) -> Reply:
        while True:
            with walk.watched():
                self._backend.await_head(walk.host)
                answer = await self._transport.handle_async_request(walk.request)
                self._backend.head_came()
                async with aclosing(answer) as response:
                    if not walk.leads_on(response):
                        with walk.intake(response) as intake:
                            await _take(intake, response)
                        return walk.reply(response, intake)


async def _take(intake: Intake, response: httpx.Response) -> None:
    count = 0
    async for piece in response.aiter_raw():
        intake.take(piece)
        count += 1
        if count % PIECES == 0:
            await asyncio.sleep(0)


class _Backend(httpcore.AsyncNetworkBackend):
    """Where every connection begins and the guard stands (S2); it also keeps the time (S6)."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._ends = 0.0
        self._host, self._head_reads = "", -1
        self._open: set[socket.socket] = set()

    def start(self, deadline: timedelta) -> None:
        """Begin an exchange that may last so long."""
        self._ends = asyncio.get_running_loop().time() + deadline.total_seconds()

    def until(self, most: float = float("inf")) -> asyncio.Timeout:
        """Wait no longer than the exchange may last, nor than `most` seconds; raises TimeoutError."""
        return asyncio.timeout_at(min(self._ends, asyncio.get_running_loop().time() + most))

    def await_head(self, host: str) -> None:
        """A request is sent to this host, whose answer has its head before it."""
        self._host, self._head_reads = host, 0

    def head_came(self) -> None:
        """What is read from now on is a body."""
        self._head_reads = -1

    def piece(self, most: int) -> int:
        """How many of so many bytes to parse at once; raises NoAnswer where a head never comes."""
        if self._head_reads < 0:
            return min(most, AT_ONCE)
        self._head_reads += 1
        if self._head_reads > HEAD_READS:
            raise NoAnswer(f"{self._host} says very much before its answer; it may have got the request")
        return min(most, HEAD_PIECE)

    def hang_up(self) -> None:
        """Close every socket there still is; nothing may be waiting for one."""
        for dialled in self._open:
            dialled.close()
        self._open.clear()

    def drop(self, dialled: socket.socket) -> None:
        """Close this one."""
        self._open.discard(dialled)
        dialled.close()

    async def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        self._guard.check_port(port)
        with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            answers = guards.literal(host) or await self._look_up(host)
            dialled = await self._dial(self._guard.vetted(host, port, answers), port)
            return _Stream(dialled, self)

    async def _look_up(self, host: str) -> Answers:
        # getaddrinfo knows no timeout and can take minutes: ask in a thread that may outlive the exchange.
        # Not in a pool of threads: a few names whose servers hang would fill it, and all others would wait.
        # There are never more of them than exchanges, times how often a deadline fits into the system's patience.
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Answers] = loop.create_future()

        def tell(answers: Answers | Exception) -> None:
            if answered.done():
                return  # nobody waits any more
            if isinstance(answers, Exception):
                answered.set_exception(answers)
            else:
                answered.set_result(answers)

        def ask() -> None:
            try:
                answers: Answers | Exception = self._resolve(host, None, type=socket.SOCK_STREAM)
            except Exception as fault:  # noqa: BLE001 - raised again where it is waited for
                answers = fault
            with suppress(RuntimeError):  # the loop is closed by now
                loop.call_soon_threadsafe(tell, answers)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        async with self.until():
            return await answered

    async def _dial(self, addresses: Sequence[Address], port: int) -> socket.socket:
        fault = OSError("the name has no address")
        for address in addresses:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            dialled = socket.socket(family, socket.SOCK_STREAM)
            self._open.add(dialled)
            try:
                dialled.setblocking(False)
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                async with self.until(DIAL_SECONDS):
                    await asyncio.get_running_loop().sock_connect(dialled, (str(address), port))
            except OSError as refused:
                self.drop(dialled)
                fault = refused
            except BaseException:
                self.drop(dialled)
                raise
            else:
                return dialled
        raise fault


class _Stream(httpcore.AsyncNetworkStream):
    """A socket whose waits end when the exchange must; every read lets the others have their turn first."""

    def __init__(self, dialled: socket.socket, backend: _Backend) -> None:
        self._socket = dialled
        self._backend = backend

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        with mapped(httpcore.ReadTimeout, httpcore.ReadError):
            return await self._receive(self._backend.piece(max_bytes))

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        with mapped(httpcore.WriteTimeout, httpcore.WriteError):
            await self._send(buffer)

    async def aclose(self) -> None:
        self._backend.drop(self._socket)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        try:
            with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                secured = _Secured(self._socket, self._backend, ssl_context, server_hostname)
                await secured.shake_hands()
                return secured
        except BaseException:
            self._backend.drop(self._socket)
            raise

    def get_extra_info(self, info: str) -> Any:
        return hung_up(self._socket) if info == "is_readable" else None

    async def _receive(self, most: int) -> bytes:
        async with self._backend.until():
            # While bytes keep coming nothing here would wait: neither the others nor the deadline had a chance.
            await asyncio.sleep(0)
            return await asyncio.get_running_loop().sock_recv(self._socket, most)

    async def _send(self, buffer: bytes) -> None:
        async with self._backend.until():
            await asyncio.get_running_loop().sock_sendall(self._socket, buffer)


class _Secured(_Stream):
    """The same under TLS, which OpenSSL works out in memory."""

    def __init__(
        self, dialled: socket.socket, backend: _Backend, context: ssl.SSLContext, name: str | None
    ) -> None:
        super().__init__(dialled, backend)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)

    async def shake_hands(self) -> None:
        """Agree on keys and check the certificate; raises OSError."""
        await self._worked(self._tls.do_handshake)

    async def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        with mapped(httpcore.ReadTimeout, httpcore.ReadError):
            try:
                await asyncio.sleep(0)  # what came already is read without waiting for anything
                return await self._worked(partial(self._tls.read, self._backend.piece(max_bytes)))
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""  # whether that is the end is HTTP's to know

    async def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        with mapped(httpcore.WriteTimeout, httpcore.WriteError):
            for start in range(0, len(buffer), AT_ONCE):
                await self._worked(partial(self._tls.write, buffer[start : start + AT_ONCE]))

    async def _worked(self, work: Callable[[], T]) -> T:
        while True:
            try:
                done = work()
            except ssl.SSLWantReadError:
                await self._flushed()
                if coded := await self._receive(AT_ONCE):
                    self._incoming.write(coded)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with suppress(OSError):
                    await self._flushed()  # the alert that says why
                raise
            else:
                await self._flushed()
                return done

    async def _flushed(self) -> None:
        if self._outgoing.pending:
            await self._send(self._outgoing.read())
