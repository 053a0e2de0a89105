"""The storm: workers killed with -9 while they send, and an independent witness of what arrived.

The witness is an SMTP sink that logs each letter before it answers. The storm sends one release to
many contacts over real worker processes, kills one after the other at named points of a send (`dying`) and
by chance, and then compares the sink's log with the ledger:

    python -m tests.storm --store sqlite|postgresql --policy repeat|hold --contacts 1500 --kills 200 --workers 3

Nothing waits for a clock: who dies where is drawn by a seed that is printed; 1 to 3 passings of the point.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from syndicator import publish
from syndicator.model.audience import Cadence, address
from syndicator.model.delivery import DeliveryState, Outcome
from syndicator.model.item import ALL, Content, Rule, Topic
from syndicator.store import Store, audience, deliveries, open_store, topics
from tests.dying import ANYWHERE, POINTS, Mortals
from tests.listening import Attended

SOON = 0.2  # seconds between looks
PATIENCE = 240.0  # seconds; only a hang lets a storm fail by time
UID = "tag:storm.example,2026:release"


class Sink(Attended, socketserver.ThreadingTCPServer):
    """An SMTP server that writes down each letter's recipient before it says 250."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.log: list[str] = []
        self.heard = threading.Condition()
        self.attend()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def note(self, recipient: str) -> None:
        """A letter has arrived."""
        with self.heard:
            self.log.append(recipient)
            self.heard.notify_all()

    def wait_for(self, count: int, patience: float) -> bool:
        """Wait until `count` letters have arrived; False if that took too long."""
        with self.heard:
            return self.heard.wait_for(lambda: len(self.log) >= count, patience)


class _Session(socketserver.StreamRequestHandler):
    server: Sink
    disable_nagle_algorithm = True  # replies are small and many

    def handle(self) -> None:
        recipient = ""
        try:
            self._say("220 sink")
            while line := self.rfile.readline():
                match line.split(b":")[0].split()[0].upper():
                    case b"EHLO":
                        self._say("250-sink\r\n250 PIPELINING")
                    case b"RCPT":
                        recipient = line.decode().partition("<")[2].partition(">")[0]
                        self._say("250 ok")
                    case b"DATA":
                        self._say("354 go on")
                        self._body()
                        self.server.note(recipient)
                        self._say("250 taken")
                    case b"QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 ok")
        except OSError:
            return  # the worker was killed: that is the point

    def _body(self) -> None:
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionResetError

    def _say(self, reply: str) -> None:
        self.wfile.write(reply.encode() + b"\r\n")


@dataclass
class Outcomes:
    """What the sink saw and what the ledger says, side by side."""

    contacts: int
    died: Counter[str]  # workers by the point where they were killed
    seed: int
    arrived: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    unknown: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)

    @property
    def everyone(self) -> set[str]:
        """Whom the release is owed to."""
        return {f"j{n}@press.example" for n in range(self.contacts)}

    @property
    def doubles(self) -> set[str]:
        """Who got it more than once."""
        return {who for who, times in self.arrived.items() if times > 1}

    @property
    def lost(self) -> set[str]:
        """Who neither got it nor is on record as a doubt that waits for a person."""
        return self.everyone - set(self.arrived) - self.unknown

    @property
    def unrecorded(self) -> set[str]:
        """Doubles the ledger does not know of."""
        return self.doubles - self.doubted

    def __str__(self) -> str:
        return (
            f"contacts {self.contacts}, {self.died.total()} kills at {len(self.died)} points, seed {self.seed}: letters {self.arrived.total()}, "
            f"lost {len(self.lost)}, twice {len(self.doubles)}, of these not on record {len(self.unrecorded)}, "
            f"doubts on record {len(self.doubted)}, held {len(self.unknown)}, without a letter after a person's "
            f"retry {len(self.silent)}, states { ({str(state): n for state, n in self.states.items()}) }"
        )


def storm(url: str, *, policy: str, contacts: int, kills: int, workers: int, seed: int) -> Outcomes:
    """One release to `contacts`, with `kills` workers killed on the way, at each point in turn; what came of it.

    `workers` live and die at a time.
    """
    with (
        Sink() as sink,
        open_store(url, host_clock=lambda: datetime.now(UTC)) as store,
        crew_of(url, sink.port, policy, 0) as crew,
        ThreadPoolExecutor(workers) as threads,
        ExitStack() as ends,
    ):
        plan(store, contacts)
        lines = [crew.mortals() for _ in range(workers)]
        for line in lines:
            ends.callback(line.end)
        shares = [range(n, kills, workers) for n in range(workers)]
        dying = [
            threads.submit(_line_of_deaths, line, share, random.Random(seed + n), sink, store)
            for n, (line, share) in enumerate(zip(lines, shares, strict=True))
        ]
        died = sum((done.result() for done in dying), Counter[str]())
        for line in lines:
            line.begin(ANYWHERE)  # whoever comes last lives
        settle(store)
        found = _outcomes(store, sink, contacts, died, seed)
        if policy == "repeat":  # a person sends once more what was in doubt twice: now all must have it
            _try_again(store)
            found.silent = found.everyone - set(sink.log)
        return found


def _line_of_deaths(
    mortals: Mortals, numbers: range, dice: random.Random, sink: Sink, store: Store
) -> Counter[str]:
    died = Counter[str]()
    for number in numbers:
        point = POINTS[number % len(POINTS)]
        if not _killed(mortals, point, dice, sink, store):
            break
        died[point] += 1
    return died


def _killed(mortals: Mortals, point: str, dice: random.Random, sink: Sink, store: Store) -> bool:
    """Let a worker live until it dies at `point`; False if all was sent before."""
    seen = len(sink.log)
    pid, deadly = mortals.begin(point, dice.randint(1, 3)), threading.Event()
    threading.Thread(target=_reap, args=(mortals, deadly), daemon=True).start()
    if point == ANYWHERE:
        sink.wait_for(seen + dice.randint(1, 6), SOON)
        os.kill(pid, signal.SIGKILL)
    while not deadly.wait(SOON):
        if _open(store) == 0:
            with suppress(ProcessLookupError):  # it has died after all
                os.kill(pid, signal.SIGTERM)
            deadly.wait()
            return False
    return True


def _reap(mortals: Mortals, deadly: threading.Event) -> None:
    mortals.wait()
    deadly.set()


def plan(store: Store, contacts: int) -> None:
    """A topic, its contacts, and one item owed to all of them."""
    people(store, contacts)
    release(store, UID)


def release(store: Store, uid: str) -> None:
    """One item owed to everybody on the list."""
    with store.begin() as tx:
        publish.publish(tx, uid, Content(title="Storm", body="<p>Hold on.</p>", topics=("news",)))


def people(store: Store, contacts: int) -> None:
    """A topic and its contacts, in an empty database."""
    store.upgrade()
    with store.begin() as tx:
        for slug, rule in (("news", None), (ALL, Rule())):
            topics.add(
                tx,
                Topic(slug=slug, title=slug, uid=f"tag:storm.example,2026:{slug}", created=tx.now, rule=rule),
            )
        topic = topics.named(tx, "news")
        for n in range(contacts):
            contact, _ = audience.add_contact(tx, address(f"j{n}@press.example"))
            audience.subscribe(tx, contact.id, topic.id, Cadence.IMMEDIATE, "storm")


class Crew:
    """Worker processes that live to the end."""

    def __init__(self, config: str, env: dict[str, str], count: int) -> None:
        self._config, self._env = config, env
        self._command = [sys.executable, "-m", "syndicator", "--config", config, "worker"]
        self.running = [self._start() for _ in range(count)]

    def mortals(self) -> Mortals:
        """Workers of the same sort that come and die beside these."""
        return Mortals(self._config, self._env)

    def end(self) -> None:
        """End all of them in order."""
        for worker in self.running:
            worker.send_signal(signal.SIGTERM)
        for worker in self.running:
            worker.wait(30)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command, env=self._env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


@contextmanager
def crew_of(url: str, port: int, policy: str, count: int) -> Iterator[Crew]:
    """`count` real workers on one store, mailing to a sink on `port`."""
    values = {
        "STORE__URL": url,
        "SITE__SECRET_KEY": "a-key-for-storms-only-0123456789",
        "MAIL__TRANSPORT": "smtp",
        "MAIL__HOST": "127.0.0.1",
        "MAIL__PORT": str(port),
        "MAIL__TLS": "none",
        "MAIL__CONNECTIONS": "1",
        "DELIVERY__LEASE": "2s",
        "DELIVERY__REPEAT_AFTER": "1s",
        "DELIVERY__ON_UNKNOWN": policy,
    }
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "syndicator.toml"
        config.write_text("")
        env = os.environ | {f"SYNDICATOR_{key}": value for key, value in values.items()}
        crew = Crew(str(config), env, count)
        try:
            yield crew
        finally:
            crew.end()


def _open(store: Store) -> int:
    with store.read() as tx:
        return deliveries.open_count(tx)


def settle(store: Store) -> None:
    """Wait until no duty is open any more."""
    ends = time.monotonic() + PATIENCE
    while _open(store):
        if time.monotonic() > ends:
            raise TimeoutError("the storm did not settle")
        time.sleep(0.1)  # polls a condition


def _try_again(store: Store) -> None:
    with store.begin() as tx:
        for row in deliveries.listing(tx, state=DeliveryState.UNKNOWN):
            deliveries.retry(tx, row.id)
    settle(store)


def _outcomes(store: Store, sink: Sink, contacts: int, died: Counter[str], seed: int) -> Outcomes:
    found = Outcomes(contacts=contacts, died=died, seed=seed, arrived=Counter(sink.log))
    with store.read() as tx:
        for row in deliveries.listing(tx):
            found.states[row.state] += 1
            tries = deliveries.attempts(tx, row.id)
            if any(attempt.outcome is Outcome.UNKNOWN for attempt in tries):
                found.doubted.add(row.recipient)
            if row.state is DeliveryState.UNKNOWN:
                found.unknown.add(row.recipient)
            if row.state is DeliveryState.ACCEPTED:
                found.accepted.add(row.recipient)
    return found


def main() -> None:
    """Run storms and print what came of them; exit 1 if anything was lost or not on record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--policy", choices=("repeat", "hold"), default="repeat")
    for name, default in (("contacts", 1500), ("kills", 200), ("workers", 1), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    with database(given.store) as url:
        found = storm(
            url,
            policy=given.policy,
            contacts=given.contacts,
            kills=given.kills,
            workers=given.workers,
            seed=given.seed,
        )
    print(f"{given.store}, {given.policy}, {given.workers} workers: {found}")
    bad = found.lost or found.silent or found.unrecorded or (given.policy == "hold" and found.doubles)
    sys.exit(1 if bad else 0)


@contextmanager
def database(kind: str) -> Iterator[str]:
    """The URL of an empty database that ends with the block."""
    if kind == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{folder}/storm.db"
        return
    from tests.postgres import Server, url

    server = Server()
    try:
        yield url(server.host, "postgres")
    finally:
        server.stop()


if __name__ == "__main__":
    main()
