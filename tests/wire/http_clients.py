"""Both colours of the guarded client behind one face, so that one test speaks for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any, Protocol, Self

from syndicator.wire.exchange import USUAL, Headers, Limits, Reply
from syndicator.wire.guard import Guard, parse_guard
from syndicator.wire.http import Client
from syndicator.wire.http_async import AsyncClient

AGENT = "Syndicator-Test/1"
LOOPBACK = parse_guard(["127.0.0.0/8"])
SHORT = Limits(deadline=timedelta(seconds=0.3))  # for those who wait in vain
FOLLOWING = Limits(deadline=timedelta(seconds=5), redirects=3)
SECRET = "s3cr3t-t0ken"


class Asked(Protocol):
    """What both colours can do, as a test waits for it."""

    def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch."""
        ...

    def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send."""
        ...

    def __enter__(self) -> Self:
        """Begin."""
        ...

    def __exit__(self, *_: object) -> None:
        """Hang up."""
        ...


Open = Callable[..., Asked]


class Awaited(AbstractContextManager["Awaited"]):
    """An `AsyncClient` in a loop of its own, waited for."""

    def __init__(self, guard: Guard, user_agent: str, limits: Limits, **options: Any) -> None:
        self._client = AsyncClient(guard, user_agent, limits, **options)
        self._runner = asyncio.Runner()

    def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch."""
        return self._runner.run(self._client.get(url, headers))

    def post(self, url: str, body: bytes, headers: Headers | None = None) -> Reply:
        """Send."""
        return self._runner.run(self._client.post(url, body, headers))

    def __exit__(self, *_: object) -> None:
        """Hang up, and end the loop."""
        self._runner.run(self._client.aclose())
        self._runner.close()


def opened(colour: type[Client | Awaited]) -> Open:
    """Makes clients of this colour that may reach loopback alone."""

    def client(guard: Guard = LOOPBACK, limits: Limits = USUAL, agent: str = AGENT, **options: Any) -> Asked:
        return colour(guard, agent, limits, **options)

    return client
