"""Pings in the ledger: one row per hub, feed and change; only the newest change of a feed is told."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from syndicator.model.delivery import (
    PING_LIFE,
    Channel,
    DeliveryState,
    OnUnknown,
    Outcome,
    Policy,
    Result,
    Try,
    hub_lane,
    ping_url,
)
from syndicator.store import Store, deliveries
from tests.make import FakeClock, make_partner

HUB, OTHER = "https://hub.example/", "https://switchboard.example/hub"
ATOM, RSS = "https://news.example/feeds/all.atom", "https://news.example/feeds/all.rss"
LEASE = timedelta(minutes=10)


def plan(store: Store, version: str, urls: tuple[str, ...] = (ATOM,), hubs: tuple[str, ...] = (HUB,)) -> int:
    with store.begin() as tx:
        return deliveries.plan_pings(tx, hubs, urls, version)


def claim(store: Store, lane: str = hub_lane(HUB)) -> list[Try]:
    with store.begin() as tx:
        return deliveries.claim(tx, lane, "w", 50, LEASE)


def send(store: Store, outcome: Outcome, lane: str = hub_lane(HUB), **other: object) -> list[Try]:
    """Take what is due, and let it end so."""
    tries = claim(store, lane)
    result = Result(outcome=outcome, **other)  # type: ignore[arg-type]
    with store.begin() as tx:
        started = deliveries.start(tx, tries, LEASE)
        deliveries.settle_all(tx, [(one, result) for one in started], Policy())
    return tries


def next_due(store: Store) -> datetime | None:
    with store.read() as tx:
        return deliveries.next_due(tx)


def seen(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as tx:
        return [(row.subject, row.recipient, row.state) for row in deliveries.listing(tx)]


def test_each_hub_is_owed_one_ping_per_feed_and_change(store: Store, clock: FakeClock) -> None:
    """feeds:W2: one row per hub and feed, due two seconds later, shown with the hub's address."""
    assert 4 == plan(store, "v1", (ATOM, RSS), (HUB, OTHER))
    assert 0 == plan(store, "v1", (ATOM, RSS), (HUB, OTHER))
    pairs = [(f"ping/{url}/v1", hub, "due") for hub in (HUB, OTHER) for url in (ATOM, RSS)]
    assert pairs == seen(store)
    assert [] == claim(store)
    clock.advance(seconds=2)
    tries = claim(store)
    assert [(ATOM, HUB), (RSS, HUB)] == [(ping_url(one.recipient), one.address) for one in tries]
    assert {Channel.WEBSUB} == {one.channel for one in tries}


def test_nothing_is_planned_without_hubs_or_changes(store: Store) -> None:
    """feeds:W2: no hub, no ping; no changed feed, no ping."""
    assert (0, 0) == (plan(store, "v1", hubs=()), plan(store, "v1", urls=()))
    assert [] == seen(store)


def test_two_quick_changes_are_told_once(store: Store, clock: FakeClock) -> None:
    """feeds:W2: a ping that still waits gives way to that of the next change of its feed, and of no other."""
    plan(store, "v1", (ATOM, RSS))
    clock.advance(seconds=1)
    plan(store, "v2")
    clock.advance(seconds=2)
    assert [f"ping/{RSS}/v1", f"ping/{ATOM}/v2"] == [one.subject for one in send(store, Outcome.ACCEPTED)]
    assert (f"ping/{ATOM}/v1", HUB, "cancelled") == seen(store)[0]


def test_many_changes_are_planned_together(store: Store, clock: FakeClock) -> None:
    """feeds:W2: more feeds than one statement takes; those that change again give way, the others stand."""
    urls = [f"https://news.example/feeds/t{number}.atom" for number in range(700)]
    with store.begin() as tx:
        assert 1400 == deliveries.plan_changes(tx, [HUB, OTHER], dict.fromkeys(urls, "v1"))
    clock.advance(seconds=1)
    with store.begin() as tx:
        assert 1398 == deliveries.plan_changes(tx, [HUB, OTHER], {**dict.fromkeys(urls, "v2"), urls[0]: "v1"})
        counted = deliveries.counts(tx)
    assert {
        (Channel.WEBSUB, DeliveryState.DUE): 1400,
        (Channel.WEBSUB, DeliveryState.CANCELLED): 1398,
    } == counted


def test_a_ping_under_way_is_followed_by_the_next(store: Store, clock: FakeClock) -> None:
    """feeds:W2: the hub may have fetched the old bytes already, so the newer change is told on its own."""
    plan(store, "v1")
    clock.advance(seconds=2)
    claim(store)
    plan(store, "v2")
    assert ["leased", "due"] == [state for _, _, state in seen(store)]


def test_a_failed_ping_is_not_repeated_beside_a_newer_one(store: Store, clock: FakeClock) -> None:
    """feeds:W2: it failed while the next change was planned; that one's ping says it all."""
    plan(store, "v1")
    clock.advance(seconds=2)
    tries = claim(store)
    with store.begin() as tx:
        deliveries.start(tx, tries, LEASE)
        deliveries.plan_pings(tx, [HUB], [ATOM], "v2")
        deliveries.settle_all(tx, [(tries[0], Result(outcome=Outcome.DEFERRED))], Policy())
    clock.advance(minutes=1)
    assert [f"ping/{ATOM}/v2"] == [one.subject for one in claim(store)]
    assert ["cancelled", "leased"] == [state for _, _, state in seen(store)]


def test_a_feed_that_returns_to_former_bytes_is_told_again(store: Store, clock: FakeClock) -> None:
    """feeds:W2: published and withdrawn, a JSON feed has the bytes it had; its hub must hear of it."""
    for version in ("v1", "v2", "v1", "v2"):
        assert 1 == plan(store, version)
        clock.advance(seconds=5)
        assert 1 == len(send(store, Outcome.ACCEPTED))
    assert f"ping/{ATOM}/v1@2026-03-02T09:00:10Z" == seen(store)[2][0]


def test_a_change_taken_back_while_its_ping_waits_is_told_once(store: Store, clock: FakeClock) -> None:
    """feeds:W2: back and forth within two seconds leaves one ping."""
    for version in ("v1", "v2", "v1", "v1"):
        plan(store, version)
    clock.advance(seconds=5)
    assert [f"ping/{ATOM}/v1@2026-03-02T09:00:00Z"] == [one.subject for one in send(store, Outcome.ACCEPTED)]


def test_a_dead_workers_ping_is_sent_again(store: Store, clock: FakeClock) -> None:
    """feeds:W2: taken and not sent is due at once; sent without an answer is on record, and repeated."""
    plan(store, "v1")
    clock.advance(seconds=2)
    claim(store)
    clock.advance(minutes=11)
    with store.begin() as tx:
        assert (1, 0) == deliveries.recover(tx, Policy())
    with store.begin() as tx:
        deliveries.start(tx, deliveries.claim(tx, hub_lane(HUB), "w2", 9, LEASE), LEASE)
    clock.advance(minutes=11)
    with store.begin() as tx:
        assert (0, 1) == deliveries.recover(tx, Policy(on_unknown=OnUnknown.HOLD))
    clock.advance(seconds=10)
    assert [2] == [one.attempt for one in send(store, Outcome.ACCEPTED)]
    with store.read() as tx:
        tries = deliveries.attempts(tx, deliveries.listing(tx)[0].id)
    assert [Outcome.UNKNOWN, Outcome.ACCEPTED] == [one.outcome for one in tries]


def test_a_deaf_hubs_ping_expires(store: Store, clock: FakeClock) -> None:
    """feeds:W2: retried with growing pauses for six hours, then let go, on record."""
    plan(store, "v1")
    begun, moments = clock.now, []
    while (due := next_due(store)) is not None:
        moments.append(clock.advance(seconds=(due - clock.now).total_seconds()))
        send(store, Outcome.DEFERRED, code=503)
    pauses = [later - earlier for earlier, later in pairwise(moments)]
    assert DeliveryState.EXPIRED == seen(store)[0][2]
    assert 8 < len(moments) < 20
    assert pauses[0] < timedelta(seconds=10) < timedelta(minutes=40) < pauses[-1]
    assert begun + PING_LIFE * 0.8 < moments[-1] <= begun + PING_LIFE


def test_settled_pings_are_forgotten_and_nothing_else(store: Store, clock: FakeClock) -> None:
    """feeds:W2: pings are many and soon of no interest; the rest of the ledger is kept for ever."""
    plan(store, "v1", (ATOM, RSS))
    clock.advance(seconds=3)
    send(store, Outcome.ACCEPTED)
    with store.begin() as tx:  # a trial carries no item either
        trial = deliveries.plan_test(tx, make_partner(tx).id, "agency", "1")
    send(store, Outcome.ACCEPTED, "partner/agency")
    plan(store, "v2")
    clock.advance(days=8)
    with store.begin() as tx:
        assert 0 == deliveries.prune_pings(tx, timedelta(days=9))
        assert 2 == deliveries.prune_pings(tx, timedelta(days=7))
    assert [("test/1", "agency", "accepted"), (f"ping/{ATOM}/v2", HUB, "due")] == seen(store)
    with store.read() as tx:
        assert 1 == len(deliveries.attempts(tx, trial))
