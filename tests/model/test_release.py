"""Releases: their states and embargoes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import IllegalMove, Invalid, Refused
from syndicator.model.release import (
    MOVES,
    Embargo,
    ReleaseState,
    embargo_from,
    midnight,
    moved,
    read_back,
    release_instant,
    zone_named,
)
from tests.make import NOW, make_content, make_release

TICK = timedelta(microseconds=1)
# Written from DESIGN §2, not from the code: which state may follow which.
LEGAL = {
    "draft": "approved missed cancelled",
    "approved": "draft scheduled released missed cancelled",
    "scheduled": "draft scheduled released cancelled",
    "held": "released cancelled",
    "missed": "draft cancelled",
    "released": "",
    "cancelled": "draft",
}


@pytest.mark.parametrize(("state", "to"), list(product(ReleaseState, ReleaseState)))
def test_every_move(state: ReleaseState, to: ReleaseState) -> None:
    """design:2: each legal move is made, each other is refused in words that name the way out."""
    release = make_release(state=state)
    if to in LEGAL[state].split():
        assert to is moved(release, to).state
        return
    done = "already" if state == to else f"and cannot become {to}"
    with pytest.raises(IllegalMove, match=f"is {state} {done}: .*`syndicator (release|item) ") as told:
        moved(release, to)
    assert "missed" not in str(told.value).partition(": ")[2]  # nobody chooses that


def test_what_is_out_stays_out() -> None:
    """delivery:2: nothing leads out of released; what was cancelled comes back as a draft, handed in again."""
    assert not MOVES[ReleaseState.RELEASED]
    assert {ReleaseState.DRAFT} == MOVES[ReleaseState.CANCELLED]


def test_embargo_to_the_microsecond() -> None:
    """security:E3: an embargo holds one tick before its instant, and no longer at the instant."""
    embargo = Embargo(until=NOW)
    assert (True, False, False) == tuple(embargo.holds(NOW + tick) for tick in (-TICK, 0 * TICK, TICK))


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("text", "day"),
    [("0001-01-01T00:00:00Z", "Monday 01 January 1 "), ("9999-12-31T23:59:00Z", "Friday 31 December 9999 ")],
)
def test_embargo_at_the_end_of_the_calendar(text: str, day: str, zone: str) -> None:
    """security:E3: it can be told to people, though its zone has no such day."""
    assert str(embargo_from(text, zone)).startswith(day)


@pytest.mark.parametrize(
    ("text", "zone"), [("0001-01-01 00:00", "Asia/Tokyo"), ("9999-12-31 23:59", "America/New_York")]
)
def test_an_embargo_outside_the_calendar_is_refused(text: str, zone: str) -> None:
    """design:6: a wall time that no UTC date stands for is refused in words."""
    with pytest.raises(Invalid, match="is no instant"):
        embargo_from(text, zone)


def test_embargo_for_people_names_zone_and_utc() -> None:
    """mail:EM2: weekday, time as typed with its zone, and UTC."""
    embargo = embargo_from("2026-07-06 09:00", "Europe/Berlin")
    assert "Monday 06 July 2026 09:00 Europe/Berlin (2026-07-06 07:00:00 UTC)" == str(embargo)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("2026-03-02T09:00:00+01:00", "UTC", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-03-02T09:00:00Z", "Europe/Berlin", datetime(2026, 3, 2, 9, tzinfo=UTC)),
        ("2026-03-02 09:00", "Europe/Berlin", datetime(2026, 3, 2, 8, tzinfo=UTC)),
        ("2026-07-02 09:00", "Europe/Berlin", datetime(2026, 7, 2, 7, tzinfo=UTC)),
        ("2026-03-02 09:00", "Asia/Kathmandu", datetime(2026, 3, 2, 3, 15, tzinfo=UTC)),
        ("2026-03-02T09:00:00.000001+00:00", "UTC", datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC)),
        # An offset settles both odd hours.
        ("2026-10-25T02:30:00+01:00", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+02:00", "Europe/Berlin", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_embargo_as_typed(text: str, zone: str, expected: datetime) -> None:
    """operations:SC12: an embargo is an instant in UTC plus the zone and wall time typed."""
    embargo = embargo_from(text, zone)
    assert (expected, zone, text) == (embargo.until, embargo.zone, embargo.wall)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2027-03-14 02:30", "America/New_York"),
        ("2026-03-29 02:00", "Europe/Berlin"),
        ("2026-03-29 01:59:59.5", "Europe/London"),
        ("2026-10-04 02:15", "Australia/Lord_Howe"),
        ("2011-12-30 12:00", "Pacific/Apia"),  # a whole day that never was
    ],
)
def test_wall_times_that_do_not_exist(text: str, zone: str) -> None:
    """operations:AD6: a wall time the clocks jump over is refused, and both offsets are offered."""
    with pytest.raises(Invalid, match=f"does not exist in {zone}.*add an offset, .* or "):
        embargo_from(text, zone)


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("2027-11-07 01:30", "America/New_York"),
        ("2026-10-25 02:59:59", "Europe/Berlin"),
        ("2026-04-05 01:45", "Australia/Lord_Howe"),
    ],
)
def test_wall_times_that_exist_twice(text: str, zone: str) -> None:
    """operations:AD6: an ambiguous wall time is refused, and both offsets are offered."""
    with pytest.raises(Invalid, match=f"exists twice in {zone}.*add an offset, .* or "):
        embargo_from(text, zone)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/London", "Australia/Lord_Howe", "Asia/Tehran"])
@settings(deadline=None)
@given(wall=st.datetimes(datetime(2024, 1, 1), datetime(2035, 1, 1)))
def test_an_unambiguous_wall_time_is_what_it_says(zone: str, wall: datetime) -> None:
    """operations:SC12: whatever is not refused reads, in its zone, exactly as typed."""
    try:
        embargo = embargo_from(wall.isoformat(), zone)
    except Invalid:
        return
    assert wall == embargo.until.astimezone(zone_named(zone)).replace(tzinfo=None)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-02-30 09:00", "25:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"],
)
def test_no_instant(text: str) -> None:
    """design:6: what is no instant is refused in one line that shows how to write one."""
    with pytest.raises(Invalid, match="write 2026-03-02T09:00:00") as refused:
        embargo_from(text, "UTC")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../etc/passwd", "Europe", "/etc/localtime", "a\0b"])
def test_unknown_zones(zone: str) -> None:
    """design:6: an unknown zone is refused and an IANA name asked for; nothing of the disk is read."""
    with pytest.raises(Invalid, match="use an IANA name"):
        zone_named(zone)


# -- when a scheduled release goes out


def test_a_release_goes_out_at_its_embargo() -> None:
    """design:2: *schedule* takes its instant from the embargo."""
    release = make_release(embargo=Embargo(until=NOW))
    assert NOW == release_instant(release, None, NOW)


def test_at_may_be_later_than_the_embargo() -> None:
    """design:2: `--at` wins, as long as the embargo has gone by then."""
    release, later = make_release(embargo=Embargo(until=NOW)), NOW + timedelta(hours=1)
    assert later == release_instant(release, later, NOW)


def test_never_before_the_embargo() -> None:
    """delivery:2: one microsecond before the embargo is refused, and lift is named."""
    release = make_release(embargo=Embargo(until=NOW))
    with pytest.raises(Refused, match="release lift"):
        release_instant(release, NOW - TICK, NOW - timedelta(days=1))


def test_never_in_the_past() -> None:
    """design:2: an instant that has gone by is refused, and publish is named; under embargo it is lift."""
    for embargo, verb in ((None, "publish"), (Embargo(until=NOW + TICK), "lift")):
        with pytest.raises(Refused, match=f"gone by already .*release {verb} "):
            release_instant(make_release(embargo=embargo), NOW - TICK, NOW)


def test_some_instant_is_needed() -> None:
    """design:2: without embargo and without `--at` nobody knows when."""
    with pytest.raises(Refused, match="say when with --at"):
        release_instant(make_release(), None, NOW)


def test_the_base_knows_words_and_embargo() -> None:
    """security:E4: an edit made before somebody moved the embargo has a stale base, too."""
    release = make_release()
    bases = {
        release.base,
        make_release(content=make_content("Other")).base,
        make_release(embargo=Embargo(until=NOW)).base,
        make_release(embargo=Embargo(until=NOW + TICK)).base,
    }
    assert 4 == len(bases)
    assert release.base == make_release(version=7).base


def test_an_instant_is_read_back_once_in_every_zone() -> None:
    """operations:SC12: each zone by its own calendar, across the date line and with seconds where there are any."""
    instant = datetime(2026, 7, 1, 22, 30, 5, tzinfo=UTC)
    assert [
        "Wednesday 1 July 2026 23:30:05 Europe/London",
        "Wednesday 1 July 2026 22:30:05 UTC",
        "Wednesday 1 July 2026 18:30:05 America/New_York",
        "Thursday 2 July 2026 07:30:05 Asia/Tokyo",
    ] == read_back(instant, "Europe/London", "UTC")


@pytest.mark.parametrize(
    ("instant", "warned"),
    [
        (datetime(2026, 6, 30, 23, tzinfo=UTC), True),
        (datetime(2026, 7, 1, tzinfo=UTC), False),
        (datetime(2026, 6, 30, 23, 0, 1, tzinfo=UTC), False),
        (datetime(2026, 6, 30, 23, 1, tzinfo=UTC), False),
    ],
)
def test_midnight_is_that_of_the_zone(instant: datetime, *, warned: bool) -> None:
    """operations:SC12: what is midnight in London is warned about there, and 00:01 is offered with its offset."""
    words = midnight(instant, "Europe/London")
    assert warned == (words is not None)
    assert not warned or "00:01 (2026-07-01T00:01:00+01:00)" in str(words)
