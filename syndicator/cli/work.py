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
from syndicator.errors import Invalid, TryLater
from syndicator.model.schedule import duration

# Spelled out, for help must not wait for all that a worker imports; a test holds it to what there is.
NAMES = "poll, release, feeds, digest, deliver, bounces, prune, reconcile, newsletter"


def worker(
    ctx: typer.Context,
    jobs: Annotated[
        list[str] | None, typer.Argument(metavar="[JOB]...", help=f"With --once: only these of {NAMES}.")
    ] = None,
    *,
    once: Annotated[bool, typer.Option("--once", help="End when nothing is due.")] = False,
    grace: Annotated[
        str, typer.Option(metavar="SPAN", help="How long work in hand may take to end.")
    ] = "25s",
    as_json: given.Json = False,
) -> None:
    """Run a worker until SIGTERM or Ctrl-C; with --once [JOB…] do what is due and end.

    A mailbox of bounces that is out of reach keeps nothing else up: exit 4; 75 where that was all there was to do.
    """
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
        unread = runtime.intake.fault if runtime.intake and work.BOUNCES in done else ""
    words = f"the mailbox bounces come into is out of reach, and none was read: {unread}"
    if unread and len(done) == 1:
        raise TryLater(words)
    if as_json:
        output.show_json(done)
    else:
        for job, figure in done.items():
            print(f"{job}\t{output.cell(figure)}")
    if unread:
        output.say(words)
        raise typer.Exit(4)


def _leave_now() -> NoReturn:
    # An orderly exit joins every thread of a pool, however long a relay keeps it: the grace is over.
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    logging.shutdown()
    os._exit(1)


app = given.command(worker)
