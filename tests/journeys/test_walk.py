"""A reader walks back through the archives while the newsroom works, and misses nothing (RFC 5005 §4)."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from syndicator import feeds, publish
from syndicator.model.site import Format, Site
from syndicator.store import Store, open_store
from tests.feeds.walk import fill, pages, titles, walk
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site


@dataclass
class Newsroom:
    """One editor at work: publishes, corrects, withdraws, brings in what is old, and builds after each.

    `public` is what readers must find: id → the title, from the moment it was built. `withdrawn` is what
    they need not find any more, from the moment before it is taken back.
    """

    store: Store
    clock: FakeClock
    site: Site
    public: dict[str, str]
    withdrawn: set[str] = field(default_factory=set)
    chance: random.Random = field(default_factory=lambda: random.Random(5005))
    built: threading.Event = field(default_factory=threading.Event)

    def work(self, steps: int) -> None:
        """Do this many things, a few seconds apart."""
        for n in range(steps):
            self.clock.advance(seconds=5)
            public = dict(self.public)
            for _ in range(self.chance.randint(1, 3)):
                public.update(self.step(f"{n}/{self.chance.random()}"))
            feeds.rebuild_stale(self.store, self.site)
            self.public = public
            self.built.set()

    def step(self, name: str) -> dict[str, str]:
        """One thing; what readers must find after the next build."""
        some = self.chance.choice(sorted(self.public.keys() - self.withdrawn))
        with self.store.begin() as tx:
            match self.chance.choice(("publish", "publish", "publish", "old", "correct", "edit", "withdraw")):
                case "publish":
                    publish.publish(tx, f"tag:{name}", make_content(f"New {name}"))
                    return {f"tag:{name}": f"New {name}"}
                case "old":
                    moment = NOW - timedelta(days=self.chance.randint(1, 999))
                    publish.publish(tx, f"tag:{name}", make_content(f"Old {name}"), published=moment)
                    return {f"tag:{name}": f"Old {name}"}
                case "correct":
                    publish.correct(tx, some, make_content(f"Corrected {name}"), "The figure")
                    return {some: f"Corrected {name}"}
                case "edit":
                    publish.edit(tx, some, make_content(f"Edited {name}"))
                    return {some: f"Edited {name}"}
                case _:
                    self.withdrawn.add(some)
                    publish.withdraw(tx, some, "A mistake")
                    return {}

    def expected(self) -> dict[str, str]:
        """What stands in public when nobody works."""
        return {uid: title for uid, title in self.public.items() if uid not in self.withdrawn}


@contextmanager
def opened(url: str, count: int, window: int) -> Iterator[Newsroom]:
    clock, site = FakeClock(NOW), make_site(window=window)
    with open_store(url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            uids = fill(tx, "policy", count, NOW - timedelta(hours=1))
        feeds.rebuild_stale(store, site)
        yield Newsroom(store, clock, site, titles(uids))


@pytest.mark.parametrize(
    ("database", "count", "window", "steps"), [("sqlite", 2_000, 50, 25), ("postgresql_own", 600, 20, 25)]
)
def test_a_walk_at_any_moment_finds_all_that_was_public_when_it_began(
    request: pytest.FixtureRequest, database: str, count: int, window: int, steps: int
) -> None:
    """feeds:P26: every item ever published, at every moment, in each format; the newest words are met first."""
    with opened(request.getfixturevalue(f"{database}_url"), count, window) as room:
        before = pages(room.store, "policy")
        faults: list[BaseException] = []

        def work() -> None:
            try:
                room.work(steps)
            except BaseException as fault:  # noqa: BLE001 - told by the test below
                faults.append(fault)

        editor = threading.Thread(target=work)
        editor.start()
        walks = 0
        while editor.is_alive() or walks < len(Format):
            room.built.wait(
                0.5
            )  # a walk begins with each build: more of them only keep the editor from working
            room.built.clear()
            public = room.public
            found = walk(room.store, "policy", list(Format)[walks % len(Format)])
            assert set() == public.keys() - found.keys() - room.withdrawn
            walks += 1
        editor.join(60)
        assert [] == faults
        for format in Format:
            assert room.expected() == walk(room.store, "policy", format)
        changed = {key for key, one in pages(room.store, "policy").items() if before.get(key, one) != one}
        cut = {page for page, _ in changed}
        assert {(page, format) for page in cut for format in Format} == changed
        for page in cut:  # nothing but what was withdrawn moved them
            assert room.withdrawn & {f"tag:old/{n:06}" for n in range((page - 1) * window, page * window)}
