"""Alarms: what the desk must hear of before it is too late; one row for one occasion (operations: no alarm twice).

Whoever sees the trouble raises it here, by a key that names the occasion; it stays open until whoever sees the
end of it ends it. `plan_mails` owes the desk a letter about each through the ledger; the log and `health` show
them too, for an alarm about mail must not depend on mail.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, exists, literal, select
from sqlalchemy import Text as TextType
from sqlalchemy import cast as as_type

from syndicator.errors import NotFound
from syndicator.model.delivery import alarm_subject
from syndicator.model.release import ReleaseState
from syndicator.store import schema
from syndicator.store.deliveries.owed import plan_mailbox
from syndicator.store.engine import Tx
from syndicator.store.occasions import end, raise_

__all__ = [
    "Alarm",
    "Unready",
    "by_id",
    "end",
    "known",
    "open_",
    "plan_mails",
    "raise_",
    "told_of",
    "unmailed",
    "unready",
]

a, d, r = schema.alarms.c, schema.deliveries.c, schema.releases.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One occasion: `key` names it, `subject` is its headline, `words` say what to do; no words of a release."""

    id: int
    key: str
    subject: str
    words: str
    raised: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True)
class Unready:
    """A release that will not go out at the end of its embargo, or did not, as it stands."""

    uid: str
    state: ReleaseState
    until: datetime
    created: datetime


def open_(tx: Tx) -> list[Alarm]:
    """The alarms nobody has ended, oldest first."""
    rows = tx.connection.execute(select(schema.alarms).where(a.ended.is_(None)).order_by(a.raised, a.id))
    return [_alarm(row) for row in rows]


def by_id(tx: Tx, alarm_id: int) -> Alarm:
    """One alarm, open or ended; raises NotFound."""
    row = tx.connection.execute(select(schema.alarms).where(a.id == alarm_id)).first()
    if row is None:
        raise NotFound(f"there is no alarm {alarm_id}")
    return _alarm(row)


def unmailed(tx: Tx) -> bool:
    """Whether an open alarm has no letter yet: a look without a lock, before `plan_mails` takes one."""
    return tx.connection.execute(_unmailed().limit(1)).first() is not None


def plan_mails(tx: Tx, addresses: Sequence[str]) -> int:
    """Owe each of these addresses a letter about each open alarm that has none; returns how many were planned."""
    return sum(
        plan_mailbox(tx, alarm_subject(alarm_id), address)
        for alarm_id in tx.connection.execute(_unmailed().order_by(a.id)).scalars().all()
        for address in addresses
    )


def _unmailed() -> Any:
    subject = literal("alarm/") + as_type(a.id, TextType)
    return select(a.id).where(a.ended.is_(None), ~exists().where(d.subject == subject))


def _alarm(row: Row[Any]) -> Alarm:
    names = "id key subject words raised ended".split()
    return Alarm(**{name: getattr(row, name) for name in names})


def known(tx: Tx, keys: Collection[str]) -> set[str]:
    """Those of these keys of which an alarm was raised, be it over or not."""
    return set(tx.connection.execute(select(a.key).where(a.key.in_(list(keys)))).scalars()) if keys else set()


def told_of(tx: Tx) -> list[str]:
    """Uids of releases nobody has scheduled of whose embargo something was to be told."""
    n = schema.embargo_notices.c
    states = (ReleaseState.DRAFT, ReleaseState.APPROVED)
    query = select(r.uid).where(r.state.in_(states), exists().where(n.release_id == r.id))
    return list(tx.connection.execute(query.order_by(r.id)).scalars())


def unready(tx: Tx, since: datetime, until: datetime) -> list[Unready]:
    """Releases under embargo in this span, ends included, that nobody has scheduled; nothing of their words."""
    states = (ReleaseState.DRAFT, ReleaseState.APPROVED, ReleaseState.MISSED)
    query = (
        select(r.uid, r.state, r.embargo_until, r.created)
        .where(r.state.in_(states), r.embargo_until >= since, r.embargo_until <= until)
        .order_by(r.embargo_until, r.id)
    )
    rows = tx.connection.execute(query)
    return [Unready(row.uid, ReleaseState(row.state), row.embargo_until, row.created) for row in rows]
