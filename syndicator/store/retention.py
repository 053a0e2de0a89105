"""Retention: what is known about people goes when its time is over, without anybody asking (security:D7)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Text, cast, delete, exists, literal, select, update

from syndicator.model.audience import SubscriptionState
from syndicator.model.delivery import OPEN, DeliveryState
from syndicator.model.letters import letter_subject
from syndicator.store import erasure, moves, schema
from syndicator.store.engine import Tx

LETTERS = timedelta(days=30)  # how long it is known what a letter about somebody's own affairs said
MOVES = timedelta(days=30)
e, s, le, d = schema.evidence.c, schema.subscriptions.c, schema.letters.c, schema.deliveries.c
WORDS = ("network", "agent", "form", "source", "language", "message_id")


def expire(tx: Tx, evidence: timedelta) -> int:
    """Blank evidence of those who have had no subscription for so long, and forget old letters and moves.

    Returns how many rows of evidence were blanked. That there was one, of which sort and when, stays.
    """
    moves.prune(tx, MOVES)
    _forget_letters(tx)
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


def _forget_letters(tx: Tx) -> None:
    subject = literal(letter_subject(0).removesuffix("0")) + cast(le.id, Text)
    waits = exists().where(d.subject == subject, d.state.in_((*OPEN, DeliveryState.UNKNOWN)))
    old = le.created < tx.now - LETTERS
    tx.connection.execute(delete(schema.letters).where(old, ~waits))
