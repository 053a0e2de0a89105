"""Which config file was reconciled with the store last, and what it said.

So that a start that changes nothing writes nothing, many processes may start at once, and a command
run with another config file does not undo what this one provisioned (DESIGN §5.12).
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import select

from syndicator.store import schema
from syndicator.store.engine import Tx, alone, insert_or_update

RECONCILE_LOCK = 7_263_002


class Provisioned(NamedTuple):
    """A config file by its path, and the fingerprint of all it provisions."""

    file: str
    fingerprint: str


def last(tx: Tx) -> Provisioned | None:
    """What was reconciled last, or None: nothing ever was."""
    row = tx.connection.execute(select(schema.provisioned.c.file, schema.provisioned.c.fingerprint)).first()
    return Provisioned(row.file, row.fingerprint) if row else None


def begin(tx: Tx) -> None:
    """Reconcile alone: another process waits here until we have committed."""
    alone(tx, RECONCILE_LOCK)


def done(tx: Tx, what: Provisioned) -> None:
    """Write what has been reconciled."""
    insert_or_update(tx, schema.provisioned, {"id": 1, **what._asdict()}, "id")
