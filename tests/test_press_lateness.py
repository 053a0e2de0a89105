"""How late a release was says what it waited for, too."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from syndicator import press
from syndicator.store import audit, names, open_store
from tests.advances import UID
from tests.make import make_content, make_newsroom

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")


def test_what_a_release_waited_for_counts_as_lateness(postgresql_own_url: str) -> None:
    """delivery:4: it is measured when the release is through, not when its transaction began to wait for others."""
    with open_store(postgresql_own_url, host_clock=lambda: datetime.now(UTC)) as store:
        make_newsroom(store)
        with store.begin() as tx:
            press.draft(tx, UID, make_content(), None)
            press.approve(tx, UID, "editor")
            at = press.schedule(tx, UID, tx.now, "editor").at
        assert at
        with store.begin() as tx:
            names.hold(tx)  # somebody is in its way
            worker = threading.Thread(target=press.release_due, args=(store,))
            worker.start()
            while not tx.connection.execute(WAITING).scalar():
                pass
            seen = tx.moment()
            while tx.moment() < seen + timedelta(milliseconds=50):
                pass
            freed = tx.moment()
        worker.join(20)
        with store.read() as tx:
            (late,) = [
                one.detail["late_seconds"] for one in audit.listing(tx) if one.act == "release.release"
            ]
    assert late >= round((freed - at).total_seconds(), 3)
