"""Letters through a real relay into a real mailbox: Postfix takes them from a real worker, Dovecot keeps them.

`once_each` sends one release to many. `after_a_day` keeps the relay away for a day of the ledger's time, with
an old release and a new one waiting, and looks at what comes of both when it is back.

    python -m tests.interop.relayed --letters 1000
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import structlog

from syndicator.delivery import lanes
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import Store, deliveries, open_store
from tests.interop.dovecot import Dovecot
from tests.interop.postfix import Postfix, until
from tests.make import FakeClock
from tests.storm import people, release

OLD, NEW = "tag:storm.example,2026:old", "tag:storm.example,2026:new"
DAY = timedelta(days=1)


@dataclass
class Arrived:
    """What the mailbox holds, and what is wrong with it."""

    recipients: Counter[str] = field(default_factory=Counter)
    message_ids: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Whatever arrived twice (a repeat keeps its Message-ID) or does not parse; empty when all is well."""
        return [*(f"{one} came {n} times" for one, n in self.message_ids.items() if n > 1), *self.defects]


def arrived(letters: list[bytes]) -> Arrived:
    """Read letters as a mail program does."""
    found = Arrived()
    for raw in letters:
        message = message_from_bytes(raw, policy=policy.default)
        assert isinstance(message, EmailMessage)
        found.recipients[str(message["Delivered-To"])] += 1
        found.message_ids[str(message["Message-ID"])] += 1
        found.defects += [f"{message['To']}: {fault}" for fault in _defects(message)]
    return found


def _defects(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        yield from (repr(fault) for fault in part.defects)
        for name, value in part.items():
            yield from (f"{name}: {fault!r}" for fault in getattr(value, "defects", ()))
    text, html = (message.get_body([kind]) for kind in ("plain", "html"))
    if (
        text is None
        or "Hold on." not in text.get_content()
        or html is None
        or "Hold on." not in html.get_content()
    ):
        yield "its words are not in both parts"
    if str(message["To"]) != str(message["Delivered-To"]):
        yield f"delivered to {message['Delivered-To']}"


def once_each(folder: Path, letters: int) -> Arrived:
    """One release to `letters` contacts by a real worker; what arrived when nothing is under way any more."""
    with _relay(folder) as (relay, box), _newsroom(folder, letters) as (store, url):
        relay.start()
        release(store, NEW)
        _work(url, relay.port)
        until(lambda: relay.waiting() == 0, "Postfix keeps letters")
        return arrived(box.letters())


@dataclass
class Outage:
    """What an operator sees of a day without a relay, and what came of it."""

    fault: str = ""  # what the ledger shows of the relay during the outage
    since: timedelta = timedelta()  # how long ago the incident began, when it ended
    waiting: int = 0  # letters that waited
    counted: Counter[int] = field(default_factory=Counter)  # attempts on record for each letter, at the end
    first: Arrived = field(default_factory=Arrived)  # what arrived by itself
    asked: int = 0  # late ones that waited for a person
    last: Arrived = field(default_factory=Arrived)  # what was there when the person had said yes


def after_a_day(folder: Path, letters: int, every: timedelta = timedelta(seconds=1)) -> Outage:
    """A relay that is down for a day of the ledger's time; one release waits all of it, one the last hour.

    Workers try whenever the ledger asks for it, at most once in `every`.
    """
    seen, clock = Outage(), FakeClock(datetime.now(UTC) - DAY)
    with _relay(folder) as (relay, box), _newsroom(folder, letters, clock) as (store, url):
        environ = _environ(url, relay.port)
        release(store, OLD)
        _down(store, clock, environ, 23, every)
        release(store, NEW)
        _down(store, clock, environ, 1, every)
        with store.read() as tx:
            (lane,) = [one for one in deliveries.lanes(tx) if one.fault]
        seen.fault, seen.waiting = lane.fault or "", lane.waiting
        seen.since = clock() - (lane.since or clock())
        relay.start()
        clock.advance(minutes=6)  # the longest a destination is left alone
        with _runtime(store, environ) as runtime:
            lanes.drain(runtime.crew("after", threading.Event()))
        until(lambda: relay.waiting() == 0, "Postfix keeps letters")
        seen.first = arrived(box.letters())
        with store.read() as tx:
            seen.asked = sum(one.late for one in deliveries.lanes(tx))
        with store.begin() as tx:
            deliveries.retry_late(tx)
        with _runtime(store, environ) as runtime:
            lanes.drain(runtime.crew("yes", threading.Event()))
        until(lambda: relay.waiting() == 0, "Postfix keeps letters")
        seen.last = arrived(box.letters())
        with store.read() as tx:
            seen.counted = Counter(one.attempts for one in deliveries.listing(tx))
    return seen


def _down(store: Store, clock: FakeClock, environ: dict[str, str], hours: int, every: timedelta) -> None:
    """Workers try through so many hours, each time the ledger asks for attention."""
    ends = clock() + timedelta(hours=hours)
    with _runtime(store, environ) as runtime:
        crew = runtime.crew("before", threading.Event())
        while clock() < ends:
            lanes.drain(crew)
            due = lanes.next_due(crew) or ends
            clock.now = min(max(due, clock() + every), ends)


@contextmanager
def _runtime(store: Store, environ: dict[str, str]) -> Iterator[Runtime]:
    runtime = Runtime(load(None, environ))
    vars(runtime)["store"] = store  # its own would ask the host what time it is
    yield runtime


@contextmanager
def _relay(folder: Path) -> Iterator[tuple[Postfix, Dovecot]]:
    """A mailbox, and a relay that is not started yet."""
    with Dovecot(folder / "dovecot") as box:
        relay = Postfix(folder / "postfix", box.lmtp)
        try:
            yield relay, box
        finally:
            relay.stop()


@contextmanager
def _newsroom(folder: Path, contacts: int, clock: FakeClock | None = None) -> Iterator[tuple[Store, str]]:
    url = f"sqlite:///{folder / 'newsroom.db'}"
    migrate_at = clock or FakeClock(datetime.now(UTC))
    with open_store(url, host_clock=migrate_at, fixed_clock=clock) as store:
        people(store, contacts)
        yield store, url


def _environ(url: str, port: int) -> dict[str, str]:
    said = {
        "STORE__URL": url,
        "SITE__SECRET_KEY": "a-key-for-relays-only-0123456789",
        "SITE__BASE_URL": "https://storm.example",
        "MAIL__TRANSPORT": "smtp",
        "MAIL__HOST": "127.0.0.1",
        "MAIL__PORT": str(port),
        "MAIL__TLS": "none",
        "MAIL__FROM": "Press <press@storm.example>",
        "CONFIG": "",
    }
    return {f"SYNDICATOR_{key}": value for key, value in said.items()}


def _work(url: str, port: int) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SYNDICATOR_")}
    command = [sys.executable, "-m", "syndicator", "worker", "--once", "deliver"]
    done = subprocess.run(
        command, env=environ | _environ(url, port), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"the worker failed: {done.stdout}{done.stderr}")


def main() -> int:
    """Both in full, on the machine's own programs; prints what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.interop.relayed")
    parser.add_argument("--letters", type=int, default=1000)
    many = parser.parse_args().letters
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"])
    if os.geteuid() or not all(shutil.which(name, path=path) for name in ("postfix", "dovecot")):
        print("relay: left out, it takes Postfix, Dovecot and root")
        return 0
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        began = time.monotonic()
        found = once_each(Path(name) / "once", many)
        seconds = time.monotonic() - began
        good = len(found.recipients) == many and not found.faults
        print(
            f"relay: {many} letters, {len(found.recipients)} arrived, {len(found.faults)} faults, {seconds:.1f} s"
        )
        seen = after_a_day(Path(name) / "day", many)
    faults = [*seen.first.faults, *seen.last.faults]
    good &= set(seen.last.recipients.values()) == {2} and seen.asked == many and not faults
    print(
        f"relay away for a day: {seen.waiting} waited for {seen.since}, {seen.first.recipients.total()} came by themselves, "
        f"{seen.asked} asked, {seen.last.recipients.total()} in the end, {len(faults)} faults, attempts {dict(seen.counted)}"
    )
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
