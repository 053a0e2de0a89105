"""Plans: what will happen when a release goes out, to how many and whom, and why — and who is left out, and why.

Pure: values only. `press.plan` builds one from the rows; the planner of deliveries asks the same functions of the
store, so a plan says what will be done and is no second opinion (peers lesson 10). Serves walk B.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain, islice

from syndicator.model.release import ReleaseState


class What(StrEnum):
    """What happens in a step, in the order in which it does."""

    ADVANCE = "advance copies"
    RELEASE = "release"
    PAGE = "page"
    FEEDS = "feeds"
    MAILS = "mails"
    PUSHES = "partner pushes"
    PINGS = "hub pings"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens: at which instant (None: as soon as it is published), to how many, in words."""

    at: datetime | None
    what: What
    count: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody who gets it in a step: a mail address or a partner's slug, and why."""

    who: str
    what: What
    why: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Somebody who does not get it in a step although one might expect it, and why not."""

    who: str
    what: What
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that will come of a release as it stands; `warnings` say what keeps it from happening so."""

    uid: str
    version: int
    state: ReleaseState
    steps: tuple[Step, ...]
    reached: tuple[Reached, ...]
    left_out: tuple[LeftOut, ...]
    warnings: tuple[str, ...] = ()

    def count(self, what: What) -> int:
        """How many there are of this.

        >>> Plan(uid="x", version=1, state=ReleaseState.DRAFT, steps=(), reached=(), left_out=()).count(What.MAILS)
        0
        """
        return sum(step.count for step in self.steps if step.what is what)

    def recipients(self, what: What) -> list[str]:
        """Who gets this, in order."""
        return sorted(one.who for one in self.reached if one.what is what)

    def reasons(self, what: What) -> list[tuple[str, int, bool]]:
        """Each reason of this step, to how many it applies, and whether they are reached by it; most first."""
        for_it = Counter((one.why, True) for one in self.reached if one.what is what)
        against = Counter((one.why, False) for one in self.left_out if one.what is what)
        return [(why, count, good) for (why, good), count in [*for_it.most_common(), *against.most_common()]]

    def examples(self, what: What, why: str, limit: int) -> list[str]:
        """Some of those for whom this is the reason."""
        everybody: Iterable[Reached | LeftOut] = chain(self.reached, self.left_out)
        named = (one.who for one in everybody if one.what is what and one.why == why)
        return list(islice(named, limit))
