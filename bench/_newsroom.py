"""A store of any size to measure in: items and topics put straight into its tables, and a clock that goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from syndicator import feeds, publish
from syndicator.model.item import ALL, Content, Rule, Topic
from syndicator.model.site import Site
from syndicator.store import Store, open_store, topics

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SITE = Site(title="Society", base_url="https://news.example.org")
BODY = f"<p>{'Some words of a longer sentence, and a <b>mark</b>. ' * 16}</p>"
# Rows as publish writes them; those beyond the live window are on closed pages, as they would be.
GROW = (
    """INSERT INTO items (id, uid, slug, state, revision, published, updated)
       WITH RECURSIVE n(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM n WHERE n < :last)
       SELECT n, 'tag:old,' || n, 'old-' || n, 'live', 1, moment, moment FROM (
       SELECT n, strftime('%Y-%m-%dT%H:%M:%f000Z', '2000-01-01', '+' || (n % 10000000) || ' minutes') AS moment FROM n)""",
    """INSERT INTO revisions (item_id, number, significance, content, fingerprint, created)
       SELECT id, 1, 'first', :content, uid, published FROM items WHERE id BETWEEN :first AND :last""",
    """INSERT INTO memberships (topic_id, item_id, published, uid, page)
       SELECT t.id, i.id, i.published, i.uid, 1 FROM items i, topics t
       WHERE t.slug IN ('all', 'policy') AND i.id BETWEEN :first AND :last""",
    "UPDATE topics SET pages = 1 WHERE slug IN ('all', 'policy')",
)
TOPICS = (
    """INSERT INTO topics (slug, title, uid, file, created, stale)
       WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :number)
       SELECT 't' || n, 'Topic ' || n, 'tag:topic,' || n, false, :now, :now FROM n""",
    """INSERT INTO memberships (topic_id, item_id, published, uid)
       SELECT t.id, i.id, i.published, i.uid FROM topics t JOIN items i
       ON i.id BETWEEN 3 * (t.id - :base) - 2 AND 3 * (t.id - :base) WHERE t.slug LIKE 't%'""",
)
ENTER = """INSERT INTO memberships (topic_id, item_id, published, uid)
           SELECT t.id, i.id, i.published, i.uid FROM topics t, items i WHERE t.slug LIKE 't%' AND i.uid = :uid"""


class Newsroom:
    """An open store with the topics `all` and `policy`."""

    def __init__(self, store: Store) -> None:
        self.now = START
        self._store = store
        self._size = self._grown = self._published = 0

    def grow(self, number: int) -> None:
        """Bring the store to this many items; those published here come on top."""
        words = '{"title": "Old", "body": "<p>Words.</p>", "topics": ["policy"]}'
        self._grown += 10_000_000  # keys beyond those of what was published since
        first = self._grown + self._size
        values = {"first": first, "last": self._grown + number - 1, "content": words}
        with self._store.begin() as tx:
            for statement in GROW:
                tx.connection.execute(text(statement), values if ":first" in statement else {})
            tx.connection.execute(text("ANALYZE"))
        self._size = number
        self.rebuild()

    def publish(self) -> tuple[float, float]:
        """CPU seconds of a publish and of the rebuild after it, commits included."""
        self.now += timedelta(minutes=1)
        self._published += 1
        content = Content(title="A statement", summary="In short.", body=BODY, topics=("policy",))
        began = time.process_time()
        with self._store.begin() as tx:
            publish.publish(tx, f"tag:new,{self._published}", content)
        between = time.process_time()
        self.rebuild()
        return between - began, time.process_time() - between

    def add_topics(self, number: int) -> None:
        """This many topics with three items each."""
        self.grow(1)
        with self._store.begin() as tx:
            base = tx.connection.execute(text("SELECT max(id) FROM topics")).scalar_one()
            old = {"first": 1, "last": 3 * number, "content": f'{{"title": "Old", "body": "{BODY}"}}'}
            for statement in GROW[:2]:
                tx.connection.execute(text(statement), old)
            values = {"number": number, "now": f"{self.now:%Y-%m-%dT%H:%M:%S.%fZ}", "base": base}
            for statement in TOPICS:
                needed = {key: value for key, value in values.items() if f":{key}" in statement}
                tx.connection.execute(text(statement), needed)
            tx.connection.execute(text("ANALYZE"))

    def rebuild(self) -> None:
        """Build what is stale."""
        feeds.rebuild_stale(self._store, SITE)

    def rebuild_all(self, *, new: bool) -> tuple[float, float]:
        """Wall and CPU seconds until all topics are fresh, after one new item in each if asked for."""
        self.now += timedelta(minutes=1)
        self._published += 1
        with self._store.begin() as tx:
            if new:
                content = Content(title="A statement", summary="In short.", body=BODY)
                item = publish.publish(tx, f"tag:new,{self._published}", content)
                tx.connection.execute(text(ENTER), {"uid": item.uid})
            topics.mark_all_stale(tx)
        wall, processor = time.perf_counter(), time.process_time()
        self.rebuild()
        return time.perf_counter() - wall, time.process_time() - processor


@contextmanager
def opened(path: Path) -> Iterator[Newsroom]:
    """An empty newsroom on a new SQLite file."""
    box: list[Newsroom] = []

    def clock() -> datetime:
        return box[0].now if box else START

    with open_store(f"sqlite:///{path}", host_clock=clock, fixed_clock=clock) as store:
        store.upgrade()
        box.append(Newsroom(store))
        with store.begin() as tx:
            for slug, rule in ((ALL, Rule()), ("policy", None)):
                topics.add(
                    tx, Topic(slug=slug, title=slug.title(), uid=f"tag:{slug}", created=START, rule=rule)
                )
        yield box[0]
