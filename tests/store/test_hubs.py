"""The rows of hubs and of what they bring, on both databases, with several hands at them."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from syndicator.model.upstream import Upstream
from syndicator.store import Store, Tx, hubs, open_store, upstreams
from syndicator.store.hubs import Place, Standing, Subscription
from tests.make import NOW, FakeClock

HUB, TOPIC = "https://hub.example/", "https://cms.example/feed"
DAY = timedelta(days=1)


def add(tx: Tx, slug: str = "cms", url: str = TOPIC) -> Upstream:
    """An upstream that is read."""
    return upstreams.add(tx, Upstream(id=0, slug=slug, url=url, created=NOW))


def wanted(tx: Tx, upstream_id: int) -> Subscription:
    """A subscription that nobody has asked for yet."""
    hubs.want(tx, upstream_id, HUB, TOPIC)
    known = hubs.find(tx, upstream_id)
    assert known is not None
    return known


def active(tx: Tx, upstream_id: int, **other: object) -> Subscription:
    """A verified one with a day to go."""
    known = wanted(tx, upstream_id)
    values = {
        "callback": f"c{upstream_id}",
        "secret": "s",
        "state": Standing.ACTIVE,
        "lease_until": NOW + DAY,
    }
    after = replace(known, **{**values, **other})  # type: ignore[arg-type]
    assert hubs.change(tx, known, after)
    return after


def test_a_subscription_is_kept_as_it_is_written(store: Store) -> None:
    """feeds:W5 every column there and back; wanted again, it begins anew."""
    with store.begin() as tx:
        row = add(tx).id
        known = active(tx, row, asked=NOW, failures=2, fault="in words", next_try=NOW + DAY)
    with store.begin() as tx:
        assert known == hubs.find(tx, row)
        assert known == hubs.behind(tx, "c1" if row == 1 else f"c{row}")
        fresh = wanted(tx, row)
    assert (Standing.PENDING, "", None, 0, None) == (
        fresh.state,
        fresh.secret,
        fresh.asked,
        fresh.failures,
        fresh.fault,
    )
    assert NOW == fresh.next_try


@pytest.mark.parametrize("state", Standing)
def test_only_a_verified_lease_that_runs_is_active(store: Store, clock: FakeClock, state: Standing) -> None:
    """feeds:W5 the slow poll is slow just as long as a hub has promised to tell."""
    with store.begin() as tx:
        row = add(tx).id
        active(tx, row, state=state)
        assert (state is Standing.ACTIVE) == hubs.active(tx, row)
        assert not hubs.active(tx, row + 1)
    clock.advance(days=1)
    with store.read() as tx:
        assert not hubs.active(tx, row)


def test_what_is_due(store: Store, clock: FakeClock) -> None:
    """feeds:W5 longest waiting first; a paused upstream's subscription is due whatever its lease."""
    with store.begin() as tx:
        rows = [add(tx, f"cms{n}").id for n in range(4)]
        for n, row in enumerate(rows):
            active(tx, row, next_try=NOW + timedelta(hours=4 - n))
        assert not hubs.anything_due(tx)
        upstreams.pause(tx, "cms0", paused=True)
        assert hubs.anything_due(tx)
        assert [("cms0", True)] == [(due.slug, due.paused) for due in hubs.due(tx, 9)]
    clock.advance(hours=2)
    with store.begin() as tx:
        assert ["cms3", "cms2", "cms0"] == [due.slug for due in hubs.due(tx, 9)]
        assert ["cms3"] == [due.slug for due in hubs.due(tx, 1)]


def test_many_workers_take_a_row_once(store_url: str) -> None:
    """feeds:W5 eight of them at the same instant, on connections of their own."""
    clock = FakeClock()
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as first:
        with first.begin() as tx:
            seen = wanted(tx, add(tx).id)
        start, won = threading.Barrier(8), []

        def take() -> None:
            with open_store(store_url, host_clock=clock, fixed_clock=clock) as own:
                start.wait(10)
                with own.begin() as tx:
                    won.append(hubs.change(tx, seen, replace(seen, next_try=NOW + DAY, failures=1)))

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [False] * 7 + [True] == sorted(won)


def test_a_note_comes_too_late_for_an_answer(store: Store) -> None:
    """feeds:W5 what came of a request is not written over what the hub has said since."""
    with store.begin() as tx:
        row = add(tx).id
        known = active(tx, row, state=Standing.PENDING, asked=NOW)
        assert hubs.note(tx, known, "taken")
        assert hubs.change(tx, known, replace(known, asked=None, fault=None))
        assert not hubs.note(tx, known, "late")
        after = hubs.find(tx, row)
    assert after is not None
    assert after.fault is None


@pytest.mark.parametrize(
    ("state", "secret", "left"),
    [
        (Standing.PENDING, "", None),
        (Standing.PENDING, "s", Standing.LEAVING),
        (Standing.ACTIVE, "s", Standing.LEAVING),
        (Standing.REFUSED, "s", None),
        (Standing.LEAVING, "s", Standing.LEAVING),
    ],
)
def test_leaving(store: Store, state: Standing, secret: str, left: Standing | None) -> None:
    """feeds:W5 a hub that was asked is told; what it brought unread is forgotten; other upstreams keep theirs."""
    with store.begin() as tx:
        row, other = add(tx).id, add(tx, "other").id
        known, kept = active(tx, row, state=state, secret=secret), active(tx, other)
        for one in (known, kept):
            hubs.put(tx, one, b"body", "text/xml", 9)
        hubs.leave(tx, row)
        after = hubs.find(tx, row)
        assert left == (after.state if after else None)
        assert kept == hubs.find(tx, other)
        assert ["other"] == [one.slug for one in hubs.pushed(tx, 9)]


def test_another_address_ends_the_subscription(store: Store) -> None:
    """feeds:W5 what a hub brings for the old address is not filed under the new one."""
    with store.begin() as tx:
        made = add(tx)
        known = active(tx, made.id)
        hubs.put(tx, known, b"body", "text/xml", 9)
        upstreams.edit(tx, replace(made, hold=True))
        assert known == hubs.find(tx, made.id)
        upstreams.edit(tx, replace(made, url="https://new.example/feed"))
        after = hubs.find(tx, made.id)
        assert after is not None
        assert (Standing.LEAVING, []) == (after.state, hubs.pushed(tx, 9))


def test_dropping_is_for_the_row_that_was_seen(store: Store) -> None:
    """feeds:W5 an unsubscription that ends late does not end what was begun since."""
    with store.begin() as tx:
        row = add(tx).id
        old = active(tx, row, state=Standing.LEAVING)
        fresh = wanted(tx, row)
        hubs.drop(tx, old)
        assert fresh == hubs.find(tx, row)
        hubs.drop(tx, fresh)
        assert hubs.find(tx, row) is None


def test_an_upstream_takes_its_rows_along(store: Store) -> None:
    """feeds:W5 removed, nothing of its hub is left."""
    with store.begin() as tx:
        made = add(tx)
        hubs.put(tx, active(tx, made.id), b"body", "text/xml", 9)
        upstreams.remove(tx, "cms")
        assert hubs.find(tx, made.id) is None
        assert [] == hubs.pushed(tx, 9)


def test_the_oldest_bodies_give_way(store: Store) -> None:
    """feeds:W5 so many for an upstream, the newest; other upstreams' stay."""
    with store.begin() as tx:
        one, other = active(tx, add(tx).id), active(tx, add(tx, "other").id)
        hubs.put(tx, other, b"theirs", "text/xml", 1)
        assert [0, 0, 1, 1] == [hubs.put(tx, one, b"%d" % n, "text/xml", 2) for n in range(4)]
        left = []
        while waiting := [body for body in hubs.pushed(tx, 9) if body.slug == "cms"]:
            left.append(waiting[0].body)
            hubs.forget(tx, waiting[0].id)
        assert [b"2", b"3"] == left
        assert [b"theirs"] == [body.body for body in hubs.pushed(tx, 9)]


def test_bodies_of_what_is_paused_or_polled_wait(store: Store, clock: FakeClock) -> None:
    """feeds:W6 nobody files for an upstream twice at a time."""
    with store.begin() as tx:
        hubs.put(tx, active(tx, add(tx).id), b"body", "text/xml", 9)
        assert upstreams.claim(tx, "cms", timedelta(minutes=1)) is not None
        assert [] == hubs.pushed(tx, 9)
    clock.advance(minutes=1)
    with store.begin() as tx:
        assert 1 == len(hubs.pushed(tx, 9))
        upstreams.pause(tx, "cms", paused=True)
        assert [] == hubs.pushed(tx, 9)


def test_upstreams_at_a_host(store: Store) -> None:
    """feeds:I4 by the host of the feed, exactly; by the page, perhaps; no pattern of a stranger's is one of ours."""
    with store.begin() as tx:
        for slug, url in {
            "a": "https://cms.example/feed",
            "b": "https://x.example/b",
            "c": "https://cms.exampl/",
        }.items():
            add(tx, slug, url)
        claim = upstreams.claim(tx, "b", timedelta(minutes=1))
        assert claim is not None
        upstreams.settle_success(
            tx, claim, upstreams.Heard(validators=claim.validators, site="https://cms.example/b")
        )
        assert [
            Place("a", "https://cms.example/feed", None),
            Place("b", "https://x.example/b", "https://cms.example/b"),
        ] == (hubs.places(tx, {"cms.example", "www.cms.example"}))
        for odd in ("%", "_ms.example", "", "cms.exampl_"):
            assert ["a"] != [place.slug for place in hubs.places(tx, {odd})]
            assert "c" not in {place.slug for place in hubs.places(tx, {odd})}
        upstreams.pause(tx, "a", paused=True)
        assert ["b"] == [place.slug for place in hubs.places(tx, {"cms.example"})]
