"""A release for some only: its audience names segments, the plan says who is left out, and nobody else is mailed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from syndicator.errors import NotFound
from syndicator.model.plan import What
from syndicator.model.release import Embargo
from syndicator.model.segment import Rule
from syndicator.press import drafts, lifting, moves
from syndicator.press.plan import plan
from syndicator.store import Store, Tx, accreditations, audience, deliveries, schema, segments, tags
from tests.make import make_content, make_newsroom, make_site, make_subscription

UID = "tag:news.example,2026:desks"


def people(tx: Tx) -> None:
    """One in the segment, one out of it, one in it who rests."""
    for name, tag in (("in", "desk"), ("out", "other"), ("rest", "desk")):
        theirs = make_subscription(tx, f"{name}@example.org")
        tags.put(tx, theirs.contact_id, [tag])
        if name == "rest":
            later = {"paused_until": tx.now + timedelta(days=3)}
            tx.connection.execute(
                update(schema.contacts).where(schema.contacts.c.id == theirs.contact_id).values(**later)
            )
    segments.add(tx, "desks", "Desks", Rule(any=("desk",)))


def test_the_plan_names_who_is_outside_and_so_it_is_done(store: Store) -> None:
    """Whoever is not in a segment of the audience is told of as left out, and gets no letter (peers:250, peers:10)."""
    make_newsroom(store)
    with store.begin() as tx:
        people(tx)
        drafts.draft(tx, UID, make_content(audience=("desks",)), None, by="Ann")
        made = plan(tx, UID, make_site())
    left: dict[str, Any] = {one.who: one.why for one in made.left_out if one.what is What.MAILS}
    assert ["in@example.org"] == made.recipients(What.MAILS)
    assert {
        "out@example.org": "not in the audience that the release names",
        "rest@example.org": "paused until 2026-03-05",
    } == left
    with store.begin() as tx:
        drafts.approve(tx, UID, "Ann")
        lifting.publish_now(tx, UID, "Ann")
        sent = [one.recipient for one in deliveries.listing(tx)]
    assert ["in@example.org"] == sent


def test_a_draft_for_a_segment_there_is_not_is_refused(store: Store) -> None:
    """At draft, with the name that may be meant: at the lift nobody would be there to mend it."""
    make_newsroom(store)
    with store.begin() as tx:
        segments.add(tx, "science-desks", "", Rule(any=("desk",)))
        with pytest.raises(NotFound, match='no segment "science-desk"; did you mean "science-desks"'):
            drafts.draft(tx, UID, make_content(audience=("science-desk",)), None)
        assert [] == audience.contacts(tx)


def test_an_advance_copy_is_for_the_audience_too(store: Store) -> None:
    """Accredited, subscribed, but outside the segments or at rest: no copy is planned, and the plan says why."""
    make_newsroom(store)
    with store.begin() as tx:
        people(tx)
        for contact in audience.contacts(tx):
            accreditations.accredit(tx, contact.id, "Ann", "terms of 2026")
        embargo = Embargo(until=tx.now + timedelta(days=2))
        drafts.draft(tx, UID, make_content(audience=("desks",)), embargo, by="Ann")
        drafts.approve(tx, UID, "Ann")
        moves.schedule(tx, UID, None, "Ann")
        made = plan(tx, UID, make_site())
        copies = [one.recipient for one in deliveries.listing(tx, subject="advance/")]
    left = {one.who: one.why for one in made.left_out if one.what is What.ADVANCE}
    assert (["in@example.org"], ["in@example.org"]) == (copies, made.recipients(What.ADVANCE))
    assert {
        "out@example.org": "not in the audience that the release names",
        "rest@example.org": "paused until 2026-03-05",
    } == left
