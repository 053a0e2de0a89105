"""uvicorn's HTTP protocol with limits: on the size of a request's head and on the time it may take.

llhttp takes a head of any size and uvicorn waits for it for ever, and for a reader who does not
read, so one client could fill our memory or hold our connections (security:R5). Nothing else is
changed. `web.doors` builds the feeds' short cut upon it.
"""

from __future__ import annotations

import math
from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD = 64 * 1024  # bytes
HEAD_WITHIN = 20.0  # seconds
BODY_WITHIN = 20.0  # seconds: a form's few bytes, or what a hub brings
STALLED = 60.0  # seconds in which a reader of a long answer must take at least a byte
TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class HeadTooLargeError(Exception):
    """Raised inside the parser's callback; httptools hands it on as an error of the parser."""


class Limited(HttpToolsProtocol):
    """Counts what arrives of a head, and closes on whoever is too long or too slow.

    One timer for a connection, which looks at `until` when it rings: setting a new deadline for each
    request is then a comparison, where a timer each would cost as much as the answer.
    """

    in_head = True
    idle = False  # between two requests, under our own deadline
    head = 0  # bytes of the present head in whole chunks of its own
    chunk = 0  # bytes of the present chunk, which may end one request and hold others
    first = 0  # bytes of the chunk in which the head began, not all of them its own
    until = math.inf  # when to close, by the loop's clock
    rings = math.inf  # when the timer rings
    timer: TimerHandle | None = None
    stall: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self.close_after(HEAD_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        for timer in (self.timer, self.stall):
            if timer is not None:
                timer.cancel()
        self.timer = self.stall = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see whether we are left in the middle of a head."""
        self.chunk = len(data)
        super().data_received(data)
        if self.in_head:
            self.head += self.chunk
            if self.head > MAX_HEAD:
                self.send_400_response("")
            elif self.until == math.inf:
                self.close_after(HEAD_WITHIN)
        elif self.until == math.inf and self._is_idle():
            self.close_after(self.timeout_keep_alive)  # bytes that begin nothing have stopped uvicorn's timer

    def on_message_begin(self) -> None:
        """A head begins somewhere in this chunk, which therefore does not count."""
        self.begin_head()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has ended: refuse it if it was too large, before anything is made of it."""
        self.end_head()
        self.close_after(BODY_WITHIN)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body has come."""
        self.until = math.inf
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse: 431 for what is too large."""
        if self.head <= MAX_HEAD:
            super().send_400_response(msg)
        elif not self.transport.is_closing():
            self.transport.write(TOO_LARGE)
            self.transport.close()

    def pause_writing(self) -> None:
        """The reader is slower than we: see to it that he reads at all."""
        super().pause_writing()
        if self.stall is None:
            self._watch_reader(self.transport.get_write_buffer_size() + 1)

    # -- for what is built upon it ----------------------------------------------------------------

    def begin_head(self) -> None:
        """Count from here."""
        self.in_head, self.head, self.first = True, -self.chunk, self.chunk
        if self.idle:
            self.idle, self.until = False, math.inf

    def end_head(self) -> None:
        """Stop counting; raises HeadTooLargeError."""
        self.in_head, self.until = False, math.inf
        most = self.chunk if self.head < 0 else self.first + self.head + self.chunk
        if most > MAX_HEAD:  # it may be; adding up is only for these
            self.head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if self.head > MAX_HEAD:
                raise HeadTooLargeError

    def busy(self) -> bool:
        """Whether uvicorn is answering, or has requests to answer."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def close_after(self, seconds: float) -> None:
        """Close the connection after this time, unless `until` is set anew."""
        self.until = self.loop.time() + seconds
        if self.until < self.rings:
            self._ring_at(self.until)

    def _ring_at(self, when: float) -> None:
        if self.timer is not None:
            self.timer.cancel()
        self.rings, self.timer = when, self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self.timer, self.rings = None, math.inf
        if self.until <= self.loop.time():
            self.transport.close()
        elif self.until < math.inf:
            self._ring_at(self.until)

    def _is_idle(self) -> bool:
        return not self.busy() and self.timeout_keep_alive_task is None and not self.transport.is_closing()

    def _watch_reader(self, before: int) -> None:
        self.stall = None
        left = self.transport.get_write_buffer_size()
        if left >= before:
            self.transport.abort()
        elif self.flow.write_paused:
            self.stall = self.loop.call_later(STALLED, self._watch_reader, left)
