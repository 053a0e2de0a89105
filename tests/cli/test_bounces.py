"""The mailbox of bounces, as `worker --once` meets it."""

from __future__ import annotations

from tests.cli.program import InProcess
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
