"""Applications: who asks to be accredited, in their own words, until a person of ours decides (mail:LM20)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update

from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

a = schema.applications.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """One of them; `consent` is the hash of the agreement they said yes to. `granted` is None until it is decided."""

    id: int
    contact_id: int
    words: str
    consent: str
    created: datetime
    decided: datetime | None
    decided_by: str | None
    granted: bool | None
    reason: str | None


def add(tx: Tx, contact_id: int, words: str, consent: str) -> int | None:
    """File an application and return its key; None if one of theirs waits already."""
    values = {"contact_id": contact_id, "words": words, "consent": consent}
    row = insert_or_skip(tx, schema.applications).values(**values, created=tx.now).returning(a.id)
    found: int | None = tx.connection.execute(row).scalar()
    return found


def waiting(tx: Tx) -> list[Application]:
    """Those nobody has decided, oldest first."""
    query = select(schema.applications).where(a.decided.is_(None)).order_by(a.id)
    return [_application(row) for row in tx.connection.execute(query)]


def of(tx: Tx, contact_id: int) -> Application | None:
    """The application of this contact that waits, or None."""
    query = select(schema.applications).where(a.contact_id == contact_id, a.decided.is_(None))
    row = tx.connection.execute(query).first()
    return _application(row) if row else None


def decide(tx: Tx, contact_id: int, by: str, reason: str | None = None, *, granted: bool) -> bool:
    """Write down what a person of ours decided; False if no application of theirs waited."""
    values = {"decided": tx.now, "decided_by": by, "granted": granted, "reason": reason}
    which = update(schema.applications).where(a.contact_id == contact_id, a.decided.is_(None))
    return tx.connection.execute(which.values(**values)).rowcount == 1


def _application(row: Row[Any]) -> Application:
    return Application(**{name: getattr(row, name) for name in Application.__dataclass_fields__})
