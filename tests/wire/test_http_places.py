"""Where the guarded HTTP clients stand on httpx and httpcore, and what is of one colour alone."""

from __future__ import annotations

import ast
import asyncio
import threading
from pathlib import Path
from socket import socket

import httpcore
import httpx
import pytest

import syndicator
from syndicator.wire.exchange import Limits, authorities
from syndicator.wire.http import Client
from syndicator.wire.http_async import AsyncClient
from tests.wire.http_clients import AGENT, LOOPBACK
from tests.wire.http_server import SOON, Serve, path_of

DIALS = {
    *("httpx", "httpcore", "h11", "socket", "ssl", "smtplib", "ftplib", "http.client", "urllib.request"),
    *("requests", "aiohttp", "urllib3", "xmlrpc.client", "websockets", "asyncio.open_connection"),
}
ALLOWED = {
    ("web/app.py", "socket"),  # listens
    ("cli/demo/__init__.py", "socket"),  # listens
    ("runtime/chance.py", "socket"),  # asks for the name of this machine
    ("cli/health.py", "http.client"),  # asks our own web process, at an address of the operator's
}


def echo(connection: socket, request: bytes) -> None:
    body = path_of(request).encode()
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_every_connection_goes_through_our_backend(kind: type[Client | AsyncClient]) -> None:
    """security:S2 — the pool behind httpx's transport is the one with the guard in it, for itself alone."""
    http, other = kind(LOOPBACK, AGENT), kind(LOOPBACK, AGENT)
    assert http._transport._pool._network_backend is http._backend
    assert http._backend is not other._backend
    assert http._transport._pool._ssl_context is other._transport._pool._ssl_context is authorities()
    assert (httpx.__version__[:5], httpcore.__version__[:4]) == ("0.28.", "1.0.")


def test_nobody_else_opens_a_connection() -> None:
    """security:S1 — one guarded way out: no other room imports what dials, whatever import-linter is told."""
    root = Path(syndicator.__file__).parent
    found = {
        (str(path.relative_to(root)), name)
        for path in root.rglob("*.py")
        if path.parent.name != "wire"
        for name in imported(path)
        if name in DIALS
    }
    assert ALLOWED == found


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_threads_take_turns(serve: Serve) -> None:
    """One client in several threads answers each of them with its own reply."""
    server, got = serve(echo), dict[int, bytes]()
    with Client(LOOPBACK, AGENT, Limits()) as http:
        threads = [
            threading.Thread(target=lambda n=n: got.update({n: http.get(server.url(f"/{n}")).body}))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
    assert {n: f"/{n}".encode() for n in range(8)} == got


def test_tasks_take_turns(serve: Serve) -> None:
    """One client in several tasks answers each of them with its own reply, over one connection."""
    server = serve(echo)

    async def asked() -> list[bytes]:
        async with AsyncClient(LOOPBACK, AGENT, Limits()) as http:
            replies = await asyncio.gather(*(http.get(server.url(f"/{n}")) for n in range(8)))
        return [reply.body for reply in replies]

    assert [f"/{n}".encode() for n in range(8)] == asyncio.run(asked())
    assert 1 == server.connections
