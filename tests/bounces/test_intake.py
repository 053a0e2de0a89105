"""The mailbox that bounces come into: read on from the mark, through restarts and breaks, nothing lost, nothing twice."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
import structlog

from syndicator.bounces.intake import Intake
from syndicator.model.bounce import Kind
from syndicator.store import Store, alarms, bounces
from syndicator.wire.imap import Account, Mailbox
from tests.bounces.samples import SAMPLES
from tests.bounces.sent import Room, signs
from tests.make import FakeClock, reserved_port
from tests.wire.imap_server import Folder, ImapServer

GONE = SAMPLES[0]
EVERY = timedelta(minutes=1)


def _intake(room: Room, port: int) -> Intake:
    account = Account(host="127.0.0.1", port=port, tls="none", username="b", password="secret")
    return Intake(room.store, lambda: Mailbox(account), signs(), "box", EVERY, lambda: 0.0)


def _known(room: Room) -> list[Kind]:
    with room.store.read() as tx:
        return [one.kind for one in bounces.of_contact(tx, room.contact.id)]


@pytest.fixture
def room(store: Store) -> Room:
    """Somebody on the list."""
    return Room(store)


def test_what_is_new_is_taken_and_marked_as_seen(room: Room, clock: FakeClock) -> None:
    """mail:LM13, security:S9 Each round goes on where the last one stopped; seen, never deleted."""
    folder = Folder({n: GONE.mail(room.verp(room.send())) for n in range(1, 23)})
    folder.letters[50] = b"Subject: hello\r\n\r\nno bounce"
    with ImapServer(folder) as server:
        intake = _intake(room, server.port)
        assert intake.due() < clock.now
        assert {Kind.HARD: 22, Kind.UNKNOWN: 1} == intake.turn()
        assert clock.now + EVERY == intake.due()
        said = len(server.said)
        assert not intake.turn()
        assert not any(b"FETCH" in line for line in server.said[said:])
    assert set(folder.letters) == folder.seen
    assert 22 == len(_known(room))


def test_a_folder_numbered_anew_is_read_again_and_changes_nothing(room: Room) -> None:
    """mail:LM13 Another UIDVALIDITY says that no UID means what it did (RFC 9051 §2.3.1.1)."""
    folder = Folder({7: GONE.mail(room.verp(room.send()))})
    with ImapServer(folder) as server:
        intake = _intake(room, server.port)
        intake.turn()
        folder.validity, folder.letters = 2, {1: folder.letters[7]}
        assert {Kind.HARD: 1} == intake.turn()
    assert [Kind.HARD] == _known(room)
    with room.store.read() as tx:
        mark = bounces.mark(tx, "box")
        assert mark is not None
        assert (2, 1) == (mark.validity, mark.uid)


@pytest.mark.parametrize("at", ["FETCH", "STORE"])
def test_a_break_in_the_middle_loses_nothing(room: Room, clock: FakeClock, at: str) -> None:
    """mail:LM13 Nothing is marked as seen before its row is committed; what was half read is read again (pitfall 16)."""
    folder = Folder({n: GONE.mail(room.verp(room.send())) for n in range(1, 23)})
    breaks = [0]

    def cut(line: bytes) -> bool:
        if at.encode() not in line:
            return False
        breaks[0] += 1
        return breaks[0] in ((42,) if at == "FETCH" else (1, 2))

    with ImapServer(folder, cut=cut) as server:
        intake = _intake(room, server.port)
        assert not intake.turn()
        before = len(_known(room))
        assert folder.seen <= set(list(folder.letters)[:before])
        clock.advance(minutes=1)
        for _ in range(3):
            intake.turn()
    assert [Kind.HARD] * 22 == _known(room)


def test_trouble_is_said_once_and_the_desk_hears_of_it_after_an_hour(room: Room, clock: FakeClock) -> None:
    """mail:LM13 One line for an incident, tried at its interval; an alarm that ends by itself, and one for the next."""
    folder, away = Folder(), _intake(room, reserved_port())
    with ImapServer(folder) as server:
        account = Account(host="127.0.0.1", port=server.port, tls="none", username="b", password="secret")
        well = lambda: Mailbox(account)  # noqa: E731 - one of two ways to the box
        broken = away.open_box
        seen: list[int] = []
        with structlog.testing.capture_logs() as lines:
            for _ in range(2):
                away.open_box = well
                away.turn()
                away.open_box = broken
                for _ in range(4):
                    away.turn()
                    assert away.fault
                    assert clock.now + EVERY == away.due()
                    clock.advance(minutes=20)
                with room.store.read() as tx:
                    seen.append(len(alarms.open_(tx)))
            away.open_box = well
            away.turn()
            assert not away.fault
        with room.store.read() as tx:
            seen.append(len(alarms.open_(tx)))
    warned = [cast("str", line["event"]) for line in lines]
    assert ["mailbox out of reach", "mailbox is read again"] * 2 == warned
    assert [1, 1, 0] == seen
