"""Bounces, as `worker --once` meets them: their mailbox, and the end of their time."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from syndicator.model.audience import address
from syndicator.model.bounce import Kind
from syndicator.model.letters import Letter
from syndicator.runtime import clock
from syndicator.store import bounces, letters, open_store, schema
from tests.cli.program import KEY, InProcess
from tests.make import reserved_port
from tests.wire.imap_server import Folder, ImapServer


def _box(cli: InProcess, port: int) -> None:
    told = {"HOST": "127.0.0.1", "PORT": str(port), "TLS": "none", "USERNAME": "b", "PASSWORD": "secret"}
    cli.env.update({f"SYNDICATOR_BOUNCES__{name}": value for name, value in told.items()})


def test_a_mailbox_out_of_reach_is_said_and_holds_nothing_else_up(lite: InProcess) -> None:
    """mail:LM13 operations:OP17 Alone it is to be tried later; beside other work that is done, and then it is said."""
    _box(lite, reserved_port())
    alone = lite.try_("worker", "--once", "bounces")
    assert (75, "") == (alone.code, alone.out)
    (said,) = [line for line in alone.err.splitlines() if "none was read" in line]
    assert "out of reach" in said
    for jobs in ((), ("deliver", "bounces")):
        rest = lite.try_("worker", "--once", *jobs)
        assert (4, True) == (rest.code, "none was read" in rest.err)
        assert "deliver\t0" in rest.out.splitlines()
    with ImapServer(Folder()) as server:
        _box(lite, server.port)
        read = lite.try_("worker", "--once", "bounces")
    assert (0, "bounces\t0\n") == (read.code, read.out)
    assert "out of reach" not in read.err


def test_each_hour_what_is_too_old_is_forgotten(lite: InProcess) -> None:
    """security:D7 privacy.bounces and privacy.requests hold: for what came back, and for the address of a stranger."""
    url, then = lite.env["SYNDICATOR_STORE__URL"], timedelta(days=10)
    with (
        open_store(url, host_clock=lambda: clock() - then, keys=lambda: (KEY,)) as store,
        store.begin() as tx,
    ):
        letters.plan(tx, Letter.ASK, address("typed@paper.example"))
        tx.connection.execute(update(schema.deliveries).values(state="accepted"))
        bounces.record(tx, bounces.Event(key="e", source="imap", kind=Kind.POLICY, delivery_id=1))

    def left() -> tuple[list[str], int]:
        with open_store(url, host_clock=clock, keys=lambda: (KEY,)) as store, store.read() as tx:
            to = tx.connection.execute(select(schema.deliveries.c.recipient)).scalars().all()
            return list(to), len(tx.connection.execute(select(schema.bounces.c.id)).all())

    lite("worker", "--once", "prune")
    assert (["mailbox/typed@paper.example"], 1) == left()
    lite.env.update(SYNDICATOR_PRIVACY__BOUNCES="9d", SYNDICATOR_PRIVACY__REQUESTS="9d")
    lite("worker", "--once", "prune")
    assert (["mailbox/forgotten/1"], 0) == left()
