"""Items that left their own feed: their pages are asked, and what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from syndicator.ingest.departures import REASON, check_due
from syndicator.model.incoming import Incoming
from syndicator.model.item import ItemState
from syndicator.model.upstream import OnGone, Relation, Upstream
from syndicator.store import Store, departures, items, upstreams
from syndicator.store.departures import Departed
from syndicator.wire.guard import parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.feeds import AGENT, LIMITS, Site
from tests.ingest.filed import Origin, public, thing, titles
from tests.make import FakeClock, make_newsroom

T = TypeVar("T")


@pytest.fixture
def room(store: Store) -> Store:
    make_newsroom(store)
    return store


def client(upstream: Upstream) -> AsyncClient:
    """A real guarded client."""
    return AsyncClient(parse_guard(upstream.allow_private), AGENT, LIMITS)


def page(site: Site, number: int) -> Incoming:
    """An item whose page is on the site."""
    return thing(number, link=f"http://127.0.0.1:{site.port}/{number}")


def newsroom(room: Store, site: Site, count: int = 2, **other: Any) -> Origin:
    """An own upstream whose first item has left its feed."""
    values = {"allow_private": ("127.0.0.0/8",), "push": False, **other}
    origin = Origin(room, **values)
    origin.reads(*(page(site, number) for number in range(count)))
    origin.reads(page(site, count - 1))
    return origin


def check(store: Store, clients: Callable[[Upstream], AsyncClient] = client) -> int:
    """Ask the pages that are due, once."""

    async def call(work: Callable[[], T]) -> T:
        return await asyncio.to_thread(work)

    return asyncio.run(check_due(store, call, clients))


def answers(site: Site, status: int, *numbers: int) -> None:
    """What these pages say from now on."""
    site.moved = {f"/{number}": (status, "/") for number in numbers}


def asked(room: Store) -> list[Departed]:
    with room.read() as tx:
        return departures.listing(tx, upstreams.named(tx, "cms").id)


@pytest.mark.parametrize("status", [404, 410])
def test_twice_gone_an_hour_apart_is_withdrawn(
    room: Store, site: Site, clock: FakeClock, status: int
) -> None:
    """feeds:I17 — one 404 may be a mishap, and two within a minute one mishap."""
    newsroom(room, site, on_gone=OnGone.WITHDRAW)
    answers(site, status, 0)
    assert [1, 0] == [check(room), check(room)]
    assert 2 == len(public(room))
    clock.advance(minutes=59)
    assert 0 == check(room)
    clock.advance(minutes=1)
    assert 1 == check(room)
    assert ["Item 1"] == titles(room)
    with room.read() as tx:
        (gone,) = (item for item in items.listing(tx) if item.state is ItemState.WITHDRAWN)
    assert REASON == gone.note
    clock.advance(days=1)
    assert 0 == check(room)


def test_a_person_is_asked_unless_told_otherwise(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — `ask` is what an upstream does by itself: it is shown, and stays public meanwhile."""
    newsroom(room, site)
    answers(site, 404, 0)
    for _ in range(2):
        check(room)
        assert [] == asked(room) or clock() == asked(room)[0].since
        clock.advance(hours=1)
    assert ["Item 0"] == [one.title for one in asked(room)]
    assert 2 == len(public(room))
    assert 0 == check(room)


@pytest.mark.parametrize("other", [{"on_gone": OnGone.KEEP}, {"relation": Relation.FOREIGN}])
def test_nobody_is_asked_where_it_does_not_count(room: Store, site: Site, other: dict[str, Any]) -> None:
    """feeds:I17 — where it is kept, and at a partner's, whose deletions are tombstones."""
    newsroom(room, site, **other)
    assert 0 == check(room)
    assert [] == site.asked


def test_a_page_that_is_there_ends_the_question(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — the window of a feed slides, that is all; a first 404 is forgotten."""
    newsroom(room, site, on_gone=OnGone.WITHDRAW)
    answers(site, 404, 0)
    check(room)
    clock.advance(hours=1)
    answers(site, 200)
    assert 1 == check(room)
    clock.advance(days=1)
    answers(site, 404, 0)
    assert 0 == check(room)
    assert 2 == len(public(room))


def test_a_page_that_says_nothing_is_asked_five_times(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — an error is no deletion, however often."""
    newsroom(room, site, on_gone=OnGone.WITHDRAW)
    answers(site, 503, 0)
    count = 0
    for _ in range(12):
        count += check(room)
        clock.advance(hours=1)
    assert (6, 2) == (count, len(public(room)))


def test_what_comes_back_into_its_feed_begins_anew(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — one 404, back in the feed, gone again: that is the first, not the second."""
    origin = newsroom(room, site, on_gone=OnGone.WITHDRAW)
    answers(site, 404, 0)
    check(room)
    clock.advance(hours=1)
    origin.reads(page(site, 0), page(site, 1))
    assert 0 == check(room)
    origin.reads(page(site, 1))
    assert 1 == check(room)
    assert 2 == len(public(room))


def test_many_at_once_are_not_withdrawn(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — a site that answers 404 to everything is more likely broken: a person is asked."""
    newsroom(room, site, count=5, on_gone=OnGone.WITHDRAW, confirm_above=3)
    answers(site, 404, *range(4))
    for _ in range(2):
        assert 4 == sum(check(room) for _ in range(2))
        clock.advance(hours=1)
    assert 5 == len(public(room))
    assert 4 == len(asked(room))


def test_a_private_page_is_not_asked(room: Store, site: Site, clock: FakeClock) -> None:
    """security:S1 — a feed that names an intranet page learns nothing by having it asked, and it stays."""
    newsroom(room, site, on_gone=OnGone.WITHDRAW, allow_private=())
    answers(site, 404, 0)
    assert 1 == check(room)
    clock.advance(days=1)
    assert (0, [], 2) == (check(room), site.asked, len(public(room)))


def test_an_unreleased_thing_that_departs_is_cancelled(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — what its origin took down before its date never comes out."""
    newsroom(room, site, on_gone=OnGone.WITHDRAW, delay=timedelta(days=3))
    answers(site, 404, 0)
    for _ in range(2):
        check(room)
        clock.advance(hours=1)
    with room.read() as tx:
        from syndicator.store import releases

        states = {release.content.title: str(release.state) for release in releases.listing(tx)}
    assert {"Item 0": "cancelled", "Item 1": "held"} == states


def test_many_pages_of_one_keep_no_other_waiting(room: Store, site: Site, clock: FakeClock) -> None:
    """feeds:I17 — a few of each upstream at a time, however many of one wait, and for longer."""
    for slug in ("large", "small"):
        origin = Origin(room, slug, push=False)
        left = [thing(number, guid=f"urn:{slug}:{number}") for number in range(9 if slug == "large" else 1)]
        origin.reads(thing(99, guid=f"urn:{slug}:99"), *left)
        origin.reads(thing(99, guid=f"urn:{slug}:99"))
        clock.advance(minutes=1)
    with room.begin() as tx:
        turns = [[one.slug for one in departures.take_due(tx, 4, 3)] for _ in range(4)]
    assert [["large", "small", "large", "large"], ["large"] * 3, ["large"] * 3, []] == turns


def test_what_is_removed_while_it_is_asked_stops_no_other(room: Store, site: Site) -> None:
    """feeds:I17 — the check of one upstream fails with it; those beside it are settled."""
    for slug in ("cms", "other"):
        origin = Origin(room, slug, push=False, allow_private=("127.0.0.0/8",))
        pages = [replace(page(site, number), guid=f"urn:{slug}:{number}") for number in range(2)]
        origin.reads(*pages)
        origin.reads(pages[1])
    answers(site, 404, 0)

    def removing(upstream: Upstream) -> AsyncClient:
        if upstream.slug == "cms":
            with room.begin() as tx:
                upstreams.remove(tx, "cms")
        return client(upstream)

    assert 2 == check(room, removing)
    with room.read() as tx:
        assert 1 == departures.pending(tx, upstreams.named(tx, "other").id)
