"""When schedules fire: Debian cron, changes of the clocks, catching up."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.schedule import (
    At,
    Cron,
    Every,
    When,
    checked_cron,
    checked_interval,
    describe,
    duration,
    duration_text,
    instant_from,
    kept_duration,
    next_slots,
    owed_slots,
    when_from,
)
from tests.make import NOW

NEW_YORK = "America/New_York"
ZONES = """
    UTC Europe/London Europe/Berlin Europe/Dublin Europe/Lisbon Atlantic/Azores America/New_York America/Chicago
    America/Los_Angeles America/St_Johns America/Havana America/Santiago America/Asuncion Africa/Cairo
    Africa/Casablanca Asia/Jerusalem Asia/Beirut Australia/Sydney Australia/Lord_Howe Pacific/Auckland
    Asia/Kathmandu
""".split()


def slots(when: When, zone: str, since: datetime, until: datetime) -> list[datetime]:
    return list(takewhile(lambda slot: slot <= until, next_slots(when, zone, since)))


def stepped(when: When, zone: str, since: datetime, until: datetime) -> list[datetime]:
    """The same as an alarm clock finds them: a fresh question after each slot."""
    found = []
    while (slot := next(next_slots(when, zone, since))) <= until:
        found.append(slot)
        since = slot
    return found


def latest(when: When, zone: str, now: datetime, since: datetime) -> datetime | None:
    """The newest slot that wants a run."""
    return max(owed_slots(when, zone, now, since), default=None)


def local(slots: list[datetime], zone: str) -> list[str]:
    return [f"{slot.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}" for slot in slots]


# -- changes of the clocks


@pytest.mark.parametrize(
    ("line", "day", "expected"),
    [
        ("30 2 * * *", datetime(2027, 3, 14), ["2027-03-14 03:00 EDT"]),
        ("30 1 * * *", datetime(2027, 11, 7), ["2027-11-07 01:30 EDT"]),
        ("0 8 * * *", datetime(2027, 3, 14), ["2027-03-14 08:00 EDT"]),
        ("0 8 * * *", datetime(2027, 11, 7), ["2027-11-07 08:00 EST"]),
        ("0 2 * * *", datetime(2027, 11, 7), ["2027-11-07 02:00 EST"]),
        ("0 3 * * *", datetime(2027, 3, 14), ["2027-03-14 03:00 EDT"]),
    ],
)
def test_new_york(line: str, day: datetime, expected: list[str]) -> None:
    """operations:SC3: a skipped wall time runs once at 03:00 EDT, a repeated one once at its first coming."""
    start = day.replace(tzinfo=ZoneInfo(NEW_YORK)).astimezone(UTC)
    since, until = start - timedelta(minutes=1), start + timedelta(hours=22)
    assert expected == local(slots(Cron(line), NEW_YORK, since, until), NEW_YORK)
    assert expected == local(stepped(Cron(line), NEW_YORK, since, until), NEW_YORK)


def changes(zone: str) -> list[datetime]:
    """The instants in 2024-2034 at which the zone's clocks change, to the hour before."""
    place, found = ZoneInfo(zone), []
    day = datetime(2024, 1, 1, tzinfo=UTC)
    while day.year < 2035:
        after = day + timedelta(days=1)
        if day.astimezone(place).utcoffset() != after.astimezone(place).utcoffset():
            found.append(day)
        day = after
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_each_daily_slot_exactly_once_through_every_change(zone: str) -> None:
    """operations:SC3, delivery:F11: whatever the clocks do 2024-2034, a daily slot comes once a local day."""
    for change in changes(zone):
        since, until = change - timedelta(days=2), change + timedelta(days=3)
        for line in (
            "0 0 * * *",
            "30 0 * * *",
            "0 1 * * *",
            "30 1 * * *",
            "0 2 * * *",
            "30 2 * * *",
            "15 3 * * *",
        ):
            found = slots(Cron(line), zone, since, until)
            assert found == stepped(Cron(line), zone, since, until)
            days = [slot.astimezone(ZoneInfo(zone)).date() for slot in found]
            assert days == [days[0] + timedelta(days=n) for n in range(len(days))], (line, change)
            assert len(days) in (4, 5, 6)


@pytest.mark.parametrize("zone", ["Europe/Berlin", NEW_YORK, "Australia/Lord_Howe", "America/Santiago"])
def test_looking_back_finds_no_slot_that_looking_ahead_does_not(zone: str) -> None:
    """operations:SC10: at whatever minute a worker asks, the newest owed slot is one of the schedule's own."""
    for change in changes(zone)[:4]:
        since, until = change - timedelta(days=1), change + timedelta(days=2)
        for line in ("30 1 * * *", "45 1 * * *", "30 2 * * *", "0 * * * *", "*/30 1-2 * * *"):
            own = slots(Cron(line), zone, since, until)
            now = since
            while now <= until:
                expected = max((slot for slot in own if slot <= now), default=None)
                assert expected == latest(Cron(line), zone, now, since), (line, now)
                now += timedelta(minutes=15)


@pytest.mark.parametrize("zone", [NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe"])
def test_asking_in_the_middle_of_the_repeated_hour(zone: str) -> None:
    """operations:SC3: a fresh question at any minute continues the same row of slots: none twice, none lost."""
    for change in changes(zone)[:4]:
        since, until = change - timedelta(days=1), change + timedelta(days=2)
        for line in ("30 1 * * *", "45 1 * * *", "30 2 * * *", "*/30 1-2 * * *", "0 * * * *"):
            own = slots(Cron(line), zone, since, until)
            now = since
            while now < own[-1]:
                assert min(slot for slot in own if slot > now) == next(next_slots(Cron(line), zone, now)), (
                    line,
                    now,
                )
                now += timedelta(minutes=15)


@pytest.mark.parametrize("zone", [NEW_YORK, "Europe/Berlin"])
def test_hourly_work_keeps_its_pace_through_the_changes(zone: str) -> None:
    """operations:SC2: Debian cron runs wildcard hours by real time: an hour apart, always."""
    for change in changes(zone)[:4]:
        found = slots(Cron("0 * * * *"), zone, change - timedelta(days=1), change + timedelta(days=2))
        assert {timedelta(hours=1)} == {late - early for early, late in pairwise(found)}


# -- what cron means


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("0 9 * * 1", ["2026-03-02", "2026-03-09"]),  # Monday is 1
        ("0 9 * * 0", ["2026-03-01", "2026-03-08"]),
        ("0 9 * * 7", ["2026-03-01", "2026-03-08"]),
        ("0 9 * * SUN", ["2026-03-01", "2026-03-08"]),
        ("0 9 * MAR TUE", ["2026-03-03", "2026-03-10"]),
        ("0 9 L * *", ["2026-03-31", "2026-04-30"]),
        ("0 9 * * 5#2", ["2026-03-13", "2026-04-10"]),
        ("0 9 13 * 5", ["2026-03-06", "2026-03-13"]),  # day fields are OR-ed
        ("0 9 29 2 *", ["2028-02-29", "2032-02-29"]),
        ("0 9 1-3 * *", ["2026-03-01", "2026-03-02"]),
    ],
)
def test_cron_means_debian_cron(line: str, expected: list[str]) -> None:
    """operations:SC2: Sunday is 0 and 7; names, `L`, `5#2`; day fields are OR-ed."""
    found = islice(next_slots(Cron(checked_cron(line)), "UTC", datetime(2026, 3, 1, tzinfo=UTC)), 2)
    assert expected == [f"{slot:%Y-%m-%d}" for slot in found]


@pytest.mark.parametrize(
    ("word", "line"),
    [("@daily", "0 0 * * *"), ("@Hourly", "0 * * * *"), (" @weekly ", "0 0 * * 0"), ("@yearly", "0 0 1 1 *")],
)
def test_shorthands(word: str, line: str) -> None:
    """operations:SC2: `@daily` and friends are expanded by us."""
    assert line == checked_cron(word)


@pytest.mark.parametrize("line", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *"])
def test_a_day_that_never_comes(line: str) -> None:
    """operations:SC5: a schedule without a run in five years ("31 February") is refused."""
    with pytest.raises(Invalid, match=r"never comes|Bad day-of-month"):
        checked_cron(line)


@pytest.mark.parametrize(
    "line",
    ["", "hello", "0 8 * *", "61 * * * *", "0 24 * * *", "0 0 0 * *", "@reboot", "0 8 * * 8", "1-0 * * * *"],
)
def test_what_is_no_cron_line(line: str) -> None:
    """operations:SC5: an unreadable line is refused in one line with an example."""
    with pytest.raises(Invalid, match=r"such as 0 8 \* \* 1-5") as refused:
        checked_cron(line)
    assert "\n" not in str(refused.value)


# -- catching up


def test_three_days_of_downtime_are_one_run() -> None:
    """operations:SC8: after a stop of three days the newest slot alone is owed, and then no other."""
    when, since = Cron("0 8 * * *"), datetime(2026, 3, 2, 8, tzinfo=UTC)
    now = since + timedelta(days=3, hours=1)
    slot = latest(when, "UTC", now, since)
    assert datetime(2026, 3, 5, 8, tzinfo=UTC) == slot
    assert latest(when, "UTC", now, slot) is None


def test_a_busy_minute_loses_no_slot() -> None:
    """operations:SC7: of the last minute all slots are owed, oldest first; of an older gap the newest alone."""
    when = Every(timedelta(seconds=20))
    seconds = [20, 40, 60]
    now = NOW + timedelta(seconds=60)
    assert [NOW + timedelta(seconds=n) for n in seconds] == owed_slots(when, "UTC", now, NOW)
    assert [now] == owed_slots(when, "UTC", now, NOW + timedelta(seconds=40))
    assert [NOW + timedelta(hours=1)] == owed_slots(Cron("0 * * * *"), "UTC", NOW + timedelta(hours=1.9), NOW)


@pytest.mark.parametrize(
    "away", [timedelta(minutes=1), timedelta(hours=30), timedelta(days=400), timedelta(days=3000)]
)
def test_however_long_the_sleep(away: timedelta) -> None:
    """operations:SC8: after a minute or eight years, the newest slot is found."""
    now = NOW + away
    assert now.replace(second=0) == latest(Cron("* * * * *"), "UTC", now, NOW)
    yearly = latest(Cron("0 0 1 1 *"), "UTC", now, NOW)
    assert (datetime(now.year, 1, 1, tzinfo=UTC) if now.year > 2026 else None) == yearly


spans = st.timedeltas(timedelta(seconds=1), timedelta(days=400)).map(
    lambda span: timedelta(seconds=span // timedelta(seconds=1))
)
instants = st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(spans, instants, spans)
def test_intervals_are_the_same_for_every_worker(span: timedelta, since: datetime, later: timedelta) -> None:
    """operations:SC10: slots are multiples since 1970, so two workers never compute different ones."""
    slot = next(next_slots(Every(span), "UTC", since))
    assert timedelta() < slot - since <= span
    assert timedelta() == (slot - datetime(1970, 1, 1, tzinfo=UTC)) % span
    newest = latest(Every(span), "UTC", since + later, since)
    assert (newest is not None) == (slot <= since + later)
    assert newest is None or since + later - span < newest <= since + later


def test_one_date_is_one_slot() -> None:
    """operations:SC1: `at` fires once; neither before nor a second time."""
    tick, when = timedelta(microseconds=1), At(NOW)
    assert [NOW] == list(next_slots(when, "UTC", NOW - tick))
    assert [] == list(next_slots(when, "UTC", NOW))
    assert latest(when, "UTC", NOW - tick, NOW - timedelta(days=1)) is None
    assert NOW == latest(when, "UTC", NOW, NOW - tick)
    assert latest(when, "UTC", NOW + timedelta(days=9), NOW) is None


def test_slots_lie_strictly_after() -> None:
    """operations:SC7: a slot at this very instant is over; one microsecond before, it is next."""
    when, tick = Cron("0 9 * * *"), timedelta(microseconds=1)
    assert NOW == next(next_slots(when, "UTC", NOW - tick))
    assert NOW + timedelta(days=1) == next(next_slots(when, "UTC", NOW))
    assert NOW + timedelta(days=1) == next(next_slots(when, "UTC", NOW + tick))


# -- durations, instants, and what an operator types


@settings(deadline=None)
@given(st.integers(1, 10**6), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_durations_read_back(number: int, unit: str) -> None:
    """design:6: a span is read from what we write of it."""
    span = kept_duration(f"{number}{unit}")
    assert span == kept_duration(duration_text(span))


@pytest.mark.parametrize(
    ("text", "seconds"), [("6s", 6), ("10m", 600), ("2h", 7200), ("1d", 86400), (" 5m ", 300)]
)
def test_durations(text: str, seconds: int) -> None:
    """design:6: durations are written `6s`, `10m`, `2h`, `1d`."""
    assert seconds == duration(text).total_seconds()


@pytest.mark.parametrize(
    "text", ["", "10", "m", "-5m", "1.5h", "10 m", "1w", "1e3s", "9999999999d", "٣m", "999999999d9"]
)
def test_no_duration(text: str) -> None:
    """design:6: anything else is refused with an example."""
    with pytest.raises(Invalid, match="such as 10m"):
        duration(text)


def test_no_duration_leads_out_of_the_calendar() -> None:
    """design:6: ten years at most, said in words; what stands in the database is read whatever it is."""
    assert timedelta(days=3650) == duration("3650d")
    for text in ("3651d", "87601h", "999999999d"):
        with pytest.raises(Invalid, match="too long: write 3650d or less"):
            duration(text)
    assert timedelta(days=999_999_999) == kept_duration("999999999d")


def test_intervals_under_a_second_are_too_short() -> None:
    """operations:SC1: an interval schedule runs once a second at most."""
    assert timedelta(seconds=1) == checked_interval("1s")
    for text in ("0s", "999ms"):
        with pytest.raises(Invalid, match="too short"):
            checked_interval(text)


@pytest.mark.parametrize(
    ("cron", "every", "at"),
    [(None, None, None), ("@daily", "5m", None), ("@daily", "5m", "2026-03-02"), ("", "", "")],
)
def test_exactly_one_recurrence(cron: str | None, every: str | None, at: str | None) -> None:
    """operations:SC1: cron or interval or one date."""
    with pytest.raises(Invalid, match="exactly one of cron, every and at"):
        when_from(cron, every, at, "UTC")


def test_what_was_typed() -> None:
    """operations:SC1: each of the three is understood in its zone."""
    assert Cron("0 0 * * *") == when_from("@daily", None, None, "UTC")
    assert Every(timedelta(minutes=15)) == when_from(None, "15m", None, "UTC")
    assert At(datetime(2026, 3, 2, 8, tzinfo=UTC)) == when_from(
        None, None, "2026-03-02T09:00", "Europe/Berlin"
    )
    with pytest.raises(Invalid, match="IANA"):
        when_from("@daily", None, None, "Mars/Olympus")


@pytest.mark.parametrize("text", ["", "soon", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"])
def test_no_instant(text: str) -> None:
    """design:6: what is no instant, or lies beyond the calendar, is refused in words."""
    with pytest.raises(Invalid, match="is no instant"):
        instant_from(text, "UTC")


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (Cron("30 8 * * 1-5"), "At 08:30, Monday through Friday"),
        (Every(timedelta(minutes=90)), "Every 90m"),
        (At(NOW), "Once, at 2026-03-02 09:00:00 UTC"),
    ],
)
def test_sentences(when: When, expected: str) -> None:
    """operations:SC4: a schedule is shown as a sentence, on a 24-hour clock."""
    assert expected == describe(when)


def test_midnight_stays_midnight_in_every_zone() -> None:
    """operations:SC2: cron is read in the schedule's zone, not in UTC."""
    for zone in ZONES:
        slot = next(next_slots(Cron("0 0 15 1 *"), zone, NOW))
        assert time(0) == slot.astimezone(ZoneInfo(zone)).time()
