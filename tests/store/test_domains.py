"""Limits by domain of recipients: kept in rows, by all workers together, and nobody else waits for them."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, select, text

from syndicator import publish
from syndicator.model.delivery import Channel, Outcome, Policy, Priority, Result, Try
from syndicator.model.outcomes import Cause
from syndicator.store import Store, Tx, deliveries, partners, schema
from syndicator.store.deliveries import domains
from syndicator.store.deliveries.claims import due_rows
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

LEASE = timedelta(minutes=10)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store)


def owe(store: Store, *domains_: str) -> None:
    """One reader at each of these domains, who is owed an item."""
    with store.begin() as tx:
        for n, domain in enumerate(domains_):
            make_subscription(tx, f"r{n}@{domain}")
        publish.publish(tx, "tag:x,1", make_content())
        last = text("UPDATE deliveries SET priority = 50 WHERE domain = 'small.example'")
        tx.connection.execute(last)  # in the order of the planner anybody could be first


def take(store: Store, policy: Policy, worker: str = "w", limit: int = 50) -> list[Try]:
    with store.begin() as tx:
        return deliveries.start(tx, deliveries.claim(tx, "mail", worker, limit, LEASE, policy), LEASE)


def settle(store: Store, tries: list[Try], policy: Policy, result: Result) -> None:
    with store.begin() as tx:
        deliveries.settle_all(tx, [(one, result) for one in tries], policy)


ACCEPTED = Result(outcome=Outcome.ACCEPTED, code=250)
THROTTLED = Result(outcome=Outcome.DEFERRED, code=451, cause=Cause.THROTTLED, detail="4.7.0 too many")


def test_the_domain_is_written_when_it_is_planned(store: Store) -> None:
    """mail:SE4: letters are grouped by the recipient's domain, whoever planned them."""
    owe(store, "x.example", "y.example")
    assert ["x.example", "y.example"] == sorted(one.domain for one in take(store, Policy()))
    with store.read() as tx:
        rows = tx.connection.execute(text("SELECT domain FROM deliveries ORDER BY domain")).scalars().all()
    assert ["x.example", "y.example"] == list(rows)


def test_no_second_sees_more_than_the_rate_from_two_workers(store: Store, clock: FakeClock) -> None:
    """mail:SE4: fake clock, two workers in turn, no window of one second exceeds the limit; the others go at once."""
    owe(store, *["big.example"] * 12, "small.example")
    policy, sent = Policy(domain_rate=5), dict[int, datetime]()
    while len(sent) < 13:
        for worker in ("a", "b"):
            tries = take(store, policy, worker)
            settle(store, tries, policy, ACCEPTED)
            sent |= {one.id: clock.now for one in tries if one.domain == "big.example"}
            sent |= {-one.id: NOW for one in tries if one.domain != "big.example" and clock.now == NOW}
        clock.advance(milliseconds=130)
        assert clock.now < NOW + timedelta(seconds=20)
    big = [instant for key, instant in sent.items() if key > 0]
    for first in big:
        assert sum(first <= one < first + SECOND for one in big) <= 5
    assert max(big) < NOW + timedelta(seconds=4)


def test_a_width_is_shared_by_all_workers(store: Store) -> None:
    """mail:SE4: letters under way to a domain are counted over all workers; what is settled makes room."""
    owe(store, *["big.example"] * 8, "small.example")
    policy = Policy(domain_connections=3)
    first, second = take(store, policy, "a", 2), take(store, policy, "b")
    assert ["big.example"] * 2 == [one.domain for one in first]
    assert ["big.example", "small.example"] == [one.domain for one in second]
    assert [] == take(store, policy, "c")
    settle(store, first, policy, ACCEPTED)
    assert ["big.example"] * 2 == [one.domain for one in take(store, policy, "c")]


def test_a_domain_that_complains_gets_half_and_a_rest(store: Store, clock: FakeClock) -> None:
    """mail:SE4, mail:SE6: 4.7.x and policy slow the domain, once for what was under way together; success gives back."""
    owe(store, *["big.example"] * 20, "small.example")
    policy = Policy()
    settle(store, take(store, policy, limit=3), policy, THROTTLED)
    with store.read() as tx:
        (slow,) = deliveries.domains_at_rest(tx)
    assert ("big.example", 4, 1, "4.7.0 too many") == (slow.domain, slow.width, slow.failures, slow.fault)
    assert NOW + timedelta(minutes=1) == slow.open
    assert ["small.example"] == [one.domain for one in take(store, policy)]
    clock.now = slow.open
    tries = take(store, policy)
    assert 4 == len(tries)
    settle(store, tries, policy, ACCEPTED)
    tries = take(store, policy)
    assert 5 == len(tries)
    policy_fault = Result(outcome=Outcome.REFUSED, code=550, cause=Cause.POLICY, detail="5.7.1 listed")
    settle(store, tries[:1], policy, policy_fault)
    with store.read() as tx:
        (slow,) = deliveries.domains_at_rest(tx)
    assert (2, "5.7.1 listed") == (slow.width, slow.fault)


def test_all_is_forgiven_in_the_end(store: Store, clock: FakeClock) -> None:
    """mail:SE4: after enough successes nothing is left of the limits, and the row is no news for operators."""
    owe(store, *["big.example"] * 60)
    policy = Policy()
    settle(store, take(store, policy, limit=1), policy, THROTTLED)
    for _ in range(4):
        clock.advance(minutes=2)
        settle(store, take(store, policy), policy, ACCEPTED)
    with store.read() as tx:
        assert [] == deliveries.domains_at_rest(tx)
        assert 0 == rows_left(tx)
    with store.begin() as tx:
        assert domains.limits(tx, "mail", policy) is None
    assert len(take(store, policy)) > 8


def rows_left(tx: Tx) -> int:
    return int(tx.connection.execute(select(func.count()).select_from(schema.domains)).scalar_one())


def test_claims_ask_only_for_what_limits_now(store: Store, clock: FakeClock) -> None:
    """mail:SE4: a domain that complained a day ago, or that had its last letter, slows nobody's claims."""
    owe(store, "big.example", "small.example")
    settle(store, take(store, Policy(), limit=1), Policy(), THROTTLED)
    with store.begin() as tx:
        assert domains.limits(tx, "mail", Policy())
    rated = Policy(domain_rate=5)
    clock.advance(days=1, seconds=1)
    with store.begin() as tx:
        assert domains.limits(tx, "mail", Policy()) is None
    assert 2 == len(take(store, rated))
    clock.advance(seconds=10)
    with store.begin() as tx:
        assert rows_left(tx)  # they say when the last letters went, for a rate that is not set any more
        assert domains.limits(tx, "mail", Policy()) is None


def test_limits_by_domain_are_for_mail(store: Store) -> None:
    """mail:SE4: a partner's lane has no domains of recipients: its claims wait for nobody's."""
    with store.begin() as tx:
        partners.ensure_lane(tx, "partner/x", Channel.WEBHOOK)
        assert domains.limits(tx, "partner/x", Policy(domain_connections=2)) is None


def test_a_greylist_is_no_complaint(store: Store) -> None:
    """mail:SE8: greylisting is about one letter: its neighbours go on."""
    owe(store, *["big.example"] * 2)
    grey = Result(outcome=Outcome.DEFERRED, code=450, cause=Cause.GREYLISTED)
    settle(store, take(store, Policy(), limit=1), Policy(), grey)
    assert 1 == len(take(store, Policy()))


def test_a_crowd_behind_a_closed_domain_holds_up_nobody(store: Store) -> None:
    """mail:SE4, delivery:1.4.7: 50,000 due rows of a closed domain are walked past inside the index."""
    with store.begin() as tx:
        partners.ensure_lane(tx, "mail", Channel.MAIL)
        row: dict[str, Any] = {
            "recipient": "", "channel": Channel.MAIL, "lane": "mail", "priority": Priority.IMMEDIATE, "state": "due",
            "due": NOW, "lease_no": 0, "attempts": 0, "doubts": 0, "created": NOW, "domain": "big.example",
        }  # fmt: skip
        tx.connection.execute(insert(schema.deliveries), [{**row, "subject": "revision/y"}])
        names = ", ".join([*row, "subject"])
        values = ", ".join([*row, "subject || '/' || :step"])
        double = text(f"INSERT INTO deliveries ({names}) SELECT {values} FROM deliveries")
        for step in range(16):  # 65,536
            tx.connection.execute(double, {"step": step})
        tx.connection.execute(
            insert(schema.deliveries), [{**row, "subject": "revision/x/1", "domain": "small.example"}]
        )
        rest = {"lane": "mail", "domain": "big.example", "open": NOW + LEASE, "failures": 1, "changed": NOW}
        tx.connection.execute(insert(schema.domains), [rest])
    found = Counter(one.subject for one in take(store, Policy(), limit=20))
    assert found["revision/x/1"] == 1
    assert len(found) == 1
    assert "ix_deliveries_due" in plan(store)


def plan(store: Store) -> str:
    """How the database finds what a claim takes while a domain rests."""
    said: list[tuple[str, Any]] = []
    with store.begin() as tx:
        tx.connection.execute(text("ANALYZE"))
        gate = domains.limits(tx, "mail", Policy())
        assert gate is not None
        event.listen(tx.connection, "before_cursor_execute", lambda *args: said.append((args[2], args[3])))
        assert len(tx.connection.execute(due_rows("mail", tx.now, 20).where(gate.open_domains())).all()) == 0
        statement, values = said[0]
        how = "EXPLAIN QUERY PLAN " if tx.on_sqlite else "EXPLAIN "
        found = " ".join(map(str, tx.connection.exec_driver_sql(how + statement, values)))
        assert not tx.on_sqlite or "COVERING INDEX ix_deliveries_due" in found
    return found
