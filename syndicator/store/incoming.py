"""What upstreams brought: which identities are known, what became of them, and which are in the feed now.

The pure rules are in `model.incoming`; who may write for an upstream is the claim's affair
(`store.upstreams`). Serves walk A.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from syndicator.model.incoming import Known
from syndicator.model.release import ReleaseState
from syndicator.store import schema
from syndicator.store.engine import Tx, insert_or_update

n = schema.incoming.c
# SQLite takes 32,766 bound values in a statement, but its plans are made for fewer.
BATCH = 500


def known(tx: Tx, upstream_id: int, identities: Collection[str]) -> dict[str, Known]:
    """What is remembered of these identities, by identity; those never seen are missing."""
    names = list(identities)
    r = schema.releases.c
    query = select(schema.incoming, r.state, r.at).outerjoin(schema.releases, r.uid == n.uid)
    found: dict[str, Known] = {}
    for start in range(0, len(names), BATCH):
        batch = query.where(n.upstream_id == upstream_id, n.identity.in_(names[start : start + BATCH]))
        for row in tx.connection.execute(batch):
            held = ReleaseState(row.state) if row.state else None
            found[row.identity] = Known(uid=row.uid, fingerprint=row.fingerprint, held=held, at=row.at)
    return found


def hashes(tx: Tx, upstream_id: int) -> frozenset[str]:
    """The hashes (`Incoming.raw`) of what is in the upstream's feed now: entries that need not be read again."""
    query = select(n.raw).where(n.upstream_id == upstream_id, n.present, n.raw.is_not(None))
    return frozenset(tx.connection.execute(query).scalars())


def remember(tx: Tx, upstream_id: int, identity: str, uid: str, fingerprint: str) -> None:
    """Write down what an identity became and which words it came with."""
    values = {
        "upstream_id": upstream_id,
        "identity": identity,
        "uid": uid,
        "fingerprint": fingerprint,
        "seen": tx.now,
    }
    insert_or_update(tx, schema.incoming, values, ("upstream_id", "identity"))
