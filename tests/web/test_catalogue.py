"""What the web process holds in memory: other processes' commits, its budget, bytes of one piece."""

import gzip
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from syndicator.model.site import Format
from syndicator.store import Store, Tx, addresses, archives, documents, open_store, topics
from syndicator.store.documents import Bodies, Validators
from syndicator.web.catalogue import Catalogue
from syndicator.web.codings import GZIP, IDENTITY
from syndicator.web.feeds import GONE, NOT_FOUND, Memory, Served
from tests.make import NOW, FakeClock
from tests.web.served import SITE, add_topic, running, save_document, wait_until

PATH = "/feeds/policy.atom"
WRITER = """
import sys
from syndicator.store import open_store
from tests.make import FakeClock
from tests.web.served import save_document
with open_store(sys.argv[1], host_clock=FakeClock(), fixed_clock=FakeClock()) as store:
    for word in sys.stdin:
        save_document(store, word.encode())
        print("saved", flush=True)
"""


def served_at(memory: Memory, path: str = PATH) -> Served:
    """The document at a path."""
    found = memory.find(path)
    assert isinstance(found, Served)
    return found


@contextmanager
def writer(url: str) -> Iterator[Callable[[str], None]]:
    """Another process that saves what it is told."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
    ) as process:
        assert process.stdin
        assert process.stdout

        def save(word: str) -> None:
            print(word, file=process.stdin, flush=True)
            assert "saved\n" == process.stdout.readline()  # type: ignore[union-attr]

        yield save
        process.stdin.close()


@pytest.mark.parametrize("watched", ["watched", "shared"])
def test_commits_of_others_are_seen(store_url: str, watched: str) -> None:
    """DESIGN §5.5: another process's commit becomes public without a word from it, time and again."""
    clock = FakeClock()
    with (
        open_store(store_url, host_clock=clock, fixed_clock=clock) as store,
        open_store(store_url, host_clock=clock, fixed_clock=clock) as watch,
        writer(store_url) as save,
        running(store, watch=watch if watched == "watched" else None) as web,
    ):
        assert 404 == web.ask(PATH).status
        for word in ("one", "two", "three"):
            save(word)
            wait_until(lambda: web.ask(PATH).body == f"{word}\n".encode())  # noqa: B023


def test_late_commits_are_seen(store: Store, clock: FakeClock) -> None:
    """A row whose `stored` lies before the newest one, committed after it, is not missed."""
    catalogue = Catalogue(store, SITE)
    save_document(store, b"early", topic="funding")
    catalogue.refresh()
    clock.advance(seconds=-20)
    save_document(store, b"late")
    catalogue.refresh(sweep=False)
    assert PATH == served_at(catalogue).path


def test_what_is_gone_is_forgotten(store: Store) -> None:
    """A sweep finds documents that are no longer there."""
    catalogue = Catalogue(store, SITE)
    save_document(store, b"words")
    catalogue.refresh()
    catalogue._forget([PATH])
    assert NOT_FOUND is catalogue.find(PATH)
    catalogue.refresh()
    assert PATH == served_at(catalogue).path


def test_bytes_and_tag_are_of_one_piece(store: Store) -> None:
    """Where the store is ahead of memory, the headers are made for the bytes that are sent."""
    save_document(store, b"old")
    catalogue = Catalogue(store, SITE)
    catalogue.refresh()
    before = served_at(catalogue)
    etag = save_document(store, b"new")
    found = catalogue.load(PATH)
    served = served_at(found)
    assert (etag, b"new") == (served.etag, found.body(PATH, served, IDENTITY))
    assert served is catalogue.find(PATH)
    assert catalogue.body(PATH, before, IDENTITY) is None


def test_an_older_look_does_not_undo_a_newer_one(store: Store, clock: FakeClock) -> None:
    """What a request has read meanwhile stays, when a refresh that began earlier ends."""
    save_document(store, b"old")
    with store.read() as tx:
        old = documents.validators(tx)[0]
    clock.advance(seconds=5)
    etag = save_document(store, b"new")
    catalogue = Catalogue(store, SITE)
    catalogue.refresh()
    catalogue._note(PATH, old, sweep=False)
    served = served_at(catalogue)
    assert etag == served.etag


class Slow:
    """A store of which one reading ends only after something else has happened."""

    def __init__(self, store: Store, meanwhile: Callable[[], object]) -> None:
        self.kind, self._store, self._meanwhile = store.kind, store, [meanwhile]

    @contextmanager
    def read(self) -> Iterator[Tx]:
        with self._store.read() as tx:
            yield tx
        if self._meanwhile:
            self._meanwhile.pop()()


def test_a_slow_load_does_not_undo_a_newer_look(store: Store, clock: FakeClock) -> None:
    """feeds:H5 what was learnt while a request read older bytes stays, and the request gets the newer ones."""
    tags = [save_document(store, b"old")]

    def meanwhile() -> None:
        clock.advance(seconds=5)
        tags.append(save_document(store, b"new"))
        catalogue.refresh()

    catalogue = Catalogue(Slow(store, meanwhile), SITE, watch=store)  # type: ignore[arg-type]
    catalogue.refresh()
    found = catalogue.load(PATH)
    served = served_at(catalogue)
    assert tags[1] == served.etag
    assert served is found.find(PATH)
    assert b"new" == found.body(PATH, served, IDENTITY) == catalogue.body(PATH, served, IDENTITY)


def test_a_clock_that_jumped_back_is_believed(store: Store, clock: FakeClock) -> None:
    """DESIGN §5.11: bytes dated before those in memory are served at the first request that reads them."""
    save_document(store, b"old")
    catalogue = Catalogue(store, SITE)
    catalogue.refresh()
    clock.advance(hours=-1)
    etag = save_document(store, b"new")
    served = served_at(catalogue.load(PATH))
    assert etag == served.etag


def test_bodies_in_demand_are_renewed_before_they_are_asked_for(store: Store) -> None:
    """feeds:H18 after a publish the first poll finds the new bytes in memory already."""
    save_document(store, b"old")
    catalogue = Catalogue(store, SITE)
    catalogue.refresh()
    catalogue.load(PATH)
    save_document(store, b"new")
    catalogue.refresh(sweep=False)
    served = served_at(catalogue)
    assert b"new" == catalogue.body(PATH, served, IDENTITY)


def save_page(store: Store, body: bytes, page: int, topic: str = "policy") -> None:
    """Put bytes in the place of a topic's closed page, as the feeds flow would."""
    key = add_topic(store, topic).id
    with store.begin() as tx:
        archives.save(
            tx, key, page, Format.ATOM, etag=f'"{body!r}"', gzip=gzip.compress(body), size=len(body), modified=tx.now
        )  # fmt: skip


def test_held_pages_are_read_again_only_when_they_changed(store: Store, clock: FakeClock) -> None:
    """feeds:H18 in a quiet newsroom a page in memory stands as it is, look after look, and is renewed when it is cut."""
    save_document(store, b"live")
    for page in (1, 2):
        save_page(store, b"page %d" % page, page)
    catalogue = Catalogue(store, SITE)
    catalogue.refresh()
    paths = [f"/feeds/policy/archive/{page}.atom" for page in (1, 2)]
    for path in paths:
        catalogue.load(path)
    read: list[str] = []

    def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
        if "archives.gzip" in statement:
            read.append(statement)

    event.listen(store._engine, "before_cursor_execute", note)
    for sweep in (False, True) * 3:
        catalogue.refresh(sweep=sweep)
    assert [] == read
    clock.advance(minutes=20)
    save_page(store, b"cut", 1)
    catalogue.refresh(sweep=False)
    assert 1 == len(read)
    event.remove(store._engine, "before_cursor_execute", note)
    cut = catalogue.shelf.find(paths[0])
    assert cut
    assert b"cut" == catalogue.body(paths[0], cut, IDENTITY)


def test_a_topic_ends_when_nobody_commits(sqlite_url: str) -> None:
    """feeds:H8 at its date a topic is gone, though nothing is written at that instant."""
    clock = FakeClock()
    with (
        open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store,
        open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as watch,
    ):
        save_document(store, b"words")
        with store.begin() as tx:
            addresses.close(tx, topics.named(tx, "policy"), clock.now + timedelta(minutes=5), "")
        catalogue = Catalogue(store, SITE, watch)
        for _ in range(2):
            catalogue._look()
        assert not catalogue._committed()
        served_at(catalogue)
        clock.advance(minutes=5)
        catalogue._look()
        assert GONE is catalogue.find(PATH)
        assert not catalogue._committed()


def test_the_budget_holds(store: Store) -> None:
    """The least asked for goes first; one that is larger than everything is served without being held."""
    for topic in ("a", "b", "c"):
        save_document(store, topic.encode() * 1000, topic=topic)
    catalogue = Catalogue(store, SITE, budget=2200)
    catalogue.refresh()
    served = {topic: served_at(catalogue, f"/feeds/{topic}.atom") for topic in "abc"}

    def held() -> str:
        return "".join(t for t, s in served.items() if catalogue.body(f"/feeds/{t}.atom", s, GZIP))

    for topic in "ab":
        catalogue.load(f"/feeds/{topic}.atom")
    assert "ab" == held()
    catalogue.body("/feeds/a.atom", served["a"], GZIP)
    catalogue.load("/feeds/c.atom")
    assert "ac" == held()
    big = Bodies(b"x" * 5000, b"", '"big"')
    catalogue.shelf.hold("/feeds/b.atom", served["b"], big)
    assert "ac" == held()
    catalogue.shelf.drop(["/feeds/a.atom", "/feeds/c.atom"])
    assert ("", 0) == (held(), catalogue.shelf.weight)


def test_larger_than_the_budget_is_still_served(store: Store) -> None:
    """A document that memory may not hold is read each time."""
    save_document(store, b"words" * 1000)
    with running(store) as web:
        web.app.catalogue.shelf.budget = 10
        assert [b"words" * 1000] * 2 == [web.ask(PATH).body, web.ask(PATH).body]


def test_a_document_costs_little_memory() -> None:
    """DESIGN §5.5: validators and headers of a document take at most 1 kB."""
    known = [
        Validators(
            topic=f"topic-{n}",
            format=Format.ATOM,
            etag=f'"{n:032x}"',
            modified=NOW,
            stored=NOW,
            size=n,
            gzip_size=n,
            pages=n,
        )
        for n in range(2000)
    ]
    tracemalloc.start()
    try:
        served = [Served(one, SITE) for one in known]
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / len(served) <= 1024


def test_a_store_that_does_not_answer(tmp_path: Path, clock: FakeClock) -> None:
    """Without tables there is no crash: feeds say "later", readiness says what is missing."""
    with (
        open_store(f"sqlite:///{tmp_path}/empty.db", host_clock=clock, fixed_clock=clock) as store,
        running(store) as web,
    ):
        assert (503, "2") == ((reply := web.ask(PATH)).status, reply.headers["retry-after"])
        assert (503, "not ready: schema, feeds\n") == ((reply := web.ask("/readyz")).status, reply.text)
        assert 200 == web.ask("/healthz").status
        store.upgrade()
        save_document(store, b"words")
        wait_until(lambda: web.ask(PATH).status == 200)
        assert "ready\n" == web.ask("/readyz").text
