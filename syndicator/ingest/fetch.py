"""Fetching a feed: one conditional GET through the guarded client, and what its answer means.

Validators go back byte for byte (feeds:I1); an unchanged body is recognised by its hash, so that it
costs no parsing. Errors are values here: a feed that fails is part of every day's work. What the answer's
headers say is read in `ingest.headers`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urljoin, urlsplit

from syndicator.errors import Blocked, Invalid, Misled, WireFault
from syndicator.ingest.entries import Link
from syndicator.ingest.headers import feeds, links, pace, retry_after
from syndicator.model.upstream import Validators
from syndicator.wire.exchange import Headers, Intake, Reply

MAX_BYTES = 5_000_000  # after inflation (delivery-and-security X1)
LONGEST_VALIDATOR = 4_000  # characters; a longer one is nothing that a server could mean
ACCEPT = (
    "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml;q=0.9, "
    "application/xml;q=0.8, text/xml;q=0.8, application/json;q=0.7, */*;q=0.1"
)
GOOD = frozenset({200, 203})  # the latter of a proxy that did something to it (RFC 9110 §15.3.4)
GZIP = b"\x1f\x8b\x08"  # RFC 1952 §2.3.1: what a gzip file begins with


class Getter(Protocol):
    """The part of `wire.http_async.AsyncClient` that a fetch and a page check need."""

    async def get(self, url: str, headers: Headers | None = None) -> Reply:
        """Fetch `url`; raises WireFault."""
        ...

    async def status(self, url: str, headers: Headers | None = None) -> int:
        """How `url` answers; raises WireFault."""
        ...


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Nothing new: 304, or the same bytes again; `validators` are those to send next time.

    `headers_pace` is how long the answer is fresh by its own words (feeds:I4); `moved` the address that
    answered, where every redirect on the way to it was permanent (feeds:I5).
    """

    validators: Validators
    status: int
    headers_pace: timedelta | None = None
    moved: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """A body to parse; `base` is what its relative addresses are resolved against (feeds:I21).

    `links` are the relations and addresses of its Link header (RFC 8288), `feeds` the feeds it names; the rest is as in `Unchanged`.
    """

    body: bytes
    content_type: str
    url: str
    base: str
    validators: Validators
    status: int = 200
    headers_pace: timedelta | None = None
    moved: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    feeds: tuple[Link, ...] = ()


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


async def fetch(client: Getter, url: str, validators: Validators, now: datetime) -> Fetched:
    """Ask for `url`, unless it is what we have; never raises for what a server or the network does."""
    try:
        reply = await client.get(url, _conditions(validators))
        return _meaning(reply, validators, now)
    except (WireFault, Invalid) as fault:
        unsent = isinstance(fault, Blocked) and not isinstance(fault, Misled)
        return Failed(f"{fault} (nothing was sent)" if unsent else str(fault))


def _conditions(validators: Validators) -> dict[str, str]:
    headers = {"accept": ACCEPT}
    if validators.body_hash is None:
        return headers  # nothing of it was ever parsed: one unconditional fetch (feeds:I3)
    if validators.etag:
        headers["if-none-match"] = validators.etag
    if validators.last_modified:
        headers["if-modified-since"] = validators.last_modified
    return headers


def _meaning(reply: Reply, validators: Validators, now: datetime) -> Fetched:
    elsewhere = bool(reply.moves) and not reply.permanent  # what is there today says nothing of tomorrow
    wait, moved = pace(reply.headers, now), reply.url if reply.permanent else None
    if reply.status == 304 and validators.body_hash and not elsewhere:
        return Unchanged(validators, 304, wait, moved)
    if reply.status == 410 and not elsewhere:
        return Gone("the server says 410: this feed is closed for good; polling is paused")
    if reply.status not in GOOD:
        stay_away = retry_after(reply.headers.get("retry-after"), now)
        return Failed(f"the server answered {reply.status}{_advice(reply.status)}", stay_away, reply.status)
    body = _unpacked(reply)
    if not body.strip():
        return Failed("the answer is empty", status=200)
    fresh = Validators(body_hash=hashlib.sha256(body).hexdigest())
    if not elsewhere:  # else they belong to where a temporary redirect led today (feeds:I2)
        etag, modified = _sendable(reply, "etag"), _sendable(reply, "last-modified")
        fresh = replace(
            fresh, etag=etag, last_modified=modified
        )  # what this 200 lacks is forgotten (feeds:I1)
    if fresh.body_hash == validators.body_hash:
        return Unchanged(fresh, 200, wait, moved)
    return Body(
        body,
        _content_type(reply),
        reply.url,
        _base(reply),
        fresh,
        headers_pace=wait,
        moved=moved,
        links=links(reply.headers.get("link", ""), reply.url),
        feeds=feeds(reply.headers.get("link", ""), reply.url),
    )


def _unpacked(reply: Reply) -> bytes:
    """The body, inflated where gzip was sent without a word about it (feeds:I7); raises WireFault."""
    if not reply.body.startswith(GZIP):
        return reply.body
    intake = Intake(urlsplit(reply.url).hostname or "", "gzip", MAX_BYTES)
    intake.take(reply.body)
    intake.end()
    return intake.plain


def _content_type(reply: Reply) -> str:
    named = reply.headers.get("content-type", "")
    return "" if "gzip" in named.lower() else named  # that was the wrapping, not the feed


def _sendable(reply: Reply, name: str) -> str | None:
    value = reply.headers.get(name)
    # The client refuses to send anything else: one odd ETag must not stop every later poll.
    plain = value and value.isascii() and value.isprintable() and len(value) <= LONGEST_VALIDATOR
    return value if plain else None


def _base(reply: Reply) -> str:
    try:
        base = urljoin(reply.url, reply.headers.get("content-location", ""))
    except ValueError:
        return reply.url
    return base if base.startswith(("http://", "https://")) else reply.url


def _advice(status: int) -> str:
    match status:
        case 401 | 403:
            return "; it does not let us in"
        case 404:
            return "; check the address"
        case 429:
            return "; it asks us to come less often"
        case 304:
            return ", though it was not asked whether anything is new"
        case status if 300 <= status < 400:
            return " without saying where to"
        case _:
            return ""
