"""Workers that end by SIGKILL at a named point of a send: what the storm sends out.

    python -m tests.dying CONFIG            reads "POINT NTH" lines, answers with a pid, then with how it ended

Each line forks a real `syndicator worker` from a process that has imported everything already, so that
hundreds of deaths take seconds. The fork puts a mine at the point: its NTH passing kills the process there
and then, with whatever transaction or letter is open. `anywhere` lays no mine: the storm kills by chance.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

ANYWHERE = "anywhere"
POINTS = (
    "claim-open",  # rows are leased, not committed
    "claimed",  # rows are leased; nothing is marked *sending*
    "start-open",  # marked *sending*, not committed
    "started",  # marked *sending*; not a byte has left us
    "envelope",  # MAIL, RCPT and DATA are written
    "dot",  # the final dot is in the kernel, no answer was read
    "answered",  # 250 was read, nobody was told
    "heard",  # results are known, none is written
    "settle-open",  # results are written, not committed
    "settled",  # results are committed, the turn is not over
    ANYWHERE,
)


@dataclass(frozen=True)
class Mine:
    """Dies at the `nth` passing of a function, before or after its work."""

    owner: Any
    name: str
    after: bool

    def lay(self, nth: int) -> None:
        """Put it in the way."""
        work: Callable[..., Any] = getattr(self.owner, self.name)
        passed = 0

        def watched(*args: Any, **named: Any) -> Any:
            nonlocal passed
            passed += 1
            if not self.after and passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            done = work(*args, **named)
            if self.after and passed == nth:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        setattr(self.owner, self.name, watched)


def mine_at(point: str) -> Mine:
    """What stands at a point."""
    from syndicator.delivery import lanes
    from syndicator.delivery.mail import MailRoad
    from syndicator.store import deliveries
    from syndicator.wire.smtp import Connection

    return {
        "claim-open": Mine(deliveries, "claim", after=True),
        "claimed": Mine(MailRoad, "open", after=False),
        "start-open": Mine(deliveries, "start", after=True),
        "started": Mine(MailRoad, "carry", after=False),
        "envelope": Mine(Connection, "_envelope", after=True),
        "dot": Mine(Connection, "_hand_over", after=True),
        "answered": Mine(Connection, "_concluded", after=True),
        "heard": Mine(deliveries, "settle_all", after=False),
        "settle-open": Mine(deliveries, "settle_all", after=True),
        "settled": Mine(lanes, "_conclude", after=False),
    }[point]


class Mortals:
    """One worker at a time, each with its own end; the parent side of the lines above."""

    def __init__(self, config: str, env: dict[str, str]) -> None:
        command = [sys.executable, "-m", "tests.dying", config]
        pipe = subprocess.PIPE
        self._nursery = subprocess.Popen(
            command, env=env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
        )
        self.pid = 0

    def begin(self, point: str, nth: int = 1) -> int:
        """Start a worker that dies at the nth passing of `point`; its pid."""
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{point} {nth}\n")
        self._nursery.stdin.flush()
        self.pid = int(self._said())
        return self.pid

    def wait(self) -> int:
        """Wait until the worker is dead; the signal that ended it."""
        self.pid = 0
        return int(self._said())

    def end(self) -> None:
        """End the worker, should one live, and the nursery."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
            self.wait()
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._nursery.wait(30)
        assert self._nursery.stdout is not None
        self._nursery.stdout.close()

    def _said(self) -> str:
        assert self._nursery.stdout is not None
        line = self._nursery.stdout.readline()
        if not line:
            raise RuntimeError("the nursery ended: run `python -m tests.dying CONFIG` and type `dot 1`")
        return line


def main() -> None:
    """Fork workers as the lines on stdin ask."""
    import syndicator.cli.work
    import syndicator.worker  # noqa: F401 - imported once, for all that are forked
    from syndicator.cli.root import run

    for line in sys.stdin:
        point, nth = line.split()
        child = os.fork()
        if child == 0:
            if point != ANYWHERE:
                mine_at(point).lay(int(nth))
            run(["--config", sys.argv[1], "worker"])
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)


if __name__ == "__main__":
    main()
