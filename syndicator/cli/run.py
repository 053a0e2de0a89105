"""`syndicator run`: the web process and a worker as two children, kept running until we are told to end.

A child that ends by itself is started again after a pause that doubles; one that cannot begin at all
(usage, config) ends the whole, for trying again would not help. If we are killed, they end, too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.cli.serve import Host, Port, flags
from syndicator.model.schedule import duration

TICK = 0.1  # seconds between two looks at the children
LONGEST_PAUSE = 60.0  # seconds
STEADY = 60.0  # seconds a child must have run for its earlier crashes to be forgotten
# Usage and config: see errors.py. Not 75: a database that is away comes back, and the schema was looked at
# before any child was started.
HOPELESS = (2, 3)
# Linux tells a child that its parent is gone if the child asks for it (PR_SET_PDEATHSIG, 1), also across exec.
# Not a preexec_fn: Python may not run between fork and exec while there are threads.
LEASH = """
import os, sys
try:
    import ctypes
    ctypes.CDLL(None).prctl(1, int(sys.argv[2]))
except (ImportError, OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[3], sys.argv[3:])
"""
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass
class Child:
    """One process and its crashes; `due` is when it may start, on the monotonic clock."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    crashes: int = 0
    due: float = 0.0
    since: float = field(default=0.0)

    def start(self) -> None:
        """Start it in a group of its own: Ctrl-C comes to us, and we pass it on.

        Call it from the main thread: the child ends with the thread that started it (Linux).
        """
        self.process = subprocess.Popen([*_leash(), *self.command], process_group=0)
        self.since = time.monotonic()

    def crashed(self, now: float) -> float:
        """Note that it ended by itself; returns the pause before the next start, in seconds."""
        self.crashes = 1 if now - self.since > STEADY else self.crashes + 1
        pause = min(2.0 ** (self.crashes - 1), LONGEST_PAUSE)
        self.process, self.due = None, now + pause
        return pause


class Supervisor:
    """Starts children, starts them again, and ends them."""

    def __init__(self, children: Sequence[Child], grace: timedelta) -> None:
        self.children = children
        self.grace = grace.total_seconds()
        self.told = False

    def run(self) -> int:
        """Supervise until told to end; returns our exit code."""
        # A flag and a sleep: a handler that sets a threading.Event can lock itself out.
        for number in STOP_SIGNALS:
            signal.signal(number, self.stop)
        hopeless = None
        while not self.told and hopeless is None:
            hopeless = next((code for child in self.children if (code := self._look(child))), None)
            time.sleep(TICK)
        clean = self.end()
        return hopeless or (0 if clean else 1)

    def stop(self, *_: object) -> None:
        """Ask for the end."""
        self.told = True

    def end(self) -> bool:
        """Tell every child to end and wait for the grace time; True if none had to be killed."""
        running = [child.process for child in self.children if child.process]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self.grace
        clean = True
        for process in running:
            try:
                process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                clean = False
        return clean

    def _look(self, child: Child) -> int | None:
        """Start what is due; an exit code if there is no hope."""
        now = time.monotonic()
        if child.process is None:
            if now >= child.due:
                child.start()
            return None
        code = child.process.poll()
        if code is None:
            return None
        if code in HOPELESS:
            child.process = None
            output.say(f"{child.name} cannot begin (exit code {code}): ending")
            return code
        pause = child.crashed(now)
        output.say(f"{child.name} ended with {code}; it is started again in {pause:g} s")
        return None


def run(
    ctx: typer.Context,
    host: Host = None,
    port: Port = None,
    grace: Annotated[str, typer.Option(metavar="SPAN", help="How long they may take to end.")] = "25s",
) -> None:
    """Run the web process and a worker, and keep them running until SIGTERM or Ctrl-C."""
    patience = duration(grace)
    said = flags(host, port)
    with session.opened(ctx, start=True, flags=said):
        pass  # the schema and the file's records are ready before two processes want them
    program = [sys.executable, "-m", "syndicator", *_globals(ctx)]
    listen = [part for name, value in said.items() for part in (f"--{name.removeprefix('web.')}", value)]
    # Those who end last must not be cut short: the children get a little less than we wait.
    inner = max(patience - timedelta(seconds=2), patience / 2)
    children = [
        Child("web", [*program, "serve", *listen]),
        Child("worker", [*program, "worker", "--grace", f"{inner // timedelta(milliseconds=1)}ms"]),
    ]
    raise typer.Exit(Supervisor(children, patience).run())


def _leash() -> list[str]:
    if sys.platform != "linux":
        return []
    return [sys.executable, "-ISc", LEASH, str(os.getpid()), str(int(signal.SIGTERM))]


def _globals(ctx: typer.Context) -> list[str]:
    asked = session.asked(ctx)
    config = ["--config", os.fspath(asked.config)] if asked.config else []
    return config + (["--log-level", asked.log_level] if asked.log_level else [])


app = given.command(run)
