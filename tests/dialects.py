"""The two dialects of SQLAlchemy, with one store of compiled statements for all engines of a run.

A program has one engine and compiles each statement once. Tests open an engine each, and compiling their
statements again and again was a quarter of the time of those that use a store. Nothing else is changed:
the statements, the drivers and the databases are the real ones.
"""

from typing import Any, ClassVar

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

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
