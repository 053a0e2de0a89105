"""How fast letters go to one domain: every second of a rate, halving, growing."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.model.pace import LONGEST_REST, START, Pace, eased, limited, room, slowed, taken
from tests.make import NOW

SECOND = timedelta(seconds=1)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([0.5, 1, 2, 3, 7, 10, 15, 50, 100]),
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 30)), min_size=20, max_size=80),
)
def test_no_second_sees_more_than_the_rate(rate: float, looks: list[tuple[int, int]]) -> None:
    """mail:SE4: whoever asks whenever, no window of one second, wherever it begins, holds more letters than the rate."""
    pace, now, sent = Pace(open=NOW, rate=rate), NOW, []
    for microseconds, wanted in looks:
        now += timedelta(microseconds=microseconds)
        letters = min(room(pace, 0, now) or 0, wanted)
        pace = taken(pace, letters, now)
        sent += [now] * letters
    for first in sent:
        assert sum(first <= one < first + SECOND for one in sent) <= max(1, rate)


@pytest.mark.parametrize("rate", [1, 10, 100])
def test_a_rate_is_used(rate: int) -> None:
    """mail:SE4: who asks ten times a second gets nearly the rate, not a fraction of it."""
    pace, now, sent = Pace(open=NOW, rate=rate), NOW, 0
    for _ in range(600):
        letters = room(pace, 0, now) or 0
        pace, sent = taken(pace, letters, now), sent + letters
        now += timedelta(milliseconds=100)
    assert 0.85 * rate * 60 <= sent <= rate * 60 + rate


def test_width_counts_what_is_under_way() -> None:
    """mail:SE4: as many more as there are places left, none while the domain rests, any number without limits."""
    pace = Pace(open=NOW, width=5)
    assert [5, 2, 0, 0] == [room(pace, under_way, NOW) for under_way in (0, 3, 5, 9)]
    assert 0 == room(pace, 0, NOW - timedelta(microseconds=1))
    assert room(Pace(open=NOW), 999, NOW) is None
    assert 1 == room(Pace(open=NOW, width=9, rate=1), 0, NOW)


def test_complaints_halve_and_successes_give_back() -> None:
    """mail:SE4: each complaint halves and rests longer, up to an hour; each success adds one until the limit is gone."""
    pace = Pace(open=NOW, width=8, rate=40.0)
    widths, rests = [], []
    for _ in range(8):
        now = pace.open
        pace = slowed(pace, now)
        widths.append(pace.width)
        rests.append((pace.open - now).total_seconds() / 60)
    assert [4, 2, 1, 1, 1, 1, 1, 1] == widths
    assert [1, 2, 4, 8, 16, 32, 60, 60] == rests
    assert pace.rate == 40 / 2**8
    steps = 0
    while pace.width is not None:
        pace, steps = eased(pace), steps + 1
    assert (START - 1, None, 0) == (steps, pace.rate, pace.failures)


def test_a_pause_that_was_asked_for_is_kept() -> None:
    """mail:SE8: what the domain asks for counts where it is longer than ours."""
    asked = timedelta(hours=3)
    assert NOW + asked == slowed(Pace(open=NOW), NOW, asked).open
    assert asked > LONGEST_REST
    assert NOW + timedelta(minutes=1) == slowed(Pace(open=NOW), NOW, SECOND).open


def test_the_operators_limits_hold_for_everybody() -> None:
    """mail:SE4: 0 is no limit; of two limits the smaller one counts."""
    own = Pace(open=NOW, width=3, rate=2.0)
    assert own == limited(own, 0, 0) == limited(own, 10, 10)
    assert Pace(open=NOW, width=1, rate=1.0) == limited(own, 1, 1)
    assert Pace(open=NOW) == limited(Pace(open=NOW), 0, 0)
