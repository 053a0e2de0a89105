"""Contacts, subscriptions, suppressions, partners: what is one, what ends, what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syndicator.errors import Conflict, NotFound
from syndicator.model.audience import Cadence, SubscriptionState, address
from syndicator.model.delivery import OnUnknown
from syndicator.model.item import Kind
from syndicator.model.suppression import Reason
from syndicator.store import Store, audience, partners, suppressions, topics
from tests.make import NOW, FakeClock, make_contact, make_newsroom, make_partner, make_subscription

WEEKLY, IMMEDIATE = Cadence.WEEKLY, Cadence.IMMEDIATE


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store)


def test_two_spellings_are_one_contact(store: Store) -> None:
    """mail:LM5: the same key is the same contact, who keeps the words they came with."""
    with store.begin() as tx:
        first, new = audience.add_contact(tx, address("Jane@x.example"), name="Jane", zone="Europe/Berlin")
        again, still = audience.add_contact(tx, address("jane@X.EXAMPLE"), name="Other")
        assert (first, True, False) == (again, new, still)
        assert ("Jane@x.example", "Jane", "Europe/Berlin") == (first.address.typed, first.name, first.zone)
        assert [first] == audience.contacts(tx)
        assert first == audience.contact_by_id(tx, first.id)
        with pytest.raises(NotFound, match="contact add"):
            audience.contact(tx, address("nobody@x.example"))


def test_consent_makes_it_active(store: Store, clock: FakeClock) -> None:
    """mail:LM2: without consent pending, confirmed once, and never again when it has ended."""
    with store.begin() as tx:
        wish = make_subscription(tx, consent=None)
        assert SubscriptionState.PENDING is wish.state
        assert audience.confirm(tx, wish.id, "form, wording 3")
        assert not audience.confirm(tx, wish.id, "again")
        made = audience.subscription(tx, wish.id)
        assert (SubscriptionState.ACTIVE, "form, wording 3") == (made.state, made.consent)
        assert audience.end(tx, wish.id, "left")
        assert not audience.end(tx, wish.id, "again")
        assert not audience.confirm(tx, wish.id, "late")
        ended = audience.subscription(tx, wish.id)
        assert (SubscriptionState.ENDED, "left", NOW) == (ended.state, ended.reason, ended.ended)


def test_subscribing_again_is_the_same_subscription(store: Store) -> None:
    """design:2: the same wish twice is one subscription; another cadence ends the old one and is history."""
    with store.begin() as tx:
        contact, topic = make_contact(tx), topics.named(tx, "policy").id
        first, new = audience.subscribe(tx, contact.id, topic, IMMEDIATE, "form")
        assert (new, (first, False)) == (True, audience.subscribe(tx, contact.id, topic, IMMEDIATE, "form"))
        weekly, changed = audience.subscribe(tx, contact.id, topic, WEEKLY, "preferences")
        assert (True, WEEKLY) == (changed, weekly.cadence)
        assert [("ended", "replaced"), ("active", None)] == [
            (one.state, one.reason) for one in audience.subscriptions(tx, contact.id)
        ]
        audience.end(tx, weekly.id, "left")
        assert audience.subscribe(tx, contact.id, topic, WEEKLY, "form")[1]


def test_nobody_can_silence_anybody(store: Store) -> None:
    """security:R1: a wish that was not confirmed ends no active subscription, whatever it asks for."""
    with store.begin() as tx:
        active = make_subscription(tx)
        for cadence in Cadence:
            assert active == make_subscription(tx, cadence=cadence, consent=None)
        assert [active] == audience.subscriptions(tx, active.contact_id)


def test_the_first_reason_of_a_suppression_stays(store: Store) -> None:
    """mail:LM10: an address is suppressed in every spelling, for the reason it was first."""
    with store.begin() as tx:
        make_contact(tx, "jane@x.example")
        suppressions.suppress(tx, address("JANE@x.example"), Reason.COMPLAINT)
        suppressions.suppress(tx, address("jane@x.example"), Reason.MANUAL)
        found = suppressions.of(tx, address("Jane@x.example"))
        assert found
        assert Reason.COMPLAINT is found.reason
        assert "complaint" == audience.contact(tx, address("jane@x.example")).suppressed
        assert suppressions.unsuppress(tx, address("jane@X.example"), lasting=True)
        assert not suppressions.unsuppress(tx, address("jane@x.example"), lasting=True)
        assert audience.contact(tx, address("jane@x.example")).suppressed is None


def test_a_partner_comes_back_whole(store: Store) -> None:
    """design:2: read as written, with a lane of its own; the slug is taken once; edits and pauses are kept."""
    with store.begin() as tx:
        made = make_partner(
            tx,
            topics=("policy",),
            kinds=(Kind.NEWS,),
            on_unknown=OnUnknown.HOLD,
            allow_private=("10.0.0.0/8",),
        )
        assert [made] == partners.listing(tx)
        with pytest.raises(Conflict, match="partner list"):
            make_partner(tx)
        partners.edit(tx, replace(made, url="https://new.example/"))
        partners.pause(tx, "agency", paused=True)
        assert replace(made, url="https://new.example/", paused=True) == partners.named(tx, "agency")
        assert [("partner/agency", True)] == [(lane.key, lane.paused) for lane in partners.lanes(tx)]
        with pytest.raises(NotFound):
            partners.pause(tx, "nobody", paused=True)
