"""A plain HTTP server on loopback for those who play another's site: quiet, in a thread, gone when the block ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Quiet(BaseHTTPRequestHandler):
    """Answers in HTTP/1.1 and writes no log."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.get()

    def do_POST(self) -> None:
        self.post()

    def get(self) -> None:
        """What a GET gets."""
        self.send(501, b"", {})

    def post(self) -> None:
        """What a POST gets."""
        self.send(501, b"", {})

    def send(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """A whole answer; a 304 has no body and no length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def listening(handler: type[Quiet]) -> Iterator[int]:
    """Answer so for as long as the block runs; the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
