"""A store in which anything may be tried: it begins as the real one is, and nothing of it remains.

On SQLite it is a copy of the file, made by SQLite's own backup while others go on; on PostgreSQL one transaction
that is rolled back, so that whoever changes the same topics waits until the rehearsal is over: it breaks off while a
release is due. It is for one thread. Serves `release rehearse`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, select, update

from syndicator.errors import Refused
from syndicator.model.delivery import Channel, DeliveryState, Outcome, Try, ping_hub, ping_url
from syndicator.store import Store, names, schema
from syndicator.store import engine as _engine
from syndicator.store.deliveries.trying import as_try, query, why_not
from syndicator.store.engine import Clock, Tx
from syndicator.store.releases import TIMED

d = schema.deliveries.c
PREFIX = "syndicator-rehearsal-"
NEAR = timedelta(seconds=30)  # before and after its instant a release finds nobody in its way
CHUNK = 500  # rows in memory at a time


@contextmanager
def rehearsed(store: Store, clock: Clock) -> Iterator[Store]:
    """A store as `store` is now, whose time is `clock`, until the end of the block.

    On PostgreSQL each of its transactions raises Refused while a release is due.
    """
    if store.kind == "sqlite":
        with _copied(store, clock) as copy:
            yield copy
        return
    with store._engine.connect().execution_options(preserve_rowcount=True) as connection:  # noqa: SLF001 - this is the store's room
        whole = connection.begin()
        try:
            yield _Undone(store, connection, clock)
        finally:
            whole.rollback()


def tries(tx: Tx, subject: str) -> Iterator[list[Try]]:
    """What would be sent about this subject now, some at a time; whoever a claim would leave out is left out."""
    after = 0
    about = (
        query(tx.now).where(d.subject == subject, d.state == DeliveryState.DUE).order_by(d.id).limit(CHUNK)
    )
    while rows := tx.connection.execute(about.where(d.id > after)).all():
        after = rows[-1].id
        yield [as_try(row) for row in rows if why_not(row) is None]


def subjects(tx: Tx, uid: str) -> list[str]:
    """What waits to be sent about this release or item: advance copies, its first revision, notices."""
    starts = [
        d.subject.startswith(f"{sort}/{uid}/", autoescape=True) for sort in ("advance", "notice", "revision")
    ]
    about = select(d.subject).where(starts[0] | starts[1] | starts[2], d.state == DeliveryState.DUE)
    return sorted(tx.connection.execute(about.distinct()).scalars())


def pings(tx: Tx) -> list[tuple[str, str]]:
    """Hub and feed of each ping that was planned at this instant."""
    found = select(d.recipient).where(d.channel == Channel.WEBSUB, d.created == tx.now).order_by(d.id)
    return [(ping_hub(one), ping_url(one)) for one in tx.connection.execute(found).scalars()]


def settle(tx: Tx, outcomes: Sequence[tuple[int, Outcome]]) -> None:
    """Write down what a rehearsal's road made of these deliveries: accepted, or else refused."""
    for took in (True, False):
        keys = [key for key, outcome in outcomes if (outcome is Outcome.ACCEPTED) is took]
        state = DeliveryState.ACCEPTED if took else DeliveryState.REFUSED
        values = {"state": state, "settled": tx.now, "due": None}
        tx.connection.execute(update(schema.deliveries).where(d.id.in_(keys)).values(**values))


class _Undone(Store):
    """Transactions within one that will be rolled back."""

    def __init__(self, store: Store, connection: Connection, clock: Clock) -> None:
        super().__init__(store._engine, clock, clock)  # noqa: SLF001 - its own kind
        self._real, self._whole, self._clock = store, connection, clock

    def begin(self) -> AbstractContextManager[Tx]:
        """Undone by itself on an exception, and with everything else at the end."""
        return self._within()

    def read(self) -> AbstractContextManager[Tx]:
        """Sees what was written so far."""
        return self._within()

    def close(self) -> None:
        """The connections are another's."""

    @contextmanager
    def _within(self) -> Iterator[Tx]:
        _make_way(self._real)
        # Locks that are everybody's are left out: that of the names, and what a transaction does last, the audit.
        with self._whole.begin_nested():
            yield Tx(self._whole, self._clock(), memo={names.HELD: True}, clock=self._clock)


def _make_way(store: Store) -> None:
    """Raise Refused while a release is due: it would wait for what the rehearsal has changed."""
    r = schema.releases.c
    with store.read() as tx:
        about = r.at.between(tx.now - NEAR, tx.now + NEAR)
        due = tx.connection.execute(
            select(r.at).where(r.state.in_(TIMED), about).order_by(r.at).limit(1)
        ).scalar()
    if due:
        instant = due.isoformat(timespec="seconds")
        raise Refused(
            f"a release goes out at {instant}, and nothing may hold it up: rehearse again a minute later"
        )


@contextmanager
def scratch(store: Store) -> Iterator[Path]:
    """A folder for what is under embargo, for its owner alone, that goes with the block.

    It lies beside the store, which is kept as well as that; beside PostgreSQL, where temporary files do. What a
    killed process left there `sweep` removes.
    """
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=_beside(store)) as folder:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # in use, as long as this process lives
            yield Path(folder)
        finally:
            os.close(handle)


def sweep(store: Store, before: datetime) -> list[Path]:
    """Remove folders of rehearsals that nobody uses and that are from `before`; those that are left."""
    left = []
    for folder in _beside(store).glob(f"{PREFIX}*"):
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.geteuid():
            continue
        if _in_use(folder) or about.st_mtime >= before.timestamp():
            left.append(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            left += [folder] if folder.exists() else []
    return sorted(left)


def _in_use(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _beside(store: Store) -> Path:
    address = store._engine.url.database  # noqa: SLF001 - this is the store's room
    if store.kind == "sqlite" and address and address != ":memory:":
        return Path(address).absolute().parent
    return Path(tempfile.gettempdir())


@contextmanager
def _copied(store: Store, clock: Clock) -> Iterator[Store]:
    with scratch(store) as folder:
        path = folder / "store.db"
        address = f"sqlite:///{path}"
        with _engine_of(address) as target:
            source = store._engine.raw_connection()  # noqa: SLF001 - this is the store's room
            try:
                source.driver_connection.backup(target)  # type: ignore[union-attr]
            finally:
                source.close()
        copy = Store(_engine.connect(address), clock, clock)
        with copy:
            yield copy


@contextmanager
def _engine_of(address: str) -> Iterator[object]:
    """An sqlite3 connection to the new file, which the store makes for its owner alone."""
    engine = _engine.connect(address)
    raw = engine.raw_connection()
    try:
        yield raw.driver_connection
    finally:
        raw.close()
        engine.dispose()
