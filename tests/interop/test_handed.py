"""A real Postfix hands bounces over by LMTP, and keeps what we cannot have now."""

from __future__ import annotations

import smtplib
import threading
from pathlib import Path

from syndicator.bounces.handed import Letterbox
from syndicator.bounces.message import MOST_BYTES
from syndicator.errors import TryLater
from syndicator.model.bounce import Kind
from syndicator.store import bounces, open_store
from syndicator.wire.lmtp import Door, Server
from tests.bounces.samples import SAMPLES
from tests.bounces.sent import Room, signs
from tests.interop.postfix import Postfix, until
from tests.interop.test_relayed import open_folder
from tests.make import FakeClock

__all__ = ["open_folder"]
AWAY = "while-away@bounces.example"


def test_postfix_hands_over_what_came_back(open_folder: Path, sqlite_url: str, clock: FakeClock) -> None:
    """mail:LM13 By the token of the envelope, though the letter names nobody; what is put off stays in its queue."""
    stop = threading.Event()
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        room = Room(store)
        box, handed = Letterbox(store, signs(), lambda: 0.0), list[str]()

        def take(sender: str, recipient: str, letter: bytes) -> None:
            if recipient == AWAY:
                handed.append(recipient)
                raise TryLater("the database is away")
            box.take(sender, recipient, letter)
            handed.append(recipient)

        with Server(Door(host="127.0.0.1", port=0, keep=MOST_BYTES, take=take)) as server:
            thread = threading.Thread(target=server.attend, args=(stop,))
            thread.start()
            with Postfix(open_folder / "postfix", server.server_address[1]) as relay:
                token = room.verp(room.send())
                with smtplib.SMTP("127.0.0.1", relay.port) as client:
                    client.sendmail("", [token, AWAY], SAMPLES[0].mail())
                until(lambda: len(handed) == 2, "Postfix handed nothing over")
                until(lambda: _deferred(relay), "Postfix kept nothing")
                assert 1 == relay.waiting()
            stop.set()
            thread.join()
        with store.read() as tx:
            assert [Kind.HARD] == [one.kind for one in bounces.of_contact(tx, room.contact.id)]
    assert {token, AWAY} == set(handed)


def _deferred(relay: Postfix) -> bool:
    files = [one for one in (relay.folder / "queue/defer").rglob("*") if one.is_file()]
    return any(AWAY.encode() in one.read_bytes() for one in files)
