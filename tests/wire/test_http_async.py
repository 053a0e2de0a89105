"""What asyncio adds: cancelling leaves nothing behind, and nobody at the other end holds up the others."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from syndicator.errors import NoAnswer, Unreachable, WireFault
from syndicator.wire.exchange import Limits
from syndicator.wire.http_async import AT_ONCE, HEAD_PIECE, AsyncClient
from tests.wire.http_clients import AGENT, LOOPBACK, SHORT
from tests.wire.http_server import OK, SOON, Answers, Authority, Serve, flooding, moved, names

HANGING = 200
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settled() -> set[asyncio.Task[object]]:
    """The tasks there still are beside this one, once those that only tidy up have had their turn."""
    for _ in range(10):
        await asyncio.sleep(0)
    return asyncio.all_tasks() - {asyncio.current_task()}


# -- cancelling -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "start", "body"),
    [("https", b"", b""), ("http", b"", b""), ("http", HEAD + b"a", b""), ("http", b"", bytes(50_000_000))],
    ids=["handshake", "headers", "body", "write"],
)
def test_cancelling_closes_the_socket(serve: Serve, scheme: str, start: bytes, body: bytes) -> None:
    """security:S6 — wherever an exchange is cancelled, its connection ends there and then."""
    reached, cancelled, closed = threading.Event(), threading.Event(), threading.Event()

    def listen(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        reached.set()
        cancelled.wait(SOON)
        with suppress(ConnectionError):
            while connection.recv(1_000_000):
                pass
        closed.set()

    server = serve(listen, greedy=False)

    async def give_up() -> None:
        async with AsyncClient(LOOPBACK, AGENT) as http:
            asking = asyncio.create_task(http.post(server.url().replace("http", scheme, 1), body))
            await asyncio.to_thread(reached.wait, SOON)
            asking.cancel()
            cancelled.set()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await asyncio.to_thread(closed.wait, SOON)
            assert not await settled()

    asyncio.run(give_up())


def test_cancelling_a_look_up_leaves_its_thread_to_itself() -> None:
    """security:S6 — a thread that answers when everybody has gone, loop and all, does no harm."""
    asked, release = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def hang(*_: object, **__: object) -> Answers:
        threads.append(threading.current_thread())
        asked.set()
        release.wait(SOON)
        return []

    async def give_up() -> None:
        async with AsyncClient(LOOPBACK, AGENT, resolve=hang) as http:
            asking = asyncio.create_task(http.get("http://slow.test/"))
            await asyncio.to_thread(asked.wait, SOON)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

    asyncio.run(give_up())
    assert threads[0].daemon, "it must not hold up the end of the process"
    release.set()
    threads[0].join(SOON)
    assert not threads[0].is_alive()


def test_a_client_is_as_good_as_new_after_cancelling(serve: Serve) -> None:
    """A cancelled exchange does not keep the one connection there may be."""
    asked, stop = threading.Event(), threading.Event()

    def hang_at_first(connection: socket.socket, _: bytes) -> None:
        if not asked.is_set():
            asked.set()
            stop.wait(SOON)
        connection.sendall(OK)

    server = serve(hang_at_first)

    async def twice() -> bytes:
        async with AsyncClient(LOOPBACK, AGENT) as http:
            asking = asyncio.create_task(http.get(server.url()))
            await asyncio.to_thread(asked.wait, SOON)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            return (await http.get(server.url())).body

    assert asyncio.run(twice()) == b"hello"
    stop.set()


# -- many at once ---------------------------------------------------------------------------------


def test_hanging_servers_leave_nothing_behind() -> None:
    """security:S6 — 200 servers that take the connection and say nothing: no socket, task or thread is left."""

    async def ask(port: int, scheme: str) -> type[WireFault]:
        async with AsyncClient(LOOPBACK, AGENT, SHORT) as http:
            with pytest.raises(WireFault) as caught:
                await http.get(f"{scheme}://127.0.0.1:{port}/")
        return caught.type

    async def ask_all(ports: list[int]) -> tuple[list[type[WireFault]], int]:
        schemes = ["http", "https"] * (HANGING // 2)
        before = open_files()
        faults = await asyncio.gather(*map(ask, ports, schemes))
        assert not await settled()
        return faults, open_files() - before

    threads = threading.active_count()
    with ExitStack() as stack:
        # Nobody accepts: the kernel takes the connection, and that is all that ever happens.
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(HANGING)]
        faults, left = asyncio.run(ask_all([listener.getsockname()[1] for listener in listeners]))
        assert {NoAnswer, Unreachable} >= set(faults)
        assert (0, threads) == (left, threading.active_count())
        for listener in listeners:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SOON)
                while connection.recv(65_536):  # until the end: ours is closed
                    pass


def test_names_that_hang_do_not_keep_others_waiting(serve: Serve) -> None:
    """security:S6 — a hundred names whose servers do not answer take no turn from one that is known."""
    server, release, hanging = serve(OK), threading.Event(), threading.Semaphore(0)
    known = names(good_test="127.0.0.1")

    def resolve(host: str, port: object, **options: object) -> Answers:
        if host != "good.test":
            hanging.release()
            release.wait(SOON)
        return known(host, port, **options)

    async def ask(url: str) -> bytes:
        async with AsyncClient(LOOPBACK, AGENT, Limits(), resolve=resolve) as http:
            return (await http.get(url)).body

    async def ask_all() -> tuple[bytes, list[bytes | BaseException]]:
        bad = asyncio.gather(*(ask(f"http://bad{n}.test/") for n in range(100)), return_exceptions=True)
        for _ in range(100):
            await asyncio.to_thread(hanging.acquire)
        good = await ask(server.url(host="good.test"))
        release.set()
        return good, await bad

    good, bad = asyncio.run(ask_all())
    assert good == b"hello"
    assert {Unreachable} == {type(fault) for fault in bad}


CHUNKED, CHUNK, LAST = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"0\r\n\r\n"
GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("said", "piece"),
    [(GO_ON * 4_000 + OK, HEAD_PIECE), (CHUNKED + CHUNK * 50_000 + LAST, AT_ONCE)],
    ids=["informational", "tiny chunks"],
)
def test_a_fast_sender_does_not_hold_up_the_others(
    serve: Serve, authority: Authority, scheme: str, said: bytes, piece: int
) -> None:
    """feeds:I23 — while bytes come as fast as they are read, everybody else has a turn after a few of them."""
    tls = authority.identity("secure.test") if scheme == "https" else None
    server, turns = serve(lambda connection, _: connection.sendall(said), tls=tls), 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def ask() -> None:
        others = asyncio.create_task(take_turns())
        limits, resolve = Limits(deadline=timedelta(minutes=1)), names(secure_test="127.0.0.1")
        async with AsyncClient(LOOPBACK, AGENT, limits, resolve=resolve, tls=authority.trust) as http:
            await http.get(server.url(host="secure.test"))
            others.cancel()

    asyncio.run(ask())
    assert len(said) // piece <= turns


def test_a_head_that_never_comes_is_not_waited_for(serve: Serve) -> None:
    """feeds:I23 security:S6 — interim answers without end cost the loop no more than a head may have; a head as long as that is read."""
    server = serve(flooding(b"", GO_ON * 1000))
    longest = b"HTTP/1.1 200 OK\r\nX-Much: " + b"a" * 90_000 + b"\r\nContent-Length: 5\r\n\r\nhello"
    other = serve(longest)

    async def ask() -> None:
        async with AsyncClient(LOOPBACK, AGENT, Limits(deadline=timedelta(minutes=1))) as http:
            with pytest.raises(NoAnswer, match=r"127\.0\.0\.1 says very much before its answer"):
                await http.get(server.url())
            assert b"hello" == (await http.get(other.url())).body

    asyncio.run(ask())


def test_what_is_faster_than_we_read_ends_on_time(serve: Serve) -> None:
    """security:S6 — the deadline comes also while there is always something to read."""
    server = serve(flooding(CHUNKED, CHUNK * 1000))

    async def ask() -> None:
        async with AsyncClient(LOOPBACK, AGENT, SHORT) as http:
            await http.get(server.url())

    with pytest.raises(NoAnswer, match="in time"):
        asyncio.run(ask())


# -- asking for the status alone ------------------------------------------------------------------


def test_a_status_is_had_without_the_body(serve: Serve) -> None:
    """Where only the status counts, redirects are followed and an endless page is not read."""
    end = serve(flooding(b"HTTP/1.1 410 Gone\r\n\r\n", bytes(65_536)))
    server = serve(moved(301, end.url("/page")))

    async def ask() -> int:
        async with AsyncClient(LOOPBACK, AGENT, Limits(redirects=1)) as http:
            return await http.status(server.url(), {"accept": "text/html"})

    assert 410 == asyncio.run(ask())
    assert b"accept: text/html" in end.requests[0]


def test_the_test_can_count_open_files() -> None:
    """The count on which the leak test stands notices one more."""
    before = open_files()
    reading, writing = os.pipe()
    assert before + 2 == open_files()
    os.close(reading)
    os.close(writing)
