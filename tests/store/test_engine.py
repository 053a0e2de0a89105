"""Transactions, their time, and what instants become in both databases."""

from __future__ import annotations

import hashlib
import traceback
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError, StatementError

from syndicator.errors import Invalid, SchemaBehind, TryLater
from syndicator.store import Store, alarms, open_store, schema, topics
from syndicator.store.engine import ForMany, among
from tests.make import NOW, FakeClock, make_newsroom, make_topic, reserved_port

SECRET = "Under embargo until noon"
SHARED = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=60,
)


def slugs(store: Store) -> list[str]:
    with store.read() as tx:
        return [topic.slug for topic in topics.listing(tx)]


# -- together or not at all


def test_rollback_leaves_nothing(store: Store) -> None:
    """delivery:1: what a transaction wrote before it failed is gone, whatever failed."""

    def fail() -> None:
        with store.begin() as tx:
            topics.add(tx, make_topic("a"))
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [] == slugs(store)


def test_a_transaction_commits_at_its_end(store: Store) -> None:
    """delivery:1: nobody sees half of a transaction, everybody sees all of it afterwards."""
    with store.begin() as tx:
        topics.add(tx, make_topic("a"))
        assert [] == slugs(store)
        topics.add(tx, make_topic("b"))
    assert ["a", "b"] == slugs(store)


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    """design:5.3: a page can be read while something is published."""
    make_newsroom(store, "a")
    with store.begin() as writing:
        topics.add(writing, make_topic("b"))
        with store.read() as one, store.read() as two:
            assert topics.titles(one) == topics.titles(two) == {"all": "All items", "a": "A"}


def test_a_reader_on_sqlite_sees_one_picture(sqlite_url: str, clock: FakeClock) -> None:
    """design:5.2: a reading transaction on SQLite does not see what was committed after its first look."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store, store.read() as reading:
        assert {} == topics.titles(reading)
        make_newsroom(store, "a")
        assert {} == topics.titles(reading)


@pytest.mark.parametrize("change", [{"title": SECRET, "slug": "a"}, {"title": SECRET, "uid": None}])
def test_an_error_does_not_quote_what_was_written(store: Store, change: dict[str, str | None]) -> None:
    """security:D6: words under embargo get into no log because a database refused their row, nor with the error below."""
    make_newsroom(store, "a", "b")
    with pytest.raises(IntegrityError) as refused, store.begin() as tx:
        tx.connection.execute(update(schema.topics).where(schema.topics.c.slug == "b").values(**change))
    told = "".join(traceback.format_exception(refused.value))
    assert "UPDATE topics" in told
    assert SECRET not in told


def test_what_a_database_cannot_hold_is_not_its_absence(postgresql_url: str, clock: FakeClock) -> None:
    """code-models:6: whoever is told to try later would try the same for ever; this is an error, and loud."""
    # Too long for an index, and nothing that could be packed.
    name = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(60))
    row = insert(schema.workers).values(name=name, started=NOW, seen=NOW)
    with open_store(postgresql_url, host_clock=clock) as store:
        with pytest.raises(OperationalError, match="index row size"), store.begin() as tx:
            tx.connection.execute(row)
        gone = text("SELECT pg_terminate_backend(pg_backend_pid())")
        with pytest.raises(TryLater, match="does not answer"), store.begin() as tx:
            tx.connection.execute(gone)


# -- whose clock


def test_an_injected_clock_rules_both_databases(store: Store, clock: FakeClock) -> None:
    """design:5.11: in tests `tx.now` is the clock's, for readers and writers."""
    for _ in range(2):
        with store.begin() as writing:
            assert (clock.now, timedelta()) == (writing.now, writing.clock_behind)
        with store.read() as reading:
            assert clock.now == reading.now
        clock.advance(days=-400)


def test_postgresql_asks_its_own_clock(postgresql_url: str, clock: FakeClock) -> None:
    """delivery:1.4.6: on PostgreSQL the host's clock is not asked, and time goes on between transactions."""
    with open_store(postgresql_url, host_clock=FakeClock(datetime(1999, 1, 1, tzinfo=UTC))) as store:
        with store.begin() as early:
            pass
        with store.begin() as late:
            assert datetime(2020, 1, 1, tzinfo=UTC) < early.now < late.now
            assert late.now.utcoffset() == timedelta()


def test_a_clock_that_jumps_back_is_noticed(sqlite_url: str, clock: FakeClock) -> None:
    """delivery:1.4.6: more than five seconds behind what was seen before is told; five are jitter."""
    with open_store(sqlite_url, host_clock=clock) as store:
        with store.begin() as tx:
            assert (NOW, timedelta()) == (tx.now, tx.clock_behind)
        clock.now = NOW - timedelta(seconds=5)
        with store.begin() as tx:
            assert timedelta() == tx.clock_behind
        clock.now = NOW - timedelta(seconds=5, microseconds=1)
        with store.begin() as tx:
            assert timedelta(seconds=5, microseconds=1) == tx.clock_behind
        with store.read() as tx:
            assert timedelta(seconds=5, microseconds=1) == tx.clock_behind
        clock.now = NOW
        with store.begin() as tx:
            assert timedelta() == tx.clock_behind


def test_the_high_water_outlives_the_process(sqlite_url: str) -> None:
    """delivery:1.4.6: a restart does not forget what time it was; the mark rises and never falls."""
    for ahead in (0, 3600, 60):
        with (
            open_store(sqlite_url, host_clock=FakeClock(NOW + timedelta(seconds=ahead))) as store,
            store.begin(),
        ):
            pass
    with open_store(sqlite_url, host_clock=FakeClock(NOW)) as store, store.begin() as tx:
        assert timedelta(hours=1) == tx.clock_behind


def test_readers_leave_the_high_water_alone(sqlite_url: str, clock: FakeClock) -> None:
    """design:5.11: reading writes nothing, not even the time."""
    with open_store(sqlite_url, host_clock=clock) as store:
        with store.read():
            pass
        with store.begin() as tx:
            assert 1 == len(tx.connection.execute(select(schema.clock)).all())
        clock.advance(hours=1)
        with store.read():
            pass
        clock.now = NOW
        with store.begin() as tx:
            assert timedelta() == tx.clock_behind


# -- a database that is not there


def away(tmp_path: Path) -> list[str]:
    (tmp_path / "folder").mkdir()
    return [f"postgresql://x@127.0.0.1:{reserved_port()}/x", f"sqlite:///{tmp_path / 'folder'}"]


@pytest.mark.parametrize("which", [0, 1], ids=["postgresql", "sqlite"])
def test_an_unreachable_database_is_for_later(which: int, tmp_path: Path, clock: FakeClock) -> None:
    """code-models:6: a database that does not answer is TryLater (exit 75), in one line."""
    with open_store(away(tmp_path)[which], host_clock=clock) as store:
        for begin in (store.begin, store.read):
            with pytest.raises(TryLater, match=r"the database does not answer: \w") as later, begin():
                raise AssertionError("nothing is there")
            assert (75, 1) == (later.value.exit_code, len(str(later.value).splitlines()))


@pytest.mark.parametrize("which", [0, 1], ids=["postgresql", "sqlite"])
def test_an_unreachable_database_is_no_old_schema(which: int, tmp_path: Path, clock: FakeClock) -> None:
    """code-models:6: nobody is sent to `db upgrade` because the database is down."""
    with open_store(away(tmp_path)[which], host_clock=clock) as store:
        for ask in (store.check_schema, store.revision):
            with pytest.raises(TryLater, match="does not answer") as later:
                ask()
            assert not isinstance(later.value, SchemaBehind)


@pytest.mark.parametrize("address", ["", "nonsense", "mysql://x/y", "oracle://x"])
def test_addresses_that_cannot_be_meant(address: str, clock: FakeClock) -> None:
    """code-models:6: an address of no database, or of another kind, is refused with what to write."""
    with pytest.raises(Invalid, match="sqlite"):
        open_store(address, host_clock=clock)


def test_opening_touches_nothing(tmp_path: Path, clock: FakeClock) -> None:
    """store: nothing is created until the first transaction, then the folder too."""
    with open_store(f"sqlite:///{tmp_path}/a/b/store.db", host_clock=clock) as store:
        assert [] == list(tmp_path.iterdir())
        store.upgrade()
        assert (tmp_path / "a" / "b" / "store.db").exists()


# -- instants

instants = st.datetimes(
    datetime(1, 1, 2),
    datetime(9999, 12, 30),
    timezones=st.builds(timezone, st.timedeltas(timedelta(hours=-14), timedelta(hours=14))),
)


def keep(store: Store, moments: list[datetime]) -> list[datetime]:
    """These instants, written and read back in the database's own order."""
    with store.begin() as tx:
        tx.connection.execute(schema.workers.delete())
        rows = [{"name": str(n), "started": one, "seen": one} for n, one in enumerate(moments)]
        tx.connection.execute(insert(schema.workers), rows)
        return list(tx.connection.execute(select(schema.workers.c.seen).order_by("seen")).scalars())


@SHARED
@given(moments=st.lists(instants, min_size=1, max_size=8))
def test_instants_sort_and_come_back(store: Store, moments: list[datetime]) -> None:
    """feeds:P13: any instant of years 1 to 9999, of any offset, comes back equal, in UTC, in order."""
    found = keep(store, moments)
    assert sorted(moments) == found
    assert {timedelta()} == {one.utcoffset() for one in found}


def test_the_ends_of_the_calendar(store: Store) -> None:
    """feeds:P13: the first and the last microsecond of the calendar sort as they should."""
    ends = [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
        datetime(999, 12, 31, tzinfo=UTC),
        datetime(1000, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]
    assert ends == keep(store, ends[::-1])


def test_naive_datetimes_are_refused(store: Store) -> None:
    """design:5.11: a date without an offset never reaches a table."""
    with pytest.raises(StatementError, match="an instant must be aware"):
        keep(store, [datetime(2026, 3, 2)])


# -- statements for many rows

a = schema.alarms.c
RENAME = ForMany(update(schema.alarms).where(a.key == bindparam("old")).values(key=bindparam("new")))
SEEN = ForMany(insert(schema.workers))


@pytest.mark.parametrize("some", [[], [0], [2, 0], [0, 2000], list(range(2000))])
def test_rows_are_found_by_a_list_of_keys(store: Store, some: list[int]) -> None:
    """design:5.3: however many keys are asked for, it is one value of one statement, and those there are are found."""
    with store.begin() as tx:
        for n in range(3):
            alarms.raise_(tx, f"one/{n}", "One", "of three")
        known = list(tx.connection.execute(select(a.id).order_by(a.id)).scalars())
        keys = [known[0] + n for n in some]
        asked = select(a.id).where(among(a.id, "keys")).order_by(a.id)
        found = list(tx.connection.execute(asked, {"keys": keys}).scalars())
    assert [key for key in known if key in keys] == found


def test_keys_are_looked_up_one_by_one(sqlite_url: str, clock: FakeClock) -> None:
    """mail:SE14: a few rows of a large ledger are found by their keys: SQLite does not read it from end to end."""
    asked = select(schema.deliveries.c.id).where(among(schema.deliveries.c.id, "keys"))
    with open_store(sqlite_url, host_clock=clock) as store:
        store.upgrade()
        with store.read() as tx:
            words = str(asked.compile(tx.connection))
            plan = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {words}", ("[1]",)).all()
    assert "SEARCH deliveries USING INTEGER PRIMARY KEY (rowid=?)" == plan[0].detail


def test_many_rows_are_written_alike(store: Store) -> None:
    """design:5.3: a statement compiled once for many rows stores what one for each row would, instants as well."""
    moments = [NOW, NOW + timedelta(microseconds=1)]
    with store.begin() as tx:
        SEEN.write(tx, [{"name": str(n), "started": NOW, "seen": one} for n, one in enumerate(moments)])
        SEEN.write(tx, [{"name": "last", "started": NOW, "seen": NOW}])
        names = {row.name: row.seen for row in tx.connection.execute(select(schema.workers))}
    assert {"0": moments[0], "1": moments[1], "last": NOW} == names


def test_many_rows_are_changed_alike(store: Store) -> None:
    """design:5.3: each row names which one it changes, and to what."""
    with store.begin() as tx:
        for n in range(3):
            alarms.raise_(tx, f"one/{n}", "One", "of three")
        RENAME.write(tx, [{"old": "one/0", "new": "two"}, {"old": "one/1", "new": "three"}])
        keys = set(tx.connection.execute(select(a.key)).scalars())
    assert {"two", "three", "one/2"} == keys


def test_the_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    """security:D1: what is under embargo lies in the file, its WAL and its folder."""
    path = tmp_path / "new" / "newsroom.db"
    with open_store(f"sqlite:///{path}", host_clock=lambda: NOW) as store:
        store.upgrade()
        with store.begin():
            modes = {
                one.name: oct(one.stat().st_mode & 0o777) for one in (path.parent, *path.parent.iterdir())
            }
    assert "0o700" == modes.pop("new")
    assert {"newsroom.db", "newsroom.db-wal", "newsroom.db-shm"} == set(modes)
    assert {"0o600"} == set(modes.values())
