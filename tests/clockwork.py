"""Two workers, one PostgreSQL, a one-second schedule: every slot runs once, deliveries are shared.

    python -m tests.clockwork --seconds 60

Real worker processes; the run rows and the attempts in the ledger are the witnesses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from syndicator.model.schedule import Every, Job, Schedule
from syndicator.store import Store, deliveries, open_store, schedules
from tests.storm import PATIENCE, Sink, crew_of, database, people, release, settle

NAME = "tick"
SECOND = timedelta(seconds=1)


@dataclass
class Seen:
    """What the rows say."""

    slots: list[datetime] = field(default_factory=list)
    ran: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    letters: int = 0

    @property
    def gaps(self) -> list[datetime]:
        """Slots between the first and the last that did not run."""
        if not self.slots:
            return []
        count = int((self.slots[-1] - self.slots[0]) / SECOND) + 1
        every = {self.slots[0] + n * SECOND for n in range(count)}
        return sorted(every - set(self.slots))

    @property
    def twice(self) -> list[datetime]:
        """Slots that ran more than once."""
        return [slot for slot, times in Counter(self.slots).items() if times > 1]

    def __str__(self) -> str:
        return (
            f"{len(self.slots)} slots ran, {len(self.gaps)} missed, {len(self.twice)} twice; "
            f"runs by worker {sorted(self.ran.values())}; {self.letters} letters, by worker {sorted(self.sent.values())}"
        )


def clockwork(url: str, *, seconds: int, contacts: int, items: int) -> Seen:
    """Let two workers run until `seconds` slots have run; what the rows say then."""
    with Sink() as sink, open_store(url, host_clock=lambda: datetime.now(UTC)) as store:
        people(store, contacts)
        with store.begin() as tx:
            schedules.add(tx, Schedule(id=0, name=NAME, job=Job.PRUNE, when=Every(SECOND), created=tx.now))
        with crew_of(url, sink.port, "repeat", 2):
            until(lambda: _about(store) == 2)
            for n in range(items):
                release(store, f"tag:clockwork.example,2026:{n}")
            settle(store)
            until(lambda: _runs(store) >= seconds)
        return _seen(store, len(sink.log))


def until(true: Callable[[], bool]) -> None:
    """Wait for a condition; raises TimeoutError only after a hang."""
    ends = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > ends:
            raise TimeoutError("it did not come to this")
        time.sleep(0.1)  # polls a condition


def _about(store: Store) -> int:
    with store.read() as tx:
        return len(schedules.workers(tx))


def _runs(store: Store) -> int:
    with store.read() as tx:
        return len(schedules.history(tx, NAME, None))


def _seen(store: Store, letters: int) -> Seen:
    seen = Seen(letters=letters)
    with store.read() as tx:
        for run in reversed(schedules.history(tx, NAME, None)):
            seen.slots.append(run.slot)
            seen.ran[run.worker] += 1
        for row in deliveries.listing(tx):
            seen.sent.update(attempt.worker or "" for attempt in deliveries.attempts(tx, row.id))
    return seen


def main() -> None:
    """Run it and print what was seen; exit 1 if a slot was missed or ran twice, or one worker did all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with database("postgresql") as url:
        seen = clockwork(url, seconds=given.seconds, contacts=100, items=10)
    print(seen)
    sys.exit(1 if seen.gaps or seen.twice or len(seen.sent) < 2 else 0)


if __name__ == "__main__":
    main()
