"""Which entries are too long, or a labour to clean, found out here, where time is limited; they are left out.

The cleaner takes time that grows with the square of some markup: attributes by the ten thousand on one
tag, ampersands that begin nothing. No scan of ours would find all of it, for each parser reads broken tags
in its own way: so a long text is cleaned here once for trial. Where it is believed it is cleaned again,
and without a limit (`ingest.entries`, feeds:I23).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from syndicator.ingest.child.scan import Omitted
from syndicator.model.markup import clean
from syndicator.model.nesting import too_deep

MAX_TEXT = 2_000_000  # characters of one body, as `ingest.entries` takes them
SHORT = 20_000  # characters, of which none is a labour
# Seconds of computing: at least, and for each million characters. Usual text takes a fifth of it.
LEAST, MORE = 0.1, 0.3

Entry = dict[str, Any]


def sorted_out(entries: Sequence[Entry]) -> tuple[list[Entry], list[Omitted]]:
    """The entries whose text can be taken, and the others with why not."""
    reasons = [_reason(one) for one in entries]
    taken = [one for one, why in zip(entries, reasons, strict=True) if not why]
    left = [Omitted(one["title"], one["guid"], why) for one, why in zip(entries, reasons, strict=True) if why]
    return taken, left


def tedious(html: str, base: str | None, clock: Callable[[], float] = time.process_time) -> bool:
    """Whether cleaning it takes much longer than its length says; `clock` tells seconds of computing."""
    if len(html) <= SHORT or too_deep(html):
        return False  # of what is too deep the words alone are taken
    began = clock()
    clean(html, base)
    return clock() - began > LEAST + MORE * len(html) / 10**6


def _reason(entry: Entry) -> str:
    if len(entry["body"]) > MAX_TEXT:
        return f"its text is longer than {MAX_TEXT:,} characters"
    return "cleaning its text takes too long" if tedious(entry["body"], entry["base"]) else ""
