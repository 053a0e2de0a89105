"""The secret addresses are hashed with: it outlives a change of the signing key, and never lies open under one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from syndicator.errors import Misconfigured
from syndicator.model.audience import address
from syndicator.model.suppression import Reason
from syndicator.store import Store, open_store, suppressions
from tests.make import NOW, FakeClock

OLD, NEW = "the former signing key", "the signing key of today"
JANE = address("jane@x.example")


def opened(path: Path, *keys: str) -> Store:
    return open_store(
        f"sqlite:///{path}", host_clock=FakeClock(NOW), fixed_clock=FakeClock(NOW), keys=lambda: keys
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store that knows one suppressed address, made under the old key."""
    path = tmp_path / "s.db"
    with opened(path, OLD) as store:
        store.upgrade()
        store.seal()
        with store.begin() as tx:
            suppressions.suppress(tx, JANE, Reason.COMPLAINT)
    return path


def knows(path: Path, *keys: str) -> bool:
    with opened(path, *keys) as store, store.read() as tx:
        return suppressions.of(tx, JANE) is not None


def kept(path: Path) -> str:
    connection = sqlite3.connect(path)
    with connection:
        value = str(connection.execute("SELECT value FROM secrets").fetchone()[0])
    connection.close()
    return value


def test_suppressions_outlive_a_change_of_the_key(path: Path) -> None:
    """mail:LM10: the former key opens what the new one then keeps; after that the former may go."""
    with opened(path, NEW, OLD) as store:
        store.seal()
    assert knows(path, NEW)
    before = kept(path)
    with opened(path, NEW) as store:  # nothing to do any more, and nothing is written
        store.seal()
    assert before == kept(path)


def test_a_key_too_new_is_refused_in_words(path: Path) -> None:
    """mail:LM10: nobody's suppression is lost because a key was changed too early: the start says what to write."""
    with opened(path, NEW) as store, pytest.raises(Misconfigured, match="write the former key behind it"):
        store.seal()
    with pytest.raises(Misconfigured):
        knows(path, NEW)


def test_nobody_can_read_who_is_suppressed(path: Path) -> None:
    """mail:LM10: neither an address nor the pepper stands in the file, so not even guessing tells who it is."""
    raw = path.read_bytes()
    assert b"jane" not in raw
    assert b"open:" not in raw
    assert kept(path).startswith("gAAAA")


def test_a_store_without_a_key_is_sealed_by_the_first(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    with opened(path) as store:
        store.upgrade()
        store.seal()
        with store.begin() as tx:
            suppressions.suppress(tx, JANE, Reason.MANUAL)
    assert kept(path).startswith("open:")
    with opened(path, NEW) as store:
        store.seal()
    assert not kept(path).startswith("open:")
    assert knows(path, NEW)
