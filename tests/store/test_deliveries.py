"""The ledger: claims, fences, what dead workers leave behind, and the back-off of destinations."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import func, insert, literal, select, text

from syndicator import publish
from syndicator.errors import NotFound, Refused
from syndicator.model.audience import address
from syndicator.model.delivery import (
    DeliveryState,
    OnUnknown,
    Outcome,
    Policy,
    Priority,
    Result,
    Try,
    revision_subject,
    wait,
)
from syndicator.model.item import Item
from syndicator.model.suppression import Reason
from syndicator.store import Store, audience, deliveries, items, partners, schema, suppressions, topics
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_partner, make_subscription

UID = "tag:x,1"
LEASE = timedelta(minutes=10)
POLICY = Policy()


def plan(store: Store, people: int = 1, uid: str = UID) -> Item:
    """Publish an item that so many people are owed, on the mail lane."""
    with store.begin() as tx:
        for n in range(people):
            make_subscription(tx, f"r{n}@x.example")
        return publish.publish(tx, uid, make_content())


def claim(store: Store, limit: int = 50, worker: str = "w", lane: str = "mail") -> list[Try]:
    with store.begin() as tx:
        return deliveries.claim(tx, lane, worker, limit, LEASE)


def start(store: Store, tries: list[Try]) -> list[Try]:
    with store.begin() as tx:
        return deliveries.start(tx, tries, LEASE)


def settle(store: Store, tries: list[Try], outcome: Outcome, policy: Policy = POLICY, **other: object) -> int:
    with store.begin() as tx:
        result = Result(outcome=outcome, **other)  # type: ignore[arg-type]
        return deliveries.settle_all(tx, [(one, result) for one in tries], policy)


def rows(store: Store) -> list[deliveries.Delivery]:
    with store.read() as tx:
        return deliveries.listing(tx)


def states(store: Store) -> list[str]:
    return [row.state for row in rows(store)]


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store, "policy", "health")


# -- planning


def test_planning_twice_adds_nothing(store: Store) -> None:
    """delivery:1: one row per subject and recipient, people and partners, and the count says so."""
    with store.begin() as tx:
        make_partner(tx)
    item = plan(store, 3)
    with store.begin() as tx:
        ids = list(topics.ids(tx, ["policy", "all"]).values())
        again = deliveries.plan_owed(tx, item, ids, revision_subject(UID, 1), frozenset({"policy", "all"}))
        assert (0, 4) == (again, len(deliveries.listing(tx)))
        assert 0 == deliveries.plan_owed(tx, item, [], "x", frozenset())
        assert [(item.id, 1)] == deliveries.contents(tx, deliveries.listing(tx)[0].id)


def test_confirmations_are_planned_once(store: Store) -> None:
    """mail:LM4: a request to confirm goes out once per subscription."""
    with store.begin() as tx:
        wish = make_subscription(tx, consent=None)
        assert [1, 0] == [deliveries.plan_confirmation(tx, wish.contact_id, wish.id) for _ in range(2)]


def test_a_large_audience_is_planned_in_one_statement(store: Store) -> None:
    """delivery:F9: 5,000 people (100,000 in the bench) are owed by INSERT … SELECT, once each, and again not."""
    many = 5000
    c, t = schema.contacts, schema.topics.c
    with store.begin() as tx:
        people = [
            {
                "address": f"{n}@x.example",
                "key": f"{n}@x.example",
                "name": "",
                "outlet": "",
                "zone": "UTC",
                "created": NOW,
            }
            for n in range(many)
        ]
        tx.connection.execute(insert(c), people)
        fixed = {"cadence": "immediate", "state": "active", "consent": "test"}
        values = [c.c.id, t.id, *(literal(value) for value in fixed.values()), c.c.created]
        joined = select(*values).join(schema.topics, t.slug == "policy")
        tx.connection.execute(
            insert(schema.subscriptions).from_select(["contact_id", "topic_id", *fixed, "created"], joined)
        )
        item = publish.publish(tx, UID, make_content())
        assert many == deliveries.open_count(tx)
        ids = list(topics.ids(tx, ["policy"]).values())
        assert 0 == deliveries.plan_owed(tx, item, ids, revision_subject(UID, 1), frozenset({"policy"}))
        assert (
            many == tx.connection.execute(select(func.count()).select_from(schema.delivery_contents)).scalar()
        )


# -- claims


def test_claims_go_by_priority_then_by_age(store: Store, clock: FakeClock) -> None:
    """design:2: kill > confirmation > correction > immediate; within one, first come first served."""
    plan(store, 1, "tag:killed")
    plan(store, 0, "tag:corrected")
    settle(store, start(store, claim(store)), Outcome.ACCEPTED)
    clock.advance(seconds=1)
    plan(store, 0, "tag:late")
    with store.begin() as tx:
        publish.correct(tx, "tag:corrected", make_content(summary="New."), "x")
        wish = make_subscription(tx, "new@x.example", consent=None)
        deliveries.plan_confirmation(tx, wish.contact_id, wish.id)
        publish.withdraw(tx, "tag:killed", "x", kill=True)
    expected = [
        "revision/tag:killed/2",
        f"confirmation/{wish.id}",
        "revision/tag:corrected/2",
        "revision/tag:late/1",
    ]
    assert expected == [one.subject for n in range(4) for one in claim(store, 1)]
    assert [] == claim(store)


def test_a_claim_is_a_lease_with_a_fence(store: Store) -> None:
    """delivery:1.4.2: each claim raises lease_no; nobody else gets the row meanwhile."""
    plan(store)
    (first,) = claim(store)
    assert (1, 1, "w", "r0@x.example", NOW) == (
        first.lease_no, first.attempt, first.worker, first.address, first.planned,
    )  # fmt: skip
    assert [] == claim(store, worker="other")
    with store.begin() as tx:
        deliveries.give_back(tx, [first])
    (second,) = claim(store, worker="other")
    assert (2, 1) == (second.lease_no, second.attempt)


def test_what_was_given_back_counts_no_attempt(store: Store) -> None:
    """mail:SE12: rows that were taken, or even marked, but certainly not sent have been tried no time."""
    plan(store)
    for steps in (claim, lambda store: start(store, claim(store))):
        taken = steps(store)
        with store.begin() as tx:
            deliveries.give_back(tx, taken)
            deliveries.give_back(tx, [])
            assert [] == deliveries.attempts(tx, taken[0].id)
        assert [("due", 0, NOW)] == [(row.state, row.attempts, row.due) for row in rows(store)]


def test_a_zombie_starts_and_settles_nothing(store: Store, clock: FakeClock) -> None:
    """delivery:1.4.4: after its lease a worker neither starts, settles nor gives back what another took."""
    plan(store, 2)
    late = claim(store)
    clock.advance(minutes=10)
    with store.begin() as tx:
        assert (2, 0) == deliveries.recover(tx, POLICY)
    assert [] == start(store, late)  # back in the queue: not ours
    ours = claim(store, worker="other")
    assert [] == start(store, late)
    sending = start(store, ours)
    assert 2 == len(sending)
    assert 0 == settle(store, late, Outcome.ACCEPTED)
    with store.begin() as tx:
        deliveries.give_back(tx, late)
    assert ["sending"] * 2 == states(store)
    assert 2 == settle(store, sending, Outcome.ACCEPTED)
    assert 0 == settle(store, sending, Outcome.REFUSED)
    assert ["accepted"] * 2 == states(store)


def test_what_was_not_started_cannot_be_settled(store: Store) -> None:
    """delivery:1.4.3: a result of a row that was never marked sending is no result."""
    plan(store)
    taken = claim(store)
    assert 0 == settle(store, taken, Outcome.ACCEPTED)
    assert ["leased"] == states(store)


# -- recovery


def test_dead_workers_leave_duties_and_doubts(store: Store, clock: FakeClock) -> None:
    """delivery:1.4.5: after the lease, and not before, leased rows are due and sending rows are doubts."""
    plan(store, 3)
    taken = claim(store)
    start(store, taken[:1])
    clock.now = NOW + LEASE - timedelta(microseconds=1)
    with store.begin() as tx:
        assert (0, 0) == deliveries.recover(tx, POLICY)
    clock.now = NOW + LEASE
    with store.begin() as tx:
        assert (2, 1) == deliveries.recover(tx, POLICY)
        assert (0, 0) == deliveries.recover(tx, POLICY)
        (attempt,) = deliveries.attempts(tx, taken[0].id)
    assert (Outcome.UNKNOWN, 1, "w", NOW, clock.now) == (
        attempt.outcome, attempt.number, attempt.worker, attempt.started, attempt.ended,
    )  # fmt: skip
    by_id = {row.id: row for row in rows(store)}
    assert (clock.now + POLICY.repeat_after, Outcome.UNKNOWN) == (
        by_id[taken[0].id].due,
        by_id[taken[0].id].last_outcome,
    )
    assert 2 == len(claim(store))


def test_a_second_doubt_stays_unknown(store: Store, clock: FakeClock) -> None:
    """design:5.1: *repeat* repeats once; then it waits for a person, with no due time."""
    plan(store)
    for number, state in ((1, "due"), (2, "unknown")):
        assert [number] == [one.attempt for one in start(store, claim(store))]
        clock.advance(minutes=10)
        with store.begin() as tx:
            assert (0, 1) == deliveries.recover(tx, POLICY)
        assert [state] == states(store)
        clock.advance(minutes=10)
    assert [] == claim(store)
    assert [None] == [row.due for row in rows(store)]
    with store.read() as tx:
        assert deliveries.next_due(tx) is None


def test_hold_never_repeats(store: Store, clock: FakeClock) -> None:
    """delivery:F2: on hold, by the house or by the partner, the first doubt is nobody's but a person's."""
    plan(store)
    start(store, claim(store))
    clock.advance(minutes=10)
    with store.begin() as tx:
        deliveries.recover(tx, Policy(on_unknown=OnUnknown.HOLD))
        make_partner(tx, on_unknown=OnUnknown.HOLD)
        publish.publish(tx, "tag:2", make_content(topics=()))
    assert ["unknown", "due"] == states(store)
    tries = start(store, claim(store, lane="partner/agency"))
    assert 1 == settle(store, tries, Outcome.UNKNOWN)
    assert ["unknown", "unknown"] == states(store)


# -- settlements


def test_every_try_is_on_record(store: Store, clock: FakeClock) -> None:
    """design:2: attempts are numbered and kept with code and words; the waits are those of the schedule."""
    item = plan(store)
    with store.read() as tx:
        contact = audience.contact(tx, address("r0@x.example")).id
    for n in (1, 2, 3):
        tries = start(store, claim(store))
        assert [n] == [one.attempt for one in tries]
        settle(store, tries, Outcome.DEFERRED, code=450, detail=f"busy {n}")
        pause = wait(tries[0].channel, n, f"revision/{item.uid}/1/contact/{contact}")
        assert pause is not None
        assert clock.now + pause == rows(store)[0].due
        clock.now += pause - timedelta(microseconds=1)
        assert [] == claim(store)
        clock.advance(microseconds=1)
    settle(store, start(store, claim(store)), Outcome.ACCEPTED, code=250, detail="queued")
    (row,) = rows(store)
    assert ("accepted", 4, "queued", clock.now, None) == (
        row.state,
        row.attempts,
        row.detail,
        row.settled,
        row.due,
    )
    with store.read() as tx:
        found = [(one.number, one.outcome, one.code, one.detail) for one in deliveries.attempts(tx, row.id)]
    assert [(n, "deferred", 450, f"busy {n}") for n in (1, 2, 3)] + [(4, "accepted", 250, "queued")] == found


def test_suppression_stands_above_everything(store: Store) -> None:
    """security:R6: an address suppressed between plan and claim gets nothing, a kill neither."""
    plan(store, 2)
    settle(store, start(store, claim(store, 1)), Outcome.ACCEPTED)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "x", kill=True)
        for n in range(2):
            suppressions.suppress(tx, address(f"R{n}@x.example"), Reason.COMPLAINT)
    assert [] == claim(store)
    assert "suppressed: complaint" in {row.detail for row in rows(store)}
    assert {"accepted", "cancelled"} == set(states(store))


def test_the_suppressed_do_not_hide_the_others(store: Store) -> None:
    """delivery:1: a claim full of suppressed addresses goes on to those behind them."""
    plan(store, 12)
    with store.begin() as tx:
        for n in range(10):
            suppressions.suppress(tx, address(f"r{n}@x.example"), Reason.COMPLAINT)
    assert ["r10@x.example", "r11@x.example"] == [one.address for one in claim(store, 3)]


def test_who_left_gets_nothing_unless_owed_otherwise(store: Store) -> None:
    """mail:LM7: leaving cancels what came by that subscription; what another live one owes goes on under it."""
    with store.begin() as tx:
        left = make_subscription(tx, "a@x.example")
        kept = make_subscription(tx, "a@x.example", "all")
        gone = make_subscription(tx, "b@x.example")
        publish.publish(tx, UID, make_content())
        for one in (left, gone):
            audience.end(tx, one.id, "left")
        assert 0 == deliveries.cancel_for_subscription(tx, left.id, "left")
        assert 1 == deliveries.cancel_for_subscription(tx, gone.id, "left")
    assert [("a@x.example", kept.id)] == [(one.address, one.subscription_id) for one in claim(store)]


# -- people


def test_a_person_may_try_again_or_settle_a_doubt(store: Store) -> None:
    """design:6: retry takes what failed, waits or is in doubt; resolve takes doubts alone."""
    plan(store, 2)
    first, second = start(store, claim(store))
    with store.begin() as tx:
        for under_way in (first.id, second.id):
            with pytest.raises(Refused, match="is sending"):
                deliveries.retry(tx, under_way)
        with pytest.raises(Refused, match="only a doubt"):
            deliveries.resolve(tx, first.id, DeliveryState.ACCEPTED, "seen")
        with pytest.raises(NotFound, match="delivery list"):
            deliveries.retry(tx, 10**6)
    hold = Policy(on_unknown=OnUnknown.HOLD)
    settle(store, [first], Outcome.UNKNOWN, hold)
    settle(store, [second], Outcome.REFUSED)
    with store.begin() as tx:
        deliveries.resolve(tx, first.id, DeliveryState.ACCEPTED, "seen")
        deliveries.retry(tx, second.id)
        with pytest.raises(Refused, match="is accepted"):
            deliveries.retry(tx, first.id)
    assert ["accepted", "due"] == states(store)
    assert [second.id] == [one.id for one in claim(store)]


def test_what_goes_out_after_all_is_known_to_have_been_had(store: Store) -> None:
    """design:14: a cancelled delivery that a person sends after all is told of a correction."""
    plan(store)
    with store.begin() as tx:
        suppressions.suppress(tx, address("r0@x.example"), Reason.MANUAL)
    assert [] == claim(store)
    with store.begin() as tx:
        suppressions.unsuppress(tx, address("r0@x.example"))
        deliveries.retry(tx, deliveries.listing(tx)[0].id)
    settle(store, start(store, claim(store)), Outcome.ACCEPTED)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(summary="New."), "x")
    assert [f"revision/{UID}/2"] == [one.subject for one in claim(store)]


def test_a_listing_takes_subjects_literally(store: Store) -> None:
    """design:6: a prefix of subjects is a prefix, whatever signs it holds."""
    plan(store, 1, "tag:100%_a")
    plan(store, 0, "tag:100xxa")
    with store.read() as tx:
        found = deliveries.listing(tx, subject="revision/tag:100%_")
        assert ["revision/tag:100%_a/1"] == [row.subject for row in found]
        assert {("mail", "due"): 2} == deliveries.counts(tx)


# -- lanes


def test_a_lane_in_trouble_is_left_alone_ever_longer(store: Store, clock: FakeClock) -> None:
    """delivery:1.4.7: 2, 4, 8 … seconds up to five minutes; one success heals it."""
    plan(store)
    pauses = []
    for _ in range(12):
        with store.begin() as tx:
            pause = deliveries.lane_failed(tx, "mail", "no route").pause
            pauses.append(pause.total_seconds())
            assert [] == deliveries.due_lanes(tx)
            assert clock.now + pause == deliveries.next_due(tx)
        assert [] == claim(store)
        clock.now += pause
    assert [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300] == pauses
    with store.begin() as tx:
        assert [("mail", "mail")] == deliveries.due_lanes(tx)
        deliveries.lane_works(tx, "mail")
        assert (0, None) == (partners.lanes(tx)[0].failures, partners.lanes(tx)[0].fault)
        assert 2 == deliveries.lane_failed(tx, "mail", "again").pause.total_seconds()


def test_a_paused_partner_gets_nothing_and_loses_nothing(store: Store) -> None:
    """design:2: while paused nothing is claimed, not even by a lane at work; resumed, all goes out."""
    with store.begin() as tx:
        make_partner(tx)
        publish.publish(tx, UID, make_content())
        partners.pause(tx, "agency", paused=True)
        assert ([], None) == (deliveries.due_lanes(tx), deliveries.next_due(tx))
    assert [] == claim(store, lane="partner/agency")
    with store.begin() as tx:
        publish.publish(tx, "tag:2", make_content())
        partners.pause(tx, "agency", paused=False)
    assert 2 == len(claim(store, lane="partner/agency"))


def test_a_destination_that_is_over_is_paused(store: Store) -> None:
    """delivery:1.4.7: after 410 the partner and its lane are paused, nobody else's."""
    with store.begin() as tx:
        make_partner(tx)
        make_partner(tx, "other")
        deliveries.lane_over(tx, "partner/agency", "answered 410")
        assert {"agency": True, "other": False} == {one.slug: one.paused for one in partners.listing(tx)}
        assert {"partner/agency": True, "partner/other": False} == {
            one.key: one.paused for one in partners.lanes(tx)
        }


def test_priorities_are_kept_in_the_row(store: Store) -> None:
    """design:2: an unsent correction stays one when a newer revision takes its place."""
    plan(store)
    settle(store, start(store, claim(store)), Outcome.ACCEPTED)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(summary="1"), "One")
        publish.edit(tx, UID, make_content(summary="2"))
    assert [(f"revision/{UID}/3", Priority.CORRECTION)] == [
        (one.subject, one.priority) for one in claim(store)
    ]


def test_the_tables_themselves_refuse_a_second_row(store: Store) -> None:
    """code-models:5: "once" is a constraint: the same subject and recipient, or owing twice, cannot be written."""
    from sqlalchemy.exc import IntegrityError

    plan(store)
    for table in ("deliveries", "delivery_contents"):
        with store.read() as tx:
            names = [column.name for column in schema.metadata.tables[table].columns]
        swap = {
            "id": "id + 1000",
            "delivery_id": "delivery_id",
            "revision": "revision + 1" if table != "deliveries" else "revision",
        }
        columns = ", ".join(swap.get(name, name) for name in names)
        copy = text(f"INSERT INTO {table} ({', '.join(names)}) SELECT {columns} FROM {table}")
        with pytest.raises(IntegrityError), store.begin() as tx:
            tx.connection.execute(copy)
    with store.read() as tx:
        assert items.find(tx, UID) is not None
