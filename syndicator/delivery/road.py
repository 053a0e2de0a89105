"""What a lane asks of a road, whatever the channel: prepare, open, carry, close."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from syndicator.model.delivery import Outcome, Result, Try
from syndicator.observe import logger
from syndicator.store import Tx

log = logger("delivery")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A delivery ready for the wire: its load, or why there can be none (`fault`)."""

    attempt: Try
    load: Any = None
    fault: Result | None = None


def our_fault(attempt: Try, fault: Exception) -> Parcel:
    """What a bug of ours makes of one delivery: it is tried again, for a newer version may mend it."""
    log.error("not prepared", delivery=attempt.id, subject=attempt.subject, exc_info=fault)
    words = f"a fault of this program ({type(fault).__name__}); it is in the log"
    return Parcel(attempt, fault=Result(outcome=Outcome.DEFERRED, detail=words))


class Road(Protocol):
    """One way to one destination; used by one thread at a time.

    `batch` is how many deliveries may be marked *sending* at once: as many as may be in doubt after
    a crash.
    """

    batch: int

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        """Read what these deliveries say and make them ready; never talks to the network."""
        ...

    def open(self) -> None:
        """Be ready to carry; raises WireFault or TryLater when the destination cannot be reached at all."""
        ...

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        """Send one after the other, each result as soon as it is known; takes a parcel only when about to
        send it. Parcels it never takes were certainly not sent.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...
