"""Telling people that they were taken in by another basis than their yes: one letter each, once ever (Art. 14 GDPR)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select

from syndicator.model.audience import Standing
from syndicator.model.delivery import Channel, Priority
from syndicator.model.letters import Letter, letter_subject
from syndicator.model.roster import Verdict
from syndicator.store import partners, schema
from syndicator.store.asking import duty
from syndicator.store.deliveries.duties import MAIL_LANE
from syndicator.store.engine import Tx, among
from syndicator.store.many import Many

c, le = schema.contacts.c, schema.letters.c
PIECE = 400  # keys named in one statement
_DELIVERIES, _LETTERS = Many(schema.deliveries), Many(schema.letters)


def tell(tx: Tx, people: Sequence[Verdict], *, source: str, basis: str) -> int:
    """Owe each of these, whom an import has just taken, the letter about it, unless they had one; how many do now.

    Without a `source` in words for them, they are told of a list, and when it was taken over.
    """
    theirs = _locked(tx, {one.person.address.key: one for one in people})
    had = told(tx, theirs)
    whose = {contact_id: one for contact_id, one in theirs.items() if contact_id not in had}
    if not whose:
        return 0
    partners.ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    when = {} if source else {"taken": tx.now.isoformat()}
    rows = [
        {
            "sort": Letter.SOURCE,
            "contact_id": contact_id,
            "facts": {
                "source": source,
                "basis": basis,
                "topics": [begin.topic for begin in one.begins],
                **when,
                **(
                    {"listed": True} if one.known.standing is Standing.LISTED and one.known.contact_id else {}
                ),
            },
            "created": tx.now,
        }
        for contact_id, one in whose.items()
    ]
    _LETTERS.write(tx, rows)
    owed = [
        duty(tx, letter_subject(key), contact_id, whose[contact_id].person.address, Priority.IMMEDIATE)
        for contact_id, key in told(tx, whose).items()
    ]
    _DELIVERIES.write(tx, owed)
    return len(owed)


def told(tx: Tx, contact_ids: Collection[int]) -> dict[int, int]:
    """The key of the letter that told them where their address is from, of those of these contacts who were told."""
    query = select(le.contact_id, le.id).where(among(le.contact_id, "whose"), le.sort == Letter.SOURCE)
    rows = tx.connection.execute(query, {"whose": sorted(contact_ids)})
    return {row.contact_id: row.id for row in rows}


def _locked(tx: Tx, people: Mapping[str, Verdict]) -> dict[int, Verdict]:
    """By the key of the contact; locked, so that of two imports at once the later counts none of the other's letters."""
    found: dict[int, Verdict] = {}
    keys = sorted(people)
    for start in range(0, len(keys), PIECE):
        query = select(c.id, c.key).where(c.key.in_(keys[start : start + PIECE])).order_by(c.key)
        found |= {row.id: people[row.key] for row in tx.connection.execute(query.with_for_update())}
    return found
