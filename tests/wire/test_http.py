"""The guarded HTTP client against real servers on the loopback: what it refuses, bounds and translates.

Every server here is a thread with a socket and a script; nothing inside the client is replaced but the
look-up of names, which is an argument. Guards that let a test in allow the loopback and nothing else.
"""

from __future__ import annotations

import gzip
import json
import socket
import ssl
import struct
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Blocked, Invalid, NoAnswer, TooLarge, Unreachable, WireFault
from syndicator.wire.exchange import Limits, authorities
from syndicator.wire.guard import Guard, parse_guard
from syndicator.wire.http import Client
from tests.make import reserved_port

AGENT = "Syndicator-Test/1"
LOOPBACK = parse_guard(["127.0.0.0/8"])
SHORT = Limits(deadline=timedelta(seconds=0.5))
SOON = 10.0  # seconds: generous for a deadline of half a second, far below what a hang would take
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
SECRET = "s3cr3t-t0ken"

Script = Callable[[socket.socket, bytes], object]


@dataclass
class Server:
    """A loopback server: `script` is called for each request and may answer, hang, drip or reset."""

    script: Script
    tls: ssl.SSLContext | None = None
    address: str = "127.0.0.1"
    greedy: bool = True  # read the request before the script runs
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.listener = socket.create_server((self.address, 0))
        self.port: int = self.listener.getsockname()[1]
        self.listener.settimeout(0.05)
        self._spawn(self._accept)

    def url(self, path: str = "/", host: str | None = None) -> str:
        scheme = "https" if self.tls else "http"
        return f"{scheme}://{host or self.address}:{self.port}{path}"

    def close(self) -> None:
        self.stop.set()
        for thread in list(self.threads):
            thread.join(10)
        self.listener.close()

    def _spawn(self, work: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.stop.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            connection.settimeout(None)
            self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), closing(connection) as plain:
            plain.settimeout(SOON)
            if not self.tls:
                self._talk(plain)
                return
            with self.tls.wrap_socket(plain, server_side=True) as secured:
                self._talk(secured)

    def _talk(self, connection: socket.socket) -> None:
        if not self.greedy:
            self.script(connection, b"")
            return
        while request := _request(connection):
            self.requests.append(request)
            self.script(connection, request)


def _request(connection: socket.socket) -> bytes:
    taken = b""
    while b"\r\n\r\n" not in taken:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        taken += piece
    head, _, body = taken.partition(b"\r\n\r\n")
    length = next(
        (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(script: Script | bytes, **options: Any) -> Server:
            say = script if callable(script) else lambda connection, _: connection.sendall(script)
            server = Server(say, **options)
            stack.callback(server.close)
            return server

        yield start


def client(guard: Guard = LOOPBACK, limits: Limits = SHORT, **options: Any) -> Client:
    return Client(guard, AGENT, limits, **options)


def names(**hosts: str | Sequence[str]) -> Callable[..., list[tuple[Any, ...]]]:
    """A look-up that knows these hosts (`_` stands for a dot) and no other."""

    def resolve(host: str, port: object, **_: object) -> list[tuple[Any, ...]]:
        found = hosts.get(host.replace(".", "_"))
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answers = [found] if isinstance(found, str) else found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer, port)) for answer in answers]

    return resolve


def no_look_up(*_: object, **__: object) -> list[tuple[Any, ...]]:
    raise AssertionError("a name was looked up")


def moved(status: int, location: str) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def reset(connection: socket.socket, _: bytes = b"") -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def path_of(request: bytes) -> str:
    return request.split(b" ", 2)[1].decode()


# -- what comes back ------------------------------------------------------------------------------


def test_a_reply_is_what_the_server_said(serve: Serve) -> None:
    """Status, lower-case headers, body and final address come back as they were sent."""
    server = serve(b'HTTP/1.1 203 Fine\r\nETag: W/"1"\r\nContent-Length: 5\r\n\r\nhello')
    with client() as http:
        reply = http.get(server.url("/feed?x=1#part"))
    assert (203, b"hello", server.url("/feed?x=1"), False) == (
        reply.status,
        reply.body,
        reply.url,
        reply.permanent,
    )
    assert {"etag": 'W/"1"', "content-length": "5"} == reply.headers


@pytest.mark.parametrize("status", [204, 304, 404, 410, 429, 500, 503])
def test_every_status_is_a_reply(serve: Serve, status: int) -> None:
    """What a status means is the caller's to judge: none of them raises."""
    server = serve(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n".encode())
    with client() as http:
        reply = http.get(server.url())
    assert (status, "7", b"") == (reply.status, reply.headers["retry-after"], reply.body)


def test_a_post_carries_body_and_headers(serve: Serve) -> None:
    """A POST sends the bytes as they are, with the caller's headers and our user agent."""
    server = serve(OK)
    with client() as http:
        http.post(
            server.url("/hook"), b"\x00{}\xff", {"Webhook-Id": "m1", "Content-Type": "application/json"}
        )
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"\x00{}\xff" == body
    lines = head.lower().split(b"\r\n")
    for expected in (
        b"post /hook http/1.1",
        b"webhook-id: m1",
        b"user-agent: syndicator-test/1",
        b"content-length: 4",
    ):
        assert expected in lines


def test_an_empty_post_says_so(serve: Serve) -> None:
    """An empty body is announced as such (RFC 9110 §8.6), or servers answer 411."""
    server = serve(OK)
    with client() as http:
        http.post(server.url(), b"")
    assert b"content-length: 0" in server.requests[0].lower()


def test_one_connection_serves_many_requests(serve: Serve) -> None:
    """security:S5 — the connection to one destination is kept, to that destination only."""
    first, second = serve(OK), serve(OK)
    with client() as http:
        for _ in range(3):
            http.get(first.url())
        http.get(second.url())
        http.get(first.url())
    assert (4, 1) == (len(first.requests), len(second.requests))
    assert (2, 1) == (first.connections, second.connections)


def test_a_kept_connection_that_was_closed_is_dialled_anew(serve: Serve) -> None:
    """A server that hangs up between two requests costs no error and no doubt."""
    hung_up = threading.Event()

    def once(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK)
        connection.shutdown(socket.SHUT_RDWR)
        hung_up.set()

    server = serve(once)
    with client() as http:
        http.get(server.url())
        assert hung_up.wait(SOON)
        assert b"hello" == http.get(server.url()).body
    assert 2 == server.connections


def test_cookies_are_not_kept(serve: Serve) -> None:
    """security:S3 — a server cannot mark us: no cookie ever goes back."""
    server = serve(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n")
    with client() as http:
        http.get(server.url())
        http.get(server.url())
    assert b"cookie" not in server.requests[1].lower()


def test_threads_take_turns(serve: Serve) -> None:
    """One client in several threads answers each of them with its own reply."""

    def echo(connection: socket.socket, request: bytes) -> None:
        body = path_of(request).encode()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    server = serve(echo)
    got: dict[int, bytes] = {}
    with client(limits=Limits()) as http:
        threads = [
            threading.Thread(target=lambda n=n: got.update({n: http.get(server.url(f"/{n}")).body}))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(SOON)
    assert {n: f"/{n}".encode() for n in range(8)} == got


# -- the guard ------------------------------------------------------------------------------------

HOSTILE = [
    "http://127.0.0.1/",
    "http://127.8.9.10/",
    "http://0.0.0.0/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://192.0.0.8/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.51.100.7/",
    "http://203.0.113.9/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a00:1::1]/",
    "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://[100::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25lo]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[ff0e::1]/",
    "http://2130706433/",
    "http://017700000001/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://1.2.3.4.5/",
    "http://host.0x7f/",
    "http://host.1/",
    "http://0x/",
    "http://０x7f000001/",
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://127．0．0．1/",
    "http://%31%32%37.0.0.1/",
    "http://127.0.0.1%00.example.org/",
    "http://example.org%2f@127.0.0.1/",
    "http://example.org\\@127.0.0.1/",
    "http://user@example.org/",
    "http://user:pass@example.org/",
    "http://:@127.0.0.1/",
    "http://example.org#@127.0.0.1:22/\r\nX: y",
    "http://example.org:22/",
    "http://example.org:6379/",
    "http://example.org:0/",
    "http://example.org:65536/",
    "http://example.org:99999999/",
    "http://example.org:-80/",
    "http://example.org:x/",
    "http://.example.org/",
    "http://example..org/",
    "http://exa mple.org/",
    "http://-example.org/",
    "http://exam$ple.org/",
    "http://xn--\x80/",
    "http://" + "a" * 64 + ".org/",
    "http://" + "a." * 127 + "org/",
    "http:///path",
    "http:/example.org/",
    "http:example.org",
    "http://",
    "//example.org/",
    "/etc/passwd",
    "",
    "example.org",
    " http://example.org/",
    "http://[::1",
    "http://[v1.fe80::a+en1]/",
    "file:///etc/passwd",
    "ftp://example.org/",
    "gopher://127.0.0.1:70/_x",
    "ws://example.org/",
    "data:text/plain,x",
    "unix:///var/run/docker.sock",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
    "http://exa\tmple.org/",
    "http://example.org/\x00",
    "http://\ud800/",
    "http://example.org/\ud800",
    "http://" + "a" * 70_000,
]


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_targets_are_blocked(url: str) -> None:
    """security:S2, security:S3 — no disguise of a forbidden target is dialled or even looked up."""
    with client(Guard(), resolve=no_look_up) as http, pytest.raises(Blocked) as caught:
        http.get(url)
    assert not caught.value.may_have_arrived
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        ["10.0.0.7"],
        ["93.184.216.34", "10.0.0.7"],
        ["10.0.0.7", "93.184.216.34"],
        ["93.184.216.34"] * 40 + ["169.254.169.254"],
        ["2606:2800:220:1::1", "::1"],
        ["2606:2800:220:1::1", "fe80::1%eth0"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::"],
    ],
)
def test_one_bad_answer_blocks_the_name(answers: list[str]) -> None:
    """security:S2 — all answers of a name are vetted, wherever the bad one stands."""
    with (
        client(Guard(), resolve=names(rebind_test=answers)) as http,
        pytest.raises(Blocked, match=r"rebind\.test"),
    ):
        http.get("http://rebind.test/")


@pytest.mark.parametrize(
    "good", ["93.184.216.34", "8.8.8.8", "::ffff:8.8.8.8", "2606:2800:220:1::1", "2a00:1450::1"]
)
def test_public_addresses_pass(good: str) -> None:
    """security:S2 — the guard lets the public internet through, wrapped or not."""
    assert Guard().vet(ip_address(good))


def test_allowed_ranges_pass_in_any_dress() -> None:
    """security:S9 — an allowed range admits its addresses, v4-mapped ones too, and no neighbour."""
    guard = parse_guard(["10.1.0.0/16", "fd00::/8", "192.168.7.7"])
    verdicts = [
        guard.vet(ip_address(text))
        for text in (
            "10.1.2.3",
            "::ffff:10.1.2.3",
            "fd00::9",
            "192.168.7.7",
            "10.2.0.1",
            "192.168.7.8",
            "fc00::1",
        )
    ]
    assert [True, True, True, True, False, False, False] == verdicts


@pytest.mark.parametrize(
    "text", ["10.0.0.0/33", "10.0.0.1/8", "localhost", "", "fd00::/129", "10.0.0.0/8, ::1"]
)
def test_malformed_ranges_are_refused(text: str) -> None:
    """security:S9 — a range that cannot be read is an error that names it, never an open door."""
    with pytest.raises(Invalid, match="write an address range"):
        parse_guard(["127.0.0.0/8", text])


def test_any_port_of_an_allowed_range_is_open_and_no_other() -> None:
    """security:S3 — other ports than 80 and 443 only inside an explicitly allowed range."""
    guard = Guard(allow=(IPv4Network("10.0.0.0/8"),))
    inside, outside = ip_address("10.9.9.9"), ip_address("8.8.8.8")
    assert [True, True, False] == [guard.vet_port(inside, port) for port in (80, 8080, 0)]
    assert [True, True, False] == [guard.vet_port(outside, port) for port in (80, 443, 8080)]
    with client(guard, resolve=names(open_test="8.8.8.8")) as http, pytest.raises(Blocked, match="port 8080"):
        http.get("http://open.test:8080/")


def test_a_blocked_address_says_how_to_allow_it() -> None:
    """security:S9 — a private target's message names the range to write into allow_private."""
    with client(Guard()) as http:
        with pytest.raises(Blocked) as literal:
            http.get("http://127.0.0.1/")
        with pytest.raises(Blocked) as metadata:
            http.get("http://169.254.169.254/")
    with client(Guard(), resolve=names(cms_test="10.0.0.7")) as http, pytest.raises(Blocked) as named:
        http.get("http://cms.test/")
    assert (
        '127.0.0.1 is a private address; allow it with allow_private = ["127.0.0.0/8"] if you mean it'
        == str(literal.value)
    )
    assert "cms.test leads to 10.0.0.7, a private address" in str(named.value)
    assert "10.0.0.0/8" in str(named.value)
    assert "169.254.169.254 is not a public address; it is not reached" == str(metadata.value)


def test_rebinding_finds_no_second_look_up(serve: Serve) -> None:
    """security:S2 — a name is looked up once per connection and what was vetted is what is dialled."""
    served: list[str] = []

    def flip(host: str, port: object, **_: object) -> list[tuple[Any, ...]]:
        served.append("127.0.0.1" if not served else "127.0.0.2")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (served[-1], port))]

    server = serve(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    with client(parse_guard(["127.0.0.1"]), resolve=flip) as http:
        assert b"hello" == http.get(server.url(host="flip.test")).body
        assert ["127.0.0.1"] == served
        with pytest.raises(Blocked, match=r"127\.0\.0\.2"):
            http.get(server.url(host="flip.test"))
    assert f"Host: flip.test:{server.port}".encode() in server.requests[0]
    assert 1 == server.connections


def test_a_dead_first_address_does_not_hide_the_second(serve: Serve) -> None:
    """A name with several addresses is reached by the first that takes the connection."""
    server = serve(OK, address="127.0.0.3")
    with client(resolve=names(twins_test=["127.0.0.2", "127.0.0.3"])) as http:
        assert b"hello" == http.get(server.url(host="twins.test")).body


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "https_proxy"])
def test_proxies_of_the_environment_are_ignored(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """security:S3 — a proxy named in the environment would void the pin, so it is never used."""
    proxy, server = serve(OK), serve(OK)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, proxy.url())
    with client() as http:
        http.get(server.url())
    assert (0, 1) == (proxy.connections, len(server.requests))


def test_netrc_is_not_read(serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """security:S3 — passwords lying in the home directory are not handed to a target."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hidden\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    server = serve(OK)
    with client() as http:
        http.get(server.url())
    assert b"authorization" not in server.requests[0].lower()


@given(st.text(max_size=60))
def test_no_address_crashes_the_guard(text: str) -> None:
    """security:S3 — whatever is typed after http:// ends in one of our errors, never in another."""
    with client(Guard(), limits=Limits(), resolve=names()) as http, pytest.raises(WireFault) as caught:
        http.get("http://" + text)
    assert isinstance(caught.value, Blocked | Unreachable)


# -- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Key", f"{SECRET}\r\nX-Evil: 1"),
        ("X-Key", f"{SECRET}\nX-Evil: 1"),
        ("X-Key", f"{SECRET}\r"),
        ("X-Key", f"{SECRET}\x00"),
        ("X-Key", f"{SECRET}\x7f"),
        ("X-Key", f"{SECRET}é"),
        ("X-Key", f" {SECRET}"),
        ("X-Key\r\nX-Evil", SECRET),
        ("X Key", SECRET),
        ("X-Key:", SECRET),
        ("", SECRET),
        ("Host", SECRET),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
        ("Connection", "upgrade"),
        ("Proxy-Authorization", SECRET),
        ("Expect", "100-continue"),
        ("Accept-Encoding", "br"),
    ],
)
def test_headers_cannot_be_injected(serve: Serve, name: str, value: str) -> None:
    """security:I1 — line breaks, NUL and headers of the connection itself are refused before dialling."""
    server = serve(OK)
    with client() as http, pytest.raises(Invalid) as caught:
        http.get(server.url(), {name: value})
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert 0 == server.connections


def test_a_user_agent_is_vetted_too() -> None:
    """security:I1 — the name we give ourselves is a header like any other."""
    with pytest.raises(Invalid):
        Client(Guard(), "Newsroom\r\nX-Evil: 1")


@pytest.mark.parametrize(
    "wrong", [{"max_bytes": 0}, {"deadline": timedelta()}, {"redirects": 6}, {"redirects": -1}]
)
def test_impossible_limits_are_refused(wrong: dict[str, Any]) -> None:
    """security:S4 — limits nobody could keep to, and more than five redirects, are refused at once."""
    with pytest.raises(Invalid):
        Limits(**wrong)


# -- redirects ------------------------------------------------------------------------------------

FOLLOWING = Limits(deadline=timedelta(seconds=5), redirects=3)


def by_path(answers: dict[str, bytes]) -> Script:
    return lambda connection, request: connection.sendall(answers.get(path_of(request), OK))


def test_redirects_are_replies_unless_asked_for(serve: Serve) -> None:
    """security:S4 — a webhook's redirect is not followed: it comes back as what it is."""
    server = serve(moved(302, "http://169.254.169.254/"))
    with client() as http:
        assert [302, 302] == [http.get(server.url()).status, http.post(server.url(), b"x").status]


@pytest.mark.parametrize(
    ("statuses", "lasting"),
    [([301], True), ([308, 301], True), ([301, 302], False), ([307], False), ([303], False)],
)
def test_redirects_are_followed_and_judged(serve: Serve, statuses: list[int], lasting: bool) -> None:  # noqa: FBT001
    """security:S4 — a feed that moved is found, and only wholly permanent moves are called permanent."""
    steps = {f"/{n}": moved(status, f"../{n + 1}#x") for n, status in enumerate(statuses)}
    server = serve(by_path(steps))
    with client(limits=FOLLOWING) as http:
        reply = http.get(server.url("/0"))
    assert (b"hello", server.url(f"/{len(statuses)}"), lasting) == (reply.body, reply.url, reply.permanent)


def test_a_loop_of_redirects_ends(serve: Serve) -> None:
    """security:S4 — a loop is followed as often as was asked for and no further."""
    server = serve(moved(301, "/"))
    with client(limits=FOLLOWING) as http, pytest.raises(Blocked, match="more than 3 times"):
        http.get(server.url())
    assert 4 == len(server.requests)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "//10.0.0.1/",
        "http://[::1]/",
        "http://2130706433/",
        "http://inner.test/",
        "http://user:pw@127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:25/_x",
        "http://[broken",
        "http://127.0.0.1:99999999/",
    ],
)
def test_each_redirect_is_vetted_anew(serve: Serve, location: str) -> None:
    """security:S4 — an allowed first hop does not open the door to a forbidden second one."""
    server = serve(moved(301, location))
    names_of_inside = names(inner_test="10.0.0.9")
    with client(limits=FOLLOWING, resolve=names_of_inside) as http, pytest.raises(Blocked) as caught:
        http.get(server.url())
    assert not caught.value.may_have_arrived
    assert 1 == len(server.requests)


def test_secrets_do_not_follow_to_another_origin(serve: Serve) -> None:
    """security:S4 — headers that may carry secrets stay with the origin they were meant for."""
    there = serve(OK)
    here = serve(by_path({"/away": moved(302, there.url("/x")), "/near": moved(302, "/end")}))
    headers = {
        "Authorization": "Bearer " + SECRET,
        "X-Api-Key": SECRET,
        "Cookie": SECRET,
        "Accept-Language": "de",
    }
    with client(limits=FOLLOWING) as http:
        http.get(here.url("/away"), headers)
        http.get(here.url("/near"), headers)
    assert SECRET.encode() not in there.requests[0]
    assert b"accept-language: de" in there.requests[0].lower()
    assert [3, 3, 3] == [request.count(SECRET.encode()) for request in here.requests]
    assert f"Host: 127.0.0.1:{there.port}".encode() in there.requests[0]


def test_a_post_is_repeated_only_where_the_standard_says_so(serve: Serve) -> None:
    """RFC 9110 §15.4: 307 and 308 repeat the body; 301 to 303 would turn it into a GET and are replies."""
    server = serve(by_path({f"/{status}": moved(status, "/end") for status in (301, 302, 303, 307, 308)}))
    with client(limits=FOLLOWING) as http:
        statuses = [
            http.post(server.url(f"/{status}"), b"body").status for status in (301, 302, 303, 307, 308)
        ]
    assert [301, 302, 303, 200, 200] == statuses
    assert [b"body"] * 7 == [request.partition(b"\r\n\r\n")[2] for request in server.requests]


def test_the_body_of_a_redirect_is_not_read(serve: Serve) -> None:
    """security:S6 — a redirect with an endless body is followed, not drunk."""

    def flood(connection: socket.socket, request: bytes) -> None:
        if path_of(request) == "/end":
            connection.sendall(OK)
            return
        connection.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /end\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(b"1000\r\n" + bytes(4096) + b"\r\n")

    server = serve(flood)
    with client(limits=FOLLOWING) as http:
        assert b"hello" == http.get(server.url()).body


# -- TLS ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Authority:
    """A certificate authority of our own: `trust` for clients, `identity(name)` for servers."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    folder: Path

    @property
    def trust(self) -> ssl.SSLContext:
        pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()
        return ssl.create_default_context(cadata=pem)

    def identity(self, name: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(name, key, self.certificate.subject, self.key, authority=False)
        path = self.folder / f"{name}.pem"
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
) -> x509.Certificate:
    now = datetime.now(UTC)
    public = key.public_key()
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca.test")])
    certificate = _certificate("ca.test", key, subject, key, authority=True)
    return Authority(key, certificate, tmp_path_factory.mktemp("tls"))


SECURE = names(secure_test="127.0.0.1", other_test="127.0.0.1")


def test_tls_keeps_the_name_though_a_literal_is_dialled(serve: Serve, authority: Authority) -> None:
    """security:S2 — SNI, certificate and Host stay the name, though an address is dialled."""
    asked: list[str | None] = []
    identity = authority.identity("secure.test")
    identity.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = serve(OK, tls=identity)
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http:
        assert b"hello" == http.get(server.url(host="secure.test")).body
        assert b"hello" == http.get(server.url(host="secure.test")).body
    assert ["secure.test"] == asked
    assert f"Host: secure.test:{server.port}".encode() in server.requests[0]


def test_a_wrong_name_in_the_certificate_is_unreachable(serve: Serve, authority: Authority) -> None:
    """security:S2 — a certificate for another name ends the conversation before the request."""
    server = serve(OK, tls=authority.identity("secure.test"))
    trusting = client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust)
    with trusting as http, pytest.raises(Unreachable, match="certificate"):
        http.get(server.url(host="other.test"))
    assert [] == server.requests


def test_an_unknown_authority_is_unreachable(
    serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security:S3 — only the usual authorities are trusted, whatever the environment says."""
    (authority.folder / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "ca.pem"))
    authorities.cache_clear()
    server = serve(OK, tls=authority.identity("secure.test"))
    with client(limits=FOLLOWING, resolve=SECURE) as http, pytest.raises(Unreachable, match="certificate"):
        http.get(server.url(host="secure.test"))
    assert [] == server.requests


def test_a_plain_server_on_a_tls_address_is_unreachable(serve: Serve, authority: Authority) -> None:
    """A failed handshake is certainly no acceptance: nothing of the request was sent."""
    server = serve(OK, greedy=False)
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http, pytest.raises(Unreachable):
        http.get(server.url(host="secure.test").replace("http:", "https:"))


def test_redirects_never_lead_from_https_to_http(serve: Serve, authority: Authority) -> None:
    """security:S4 — what was fetched over TLS is not continued in the clear; the other way is fine."""
    plain = serve(OK)
    secure = serve(moved(301, plain.url()), tls=authority.identity("secure.test"))
    end = serve(OK, tls=authority.identity("secure.test"))
    upgrade = serve(moved(301, end.url(host="secure.test")))
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http:
        with pytest.raises(Blocked, match="down to http"):
            http.get(secure.url(host="secure.test"))
        assert (200, True) == ((reply := http.get(upgrade.url())).status, reply.permanent)
    assert 0 == plain.connections


def test_a_silent_handshake_ends_on_time(serve: Serve, authority: Authority) -> None:
    """security:S6 — a server that never answers the TLS greeting costs the deadline and no doubt."""
    stop = threading.Event()
    server = serve(lambda _connection, _request: stop.wait(SOON), greedy=False)
    began = time.monotonic()
    with client(resolve=SECURE, tls=authority.trust) as http, pytest.raises(Unreachable):
        http.get(server.url(host="secure.test").replace("http:", "https:"))
    stop.set()
    assert time.monotonic() - began < SOON


# -- time -----------------------------------------------------------------------------------------


def dripping(start: bytes, drop: bytes) -> Script:
    """Sends `start`, then one `drop` each 20 ms: no single read ever waits long."""

    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        pause = threading.Event()
        while not pause.wait(0.02):
            connection.sendall(drop)

    return drip


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
def test_a_dripping_server_ends_on_time(serve: Serve, start: bytes, drop: bytes) -> None:
    """security:S6 — the deadline is wall clock: a drip that never trips a read timeout ends all the same."""
    server = serve(dripping(start, drop))
    began = time.monotonic()
    with client() as http, pytest.raises(NoAnswer) as caught:
        http.get(server.url())
    assert time.monotonic() - began < SOON
    assert caught.value.may_have_arrived


def test_a_hanging_server_ends_on_time(serve: Serve) -> None:
    """security:S6 — silence after the request is a doubt, reported when the deadline has passed."""
    stop = threading.Event()
    server = serve(lambda _connection, _request: stop.wait(SOON))
    began = time.monotonic()
    with client() as http, pytest.raises(NoAnswer, match="in time"):
        http.post(server.url(), b"x")
    stop.set()
    assert time.monotonic() - began < SOON
    assert 1 == len(server.requests)


@pytest.mark.parametrize("sip", [0, 65_536])
def test_a_server_that_does_not_read_ends_on_time(serve: Serve, sip: int) -> None:
    """security:S6 — writing is bounded too, when nothing is read and when it is sipped."""

    def read_slowly(connection: socket.socket, _: bytes) -> None:
        pause = threading.Event()
        while not server.stop.is_set() and not pause.wait(0.02):
            if sip and not connection.recv(sip):
                return

    server = serve(read_slowly, greedy=False)
    began = time.monotonic()
    with (
        client(limits=Limits(deadline=timedelta(seconds=2))) as http,
        pytest.raises(NoAnswer, match="in time"),
    ):
        http.post(server.url(), bytes(50_000_000))
    assert time.monotonic() - began < SOON


def test_a_look_up_that_hangs_ends_on_time() -> None:
    """security:S6 — the system's look-up knows no timeout; the deadline holds all the same."""
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[tuple[Any, ...]]:
        release.wait(SOON)
        return []

    began = time.monotonic()
    with client(resolve=hang) as http, pytest.raises(Unreachable):
        http.get("http://slow.test/")
    release.set()
    assert time.monotonic() - began < SOON


def test_redirects_share_one_deadline(serve: Serve) -> None:
    """security:S6 — the deadline is for the whole exchange, however many hops it takes."""
    hops = {"/0": moved(302, "/1"), "/1": moved(302, "/2")}

    def last_one_drips(connection: socket.socket, request: bytes) -> None:
        if answer := hops.get(path_of(request)):
            connection.sendall(answer)
        else:
            dripping(b"HTTP/1.1 200 OK\r\n\r\n", b"a")(connection, request)

    server = serve(last_one_drips)
    began = time.monotonic()
    with client(limits=Limits(deadline=timedelta(seconds=0.5), redirects=5)) as http, pytest.raises(NoAnswer):
        http.get(server.url("/0"))
    assert time.monotonic() - began < SOON


def test_each_exchange_has_its_own_deadline(serve: Serve) -> None:
    """A kept connection does not carry the old exchange's deadline into the next one."""
    stop = threading.Event()
    server = serve(lambda connection, request: connection.sendall(OK) if stop.is_set() else stop.wait(0.7))
    with client() as http:
        with pytest.raises(NoAnswer):
            http.get(server.url())
        stop.set()
        assert [200, 200] == [http.get(server.url()).status for _ in range(2)]


# -- doubts ---------------------------------------------------------------------------------------


def test_a_refused_port_and_a_missing_name_read_alike() -> None:
    """security:S7 — to the partner a missing name and a closed port look the same: no port scanner."""
    texts = []
    with client(resolve=names(there_test="127.0.0.1")) as http:
        for host in ("there.test", "gone.test"):
            with pytest.raises(Unreachable) as caught:
                http.get(f"http://{host}:{reserved_port()}/")
            texts.append(str(caught.value).replace(host, "HOST"))
            assert not caught.value.may_have_arrived
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    "fault", [socket.gaierror(-3, "try again"), OSError("no network"), socket.gaierror(-2, "unknown")]
)
def test_failed_look_ups_are_unreachable(fault: OSError) -> None:
    """A name that cannot be looked up is certainly no acceptance."""

    def fail(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise fault

    with client(resolve=fail) as http, pytest.raises(Unreachable):
        http.get("http://gone.test/")


def test_a_name_without_addresses_is_unreachable() -> None:
    """An empty answer is an answer of nobody."""
    with client(resolve=names(empty_test=[])) as http, pytest.raises(Unreachable):
        http.get("http://empty.test/")


def test_a_reset_is_a_doubt(serve: Serve) -> None:
    """A connection that was reset amid or after the request may have carried it."""

    def reset_at_the_first_byte(connection: socket.socket, _: bytes) -> None:
        connection.recv(1)
        reset(connection)

    for server in (serve(reset_at_the_first_byte, greedy=False), serve(reset)):
        with client() as http, pytest.raises(NoAnswer) as caught:
            http.post(server.url(), b"x")
        assert caught.value.may_have_arrived


def test_a_reset_at_once_is_an_error_of_ours(serve: Serve) -> None:
    """A reset before the request is a doubt only if the connection had come about for us."""
    with client() as http, pytest.raises((Unreachable, NoAnswer)):
        http.post(serve(reset, greedy=False).url(), b"x")


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n bad\x00header\r\n\r\n",
        b"",
    ],
)
def test_broken_answers_are_doubts(serve: Serve, answer: bytes) -> None:
    """An answer that is no HTTP, or less than it promised, leaves us in doubt and not in a crash."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with client() as http, pytest.raises(NoAnswer):
        http.post(serve(say).url(), b"x")


def test_more_than_the_announced_length_is_cut_off(serve: Serve) -> None:
    """A body longer than its Content-Length ends where it was announced to end."""
    with client() as http:
        assert b"hello" == http.get(serve(OK + b" and more").url()).body


def test_an_early_refusal_is_heard(serve: Serve) -> None:
    """A server that answers 413 without reading the body is a reply, where the reply got through."""

    def refuse(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass

    with client(limits=FOLLOWING) as http:
        assert 413 == http.post(serve(refuse, greedy=False).url(), bytes(3_000_000)).status


@pytest.mark.parametrize("kind", [Blocked, Unreachable, NoAnswer, TooLarge])
def test_messages_hold_no_secrets(serve: Serve, kind: type[WireFault]) -> None:
    """security:I6 — paths and queries carry tokens: no message shows them, and each is one line."""
    server = serve(OK if kind is TooLarge else reset)
    port = reserved_port() if kind is Unreachable else server.port
    guard = Guard() if kind is Blocked else LOOPBACK
    url = f"http://127.0.0.1:{port}/{SECRET}?key={SECRET}"
    with client(guard, Limits(max_bytes=3)) as http, pytest.raises(kind) as caught:
        http.post(url, SECRET.encode(), {"Authorization": SECRET})
    assert SECRET not in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_nothing_is_logged_but_the_cause_of_no_connection(capsys: pytest.CaptureFixture[str]) -> None:
    """security:S7 — our own log knows the cause that the message hides, and no path or query."""
    with client(resolve=names()) as http, pytest.raises(Unreachable):
        http.get(f"http://gone.test/{SECRET}?key={SECRET}")
    logged = "".join(capsys.readouterr())
    assert "gone.test" in logged
    assert "Name or service not known" in logged
    assert SECRET not in logged


# -- size -----------------------------------------------------------------------------------------


def answer(body: bytes, coding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "GZIP"])
def test_gzip_is_inflated(serve: Serve, coding: str) -> None:
    """security:S6 — gzip is asked for, and inflated by us; nothing else is offered."""
    text = b"<feed/>" * 100_000
    server = serve(answer(gzip.compress(text), coding))
    with client() as http:
        assert text == http.get(server.url()).body
    assert b"accept-encoding: gzip\r\n" in server.requests[0].lower()


def test_padding_after_gzip_is_nothing(serve: Serve) -> None:
    """Zeros after the end of gzip are common padding, not content."""
    with client() as http:
        assert b"feed" == http.get(serve(answer(gzip.compress(b"feed") + bytes(512), "gzip")).url()).body


def test_a_coding_without_a_body_is_no_matter(serve: Serve) -> None:
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
def test_codings_that_cannot_be_read_are_errors(serve: Serve, said: bytes) -> None:
    """security:S6 — only gzip and identity are accepted, and never half a body for a whole one."""
    with client() as http, pytest.raises(NoAnswer):
        http.get(serve(said).url())


def bomb(megabytes: int) -> bytes:
    """A gzip body of `megabytes` zeros, built from one compressed megabyte repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeeze.compress(bytes(1_000_000)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * megabytes + squeeze.flush()


def test_a_gzip_bomb_is_stopped_early(serve: Serve) -> None:
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


def test_gzip_that_never_inflates_to_anything_is_stopped(serve: Serve) -> None:
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
def test_endless_bodies_are_stopped(serve: Serve, head: bytes, piece: bytes) -> None:
    """security:S6 — a body without end is read up to the limit and no further."""

    def flood(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
        while True:
            connection.sendall(piece)

    with client(limits=Limits(max_bytes=100_000)) as http, pytest.raises(TooLarge) as caught:
        http.get(serve(flood).url())
    assert caught.value.may_have_arrived


def test_the_limit_itself_is_allowed(serve: Serve) -> None:
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
def test_where_the_status_is_the_answer_a_broken_body_is_no_doubt(serve: Serve, said: bytes) -> None:
    """security:S7 — a webhook that said 202 accepted it, whatever became of the page it sent along."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(said)
        connection.shutdown(socket.SHUT_WR)

    with client(limits=Limits(max_bytes=1024, status_only=True)) as http:
        reply = http.post(serve(say).url(), b"x")
    assert 202 == reply.status
    assert len(reply.body) <= 1024
    assert reply.body.strip(b"o") in {b"hell", b""}


def test_where_the_status_is_the_answer_a_drip_is_no_doubt(serve: Serve) -> None:
    """security:S6 — a webhook that drips its page after the status ends at the deadline, accepted."""
    server = serve(dripping(b"HTTP/1.1 202 OK\r\n\r\n", b"a"))
    with client(limits=Limits(deadline=timedelta(seconds=0.3), status_only=True)) as http:
        assert 202 == http.post(server.url(), b"x").status


# -- the places where we stand on httpx ------------------------------------------------------------


def test_every_connection_goes_through_our_backend() -> None:
    """security:S2 — the pool behind httpx's transport is the one with the guard in it."""
    with client() as http:
        assert http._backend is http._transport._pool._network_backend
    assert httpx.__version__.startswith("0.28.")


def test_json_survives_the_way(serve: Serve) -> None:
    """What goes out as JSON arrives as the same JSON."""
    server = serve(OK)
    with client() as http:
        http.post(server.url(), json.dumps({"data": "é\n"}).encode(), {"content-type": "application/json"})
    assert {"data": "é\n"} == json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
