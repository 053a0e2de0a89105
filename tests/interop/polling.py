"""`reader`, a whole feed reader, as the client of a running server: through publishes, edits and withdrawals.

After each change it polls twice: the second time nothing has changed, and it is told so if it says which
version it has. (reader says so only if it found the new version to differ in what it keeps.)
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from reader import Reader, make_reader

from syndicator import feeds, publish
from syndicator.model.item import ALL, Item, Rule, Topic
from syndicator.model.site import Format, Site
from syndicator.store import Store, documents, items, open_store, topics
from tests.make import NOW, FakeClock, make_content
from tests.web.served import Running, running, wait_until

MANY = 1_000  # more than the steps there are: nothing leaves the window but what is withdrawn


@dataclass
class Polled:
    """What a reader ended with, and how it was answered on its way."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # 200 to whom had it, 304 to whom had not
    new: Counter[str] = field(default_factory=Counter)  # how often each id was announced as new
    final: dict[str, str] = field(default_factory=dict)  # id → title


@dataclass
class Newsroom:
    """A newsroom that lives, with dice of its own."""

    store: Store
    clock: FakeClock
    site: Site
    dice: random.Random
    uids: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)

    def step(self) -> None:
        """Publish, edit, correct or withdraw something, and build."""
        self.clock.advance(seconds=2)
        here = [uid for uid in self.uids if uid not in self.gone]
        act = self.dice.choice(["publish", "publish", "edit", "correct", "withdraw"]) if here else "publish"
        words = make_content(f"Title {self.clock.now:%H%M%S}", topics=())
        with self.store.begin() as tx:
            if act == "publish":
                uid = f"tag:news.example,2026:{len(self.uids)}"
                publish.publish(tx, uid, words)
                self.uids.append(uid)
            elif act == "edit":
                publish.edit(tx, self.dice.choice(here), words)
            elif act == "correct":
                publish.correct(tx, self.dice.choice(here), words, "The date was wrong")
            else:
                self.gone.add(uid := self.dice.choice(here))
                publish.withdraw(tx, uid, "It was wrong")
        feeds.rebuild_stale(self.store, self.site)

    def live(self) -> dict[str, str]:
        """Id → title of what is public."""
        with self.store.read() as tx:
            return {item.uid: item.content.title for item in _all(tx) if item.live}

    def tag(self, format: Format) -> str:
        """The present tag of the feed of everything."""
        with self.store.read() as tx:
            (known,) = [one for one in documents.validators(tx) if one.topic == ALL and one.format is format]
            return known.etag


def poll_through(steps: int, url: str, seed: int) -> tuple[Newsroom, dict[Format, Polled]]:
    """Let a reader of each format poll a live newsroom; a fresh reader at the end has `final`."""
    clock = FakeClock(NOW)
    site = Site(title="Society", base_url="https://news.example", window=MANY)
    with (
        open_store(url, host_clock=clock, fixed_clock=clock) as store,
        open_store(url, host_clock=clock, fixed_clock=clock) as watch,
    ):
        room = Newsroom(store, clock, site, random.Random(seed))
        with store.begin() as tx:
            topics.add(tx, Topic(slug=ALL, title="All", uid="tag:all", created=NOW, rule=Rule()))
        room.step()
        with running(store, site, watch=watch) as web, _readers(web) as (clients, polled):
            for _ in range(steps):
                room.step()
                for format, client in clients.items():
                    _wait_for(web, format, room.tag(format))
                    for _ in range(2):
                        updated = client.update_feed(_address(web, format))
                        assert updated is None or updated.new + updated.modified + updated.unmodified >= 0
            for format, client in clients.items():
                polled[format].final = {entry.id: entry.title or "" for entry in client.get_entries()}
        return replace(room), polled


@contextmanager
def _readers(web: Running) -> Iterator[tuple[dict[Format, Reader], dict[Format, Polled]]]:
    clients, polled = {}, {format: Polled() for format in Format}
    for format in Format:
        client = clients[format] = make_reader(":memory:")
        client._parser.lazy_init_funcs.insert(0, _counting(polled[format]))  # the last to run
        client.after_entry_update_hooks.append(_announcing(polled[format]))
        client.add_feed(_address(web, format))
    yield clients, polled
    for client in clients.values():
        client.close()


def _counting(polled: Polled) -> Any:
    def count(_session: Any, response: Any, _request: Any, **_rest: Any) -> None:
        polled.statuses[response.status_code] += 1
        had, has = response.request.headers.get("If-None-Match"), response.headers.get("ETag")
        same = _version(had) == _version(has)  # in another coding it is still the version it has
        if response.status_code != (304 if same else 200):
            polled.wrong.append(f"{response.status_code}: {had} {has}")

    def prepare(parser: Any) -> None:
        parser.retrievers["http://"].response_hooks.append(count)

    return prepare


def _version(tag: str | None) -> str | None:
    return tag and re.sub(r"-(gzip|br|zstd)(?=\"$)", "", tag)


def _announcing(polled: Polled) -> Any:
    def note(_reader: Any, entry: Any, status: Any) -> None:
        if status.value == "new":
            polled.new[entry.id] += 1

    return note


def _wait_for(web: Running, format: Format, tag: str) -> None:
    wait_until(lambda: web.ask(f"/feeds/all.{format}", "HEAD").headers.get("etag") == tag)


def _address(web: Running, format: Format) -> str:
    return f"http://127.0.0.1:{web.port}/feeds/all.{format}"


def _all(tx: Any) -> list[Item]:
    return items.listing(tx)
