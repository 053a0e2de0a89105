"""Stops: what a lane has in hand and must not send after all, because of who would get it.

Rows are locked in one order, by whoever changes them: the contact, what bars the address, then letters by key.
What waits is looked at when it is claimed; these rows are past that. A lane looks at `stop` before it marks a letter
*sending* and then between letters (mail:SE17). Serves walk B.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, func, literal_column, or_, select, update

from syndicator.model.audience import key_of
from syndicator.model.delivery import DeliveryState, Priority
from syndicator.store import schema
from syndicator.store.engine import Tx, among

d, c = schema.deliveries.c, schema.contacts.c
# Written out, so that SQLite sees that its partial index fits.
TAKEN: list[ColumnElement[str]] = [literal_column("'leased'"), literal_column("'sending'")]
DUE: ColumnElement[str] = literal_column("'due'")
IN_HAND = d.state.in_(TAKEN)

w = schema.deliveries.alias("whose").c
BARE = w.mailbox.is_not(None)  # said, as that index holds no other rows


def stop_advances(tx: Tx, contact_id: int, reason: str) -> None:
    """Nothing under embargo goes to this contact, for this reason (EM1)."""
    stop(tx, (d.contact_id == contact_id) & d.subject.like("advance/%"), reason)


def stop_mail(tx: Tx, key: str, reason: str, *, own_affairs: bool = True) -> None:
    """No mail at all goes to the address with this key, for this reason.

    Without `own_affairs`, what a bare address asked for itself, or gets because its owner works here, still goes.
    """
    theirs = d.contact_id.in_(select(c.id).where(c.key == key))
    bare = to_mailbox(tx, key)
    if not own_affairs:
        bare &= d.priority != Priority.CONFIRMATION
    stop(tx, or_(theirs, bare), reason)
    _bar(tx, bare, reason)


def stop_all(tx: Tx, contact_ids: Collection[int], keys: Collection[str], reason: str) -> None:
    """No mail at all goes to these contacts nor to bare addresses with these keys, however many."""
    if contact_ids:
        stop(tx, among(d.contact_id, "whose").params(whose=sorted(contact_ids)), reason)
    waiting = select(w.id, w.mailbox).where(BARE, w.state.in_([*TAKEN, DUE]))
    found = [row.id for row in tx.connection.execute(waiting) if key_of(row.mailbox) in keys]
    if found:
        bare = among(d.id, "which").params(which=sorted(found))
        stop(tx, bare, reason)
        _bar(tx, bare, reason)


def stop_domain(tx: Tx, domain: str, reason: str) -> None:
    """No mail at all goes to anybody at this domain, for this reason."""
    theirs = d.contact_id.in_(select(c.id).where(c.domain == domain))
    at = func.lower(w.mailbox).endswith(f"@{domain}", autoescape=True)
    bare = d.id.in_(select(w.id).where(BARE, at))
    stop(tx, or_(theirs, bare), reason)
    _bar(tx, bare, reason)


def to_mailbox(tx: Tx, key: str) -> ColumnElement[bool]:
    """Of a row of the ledger: it is for the bare address with this key, however that was typed.

    Found by the index of bare addresses alone: most rows are a contact's. Beyond ASCII the databases do not fold case
    as a key does, so spellings are compared here.
    """
    if key.isascii():
        return d.id.in_(select(w.id).where(BARE, func.lower(w.mailbox) == key))
    at = func.lower(w.mailbox).endswith("@" + key.rpartition("@")[2], autoescape=True)
    rows = tx.connection.execute(select(w.id, w.mailbox).where(BARE, at))
    return d.id.in_([row.id for row in rows if key_of(row.mailbox) == key])


def cancel_samples(tx: Tx, release_id: int, reason: str) -> None:
    """No test of this release that is not on the wire goes out any more."""
    theirs = (d.release_id == release_id) & d.subject.like("sample/%")
    stop(tx, theirs, reason)
    over = {"state": DeliveryState.CANCELLED, "detail": reason, "settled": tx.now, "due": None}
    due = theirs & (d.state == DeliveryState.DUE)
    tx.connection.execute(update(schema.deliveries).where(due).values(**over))


def stop(tx: Tx, which: ColumnElement[bool], reason: str) -> None:
    """Whatever of these is in hand and not on the wire yet does not go out, for this reason."""
    taken: ColumnElement[bool] = which & IN_HAND & d.stop.is_(None)
    if not tx.on_sqlite:
        hold(tx, taken)
        # And what was taken while we waited, if it is free: held out of order, it could wait for what we hold.
        free = select(d.id).where(taken).with_for_update(skip_locked=True)
        taken = among(d.id, "free").params(free=list(tx.connection.execute(free).scalars()))
    tx.connection.execute(update(schema.deliveries).where(taken).values(stop=reason))


def hold(tx: Tx, which: ColumnElement[bool]) -> None:
    """Let no lane start or settle any of these until we commit: what is unsent stays unsent.

    Before any change to rows that others change too: locked by key, as the claims do, nobody waits for
    somebody who waits for us.
    """
    if not tx.on_sqlite:  # there a writer is alone anyway
        tx.connection.execute(select(d.id).where(which).order_by(d.id).with_for_update()).all()


def _bar(tx: Tx, bare: ColumnElement[bool], reason: str) -> None:
    """What waits for a bare mailbox is stopped as it is claimed: no join finds a suppression of it there."""
    waiting = bare & (d.state == DUE) & d.stop.is_(None)
    hold(tx, waiting)
    tx.connection.execute(update(schema.deliveries).where(waiting).values(stop=reason))
