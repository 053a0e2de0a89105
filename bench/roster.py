"""A list of 100,000 people taken in, taken in again, taken back, then rewritten and left: goal < 20 s for each.

`python -m bench.roster [--rows N]`. The list is a CSV of 4,000 mail domains with names, outlets, a topic and
consent for every other person, the others are asked; the second reading must change nothing, the undo leave nobody.
Taken in once more, everybody, now known, gets other words by `--overwrite`, and comes on a list of people who left; both are
taken back. Beside each act: the longest of its transactions, for that long nobody else could write on SQLite.
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
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from sqlalchemy import Connection, event

from syndicator.model.roster import Sort
from syndicator.signup.roster import Loaded, Order, load, undo
from syndicator.store import Store, open_store
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


def left(count: int) -> bytes:
    """The same people, as another house exports those who unsubscribed there."""
    mails = (f"person.{number}@paper{number % DOMAINS}.example" for number in range(count))
    gone = "".join(f"{mail},2,1,2099-01-01 00:00:00\n" for mail in mails)
    return f"Email Address,MEMBER_RATING,LEID,UNSUB_TIME\n{gone}".encode()


class Held:
    """How long a transaction that writes was open, at most, since it was asked last."""

    def __init__(self, store: Store) -> None:
        self.longest = self._since = 0.0
        engine = store._engine  # noqa: SLF001 - only there its transactions are seen from outside
        event.listen(engine, "begin", self._begin)
        event.listen(engine, "commit", self._end)

    def _begin(self, _connection: object) -> None:
        self._since = time.perf_counter()

    def _end(self, connection: Connection) -> None:
        if connection.get_execution_options().get("syndicator_write"):
            self.longest = max(self.longest, time.perf_counter() - self._since)

    def most(self) -> float:
        """Seconds, and begin anew."""
        longest, self.longest = self.longest, 0.0
        return longest


def timed(what: str, work: Callable[[], str], held: Held) -> bool:
    """Do it, and print what it took; whether that is below the goal."""
    held.most()
    start, cpu = time.perf_counter(), time.process_time()
    said = work()
    wall, spent = time.perf_counter() - start, time.process_time() - cpu
    figures = f"(CPU here {spent:5.1f} s, a writer waits {held.most() * 1000:5.0f} ms)"
    print(f"  {what:<24}{wall:7.1f} s   {figures}   goal < {GOAL:.0f} s   {said}", flush=True)
    return wall < GOAL


def measure(store: Store, count: int) -> bool:
    """Every act of a list on this store; whether all were quick enough."""
    store.upgrade()
    make_newsroom(store, "policy", "funding")
    data, order = people(count), Order(source="bench", by="bench", zone="UTC")
    held, made = Held(store), list[int]()

    def first() -> str:
        done = _load(store, data, order, made)
        return f"{done.added:,} added, {done.active:,} active, {done.asked:,} asked"

    def again() -> str:
        done = load(store, data, order, say=_quiet)
        assert done.id is None, "the same list again wrote something"
        return f"{len(done.difference[Sort.UNCHANGED]):,} unchanged"

    def rewritten() -> str:
        done = _load(store, data.replace(b",Person ", b",Reader "), replace(order, overwrite=True), made)
        return f"{len(done.difference[Sort.CHANGED]):,} with other words"

    def gone() -> str:
        done = _load(store, left(count), order, made)
        return f"{len(done.difference[Sort.SUPPRESSED]):,} suppressed"

    def back() -> str:
        done = undo(store, made.pop(), "bench", say=_told)
        return (
            f"{done.contacts:,} gone, {done.words:,} as they were, {done.suppressions:,} suppressed no more"
        )

    works = (
        ("import", first),
        ("the same again", again),
        ("undo", back),
        ("import once more", first),
        ("--overwrite", rewritten),
        ("undo of it", back),
        ("a list of who left", gone),
        ("undo of it", back),
    )
    quick = [timed(what, work, held) for what, work in works]
    return all(quick)


def _load(store: Store, data: bytes, order: Order, made: list[int]) -> Loaded:
    done = load(store, data, order, say=_quiet)
    assert done.id
    made.append(done.id)
    return done


def _told(address: str, why: str) -> None:
    raise AssertionError(f"{address} stays: {why}")


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
