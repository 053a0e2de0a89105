"""Digests of a large media list: who gets what, planned and written; how fast, and in how much memory.

A list of a million contacts with three subscriptions each; a tenth of them read a daily digest
of three of ten topics. On SQLite (FULL) and on PostgreSQL:

- the audience of a release to two of the topics, as the planner asks for it, and of one to all of them;
- the windows of 100,000 readers that close at one moment, planned with what they hold;
- their letters, composed once for each edition and merged for each reader.

    .venv/bin/python -m bench.digest [CONTACTS] [sqlite|postgresql]
"""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy import false, func, select, text

from bench._post import SENDER, Figure, measured
from bench.engine import SERIES, _cpu_of, _server, _stored
from syndicator import digest, publish
from syndicator.delivery.writing import Desk, Links, Writer
from syndicator.model.item import ALL, Rule
from syndicator.store import Store, deliveries, open_store, pushes, topics
from syndicator.store.deliveries.owed import audience
from tests.make import FakeClock, make_content, make_site, make_topic

TOPICS, ITEMS, EVERY = 10, 10, 10  # topics; items in the window; one contact of so many reads digests
GOAL_AUDIENCE, GOAL_PLAN = 2.0, 10.0  # seconds
CLAIM = 500  # letters written in one go
PEOPLE = """INSERT INTO contacts (address, key, digest, domain, name, outlet, zone, created)
    SELECT 'j.' || n || '@paper' || (n % 50) || '.example', 'j.' || n || '@paper' || (n % 50) || '.example', 'd' || n,
    'paper' || (n % 50) || '.example', 'Jane Doe', '', 'UTC', :now FROM ({series}) AS s"""
SUBSCRIBED = """INSERT INTO subscriptions (contact_id, topic_id, cadence, state, consent, created, since, confirmed)
    SELECT c.id, t.id, CASE WHEN c.id % {every} = 0 THEN 'daily' ELSE 'immediate' END, 'active', 'bench', :now, :now, :now
    FROM contacts c JOIN topics t ON t.slug IN ('t' || (c.id / {every} % {topics}), 't' || ((c.id / {every} + 3) % {topics}),
    't' || ((c.id / {every} + 7) % {topics}))"""
WINDOWS = """INSERT INTO windows (contact_id, cadence, opened, closes)
    SELECT id, 'daily', :now, :closes FROM contacts WHERE id % {every} = 0"""


@contextmanager
def newsroom(url: str, contacts: int) -> Iterator[tuple[Store, FakeClock]]:
    """A store with that list and with items that were pushed; nothing is owed to those who want them at once."""
    clock = FakeClock()
    with open_store(url, host_clock=clock, fixed_clock=clock) as store:
        store.upgrade()
        with store.begin() as tx:
            topics.add(tx, make_topic(ALL, title="All items", rule=Rule()))
            for number in range(TOPICS):
                topics.add(tx, make_topic(f"t{number}"))
            stamps: dict[str, object] = {
                "now": _stored(store, tx.now),
                "closes": _stored(store, tx.now + timedelta(hours=23)),
            }
            stamps["many"] = contacts
            for words in (PEOPLE, SUBSCRIBED, WINDOWS):
                filled = words.format(every=EVERY, topics=TOPICS, series=SERIES[store.kind])
                named = {key: value for key, value in stamps.items() if f":{key}" in filled}
                tx.connection.execute(text(filled), named)
        with store.begin() as tx:
            tx.connection.execute(text("ANALYZE"))
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
        for many in (2, TOPICS):
            found: list[int] = []
            figure = _timed(store, partial(_audience, store, many, found))
            _say(f"{found[-1]:,} of {contacts:,} in the audience of {many} topics", figure, GOAL_AUDIENCE)
            yield figure.seconds < GOAL_AUDIENCE
        planned: list[digest.Gathered] = []
        figure = _timed(store, lambda: planned.append(digest.digests_due(store, digest.Pace())))
        assert readers == planned[0].digests
        _say(f"{readers:,} digests planned", figure, GOAL_PLAN)
        yield figure.seconds < GOAL_PLAN
        desk = _desk()
        figure = _timed(store, lambda: _write(store, desk))
        _say(f"the same written, {desk.shelf.composed} editions composed", figure)
        yield desk.shelf.composed == TOPICS
    print(
        f"{'the most memory this process held':<58}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000:8.0f} MB"
    )


def _audience(store: Store, many: int, found: list[int]) -> None:
    with store.read() as tx:
        keys = list(topics.ids(tx, [f"t{number}" for number in range(many)]).values())
        who = audience(tx, make_content(), keys, false()).subquery()
        found.append(tx.connection.execute(select(func.count(), func.sum(who.c.sub))).one()[0])


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


def _timed(store: Store, work: Callable[[], object]) -> Figure:
    """How long it took; the CPU with that of PostgreSQL's own process."""
    server = _server(store)
    before = _cpu_of(server)
    figure = measured(work)
    return Figure(figure.seconds, figure.cpu + _cpu_of(server) - before)


def _say(what: str, figure: Figure, goal: float | None = None) -> None:
    aim = f"   goal < {goal:.0f} s" if goal else ""
    print(f"{what:<58}{figure.seconds:8.2f} s   CPU {figure.cpu:.2f} s{aim}", flush=True)


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
