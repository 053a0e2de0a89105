"""Filing what an upstream brought: which thing is which, what becomes of it, and who is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syndicator import press, publish
from syndicator.ingest.entries import Deleted
from syndicator.ingest.filing import LeftOut, Overtaken
from syndicator.model.item import Significance
from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.routing import Category, End, Route
from syndicator.model.upstream import Relation
from syndicator.store import Store, items, releases, upstreams
from tests.ingest.filed import Origin, fates, moved, owed, public, thing, titles, waiting
from tests.make import NOW, FakeClock, make_newsroom, make_subscription

OLD = NOW - timedelta(days=3650)


@pytest.fixture
def room(store: Store) -> Store:
    make_newsroom(store, "policy", "press")
    with store.begin() as tx:
        make_subscription(tx)
    return store


# -- which is which --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["http://cms.example", "https://www.cms.example", "https://new.example"])
def test_a_site_that_moves_does_not_flood(room: Store, to: str) -> None:
    """feeds:I15 — other scheme or host, same paths: the same items, nobody is told, and their pages move along."""
    origin = Origin(room, on_change=Significance.CORRECTION)
    before = [thing(n, body=f'<p><a href="https://cms.example/{n}">x</a></p>') for n in range(20)]
    origin.reads(*before)
    uids = {item.uid for item in public(room)}
    told = owed(room)
    after = origin.reads(*(moved(one, to) for one in before))
    assert uids == {item.uid for item in public(room)}
    assert told == owed(room)
    downgraded = to == "http://cms.example"
    assert {"unchanged"} == set(fates(after)) if downgraded else {"revised"} == set(fates(after))
    if not downgraded:
        assert all((item.content.url or "").startswith(to) for item in public(room))
        assert all(item.content.body.count(to) == 1 for item in public(room))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("123 at http://cms.example", "123 at https://www.cms.example"),
        ("http://cms.example/?p=123", "https://cms.example/?p=123"),
    ],
)
def test_guids_of_known_systems_are_known_again(room: Store, before: str, after: str) -> None:
    """feeds:I15 — Drupal's "123 at http://host" and WordPress's "?p=123", with no link to help."""
    origin = Origin(room)
    origin.reads(thing(guid=before, link=None))
    origin.reads(thing(guid=after, link=None))
    assert 1 == len(public(room))


def test_new_guids_under_the_same_links_are_the_same_items(room: Store) -> None:
    """feeds:I15 — a site that was imported anew neither floods nor mails; the guid readers know stays."""
    origin = Origin(room)
    origin.reads(*(thing(n) for n in range(10)))
    told, uids = owed(room), {item.uid for item in public(room)}
    again = origin.reads(*(thing(n, guid=f"https://cms.example/?p=9{n}") for n in range(10)))
    assert (told, uids) == (owed(room), {item.uid for item in public(room)})
    assert {"unchanged"} == set(fates(again))


def test_a_site_with_everything_new_mails_nothing(room: Store) -> None:
    """feeds:I15 — other guids and other links cannot be known again, but their dates are old."""
    origin = Origin(room)
    origin.reads(*(thing(n, published=OLD) for n in range(30)))
    origin.reads(*(thing(100 + n, published=OLD) for n in range(30)))
    assert 0 == owed(room)


def test_the_same_path_on_two_hosts_is_two_items(room: Store) -> None:
    """feeds:I15 — a planet that collects WordPress sites has many a "?p=1"; at once or one after the other."""
    origin = Origin(room)
    one, two = thing(1), moved(thing(1, title="Another"), "https://other.example")
    origin.reads(one, two)
    assert {"Item 1", "Another"} == set(titles(room))
    third = moved(thing(1, title="A third", dated="another day"), "https://third.example")
    origin.reads(third)
    assert {"Item 1", "Another", "A third"} == set(titles(room))


def test_one_page_for_all_items_makes_no_one_of_them(room: Store) -> None:
    """feeds:I15 — a feed with a window of one, whose items all link to /news: each is a new item."""
    origin = Origin(room)
    for number in range(3):
        origin.reads(thing(number, link="https://cms.example/news"))
    assert ["Item 0", "Item 1", "Item 2"] == titles(room)


def test_doubles_within_a_feed_do_not_take_turns(room: Store, clock: FakeClock) -> None:
    """feeds:I15 — of two entries with one guid the one we have stays; the first, if we have neither."""
    origin = Origin(room)
    a, b = thing(title="A"), thing(title="B")
    for feed in ((a, b), (b, a), (a, b), (b,), (b, a), (a, b)):
        origin.reads(*feed)
        clock.advance(hours=1)
    (item,) = public(room)
    assert ("B", 2) == (item.content.title, item.revision)  # A left once, then B was what there was


def test_two_addresses_of_one_thing_do_not_take_turns(room: Store, clock: FakeClock) -> None:
    """feeds:I15 — a feed that is served now under http, now under https, revises nothing."""
    origin = Origin(room)
    secure = thing()
    plain = moved(secure, "http://cms.example")
    for feed in (plain, secure, plain, secure, plain):
        origin.reads(feed)
        clock.advance(hours=1)
    (item,) = public(room)
    assert (2, secure.link) == (item.revision, item.content.url)


def test_what_leaves_the_window_stays_and_comes_back_as_itself(room: Store) -> None:
    """feeds:I17 — nothing vanishes here; what comes back, even under a new address, is no new item."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    origin.reads(thing(2))
    assert ["Item 2", "Item 1"] == titles(room)
    origin.reads(moved(thing(1), "https://new.example"), thing(2))
    assert 2 == len(public(room))


def test_an_empty_feed_changes_nothing(room: Store) -> None:
    """feeds:I17 — an explicit empty feed: the items stay, and are still known as they were."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    origin.reads()
    filing = origin.filing(thing(1), thing(2))
    assert 2 == len(filing._reading.unchanged)  # noqa: SLF001 - they are still in the feed as far as we know
    assert 2 == len(public(room))


def test_what_cannot_be_read_has_not_left(room: Store) -> None:
    """feeds:I17 — an entry that was left out this time is in the feed; one without a name hides who left."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    with room.read() as tx:
        key = upstreams.named(tx, "cms").id
    left = LeftOut(title="x", identity=None, why="it is too long")
    origin.reads(thing(2), left_out=(left,))
    origin.reads(thing(2), left_out=(replace(left, identity=thing(1).identity),))
    with room.read() as tx:
        from syndicator.store import incoming

        assert 2 == len(incoming.present(tx, key))


def test_what_is_unchanged_is_not_written(room: Store, clock: FakeClock) -> None:
    """feeds:I16 — the same again costs a look-up: no transaction writes, however often it is read."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    clock.advance(hours=1)
    filing = origin.filing(thing(2), thing(1))
    assert not filing._reading.things  # noqa: SLF001 - all are known by their hash
    assert [None] == list(filing.steps())
    with room.read() as tx:
        from syndicator.store import incoming

        known = incoming.known(tx, upstreams.named(tx, "cms").id, [thing(1).identity])
    assert NOW == known[thing(1).identity].first


def test_other_bytes_with_the_same_words_revise_nothing(room: Store) -> None:
    """feeds:I16 — a moved date, a new comment count: its hash is another, its words are not."""
    origin = Origin(room)
    origin.reads(thing())
    assert ["unchanged"] == fates(origin.reads(thing(raw="other", published=NOW)))
    assert [] == fates(origin.reads(thing(raw="other", published=NOW)))  # and is known from then on
    (item,) = public(room)
    assert (1, thing().published) == (item.revision, item.published)


def test_a_lost_date_never_puts_an_old_item_on_top(room: Store, clock: FakeClock) -> None:
    """feeds:I18 — nor does another one; the date as the feed wrote it is kept."""
    origin = Origin(room)
    origin.reads(thing(published=OLD, dated="long ago"))
    clock.advance(hours=1)
    origin.reads(thing(published=None, dated=None, title="New words"))
    origin.reads(thing(published=clock(), dated="now", title="Newer words"))
    (item,) = public(room)
    assert ("Newer words", OLD, 0) == (item.content.title, item.published, owed(room))


def test_a_foreign_feed_names_nothing_of_ours(room: Store) -> None:
    """feeds:I28 — the origin's id is kept, unless it is an address or a tag of our own host: that gets a new one."""
    origin = Origin(room, relation=Relation.FOREIGN)
    theirs = "tag:partner.example,2026:1"
    ours = ["tag:news.example,2026:7", "https://news.example/items/x", "tag:me@NEWS.example,2026:1"]
    origin.reads(*(thing(n, guid=guid) for n, guid in enumerate([theirs, *ours])))
    assert {theirs, *(f"tag:news.example,2026-03-02:{n}" for n in (1, 2, 3))} == {
        item.uid for item in public(room)
    }
    assert [] == fates(origin.reads(*(thing(n, guid=guid) for n, guid in enumerate([theirs, *ours]))))


def test_an_own_cms_on_our_host_keeps_its_ids(room: Store) -> None:
    """DESIGN §5.5 — the uid is the origin's guid; our own CMS may be where we are."""
    Origin(room).reads(thing(guid="https://news.example/?p=1"))
    assert ["https://news.example/?p=1"] == [item.uid for item in public(room)]


# -- routing ---------------------------------------------------------------------------------------------

PRESS = Route(category="press*", topics=("press",))


def tagged(number: int = 1, *terms: str, **other: object) -> object:
    one = thing(number, **other)
    return replace(one, categories=tuple(map(Category, terms)), raw=f"{one.raw}{terms}")
