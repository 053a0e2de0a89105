"""Which entry is which, whatever order, window, scheme and host a feed is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syndicator import press
from syndicator.ingest.filing import Reading
from syndicator.ingest.identity import matched
from syndicator.model.incoming import Incoming, alias_of, has_moved, words_of
from syndicator.model.item import Guid, Item
from syndicator.model.upstream import Relation, Validators
from syndicator.store import Store, items, open_store, upstreams
from syndicator.store.upstreams import Heard
from tests.ingest.filed import LEASE, Origin, moved, thing, waiting
from tests.make import NOW, FakeClock, make_newsroom

SITES = ("http://cms.example", "https://cms.example", "https://new.example")
_runs = count(1)

numbers = st.lists(st.integers(1, 5), unique=True, max_size=5)
# One look at the feed: which items are in its window, in which order, and whether its site has moved since.
looks = st.lists(st.tuples(numbers, st.booleans(), st.randoms()), max_size=7)
doubled = st.sets(st.integers(1, 5))


@pytest.fixture
def lite(sqlite_url: str) -> Store:
    """One store for all examples: each has an upstream and items of its own."""
    opened = open_store(sqlite_url, host_clock=FakeClock(NOW), fixed_clock=FakeClock(NOW))
    make_newsroom(opened)
    return opened


class Other(Origin):
    """A second upstream of one store: its uids are not those that the first one mints."""

    def mint(self, now: datetime) -> str:
        return f"{super().mint(now)}/{self.slug}"


def marked(number: int, guid: str, **other: Any) -> Incoming:
    """A thing as RSS brings it: its guid stands in its words, too."""
    one = thing(number, guid=guid, **other)
    return replace(one, content=replace(one.content, guid=Guid(value=guid, permalink=False)))


def by_title(store: Store) -> list[Item]:
    """The items, in the order of their titles."""
    with store.read() as tx:
        return sorted(items.listing(tx), key=lambda item: item.content.title)


def in_rss(store: Store) -> list[str]:
    """The guids that RSS shows: one for each item."""
    with store.read() as tx:
        return [item.content.guid.value if item.content.guid else item.uid for item in items.listing(tx)]


@pytest.mark.parametrize("guid", ["https://cms.example/?p=1", "urn:x:1", "77"])
@pytest.mark.parametrize("rules", [{}, {"hold": True}])
def test_no_feed_takes_over_an_item_of_another_in_rss(
    store: Store, guid: str, rules: dict[str, bool]
) -> None:
    """feeds:I15 — a foreign feed that names our item's guid gets an item of its own, and readers of RSS see two, now and later."""
    make_newsroom(store)
    Origin(store, "own").reads(marked(1, guid))
    thief = Other(store, "thief", relation=Relation.FOREIGN, **rules)
    for title in ("Stolen", "Stolen again"):
        thief.reads(marked(1, guid, title=title))
    for release in waiting(store):
        with store.begin() as tx:
            press.lift(tx, release.uid)
    assert [None, guid] == [
        item.content.guid and item.content.guid.value for item in reversed(by_title(store))
    ]
    assert 2 == len(set(in_rss(store)))


def test_two_feeds_of_ours_may_count_alike(store: Store) -> None:
    """feeds:I15 — the first item keeps the number its readers know, the other goes by its uid."""
    make_newsroom(store)
    for slug in ("one", "two"):
        Other(store, slug).reads(marked(1, "77", title=slug))
    shown = in_rss(store)
    assert "77" in shown
    assert 2 == len(set(shown))


@pytest.mark.parametrize(
    ("guid", "free"),
    [
        ("https://cms.example/?p=9", False),
        ("http://www.cms.example/x", False),
        ("tag:blog.example,2026:1", False),
        ("https://partner.example/9", True),
        ("https://notcms.example/9", True),
    ],
)
def test_no_foreign_feed_names_what_our_sites_will(store: Store, guid: str, free: bool) -> None:  # noqa: FBT001 - a case
    """feeds:I15 feeds:I28 — an address on the host of a feed of ours, or of its page, waits for that feed to bring it."""
    make_newsroom(store)
    own = Origin(store, "own")
    with store.begin() as tx:
        claim = upstreams.claim(tx, "own", LEASE)
        assert claim
        upstreams.settle_success(tx, claim, Heard(validators=Validators(), site="https://blog.example/"))
    squat = Origin(store, "squat", relation=Relation.FOREIGN)
    squat.reads(marked(9, guid, title="Squat"))
    assert free is (guid in in_rss(store))
    if not free:
        own.reads(marked(9, guid))
        with store.read() as tx:
            assert ("Item 9", "own") == (items.named(tx, guid).content.title, items.named(tx, guid).upstream)


def entry(run: int, number: int, stage: int, *, double: bool = False) -> Incoming:
    at = f"https://cms.example/{run}"
    one = thing(
        number,
        title=f"Item {number} of {run}{' again' if double else ''}",
        guid=f"{at}/?p={number}",
        link=f"{at}/{number}",
        published=NOW.replace(year=2020),
    )
    return moved(one, SITES[stage])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(looks, doubled)
def test_the_same_items_in_the_end_and_no_turns_taken(
    lite: Store, seen: Sequence[tuple[list[int], bool, Random]], doubles: set[int]
) -> None:
    """feeds:I15, feeds:I17 — reordered, doubled, gone and back, under http, https or another host: each is one item.

    An item is revised at most once for each move of its site, and never by being read again.
    """
    run = next(_runs)
    origin, stage, ever = Origin(lite, f"cms-{run}", push=False), 0, set()
    feed: list[Incoming] = []
    for window, moves, random in seen:
        stage = min(stage + moves, len(SITES) - 1)
        feed = [entry(run, number, stage) for number in window]
        feed += [entry(run, number, stage, double=True) for number in doubles & set(window)]
        random.shuffle(feed)
        assert [] == origin.reads(*feed).left_out
        ever |= set(window)
    before = mine(lite, run)
    assert len(ever) == len(before)
    assert all(item.live and item.revision <= 1 + stage for item in before)
    for _ in range(2):
        origin.reads(*reversed(feed))
    assert before == mine(lite, run)


def mine(store: Store, run: int) -> list[Item]:
    with store.read() as tx:
        return [item for item in items.listing(tx) if item.upstream == f"cms-{run}"]


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("http://a.example/?p=1", "https://b.example/?p=1", True),
        ("1 at http://a.example", "1 at https://a.example", True),
        ("http://a.example/1", "http://a.example/2", False),
        ("http://a.example:80/1", "https://user@a.example/1", True),
        ("https://a.example/", "https://b.example", False),
        ("urn:x:1", "urn:x:1", False),
        (None, "", False),
    ],
)
def test_an_alias_is_all_but_scheme_and_host(one: str | None, other: str, alike: bool) -> None:  # noqa: FBT001 - a table
    """feeds:I15 — and what is nothing but a host is no alias at all."""
    assert alike == (alias_of(one) is not None and alias_of(one) == alias_of(other))


def test_a_move_is_no_change_of_words() -> None:
    """feeds:I15 — its own host counts nowhere in its words; other hosts do."""
    body = '<p><a href="https://cms.example/x">x</a> <a href="https://other.example/">y</a></p>'
    one = thing(body=body)
    assert one.fingerprint == moved(one, "http://new.example").fingerprint
    for before, after in (("other.example", "evil.example"), ("cms.example/x", "cms.example.evil/x")):
        assert one.fingerprint != words_of(replace(one.content, body=body.replace(before, after)))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("http://a/1", "https://a/1", True),
        ("https://a/1", "http://a/1", False),
        ("https://a/1", "https://b/1", True),
        ("https://a/1", "https://A/1", False),
        (None, "https://a/1", False),
        ("https://a/1", None, False),
    ],
)
def test_back_from_https_is_no_move(before: str | None, now: str | None, told: bool) -> None:  # noqa: FBT001 - a table
    """feeds:I15 — a feed that is served under both revises nothing."""
    assert told == has_moved(before, now)


def test_of_two_that_may_be_it_the_one_on_its_host_is(store: Store) -> None:
    """feeds:I15 — http that became https; the same path elsewhere is another item."""
    make_newsroom(store)
    origin = Origin(store)
    one = moved(thing(), "http://cms.example")
    origin.reads(one)
    elsewhere, here = moved(thing(), "https://copy.example"), thing()
    with store.read() as tx:
        key = origin.claim().upstream.id
        found = matched(tx, key, Reading(things=(elsewhere, here)))
    known = {match.thing.identity: match.known for match in found.matches}
    assert known[elsewhere.identity] is None
    assert (known[here.identity] or one).identity == one.identity
    assert not found.missing
