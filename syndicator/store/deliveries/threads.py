"""What a letter answers to: the first thing its recipient had of the same release (mail:MC4, EM4).

A correction or a kill belongs below the release it is about; whatever follows an advance copy, below that.
Looked up for a batch of recipients at a time, always by an index: an item may have a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import exists, select

from syndicator.model.delivery import advance_subject
from syndicator.model.release import Release
from syndicator.store import schema
from syndicator.store.deliveries.duties import IS_OWED, MAY_HAVE_IT
from syndicator.store.engine import Tx

d, dc = schema.deliveries.c, schema.delivery_contents.c


def announced(tx: Tx, release: Release) -> bool:
    """Whether anybody was ever owed an advance copy of this release."""
    some = exists().where(d.release_id == release.id, d.subject.startswith("advance/", autoescape=True))
    return bool(tx.connection.execute(select(some)).scalar())


def first_advances(tx: Tx, release: Release, recipients: Collection[str]) -> dict[str, str]:
    """Recipient → the subject of the first advance copy of this release they had, or may have."""
    subjects = [advance_subject(release.uid, number) for number in range(1, release.version + 1)]
    query = select(d.recipient, d.subject).where(
        d.subject.in_(subjects),
        d.recipient.in_(list(recipients)),
        MAY_HAVE_IT,
    )
    found: dict[str, str] = {}
    for row in tx.connection.execute(query.order_by(d.version)):
        found.setdefault(row.recipient, row.subject)
    return found


def first_owed(tx: Tx, item_id: int, recipients: Collection[str]) -> dict[str, str]:
    """Recipient → the subject under which they were owed the item and may have it: the release, or its advance copy."""
    query = (
        select(dc.recipient, d.subject)
        .join(schema.deliveries, d.id == dc.delivery_id)
        .where(dc.item_id == item_id, dc.recipient.in_(list(recipients)), IS_OWED, MAY_HAVE_IT)
    )
    return {row.recipient: row.subject for row in tx.connection.execute(query)}
