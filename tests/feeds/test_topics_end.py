"""Feeds of topics that are renamed, merged or closed, and the pings that changed feeds owe."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from syndicator import feeds, publish
from syndicator import topics as flow
from syndicator.model.delivery import ping_recipient
from syndicator.model.site import Format
from syndicator.store import Store, documents, schema, topics
from tests.feeds.walk import START, fetch, fill, ids, pages, walk
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site

HUBS = ("https://hub.example/", "https://other.example/hub")
SITE = make_site(window=3)


@pytest.fixture
def room(store: Store, clock: FakeClock) -> Store:
    """Five items in `policy`, four in `health`, built an hour ago."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        fill(tx, "policy", 5, NOW - timedelta(hours=1))
        fill(tx, "health", 4, NOW - timedelta(hours=2), prefix="tag:health/")
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    return store


@pytest.mark.parametrize("format", Format)
def test_a_topic_about_to_close_says_so_at_the_top(room: Store, clock: FakeClock, format: Format) -> None:
    """feeds:H8: a last entry stands first, under an id of its own, dated when it was announced, until it is over."""
    with room.begin() as tx:
        flow.close(tx, "policy", "Read us at Health.", timedelta(days=2))
        uid = topics.named(tx, "policy").uid
    feeds.rebuild_stale(room, SITE)
    body = fetch(room, f"{START}policy.{format}")
    assert [f"{uid}:closed", "tag:old/000004", "tag:old/000003", "tag:old/000002"] == ids(body, format)
    assert b"Read us at Health." in body
    assert {f"{uid}:closed", *(f"tag:old/{n:06}" for n in range(5))} == set(walk(room, "policy", format))
    clock.advance(hours=1)
    with room.begin() as tx:
        topics.mark_all_stale(tx)
    assert 0 == feeds.rebuild_stale(room, SITE).changed


def test_of_a_topic_that_is_over_nothing_is_built(room: Store, clock: FakeClock) -> None:
    """feeds:H8: from that instant its documents stand as they are, whatever happens to its items."""
    with room.begin() as tx:
        flow.close(tx, "policy", "", timedelta(days=2))
    feeds.rebuild_stale(room, SITE)
    before = fetch(room, f"{START}policy.atom")
    clock.advance(days=2)
    with room.begin() as tx:
        publish.withdraw(tx, "tag:old/000004", "Wrong")
    feeds.rebuild_stale(room, SITE)
    assert before == fetch(room, f"{START}policy.atom")
    with room.read() as tx:
        assert feeds.next_stale(tx) is None


def test_a_merger_touches_no_closed_page_of_the_topic_that_stays(room: Store) -> None:
    """feeds:P26: what comes from the other topic stands on later pages, and is found by walking back."""
    before = pages(room, "policy")
    assert before
    with room.begin() as tx:
        flow.merge(tx, "health", "policy")
    feeds.rebuild_stale(room, SITE)
    after = pages(room, "policy")
    assert before == {key: after[key] for key in before}
    for format in Format:
        assert 9 == len(walk(room, "policy", format))
    with room.read() as tx:
        assert [] == [one for one in documents.validators(tx) if one.topic == "health"]


def test_a_renamed_topic_keeps_its_pages_and_its_id(room: Store) -> None:
    """feeds:P8, feeds:P26: the live document moves to the new address; closed pages are not written anew."""
    before = pages(room, "policy")
    with room.begin() as tx:
        flow.rename(tx, "policy", "politics", "Politics")
    feeds.rebuild_stale(room, SITE)
    assert [one.etag for one in before.values()] == [one.etag for one in pages(room, "politics").values()]
    body = fetch(room, f"{START}politics.atom")
    assert b"politics/archive/1.atom" in body
    with room.read() as tx:
        assert topics.named(tx, "politics").uid.encode() in body


def test_each_change_owes_each_hub_one_ping_for_each_feed(store: Store, clock: FakeClock) -> None:
    """feeds:W2: planned with the bytes; a rebuild that changes nothing plans nothing, nor does one for no hub."""
    make_newsroom(store)
    site = make_site(hubs=HUBS)
    with store.begin() as tx:
        publish.publish(tx, "tag:a", make_content())
    feeds.rebuild_stale(store, make_site())
    assert [] == pings(store)
    for change in range(2):
        clock.advance(hours=1)
        with store.begin() as tx:
            if change:
                publish.edit(tx, "tag:a", make_content("Other"))
            topics.mark_all_stale(tx)
        feeds.rebuild_stale(store, site)
        seen = pings(store)
        urls = [f"{START}{slug}.{format}" for slug in ("all", "policy") for format in Format]
        assert sorted(ping_recipient(hub, url) for hub in HUBS for url in urls) == sorted(seen)
        clock.advance(hours=1)
        with store.begin() as tx:
            topics.mark_all_stale(tx)
        feeds.rebuild_stale(store, site)
        assert seen == pings(store)


def test_what_waits_for_its_second_owes_its_ping_then(store: Store, clock: FakeClock) -> None:
    """feeds:W2, feeds:H5: no ping tells of bytes that are not served yet."""
    make_newsroom(store)
    site = make_site(hubs=HUBS[:1])
    with store.begin() as tx:
        publish.publish(tx, "tag:a", make_content())
    feeds.rebuild_stale(store, site)
    planned = all_pings(store)
    clock.advance(milliseconds=500)
    with store.begin() as tx:
        publish.edit(tx, "tag:a", make_content("Other"))
    feeds.rebuild_stale(store, site)
    assert planned == all_pings(store)
    clock.advance(milliseconds=500)
    feeds.rebuild_stale(store, site)
    assert 2 * planned == all_pings(store)


def all_pings(store: Store) -> int:
    d = schema.deliveries.c
    with store.read() as tx:
        return len(tx.connection.execute(select(d.id).where(d.channel == "websub")).all())


def pings(store: Store) -> list[str]:
    """To which hub and about which feed the pings go that are due."""
    d = schema.deliveries.c
    query = select(d.recipient).where(d.channel == "websub", d.state == "due").order_by(d.recipient)
    with store.read() as tx:
        return list(tx.connection.execute(query).scalars())
