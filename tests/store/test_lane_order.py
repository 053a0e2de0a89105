"""Who waits for whom where claims, results and stops meet: nobody for somebody who waits for them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Row, insert, select, text

from syndicator.model.delivery import Policy, Try
from syndicator.store import Store, Tx, deliveries, open_store, schema
from syndicator.store.deliveries import domains
from tests.clockwork import until
from tests.make import NOW, FakeClock, make_newsroom
from tests.store.test_domains import ACCEPTED, LEASE, SECOND, owe, take


def prepared(store: Store) -> list[Try]:
    """Four letters on the wire, two to each of two domains that have limits; four more are due."""
    owe(store, *["a.example", "z.example"] * 4)
    tries = take(store, Policy(), limit=4)
    limits = {"lane": "mail", "open": NOW - SECOND, "width": 3, "changed": NOW}
    with store.begin() as tx:
        rows = [{**limits, "domain": name} for name in ("a.example", "z.example")]
        tx.connection.execute(insert(schema.domains), rows)
    return tries


def blocked(url: str) -> bool:
    """Whether somebody waits for a lock here."""
    with open_store(url, host_clock=FakeClock(NOW)) as watcher, watcher.read() as tx:
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return bool(tx.connection.execute(text(waits)).scalar())


@pytest.mark.parametrize("theirs", ["settles and pauses", "settles after the first look"])
def test_claims_and_results_wait_in_one_order(postgresql_own_url: str, theirs: str) -> None:
    """mail:SE4, mail:SE16: the lane first, then its domains: a claim and a result never wait for each other."""
    with open_store(postgresql_own_url, host_clock=FakeClock(NOW), fixed_clock=FakeClock(NOW)) as store:
        make_newsroom(store)
        tries = prepared(store)
        both = Barrier(2)
        wait = partial(until, lambda: blocked(postgresql_own_url))
        first, second = (_pauses, _claims) if theirs == "settles and pauses" else (_looks_twice, _settles)
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(one, store, tries, both.wait, wait) for one in (first, second)]
            for one in done:
                one.result(30)


Act = Callable[[], object]


def _pauses(store: Store, tries: list[Try], begin: Act, wait: Act) -> None:
    """What a lane does when a sending is turned away too often."""
    with store.begin() as tx:
        deliveries.settle_all(tx, [(one, ACCEPTED) for one in tries], Policy())
        begin()
        wait()
        deliveries.pause(tx, "mail", "turned away")


def _claims(store: Store, _: list[Try], begin: Act, __: Act) -> None:
    begin()
    with store.begin() as tx:
        deliveries.claim(tx, "mail", "v", 4, LEASE, Policy())


def _looks_twice(store: Store, _: list[Try], begin: Act, wait: Act) -> None:
    """A claim that sees a crowd of one domain first, and then who stands behind it."""
    with store.begin() as tx:
        gate = domains.limits(tx, "mail", Policy())
        assert gate
        gate.admit(due_to(tx, "z.example"))
        begin()
        wait()
        gate.admit(due_to(tx, "a.example"))


def due_to(tx: Tx, domain: str) -> list[Row[Any]]:
    d = schema.deliveries.c
    query = select(d.id, d.domain).where(d.domain == domain, d.state == "due")
    found: list[Row[Any]] = list(tx.connection.execute(query))
    assert found
    return found


def _settles(store: Store, tries: list[Try], begin: Act, _: Act) -> None:
    begin()
    with store.begin() as tx:
        deliveries.settle_all(tx, [(one, ACCEPTED) for one in tries], Policy())
