"""Mail that came back and is handed over by a mail server, one recipient at a time (mail:LM13)."""

from __future__ import annotations

from dataclasses import dataclass

from syndicator.bounces.message import Tick
from syndicator.bounces.reading import understood
from syndicator.bounces.taking import Signs, take
from syndicator.model.bounce import Kind
from syndicator.store import Store

SOURCE = "lmtp"


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Takes letters as they are handed in; what it returned for is written down."""

    store: Store
    signs: Signs
    tick: Tick

    def take(self, sender: str, recipient: str, letter: bytes) -> Kind:
        """Take one letter for one recipient; what it was. Raises TryLater where the database is away.

        The envelope is put before it, as a server does that brings mail into a mailbox: the token stands there.
        """
        envelope = f"Delivered-To: {recipient}\r\nReturn-Path: <{sender}>\r\n"
        report = understood(envelope.encode() + letter, self.tick)
        with self.store.begin() as tx:
            return take(tx, self.signs, report, SOURCE)
