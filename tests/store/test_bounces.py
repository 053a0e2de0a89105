"""What servers said to our face, counted as letters are settled; the marks of mailboxes; figures for the newsroom."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from syndicator.model.audience import address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Outcome
from syndicator.model.outcomes import Cause
from syndicator.store import Store, bounces, open_store
from syndicator.store.bounces import Event, Mark, Rate
from tests.bounces.sent import Room
from tests.make import NOW, FakeClock

DEAD, NO = Cause.DEAD_ADDRESS, Outcome.REFUSED


@pytest.fixture
def room(store: Store) -> Room:
    """Somebody on the list."""
    return Room(store)


def test_no_such_user_said_to_our_face_is_enough(room: Room) -> None:
    """mail:LM11, security:R6 550 5.1.1 at RCPT: suppressed in the transaction that settles the letter."""
    room.send(NO, DEAD, "550 5.1.1 <jane@press.example>: no such user")
    assert "dead: 550 5.1.1 <j…@press.example>: no such user" == room.known().suppressed
    assert [("ended", "dead address")] == room.states()


def test_without_a_sure_code_a_second_day_is_asked_for(room: Room, clock: FakeClock) -> None:
    """mail:LM11 550 alone is said of many things."""
    room.send(NO, DEAD, "550 unknown")
    assert room.known().suppressed is None
    clock.advance(days=1)
    room.send(NO, DEAD, "550 unknown")
    assert room.known().suppressed is not None


def test_five_full_days_over_ten_and_a_letter_that_was_taken(room: Room, clock: FakeClock) -> None:
    """mail:LM11 Soft ones add up by the day; one letter taken and a quiet week, and they begin anew."""

    def full(days: int, every: float) -> None:
        for _ in range(days):
            room.send(NO, Cause.FULL, "552 5.2.2 mailbox full")
            clock.advance(days=every)

    full(4, 2)
    room.send()
    clock.advance(days=8)
    full(4, 3)
    assert room.known().suppressed is None
    full(1, 1)
    assert room.known().suppressed is not None


@pytest.mark.parametrize(
    ("cause", "words", "kind"),
    [
        (Cause.POLICY, "550 5.7.1 blocked", Kind.POLICY),
        (Cause.CONTENT, "554 5.6.0 no", Kind.POLICY),
        (Cause.TOO_BIG, "552 5.3.4 too big", Kind.POLICY),
    ],
)
def test_what_is_about_us_is_written_down_and_never_counted(
    room: Room, clock: FakeClock, cause: Cause, words: str, kind: Kind
) -> None:
    """mail:LM12 A blocklist would else unsubscribe everybody (pitfall 14)."""
    for _ in range(6):
        room.send(NO, cause, words)
        clock.advance(days=3)
    with room.store.read() as tx:
        assert {kind} == {one.kind for one in bounces.of_contact(tx, room.contact.id)}
    assert room.known().suppressed is None


def test_a_mark_moves_forward_and_begins_anew_with_the_folder(store: Store, clock: FakeClock) -> None:
    """mail:LM13 UIDVALIDITY and UID: of two readers the one who is further stays; another validity starts over."""
    seen = []
    for validity, uid in ((1, 5), (1, 3), (1, 9), (2, 4)):
        clock.advance(minutes=1)
        with store.begin() as tx:
            bounces.move_mark(tx, "box", validity, uid)
            seen.append(bounces.mark(tx, "box"))
    minutes = [NOW + timedelta(minutes=n) for n in (1, 2, 3, 4)]
    assert [
        Mark(1, 5, minutes[0]),
        Mark(1, 5, minutes[1]),
        Mark(1, 9, minutes[2]),
        Mark(2, 4, minutes[3]),
    ] == seen


def test_complaints_are_told_as_a_rate(room: Room, clock: FakeClock) -> None:
    """mail:SE19, mail:LM15 Of what was taken in a time, how much was complained of; who did is nobody's business."""
    sent = [room.send() for _ in range(4)]
    with room.store.begin() as tx:
        event = Event(
            key="e", source="ses", kind=Kind.COMPLAINT, contact_id=room.contact.id, delivery_id=sent[0]
        )
        assert [True, False] == [bounces.record(tx, event) for _ in range(2)]
    with room.store.read() as tx:
        assert (Rate(4, 1), 0.25) == ((found := bounces.rate(tx, NOW)), found.share)
        assert Rate(0, 0) == bounces.rate(tx, NOW + timedelta(seconds=1))
        assert 0.0 == Rate(0, 0).share


def test_a_strangers_words_are_kept_fit_for_any_database(room: Room) -> None:
    """security:D6 Addresses masked, NUL, broken signs and line breaks gone, not too long."""
    words = f"\0\ud800 see joe.doe@other.example\n{'x' * 900}"
    with room.store.begin() as tx:
        bounces.record(
            tx, Event(key="e", source="imap", kind=Kind.SOFT, detail=words, contact_id=room.contact.id)
        )
        (one,) = bounces.of_contact(tx, room.contact.id)
    assert ("see j…@other.example xxx", 500) == (one.detail[:24], len(one.detail))


def test_what_is_not_ours_is_forgotten_in_time(room: Room, clock: FakeClock) -> None:
    """security:D6 Backscatter is kept as long as somebody may replay it; what came from contacts stays."""
    with room.store.begin() as tx:
        bounces.record(tx, Event(key="a", source="imap", kind=Kind.UNKNOWN))
        bounces.record(tx, Event(key="b", source="imap", kind=Kind.SOFT, contact_id=room.contact.id))
    with room.store.begin() as tx:
        old = NOW - timedelta(days=400)
        assert [0, 1] == [bounces.prune(tx, NOW + timedelta(seconds=more), old) for more in (0, 1)]
        assert 1 == len(bounces.of_contact(tx, room.contact.id))


def test_what_came_back_is_forgotten_in_time_but_for_what_counts(room: Room, clock: FakeClock) -> None:
    """security:D7 mail:LM12 Past its time a bounce goes; what still counts against an address stays until it does not."""
    for key, kind in (("c", Kind.COMPLAINT), ("p", Kind.POLICY), ("s", Kind.SOFT)):
        with room.store.begin() as tx:
            whose = None if kind is Kind.COMPLAINT else room.contact.id
            bounces.record(tx, Event(key=key, source="imap", kind=kind, contact_id=whose, delivery_id=99))
    began = clock.now
    clock.advance(days=400)
    with room.store.begin() as tx:
        assert [0, 2] == [bounces.prune(tx, NOW, began + timedelta(seconds=more)) for more in (0, 1)]
        assert [Kind.SOFT] == [one.kind for one in bounces.of_contact(tx, room.contact.id)]
    room.send()
    clock.advance(days=8)
    with room.store.begin() as tx:
        assert 1 == bounces.prune(tx, NOW, began + timedelta(seconds=1))
        assert [] == bounces.of_contact(tx, room.contact.id)


def test_of_an_address_that_is_given_up_old_bounces_go(room: Room, clock: FakeClock) -> None:
    """security:D7 Its suppression says it from then on."""
    for key in "ab":
        with room.store.begin() as tx:
            bounces.record(tx, Event(key=key, source="imap", kind=Kind.HARD, contact_id=room.contact.id))
        clock.advance(days=1)
    assert room.known().suppressed
    with room.store.begin() as tx:
        assert 2 == bounces.prune(tx, NOW, clock.now)
    assert room.known().suppressed


def test_a_stranger_costs_no_walk_through_the_ledger(sqlite_url: str, clock: FakeClock) -> None:
    """mail:LM13: whom a report names is looked up among bare addresses, however long the ledger."""
    said: list[tuple[str, Any]] = []
    with open_store(sqlite_url, host_clock=clock) as store, store.begin() as tx:
        event.listen(tx.connection, "before_cursor_execute", lambda *args: said.append((args[2], args[3])))
        assert [] == bounces.sent_to(tx, address("nobody@x.example"))
        statement, values = said[-1]
        plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
    steps = [row.detail for row in plan]
    assert any("INDEX ix_deliveries_mailbox" in step for step in steps)
    assert [] == [step for step in steps if step.startswith("SCAN deliveries")]
