"""Digests: windows that have closed become mail in the ledger; the lanes send it like all other (walk C).

Any number of workers may do this at once, and any may die at any moment: a batch is one transaction, and what it
did not do is still due. A run that was missed is made up for by one digest, however long we were away (mail:DG9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicator.observe import logger
from syndicator.store import Store, digests, windows

log = logger("digest")
# Windows in one transaction. On SQLite all others who write wait for it; on PostgreSQL only the commit counts.
BATCHES = {"sqlite": 500, "postgresql": 4000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long after its end a window waits for what was published at the last moment, and how far mail is spread."""

    settle: timedelta = timedelta(seconds=60)
    spread: timedelta = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was done: windows that closed, digests planned for them; `next` is when there is more to do, if anybody waits."""

    windows: int = 0
    digests: int = 0
    next: datetime | None = None


def digests_due(
    store: Store, pace: Pace, *, batch: int | None = None, stop: Callable[[], bool] = lambda: False
) -> Gathered:
    """Plan the digest of every window that has closed, batch by batch, until none is left or `stop` says so."""
    closed, planned, most = 0, 0, batch or BATCHES[store.kind]
    ahead: datetime | None = None
    while not stop():
        with store.read() as tx:
            ahead = windows.next_due(tx, pace.settle)
            if ahead is None or ahead > tx.now:
                break
        with store.begin() as tx:
            done = digests.plan(tx, pace.settle, pace.spread, most)
        closed, planned = closed + done.windows, planned + done.digests
        if not done.windows:
            break  # others have in hand what is left
    if closed:
        log.info("digests planned", windows=closed, digests=planned)
    return Gathered(windows=closed, digests=planned, next=ahead)


def tend(store: Store) -> int:
    """Open the windows that are missing, such as those of subscriptions an older version wrote; how many."""
    opened = 0
    while True:
        with store.read() as tx:  # a list of millions takes seconds, in which nobody should wait to write
            found = windows.missing(tx)
        if not found:
            return opened
        with store.begin() as tx:
            windows.open_all(tx, found)
        opened += len(found)
