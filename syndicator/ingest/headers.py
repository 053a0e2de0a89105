"""What the headers of a feed's answer say: when to come again (feeds:I4, I6), and what belongs to it (RFC 8288).

Pure; whatever a server writes there is read, clipped or ignored, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

from syndicator.ingest.child.page import COMMENTS, FEEDS
from syndicator.ingest.entries import Link
from syndicator.model.cadence import CEILING

LONGEST = 16_000  # characters read of a Link header
MOST = 50  # links taken from it
DIGITS = 12  # of a number of seconds; more are as good as for ever

_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(
    rf'\s*;\s*(?:({_NAME})\s*(?:=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?)?\s*', re.DOTALL
)


def pace(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long an answer is fresh by its own words, at most a day; None where it does not say.

    The longer of max-age, less the Age it already has, and Expires, counted from its Date.

    >>> pace({"cache-control": "public, max-age=600", "age": "60"}, datetime(2026, 3, 2, tzinfo=UTC))
    datetime.timedelta(seconds=540)
    """
    said = _directives(headers.get("cache-control", ""))
    if "no-store" in said or said.get("no-cache") == "":  # no-cache="Some-Header" is about that header
        return None
    waits: list[timedelta] = []
    if (most := _seconds(said.get("max-age"))) is not None:
        waits.append(most - (_seconds(headers.get("age")) or timedelta()))
    if expires := _instant(headers.get("expires")):
        waits.append(expires - (_instant(headers.get("date")) or now))
    return min(max(*waits, timedelta()), CEILING) if waits else None


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After asks us to wait, seconds or a date, at most a day (RFC 9110 §10.2.3)."""
    wait = _seconds(text)
    if wait is None and (until := _instant(text)):
        wait = max(until - now, timedelta())
    return None if wait is None else min(wait, CEILING)


def links(text: str, base: str) -> tuple[tuple[str, str], ...]:
    """The relations and absolute web addresses of a Link header, one pair for each relation (RFC 8288 §3).

    A link with an `anchor` speaks of something else and is left out.

    >>> links('<https://hub.example/>; rel="hub", <feed>; rel=self', "https://cms.example/x")
    (('hub', 'https://hub.example/'), ('self', 'https://cms.example/feed'))
    """
    found: list[tuple[str, str]] = []
    for target, parameters in _targets(text[:LONGEST]):
        if "anchor" in parameters or (url := _absolute(target, base)) is None:
            continue
        found += [(relation, url) for relation in parameters.get("rel", "").lower().split()]
        if len(found) >= MOST:
            break
    return tuple(found[:MOST])


def feeds(text: str, base: str) -> tuple[Link, ...]:
    """The feeds that a Link header names as other forms of the page it came with (feeds:I11)."""
    found: dict[str, Link] = {}
    for target, parameters in _targets(text[:LONGEST]):
        type = parameters.get("type", "").partition(";")[0].strip().lower()
        named = "alternate" in parameters.get("rel", "").lower().split() and type in FEEDS
        if named and "anchor" not in parameters and (url := _absolute(target, base)):
            title = parameters.get("title", "")[:200]
            comments = bool(COMMENTS.search(f"{title} {target}"))
            found.setdefault(url, Link(url=url, title=title, type=type, comments=comments))
    return tuple(found.values())[:MOST]


def _targets(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each `<target>` with its parameters; of a repeated one the first counts."""
    at = 0
    while (start := text.find("<", at)) >= 0 and (end := text.find(">", start)) >= 0:
        at, parameters = end + 1, dict[str, str]()
        while match := _PARAMETER.match(text, at):
            at = match.end()
            name, quoted, plain = match.groups()
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain or ""
            parameters.setdefault((name or "").lower(), value)
        yield text[start + 1 : end], parameters
        comma = text.find(",", at)
        if comma < 0:
            return
        at = comma + 1


def _absolute(target: str, base: str) -> str | None:
    try:
        url = urljoin(base, target.strip())
    except ValueError:
        return None
    return url if url.startswith(("http://", "https://")) else None


def _directives(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.lower().split(",")]
    return {name.strip(): value.strip().strip('"') for name, _, value in reversed(pairs)}


def _seconds(text: str | None) -> timedelta | None:
    digits = (text or "").strip()
    return timedelta(seconds=int(digits[:DIGITS])) if digits.isascii() and digits.isdecimal() else None


def _instant(text: str | None) -> datetime | None:
    try:
        said = parsedate_to_datetime(text or "")
        return said.astimezone(UTC) if said.tzinfo else said.replace(tzinfo=UTC)
    except (ValueError, IndexError, OverflowError):
        return None
