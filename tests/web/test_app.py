"""The server itself: it ends when told to, refuses what is too large or too slow, and says how it is."""

import contextlib
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from syndicator.store import Store
from syndicator.web import protocol
from tests.web.served import Running, drain, lasting_store, running

SERVE = """
import sys
from syndicator.signup import Tokens
from syndicator.store import open_store
from syndicator.web.app import Web, create_app, serve
from tests.make import FakeClock
from tests.web.served import SITE
with open_store(sys.argv[1], host_clock=FakeClock(), fixed_clock=FakeClock()) as store:
    app = create_app(Web(store=store, site=SITE, tokens=Tokens(["key"])))
    serve(app, port=0, started=lambda host, port: print(port, flush=True))
print("returned", flush=True)
"""


@pytest.fixture(scope="module")
def web(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A web process over an empty store."""
    with lasting_store(sqlite_template, tmp_path_factory) as store, running(store) as web:
        yield web


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_it_returns_when_told_to_stop(sqlite_url: str, told: signal.Signals) -> None:
    """`serve` finishes and returns; its caller goes on and the exit code is its own."""
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", SERVE, sqlite_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
        assert process.stdout
        port = int(process.stdout.readline())
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as reply:
            assert b"alive\n" == reply.read()
        process.send_signal(told)
        assert "returned\n" == process.stdout.readline()
        assert 0 == process.wait(15)


def test_a_head_that_is_too_large_in_one_header(web: Running) -> None:
    """security:R5 64 KiB is the limit, before the header has even ended."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        with contextlib.suppress(ConnectionError):
            wire.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
            for _ in range(400):
                wire.sendall(b"x" * 4096)
        assert drain(wire)[:12] in {b"HTTP/1.1 431", b""}  # reset, if we were still writing


def test_a_head_that_is_too_large_in_sum(web: Running) -> None:
    """security:R5 many headers count together; it is refused although it arrives whole."""
    head = (
        b"GET / HTTP/1.1\r\nHost: x\r\n"
        + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 990) for n in range(80))
        + b"\r\n"
    )
    assert web.raw(head).startswith(b"HTTP/1.1 431 ")


def test_many_small_requests_at_once_are_not_a_large_head(web: Running) -> None:
    """What counts is a head, not what the network happens to bring together."""
    one = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Fill: " + b"f" * 1000 + b"\r\n\r\n"
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert 201 == web.raw(one * 200 + last, timeout=20).count(b"HTTP/1.1 200 OK\r\n")


def test_whoever_is_too_slow_is_cut_off(web: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R5 a head must be there in time, whether it was begun or not."""
    monkeypatch.setattr(protocol, "HEAD_WITHIN", 0.2)
    assert b"" == web.raw(b"", timeout=5)
    assert b"" == web.raw(b"GET / HTTP/1.1\r\nHost:", timeout=5)


def test_what_is_no_http(web: Running) -> None:
    """Noise gets 400 and a closed connection."""
    assert web.raw(b"\x16\x03\x01\x02\x00\x01\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_it_does_not_say_what_it_is(web: Running) -> None:
    """No server header on any answer."""
    assert not any("server" in web.ask(path).headers for path in ("/", "/feeds/x.atom", "/healthz"))


def test_more_routes_and_more_to_be_ready(store: Store) -> None:
    """The composition root may add pages and name what is not ready."""

    async def demo(_request: Request) -> Response:
        return PlainTextResponse("demo")

    faults = ["workers"]
    with running(store, extra_routes=[Route("/demo", demo)], ready=lambda: faults) as web:
        assert ("demo", "nosniff") == (
            (reply := web.ask("/demo")).text,
            reply.headers["x-content-type-options"],
        )
        assert (503, "not ready: workers\n") == ((reply := web.ask("/readyz")).status, reply.text)
        faults.clear()
        assert (200, "ready\n") == ((reply := web.ask("/readyz")).status, reply.text)


def test_a_bug_shows_no_inside(store: Store) -> None:
    """A page that breaks says so in our words, with our headers, and not why."""

    async def broken(_request: Request) -> Response:
        raise RuntimeError("the secret reason")

    with running(store, extra_routes=[Route("/broken", broken)]) as web:
        reply = web.ask("/broken")
    assert 500 == reply.status
    assert "secret" not in reply.text
    assert "default-src 'self'" in reply.headers["content-security-policy"]


def test_a_database_that_is_down(tmp_path: Path, clock: object) -> None:
    """Pages say "later" (503, Retry-After) where the store does not answer."""
    from syndicator.store import open_store
    from tests.make import FakeClock

    with (
        open_store(
            f"sqlite:///{tmp_path}/empty.db", host_clock=FakeClock(), fixed_clock=FakeClock()
        ) as store,
        running(store) as web,
    ):
        reply = web.ask("/")
    assert (503, "30", "no-store") == (
        reply.status,
        reply.headers["retry-after"],
        reply.headers["cache-control"],
    )
