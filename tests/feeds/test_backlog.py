"""Many pages to close or to cut: a little per transaction, and what readers could reach they can reach all along."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest

from syndicator import feeds, publish
from syndicator.model.site import Format
from syndicator.render import entries
from syndicator.store import Store, Tx, archives, documents, open_store, topics
from tests.feeds.walk import START, fetch, fill, ids, pages, walk
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site

SITE = make_site(window=3)


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is late at once, so each does the least it may."""
    monkeypatch.setattr("syndicator.feeds.rebuild.BUDGET", 0.0)


class Watched:
    """The store, with somebody who looks at it before every transaction."""

    def __init__(self, store: Store, look: Callable[[], object]) -> None:
        self._store, self._look = store, look

    def begin(self) -> AbstractContextManager[Tx]:
        """A transaction."""
        self._look()
        return self._store.begin()


def build(store: Store, look: Callable[[], object] = lambda: None) -> feeds.Rebuilt:
    """Rebuild while somebody looks."""
    return feeds.rebuild_stale(Watched(store, look), SITE)  # type: ignore[arg-type]


def live_ids(store: Store, format: Format = Format.ATOM) -> list[str]:
    return ids(fetch(store, f"{START}policy.{format}"), format)


def test_a_backlog_is_closed_over_many_transactions_while_the_old_document_stands(
    store: Store, clock: FakeClock
) -> None:
    """DESIGN §5.3: a page at a time; until all are closed the live document is the one from before."""
    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 2, NOW - timedelta(days=2), prefix="tag:first/")
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        fill(tx, "policy", 20, NOW)
    seen: list[tuple[int, int]] = []

    def look() -> None:
        with store.read() as tx:
            seen.append((topics.named(tx, "policy").pages, len(live_ids(store))))

    built = build(store, look)
    assert (7, [(n, 2) for n in range(8)], (7, 3)) == (built.pages, seen[:8], seen[-1])
    assert 22 == len(walk(store, "policy", Format.ATOM))


@pytest.mark.parametrize("format", Format)
def test_what_was_reachable_stays_so_while_a_backlog_is_closed_and_news_come(
    store: Store, clock: FakeClock, format: Format
) -> None:
    """feeds:P26: at every step of an import among news, long after something was withdrawn; new pages add to it."""
    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 7, NOW - timedelta(days=1))
    with store.begin() as tx:
        publish.withdraw(tx, "tag:old/000001", "Long ago")
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        fill(tx, "policy", 40, NOW - timedelta(hours=2), prefix="tag:more/")
    seen: set[str] = set()
    bodies: list[bytes] = []

    def look() -> None:
        found = set(walk(store, "policy", format))
        assert set() == seen - found
        seen.update(found)
        bodies.append(fetch(store, f"{START}policy.{format}"))
        clock.advance(seconds=2)
        if len(bodies) % 2 == 0 and len(bodies) < 20:  # between two, `policy` has its turn before `all`
            with store.begin() as tx:
                publish.publish(tx, f"tag:new/{len(bodies):03}", make_content("News"))

    build(store, look)
    assert 2 == len(set(bodies))  # hubs are not told of every transaction
    assert 6 + 40 + 9 == len(seen)


@pytest.mark.parametrize("waited", [False, True])
def test_a_kill_does_not_wait_for_a_backlog(store: Store, clock: FakeClock, *, waited: bool) -> None:
    """feeds:P23: while many pages are being closed, what is withdrawn leaves the live document at once.

    So it does if it `waited` for the rebuild that put it there, and is older than that by its instant.
    """
    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 2, NOW - timedelta(days=2), prefix="tag:first/")
    feeds.rebuild_stale(store, SITE)
    if waited:
        clock.advance(seconds=-2)
        with store.begin() as tx:
            publish.withdraw(tx, "tag:first/000001", "Wrong", kill=True)
    clock.advance(hours=1)
    with store.begin() as tx:
        fill(tx, "policy", 20, NOW)
        if not waited:
            publish.withdraw(tx, "tag:first/000001", "Wrong", kill=True)
    shown: list[bool] = []

    def look() -> None:
        shown.append("tag:first/000001" in live_ids(store))
        if len(shown) > 1:
            assert "tag:first/000000" in walk(store, "policy", Format.ATOM)

    build(store, look)
    assert len(shown) > 5
    assert [True, *(False for _ in shown[1:])] == shown
    clock.advance(seconds=1)  # the live document changes once in a second
    feeds.rebuild_stale(store, SITE)
    assert 21 == len(walk(store, "policy", Format.ATOM))


def test_what_was_filed_elsewhere_and_killed_leaves_the_live_document_of_a_backlog(
    store: Store, clock: FakeClock
) -> None:
    """feeds:P23: the live document that stands meanwhile is asked what it shows, not what the topic holds now."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        publish.publish(tx, "tag:moved", make_content("Moved"))
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        fill(tx, "policy", 20, NOW)
        publish.edit(tx, "tag:moved", make_content("Moved", topics=("health",)))
        publish.withdraw(tx, "tag:moved", "Wrong", kill=True)
    shown: list[bool] = []
    build(store, lambda: shown.append("tag:moved" in live_ids(store)))
    assert len(shown) > 5
    assert [True, True, False] == [*shown[:2], shown[3]]  # `all` may be built first


def test_many_pages_are_cut_over_many_transactions(store: Store, clock: FakeClock) -> None:
    """DESIGN §5.3: a page at a time, and at once again until all are cut."""
    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 24, NOW)
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        for n in range(0, 21, 3):
            publish.withdraw(tx, f"tag:old/{n:06}", "Wrong")
    cut: list[int] = []

    def look() -> None:
        cut.append(sum(one.modified == clock.now for one in pages(store, "policy").values()))

    build(store, look)
    assert {3 * n for n in range(8)} == set(cut)
    clock.advance(seconds=1)
    feeds.rebuild_stale(store, SITE)
    assert 24 - 7 == len(walk(store, "policy", Format.RSS))
    with store.read() as tx:
        assert [] == archives.doomed_pages(tx, topics.named(tx, "policy").id)


def test_items_that_cannot_be_rendered_take_time_too(store: Store) -> None:
    """DESIGN §5.3: a page's worth of them is a transaction's work, as a page is."""
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(12):
            publish.publish(tx, f"tag:bad/{n}", make_content("", summary="", body=""))
    begun: list[None] = []
    assert 12 == len(build(store, lambda: begun.append(None)).left_out)
    assert len(begun) > 12 / SITE.window


def test_what_could_not_be_rendered_is_reachable_once_the_renderer_is_mended(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """feeds:P7: left out of its page then, it comes on a later one when documents are built for a new look."""
    real = entries.fragment

    def broken(view: entries.Entry, format: Format, profile: object) -> bytes:
        if view.uid == "tag:old/000001":
            raise ValueError("a bug")
        return real(view, format, profile)  # type: ignore[arg-type]

    make_newsroom(store)
    with store.begin() as tx:
        fill(tx, "policy", 9, NOW - timedelta(hours=1))
    with monkeypatch.context() as then:
        then.setattr(entries, "fragment", broken)
        assert ("tag:old/000001",) == feeds.rebuild_stale(store, SITE).left_out
    before = pages(store, "policy")
    assert 8 == len(walk(store, "policy", Format.ATOM))
    monkeypatch.setattr(entries, "RENDERER_VERSION", "mended")
    clock.advance(hours=1)
    with store.begin() as tx:
        topics.mark_outdated(tx, feeds.look(SITE))
    assert () == feeds.rebuild_stale(store, SITE).left_out
    after = pages(store, "policy")
    assert before == {key: after[key] for key in before}
    for format in Format:
        assert {f"tag:old/{n:06}" for n in range(9)} == set(walk(store, "policy", format))


def test_a_rebuild_ends_when_patience_does(store: Store) -> None:
    """operations: whoever has other duties builds for so long; the rest stays due."""
    make_newsroom(store, *(f"t{n}" for n in range(5)))
    with store.begin() as tx:
        topics.mark_all_stale(tx)
    assert 1 == feeds.rebuild_stale(store, SITE, timedelta()).topics
    with store.read() as tx:
        assert feeds.next_stale(tx) is not None
    assert 5 == feeds.rebuild_stale(store, SITE, timedelta(hours=1)).topics


def test_two_who_render_the_same_items_never_deadlock(postgresql_own_url: str) -> None:
    """operations: topics that share items are rebuilt beside each other, each in the order of its own document."""
    with open_store(postgresql_own_url, host_clock=lambda: datetime.now(UTC)) as store:
        make_newsroom(store)
        with store.begin() as tx:
            fill(tx, "policy", 400, NOW)
            placed = documents.window(tx, topics.named(tx, "policy").id, 400, "full", "here")
        rows = [(one.item_id, 1, dict.fromkeys(Format, b"a fragment" * 50)) for one in placed]
        both = threading.Barrier(2)
        faults: list[Exception] = []

        def save(order: int) -> None:
            try:
                with store.begin() as tx:
                    both.wait(20)
                    documents.save_fragments(tx, "full", "here", rows[::order])
            except Exception as fault:  # noqa: BLE001 - told by the test below
                faults.append(fault)

        threads = [threading.Thread(target=save, args=(order,)) for order in (1, -1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert [] == faults
