"""Bounces that a mail server hands over by LMTP: an answer for each recipient, once what it said is kept."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from queue import Queue

import pytest
import structlog

from syndicator.bounces.handed import Letterbox
from syndicator.bounces.message import MOST_BYTES
from syndicator.errors import Invalid, TryLater
from syndicator.model.bounce import Kind
from syndicator.runtime import Runtime
from syndicator.settings import load, values
from syndicator.store import bounces, open_store
from syndicator.wire import lmtp
from syndicator.wire.lmtp import Door, Server, Take
from syndicator.worker import Worker
from tests.bounces.samples import SAMPLES
from tests.bounces.sent import Room, signs
from tests.make import FakeClock, reserved_port

GONE = next(one for one in SAMPLES if one.name == "postfix, no such user")
YES, LATER = "250 2.0.0", "451 4.3.0"
PATIENCE = 20.0


class Client:
    """A mail server at our door, which says line by line what it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._file = self.socket.makefile("rb")
        self.greeting = self.answer()

    def answer(self) -> str:
        """The last line of the next answer; empty when the door was closed."""
        while (line := self._file.readline().decode()) and line[3:4] == "-":
            pass
        return line.rstrip("\r\n")

    def say(self, *lines: str) -> list[str]:
        """Say these, one by one; the answers."""
        found = []
        for line in lines:
            self.socket.sendall(line.encode() + b"\r\n")
            found.append(self.answer())
        return found

    def hand(self, letter: bytes, *recipients: str, sender: str = "") -> list[str]:
        """Hand a letter over; the answer for each recipient, without its words."""
        self.say(f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA")
        self.socket.sendall(letter.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        return [self.answer()[:9] for _ in recipients]

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self.socket.close()


@contextmanager
def _open(take: Take, keep: int = MOST_BYTES) -> Iterator[Client]:
    stop = threading.Event()
    with Server(Door(host="127.0.0.1", port=0, keep=keep, take=take)) as server:
        thread = threading.Thread(target=server.attend, args=(stop,))
        thread.start()
        try:
            with closing(Client(server.server_address[1])) as client:
                yield client
        finally:
            stop.set()
            thread.join()


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends of tests are seen at once."""
    monkeypatch.setattr(Server, "timeout", 0.01)


@pytest.fixture
def room(sqlite_url: str, clock: FakeClock) -> Iterator[Room]:
    """Somebody on the list; what the databases do with a bounce is shown by `test_taking`."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield Room(store)


def test_a_bounce_is_known_by_the_recipient_it_is_handed_over_for(room: Room) -> None:
    """mail:LM13 The token stands in the envelope alone; yes means that it is written down; a repeat changes nothing."""
    box = Letterbox(room.store, signs(), lambda: 0.0)
    token, letter = room.verp(room.send()), GONE.mail()
    with _open(box.take) as client:
        assert ["250 SMTPUTF8"] == client.say("LHLO mx.newsroom.example")
        assert [YES] == client.hand(letter, token)
        assert [Kind.HARD] == _kinds(room)
        assert [YES, YES] == client.hand(letter, token, "somebody@bounces.example")
        assert [Kind.HARD] == _kinds(room)
        assert [YES] == client.hand(b"Subject: x\r\n\r\n", room.leaving(), sender="jane@press.example")
        assert ["221 2.0.0 bye"] == client.say("QUIT")
    assert [("ended", "unsubscribed")] == room.states()


def _kinds(room: Room) -> list[Kind]:
    with room.store.read() as tx:
        return [one.kind for one in bounces.of_contact(tx, room.contact.id)]


def test_each_recipient_has_an_answer_of_its_own() -> None:
    """mail:LM13 What one of them cannot have now is tried again for that one; a fault of ours loses nothing either."""

    def take(_: str, recipient: str, __: bytes) -> None:
        if recipient.startswith("away"):
            raise TryLater("the database is away")
        if recipient.startswith("bug"):
            raise ZeroDivisionError

    with structlog.testing.capture_logs() as lines, _open(take) as client:
        client.say("LHLO mx")
        assert [YES, LATER, LATER, YES] == client.hand(b"x\r\n", "a@x", "away@x", "bug@x", "b@x")
        assert [YES] == client.hand(b"x\r\n", "a@x")
    assert ["mail put off"] * 2 == [line["event"] for line in lines if line["log_level"] != "info"]


def test_a_letter_comes_through_as_it_is_and_as_far_as_it_is_of_use() -> None:
    """mail:LM13 Dots unstuffed, long lines whole, an end only where a line with CR LF comes before it; the rest is cut."""
    taken: list[tuple[str, str, bytes]] = []
    with _open(lambda *one: taken.append(one), keep=200_000) as client:
        client.say("LHLO mx")
        letter = b"A: b\r\n\r\n.dot\r\n..\r\nx\n.\nMAIL FROM:<evil@x>\n.\r\n" + b"z" * 70_000 + b"\r\n.\r"
        assert [YES] == client.hand(letter, "a@x", sender="s@x")
        assert [YES] == client.hand(b"y" * 250_000, "b@x")
        client.say("MAIL FROM:<>", "RCPT TO:<c@x>", "DATA")
        client.socket.sendall(b"x\r\n.\nMAIL FROM:<evil@x>\r\n.\r\n")
        assert YES == client.answer()[:9]
        assert ["250 2.0.0 yes"] == client.say("NOOP")
    last = ("", "c@x", b"x\r\n\nMAIL FROM:<evil@x>\r\n")
    assert [("s@x", "a@x", letter + b"\r\n"), ("", "b@x", b"y" * 200_000), last] == taken


def test_what_breaks_off_is_not_taken() -> None:
    """mail:LM13 Without the last dot there is no letter, and no yes."""
    taken: list[tuple[str, str, bytes]] = []
    with _open(lambda *one: taken.append(one)) as client:
        client.say("LHLO mx", "MAIL FROM:<>", "RCPT TO:<a@x>", "DATA")
        client.socket.sendall(b"half a letter\r\n")
        client.socket.shutdown(socket.SHUT_WR)
        assert not client.answer()
    assert [] == taken


def test_what_is_out_of_order_is_answered_and_harmless() -> None:
    """mail:LM13 RFC 2033: no HELO, no DATA without a recipient; odd addresses, a hundred recipients, lines without end."""
    with _open(lambda *_: None) as client:
        assert client.greeting.startswith("220 ")
        said = client.say(
            "HELO x", "EHLO x", "MAIL FROM:<>", "DATA", "LHLO x", "RCPT TO:<a@x>", "MAIL FROM:x"
        )
        assert "500 500 503 503 250 503 501" == " ".join(one[:3] for one in said)
        said = client.say(
            "mail from:<a@x> SIZE=7", "MAIL FROM:<b@x>", "DATA", "RCPT TO:<>", "RCPT TO:<a b>", "NOOP"
        )
        assert "250 503 503 501 501 250" == " ".join(one[:3] for one in said)
        said = client.say(*["RCPT TO:<a@x>"] * (lmtp.RECIPIENTS + 1), "RSET", "DATA", "VRFY a", "", "\0")
        assert {"250": 101, "452": 1, "503": 1, "252": 1, "500": 2} == {
            code: sum(one.startswith(code) for one in said) for code in ("250", "452", "503", "252", "500")
        }
        client.socket.sendall(b"x" * (lmtp.LINE + 1))
        assert client.answer().startswith("500 5.5.2")
        assert not client.answer()


def test_more_conversations_than_there_are_places_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:LM13 Who cannot be served now hears so, and the others go on."""
    monkeypatch.setattr(lmtp, "AT_ONCE", 1)
    with _open(lambda *_: None) as client, closing(Client(client.socket.getpeername()[1])) as other:
        assert other.greeting.startswith("421 ")
        assert ["250 SMTPUTF8"] == client.say("LHLO x")


def test_who_comes_drop_by_drop_holds_no_place_for_ever() -> None:
    """mail:LM13 Each byte comes in time for the patience with a line; the whole conversation has an end as well."""
    past = iter((0.0, 0.0, 0.0))
    stop, door = threading.Event(), Door(host="127.0.0.1", port=0, keep=1, take=lambda *_: None)
    with Server(replace(door, tick=lambda: next(past, lmtp.WHOLE))) as server:
        thread = threading.Thread(target=server.attend, args=(stop,))
        thread.start()
        with closing(Client(server.server_address[1])) as client:
            assert ["250 2.0.0 yes"] == client.say("NOOP")  # so that the next byte comes by itself
            client.socket.sendall(b"N")
            assert not client.answer()
        stop.set()
        thread.join()


class _Looked(threading.Event):
    """Told to stop after it was looked at many times, or waited for once."""

    def __init__(self) -> None:
        super().__init__()
        self.looks, self.waits = 0, list[float | None]()

    def is_set(self) -> bool:
        self.looks += 1
        return super().is_set() or self.looks > 50

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        self.set()
        return True


def test_where_no_conversation_is_to_be_had_the_door_waits_a_moment() -> None:
    """mail:LM13 The kernel says no at once and again and again, as without a free descriptor: nothing spins."""
    stop = _Looked()
    with (
        structlog.testing.capture_logs() as lines,
        Server(Door(host="127.0.0.1", port=0, keep=1, take=lambda *_: None)) as server,
    ):
        server.socket.shutdown(socket.SHUT_RDWR)  # Linux: there is something to accept, and accepting fails
        server.attend(stop)
    assert [lmtp.PAUSE] == stop.waits
    assert "no conversation to be had" in [line["event"] for line in lines]


def test_one_too_many_that_hangs_up_at_once_closes_the_door_to_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """mail:LM13 It is gone before it can be told to come again; the one that is served, and the next, notice nothing."""
    monkeypatch.setattr(lmtp, "AT_ONCE", 1)
    stop = threading.Event()
    with Server(Door(host="127.0.0.1", port=0, keep=1, take=lambda *_: None)) as server:
        address = ("127.0.0.1", server.server_address[1])
        served = socket.create_connection(address, PATIENCE)
        hasty = socket.create_connection(address, PATIENCE)
        hasty.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )  # a reset, and no farewell
        hasty.close()
        thread = threading.Thread(target=server.attend, args=(stop,))
        thread.start()
        try:
            with closing(Client(address[1])) as third:
                assert third.greeting.startswith("421 ")
            assert served.recv(100).startswith(b"220 ")
        finally:
            served.close()
            stop.set()
            thread.join()


def test_a_conversation_that_no_thread_takes_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:LM13 What cannot be served for want of threads is cut off, and the next is served when there are some."""
    monkeypatch.setattr(lmtp, "AT_ONCE", 2)
    with structlog.testing.capture_logs(), _open(lambda *_: None) as client:
        port = client.socket.getpeername()[1]
        usual = threading.stack_size(1 << 56)  # more than a process can name: no thread begins
        try:
            with closing(Client(port)) as other:
                assert not other.greeting
        finally:
            threading.stack_size(usual)
        with closing(Client(port)) as other:
            assert other.greeting.startswith("220 ")


def test_the_door_is_open_to_this_machine_alone() -> None:
    """mail:LM13, security:R2 Whoever can reach it is asked no password, so it stands on loopback or nowhere."""
    here = [values.LISTEN_HERE.read(one) for one in ("", "127.0.0.1:2424", "[::1]:24", "localhost:1")]
    assert ["None", "127.0.0.1:2424", "[::1]:24", "localhost:1"] == [str(one) for one in here]
    for there in ("0.0.0.0:24", "192.0.2.1:24", "mx.example:24", "[::]:24", "127.0.0.1"):
        with pytest.raises(Invalid, match=r"127\.0\.0\.1"):
            values.LISTEN_HERE.read(there)


def test_one_of_several_workers_has_the_door_and_the_next_takes_it_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """mail:LM13 Where another has the address it waits, says so once, and gets it when it is free."""
    stop, ports = threading.Event(), Queue[int]()
    door = Door(host="127.0.0.1", port=0, keep=1, take=lambda *_: None)
    with Server(door) as first:
        taken = replace(door, port=first.server_address[1])
        tries = iter((taken, taken, door))  # the third finds it free; any port will do then

        def tried(_: Door) -> Server:
            server = Server(next(tries))
            ports.put(server.server_address[1])
            return server

        monkeypatch.setattr(lmtp, "AGAIN", 0.01)
        monkeypatch.setattr(lmtp, "Server", tried)
        with structlog.testing.capture_logs() as lines:
            second = threading.Thread(target=taken.attend, args=(stop,))
            second.start()
            with closing(Client(ports.get(timeout=PATIENCE))) as client:
                assert client.greeting.startswith("220 ")
            stop.set()
            second.join()
    assert ["address not free", "mail is taken"] == [line["event"] for line in lines]


def test_a_worker_opens_the_door_that_is_set(sqlite_url: str, tmp_path: Path) -> None:
    """mail:LM13 What is handed to a running worker is in the rows; one without the setting opens none."""
    environ = {
        "SYNDICATOR_STORE__URL": sqlite_url,
        "SYNDICATOR_SITE__SECRET_KEY": "a-key-for-the-door-only-0123456789",
        "SYNDICATOR_MAIL__FOLDER": str(tmp_path),
    }
    port = reserved_port()
    runtime = Runtime(load(None, environ | {"SYNDICATOR_BOUNCES__LMTP_LISTEN": f"127.0.0.1:{port}"}))
    runtime.prepare()
    worker = Worker(runtime, threading.Event())
    worker.start()
    with closing(_first(port)) as client:
        client.say("LHLO mx")
        assert [YES] == client.hand(GONE.mail(), "b+nobody@bounces.example")
    with runtime.store.read() as tx:
        assert {Kind.UNKNOWN: 1} == bounces.figures(tx, tx.now - timedelta(hours=1))
    assert worker.end(timedelta(seconds=PATIENCE))
    runtime.close()
    shut = Runtime(load(None, environ))
    assert shut.door is None
    shut.close()


def _first(port: int) -> Client:
    """A client, as soon as somebody listens."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return Client(port)
        except ConnectionRefusedError:
            if time.monotonic() > ends:
                raise
