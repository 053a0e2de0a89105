"""Digests of a large media list: who gets what, planned and written; how fast, and in how much memory.

A list of a million contacts with three subscriptions each; a tenth of them read a daily digest
of three of ten topics. On SQLite (FULL) and on PostgreSQL:

- the windows of 100,000 readers that close at one moment, planned with what they hold;
- their letters, composed once for each edition and merged for each reader.

    .venv/bin/python -m bench.digest [CONTACTS] [sqlite|postgresql]
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import structlog

from bench._list import EVERY, TOPICS, listed, say, say_memory, timed
from bench._post import SENDER
from syndicator import digest, publish
from syndicator.delivery.writing import Desk, Links, Writer
from syndicator.store import Store, deliveries, pushes, topics
from tests.make import FakeClock, make_content, make_site

ITEMS = 10  # in the window
GOAL_PLAN = 10.0  # seconds
CLAIM = 500  # letters written in one go


@contextmanager
def newsroom(url: str, contacts: int) -> Iterator[tuple[Store, FakeClock]]:
    """A store with that list and with items that were pushed; nothing is owed to those who want them at once."""
    with listed(url, contacts) as (store, clock):
        clock.advance(hours=1)
        with store.begin() as tx:
            for number in range(ITEMS):
                slugs = (f"t{number % TOPICS}", f"t{(number + 1) % TOPICS}")
                content = make_content(f"Item {number}", topics=slugs)
                item = publish.publish(tx, f"tag:{number}", content, push=publish.Push(allowed=False))
                pushes.record(tx, item.id, topics.ids(tx, slugs).values())
        clock.advance(hours=22, minutes=2)
        yield store, clock


def bench(url: str, contacts: int) -> Iterator[bool]:
    """The figures of one database, each beside its goal."""
    readers = contacts // EVERY
    with newsroom(url, contacts) as (store, _):
        planned: list[digest.Gathered] = []
        figure = timed(store, lambda: planned.append(digest.digests_due(store, digest.Pace())))
        assert readers == planned[0].digests
        say(f"{readers:,} digests planned", figure, GOAL_PLAN)
        yield figure.seconds < GOAL_PLAN
        desk = _desk()
        figure = timed(store, lambda: _write(store, desk))
        say(f"the same written, {desk.shelf.composed} editions composed", figure)
        yield desk.shelf.composed == TOPICS
    say_memory()


def _write(store: Store, desk: Desk) -> None:
    writer = Writer(desk)
    while True:
        with store.begin() as tx:
            tries = deliveries.claim(tx, "mail", "bench", CLAIM, timedelta(hours=1))
            answers = writer.threads(tx, tries)
            for attempt in tries:
                writer.letter(tx, attempt, answers.get(attempt.id))
        if not tries:
            return


def _desk() -> Desk:
    def link(*keys: object) -> str:
        return f"https://news.chemsoc.example/{'.'.join(map(str, keys))}"

    links = Links(
        confirm=link, unsubscribe=link, preferences=link, press=link, letter=lambda owed: link(owed.id)
    )
    return Desk(site=make_site(), sender=SENDER, key=b"k" * 32, links=links)


def main(contacts: int = 1_000_000, only: str = "") -> int:
    """Print each figure beside its goal; 1 if one was missed."""
    from tests.postgres import Server, url

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    reached: list[bool] = []
    if only != "postgresql":
        print("SQLite, FULL")
        with tempfile.TemporaryDirectory() as folder:
            reached += bench(f"sqlite:///{folder}/digest.db", contacts)
    if only != "sqlite":
        print("PostgreSQL")
        server = Server()
        try:
            reached += bench(url(server.host, "postgres"), contacts)
        finally:
            server.stop()
    print(
        "limit: one statement for each batch asks of every push whether its reader has the item; CPU is shared with it"
    )
    return 0 if all(reached) else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(int(given[0]) if given else 1_000_000, given[1] if len(given) > 1 else ""))
