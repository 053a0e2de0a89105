"""Whose a bounce is, and what follows: only what we signed counts, once, and on both databases the same."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from syndicator.errors import Refused
from syndicator.model.audience import address
from syndicator.model.bounce import Kind
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.store import Store, accreditations, bounces, evidence, letters, schema, suppressions
from tests.bounces.samples import JANE, SAMPLES, Sample, feedback
from tests.bounces.sent import Room
from tests.make import FakeClock

BY_NAME = {one.name: one for one in SAMPLES}
GONE = BY_NAME["postfix, no such user"]


@pytest.fixture
def room(store: Store) -> Room:
    """Somebody on the list."""
    return Room(store)


def test_a_dead_address_is_given_up_on_the_second_day(room: Room, clock: FakeClock) -> None:
    """mail:LM11, mail:LM20, mail:LM3, security:R6 By report: one day is an accident, two are not; all that was theirs ends, with the reason."""
    with room.store.begin() as tx:
        accreditations.accredit(tx, room.contact.id, "ed", "terms")
    first, second = room.send(), room.send()
    assert Kind.HARD is room.comes(GONE.mail(room.verp(first)))
    assert (None, [("active", None)]) == (room.known().suppressed, room.states())
    clock.advance(days=1)
    assert Kind.HARD is room.comes(GONE.mail(room.verp(second)))
    assert "dead: 550 5.1.1 <j…@press.example> User doesn't exist" == room.known().suppressed
    assert [("ended", "dead address")] == room.states()
    with room.store.read() as tx:
        assert accreditations.live(tx, room.contact.id) is None
        assert "dead address" == accreditations.history(tx, room.contact.id)[0].reason
        told = [
            (one.act, one.source, one.detail["reason"]) for one in evidence.of_contact(tx, room.contact.id)
        ]
        assert [("left", "imap", "dead address")] == told
        shown = [(one.kind, one.code, one.delivery_id) for one in bounces.of_contact(tx, room.contact.id)]
    assert [(Kind.HARD, "5.1.1", first), (Kind.HARD, "5.1.1", second)] == shown


def test_a_replay_changes_nothing(room: Room, clock: FakeClock) -> None:
    """mail:LM13 The same mail on another day is the same event."""
    mail = GONE.mail(room.verp(room.send()))
    room.comes(mail)
    clock.advance(days=1)
    room.comes(mail)
    with room.store.read() as tx:
        assert 1 == len(bounces.of_contact(tx, room.contact.id))
    assert room.known().suppressed is None


@pytest.mark.parametrize(
    "name",
    [
        "exchange, not open to outsiders",
        "gmail, bulk mail refused",
        "postfix, still trying",
        "vacation program",
    ],
)
def test_what_is_no_fault_of_theirs_never_counts(room: Room, clock: FakeClock, name: str) -> None:
    """mail:LM12, mail:LM14 Blocked, delayed, away: thirty days of it leave the address as it was."""
    for _ in range(12):
        room.comes(BY_NAME[name].mail(room.verp(room.send())))
        clock.advance(days=2.5)
    assert (None, [("active", None)]) == (room.known().suppressed, room.states())


def test_a_message_id_of_ours_shows_whose_it_is(room: Room) -> None:
    """mail:LM13 Without a token: made again for the recipient that is named, and it must be the very letter."""
    sent = room.send()
    room.comes(BY_NAME["sendmail, no such user"].mail(message_id=room.message_id(sent)))
    with room.store.read() as tx:
        assert [sent] == [one.delivery_id for one in bounces.of_contact(tx, room.contact.id)]


@pytest.mark.parametrize("forged", ["token", "message id", "neither", "another's"])
def test_backscatter_is_counted_and_ignored(room: Room, clock: FakeClock, forged: str) -> None:
    """mail:LM13 A token nobody signed, a Message-ID never sent: nothing follows, however often, whoever it names."""
    sent = room.send()
    token, message_id = room.verp(sent), room.message_id(sent)
    last = "a" if token.partition("@")[0][-1] != "a" else "b"
    local, _, domain = token.partition("@")
    for _ in range(3):
        mail = {
            "token": GONE.mail(f"{local[:-3]}{last}{local[-2:]}@{domain}", message_id),
            "message id": GONE.mail("b@x.example", f"x{message_id}"),
            "neither": GONE.mail(),
            "another's": GONE.mail("b@x.example", message_id).replace(JANE.encode(), b"joe@press.example"),
        }[forged]
        assert Kind.UNKNOWN is room.comes(mail + b"%d" % clock.now.day)
        clock.advance(days=1)
    assert room.known().suppressed is None
    with room.store.read() as tx:
        assert ([], {Kind.UNKNOWN: 3}) == (
            bounces.of_contact(tx, room.contact.id),
            bounces.figures(tx, clock.now - 9 * (clock.now - clock.now.replace(day=1))),
        )


@pytest.mark.parametrize("by", ["token", "message id", "link"])
def test_a_complaint_is_heeded_at_once(room: Room, by: str) -> None:
    """mail:LM15 The reporter hides who complained: token, Message-ID or the link to leave in the letter tell."""
    sent = room.send()
    fields = {
        "token": [f"Original-Mail-From: <{room.verp(sent)}>"],
        "message id": [f"Original-Rcpt-To: <{JANE}>"],
        "link": [],
    }[by]
    known = room.message_id(sent) if by != "token" else "hidden@isp.example"
    mail = Sample("", feedback("abuse", *fields), Kind.COMPLAINT).mail(
        message_id=known, link="7.good" if by == "link" else "x"
    )
    assert Kind.COMPLAINT is room.comes(mail)
    assert (room.known().suppressed or "").startswith("complaint: abuse reported by Loop/1")
    assert [("ended", "complaint")] == room.states()
    with room.store.read() as tx:
        assert [(Kind.COMPLAINT, sent)] == [
            (one.kind, one.delivery_id) for one in bounces.of_contact(tx, room.contact.id)
        ]


def test_not_spam_takes_back_that_complaint_alone(room: Room) -> None:
    """mail:LM15 A complaint of a report is lifted, and what ended stays ended; what staff did stays as well."""
    token = room.verp(room.send())
    reports = [
        Sample("", feedback(sort, f"Original-Mail-From: {token}"), Kind.COMPLAINT)
        for sort in ("abuse", "not-spam")
    ]
    assert [Kind.COMPLAINT, Kind.NOT_SPAM] == [room.comes(one) for one in reports]
    assert (None, [("ended", "complaint")]) == (room.known().suppressed, room.states())
    with room.store.begin() as tx:
        suppressions.suppress(tx, room.contact.address, Reason.COMPLAINT, "by telephone", source="staff")
    room.comes(Sample("", feedback("not-spam", f"Original-Mail-From: {token}", "Again: yes"), Kind.NOT_SPAM))
    assert "by telephone" == room.known().suppressed


def test_mail_to_the_address_with_their_token_ends_the_subscription(room: Room) -> None:
    """mail:LM8 By the token in the address, in upper case even, whoever writes it; twice is harmless, forged is nothing."""
    left: list[int] = []
    to = room.leaving()
    mail = f"From: somebody.else@other.example\r\nTo: <{to.upper()}>\r\nSubject: unsubscribe\r\n\r\n".encode()
    forged = mail.replace(b"LEAVE+", b"LEAVE+A")
    assert Kind.UNKNOWN is room.comes(forged, left=left)
    assert [Kind.LEFT, Kind.LEFT] == [room.comes(mail, left=left), room.comes(mail, left=left)]
    assert (1, [("ended", "unsubscribed")]) == (len(left), room.states())


def test_a_letter_to_nobody_on_the_list_counts_for_its_address(room: Room, clock: FakeClock) -> None:
    """mail:LM11, mail:LM15 Who complains of a letter to a mailbox that only asked to join is left alone, too."""
    who = address("typo@press.example")
    with room.store.begin() as tx:
        letters.plan(tx, Letter.ASK, who, facts={"topics": [], "cadence": "immediate"})
    with room.store.read() as tx:
        key = tx.connection.execute(
            select(schema.deliveries.c.id).where(schema.deliveries.c.mailbox == who.typed)
        ).scalar_one()
    room.comes(Sample("", feedback("abuse", f"Original-Mail-From: {room.verp(key)}"), Kind.COMPLAINT))
    with room.store.begin() as tx:
        found = suppressions.of(tx, who)
        assert found is not None
        assert Reason.COMPLAINT is found.reason
        with pytest.raises(Refused, match="--lasting"):
            suppressions.unsuppress(tx, who)


def test_a_providers_token_is_good_for_one_event(store: Store) -> None:
    """mail:LM16 What is written down first stays; the same again is a repeat, anything else is refused."""
    for event, good in (("a/1", True), ("a/1", True), ("b/1", False)):
        with store.begin() as tx:
            assert good is bounces.spend(tx, "mailgun-token/t", "mailgun", event)
