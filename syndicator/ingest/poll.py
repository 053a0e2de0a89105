"""The poll flow: due upstreams → claim → fetch → parse → judge → one transaction through `publish`.

The claim is committed before any network. What an incoming item becomes is decided by
`model.upstream.judge`; here it is only done. A bad entry is left out and named, and never spoils its
feed. Serves walk A; `item import` (`ingest.imports`) takes the same road without an upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from syndicator.errors import SyndicatorError, TryLater
from syndicator.ingest.entries import Parsed
from syndicator.ingest.fetch import Body, Failed, Gone, Opened, Unchanged, fetch
from syndicator.ingest.filing import (
    LeftOut,
    Mint,
    Overtaken,
    Prospect,
    filed,
    groups,
    known_as,
    prospect_of,
    things_of,
)
from syndicator.ingest.parse import Unreadable, parse
from syndicator.model.incoming import Fate
from syndicator.model.upstream import Upstream, Validators
from syndicator.observe import logger
from syndicator.store import Store, upstreams
from syndicator.store import incoming as brought
from syndicator.store.upstreams import Claim, Heard

log = logger("ingest")

LEASE = timedelta(minutes=3)  # twice the worst fetch (30 s), parse (15 s) and filing together
NAMED_FAULTS = 3  # entries named in an upstream's fault; the report has them all

ClientFor = Callable[[Upstream], Opened]


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """One upstream's poll: `fault` is None when all is well, `read` False where nothing new was there."""

    slug: str
    read: bool = False
    fault: str | None = None
    prospects: tuple[Prospect, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    def count(self, fate: Fate) -> int:
        """How many entries met this fate."""
        return sum(prospect.fate is fate for prospect in self.prospects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one round of polling did."""

    feeds: tuple[Polled, ...] = ()

    @property
    def polled(self) -> int:
        """How many upstreams were asked."""
        return len(self.feeds)

    @property
    def changed(self) -> bool:
        """Whether anything public may have changed, so that feeds should be rebuilt."""
        return any(feed.count(fate) for feed in self.feeds for fate in (Fate.ITEM, Fate.REVISED))


def poll_due(
    store: Store, client_for: ClientFor, mint: Mint, *, limit: int = 10, lease: timedelta = LEASE
) -> Report:
    """Read up to `limit` upstreams that are due, one after the other."""
    feeds: list[Polled] = []
    while len(feeds) < limit:
        with store.begin() as tx:  # one at a time: the lease of the last must not run while the first is read
            claims, now = upstreams.claim_due(tx, 1, lease), tx.now
        if not claims:
            break
        feeds.append(_polled(store, claims[0], client_for, mint, now))
    return Report(feeds=tuple(feeds))


def poll_one(
    store: Store,
    slug: str,
    client_for: ClientFor,
    mint: Mint,
    *,
    dry_run: bool = False,
    lease: timedelta = LEASE,
) -> Polled:
    """Read one upstream now, due or not; with `dry_run` nothing is written and its whole feed is shown.

    Raises NotFound, and TryLater while somebody else polls it.
    """
    if dry_run:
        return _looked_at(store, slug, client_for)
    with store.begin() as tx:
        claim, now = upstreams.claim(tx, slug, lease), tx.now
    if claim is None:
        raise TryLater(f'"{slug}" is being polled at this moment; look again in a minute')
    return _polled(store, claim, client_for, mint, now)


def preview(store: Store, feed: Parsed, upstream: Upstream) -> Polled:
    """What each entry of a feed would become under this upstream, and why; writes nothing."""
    with store.read() as tx:
        things, without = things_of(feed, upstream, tx.now)
        known = brought.known(tx, upstream.id, [thing.identity for thing in things])
        prospects = tuple(
            prospect_of(tx, thing, known_as(tx, thing, known, upstream), upstream) for thing in things
        )
    return Polled(
        slug=upstream.slug, read=True, fault=feed.warning, prospects=prospects, left_out=tuple(without)
    )


def _polled(store: Store, claim: Claim, client_for: ClientFor, mint: Mint, now: datetime) -> Polled:
    slug = claim.upstream.slug
    try:
        polled = _poll(store, claim, client_for, mint, now)
    except Overtaken as overtaken:
        polled = Polled(slug=slug, fault=str(overtaken))
    except TryLater:
        raise  # the database is away: no upstream is to blame
    except Exception as bug:  # a bug that one feed wakes must not keep all others from being read
        log.exception("poll failed", upstream=slug)
        polled = _failed(store, claim, Failed(f"a fault of our own: {type(bug).__name__}"))
    counts = {str(fate): polled.count(fate) for fate in Fate if polled.count(fate)}
    # No title in the log: what was left out or held may be under embargo (security:E2).
    fault = None if polled.read else polled.fault
    log.info("polled", upstream=slug, read=polled.read, left_out=len(polled.left_out), fault=fault, **counts)
    return polled


def _poll(store: Store, claim: Claim, client_for: ClientFor, mint: Mint, now: datetime) -> Polled:
    match _fetched(claim.upstream, claim.validators, client_for, now):
        case Unchanged(validators, status):
            with store.begin() as tx:
                upstreams.settle_unchanged(tx, [(claim, Heard(validators=validators, status=status))])
            return Polled(slug=claim.upstream.slug)
        case Body() as body:
            return _read(store, claim, body, mint, now)
        case Gone() | Failed() as failure:
            return _failed(store, claim, failure)


def _fetched(
    upstream: Upstream, validators: Validators, client_for: ClientFor, now: datetime
) -> Unchanged | Body | Gone | Failed:
    async def asked() -> Unchanged | Body | Gone | Failed:
        async with client_for(upstream) as client:
            return await fetch(client, upstream.url, validators, now)

    try:
        return asyncio.run(asked())
    except SyndicatorError as fault:  # its own settings are at fault, such as an address range
        return Failed(str(fault))


def _failed(store: Store, claim: Claim, failure: Failed | Gone) -> Polled:
    gone = isinstance(failure, Gone)
    wait = None if isinstance(failure, Gone) else failure.retry_after
    with store.begin() as tx:
        upstreams.settle_failure(tx, claim, failure.words, status=failure.status, retry_after=wait, gone=gone)
    return Polled(slug=claim.upstream.slug, fault=failure.words)


def _read(store: Store, claim: Claim, body: Body, mint: Mint, now: datetime) -> Polled:
    try:
        feed = parse(body.body, content_type=body.content_type, url=body.base)
    except Unreadable as refusal:
        return _failed(store, claim, Failed(str(refusal), status=body.status))
    things, without = things_of(feed, claim.upstream, now)
    prospects: list[Prospect] = []
    for group in groups(things):
        for outcome in filed(store, claim, group, mint):
            if isinstance(outcome, Prospect):
                prospects.append(outcome)
            else:
                without.append(outcome)
    fault = _fault(feed, without)
    # What may succeed another time must be read again, though the feed has not changed by then.
    again = any(entry.again for entry in without)
    with store.begin() as tx:
        upstreams.settle_success(
            tx, claim, Heard(validators=Validators() if again else body.validators), fault=fault
        )
    return Polled(
        slug=claim.upstream.slug, read=True, fault=fault, prospects=tuple(prospects), left_out=tuple(without)
    )


def _looked_at(store: Store, slug: str, client_for: ClientFor) -> Polled:
    with store.read() as tx:
        upstream, now = upstreams.named(tx, slug), tx.now
    match _fetched(upstream, Validators(), client_for, now):
        case Body() as body:
            try:
                feed = parse(body.body, content_type=body.content_type, url=body.base)
            except Unreadable as fault:
                return Polled(slug=slug, fault=str(fault))
            return preview(store, feed, upstream)
        case Gone(words=words) | Failed(words=words):
            return Polled(slug=slug, fault=words)
        case Unchanged():
            return Polled(slug=slug)  # cannot be: nothing conditional was asked


def _fault(feed: Parsed, without: Sequence[LeftOut]) -> str | None:
    """What an operator should know of a feed that was read, in one line."""
    words = [f"read with a warning: {feed.warning}"] if feed.warning else []
    words += [f'left out "{entry.title[:80]}": {entry.why}' for entry in without[:NAMED_FAULTS]]
    if len(without) > NAMED_FAULTS:
        words.append(f"and {len(without) - NAMED_FAULTS} more")
    return "; ".join(words) or None
