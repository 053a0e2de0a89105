"""Advance copies: which words of a release one recipient has. What they are told later is told in those (security:E1)."""

from __future__ import annotations

from sqlalchemy import func, or_, select

from syndicator.model.delivery import MAY_HAVE
from syndicator.store import schema
from syndicator.store.engine import Tx

d = schema.deliveries.c


def version_had(tx: Tx, release_id: int, recipient: str) -> int | None:
    """The latest version of a release this recipient was sent, or may have been; None where they have nothing."""
    may = or_(d.state.in_(MAY_HAVE), d.doubts > 0)
    theirs = (d.release_id == release_id) & (d.recipient == recipient) & d.subject.like("advance/%")
    found: int | None = tx.connection.execute(select(func.max(d.version)).where(theirs, may)).scalar()
    return found
