"""Migrations lead to the declared schema, once, whoever runs them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urljoin

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from syndicator.errors import SchemaBehind
from syndicator.ingest.poll import poll_one
from syndicator.model.incoming import Known
from syndicator.store import Store, Tx, deliveries, incoming, items, open_store, schema
from syndicator.store.revision import HEAD
from tests import postgres
from tests.conftest import DATABASES
from tests.ingest.feeds import Site, entry, rss, serving
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site, make_subscription
from tests.store.upgrading import MINE, READ, add_item, add_upstream, at_0004


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
            here = connection.dialect.name
            opts = {
                "compare_type": True,  # Alembic knows no constraint that is declared for one database alone
                "include_object": lambda thing, *_: getattr(thing, "info", {}).get("dialect", here) == here,
            }
            context = MigrationContext.configure(connection, opts=opts)
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


FEEDPROXY = "http://feedproxy.example/~r/cms/~3/a1B2/item-3"
OLD_HOST = "http://old.cms.example"


def read_before(store: Store, url: str) -> None:
    """What 0004 remembers of `feed_now`: its rules of reading gave other words, links and identities."""
    at_0004(store)
    add_upstream(store, url)
    add_item(store, 1, "tag:cms.example,2026:1", body="As it was read then.", url="https://cms.example/1")
    add_item(store, 2, "tag:cms.example,2026:2", edited="Our own title", url="https://cms.example/2")
    add_item(store, 3, FEEDPROXY, url=FEEDPROXY)
    add_item(store, 4, urljoin(url, "69"), url="https://cms.example/4")
    add_item(store, 5, "hash:" + hashlib.sha256(f"Item 5\n{NOW.isoformat()}".encode()).hexdigest())
    add_item(store, 6, f"{OLD_HOST}/?p=6", url=f"{OLD_HOST}/6")


def feed_now(*more: str) -> bytes:
    proxied = entry(3, guid=None, link=FEEDPROXY)
    origin = '<f:origLink xmlns:f="http://rssnamespace.org/feedburner/ext/1.0">https://cms.example/3</f:origLink></item>'
    enclosed = '<enclosure url="https://cms.example/5.mp3" type="audio/mpeg" length="9"/></item>'
    return rss(
        *more,
        entry(1),
        entry(2),
        proxied.replace("</item>", origin),
        entry(4, guid="69").replace(' isPermaLink="false"', ""),
        entry(5, guid=None, link="").replace("</item>", enclosed),
        entry(6, guid="https://new.cms.example/?p=6", link="https://new.cms.example/6"),
    )


def polled(store: Store, site: Site) -> list[str]:
    """What became of each thing that the only upstream brought now."""
    numbers = count(1)
    said = poll_one(store, "cms", site.client, lambda _: f"tag:new,2026:{next(numbers)}", make_site())
    assert said.fault is None
    return sorted((str(one.fate) for one in said.prospects), reverse=True)


def remembered(tx: Tx) -> list[Known]:
    """All that is known of what the upstream brought, and is in its feed now."""
    names = [one.identity for one in incoming.present(tx, MINE)]
    return list(incoming.known(tx, MINE, names).values())


def test_what_was_brought_before_the_upgrade_is_neither_revised_nor_doubled(empty_url: str) -> None:
    """feeds:I15, feeds:I16 — other rules of reading are no news: nothing revised, corrected, doubled or owed.

    A person's words stand. What moved to another host meanwhile has the new address, and says so to nobody.
    """
    clock = FakeClock(NOW)
    with serving() as site, open_store(empty_url, host_clock=clock, fixed_clock=clock) as store:
        read_before(store, site.url)
        store.upgrade()
        with store.begin() as tx:
            make_subscription(tx)
        site.say(feed_now())
        assert polled(store, site) == ["unchanged"] * 5 + ["revised"]
        with store.read() as tx:
            kept = {item.id - MINE: item for item in items.listing(tx)}
            assert [] == deliveries.listing(tx)
            assert {READ, None} == {one.first for one in remembered(tx)} | {None}
        assert 6 == len(kept)
        assert {1: 1, 2: 2, 3: 1, 4: 1, 5: 1, 6: 2} == {
            number: item.revision for number, item in kept.items()
        }
        assert (kept[1].content.body, kept[2].content.title) == ("As it was read then.", "Our own title")
        assert (kept[6].content.url, kept[6].updated) == (
            "https://new.cms.example/6",
            READ + timedelta(microseconds=6),
        )
        # From here on it is known by what it says now: the same is not even read, a change is one.
        clock.advance(minutes=20)
        site.say(feed_now().replace(b"In short.", b"At length.", 1))
        assert ["revised"] == polled(store, site)
        with store.read() as tx:
            item = next(item for item in items.listing(tx) if item.id == MINE + 1)
        assert ("At length.", 2) == (item.content.body, item.revision)
