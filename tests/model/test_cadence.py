"""How long to wait before an upstream is asked again."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.cadence import CEILING, INTERVAL, wait


@given(st.text(min_size=1), st.integers(0, 10_000), st.one_of(st.none(), st.timedeltas()))
def test_waits_stay_between_interval_and_a_day(slug: str, failures: int, asked: timedelta | None) -> None:
    """feeds:I4, feeds:I6 — never sooner than the interval, never later than a day, the same each time."""
    span = wait(slug, failures, asked)
    assert INTERVAL <= span <= CEILING
    assert span == wait(slug, failures, asked)


def test_waits_are_spread() -> None:
    """feeds:I4 — a hundred upstreams do not stay in step."""
    assert len({wait(f"u{n}", 0) for n in range(100)}) > 80
