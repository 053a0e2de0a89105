"""Mail onto the wire: our connections, each letter merged for its recipient, beside smtplib and smtp-source.

One run, interleaved rounds, medians, on the loopback, all into one smtp-sink; every peer sends the same number
of messages of the same size. The peers send one message over and over, ours a different one each time. CPU is
that of the sending process. Without Postfix's programs it says so.

    .venv/bin/python -m bench.smtp [MESSAGES] [ROUNDS]
"""

from __future__ import annotations

import smtplib
import statistics
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

from bench._post import (
    SENDER,
    Figure,
    composed,
    environment,
    measured,
    people,
    program,
    send_merged,
    sink,
    slots,
)
from syndicator.render.mail import Slots

TEMPLATE = composed(3)  # some 11,000 octets
RECIPIENT = slots(1).to_address
MESSAGE = TEMPLATE.merge(slots(1))
GOAL_SINGLE, GOAL_SOURCE = 4, 1.2
Peer = Callable[[int, int], None]  # port, messages


def plain_smtplib(connections: int, port: int, messages: int) -> None:
    """The standard library, one thread and one kept connection each."""
    with ThreadPoolExecutor(connections) as threads:
        for done in [threads.submit(_smtplib, port, messages // connections) for _ in range(connections)]:
            done.result()


def _smtplib(port: int, messages: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as smtp:
        for _ in range(messages):
            smtp.sendmail(SENDER.address, [RECIPIENT], MESSAGE)


def smtp_source(sessions: int, port: int, messages: int) -> None:
    """Postfix's generator, its sessions kept open (-d); it writes 200 octets of header itself."""
    size = ["-l", str(len(MESSAGE) - 200)]
    options = ["-d", "-s", str(sessions), "-m", str(messages), *size, "-f", SENDER.address, "-t", RECIPIENT]
    subprocess.run([program("smtp-source"), *options, f"127.0.0.1:{port}"], check=True, env=environment())


@cache
def everybody(messages: int) -> list[Slots]:
    """Whom it goes to; made once, as the ledger has them."""
    return people(messages)


def ours(connections: int, port: int, messages: int) -> None:
    """Ours, personalised."""
    send_merged(TEMPLATE, port, everybody(messages), connections)


PEERS: dict[str, Peer] = {
    "smtplib, 1 connection": partial(plain_smtplib, 1),
    "smtplib, 4 threads": partial(plain_smtplib, 4),
    "smtp-source, 1 session": partial(smtp_source, 1),
    "smtp-source, 8 sessions": partial(smtp_source, 8),
    "syndicator, 1 connection": partial(ours, 1),
    "syndicator, 2 threads": partial(ours, 2),
    "syndicator, 4 threads": partial(ours, 4),
    "syndicator, 8 threads": partial(ours, 8),
}


def main(messages: int = 5_000, rounds: int = 5) -> int:
    """Print a table: messages per second, CPU per message, and how often each reference fits in."""
    if not (program("smtp-sink") and program("smtp-source")):
        print("bench.smtp: skipped, no smtp-sink and smtp-source on PATH or under POSTFIX_DIR")
        return 0
    figures: dict[str, list[Figure]] = {name: [] for name in PEERS}
    everybody(messages)
    with sink() as port:
        for _ in range(rounds):
            for name, peer in PEERS.items():
                figures[name].append(measured(partial(peer, port, messages)))
    return _table(figures, messages)


def _table(figures: dict[str, list[Figure]], messages: int) -> int:
    rounds = len(next(iter(figures.values())))
    print(f"{messages} messages of {len(MESSAGE)} octets, {rounds} rounds, medians")
    print(
        f"{'sender':<26}{'msg/s':>9}{'CPU us':>9}{'/ smtplib 1':>13}{'/ source 8':>12}{'CPU / smtplib':>15}"
    )
    single, source = figures["smtplib, 1 connection"], figures["smtp-source, 8 sessions"]
    for name, runs in figures.items():
        speed = messages / statistics.median(run.seconds for run in runs)
        cpu = statistics.median(run.cpu for run in runs) / messages * 1e6
        ratios = f"{_ratio(single, runs):>13.2f}{_ratio(source, runs):>12.2f}"
        less = statistics.median(run.cpu / one.cpu for run, one in zip(runs, single, strict=True))
        print(f"{name:<26}{speed:>9.0f}{cpu:>9.0f}{ratios}{less:>15.2f}")
    best = max(
        (runs for name, runs in figures.items() if name.startswith("syndicator")), key=partial(_ratio, source)
    )
    goals = f"goals of DESIGN §8: {GOAL_SINGLE} x smtplib 1, {GOAL_SOURCE} x smtp-source 8"
    print(f"{goals}; best of ours: {_ratio(single, best):.2f} x, {_ratio(source, best):.2f} x")
    print(
        "limit: one core of ours (threads share it while they merge and check) and the one core of smtp-sink"
    )
    return 0 if _ratio(single, best) >= GOAL_SINGLE and _ratio(source, best) >= GOAL_SOURCE else 1


def _ratio(reference: list[Figure], runs: list[Figure]) -> float:
    pairs = zip(reference, runs, strict=True)
    return statistics.median(one.seconds / run.seconds for one, run in pairs)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
