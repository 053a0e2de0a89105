"""Reports: what came of a release, from the ledger alone. We say "handed over", never "delivered".

Nothing is asked of readers' machines: no picture, no link counts anybody. Pure values; `press.report` builds one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicator.model.delivery import Channel, DeliveryState
from syndicator.model.item import ItemState
from syndicator.model.release import ReleaseState

WAITING = (DeliveryState.DUE, DeliveryState.LEASED, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why some were refused or cancelled: the state, the sort of reason in words, and how many."""

    state: DeliveryState
    words: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailing:
    """One thing that was sent by one channel: how many duties stand where, and when the first and last were handed over."""

    name: str
    subject: str
    channel: Channel
    states: dict[DeliveryState, int]
    first: datetime | None = None
    last: datetime | None = None
    reasons: tuple[Reason, ...] = ()
    repeated: int = 0  # doubts, after which it was sent once more
    bounced: int = 0  # of those handed over, how many came back

    @property
    def planned(self) -> int:
        """How many duties there were."""
        return sum(self.states.values())

    @property
    def handed_over(self) -> int:
        """How many the next hop took; it may still lose or refuse them."""
        return self.states.get(DeliveryState.ACCEPTED, 0)

    @property
    def waiting(self) -> int:
        """How many are still to go, or on their way."""
        return sum(self.states.get(state, 0) for state in WAITING)

    def count(self, state: DeliveryState) -> int:
        """How many stand there."""
        return self.states.get(state, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What one partner's machine answered, about one thing."""

    name: str
    partner: str
    state: DeliveryState
    code: int | None
    settled: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A correction, withdrawal or kill of what the release became."""

    revision: int
    significance: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All there is to say about a release. `at` is when it was to go out, `released` when it did."""

    uid: str
    title: str
    state: ReleaseState
    version: int
    made: datetime
    embargo: datetime | None
    at: datetime | None
    released: datetime | None
    drafted_by: str | None
    approved_by: str | None
    mailings: tuple[Mailing, ...]
    receipts: tuple[Receipt, ...]
    changes: tuple[Change, ...]
    item: ItemState | None = None  # what became of the item it was made

    @property
    def standing(self) -> str:
        """The state of the release, and of its item where that is not public any more."""
        gone = self.item is not None and self.item is not ItemState.LIVE
        return f"{self.state}, then {self.item}" if gone else str(self.state)

    @property
    def main(self) -> Mailing | None:
        """The mails of the release itself."""
        return next(
            (one for one in self.mailings if one.name == RELEASE and one.channel is Channel.MAIL), None
        )

    @property
    def early(self) -> bool:
        """Whether it was let out before its instant, by hand."""
        return self.at is not None and self.released is not None and self.released < self.at

    def late(self, instant: datetime | None) -> timedelta | None:
        """How long this was after the release was due, or was made early by hand; None if it has not happened."""
        due = self.released if self.early else self.at or self.released
        return instant - due if instant and due else None


RELEASE = "Release"
