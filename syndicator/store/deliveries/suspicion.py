"""The circuit breaker: whether a sending is turned away so often that somebody must look (mail:SE16).

A spoilt list or a blocklist shows in the first mails; the rest of them would only make it worse. Serves walk B.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import select

from syndicator.model.outcomes import SUSPICIOUS, Outcome
from syndicator.store import schema
from syndicator.store.engine import Tx

FIRST, ENOUGH = 500, 50  # how many of a sending are looked at, and how many there must be
a, d = schema.attempts.c, schema.deliveries.c


def suspicion(tx: Tx, subject: str, percent: int) -> str | None:
    """In words, what speaks against going on with this subject; None if nothing does, or its beginning is over.

    Looks at the latest tries only, so that it costs the same however long the ledger is.
    """
    recent = select(a.delivery_id, a.outcome, a.cause).order_by(a.id.desc()).limit(2 * FIRST).subquery()
    query = select(recent.c.outcome, recent.c.cause).join(schema.deliveries, d.id == recent.c.delivery_id)
    rows = tx.connection.execute(query.where(d.subject == subject)).all()
    if not ENOUGH <= len(rows) <= FIRST:
        return None
    bad = Counter(row.cause for row in rows if row.outcome == Outcome.REFUSED and row.cause in SUSPICIOUS)
    if bad.total() * 100 < percent * len(rows):
        return None
    why = ", ".join(f"{n} {cause}" for cause, n in bad.most_common())
    return f"{bad.total()} of the first {len(rows)} mails of {subject} were turned away ({why})"
