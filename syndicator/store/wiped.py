"""Uids that were redacted: nothing becomes public, is drafted or comes in under one of them again."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, select

from syndicator.errors import Refused
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

w = schema.redacted.c
_MARKED = select(w.uid).where(w.uid == bindparam("uid"))


def mark(tx: Tx, uids: Iterable[str]) -> None:
    """From now on these uids are closed, be there anything by that name or not; marking twice does no harm."""
    rows = [{"uid": uid, "at": tx.now} for uid in uids]
    if rows:
        tx.connection.execute(insert_or_skip(tx, schema.redacted), rows)


def marked(tx: Tx, uid: str) -> bool:
    """Whether this uid was redacted."""
    return tx.connection.execute(_MARKED, {"uid": uid}).first() is not None


def refuse(tx: Tx, uid: str) -> None:
    """Raise Refused for a uid that was redacted."""
    if marked(tx, uid):
        raise Refused(f"{uid} was redacted and does not come back: give other words another uid")
