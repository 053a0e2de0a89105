"""What engines of a run share: statements compiled once, and connections to PostgreSQL.

A program has one engine: it compiles each statement once and connects a few times. Tests open an engine each.
To compile all their statements again was a quarter of the time of those that use a store, and each new
connection to PostgreSQL costs a process and 20 ms. Nothing else is changed: the statements, the drivers and
the databases are the real ones.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from sqlalchemy import Engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from syndicator.store import Store
from syndicator.store.engine import connect

MANY = 10_000  # statements; a run has a few hundred


class Shared:
    """What makes equal dialects of different engines; a compiled statement is kept under its dialect."""

    compiled: ClassVar[LRUCache[Any, Any]] = LRUCache(MANY)

    def __eq__(self, other: object) -> bool:
        """Whether a statement compiled for one suits the other: there is one server, and one SQLite."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """The same for equal ones."""
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """SQLAlchemy's own hook: called once for each engine."""
        engine._compiled_cache = cls.compiled


class SQLite(Shared, SQLiteDialect_pysqlite):
    """SQLite over Python's own driver."""

    supports_statement_cache = True


class PostgreSQL(Shared, PGDialect_psycopg):
    """PostgreSQL over psycopg 3."""

    supports_statement_cache = True


def share() -> None:
    """Let engines made from now on share; both names are those that `syndicator.store.engine` asks for."""
    registry.register("sqlite", __name__, "SQLite")
    registry.register("postgresql.psycopg", __name__, "PostgreSQL")


class Kept:
    """Connections to one database, lent to one store after another."""

    def __init__(self, address: str) -> None:
        self._engine = connect(address)
        self.idle: set[int] = set()  # the server's processes behind what nobody uses: rolled back, and whole
        event.listen(self._engine.pool, "checkin", self._note)
        event.listen(self._engine.pool, "checkout", lambda known, *_: self.idle.discard(_process(known)))

    @contextmanager
    def lent(self, store: Store) -> Iterator[None]:
        """Let a store connect by these; its engine, and whoever listens to it, stay its own."""
        engine = store._engine
        own = engine.pool, engine.dialect
        engine.pool, engine.dialect = self._engine.pool, self._engine.dialect
        try:
            yield
        finally:
            engine.pool, engine.dialect = own

    def close(self) -> None:
        """Give back every connection."""
        self._engine.dispose()

    def _note(self, known: Any, _record: Any) -> None:
        if known:  # else it was found broken
            self.idle.add(_process(known))


def _process(known: Any) -> int:
    return int(known.info.backend_pid)
