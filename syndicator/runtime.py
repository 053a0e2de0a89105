"""Composition root: the clock, the dice, the keys, the store — built once, handed down as values.

The only module that may ask the time of day or for randomness (ruff holds everyone else to it).
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime


def clock() -> datetime:
    """The host's time, UTC. On PostgreSQL the store asks the database instead."""
    return datetime.now(UTC)


def mint_uid(host: str, now: datetime) -> str:
    """A new permanent uid: a `tag:` URI (RFC 4151) with 80 random bits; says nothing about the item."""
    return f"tag:{host},{now:%Y-%m-%d}:{secrets.token_hex(10)}"
