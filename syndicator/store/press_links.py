"""What the links of press copies are asked: of which release, and whether this person was to have its words (security:E1)."""

from __future__ import annotations

from sqlalchemy import exists, select, update

from syndicator.model.delivery import DeliveryState
from syndicator.model.release import STOOD_FOR, Release, ReleaseState
from syndicator.store import releases, schema
from syndicator.store.deliveries.advances import same_words
from syndicator.store.engine import Tx

# Who was refused an advance, or whose duty was dropped, has no page either.
_NEVER = (DeliveryState.REFUSED, DeliveryState.CANCELLED, DeliveryState.EXPIRED)


def release(tx: Tx, release_id: int) -> Release | None:
    """The release with this key, or None."""
    r = schema.releases.c
    uid = tx.connection.execute(select(r.uid).where(r.id == release_id)).scalar()
    return releases.find(tx, uid) if uid else None


def preview_generation(tx: Tx, release_id: int) -> int:
    """The generation of links to previews of this release that are good now."""
    r = schema.releases.c
    return int(tx.connection.execute(select(r.previews).where(r.id == release_id)).scalar_one())


def void_previews(tx: Tx, release_id: int) -> None:
    """Let every link to a preview of this release that was made so far lead nowhere."""
    r = schema.releases.c
    tx.connection.execute(update(schema.releases).where(r.id == release_id).values(previews=r.previews + 1))


def advanced(tx: Tx, contact_id: int) -> list[Release]:
    """The releases not yet public of which any words went to this contact, or are on their way there, oldest first."""
    d, r = schema.deliveries.c, schema.releases.c
    theirs = exists().where(
        d.release_id == r.id,
        d.recipient == f"contact/{contact_id}",
        d.subject.startswith("advance/"),
        d.state.not_in(_NEVER),
    )
    query = select(r.uid).where(r.state.in_(STOOD_FOR), theirs).order_by(r.id)
    return [releases.named(tx, uid) for uid in tx.connection.execute(query).scalars().all()]


def was_planned(tx: Tx, contact_id: int, release: Release) -> bool:
    """Whether an advance of the present words of this release went to this contact, or is on its way there.

    Who had other words is not shown these: nobody said that they are for them. Once it is public, any copy counts.
    """
    public = release.state is ReleaseState.RELEASED
    return _planned(tx, contact_id, release, None if public else same_words(tx, release))


def had_any(tx: Tx, contact_id: int, release: Release) -> bool:
    """Whether any words of this release went to this contact: they may know that these are revised or called off."""
    return _planned(tx, contact_id, release, None)


def _planned(tx: Tx, contact_id: int, release: Release, subjects: list[str] | None) -> bool:
    d = schema.deliveries.c
    duty = exists().where(
        d.release_id == release.id,
        d.recipient == f"contact/{contact_id}",
        d.subject.startswith("advance/"),
        d.state.not_in(_NEVER),
    )
    if subjects is not None:
        duty = duty.where(d.subject.in_(subjects))
    return bool(tx.connection.execute(select(duty)).scalar())
