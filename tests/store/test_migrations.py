"""Migrations lead to the declared schema, once, whoever runs them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from syndicator.errors import SchemaBehind
from syndicator.store import Store, items, open_store, schema
from syndicator.store.revision import HEAD
from tests import postgres
from tests.conftest import DATABASES
from tests.make import NOW, FakeClock, make_content, make_newsroom


@pytest.fixture(params=DATABASES)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database with nothing in it."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
        return
    host = str(request.getfixturevalue("postgresql_host"))
    name = f"empty_{request.getfixturevalue('worker_id')}"
    postgres.create(host, name)
    yield postgres.url(host, name)
    postgres.drop(host, name)


def opened(url: str) -> Store:
    return open_store(url, host_clock=FakeClock(NOW), fixed_clock=FakeClock(NOW))


def test_migrated_equals_declared(empty_url: str) -> None:
    """operations:D4: the migrations lead exactly to the schema that is declared."""
    with opened(empty_url) as store:
        store.upgrade()
        with store._engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert [] == compare_metadata(context, schema.metadata)


def test_partial_indexes_are_migrated_as_declared(empty_url: str) -> None:
    """design:14: "once" rests on partial indexes; Alembic does not compare their conditions, we do."""
    with opened(empty_url) as store:
        store.upgrade()
        with store._engine.connect() as connection:
            migrated = conditions(connection)
            for table in reversed(schema.metadata.sorted_tables):
                table.drop(connection)
            schema.metadata.create_all(connection)
            assert conditions(connection) == migrated
            connection.rollback()


def conditions(connection: object) -> dict[str, tuple[bool, str]]:
    looking = inspect(connection)
    assert looking is not None
    found = {}
    for table in schema.metadata.tables:
        for index in looking.get_indexes(table):
            options = index.get("dialect_options", {})
            where = (
                options.get("sqlite_where") if "sqlite_where" in options else options.get("postgresql_where")
            )
            found[str(index["name"])] = (bool(index["unique"]), str(where))
    return found


def test_upgrading_twice_is_harmless(empty_url: str) -> None:
    """operations:D4: a second upgrade changes nothing and loses nothing."""
    with opened(empty_url) as store:
        assert store.revision() is None
        store.upgrade()
        make_newsroom(store)
        with store.begin() as tx:
            items.add(tx, "tag:x", make_content(), NOW, None)
        store.upgrade()
        assert HEAD == store.revision()
        with store.read() as tx:
            assert ["tag:x"] == [item.uid for item in items.listing(tx)]


UPGRADE = """
import sys
from datetime import datetime, UTC
from syndicator.store import open_store
sys.stdin.readline()
with open_store(sys.argv[1], host_clock=lambda: datetime.now(UTC)) as store:
    store.upgrade()
    store.check_schema()
"""


def test_processes_may_upgrade_at_once(empty_url: str) -> None:
    """operations:D4: processes that start together on an empty database all find it upgraded."""
    command = [sys.executable, "-c", UPGRADE, empty_url]
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]  # type: ignore[call-overload]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    faults = [process.communicate(timeout=60)[1] for process in processes]
    assert [""] * 3 == faults
    with opened(empty_url) as store:
        store.check_schema()


def test_a_schema_that_is_behind_says_what_to_do(empty_url: str) -> None:
    """code-models:6: check_schema names what is there, what is needed and the command."""
    with opened(empty_url) as store:
        with pytest.raises(
            SchemaBehind, match=f"has schema none, this program needs {HEAD}: run `syndicator db upgrade`"
        ):
            store.check_schema()
        store.upgrade()
        store.check_schema()
        with store.begin() as tx:
            tx.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(SchemaBehind, match=f"has schema 9999, this program needs {HEAD}"):
            store.check_schema()


def test_the_head_is_the_newest_step() -> None:
    """operations:D4: the revision named without Alembic is the one Alembic would go to, in one line of steps."""
    import syndicator.store.migrations as room

    scripts = ScriptDirectory(str(Path(room.__file__).parent))
    assert [HEAD] == scripts.get_heads()
    steps = list(scripts.walk_revisions())
    assert [f"{n:04}" for n in range(len(steps), 0, -1)] == [step.revision for step in steps]
