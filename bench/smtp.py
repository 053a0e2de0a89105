"""Mail onto the wire: our connection beside smtplib and Postfix's smtp-source, all into one smtp-sink.

One run, interleaved rounds, medians, on the loopback; every peer sends the same number of messages of the same
size. CPU is that of the sending process. smtp-sink and smtp-source come from PATH or from POSTFIX_DIR, a
folder the Postfix package was unpacked into (`dpkg-deb -x postfix_*.deb DIR`); without them it says so.

    .venv/bin/python -m bench.smtp [MESSAGES] [ROUNDS]
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import smtplib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from syndicator.errors import Unreachable
from syndicator.model.delivery import Outcome
from syndicator.wire.relay import Relay
from syndicator.wire.smtp import Connection, Letter

SIZE = 9_800  # octets, as in requirements/mail.md §3
SENDER, RECIPIENT = "b+1@news.example", "r@example.org"
LINE = b"x" * 74 + b"\r\n"
MESSAGE = (b"Subject: bench\r\n\r\n" + LINE * (SIZE // len(LINE) + 1))[: SIZE - 2] + b"\r\n"
GOAL_SINGLE, GOAL_SOURCE = 4, 1.2
Peer = Callable[[int, int], None]  # port, messages


@dataclass(frozen=True, slots=True)
class Figure:
    """What one peer did in one round."""

    seconds: float
    cpu: float


def ours(connections: int, port: int, messages: int) -> None:
    """Our connections, one thread each."""
    with ThreadPoolExecutor(connections) as threads:
        for done in [threads.submit(_ours, port, messages // connections) for _ in range(connections)]:
            done.result()


def _ours(port: int, messages: int) -> None:
    letters = (Letter(id=n, sender=SENDER, recipient=RECIPIENT, message=MESSAGE) for n in range(messages))
    with Connection(_relay(port)) as connection:
        accepted = sum(result.outcome is Outcome.ACCEPTED for _, result in connection.send(letters))
    if accepted != messages:
        raise SystemExit(f"ours: {accepted} of {messages} accepted")


def plain_smtplib(connections: int, port: int, messages: int) -> None:
    """The standard library, one thread and one kept connection each."""
    with ThreadPoolExecutor(connections) as threads:
        for done in [threads.submit(_smtplib, port, messages // connections) for _ in range(connections)]:
            done.result()


def _smtplib(port: int, messages: int) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example") as smtp:
        for _ in range(messages):
            smtp.sendmail(SENDER, [RECIPIENT], MESSAGE)


def smtp_source(sessions: int, port: int, messages: int) -> None:
    """Postfix's generator, its sessions kept open (-d)."""
    options = ["-d", "-s", str(sessions), "-m", str(messages), "-l", str(SIZE), "-f", SENDER, "-t", RECIPIENT]
    subprocess.run([_program("smtp-source"), *options, f"127.0.0.1:{port}"], check=True, env=_environment())


PEERS: dict[str, Peer] = {
    "smtplib, 1 connection": partial(plain_smtplib, 1),
    "smtplib, 4 threads": partial(plain_smtplib, 4),
    "smtp-source, 1 session": partial(smtp_source, 1),
    "smtp-source, 8 sessions": partial(smtp_source, 8),
    "syndicator, 1 connection": partial(ours, 1),
    "syndicator, 4 threads": partial(ours, 4),
    "syndicator, 8 threads": partial(ours, 8),
}


def main(messages: int = 5_000, rounds: int = 5) -> None:
    """Print a table: messages per second, CPU per message, and how often each reference fits in."""
    if not (_program("smtp-sink") and _program("smtp-source")):
        print("bench.smtp: skipped, no smtp-sink and smtp-source on PATH or under POSTFIX_DIR")
        return
    figures: dict[str, list[Figure]] = {name: [] for name in PEERS}
    with _sink() as port:
        for _ in range(rounds):
            for name, peer in PEERS.items():
                figures[name].append(_measured(peer, port, messages))
    _table(figures, messages)


def _measured(peer: Peer, port: int, messages: int) -> Figure:
    cpu, start = _cpu(), time.perf_counter()
    peer(port, messages)
    return Figure(time.perf_counter() - start, _cpu() - cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _table(figures: dict[str, list[Figure]], messages: int) -> None:
    print(
        f"{messages} messages of {len(MESSAGE)} octets, {len(next(iter(figures.values())))} rounds, medians"
    )
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


def _ratio(reference: list[Figure], runs: list[Figure]) -> float:
    pairs = zip(reference, runs, strict=True)
    return statistics.median(one.seconds / run.seconds for one, run in pairs)


@contextlib.contextmanager
def _sink() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []  # as root it insists
    sink = subprocess.Popen([_program("smtp-sink"), *user, f"127.0.0.1:{port}", "100"], env=_environment())
    try:
        _await(port)
        yield port
    finally:
        sink.terminate()
        sink.wait()


def _await(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(Unreachable):
            return Connection(_relay(port)).quit()
        time.sleep(0.05)
    raise SystemExit("smtp-sink did not come up within ten seconds")


def _relay(port: int) -> Relay:
    return Relay(host="127.0.0.1", port=port, tls="none", helo="bench.example")


def _program(name: str) -> str:
    root = os.environ.get("POSTFIX_DIR")
    folders = [str(Path(root) / "usr/sbin")] if root else []
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", ""), "/usr/sbin"])) or ""


def _environment() -> dict[str, str]:
    root = os.environ.get("POSTFIX_DIR")
    return (
        {**os.environ, "LD_LIBRARY_PATH": str(Path(root) / "usr/lib/postfix")} if root else dict(os.environ)
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
