"""Releases as rows: whole, in order, due at their instant."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndicator.errors import NotFound
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.store import Store, releases
from tests.make import NOW, FakeClock, make_content

TICK = timedelta(microseconds=1)


def test_a_release_comes_back_whole(store: Store) -> None:
    """design:2: words, embargo with zone and wall time, date, upstream and reason are read as written."""
    embargo = Embargo(until=NOW + TICK, zone="Asia/Kathmandu", wall="2026-03-02 14:45")
    with store.begin() as tx:
        made = releases.add(
            tx, "tag:r", make_content(), state=ReleaseState.HELD, embargo=embargo, at=NOW, published=NOW, upstream="u", reason="why",
        )  # fmt: skip
        assert made == releases.named(tx, "tag:r") == releases.held_for_change(tx, "tag:r")
        assert (embargo, 1, "u", "why") == (made.embargo, made.version, made.upstream, made.reason)
        assert [made] == releases.listing(tx, state="held")
        assert [] == releases.listing(tx, after=made.id)
        with pytest.raises(NotFound, match="release list"):
            releases.named(tx, "tag:other")


def test_only_timed_releases_are_due_and_oldest_first(store: Store, clock: FakeClock) -> None:
    """delivery:2: scheduled and held ones at their very instant; no other state, and none that is left out."""
    with store.begin() as tx:
        for n, state in enumerate(ReleaseState):
            releases.add(tx, f"tag:{state}", make_content(), state=state, at=NOW + timedelta(hours=9 - n))
        releases.add(tx, "tag:quarantined", make_content(), state=ReleaseState.HELD)
        assert NOW + timedelta(hours=6) == releases.next_at(tx)
    clock.now = NOW + timedelta(hours=6) - TICK
    assert taken(store) is None
    clock.now = NOW + timedelta(hours=7)
    first = taken(store)
    assert first
    assert "tag:held" == first.uid
    with store.begin() as tx:
        second = releases.take_next_due(tx, [first.id])
        assert second
        assert "tag:scheduled" == second.uid
        assert releases.take_next_due(tx, [first.id, second.id]) is None


def taken(store: Store) -> Release | None:
    with store.begin() as tx:
        return releases.take_next_due(tx)
