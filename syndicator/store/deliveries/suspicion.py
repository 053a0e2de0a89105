"""The circuit breaker: whether a sending is turned away so often that somebody must look (mail:SE16).

A spoilt list or a blocklist shows in the first mails; the rest of them would only make it worse. Serves walk B.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import func, select

from syndicator.model.outcomes import SUSPICIOUS, Outcome
from syndicator.store import schema
from syndicator.store.engine import Tx

FIRST, ENOUGH = 500, 50  # how many of a sending are looked at, and how many there must be
LATEST = 2 * FIRST  # tries of all sendings among which those of one are looked for
a, d, alarm = schema.attempts.c, schema.deliveries.c, schema.alarms.c


def stop_key(lane: str, subject: str) -> str:
    """How the keys of alarms about stops of this sending begin; `destinations.resume` ends them."""
    return f"stop/{lane}/{subject}/"


def suspicion(tx: Tx, lane: str, subject: str, percent: int) -> str | None:
    """In words, what speaks against going on with this subject on this lane; None if nothing does.

    Counts its tries among the LATEST of all, so that it costs the same however long the ledger is; more than FIRST
    of its own say that its beginning is over. What was tried before somebody resumed the lane after a stop of this
    sending does not count any more, for a person has looked at it; and each such stop doubles how many there must be.
    """
    stops, resumed = _stops(tx, lane, subject)
    recent = select(a.delivery_id, a.ended, a.outcome, a.cause).order_by(a.id.desc()).limit(LATEST).subquery()
    query = select(recent.c.outcome, recent.c.cause).join(schema.deliveries, d.id == recent.c.delivery_id)
    query = query.where(d.lane == lane, d.subject == subject)
    if resumed is not None:
        query = query.where(recent.c.ended > resumed)
    rows = tx.connection.execute(query).all()
    if not ENOUGH * 2**stops <= len(rows) <= FIRST:
        return None
    bad = Counter(row.cause for row in rows if row.outcome == Outcome.REFUSED and row.cause in SUSPICIOUS)
    if bad.total() * 100 < percent * len(rows):
        return None
    why = ", ".join(f"{n} {cause}" for cause, n in bad.most_common())
    return f"{bad.total()} of the latest {len(rows)} tries of {subject} were turned away ({why})"


def _stops(tx: Tx, lane: str, subject: str) -> tuple[int, datetime | None]:
    """How often this sending was stopped, and when somebody last let it go on."""
    its = alarm.key.startswith(stop_key(lane, subject), autoescape=True)
    times, ended = tx.connection.execute(select(func.count(), func.max(alarm.ended)).where(its)).one()
    return times, ended
