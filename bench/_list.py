"""A media list of any length, written in bulk: what the benches of digests and of the audience share.

Each contact has three subscriptions, to three of ten topics; one in ten reads a daily digest, the others want mail at
once. By the front door a million people would take hours; these are the rows it writes.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import text

from bench._post import Figure, measured
from bench.engine import SERIES, _cpu_of, _server, _stored
from syndicator.model.item import ALL, Rule
from syndicator.store import Store, open_store, topics
from tests.make import FakeClock, make_topic

TOPICS, EVERY = 10, 10  # topics; one contact of so many reads digests
PEOPLE = """INSERT INTO contacts (address, key, digest, domain, name, outlet, language, zone, created)
    SELECT 'j.' || n || '@paper' || (n % 50) || '.example', 'j.' || n || '@paper' || (n % 50) || '.example', 'd' || n,
    'paper' || (n % 50) || '.example', 'Jane Doe', '', CASE WHEN n % 4 = 0 THEN 'de' ELSE '' END, 'UTC', :now
    FROM ({series}) AS s"""
SUBSCRIBED = """INSERT INTO subscriptions (contact_id, topic_id, cadence, state, consent, created, since, confirmed)
    SELECT c.id, t.id, CASE WHEN c.id % {every} = 0 THEN 'daily' ELSE 'immediate' END, 'active', 'bench', :now, :now, :now
    FROM contacts c JOIN topics t ON t.slug IN ('t' || (c.id / {every} % {topics}), 't' || ((c.id / {every} + 3) % {topics}),
    't' || ((c.id / {every} + 7) % {topics}))"""
WINDOWS = """INSERT INTO windows (contact_id, cadence, opened, closes)
    SELECT id, 'daily', :now, :closes FROM contacts WHERE id % {every} = 0"""


@contextmanager
def listed(url: str, contacts: int) -> Iterator[tuple[Store, FakeClock]]:
    """A store with so many contacts, topics `t0` to `t9`, and windows that close in 23 hours."""
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
                "many": contacts,
            }
            for words in (PEOPLE, SUBSCRIBED, WINDOWS):
                filled = words.format(every=EVERY, topics=TOPICS, series=SERIES[store.kind])
                named = {key: value for key, value in stamps.items() if f":{key}" in filled}
                tx.connection.execute(text(filled), named)
        if store.kind == "postgresql":  # as its autovacuum does; nobody does so on SQLite
            with store.begin() as tx:
                tx.connection.execute(text("ANALYZE"))
        yield store, clock


def timed(store: Store, work: Callable[[], object]) -> Figure:
    """How long it took; the CPU with that of PostgreSQL's own process."""
    server = _server(store)
    before = _cpu_of(server)
    figure = measured(work)
    return Figure(figure.seconds, figure.cpu + _cpu_of(server) - before)


def say(what: str, figure: Figure, goal: float | None = None) -> None:
    """One line of the table."""
    aim = f"   goal < {goal:.0f} s" if goal else ""
    print(f"{what:<58}{figure.seconds:8.2f} s   CPU {figure.cpu:.2f} s{aim}", flush=True)


def say_memory() -> None:
    """The most memory this process ever held."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{'the most memory this process held':<58}{held:8.0f} MB")
