"""Pings: the duty to tell outside hubs that a feed has changed; one row per hub, feed and change.

Planned in the transaction that stores the changed bytes, and due when every process serves them. Only
the newest change of a feed is worth telling, so an older ping that still waits is cancelled
(feeds:W2). A ping carries no item: `delivery_contents` knows nothing of it. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update

from syndicator.model.delivery import (
    PING_DELAY,
    Channel,
    DeliveryState,
    Priority,
    hub_lane,
    ping_recipient,
    ping_subject,
)
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_skip
from syndicator.store.partners import ensure_lane

d, a = schema.deliveries.c, schema.attempts.c
PRUNE = 5000  # rows forgotten by one transaction at most
CHUNK = 500  # pings planned by one statement


def plan_pings(tx: Tx, hubs: Sequence[str], urls: Sequence[str], version: str) -> int:
    """Owe each hub a ping for each of these feeds, once per change; returns how many were added.

    `version` names the change (the new bytes' hash). Planning the same again while it waits adds nothing;
    a feed that goes back to bytes it once had has changed, and is told again.
    """
    return plan_changes(tx, hubs, dict.fromkeys(urls, version))


def plan_changes(tx: Tx, hubs: Sequence[str], changes: Mapping[str, str]) -> int:
    """The same for many feeds at once, address → version; a few statements, however many there are."""
    pings = [_Ping(hub, url, version) for hub in dict.fromkeys(hubs) for url, version in changes.items()]
    for hub in {ping.hub for ping in pings}:
        ensure_lane(tx, hub_lane(hub), Channel.WEBSUB)
    return sum(_plan(tx, pings[at : at + CHUNK]) for at in range(0, len(pings), CHUNK))


def prune_pings(tx: Tx, age: timedelta) -> int:
    """Forget pings settled longer ago than `age`, with their tries; returns how many. The rest another time."""
    # Pings have no item: so the index finds them without reading the whole ledger.
    settled = d.item_id.is_(None) & (d.channel == Channel.WEBSUB) & (d.settled < tx.now - age)
    keys = list(tx.connection.execute(select(d.id).where(settled).limit(PRUNE)).scalars())
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        tx.connection.execute(delete(schema.attempts).where(a.delivery_id.in_(some)))
        tx.connection.execute(delete(schema.deliveries).where(d.id.in_(some)))
    return len(keys)


@dataclass(frozen=True, slots=True)
class _Ping:
    """One hub to be told of one feed's change."""

    hub: str
    url: str
    version: str

    @property
    def recipient(self) -> str:
        return ping_recipient(self.hub, self.url)

    @property
    def subject(self) -> str:
        return ping_subject(self.url, self.version)

    def waits_as(self, subject: str) -> bool:
        """Whether a waiting row with this subject says the same."""
        return subject == self.subject or subject.startswith(f"{self.subject}@")


def _plan(tx: Tx, pings: Sequence[_Ping]) -> int:
    waiting = _waiting(tx, pings)
    new = [ping for ping in pings if not ping.waits_as(waiting.get(ping.recipient, (0, ""))[1])]
    old = [waiting[ping.recipient][0] for ping in new if ping.recipient in waiting]
    if old:
        why = {"state": DeliveryState.CANCELLED, "detail": "a newer change took its place", "due": None}
        # A lane may be taking one just now: then it goes out, and this one after it.
        still = d.id.in_(old) & (d.state == DeliveryState.DUE)
        tx.connection.execute(update(schema.deliveries).where(still).values(settled=tx.now, **why))
    if not new:
        return 0
    pairs = tuple_(d.subject, d.recipient).in_([(ping.subject, ping.recipient) for ping in new])
    told = {tuple(row) for row in tx.connection.execute(select(d.subject, d.recipient).where(pairs))}
    rows = [_row(ping, tx.now, again=(ping.subject, ping.recipient) in told) for ping in new]
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(rows)).rowcount


def _waiting(tx: Tx, pings: Sequence[_Ping]) -> dict[str, tuple[int, str]]:
    """Recipient → key and subject of its newest ping, where that has not been taken yet; older ones give way at the claim."""
    theirs = d.item_id.is_(None) & d.recipient.in_([ping.recipient for ping in pings])
    newest = select(func.max(d.id)).where(theirs).group_by(d.recipient)
    query = select(d.id, d.recipient, d.subject).where(d.id.in_(newest), d.state == DeliveryState.DUE)
    return {row.recipient: (row.id, row.subject) for row in tx.connection.execute(query)}


def _row(ping: _Ping, now: datetime, *, again: bool) -> dict[str, Any]:
    return {
        "subject": f"{ping.subject}@{now:%Y-%m-%dT%H:%M:%SZ}" if again else ping.subject,
        "recipient": ping.recipient,
        "channel": Channel.WEBSUB,
        "lane": hub_lane(ping.hub),
        "priority": Priority.PING,
        "state": DeliveryState.DUE,
        "due": now + PING_DELAY,
        "lease_no": 0,
        "attempts": 0,
        "doubts": 0,
        "created": now,
    }
