"""Cadence: when an upstream is asked again. Pure: what its server and its feed said are arguments (feeds:I4, I6)."""

from __future__ import annotations

import zlib
from datetime import timedelta

INTERVAL = timedelta(minutes=15)  # how often a feed is asked when it does not say
CEILING = timedelta(hours=24)  # the longest wait, whatever a server or the backoff asks for (feeds:I6)


def wait(slug: str, failures: int, retry_after: timedelta | None = None) -> timedelta:
    """How long until an upstream is asked again after so many failures in a row.

    Doubles up to a day; never sooner than the server's Retry-After. Spread by the slug, later only,
    so that a hundred feeds added at once do not stay in step.

    >>> wait("cms", 0) < timedelta(minutes=17) < timedelta(minutes=30) <= wait("cms", 1)
    True
    """
    spread = 1 + zlib.crc32(f"{slug}/{failures}".encode()) % 1000 / 10_000  # 1.0 … 1.1
    backoff: timedelta = INTERVAL * spread * (1 << min(failures, 10))
    return min(max(backoff, retry_after or timedelta()), CEILING)
