"""How much a lane has in hand, and that what several lanes write at once is written once, or raised where it belongs."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from syndicator.delivery.clerk import Clerk, Held
from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.mail import MailRoad
from syndicator.errors import Refused
from syndicator.model.delivery import Outcome, Policy, Result, Try
from syndicator.store import Store, Tx, deliveries, open_store, schema
from syndicator.wire.relay import Relay
from syndicator.wire.smtp import Connection
from tests.delivery.test_lanes import ACCEPTED, Scripted, crew, owe, states
from tests.delivery.test_mail import DESK
from tests.make import FakeClock
from tests.wire.smtp_server import Server

HOUR = timedelta(hours=1)


def test_never_more_doubts_than_certainties(store: Store) -> None:
    """mail:SE12, mail:SE14, ADR 38: killed at any letter, a lane leaves no more doubts than it has carried, and 50."""
    owe(store, 300)
    road = Scripted()
    in_doubt: list[int] = []
    leased: list[int] = []

    def look(_: Try) -> Result:
        found = Counter(states(store)) if len(road.carried) % 3 == 1 else None
        if found:
            in_doubt.append(found["sending"])
            leased.append(found["leased"])
            assert found["sending"] <= max(4, min(len(road.carried), 50))
        return ACCEPTED

    road.say = look
    drain(crew(store, road))
    assert 300 == len(road.carried)
    assert 4 == in_doubt[0]
    assert 30 <= max(in_doubt) <= 50
    assert max(leased) <= 200


def test_a_worn_connection_gives_nothing_back(sqlite_url: str, clock: FakeClock) -> None:
    """mail:SE12: after so many letters a connection makes way for a new one in the middle of a claim; no row is taken twice."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        owe(store, 30)
        with Server() as server:
            relay = Relay(host="127.0.0.1", port=server.port, tls="none", helo="news.example", letters=4)
            drain(
                Crew(
                    store=store,
                    roads=lambda *_: MailRoad(DESK, lambda: Connection(relay)),
                    worker="w",
                    policy=Policy(),
                    width=lambda _: 1,
                    stop=threading.Event(),
                )
            )
        assert 30 == len(server.mails)
        with store.read() as tx:
            ledger = select(schema.deliveries.c.state, schema.deliveries.c.lease_no)
            assert {("accepted", 1)} == {tuple(row) for row in tx.connection.execute(ledger)}


def test_what_comes_together_is_one_transaction(store: Store) -> None:
    """ADR 38: while one holds the pen three more put their work down: two transactions, and everybody has their result."""
    owe(store, 1)
    clerk, held = Clerk(store), threading.Event()
    writing = threading.Event()

    def which(tx: Tx, _: Held) -> object:
        return tx.memo.setdefault("which", object())

    def first(tx: Tx, rows: Held) -> object:
        writing.set()
        assert held.wait(30)
        return which(tx, rows)

    with ThreadPoolExecutor(4) as pool:
        slow = pool.submit(clerk.write, (), first)
        assert writing.wait(30)
        others = [pool.submit(clerk.write, (), which) for _ in range(3)]
        while clerk.waiting < 3:
            threading.Event().wait(0.001)
        held.set()
        alone, together = slow.result(30), {one.result(30) for one in others}
    assert 1 == len(together)
    assert alone not in together


def test_a_fault_is_raised_where_it_belongs(store: Store) -> None:
    """ADR 38: of two that write together one fails: the other is written all the same, and hears nothing of it."""
    owe(store, 2)
    with store.begin() as tx:
        tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 2, HOUR), HOUR)
    clerk, held, writing = Clerk(store), threading.Event(), threading.Event()

    def first(_: Tx, __: Held) -> None:
        writing.set()
        assert held.wait(30)

    def bad(tx: Tx, rows: Held) -> int:
        deliveries.settle_all(tx, [(tries[0], Result(outcome=Outcome.ACCEPTED))], Policy(), rows)
        raise Refused("no")

    def good(tx: Tx, rows: Held) -> int:
        return deliveries.settle_all(tx, [(tries[1], Result(outcome=Outcome.ACCEPTED))], Policy(), rows)

    with ThreadPoolExecutor(3) as pool:
        slow = pool.submit(clerk.write, (), first)
        assert writing.wait(30)
        broken, well = pool.submit(clerk.write, tries[:1], bad), pool.submit(clerk.write, tries[1:], good)
        while clerk.waiting < 2:
            threading.Event().wait(0.001)
        held.set()
        slow.result(30)
        with pytest.raises(Refused):
            broken.result(30)
        assert 1 == well.result(30)
    assert ["sending", "accepted"] == states(store)
