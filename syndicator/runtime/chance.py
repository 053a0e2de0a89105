"""The clock and the dice: the only module that may ask the time of day or for randomness (ruff holds everyone else to it)."""

from __future__ import annotations

import base64
import os
import secrets
import socket
from datetime import UTC, datetime


def clock() -> datetime:
    """The host's time, UTC. On PostgreSQL the store asks the database instead."""
    return datetime.now(UTC)


def mint_uid(host: str, now: datetime) -> str:
    """A new permanent uid: a `tag:` URI (RFC 4151) with 80 random bits; says nothing about the item."""
    return f"tag:{host},{now:%Y-%m-%d}:{secrets.token_hex(10)}"


def mint_secret() -> str:
    """A new webhook secret: 256 bits, as Standard Webhooks writes them."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def mint_token() -> str:
    """A name or secret nobody can guess: 256 bits, fit for a path."""
    return secrets.token_urlsafe(32)


def mint_medium() -> str:
    """What a file is called in public, without its ending: 128 bits that nobody can guess."""
    return secrets.token_hex(16)


def mint_name(role: str) -> str:
    """A name no other process has: for leases and heartbeats."""
    return f"{role}-{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"


def mint_key() -> str:
    """A new signing key: 256 bits in hex, as `openssl rand -hex 32` prints them."""
    return secrets.token_hex(32)
