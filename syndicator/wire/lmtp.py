"""A door for mail that a mail server on this machine hands over: LMTP (RFC 2033), an answer for each recipient.

It says yes to a recipient only when what was handed over is kept, so whatever breaks off is tried again. Of a letter
the first part is kept, however large it is. Lines end with CR LF and nothing else: a dot after another end of line
is no end of the letter.
"""

from __future__ import annotations

import io
import re
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from syndicator.errors import SyndicatorError
from syndicator.observe import logger

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

log = logger("lmtp")
Take = Callable[[str, str, bytes], object]  # sender, recipient, letter; raises what keeps it from being taken

LINE = 4_096  # bytes of a command
PIECE = 65_536
HUGE = 100_000_000  # bytes after which somebody only wants to keep us busy
RECIPIENTS = 100
AT_ONCE = 20  # conversations
PATIENCE = 300.0  # seconds for a line (RFC 5321 section 4.5.3.2)
WHOLE = 1_800.0  # seconds for a conversation: who comes drop by drop must not hold a place for ever
AGAIN = 60.0  # seconds until an address that was taken is tried again
PAUSE = 1.0  # seconds until the next conversation where none can be had, as without a free descriptor
LOOK = 0.5  # seconds between two looks at whether to stop
EXTENSIONS = ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8")
_SENDER = re.compile(r"(?i)FROM:\s*<([^<>\x00-\x20]{0,1000})>(?:\s.*)?")
_RECIPIENT = re.compile(r"(?i)TO:\s*<([^<>\x00-\x20]{1,1000})>(?:\s.*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where letters are handed in. `keep`: how many bytes of each are of use; `take` is called for each recipient.

    `tick` are seconds that only go on, by which a conversation ends.
    """

    host: str
    port: int
    keep: int
    take: Take
    tick: Callable[[], float] = time.monotonic

    def attend(self, stop: threading.Event) -> None:
        """Listen until told to stop; while another process has the address, wait until it is free."""
        told = False
        while not stop.is_set():
            try:
                server = Server(self)
            except OSError as fault:
                if not told:
                    log.warning("address not free", host=self.host, port=self.port, fault=str(fault))
                told = True
                stop.wait(AGAIN)
                continue
            with server:
                server.attend(stop)


class Server(socketserver.ThreadingTCPServer):
    """The open door: a thread for each conversation. Raises OSError where its address is not to be had."""

    allow_reuse_address = True
    daemon_threads = True  # who is cut off was told no yes, and comes again
    timeout = LOOK

    def __init__(self, door: Door) -> None:
        self.door = door
        self._places = threading.Semaphore(AT_ONCE)
        self._fault: OSError | None = None
        self.address_family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
        super().__init__((door.host, door.port), _Talk)

    def attend(self, stop: threading.Event) -> None:
        """Take letters until told to stop."""
        log.info("mail is taken", host=self.door.host, port=self.server_address[1])
        while not stop.is_set():
            self.handle_request()
            if fault := self._trouble():  # whoever waits is still there: we would be asked again at once
                log.warning("no conversation to be had", fault=str(fault))
                stop.wait(PAUSE)

    def _trouble(self) -> OSError | None:
        fault, self._fault = self._fault, None
        return fault

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return super().get_request()
        except OSError as fault:  # which socketserver keeps to itself
            self._fault = fault
            raise

    def verify_request(self, request: object, client_address: object) -> bool:
        del client_address
        if self._places.acquire(blocking=False):
            return True
        if isinstance(request, socket.socket):
            with suppress(OSError):  # gone before it was told: nobody else may suffer for it
                request.sendall(b"421 4.3.2 too many conversations at once, come again\r\n")
        return False

    def process_request(self, request: object, client_address: object) -> None:
        try:
            super().process_request(request, client_address)  # type: ignore[arg-type]  # as it came
        except RuntimeError:  # no thread was to be had: nobody took the place
            self._places.release()
            raise

    def process_request_thread(self, request: object, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]  # as it came
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address
        log.exception("conversation broke")  # noqa: LOG004 - socketserver calls this where it catches it


class _Heard(io.RawIOBase):
    """What comes out of a socket until the conversation has lasted `WHOLE` seconds; then raises TimeoutError."""

    def __init__(self, connection: socket.socket, tick: Callable[[], float]) -> None:
        self._connection = connection
        self._tick = tick
        self._end = tick() + WHOLE

    def readable(self) -> bool:
        return True

    def readinto(self, room: Buffer) -> int:
        left = self._end - self._tick()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(min(PATIENCE, left))
        try:
            return self._connection.recv_into(room)
        finally:
            self._connection.settimeout(PATIENCE)  # for what we say


class _Talk(socketserver.StreamRequestHandler):
    timeout = PATIENCE
    server: Server

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.rfile = io.BufferedReader(_Heard(self.connection, self.server.door.tick))

    def handle(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._greeted = False
        try:
            self._say("220 2.0.0 syndicator takes what comes back")
            for line in self._lines():
                verb, _, rest = line.partition(" ")
                if not self._VERBS.get(verb.upper(), _Talk._unknown)(self, rest.strip()):
                    return
        except OSError:  # gone, or here for too long
            return

    def _lines(self) -> Iterator[str]:
        while line := self.rfile.readline(LINE + 1):
            if len(line) > LINE or not line.endswith(b"\n"):
                self._say("500 5.5.2 the line is too long")
                return
            yield line.decode("utf-8", "replace").rstrip("\r\n")

    def _say(self, *lines: str) -> bool:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        return True

    def _lhlo(self, _: str) -> bool:
        self._greeted = True
        self._forget()
        head = ["syndicator", *EXTENSIONS]
        return self._say(*(f"250{'-' if one is not head[-1] else ' '}{one}" for one in head))

    def _mail(self, rest: str) -> bool:
        found = _SENDER.fullmatch(rest)
        if not self._greeted or self._sender is not None:
            return self._say("503 5.5.1 LHLO first, and one letter at a time")
        if found is None:
            return self._say("501 5.5.4 write MAIL FROM:<address>")
        self._sender = found[1]
        return self._say("250 2.1.0 yes")

    def _rcpt(self, rest: str) -> bool:
        found = _RECIPIENT.fullmatch(rest)
        if self._sender is None:
            return self._say("503 5.5.1 MAIL first")
        if found is None:
            return self._say("501 5.5.4 write RCPT TO:<address>")
        if len(self._recipients) >= RECIPIENTS:
            return self._say("452 4.5.3 so many recipients are another letter")
        self._recipients.append(found[1])
        return self._say("250 2.1.5 yes")

    def _data(self, _: str) -> bool:
        if self._sender is None or not self._recipients:
            return self._say("503 5.5.1 RCPT first")  # RFC 2033 section 4.2
        self._say("354 end with a dot")
        letter = self._letter()
        if letter is None:
            return False
        self._say(*(self._taken(self._sender, one, letter) for one in self._recipients))
        self._forget()
        return True

    def _letter(self) -> bytes | None:
        """The first bytes of what comes up to the dot, its dots unstuffed; None where there is no end of it."""
        kept, count, fresh = bytearray(), 0, True
        while piece := self.rfile.readline(PIECE):
            if fresh and piece == b".\r\n":
                return bytes(kept)
            count += len(piece)
            if count > HUGE:
                self._say("552 5.3.4 too large")
                return None
            text = piece[1:] if fresh and piece.startswith(b".") else piece
            kept += text[: self.server.door.keep - len(kept)]
            fresh = piece.endswith(b"\r\n")
        return None

    def _taken(self, sender: str, recipient: str, letter: bytes) -> str:
        try:
            self.server.door.take(sender, recipient, letter)
        except SyndicatorError as fault:
            log.warning("mail put off", fault=str(fault))
        except Exception:
            log.exception("mail put off")
        else:
            return "250 2.0.0 taken"
        return "451 4.3.0 not now: keep it, and come again"

    def _rset(self, _: str) -> bool:
        self._forget()
        return self._say("250 2.0.0 forgotten")

    def _noop(self, _: str) -> bool:
        return self._say("250 2.0.0 yes")

    def _vrfy(self, _: str) -> bool:
        return self._say("252 2.5.2 send it and see")

    def _quit(self, _: str) -> bool:
        self._say("221 2.0.0 bye")
        return False

    def _unknown(self, _: str) -> bool:
        return self._say("500 5.5.1 this is LMTP")  # HELO and EHLO as well: RFC 2033 section 4.1

    def _forget(self) -> None:
        self._sender, self._recipients = None, []

    _VERBS: ClassVar[dict[str, Callable[[_Talk, str], bool]]] = {
        "LHLO": _lhlo,
        "MAIL": _mail,
        "RCPT": _rcpt,
        "DATA": _data,
        "RSET": _rset,
        "NOOP": _noop,
        "VRFY": _vrfy,
        "QUIT": _quit,
    }
