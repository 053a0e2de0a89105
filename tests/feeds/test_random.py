"""Whatever happens in a newsroom, in whatever order: the bytes are those of a rebuild from nothing."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from syndicator import feeds, publish
from syndicator.model.item import Content, Rule
from syndicator.model.site import Format
from syndicator.store import Store, Tx, documents, open_store, schema, topics
from tests.feeds.walk import START, fetch, ids, pages, walk
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site, make_topic

SITE = make_site(window=3)
ALL = ("all", "policy", "health", "ruled")
FILED = ((), ("policy",), ("health",), ("policy", "health"))


@dataclass
class Room:
    """A newsroom and what was done in it; `words` are those of live items by uid, `gone` who was withdrawn."""

    store: Store
    clock: FakeClock
    words: dict[str, Content] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    revisions: int = 0

    def some(self, n: int) -> str | None:
        """One of the live items."""
        return sorted(self.words)[n % len(self.words)] if self.words else None

    def write(self, uid: str, filed: tuple[str, ...]) -> Content:
        """Words nobody has written before; they name the item they stand in."""
        self.revisions += 1
        self.words[uid] = make_content(f"Words {self.revisions} of {uid}.", topics=filed)
        return self.words[uid]

    def publish(self, tx: Tx, n: int) -> None:
        uid = f"tag:{len(self.words) + len(self.gone):03}"
        publish.publish(tx, uid, self.write(uid, FILED[n % 4]))

    def old(self, tx: Tx, n: int) -> None:
        uid = f"tag:{len(self.words) + len(self.gone):03}"
        publish.publish(tx, uid, self.write(uid, FILED[n % 4]), published=NOW - timedelta(days=n))

    def edit(self, tx: Tx, n: int) -> None:
        if uid := self.some(n):
            publish.edit(tx, uid, self.write(uid, self.words[uid].topics))

    def refile(self, tx: Tx, n: int) -> None:
        if uid := self.some(n):
            publish.edit(tx, uid, self.write(uid, FILED[n % 4]))

    def correct(self, tx: Tx, n: int) -> None:
        if uid := self.some(n):
            publish.correct(tx, uid, self.write(uid, self.words[uid].topics), "The figure")

    def withdraw(self, tx: Tx, n: int) -> None:
        if uid := self.some(n):
            self.gone.append(uid)
            del self.words[uid]
            publish.withdraw(tx, uid, "A mistake", kill=bool(n % 2))

    def title(self, tx: Tx, n: int) -> None:
        topics.edit(tx, replace(topics.named(tx, ("policy", "health")[n % 2]), title=f"Title {n}"))

    def rule(self, tx: Tx, n: int) -> None:
        topics.edit(tx, replace(topics.named(tx, "ruled"), rule=Rule(any=(("policy", "health")[n % 2],))))
        topics.refill(tx, topics.named(tx, "ruled"))

    def build(self) -> None:
        """Build until nothing is due, a second or more passing where the feeds ask for it."""
        feeds.rebuild_stale(self.store, SITE)
        for _ in range(3):
            with self.store.read() as tx:
                due = feeds.next_stale(tx)
            if due:
                self.clock.now = max(self.clock.now, due)
                feeds.rebuild_stale(self.store, SITE)

    def bytes(self) -> dict[str, tuple[bytes, str, datetime]]:
        """Every document and archive page: body, tag, date."""
        found = {}
        for slug in ALL:
            for (page, format), one in pages(self.store, slug).items():
                where = f"{slug}/archive/{page}.{format}"
                found[where] = (gzip.decompress(one.gzip), one.etag, one.modified)
        with self.store.read() as tx:
            for known in documents.validators(tx):
                body = documents.bodies(tx, known.topic, known.format)
                assert body
                found[f"{known.topic}.{known.format}"] = (body.body, known.etag, known.modified)
        return found


ACTS: list[Callable[[Room, Tx, int], None]] = [
    Room.publish, Room.publish, Room.publish, Room.publish, Room.old, Room.edit, Room.refile, Room.correct,
    Room.withdraw, Room.title, Room.rule,
]  # fmt: skip
seconds = st.sampled_from((0.0, 0.4, 1.0, 90.0))
Step = tuple[Callable[[Room, Tx, int], None], int, float, bool]
Bytes = dict[str, tuple[bytes, str, datetime]]
steps = st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 99), seconds, st.booleans()), max_size=25)


@contextmanager
def opened(template: Path) -> Iterator[Room]:
    clock = FakeClock(NOW)
    with tempfile.TemporaryDirectory() as folder:
        for part in template.parent.iterdir():
            shutil.copy(part, folder)
        url = f"sqlite:///{folder}/{template.name}"
        with open_store(url, host_clock=clock, fixed_clock=clock) as store:
            make_newsroom(store, "policy", "health")
            with store.begin() as tx:
                topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
            yield Room(store, clock)


@given(steps)
@example([(Room.publish, n, 0.4, n % 3 == 0) for n in range(12)] + [(Room.withdraw, 1, 0.4, True)] * 3)
@example([(Room.publish, 3, 90.0, True)] * 8 + [(Room.correct, 0, 0.0, True), (Room.refile, 2, 0.0, True)])
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_after_anything_the_bytes_are_those_of_a_rebuild_from_nothing(
    sqlite_template: Path, done: list[Step]
) -> None:
    """feeds:P12: without its fragments a rebuild gives the same bytes, tags and dates (P10, P13, P23, H5).

    On the way no document changes twice in a second; in the end what was withdrawn is nowhere but as a
    tombstone, and a walk finds exactly what is public, in its newest words.
    """
    with opened(sqlite_template) as room:
        before: Bytes = {}
        for act, n, passed, built in done:
            room.clock.advance(seconds=passed)
            with room.store.begin() as tx:
                act(room, tx, n)
            if built:
                feeds.rebuild_stale(room.store, SITE)
                before = never_twice_in_a_second(before, room.bytes(), room.clock.now)
        room.build()
        never_twice_in_a_second(before, after := room.bytes(), room.clock.now)
        for uid in room.gone:
            assert [] == [where for where, (body, _, _) in after.items() if f"of {uid}.".encode() in body]
        shows_what_is_public(room)
        room.clock.advance(days=1)
        with room.store.begin() as tx:
            tx.connection.execute(delete(schema.fragments))
            topics.mark_all_stale(tx)
        assert 0 == feeds.rebuild_stale(room.store, SITE).changed
        assert after == room.bytes()


def never_twice_in_a_second(before: Bytes, after: Bytes, now: datetime) -> Bytes:
    for where, (body, etag, modified) in after.items():
        assert modified <= now
        if where in before and before[where][0] != body:
            assert before[where][1] != etag
            assert before[where][2] < modified
    assert set() == {where for where in before if "archive" in where} - after.keys()
    return after


def shows_what_is_public(room: Room) -> None:
    for slug, format in (("all", Format.ATOM), ("policy", Format.RSS), ("health", Format.JSON)):
        expected = {
            uid: words.title for uid, words in room.words.items() if slug == "all" or slug in words.topics
        }
        with room.store.read() as tx:
            if documents.bodies(tx, slug, format) is None:
                assert {} == expected
                continue
            uids = [
                one.uid for one in documents.window(tx, topics.named(tx, slug).id, SITE.window, "full", "")
            ]
        found = walk(room.store, slug, format)
        assert expected == {uid: found.get(uid) for uid in expected}
        assert [] == [uid for uid in room.gone if uid in found]
        assert uids == ids(fetch(room.store, f"{START}{slug}.{format}"), format)
