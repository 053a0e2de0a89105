"""Every table of the canonical store, declared once; nobody outside `store` imports this.

Instants are UTC. "Once" is always a constraint here, never an `if` elsewhere. A change to
these tables needs a migration (`migrations/`), and a test holds the two equal on both databases.
"""

from __future__ import annotations

from syndicator.store.schema.frame import clock, metadata, provisioned, workers
from syndicator.store.schema.intake import (
    CHECKED,
    PRESENT,
    hub_subscriptions,
    inbox,
    incoming,
    runs,
    schedules,
    upstreams,
)
from syndicator.store.schema.ledger import (
    DUE_ONLY,
    NOT_ENDED,
    OWED_ONLY,
    TAKEN_ONLY,
    attempts,
    contacts,
    deliveries,
    delivery_contents,
    lanes,
    partners,
    subscriptions,
    suppressions,
)
from syndicator.store.schema.newsroom import (
    DOOMED,
    LIVE_ONLY,
    OPEN_ONLY,
    RULED,
    archived,
    archives,
    documents,
    fragments,
    items,
    memberships,
    releases,
    revisions,
    spokespeople,
    topic_slugs,
    topics,
)

__all__ = [
    "CHECKED",
    "DOOMED",
    "DUE_ONLY",
    "LIVE_ONLY",
    "NOT_ENDED",
    "OPEN_ONLY",
    "OWED_ONLY",
    "PRESENT",
    "RULED",
    "TAKEN_ONLY",
    "archived",
    "archives",
    "attempts",
    "clock",
    "contacts",
    "deliveries",
    "delivery_contents",
    "documents",
    "fragments",
    "hub_subscriptions",
    "inbox",
    "incoming",
    "items",
    "lanes",
    "memberships",
    "metadata",
    "partners",
    "provisioned",
    "releases",
    "revisions",
    "runs",
    "schedules",
    "spokespeople",
    "subscriptions",
    "suppressions",
    "topic_slugs",
    "topics",
    "upstreams",
    "workers",
]
