"""One writer for all lanes of a worker: what several have to write at one moment is one transaction.

A commit waits for the disk. Whoever comes while another's transaction is under way puts their work on the pile;
the next one to have the pen does all that lies there, so that a hundred lanes wait for the disk once. Rows are
locked for all of them at once and in order: nobody waits for somebody who waits for us.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from syndicator.model.delivery import Try
from syndicator.store import Store, Tx, deliveries

T = TypeVar("T")
Held = Mapping[int, Any]
Work = Callable[[Tx, Held], T]


class _Job(Generic[T]):
    """Something to write, and what came of it; may be begun several times, but counts once."""

    def __init__(self, tries: Sequence[Try], work: Work[T], blamed: Sequence[Try]) -> None:
        self.tries, self.work, self.blamed = tries, work, blamed
        self.done: list[T] = []


class Clerk:
    """Writes for the lanes of one worker; safe to share between threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pen = threading.Lock()
        self._at_pile = threading.Lock()
        self._pile: list[_Job[Any]] = []

    @property
    def waiting(self) -> int:
        """How many have work on the pile."""
        return len(self._pile)

    def write(self, tries: Sequence[Try], work: Work[T], blamed: Sequence[Try] = ()) -> T:
        """Do `work` in a transaction that holds the rows of these tries; returns what it returns, once committed.

        And before them the contacts of those that are `blamed`: who may be given up because of what came of it.
        Raises what it raises, and TryLater when the database is away. Work must stand being begun anew.
        """
        job = _Job(tries, work, blamed)
        with self._at_pile:
            self._pile.append(job)
        with self._pen:
            if not job.done:
                self._do(job)
        return job.done[0]

    def _do(self, mine: _Job[Any]) -> None:
        with self._at_pile:
            jobs, self._pile = self._pile, []
        if len(jobs) > 1:
            try:
                return self._commit(jobs)
            except Exception:  # noqa: BLE001 - whose fault it was shows when each is done alone
                with self._at_pile:  # theirs is theirs to raise: they find it undone
                    self._pile += [one for one in jobs if one is not mine]
        self._commit([mine])
        return None

    def _commit(self, jobs: Sequence[_Job[Any]]) -> None:
        with self._store.begin() as tx:
            deliveries.hold_recipients(tx, [attempt for job in jobs for attempt in job.blamed])
            held = deliveries.locked(tx, [attempt for job in jobs for attempt in job.tries])
            results = [job.work(tx, held) for job in jobs]
        for job, result in zip(jobs, results, strict=True):
            job.done.append(result)
