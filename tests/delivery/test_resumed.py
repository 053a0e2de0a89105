"""Trouble that is over: its alarms end, the relay is asked again, and nobody carries on unseen."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from syndicator.delivery import lanes
from syndicator.delivery.lanes import drain
from syndicator.delivery.road import Parcel
from syndicator.errors import TryLater, Unreachable
from syndicator.model.delivery import Channel, Policy, Result, Try
from syndicator.store import Store, Tx, alarms, deliveries, partners
from tests.delivery.test_incidents import DEAD, RELAY, lane, write
from tests.delivery.test_lanes import ACCEPTED, Scripted, crew, states
from tests.make import FakeClock, make_partner

AWAY = Unreachable("mail relay: no route")


def keys(store: Store) -> list[str]:
    with store.read() as tx:
        return [one.key for one in alarms.open_(tx)]


def resume(store: Store) -> None:
    with store.begin() as tx:
        assert deliveries.resume(tx, "mail")


def fail_until_it_is_an_alarm(store: Store, clock: FakeClock, policy: Policy) -> None:
    road = Scripted(opening=AWAY)
    while not keys(store):
        drain(crew(store, road, policy=policy))
        clock.now = lane(store).open


def test_a_resumed_lane_has_no_alarm_of_old_times(store: Store, clock: FakeClock) -> None:
    """mail:SE7: paused while the relay was mended, then resumed: the alarm of before is over, a new one would be new."""
    write(store, {"subject": "revision/a/1", "recipient": "r"})
    fail_until_it_is_an_alarm(store, clock, Policy())
    (before,) = keys(store)
    with store.begin() as tx:
        deliveries.pause(tx, "mail", "the relay is being mended")
    resume(store)
    assert [] == keys(store)
    fail_until_it_is_an_alarm(store, clock, Policy())
    assert [before] != keys(store)


@pytest.mark.parametrize("paused", [True, False])
def test_a_partner_who_is_paused_or_resumed_has_no_alarm(
    store: Store, clock: FakeClock, *, paused: bool
) -> None:
    """mail:SE7: an incident of an hour is an alarm; `partner pause` and `resume` end the one and the other."""
    with store.begin() as tx:
        make_partner(tx)
    key = {"channel": Channel.WEBHOOK, "lane": "partner/agency"}
    write(store, {"subject": "revision/a/1", "recipient": "partner/1", **key})
    road = Scripted(opening=AWAY)
    while not keys(store):
        drain(crew(store, road))
        clock.now = lane(store, "partner/agency").open
    with store.begin() as tx:
        partners.pause(tx, "agency", paused=paused)
    assert [] == keys(store)


def test_a_resumed_sending_is_stopped_again_later_if_it_goes_on_like_that(
    store: Store, clock: FakeClock
) -> None:
    """mail:SE16: to resume ends the alarm; it takes twice as many tries to stop the same sending again."""
    write(store, {"subject": "revision/bad/1", "recipient": "r"}, doublings=8)
    count = iter(range(1000))
    road = Scripted(say=lambda _: DEAD if next(count) % 4 == 0 else ACCEPTED, batch=10)
    working = crew(store, road, policy=Policy(stop_above=20))
    drain(working)
    (first,) = keys(store)
    assert first.startswith("stop/mail/revision/bad/1/")
    clock.advance(minutes=1)
    resume(store)
    assert [] == keys(store)
    clock.advance(minutes=1)
    before = len(road.carried)
    drain(working)
    assert before + 100 <= len(road.carried) < 256
    (second,) = keys(store)
    assert first != second
    with store.read() as tx:
        (alarm,) = alarms.open_(tx)
    assert f"of the latest {len(road.carried) - before} tries of revision/bad/1" in alarm.words


def test_a_partner_who_takes_nothing_says_nothing_of_a_sending(store: Store) -> None:
    """mail:SE16: the same words on another lane are counted there."""
    write(store, {"subject": "revision/bad/1", "recipient": "r"}, doublings=6)
    drain(crew(store, Scripted(say=lambda _: DEAD)))
    with store.read() as tx:
        assert deliveries.suspicion(tx, "mail", "revision/bad/1", 20)
        assert None is deliveries.suspicion(tx, "partner/x", "revision/bad/1", 20)


def test_a_relay_is_asked_again_when_all_that_waits_is_late(store: Store, clock: FakeClock) -> None:
    """mail:SE7, mail:SE18: nobody sends what is late unasked, and still the incident and its alarm end by themselves."""
    write(store, {"subject": "revision/a/1", "recipient": "r"})
    policy = Policy(late_after=timedelta(minutes=30))
    fail_until_it_is_an_alarm(store, clock, policy)
    clock.advance(hours=1)
    away, back = Scripted(opening=AWAY), Scripted()
    drain(crew(store, away, policy=policy))
    assert (1, 1) == (lane(store).waiting, lane(store).late)
    assert 1 == len(keys(store))
    drain(crew(store, back, policy=policy))  # it rests, so nobody asks
    assert lane(store).since
    clock.now = lane(store).open
    drain(crew(store, back, policy=policy))
    assert [] == keys(store)
    assert (None, 1) == (lane(store).since, lane(store).late)
    assert [] == back.carried


def test_a_relay_that_answers_and_takes_nothing_is_one_incident(store: Store, clock: FakeClock) -> None:
    """mail:SE7: letters that met the trouble wait for their turn: until then nobody says that the relay is well."""
    write(store, {"subject": "revision/a/1", "recipient": "r"})
    away = Scripted(say=lambda _: RELAY)
    drain(crew(store, away))
    since = lane(store).since
    assert since
    clock.now = lane(store).open
    drain(crew(store, away))
    assert since == lane(store).since


@dataclass
class Gradual:
    """A slow road that must not be used once it is closed."""

    batch: int = 50
    sent: list[int] = field(default_factory=list)
    open_: bool = True

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> list[Parcel]:
        return [Parcel(one) for one in tries]

    def open(self) -> None: ...

    def carry(self, parcels: Iterable[Parcel]) -> Iterator[tuple[Parcel, Result]]:
        for parcel in parcels:
            if self.sent:
                threading.Event().wait(0.1)  # the time a letter takes
            assert self.open_
            self.sent.append(parcel.attempt.id)
            yield parcel, ACCEPTED

    def close(self) -> None:
        self.open_ = False


def test_nothing_is_sent_that_cannot_be_written_down(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:SE14: the database is away when the first result is to be written: the carrier stops before the lane ends."""
    write(store, {"subject": "revision/a/1", "recipient": "r"}, doublings=5)
    monkeypatch.setattr(lanes, "FIRST_BATCH", 32)
    road = Gradual()
    carriers: list[threading.Thread] = []

    def away(*_: object) -> None:
        carriers.extend(one for one in threading.enumerate() if one.name == "carrier")
        raise TryLater("the database does not answer")

    monkeypatch.setattr(deliveries, "settle_all", away)
    with pytest.raises(TryLater):
        lanes.run(crew(store, road), "mail", Channel.MAIL)
    assert carriers
    assert not any(one.is_alive() for one in carriers)
    assert len(road.sent) < 32
    assert states(store).count("sending") <= len(road.sent)
