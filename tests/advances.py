"""What tests of advance copies share: who is accredited, and ledger rows brought to a certain end."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from syndicator import press
from syndicator.model.delivery import DeliveryState
from syndicator.model.release import Embargo, Release
from syndicator.store import Store, Tx, accreditations, deliveries, schema
from tests.make import NOW, make_content, make_subscription

UID = "tag:news.example,2026:r"
NINE = NOW + timedelta(hours=1)
TEN = NOW + timedelta(hours=2)
EMBARGO = Embargo(until=NINE, zone="Europe/London", wall="2026-03-02 10:00")


def accredited(tx: Tx, mail: str, topic: str = "policy", cadence: str = "immediate") -> int:
    """Somebody who subscribes and may see what is under embargo; the contact's key."""
    contact = make_subscription(tx, mail, topic, cadence=cadence).contact_id
    accreditations.accredit(tx, contact, "editor", "signed the terms")
    return contact


def approved(
    tx: Tx, uid: str = UID, title: str = "A statement", embargo: Embargo | None = EMBARGO
) -> Release:
    """A release somebody approved."""
    press.draft(tx, uid, make_content(title), embargo, by="writer")
    return press.approve(tx, uid, "editor")


def scheduled(store: Store, uid: str = UID, title: str = "A statement", **how: object) -> Release:
    """A release that goes out at its embargo."""
    with store.begin() as tx:
        approved(tx, uid, title)
        return press.schedule(tx, uid, None, "editor", **how)  # type: ignore[arg-type]


def end(store: Store, subject: str, state: DeliveryState, mail: str | None = None, *, doubts: int = 0) -> int:
    """Bring what is due of this subject (to this address) to a state; how many there were."""
    d, c = schema.deliveries.c, schema.contacts.c
    which = (d.subject == subject) & (d.state == DeliveryState.DUE)
    if mail:
        which &= d.contact_id.in_(select(c.id).where(c.address == mail))
    values: dict[str, object] = {"state": state, "doubts": doubts, "attempts": 1}
    if state is not DeliveryState.DUE:
        values |= {"due": None, "settled": None if state is DeliveryState.SENDING else NOW}
    with store.begin() as tx:
        return tx.connection.execute(update(schema.deliveries).where(which).values(**values)).rowcount


def states(tx: Tx) -> dict[str, list[tuple[str, str]]]:
    """Subject → (recipient, state) of everything in the ledger."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in deliveries.listing(tx):
        found.setdefault(one.subject, []).append((one.recipient, str(one.state)))
    return {subject: sorted(rows) for subject, rows in found.items()}
