"""Alarms as rows: once per occasion, open until ended, told through the ledger."""

from datetime import timedelta

import pytest

from syndicator.errors import NotFound
from syndicator.model.delivery import Priority
from syndicator.store import Store, alarms, deliveries
from tests.make import FakeClock

DESK = ("desk@example.org", "night@example.org")


def test_one_occasion_is_one_alarm(store: Store, clock: FakeClock) -> None:
    """However many see it and however often, a key is one alarm, also after it has ended."""
    with store.begin() as tx:
        assert [True, False] == [alarms.raise_(tx, "lane/mail/1", "Mail waits", "Look.") for _ in range(2)]
    clock.advance(minutes=1)
    with store.begin() as tx:
        assert alarms.raise_(tx, "lane/mail/10", "Another", "")
        (first, second) = alarms.open_(tx)
        assert ("lane/mail/1", "Mail waits", "Look.") == (first.key, first.subject, first.words)
        assert 1 == alarms.end(tx, "lane/mail/10")
        assert 0 == alarms.end(tx, "lane/mail/10")
        assert [first] == alarms.open_(tx)
        assert not alarms.raise_(tx, second.key, "Another", "")
        assert [first] == alarms.open_(tx)
        assert clock.now == alarms.by_id(tx, second.id).ended


def test_a_prefix_is_taken_as_it_is_written(store: Store) -> None:
    """Characters that SQL patterns know mean nothing in a prefix."""
    with store.begin() as tx:
        for key in ("a_b/1", "axb/1", "a%/1"):
            alarms.raise_(tx, key, "", "")
        assert 1 == alarms.end(tx, "a_b/")
        assert 1 == alarms.end(tx, "a%")
        assert ["axb/1"] == [one.key for one in alarms.open_(tx)]


def test_each_open_alarm_is_mailed_once_to_each_address(store: Store) -> None:
    """The desk gets one letter per alarm and address, before any release; an ended one gets none."""
    with store.begin() as tx:
        for key in ("one", "two", "over"):
            alarms.raise_(tx, key, "", "")
        alarms.end(tx, "over")
        assert alarms.unmailed(tx)
        assert 4 == alarms.plan_mails(tx, DESK)
        assert not alarms.unmailed(tx)
        assert 0 == alarms.plan_mails(tx, DESK)
        one, two = alarms.open_(tx)
        tries = deliveries.claim(tx, deliveries.MAIL_LANE, "w", 10, timedelta(minutes=10))
    expected = [(f"alarm/{one.id}", mail) for mail in DESK] + [(f"alarm/{two.id}", mail) for mail in DESK]
    assert sorted(expected) == sorted(
        (each.subject, each.recipient.removeprefix("mailbox/")) for each in tries
    )
    assert {Priority.CONFIRMATION} == {each.priority for each in tries}


def test_an_unknown_alarm_is_not_found(store: Store) -> None:
    """There is no alarm by a number nobody gave."""
    with store.read() as tx, pytest.raises(NotFound):
        alarms.by_id(tx, 1)
