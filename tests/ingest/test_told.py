"""Told of changes: a feed that offers a hub, what the hub brings, and pings, all the way to items (feeds:W5, W6)."""

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from syndicator.ingest import pings
from syndicator.ingest.parse import Pool
from syndicator.ingest.poll import HubDesk, Poller
from syndicator.model.cadence import SPACING, TOLD
from syndicator.model.item import ALL
from syndicator.model.upstream import Relation, Upstream
from syndicator.store import Store, hubs, items, upstreams
from syndicator.store.hubs import Standing, Subscription
from tests.ingest.feeds import Site, entry, rss
from tests.ingest.hub import Hub, hubbing
from tests.make import NOW, FakeClock, make_site
from tests.web.served import Running, add_topic, running, wait_until

ON_SQLITE = pytest.mark.parametrize("store", ["sqlite"], indirect=True)  # the database is not the point


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Real parsing processes."""
    with Pool(1) as made:
        yield made


@pytest.fixture
def hub() -> Iterator[Hub]:
    with hubbing() as made:
        yield made


@dataclass
class Newsroom:
    """A store with one upstream, the web process, and who polls."""

    store: Store
    clock: FakeClock
    web: Running
    poller: Poller
    row: int

    def drain(self) -> None:
        """A round of polling, with all that is done beside it."""
        asyncio.run(self.poller.drain())

    def titles(self) -> set[str]:
        """Everything public."""
        with self.store.read() as tx:
            return {item.content.title for item in items.listing(tx)}

    def held(self) -> Subscription | None:
        """The subscription as it stands."""
        with self.store.read() as tx:
            return hubs.find(tx, self.row)

    def status(self) -> upstreams.Status:
        """How the upstream fares."""
        with self.store.read() as tx:
            return upstreams.status(tx, "cms")

    def told(self, hub: Hub) -> None:
        """The feed was read, its hub asked, and we verified."""
        self.drain()
        assert 200 == hub.verify().status


@pytest.fixture
def newsroom(store: Store, clock: FakeClock, site: Site, pool: Pool) -> Iterator[Newsroom]:
    """Polls the loopback server; the store is one after the other SQLite and PostgreSQL."""
    for slug in (ALL, "policy"):
        add_topic(store, slug)
    cms = Upstream(
        id=0,
        slug="cms",
        url=site.url,
        relation=Relation.OWN,
        topics=("policy",),
        allow_private=("127.0.0.0/8",),
        created=NOW,
    )
    with store.begin() as tx:
        row = upstreams.add(tx, cms).id
    with running(store) as web:
        desk = HubDesk(
            address=lambda end: f"http://127.0.0.1:{web.port}/callbacks/websub/{end}",
            mint=lambda: secrets.token_urlsafe(32),
        )
        poller = Poller(
            store,
            site.client,
            lambda now: f"tag:news.example:{secrets.token_hex(8)}",
            pool,
            make_site(),
            desk=desk,
        )
        yield Newsroom(store, clock, web, poller, row)


def link(rel: str, url: str) -> str:
    """A link of a channel."""
    return f'<atom:link rel="{rel}" href="{url}"/>'


def feed(hub: Hub | None, *entries: str, topic: str = "https://cms.example/feed") -> bytes:
    """A feed that names itself, and its hub."""
    links = link("self", topic) + (link("hub", hub.url) if hub else "")
    return rss(*entries).replace(b"<channel>", f"<channel>{links}".encode())


def test_from_a_hub_to_an_item(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 W6 a body of new entries alone is merged: what it lacks is neither gone nor changed."""
    site.say(feed(hub, entry(1), entry(2)), etag='"1"')
    newsroom.drain()
    assert "https://cms.example/feed" == hub.last["hub.topic"]
    due = newsroom.status().next_check
    assert due is not None
    assert due < NOW + timedelta(hours=2)
    assert 200 == hub.verify().status
    assert 202 == hub.bring(rss(entry(3)), content_type="application/rss+xml").status
    newsroom.drain()
    assert {"Item 1", "Item 2", "Item 3"} == newsroom.titles()
    with newsroom.store.read() as tx:
        assert [] == hubs.pushed(tx, 9)
    assert due == newsroom.status().next_check
    assert 1 == len(site.asked)
    newsroom.clock.advance(days=2)
    newsroom.drain()  # the same feed again: conditional, for what a hub brings touches no validators
    assert '"1"' == site.asked[-1]["if-none-match"]
    assert {"Item 1", "Item 2", "Item 3"} == newsroom.titles()


def test_a_whole_feed_from_a_hub_changes_what_changed(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W6 the full feed is as welcome: known entries stay one item, a changed one is revised."""
    site.say(feed(hub, entry(1), entry(2)))
    newsroom.told(hub)
    hub.bring(feed(hub, entry(3), entry(2, title="Item 2, mended"), entry(1)))
    newsroom.drain()
    assert {"Item 1", "Item 2, mended", "Item 3"} == newsroom.titles()


@ON_SQLITE
def test_beside_a_hub_the_poll_is_slow(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 the safety net: six hours between polls while a hub tells, and the usual wait after."""
    site.say(feed(hub, entry(1)))
    newsroom.told(hub)
    newsroom.clock.advance(hours=2)
    newsroom.drain()
    later = newsroom.clock.now
    due = newsroom.status().next_check
    assert due is not None
    assert TOLD <= due - later <= 2 * TOLD
    hub.deny()
    newsroom.clock.now = due
    newsroom.drain()
    again = newsroom.status().next_check
    assert again is not None
    assert again - due < timedelta(hours=2)


@ON_SQLITE
def test_the_hub_in_the_header_is_asked(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 the Link header speaks before the body, of the hub and of the topic."""
    header = f'<{hub.url}>; rel="hub", <https://cms.example/real>; rel=self'
    body = rss(entry(1)).replace(b"<channel>", b"<channel>" + link("hub", "http://127.0.0.1:1/").encode())
    site.say(body, link=header)
    newsroom.drain()
    assert "https://cms.example/real" == hub.last["hub.topic"]


@ON_SQLITE
@pytest.mark.parametrize("status", [301, 302])
def test_a_topic_that_redirects_is_named_as_it_names_itself(
    newsroom: Newsroom, site: Site, hub: Hub, status: int
) -> None:
    """feeds:W5 whatever address led to the feed, the topic is its rel=self (WebSub §4)."""
    site.moved["/feed"] = (status, "/elsewhere")
    site.say(feed(hub, entry(1)))
    newsroom.drain()
    assert "https://cms.example/feed" == hub.last["hub.topic"]


@ON_SQLITE
def test_a_hub_that_is_gone_from_the_feed_is_left(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 the feed decides; the next good poll sees it."""
    site.say(feed(hub, entry(1)))
    newsroom.told(hub)
    newsroom.clock.advance(days=1)
    site.say(feed(None, entry(1)))
    newsroom.drain()
    held = newsroom.held()
    assert held is not None
    assert (Standing.LEAVING, "unsubscribe") == (held.state, hub.last["hub.mode"])
    assert 200 == hub.verify().status
    assert newsroom.held() is None


@ON_SQLITE
def test_what_a_hub_brings_may_be_unreadable(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 it is put away, and the feed itself is read instead, as soon as after a ping and no sooner."""
    site.say(feed(hub, entry(1)))
    newsroom.told(hub)
    site.say(feed(hub, entry(1), entry(2)))
    for _ in range(3):
        hub.bring(b"<html><p>down for maintenance", content_type="text/html")
    newsroom.drain()
    assert 1 == len(site.asked)
    assert NOW + SPACING == newsroom.status().next_check
    newsroom.clock.advance(seconds=SPACING.total_seconds())
    newsroom.drain()
    assert {"Item 1", "Item 2"} == newsroom.titles()
    with newsroom.store.read() as tx:
        assert [] == hubs.pushed(tx, 9)


@contextmanager
def working(newsroom: Newsroom) -> Iterator[None]:
    """The poll loop of a worker, in a thread, that nobody hints at anything."""
    stop, hint = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(newsroom.poller.run(stop, hint)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        hint.set()
        thread.join(20)


def test_a_ping_starts_a_poll(newsroom: Newsroom, site: Site) -> None:
    """feeds:I4 within the next turn of a worker, although the upstream is not due; a second is not lost."""
    site.say(rss(entry(1)))
    with working(newsroom):
        wait_until(lambda: newsroom.titles() == {"Item 1"})
        wait_until(lambda: newsroom.status().succeeded == NOW)
        newsroom.clock.advance(minutes=1)
        site.say(rss(entry(1), entry(2)))
        assert pings.ask_now(newsroom.store, newsroom.row)
        wait_until(lambda: newsroom.titles() == {"Item 1", "Item 2"})
        asked = newsroom.clock.now
        wait_until(lambda: newsroom.status().succeeded == asked)
        for _ in range(5):
            assert 1 == pings.ask_site_now(newsroom.store, "http://127.0.0.1/")
        assert asked + SPACING == newsroom.status().next_check
        site.say(rss(entry(1), entry(2), entry(3)))
        newsroom.clock.advance(seconds=SPACING.total_seconds())
        wait_until(lambda: newsroom.titles() == {"Item 1", "Item 2", "Item 3"})
    assert 3 == len(site.asked)


@ON_SQLITE
def test_a_hub_starts_a_turn(newsroom: Newsroom, site: Site, hub: Hub) -> None:
    """feeds:W5 a worker that runs asks the hub by itself, and files what it brings within its next turn."""
    site.say(feed(hub, entry(1)))
    hub.at_once = hub.verify
    with newsroom.store.begin() as tx:
        hubs.want(tx, newsroom.row, hub.url, "https://cms.example/feed")
    with working(newsroom):
        wait_until(lambda: (held := newsroom.held()) and held.state is Standing.ACTIVE, within=20)
        hub.bring(rss(entry(2)))
        wait_until(lambda: newsroom.titles() == {"Item 1", "Item 2"})
    assert 1 == len(site.asked)
