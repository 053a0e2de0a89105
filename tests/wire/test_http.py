"""The guarded HTTP clients against real servers on loopback: what they send, follow and bring back.

Every server is a thread with a socket and a script; nothing inside a client is replaced but the look-up of
names, which is an argument. Guards that let a test in allow the loopback and nothing else. Each test runs
with both colours. Whom they refuse is in `test_http_guard`, what they bound in `test_http_bounds`.
"""

from __future__ import annotations

import json
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest

from syndicator.errors import Blocked, Invalid, Misled, NoAnswer, TooLarge, Unreachable, WireFault
from syndicator.wire.exchange import Limits
from syndicator.wire.guard import Guard
from tests.make import reserved_port
from tests.wire.http_clients import FOLLOWING, LOOPBACK, SECRET, Open
from tests.wire.http_server import (
    OK,
    SOON,
    Serve,
    by_path,
    moved,
    names,
    path_of,
    reset,
)

# -- what comes back ------------------------------------------------------------------------------


def test_a_reply_is_what_the_server_said(client: Open, serve: Serve) -> None:
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
def test_every_status_is_a_reply(client: Open, serve: Serve, status: int) -> None:
    """What a status means is the caller's to judge: none of them raises."""
    server = serve(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n".encode())
    with client() as http:
        reply = http.get(server.url())
    assert (status, "7", b"") == (reply.status, reply.headers["retry-after"], reply.body)


def test_a_post_carries_body_and_headers(client: Open, serve: Serve) -> None:
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


def test_an_empty_post_says_so(client: Open, serve: Serve) -> None:
    """An empty body is announced as such (RFC 9110 §8.6), or servers answer 411."""
    server = serve(OK)
    with client() as http:
        http.post(server.url(), b"")
    assert b"content-length: 0" in server.requests[0].lower()


def test_one_connection_serves_many_requests(client: Open, serve: Serve) -> None:
    """security:S5 — the connection to one destination is kept, to that destination only."""
    first, second = serve(OK), serve(OK)
    with client() as http:
        for _ in range(3):
            http.get(first.url())
        http.get(second.url())
        http.get(first.url())
    assert (4, 1) == (len(first.requests), len(second.requests))
    assert (2, 1) == (first.connections, second.connections)


def test_a_kept_connection_that_was_closed_is_dialled_anew(client: Open, serve: Serve) -> None:
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


def test_cookies_are_not_kept(client: Open, serve: Serve) -> None:
    """security:S3 — a server cannot mark us: no cookie ever goes back."""
    server = serve(b"HTTP/1.1 200 OK\r\nSet-Cookie: id=1\r\nContent-Length: 0\r\n\r\n")
    with client() as http:
        http.get(server.url())
        http.get(server.url())
    assert b"cookie" not in server.requests[1].lower()


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
def test_headers_cannot_be_injected(client: Open, serve: Serve, name: str, value: str) -> None:
    """security:I1 — line breaks, NUL and headers of the connection itself are refused before dialling."""
    server = serve(OK)
    with client() as http, pytest.raises(Invalid) as caught:
        http.get(server.url(), {name: value})
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert 0 == server.connections


def test_a_user_agent_is_vetted_too(client: Open) -> None:
    """security:I1 — the name we give ourselves is a header like any other."""
    with pytest.raises(Invalid):
        client(agent="Newsroom\r\nX-Evil: 1")


@pytest.mark.parametrize(
    "wrong", [{"max_bytes": 0}, {"deadline": timedelta()}, {"redirects": 6}, {"redirects": -1}]
)
def test_impossible_limits_are_refused(wrong: dict[str, Any]) -> None:
    """security:S4 — limits nobody could keep to, and more than five redirects, are refused at once."""
    with pytest.raises(Invalid):
        Limits(**wrong)


# -- redirects ------------------------------------------------------------------------------------


def test_redirects_are_replies_unless_asked_for(client: Open, serve: Serve) -> None:
    """security:S4 — a webhook's redirect is not followed: it comes back as what it is."""
    server = serve(moved(302, "http://169.254.169.254/"))
    with client() as http:
        assert [302, 302] == [http.get(server.url()).status, http.post(server.url(), b"x").status]


@pytest.mark.parametrize("statuses", [(301,), (308, 301), (301, 302), (307,), (303,)])
def test_redirects_are_followed_and_judged(client: Open, serve: Serve, statuses: tuple[int, ...]) -> None:
    """security:S4 — a feed that moved is found, and only wholly permanent moves are called permanent."""
    lasting = {301, 308}.issuperset(statuses)
    steps = {f"/{n}": moved(status, f"../{n + 1}#x") for n, status in enumerate(statuses)}
    server = serve(by_path(steps))
    with client(limits=FOLLOWING) as http:
        reply = http.get(server.url("/0"))
    assert (b"hello", server.url(f"/{len(statuses)}")) == (reply.body, reply.url)
    assert (statuses, lasting) == (reply.moves, reply.permanent)


def test_a_loop_of_redirects_ends(client: Open, serve: Serve) -> None:
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
def test_each_redirect_is_vetted_anew(client: Open, serve: Serve, location: str) -> None:
    """security:S4 — an allowed first hop does not open the door to a forbidden second one."""
    server = serve(moved(301, location))
    names_of_inside = names(inner_test="10.0.0.9")
    with client(limits=FOLLOWING, resolve=names_of_inside) as http, pytest.raises(Misled) as caught:
        http.get(server.url())
    assert str(caught.value).startswith("127.0.0.1 redirects to where we do not go: ")
    assert not caught.value.may_have_arrived
    assert 1 == len(server.requests)


def test_secrets_do_not_follow_to_another_origin(client: Open, serve: Serve) -> None:
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


def test_a_post_is_repeated_only_where_the_standard_says_so(client: Open, serve: Serve) -> None:
    """RFC 9110 §15.4: 307 and 308 repeat the body; 301 to 303 would turn it into a GET and are replies."""
    server = serve(by_path({f"/{status}": moved(status, "/end") for status in (301, 302, 303, 307, 308)}))
    with client(limits=FOLLOWING) as http:
        statuses = [
            http.post(server.url(f"/{status}"), b"body").status for status in (301, 302, 303, 307, 308)
        ]
    assert [301, 302, 303, 200, 200] == statuses
    assert [b"body"] * 7 == [request.partition(b"\r\n\r\n")[2] for request in server.requests]


def test_the_body_of_a_redirect_is_not_read(client: Open, serve: Serve) -> None:
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


# -- doubts ---------------------------------------------------------------------------------------


def test_a_refused_port_and_a_missing_name_read_alike(client: Open) -> None:
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
def test_failed_look_ups_are_unreachable(client: Open, fault: OSError) -> None:
    """A name that cannot be looked up is certainly no acceptance."""

    def fail(*_: object, **__: object) -> list[tuple[Any, ...]]:
        raise fault

    with client(resolve=fail) as http, pytest.raises(Unreachable):
        http.get("http://gone.test/")


def test_a_name_without_addresses_is_unreachable(client: Open) -> None:
    """An empty answer is an answer of nobody."""
    with client(resolve=names(empty_test=[])) as http, pytest.raises(Unreachable):
        http.get("http://empty.test/")


def test_a_reset_is_a_doubt(client: Open, serve: Serve) -> None:
    """A connection that was reset amid or after the request may have carried it."""

    def reset_at_the_first_byte(connection: socket.socket, _: bytes) -> None:
        connection.recv(1)
        reset(connection)

    for server in (serve(reset_at_the_first_byte, greedy=False), serve(reset)):
        with client() as http, pytest.raises(NoAnswer) as caught:
            http.post(server.url(), b"x")
        assert caught.value.may_have_arrived


def test_a_reset_at_once_is_an_error_of_ours(client: Open, serve: Serve) -> None:
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
def test_broken_answers_are_doubts(client: Open, serve: Serve, answer: bytes) -> None:
    """An answer that is no HTTP, or less than it promised, leaves us in doubt and not in a crash."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)

    with client() as http, pytest.raises(NoAnswer):
        http.post(serve(say).url(), b"x")


def test_more_than_the_announced_length_is_cut_off(client: Open, serve: Serve) -> None:
    """A body longer than its Content-Length ends where it was announced to end."""
    with client() as http:
        assert b"hello" == http.get(serve(OK + b" and more").url()).body


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"Content-Length: 500\r\n\r\nhello", "sent 5 bytes and broke off; its Content-Length says 500"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "broke off amid its answer, after 5 bytes"),
    ],
)
def test_a_body_that_breaks_off_is_named(client: Open, serve: Serve, answer: bytes, words: str) -> None:
    """feeds:I7 — a wrong Content-Length is a fault that says so, and half a body is never a whole one."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + answer)
        connection.shutdown(socket.SHUT_WR)

    with client() as http, pytest.raises(NoAnswer, match=words):
        http.get(serve(say).url())


def test_headers_that_come_twice_are_one_list(client: Open, serve: Serve) -> None:
    """RFC 9110 §5.2: several lines of a header are the same as one with all their values."""
    server = serve(b"HTTP/1.1 200 OK\r\nLink: <a>\r\nX-Y: z\r\nLINK: <b>\r\nContent-Length: 0\r\n\r\n")
    with client() as http:
        headers = http.get(server.url()).headers
    assert {"link": "<a>, <b>", "x-y": "z", "content-length": "0"} == headers


@pytest.mark.parametrize(
    ("status", "kept"), [(301, True), (308, True), (302, False), (303, False), (307, False)]
)
def test_conditions_follow_only_what_moved_for_good(
    client: Open, serve: Serve, status: int, *, kept: bool
) -> None:
    """feeds:I2 — validators belong to where they came from, and go on only to its new address."""
    there = serve(OK)
    here = serve(by_path({"/far": moved(status, there.url()), "/near": moved(status, "/end")}))
    conditions = {"If-None-Match": '"1"', "If-Modified-Since": "Mon, 02 Mar 2026 09:00:00 GMT"}
    with client(limits=FOLLOWING) as http:
        http.get(here.url("/far"), conditions)
        http.get(here.url("/near"), conditions)
    for request in (there.requests[0], here.requests[2]):
        assert [kept, kept] == [name in request.lower() for name in (b"if-none-match", b"if-modified-since")]


def test_an_early_refusal_is_heard(client: Open, serve: Serve) -> None:
    """A server that answers 413 without reading the body is a reply, where the reply got through."""

    def refuse(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass

    with client(limits=FOLLOWING) as http:
        assert 413 == http.post(serve(refuse, greedy=False).url(), bytes(3_000_000)).status


@pytest.mark.parametrize("kind", [Blocked, Unreachable, NoAnswer, TooLarge])
def test_messages_hold_no_secrets(client: Open, serve: Serve, kind: type[WireFault]) -> None:
    """security:I6 — paths and queries carry tokens: no message shows them, and each is one line."""
    server = serve(OK if kind is TooLarge else reset)
    port = reserved_port() if kind is Unreachable else server.port
    guard = Guard() if kind is Blocked else LOOPBACK
    url = f"http://127.0.0.1:{port}/{SECRET}?key={SECRET}"
    with client(guard, Limits(max_bytes=3)) as http, pytest.raises(kind) as caught:
        http.post(url, SECRET.encode(), {"Authorization": SECRET})
    assert SECRET not in str(caught.value)
    assert 1 == len(str(caught.value).splitlines())


def test_nothing_is_logged_but_the_cause_of_no_connection(
    client: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """security:S7 — our own log knows the cause that the message hides, and no path or query."""
    with client(resolve=names()) as http, pytest.raises(Unreachable):
        http.get(f"http://gone.test/{SECRET}?key={SECRET}")
    logged = "".join(capsys.readouterr())
    assert "gone.test" in logged
    assert "Name or service not known" in logged
    assert SECRET not in logged


def test_json_survives_the_way(client: Open, serve: Serve) -> None:
    """What goes out as JSON arrives as the same JSON."""
    server = serve(OK)
    with client() as http:
        http.post(server.url(), json.dumps({"data": "é\n"}).encode(), {"content-type": "application/json"})
    assert {"data": "é\n"} == json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
