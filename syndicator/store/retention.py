"""Retention: what is known about people goes when its time is over, without anybody asking (security:D7)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, and_, case, cast, delete, exists, literal, or_, select, update

from syndicator.model.audience import SubscriptionState
from syndicator.model.delivery import OPEN, DeliveryState
from syndicator.model.letters import letter_subject
from syndicator.store import erasure, moves, schema
from syndicator.store.engine import Tx

LETTERS = timedelta(days=30)  # how long it is known what a letter about somebody's own affairs said
MOVES = timedelta(days=30)
e, s, le, d = schema.evidence.c, schema.subscriptions.c, schema.letters.c, schema.deliveries.c
WORDS = ("network", "agent", "form", "source", "language", "message_id")
UNSETTLED = (*OPEN, DeliveryState.UNKNOWN)
PIECE = 500  # keys named in one statement
FORGOTTEN = "forgotten"  # stands where a column wants some text


def expire(tx: Tx, evidence: timedelta, requests: timedelta = LETTERS) -> int:
    """Blank evidence of those who have had no subscription for so long, and forget old letters and moves.

    A letter to nobody's address on the list is forgotten, with that address, as early as the sign-up it asks about:
    after `requests`, where that is shorter. Returns how many rows of evidence were blanked. That there was one, of
    which sort and when, stays.
    """
    moves.prune(tx, MOVES)
    _forget_letters(tx, min(requests, LETTERS))
    erasure.sweep(tx)
    return _blank_evidence(tx, evidence)


def _blank_evidence(tx: Tx, span: timedelta) -> int:
    """Rows of contacts with nothing live, nothing ended lately, and of addresses that never became a contact."""
    before = tx.now - span
    oldest = tx.connection.execute(select(e.at).order_by(e.id).limit(1)).scalar()
    if oldest is None or oldest >= before:  # for years there is nothing to look for
        return 0
    theirs = s.contact_id == e.contact_id
    live = exists().where(theirs, s.state != SubscriptionState.ENDED)
    lately = exists().where(theirs, s.ended >= before)
    told = cast(e.detail, Text) != "{}"
    kept = e.network.is_not(None) | e.agent.is_not(None) | e.source.is_not(None) | told
    over = (e.at < before) & ~live & ~lately & kept
    blank: dict[str, Any] = {**dict.fromkeys(WORDS), "detail": {}}
    return tx.connection.execute(update(schema.evidence).where(over).values(**blank)).rowcount


def _forget_letters(tx: Tx, bare: timedelta) -> None:
    """Letters that were settled: what they said, and where the address was nobody's on the list, to whom."""
    prefix = letter_subject(0).removesuffix("0")
    _forget_mailboxes(tx, prefix, tx.now - bare)
    waits = exists().where(d.subject == literal(prefix) + cast(le.id, Text), d.state.in_(UNSETTLED))
    strangers = and_(le.contact_id.is_(None), le.created < tx.now - bare)
    old = or_(le.created < tx.now - LETTERS, strangers)
    tx.connection.execute(delete(schema.letters).where(old, ~waits))


def _forget_mailboxes(tx: Tx, prefix: str, before: datetime) -> None:
    """Blank to which bare address letters went, and what its server said of it; that they went, and when, stays."""
    known = d.mailbox.is_not(None) & d.mailbox.not_in((FORGOTTEN, erasure.ERASED))
    old = d.subject.startswith(prefix, autoescape=True) & (d.created < before)
    over = select(d.id).where(known, old, d.state.not_in(UNSETTLED)).order_by(d.id)
    keys = tx.connection.execute(over if tx.on_sqlite else over.with_for_update()).scalars().all()
    for start in range(0, len(keys), PIECE):
        piece = keys[start : start + PIECE]
        tried = schema.attempts.c
        said = (tried.delivery_id.in_(piece)) & (tried.detail != "")
        tx.connection.execute(update(schema.attempts).where(said).values(detail=FORGOTTEN))
        nobody: dict[str, Any] = {
            "mailbox": FORGOTTEN,
            "recipient": literal(f"mailbox/{FORGOTTEN}/") + cast(d.id, Text),  # unique with the subject
            "domain": "",
            "detail": case((d.detail.is_(None), None), else_=FORGOTTEN),
        }
        tx.connection.execute(update(schema.deliveries).where(d.id.in_(piece)).values(**nobody))
