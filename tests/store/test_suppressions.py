"""Suppressions: which reason stays, when one may end, what they stop, and for whom the door stays ajar."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndicator.errors import Invalid, Refused
from syndicator.model.audience import address
from syndicator.model.letters import Letter
from syndicator.model.suppression import LASTING, Reason, outranks
from syndicator.store import Store, alarms, deliveries, letters, suppressions
from tests.make import NOW, FakeClock, make_contact, make_newsroom, make_subscription

JANE = address("Jane@press.example")
YEAR = timedelta(days=366)


def _states(store: Store) -> list[tuple[str, str | None]]:
    with store.begin() as tx:
        deliveries.claim(tx, "mail", "w", 50, timedelta(minutes=1))
    with store.read() as tx:
        return [(one.state, one.detail) for one in deliveries.listing(tx)]


def test_the_stronger_reason_stays(store: Store) -> None:
    """mail:LM10 A complaint takes the place of a dead address, never the other way round; equals leave it as it is."""
    order = [Reason.DEAD, Reason.LEFT, Reason.COMPLAINT, Reason.MANUAL, Reason.ERASED, Reason.LEGAL]
    with store.begin() as tx:
        found = []
        for reason in order:
            suppressions.suppress(tx, JANE, reason)
            one = suppressions.of(tx, JANE)
            assert one is not None
            found.append(one.reason)
    assert [
        Reason.DEAD,
        Reason.DEAD,
        Reason.COMPLAINT,
        Reason.COMPLAINT,
        Reason.ERASED,
        Reason.ERASED,
    ] == found
    assert not any(outranks(reason, reason) for reason in Reason)


def test_when_one_may_end(store: Store, clock: FakeClock) -> None:
    """mail:LM10 Lasting ones never; a dead address after 180 days; by hand whenever, and then another may be made."""
    with store.begin() as tx:
        for reason in LASTING:
            with pytest.raises(Invalid, match="never ends"):
                suppressions.suppress(tx, JANE, reason, expires=NOW + YEAR)
        with pytest.raises(Invalid, match="180 days"):
            suppressions.suppress(tx, JANE, Reason.DEAD, expires=NOW + timedelta(days=179))
        with pytest.raises(Invalid, match="gone by"):
            suppressions.suppress_domain(tx, "press.example", Reason.MANUAL, expires=NOW)
        suppressions.suppress(tx, JANE, Reason.DEAD, expires=NOW + YEAR)
        assert suppressions.barred(tx, JANE)
    clock.advance(days=366)
    with store.begin() as tx:
        assert (None, None) == (suppressions.of(tx, JANE), suppressions.barred(tx, JANE))
        assert suppressions.suppress(tx, JANE, Reason.LEFT)


@pytest.mark.parametrize("reason", sorted(LASTING))
def test_lasting_ones_are_lifted_only_on_purpose(store: Store, reason: Reason) -> None:
    """mail:LM10 Address or domain: a person must say that they know."""
    with store.begin() as tx:
        suppressions.suppress(tx, JANE, reason)
        suppressions.suppress_domain(tx, "press.example", reason)
        with pytest.raises(Refused, match="--lasting"):
            suppressions.unsuppress(tx, JANE)
        with pytest.raises(Refused, match="--lasting"):
            suppressions.unsuppress_domain(tx, "press.example")
        assert 2 == len(suppressions.listing(tx))
        assert suppressions.unsuppress(tx, JANE, lasting=True)
        assert suppressions.unsuppress_domain(tx, "press.example", lasting=True)
        assert [] == suppressions.listing(tx)


def test_who_only_left_may_still_be_asked(store: Store) -> None:
    """mail:LM10 Confirmations and letters somebody asked for go to who left, and to nobody else who is suppressed."""
    make_newsroom(store)
    people = {
        Reason.LEFT: "left@x.example",
        Reason.MANUAL: "manual@x.example",
        Reason.COMPLAINT: "angry@x.example",
    }
    with store.begin() as tx:
        for reason, mail in people.items():
            contact = make_contact(tx, mail)
            bare = address(f"bare-{mail}")
            suppressions.suppress(tx, address(mail), reason)
            suppressions.suppress(tx, bare, reason)
            deliveries.plan_confirmation(tx, contact.id, make_subscription(tx, mail, consent=None).id)
            letters.plan(tx, Letter.ASK, address(mail), contact_id=contact.id)
            letters.plan(tx, Letter.PERMISSION, address(mail), contact_id=contact.id)
            letters.plan(tx, Letter.ASK, bare)
            letters.plan(tx, Letter.DENIED, bare)
    left = ["leased", "leased", "cancelled", "leased", "cancelled"]
    assert [*left, *["cancelled"] * 10] == [state for state, _ in _states(store)]


def test_a_whole_domain_is_left_alone_even_by_who_left(store: Store) -> None:
    """mail:LM10 The scope of a domain stands above the softer reason of one address in it."""
    with store.begin() as tx:
        contact = make_contact(tx, "jane@x.example")
        suppressions.suppress(tx, address("jane@x.example"), Reason.LEFT)
        suppressions.suppress_domain(tx, "x.example", Reason.LEGAL, "letter of 2 March")
        letters.plan(tx, Letter.ASK, address("jane@x.example"), contact_id=contact.id)
        letters.plan(tx, Letter.ASK, address("joe@x.example"))
    assert ["cancelled", "cancelled"] == [state for state, _ in _states(store)]


def test_bare_mailboxes_are_asked_when_planned_and_stopped_while_they_wait(store: Store) -> None:
    """mail:LM10, security:R6 Alarms, tests and letters to an address that is no contact's, before and after."""
    with store.begin() as tx:
        suppressions.suppress(tx, address("a@x.example"), Reason.MANUAL, "by hand")
        alarms.raise_(tx, "k", "s", "w")
        alarms.plan_mails(tx, ["a@x.example", "B@x.example", "ÉVA@x.example", "c@y.example"])
        suppressions.suppress(tx, address("b@x.example"), Reason.DEAD)
        suppressions.suppress(tx, address("éva@x.example"), Reason.DEAD)
    assert [
        ("cancelled", "suppressed: by hand"),
        ("cancelled", "suppressed: dead"),
        ("cancelled", "suppressed: dead"),
        ("leased", None),
    ] == _states(store)


def test_suppressions_are_listed_without_addresses(store: Store) -> None:
    """mail:LM10, security:D6 By digest; whom it is known to mean stands with their contact alone."""
    with store.begin() as tx:
        make_contact(tx, JANE.typed)
        suppressions.suppress(tx, JANE, Reason.MANUAL)
        suppressions.suppress(tx, address("erased@x.example"), Reason.ERASED)
        suppressions.suppress_domain(tx, "y.example", Reason.MANUAL)
        keys = [key for key, _ in suppressions.listing(tx)]
        assert (3, ["@y.example"]) == (len(keys), [key for key in keys if "@" in key])
        assert {suppressions.digest(tx, JANE.key): JANE.typed} == suppressions.addresses(tx, keys)
        assert keys[1:] == [key for key, _ in suppressions.listing(tx, after=keys[0], limit=9)]
