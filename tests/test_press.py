"""Releases from draft to public: every move, the instant of the embargo, and what must not show before it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import inspect, select

from syndicator import feeds, press, publish
from syndicator.errors import Conflict, IllegalMove, NotFound, Refused, SyndicatorError
from syndicator.model.item import Rule
from syndicator.model.release import Embargo, Release, ReleaseState, embargo_from
from syndicator.store import (
    Store,
    Tx,
    deliveries,
    documents,
    items,
    open_store,
    releases,
    schema,
    topics,
    upstreams,
)
from tests.make import (
    NOW,
    FakeClock,
    make_content,
    make_newsroom,
    make_partner,
    make_site,
    make_subscription,
    make_topic,
)

UID = "tag:news.example,2026:r"
NINE = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)
EMBARGO = Embargo(until=NINE)
CANARY = "Zyzzogeton"


def add(tx: Tx, state: ReleaseState = ReleaseState.DRAFT, uid: str = UID, **other: object) -> Release:
    return releases.add(tx, uid, make_content(CANARY), state=state, **other)  # type: ignore[arg-type]


def scheduled(store: Store, uid: str = UID, at: datetime = NINE, embargo: Embargo | None = EMBARGO) -> None:
    with store.begin() as tx:
        press.draft(tx, uid, make_content(CANARY), embargo)
        press.approve(tx, uid, "editor")
        press.schedule(tx, uid, at)


# -- the table of states, walked completely

MOVES: dict[str, Callable[[Tx], object]] = {
    "redraft": lambda tx: press.draft(tx, UID, make_content("Other"), None),
    "approve": lambda tx: press.approve(tx, UID, "editor"),
    "schedule": lambda tx: press.schedule(tx, UID, NINE),
    "publish": lambda tx: press.publish_now(tx, UID),
    "lift": lambda tx: press.lift(tx, UID),
    "cancel": lambda tx: press.cancel(tx, UID, "no"),
}
LEGAL = {
    ("draft", "redraft"): "draft",
    ("draft", "approve"): "approved",
    ("draft", "cancel"): "cancelled",
    ("approved", "redraft"): "draft",
    ("approved", "schedule"): "scheduled",
    ("approved", "publish"): "released",
    ("approved", "lift"): "released",
    ("approved", "cancel"): "cancelled",
    ("scheduled", "redraft"): "draft",
    ("scheduled", "schedule"): "scheduled",
    ("scheduled", "publish"): "released",
    ("scheduled", "lift"): "released",
    ("scheduled", "cancel"): "cancelled",
    ("held", "publish"): "released",
    ("held", "lift"): "released",
    ("held", "cancel"): "cancelled",
    ("missed", "redraft"): "draft",
    ("missed", "cancel"): "cancelled",
    ("cancelled", "redraft"): "draft",
}


@pytest.mark.parametrize("state", list(ReleaseState))
@pytest.mark.parametrize("move", list(MOVES))
def test_every_move(store: Store, state: ReleaseState, move: str) -> None:
    """design:2: each act leads where the table says, or is refused and changes nothing."""
    make_newsroom(store)
    with store.begin() as tx:
        before = add(tx, state)
    expected = LEGAL.get((state, move))
    if expected:
        with store.begin() as tx:
            MOVES[move](tx)
    else:
        with pytest.raises(IllegalMove, match=f"is {state} (already|and cannot become)"), store.begin() as tx:
            MOVES[move](tx)
    with store.read() as tx:
        after = releases.named(tx, UID)
        assert (expected or state) == after.state
        assert (expected == "released") == (items.find(tx, UID) is not None)
        assert expected or before == after


@pytest.mark.parametrize("move", [move for move in MOVES if move != "redraft"])
def test_what_is_not_there_cannot_be_moved(store: Store, move: str) -> None:
    """design:6: an unknown uid is not found, and the list is named."""
    with store.begin() as tx, pytest.raises(NotFound, match="release list"):
        MOVES[move](tx)


# -- drafts


def test_a_changed_draft_is_a_new_version_without_approval(store: Store) -> None:
    """security:E4: a change of words or embargo raises the version and takes back approval and schedule."""
    make_newsroom(store)
    for words, embargo in ((make_content("Other"), EMBARGO), (make_content(CANARY), None)):
        scheduled(store, uid := f"tag:{words.title}")
        with store.begin() as tx:
            changed = press.draft(tx, uid, words, embargo)
        assert (ReleaseState.DRAFT, 2, None, None) == (
            changed.state, changed.version, changed.approved_by, changed.at,
        )  # fmt: skip


def test_the_same_draft_again_changes_nothing(store: Store) -> None:
    """design:6: an approved release drafted again without a changed word stays approved."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(CANARY), EMBARGO)
        approved = press.approve(tx, UID, "editor")
        assert approved == press.draft(tx, UID, make_content(CANARY), EMBARGO, base=approved.base)


def test_a_stale_base_is_a_conflict(store: Store) -> None:
    """design:6: an edit made from a version somebody changed since, embargo included, is refused."""
    make_newsroom(store)
    with store.begin() as tx:
        first = press.draft(tx, UID, make_content(CANARY), EMBARGO)
        later = replace(EMBARGO, until=NINE + timedelta(hours=1))
        second = press.draft(tx, UID, make_content(CANARY), later, base=first.base)
        for words, embargo in ((make_content("Mine"), later), (make_content(CANARY), EMBARGO)):
            with pytest.raises(Conflict, match=f"now version 2 .* release show {UID}"):
                press.draft(tx, UID, words, embargo, base=first.base)
        assert second == releases.named(tx, UID)
        assert 3 == press.draft(tx, UID, make_content("Mine"), later, base=second.base).version


def test_what_is_public_cannot_be_drafted(store: Store) -> None:
    """design:10: a uid that is an item already is refused, and so is an unknown topic."""
    make_newsroom(store)
    with store.begin() as tx:
        publish.publish(tx, UID, make_content())
        with pytest.raises(Conflict, match="item correct"):
            press.draft(tx, UID, make_content(), None)
        with pytest.raises(NotFound):
            press.draft(tx, "tag:new", make_content(topics=("nowhere",)), None)


# -- the embargo, to the microsecond


def everything(store: Store) -> dict[str, list[object]]:
    """Every row of every table but the releases themselves and what was done to them."""
    with store.read() as tx:
        theirs = {"releases", "release_versions", "audit", "clock"}
        tables = [table for table in schema.metadata.sorted_tables if table.name not in theirs]
        return {table.name: [tuple(row) for row in tx.connection.execute(select(table))] for table in tables}


def test_one_tick_before_nothing_and_then_all_at_once(store: Store, clock: FakeClock) -> None:
    """delivery:2, security:E3: before the instant no table knows anything; at it, item, feed and duties do."""
    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx)
        make_partner(tx)
        press.draft(tx, UID, make_content(CANARY), EMBARGO)
    before = everything(store)
    with store.begin() as tx:
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None)
        assert NINE == press.next_release(tx)
    clock.now = NINE - TICK
    assert press.Released() == press.release_due(store)
    with store.begin() as tx, pytest.raises(Refused, match="release lift"):
        press.publish_now(tx, UID)
    assert feeds.Rebuilt() == feeds.rebuild_stale(store, make_site())
    assert before == everything(store)

    clock.now = NINE
    (item,) = press.release_due(store).items
    assert (NINE, NINE, CANARY, "zyzzogeton") == (item.published, item.updated, item.content.title, item.slug)
    with store.begin() as tx:
        assert item == items.named(tx, UID)
        assert ["all", "policy"] == [topic.slug for topic in topics.take_stale(tx, 9)]
        assert ["jane@example.org", "agency"] == [one.recipient for one in deliveries.listing(tx)]
        assert ReleaseState.RELEASED is releases.named(tx, UID).state
        assert press.next_release(tx) is None
    assert press.Released() == press.release_due(store)


def test_nothing_but_the_release_knows_a_canary(store: Store, clock: FakeClock) -> None:
    """security:E6: through draft, approval, schedule, reschedule and cancel no other row holds the words."""
    make_newsroom(store)
    with store.begin() as tx:
        publish.publish(tx, "tag:public", make_content())
    feeds.rebuild_stale(store, make_site())
    scheduled(store)
    with store.begin() as tx:
        press.schedule(tx, UID, NINE + timedelta(hours=1))
    clock.now = NINE
    press.release_due(store)
    feeds.rebuild_stale(store, make_site())
    with store.begin() as tx:
        press.cancel(tx, UID, "no")
    assert CANARY.lower() not in str(everything(store)).lower()


@pytest.mark.parametrize("at", [None, NINE + timedelta(hours=1)])
def test_lifting_ends_an_embargo_early(store: Store, at: datetime | None) -> None:
    """design:2: *lift* makes it public now, with everything that follows."""
    make_newsroom(store)
    scheduled(store, at=at or NINE)
    with store.begin() as tx:
        make_subscription(tx)
        item = press.lift(tx, UID)
        assert (NOW, 1) == (item.published, len(deliveries.listing(tx)))
    assert press.Released() == press.release_due(store)


def test_an_embargo_cannot_be_undercut(store: Store) -> None:
    """delivery:2: neither `--at` before the embargo nor a schedule in the past is taken."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(CANARY), EMBARGO)
        press.approve(tx, UID, "editor")
        for instant in (NINE - TICK, NOW - TICK):
            with pytest.raises(Refused, match="release lift"):
                press.schedule(tx, UID, instant)
        assert ReleaseState.APPROVED is releases.named(tx, UID).state


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2026-03-29 03:00", "Europe/Berlin", datetime(2026, 3, 29, 1, tzinfo=UTC)),
        ("2027-03-14 03:00", "America/New_York", datetime(2027, 3, 14, 7, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", "Europe/Berlin", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-07-02 09:00", "Asia/Kathmandu", datetime(2026, 7, 2, 3, 15, tzinfo=UTC)),
    ],
)
def test_a_wall_time_lifts_at_its_instant(
    store: Store, clock: FakeClock, wall: str, zone: str, expected: datetime
) -> None:
    """operations:SC12: beside every change of the clocks a typed wall time lifts at its very instant."""
    make_newsroom(store)
    scheduled(store, at=expected, embargo=embargo_from(wall, zone))
    clock.now = expected - TICK
    assert () == press.release_due(store).items
    clock.now = expected
    assert [UID] == [item.uid for item in press.release_due(store).items]


# -- what goes by itself, and what does not


def test_nobodys_release_is_missed(store: Store, clock: FakeClock) -> None:
    """design:2: at its embargo a draft, or an approved release without schedule, becomes missed, never public."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, "tag:draft", make_content(CANARY), EMBARGO)
        press.draft(tx, "tag:approved", make_content(CANARY), EMBARGO)
        press.approve(tx, "tag:approved", "editor")
        press.draft(tx, "tag:open", make_content(CANARY), None)
    clock.now = NINE - TICK
    assert 0 == press.release_due(store).missed
    clock.now = NINE
    assert press.Released(missed=2) == press.release_due(store)
    assert press.Released() == press.release_due(store)
    with store.begin() as tx:
        states = {one.uid: one.state for one in releases.listing(tx)}
        assert {"tag:draft": "missed", "tag:approved": "missed", "tag:open": "draft"} == states
        assert [] == items.listing(tx)
        again = press.draft(
            tx, "tag:draft", make_content(CANARY), replace(EMBARGO, until=NINE + timedelta(days=1))
        )
        assert ReleaseState.DRAFT is again.state


def test_held_items_go_out_by_themselves_or_wait_for_a_yes(store: Store, clock: FakeClock) -> None:
    """design:2: a held item goes out at its date; under quarantine, with none, it waits."""
    make_newsroom(store)
    with store.begin() as tx:
        add(tx, ReleaseState.HELD, "tag:dated", at=NINE, published=NINE)
        add(tx, ReleaseState.HELD, "tag:old", published=NOW - timedelta(days=3))
    clock.advance(days=1)
    (item,) = press.release_due(store).items
    assert ("tag:dated", NINE) == (item.uid, item.published)
    with store.begin() as tx:
        assert NOW - timedelta(days=3) == press.publish_now(tx, "tag:old").published


def test_an_upstream_keeps_its_rule_about_mail(store: Store) -> None:
    """design:2: what a silent upstream brought is not pushed when it is let out, nor once too old."""
    from syndicator.model.upstream import Relation, Upstream

    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx)
        for slug, push in (("silent", False), ("loud", True)):
            upstreams.add(
                tx,
                Upstream(
                    id=0, slug=slug, url="https://x.example", relation=Relation.OWN, push=push, created=NOW
                ),
            )
            add(tx, ReleaseState.HELD, f"tag:{slug}", upstream=slug)
            press.publish_now(tx, f"tag:{slug}")
        add(tx, ReleaseState.HELD, "tag:old", upstream="loud", published=NOW - timedelta(days=2))
        press.publish_now(tx, "tag:old")
        assert ["revision/tag:loud/1"] == [one.subject for one in deliveries.listing(tx)]


def test_releases_go_out_in_the_order_of_their_instants(store: Store, clock: FakeClock) -> None:
    """design:4: after a pause everything due goes out, oldest first, one transaction each."""
    make_newsroom(store)
    for n in (3, 1, 2):
        scheduled(store, f"tag:{n}", NINE + timedelta(minutes=n))
    clock.now = NINE + timedelta(minutes=2)
    assert ["tag:1", "tag:2"] == [item.uid for item in press.release_due(store).items]


@pytest.mark.parametrize("harm", ["taken", "ruled"])
def test_one_that_cannot_go_out_does_not_hold_up_the_others(
    store: Store, clock: FakeClock, harm: str
) -> None:
    """delivery:1: a release whose uid was taken or whose topic was changed is named; the next ones go out."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        press.draft(tx, "tag:bad", make_content(CANARY, topics=("health",)), EMBARGO)
        press.approve(tx, "tag:bad", "editor")
        press.schedule(tx, "tag:bad", None)
    scheduled(store, "tag:good", NINE + timedelta(minutes=1))
    with store.begin() as tx:
        if harm == "taken":
            publish.publish(tx, "tag:bad", make_content())
        else:
            topics.edit(tx, make_topic("health", rule=Rule(any=("policy",))))
    clock.now = NINE + timedelta(hours=1)
    done = press.release_due(store)
    assert (["tag:good"], ("tag:bad",)) == ([item.uid for item in done.items], done.failed)
    with store.read() as tx:
        assert ReleaseState.SCHEDULED is releases.named(tx, "tag:bad").state


def test_a_clock_that_jumped_back_stops_lifts(sqlite_url: str, clock: FakeClock) -> None:
    """delivery:1.4.6: on SQLite a host clock behind what was seen lifts nothing, and says by how much."""
    with open_store(sqlite_url, host_clock=clock) as store:
        make_newsroom(store)
        scheduled(store)
        clock.now = NINE + timedelta(days=2)
        with store.begin():
            pass
        clock.now = NINE + timedelta(days=1)
        done = press.release_due(store)
        assert () == done.items
        assert done.behind is not None
        assert "1 day, 0:00:00 behind" in done.behind
        clock.now = NINE + timedelta(days=2)
        assert [UID] == [item.uid for item in press.release_due(store).items]


# -- many hands


def test_threads_that_release_at_once_release_once(store_url: str, clock: FakeClock) -> None:
    """delivery:1: however many workers find a release due, each becomes one item, owed once."""
    workers, many = 4, 12
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            make_subscription(tx)
        for n in range(many):
            scheduled(store, f"tag:{n}")
        clock.now = NINE
        gate = threading.Barrier(workers)

        def work() -> list[str]:
            gate.wait(30)
            return [item.uid for item in press.release_due(store).items]

        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(work) for _ in range(workers)]
            released = [uid for future in futures for uid in future.result(60)]
        with store.read() as tx:
            subjects = [one.subject for one in deliveries.listing(tx)]
            slugs = {item.slug for item in items.listing(tx)}
    assert sorted(f"tag:{n}" for n in range(many)) == sorted(released)
    assert sorted(f"revision/tag:{n}/1" for n in range(many)) == sorted(subjects)
    assert many == len(slugs)


def test_a_release_is_moved_by_one_hand_at_a_time(store_url: str, clock: FakeClock) -> None:
    """design:2: of a cancel and a publish at the same moment exactly one wins, the other is refused."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        for n in range(8):
            uid = f"tag:{n}"
            with store.begin() as tx:
                add(tx, ReleaseState.APPROVED, uid)
            gate = threading.Barrier(2)

            def act(move: Callable[[Tx], object], gate: threading.Barrier = gate) -> bool:
                gate.wait(30)
                try:
                    with store.begin() as tx:
                        move(tx)
                except SyndicatorError:
                    return False
                return True

            moves: list[Callable[[Tx], object]] = [
                lambda tx, uid=uid: press.cancel(tx, uid, "no"),  # type: ignore[misc]
                lambda tx, uid=uid: press.publish_now(tx, uid),  # type: ignore[misc]
            ]
            with ThreadPoolExecutor(2) as pool:
                won = [future.result(60) for future in [pool.submit(act, move) for move in moves]]
            assert [False, True] == sorted(won)
            with store.read() as tx:
                assert won[1] == (items.find(tx, uid) is not None)


def test_no_draft_touches_a_document_or_a_validator(store: Store, clock: FakeClock) -> None:
    """security:E2: ETag, Last-Modified and bytes are the same before and after everything done to a draft."""
    make_newsroom(store)
    with store.begin() as tx:
        publish.publish(tx, "tag:public", make_content())
    feeds.rebuild_stale(store, make_site())
    with store.read() as tx:
        before = documents.validators(tx)
    scheduled(store)
    clock.now = NINE - TICK
    press.release_due(store)
    feeds.rebuild_stale(store, make_site())
    with store.read() as tx:
        assert before == documents.validators(tx)
        assert "releases" in inspect(tx.connection).get_table_names()
