"""`syndicator health`: asks the web process whether all is well; what Docker's HEALTHCHECK runs."""

from __future__ import annotations

import http.client
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.cli.serve import Host, Port, flags
from syndicator.errors import SyndicatorError

if TYPE_CHECKING:
    from syndicator.store import Tx

# An address one listens on everywhere is asked on this machine.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - where to ask, not to listen

SILENCE = "no answer from"
ALARM = "alarm since"


def health(
    ctx: typer.Context,
    host: Host = None,
    port: Port = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60.0, metavar="SECONDS", help="How long to wait.")
    ] = 5.0,
) -> None:
    """Ask /readyz: exit 0 when web process, database and a worker are well, else 1 and what is missing.

    Also says which alarms are open and what waits to go out; neither is a fault of the process.
    """
    listen = session.settings(ctx, flags(host, port)).web
    host = EVERYWHERE.get(listen.host, listen.host)
    ready, words = ask(host, listen.port, timeout)
    told = [] if words.startswith(SILENCE) else news(ctx)
    open_ = sum(line.startswith(ALARM) for line in told)
    for line in (f"{words}, {output.counted(open_, 'open alarm')}" if open_ else words, *told):
        output.say(line)
    if not ready:
        raise typer.Exit(1)


def news(ctx: typer.Context) -> list[str]:
    """What nobody has put right yet, and what waits to go out for how long, a line each (mail:SE19).

    An alarm about mail must not depend on mail. Never part of what /readyz says: it is asked by anybody, and a release under embargo may be meant.
    """
    from syndicator.render.report import span
    from syndicator.store import alarms, deliveries

    with suppress(SyndicatorError), session.opened(ctx, prepared=False) as runtime:
        runtime.store.check_schema()
        with runtime.store.read() as tx:
            open_ = [f"{ALARM} {output.cell(one.raised)}: {one.subject}" for one in alarms.open_(tx)]
            queues = [
                f"{lane.key}: {output.counted(lane.waiting, 'waits', 'wait')}, the oldest for {span(tx.now - lane.oldest)}"
                for lane in deliveries.lanes(tx)
                if lane.oldest is not None
            ]
            return open_ + queues + _complaints(tx)
    return []


def _complaints(tx: Tx) -> list[str]:
    """How many complained in a day, if anybody did; who did is nobody's business (mail:LM15)."""
    from datetime import timedelta

    from syndicator.model.bounce import Kind
    from syndicator.store import bounces

    count = bounces.figures(tx, tx.now - timedelta(days=1)).get(Kind.COMPLAINT, 0)
    return (
        [f"{output.counted(count, 'complaint')} in a day: `syndicator doctor` says of how many letters"]
        if count
        else []
    )


def ask(host: str, port: int, timeout: float) -> tuple[bool, str]:
    """Whether the web process there is ready, and what it says."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        words = answer.read(2000).decode("utf-8", "replace").strip()
    except (OSError, http.client.HTTPException) as fault:
        return False, f"{SILENCE} {host}:{port}: {fault}"
    finally:
        connection.close()
    return answer.status == 200, output.cell(words) or f"status {answer.status}"


app = given.command(health)
