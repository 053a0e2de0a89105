"""Items that left an own upstream's feed: is their page gone, too? Then they are withdrawn, or a person is asked.

A feed shows its newest items alone, so leaving it says nothing (feeds:I17). A page that answers 404 or
410 twice, an hour apart, does. What becomes of its item is the upstream's `on_gone`; what a person is
asked they answer with `item withdraw UID` or `upstream keep UID`. Serves walk A.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from syndicator.errors import Blocked, SyndicatorError, WireFault
from syndicator.ingest.filing import take_back
from syndicator.ingest.sources import folder
from syndicator.ingest.websub import Call
from syndicator.model.upstream import OnGone, Upstream, is_folder
from syndicator.observe import logger
from syndicator.store import Store, Tx, departures, names, upstreams
from syndicator.store import incoming as brought
from syndicator.store.departures import Check
from syndicator.wire.exchange import Headers

log = logger("ingest")

WIDTH = 8  # pages asked at a time, each of another upstream
EACH = 3  # of one upstream in one turn: thousands of one's pages must not keep all others waiting
TURN = 100  # in one turn
SHORT = timedelta(seconds=10)  # for one page
NOT_THERE = frozenset({404, 410})
TWICE = 2
PATIENCE = 5 * departures.APART  # for a page that answers neither yes nor no
REASON = "It was taken down where it was first published."


class Asker(Protocol):
    """The part of `wire.http_async.AsyncClient` that a page check needs."""

    async def status(self, url: str, headers: Headers | None = None) -> int:
        """How `url` answers; raises WireFault."""
        ...


ClientFor = Callable[[Upstream], AbstractAsyncContextManager[Asker]]


async def check_due(store: Store, call: Call, client_for: ClientFor) -> int:
    """Ask some of the pages that are due, those of one upstream one after the other; returns how many.

    `call` runs something in the store's thread, `client_for` gives the guarded client of an upstream.
    """
    due = await call(lambda: _taken(store))
    gate = asyncio.Semaphore(WIDTH)

    async def one(upstream: Upstream, checks: Sequence[Check]) -> None:
        async with gate:
            for check in checks:
                await _guarded(store, call, client_for, check, upstream)

    await asyncio.gather(*(one(upstream, checks) for upstream, checks in due))
    return sum(len(checks) for _, checks in due)


def _taken(store: Store) -> list[tuple[Upstream, list[Check]]]:
    of: dict[str, list[Check]] = {}
    with store.begin() as tx:
        for check in departures.take_due(tx, TURN, EACH):
            of.setdefault(check.slug, []).append(check)
        return [(upstreams.named(tx, slug), checks) for slug, checks in of.items()]


async def _guarded(store: Store, call: Call, client_for: ClientFor, check: Check, upstream: Upstream) -> None:
    """One of them; what goes wrong with it is no other's business, and it is asked again in an hour."""
    try:
        await _checked(store, call, client_for, check, upstream)
    except SyndicatorError as fault:  # removed meanwhile, or the database is away
        log.warning("page check not settled", upstream=check.slug, fault=str(fault))
    except Exception:
        log.exception("page check not settled", upstream=check.slug)


async def _checked(store: Store, call: Call, client_for: ClientFor, check: Check, upstream: Upstream) -> None:
    status = await _status(client_for, check, upstream)

    def settled() -> None:
        with store.begin() as tx:
            _settle(tx, check, upstreams.named(tx, check.slug), status)

    await call(settled)


async def _status(client_for: ClientFor, check: Check, upstream: Upstream) -> int | None:
    """What the page says; None where it says nothing, 200 where we may not ask: then it stays as it is."""
    if is_folder(check.page):
        return await asyncio.to_thread(folder.page_status, upstream, check.page)
    try:
        async with asyncio.timeout(SHORT.total_seconds()), client_for(upstream) as client:
            return await client.status(check.page)
    except Blocked:
        return 200
    except (WireFault, TimeoutError):
        return None
    except SyndicatorError:  # its own settings are at fault, such as an address range
        return None


def _settle(tx: Tx, check: Check, upstream: Upstream, status: int | None) -> None:
    names.hold(tx)  # before any row: whoever withdraws holds it, and so does whoever files this upstream
    key = (upstream.id, check.identity)
    known = brought.known(tx, upstream.id, [check.identity]).get(check.identity)
    if known is None or known.present:
        return  # it came back while its page was asked
    if upstream.on_gone is OnGone.KEEP or not brought.standing(tx, known):
        departures.settle(tx, *key)
    elif status in NOT_THERE:
        if departures.count(tx, *key, check.checks + 1) and check.checks + 1 >= TWICE:
            _depart(tx, check, upstream)
    elif status is not None and status < 400:
        departures.settle(tx, *key)
    elif tx.now - check.gone >= PATIENCE:
        log.info("page cannot be asked", upstream=upstream.slug, uid=check.uid, status=status)
        departures.settle(tx, *key)


def _depart(tx: Tx, check: Check, upstream: Upstream) -> None:
    many = departures.pending(tx, upstream.id) > upstream.confirm_above
    if upstream.on_gone is OnGone.WITHDRAW and not many:
        take_back(tx, check.uid, REASON)
        departures.settle(tx, upstream.id, check.identity)
        log.info("withdrawn: its page is gone", upstream=upstream.slug, uid=check.uid)
    elif departures.put_before_a_person(tx, upstream.id, check.identity):
        log.warning("its page is gone: withdraw or keep it", upstream=upstream.slug, uid=check.uid)
