"""Cadence: when an upstream is asked again. Pure: what its server and its feed said are arguments (feeds:I4, I6)."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from syndicator.model.upstream import Relation, Upstream

INTERVAL = timedelta(minutes=15)  # how often our own feeds are asked, and the least a feed may ask for
POLITE = timedelta(hours=1)  # how often those of others are asked that do not say
TOLD = timedelta(hours=6)  # the slow poll beside a hub that tells us of changes (feeds:W5)
CEILING = timedelta(hours=24)  # the longest wait, whatever a server or the backoff asks for (feeds:I6)
SPACING = timedelta(seconds=20)  # between two polls of one upstream, however often somebody pings us
DOUBLINGS = 10  # of the wait after failures; by then it is at its ceiling
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a feed last said about how often to come.

    `header` is from its lifetime in HTTP, `interval` from the feed itself (ttl, sy:), `skip_hours` (UTC) and
    `skip_days` (0 is Monday) when it wants to be left alone, and `until` when a Retry-After ends.
    """

    header: timedelta | None = None
    interval: timedelta | None = None
    skip_hours: tuple[int, ...] = ()
    skip_days: tuple[int, ...] = ()
    until: datetime | None = None


QUIET = Pace()


def next_wait(
    upstream: Upstream,
    *,
    failures: int = 0,
    header: timedelta | None = None,
    stated: Pace = QUIET,
    retry_after: timedelta | None = None,
    told: bool = False,
    now: datetime,
) -> timedelta:
    """How long until an upstream is asked again, after so many failures in a row.

    `header` is what this answer said, `stated` what is remembered of its feed, `told` whether a hub tells
    us of changes. Failures double the wait up to a day. Never sooner than Retry-After (up to a day).
    Spread by the slug, later only, so that a hundred feeds added at once do not stay in step.
    """
    spread = zlib.crc32(f"{upstream.slug}/{failures}".encode()) % 1000 / 1000
    ceiling = max(CEILING, upstream.every or CEILING)
    base = _usual(upstream, header or stated.header, stated, told=told)
    if failures:
        base = max(base, INTERVAL * (1 << min(failures, DOUBLINGS)))
    asked = max(min(base, ceiling), min(retry_after or timedelta(), CEILING))
    wait = min(asked * (1 + spread / 10), ceiling)
    if not _ours_to_say(upstream):
        wait = _awake(now + wait, stated, spread) - now
    return min(wait, ceiling)


def _usual(upstream: Upstream, header: timedelta | None, stated: Pace, *, told: bool) -> timedelta:
    """The wait while all is well."""
    if upstream.every and _ours_to_say(upstream):
        return max(upstream.every, SPACING)
    wishes = [span for span in (header, stated.interval) if span]
    if upstream.every:
        return max(upstream.every, SPACING, *wishes)
    # A partner's feed is asked more than hourly only where the feed itself says so, not just its web server.
    polite = upstream.relation is Relation.FOREIGN and not stated.interval
    return max(POLITE if polite else INTERVAL, TOLD if told else INTERVAL, *wishes)


def _ours_to_say(upstream: Upstream) -> bool:
    return upstream.every is not None and upstream.relation is Relation.OWN


def _awake(then: datetime, stated: Pace, spread: float) -> datetime:
    """`then`, or the first hour after it in which the feed is awake; one that never is has said nothing."""
    hours = stated.skip_hours if len(set(stated.skip_hours)) < 24 else ()
    days = stated.skip_days if len(set(stated.skip_days)) < 7 else ()
    if not _asleep(then, hours, days):
        return then
    hour = then.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while _asleep(hour, hours, days):
        hour += HOUR
    return hour + HOUR * spread / 2  # not all of them on the stroke of the hour


def _asleep(then: datetime, hours: Collection[int], days: Collection[int]) -> bool:
    utc = then.astimezone(UTC)
    return utc.hour in hours or utc.weekday() in days


def pace_to_json(pace: Pace) -> dict[str, Any] | None:
    """For the store: seconds and an instant; None where nothing was said."""
    said = {
        "header": int(pace.header.total_seconds()) if pace.header else None,
        "interval": int(pace.interval.total_seconds()) if pace.interval else None,
        "skip_hours": list(pace.skip_hours),
        "skip_days": list(pace.skip_days),
        "until": pace.until.isoformat() if pace.until else None,
    }
    return {name: value for name, value in said.items() if value} or None


def pace_from(said: dict[str, Any] | None) -> Pace:
    """What `pace_to_json` gave."""
    if not said:
        return QUIET
    return Pace(
        header=timedelta(seconds=said["header"]) if "header" in said else None,
        interval=timedelta(seconds=said["interval"]) if "interval" in said else None,
        skip_hours=tuple(said.get("skip_hours", ())),
        skip_days=tuple(said.get("skip_days", ())),
        until=datetime.fromisoformat(said["until"]) if "until" in said else None,
    )
