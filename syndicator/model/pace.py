"""How fast letters may go to one domain of recipients: fixed limits, and what a domain that complains does to them.

A rate is kept so that no second, wherever it begins, sees more letters than it: a few at once (a tenth), the
others evenly after them. A domain that asks for patience gets half and a pause; each success gives a little back
(mail:SE4). Pure. Serves walk B.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

START = 8  # letters under way at once, taken for granted where nobody set a limit
FIRST_REST, LONGEST_REST = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What one domain bears. `width` letters under way at once, `rate` a second; None is no limit.

    `open` is the instant the next letter may go, `failures` how often in a row it asked for patience.
    """

    open: datetime
    width: int | None = None
    rate: float | None = None
    failures: int = 0


def limited(pace: Pace, width: int, rate: int) -> Pace:
    """The pace under the operator's limits for every domain (0: none)."""
    narrow = min((one for one in (pace.width, width) if one), default=None)
    slow = min((one for one in (pace.rate, float(rate)) if one), default=None)
    return replace(pace, width=narrow, rate=slow)


def room(pace: Pace, under_way: int, now: datetime) -> int | None:
    """How many letters more may be taken now; None: as many as one likes."""
    if pace.open > now:
        return 0
    left = None if pace.width is None else max(0, pace.width - under_way)
    if pace.rate is None:
        return left
    burst, step = _tempo(pace.rate)
    allowed = (now - _start(pace.open, burst, step, now)) // step + 1
    return allowed if left is None else min(left, allowed)


def taken(pace: Pace, letters: int, now: datetime) -> Pace:
    """The pace after so many letters."""
    if pace.rate is None or not letters:
        return pace
    burst, step = _tempo(pace.rate)
    return replace(pace, open=_start(pace.open, burst, step, now) + letters * step)


def slowed(pace: Pace, now: datetime, asked: timedelta | None = None) -> Pace:
    """After a complaint: half of everything and a rest, longer each time in a row.

    Letters that were under way together are one complaint: whoever asks leaves out a domain at rest.
    """
    rest = max(asked or timedelta(), min(FIRST_REST * 2 ** min(pace.failures, 16), LONGEST_REST))
    return Pace(
        open=now + rest,
        width=max(1, (pace.width or START) // 2),
        rate=None if pace.rate is None else max(pace.rate / 2, 0.1),
        failures=pace.failures + 1,
    )


def eased(pace: Pace) -> Pace:
    """After letters that were taken: one more at once, a tenth more a second, until nothing is left of the limits."""
    width = None if pace.width is None or pace.width + 1 >= START else pace.width + 1
    rate = None if pace.rate is None or width is None else pace.rate * 1.1
    return replace(pace, width=width, rate=rate, failures=0)


def _tempo(rate: float) -> tuple[int, timedelta]:
    """How many may go at once, and the distance of those behind them: together at most `rate` in any second."""
    burst = max(1, int(rate // 10))
    evenly = rate - burst + 1 if rate >= 1 else rate
    return burst, timedelta(microseconds=math.ceil(1_000_000 / evenly))  # never a hair too short


def _start(open_: datetime, burst: int, step: timedelta, now: datetime) -> datetime:
    return max(open_, now - (burst - 1) * step)
