"""Notices between processes: heard at commit, and a lost connection is no lost listener."""

import contextlib
import threading

import pytest
from sqlalchemy import text

from syndicator.store import Store, notices, open_store
from tests.make import FakeClock


@pytest.fixture
def other(postgresql_own_url: str) -> Store:
    """A store on PostgreSQL for whoever listens."""
    return open_store(postgresql_own_url, host_clock=FakeClock())


def announce(store: Store) -> None:
    with store.begin() as tx:
        notices.announce(tx)


def heard_after(store: Store, listener: notices.Listener) -> bool:
    """Whether an announcement made while somebody waits is heard long before the wait would end."""
    speaker = threading.Thread(target=announce, args=(store,))
    speaker.start()
    heard = listener.wait(30)
    speaker.join()
    return heard


def test_a_notice_is_heard_at_commit(other: Store) -> None:
    """feeds:H18 what another process commits is known at once; what it rolls back, not at all."""
    with other as store:
        listener = store.listener()
        assert listener.wait(0)  # connected: whatever was said before counts as unheard
        assert not listener.wait(0)
        with store.begin() as tx:
            notices.announce(tx)
            assert not listener.wait(0.05)
        assert listener.wait(30)
        assert heard_after(store, listener)
        with contextlib.suppress(ZeroDivisionError), store.begin() as tx:
            notices.announce(tx)
            _ = 1 / 0
        assert not listener.wait(0.05)
        listener.release()


def test_a_lost_connection_is_made_anew(other: Store) -> None:
    """feeds:H18 after a lost connection waiting goes on, and counts what was said meanwhile as a notice."""
    with other as store:
        listener = store.listener()
        assert listener.wait(0)
        with store.begin() as tx:
            tx.connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = :q"),
                {"q": f"LISTEN {notices.CHANNEL}"},
            )
        assert not listener.wait(0.01)
        assert listener.wait(30)
        assert heard_after(store, listener)
        listener.release()


def test_nothing_is_said_on_sqlite(sqlite_url: str) -> None:
    """On SQLite announcing does nothing, and waiting only takes its time, or none once closed."""
    with open_store(sqlite_url, host_clock=FakeClock()) as store:
        listener = store.listener()
        announce(store)
        assert not listener.wait(0.01)
        listener.close()
        assert not listener.wait(3600)
