"""Advance copies and notices in the ledger: whom they are planned for, under which limits, and what stops them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import event, insert, select

from syndicator import press, publish
from syndicator.model.delivery import Cause, DeliveryState, Outcome, Policy, Result, Try
from syndicator.store import Store, Tx, audience, deliveries, press_links, releases, schema, topics
from tests.advances import EMBARGO, TEN, UID, accredited, end, scheduled
from tests.make import NOW, FakeClock, make_contact, make_content, make_newsroom, make_subscription

LEASE = timedelta(minutes=10)
TOOK = Result(outcome=Outcome.ACCEPTED, code=250)
LATER = Result(outcome=Outcome.DEFERRED, code=450, cause=Cause.GREYLISTED, detail="later")
ITEM = "tag:news.example,2026:i"
d = schema.deliveries.c


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store, "policy", "energy", "health")


def take(store: Store, policy: Policy | None = None) -> list[Try]:
    with store.begin() as tx:
        claimed = deliveries.claim(tx, "mail", "w", 50, LEASE, policy or Policy())
        return deliveries.start(tx, claimed, LEASE)


def settle(store: Store, tries: list[Try], result: Result = TOOK) -> None:
    with store.begin() as tx:
        deliveries.settle_all(tx, [(one, result) for one in tries], Policy())


def crowd(tx: Tx, first: int, size: int) -> None:
    """So many accredited subscribers of policy."""
    keys, topic = range(first, first + size), topics.ids(tx, ["policy"])["policy"]
    people = [
        {"id": key, "address": f"c{key}@x.example", "key": f"c{key}@x.example", "domain": "x.example"}
        | {"name": "", "outlet": "", "zone": "UTC", "created": NOW}
        for key in keys
    ]
    live = {"topic_id": topic, "cadence": "immediate", "state": "active", "created": NOW, "confirmed": NOW}
    granted = {"granted": NOW, "granted_by": "editor", "agreement": "signed"}
    tx.connection.execute(insert(schema.contacts), people)
    tx.connection.execute(insert(schema.subscriptions), [{"contact_id": key, **live} for key in keys])
    tx.connection.execute(insert(schema.accreditations), [{"contact_id": key, **granted} for key in keys])


def work(store: Store, uid: str, title: str) -> int:
    """How much SQLite has to do to plan the advance copies of new words; in steps of its machine."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    with store.begin() as tx:
        press.draft(tx, uid, make_content(title), EMBARGO, by="writer")
        press.approve(tx, uid, "editor")
        raw = tx.connection.connection.driver_connection
        assert raw is not None
        raw.set_progress_handler(step, 100)
        press.schedule(tx, uid, None, "editor")
        raw.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_planning_grows_with_the_audience_alone(store: Store) -> None:
    """mail:EM1: twice as many accredited are twice the work, also where all of them had other words."""
    with store.begin() as tx:
        crowd(tx, 1, 200)
    work(store, UID, "First")
    end(store, f"advance/{UID}/1", DeliveryState.ACCEPTED)
    few = work(store, UID, "Second")
    with store.begin() as tx:
        crowd(tx, 1000, 600)
    work(store, f"{UID}2", "First")
    end(store, f"advance/{UID}2/1", DeliveryState.ACCEPTED)
    assert work(store, f"{UID}2", "Second") < 6 * few  # four times as many


def test_limits_of_a_domain_hold_for_whatever_is_planned(store: Store) -> None:
    """mail:SE15: advance copies, confirmations and letters to an address know their domain, so its limits hold."""
    with store.begin() as tx:
        for n in range(3):
            accredited(tx, f"a{n}@big.example")
        deliveries.plan_confirmation(tx, make_contact(tx, "new@big.example").id, 1)
        deliveries.plan_mailbox(tx, "alarm/1", "Desk@Big.example")
    scheduled(store)
    with store.read() as tx:
        assert {"big.example"} == set(tx.connection.execute(select(d.domain)).scalars())
    assert len(take(store, Policy(domain_connections=1))) == 1


def test_a_move_never_follows_a_cancellation(store: Store, clock: FakeClock) -> None:
    """mail:EM3: a notice that was on the wire when something newer was told is not tried again."""
    with store.begin() as tx:
        accredited(tx, "ann@x.example")
    scheduled(store)
    settle(store, take(store))
    with store.begin() as tx:
        press.reschedule(tx, UID, TEN, "editor")
    moved = take(store)
    with store.begin() as tx:
        press.cancel(tx, UID, "wrong", "editor")
    settle(store, moved, LATER)
    cancelled = take(store)
    settle(store, cancelled)
    assert [f"notice/{UID}/1"] == [one.subject for one in moved]
    assert [f"notice/{UID}/2"] == [one.subject for one in cancelled]
    with store.begin() as tx:  # not even where a person asks for it
        assert deliveries.named(tx, moved[0].id).state is DeliveryState.CANCELLED
        deliveries.retry(tx, moved[0].id)
    clock.advance(hours=3)
    assert take(store) == []


def test_a_letter_taken_up_again_does_not_stop_an_edit(store: Store) -> None:
    """mail:MC1: somebody who was owed an item twice over, and one of them taken up by hand, is owed it once."""
    with store.begin() as tx:
        left = make_subscription(tx, "ann@x.example", "policy")
        make_subscription(tx, "ann@x.example", "energy")
        publish.publish(tx, ITEM, make_content(topics=("policy",)))
    with store.begin() as tx:
        deliveries.cancel_for_subscription(tx, left.id, "left")
        audience.end(tx, left.id, "left")
    with store.begin() as tx:
        publish.edit(tx, ITEM, make_content(topics=("policy", "energy")))
    settle(store, take(store))
    with store.begin() as tx:
        deliveries.retry(tx, deliveries.listing(tx)[0].id)
    with store.begin() as tx:
        publish.edit(tx, ITEM, make_content(topics=("policy", "energy", "health")))
    with store.read() as tx:
        had = select(schema.delivery_contents.c.delivery_id)
        assert len(tx.connection.execute(had).all()) == 1


def test_what_waits_of_another_thing_owes_nobody_a_release(store: Store) -> None:
    """mail:MC1: at its lift a release is owed at once to those who wait for its own copies, not for anything else."""
    with store.begin() as tx:
        accredited(tx, "ann@x.example")
        make_subscription(tx, "weekly@x.example", "policy", cadence="weekly")
        make_subscription(tx, "weekly@x.example", "energy")
        publish.publish(tx, ITEM, make_content("Other", topics=("energy",)))
    scheduled(store)
    with store.begin() as tx:
        press.lift(tx, UID, "editor")
    with store.read() as tx:
        owed = tx.connection.execute(select(d.recipient).where(d.subject == f"revision/{UID}/1")).scalars()
        assert len(owed.all()) == 1


def test_a_page_shows_only_the_words_that_were_for_its_reader(store: Store) -> None:
    """security:E1: who had the first words does not see the second ones where those are not for them."""
    with store.begin() as tx:
        ann, ben = accredited(tx, "ann@x.example"), accredited(tx, "ben@x.example", "energy")
    scheduled(store)
    settle(store, take(store))
    with store.read() as tx:
        first = releases.named(tx, UID)
        assert press_links.was_planned(tx, ann, first)
        assert not press_links.was_planned(tx, ben, first)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other words", topics=("energy",)), EMBARGO, by="writer")
        press.approve(tx, UID, "editor")
        second = press.schedule(tx, UID, None, "editor")
        assert not press_links.was_planned(tx, ann, second)
        assert press_links.was_planned(tx, ben, second)
        assert press_links.was_planned(tx, ben, press.reschedule(tx, UID, TEN, "editor"))
    with store.begin() as tx:
        press.lift(tx, UID, "editor")
        assert press_links.was_planned(tx, ann, releases.named(tx, UID))  # it leads to the public page now


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
@pytest.mark.parametrize("act", ["retry --late", "schedule"])
def test_rows_are_locked_by_key_before_they_change(store: Store, act: str) -> None:
    """mail:SE7: who changes many rows locks them in the order everybody does, so that nobody waits in a ring."""
    with store.begin() as tx:
        accredited(tx, "ann@x.example")
    scheduled(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), None, by="writer")
        press.draft(tx, UID, make_content(), EMBARGO, by="writer")
        press.approve(tx, UID, "editor")
    said: list[str] = []
    with store.begin() as tx:

        def listen(*args: object) -> None:
            said.append(str(args[2]))

        event.listen(tx.connection, "before_cursor_execute", listen)
        if act == "schedule":
            press.schedule(tx, UID, None, "editor")
        else:
            deliveries.retry_late(tx)
    about = [one for one in said if "deliveries" in one]
    first = next(n for n, one in enumerate(about) if one.startswith("UPDATE deliveries"))
    assert any("ORDER BY deliveries.id FOR UPDATE" in one for one in about[:first])
