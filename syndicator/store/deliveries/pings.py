"""Pings: the duty to tell outside hubs that a feed has changed; one row per hub, feed and change.

Planned in the transaction that stores the changed bytes, and due when every process serves them. Only
the newest change of a feed is worth telling, so an older ping that still waits is cancelled
(feeds:W2). A ping carries no item: `delivery_contents` knows nothing of it. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, update

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
from syndicator.store.audience import ensure_lane
from syndicator.store.engine import Tx, insert_or_skip

d, a = schema.deliveries.c, schema.attempts.c
PRUNE = 5000  # rows forgotten by one transaction at most


def plan_pings(tx: Tx, hubs: Sequence[str], urls: Sequence[str], version: str) -> int:
    """Owe each hub a ping for each of these feeds, once per change; returns how many were added.

    `version` names the change (the new bytes' hash). Planning the same again while it waits adds nothing;
    a feed that goes back to bytes it once had has changed, and is told again.
    """
    for hub in dict.fromkeys(hubs):
        ensure_lane(tx, hub_lane(hub), Channel.WEBSUB)
    pairs = [(hub, url) for hub in dict.fromkeys(hubs) for url in dict.fromkeys(urls)]
    return sum(_plan(tx, hub, url, version) for hub, url in pairs)


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


def _plan(tx: Tx, hub: str, url: str, version: str) -> int:
    recipient, subject = ping_recipient(hub, url), ping_subject(url, version)
    newest = select(d.id, d.subject, d.state).where(d.item_id.is_(None), d.recipient == recipient)
    last = tx.connection.execute(newest.order_by(d.id.desc()).limit(1)).first()
    if last and last.state == DeliveryState.DUE:
        if last.subject == subject or last.subject.startswith(f"{subject}@"):
            return 0
        why = {"state": DeliveryState.CANCELLED, "detail": "a newer change took its place", "due": None}
        # A lane may be taking it just now: then it goes out, and this one after it.
        still = (d.id == last.id) & (d.state == DeliveryState.DUE)
        tx.connection.execute(update(schema.deliveries).where(still).values(settled=tx.now, **why))
    if _insert(tx, hub, recipient, subject):
        return 1
    return _insert(tx, hub, recipient, f"{subject}@{tx.now:%Y-%m-%dT%H:%M:%SZ}")


def _insert(tx: Tx, hub: str, recipient: str, subject: str) -> int:
    row = {
        "subject": subject,
        "recipient": recipient,
        "channel": Channel.WEBSUB,
        "lane": hub_lane(hub),
        "priority": Priority.PING,
        "state": DeliveryState.DUE,
        "due": tx.now + PING_DELAY,
        "lease_no": 0,
        "attempts": 0,
        "doubts": 0,
        "created": tx.now,
    }
    return tx.connection.execute(insert_or_skip(tx, schema.deliveries).values(**row)).rowcount
