"""Accreditations: who may see what is under embargo, who said so, until when, and to what they agreed (EM1, LM20).

A contact has one that counts at most; former ones are kept as history. Whether one counts is asked at
the last moment, by `holding`, and never remembered in a delivery.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update

from syndicator.errors import Invalid, Refused
from syndicator.model.audience import Accreditation
from syndicator.store import schema, stops
from syndicator.store.engine import Tx
from syndicator.store.suppressions import silenced

a, c = schema.accreditations.c, schema.contacts.c
RENEWED = "renewed"


def accredit(
    tx: Tx, contact_id: int, by: str, agreement: str, until: datetime | None = None
) -> Accreditation:
    """Let a contact see what is under embargo, from now until `until`; one that counts is ended as renewed.

    `agreement` says which text they agreed to and how that is known; raises Invalid without it, or when
    `until` has gone by.
    """
    if not agreement:
        raise Invalid("say to what they agreed, and how that is known, with --agreement")
    if until and until <= tx.now:
        raise Invalid(
            f"--until {until.isoformat()} has gone by already (it is {tx.now.isoformat(timespec='seconds')})"
        )
    # Whoever accredits the same contact at this moment waits here.
    tx.connection.execute(select(c.id).where(c.id == contact_id).with_for_update())
    _end(tx, contact_id, RENEWED)
    values = {"contact_id": contact_id, "granted": tx.now, "granted_by": by, "until": until}
    row = insert(schema.accreditations).values(**values, agreement=agreement).returning(schema.accreditations)
    return _accreditation(tx.connection.execute(row).one())


def end(tx: Tx, contact_id: int, reason: str) -> None:
    """From now on they see nothing that is under embargo; raises Refused when there is nothing to end."""
    if not _end(tx, contact_id, reason):
        raise Refused("this contact is not accredited: there is nothing to end")
    stops.stop_advances(tx, contact_id, "the recipient is not accredited any more")


def renew_link(tx: Tx, contact_id: int) -> None:
    """Make every link to this contact's own page and feed void; what is made from now on leads there."""
    renewed = update(schema.contacts).where(c.id == contact_id)
    tx.connection.execute(renewed.values(press_generation=c.press_generation + 1))


def live(tx: Tx, contact_id: int) -> Accreditation | None:
    """The accreditation that counts now, or None; a suppressed address has none (LM20)."""
    suppressed = silenced(a.contact_id, tx.now)
    row = tx.connection.execute(
        select(schema.accreditations).where(a.contact_id == contact_id, holding(tx.now), ~suppressed)
    ).first()
    return _accreditation(row) if row else None


def everybody(tx: Tx) -> frozenset[int]:
    """Keys of the contacts whose accreditation counts now; none of them is suppressed (LM20)."""
    suppressed = silenced(a.contact_id, tx.now)
    query = select(a.contact_id).where(holding(tx.now), ~suppressed)
    return frozenset(tx.connection.execute(query).scalars())


def history(tx: Tx, contact_id: int) -> list[Accreditation]:
    """Every accreditation a contact has or had, oldest first."""
    query = select(schema.accreditations).where(a.contact_id == contact_id).order_by(a.id)
    return [_accreditation(row) for row in tx.connection.execute(query)]


def holding(now: Any) -> ColumnElement[bool]:
    """As SQL, of a row of `accreditations`: it counts at this instant (a datetime, or what stands for one in SQL)."""
    return a.ended.is_(None) & or_(a.until.is_(None), a.until > now)


def _end(tx: Tx, contact_id: int, reason: str) -> int:
    ended = (
        update(schema.accreditations)
        .where(a.contact_id == contact_id, a.ended.is_(None))
        .values(ended=tx.now, reason=reason)
    )
    return tx.connection.execute(ended).rowcount


def _accreditation(row: Row[Any]) -> Accreditation:
    return Accreditation(**{name: getattr(row, name) for name in Accreditation.__dataclass_fields__})
