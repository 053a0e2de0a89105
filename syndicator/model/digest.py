"""Digests, purely: when a window closes, and which pushes its digest holds (ADR 44).

A window is half-open in UTC and ends at a wall time in its contact's zone, so that it has 23 or 25 hours where the
clocks change (mail:DG2, DG3). What was *pushed* is what had entered a topic while it was to be told; it is in the
first digest that closes afterwards, unless its reader had it by then.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from syndicator.model.audience import Cadence, Times
from syndicator.model.release import in_zone

DAY = timedelta(days=1)
LAST = 5  # the nth weekday that is the last of its month
LONGEST_WAIT = 63  # days from one closing to the next at most, and the day before the first
DIGESTS = (Cadence.DAILY, Cadence.WORKDAYS, Cadence.WEEKLY, Cadence.MONTHLY, Cadence.NTH_WEEKDAY)
# How old a push may be in a digest that catches up after we were away (mail:DG9). The one of Monday looks back over the
# weekend as it is.
OLDEST = {
    Cadence.DAILY: timedelta(days=3),
    Cadence.WORKDAYS: timedelta(days=5),
    Cadence.WEEKLY: timedelta(weeks=2),
    Cadence.MONTHLY: timedelta(days=62),
    Cadence.NTH_WEEKDAY: timedelta(days=62),
}


@lru_cache(maxsize=8192)  # a hundred thousand contacts have a few dozen answers between them
def next_close(cadence: Cadence, times: Times, zone: str, after: datetime) -> datetime:
    """The first instant strictly after `after` (UTC) at which a window of this cadence closes.

    A wall time that is skipped counts at the first instant after the gap, one that is repeated when it comes first
    (mail:DG3). `zone` is an IANA name; a cadence without digests has no windows and is a ValueError.
    """
    if cadence not in DIGESTS:
        raise ValueError(f"{cadence} has no windows")
    first = in_zone(after, zone).date() - DAY
    days = (first + number * DAY for number in range(LONGEST_WAIT))
    closings = (instant_at(day, times.hour, zone) for day in days if falls_on(cadence, times, day))
    return next(closing for closing in closings if closing > after)


@lru_cache(maxsize=8192)
def last_close(
    cadence: Cadence, times: Times, zone: str, closes: datetime, horizon: datetime
) -> tuple[datetime, datetime]:
    """Of a window that closes at `closes`: the latest such instant up to `horizon`, and the next one after it.

    However many were missed, they are one window (mail:DG9). Nothing is skipped where none was missed.
    """
    following = next_close(cadence, times, zone, closes)
    while following <= horizon:
        closes, following = following, next_close(cadence, times, zone, following)
    return closes, following


def falls_on(cadence: Cadence, times: Times, day: date) -> bool:
    """Whether a digest comes on this day of its reader's calendar (mail:DG4)."""
    last = monthrange(day.year, day.month)[1]
    match cadence:
        case Cadence.DAILY:
            return True
        case Cadence.WORKDAYS:
            return day.weekday() < 5
        case Cadence.WEEKLY:
            return day.weekday() == times.weekday
        case Cadence.MONTHLY:
            return day.day == min(times.monthday, last)
        case Cadence.NTH_WEEKDAY:
            right = day.day + 7 > last if times.nth >= LAST else (day.day - 1) // 7 + 1 == times.nth
            return right and day.weekday() == times.weekday
        case Cadence.IMMEDIATE:
            return False


def instant_at(day: date, hour: int, zone: str) -> datetime:
    """When clocks in `zone` first show this hour or, where they skip it, the instant they skip it at (UTC)."""
    wall = datetime.combine(day, time(hour), ZoneInfo(zone))
    early, late = wall.replace(fold=1).astimezone(UTC), wall.astimezone(UTC)
    return late if late <= early else _change_between(early, late, zone)


def _change_between(early: datetime, late: datetime, zone: str) -> datetime:
    """The instant, to the second, at which the offset of `zone` becomes what it is at `late`."""
    offset = late.astimezone(ZoneInfo(zone)).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // timedelta(seconds=2) * timedelta(seconds=1)
        if middle.astimezone(ZoneInfo(zone)).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late


def digest_subject(cadence: Cadence, closes: datetime) -> str:
    """The subject of the digest of one window; what the ledger's UNIQUE is built on (mail:DG1).

    >>> digest_subject(Cadence.DAILY, datetime(2026, 3, 2, 8, tzinfo=UTC))
    'digest/daily/2026-03-02T08:00:00Z'
    """
    return f"digest/{cadence}/{closes.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def digest_of(subject: str) -> tuple[Cadence, datetime]:
    """The cadence and the closing instant that `digest_subject` wrote down."""
    _, cadence, closes = subject.split("/")
    return Cadence(cadence), datetime.fromisoformat(closes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """An item entered a topic, at an instant, while it was to be told."""

    item: int
    topic: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a live subscription asks for: a topic, and what is pushed to it from `since` on."""

    topic: int
    cadence: Cadence
    since: datetime


def earliest(cadence: Cadence, opened: datetime, closes: datetime, *, missed: bool) -> datetime:
    """From when on pushes are in a window: as far back as it is open, but after missed runs no older than is news.

    A window that took over what waited for another cadence is open longer than its own cadence says.
    """
    oldest = closes - OLDEST[cadence]
    return oldest if missed else min(opened, oldest)


def selected(
    cadence: Cadence,
    since: datetime,
    closes: datetime,
    pushed: Iterable[Pushed],
    wishes: Collection[Wish],
    had: Collection[int] = (),
) -> set[int]:
    """The items of the digest of this cadence from `since` until it closes: the rule the store's planner keeps to.

    Immediate subscriptions count as well: what waited for a digest when somebody asked for it at once comes with
    the digest. What its reader `had` is never told again. A pause moves `since` to where it ends.
    """
    counting = [wish for wish in wishes if wish.cadence in (cadence, Cadence.IMMEDIATE)]
    return {
        push.item
        for push in pushed
        if push.item not in had
        and since <= push.at < closes
        and any(wish.topic == push.topic and wish.since <= push.at for wish in counting)
    }
