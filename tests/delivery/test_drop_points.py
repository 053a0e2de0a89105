"""A relay that misbehaves at one letter of three: what becomes of that one, and of its neighbours, in the ledger."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.mail import MailRoad
from syndicator.model.delivery import Policy
from syndicator.model.outcomes import Cause, Outcome
from syndicator.store import Store, deliveries
from syndicator.wire.relay import Relay, Timeouts
from syndicator.wire.smtp import Connection
from tests.delivery.test_mail import DESK, owe
from tests.make import reserved_port
from tests.wire.smtp_server import CLOSE, HANG, Authority, Script, Server, authority

PEOPLE = ("a@x.example", "b@x.example", "c@x.example")
QUICK = Timeouts(connect=10, greeting=10, command=0.4, data=0.4, dot=0.4, farewell=1)
WAYS = {"pipelined": ("PIPELINING", "8BITMIME"), "stepwise": ("8BITMIME",)}


def carry(store: Store, port: int, **other: Any) -> None:
    """One pass of a worker with one connection over this relay."""
    usual: dict[str, Any] = {"tls": "none", "timeouts": QUICK}
    relay = Relay(host="127.0.0.1", port=port, helo="news.example", **{**usual, **other})
    crew = Crew(
        store=store,
        roads=lambda *_: MailRoad(DESK, lambda: Connection(relay)),
        worker="w",
        policy=Policy(),
        width=lambda _: 1,
        stop=threading.Event(),
    )
    drain(crew)


def ledger(store: Store) -> list[tuple[str, Outcome | None, int]]:
    with store.read() as tx:
        return [(one.state, one.last_outcome, one.attempts) for one in deliveries.listing(tx)]


def last_try(store: Store, recipient: str) -> deliveries.Attempt:
    with store.read() as tx:
        (row,) = [one for one in deliveries.listing(tx) if one.recipient == recipient]
        return deliveries.attempts(tx, row.id)[-1]


FINE = ("accepted", Outcome.ACCEPTED, 1)
LOST = ("due", Outcome.DEFERRED, 1)
DOUBT = ("due", Outcome.UNKNOWN, 1)
GONE = ("refused", Outcome.REFUSED, 1)


@pytest.mark.parametrize(
    ("store", "way"),
    [("sqlite", "pipelined"), ("postgresql", "stepwise")],  # each of both with every script
    ids=["pipelined-sqlite", "stepwise-postgresql"],
    indirect=["store"],
)
@pytest.mark.parametrize(
    ("script", "expected", "cause", "words"),
    [
        ({("MAIL", 2): CLOSE}, LOST, Cause.RELAY, "connection lost before the letter was handed over"),
        ({("RCPT", 2): CLOSE}, LOST, Cause.RELAY, "connection lost before the letter was handed over"),
        ({("DATA", 2): CLOSE}, LOST, Cause.RELAY, "connection lost before the letter was handed over"),
        ({("DOT", 2): CLOSE}, DOUBT, None, "no answer after the final dot, it may have arrived"),
        ({("MAIL", 2): HANG}, LOST, Cause.RELAY, "no answer in time"),
        ({("RCPT", 2): HANG}, LOST, Cause.RELAY, "no answer in time"),
        ({("DATA", 2): HANG}, LOST, Cause.RELAY, "no answer in time"),
        ({("DOT", 2): HANG}, DOUBT, None, "no answer after the final dot, it may have arrived"),
        ({("RCPT", 2): "550 5.1.1 nobody"}, GONE, Cause.DEAD_ADDRESS, "5.1.1 nobody"),
        ({("RCPT", 2): "452 4.2.2 over quota"}, LOST, Cause.FULL, "4.2.2 over quota"),
        ({("DOT", 2): "554 5.7.1 spam"}, GONE, Cause.POLICY, "5.7.1 spam"),
        ({("DOT", 2): b"nonsense\r\n"}, DOUBT, None, "no answer after the final dot, it may have arrived"),
    ],
    ids=str,
)
def test_one_letter_of_three(
    store: Store,
    script: Script,
    expected: tuple[str, Outcome, int],
    cause: Cause | None,
    words: str,
    way: str,
) -> None:
    """mail:SE2, mail:SE7, mail:SE11, pitfalls 21-23: the outcome is that recipient's alone, on record, in words."""
    owe(store, *PEOPLE)
    with Server(script, extensions=WAYS[way]) as server:
        carry(store, server.port)
    assert [FINE, expected, FINE] == ledger(store)
    tried = last_try(store, PEOPLE[1])
    assert (expected[1], cause) == (tried.outcome, tried.cause)
    assert words in tried.detail
    bodies = [mail.recipients[0] for mail in server.mails]
    assert [PEOPLE[0], PEOPLE[2]] == [one for one in bodies if one != PEOPLE[1]]


@pytest.mark.parametrize("dot", ["554 5.5.1 no valid recipients", "250 2.0.0 ok anyway"])
def test_354_to_a_refused_recipient(store: Store, dot: str) -> None:
    """mail:SE2, pitfall 22: a lone dot follows, its reply is nobody's success, and the ledger says refused."""
    owe(store, *PEOPLE)
    with Server({("RCPT", 2): "550 5.1.1 nobody", ("DOT", 2): dot}) as server:
        carry(store, server.port)
    assert [FINE, GONE, FINE] == ledger(store)
    assert all(mail.wire for mail in server.mails)


@pytest.mark.parametrize(
    "script",
    [
        {"GREETING": CLOSE},
        {"GREETING": "554 5.7.1 no SMTP service here"},
        {"GREETING": "421 4.3.2 not now"},
        {"MAIL": CLOSE},
        {"MAIL": "550 5.7.1 you are not allowed to send"},
        {"MAIL": "421 4.3.2 going down"},
        {"RCPT": "554 5.7.1 Relay access denied"},
    ],
    ids=str,
)
def test_the_relays_own_no_is_nobodys_failure(store: Store, script: Script) -> None:
    """mail:SE7: at the greeting, at MAIL and where it does not relay for us, all wait, untried, in one incident."""
    owe(store, *PEOPLE)
    with Server(script) as server:
        carry(store, server.port)
    assert [("due", 0)] * 3 == [(state, attempts) for state, _, attempts in ledger(store)]
    with store.read() as tx:
        (lane,) = deliveries.lanes(tx)
    assert lane.since is not None
    assert lane.fault
    assert [] == server.mails


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [
        ("other.example", {}, "its certificate is not valid"),
        ("127.0.0.1", {"STARTTLS": b"220 go\r\n250 injected\r\n"}, "answers more than it was asked"),
        ("", {}, "nothing was sent in clear text"),
    ],
)
def test_no_letter_without_the_tls_that_was_asked_for(
    store: Store, ca: Authority, name: str, script: Script, words: str
) -> None:
    """mail:SE10, pitfall 21: a bad certificate, bytes injected before TLS, no STARTTLS: nothing leaves, all wait."""
    owe(store, *PEOPLE)
    with Server(script, context=ca.context(name) if name else None) as server:
        carry(store, server.port, tls="starttls", ca_file=str(ca.file))
    assert [("due", None, 0)] * 3 == ledger(store)
    with store.read() as tx:
        (lane,) = deliveries.lanes(tx)
    assert words in (lane.fault or "")
    assert "MAIL" not in server.verbs()


def test_nobody_listens(store: Store) -> None:
    """mail:SE7: a refused connection is one incident with host and port in its words."""
    owe(store, *PEOPLE)
    port = reserved_port()
    carry(store, port)
    assert [("due", None, 0)] * 3 == ledger(store)
    with store.read() as tx:
        (lane,) = deliveries.lanes(tx)
    assert str(port) in (lane.fault or "")
