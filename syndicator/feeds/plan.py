"""What a document holds and when it may change: decisions without a database, a clock or a byte written.

Serves walk A; `rebuild` and `archive` act on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from syndicator.store.documents import Placed

# Aggregators refuse feeds over 2 MB and articles over 1 MB (feeds:P24); the rest is for head and tombstones.
ROOM = 1_900_000
LARGE = 1_000_000
SECOND = timedelta(seconds=1)


def fitting(sizes: Iterable[int]) -> int:
    """How many fragments of these sizes, in bytes, a document has room for: the first ones, one at least."""
    total = count = 0
    for size in sizes:
        if total and total + size > ROOM:
            break
        total += size
        count += 1
    return count


def in_short(sizes: Sequence[int]) -> set[int]:
    """The places of items that show their summary alone, so that all have room: the largest, and articles too large.

    Without that one long report would push everything older out of the feed (feeds:P24).
    """
    chosen, left = set[int](), sum(sizes)
    for place in sorted(range(len(sizes)), key=lambda place: sizes[place], reverse=True):
        if left <= ROOM and sizes[place] <= LARGE:
            break
        chosen.add(place)
        left -= sizes[place]
    return chosen


def edge(window: Sequence[Placed], shown: int, limit: int) -> tuple[datetime, str] | None:
    """The place (published, uid) of the oldest item a live document shows; None if it shows all there are.

    `window` are the newest items of the topic, at most `limit` of them, `shown` how many have room.
    """
    if shown == len(window) < limit or not window:
        return None
    oldest = window[shown - 1]
    return oldest.published, oldest.uid


def newest_first(items: Iterable[Placed]) -> list[Placed]:
    """The one order of every document: by published, then uid, the newest first (feeds:P13)."""
    return sorted(items, key=lambda item: (item.published, item.uid), reverse=True)


def waits_until(changed: datetime | None, now: datetime) -> datetime | None:
    """From when bytes that changed at `changed`, whole seconds, may change again; None: at once.

    Clients that send only a date would miss a second change within one second, so that one goes
    live at the next second and the old body is served until then (feeds:H5).
    """
    if changed is None or changed < now.replace(microsecond=0):
        return None
    return changed + SECOND
