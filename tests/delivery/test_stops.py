"""What a lane has in hand when its recipient must not have it any more: it is cancelled, wherever that is still possible."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndicator import press, publish
from syndicator.delivery.lanes import drain
from syndicator.model.audience import address
from syndicator.model.delivery import Outcome, Policy, Result, Try
from syndicator.model.suppression import Reason
from syndicator.press.sample import sample
from syndicator.store import Store, accreditations, deliveries, suppressions
from tests.advances import UID, accredited, scheduled
from tests.delivery.test_lanes import Scripted, crew
from tests.make import make_content, make_newsroom, make_subscription

HOUR = timedelta(hours=1)
MAIL = "jane@x.example"


def advances(store: Store) -> int:
    """An advance copy is owed to somebody; the contact's key."""
    make_newsroom(store)
    with store.begin() as tx:
        contact = accredited(tx, MAIL)
    scheduled(store)
    return contact


def claimed(store: Store) -> list[Try]:
    with store.begin() as tx:
        tries = deliveries.claim(tx, "mail", "w", 99, HOUR)
    assert tries
    return tries


def only(store: Store) -> tuple[str, str | None]:
    with store.read() as tx:
        (one,) = deliveries.listing(tx)
    return one.state, one.detail


def test_an_accreditation_that_ends_stops_what_is_claimed(store: Store) -> None:
    """mail:EM1: claimed before, and not started after: it is cancelled in words."""
    contact, tries = advances(store), claimed(store)
    with store.begin() as tx:
        accreditations.end(tx, contact, "it leaked")
    with store.begin() as tx:
        assert [] == deliveries.start(tx, tries, HOUR)
    assert ("cancelled", "the recipient is not accredited any more") == only(store)


def test_an_accreditation_that_ends_stops_what_is_marked_sending(store: Store) -> None:
    """mail:EM1, mail:SE17: marked *sending*, the lane is told; put off by the relay, it is not tried again."""
    contact, tries = advances(store), claimed(store)
    with store.begin() as tx:
        deliveries.start(tx, tries, HOUR)
    with store.begin() as tx:
        accreditations.end(tx, contact, "it leaked")
        assert frozenset({tries[0].id}) == deliveries.stopped(tx, "mail", [tries[0].id])
        deliveries.settle_all(tx, [(tries[0], Result(outcome=Outcome.DEFERRED, code=450))], Policy())
    assert "cancelled" == only(store)[0]


@pytest.mark.parametrize("kind", ["item", "sample"])
def test_a_suppression_stops_what_is_claimed(store: Store, kind: str) -> None:
    """mail:LM2: whatever it is, and whoever named the address; others of the same claim go out."""
    make_newsroom(store)
    with store.begin() as tx:
        if kind == "item":
            make_subscription(tx, MAIL)
            make_subscription(tx, "other@x.example")
            publish.publish(tx, UID, make_content())
        else:
            press.draft(tx, UID, make_content(), None, by="w")
            sample(tx, UID, [MAIL, "other@x.example"])
    tries = claimed(store)
    with store.begin() as tx:
        suppressions.suppress(tx, address(MAIL.upper()), Reason.COMPLAINT)
    with store.begin() as tx:
        started = deliveries.start(tx, tries, HOUR)
        assert ["other@x.example"] == [one.address for one in started]
        states = {one.recipient: (one.state, one.detail) for one in deliveries.listing(tx)}
    assert ("cancelled", "suppressed: complaint") in states.values()


def test_a_lane_goes_past_what_was_stopped(store: Store) -> None:
    """mail:EM1: stopped between claim and start, a letter is not carried, and the lane ends its turn in order."""
    contact = advances(store)
    road = Scripted()
    prepare = road.prepare

    def ended(tx: object, tries: object) -> list[object]:
        with store.begin() as other:
            accreditations.end(other, contact, "it leaked")
        return prepare(tx, tries)  # type: ignore[arg-type, return-value]

    road.prepare = ended  # type: ignore[method-assign, assignment]
    assert 0 == drain(crew(store, road))
    assert ([], "cancelled") == (road.carried, only(store)[0])
