"""A word from one process to the others: what the public may read has changed (PostgreSQL's NOTIFY).

`announce` is heard when its transaction commits, and not at all if it rolls back. SQLite has no such
thing and needs none: there `PRAGMA data_version` tells. It is a hint that makes things quick, never
the only way to learn of a change: whoever waits looks for himself every now and then (walk A's end).
"""

from __future__ import annotations

import contextlib
import threading
import time

import psycopg
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from syndicator.store.engine import Tx

CHANNEL = "syndicator_public"
GLANCE = 0.5  # seconds after which a listener that was closed notices
PATIENCE = 5  # seconds to connect in


def announce(tx: Tx) -> None:
    """Let the listeners of other processes know, at commit, that documents or addresses have changed.

    Doing it twice in a transaction is one notice. Nothing on SQLite.
    """
    if not tx.on_sqlite:
        tx.connection.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


class Listener:
    """Waits for notices on a connection of its own; for one thread, `close` apart."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._connection: psycopg.Connection | None = None
        self._closed = threading.Event()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds; True if there was a notice, or may have been one unheard.

        Without a connection (lost, refused, or SQLite) it only lets the time pass, and tries again to
        connect with the next call: the caller's short poll is then all there is. Returns at once when closed.
        """
        if self._engine.dialect.name != "postgresql":
            return self._pass(timeout)
        try:
            if self._connection is None:
                self._connection = self._connect()
                return True  # what was said before we listened
            return self._hear(self._connection, timeout)
        except (psycopg.Error, DBAPIError):
            self._drop()
            return self._pass(timeout)

    def close(self) -> None:
        """End the waiting, within its timeout, and every one to come."""
        self._closed.set()

    def release(self) -> None:
        """Give the connection back; by the thread that waits, when it has done so for the last time."""
        self._drop()

    def _hear(self, connection: psycopg.Connection, timeout: float) -> bool:
        until = time.monotonic() + timeout
        while not self._closed.is_set():
            left = until - time.monotonic()
            if list(connection.notifies(timeout=max(0.0, min(left, GLANCE)), stop_after=1)):
                return True
            if left <= GLANCE:
                break
        return False

    def _connect(self) -> psycopg.Connection:
        # As the store connects, but outside its pool: this one is held for good.
        words, options = self._engine.dialect.create_connect_args(self._engine.url)
        options = {"connect_timeout": PATIENCE, **options, "autocommit": True}
        connection = psycopg.connect(*words, **options)
        connection.execute(f"LISTEN {CHANNEL}")
        return connection

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None

    def _pass(self, timeout: float) -> bool:
        self._closed.wait(timeout)
        return False
