"""Who may do what to a release, what stays on record of it, and what an undo window undoes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from syndicator import press
from syndicator.errors import IllegalMove, Refused, Stale
from syndicator.model.release import ReleaseState
from syndicator.press import Rules
from syndicator.store import Store, audit, deliveries, items, releases
from tests.advances import EMBARGO, NINE, TEN, UID, accredited, approved, scheduled
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

FOUR_EYES = Rules(second_person=True)
UNDO = timedelta(minutes=5)
TICK = timedelta(microseconds=1)


# -- four eyes, versions


@pytest.mark.parametrize("name", ["writer", " Writer "])
def test_a_second_person_approves(store: Store, name: str) -> None:
    """security:A6: where it is asked for, who drafted the words cannot stand for them; an edit changes who that is."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), EMBARGO, by="writer")
        with pytest.raises(Refused, match=r"drafted by writer.*second_person"):
            press.approve(tx, UID, name, rules=FOUR_EYES)
        assert ReleaseState.DRAFT is releases.named(tx, UID).state
        assert "editor" == press.approve(tx, UID, "editor", rules=FOUR_EYES).approved_by
        press.draft(tx, UID, make_content("Other"), EMBARGO, by="editor")
        with pytest.raises(Refused, match="drafted by editor"):
            press.approve(tx, UID, "editor", rules=FOUR_EYES)
        press.approve(tx, UID, "writer", rules=FOUR_EYES)
    with store.begin() as tx:
        press.draft(tx, "tag:alone", make_content(), None, by="writer")
        assert press.approve(tx, "tag:alone", "writer").approved == NOW


def test_every_version_is_kept(store: Store, clock: FakeClock) -> None:
    """security:E4: words, embargo, who and when, of each; a move of the embargo is one, the same words again none."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("One"), EMBARGO, by="ann")
    clock.advance(minutes=1)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Two"), EMBARGO, by="ben")
        press.draft(tx, UID, make_content("Two"), EMBARGO, by="cat")
        press.approve(tx, UID, "editor")
        release = press.reschedule(tx, UID, TEN)
        kept = releases.versions(tx, release.id)
    assert [("One", NINE, "ann", NOW), ("Two", NINE, "ben", clock.now), ("Two", TEN, "ben", clock.now)] == [
        (one.content.title, one.embargo.until if one.embargo else None, one.drafted_by, one.created)
        for one in kept
    ]
    assert kept[2].base == release.base != kept[1].base


def test_a_stale_base_shows_the_difference(store: Store) -> None:
    """design:6: what somebody else changed since, in a few lines: words, embargo, and no more than fits."""
    make_newsroom(store)
    with store.begin() as tx:
        first = press.draft(tx, UID, make_content("One", body="<p>Old. Same.</p>"), EMBARGO, by="ann")
        press.draft(tx, UID, make_content("Two", body="<p>New. Same.</p>"), None, by="ben")
        with pytest.raises(Stale) as told:
            press.draft(tx, UID, make_content("Mine"), EMBARGO, base=first.base)
        head, *lines = told.value.faults
        assert f"now version 2 ({releases.named(tx, UID).base}) by ben, yours was made from version 1" in head
        assert ["- title: One", "+ title: Two", "- text: Old.", "+ text: New.", f"- embargo: {EMBARGO}", "+ embargo: none"] == lines  # fmt: skip
        with pytest.raises(Stale):
            press.approve(tx, UID, "editor", base=first.base)
        many = " ".join(f"Sentence {n}, {'so ' * 99}." for n in range(40))
        press.draft(tx, UID, make_content("Two", body=f"<p>{many}</p>"), None)
        with pytest.raises(Stale) as told:
            press.draft(tx, UID, make_content("Mine"), EMBARGO, base=first.base)
        assert 14 == len(told.value.faults)
        assert all(len(line) <= 160 for line in told.value.faults[1:])
        assert told.value.faults[-1].endswith("lines more")
        with pytest.raises(Stale, match="made from 0123: fetch"):
            press.draft(tx, UID, make_content("Mine"), EMBARGO, base="0123")


# -- the undo window


def test_a_publish_waits_for_its_undo_window(store: Store, clock: FakeClock) -> None:
    """peers:10: page, feed and mail come together when it is over, to the tick, and not before."""
    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx)
        approved(tx, embargo=None)
        release = press.publish_now(tx, UID, "editor", UNDO)
    assert (ReleaseState.SCHEDULED, NOW + UNDO) == (release.state, release.at)
    clock.now = NOW + UNDO - TICK
    assert () == press.release_due(store).items
    with store.begin() as tx:
        # Pressed again, it does not begin anew.
        assert NOW + UNDO == press.publish_now(tx, UID, "editor", UNDO).at
        assert [] == deliveries.listing(tx)
    clock.now = NOW + UNDO
    assert [UID] == [item.uid for item in press.release_due(store).items]


def test_a_publish_is_undone_and_done_again(store: Store, clock: FakeClock) -> None:
    """peers:10: cancelled in its window nothing of it goes out; handing in the draft brings it back."""
    make_newsroom(store)
    with store.begin() as tx:
        make_subscription(tx)
        approved(tx, embargo=None)
        press.publish_now(tx, UID, "editor", UNDO)
        press.cancel(tx, UID, "a typo", "editor")
    clock.now = NOW + UNDO
    assert press.Released() == press.release_due(store)
    with store.begin() as tx:
        assert [] == deliveries.listing(tx)
        assert items.find(tx, UID) is None
        again = press.draft(tx, UID, make_content(), None, by="writer")
        assert (ReleaseState.DRAFT, 2, None, None) == (
            again.state,
            again.version,
            again.approved_by,
            again.reason,
        )
        press.approve(tx, UID, "editor")
        assert ReleaseState.RELEASED is press.publish_now(tx, UID).state


def test_a_held_item_waits_for_the_window_as_held(store: Store, clock: FakeClock) -> None:
    """design:2: a yes to something under quarantine can be undone, too; what cannot go out is refused at once."""
    make_newsroom(store)
    with store.begin() as tx:
        releases.add(tx, "tag:held", make_content(), state=ReleaseState.HELD)
        release = press.publish_now(tx, "tag:held", "editor", UNDO)
        assert (ReleaseState.HELD, NOW + UNDO) == (release.state, release.at)
        press.draft(tx, UID, make_content(), None)
        with pytest.raises(IllegalMove):
            press.publish_now(tx, UID, "editor", UNDO)
    clock.now = NOW + UNDO
    assert ["tag:held"] == [item.uid for item in press.release_due(store).items]


# -- the record


def acts(store: Store, uid: str = UID) -> list[tuple[str, str, str | None]]:
    with store.read() as tx:
        assert [] == audit.verify(tx)
        return [(one.actor, one.act, one.why) for one in audit.listing(tx, subject=uid)]


def test_every_move_is_on_record(store: Store, clock: FakeClock) -> None:
    """operations:31: drafted, changed, approved, scheduled, moved, released by the worker: who and why of each."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("One"), EMBARGO, by="ann")
        press.draft(tx, UID, make_content("Two"), EMBARGO, by="ben")
        press.draft(tx, UID, make_content("Two"), EMBARGO, by="ben")
        press.approve(tx, UID, "chief")
        press.schedule(tx, UID, None, "dan")
    with store.begin() as tx:
        press.reschedule(tx, UID, TEN, "eve", "the vote is later")
    clock.now = TEN + timedelta(seconds=2)
    press.release_due(store)
    assert [
        ("ann", "release.draft", None),
        ("ben", "release.edit", None),
        ("chief", "release.approve", None),
        ("dan", "release.schedule", None),
        ("eve", "release.reschedule", "the vote is later"),
        ("worker", "release.release", None),
    ] == acts(store)
    with store.read() as tx:
        last = audit.listing(tx)[-1].detail
        assert {"was": "scheduled", "at": "2026-03-02T11:00:00.000000Z", "late_seconds": 2.0} == last
        assert "Two" not in str([one.detail for one in audit.listing(tx)])


def test_the_other_ends_are_on_record(store: Store, clock: FakeClock) -> None:
    """operations:31: published, lifted, cancelled and missed, too; what was refused leaves nothing."""
    make_newsroom(store)
    with store.begin() as tx:
        for uid in ("tag:published", "tag:lifted", "tag:cancelled", "tag:missed"):
            approved(tx, uid, embargo=None if uid == "tag:published" else EMBARGO)
        press.publish_now(tx, "tag:published", "ann")
        press.lift(tx, "tag:lifted", "ben", "it leaked")
        press.cancel(tx, "tag:cancelled", "no vote", "cat")
    with pytest.raises(IllegalMove), store.begin() as tx:
        press.approve(tx, "tag:cancelled", "dan")
    clock.now = NINE
    press.release_due(store)
    ends = {
        uid: acts(store, uid)[-1] for uid in ("tag:published", "tag:lifted", "tag:cancelled", "tag:missed")
    }
    assert {
        "tag:published": ("ann", "release.publish", None),
        "tag:lifted": ("ben", "release.lift", "it leaked"),
        "tag:cancelled": ("cat", "release.cancel", "no vote"),
        "tag:missed": ("worker", "release.miss", "its embargo went by without approval and schedule"),
    } == ends


def test_an_instant_says_when_it_became_public(store: Store, clock: FakeClock) -> None:
    """design:2: the release remembers who stood for it and when it went out; its embargo stays as it was typed."""
    make_newsroom(store)
    scheduled(store)
    with store.begin() as tx:
        accredited(tx, "ann@x.org")
    clock.now = NINE + timedelta(minutes=1)
    press.release_due(store)
    with store.read() as tx:
        release = releases.named(tx, UID)
    assert (clock.now, NOW, "editor", "writer", EMBARGO) == (
        release.released, release.approved, release.approved_by, release.drafted_by, release.embargo,
    )  # fmt: skip


def test_an_embargo_that_is_over_asks_nobody(store: Store, clock: FakeClock) -> None:
    """delivery:2: once its end has come, a release that waits for a later instant is moved without a version."""
    make_newsroom(store)
    with store.begin() as tx:
        approved(tx)
        press.schedule(tx, UID, TEN)
    clock.now = NINE
    with store.begin() as tx:
        release = press.reschedule(tx, UID, NINE + timedelta(minutes=1))
    assert (1, 0, EMBARGO, NINE + timedelta(minutes=1)) == (
        release.version, release.moves, release.embargo, release.at,
    )  # fmt: skip
