"""A list of 100,000 people taken in, taken in again, and taken back: goal < 20 s for each, on both databases.

`python -m bench.roster [--rows N]`. The list is a CSV of 4,000 mail domains with names, outlets, a topic and
consent for every other person, the others are asked; the second reading must change nothing, the undo leave nobody.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from syndicator.model.roster import Sort
from syndicator.signup.roster import Order, load
from syndicator.store import Store, open_store, undoing
from tests.make import make_newsroom
from tests.postgres import Server, url

GOAL = 20.0  # seconds
DOMAINS = 4_000


def people(count: int) -> bytes:
    """The list."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow("email name outlet timezone topics cadence consent".split())
    for number in range(count):
        domain = f"paper{number % DOMAINS}.example"
        consent = "asked by phone" if number % 2 else ""
        words = (f"Person {number}", f"Paper {number % DOMAINS}", "Europe/Paris", "policy", "immediate")
        rows.writerow([f"person.{number}@{domain}", *words, consent])
    return out.getvalue().encode()


def timed(what: str, work: Callable[[], str]) -> bool:
    """Do it, and print what it took; whether that is below the goal."""
    start, cpu = time.perf_counter(), time.process_time()
    said = work()
    wall, spent = time.perf_counter() - start, time.process_time() - cpu
    print(f"  {what:<24}{wall:7.1f} s   (CPU here {spent:5.1f} s)   goal < {GOAL:.0f} s   {said}", flush=True)
    return wall < GOAL


def measure(store: Store, count: int) -> bool:
    """Every act of a list on this store; whether all were quick enough."""
    store.upgrade()
    make_newsroom(store, "policy", "funding")
    data, order = people(count), Order(source="bench", by="bench", zone="UTC")
    made: list[int] = []

    def first() -> str:
        done = load(store, data, order, say=_quiet)
        made.append(done.id or 0)
        return f"{done.added:,} added, {done.active:,} active, {done.asked:,} asked"

    def again() -> str:
        done = load(store, data, order, say=_quiet)
        assert done.id is None, "the same list again wrote something"
        return f"{len(done.difference[Sort.UNCHANGED]):,} unchanged"

    def back() -> str:
        with store.begin() as tx:
            gone = undoing.undo(tx, made[0], "bench")
        assert not gone.kept
        return f"{gone.contacts:,} gone"

    works = (("import", first), ("the same again", again), ("undo", back))
    quick = [timed(what, work) for what, work in works]
    return all(quick)


def _quiet(_words: str) -> None:
    """What is said on the way is not measured."""


@contextmanager
def stores() -> Iterator[list[tuple[str, Store]]]:
    """A new store on either database."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server()
        urls = {"SQLite": f"sqlite:///{folder}/list.db", "PostgreSQL": url(server.host, "postgres")}
        opened = [
            (name, open_store(address, host_clock=partial(datetime.now, UTC)))
            for name, address in urls.items()
        ]
        try:
            yield opened
        finally:
            for _, store in opened:
                store.close()
            server.stop()


def main() -> int:
    """Print the table; 1 if a goal was missed."""
    wanted = argparse.ArgumentParser()
    wanted.add_argument("--rows", type=int, default=100_000)
    count = wanted.parse_args().rows
    good = True
    print(f"{count:,} people, {DOMAINS:,} mail domains, half of them to be asked for a yes")
    with stores() as opened:
        for name, store in opened:
            print(name)
            good = measure(store, count) and good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
