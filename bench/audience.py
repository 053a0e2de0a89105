"""The audience of a release on a large media list, and planning it; goal of the question who gets it < 2 s.

A million contacts with three subscriptions each, on SQLite (FULL) and on PostgreSQL:

- whom a release to two of ten topics is owed by mail at once, as the planner asks for it; to all ten; to one segment;
- the first of these planned: an item published, with a delivery and what it carries for everybody, in one transaction.

    .venv/bin/python -m bench.audience [CONTACTS] [sqlite|postgresql] [plans]

With `plans` it also prints how the database goes about each question.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Select, false, func, select
from sqlalchemy.dialects import postgresql, sqlite

from bench._list import TOPICS, listed, say, say_memory, timed
from syndicator import publish
from syndicator.model.item import Content
from syndicator.model.segment import rule_from
from syndicator.store import Store, Tx, deliveries, segments, topics
from syndicator.store.deliveries.owed import audience
from tests.make import make_content

GOAL = 2.0  # seconds
TWO, EVERY_TOPIC = ("t0", "t1"), tuple(f"t{number}" for number in range(TOPICS))
CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "two topics": (TWO, ()),
    "ten topics": (EVERY_TOPIC, ()),
    "two topics, a segment": (TWO, ("german",)),
}


def bench(url: str, contacts: int, *, plans: bool) -> Iterator[bool]:
    """The figures of one database, each beside its goal."""
    with listed(url, contacts) as (store, clock):
        with store.begin() as tx:
            segments.add(tx, "german", "In German", rule_from({"languages": ["de"]}))
        for name, (slugs, inside) in CASES.items():
            content = make_content(topics=slugs, audience=inside)
            if plans:
                _explain(store, content)
            found: list[int] = []
            figure = timed(store, partial(_count, store, content, found))
            say(f"{found[-1]:,} of {contacts:,} in the audience of {name}", figure, GOAL)
            yield figure.seconds < GOAL
        clock.advance(hours=1)
        figure = timed(store, partial(_release, store))
        with store.read() as tx:
            planned = deliveries.open_count(tx)
        say(f"{planned:,} deliveries planned with their item", figure)
    say_memory()


def _asked(tx: Tx, content: Content) -> Select[Any]:
    keys = topics.ids(tx, content.topics).values()
    who = audience(tx, content, keys, false()).subquery().c
    return select(func.count(), func.sum(who.sub))


def _count(store: Store, content: Content, found: list[int]) -> None:
    with store.read() as tx:
        found.append(tx.connection.execute(_asked(tx, content)).one()[0])


def _explain(store: Store, content: Content) -> None:
    """Print the plan of it."""
    with store.read() as tx:
        tongue = sqlite.dialect() if tx.on_sqlite else postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy gives dialects no types
        words = _asked(tx, content).compile(dialect=tongue, compile_kwargs={"literal_binds": True})
        how = "EXPLAIN QUERY PLAN" if tx.on_sqlite else "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF)"
        for row in tx.connection.exec_driver_sql(f"{how} {words}".replace("%", "%%")):
            print("   ", row[-1])


def _release(store: Store) -> None:
    with store.begin() as tx:
        publish.publish(tx, "tag:release", make_content(topics=TWO))


def main(contacts: int = 1_000_000, *words: str) -> int:
    """Print each figure beside its goal; 1 if one was missed."""
    from tests.postgres import Server, url

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    reached: list[bool] = []
    plans = "plans" in words
    if "postgresql" not in words:
        print("SQLite, FULL")
        with tempfile.TemporaryDirectory() as folder:
            reached += bench(f"sqlite:///{folder}/audience.db", contacts, plans=plans)
    if "sqlite" not in words:
        print("PostgreSQL")
        server = Server()
        try:
            reached += bench(url(server.host, "postgres"), contacts, plans=plans)
        finally:
            server.stop()
    print(
        "limit: every contact of the topics is looked at, for their standing and their pause stand with them"
    )
    return 0 if all(reached) else 1


if __name__ == "__main__":
    given = sys.argv[1:]
    sys.exit(main(int(given[0]) if given else 1_000_000, *given[1:]))
