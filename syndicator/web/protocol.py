"""uvicorn's HTTP protocol with limits: on the size of a request's head and on the time it may take.

llhttp takes a head of any size and uvicorn waits for it for ever, so one client could fill our
memory or hold our connections (security:R5). Nothing else is changed.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes
HEAD_WITHIN = 20.0  # seconds
BODY_WITHIN = 20.0  # seconds; nothing here takes more than a form's few bytes
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLargeError(Exception):
    """Raised inside the parser's callback; httptools hands it on as an error of the parser."""


class Limited(HttpToolsProtocol):
    """Counts what arrives of a head, and closes on whoever is too long or too slow."""

    in_head = True
    head = 0  # bytes of the present head in whole chunks of its own
    chunk = 0  # bytes of the present chunk, which may end one request and hold others
    slow: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.slow = self.loop.call_later(HEAD_WITHIN, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether we are left in the middle of a head."""
        self.chunk = len(data)
        super().data_received(data)
        if not self.in_head:
            return
        self.head += self.chunk
        if self.head > MAX_HEAD:
            self.send_400_response("")
        elif self.slow is None and not self.transport.is_closing():
            self.slow = self.loop.call_later(HEAD_WITHIN, self.transport.close)

    def on_message_begin(self) -> None:
        """A head begins somewhere in this chunk, which therefore does not count."""
        self.in_head, self.head = True, -self.chunk
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended: refuse it if it was too large, before anything is made of it."""
        self.in_head = False
        self._relax()
        if max(self.head, 0) + self.chunk > MAX_HEAD:  # it may be; adding up is only for these
            self.head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if self.head > MAX_HEAD:
                raise HeadTooLargeError
        self.slow = self.loop.call_later(BODY_WITHIN, self.transport.close)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has come."""
        self._relax()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse: 431 for what is too large."""
        if self.head <= MAX_HEAD:
            super().send_400_response(msg)
        elif not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def _relax(self) -> None:
        if self.slow is not None:
            self.slow.cancel()
            self.slow = None
