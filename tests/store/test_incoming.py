"""What is remembered of the things an upstream brought, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from syndicator.errors import NotFound
from syndicator.model.incoming import Filed
from syndicator.model.item import Kind
from syndicator.model.release import ReleaseState
from syndicator.model.upstream import Upstream
from syndicator.store import Store, departures, incoming, releases, upstreams
from tests.ingest.filed import thing
from tests.make import NOW, FakeClock, make_content, make_newsroom

AT = datetime(2026, 4, 1, tzinfo=UTC)


@pytest.fixture
def key(store: Store) -> int:
    """The key of an upstream that exists."""
    make_newsroom(store, "policy", "press")
    with store.begin() as tx:
        made = upstreams.add(tx, Upstream(id=0, slug="cms", url="https://cms.example/feed", created=tx.now))
    return made.id


def remember(store: Store, key: int, *numbers: int) -> None:
    with store.begin() as tx:
        for number in numbers:
            incoming.remember(tx, key, thing(number), f"urn:x:{number}", since=NOW)


def names(*numbers: int) -> list[str]:
    return [thing(number).identity for number in numbers]


def test_identities_are_remembered_with_the_fate_of_their_release(store: Store, key: int) -> None:
    """feeds:I15 — by upstream, however many are asked for; with where they were filed; removal forgets."""
    remember(store, key, 1, 2)
    with store.begin() as tx:
        releases.add(tx, "urn:x:2", make_content(), state=ReleaseState.HELD, at=AT)
        known = incoming.known(tx, key, [*names(1, 2, 3), *(f"n{n}" for n in range(1200))])
        one, two = (known[name] for name in names(1, 2))
        assert ("urn:x:1", thing(1).fingerprint, None) == (one.uid, one.fingerprint, one.held)
        assert (ReleaseState.HELD, AT) == (two.held, two.at)
        assert Filed(Kind.NEWS, ("policy",)) == one.filed
        assert (NOW, True, thing(1).raw, thing(1).link) == (one.first, one.present, one.raw, one.page)
        assert 2 == len(known)
        assert {} == incoming.known(tx, key + 1, names(1))
        upstreams.remove(tx, "cms")
        assert {} == incoming.known(tx, key, names(1))


def test_first_sight_stays_and_a_lost_date_too(store: Store, key: int, clock: FakeClock) -> None:
    """feeds:I18 — the date as the feed wrote it is kept when it writes none any more."""
    remember(store, key, 1)
    clock.advance(days=1)
    with store.begin() as tx:
        incoming.remember(tx, key, thing(1, dated=None, title="New"), "urn:x:1", since=clock())
        (known,) = incoming.known(tx, key, names(1)).values()
    assert (NOW, thing(1).dated) == (known.first, known.dated)
    assert thing(title="New").fingerprint == known.fingerprint


def test_hashes_are_of_what_is_in_the_feed(store: Store, key: int) -> None:
    """feeds:I17 — what has left is read again when it comes back."""
    remember(store, key, 1, 2, 3)
    with store.begin() as tx:
        incoming.leave(tx, key, names(2), ask=True)
        assert {thing(1).raw, thing(3).raw} == incoming.hashes(tx, key)
        assert set(names(1, 3)) == {one.identity for one in incoming.present(tx, key)}


def test_topics_are_remembered_under_their_present_names(store: Store, key: int) -> None:
    """DESIGN §5 — a topic that was renamed since is no other filing."""
    from syndicator import topics

    remember(store, key, 1)
    with store.begin() as tx:
        topics.rename(tx, "policy", "politics")
    with store.read() as tx:
        (known,) = incoming.known(tx, key, names(1)).values()
    assert known.filed
    assert ("politics",) == known.filed.topics


def test_pages_are_asked_an_hour_apart(store: Store, key: int, clock: FakeClock) -> None:
    """feeds:I17 — one that asks puts the page off for all others; a count is lost when it comes back."""
    remember(store, key, 1, 2)
    with store.begin() as tx:
        incoming.leave(tx, key, names(1), ask=True)
        (check,) = departures.take_due(tx, 10, 10)
        assert ("cms", "urn:x:1", thing(1).link, 0) == (check.slug, check.uid, check.page, check.checks)
        assert [] == departures.take_due(tx, 10, 10)
        assert departures.count(tx, key, check.identity, 1)
        assert 1 == departures.pending(tx, key)
    clock.advance(hours=1)
    remember(store, key, 1)
    with store.begin() as tx:
        assert [] == departures.take_due(tx, 10, 10)
        assert not departures.count(tx, key, check.identity, 2)
        assert 0 == departures.pending(tx, key)


def test_nobody_asks_where_nobody_is_to(store: Store, key: int) -> None:
    """feeds:I17 — without `ask`, or without a page, what left is left alone."""
    with store.begin() as tx:
        incoming.remember(tx, key, thing(1, link=None), "urn:x:1", since=NOW)
        incoming.remember(tx, key, thing(2), "urn:x:2", since=NOW)
        incoming.leave(tx, key, names(1), ask=True)
        incoming.leave(tx, key, names(2), ask=False)
        assert [] == departures.take_due(tx, 10, 10)


def test_a_person_is_shown_what_departed_until_they_say(store: Store, key: int, clock: FakeClock) -> None:
    """feeds:I17 — withdrawn or kept; who kept it is not asked again."""
    from syndicator import publish

    remember(store, key, 1, 2)
    with store.begin() as tx:
        for number in (1, 2):
            publish.publish(tx, f"urn:x:{number}", make_content(f"Item {number}"))
        incoming.leave(tx, key, names(1, 2), ask=True)
        assert all(departures.put_before_a_person(tx, key, name) for name in names(1, 2))
        shown = departures.listing(tx, key)
        assert [("urn:x:1", "Item 1", NOW), ("urn:x:2", "Item 2", NOW)] == [
            (one.uid, one.title, one.since) for one in shown
        ]
        publish.withdraw(tx, "urn:x:1", "Gone.")
        departures.keep(tx, "urn:x:2")
        assert [] == departures.listing(tx, key)
        assert not departures.put_before_a_person(tx, key, names(2)[0])
        with pytest.raises(NotFound):
            departures.keep(tx, "urn:x:2")
    clock.advance(seconds=timedelta(hours=2).total_seconds())
    with store.begin() as tx:
        assert [] == departures.take_due(tx, 10, 10)
