"""The mail road with real postmen: a folder, and a scripted server on the loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from syndicator import publish
from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.mail import Desk, Links, MailRoad
from syndicator.model.audience import address
from syndicator.model.delivery import Policy
from syndicator.model.suppression import Reason
from syndicator.render.mail import Sender
from syndicator.store import Store, deliveries, suppressions
from syndicator.wire.folder import Folder
from syndicator.wire.letters import Postman
from syndicator.wire.relay import Relay, Timeouts
from syndicator.wire.smtp import Connection
from tests.make import FakeClock, make_content, make_newsroom, make_site, make_subscription
from tests.wire.smtp_server import CLOSE, Server

UID = "tag:x,1"
DESK = Desk(
    site=make_site(),
    sender=Sender(address="press@news.example", name="Society"),
    key=b"k" * 32,
    links=Links(
        confirm=lambda row: f"https://news.example/confirm/{row}",
        unsubscribe=lambda row: f"https://news.example/unsubscribe/{row}",
        preferences=lambda row, _: f"https://news.example/preferences/{row}",
        press=lambda row, release, *_: f"https://news.example/press/{row}.{release}/",
        letter=lambda owed: f"https://news.example/{owed.sort}/{owed.about}",
    ),
)


def crew(store: Store, postman: Callable[[], Postman]) -> Crew:
    return Crew(
        store=store,
        roads=lambda *_: MailRoad(DESK, postman),
        worker="w",
        policy=Policy(),
        width=lambda _: 1,
        stop=threading.Event(),
    )


def relay(server: Server) -> Callable[[], Postman]:
    settings = Relay(
        host="127.0.0.1", port=server.port, tls="none", helo="news.example", timeouts=Timeouts(dot=20)
    )
    return lambda: Connection(settings)


def owe(store: Store, *mails: str) -> list[int]:
    make_newsroom(store)
    with store.begin() as tx:
        ids = [make_subscription(tx, mail).id for mail in mails]
        publish.publish(tx, UID, make_content("A headline"))
    return ids


def letters(folder: Path) -> list[EmailMessage]:
    return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.iterdir())]


def states(store: Store) -> list[tuple[str, str]]:
    with store.read() as tx:
        return [(row.recipient, row.state) for row in deliveries.listing(tx)]


def test_letters_into_a_folder(store: Store, tmp_path: Path) -> None:
    """mail:MC2: each recipient gets one letter of their own, with their own links and Message-ID."""
    first, second = owe(store, "a@x.example", "b@x.example")
    assert 2 == drain(crew(store, lambda: Folder(tmp_path / "out")))
    one, two = letters(tmp_path / "out")
    assert ("A headline", "a@x.example", "b@x.example") == (one["subject"], one["to"], two["to"])
    assert one["message-id"] != two["message-id"]
    assert f"<https://news.example/unsubscribe/{first}>" == one["list-unsubscribe"]
    assert f"<https://news.example/unsubscribe/{second}>" == two["list-unsubscribe"]
    assert [("a@x.example", "accepted"), ("b@x.example", "accepted")] == states(store)


def test_corrections_and_kills_answer_the_first_letter(store: Store, tmp_path: Path) -> None:
    """mail:EM4, mail:EM5: told in the thread of the original; a kill shows the headline and none of the words."""
    owe(store, "a@x.example")
    folders = [tmp_path / name for name in ("first", "correction", "kill")]
    drain(crew(store, lambda: Folder(folders[0])))
    with store.begin() as tx:
        publish.correct(tx, UID, make_content("A headline", body="<p>Corrected words.</p>"), "The figure")
    drain(crew(store, lambda: Folder(folders[1])))
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Legal grounds", kill=True)
    drain(crew(store, lambda: Folder(folders[2])))
    (first,), (correction,), (kill,) = map(letters, folders)
    assert first["in-reply-to"] is None
    assert first["message-id"] == correction["in-reply-to"] == kill["in-reply-to"]
    assert correction["subject"].startswith("CORRECTION")
    assert kill["subject"].startswith(("KILL", "WITHDRAWN"))
    assert "The figure" in correction.as_string()
    assert "Corrected words" not in kill.as_string()
    assert "Legal grounds" in kill.as_string()


def test_a_confirmation_has_its_link_and_nothing_to_leave(store: Store, tmp_path: Path) -> None:
    """mail:LM2: the mail that asks holds the link to confirm and no List-Unsubscribe."""
    make_newsroom(store)
    with store.begin() as tx:
        wish = make_subscription(tx, "new@x.example", consent=None)
        deliveries.plan_confirmation(tx, wish.contact_id, wish.id)
    assert 1 == drain(crew(store, lambda: Folder(tmp_path / "out")))
    (letter,) = letters(tmp_path / "out")
    assert f"https://news.example/confirm/{wish.id}" in letter.as_string()
    assert letter["list-unsubscribe"] is None


def test_a_real_conversation(store: Store) -> None:
    """mail:SE2: over a relay each outcome is its own: one accepted, one refused for ever, one deferred."""
    mails = ["a@x.example", "b@x.example", "c@x.example"]
    owe(store, *mails)
    with Server({("RCPT", 2): "550 5.1.1 no such user", ("RCPT", 3): "450 4.2.0 greylisted"}) as server:
        assert 3 == drain(crew(store, relay(server)))
    assert list(zip(mails, ["accepted", "refused", "due"], strict=True)) == states(store)
    assert [["a@x.example"]] == [mail.recipients for mail in server.mails]


def test_a_doubt_is_repeated_with_the_same_message_id(store: Store, clock: FakeClock) -> None:
    """design:5.1, mail:MC4: no answer after the dot: ten minutes later the very same bytes go out once more."""
    owe(store, "a@x.example")
    with Server({("DOT", 1): CLOSE}) as server:
        assert 1 == drain(crew(store, relay(server)))
    assert [("a@x.example", "due")] == states(store)
    clock.advance(minutes=10)
    with Server() as again:
        assert 1 == drain(crew(store, relay(again)))
    (doubtful,), (repeat,) = server.mails, again.mails
    assert doubtful.message == repeat.message
    assert [("a@x.example", "accepted")] == states(store)


def test_a_relay_that_is_away_costs_no_attempt(store: Store) -> None:
    """mail:SE6: no connection: nobody was tried, all wait for the lane."""
    owe(store, "a@x.example", "b@x.example")
    with Server() as server:
        pass
    assert 0 == drain(crew(store, relay(server)))
    with store.read() as tx:
        assert [("due", 0)] * 2 == [(row.state, row.attempts) for row in deliveries.listing(tx)]


def test_who_was_suppressed_meanwhile_gets_no_letter(store: Store) -> None:
    """security:R6: suppression between plan and claim is seen; the other letter goes out."""
    owe(store, "a@x.example", "b@x.example")
    with store.begin() as tx:
        suppressions.suppress(tx, address("a@x.example"), Reason.COMPLAINT)
    with Server() as server:
        assert 1 == drain(crew(store, relay(server)))
    assert [["b@x.example"]] == [mail.recipients for mail in server.mails]


@pytest.mark.parametrize("extensions", [("8BITMIME", "PIPELINING"), ("PIPELINING",)], ids=["8bit", "7bit"])
def test_one_letter_that_cannot_go_is_refused_alone(store: Store, extensions: tuple[str, ...]) -> None:
    """mail:MC19: an address that needs SMTPUTF8 is refused in words where the relay has none; others go."""
    owe(store, "jürgen@x.example", "b@x.example")
    with Server(extensions=extensions) as server:
        assert 2 == drain(crew(store, relay(server)))
    assert [("jürgen@x.example", "refused"), ("b@x.example", "accepted")] == states(store)
    with store.read() as tx:
        assert "SMTPUTF8" in (deliveries.listing(tx)[0].detail or "")


def test_the_date_is_the_day_it_became_a_duty(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """mail:MC4: Date comes from the ledger, so a late letter says the same as an early one."""
    owe(store, "a@x.example")
    clock.advance(hours=5)
    drain(crew(store, lambda: Folder(tmp_path / "out")))
    (letter,) = letters(tmp_path / "out")
    assert clock.now - timedelta(hours=5) == letter["date"].datetime
