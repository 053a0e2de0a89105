"""The storm and the clockwork in short; `make storm` runs them in full."""

import pytest

from tests.clockwork import clockwork
from tests.dying import POINTS
from tests.storm import storm


@pytest.mark.parametrize("policy", ["repeat", "hold"])
def test_workers_may_die_at_any_moment(store_url: str, policy: str) -> None:
    """delivery:F1, delivery:F2, mail:SE12: killed at each named point of a send, nothing is lost, no double is off the record, and under *hold* there is none."""
    workers = 1 if store_url.startswith("sqlite") else 2
    found = storm(store_url, policy=policy, contacts=100, kills=len(POINTS), workers=workers, seed=7)
    assert set(POINTS) == set(found.died), str(found)
    assert (set(), set(), set()) == (found.lost, found.silent, found.unrecorded), str(found)
    if policy == "hold":
        assert set() == found.doubles


def test_two_workers_share_one_clock(store_url: str) -> None:
    """operations:SC10: of two workers each slot has one, and both send."""
    seen = clockwork(store_url, seconds=4, contacts=40, items=4)
    assert ([], [], 160) == (seen.gaps, seen.twice, seen.letters), str(seen)
