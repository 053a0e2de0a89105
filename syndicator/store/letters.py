"""Letters about somebody's own affairs, as they are owed: the row that says what one is about.

The words are `render.mail`'s, the links are made as a letter is written: no row holds a token. Serves sign-up,
leaving, changes of address, accreditation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select

from syndicator.model.audience import Address
from syndicator.model.delivery import Channel, Priority
from syndicator.model.letters import OWN_AFFAIRS, Letter, letter_subject
from syndicator.store import schema, suppressions
from syndicator.store.deliveries.duties import MAIL_LANE, fresh
from syndicator.store.engine import Tx
from syndicator.store.partners import ensure_lane

le, co = schema.letters.c, schema.contacts.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """What a letter says: its sort, whose it is (None: nobody on the list), the row its link is about, its facts.

    The generations are the contact's as they are now: links made with former ones are void.
    """

    id: int
    sort: Letter
    contact_id: int | None
    about: int | None
    facts: Mapping[str, Any]
    created: datetime
    generation: int = 0
    press_generation: int = 0


def plan(
    tx: Tx,
    sort: Letter,
    to: Address,
    *,
    contact_id: int | None = None,
    about: int | None = None,
    facts: Mapping[str, Any] | None = None,
    due: datetime | None = None,
) -> int:
    """Owe this letter to an address, from `due` on (now); returns the letter's key.

    With `contact_id` it is one of the contact's deliveries: it shows in their history, and a suppression of theirs
    stops it. Without, it goes to the bare address.
    """
    values = {"sort": sort, "contact_id": contact_id, "about": about, "facts": dict(facts or {})}
    row = insert(schema.letters).values(**values, created=tx.now).returning(le.id)
    letter_id = int(tx.connection.execute(row).scalar_one())
    ensure_lane(tx, MAIL_LANE, Channel.MAIL)
    delivery = {
        "subject": letter_subject(letter_id),
        "recipient": f"contact/{contact_id}" if contact_id else f"mailbox/{to.typed}",
        "contact_id": contact_id,
        "mailbox": None if contact_id else to.typed,
        "domain": to.key.rpartition("@")[2],
        "channel": Channel.MAIL,
        "lane": MAIL_LANE,
        "priority": Priority.CONFIRMATION if sort in OWN_AFFAIRS else Priority.IMMEDIATE,
        **fresh(tx.now),
        "due": due or tx.now,
        # Of a contact it is asked as the letter is claimed.
        "stop": None if contact_id else suppressions.barred(tx, to, own_affair=sort in OWN_AFFAIRS),
    }
    tx.connection.execute(insert(schema.deliveries).values(**delivery))
    return letter_id


def file_unsent(tx: Tx, sort: Letter) -> None:
    """Write down that a letter was asked for which nobody is owed: so that both answers cost a write.

    The row is about nobody, and is forgotten with old letters.
    """
    tx.connection.execute(insert(schema.letters).values(sort=sort, facts={}, created=tx.now))


def lately(tx: Tx, sort: Letter, contact_id: int, span: timedelta) -> int:
    """How many letters of this sort a contact was owed within this time."""
    query = select(func.count()).where(
        le.sort == sort, le.contact_id == contact_id, le.created > tx.now - span
    )
    return int(tx.connection.execute(query).scalar_one())


def said_lately(tx: Tx, sort: Letter, contact_id: int, span: timedelta) -> list[Mapping[str, Any]]:
    """The facts of each letter of this sort that a contact was owed within this time."""
    query = select(le.facts).where(le.sort == sort, le.contact_id == contact_id, le.created > tx.now - span)
    return list(tx.connection.execute(query).scalars())


def by_id(tx: Tx, letter_id: int) -> Owed | None:
    """One letter, or None if it was forgotten with its person."""
    whose = schema.letters.outerjoin(schema.contacts, co.id == le.contact_id)
    query = select(schema.letters, co.generation, co.press_generation).select_from(whose)
    row = tx.connection.execute(query.where(le.id == letter_id)).first()
    if row is None:
        return None
    return Owed(
        id=row.id,
        sort=Letter(row.sort),
        contact_id=row.contact_id,
        about=row.about,
        facts=row.facts,
        created=row.created,
        generation=row.generation or 0,
        press_generation=row.press_generation or 0,
    )
