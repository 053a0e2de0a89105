"""Houses in which something is redacted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syndicator.feeds import redaction
from syndicator.store import (
    Store,
    open_store,
)
from tests.feeds.redacting import housed
from tests.make import FakeClock


@pytest.fixture
def house(store: Store, clock: FakeClock, tmp_path: Path) -> redaction.House:
    """Where the words are, on both databases."""
    return housed(store, clock, tmp_path)


@pytest.fixture
def lite(sqlite_url: str, clock: FakeClock, tmp_path: Path) -> Iterator[redaction.House]:
    """The same on SQLite: for what never depends on the database."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield housed(store, clock, tmp_path)
