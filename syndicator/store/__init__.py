"""The canonical store: the only room that knows SQL. SQLite inside by default, PostgreSQL beside.

`open_store(url)` gives a `Store`; `store.begin()` a writing transaction (`Tx`, ours) with its own
`now`, `store.read()` a reading one. The functions of the modules here (`items`, `topics`,
`documents`, `media`, `releases`, `audience`, `deliveries`, `upstreams`, `schedules`) take a Tx first; flows
own the transaction and put into it everything that must be true together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sqlalchemy.engine import Engine

from syndicator.store import engine as _engine
from syndicator.store.engine import Tx

if TYPE_CHECKING:
    from syndicator.store.notices import Listener

__all__ = ["Store", "Tx", "open_store"]


class Store:
    """An open database. Safe to share between threads; not across a fork."""

    def __init__(
        self, engine: Engine, host_clock: Callable[[], datetime], fixed_clock: Callable[[], datetime] | None
    ) -> None:
        self._engine = engine
        self._host_clock = host_clock
        self._fixed_clock = fixed_clock
        self._turn = threading.Lock() if self.kind == "sqlite" else None

    def begin(self) -> AbstractContextManager[Tx]:
        """A writing transaction: commits at the end of the block, rolls back on any exception."""
        return _engine.in_turn(
            self._turn, _engine.transaction(self._engine, self._host_clock, self._fixed_clock, write=True)
        )

    def read(self) -> AbstractContextManager[Tx]:
        """A reading transaction: one consistent picture on SQLite; never waits for a writer there."""
        return _engine.transaction(self._engine, self._host_clock, self._fixed_clock, write=False)

    def upgrade(self) -> None:
        """Bring the schema to the newest revision; doing it twice, or from two processes, is harmless."""
        from syndicator.store import migrations

        migrations.upgrade(self._engine)

    def revision(self) -> str | None:
        """The schema revision the database has, or None if it is empty."""
        from syndicator.store import revision

        return revision.of(self._engine)

    def check_schema(self) -> None:
        """Raise SchemaBehind, naming both revisions, unless the schema is the one this program needs."""
        from syndicator.store import revision

        revision.check(self._engine)

    def listener(self) -> Listener:
        """Hears what other processes announce (`notices`), on a connection of its own."""
        from syndicator.store import notices

        return notices.Listener(self._engine)

    def scrub(self) -> str | None:
        """Let nothing that was redacted or erased linger in the database's own files; what could not be done, or None."""
        from syndicator.store import erasure, redactions

        return _engine.scrub(self._engine, sorted({*redactions.WORDY, *erasure.WORDY}))

    def seal(self) -> None:
        """Keep the store's own secret under the present signing key; raises Misconfigured where no key opens it."""
        from syndicator.store import pepper

        with self.read() as tx:
            done = pepper.sealed(tx.connection)
        if not done:
            with self.begin() as tx:
                pepper.seal(tx.connection)

    @property
    def kind(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_store(
    url: str,
    *,
    host_clock: Callable[[], datetime],
    fixed_clock: Callable[[], datetime] | None = None,
    keys: Callable[[], Sequence[str]] = tuple,
) -> Store:
    """Open the database at `url`; nothing is connected or created until the first transaction.

    `host_clock` gives the time on SQLite; `fixed_clock`, for tests, on both databases. `keys` gives the key the
    audit is made with and former ones.
    """
    engine = _engine.connect(url)
    engine.update_execution_options(syndicator_keys=keys)
    return Store(engine, host_clock, fixed_clock)
