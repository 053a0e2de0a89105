"""The mailbox that bounces come into, read from where the last reader stopped (mail:LM13).

Sizes first, then letters one by one, each cut at what is parsed; a few are taken in one transaction, with the mark
of how far we are. Only then are they marked as seen, and none is ever deleted: whoever is killed in between reads
some again, which changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

from syndicator.bounces.message import MOST_BYTES, Tick
from syndicator.bounces.reading import Report, understood
from syndicator.bounces.taking import Signs, take
from syndicator.errors import SyndicatorError
from syndicator.model.bounce import Kind
from syndicator.observe import logger
from syndicator.store import Store, alarms, bounces

log = logger("bounces")
SOURCE = "imap"
BATCH = 20  # letters in one transaction
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
PATIENCE = timedelta(hours=1)  # how long a mailbox may be out of reach before the desk hears of it


class Box(Protocol):
    """An open folder of incoming mail."""

    validity: int

    def after(self, uid: int) -> Iterator[list[int]]:
        """The UIDs behind this one, in order, some at a time."""

    def letter(self, uid: int, most: int) -> bytes | None:
        """The first `most` bytes of a letter, or None if it is gone."""

    def see(self, uids: list[int]) -> None:
        """Mark these as seen."""


@dataclass(slots=True)
class Intake:
    """Reads one folder; `name` is how its mark is known, `every` how often it is looked at.

    `open_box` opens it anew each time and raises SyndicatorError where it is out of reach.
    """

    store: Store
    open_box: Callable[[], AbstractContextManager[Box]]
    signs: Signs
    name: str
    every: timedelta
    tick: Tick
    fault: str = field(
        default="", init=False
    )  # why it was out of reach at the last turn; empty if it was read
    _since: datetime | None = field(default=None, init=False)  # of the present incident
    _again: datetime | None = field(
        default=None, init=False
    )  # while that lasts: a mark is of when it was reached

    def due(self) -> datetime:
        """When it is to be looked at next, whoever did so last; long ago where nobody ever did."""
        with self.store.read() as tx:
            last = bounces.mark(tx, self.name)
        return self._again or (last.seen + self.every if last else LONG_AGO)

    def turn(self) -> Counter[Kind]:
        """Read what is new; what it was, by kind. Trouble is logged once, and the desk hears of it after an hour."""
        try:
            with self.open_box() as box:
                done = self._read(box)
        except SyndicatorError as fault:
            self.fault = str(fault)
            self._trouble(fault)
            return Counter()
        self.fault = ""
        self._well()
        return done

    def _read(self, box: Box) -> Counter[Kind]:
        done: Counter[Kind] = Counter()
        for uids in box.after(self._start(box)):
            for batch in _in_batches(uids):
                reports = [(uid, self._report(box, uid)) for uid in batch]
                done += self._take(box, reports)
                box.see(batch)
        if done:
            log.info("bounces read", **{str(kind): count for kind, count in done.items()})
        return done

    def _start(self, box: Box) -> int:
        """Where to go on; where the server numbers its letters anew, all are read again (RFC 9051 §2.3.1.1)."""
        with self.store.begin() as tx:
            last = bounces.mark(tx, self.name)
            start = last.uid if last and last.validity == box.validity else 0
            bounces.move_mark(tx, self.name, box.validity, start)
        return start

    def _report(self, box: Box, uid: int) -> Report | None:
        raw = box.letter(uid, MOST_BYTES)
        return understood(raw, self.tick) if raw is not None else None

    def _take(self, box: Box, reports: Iterable[tuple[int, Report | None]]) -> Counter[Kind]:
        done: Counter[Kind] = Counter()
        with self.store.begin() as tx:
            for uid, report in reports:
                if report is not None:
                    done[take(tx, self.signs, report, SOURCE)] += 1
                bounces.move_mark(tx, self.name, box.validity, uid)
        return done

    def _trouble(self, fault: SyndicatorError) -> None:
        with self.store.begin() as tx:
            last = bounces.mark(tx, self.name)
            if self._since is None:
                self._since = tx.now
                log.warning("mailbox out of reach", folder=self.name, fault=str(fault))
            self._again = tx.now + self.every
            since = last.seen if last else self._since
            if tx.now - since >= PATIENCE:
                key = f"{self._alarms}{since:%Y-%m-%dT%H:%M:%S}"
                alarms.raise_(tx, key, "The mailbox bounces come into is not read", str(fault))

    def _well(self) -> None:
        if self._since is not None:
            log.info("mailbox is read again", folder=self.name)
        self._since = self._again = None
        with self.store.begin() as tx:
            alarms.end(tx, self._alarms)

    @property
    def _alarms(self) -> str:
        return f"mailbox/{self.name}/"


def _in_batches(uids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(uids), BATCH):
        yield uids[start : start + BATCH]
