"""The WebSub road to real hubs on the loopback: what is said, what each answer means, who waits for whom."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from syndicator import press, publish
from syndicator.delivery.lanes import Crew, attend, drain
from syndicator.delivery.websub import WebsubRoad, judge
from syndicator.feeds import rebuild_stale
from syndicator.model.delivery import Outcome, Policy
from syndicator.model.site import Format
from syndicator.store import Store, deliveries, documents
from syndicator.wire.exchange import Limits, Reply
from syndicator.wire.guard import parse_guard
from syndicator.wire.http import Client
from tests.delivery.receiver import HANG, RESET, Action, Event, Receiver
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site, reserved_port

ATOM, RSS, JSON = (f"https://news.example/feeds/all.{suffix}" for suffix in ("atom", "rss", "json"))


def crew(
    store: Store, *hubs: str, ranges: tuple[str, ...] = ("127.0.0.0/8",), deadline: float = 20.0
) -> Crew:
    """Lanes to these hubs; any other is configured no more."""
    limits = Limits(max_bytes=1024, deadline=timedelta(seconds=deadline), status_only=True)

    def client() -> Client:
        return Client(parse_guard(ranges), "Syndicator-Test/1", limits)

    def road(key: str, _: object) -> WebsubRoad:
        hub = key.removeprefix("hub/")
        return WebsubRoad(hub, client if hub in hubs else None, lambda: NOW)

    return Crew(
        store=store, roads=road, worker="w", policy=Policy(), width=lambda _: 1, stop=threading.Event()
    )


def plan(
    store: Store, clock: FakeClock, *hubs: str, urls: tuple[str, ...] = (ATOM,), version: str = "v"
) -> None:
    """A change of these feeds, two seconds ago."""
    with store.begin() as tx:
        deliveries.plan_pings(tx, hubs, urls, version)
    clock.advance(seconds=2)


def rows(store: Store) -> list[deliveries.Delivery]:
    with store.read() as tx:
        return deliveries.listing(tx)


def said(event: Event) -> list[tuple[str, str]]:
    """The form a hub got."""
    return parse_qsl(event.body.decode("ascii"), strict_parsing=True)


def test_a_hub_is_told_of_every_changed_feed(store: Store, clock: FakeClock) -> None:
    """feeds:W2: hub.mode=publish and hub.url as a form, for each format and each hub; none before it is due."""
    with Receiver() as one, Receiver((202,)) as two:
        lanes = crew(store, one.url, two.url)
        with store.begin() as tx:
            deliveries.plan_pings(tx, [one.url, two.url], [ATOM, RSS, JSON], "v")
        assert 0 == drain(lanes)
        clock.advance(seconds=2)
        assert 6 == drain(lanes)
        assert 0 == drain(lanes)
    for hub in (one, two):
        forms = [said(event) for event in hub.events]
        assert [[("hub.mode", "publish"), ("hub.url", url)] for url in (ATOM, RSS, JSON)] == forms
        assert {"application/x-www-form-urlencoded"} == {
            event.headers["content-type"] for event in hub.events
        }
    assert {("accepted", 1, Outcome.ACCEPTED)} == {(r.state, r.attempts, r.last_outcome) for r in rows(store)}
    assert {one.url, two.url} == {row.recipient for row in rows(store)}


def test_a_busy_hub_is_asked_again(store: Store, clock: FakeClock) -> None:
    """feeds:W2: 503 is tried again after a pause, not before what Retry-After asks for."""
    with Receiver(((503, {"retry-after": "40"}), 500, 204)) as hub:
        lanes = crew(store, hub.url)
        plan(store, clock, hub.url)
        assert 1 == drain(lanes)
        clock.advance(seconds=39)
        assert 0 == drain(lanes)
        for _ in range(2):
            clock.advance(minutes=1)
            assert 1 == drain(lanes)
    (row,) = rows(store)
    assert ("accepted", 3) == (row.state, row.attempts)


@pytest.mark.parametrize("action", [400, 404, 410, 301])
def test_a_refusal_is_final(store: Store, clock: FakeClock, action: Action) -> None:
    """feeds:W2: what will not change by coming again is shown to the operator at once; the lane goes on."""
    with Receiver((action, 204)) as hub:
        lanes = crew(store, hub.url)
        plan(store, clock, hub.url)
        drain(lanes)
        plan(store, clock, hub.url, version="w")
        drain(lanes)
    assert ["refused", "accepted"] == [row.state for row in rows(store)]
    assert f"answered {action}" in (rows(store)[0].detail or "")


def test_a_missing_answer_is_repeated(store: Store, clock: FakeClock) -> None:
    """feeds:W2: a ping may come twice; the doubt is on record, and nobody has to resolve it."""
    with Receiver((RESET, 204)) as hub:
        lanes = crew(store, hub.url)
        plan(store, clock, hub.url)
        drain(lanes)
        clock.advance(seconds=10)
        drain(lanes)
        assert 2 == len(hub.events)
    with store.read() as tx:
        tries = deliveries.attempts(tx, rows(store)[0].id)
    assert [Outcome.UNKNOWN, Outcome.ACCEPTED] == [one.outcome for one in tries]


def test_a_hub_that_hangs_holds_up_no_other(store: Store, clock: FakeClock) -> None:
    """feeds:W2: each hub has its lane; the ping of the one that hangs is still under way when the other has its own."""
    with Receiver((HANG,)) as deaf, Receiver() as well:
        lanes = crew(store, deaf.url, well.url)
        plan(store, clock, deaf.url, well.url, urls=(ATOM, RSS))
        working = threading.Thread(target=attend, args=(lanes, threading.Event()), daemon=True)
        working.start()
        for hub, count in ((deaf, 1), (well, 2)):
            assert all(hub.arrived.acquire(timeout=20) for _ in range(count))
        lanes.stop.set()
        deaf.ending.set()
        working.join(20)
        assert not working.is_alive()
    assert 1 == len(deaf.events)  # the second was not tried in vain: it is due, untouched
    with store.read() as tx:
        after = [(row.recipient, row.state, row.attempts) for row in deliveries.listing(tx)]
    assert [(deaf.url, "due", 1), (deaf.url, "due", 0)] == after[:2]
    assert [(well.url, "accepted", 1)] * 2 == after[2:]


def test_a_private_address_is_refused_unless_allowed(store: Store, clock: FakeClock) -> None:
    """feeds:W4: nothing on the house's own network is reached by a ping, and the words say how to allow it."""
    with Receiver() as hub:
        plan(store, clock, hub.url)
        drain(crew(store, hub.url, ranges=()))
        assert [] == hub.events
    (row,) = rows(store)
    assert "refused" == row.state
    assert "allow_private" in (row.detail or "")


def test_a_hub_taken_from_the_settings_is_told_nothing(store: Store, clock: FakeClock) -> None:
    """feeds:W2: what was planned for it is refused in words."""
    with Receiver() as hub:
        plan(store, clock, hub.url)
        drain(crew(store))
        assert [] == hub.events
    assert ("refused", "this hub is configured no more (feeds.hubs)") == (
        rows(store)[0].state,
        rows(store)[0].detail,
    )


def test_a_hub_that_is_down_is_left_alone(store: Store, clock: FakeClock) -> None:
    """feeds:W2: one refused connection is one incident: the other pings stay due, untried."""
    down = f"http://127.0.0.1:{reserved_port()}/"
    plan(store, clock, down, urls=(ATOM, RSS, JSON))
    assert 1 == drain(crew(store, down))
    assert [("due", 1), ("due", 0), ("due", 0)] == [(row.state, row.attempts) for row in rows(store)]


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Outcome.ACCEPTED),
        (204, {}, Outcome.ACCEPTED),
        (304, {}, Outcome.REFUSED),
        (403, {}, Outcome.REFUSED),
        (408, {}, Outcome.DEFERRED),
        (429, {"retry-after": "7"}, Outcome.DEFERRED),
        (503, {"retry-after": "soon"}, Outcome.DEFERRED),
    ],
)
def test_what_an_answer_means(status: int, headers: Mapping[str, str], outcome: Outcome) -> None:
    """feeds:W2: final where asking again is in vain, and Retry-After heard where it can be read."""
    result = judge(Reply(status=status, headers=headers, body=b"\x1bwords\n", url="http://h/"), NOW)
    assert (outcome, status) == (result.outcome, result.code)
    assert (timedelta(seconds=7) if status == 429 else None) == result.after


# -- from the item to the hub


def told(hub: Receiver) -> set[str]:
    """The feeds a hub was told of."""
    return {dict(said(event))["hub.url"] for event in hub.events}


def test_an_items_hubs_hear_of_it_once_it_is_stored(store: Store, clock: FakeClock) -> None:
    """feeds:W2: every format of every feed the item stands in, once for two quick changes, and no other feed."""
    make_newsroom(store, "policy", "health")
    with Receiver() as hub:
        site, lanes = make_site(hubs=(hub.url,)), crew(store, hub.url)
        for title in ("First", "Second"):
            with store.begin() as tx:
                publish.publish(tx, f"tag:x,2026:{title}", make_content(title))
            assert 0 == drain(lanes)
            rebuild_stale(store, site)
            clock.advance(seconds=1)
        assert 0 == drain(lanes)
        clock.advance(seconds=2)
        drain(lanes)
        formats = [site.feed_url(topic, format) for topic in ("all", "policy") for format in Format]
        assert (set(formats), len(formats)) == (told(hub), len(hub.events))
        clock.advance(days=1)
        rebuild_stale(store, site)
        assert 0 == drain(lanes)  # nothing has changed


def test_no_hub_hears_of_an_embargo(store: Store, clock: FakeClock) -> None:
    """feeds:W2: while a release waits nothing is planned; after its instant its feeds are, and the bytes are there."""
    make_newsroom(store)
    with Receiver() as hub:
        site, lanes = make_site(hubs=(hub.url,)), crew(store, hub.url)
        with store.begin() as tx:
            press.draft(tx, "tag:x,2026:r", make_content("Secret"), None)
            press.approve(tx, "tag:x,2026:r", "editor")
            press.schedule(tx, "tag:x,2026:r", NOW + timedelta(hours=1))
        for _ in range(2):
            clock.advance(minutes=29)
            press.release_due(store)
            rebuild_stale(store, site)
            drain(lanes)
        assert [] == rows(store)
        clock.advance(minutes=2)
        press.release_due(store)
        rebuild_stale(store, site)
        with store.read() as tx:
            live = documents.bodies(tx, "policy", Format.ATOM)
        assert live
        assert b"Secret" in live.body
        clock.advance(seconds=2)
        drain(lanes)
        assert 6 == len(told(hub))
    assert min(row.created for row in rows(store)) >= NOW + timedelta(hours=1)


def test_archive_pages_are_no_news(store: Store, clock: FakeClock) -> None:
    """feeds:W2: hubs are told of live feeds alone; a page that is closed tells nothing new."""
    make_newsroom(store)
    with Receiver() as hub:
        site, lanes = make_site(hubs=(hub.url,), window=1), crew(store, hub.url)
        for number in range(3):
            with store.begin() as tx:
                publish.publish(tx, f"tag:x,2026:{number}", make_content(f"No {number}"))
            clock.advance(seconds=2)
            rebuild_stale(store, site)
        clock.advance(seconds=2)
        drain(lanes)
        assert told(hub) == {site.feed_url(topic, format) for topic in ("all", "policy") for format in Format}
