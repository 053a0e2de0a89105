"""The door to HTTP for flows that wait in a thread of their own: webhooks and hub pings.

Whom it may reach is `wire.guard`'s to say, what an exchange may cost and where it leads `wire.exchange`'s.
Synchronous, one `Client` per destination (DESIGN §5.8); serves walk B (send). Its sister for thousands of
feeds at once is `wire.http_async`.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from queue import Empty, SimpleQueue
from typing import Any

import httpcore
import httpx

from syndicator.wire import guard as guards
from syndicator.wire.exchange import (
    DIAL_SECONDS,
    KEEP_ALIVE_SECONDS,
    USUAL,
    Headers,
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


class Client(AbstractContextManager["Client"]):
    """A guarded client for one destination, with one connection that is kept for five seconds.

    Threads may share it and take turns; the deadline begins with the turn. `resolve` stands in for
    `socket.getaddrinfo`, `tls` for the usual authorities. Proxies in the environment are not used (S3).
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
        self._turn = threading.Lock()
        context = tls or authorities()
        # The transport alone, not httpx.Client: that one keeps cookies, reads .netrc and logs whole URLs.
        self._transport = httpx.HTTPTransport(verify=context, trust_env=False)
        # httpx has no public place for a backend; the tests fail should this one move.
        self._transport._pool = httpcore.ConnectionPool(  # noqa: SLF001
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=self._backend,
        )

    def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises Blocked, Unreachable, NoAnswer, TooLarge, and Invalid for an illegal header."""
        return self._exchange("GET", url, headers, None)

    def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send `body` to `url`; raises like `get`. Only 307 and 308 may repeat it, others are replies."""
        return self._exchange("POST", url, headers, body)

    def close(self) -> None:
        """Hang up; a further request would dial anew."""
        self._transport.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(self, method: str, url: str, headers: Headers | None, body: bytes | None) -> Reply:
        walk = Walk(method, url, self._own | checked(headers or {}), body, self._limits)
        with self._turn:
            self._backend.start(self._limits.deadline)
            while True:
                with walk.watched(), closing(self._transport.handle_request(walk.request)) as response:
                    if not walk.leads_on(response):
                        with walk.intake(response) as intake:
                            for piece in response.iter_raw():
                                intake.take(piece)
                        return walk.reply(response, intake)


class _Backend(httpcore.NetworkBackend):
    """Where every connection begins and the guard stands (S2); it also keeps the time (S6)."""

    def __init__(self, guard: Guard, resolve: Resolve) -> None:
        self._guard = guard
        self._resolve = resolve
        self._ends = 0.0

    def start(self, deadline: timedelta) -> None:
        """Begin an exchange that may last so long."""
        self._ends = time.monotonic() + deadline.total_seconds()

    def left(self) -> float:
        """Seconds left; raises TimeoutError if none (0 would tell a socket not to wait at all)."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return left

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self._guard.check_port(port)
        with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            addresses = self._guard.vetted(host, port, guards.literal(host) or self._look_up(host))
            return _Stream(self._dial(addresses, port), self)

    def _look_up(self, host: str) -> Answers:
        # getaddrinfo knows no timeout and can take minutes: ask in a thread that may outlive the exchange.
        box: SimpleQueue[Answers | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                box.put(self._resolve(host, None, type=socket.SOCK_STREAM))
            except Exception as fault:  # noqa: BLE001 - raised again in the thread that waits
                box.put(fault)

        threading.Thread(target=ask, name="look-up", daemon=True).start()
        try:
            answers = box.get(timeout=self.left())
        except Empty:
            raise TimeoutError("look-up") from None
        if isinstance(answers, Exception):
            raise answers
        return answers

    def _dial(self, addresses: Sequence[Address], port: int) -> socket.socket:
        fault = OSError("the name has no address")
        for address in addresses:
            try:
                patience = min(DIAL_SECONDS, self.left())
                dialled = socket.create_connection((str(address), port), timeout=patience)
            except OSError as refused:
                fault = refused
            else:
                dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return dialled
        raise fault


class _Stream(httpcore.NetworkStream):
    """A socket whose waits are clipped to what is left; httpcore's own starts anew with each partial send."""

    def __init__(self, dialled: socket.socket, backend: _Backend) -> None:
        self._socket = dialled
        self._backend = backend

    def read(self, max_bytes: int, *_: Any, **__: Any) -> bytes:
        with mapped(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(self._backend.left())
            return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, *_: Any, **__: Any) -> None:
        rest = memoryview(buffer)
        with mapped(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(self._backend.left())
                rest = rest[self._socket.send(rest) :]

    def close(self) -> None:
        self._socket.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        try:
            with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(self._backend.left())
                secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
                return _Stream(secured, self._backend)
        except BaseException:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        return hung_up(self._socket) if info == "is_readable" else None
