"""The whole engine with its ledger: planned, sent, remembered; how fast, how soon, in how much memory.

- 100,000 recipients planned in one transaction with their item, on SQLite (FULL) and on PostgreSQL;
- the release of that transaction to its first byte at the relay, over a real worker process, and the most
  memory that worker ever held while it sent all of them;
- letters per second of the engine (claim, write, merge, send, settle; SQLite FULL) beside the same sender
  without a ledger: the same letters, merged and sent over as many connections into the same smtp-sink.

    .venv/bin/python -m bench.engine [RECIPIENTS] [LETTERS]
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from sqlalchemy import text

from bench._post import (
    PARAGRAPH,
    SENDER,
    Figure,
    composed,
    measured,
    people,
    private_key,
    program,
    send_merged,
    sink,
)
from syndicator import publish
from syndicator.delivery import lanes
from syndicator.model.delivery import DeliveryState
from syndicator.model.item import Content, Kind, Topic
from syndicator.model.markup import clean, markdown
from syndicator.render.mail.dkim import signer
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import Store, deliveries, schedules, topics

CONNECTIONS = 4
PARAGRAPHS = 3
GOAL_PLAN, GOAL_FIRST, GOAL_MEMORY, GOAL_LEDGER = 2.0, 3.0, 250, 0.6  # seconds, seconds, MB, times
# 100,000 people would take minutes by the front door; these are the rows it writes.
SERIES = {
    "sqlite": "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :many) SELECT n FROM n",
    "postgresql": "SELECT generate_series(1, :many) AS n",
}
PEOPLE = """INSERT INTO contacts (address, key, domain, name, outlet, zone, created)
    SELECT 'journalist.' || n || '@paper' || (n % 50) || '.example', 'journalist.' || n || '@paper' || (n % 50) || '.example',
    'paper' || (n % 50) || '.example', 'Jane Doe', '', 'UTC', :now FROM ({series}) AS s"""
SUBSCRIBED = """INSERT INTO subscriptions (contact_id, topic_id, cadence, state, consent, created, confirmed)
    SELECT c.id, t.id, 'immediate', 'active', 'bench', :now, :now FROM contacts c, topics t WHERE t.slug = 'policy'"""


@contextmanager
def newsroom(url: str, people: int, port: int = 1, config: Path | None = None) -> Iterator[Runtime]:
    """A runtime over a new database with so many subscribers, its relay at `port`."""
    runtime = Runtime(load(config, environ(url, port)))
    try:
        runtime.store.upgrade()
        runtime.prepare(start=True)
        with runtime.store.begin() as tx:
            series = SERIES[runtime.store.kind]
            now = _stored(runtime.store, tx.now)
            topics.add(
                tx, Topic(slug="policy", title="Policy", uid="tag:bench.example,2026:policy", created=tx.now)
            )
            tx.connection.execute(text(PEOPLE.format(series=series)), {"many": people, "now": now})
            tx.connection.execute(text(SUBSCRIBED), {"now": now})
        yield runtime
    finally:
        runtime.close()


def environ(url: str, port: int) -> dict[str, str]:
    """Settings of the engine as delivered, but for the relay."""
    said = {
        "STORE__URL": url,
        "SITE__SECRET_KEY": "a-key-for-benches-only-0123456789",
        "SITE__BASE_URL": "https://news.chemsoc.example",
        "SITE__TITLE": "Society for Open Chemistry",
        "MAIL__TRANSPORT": "smtp",
        "MAIL__HOST": "127.0.0.1",
        "MAIL__PORT": str(port),
        "MAIL__TLS": "none",
        "MAIL__FROM": "Society for Open Chemistry <press@chemsoc.example>",
        "MAIL__CONNECTIONS": str(CONNECTIONS),
        "CONFIG": "",
    }
    return {f"SYNDICATOR_{key}": value for key, value in said.items()}


def release(store: Store, number: int = 1) -> None:
    """One press release to everybody: the transaction that a lift makes."""
    body = clean(markdown("\n\n".join([PARAGRAPH] * PARAGRAPHS)))
    content = Content(
        title="Warning on a draft budget", kind=Kind.PRESS_RELEASE, body=body, topics=("policy",)
    )
    with store.begin() as tx:
        publish.publish(tx, f"tag:bench.example,2026:{number}", content)


def planned(url: str, people: int) -> Figure:
    """How long that transaction takes; CPU with that of PostgreSQL's own process."""
    with newsroom(url, people) as runtime:
        server = _server(runtime.store)
        before = _cpu_of(server)
        figure = measured(partial(release, runtime.store))
        theirs = _cpu_of(server) - before
        with runtime.store.read() as tx:
            assert deliveries.open_count(tx) == people
    return Figure(figure.seconds, figure.cpu + theirs)


def engine(folder: Path, port: int, letters: int, pem: str = "") -> Figure:
    """The lanes of one worker, from the first claim to the last result written; `pem` signs every letter."""
    config = folder / "syndicator.toml"
    config.write_text(f"[[dkim]]\nselector = 'bench'\nprivate_key = '''{pem}'''\n" if pem else "")
    with newsroom(f"sqlite:///{folder}/engine.db", letters, port, config) as runtime:
        release(runtime.store)
        crew = runtime.crew("bench", threading.Event())
        figure = measured(lambda: lanes.drain(crew))
        with runtime.store.read() as tx:
            assert deliveries.open_count(tx) == 0
            states = deliveries.counts(tx)
        assert {state for _, state in states} == {DeliveryState.ACCEPTED}, states
    return figure


class Sink(threading.Thread):
    """Takes all mail as fast as Python can, and knows when its first letter began and how many came."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.first: float | None = None
        self.letters = 0
        self.start()

    def run(self) -> None:
        """Serve whoever connects."""
        while True:
            talk, _ = self._listener.accept()
            talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(talk,), daemon=True).start()

    def _serve(self, talk: socket.socket) -> None:
        talk.sendall(b"220 sink\r\n")
        waiting, body = b"", False
        while some := talk.recv(1 << 16):
            waiting += some
            said = []
            while True:
                mark = b"\r\n.\r\n" if body else b"\r\n"
                line, found, rest = waiting.partition(mark)
                if not found:
                    break
                waiting = rest
                said.append(b"250 ok" if body else self._answer(line))
                self.letters += body
                body = not body and said[-1].startswith(b"354")
            if said:
                talk.sendall(b"\r\n".join(said) + b"\r\n")

    def _answer(self, line: bytes) -> bytes:
        if line[:4] == b"EHLO":
            return b"250-sink\r\n250 PIPELINING"
        if line == b"DATA":
            self.first = self.first or time.perf_counter()
            return b"354 go on"
        return b"221 bye" if line == b"QUIT" else b"250 ok"


def sent(folder: Path, people: int) -> tuple[float, float, float]:
    """Seconds from the begin of the release to its first letter, to its last, and the worker's most memory in MB."""
    taken, url = Sink(), f"sqlite:///{folder}/worker.db"
    with newsroom(url, people, taken.port) as runtime:
        command = [sys.executable, "-m", "syndicator", "worker"]
        usual = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATOR_")}
        with subprocess.Popen(
            command, env=usual | environ(url, taken.port), stderr=subprocess.DEVNULL
        ) as worker:
            _await_worker(runtime)
            began = time.perf_counter()
            release(runtime.store)
            while taken.letters < people and worker.poll() is None:
                time.sleep(0.02)
            ended, memory = time.perf_counter(), _most_memory(worker.pid)
            worker.terminate()
    if taken.letters < people:
        raise SystemExit(f"the worker ended after {taken.letters} letters")
    return (taken.first or ended) - began, ended - began, memory


def main(people: int = 100_000, letters: int = 10_000) -> int:
    """Print each figure beside its goal; 1 if one was missed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    reached = [*_plans(people), *_worker(people)]
    if program("smtp-sink"):
        for pem in ("", private_key()):
            reached += _beside(letters, pem)
        print(
            "limit: one interpreter merges, talks SQL and writes the ledger; at most 50 letters or 100 ms are in doubt"
        )
    else:
        print("engine beside its sender: skipped, no smtp-sink on PATH or under POSTFIX_DIR")
    return 0 if all(reached) else 1


def _plans(people: int) -> Iterator[bool]:
    from tests.postgres import Server, url

    with tempfile.TemporaryDirectory() as folder:
        lite = planned(f"sqlite:///{folder}/plan.db", people)
    server = Server()
    try:
        postgres = planned(url(server.host, "postgres"), people)
    finally:
        server.stop()
    for name, figure in (("SQLite, FULL", lite), ("PostgreSQL", postgres)):
        words = f"{people:,} recipients planned, {name}"
        print(f"{words:<48}{figure.seconds:8.2f} s   CPU {figure.cpu:.2f} s   goal < {GOAL_PLAN} s")
        yield figure.seconds < GOAL_PLAN


def _worker(people: int) -> Iterator[bool]:
    with tempfile.TemporaryDirectory() as folder:
        first, last, memory = sent(Path(folder), people)
    print(f"{'first byte at the relay after the release began':<48}{first:8.2f} s   goal < {GOAL_FIRST} s")
    print(
        f"{'all of them, one worker and a sink in Python':<48}{last:8.1f} s   {people / last:,.0f} letters/s"
    )
    print(f"{'the most memory the worker held':<48}{memory:8.0f} MB  goal < {GOAL_MEMORY} MB")
    yield first < GOAL_FIRST
    yield memory < GOAL_MEMORY


def _beside(letters: int, pem: str, rounds: int = 3) -> Iterator[bool]:
    """The engine beside its sender; with a key both sign what they send."""
    template, bare, full = composed(PARAGRAPHS), [], []
    signed = signer("bench", pem, "", SENDER.domain) if pem else None
    with sink() as port:
        for _ in range(rounds):
            bare.append(measured(lambda: send_merged(template, port, people(letters), CONNECTIONS, signed)))
            with tempfile.TemporaryDirectory() as folder:
                full.append(engine(Path(folder), port, letters, pem))
    ratio, less = (
        statistics.median(getattr(a, part) / getattr(b, part) for a, b in zip(bare, full, strict=True))
        for part in ("seconds", "cpu")
    )
    for name, runs in (("the sender alone", bare), ("the engine, ledger on SQLite FULL", full)):
        seconds, cpu = (statistics.median(getattr(run, part) for run in runs) for part in ("seconds", "cpu"))
        words = f"{name}, {'signed' if pem else 'unsigned'}"
        print(f"{words:<48}{letters / seconds:8.0f} msg/s   CPU {cpu / letters * 1e6:.0f} us")
    print(f"{'ratio':<48}{ratio:8.2f} x     CPU {less:.2f} x   goal {GOAL_LEDGER} x")
    yield ratio >= GOAL_LEDGER


def _await_worker(runtime: Runtime) -> None:
    while True:
        with runtime.store.read() as tx:
            if schedules.workers(tx):
                return
        time.sleep(0.05)


def _most_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1000


def _server(store: Store) -> int:
    """The process of PostgreSQL that serves us; 0 on SQLite."""
    if store.kind == "sqlite":
        return 0
    with store.read() as tx:
        return int(tx.connection.execute(text("SELECT pg_backend_pid()")).scalar_one())


def _cpu_of(pid: int) -> float:
    if not pid:
        return 0.0
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _stored(store: Store, now: datetime) -> object:
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if store.kind == "sqlite" else now


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
