"""A partner's machine on the loopback: scripted answers, and signatures checked as Standard Webhooks says.

Each request takes the next action of the script, the last one for ever: a status, (status, headers), RESET
(hangs up after the body), or HANG (says nothing until the test ends).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from tests.make import SECRET


class Fault(Enum):
    RESET = "reset"
    HANG = "hang"


RESET, HANG = Fault
Action = int | tuple[int, Mapping[str, str]] | Fault


@dataclass(slots=True)
class Event:
    """One POST: its headers in lower case, its raw body, and whether its signature is good."""

    headers: dict[str, str]
    body: bytes
    signed: bool

    @property
    def id(self) -> str:
        """What a receiver drops doubles by."""
        return self.headers["webhook-id"]

    @property
    def data(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Receiver:
    """Answers until the `with` block ends; `events` holds what came, in order."""

    script: tuple[Action, ...] = (204,)
    secret: str = SECRET
    events: list[Event] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ending: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                receiver.answer(self)

            def do_GET(self) -> None:
                raise AssertionError("a redirect was followed")

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/in"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Take the body, check it, and do what the script says."""
        body = handler.rfile.read(int(handler.headers["content-length"]))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        action = self.script[min(len(self.events), len(self.script) - 1)]
        self.events.append(Event(headers, body, self._good(headers, body)))
        self.arrived.release()
        match action:
            case Fault.HANG:
                self.ending.wait(60)
                handler.close_connection = True
            case Fault.RESET:
                linger = struct.pack("ii", 1, 0)
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                handler.connection.close()
                handler.close_connection = True
            case int():
                self._reply(handler, action, {})
            case (status, more):
                self._reply(handler, status, more)

    def _reply(self, handler: BaseHTTPRequestHandler, status: int, headers: Mapping[str, str]) -> None:
        body = b"" if status == 204 else b"words of the partner"
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if status != 204:
            handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _good(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            Webhook(self.secret).verify(body, headers)
        except WebhookVerificationError:
            return False
        return True
