"""The databases behind the store, and the only place where SQLite and PostgreSQL differ.

SQLite: WAL, foreign keys, synchronous=FULL, `BEGIN IMMEDIATE` for writers. PostgreSQL: psycopg 3,
READ COMMITTED, `SKIP LOCKED` in claims. A transaction's time is `tx.now`: PostgreSQL's own clock,
or the host's on SQLite with a high-water row (DESIGN §5.11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Engine,
    FromClause,
    Insert,
    Select,
    Table,
    Text,
    TypeDecorator,
    Update,
    bindparam,
    create_engine,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from syndicator.errors import Invalid, TryLater
from syndicator.store import schema

Clock = Callable[[], datetime]
Writers = list[tuple[str, Callable[[Any], Any]]]
# A clock this far behind what was seen before is no jitter: lifts stop and say so.
MAX_STEP_BACK = timedelta(seconds=5)
# SQLSTATE classes of a database that answers no to what was written: data, constraints, limits. To try the same
# again is in vain, though psycopg calls some of them operational errors.
REFUSALS = frozenset({"22", "23", "54"})
PATIENCE = 30  # seconds a writer on SQLite waits for another
AT_END = "what is done last"


@dataclass(frozen=True, slots=True)
class Tx:
    """One transaction: everything written with it becomes true together, or not at all.

    `now` is its one instant (UTC). `clock_behind` is how far the host clock lies behind an instant
    this SQLite store has seen already, zero when all is well.
    """

    connection: Connection
    now: datetime
    clock_behind: timedelta = timedelta()
    # What a module reads once in a transaction, however often it is asked for.
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    clock: Clock | None = field(default=None, compare=False, repr=False)

    def moment(self) -> datetime:
        """The instant at which this is asked, by the clock `now` is from: what was waited for is over by then."""
        if self.clock:
            return self.clock()
        return self.now if self.on_sqlite else _database_time(self.connection)

    @property
    def on_sqlite(self) -> bool:
        """Whether this is the embedded database."""
        return self.connection.dialect.name == "sqlite"

    def at_end(self, work: Callable[[], None]) -> None:
        """Let this be the last thing done before the commit: for locks everybody needs and nobody should hold long."""
        self.memo.setdefault(AT_END, []).append(work)


def connect(address: str) -> Engine:
    """An engine for a store URL; raises Invalid for one that cannot be meant."""
    try:
        url = make_url(address)
    except ArgumentError:
        raise Invalid(
            f"store.url {address!r} is no database address: use sqlite:///var/syndicator.db or postgresql://…"
        ) from None
    match url.get_backend_name():
        case "sqlite":
            return _sqlite(url)
        case "postgresql":
            return _postgresql(url)
        case other:
            raise Invalid(f"store.url names {other!r}; Syndicator keeps its items in sqlite or postgresql")


@contextmanager
def transaction(engine: Engine, host_clock: Clock, fixed_clock: Clock | None, *, write: bool) -> Iterator[Tx]:
    """One transaction on either database; commits at the end, rolls back on any exception."""
    try:
        # Without preserve_rowcount a skipped INSERT counts -1 on PostgreSQL (an implicit RETURNING), 0 on SQLite.
        options = {"syndicator_write": write, "preserve_rowcount": True}
        with engine.connect().execution_options(**options) as connection, connection.begin():
            tx = _tx(connection, host_clock, fixed_clock, write=write)
            yield tx
            for work in tx.memo.get(AT_END, ()):
                work()
    except OperationalError as fault:
        if (getattr(fault.orig, "sqlstate", None) or "")[:2] in REFUSALS:
            raise
        raise later(fault) from fault


@contextmanager
def in_turn(turn: Lock | None, work: AbstractContextManager[Tx]) -> Iterator[Tx]:
    """A writing transaction of this process behind its others: SQLite's own queue is to sleep and to look again."""
    ours = turn is not None and turn.acquire(timeout=PATIENCE)
    try:
        with work as tx:
            yield tx
    finally:
        if turn is not None and ours:
            turn.release()


def alone(tx: Tx, lock: int) -> None:
    """Let no other transaction that asks for this lock go on until we end; on SQLite a writer is alone anyway."""
    if not tx.on_sqlite:
        tx.connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


def scrub(engine: Engine, tables: Sequence[str]) -> str | None:
    """Let nothing that was deleted from these tables linger in the database's files, as far as we can.

    Returns what could not be done, or None. On SQLite deleted pages are overwritten as they are deleted, and the
    write-ahead log is emptied here; PostgreSQL removes dead rows, and overwrites their room by and by.
    """
    if engine.dialect.name == "sqlite":
        raw = engine.raw_connection()
        try:  # outside any transaction, which SQLAlchemy would begin
            busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            raw.close()
        return "the write-ahead log beside the database: somebody reads it; say it again" if busy else None
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for table in tables:
            connection.exec_driver_sql(f'VACUUM "{table}"')
    return None


def insert_or_skip(tx: Tx, table: Table) -> Any:
    """An INSERT that leaves rows alone which a constraint says are there already."""
    return _skipping(table, tx.on_sqlite)


def insert_or_update(tx: Tx, table: Table, values: dict[str, Any], key: str | tuple[str, ...]) -> None:
    """Write one row, replacing the other columns where `key` exists already."""
    insert_or_update_all(tx, table, [values], (key,) if isinstance(key, str) else key)


def insert_or_update_all(tx: Tx, table: Table, rows: Sequence[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Write rows that name the same columns, replacing the other columns where `keys` exist already."""
    if rows:
        tx.connection.execute(_replacing(table, tx.on_sqlite, keys, tuple(rows[0])), list(rows))


@cache
def _skipping(table: Table, on_sqlite: bool) -> Any:  # noqa: FBT001 - a key of the cache
    make = sqlite.insert if on_sqlite else postgresql.insert
    return make(table).on_conflict_do_nothing()


@cache
def _replacing(table: Table, on_sqlite: bool, keys: tuple[str, ...], names: tuple[str, ...]) -> Any:  # noqa: FBT001 - as above
    statement = (sqlite.insert if on_sqlite else postgresql.insert)(table)
    rest = {name: statement.excluded[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=list(keys), set_=rest)


def worked_out(tx: Tx, query: Select[Any], name: str) -> FromClause:
    """A query that is worked out by itself, before anything is joined to it.

    Each database has its fence. (A WITH before an INSERT hides from Python's sqlite3 how many rows it wrote.)
    """
    if tx.on_sqlite:
        return query.offset(0).subquery(name)
    return query.cte(name).prefix_with("MATERIALIZED")


class _Keys(TypeDecorator[list[int]]):
    """A list of keys as one value: an array on PostgreSQL, JSON on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        native = postgresql.ARRAY(BigInteger()) if dialect.name == "postgresql" else Text()
        return dialect.type_descriptor(native)

    def process_bind_param(self, value: list[int] | None, dialect: Dialect) -> Any:
        return value if dialect.name == "postgresql" else str(value)


class _Among(FunctionElement[Any]):
    # Were its type Boolean, SQLite would be asked whether it = 1, and would read the whole table.
    inherit_cache = True


def among(column: Column[int], name: str) -> _Among:
    """Whether the column is one of the list bound to `name`, however long: the same words each time.

    An IN with a parameter for each key is another statement for each length, and SQLite takes as long to
    understand one as to look up a hundred rows.
    """
    return _Among(column, bindparam(name, type_=_Keys()))


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, keys = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({keys}))"  # noqa: S608 - both are compiled, not typed


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **how: Any) -> str:
    column, keys = (compiler.process(one, **how) for one in element.clauses)
    return f"{column} = ANY({keys})"


_NOTHING: Any = object()


class ForMany:
    """A statement run for many rows at once, whose parameters all rows name alike.

    Compiled once for each database: SQLAlchemy alone would look at every value of every row again.
    """

    def __init__(self, statement: Insert | Update) -> None:
        self._statement = statement
        self._words: dict[str, tuple[str, Writers]] = {}

    def write(self, tx: Tx, rows: Sequence[dict[str, Any]]) -> None:
        """Run it for each of these rows, whose values become what the database takes."""
        dialect = tx.connection.dialect
        if dialect.name not in self._words:
            self._words[dialect.name] = self._compiled(dialect, list(rows[0]))
        words, writers = self._words[dialect.name]
        for name, stored in writers:
            last = written = _NOTHING
            for row in rows:
                if row[name] is not last:  # most often it is the instant of the transaction
                    last = row[name]
                    written = stored(last)
                row[name] = written
        tx.connection.exec_driver_sql(words, list(rows))

    def _compiled(self, dialect: Dialect, names: list[str]) -> tuple[str, Writers]:
        by_name = sqlite.dialect(paramstyle="named") if dialect.name == "sqlite" else dialect
        compiled = self._statement.compile(dialect=by_name, column_keys=names, for_executemany=True)
        assert isinstance(compiled, SQLCompiler)
        found = ((name, bind.type.dialect_impl(by_name)) for name, bind in compiled.binds.items())
        writers: Writers = [
            (name, writer) for name, kind in found if (writer := kind.bind_processor(by_name))
        ]
        return str(compiled), writers


def _sqlite(url: URL) -> Engine:
    # Whatever is logged of an error must not hold the words that were written: they may be under embargo.
    patient = {"timeout": PATIENCE, "check_same_thread": False}
    engine = create_engine(
        url, hide_parameters=True, connect_args=patient, pool_size=8, max_overflow=24, pool_use_lifo=True
    )
    event.listen(engine, "do_connect", _make_folder)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    url = url.set(drivername="postgresql+psycopg")
    engine = create_engine(url, hide_parameters=True, pool_size=8, max_overflow=24, pool_pre_ping=True)
    event.listen(engine, "handle_error", _hide_row)
    return engine


def _hide_row(context: ExceptionContext) -> None:
    """PostgreSQL's detail quotes the row that it refuses, whose words may be under embargo: nobody prints those."""
    fault, told = context.original_exception, context.sqlalchemy_exception
    detail = getattr(getattr(fault, "diag", None), "message_detail", None)
    if detail:
        for one in filter(None, (fault, told)):
            one.args = tuple(str(arg).replace(detail, "…") for arg in one.args)


def _make_folder(_dialect: Any, _record: Any, addresses: list[Any], _options: dict[str, Any]) -> None:
    """What is under embargo lies in this file: it is for its owner alone, and so is the folder we make."""
    if addresses and addresses[0] != ":memory:":
        path = Path(addresses[0])
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)  # SQLite gives its -wal and -shm the same mode


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves: sqlite3 would open transactions late
    # What is deleted is overwritten, as most builds of SQLite do by themselves: a redaction leaves nothing in the file.
    usual = (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={PATIENCE * 1000}",
        "secure_delete=ON",
    )
    for pragma in usual:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: an upgrade from reader to writer could fail in the middle.
    write = connection.get_execution_options().get("syndicator_write", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _tx(connection: Connection, host_clock: Clock, fixed_clock: Clock | None, *, write: bool) -> Tx:
    if fixed_clock:
        return Tx(connection, fixed_clock(), clock=fixed_clock)
    if connection.dialect.name == "postgresql":
        return Tx(connection, _database_time(connection))
    return _sqlite_time(connection, host_clock, write=write)


_ITS_TIME = text("SELECT clock_timestamp()")


def _database_time(connection: Connection) -> datetime:
    # clock_timestamp, not now(): the latter stands still at the begin of the transaction.
    found: datetime = connection.execute(_ITS_TIME).scalar_one()
    return found


_HIGH_WATER = select(schema.clock.c.high_water)


def _sqlite_time(connection: Connection, clock: Clock, *, write: bool) -> Tx:
    host = clock()
    seen = connection.execute(_HIGH_WATER).scalar()
    if seen and host < seen - MAX_STEP_BACK:
        return Tx(connection, host, seen - host, clock=clock)
    if write and seen is None:
        connection.execute(insert(schema.clock).values(id=1, high_water=host))
    elif write and seen and host > seen + timedelta(seconds=1):
        connection.execute(update(schema.clock).values(high_water=host))
    return Tx(connection, host, clock=clock)


def later(fault: DBAPIError) -> TryLater:
    """What to tell whoever asked while the database did not answer."""
    words = str(fault.orig).strip().splitlines()
    return TryLater(f"the database does not answer: {words[0] if words else 'unknown reason'}")
