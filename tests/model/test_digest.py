"""When windows close and what digests hold, without a database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.model.audience import Cadence, Times
from syndicator.model.digest import (
    DIGESTS,
    OLDEST,
    Pushed,
    Wish,
    digest_of,
    digest_subject,
    earliest,
    falls_on,
    instant_at,
    last_close,
    next_close,
    selected,
)
from tests.digests import ZONES

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2034, 12, 31, tzinfo=UTC)
instants = st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None), timezones=st.just(UTC))
times = st.builds(
    Times,
    hour=st.integers(0, 23),
    weekday=st.integers(0, 6),
    monthday=st.integers(1, 31),
    nth=st.integers(1, 5),
)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    """An instant in UTC."""
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
def test_windows_tile_time_through_every_change_of_clocks(zone: str) -> None:
    """mail:DG2 mail:DG3 One a day from 2024 to 2034, each ending where the next begins, 22 to 26 hours long."""
    for hour in (0, 2):
        closes, found = next_close(Cadence.DAILY, Times(hour=hour), zone, FIRST), []
        while closes < LAST:
            found.append(closes)
            following = next_close(Cadence.DAILY, Times(hour=hour), zone, closes)
            assert timedelta(hours=22) <= following - closes <= timedelta(hours=26)
            closes = following
        days = [closing.astimezone(ZoneInfo(zone)).date() for closing in found]
        assert [days[0] + timedelta(days=number) for number in range(len(days))] == days


@given(st.sampled_from(DIGESTS), times, st.sampled_from(ZONES), instants, instants)
@settings(max_examples=60)
def test_the_next_closing_is_the_same_wherever_one_looks_from(
    cadence: Cadence, times: Times, zone: str, one: datetime, other: datetime
) -> None:
    """mail:DG2 It lies strictly ahead, on a day of the cadence, and nothing lies between: no gap, no overlap."""
    early, late = sorted((one, other))
    first = next_close(cadence, times, zone, early)
    assert early < first
    assert falls_on(cadence, times, first.astimezone(ZoneInfo(zone)).date())
    assert (
        next_close(cadence, times, zone, late) == first if late < first else late < LAST + timedelta(days=70)
    )
    assert next_close(cadence, times, zone, first - timedelta(microseconds=1)) == first


@given(st.lists(st.tuples(st.sampled_from(DIGESTS), times, st.sampled_from(ZONES)), min_size=2), instants)
@settings(max_examples=40)
def test_edits_of_zone_hour_and_cadence_move_the_end_and_never_the_begin(
    edits: list[tuple[Cadence, Times, str]], now: datetime
) -> None:
    """mail:DG4 Each window begins where the one before it ended, whatever was edited in between."""
    ends = [now]
    for cadence, when, zone in edits:
        ends.append(next_close(cadence, when, zone, ends[-1]))
    assert sorted(set(ends)) == ends


@pytest.mark.parametrize(
    ("zone", "day", "hour", "expected"),
    [
        ("Europe/London", date(2026, 3, 29), 1, at(2026, 3, 29, 1)),  # 01:00 GMT is 02:00 BST
        ("Europe/London", date(2026, 10, 25), 1, at(2026, 10, 25, 0)),  # the first of two
        ("America/New_York", date(2026, 3, 8), 2, at(2026, 3, 8, 7)),
        ("America/New_York", date(2026, 11, 1), 1, at(2026, 11, 1, 5)),
        ("Pacific/Apia", date(2026, 3, 2), 8, at(2026, 3, 1, 19)),
        ("Pacific/Apia", date(2011, 12, 30), 8, at(2011, 12, 30, 10)),  # a day that never was
        ("Asia/Kathmandu", date(2026, 3, 2), 8, at(2026, 3, 2, 2, 15)),
        ("Australia/Lord_Howe", date(2026, 10, 4), 2, at(2026, 10, 3, 15, 30)),  # skips half an hour
        ("Australia/Lord_Howe", date(2026, 4, 5), 2, at(2026, 4, 4, 15, 30)),
        ("Africa/Cairo", date(2026, 4, 24), 0, at(2026, 4, 23, 22)),  # midnight is skipped
    ],
)
def test_odd_hours(zone: str, day: date, hour: int, expected: datetime) -> None:
    """mail:DG3 A skipped time is the first instant after it, a repeated one its first occurrence."""
    assert expected == instant_at(day, hour, zone)


@pytest.mark.parametrize(
    ("cadence", "times", "days"),
    [
        (Cadence.WORKDAYS, Times(), [2, 3, 4, 5, 6, 9]),
        (Cadence.WEEKLY, Times(weekday=4), [6, 13, 20, 27]),
        (Cadence.MONTHLY, Times(monthday=31), [31]),
        (Cadence.NTH_WEEKDAY, Times(weekday=0, nth=2), [9]),
        (Cadence.NTH_WEEKDAY, Times(weekday=0, nth=5), [30]),
        (Cadence.NTH_WEEKDAY, Times(weekday=1, nth=5), [31]),
    ],
)
def test_the_days_of_a_cadence(cadence: Cadence, times: Times, days: list[int]) -> None:
    """mail:DG4 As the calendar on the reader's wall has them, March 2026."""
    found = [day for day in range(1, 32) if falls_on(cadence, times, date(2026, 3, day))]
    assert days == found[: len(days)]


@pytest.mark.parametrize(("month", "last"), [(2, 28), (4, 30), (12, 31)])
def test_past_the_end_of_a_month_is_its_last_day(month: int, last: int) -> None:
    """mail:DG4 The 31st of February is the 28th."""
    times = Times(monthday=31)
    assert last == next_close(Cadence.MONTHLY, times, "UTC", at(2026, month, 1)).day


def test_immediate_mail_has_no_windows() -> None:
    """mail:DG2 Asked for one, we say so, instead of looking through the calendar for ever."""
    with pytest.raises(ValueError, match="immediate has no windows"):
        next_close(Cadence.IMMEDIATE, Times(), "UTC", FIRST)


def test_missed_runs_are_one_window() -> None:
    """mail:DG9 After a fortnight away the window ends at the latest closing, and the next is the one after."""
    now = at(2026, 3, 16, 12)
    closes, following = last_close(Cadence.DAILY, Times(), "UTC", at(2026, 3, 2, 8), now)
    assert (at(2026, 3, 16, 8), at(2026, 3, 17, 8)) == (closes, following)
    assert (at(2026, 3, 2, 8), at(2026, 3, 3, 8)) == last_close(
        Cadence.DAILY, Times(), "UTC", at(2026, 3, 2, 8), at(2026, 3, 2, 9)
    )


def test_a_catch_up_has_an_end() -> None:
    """mail:DG9 Three days of daily mail, two weeks of weekly; what another cadence had gathered is not cut."""
    closes, opened = at(2026, 3, 16, 8), at(2026, 2, 1)
    assert closes - timedelta(days=3) == earliest(Cadence.DAILY, opened, closes, missed=True)
    assert closes - timedelta(days=14) == earliest(Cadence.WEEKLY, opened, closes, missed=True)
    assert opened == earliest(Cadence.DAILY, opened, closes, missed=False)


def test_no_window_is_longer_than_its_catch_up() -> None:
    """mail:DG9 The digest of Monday reaches over the weekend, and over its change of clocks, as any other window."""
    for zone in ("Europe/London", "America/New_York"):
        closes = next_close(Cadence.WORKDAYS, Times(), zone, FIRST)
        while closes < LAST:
            following = next_close(Cadence.WORKDAYS, Times(), zone, closes)
            assert following - closes < OLDEST[Cadence.WORKDAYS]
            closes = following


NINE, CLOSES = at(2026, 3, 2, 9), at(2026, 3, 3, 8)
DAILY = Wish(topic=1, cadence=Cadence.DAILY, since=NINE)


@pytest.mark.parametrize(
    ("push", "wish", "had", "held"),
    [
        (Pushed(item=7, topic=1, at=NINE), DAILY, (), {7}),
        (Pushed(item=7, topic=1, at=NINE), DAILY, {7}, set()),
        (Pushed(item=7, topic=2, at=NINE), DAILY, (), set()),
        (Pushed(item=7, topic=1, at=NINE - timedelta(microseconds=1)), DAILY, (), set()),
        (Pushed(item=7, topic=1, at=CLOSES - timedelta(microseconds=1)), DAILY, (), {7}),
        (Pushed(item=7, topic=1, at=CLOSES), DAILY, (), set()),
        (Pushed(item=7, topic=1, at=NINE), Wish(topic=1, cadence=Cadence.WEEKLY, since=NINE), (), set()),
        (Pushed(item=7, topic=1, at=NINE), Wish(topic=1, cadence=Cadence.IMMEDIATE, since=NINE), (), {7}),
    ],
)
def test_what_a_digest_holds(push: Pushed, wish: Wish, had: set[int], held: set[int]) -> None:
    """mail:DG6 mail:DG7 What was pushed in its half-open window to what its reader asks for, and they do not have."""
    assert held == selected(Cadence.DAILY, NINE - timedelta(days=3), CLOSES, [push], [wish], had)


def test_a_subject_says_which_window() -> None:
    """mail:DG1 Cadence and closing instant are in the key that makes a digest unique, and can be read back."""
    for cadence in DIGESTS:
        assert (cadence, CLOSES) == digest_of(digest_subject(cadence, CLOSES))
