"""The demo's neighbours, on other ports of this machine: a partner that checks signatures, and a feed.

Real servers over real sockets, in threads of the demo's process; they end with it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError

from syndicator.runtime import clock, mint_secret
from syndicator.web.demo import ShownEvent

MAX_BODY = 1_000_000


class _Neighbour(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    @property
    def base(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class PartnerServer(_Neighbour):
    """A partner's machine: takes webhooks, verifies them as Standard Webhooks says, remembers what it got."""

    def __init__(self) -> None:
        super().__init__(_PartnerHandler)
        self.secret = mint_secret()
        self._got: list[ShownEvent] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where it takes webhooks."""
        return f"{self.base}/hooks/releases"

    def got(self) -> Sequence[ShownEvent]:
        """Everything so far, newest first."""
        with self._lock:
            return list(reversed(self._got))

    def take(self, body: bytes, headers: dict[str, str]) -> bool:
        """Check and remember a webhook; False if its signature is wrong."""
        try:
            Webhook(self.secret).verify(body, headers)
            verified = True
        except WebhookVerificationError:
            verified = False
        event: dict[str, Any] = json.loads(body)
        item = event.get("data", {}).get("item", {})
        seen = ShownEvent(
            at=clock(),
            id=headers.get("webhook-id", ""),
            type=str(event.get("type", "")),
            title=str(item.get("title", "")),
            verified=verified,
        )
        with self._lock:
            self._got.append(seen)
        return verified


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the demo prints what matters."""

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """One complete reply."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class _PartnerHandler(_Quiet):
    server: PartnerServer

    def do_POST(self) -> None:
        """A webhook."""
        length = min(int(self.headers.get("content-length") or 0), MAX_BODY)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.answer(204 if self.server.take(self.rfile.read(length), headers) else 401)


class FeedServer(_Neighbour):
    """Another organisation's feed, with an ETag, so that a second poll is a 304."""

    def __init__(self, body: bytes) -> None:
        super().__init__(_FeedHandler)
        self.body = body
        self.etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    @property
    def url(self) -> str:
        """The address of the feed."""
        return f"{self.base}/news.atom"


class _FeedHandler(_Quiet):
    server: FeedServer

    def do_GET(self) -> None:
        """The feed."""
        if self.headers.get("if-none-match") == self.server.etag:
            self.answer(304, ETag=self.server.etag)
            return
        self.answer(200, self.server.body, ETag=self.server.etag, Content_Type="application/atom+xml")
