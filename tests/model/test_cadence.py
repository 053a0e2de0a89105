"""How long to wait before an upstream is asked again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from syndicator.model.cadence import (
    CEILING,
    INTERVAL,
    POLITE,
    QUIET,
    SPACING,
    TOLD,
    Pace,
    next_wait,
    pace_from,
    pace_to_json,
)
from syndicator.model.upstream import Relation, Upstream
from tests.make import NOW

JITTER = 1.1
HOUR = timedelta(hours=1)

spans = st.timedeltas(timedelta(), timedelta(days=400))
paces = st.builds(
    Pace,
    header=st.none() | spans,
    interval=st.none() | spans,
    skip_hours=st.lists(st.integers(0, 23), max_size=24).map(tuple),
    skip_days=st.lists(st.integers(0, 6), max_size=7).map(tuple),
)
instants = st.integers(0, 14 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes))
waits = st.fixed_dictionaries(
    {"failures": st.integers(0, 10_000), "header": st.none() | spans, "stated": paces, "now": instants}
)


def make(slug: str = "cms", **other: Any) -> Upstream:
    values = {"id": 1, "slug": slug, "url": "https://cms.example/feed", "created": NOW, **other}
    return Upstream(**values)


OWN, FOREIGN = make(relation=Relation.OWN), make(relation=Relation.FOREIGN)
upstreams = st.builds(
    make,
    st.text("abc", min_size=1, max_size=5),
    relation=st.sampled_from(Relation),
    every=st.none() | st.timedeltas(timedelta(seconds=1), timedelta(days=3)),
)


@given(upstreams, waits, st.none() | spans)
def test_no_wait_is_sooner_than_asked_or_later_than_the_ceiling(
    upstream: Upstream, said: dict[str, Any], asked: timedelta | None
) -> None:
    """feeds:I4, feeds:I6: Retry-After is obeyed up to a day, whatever else is said; the same each time."""
    wait = next_wait(upstream, retry_after=asked, **said)
    assert min(asked or SPACING, CEILING) <= wait <= max(CEILING, upstream.every or CEILING)
    assert wait == next_wait(upstream, retry_after=asked, **said)


@given(waits)
def test_a_feed_is_never_asked_sooner_than_it_says(said: dict[str, Any]) -> None:
    """feeds:I4: max-age, Expires, ttl and sy: put it off, up to the ceiling; the floor always holds."""
    wait = next_wait(FOREIGN, **said)
    stated = said["stated"]
    wishes = [said["header"] or stated.header or INTERVAL, stated.interval or POLITE, INTERVAL]
    assert wait >= min(max(wishes), CEILING)


@given(st.integers(1, 10_000), instants)
def test_failures_double_the_wait_up_to_a_day(failures: int, now: Any) -> None:
    """feeds:I6: each failure waits at least as long as the one before it, without jitter twice as long."""
    wait = next_wait(OWN, failures=failures, now=now)
    assert wait >= min(INTERVAL * 2 ** min(failures, 10), CEILING)
    assert wait * JITTER >= min(next_wait(OWN, failures=failures - 1, now=now), CEILING)


@given(waits)
def test_a_feed_that_sleeps_is_left_alone(said: dict[str, Any]) -> None:
    """feeds:I4: not in its skipHours and skipDays, unless they would put it off for more than a day."""
    stated = said["stated"]
    wait = next_wait(FOREIGN, **said)
    then = said["now"] + wait
    hours = set(stated.skip_hours) if len(set(stated.skip_hours)) < 24 else set()
    days = set(stated.skip_days) if len(set(stated.skip_days)) < 7 else set()
    assert wait == CEILING or (then.hour not in hours and then.weekday() not in days)


def test_the_usual_waits() -> None:
    """feeds:I4: a quarter of an hour for our own; an hour for others, unless their feed states less."""
    spans = {
        INTERVAL: next_wait(OWN, now=NOW),
        POLITE: next_wait(FOREIGN, now=NOW),
        timedelta(minutes=30): next_wait(
            FOREIGN, stated=Pace(interval=timedelta(minutes=30), header=timedelta(minutes=1)), now=NOW
        ),
        TOLD: next_wait(OWN, told=True, now=NOW),
        timedelta(hours=3): next_wait(OWN, header=timedelta(hours=3), now=NOW),
    }
    for least, wait in spans.items():
        assert least <= wait <= least * JITTER
    assert INTERVAL <= next_wait(FOREIGN, stated=Pace(interval=timedelta(seconds=9)), now=NOW) < POLITE


def test_what_a_person_says_wins_for_our_own() -> None:
    """feeds:I4: `every` of an own upstream stands above its feed; a partner's feed may ask for longer."""
    minutes, day = timedelta(minutes=5), timedelta(days=2)
    own, foreign = make(relation=Relation.OWN, every=minutes), make(every=minutes)
    slow = Pace(interval=timedelta(hours=2), skip_hours=tuple(range(1, 24)))
    assert minutes <= next_wait(own, stated=slow, now=NOW) <= minutes * JITTER
    assert next_wait(foreign, stated=slow, now=NOW) >= timedelta(hours=2)
    assert next_wait(make(every=day), now=NOW) == day
    assert next_wait(make(relation=Relation.OWN, every=timedelta(seconds=1)), now=NOW) >= SPACING


def test_waits_are_spread() -> None:
    """feeds:I4: a hundred upstreams do not stay in step, nor do those that wake at the same hour."""
    asleep = Pace(skip_hours=tuple(range(9, 15)))
    for stated in (QUIET, asleep):
        assert len({next_wait(make(f"u{n}"), stated=stated, now=NOW) for n in range(100)}) > 80


@given(paces)
def test_a_pace_comes_back_from_the_store(pace: Pace) -> None:
    """feeds:I4: what a feed said is remembered to the second; that nothing was said is nothing."""
    again = pace_from(pace_to_json(pace))
    assert again == pace_from(pace_to_json(again))
    assert (again.skip_hours, again.skip_days) == (pace.skip_hours, pace.skip_days)
    assert (again.header or timedelta()) == timedelta(
        seconds=int((pace.header or timedelta()).total_seconds())
    )
    until = Pace(until=NOW)
    assert pace_from(pace_to_json(until)) == until
    assert pace_to_json(QUIET) is None
