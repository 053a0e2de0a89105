"""Mail to a relay that is far away: the same letters through a wire with 40 ms round trip, beside aiosmtplib.

Every byte is held for 20 ms each way by a process of its own. Both send over as many connections; aiosmtplib
keeps its connections, too. Goal: 3 x aiosmtplib at equal connections (requirements/mail §3.3).

    .venv/bin/python -m bench.far [LETTERS PER CONNECTION] [ROUNDS]
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from functools import partial
from typing import Any

from bench._peers import installed
from bench._post import SENDER, Figure, composed, far, measured, people, program, send_merged, sink, slots

PEER = "aiosmtplib==5.1.3"
ONE_WAY = 0.02
CONNECTIONS = (1, 8)
GOAL = 3
TEMPLATE = composed(3)
MESSAGE, RECIPIENT = TEMPLATE.merge(slots(1)), slots(1).to_address


def aio(client: type[Any], connections: int, port: int, messages: int) -> None:
    """aiosmtplib, one kept connection per task."""

    async def one() -> None:
        smtp = client(hostname="127.0.0.1", port=port, start_tls=False, local_hostname="bench.example")
        async with smtp:
            for _ in range(messages // connections):
                await smtp.sendmail(SENDER.address, [RECIPIENT], MESSAGE)

    async def all_of_them() -> None:
        await asyncio.gather(*(one() for _ in range(connections)))

    asyncio.run(all_of_them())


def main(each: int = 40, rounds: int = 3) -> int:
    """Print both at each number of connections, and the ratio."""
    if not program("smtp-sink"):
        print("bench.far: skipped, no smtp-sink on PATH or under POSTFIX_DIR")
        return 0
    sys.path.insert(0, str(installed(PEER)))
    from aiosmtplib import SMTP

    reached = True
    print(
        f"{len(MESSAGE)} octets, {2000 * ONE_WAY:.0f} ms round trip, {each} letters per connection, {rounds} rounds, medians"
    )
    print(f"{'sender':<28}{'msg/s':>8}{'CPU us':>9}{'/ aiosmtplib':>14}")
    with sink() as near, far(near, ONE_WAY) as port:
        for count in CONNECTIONS:
            theirs: list[Figure] = []
            ours: list[Figure] = []
            for _ in range(rounds):
                theirs.append(measured(partial(aio, SMTP, count, port, each * count)))
                ours.append(measured(partial(send_merged, TEMPLATE, port, people(each * count), count)))
            ratio = statistics.median(a.seconds / b.seconds for a, b in zip(theirs, ours, strict=True))
            _line(f"aiosmtplib, {count} connections", theirs, each * count, 1.0)
            _line(f"syndicator, {count} connections", ours, each * count, ratio)
            reached &= ratio >= GOAL
    print(f"goal: {GOAL} x at equal connections. limit: one round trip a letter (the go-ahead for its body)")
    return 0 if reached else 1


def _line(name: str, runs: list[Figure], messages: int, ratio: float) -> None:
    speed = messages / statistics.median(run.seconds for run in runs)
    cpu = statistics.median(run.cpu for run in runs) / messages * 1e6
    print(f"{name:<28}{speed:>8.0f}{cpu:>9.0f}{ratio:>14.2f}")


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
