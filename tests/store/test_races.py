"""Many hands on one database: each row once, each run once, no uid or slug twice, no kill past a start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from sqlalchemy import event, text

from syndicator import publish
from syndicator import topics as life
from syndicator.errors import Conflict, Refused, TryLater
from syndicator.model.audience import Cadence
from syndicator.model.audience import address as mail_address
from syndicator.model.delivery import Outcome, Policy, Result
from syndicator.model.item import ALL, Rule
from syndicator.model.schedule import Every, Job, Schedule
from syndicator.signup import Tokens, centre
from syndicator.store import (
    Store,
    Tx,
    addresses,
    audience,
    deliveries,
    items,
    moves,
    open_store,
    schedules,
    topics,
)
from tests.make import (
    NOW,
    FakeClock,
    make_contact,
    make_content,
    make_newsroom,
    make_subscription,
    make_topic,
)
from tests.web.served import wait_until

T = TypeVar("T")
HOUR = timedelta(hours=1)
UID = "tag:x,1"
TOKENS = Tokens(["a key for tests, long enough"])


@pytest.fixture
def shared(store_url: str, clock: FakeClock) -> Iterator[Store]:
    """A newsroom on a database of its own, for many threads."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        yield store


def at_once(work: Callable[[int], T], threads: int = 8) -> list[T]:
    """What each of these threads gave, all let go at the same moment."""
    gate = threading.Barrier(threads)

    def wait_and_work(n: int) -> T:
        gate.wait(30)
        return work(n)

    with ThreadPoolExecutor(threads) as pool:
        return [future.result(100) for future in [pool.submit(wait_and_work, n) for n in range(threads)]]


def test_eight_threads_claim_each_row_once(shared: Store) -> None:
    """delivery:1.4.2: of 200 deliveries each is claimed, started and settled by exactly one of 8 threads."""
    with shared.begin() as tx:
        for n in range(200):
            make_subscription(tx, f"r{n}@x.example")
        publish.publish(tx, UID, make_content())

    def work(n: int) -> list[int]:
        mine: list[int] = []
        while True:
            with shared.begin() as tx:
                tries = deliveries.claim(tx, "mail", f"w{n}", 7, HOUR)
            if not tries:
                return mine
            with shared.begin() as tx:
                started = deliveries.start(tx, tries, HOUR)
            with shared.begin() as tx:
                results = [(one, Result(outcome=Outcome.ACCEPTED)) for one in started]
                assert len(tries) == deliveries.settle_all(tx, results, Policy())
            mine += [one.id for one in started]

    claimed = [key for keys in at_once(work) for key in keys]
    assert 200 == len(claimed) == len(set(claimed))
    with shared.read() as tx:
        assert {("mail", "accepted"): 200} == deliveries.counts(tx)


def test_recovery_in_many_threads_recovers_once(shared: Store, clock: FakeClock) -> None:
    """delivery:1.4.5: what a dead worker held is taken back once, each doubt recorded once."""
    with shared.begin() as tx:
        for n in range(20):
            make_subscription(tx, f"r{n}@x.example")
        publish.publish(tx, UID, make_content())
        deliveries.start(tx, deliveries.claim(tx, "mail", "dead", 10, HOUR), HOUR)
        deliveries.claim(tx, "mail", "dead", 10, HOUR)
    clock.now = NOW + HOUR

    def work(_: int) -> tuple[int, int]:
        with shared.begin() as tx:
            return deliveries.recover(tx, Policy())

    found = at_once(work)
    assert (10, 10) == (sum(due for due, _ in found), sum(doubts for _, doubts in found))
    with shared.read() as tx:
        assert [1] * 10 == [len(deliveries.attempts(tx, row.id)) for row in deliveries.listing(tx)][:10]


def test_a_slot_runs_once(shared: Store) -> None:
    """operations:SC10: of 8 workers whose alarm rings for a slot exactly one runs."""
    with shared.begin() as tx:
        schedule = schedules.add(
            tx, Schedule(id=0, name="daily", job=Job.PRUNE, when=Every(HOUR), created=NOW)
        )

    def work(n: int) -> list[int]:
        won = []
        for slot in range(10):
            with shared.begin() as tx:
                if schedules.start_run(tx, schedule, NOW + slot * HOUR, "slot", f"w{n}"):
                    won.append(slot)
        return won

    assert list(range(10)) == sorted(slot for won in at_once(work) for slot in won)


def test_one_uid_is_published_once(shared: Store) -> None:
    """feeds:P8: of 8 that publish the same uid one wins, the others meet a Conflict in words."""

    def work(n: int) -> bool:
        try:
            with shared.begin() as tx:
                publish.publish(tx, UID, make_content(f"Title {n}"))
        except Conflict:
            return False
        return True

    assert 1 == sum(at_once(work))


def test_one_title_in_many_threads_gives_many_slugs(shared: Store) -> None:
    """design:10: items of one title, published at once, all get in, each under its own slug."""

    def work(n: int) -> str:
        with shared.begin() as tx:
            return publish.publish(tx, f"tag:{n}", make_content("News")).slug

    assert ["news", *(f"news-{n}" for n in range(2, 9))] == sorted(at_once(work))


def test_revisions_follow_each_other(shared: Store) -> None:
    """design:2: 8 edits at once make 8 revisions without a gap, none lost, none refused."""
    with shared.begin() as tx:
        item = publish.publish(tx, UID, make_content())

    def work(n: int) -> int:
        with shared.begin() as tx:
            return publish.edit(tx, UID, make_content(summary=f"{n}")).revision

    assert list(range(2, 10)) == sorted(at_once(work))
    with shared.read() as tx:
        assert list(range(1, 10)) == [one.number for one in items.history(tx, item.id)]


def test_a_killed_item_is_not_brought_back(shared: Store) -> None:
    """mail:EM5: edits that race with a kill are before it or refused; the item stays killed."""
    for round_ in range(5):
        uid = f"tag:{round_}"
        with shared.begin() as tx:
            publish.publish(tx, uid, make_content())

        def work(n: int, uid: str = uid) -> bool:
            try:
                with shared.begin() as tx:
                    if n == 0:
                        publish.withdraw(tx, uid, "Legal", kill=True)
                    else:
                        publish.edit(tx, uid, make_content(summary=f"{n}"))
            except Refused:
                return False
            return True

        assert at_once(work, 4)[0]
        with shared.read() as tx:
            assert ("killed", "") == (items.named(tx, uid).state, items.named(tx, uid).content.body)


def test_one_wish_is_one_subscription(shared: Store) -> None:
    """mail:LM4: a form sent eight times at once makes one contact and one subscription."""

    def work(_: int) -> int:
        with shared.begin() as tx:
            contact = make_contact(tx)
            topic = topics.named(tx, "policy").id
            return audience.subscribe(tx, contact.id, topic, Cadence.IMMEDIATE, "form")[0].id

    assert 1 == len(set(at_once(work)))


def test_no_lane_starts_between_the_steps_of_a_kill(store_url: str, clock: FakeClock) -> None:
    """mail:EM5: while a kill stops what is unsent, nobody can put it on the wire unseen.

    A second connection tries to start a leased delivery right after the kill has forgotten what it
    carries: on PostgreSQL it must wait for the kill to commit (here: give up after 50 ms), on SQLite
    no second writer gets in at all.
    """
    with (
        open_store(store_url, host_clock=clock, fixed_clock=clock) as store,
        open_store(store_url, host_clock=clock, fixed_clock=clock) as lane,
    ):
        make_newsroom(store)
        with store.begin() as tx:
            make_subscription(tx)
            publish.publish(tx, UID, make_content())
            tries = deliveries.claim(tx, "mail", "w", 1, HOUR)
        outcome: list[object] = []

        def intrude(*_: Any) -> None:
            if outcome or "DELETE FROM delivery_contents" not in str(_[2]):
                return
            outcome.append("tried")
            impatient = (
                "SET LOCAL lock_timeout = 50" if lane.kind == "postgresql" else "PRAGMA busy_timeout = 50"
            )
            try:
                with lane.begin() if lane.kind == "postgresql" else lane.read() as tx:
                    tx.connection.execute(text(impatient))
                    outcome.append(deliveries.start(tx, tries, HOUR))
            except TryLater as later:
                outcome.append(later)

        event.listen(store._engine, "after_cursor_execute", intrude)
        with store.begin() as tx:
            publish.withdraw(tx, UID, "Legal", kill=True)
        assert ["tried", TryLater] == [one if isinstance(one, str) else type(one) for one in outcome]
        with store.read() as tx:
            assert ["cancelled"] == [row.state for row in deliveries.listing(tx)]


# -- topics that change while items do: only PostgreSQL has two writers at a time


@pytest.fixture
def two(postgresql_own_url: str, clock: FakeClock) -> Iterator[Store]:
    """Two topics and one made of the first by a rule, with an item, where two may write at a time."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "health")
        with store.begin() as tx:
            topics.refill(tx, topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",)))))
            publish.publish(tx, UID, make_content(topics=("policy",)))
        yield store


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """Whoever writes at the same time."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


def held_up(store: Store, work: Future[Any]) -> bool:
    """Whether the other waits for a lock of ours; False when it is done."""

    def waits() -> bool:
        with store.read() as tx:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
            return bool(tx.connection.execute(text(waiting)).scalar())

    wait_until(lambda: work.done() or waits())
    return not work.done()


def kill(tx: Tx) -> None:
    publish.withdraw(tx, UID, "Legal", kill=True)


def file_another(tx: Tx) -> None:
    publish.publish(tx, "tag:x,2", make_content(topics=("policy", "health")))


def refile(tx: Tx) -> None:
    publish.edit(tx, UID, make_content(topics=("health",)))


def in_tx(store: Store, work: Callable[[Tx], None]) -> None:
    with store.begin() as tx:
        work(tx)


@pytest.mark.parametrize("change", [kill, file_another, refile])
@pytest.mark.parametrize("verb", ["rename", "rename_ruled", "merge", "retitle"])
def test_an_item_changes_while_its_topic_does(
    two: Store, other: ThreadPoolExecutor, change: Callable[[Tx], None], verb: str
) -> None:
    """mail:EM5 feeds:H8: neither loses to the other: no kill, no release, no rename, no merger is put off."""
    slug = "ruled" if verb == "rename_ruled" else "policy"
    with two.begin() as tx:
        addresses.hold(tx, slug)
        work = other.submit(in_tx, two, change)
        assert held_up(two, work)
        if verb == "merge":
            life.merge(tx, slug, "health")
        else:
            life.rename(tx, slug, slug if verb == "retitle" else "another", "Another")
    work.result(30)
    with two.read() as tx:
        assert ("Another" in topics.titles(tx).values()) is (verb != "merge")


def test_a_rule_is_made_while_an_item_is_filed(two: Store, other: ThreadPoolExecutor) -> None:
    """feeds:P8: a topic filled by its rule holds what was being filed meanwhile, and what is filed after."""

    def add(tx: Tx) -> None:
        topics.refill(tx, topics.add(tx, make_topic("later", rule=Rule(any=("policy",)))))

    with two.begin() as tx:
        file_another(tx)
        work = other.submit(in_tx, two, add)
        assert held_up(two, work)
    work.result(30)
    with two.begin() as tx:
        topics.refill(tx, topics.add(tx, make_topic("last", rule=Rule(any=("policy",)))))
        work = other.submit(in_tx, two, file_after)
        assert held_up(two, work)
    work.result(30)
    with two.read() as tx:
        held = [len(topics.newest(tx, topics.named(tx, slug).id, 9)) for slug in (ALL, "later", "last")]
    assert [3, 3, 3] == held


def file_after(tx: Tx) -> None:
    publish.publish(tx, "tag:x,3", make_content(topics=("policy",)))


def test_a_title_changes_alone(two: Store, other: ThreadPoolExecutor) -> None:
    """feeds:P12: no topic comes to share items with one whose title is being changed: it would keep the old one."""
    seen: list[bool] = []
    works: list[Future[None]] = []

    def intrude(*said: Any) -> None:
        if "AS other" in str(said[2]) and not works:  # the topics to be told are known
            works.append(other.submit(in_tx, two, file_another))
            seen.append(held_up(two, works[0]))

    event.listen(two._engine, "after_cursor_execute", intrude)
    with two.begin() as tx:
        topics.edit(tx, replace(topics.named(tx, "policy"), title="Politics"))
    works[0].result(30)
    assert [True] == seen


def test_two_move_to_one_address(shared: Store) -> None:
    """mail:LM9: of many who confirm one new address at the same moment one has it; the others hear that it is taken."""
    with shared.begin() as tx:
        people = [make_contact(tx, f"r{n}@x.example").id for n in range(4)]
        tokens = [TOKENS.move_token(moves.add(tx, one, mail_address("new@x.example"))) for one in people]

    def work(n: int) -> centre.Moved:
        with shared.begin() as tx:
            return centre.move(tx, TOKENS, tokens[n])

    assert sorted([centre.Moved.MOVED, *[centre.Moved.TAKEN] * 3]) == sorted(at_once(work, 4))


def test_a_move_that_is_clicked_twice_is_one(shared: Store) -> None:
    """mail:LM9: of many clicks on one link one acts: one letter to the former address, links void once."""
    with shared.begin() as tx:
        contact = make_contact(tx)
        token = TOKENS.move_token(moves.add(tx, contact.id, mail_address("new@x.example")))

    def work(_: int) -> centre.Moved:
        with shared.begin() as tx:
            return centre.move(tx, TOKENS, token)

    assert {centre.Moved.MOVED} == set(at_once(work))
    with shared.read() as tx:
        assert 1 == audience.contact_by_id(tx, contact.id).generation
        assert 1 == len(deliveries.listing(tx))
