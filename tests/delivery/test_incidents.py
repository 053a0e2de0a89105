"""A relay out of reach, a stop, a sending that is turned away: one incident each, and nobody suffers twice."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from structlog.testing import capture_logs

from syndicator import publish
from syndicator.delivery import lanes
from syndicator.delivery.lanes import Crew, drain
from syndicator.errors import Unreachable
from syndicator.model.delivery import Channel, Outcome, Policy, Priority, Result, Try
from syndicator.model.outcomes import Cause
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import Store, Tx, alarms, deliveries, open_store, partners, schema
from syndicator.wire.relay import Timeouts
from tests.delivery.test_lanes import ACCEPTED, Scripted, crew, owe, states
from tests.make import NOW, FakeClock, make_content

RELAY = Result(outcome=Outcome.DEFERRED, detail="connection lost", cause=Cause.RELAY)
DEAD = Result(outcome=Outcome.REFUSED, detail="5.1.1 nobody", code=550, cause=Cause.DEAD_ADDRESS)


def write(store: Store, *rows: dict[str, Any], doublings: int = 0) -> None:
    """Duties on the mail lane, straight into the ledger; the last of them doubled so many times."""
    usual = {
        "recipient": "", "channel": Channel.MAIL, "lane": "mail", "priority": Priority.IMMEDIATE, "state": "due",
        "due": NOW, "lease_no": 0, "attempts": 0, "doubts": 0, "created": NOW, "domain": "",
    }  # fmt: skip
    with store.begin() as tx:
        partners.ensure_lane(tx, "mail", Channel.MAIL)
        given = [{**usual, **row} for row in rows]
        tx.connection.execute(insert(schema.deliveries), given)
        names = ", ".join([*usual, "subject"])
        values = ", ".join(["recipient || '/' || :step", *list(usual)[1:], "subject"])
        which = "subject = :subject"
        double = text(f"INSERT INTO deliveries ({names}) SELECT {values} FROM deliveries WHERE {which}")
        for step in range(doublings):
            tx.connection.execute(double, {"step": step, "subject": given[-1]["subject"]})


def queue(subject: str, priority: Priority) -> dict[str, Any]:
    return {"subject": subject, "recipient": subject, "priority": priority}


MIXED = (
    queue("newsletter/1", Priority.NEWSLETTER),
    queue("digest/1", Priority.DIGEST),
    queue("confirmation/1", Priority.CONFIRMATION),
    queue("revision/corrected/2", Priority.CORRECTION),
    queue("revision/killed/2", Priority.KILL),
    {"subject": "revision/news/1", "recipient": "r"},
)


def lane(store: Store, key: str = "mail") -> deliveries.Lane:
    with store.read() as tx:
        return next(one for one in deliveries.lanes(tx) if one.key == key)


def test_a_day_without_the_relay_is_one_incident(sqlite_url: str, clock: FakeClock) -> None:
    """mail:SE7, mail:SE18: 8,192 and five wait a day; no try counts, one alarm, told hourly; then the kill goes first."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        _a_day(store, clock)


def _a_day(store: Store, clock: FakeClock) -> None:
    write(store, *MIXED, doublings=13)
    road = Scripted(opening=Unreachable("mail relay: no route"))
    policy = Policy(late_after=timedelta(hours=12))
    told = []
    while clock.now < NOW + timedelta(days=1):
        with capture_logs() as lines:
            drain(crew(store, road, width=2, policy=policy))
        told += [line for line in lines if line["event"] == "lane in trouble"]
        clock.advance(minutes=40)
    assert (NOW, "mail relay: no route", 8192 + 5, 8192 + 2) == (
        lane(store).since, lane(store).fault, lane(store).waiting, lane(store).late,
    )  # fmt: skip
    assert 23 <= len(told) <= 25
    with store.read() as tx:
        assert [("lane/mail/2026-03-02T09:00:00+00:00", None)] == [
            (one.key, one.ended) for one in alarms.open_(tx)
        ]
        tried = tx.connection.execute(text("SELECT sum(attempts), count(*) FROM deliveries")).one()
        assert (0, 8197) == tuple(tried)
        assert [] == tx.connection.execute(text("SELECT id FROM attempts")).all()
    clock.advance(minutes=5)
    well = Scripted()
    drain(crew(store, well, policy=policy))
    assert ["revision/killed/2", "confirmation/1", "revision/corrected/2"] == well.carried
    assert (None, None, 8194, 8194) == (
        lane(store).since, lane(store).fault, lane(store).waiting, lane(store).late,
    )  # fmt: skip
    with store.begin() as tx:
        assert [] == alarms.open_(tx)
        assert 8194 == deliveries.retry_late(tx)
    well.say = lambda _: stop_after(working, well, 8)
    working = crew(store, well, policy=policy)
    drain(working)
    assert {"r"} == {one.partition("/")[0] for one in well.carried[3:7]}  # news before digest and newsletter


def stop_after(working: Crew, road: Scripted, letters: int) -> Result:
    if len(road.carried) >= letters:
        working.stop.set()
    return ACCEPTED


def test_a_relay_that_breaks_midway_costs_nobody_a_try(store: Store, clock: FakeClock) -> None:
    """mail:SE7: what meets the relay's own trouble is on record, is not counted, and stands behind the others."""
    mails = owe(store, 3)
    road = Scripted(say=lambda _: RELAY, batch=1)
    drain(crew(store, road))
    clock.now = lane(store).open
    drain(crew(store, road))
    assert mails[:2] == road.carried  # another one each time: none can hold up the rest
    with store.read() as tx:
        found = deliveries.listing(tx)
        assert [0, 0, 0] == [one.attempts for one in found]
        assert [Cause.RELAY] == [one.cause for one in deliveries.attempts(tx, found[0].id)]
    clock.advance(minutes=1)
    well = Scripted()
    assert 3 == drain(crew(store, well))
    with store.read() as tx:
        assert {1} == {one.attempts for one in deliveries.listing(tx)}


def test_one_letter_that_breaks_connections_counts(store: Store) -> None:
    """mail:SE7: where others are accepted beside it, a lost connection is that letter's own failure."""
    mails = owe(store, 3)
    road = Scripted(say=lambda one: RELAY if one.address == mails[2] else ACCEPTED)
    drain(crew(store, road))
    with store.read() as tx:
        found = deliveries.listing(tx)[2]
    assert ("due", 1) == (found.state, found.attempts)
    assert lane(store).since is None


def test_many_connections_that_fail_are_one_failure(store: Store, clock: FakeClock) -> None:
    """mail:SE7: four connections that fail at once double the pause once."""
    owe(store, 30)
    drain(crew(store, Scripted(opening=Unreachable("gone")), width=4))
    assert NOW + timedelta(seconds=2) == lane(store).open
    with store.read() as tx:
        assert [1] == [one.failures for one in partners.lanes(tx)]
        assert [] == alarms.open_(tx)


# -- stop


@pytest.fixture
def _always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LOOK", -1.0)  # at every letter, so that no test waits half a second


@pytest.mark.usefixtures("_always_looking")
def test_a_pause_stops_the_letters_in_hand(store: Store) -> None:
    """mail:SE17: paused after the second of twenty letters no third one starts; all others are due as they were."""
    mails, road = owe(store, 20), Scripted(batch=50)
    working = crew(store, road)

    def pause(attempt: Try) -> Result:
        if attempt.address == mails[5]:
            with store.begin() as tx:
                deliveries.pause(tx, "mail", "by hand")
        return ACCEPTED

    road.say = pause
    drain(working)
    assert mails[:6] == road.carried
    assert ["accepted"] * 6 + ["due"] * 14 == states(store)
    with store.begin() as tx:
        assert {0} == {one.attempts for one in deliveries.listing(tx, state="due")}
        assert deliveries.resume(tx, "mail")
    drain(working)
    assert mails == road.carried


@pytest.mark.usefixtures("_always_looking")
def test_a_stopped_letter_is_cancelled_unsent(store: Store) -> None:
    """mail:SE17, EM5: what a kill stops while it is marked *sending* is not sent, and they count as not having it."""
    mails, road = owe(store, 6), Scripted(batch=50)

    def stop(attempt: Try) -> Result:
        if attempt.address == mails[4]:  # the first four come alone, the others in the second claim
            with store.begin() as tx:
                late = schema.deliveries.c.state == "sending"
                tx.connection.execute(
                    update(schema.deliveries).where(late).values(stop="the item was killed")
                )
        return ACCEPTED

    road.say = stop
    drain(crew(store, road))
    assert mails[:5] == road.carried
    with store.read() as tx:
        found = deliveries.listing(tx)
        assert ["accepted"] * 5 + ["cancelled"] == [one.state for one in found]
        assert ("the item was killed", 0) == (found[5].detail, found[5].attempts)
        assert [] == deliveries.contents(tx, found[5].id)


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (Result(outcome=Outcome.DEFERRED, code=450), "cancelled"),
        (Result(outcome=Outcome.UNKNOWN), "unknown"),
        (ACCEPTED, "accepted"),
    ],
)
def test_what_was_stopped_is_not_tried_again(store: Store, result: Result, state: str) -> None:
    """mail:SE17: a deferral of what was stopped is its end, a doubt stays one and is not repeated."""
    owe(store, 1)

    def stop(_: Try) -> Result:
        with store.begin() as tx:
            tx.connection.execute(update(schema.deliveries).values(stop="killed"))
        return result

    drain(crew(store, Scripted(say=stop)))
    with store.read() as tx:
        (found,) = deliveries.listing(tx)
    assert (state, None) == (found.state, found.due)


def test_a_dead_worker_leaves_what_was_stopped(store: Store, clock: FakeClock) -> None:
    """mail:SE12: a stop also holds for what a dead worker had in hand."""
    owe(store, 2)
    with store.begin() as tx:
        first, _ = deliveries.claim(tx, "mail", "dead", 2, timedelta(minutes=1))
        deliveries.start(tx, [first], timedelta(minutes=1))
        tx.connection.execute(update(schema.deliveries).values(stop="killed"))
    clock.advance(minutes=1)
    road = Scripted()
    drain(crew(store, road))
    assert [] == road.carried
    assert ["unknown", "cancelled"] == states(store)


# -- late


def test_what_is_late_asks_and_what_was_tried_in_time_does_not(store: Store, clock: FakeClock) -> None:
    """mail:SE8, settings late_after: lateness of ours asks; a greylist of theirs goes on being tried."""
    owe(store, 2)
    grey = Result(outcome=Outcome.DEFERRED, code=450, cause=Cause.GREYLISTED)
    with store.begin() as tx:
        one = deliveries.start(
            tx, deliveries.claim(tx, "mail", "w", 1, timedelta(hours=1)), timedelta(hours=1)
        )
        deliveries.settle_all(tx, [(one[0], grey)], Policy())
    clock.advance(hours=13)
    road = Scripted()
    drain(crew(store, road, policy=Policy(late_after=timedelta(hours=12))))
    assert ["r0@x.example"] == road.carried
    assert (1, 1) == (lane(store).waiting, lane(store).late)
    with store.read() as tx:
        assert "late by more than 12h" in (deliveries.listing(tx)[1].detail or "")
        assert deliveries.next_due(tx) is None


# -- a sending that is turned away


def test_a_sending_that_is_turned_away_pauses_itself(store: Store) -> None:
    """mail:SE16: 20 % dead addresses among the first fifty: the lane is paused, with words; resumed, it goes on."""
    write(store, {"subject": "revision/bad/1", "recipient": "r"}, doublings=7)
    count = iter(range(1000))
    road = Scripted(say=lambda _: DEAD if next(count) % 4 == 0 else ACCEPTED, batch=10)
    working = crew(store, road, policy=Policy(stop_above=20))
    drain(working)
    assert 50 <= len(road.carried) <= 60
    assert lane(store).paused
    with store.begin() as tx:
        (alarm,) = alarms.open_(tx)
        assert "of revision/bad/1 were turned away" in alarm.words
        assert "delivery resume mail" in alarm.words
        assert alarm.words == lane(store).fault
        deliveries.resume(tx, "mail")
    drain(working)
    assert 128 == len(road.carried)  # a person has decided: it does not stop again


@pytest.mark.parametrize(
    ("stop_above", "bad", "result"),
    [
        (20, 40, DEAD),  # too few tried
        (20, 10, DEAD),
        (0, 2, DEAD),
        (20, 2, Result(outcome=Outcome.REFUSED, code=552, cause=Cause.TOO_BIG)),
        (20, 2, Result(outcome=Outcome.DEFERRED, code=452, cause=Cause.FULL)),
    ],
)
def test_what_does_not_stop_a_sending(store: Store, stop_above: int, bad: int, result: Result) -> None:
    """mail:SE16: few bad addresses, the letter's own faults and full mailboxes stop nothing; 0 is never."""
    write(store, {"subject": "revision/good/1", "recipient": "r"}, doublings=6)
    count = iter(range(1000))
    road = Scripted(say=lambda _: result if next(count) % bad == 1 else ACCEPTED)
    drain(crew(store, road, policy=Policy(stop_above=stop_above)))
    assert 64 == len(road.carried)
    assert not lane(store).paused


# -- who goes first


def test_a_confirmation_passes_a_crowd_of_newsletters(store: Store) -> None:
    """mail:SE18: behind 16,384 newsletters a confirmation that comes later is the next thing a lane takes."""
    write(store, queue("newsletter/1", Priority.NEWSLETTER), doublings=14)
    road = Scripted(batch=20)
    working = crew(store, road)

    def confirm(_: Try) -> Result:
        if len(road.carried) == 3:
            write(store, queue("confirmation/1", Priority.CONFIRMATION))
        return stop_after(working, road, 30)

    road.say = confirm
    drain(working)
    assert road.carried.index("confirmation/1") <= 4  # with the next claim, which is small at first


def test_a_publication_is_planned_once(store: Store) -> None:
    """mail:SE13: the duty and the publication are one transaction; without the one there is not the other."""
    owe(store, 2)
    with pytest.raises(RuntimeError), store.begin() as tx:
        _correct_and_fail(tx)
    assert 2 == len(states(store))


def _correct_and_fail(tx: Tx) -> None:
    publish.correct(tx, "tag:x,1", make_content("Two"), "why")
    raise RuntimeError


def test_results_are_written_while_the_next_answer_is_awaited(store: Store) -> None:
    """mail:SE14: a result waits at most a tenth of a second for company, not for the next letter."""
    mails, road = owe(store, 2), Scripted()
    first = threading.Event()

    def hang(attempt: Try) -> Result:
        if attempt.address == mails[1]:
            patience = time.monotonic() + 30
            while not first.is_set() and time.monotonic() < patience:
                if states(store)[0] == "accepted":
                    first.set()
        return ACCEPTED

    road.say = hang
    drain(crew(store, road))
    assert first.is_set()


def test_who_waits_for_an_answer_keeps_the_lease(store: Store, clock: FakeClock) -> None:
    """mail:SE5: a relay may think about the final dot for ten minutes: what is alive becomes no doubt meanwhile."""
    owe(store, 1)
    lease = timedelta(seconds=1)
    kept = threading.Event()

    def think(_: Try) -> Result:
        clock.advance(milliseconds=900)
        patience = time.monotonic() + 30
        while not kept.is_set() and time.monotonic() < patience:
            with store.read() as tx:
                until = tx.connection.execute(select(schema.deliveries.c.lease_until)).scalar_one()
            if until == clock.now + lease:
                kept.set()
        return ACCEPTED

    drain(crew(store, Scripted(say=think), policy=Policy(lease=lease)))
    assert kept.is_set()
    assert ["accepted"] == states(store)


def test_the_patience_of_the_standard() -> None:
    """mail:SE5: greeting, MAIL and RCPT five minutes, DATA two, a block three, the final dot ten, as RFC 5321 asks."""
    usual = Timeouts()
    assert (300, 300, 120, 180, 600, 30) == (
        usual.greeting, usual.command, usual.data, usual.block, usual.dot, usual.connect,
    )  # fmt: skip
    environ = {
        "SYNDICATOR_MAIL__TRANSPORT": "smtp",
        "SYNDICATOR_MAIL__HOST": "relay.example",
        "SYNDICATOR_CONFIG": "",
    }
    relay = Runtime(load(None, environ)).relay
    assert (usual, 100, 300) == (relay.timeouts, relay.letters, relay.age)
