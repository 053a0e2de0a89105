"""`syndicator worker`: the loops and the schedules, for ever or once through."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.errors import Invalid
from syndicator.model.schedule import duration


def worker(
    ctx: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help="With --once: only these jobs.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due.")] = False,
    grace: Annotated[
        str, typer.Option(metavar="SPAN", help="How long work in hand may take to end.")
    ] = "25s",
    as_json: given.Json = False,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; with --once [JOB…] do what is due and end."""
    from syndicator import worker as work

    if jobs and not once:
        raise Invalid(f"a worker does every job; for {jobs[0]} alone write --once {jobs[0]}")
    patience = duration(grace)
    with session.opened(ctx, start=True) as runtime:
        if not once:
            if not work.run_worker(runtime, patience):
                _leave_now()
            return
        done = work.run_once(runtime, jobs) if jobs else work.run_once(runtime)
    if as_json:
        output.show_json(done)
    else:
        for job, figure in done.items():
            print(f"{job}\t{output.cell(figure)}")


def _leave_now() -> NoReturn:
    # An orderly exit joins every thread of a pool, however long a relay keeps it: the grace is over.
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    logging.shutdown()
    os._exit(1)


app = given.command(worker)
