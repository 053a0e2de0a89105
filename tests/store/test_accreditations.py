"""Accreditations: one that counts at most, with a history, until an instant or until it is taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from syndicator.errors import Invalid, Refused
from syndicator.model.suppression import Reason
from syndicator.store import Store, accreditations, schema, suppressions
from tests.make import NOW, FakeClock, make_contact

TOMORROW = NOW + timedelta(days=1)
TICK = timedelta(microseconds=1)


def test_one_counts_and_former_ones_are_history(store: Store) -> None:
    """mail:LM20: who approved, when, until when and to what; a new one ends the former."""
    with store.begin() as tx:
        jane = make_contact(tx).id
        first = accreditations.accredit(tx, jane, "editor", "terms of 2025, by letter")
        second = accreditations.accredit(tx, jane, "chief", "terms of 2026, by mail", TOMORROW)
        assert second == accreditations.live(tx, jane)
        assert ("chief", NOW, TOMORROW, "terms of 2026, by mail") == (
            second.granted_by, second.granted, second.until, second.agreement,
        )  # fmt: skip
        was, now = accreditations.history(tx, jane)
        assert (first.id, NOW, "renewed") == (was.id, was.ended, was.reason)
        assert second == now


def test_it_ends_at_its_instant_or_when_it_is_taken_back(store: Store, clock: FakeClock) -> None:
    """mail:EM1: not unexpired and not revoked is what counts, in the model and as SQL alike."""
    with store.begin() as tx:
        jane, joe = make_contact(tx).id, make_contact(tx, "joe@example.org").id
        accreditations.accredit(tx, jane, "editor", "yes", TOMORROW)
        accreditations.accredit(tx, joe, "editor", "yes")
    for now, expected in ((TOMORROW - TICK, {jane, joe}), (TOMORROW, {joe})):
        clock.now = now
        with store.begin() as tx:
            holding = select(schema.accreditations.c.contact_id).where(accreditations.holding(tx.now))
            assert expected == set(tx.connection.execute(holding).scalars())
            assert expected == {one for one in (jane, joe) if accreditations.live(tx, one)}
            assert expected == {
                one for one in (jane, joe) if accreditations.history(tx, one)[-1].holds(tx.now)
            }
    with store.begin() as tx:
        accreditations.end(tx, joe, "leaked")
        assert accreditations.live(tx, joe) is None
        assert "leaked" == accreditations.history(tx, joe)[0].reason
        with pytest.raises(Refused, match="nothing to end"):
            accreditations.end(tx, joe, "again")


def test_a_suppressed_address_is_not_accredited(store: Store) -> None:
    """mail:LM20: it loses effect while the address is suppressed; the record of it stays."""
    with store.begin() as tx:
        jane = make_contact(tx)
        made = accreditations.accredit(tx, jane.id, "editor", "yes")
        suppressions.suppress(tx, jane.address, Reason.DEAD)
        assert accreditations.live(tx, jane.id) is None
        suppressions.unsuppress(tx, jane.address)
        assert made == accreditations.live(tx, jane.id)


def test_it_needs_an_agreement_and_an_instant_to_come(store: Store) -> None:
    """mail:EM1: nobody is accredited without having agreed, or until a moment that has gone by."""
    with store.begin() as tx:
        jane = make_contact(tx).id
        with pytest.raises(Invalid, match="--agreement"):
            accreditations.accredit(tx, jane, "editor", "")
        with pytest.raises(Invalid, match="gone by"):
            accreditations.accredit(tx, jane, "editor", "yes", NOW)
        assert [] == accreditations.history(tx, jane)
