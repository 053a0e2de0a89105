"""Whom the guarded HTTP clients refuse, whatever name or certificate it goes by; both colours."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Blocked, Invalid, NoAnswer, Unreachable, WireFault
from syndicator.wire.exchange import Limits, authorities
from syndicator.wire.guard import Guard, parse_guard
from tests.wire.http_clients import FOLLOWING, SHORT, Open
from tests.wire.http_server import (
    OK,
    SOON,
    Authority,
    Serve,
    moved,
    names,
    no_look_up,
    reset,
)

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
def test_hostile_targets_are_blocked(client: Open, url: str) -> None:
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
def test_one_bad_answer_blocks_the_name(client: Open, answers: list[str]) -> None:
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


def test_any_port_of_an_allowed_range_is_open_and_no_other(client: Open) -> None:
    """security:S3 — other ports than 80 and 443 only inside an explicitly allowed range."""
    guard = Guard(allow=(IPv4Network("10.0.0.0/8"),))
    inside, outside = ip_address("10.9.9.9"), ip_address("8.8.8.8")
    assert [True, True, False] == [guard.vet_port(inside, port) for port in (80, 8080, 0)]
    assert [True, True, False] == [guard.vet_port(outside, port) for port in (80, 443, 8080)]
    with client(guard, resolve=names(open_test="8.8.8.8")) as http, pytest.raises(Blocked, match="port 8080"):
        http.get("http://open.test:8080/")


def test_a_blocked_address_says_how_to_allow_it(client: Open) -> None:
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


def test_rebinding_finds_no_second_look_up(client: Open, serve: Serve) -> None:
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


def test_a_redirect_to_the_same_name_is_looked_up_and_vetted_anew(client: Open, serve: Serve) -> None:
    """security:S2, security:S4 — a name that turns inward between two hops is refused at the second."""
    answers = iter(["127.0.0.1", "::ffff:10.0.0.1"])

    def flip(host: str, port: object, **_: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    server = serve(moved(301, "/inside").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    with client(limits=FOLLOWING, resolve=flip) as http, pytest.raises(Blocked, match=r"10\.0\.0\.1"):
        http.get(server.url(host="flip.test"))
    assert 1 == server.connections


def test_a_dead_first_address_does_not_hide_the_second(client: Open, serve: Serve) -> None:
    """A name with several addresses is reached by the first that takes the connection."""
    server = serve(OK, address="127.0.0.3")
    with client(resolve=names(twins_test=["127.0.0.2", "127.0.0.3"])) as http:
        assert b"hello" == http.get(server.url(host="twins.test")).body


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy", "https_proxy"])
def test_proxies_of_the_environment_are_ignored(
    client: Open, serve: Serve, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """security:S3 — a proxy named in the environment would void the pin, so it is never used."""
    proxy, server = serve(OK), serve(OK)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv(variable, proxy.url())
    with client() as http:
        http.get(server.url())
    assert (0, 1) == (proxy.connections, len(server.requests))


def test_netrc_is_not_read(
    client: Open, serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
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
def test_no_address_crashes_the_guard(client: Open, text: str) -> None:
    """security:S3 — whatever is typed after http:// ends in one of our errors, never in another."""
    with client(Guard(), limits=Limits(), resolve=names()) as http, pytest.raises(WireFault) as caught:
        http.get("http://" + text)
    assert isinstance(caught.value, Blocked | Unreachable)


# -- TLS ------------------------------------------------------------------------------------------


SECURE = names(secure_test="127.0.0.1", other_test="127.0.0.1")


def test_tls_keeps_the_name_though_a_literal_is_dialled(
    client: Open, serve: Serve, authority: Authority
) -> None:
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


def test_bodies_of_any_size_pass_over_tls(client: Open, serve: Serve, authority: Authority) -> None:
    """What is longer than TLS takes at once arrives whole, in both directions."""
    there, back = bytes(range(256)) * 12_000, bytes(range(255, -1, -1)) * 12_000
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(back), back)
    server = serve(answer, tls=authority.identity("secure.test"))
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http:
        assert back == http.post(server.url(host="secure.test"), there).body
    assert there == server.requests[0].partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("politely", [True, False])
def test_what_breaks_off_over_tls_is_a_doubt(
    client: Open, serve: Serve, authority: Authority, *, politely: bool
) -> None:
    """A connection that ends amid the answer, with or without a farewell, brings no half a body."""

    def say(connection: socket.socket, _: bytes) -> None:
        connection.sendall(OK[:-2])
        assert isinstance(connection, ssl.SSLSocket)
        if politely:
            connection.unwrap()
        else:
            reset(connection)

    server = serve(say, tls=authority.identity("secure.test"))
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http, pytest.raises(NoAnswer):
        http.get(server.url(host="secure.test"))


def test_a_wrong_name_in_the_certificate_is_unreachable(
    client: Open, serve: Serve, authority: Authority
) -> None:
    """security:S2 — a certificate for another name ends the conversation before the request."""
    server = serve(OK, tls=authority.identity("secure.test"))
    trusting = client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust)
    with trusting as http, pytest.raises(Unreachable, match="certificate"):
        http.get(server.url(host="other.test"))
    assert [] == server.requests


def test_an_unknown_authority_is_unreachable(
    client: Open, serve: Serve, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """security:S3 — only the usual authorities are trusted, whatever the environment says."""
    (authority.folder / "ca.pem").write_bytes(authority.certificate.public_bytes(serialization.Encoding.PEM))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.folder / "ca.pem"))
    authorities.cache_clear()
    server = serve(OK, tls=authority.identity("secure.test"))
    with client(limits=FOLLOWING, resolve=SECURE) as http, pytest.raises(Unreachable, match="certificate"):
        http.get(server.url(host="secure.test"))
    assert [] == server.requests


def test_a_plain_server_on_a_tls_address_is_unreachable(
    client: Open, serve: Serve, authority: Authority
) -> None:
    """A failed handshake is certainly no acceptance: nothing of the request was sent."""
    server = serve(OK, greedy=False)
    with client(limits=FOLLOWING, resolve=SECURE, tls=authority.trust) as http, pytest.raises(Unreachable):
        http.get(server.url(host="secure.test").replace("http:", "https:"))


def test_redirects_never_lead_from_https_to_http(client: Open, serve: Serve, authority: Authority) -> None:
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


def test_a_silent_handshake_ends_on_time(client: Open, serve: Serve, authority: Authority) -> None:
    """security:S6 — a server that never answers the TLS greeting costs the deadline and no doubt."""
    stop = threading.Event()
    server = serve(lambda _connection, _request: stop.wait(SOON), greedy=False)
    began = time.monotonic()
    with client(limits=SHORT, resolve=SECURE, tls=authority.trust) as http, pytest.raises(Unreachable):
        http.get(server.url(host="secure.test").replace("http:", "https:"))
    stop.set()
    assert time.monotonic() - began < SOON
