"""The relay's certificate and the links in our mail, over real sockets and real TLS."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from syndicator import signup
from syndicator.doctor import Finding, State, reach
from syndicator.model.audience import SubscriptionState
from syndicator.signup import Tokens
from syndicator.store import Store, audience
from syndicator.wire.guard import Guard, parse_guard
from syndicator.wire.http import Client
from syndicator.wire.relay import Relay, Timeouts
from tests.make import make_newsroom, make_subscription
from tests.wire import http_server, smtp_server

TOKENS = Tokens(["a key for tests, long enough"])


@dataclass(frozen=True)
class Shown:
    """What a server shows, and the file a client trusts."""

    context: ssl.SSLContext
    file: Path


def certificate(folder: Path, days: int) -> Shown:
    """A certificate for 127.0.0.1, signed by itself, that ends so many days after NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "relay")])
    ends = dt.datetime.now(dt.UTC) + dt.timedelta(days=days, hours=1)  # TLS asks the real clock
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - dt.timedelta(days=9000)).not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = folder / "relay.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return Shown(context, file)


def session(port: int, **other: Any) -> dict[str, Finding]:
    relay = Relay(**{"host": "127.0.0.1", "port": port, "helo": "news.example", "tls": "none", **other})
    now = dt.datetime.now(dt.UTC)
    return {one.check: one for one in reach.relay_session(relay, now)}


@pytest.mark.parametrize(("days", "state"), [(90, State.OK), (20, State.WARN), (-1, State.FAIL)])
def test_a_certificate_has_days_left(tmp_path: Path, days: int, state: State) -> None:
    """mail:DC1 The relay's certificate is verified, and its end is seen three weeks ahead."""
    shown = certificate(tmp_path, days)
    with smtp_server.Server(context=shown.context) as server:
        found = session(server.port, tls="starttls", ca_file=str(shown.file))
    one = found["certificate" if days > 0 else "relay"]
    assert state == one.state, one
    assert (f"{days} more days" if days > 0 else "certificate has expired") in one.words


def test_a_strange_certificate_fails(tmp_path: Path) -> None:
    """mail:DC1 A certificate nobody we trust has signed is no certificate."""
    shown = certificate(tmp_path, 90)
    with smtp_server.Server(context=shown.context) as server:
        one = session(server.port, tls="starttls")["relay"]
    assert (State.FAIL, True) == (one.state, "certificate is not valid" in one.words)


SAID: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"tls": "starttls"}, "lacks what the mail settings ask for"),
    ({"script": {"GREETING": "554 go away"}}, {}, "does not want us"),
    ({"script": {"GREETING": "421 busy"}}, {}, "is not ready"),
    (
        {"script": {"GREETING": smtp_server.HANG}},
        {"timeouts": Timeouts(greeting=0.05)},
        "unexpectedly closed",
    ),
]


@pytest.mark.parametrize(("server", "relay", "words"), SAID)
def test_a_relay_that_does_not_take_us(server: dict[str, Any], relay: dict[str, Any], words: str) -> None:
    """mail:DC1 What would stop the mail fails the check, in the relay's words."""
    with smtp_server.Server(**server) as listening:
        one = session(listening.port, **relay)["relay"]
    assert (State.FAIL, True) == (one.state, words in one.words), one
    assert one.advice


def test_clear_text_is_for_this_machine_only() -> None:
    """mail:DC1, mail:EM7 Without TLS a relay elsewhere fails the check, one on the loopback does not."""
    with smtp_server.Server(extensions=[]) as server:
        near = session(server.port)
        far = session(server.port, host="127.1")  # leads here too, and does not look so
    assert (State.OK, State.OK, State.FAIL) == (
        near["relay"].state,
        near["certificate"].state,
        far["certificate"].state,
    )
    assert "no PIPELINING" in near["relay"].words


# -- one-click unsubscribe --------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> http_server.Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ca.test")])
    signed = http_server.certificate("ca.test", key, subject, key, authority=True)
    return http_server.Authority(key, signed, tmp_path)


Ask = Callable[[Store, Callable[[bytes], tuple[str, str]]], Finding]


@pytest.fixture
def ask(authority: http_server.Authority) -> Ask:
    """What the check finds, when a server behind TLS answers each request as `reply` says: status, more header."""

    def asked(store: Store, reply: Callable[[bytes], tuple[str, str]]) -> Finding:
        def script(connection: Any, request: bytes) -> None:
            status, more = reply(request)
            connection.sendall(f"HTTP/1.1 {status}\r\n{more}content-length: 2\r\n\r\nok".encode())

        server = http_server.Server(script, tls=authority.identity("news.test"))
        resolve = lambda *_, **__: [(0, 0, 0, "", ("127.0.0.1", 0))]  # noqa: E731
        client = Client(parse_guard(["127.0.0.0/8"]), "doctor", resolve=resolve, tls=authority.trust)
        base = f"https://news.test:{server.port}"
        link = lambda row: f"{base}/media-list/unsubscribe/{TOKENS.unsubscribe_token(row)}"  # noqa: E731
        try:
            (found,) = reach.unsubscribe(base, link, client, store, reach.newest_live(store))
        finally:
            client.close()
            server.close()
        asked.requests = server.requests  # type: ignore[attr-defined]
        return found

    return asked


def subscribed(store: Store) -> int:
    make_newsroom(store, "policy")
    with store.begin() as tx:
        return make_subscription(tx).id


def test_get_and_post_answer_200(store: Store, ask: Ask) -> None:
    """mail:DC1 GET with a live subscription's token, POST with nobody's, as mail programs send it (RFC 8058)."""
    row = subscribed(store)
    one = ask(store, lambda _: ("200 OK", ""))
    get, post = ask.requests  # type: ignore[attr-defined]
    assert State.OK == one.state, one
    assert get.startswith(f"GET /media-list/unsubscribe/{TOKENS.unsubscribe_token(row)} ".encode())
    assert post.startswith(f"POST /media-list/unsubscribe/{TOKENS.unsubscribe_token(0)} ".encode())
    assert post.endswith(b"\r\n\r\nList-Unsubscribe=One-Click")


WRONG = [
    (lambda _: ("404 Not Found", ""), "GET answers 404"),
    (lambda request: ("302 Found", "location: /login\r\n") if b"/media" in request else ("200 OK", ""), "GET answers 302"),
    (lambda request: ("403 Forbidden" if request.startswith(b"POST") else "200 OK", ""), "POST answers 403"),
    (lambda request: ("303 See Other" if request.startswith(b"POST") else "200 OK", "location: /nice\r\n"), "POST answers 303"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "words"), WRONG)
def test_what_a_proxy_breaks(
    store: Store, ask: Ask, reply: Callable[[bytes], tuple[str, str]], words: str
) -> None:
    """mail:DC1 Another answer, a redirect, a POST that is refused: mail programs would not unsubscribe."""
    one = ask(store, reply)
    assert (State.FAIL, True) == (one.state, words in one.words), one


def test_a_look_must_not_unsubscribe(store: Store, ask: Ask) -> None:
    """mail:DC1 Where GET ends the subscription, virus scanners unsubscribe people."""
    row = subscribed(store)

    def reply(request: bytes) -> tuple[str, str]:
        with store.begin() as tx:
            signup.unsubscribe(tx, TOKENS, request.split()[1].rpartition(b"/")[2].decode())
        return "200 OK", ""

    one = ask(store, reply)
    assert (State.FAIL, True) == (one.state, f"ended subscription {row}" in one.words), one


def test_the_check_ends_no_subscription(store: Store, ask: Ask) -> None:
    """mail:DC1 Asked of the real rules, the check leaves the subscription as it is."""
    row = subscribed(store)

    def reply(request: bytes) -> tuple[str, str]:
        if request.startswith(b"POST"):
            with store.begin() as tx:
                signup.unsubscribe(tx, TOKENS, request.split()[1].rpartition(b"/")[2].decode())
        return "200 OK", ""

    assert State.OK == ask(store, reply).state
    with store.read() as tx:
        assert SubscriptionState.ENDED != audience.subscription(tx, row).state


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://news.example", "is not https"),
        ("https://127.0.0.1", "127.0.0.1"),
        ("https://10.0.0.8", "10.0.0.8"),
    ],
)
def test_the_address_is_public_and_https(base: str, words: str) -> None:
    """mail:DC1 A link nobody outside can open is no way to unsubscribe."""
    with Client(Guard(), "doctor") as client:
        (one,) = reach.unsubscribe(base, lambda row: f"{base}/{row}", client, None, None)
    assert (State.FAIL, True) == (one.state, words in one.words), one


def test_the_foot_of_mail_says_where_we_live() -> None:
    """mail:MC24 Without a postal address mail goes out, but the doctor says so."""
    assert [State.WARN] == [one.state for one in reach.footer("  ")]
    assert [State.OK] == [one.state for one in reach.footer("1 Press Street, Berlin")]
