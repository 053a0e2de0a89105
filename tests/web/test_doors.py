"""Both doors over raw sockets: the same bytes, in order, whatever a client sends and however slowly it reads."""

import contextlib
import fcntl
import gzip
import itertools
import re
import socket
import termios
import zlib
from collections.abc import Iterator
from pathlib import Path

import brotli  # type: ignore[import-untyped] # it has none
import pytest
import zstandard
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from syndicator.store import Store
from syndicator.web import doors, protocol
from syndicator.web.doors import Early, Porter
from syndicator.web.protocol import Limited
from tests.web.served import Running, drain, lasting_store, running, save_document, wait_until, with_tag

BODY = b"<feed>" + b"words and more words " * 400 + b"</feed>"
LARGE = zlib.crc32(b"seed").to_bytes(4, "big") * (2**20)  # 4 MiB
PATH = "/feeds/policy.atom"
DOORS = ("early", "asgi")


@pytest.fixture(scope="module")
def store(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with a small document and a large one, which no test here changes."""
    with lasting_store(sqlite_template, tmp_path_factory) as store:
        save_document(store, BODY)
        save_document(store, LARGE, topic="large")
        yield store


@pytest.fixture(scope="module")
def both(store: Store) -> Iterator[dict[str, Running]]:
    """A web process with the early door, and one without."""
    with running(store) as early, running(store, early=False) as asgi:
        for web in (early, asgi):
            web.app.catalogue.shelf.hot = 10**9
            web.ask(PATH)
        yield {"early": early, "asgi": asgi}


@pytest.fixture(params=DOORS)
def web(request: pytest.FixtureRequest, both: dict[str, Running]) -> Running:
    """Each of them."""
    return both[request.param]


def request(*lines: str, path: str = PATH, method: str = "GET", close: bool = True) -> bytes:
    """A request as it goes over the wire."""
    last = ["Connection: close"] if close else []
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: news.example", *lines, *last, "", ""]).encode()


def statuses(answers: bytes) -> list[int]:
    """The status codes of answers that hold no such line themselves."""
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


def undated(answers: bytes) -> bytes:
    """Answers without their dates."""
    return re.sub(rb"date: [^\r]*\r\n", b"", answers)


ASKED = {
    "whole": request(),
    "gzip": request("Accept-Encoding: gzip, deflate"),
    "known": request("If-None-Match: {etag}"),
    "known gzip": request("If-None-Match: {etag}", "Accept-Encoding: gzip"),
    "dated": request("If-Modified-Since: Mon, 02 Mar 2026 08:59:59 GMT"),
    "head": request(method="HEAD"),
    "head gzip": request("Accept-Encoding: gzip", method="HEAD"),
    "query": request(path=PATH + "?utm_source=x"),
    "fragment": request(path=PATH + "#top"),
    "encoded": request(path="/feeds/policy%2Eatom"),
    "unknown": request(path="/feeds/unknown.atom"),
    "unknown head": request(path="/feeds/unknown.atom", method="HEAD"),
    "unknown format": request(path="/feeds/policy.html"),
    "no archive": request(path="/feeds/policy/archive/1.atom"),
    "archive zero": request(path="/feeds/policy/archive/0.atom"),
    "options": request(method="OPTIONS"),
    "post": request("Content-Length: 2", method="POST") + b"ab",
    "body": request("Content-Length: 5") + b"hello",
    "chunked": request("Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\nX-Trailer: 1\r\n\r\n",
    "expect": request("Expect: 100-continue", "Content-Length: 5") + b"hello",
    "upgrade": request("Upgrade: h2c", "Connection: Upgrade, close", close=False),
    "range": request("Range: bytes=0-9"),
    "absolute": request(path="http://news.example" + PATH),
    "old": b"GET /feeds/policy.atom HTTP/1.0\r\n\r\n",
    "old kept": b"GET /feeds/policy.atom HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "no host": b"GET /feeds/policy.atom HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": request("Host: evil.example"),
    "broken host": b"GET /feeds/policy.atom HTTP/1.1\r\nHost: [::1\r\nConnection: close\r\n\r\n",
    "lower case": b"GET /feeds/policy.atom HTTP/1.1\r\nhost: x\r\nCONNECTION: Close\r\n\r\n",
}


@pytest.mark.parametrize("asked", ASKED)
def test_both_doors_give_the_same_bytes(both: dict[str, Running], asked: str) -> None:
    """feeds:H1 feeds:H6 feeds:H10 feeds:H14 feeds:H17 every answer is the same to the byte at either door, Date apart."""
    etag = both["early"].ask(PATH).headers["etag"]
    sent = ASKED[asked].replace(b"{etag}", etag.encode())
    early, asgi = (both[door].raw(sent) for door in DOORS)
    assert re.search(rb"date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r\n", early)
    assert undated(asgi) == undated(early)
    assert b"HTTP/1.1 " == early[:9]
    assert b"HTTP/1.1 5" != early[:10]


def test_the_early_door_really_is_used(both: dict[str, Running]) -> None:
    """DESIGN §5.6: known feeds never reach ASGI there, and always do without it."""
    seen = []
    for door, web in both.items():
        before = web.app._feeds
        web.app._feeds = None  # type: ignore[assignment]
        try:
            seen.append((door, statuses(web.raw(request("If-None-Match: *")) + web.raw(request()))))
        finally:
            web.app._feeds = before
    assert [("early", [304, 200]), ("asgi", [500, 500])] == seen


def test_answers_come_in_order_among_others(web: Running) -> None:
    """Feeds, pages and unknown feeds in one write are answered in the order in which they were asked."""
    asked = [PATH, "/healthz", PATH, "/feeds/unknown.atom", "/healthz", "/feeds/large.atom", PATH, "/nowhere"]
    sent = b"".join(request("If-None-Match: *", path=path, close=False) for path in asked)
    answers = web.raw(sent + request("If-None-Match: *", path="/healthz"))
    assert [304, 200, 304, 404, 200, 304, 304, 404, 200] == statuses(answers)


def test_a_connection_is_kept(web: Running) -> None:
    """One connection serves many polls, one after the other, feeds and pages in turn."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        for path, code in itertools.chain.from_iterable([[(PATH, 304), ("/healthz", 200), (PATH, 304)]] * 5):
            wire.sendall(request("If-None-Match: *", path=path, close=False))
            answer = b""
            while b"\r\n\r\n" not in answer or (code == 200 and not answer.endswith(b"alive\n")):
                answer += wire.recv(65536)
            assert [code] == statuses(answer)
            assert b"connection: close" not in answer


def test_a_request_in_small_pieces(web: Running) -> None:
    """A head may come byte by byte, with half of the next request behind it."""
    sent = request("If-None-Match: *", close=False) + request("If-None-Match: *")
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, len(sent), 7):
            wire.sendall(sent[at : at + 7])
        assert [304, 304] == statuses(drain(wire))


def test_half_a_request_disturbs_nobody(web: Running) -> None:
    """Whoever stops in the middle of a head keeps his connection for a while, and nobody else waits."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        wire.sendall(request(close=False)[:-5])
        assert 200 == web.ask(PATH).status
        wire.sendall(request(close=True)[-5 - len("Connection: close\r\n") :])
        assert drain(wire).endswith(BODY)


def test_a_body_that_never_comes(web: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R5 a GET that announces a body is answered, and closed when the body does not come in time."""
    monkeypatch.setattr(protocol, "BODY_WITHIN", 0.2)
    assert [200] == statuses(web.raw(request("Content-Length: 5", close=False), timeout=5))


@pytest.mark.parametrize("sent", [b"", b"\r\n"])
def test_whoever_is_idle_is_closed(store: Store, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """security:R5 after an answer a connection is kept for a while only, blank lines or not, at both doors."""
    monkeypatch.setattr("syndicator.web.app.KEEP_ALIVE", 0.2)
    for early in (True, False):
        with (
            running(store, early=early) as web,
            socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire,
        ):
            wire.sendall(request("If-None-Match: *", close=False))
            assert [304] == statuses(wire.recv(65536))
            wire.sendall(sent)
            assert b"" == wire.recv(1)  # closed, not timed out


def test_a_slow_reader_fills_no_memory(web: Running) -> None:
    """security:R5 whoever asks for a large feed many times and reads nothing holds one, and holds up nobody."""
    with reluctant(web) as (wire, connection):
        wire.sendall(request(path="/feeds/large.atom", close=False) * 50)
        wait_until(lambda: connection.flow.write_paused)
        assert 304 == web.ask(PATH, If_None_Match="*").status
        assert connection.transport.get_write_buffer_size() <= len(LARGE) + 65536
    wait_until(connection.transport.is_closing)


def test_a_slow_reader_gets_everything(web: Running) -> None:
    """What could not be written at once is written in order when the reader goes on."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
        wire.sendall(request(path="/feeds/large.atom", close=False) * 2 + request())
        answers = drain(wire)
    assert 2 * len(LARGE) < len(answers)
    assert [200, 200, 200] == statuses(answers)
    assert answers.endswith(BODY)


def test_whoever_reads_nothing_is_cut_off(web: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """security:R5 a reader who takes no byte for a minute has gone."""
    monkeypatch.setattr(protocol, "STALLED", 0.1)
    with reluctant(web) as (wire, connection):
        wire.sendall(request(path="/feeds/large.atom", close=False) * 3)
        wait_until(lambda: connection not in connections(web))
        assert len(drain(wire)) < 3 * len(LARGE)


def connections(web: Running) -> set[Limited]:
    """The connections a server has open."""
    return web.machine.server_state.connections  # type: ignore[return-value]


@contextlib.contextmanager
def reluctant(web: Running) -> Iterator[tuple[socket.socket, Limited]]:
    """A client whose system takes little for it, and its connection as the server knows it."""
    with socket.socket() as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.settimeout(10)
        wire.connect(("127.0.0.1", web.port))
        name = wire.getsockname()
        wait_until(lambda: any(known.client == name for known in set(connections(web))))
        yield wire, next(known for known in set(connections(web)) if known.client == name)


NOISE = {
    "dots": (request(path="/feeds/..%2f..%2fetc/passwd"), 404),
    "more dots": (request(path="/feeds/../../etc/passwd"), 404),
    "overlong": (request(path="/feeds/%c0%ae%c0%ae/x.atom"), 404),
    "no utf-8": (request(path="/feeds/%ff%fe.atom"), 404),
    "NUL in path": (request(path="/feeds/%00policy.atom"), 404),
    "newline in path": (request(path="/feeds/policy.atom%0d%0aX:1"), 404),
    "long path": (request(path="/feeds/" + "a" * 30_000), 404),
    "huge page": (request(path="/feeds/policy/archive/" + "9" * 5000 + ".atom"), 404),
    "raw bytes in path": (b"GET /feeds/\xff\xfe.atom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
    "NUL in a header": (request("X-Nul: a\0b"), 400),
    "NUL in a tag": (request("If-None-Match: \0"), 400),
    "bare LF": (b"GET /feeds/policy.atom HTTP/1.1\nHost: x\n\n", 400),
    "no version": (b"GET /feeds/policy.atom\r\n\r\n", 200),  # HTTP/0.9; answered as 1.0 would be
    "odd version": (b"GET /feeds/policy.atom HTTP/9.9\r\n\r\n", 400),
    "a space in the name": (request("Bad Name: x"), 400),
    "two lengths": (request("Content-Length: 1", "Content-Length: 2") + b"a", 400),
    "length and chunks": (request("Content-Length: 1", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "a length below zero": (request("Content-Length: -1"), 400),
    "an unknown method": (request(method="BREW"), 400),
    "lower case": (request(method="get"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", 400),
    "long header": (request("X-Long: " + "x" * 65_536), 431),
    "many headers": (request(*(f"X-{n}: {'y' * 900}" for n in range(80))), 431),
    "a long tag": (request('If-None-Match: "' + "x" * 60_000 + '"'), 200),
    "an open tag": (request('If-None-Match: "' + '"' * 999 + ","), 200),
    "long codings": (request("Accept-Encoding: " + "gzip;q=0.0001," * 4000), 200),
    "a mad range": (request("Range: bytes=99999999999999999999-1,-,x"), 200),
    "a mad date": (request("If-Modified-Since: Thu, 99 Foo 99999999999 99:99:99 +9999999"), 200),
    "a mad forward": (request("X-Forwarded-For: " + ",".join(["%&/"] * 999)), 200),
}


@pytest.mark.parametrize("noise", NOISE)
def test_noise_gets_a_clean_answer(web: Running, noise: str) -> None:
    """security:E2 feeds:H3 feeds:H4 whatever comes in, the answer is right or a clean 4xx, and others are served."""
    sent, status = NOISE[noise]
    assert [status] == statuses(web.raw(sent))[:1]
    assert 304 == web.ask(PATH, If_None_Match="*").status


@pytest.mark.parametrize("cut", [1, 60_000, 65_000])
def test_a_long_head_in_two_pieces(web: Running, cut: int) -> None:
    """security:R5 a head is too long however it arrives; a head within the limit is not."""
    for extra, status in ((65_536, 431), (60_000, 200)):
        sent = request("X-Long: " + "x" * extra)
        with socket.create_connection(("127.0.0.1", web.port), timeout=10) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.sendall(sent[:cut])
            wait_until_read(wire)
            wire.sendall(sent[cut:])
            assert [status] == statuses(drain(wire))[:1]


def wait_until_read(wire: socket.socket) -> None:
    """Until the other side has taken what was sent (SIOCOUTQ of Linux)."""
    wait_until(lambda: fcntl.ioctl(wire, termios.TIOCOUTQ, b"\0" * 4) == b"\0" * 4)


def test_requests_are_counted(web: Running) -> None:
    """Every answer counts for the server, whichever door gave it."""
    before = web.machine.server_state.total_requests
    assert 10 == len(
        statuses(web.raw(request("If-None-Match: *", close=False) * 9 + request("If-None-Match: *")))
    )
    assert before + 10 == web.machine.server_state.total_requests


def test_a_stop_closes_idle_connections(store: Store) -> None:
    """Told to stop, the server closes who is between two polls, and ends at once."""
    for early in (True, False):
        with running(store, early=early) as web:
            wire = socket.create_connection(("127.0.0.1", web.port), timeout=10)
            wire.sendall(request("If-None-Match: *", close=False))
            assert [304] == statuses(wire.recv(65536))
        with wire:
            assert b"" == wire.recv(1)
        assert not connections(web)


@pytest.mark.parametrize("early", [True, False])
def test_hot_documents_come_in_the_best_coding(store: Store, early: bool) -> None:  # noqa: FBT001 - a parameter
    """feeds:H2 feeds:H13 what is read whole often is sent as br and zstd, each with its tag, and known in any."""
    with running(store, early=early) as web:
        etag = web.ask(PATH).headers["etag"]
        wait_until(lambda: web.ask(PATH, Accept_Encoding="gzip, br").headers["content-encoding"] == "br")
        br, zstd = (web.ask(PATH, Accept_Encoding=coding) for coding in ("gzip, br", "gzip, zstd"))
        assert (BODY, BODY) == (brotli.decompress(br.body), zstandard.decompress(zstd.body))
        assert [with_tag(etag, "-br"), with_tag(etag, "-zstd")] == [br.headers["etag"], zstd.headers["etag"]]
        assert BODY == gzip.decompress(web.ask(PATH, Accept_Encoding="gzip").body) == web.ask(PATH).body
        known = web.ask(PATH, If_None_Match=br.headers["etag"], Accept_Encoding="gzip")
        assert (304, with_tag(etag, "-gzip")) == (known.status, known.headers["etag"])


def test_a_strange_uvicorn_leaves_the_other_door(store: Store) -> None:
    """Where uvicorn's inside has changed, feeds are answered by ASGI, and one line says so."""
    assert [] == doors.strange()
    used: dict[type, frozenset[str]] = {ServerState: frozenset(("total_requests", "a_thing_of_tomorrow"))}
    porter = Porter(None)  # type: ignore[arg-type]
    with capture_logs() as lines:
        made = doors.protocol(porter, used)
    assert made is Limited
    assert ["ServerState.a_thing_of_tomorrow"] == [line["unknown_to_uvicorn"] for line in lines]
    assert issubclass(doors.protocol(porter), Early)
    assert doors.protocol(None) is Limited


def test_a_whole_minute_without_reading_cools(store: Store) -> None:
    """feeds:H13 codings that were made for a crowd go with it, and their bytes with them."""
    with running(store) as web:
        shelf = web.app.catalogue.shelf
        wait_until(lambda: web.ask(PATH, Accept_Encoding="br").headers.get("content-encoding") == "br")
        full = shelf.weight
        shelf.cool()
        shelf.cool()
        assert shelf.weight < full
        assert "content-encoding" not in web.ask(PATH, Accept_Encoding="br").headers


def test_the_crowd_keeps_its_codings(store: Store) -> None:
    """feeds:H13 when a hot document changes, its new bytes are compressed without waiting for a new crowd."""
    save_document(store, BODY, topic="crowd")  # of its own: others share the store, and find theirs as it was
    path = "/feeds/crowd.atom"
    with running(store) as web:
        wait_until(lambda: web.ask(path, Accept_Encoding="br").headers.get("content-encoding") == "br")
        web.app.catalogue.shelf.cool()
        save_document(store, BODY + b"!", topic="crowd")
        web.app.catalogue.refresh()
        wait_until(
            lambda: web.ask(path, "HEAD", Accept_Encoding="br").headers.get("content-encoding") == "br"
        )
        assert BODY + b"!" == brotli.decompress(web.ask(path, Accept_Encoding="br").body)
