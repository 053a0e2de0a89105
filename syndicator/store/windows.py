"""Windows: which digest each contact waits for, by cadence, and when it closes (ADR 44).

A row is made when a subscription with a digest cadence becomes active, and follows its contact's clock. It says
*when* only; what a digest holds is asked of pushes and of what its reader has. One that no subscription asks for
any more closes once, for what had waited, and is then forgotten (`digests`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, func, select, update

from syndicator.model.audience import Cadence, SubscriptionState, Times
from syndicator.model.digest import DIGESTS, next_close
from syndicator.store import schema
from syndicator.store.engine import Tx, among, insert_or_skip

w, s, c = schema.windows.c, schema.subscriptions.c, schema.contacts.c
CLOCK = (c.zone, c.hour, c.weekday, c.monthday, c.nth)
ACTIVE = s.state == SubscriptionState.ACTIVE


def open_(tx: Tx, contact_id: int, cadence: Cadence) -> None:
    """Let this contact wait for digests of this cadence from now on; nothing where they do, or for immediate mail."""
    if cadence in DIGESTS:
        row = tx.connection.execute(select(*CLOCK).where(c.id == contact_id)).one()
        _open(tx, [(contact_id, cadence, closing(cadence, row, tx.now))])


def open_all(tx: Tx, wanted: Collection[tuple[int, Cadence]]) -> None:
    """Do the same for many contacts at once."""
    digests = sorted(pair for pair in wanted if pair[1] in DIGESTS)
    query = select(c.id, *CLOCK).where(among(c.id, "whose"))
    keys = sorted({contact_id for contact_id, _ in digests})
    clocks = {row.id: row for row in tx.connection.execute(query, {"whose": keys})} if keys else {}
    _open(tx, [(key, one, closing(one, clocks[key], tx.now)) for key, one in digests])


def rewind(tx: Tx, contact_id: int) -> None:
    """Set this contact's windows by their clock and subscriptions as they are now (mail:DG4).

    What has waited still waits: only the time it comes at moves, and what waited for another cadence counts for
    every one. A window whose time has come closes then.
    """
    row = tx.connection.execute(select(*CLOCK).where(c.id == contact_id)).one()
    asked = select(s.cadence).where(s.contact_id == contact_id, ACTIVE, s.cadence.in_(DIGESTS)).distinct()
    cadences = [Cadence(one) for one in tx.connection.execute(asked).scalars()]
    _open(tx, [(contact_id, one, closing(one, row, tx.now)) for one in cadences])
    mine = w.contact_id == contact_id
    theirs = select(w.cadence, w.opened, w.closes).where(mine).order_by(w.cadence).with_for_update()
    rows = tx.connection.execute(theirs).all()
    for one in rows:
        new = closing(Cadence(one.cadence), row, tx.now) if one.closes > tx.now else one.closes
        values = {"closes": new, "opened": min(other.opened for other in rows)}
        tx.connection.execute(update(schema.windows).where(mine, w.cadence == one.cadence).values(**values))


def missing(tx: Tx, limit: int = 5000) -> list[tuple[int, Cadence]]:
    """Contact and cadence of windows that active subscriptions lack, such as those of an older version."""
    there = exists().where(w.contact_id == s.contact_id, w.cadence == s.cadence)
    wanted = (
        select(s.contact_id, s.cadence).where(ACTIVE, s.cadence.in_(DIGESTS), ~there).distinct().limit(limit)
    )
    return [(row.contact_id, Cadence(row.cadence)) for row in tx.connection.execute(wanted)]


def digest_subscriptions(tx: Tx, subscription_id: int) -> list[int]:
    """The subscriptions a mail made under this one was made for: those its one-click ends.

    Of a digest, all that are active with the same cadence; else just itself.
    """
    one = schema.subscriptions.alias("one").c
    beside = and_(s.contact_id == one.contact_id, s.cadence == one.cadence, ACTIVE, one.cadence.in_(DIGESTS))
    query = select(s.id).where(one.id == subscription_id, (s.id == one.id) | beside)
    return sorted(tx.connection.execute(query).scalars())


def of(tx: Tx, contact_id: int) -> dict[Cadence, datetime]:
    """When this contact's digests close next, by cadence."""
    query = select(w.cadence, w.closes).where(w.contact_id == contact_id).order_by(w.cadence)
    return {Cadence(row.cadence): row.closes for row in tx.connection.execute(query)}


def next_due(tx: Tx, settle: timedelta) -> datetime | None:
    """When the next digest is to be planned; None where nobody waits for one."""
    closes = tx.connection.execute(_first()).scalar()
    return closes + settle if closes else None


def closing(cadence: Cadence, row: Any, after: datetime) -> datetime:
    """When a window closes next, by a row with the columns of `CLOCK`."""
    return next_close(cadence, clock_of(cadence, row), row.zone, after)


def clock_of(cadence: Cadence, row: Any) -> Times:
    """What of a contact's times this cadence goes by: others are left as they come, so that answers are shared."""
    weekday = row.weekday if cadence in (Cadence.WEEKLY, Cadence.NTH_WEEKDAY) else 0
    monthday = row.monthday if cadence is Cadence.MONTHLY else 1
    nth = row.nth if cadence is Cadence.NTH_WEEKDAY else 1
    return Times(hour=row.hour, weekday=weekday, monthday=monthday, nth=nth)


def _first() -> Select[Any]:
    return select(func.min(w.closes))


def _open(tx: Tx, rows: list[tuple[int, Cadence, datetime]]) -> None:
    values = [
        {"contact_id": contact, "cadence": cadence, "opened": tx.now, "closes": closes}
        for contact, cadence, closes in rows
    ]
    if values:
        tx.connection.execute(insert_or_skip(tx, schema.windows), values)
