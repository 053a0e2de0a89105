"""The pepper: a secret of the store that addresses are hashed with, so that who is suppressed cannot be read off.

It never changes, or every suppression would be lost; it lies in the database, sealed with the site's signing
key. A former key still opens it, and it is sealed anew with the present one. Where the store was opened
without a key it lies there open until one is given.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Connection, Engine, insert, select, update

from syndicator.errors import Misconfigured
from syndicator.store import schema

NAME = "pepper"
OPEN = "open:"  # how one begins that no key has sealed yet
_known: WeakKeyDictionary[Engine, bytes] = WeakKeyDictionary()
v = schema.secrets.c


def digest(connection: Connection, key: str) -> str:
    """What stands for an address (its canonical key) where the address itself must not: HMAC-SHA256 in hex."""
    return hmac.digest(_pepper(connection), key.encode(), "sha256").hex()


def make(connection: Connection) -> None:
    """Give a new database its pepper; the migration that needs it first does so."""
    new, keys = Fernet.generate_key(), _keys(connection)
    value = _lock(keys[0]).encrypt(new).decode() if keys else OPEN + new.decode()
    connection.execute(insert(schema.secrets).values(name=NAME, value=value))


def sealed(connection: Connection) -> bool:
    """Whether the pepper lies there under the present signing key, as far as we have one.

    Raises Misconfigured where none of the keys we were given opens it.
    """
    keys, kept = _keys(connection), _kept(connection)
    _opened(kept, keys)
    return not keys or _sealed_by(keys[0], kept)


def seal(connection: Connection) -> None:
    """Seal the pepper with the present signing key; to be called in a writing transaction."""
    keys = _keys(connection)
    kept = _kept(connection)
    if keys and not _sealed_by(keys[0], kept):
        locked = _lock(keys[0]).encrypt(_opened(kept, keys)).decode()
        connection.execute(update(schema.secrets).where(v.name == NAME).values(value=locked))


def _pepper(connection: Connection) -> bytes:
    engine = connection.engine
    if engine not in _known:
        _known[engine] = _opened(_kept(connection), _keys(connection))
    return _known[engine]


def _opened(kept: str, keys: Sequence[str]) -> bytes:
    if kept.startswith(OPEN):
        return kept.removeprefix(OPEN).encode()
    try:
        return MultiFernet([_lock(key) for key in keys]).decrypt(kept) if keys else _fail()
    except InvalidToken:
        return _fail()


def _fail() -> bytes:
    words = (
        "none of its keys opens what the database keeps sealed: write the former key behind it, after a space"
    )
    raise Misconfigured([f"[site] .secret_key: {words}"])


def _sealed_by(key: str, kept: str) -> bool:
    try:
        _lock(key).decrypt(kept)
    except InvalidToken:
        return False
    return True


def _lock(key: str) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(hashlib.sha256(f"pepper {key}".encode()).digest()))


def _kept(connection: Connection) -> str:
    return str(connection.execute(select(v.value).where(v.name == NAME)).scalar_one())


def _keys(connection: Connection) -> Sequence[str]:
    """The site's signing key and former ones; none where the store was opened without."""
    keys: Sequence[str] = connection.get_execution_options().get("syndicator_keys", tuple)()
    return keys
