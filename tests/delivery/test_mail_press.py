"""The mail of a release from advance copy to kill, through the ledger and a real postman."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import structlog

from syndicator import observe, press, publish
from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.mail import Desk, MailRoad
from syndicator.delivery.writing import Writer
from syndicator.model.audience import address
from syndicator.model.delivery import Channel, Policy, alarm_subject, sample_subject
from syndicator.model.item import Content, Spokesperson
from syndicator.model.release import Embargo
from syndicator.press import Rules
from syndicator.render.mail import Template
from syndicator.render.mail.envelope import read_verp
from syndicator.store import Store, accreditations, alarms, audience, deliveries, items, releases
from syndicator.store.deliveries.owed import plan_mailbox
from syndicator.wire.folder import Folder
from syndicator.wire.letters import Postman
from syndicator.wire.relay import Relay
from syndicator.wire.smtp import Connection
from tests.delivery.test_mail import DESK
from tests.interop.dkim import by_dkimpy, house_signer
from tests.make import FakeClock, make_content, make_newsroom, make_subscription, make_try
from tests.wire.smtp_server import Server

UID = "tag:news.example,2026:r"
RULES = Rules(tls_ok=True)
PERSON = Spokesperson(slug="ada", name="Ada Okafor", mail="ada@news.example", stand_in="bo")


def crew(store: Store, postman: Callable[[], Postman], desk: Desk = DESK) -> Crew:
    return Crew(
        store=store,
        roads=lambda *_: MailRoad(desk, postman),
        worker="w",
        policy=Policy(),
        width=lambda _: 1,
        stop=threading.Event(),
    )


def said(text: str = "<p>Forty per cent. Not more.</p>") -> Content:
    return make_content("Warning on a budget", body=text, spokesperson="ada")


def newsroom(store: Store, clock: FakeClock, *, hours: int = 5) -> None:
    """A scheduled release under embargo; jane is accredited, joe is not."""
    make_newsroom(store)
    with store.begin() as tx:
        items.save_spokesperson(tx, Spokesperson(slug="bo", name="Bo Brandt"))
        items.save_spokesperson(tx, PERSON)
        jane, _ = make_subscription(tx, "jane@x.example"), make_subscription(tx, "joe@x.example")
        accreditations.accredit(tx, jane.contact_id, "editor", "by mail, 2026-01-01")
        press.draft(tx, UID, said(), Embargo(until=clock.now + timedelta(hours=hours), zone="Europe/London"))
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None, "editor", rules=RULES)


class Box:
    """A folder that takes letters, and what came since it was last opened."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._round = folder, 0

    def opened(self, store: Store, desk: Desk = DESK) -> dict[str, EmailMessage]:
        """Send what is due; the letters by recipient."""
        self._round += 1
        folder = self._folder / str(self._round)
        drain(crew(store, lambda: Folder(folder), desk))
        made = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in folder.glob("*.eml")]
        return {str(letter["to"]).split(" ")[-1].strip("<>"): letter for letter in made}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """An empty mailbox."""
    return Box(tmp_path)


def test_from_advance_to_kill_in_one_thread(store: Store, clock: FakeClock, box: Box) -> None:
    """mail:EM2, mail:EM3, mail:EM4, mail:EM5, mail:MC4 The accredited hear all of it below their advance copy; the others
    below the release, of which they knew nothing before.
    """
    newsroom(store, clock)
    first = box.opened(store)
    advance = first["jane@x.example"]
    assert ["jane@x.example"] == list(first)
    assert advance["subject"].startswith("EMBARGOED UNTIL Monday 2 March 2026, 14:00 GMT")
    with store.read() as tx:
        jane = audience.contact(tx, address("jane@x.example")).id
        assert DESK.links.press(jane, releases.named(tx, UID).id) in text_of(advance)
    with store.begin() as tx:
        press.reschedule(tx, UID, clock.now + timedelta(hours=6), "editor", rules=RULES)
    moved = box.opened(store)
    assert ["jane@x.example"] == list(moved)
    assert "15:00 GMT (15:00 UTC) (moved)" in moved["jane@x.example"]["subject"]
    clock.advance(hours=6)
    press.release_due(store, RULES)
    out = box.opened(store)
    assert ["joe@x.example"] == list(out)  # jane had these very words
    with store.begin() as tx:
        publish.correct(tx, UID, said("<p>Thirty per cent. Not more.</p>"), "Thirty, not forty.")
    corrected = box.opened(store)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Not ours to say.", kill=True)
    killed = box.opened(store)
    release = out["joe@x.example"]
    assert release["in-reply-to"] is advance["in-reply-to"] is None
    for told in (moved, corrected, killed):
        assert advance["message-id"] == told["jane@x.example"]["in-reply-to"]
        assert advance["message-id"] != told["jane@x.example"]["message-id"]
    for told in (corrected, killed):
        assert release["message-id"] == told["joe@x.example"]["in-reply-to"]
    assert "Before: Forty per cent." in text_of(corrected["joe@x.example"])
    assert "Thirty" not in text_of(killed["jane@x.example"])


def text_of(letter: EmailMessage) -> str:
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def test_other_words_than_the_advance_are_sent_in_its_thread(
    store: Store, clock: FakeClock, box: Box
) -> None:
    """mail:EM3, mail:MC4 Who had an earlier version gets the released one as a reply to it; who stands in is named."""
    newsroom(store, clock)
    advance = box.opened(store)["jane@x.example"]
    with store.begin() as tx:
        press.draft(tx, UID, said("<p>Other words.</p>"), releases.named(tx, UID).embargo)
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None, "editor", advance=False, rules=RULES)
    clock.advance(hours=5)
    press.release_due(store, RULES)
    out = box.opened(store)
    assert {"jane@x.example", "joe@x.example"} == set(out)
    assert advance["message-id"] == out["jane@x.example"]["in-reply-to"]
    assert out["joe@x.example"]["in-reply-to"] is None
    assert "Bo Brandt" in text_of(out["joe@x.example"])


def test_an_advance_for_later_is_dated_then(store: Store, clock: FakeClock, box: Box) -> None:
    """mail:MC2, mail:MC4 Copies planned days ahead bear the date they go out at, however late they are."""
    newsroom(store, clock, hours=72)
    due = clock.now + timedelta(hours=48)
    with store.begin() as tx:
        press.cancel(tx, UID, "again")
        press.draft(tx, "tag:news.example,2026:s", said(), Embargo(until=due + timedelta(hours=9)))
        press.approve(tx, "tag:news.example,2026:s", "editor")
        press.schedule(tx, "tag:news.example,2026:s", None, "editor", advance=due, rules=RULES)
    clock.advance(hours=49)
    assert due == box.opened(store)["jane@x.example"]["date"].datetime


def test_an_advance_is_logged_by_its_id_alone(store: Store, clock: FakeClock, box: Box) -> None:
    """mail:EM6 The Message-ID of each copy stands in the log beside the recipient's key: no address, no words."""
    newsroom(store, clock)
    with structlog.testing.capture_logs() as lines:
        advance = box.opened(store)["jane@x.example"]
    (line,) = [line for line in lines if line["event"] == "advance written"]
    assert f"<{line['letter']}@news.example>" == advance["message-id"]
    assert observe.ADDRESS.search(" ".join(map(str, line.values()))) is None  # or it would be kept in part
    assert line["to"].startswith("contact/")
    assert "jane" not in str(line)
    assert "Warning" not in str(line)


def test_mail_under_embargo_goes_over_no_line_others_can_read(store: Store, clock: FakeClock) -> None:
    """mail:EM7, mail:SE10 Over an unsecured connection the advance is held in words; the other letter of the turn goes."""
    newsroom(store, clock)
    with store.begin() as tx:
        publish.publish(tx, "tag:news.example,2026:other", make_content("Public"))
    with Server() as server:

        def overheard() -> Postman:
            connection = Connection(
                Relay(host="127.0.0.1", port=server.port, tls="none", helo="news.example")
            )
            connection.secure = False  # as it would be if the relay were not on this machine
            return connection

        drain(crew(store, overheard))
    assert ["Public", "Public"] == [message_from_bytes(mail.message)["subject"] for mail in server.mails]
    with store.read() as tx:
        (held,) = [row for row in deliveries.listing(tx) if row.subject.startswith("advance/")]
    assert ("due", 1) == (held.state, held.attempts)
    assert "mail.tls" in (held.detail or "")


def test_samples_and_alarms_go_to_addresses_that_are_no_contacts(
    store: Store, clock: FakeClock, box: Box
) -> None:
    """mail:EM2 A test is marked and under embargo, an alarm is plain; neither has links of a contact."""
    newsroom(store, clock)
    with store.begin() as tx:
        release = releases.named(tx, UID)
        subject = sample_subject(UID, release.version, "t1")
        plan_mailbox(tx, subject, "boss@x.example", release_id=release.id, version=release.version)
        alarms.raise_(tx, "lane/mail", "The relay is away", "Since 09:00.\n\nLook at it.")
        alarms.plan_mails(tx, ["desk@x.example"])
    letters = box.opened(store)
    sample, alarm = letters["boss@x.example"], letters["desk@x.example"]
    assert sample["subject"].startswith("[TEST] EMBARGOED UNTIL Monday 2 March 2026")
    assert "[ALARM] The relay is away" == alarm["subject"]
    for letter in (sample, alarm):
        assert letter["list-unsubscribe"] is None
        assert "/press/" not in text_of(letter)


def test_letters_are_signed_and_come_back_to_an_address_of_their_own(store: Store, clock: FakeClock) -> None:
    """mail:MC15, mail:MC17 What the relay gets verifies, and its envelope sender says which delivery it is."""
    newsroom(store, clock)
    desk = replace(DESK, signer=house_signer(), bounce_domain="bounces.news.example", bounce_key=b"b" * 32)
    with Server() as server:
        relay = Relay(host="127.0.0.1", port=server.port, tls="none", helo="news.example")
        drain(crew(store, lambda: Connection(relay), desk))
    (mail,) = server.mails
    with store.read() as tx:
        (row,) = deliveries.listing(tx)
    local, _, domain = mail.sender.partition("@")
    assert ("bounces.news.example", row.id) == (domain, read_verp([b"b" * 32], local))
    assert by_dkimpy(mail.message, house_signer().record)
    assert mail.message.startswith(b"DKIM-Signature: ")


def test_a_letter_nobody_can_write_is_refused_alone(store: Store, clock: FakeClock, box: Box) -> None:
    """mail:MC20 A duty whose release or alarm is gone, or of a sort unknown here, is refused in words; others go."""
    newsroom(store, clock)
    with store.begin() as tx:
        for subject in (sample_subject("tag:gone", 1, "t"), alarm_subject(77), "weather/today"):
            plan_mailbox(tx, subject, "boss@x.example")
    assert ["jane@x.example"] == list(box.opened(store))
    with store.read() as tx:
        rows = [row for row in deliveries.listing(tx) if row.recipient == "boss@x.example"]
    assert ["refused"] * 3 == [row.state for row in rows]
    assert all("this letter cannot be written" in (row.detail or "") for row in rows)


def test_only_a_few_templates_are_kept(store: Store) -> None:
    """A worker that runs for months holds the letters of a few releases, not of all: the oldest makes way."""
    make_newsroom(store)
    with store.begin() as tx:
        subscription = make_subscription(tx, "jane@x.example")
        made = [publish.publish(tx, f"tag:x,{n}", make_content(f"No. {n}")) for n in range(5)]
        writer = Writer(DESK, keep=3)
        for item in [*made, made[-1]]:
            attempt = make_try(
                subject=f"revision/{item.uid}/1", item_id=item.id, channel=Channel.MAIL,
                recipient=f"contact/{subscription.contact_id}", subscription_id=subscription.id,
            )  # fmt: skip
            writer.letter(tx, attempt, None)
    kept = writer._kept
    assert [made[n].id for n in (2, 3, 4)] == [key[1] for key in kept]
    assert all(isinstance(one, Template) for one in kept.values())
