"""A WebSub hub on loopback: takes requests, asks back, brings signed bodies, and does all of it wrong when told to."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.ingest.loopback import Quiet, listening

CHALLENGE = "ch%llenge ünd <more> 7f3a"


@dataclass(frozen=True)
class Said:
    """What our callback answered."""

    status: int
    body: bytes
    headers: dict[str, str]


@dataclass
class Hub:
    """What the hub answers next, and what it was asked; `at_once` is done before a request is answered."""

    port: int = 0
    status: int = 202
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)
    at_once: Callable[[], Any] | None = None

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hub"

    @property
    def last(self) -> dict[str, str]:
        """The latest request."""
        return self.asked[-1]

    def verify(self, callback: str | None = None, **other: str | None) -> Said:
        """Ask the callback of the latest request whether it was meant; `lease_seconds=None` leaves that out."""
        asked = self.last
        fields: dict[str, str | None] = {"mode": asked["hub.mode"], "topic": asked["hub.topic"]}
        fields |= {"challenge": CHALLENGE, "lease_seconds": asked.get("hub.lease_seconds"), **other}
        query = {f"hub.{name}": value for name, value in fields.items() if value is not None}
        return ask(f"{callback or asked['hub.callback']}?{urlencode(query)}")

    def deny(self, reason: str = "not today") -> Said:
        """Tell the callback that the subscription is refused."""
        query = {"hub.mode": "denied", "hub.topic": self.last["hub.topic"], "hub.reason": reason}
        return ask(f"{self.last['hub.callback']}?{urlencode(query)}")

    def bring(
        self,
        body: bytes,
        method: str = "sha256",
        *,
        content_type: str = "application/atom+xml",
        **other: str | None,
    ) -> Said:
        """Bring a body, signed with the secret of the latest request; `signature` instead, None for none."""
        form = next(asked for asked in reversed(self.asked) if "hub.secret" in asked)
        signature = other.get("signature", f"{method}={sign(form['hub.secret'], body, method)}")
        headers = {"content-type": content_type}
        if signature is not None:
            headers["x-hub-signature"] = signature
        return ask(form["hub.callback"], "POST", body, headers)


def sign(secret: str, body: bytes, method: str = "sha256") -> str:
    """What stands in X-Hub-Signature, after the method."""
    return hmac.new(secret.encode(), body, getattr(hashlib, method)).hexdigest()


def ask(url: str, method: str = "GET", body: bytes | None = None, headers: Any = None) -> Said:
    """One request on a connection of its own."""
    where = urlsplit(url)
    path = f"{where.path}?{where.query}" if where.query else where.path
    with contextlib.closing(http.client.HTTPConnection(where.netloc, timeout=10)) as wire:
        wire.request(method, path, body=body, headers=headers or {})
        reply = wire.getresponse()
        return Said(reply.status, reply.read(), {k.lower(): v for k, v in reply.getheaders()})


@contextmanager
def hubbing() -> Iterator[Hub]:
    """A hub on loopback for as long as the block runs."""
    hub = Hub()

    class Handler(Quiet):
        def post(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            hub.paths.append(self.path)
            if self.path in hub.moved:
                status, where = hub.moved[self.path]
                self.send(status, b"", {"location": where})
                return
            assert self.headers["content-type"] == "application/x-www-form-urlencoded"
            hub.asked.append(dict(parse_qsl(text)))
            if hub.at_once is not None:
                hub.at_once()
            self.send(hub.status, hub.body, hub.headers)

    with listening(Handler) as hub.port:
        yield hub
