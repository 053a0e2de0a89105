"""How long to wait after a failed try, by channel and by what was said; pure, and without dice.

Serves walk B.
"""

from __future__ import annotations

import zlib
from datetime import timedelta
from enum import StrEnum

from syndicator.model.outcomes import Cause


class Channel(StrEnum):
    """By what road a recipient is reached. A closed union: each has its sender in `delivery`."""

    MAIL = "mail"
    WEBHOOK = "webhook"
    WEBSUB = "websub"  # pings to outside hubs


def _minutes(*figures: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=figure) for figure in figures)


# Svix's schedule, which partners know (`requirements/delivery-and-security` §1.4 rule 7).
WEBHOOK_WAITS = tuple(timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18000, 36000, 36000))
# mail:SE8: ever longer, then every four hours for two days. The first pause is what greylisting wants, 5-6 minutes.
MAIL_WAITS = _minutes(5, 15, 30, 60, 120, *[240] * 11)
# A full mailbox is not emptied in minutes, and who calls us a nuisance is not asked every few minutes.
SLOW_WAITS = _minutes(60, 120, *[240] * 11)
# A ping is cheap and about now: soon again, then ever slower; the last pause is repeated.
PING_WAITS = tuple(timedelta(seconds=s) for s in (5, 15, 60, 300, 900, 1800, 3600))
WAITS = {Channel.MAIL: MAIL_WAITS, Channel.WEBHOOK: WEBHOOK_WAITS, Channel.WEBSUB: PING_WAITS}
SLOW = frozenset({Cause.FULL, Cause.POLICY, Cause.NO_MAIL})
BRIEFLY = timedelta(hours=24)  # the life of what is of no use the day after
FIRST_SPREAD = timedelta(minutes=1)
PING_LIFE = timedelta(hours=6)  # by then hubs and readers have polled, or the next change has its own ping
LONGEST_ASKED = timedelta(hours=24)


def wait(
    channel: Channel, tries: int, key: str, *, cause: Cause | None = None, brief: bool = False
) -> timedelta | None:
    """The pause after the `tries`-th failed try, spread by the key, or None to give up.

    The spread is ±20 %; the first pause of mail is five to six minutes, as greylisting wants it. `brief`: the
    thing is of no use the day after.

    >>> wait(Channel.WEBHOOK, 99, "x") is None
    True
    """
    waits = WAITS[channel]
    if channel is Channel.MAIL and cause in SLOW:
        waits = SLOW_WAITS
    if tries > len(waits) or (brief and sum(waits[:tries], timedelta()) > BRIEFLY):
        return None
    share = zlib.crc32(f"{key}/{tries}".encode()) % 1000 / 1000  # no dice: 0 … 1 from the key
    if waits is MAIL_WAITS and tries == 1:
        return waits[0] + FIRST_SPREAD * share
    return waits[tries - 1] * (0.8 + 0.4 * share)
