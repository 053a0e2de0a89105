"""The audit: who did what, when and why, each row chained to the one before it by a digest.

A row that was changed, or taken out from among others, breaks the chain; rows cut off its end are seen by
whoever keeps the last digest elsewhere. The digest is made with the site's signing key: whoever can write the
database and does not have the key cannot write the chain anew. Without a key only a digest kept elsewhere
proves anything. Rows name things by uid and never hold their words: what
is under embargo is nobody's to read here. Serves every walk a person starts.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from sqlalchemy import Row, insert, select

from syndicator.store import schema
from syndicator.store.engine import Tx, alone

u = schema.audit.c
AUDIT_LOCK = 7_263_005
FIRST = ""  # what the first row names as the one before it
NOBODY = "syndicator"  # the actor where no person acted
PENDING = "acts of this transaction"
KEYED = "hmac:"  # how a digest begins that was made with the site's key
CHUNK = 1_000  # rows in memory at a time where all are read


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act: `detail` holds plain values about it; `digest` stands for this row and all before it."""

    id: int
    at: datetime
    actor: str
    act: str
    subject: str
    detail: Mapping[str, Any]
    why: str | None
    previous: str
    digest: str


def record(tx: Tx, actor: str, act: str, subject: str, why: str | None = None, **detail: Any) -> None:
    """Write down an act (`release.approve`), by `actor` or, unnamed, by nobody in particular.

    `detail` takes plain values, instants and enumerations, never the words of a release. The row is written
    when the transaction ends: the chain has one end, and whoever adds to it makes the others wait.
    """
    row = {
        "at": tx.now,
        "actor": actor or NOBODY,
        "act": act,
        "subject": subject,
        "detail": {name: _plain(value) for name, value in detail.items() if value is not None},
        "why": why or None,
    }
    pending = tx.memo.setdefault(PENDING, [])
    if not pending:
        tx.at_end(lambda: _write(tx))
    pending.append(row)


def listing(tx: Tx, *, subject: str | None = None, limit: int | None = None, after: int = 0) -> list[Entry]:
    """Acts in their order, all of them or those on one subject."""
    _write(tx)
    query = select(schema.audit).where(u.id > after).order_by(u.id).limit(limit)
    if subject is not None:
        query = query.where(u.subject == subject)
    return [_entry(row) for row in tx.connection.execute(query)]


def verify(tx: Tx) -> list[str]:
    """What is wrong with the chain, its first broken row first; empty when all is as it was written.

    Rows from before there was a key are vouched for by those behind them that were made with one.
    """
    faults: list[str] = []
    previous, unread = FIRST, 0
    keys = _keys(tx)
    for one in _all(tx):
        if one.previous != previous:
            faults.append(f"audit row {one.id}: what stood before it was taken out or changed")
        row = {name: getattr(one, name) for name in ("at", "actor", "act", "subject", "detail", "why")}
        allowed = [*keys, *([] if previous.startswith(KEYED) else [""])]
        if one.digest.startswith(KEYED) and not keys:
            unread = unread or one.id
        elif one.digest not in [_digest(one.previous, row, key) for key in allowed]:
            faults.append(
                f"audit row {one.id} ({one.act} {one.subject}): its words are not those written, or the key is another"
            )
        previous = one.digest
    if unread:
        faults.append(f"audit row {unread} was made with the site's signing key: set site.secret_key")
    if keys and previous and not previous.startswith(KEYED):
        faults.append("the last rows were made without the site's signing key: anybody can have written them")
    return faults


def keyed(digest: str) -> bool:
    """Whether this digest proves something by itself: it was made with the site's signing key."""
    return digest.startswith(KEYED)


def tip(tx: Tx) -> tuple[int, str]:
    """How many rows there are, and the last digest: kept elsewhere, it shows later that none were cut off."""
    count = 0
    last = FIRST
    for one in _all(tx):
        count, last = count + 1, one.digest
    return count, last


def knows(tx: Tx, digest: str) -> bool:
    """Whether a row with this digest is still there."""
    return tx.connection.execute(select(u.id).where(u.digest == digest)).first() is not None


def _write(tx: Tx) -> None:
    """Add what this transaction did to the end of the chain."""
    pending = tx.memo.get(PENDING, [])
    if not pending:
        return
    alone(tx, AUDIT_LOCK)
    last = select(u.digest).order_by(u.id.desc()).limit(1)
    previous = tx.connection.execute(last).scalar() or FIRST
    key = next(iter(_keys(tx)), "")
    for row in pending:
        digest = _digest(previous, row, key)
        tx.connection.execute(insert(schema.audit).values(**row, previous=previous, digest=digest))
        previous = digest
    pending.clear()


def _all(tx: Tx) -> Iterator[Entry]:
    _write(tx)
    rows = tx.connection.execute(select(schema.audit).order_by(u.id), execution_options={"yield_per": CHUNK})
    return map(_entry, rows)


def _keys(tx: Tx) -> Sequence[str]:
    """The site's signing key and former ones; none where the store was opened without."""
    keys: Sequence[str] = tx.connection.get_execution_options().get("syndicator_keys", tuple)()
    return keys


def _digest(previous: str, row: Mapping[str, Any], key: str) -> str:
    plain = {**row, "at": _plain(row["at"])}
    words = json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    told = f"{previous}\n{words}".encode()
    if not key:
        return hashlib.sha256(told).hexdigest()
    return KEYED + hmac.new(f"audit {key}".encode(), told, hashlib.sha256).hexdigest()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        case Enum():
            return value.value
        case _:
            return value


def _entry(row: Row[Any]) -> Entry:
    return Entry(**{name: getattr(row, name) for name in Entry.__dataclass_fields__})
