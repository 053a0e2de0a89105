"""Digests from the push to the ledger, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select, text, update

from syndicator import digest, publish
from syndicator import topics as topic_life
from syndicator.model.audience import Cadence, Standing
from syndicator.model.delivery import DeliveryState
from syndicator.model.suppression import Reason
from syndicator.store import (
    Store,
    Tx,
    audience,
    deliveries,
    digests,
    open_store,
    schema,
    segments,
    topics,
    windows,
    wishes,
)
from syndicator.store.deliveries.gathered import gathered
from tests.digests import Dead, live_through
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

if TYPE_CHECKING:
    from syndicator.model.audience import Subscription

PACE = digest.Pace(settle=timedelta(seconds=60))
EIGHT = NOW + timedelta(hours=23)  # the next morning, when daily digests close
d, w = schema.deliveries.c, schema.windows.c


def reader(
    store: Store, mail: str = "jane@example.org", cadence: str = "daily", topic: str = "policy"
) -> Subscription:
    """Somebody who reads digests in UTC, at eight."""
    with store.begin() as tx:
        return make_subscription(tx, mail, topic, cadence=cadence)


def push(store: Store, uid: str = "tag:x", title: str = "A statement", **other: Any) -> int:
    """An item that is to be told; its key."""
    with store.begin() as tx:
        return publish.publish(tx, uid, make_content(title, **other)).id


def held(store: Store) -> dict[str, list[int]]:
    """What each delivery carries, by recipient and subject; cancelled ones are left out."""
    with store.read() as tx:
        rows = [row for row in deliveries.listing(tx) if row.state is not DeliveryState.CANCELLED]
        return {
            f"{row.recipient} {row.subject}": sorted(item for item, _ in deliveries.contents(tx, row.id))
            for row in rows
        }


def gather(store: Store, clock: FakeClock, **span: float) -> digest.Gathered:
    """Time goes by, and then digests are planned."""
    clock.advance(**span)
    return digest.digests_due(store, PACE)


NEXT_MORNING = {"hours": 23, "minutes": 1}
DAILY = "jane@example.org digest/daily/2026-03-03T08:00:00Z"


@pytest.fixture
def newsroom(store: Store) -> Store:
    """A store with two topics."""
    make_newsroom(store, "policy", "research")
    return store


def test_a_digest_is_planned_once(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG1 mail:DG7 Who asks again finds nothing to do; the item never comes to that person again."""
    reader(newsroom)
    item = push(newsroom)
    assert not gather(newsroom, clock, hours=22, minutes=59).digests
    assert gather(newsroom, clock, minutes=2).digests == 1
    assert not gather(newsroom, clock).windows
    assert {DAILY: [item]} == held(newsroom)
    gather(newsroom, clock, days=1)
    assert {DAILY: [item]} == held(newsroom)


def test_nothing_is_planned_before_the_window_has_settled(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG6 What was published in the last second is in the digest, and the loop sleeps until then."""
    reader(newsroom)
    clock.now = EIGHT - timedelta(seconds=1)
    last = push(newsroom, "tag:last")
    clock.now = EIGHT
    push(newsroom, "tag:next")
    assert EIGHT + timedelta(seconds=60) == gather(newsroom, clock, seconds=59).next
    assert gather(newsroom, clock, seconds=1).digests == 1
    assert {DAILY: [last]} == held(newsroom)


def test_an_empty_window_costs_nothing_and_goes_on(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG5 No items, no mail, no row; the cursor stands at the end of the window."""
    contact = reader(newsroom).contact_id
    done = gather(newsroom, clock, **NEXT_MORNING)
    assert (1, 0) == (done.windows, done.digests)
    with newsroom.read() as tx:
        row = tx.connection.execute(select(w.opened, w.closes).where(w.contact_id == contact)).one()
    assert (EIGHT, EIGHT + timedelta(days=1)) == (row.opened, row.closes)
    assert {} == held(newsroom)


def test_missed_runs_are_made_up_for_by_one_mail(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG9 After ten days away one digest comes, with what is still news and nothing older."""
    reader(newsroom)
    push(newsroom, "tag:old")
    clock.advance(days=8)
    fresh = push(newsroom, "tag:fresh")
    done = gather(newsroom, clock, days=2)
    assert (1, 1) == (done.windows, done.digests)
    assert {"jane@example.org digest/daily/2026-03-12T08:00:00Z": [fresh]} == held(newsroom)


def test_who_dies_in_the_middle_has_done_nothing(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG1 A batch becomes true as a whole: digests, what they carry, and the windows that follow."""
    reader(newsroom)
    item = push(newsroom)
    clock.advance(**NEXT_MORNING)
    with suppress(Dead), newsroom.begin() as tx:
        assert digests.plan(tx, PACE.settle, PACE.spread, 10).digests == 1
        raise Dead
    assert {} == held(newsroom)
    assert gather(newsroom, clock).digests == 1
    assert {DAILY: [item]} == held(newsroom)


def test_batches_make_no_difference(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG1 A hundred readers in batches of seven get one digest each."""
    with newsroom.begin() as tx:
        for number in range(100):
            make_subscription(tx, f"p{number}@example.org", cadence="daily")
    push(newsroom)
    clock.advance(**NEXT_MORNING)
    done = digest.digests_due(newsroom, PACE, batch=7)
    assert (100, 100) == (done.windows, done.digests)
    assert len(held(newsroom)) == 100


def test_spread_moves_when_a_digest_goes_out_and_not_what_it_holds(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG11 Each reader has a place within half an hour, the same each day."""
    with newsroom.begin() as tx:
        for number in range(40):
            make_subscription(tx, f"p{number}@example.org", cadence="daily")
    places = []
    for day in range(2):
        push(newsroom, f"tag:{day}")
        clock.advance(**NEXT_MORNING)
        digest.digests_due(newsroom, digest.Pace(settle=PACE.settle, spread=timedelta(minutes=30)))
        with newsroom.read() as tx:
            query = select(d.contact_id, d.due).where(d.created == clock.now)
            places.append({row.contact_id: row.due - clock.now for row in tx.connection.execute(query)})
        clock.advance(minutes=59)
    assert places[0] == places[1]
    assert len(set(places[0].values())) > 20
    assert timedelta() <= min(places[0].values()) <= max(places[0].values()) < timedelta(minutes=30)


# -- who -----------------------------------------------------------------------------------------------------


def test_what_is_urgent_does_not_wait_but_for_those_who_want_no_more(
    newsroom: Store, clock: FakeClock
) -> None:
    """mail:LM18 Owed at once to readers of digests, and then not in them; the capped get it with the digest."""
    reader(newsroom)
    capped = reader(newsroom, "capped@example.org").contact_id
    with newsroom.begin() as tx:
        wishes.edit_contact(tx, capped, capped=True)
    item = push(newsroom, urgent=True)
    assert {"jane@example.org revision/tag:x/1": [item]} == held(newsroom)
    gather(newsroom, clock, **NEXT_MORNING)
    expected = {"jane@example.org revision/tag:x/1", "capped@example.org digest/daily/2026-03-03T08:00:00Z"}
    assert expected == set(held(newsroom))


def test_a_segment_is_asked_when_its_digest_is_planned(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM18 Words for some are in nobody else's digest, nor in anybody's for a segment there is not."""
    from syndicator.model.segment import Rule

    jane, kim = reader(newsroom).contact_id, reader(newsroom, "kim@example.org").contact_id
    with newsroom.begin() as tx:
        wishes.edit_contact(tx, jane, country="DE")
        wishes.edit_contact(tx, kim, country="FR")
        segments.add(tx, "german", "In Germany", Rule(countries=("DE",)))
    item, everybody = push(newsroom, audience=("german",)), push(newsroom, "tag:all")
    push(newsroom, "tag:none", audience=("unknown",))
    gather(newsroom, clock, **NEXT_MORNING)
    assert {DAILY: [item, everybody], DAILY.replace("jane", "kim"): [everybody]} == held(newsroom)


@pytest.mark.parametrize("why", ["paused", "suppressed", "legacy"])
def test_who_is_not_to_be_mailed_gets_no_digest(newsroom: Store, clock: FakeClock, why: str) -> None:
    """mail:LM10 Nothing is planned for them, at once or in a digest; their window goes on."""
    contact = reader(newsroom).contact_id
    with newsroom.begin() as tx:
        _silence(tx, contact, why)
    push(newsroom, urgent=why != "suppressed")
    assert gather(newsroom, clock, **NEXT_MORNING).windows == 1
    assert {} == held(newsroom)


def _silence(tx: Tx, contact: int, why: str) -> None:
    from syndicator.model.audience import address
    from syndicator.store import suppressions

    if why == "paused":
        wishes.pause(tx, contact, NOW + timedelta(days=3))
    elif why == "legacy":
        wishes.edit_contact(tx, contact, standing=Standing.LEGACY)
    else:
        suppressions.suppress(tx, address("jane@example.org"), Reason.MANUAL)


def test_a_pause_holds_back_what_is_new_and_brings_none_of_it_later(
    newsroom: Store, clock: FakeClock
) -> None:
    """mail:LM16 After it, digests hold what was published after it."""
    contact = reader(newsroom).contact_id
    with newsroom.begin() as tx:
        wishes.pause(tx, contact, EIGHT + timedelta(hours=2))
    push(newsroom, "tag:during")
    gather(newsroom, clock, days=1, hours=2)
    after = push(newsroom, "tag:after")
    gather(newsroom, clock, days=1)
    assert {"jane@example.org digest/daily/2026-03-04T08:00:00Z": [after]} == held(newsroom)


@pytest.mark.parametrize("cadence", [Cadence.WEEKLY, Cadence.IMMEDIATE, Cadence.NTH_WEEKDAY])
def test_a_change_of_cadence_neither_loses_nor_repeats(
    newsroom: Store, clock: FakeClock, cadence: Cadence
) -> None:
    """mail:DG4 What had waited comes with the new digest, or with the last of the old ones; nothing comes twice."""
    before = reader(newsroom)
    waiting = push(newsroom, "tag:waiting")
    with newsroom.begin() as tx:
        wishes.change_cadence(tx, before.id, cadence)
    clock.advance(hours=1)
    later = push(newsroom, "tag:later")
    for _ in range(40):
        gather(newsroom, clock, days=1)
    assert sorted([waiting, later]) == sorted(item for items in held(newsroom).values() for item in items)
    with newsroom.read() as tx:
        left = set(windows.of(tx, before.contact_id))
    assert ({cadence} if cadence is not Cadence.IMMEDIATE else set()) == left


def test_a_merged_topic_takes_what_waits_along(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG8 Readers of either topic get what was pushed to the one that is no more, once."""
    reader(newsroom)
    reader(newsroom, "kim@example.org", topic="research")
    item = push(newsroom)
    with newsroom.begin() as tx:
        topic_life.merge(tx, "policy", "research")
    gather(newsroom, clock, **NEXT_MORNING)
    assert [item] == held(newsroom)[DAILY]


def test_a_closed_topic_is_read_to_its_end(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG2 Its subscriptions end when their digests have brought what it had last."""
    subscription = reader(newsroom)
    item = push(newsroom)
    with newsroom.begin() as tx:
        topics_c = schema.topics.c
        over = update(schema.topics).where(topics_c.slug == "policy")
        tx.connection.execute(over.values(closing=clock.now, closed=clock.now))
        assert not audience.end_closed(tx)
    gather(newsroom, clock, **NEXT_MORNING)
    assert {DAILY: [item]} == held(newsroom)
    with newsroom.begin() as tx:
        tx.connection.execute(update(schema.deliveries).values(state=DeliveryState.ACCEPTED))
        assert audience.end_closed(tx) == 1
        assert audience.subscription(tx, subscription.id).ended


def test_subscriptions_of_an_older_version_are_not_forgotten(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG2 A window that is missing is opened by the worker, and the digest comes."""
    reader(newsroom)
    with newsroom.begin() as tx:
        tx.connection.execute(schema.windows.delete())
    assert digest.tend(newsroom) == 1
    assert digest.tend(newsroom) == 0
    item = push(newsroom)
    gather(newsroom, clock, **NEXT_MORNING)
    assert {DAILY: [item]} == held(newsroom)


def test_one_click_ends_all_a_digest_was_made_of(newsroom: Store) -> None:
    """mail:MC8 The subscriptions of its cadence, and of immediate mail just the one."""
    one, two = reader(newsroom), reader(newsroom, topic="research")
    other = reader(newsroom, "kim@example.org", cadence="immediate")
    with newsroom.read() as tx:
        assert [one.id, two.id] == windows.digest_subscriptions(tx, two.id)
        assert [other.id] == windows.digest_subscriptions(tx, other.id)


# -- what happens to an item meanwhile -------------------------------------------------------------------------


def test_an_item_of_several_topics_stands_under_the_first(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG8 Once, under the first of its topics in the order in which its reader took them up."""
    reader(newsroom, topic="research")
    reader(newsroom, topic="policy")
    both, one = push(newsroom, topics=("policy", "research")), push(newsroom, "tag:y")
    gather(newsroom, clock, **NEXT_MORNING)
    with newsroom.read() as tx:
        found = gathered(tx, [deliveries.listing(tx)[0].id])
    (shown,) = found.values()
    assert [("research", ((both, 1),)), ("policy", ((one, 1),))] == [
        (under.slug, held) for under, held in shown.topics
    ]


@pytest.mark.parametrize("planned", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("act", ["withdraw", "kill", "redact"])
def test_what_was_taken_back_is_in_no_digest(
    newsroom: Store, clock: FakeClock, act: str, *, planned: bool
) -> None:
    """mail:DG8 Neither planned nor sent; where nothing else was in it, it is cancelled in words, and its window counts."""
    reader(newsroom)
    push(newsroom)
    clock.advance(**NEXT_MORNING)
    if planned:
        digest.digests_due(newsroom, PACE)
    with newsroom.begin() as tx:
        if act == "redact":
            publish.redact(tx, "tag:x")
        else:
            publish.withdraw(tx, "tag:x", "wrong", kill=act == "kill")
    digest.digests_due(newsroom, PACE)
    assert {} == held(newsroom)
    with newsroom.read() as tx:
        said = [row.detail for row in deliveries.listing(tx)]
        assert EIGHT == tx.connection.execute(select(w.opened)).scalar()
    assert (["nothing is left of this digest: what it held was taken back"] if planned else []) == said


def test_a_digest_goes_out_without_what_was_taken_back(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG8 What stays in it stays, and whoever had taken it to the wire writes it anew."""
    reader(newsroom)
    push(newsroom, "tag:gone")
    stays = push(newsroom, "tag:stays")
    gather(newsroom, clock, **NEXT_MORNING)
    with newsroom.begin() as tx:
        (attempt,) = deliveries.claim(tx, "mail", "w", 10, timedelta(minutes=5))
    with newsroom.begin() as tx:
        publish.withdraw(tx, "tag:gone", "wrong")
    with newsroom.begin() as tx:
        assert [] == deliveries.start(tx, [attempt], timedelta(minutes=5))
    assert {DAILY: [stays]} == held(newsroom)


def test_a_digest_that_is_being_sent_is_stopped_and_the_rest_of_it_comes_next(
    newsroom: Store, clock: FakeClock
) -> None:
    """mail:DG8 mail:SE17 Of what is marked as being sent nothing is taken up; what else it held is owed still."""
    reader(newsroom)
    push(newsroom, "tag:gone")
    stays = push(newsroom, "tag:stays")
    gather(newsroom, clock, **NEXT_MORNING)
    with newsroom.begin() as tx:
        tries = deliveries.claim(tx, "mail", "w", 10, timedelta(minutes=5))
        assert tries == deliveries.start(tx, tries, timedelta(minutes=5))
    with newsroom.begin() as tx:
        publish.withdraw(tx, "tag:gone", "wrong", kill=True)
    with newsroom.begin() as tx:
        deliveries.give_back(tx, tries)
    gather(newsroom, clock, days=1)
    assert [stays] == held(newsroom)["jane@example.org digest/daily/2026-03-04T08:00:00Z"]


def test_a_digest_brings_the_newest_words_and_its_readers_hear_of_corrections(
    newsroom: Store, clock: FakeClock
) -> None:
    """mail:DG8 Corrected before it was sent: the new words alone. Afterwards: told, as all who had it."""
    reader(newsroom)
    push(newsroom)
    gather(newsroom, clock, **NEXT_MORNING)
    with newsroom.begin() as tx:
        publish.correct(tx, "tag:x", make_content("Corrected once"), "a figure")
        (row,) = deliveries.listing(tx)
        assert [2] == [revision for _, revision in deliveries.contents(tx, row.id)]
        tx.connection.execute(update(schema.deliveries).values(state=DeliveryState.ACCEPTED))
    with newsroom.begin() as tx:
        publish.correct(tx, "tag:x", make_content("Corrected twice"), "another")
    assert "jane@example.org revision/tag:x/3" in held(newsroom)


def test_a_kill_reaches_readers_of_digests(newsroom: Store, clock: FakeClock) -> None:
    """mail:EM5 Whoever had it in a digest is told, paused or not."""
    contact = reader(newsroom).contact_id
    push(newsroom)
    gather(newsroom, clock, **NEXT_MORNING)
    with newsroom.begin() as tx:
        tx.connection.execute(update(schema.deliveries).values(state=DeliveryState.ACCEPTED))
        wishes.pause(tx, contact, clock.now + timedelta(days=9))
        publish.withdraw(tx, "tag:x", "wrong", kill=True)
    assert "jane@example.org revision/tag:x/2" in held(newsroom)


def test_a_push_is_recorded_the_first_time_whoever_reads_it(newsroom: Store, clock: FakeClock) -> None:
    """mail:DG6 Also where nobody does; leaving a topic and coming back is no news, nor is what is old."""
    item = push(newsroom)
    with newsroom.begin() as tx:
        publish.edit(tx, "tag:x", make_content("Moved", topics=("research",)))
    clock.advance(hours=1)
    with newsroom.begin() as tx:
        publish.edit(tx, "tag:x", make_content("Moved back"))
        publish.publish(tx, "tag:old", make_content(), published=NOW - timedelta(days=3))
        p, t = schema.pushes.c, topics.ids(tx, ["policy", "research"])
        found = {(row.item_id, row.topic_id): row.at for row in tx.connection.execute(select(schema.pushes))}
        assert tx.connection.execute(select(func.count()).where(p.item_id != item)).scalar() == 0
    assert {(item, t["policy"]): NOW, (item, t["research"]): NOW} == {
        key: moment for key, moment in found.items() if key[1] in t.values()
    }


def test_each_item_comes_once_whatever_people_and_clocks_do(store: Store, clock: FakeClock) -> None:
    """mail:DG6 mail:G6 peers:2 The short form of `python -m tests.digests`: boundaries, late commits, edits, deaths."""
    assert sum(live_through(store, clock, seed, 8).digests for seed in (11, 12)) > 5


def test_two_windows_of_one_person_are_never_planned_side_by_side(
    postgresql_url: str, clock: FakeClock
) -> None:
    """mail:DG7 An item of both would be in the one, and the other a letter about nothing: who comes second waits."""
    with open_store(postgresql_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "research")
        reader(store)
        reader(store, cadence="workdays", topic="research")
        item = push(store, topics=("policy", "research"))
        clock.advance(**NEXT_MORNING)
        with store.begin() as first:
            assert digests.plan(first, PACE.settle, PACE.spread, 1).digests == 1
            with store.begin() as second:
                assert digests.plan(second, PACE.settle, PACE.spread, 9).windows == 0
        done = gather(store, clock)
        assert (1, 0) == (done.windows, done.digests)
        assert {DAILY: [item]} == held(store)


def test_whoever_takes_an_item_back_and_whoever_plans_it_wait_for_each_other(
    postgresql_own_url: str, clock: FakeClock
) -> None:
    """mail:DG8 A kill that commits while a batch is being planned: the digest goes out without it."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        reader(store)
        push(store)
        clock.advance(**NEXT_MORNING)
        with ThreadPoolExecutor(1) as pool, store.begin() as tx:
            publish.withdraw(tx, "tag:x", "wrong", kill=True)
            planned = pool.submit(digest.digests_due, store, PACE)
            _await_waiting(store)
            tx.connection.commit()
            done = planned.result(30)
            assert (1, 0) == (done.windows, done.digests)


def _await_waiting(store: Store) -> None:
    """Until somebody waits for a lock; they must."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    while True:
        with store.read() as tx:
            if tx.connection.execute(waiting).scalar():
                return
