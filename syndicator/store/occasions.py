"""Raising and ending alarms: the two acts of whoever sees a trouble begin and end; `alarms` does all the rest.

They stand below the ledger, for what the ledger says of a destination can end its alarms; letters about alarms
stand above it.
"""

from __future__ import annotations

from sqlalchemy import update

from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip

a = schema.alarms.c


def raise_(tx: Tx, key: str, subject: str, words: str) -> bool:
    """Raise the alarm of this key, once however many ask; returns whether it is new."""
    values = {"key": key, "subject": subject, "words": words, "raised": tx.now}
    return bool(tx.connection.execute(insert_or_skip(tx, schema.alarms).values(**values)).rowcount)


def end(tx: Tx, key_prefix: str) -> int:
    """End the open alarms whose key begins so; returns how many there were."""
    which = a.key.startswith(key_prefix, autoescape=True) & a.ended.is_(None)
    return tx.connection.execute(update(schema.alarms).where(which).values(ended=tx.now)).rowcount
