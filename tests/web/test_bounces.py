"""`/callbacks/bounces/{provider}`: what is theirs is kept and heeded, what is not leaves no trace."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from syndicator.bounces.hooks import Hooks
from syndicator.bounces.providers import sns
from syndicator.errors import Unreachable
from syndicator.model.bounce import Kind
from syndicator.store import bounces, open_store
from syndicator.web.bounces import MAX_BODY, BounceHooks
from tests.bounces.provided import CERTIFICATE, LINK, TOPIC, body, bounce, certificate, message
from tests.bounces.samples import JANE
from tests.bounces.sent import Room, signs
from tests.make import NOW, FakeClock
from tests.web.served import Running, running

SECRET = "a secret of the tests"
AUTH = "Basic " + base64.b64encode(f"postmark:{SECRET}".encode()).decode()
SES, POSTMARK = "/callbacks/bounces/ses", "/callbacks/bounces/postmark"


class Amazon:
    """What is fetched from SNS, and whether it is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False

    def fetch(self, url: str) -> bytes:
        """A certificate, or what a link answers."""
        self.asked.append(url)
        if self.away:
            raise Unreachable("no route to Amazon")
        return certificate() if url == CERTIFICATE else b"<ok/>"


@pytest.fixture
def amazon() -> Amazon:
    """Amazon as it is reached from here."""
    return Amazon()


@pytest.fixture
def room(sqlite_url: str, clock: FakeClock) -> Iterator[Room]:
    """Somebody on the list; what the databases do with an event is shown by `bounces.test_taking`."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield Room(store)


@pytest.fixture
def web(room: Room, amazon: Amazon) -> Iterator[Running]:
    """A server that both providers may tell something."""
    hooks = Hooks(store=room.store, signs=signs(), ses=sns.Desk({TOPIC}, amazon.fetch), postmark=SECRET)
    with running(room.store, extra_routes=BounceHooks(lambda: hooks).routes()) as served:
        yield served


def _kinds(room: Room) -> dict[Kind, int]:
    with room.store.read() as tx:
        return dict(bounces.figures(tx, NOW - timedelta(days=1)))


def test_an_event_of_ses_is_heeded_once(web: Running, room: Room) -> None:
    """mail:LM16, mail:LM13 A complaint stops everything at once; told twice, it is one; by the recipient alone, too."""
    sent = room.send()
    assert 200 == web.ask(SES, "POST", body(bounce(JANE, source=room.verp(sent)))).status
    complaint = {
        "notificationType": "Complaint",
        "complaint": {"feedbackId": "c", "complainedRecipients": [{"emailAddress": JANE}]},
    }
    assert [200, 200] == [web.ask(SES, "POST", body(complaint)).status for _ in range(2)]
    assert {Kind.HARD: 1, Kind.COMPLAINT: 1} == _kinds(room)
    assert [("ended", "complaint")] == room.states()


def test_what_ses_did_not_say_leaves_no_trace(web: Running, room: Room, amazon: Amazon) -> None:
    """mail:LM16 Wrong signature, another topic: 403 in one line, no row, no word of it in the log."""
    room.send()
    forged = json.loads(body(bounce(JANE))) | {
        "Message": json.dumps(bounce(JANE, sub="OnAccountSuppressionList"))
    }
    with structlog.testing.capture_logs() as lines:
        answers = [
            web.ask(SES, "POST", json.dumps(one).encode())
            for one in (forged, message("x", TopicArn="arn:other"))
        ]
    assert [(403, b"This is not theirs.\n")] * 2 == [(one.status, one.body) for one in answers]
    assert {} == _kinds(room)
    assert (2, False) == (len(lines), JANE in str(lines))
    assert {CERTIFICATE} == set(amazon.asked)


def test_a_subscription_of_a_topic_we_know_is_confirmed(web: Running, room: Room, amazon: Amazon) -> None:
    """mail:LM16 Only for the ARNs that are set; nothing is stored for it."""
    more: dict[str, Any] = {"Type": "SubscriptionConfirmation", "Token": "t", "SubscribeURL": LINK}
    said = [message("You have chosen", **more, TopicArn=topic) for topic in (TOPIC, "arn:other")]
    good, other = (json.dumps(one).encode() for one in said)
    assert [200, 403] == [web.ask(SES, "POST", one).status for one in (good, other)]
    assert [CERTIFICATE, LINK] == amazon.asked
    assert {} == _kinds(room)


def test_amazon_away_is_later_and_loses_nothing(web: Running, room: Room, amazon: Amazon) -> None:
    """mail:LM16 Without a certificate nothing can be said: SNS repeats what is answered with 503."""
    room.send()
    amazon.away = True
    assert 503 == web.ask(SES, "POST", body(bounce(JANE))).status
    amazon.away = False
    assert 200 == web.ask(SES, "POST", body(bounce(JANE))).status
    assert {Kind.HARD: 1} == _kinds(room)


def test_an_event_of_postmark_is_heeded(web: Running, room: Room) -> None:
    """mail:LM16, mail:LM8 With the password; each by its own id; who leaves there has left here."""
    room.send()
    events = [
        {"RecordType": "Bounce", "ID": 7, "Type": "SoftBounce", "Email": JANE},
        {"RecordType": "Bounce", "ID": 7, "Type": "SoftBounce", "Email": JANE},
        {"RecordType": "Unheard", "ID": 8, "Email": JANE},
        {"RecordType": "Bounce", "ID": 9, "Type": "Unsubscribe", "Email": JANE},
        {"RecordType": "Bounce", "ID": 10, "Type": "HardBounce", "Email": "nobody@other.example"},
    ]
    for event in events:
        assert 200 == web.ask(POSTMARK, "POST", json.dumps(event).encode(), authorization=AUTH).status
    assert {Kind.SOFT: 1, Kind.UNKNOWN: 2, Kind.LEFT: 1} == _kinds(room)
    assert [("ended", "unsubscribed")] == room.states()


def test_without_the_password_postmark_is_nobody(web: Running, room: Room) -> None:
    """mail:LM16, security:D6 403, nothing kept, and neither the password nor the address in any line (pitfall 27)."""
    room.send()
    event = json.dumps({"RecordType": "SpamComplaint", "ID": 1, "Email": JANE}).encode()
    wrong = "Basic " + base64.b64encode(b"postmark:wrong").decode()
    with structlog.testing.capture_logs() as lines:
        answers = [web.ask(POSTMARK, "POST", event, authorization=one) for one in ("", wrong)]
    assert [403, 403] == [one.status for one in answers]
    assert ({}, None) == (_kinds(room), room.known().suppressed)
    assert not any(secret in str(lines) for secret in (JANE, wrong, SECRET, "wrong'"[:5] + ":"))


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 50_000, 400),
        (b" " * (MAX_BODY + 1), 413),
    ],
)
def test_what_is_no_event_is_refused_in_a_line(web: Running, room: Room, sent: bytes, status: int) -> None:
    """mail:LM16 Nothing, rubbish, 50,000 brackets, more than a megabyte: a clear answer, no row."""
    answer = web.ask(POSTMARK, "POST", sent, authorization=AUTH)
    assert (status, 1) == (answer.status, answer.body.count(b"\n"))
    assert {} == _kinds(room)


def test_providers_nobody_set_are_not_here(room: Room) -> None:
    """mail:LM16 Without a topic or a password there is no door, and for others there is none at all."""
    hooks = Hooks(store=room.store, signs=signs())
    with running(room.store, extra_routes=BounceHooks(lambda: hooks).routes()) as web:
        paths = (SES, POSTMARK, "/callbacks/bounces/mailgun")
        assert [404] * 3 == [web.ask(path, "POST", b"{}", authorization=AUTH).status for path in paths]
        assert 405 == web.ask(SES).status
