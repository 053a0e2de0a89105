"""Everybody who might see a release too early: clients of every surface, a mailbox, an ear for hubs and partners.

Each of them notes the first instant at which it saw a canary, after the whole answer was there: an answer
that was on its way at the embargo's end is no sight before it.
"""

from __future__ import annotations

import hashlib
import http.client
import random
import re
import socketserver
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.listening import Attended

PACE = 0.08  # seconds a client waits at most before it asks again
CANARY = re.compile(rb"zq[a-z]{12}qz")


@dataclass(frozen=True, slots=True)
class Letter:
    """What came to a mailbox: whom it was for, and what stood in it."""

    at: datetime
    recipient: str
    subject: str
    canaries: frozenset[str]


@dataclass(frozen=True, slots=True)
class Call:
    """A POST that reached a hub or a partner."""

    at: datetime
    path: str
    canaries: frozenset[str]


@dataclass
class Sights:
    """What was seen, by whom and when first; `opens` is the instant before which nothing at all may change."""

    opens: datetime
    public: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    in_feeds: dict[str, datetime] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)
    letters: list[Letter] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    quiet: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    refusals: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    asked: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, surface: str, data: bytes, *, feed: bool = False) -> None:
        """A public answer was read to its end just now."""
        found, now = canaries(data), datetime.now(UTC)
        with self.lock:
            for canary in found:
                self.public.setdefault(canary, (now, surface))
                if feed:
                    self.in_feeds.setdefault(canary, now)


def canaries(data: bytes) -> frozenset[str]:
    """Every canary that sings in these bytes, whatever the case."""
    return frozenset(one.decode() for one in CANARY.findall(data.lower()))


class Mailbox(Attended, socketserver.ThreadingTCPServer):
    """An SMTP server that reads each letter before it says 250."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, sights: Sights) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.sights = sights
        self.attend()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def take(self, recipient: str, raw: bytes) -> None:
        """A letter has arrived, headers, text and HTML."""
        now = datetime.now(UTC)
        message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
        parts = [part.get_payload(decode=True) for part in message.walk() if not part.is_multipart()]
        heads = "\n".join(f"{name}: {value}" for name, value in message.items()).encode()
        found = canaries(b"\n".join([heads, raw, *(part for part in parts if isinstance(part, bytes))]))
        with self.sights.lock:
            self.sights.letters.append(Letter(now, recipient, str(message["subject"]), found))


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox
    disable_nagle_algorithm = True  # replies are small and many

    def handle(self) -> None:
        recipient = ""
        with suppress(OSError):
            self._say("220 mailbox")
            while line := self.rfile.readline():
                match line.split(b":")[0].split()[0].upper():
                    case b"EHLO":
                        self._say("250-mailbox\r\n250-PIPELINING\r\n250 8BITMIME")
                    case b"RCPT":
                        recipient = line.decode().partition("<")[2].partition(">")[0]
                        self._say("250 ok")
                    case b"DATA":
                        self._say("354 go on")
                        self.server.take(recipient, self._body())
                        self._say("250 taken")
                    case b"QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 ok")

    def _body(self) -> bytes:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError
            lines.append(line)
        return b"".join(lines)

    def _say(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")


class Ear(Attended, ThreadingHTTPServer):
    """A hub and a partner in one: takes every POST and notes it."""

    daemon_threads = True

    def __init__(self, sights: Sights) -> None:
        super().__init__(("127.0.0.1", 0), _Listener)
        self.sights = sights
        self.attend()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Listener(BaseHTTPRequestHandler):
    server: Ear
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["content-length"])) + str(self.headers).encode()
        call = Call(datetime.now(UTC), self.path, canaries(data))
        with self.server.sights.lock:
            self.server.sights.calls.append(call)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Surfaces:
    """What a client asks for. The first are there from the beginning; what is guessed grows with the drafts."""

    port: int
    fixed: Sequence[str]
    feeds: Sequence[str]
    guesses: list[str] = field(default_factory=list)  # nobody may know them yet; some become public
    strangers: list[str] = field(default_factory=list)  # press copies of people who may not have them
    copies: list[str] = field(default_factory=list)  # and of those who may


class Client(threading.Thread):
    """Asks for one surface after the other until told to stop, over one connection, with validators it has."""

    def __init__(
        self, surfaces: Surfaces, sights: Sights, stop: threading.Event, dice: random.Random
    ) -> None:
        super().__init__(daemon=True)
        self._surfaces, self._sights, self._stop_asking, self._dice = surfaces, sights, stop, dice
        self._tags: dict[str, str] = {}
        self._wire = http.client.HTTPConnection("127.0.0.1", surfaces.port, timeout=20)
        self.only_feeds = False

    def run(self) -> None:
        """Ask, until it is over."""
        while not self._stop_asking.is_set():
            kind, path = self._choice()
            try:
                self._ask(kind, path)
            except (OSError, http.client.HTTPException):
                self._wire.close()
            # A reader's pace, or the newsroom would only ever be busy with us.
            self._stop_asking.wait(self._dice.random() * (PACE / 4 if self.only_feeds else PACE))
        self._wire.close()

    def _choice(self) -> tuple[str, str]:
        here, dice = self._surfaces, self._dice
        if self.only_feeds:
            return "feed", dice.choice(here.feeds[:3])
        kinds: list[tuple[str, Sequence[str]]] = [
            ("feed", here.feeds),
            ("fixed", here.fixed),
            ("guess", here.guesses),
            ("stranger", here.strangers),
            ("copy", here.copies),
        ]
        kind, paths = dice.choice([one for one in kinds if one[1]])
        return kind, dice.choice(paths)

    def _ask(self, kind: str, path: str) -> None:
        headers = {"Accept-Encoding": "identity"}
        if path in self._tags and self._dice.random() < 0.8:
            headers["If-None-Match"] = self._tags[path]
        self._wire.request("GET", path, headers=headers)
        reply = self._wire.getresponse()
        body = reply.read()
        heads = sorted((name.lower(), value) for name, value in reply.getheaders() if name.lower() != "date")
        self._sights.asked[kind] += 1
        if reply.status == 200 and (tag := reply.headers.get("etag")):
            self._tags[path] = tag
        if kind == "copy":
            with self._sights.lock:
                self._sights.copies |= canaries(body)
            return
        self._sights.note(path, repr(heads).encode() + body, feed=kind == "feed")
        if kind == "guess" and reply.status == 200:  # a page or file whose words we know is there
            self._sights.note(path, path.encode())
        if reply.status == 404 and kind in ("guess", "stranger"):
            where = path.split("/")[1]
            self._sights.refusals[where].add(_digest(reply.status, heads, body))
        if kind in ("fixed", "feed") and reply.status != 304 and datetime.now(UTC) < self._sights.opens:
            self._sights.quiet[path].add(_digest(reply.status, heads, body))


def _digest(status: int, heads: Iterable[tuple[str, str]], body: bytes) -> str:
    return hashlib.sha256(repr((status, list(heads), body)).encode()).hexdigest()


def clients(
    count: int, surfaces: Surfaces, sights: Sights, stop: threading.Event, seed: int
) -> list[Callable[[], None]]:
    """Start so many, two of them (one, if there are few) with an eye on the feeds alone; what waits for each to end."""
    made = [Client(surfaces, sights, stop, random.Random(seed + n)) for n in range(count)]
    for one in made[: max(1, count // 10)]:
        one.only_feeds = True
    for one in made:
        one.start()
    return [one.join for one in made]
