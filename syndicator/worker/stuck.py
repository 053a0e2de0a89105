"""Releases that are due and cannot go out: what lets the loop of releases rest meanwhile (walk B)."""

from __future__ import annotations

import time
from collections.abc import Sequence

from syndicator.model.item import Topic
from syndicator.model.release import Release
from syndicator.store import Store, Tx, releases, topics

STUCK_PAUSE = 60.0  # seconds until a release that cannot go out is tried, and complained of, again


class Stuck:
    """Releases that are due and cannot go out as they are: `press` complains at each try, so tries are few."""

    def __init__(self) -> None:
        self._releases: list[Release] = []
        self._topics: list[Topic] = []
        self._until = 0.0

    def note(self, tx: Tx, uids: Sequence[str]) -> None:
        """Keep in mind those a round has just failed on, as they are now."""
        self._releases = [release for uid in uids if (release := releases.find(tx, uid))]
        self._topics = topics.listing(tx) if uids else []
        self._until = time.monotonic() + STUCK_PAUSE

    def alone(self, store: Store) -> bool:
        """Whether nothing else is due, nothing that could help has changed, and no minute has gone by."""
        if not self._releases or time.monotonic() >= self._until:
            return False
        with store.begin() as tx:  # it looks at rows as one who would take them
            if self._changed(tx):
                return False
            known = [release.id for release in self._releases]
            return not (releases.take_next_due(tx, known) or releases.take_next_missed(tx))

    def _changed(self, tx: Tx) -> bool:
        if topics.listing(tx) != self._topics:
            return True
        return any(releases.find(tx, release.uid) != release for release in self._releases)
