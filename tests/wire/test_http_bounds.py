"""What one exchange may cost at most, in time and in bytes, whoever is at the other end; both colours."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from datetime import timedelta
from typing import Any

import pytest

from syndicator.errors import NoAnswer, TooLarge, Unreachable
from syndicator.wire.exchange import Limits
from tests.wire.http_clients import SHORT, Open
from tests.wire.http_server import (
    OK,
    SOON,
    Serve,
    dripping,
    moved,
    path_of,
)

# -- time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"a"),
        (b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"a"),
    ],
    ids=["status", "header", "headers", "informational", "length", "chunked", "until-close"],
)
def test_a_dripping_server_ends_on_time(client: Open, serve: Serve, start: bytes, drop: bytes) -> None:
    """security:S6 — the deadline is wall clock: a drip that never trips a read timeout ends all the same."""
    server = serve(dripping(start, drop))
    began = time.monotonic()
    with client(limits=SHORT) as http, pytest.raises(NoAnswer) as caught:
        http.get(server.url())
    assert time.monotonic() - began < SOON
    assert caught.value.may_have_arrived


def test_a_hanging_server_ends_on_time(client: Open, serve: Serve) -> None:
    """security:S6 — silence after the request is a doubt, reported when the deadline has passed."""
    stop = threading.Event()
    server = serve(lambda _connection, _request: stop.wait(SOON))
    began = time.monotonic()
    with client(limits=SHORT) as http, pytest.raises(NoAnswer, match="in time"):
        http.post(server.url(), b"x")
    stop.set()
    assert time.monotonic() - began < SOON
    assert 1 == len(server.requests)


@pytest.mark.parametrize("sip", [0, 65_536])
def test_a_server_that_does_not_read_ends_on_time(client: Open, serve: Serve, sip: int) -> None:
    """security:S6 — writing is bounded too, when nothing is read and when it is sipped."""

    def read_slowly(connection: socket.socket, _: bytes) -> None:
        pause = threading.Event()
        while not server.stop.is_set() and not pause.wait(0.02):
            if sip and not connection.recv(sip):
                return

    server = serve(read_slowly, greedy=False)
    began = time.monotonic()
    with (
        client(limits=SHORT) as http,
        pytest.raises(NoAnswer, match="in time"),
    ):
        http.post(server.url(), bytes(50_000_000))
    assert time.monotonic() - began < SOON


def test_a_look_up_that_hangs_ends_on_time(client: Open) -> None:
    """security:S6 — the system's look-up knows no timeout; the deadline holds all the same."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[tuple[Any, ...]]:
        release.wait(SOON)
        return []

    began = time.monotonic()
    with client(limits=SHORT, resolve=hang) as http, pytest.raises(Unreachable):
        http.get("http://slow.test/")
    release.set()
    assert time.monotonic() - began < SOON


def test_redirects_share_one_deadline(client: Open, serve: Serve) -> None:
    """security:S6 — the deadline is for the whole exchange, however many hops it takes."""
    hops = {"/0": moved(302, "/1"), "/1": moved(302, "/2")}

    def last_one_drips(connection: socket.socket, request: bytes) -> None:
        if answer := hops.get(path_of(request)):
            connection.sendall(answer)
        else:
            dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a")(connection, request)

    server = serve(last_one_drips)
    began = time.monotonic()
    with client(limits=Limits(deadline=SHORT.deadline, redirects=5)) as http, pytest.raises(NoAnswer):
        http.get(server.url("/0"))
    assert time.monotonic() - began < SOON


def test_each_exchange_has_its_own_deadline(client: Open, serve: Serve) -> None:
    """A kept connection does not carry the old exchange's deadline into the next one."""
    stop = threading.Event()
    server = serve(lambda connection, request: connection.sendall(OK) if stop.is_set() else stop.wait(SOON))
    with client(limits=SHORT) as http:
        with pytest.raises(NoAnswer):
            http.get(server.url())
        stop.set()
        assert [200, 200] == [http.get(server.url()).status for _ in range(2)]


# -- size -----------------------------------------------------------------------------------------


def answer(body: bytes, coding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_inflated(client: Open, serve: Serve, coding: str) -> None:
    """security:S6 — gzip is asked for, and inflated by us; nothing else is offered."""
    text = b"<feed/>" * 100_000
    server = serve(answer(gzip.compress(text), coding))
    with client() as http:
        assert text == http.get(server.url()).body
    assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


def test_padding_after_gzip_is_nothing(client: Open, serve: Serve) -> None:
    """Zeros after the end of gzip are common padding, not content."""
    with client() as http:
        assert b"feed" == http.get(serve(answer(gzip.compress(b"feed") + bytes(512), "gzip")).url()).body


def test_a_coding_without_a_body_is_no_matter(client: Open, serve: Serve) -> None:
    """A 304 may name the coding of what it does not send (RFC 9110 §15.4.5)."""
    for coding in ("gzip", "br"):
        server = serve(f"HTTP/1.1 304 Same\r\nContent-Encoding: {coding}\r\n\r\n".encode())
        with client() as http:
            assert 304 == http.get(server.url()).status


@pytest.mark.parametrize(
    "said",
    [
        answer(b"not gzip at all", "gzip"),
        answer(gzip.compress(b"feed" * 1000)[:-9], "gzip"),
        answer(gzip.compress(b"feed")[:-4] + b"oops", "gzip"),
        answer(gzip.compress(b"one") + gzip.compress(b"two"), "gzip"),
        answer(zlib.compress(b"feed"), "deflate"),
        answer(b"brotli", "br"),
        answer(gzip.compress(gzip.compress(b"feed")), "gzip, gzip"),
    ],
    ids=["no gzip", "cut off", "checksum", "several parts", "deflate", "br", "twice"],
)
def test_codings_that_cannot_be_read_are_errors(client: Open, serve: Serve, said: bytes) -> None:
    """security:S6 — only gzip and identity are accepted, and never half a body for a whole one."""
    with client() as http, pytest.raises(NoAnswer):
        http.get(serve(said).url())


@pytest.mark.parametrize("coding", ["", "none", "UTF-8", "identity", "gzip, utf-8"])
def test_what_names_no_coding_changes_nothing(client: Open, serve: Serve, coding: str) -> None:
    """security:S6 — some servers name a charset there, or nothing at all; what they send is read as it is."""
    body = gzip.compress(b"feed") if "gzip" in coding else b"feed"
    with client() as http:
        assert b"feed" == http.get(serve(answer(body, coding)).url()).body


def bomb(megabytes: int) -> bytes:
    """A gzip body of `megabytes` zeros, built from one compressed megabyte repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeeze.compress(bytes(1_000_000)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * megabytes + squeeze.flush()


def test_a_gzip_bomb_is_stopped_early(client: Open, serve: Serve) -> None:
    """security:S6 — 200 MB in 200 kB are stopped at 5 MB, and no more than that is ever inflated."""
    server = serve(answer(bomb(200), "gzip"))
    with client(limits=Limits()) as http:
        tracemalloc.start()
        try:
            with pytest.raises(TooLarge, match="5000000 bytes"):
                http.get(server.url())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 25_000_000


def test_gzip_that_never_inflates_to_anything_is_stopped(client: Open, serve: Serve) -> None:
    """security:S6 — endless empty blocks are bounded by what was sent, though nothing comes out."""

    def empty_blocks(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10])
        while True:
            connection.sendall(b"\x00\x00\x00\xff\xff" * 10_000)

    with client(limits=Limits(max_bytes=100_000)) as http, pytest.raises(TooLarge):
        http.get(serve(empty_blocks).url())


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Transfer-Encoding: chunked\r\n", b"1000\r\n" + bytes(4096) + b"\r\n"),
        (b"", bytes(4096)),
        (b"Content-Length: 999999999999\r\n", bytes(4096)),
    ],
    ids=["chunked", "until close", "long"],
)
def test_endless_bodies_are_stopped(client: Open, serve: Serve, head: bytes, piece: bytes) -> None:
    """security:S6 — a body without end is read up to the limit and no further."""

    def flood(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            connection.sendall(piece)

    with client(limits=Limits(max_bytes=100_000)) as http, pytest.raises(TooLarge) as caught:
        http.get(serve(flood).url())
    assert caught.value.may_have_arrived


def test_the_limit_itself_is_allowed(client: Open, serve: Serve) -> None:
    """A body of exactly the limit is taken, coded or not; one byte more is not."""
    for body in (b"hello", gzip.compress(b"hello")):
        server = serve(answer(body, "gzip" if body.startswith(b"\x1f") else "identity"))
        with client(limits=Limits(max_bytes=5)) as http:
            assert b"hello" == http.get(server.url()).body
        with client(limits=Limits(max_bytes=4)) as http, pytest.raises(TooLarge):
            http.get(server.url())


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 202 OK\r\nContent-Length: 999\r\n\r\nhello",
        b"HTTP/1.1 202 OK\r\nContent-Length: 99999\r\n\r\nhello" + b"o" * 99_994,
        b"HTTP/1.1 202 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nhello",
    ],
    ids=["cut off", "large", "coded"],
)
def test_where_the_status_is_the_answer_a_broken_body_is_no_doubt(
    client: Open, serve: Serve, said: bytes
) -> None:
    """security:S7 — a webhook that said 202 accepted it, whatever became of the page it sent along."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with client(limits=Limits(max_bytes=1024, status_only=True)) as http:
        reply = http.post(serve(say).url(), b"x")
    assert 202 == reply.status
    assert len(reply.body) <= 1024
    assert reply.body.strip(b"o") in {b"hell", b""}


def test_where_the_status_is_the_answer_a_drip_is_no_doubt(client: Open, serve: Serve) -> None:
    """security:S6 — a webhook that drips its page after the status ends at the deadline, accepted."""
    server = serve(dripping(b"HTTP/1.1 202 OK\r\n\r\n", b"a"))
    with client(limits=Limits(deadline=timedelta(seconds=0.3), status_only=True)) as http:
        assert 202 == http.post(server.url(), b"x").status
