"""Fetching a feed: one conditional GET through the guarded client, and what its answer means.

Validators go back byte for byte (feeds:I1); an unchanged body is recognised by its hash, so that it
costs no parsing. Errors are values here: a feed that fails is part of every day's work.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin

from syndicator.errors import Blocked, Invalid, WireFault
from syndicator.model.cadence import CEILING
from syndicator.model.upstream import Validators
from syndicator.wire.exchange import Headers, Reply

MAX_BYTES = 5_000_000  # after inflation (delivery-and-security X1)
ACCEPT = "application/atom+xml, application/rss+xml, application/rdf+xml;q=0.9, application/xml;q=0.8, text/xml;q=0.8, */*;q=0.1"


class Getter(Protocol):
    """The part of `wire.http.Client` that a fetch needs."""

    def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises WireFault."""
        ...


Opened = AbstractContextManager[Getter]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new: 304, or the same bytes again; `validators` are those to send next time."""

    validators: Validators
    status: int


@dataclass(frozen=True, slots=True)
class Body:
    """A body to parse; `base` is what its relative addresses are resolved against (feeds:I21)."""

    body: bytes
    content_type: str
    url: str
    base: str
    validators: Validators
    status: int = 200


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the feed is closed; it is not asked again until a person resumes it."""

    words: str
    status: int = 410


@dataclass(frozen=True, slots=True)
class Failed:
    """No usable answer, in words, and how long the server asked us to stay away."""

    words: str
    retry_after: timedelta | None = None
    status: int | None = None


Fetched = Unchanged | Body | Gone | Failed


def fetch(client: Getter, url: str, validators: Validators, now: datetime) -> Fetched:
    """Ask for `url`, unless it is what we have; never raises for what a server or the network does."""
    try:
        reply = client.get(url, _conditions(validators))
    except (WireFault, Invalid) as fault:
        hint = "" if not isinstance(fault, Blocked) else " (nothing was sent)"
        return Failed(f"{fault}{hint}")
    return _meaning(url, reply, validators, now)


def _conditions(validators: Validators) -> dict[str, str]:
    headers = {"accept": ACCEPT}
    if validators.body_hash is None:
        return headers  # nothing of it was ever parsed: one unconditional fetch (feeds:I3)
    if validators.etag:
        headers["if-none-match"] = validators.etag
    if validators.last_modified:
        headers["if-modified-since"] = validators.last_modified
    return headers


def _meaning(url: str, reply: Reply, validators: Validators, now: datetime) -> Fetched:
    if reply.status == 304 and validators.body_hash:
        return Unchanged(validators, 304)
    if reply.status == 410:
        return Gone("the server says 410: this feed is closed for good; polling is paused")
    if reply.status != 200:
        wait = retry_after(reply.headers.get("retry-after"), now)
        return Failed(f"the server answered {reply.status}{_advice(reply.status)}", wait, reply.status)
    if not reply.body.strip():
        return Failed("the answer is empty", status=200)
    fresh = _fresh(url, reply)
    if fresh.body_hash == validators.body_hash:
        return Unchanged(fresh, 200)
    return Body(reply.body, reply.headers.get("content-type", ""), reply.url, _base(reply), fresh)


def _fresh(url: str, reply: Reply) -> Validators:
    """What this 200 said; what it lacks is forgotten (feeds:I1)."""
    fresh = Validators(body_hash=hashlib.sha256(reply.body).hexdigest())
    if reply.url != url and not reply.permanent:
        return fresh  # they belong to where a temporary redirect led today (feeds:I2)
    etag, modified = _sendable(reply, "etag"), _sendable(reply, "last-modified")
    return replace(fresh, etag=etag, last_modified=modified)


def _sendable(reply: Reply, name: str) -> str | None:
    value = reply.headers.get(name)
    # The client refuses to send anything else: one odd ETag must not stop every later poll.
    return value if value and value.isascii() and value.isprintable() else None


def _base(reply: Reply) -> str:
    try:
        return urljoin(reply.url, reply.headers.get("content-location", ""))
    except ValueError:
        return reply.url


def retry_after(text: str | None, now: datetime) -> timedelta | None:
    """How long a Retry-After asks us to wait, seconds or a date, at most a day (RFC 9110 §10.2.3)."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(timedelta(seconds=int(text.strip()[:9])), CEILING)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, IndexError):
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta()), CEILING)


def _advice(status: int) -> str:
    match status:
        case 401 | 403:
            return "; it does not let us in"
        case 404:
            return "; check the address"
        case 429:
            return "; it asks us to come less often"
        case status if 300 <= status < 400:
            return " without saying where to"
        case _:
            return ""
