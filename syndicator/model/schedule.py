"""Schedules: when something recurs, and what its next slots are. Pure: `after` is an argument.

A slot is the instant a run belongs to; the store makes it unique. Cron means Debian cron, read by
cronsim (Sunday is 0 and 7, names, `L`, `5#2`, day fields OR-ed; one run per change of the clocks);
APScheduler only rings at the slots computed here (DESIGN §5.9, operations:SC2-SC3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import takewhile
from typing import assert_never

from cronsim import CronSim, CronSimError

from syndicator.errors import Invalid
from syndicator.model.release import zone_named

SPAN = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
FAR = timedelta(days=5 * 366)
LONGEST = timedelta(
    days=3650
)  # added to any instant it stays in the calendar, and counted in seconds in every column
CATCH_UP = timedelta(minutes=1)
# Intervals count from here, so every worker computes the same slots without asking another.
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Job(StrEnum):
    """What a schedule may start. Loops (release, feeds, poll, digest, deliver) run in every worker anyway."""

    POLL = "poll"
    FEEDS = "feeds"
    RECONCILE = "reconcile"
    PRUNE = "prune"
    NEWSLETTER = "newsletter"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron line, e.g. `0 9 * * 1-5`, read in the schedule's zone."""

    line: str


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed real-time interval, at multiples of it since 1970."""

    span: timedelta


@dataclass(frozen=True, slots=True)
class At:
    """One instant, once."""

    instant: datetime


When = Cron | Every | At


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A row an operator edits. `zone` is the IANA zone cron is read in; `upstream` narrows a poll."""

    id: int
    name: str
    job: Job
    when: When
    zone: str = "UTC"
    upstream: str | None = None
    paused: bool = False
    file: bool = False
    created: datetime


class RunState(StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


def next_slots(when: When, zone: str, after: datetime) -> Iterator[datetime]:
    """Every slot after `after`, in order, in UTC; ends after five empty years.

    >>> nine = next_slots(Cron("0 9 * * 1"), "UTC", datetime(2026, 3, 1, tzinfo=UTC))
    >>> next(nine).isoformat()
    '2026-03-02T09:00:00+00:00'
    """
    match when:
        case Cron(line):
            return _cron_slots(line, zone, after)
        case Every(span):
            return _interval_slots(span, after)
        case At(instant):
            return iter([instant] if instant > after else [])
        case _:
            assert_never(when)


def owed_slots(when: When, zone: str, now: datetime, since: datetime) -> list[datetime]:
    """The slots in (since, now] that still want a run, oldest first.

    All of the last minute: a worker that was merely busy misses none. Of an older gap only the
    newest: after three days of rest one run covers the gap, never three (operations:SC8).
    """
    start = max(since, now - CATCH_UP)
    recent = list(takewhile(lambda slot: slot <= now, next_slots(when, zone, start)))
    if recent or start == since:
        return recent
    latest = _latest_slot(when, zone, now, since)
    return [latest] if latest else []


def slot_before(when: When, zone: str, now: datetime) -> datetime | None:
    """The newest slot up to and with this instant, or None where there was none in five years."""
    return _latest_slot(when, zone, now, now - FAR)


def when_from(cron: str | None, every: str | None, at: str | None, zone: str) -> When:
    """The recurrence an operator typed, exactly one of the three; raises Invalid with what to write."""
    given = [name for name, value in (("cron", cron), ("every", every), ("at", at)) if value]
    if len(given) != 1:
        raise Invalid(
            "a schedule needs exactly one of cron, every and at"
            + (f"; there are {' and '.join(given)}" if given else "")
        )
    zone_named(zone)
    if cron:
        return Cron(checked_cron(cron))
    if every:
        return Every(checked_interval(every))
    return At(instant_from(at or "", zone))


def checked_cron(line: str) -> str:
    """The cron line, shorthands expanded; raises Invalid if unreadable or without a run in five years."""
    line = SHORTHANDS.get(line.strip().lower(), line.strip())
    try:
        next(_cron_slots(line, "UTC", datetime(2024, 1, 1, tzinfo=UTC)))
    except CronSimError as fault:
        raise Invalid(
            f"cron {line!r}: {fault}; write minute hour day month weekday, such as 0 8 * * 1-5"
        ) from None
    except StopIteration:
        raise Invalid(f"cron {line!r} never comes: there is no such day in five years") from None
    return line


def checked_interval(text: str) -> timedelta:
    """The span of an interval schedule, at least one second."""
    span = duration(text)
    if span < timedelta(seconds=1):
        raise Invalid(f"{text!r} is too short: a schedule may run once a second at most")
    return span


def duration(text: str) -> timedelta:
    """A span that somebody wrote as `6s`, `10m`, `2h` or `1d`, up to ten years; raises Invalid.

    >>> duration("10m")
    datetime.timedelta(seconds=600)
    """
    if (span := kept_duration(text)) > LONGEST:
        raise Invalid(f"{text!r} is too long: write {duration_text(LONGEST)} or less")
    return span


def kept_duration(text: str) -> timedelta:
    """A span as `duration_text` wrote it, however long: what stands in the database stays readable."""
    match = SPAN.fullmatch(text.strip())
    if not match:
        raise Invalid(f"{text!r} is no duration: write a number and s, m, h or d, such as 10m")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def duration_text(span: timedelta) -> str:
    """The shortest way to write a span that `duration` reads back.

    >>> duration_text(timedelta(minutes=90))
    '90m'
    """
    total = span // timedelta(milliseconds=1)
    if not total:
        return "0s"
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if total % size == 0:
            return f"{total // size}{unit}"
    return f"{total}ms"


def instant_from(text: str, zone: str) -> datetime:
    """An instant in UTC from RFC 3339, or from a wall time in `zone`; raises Invalid otherwise."""
    try:
        typed = datetime.fromisoformat(text)
        return (typed if typed.tzinfo else typed.replace(tzinfo=zone_named(zone))).astimezone(UTC)
    except (ValueError, OverflowError):  # an offset can lead out of the calendar
        raise Invalid(f"{text!r} is no instant: write 2026-03-02T09:00:00+01:00") from None


def describe(when: When) -> str:
    """The recurrence as a sentence, cron in words and on a 24-hour clock."""
    match when:
        case Cron(line):
            return _cron_words(line)
        case Every(span):
            return f"Every {duration_text(span)}"
        case At(instant):
            return f"Once, at {instant:%Y-%m-%d %H:%M:%S} UTC"
        case _:
            assert_never(when)


@lru_cache(maxsize=256)
def _cron_words(line: str) -> str:
    from cron_descriptor import Options, get_description

    options = Options()
    options.use_24hour_time_format = True
    return str(get_description(line, options))


def _cron_slots(line: str, zone: str, after: datetime) -> Iterator[datetime]:
    # cronsim counts whole minutes in local time and knows the changes of the clocks.
    last: datetime | None = None
    for local in CronSim(line, after.astimezone(zone_named(zone))):
        slot = local.astimezone(UTC)
        if slot - (last or after) > FAR:
            return
        if slot > after and slot != last:
            last = slot
            yield slot


def _interval_slots(span: timedelta, after: datetime) -> Iterator[datetime]:
    slot = EPOCH + (after - EPOCH) // span * span
    while True:
        slot += span
        yield slot


def _latest_slot(when: When, zone: str, now: datetime, since: datetime) -> datetime | None:
    if isinstance(when, Every):
        slot = EPOCH + (now - EPOCH) // when.span * when.span
        return slot if slot > since else None
    # Look back ever further, so that a worker that slept a year does not walk every minute of it.
    for back in (timedelta(hours=2), timedelta(days=2), timedelta(days=62), FAR):
        start = max(since, now - back)
        latest = None
        for slot in takewhile(lambda slot: slot <= now, next_slots(when, zone, start)):
            latest = slot
        if latest or start == since:
            return latest
    return None
