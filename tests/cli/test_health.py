"""`syndicator health`: what it says beside the web process's own answer."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update

from syndicator.runtime import clock as host_clock
from syndicator.store import alarms, open_store, schema
from tests.cli.program import InProcess
from tests.cli.test_delivery import newsroom
from tests.make import FakeClock
from tests.web.served import running


def test_open_alarms_are_shown_and_told_to_nobody_else(cli: InProcess, store_url: str) -> None:
    """Each open alarm is a line, and no fault of the process; /readyz, which anybody may ask, says nothing of it."""
    cli("contact", "list")  # a database that is ready
    clock = FakeClock()
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        with store.begin() as tx:
            alarms.raise_(tx, "one", "A release is not ready: tag:x", "Do something.")
            alarms.raise_(tx, "two", "This is over", "")
            alarms.end(tx, "two")
        with running(store) as web:
            said = cli.try_("health", "--host", "127.0.0.1", "--port", str(web.port))
            assert (0, "ready, 1 open alarm") == (said.code, said.err.splitlines()[0])
            assert [
                "alarm since 2026-03-02T09:00:00Z: A release is not ready: tag:x"
            ] == said.err.splitlines()[1:]
            assert "ready\n" == web.ask("/readyz").text
    assert "alarm" not in cli.try_("health", "--host", "127.0.0.1", "--port", "1").err


def test_how_long_the_oldest_has_waited(cli: InProcess, store_url: str) -> None:
    """mail:SE19: `health` says how many wait for each destination, and the oldest for how long."""
    newsroom(cli)
    with open_store(store_url, host_clock=host_clock) as store:
        with store.begin() as tx:
            then = host_clock() - timedelta(hours=3, minutes=1)
            tx.connection.execute(update(schema.deliveries).values(created=then))
        with running(store) as web:
            said = cli.try_("health", "--host", "127.0.0.1", "--port", str(web.port))
            with store.begin() as tx:
                one = select(func.min(schema.deliveries.c.id)).scalar_subquery()
                gone = update(schema.deliveries).where(schema.deliveries.c.id == one)
                tx.connection.execute(gone.values(state="cancelled", settled=then))
            later = cli.try_("health", "--host", "127.0.0.1", "--port", str(web.port))
    assert "mail: 1 waits, the oldest for 3 h 1 min" in later.err.splitlines()
    assert "mail: 2 wait, the oldest for 3 h 1 min" in said.err.splitlines()
    (lane,) = cli.json("delivery", "lanes")
    assert then.isoformat(timespec="seconds")[:19] == lane["oldest"][:19]
