"""Advance copies: who gets one, what an edit, a move, a cancellation and the lift make of it, and who is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from syndicator import press, publish
from syndicator.errors import Refused
from syndicator.model.delivery import DeliveryState, Priority
from syndicator.model.item import Rule
from syndicator.model.release import NoticeKind, Release, ReleaseState
from syndicator.press import Rules
from syndicator.store import Store, Tx, accreditations, audience, deliveries, releases, schema, topics
from tests.advances import EMBARGO, NINE, TEN, UID, accredited, approved, end, scheduled, states
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription, make_topic

ADVANCE, SECOND, NOTICE, ITEM = f"advance/{UID}/1", f"advance/{UID}/2", f"notice/{UID}/1", f"revision/{UID}/1"
ACCEPTED, DUE, SENDING = DeliveryState.ACCEPTED, DeliveryState.DUE, DeliveryState.SENDING
UNDO = Rules(undo=timedelta(minutes=10))
TICK = timedelta(microseconds=1)


@pytest.fixture
def people(store: Store) -> dict[str, int]:
    """A newsroom with accredited contacts of every cadence, and one who is not."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        made = {name: accredited(tx, f"{name}@x.org") for name in ("ann", "ben", "cat")}
        made["dan"] = accredited(tx, "dan@x.org", cadence="weekly")
        made["eve"] = make_subscription(tx, "eve@x.org").contact_id
    return made


def get(store: Store, subject: str) -> dict[str, str]:
    """Who → state, of one subject."""
    with store.read() as tx:
        return {one.partition("@")[0]: state for one, state in states(tx).get(subject, [])}


def all_due(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "due")


# -- who gets one


def test_the_accredited_subscribers_get_one(store: Store, clock: FakeClock) -> None:
    """mail:EM1: accredited, unexpired when it is due, with a live subscription to a topic of it, of any cadence."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        accredited(tx, "plain@x.org", cadence="monthly")
        accredited(tx, "by-rule@x.org", "ruled")
        accredited(tx, "by-all@x.org", "all")
        accredited(tx, "elsewhere@x.org", "health")
        make_subscription(tx, "not-accredited@x.org")
        for mail, limit in (
            ("ends@x.org", NOW + timedelta(minutes=10)),
            ("lasts@x.org", NOW + timedelta(minutes=11)),
        ):
            contact = make_subscription(tx, mail).contact_id
            accreditations.accredit(tx, contact, "editor", "yes", limit)
        contact = make_subscription(tx, "pending@x.org", consent=None).contact_id
        accreditations.accredit(tx, contact, "editor", "yes")
        accreditations.end(tx, accredited(tx, "revoked@x.org"), "leaked")
        audience.end(tx, make_subscription(tx, "left@x.org").id, "left")
        accreditations.accredit(tx, make_subscription(tx, "left@x.org", "health").contact_id, "editor", "yes")
    release = scheduled(store, rules=UNDO)
    assert NOW + timedelta(minutes=10) == release.advance
    assert all_due("plain", "by-rule", "by-all", "lasts") == get(store, ADVANCE)
    with store.read() as tx:
        d = schema.deliveries.c
        rows = tx.connection.execute(select(schema.deliveries).where(d.subject == ADVANCE)).all()
        assert {(release.id, 1, None, Priority.IMMEDIATE, release.advance)} == {
            (row.release_id, row.version, row.item_id, row.priority, row.due) for row in rows
        }
        assert all(row.subscription_id for row in rows)


@pytest.mark.parametrize(
    ("advance", "due"), [(True, NOW), (False, None), (NINE - TICK, NINE - TICK), (NOW, NOW)]
)
def test_they_get_it_when_it_was_said(
    store: Store, people: dict[str, int], advance: object, due: object
) -> None:
    """mail:EM1: at once, at an instant before the end of the embargo, or not at all."""
    release = scheduled(store, advance=advance)
    assert due == release.advance
    assert (4 if due else 0) == len(get(store, ADVANCE))


def test_an_advance_lies_between_now_and_the_embargo(store: Store, people: dict[str, int]) -> None:
    """delivery:2: none in the past, none when the public has it, none without an embargo."""
    with store.begin() as tx:
        approved(tx)
        approved(tx, "tag:open", embargo=None)
        for uid, instant in ((UID, NOW - TICK), (UID, NINE), ("tag:open", NOW)):
            with pytest.raises(Refused, match=r"advance"):
                press.schedule(tx, uid, NINE, advance=instant)
        assert press.schedule(tx, "tag:open", NINE).advance is None
        # The undo window would last longer than the embargo: they get the release itself.
        assert press.schedule(tx, UID, None, rules=Rules(undo=timedelta(hours=1))).advance is None
    assert {} == get(store, ADVANCE)


def test_what_is_under_embargo_asks_for_tls(store: Store, people: dict[str, int]) -> None:
    """mail:EM7: where mail travels in the open, copies are refused in words, and nothing is planned."""
    with store.begin() as tx:
        approved(tx)
    open_ = Rules(tls_ok=False)
    with pytest.raises(Refused, match=r"mail\.tls.*--no-advance"), store.begin() as tx:
        press.schedule(tx, UID, None, rules=open_)
    assert {} == get(store, ADVANCE)
    with store.begin() as tx:
        assert ReleaseState.SCHEDULED is press.schedule(tx, UID, None, advance=False, rules=open_).state
        for contact in people.values():
            if accreditations.live(tx, contact):
                accreditations.end(tx, contact, "over")
        assert press.schedule(tx, UID, None, advance=True, rules=open_).advance


def test_to_schedule_again_moves_what_waits(store: Store, people: dict[str, int]) -> None:
    """mail:EM1: another instant for the copies, none after all, and then again: a row each, never a second."""
    scheduled(store, advance=NINE - TICK)
    with store.begin() as tx:
        press.schedule(tx, UID, None, advance=False)
    assert {"cancelled"} == set(get(store, ADVANCE).values())
    end_of = NOW + timedelta(minutes=5)
    with store.begin() as tx:
        accredited(tx, "new@x.org")
        press.schedule(tx, UID, None, advance=end_of)
    assert all_due("ann", "ben", "cat", "dan", "new") == get(store, ADVANCE)
    with store.read() as tx:
        d = schema.deliveries.c
        assert {end_of} == set(tx.connection.execute(select(d.due).where(d.subject == ADVANCE)).scalars())


# -- an edit


def test_an_edit_cancels_what_was_not_sent(store: Store, people: dict[str, int]) -> None:
    """security:E4: in the transaction of the edit; what is being sent is told to stop, what was sent stays on record."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    end(store, ADVANCE, SENDING, "ben@x.org")
    with store.begin() as tx:
        changed = press.draft(tx, UID, make_content("Other"), EMBARGO, by="writer")
    assert (ReleaseState.DRAFT, None) == (changed.state, changed.advance)
    assert {"ann": "accepted", "ben": "sending", "cat": "cancelled", "dan": "cancelled"} == get(
        store, ADVANCE
    )
    with store.read() as tx:
        d = schema.deliveries.c
        stop = select(d.stop).where(d.subject == ADVANCE, d.state == SENDING)
        assert ["the release was changed"] == list(tx.connection.execute(stop).scalars())
        assert ["ann@x.org", "ben@x.org"] == [one.address for one in deliveries.had(tx, changed.id)]


def test_new_words_go_to_those_who_had_others(store: Store, people: dict[str, int]) -> None:
    """mail:EM1: when a changed release is scheduled again, as the next version, and not by its approval."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), EMBARGO)
    assert {} == get(store, SECOND)
    with store.begin() as tx:
        assert press.approve(tx, UID, "editor").advance is None
    assert {} == get(store, SECOND)
    with store.begin() as tx:
        assert NOW == press.schedule(tx, UID, None).advance
    assert all_due("ann", "ben", "cat", "dan") == get(store, SECOND)


def test_the_first_words_again_are_no_second_copy(store: Store, people: dict[str, int]) -> None:
    """delivery:1: who has these very words gets no further copy of them, whatever lay between."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), EMBARGO)
        press.draft(tx, UID, make_content(), EMBARGO)
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None)
    assert all_due("ben", "cat", "dan") == get(store, f"advance/{UID}/3")
    assert {} == get(store, SECOND)


# -- its embargo moves


def moved(store: Store, to: object = TEN, **how: object) -> Release:
    with store.begin() as tx:
        return press.reschedule(tx, UID, to, "chief", "the vote is later", **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(("to", "how"), [(TEN, {}), (NINE - timedelta(minutes=30), {"earlier": True})])
def test_a_move_is_told_to_those_who_had_it(
    store: Store, people: dict[str, int], to: object, how: dict[str, bool]
) -> None:
    """mail:EM3: earlier or later: one notice each, before and after; unsent copies are cancelled and say the new end."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    end(store, ADVANCE, DeliveryState.UNKNOWN, "ben@x.org", doubts=1)
    release = moved(store, to, **how)
    assert (ReleaseState.SCHEDULED, "editor", to, 2, 1) == (
        release.state, release.approved_by, release.at, release.version, release.moves,
    )  # fmt: skip
    assert release.embargo
    assert (to, "Europe/London") == (release.embargo.until, release.embargo.zone)
    assert all_due("ann", "ben") == get(store, NOTICE)
    assert {"ann": "accepted", "ben": "unknown", "cat": "cancelled", "dan": "cancelled"} == get(
        store, ADVANCE
    )
    assert all_due("cat", "dan") == get(store, SECOND)
    with store.read() as tx:
        notice = releases.notice(tx, release.id, 1)
        assert (NoticeKind.MOVED, NINE, to, "the vote is later") == (
            notice.kind, notice.before, notice.after, notice.words,
        )  # fmt: skip
        d = schema.deliveries.c
        rows = tx.connection.execute(select(d.priority, d.release_id, d.version).where(d.subject == NOTICE))
        assert {(Priority.CORRECTION, release.id, 1)} == {tuple(row) for row in rows}


def test_a_second_move_replaces_a_notice_nobody_saw(store: Store, people: dict[str, int]) -> None:
    """mail:EM3: they hear of one move, from the end they know to the last one; who heard of the first hears of both."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    moved(store)
    moved(store, TEN + timedelta(hours=1))
    two = f"notice/{UID}/2"
    assert ({"cancelled"}, 4) == (set(get(store, NOTICE).values()), len(get(store, two)))
    end(store, two, ACCEPTED, "ann@x.org")
    release = moved(store, TEN + timedelta(hours=2))
    with store.read() as tx:
        told = [(one.before, one.after) for one in releases.notices(tx, release.id)]
    later = [TEN + timedelta(hours=n) for n in range(3)]
    assert [(NINE, later[0]), (NINE, later[1]), (later[1], later[2])] == told
    assert all_due("ann", "ben", "cat", "dan") == get(store, f"notice/{UID}/3")


def test_an_end_moved_by_an_edit_is_told_at_once(store: Store, people: dict[str, int]) -> None:
    """mail:EM3: who goes by an end that a draft moved is to hold back at once, and hears the new one once it is approved."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    later = replace(EMBARGO, until=TEN)
    with store.begin() as tx:
        assert 1 == press.draft(tx, UID, make_content(), later).moves
    assert [("moved", NINE, None)] == notices(store)
    assert all_due("ann") == get(store, NOTICE)
    with store.begin() as tx:
        press.approve(tx, UID, "editor")
    assert [("moved", NINE, None), ("moved", NINE, TEN)] == notices(store)
    assert {"ann": "cancelled"} == get(store, NOTICE)
    assert all_due("ann") == get(store, f"notice/{UID}/2")
    assert {} == get(store, SECOND)


def test_an_end_that_is_back_before_they_heard_is_no_news(store: Store, people: dict[str, int]) -> None:
    """mail:EM3: an embargo that was dropped and brought back in time is told to nobody."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), None)
        press.draft(tx, UID, make_content("Another"), EMBARGO)
    assert {"ann": "cancelled"} == get(store, NOTICE)
    with store.begin() as tx:
        press.approve(tx, UID, "editor")
    assert [("moved", NINE, None)] == notices(store)


def test_a_missed_release_is_not_told_twice(store: Store, people: dict[str, int], clock: FakeClock) -> None:
    """mail:EM3: who was told to hold back what they have hears no more of it when the draft's own end goes by."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), replace(EMBARGO, until=TEN))
    end(store, NOTICE, ACCEPTED)
    clock.now = TEN
    assert 1 == press.release_due(store).missed
    assert [("moved", NINE, None)] == notices(store)


def test_who_left_is_told_all_the_same(store: Store, people: dict[str, int]) -> None:
    """mail:EM3: whoever holds words under embargo hears of its end, under no subscription if none is left."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    with store.begin() as tx:
        audience.end(tx, audience.subscriptions(tx, people["ann"])[0].id, "left")
        accreditations.end(tx, people["ben"], "leaked")
    moved(store)
    assert all_due("ann", "ben", "cat", "dan") == get(store, NOTICE)
    with store.read() as tx:
        d = schema.deliveries.c
        under = select(d.contact_id).where(d.subject == NOTICE, d.subscription_id.is_(None))
        assert [people["ann"]] == list(tx.connection.execute(under).scalars())


def test_a_move_to_before_the_embargo_is_said_aloud(store: Store) -> None:
    """delivery:2: others count on the end of an embargo: it moves to before it only when that is said."""
    make_newsroom(store)
    scheduled(store)
    with pytest.raises(Refused, match="--earlier"):
        moved(store, NINE - TICK)
    for how in ({}, {"earlier": True}):
        with pytest.raises(Refused, match=f"gone by.*release lift {UID}"):
            moved(store, NOW - TICK, **how)
    assert NINE - TICK == moved(store, NINE - TICK, earlier=True).at


def test_what_is_public_is_not_put_off(store: Store, clock: FakeClock) -> None:
    """mail:EM3: no later instant once it is out; the words to use instead are named."""
    make_newsroom(store)
    scheduled(store)
    clock.now = NINE
    press.release_due(store)
    with pytest.raises(Refused, match=r"public since 2026-03-02T10:00:00.*item correct"):
        moved(store)


def test_without_an_embargo_only_its_instant_moves(store: Store) -> None:
    """design:2: no version, nobody to tell."""
    make_newsroom(store)
    with store.begin() as tx:
        approved(tx, embargo=None)
        press.schedule(tx, UID, NINE)
    release = moved(store)
    assert (TEN, 1, 0) == (release.at, release.version, release.moves)


# -- it is cancelled, or lifted early


def test_a_cancellation_reaches_those_who_had_it_first_of_all(store: Store, people: dict[str, int]) -> None:
    """security:E5: what is due is cancelled, who had it is told with the priority of a kill."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    with store.begin() as tx:
        release = press.cancel(tx, UID, "no vote", "chief")
    assert {"ann": "accepted", "ben": "cancelled", "cat": "cancelled", "dan": "cancelled"} == get(
        store, ADVANCE
    )
    assert all_due("ann") == get(store, NOTICE)
    with store.read() as tx:
        d = schema.deliveries.c
        assert Priority.KILL == tx.connection.execute(select(d.priority).where(d.subject == NOTICE)).scalar()
        assert NoticeKind.CANCELLED is releases.notice(tx, release.id, 1).kind
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), EMBARGO)
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None)
    # What was taken back before them counts no more: they get it anew.
    assert all_due("ann", "ben", "cat", "dan") == get(store, SECOND)


def test_within_the_undo_window_nobody_hears_anything(store: Store, people: dict[str, int]) -> None:
    """peers:10: a schedule that is cancelled before its first copy is due leaves no mail at all."""
    scheduled(store, rules=UNDO)
    with store.begin() as tx:
        press.cancel(tx, UID, "by mistake")
    with store.read() as tx:
        assert {ADVANCE} == set(states(tx))
    assert {"cancelled"} == set(get(store, ADVANCE).values())


LIFTS: dict[str, Callable[[Tx], object]] = {
    "lift": lambda tx: press.lift(tx, UID, "chief", "it leaked"),
    "edit": lambda tx: (
        press.draft(tx, UID, make_content(), None),
        press.approve(tx, UID, "editor"),
        press.publish_now(tx, UID),
    ),
}


@pytest.mark.parametrize("how", LIFTS)
def test_an_early_end_is_told_to_those_who_had_it(store: Store, people: dict[str, int], how: str) -> None:
    """mail:EM3: an embargo that ends before the end they know of is over for them, too, by one notice."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    with store.begin() as tx:
        LIFTS[how](tx)
    number = len(notices(store))  # an edit is approved before, which would have told them to wait
    assert all_due("ann") == get(store, f"notice/{UID}/{number}")
    assert (NoticeKind.LIFTED, NINE, NOW) == notices(store)[-1]
    # dan reads a digest: an edit had cancelled his copy, the lift makes it the item.
    assert all_due("ben", "cat", "eve", *(["dan"] if how == "lift" else [])) == get(store, ITEM)


# -- the lift


def test_the_lift_owes_it_to_who_does_not_have_it(
    store: Store, people: dict[str, int], clock: FakeClock
) -> None:
    """mail:EM3: who had these words is not owed them again; an unsent copy becomes the item; others are owed it once."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED, "ann@x.org")
    end(store, ADVANCE, SENDING, "ben@x.org")
    end(store, ADVANCE, DUE, "cat@x.org", doubts=1)
    clock.now = NINE
    press.release_due(store)
    # dan reads a weekly digest, and should have had it by now.
    assert all_due("ben", "cat", "dan", "eve") == get(store, ITEM)
    assert {"ann": "accepted", "ben": "sending", "cat": "cancelled", "dan": "cancelled"} == get(
        store, ADVANCE
    )
    with store.read() as tx:
        dc = schema.delivery_contents.c
        rows = tx.connection.execute(select(dc.recipient, dc.role).order_by(dc.recipient, dc.role)).all()
        names = {f"contact/{key}": name for name, key in people.items()}
        roles = {(names[row.recipient], row.role) for row in rows}
    assert {
        ("ann", "owed"), ("ben", "advance"), ("ben", "owed"), ("cat", "advance"), ("cat", "owed"), ("dan", "owed"), ("eve", "owed"),
    } == roles  # fmt: skip


def test_who_had_other_words_is_owed_the_last(store: Store, people: dict[str, int], clock: FakeClock) -> None:
    """mail:EM4: also a digest reader, for what they hold is not what is public."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), EMBARGO)
        press.approve(tx, UID, "editor")
        press.schedule(tx, UID, None)
    end(store, SECOND, ACCEPTED, "ann@x.org")
    clock.now = NINE
    press.release_due(store)
    assert all_due("ben", "cat", "dan", "eve") == get(store, ITEM)


def test_advance_again_owes_it_to_everybody(store: Store, people: dict[str, int], clock: FakeClock) -> None:
    """mail:EM3: who had the copy gets the release once more only where that is configured."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    clock.now = NINE
    press.release_due(store, Rules(advance_again=True))
    assert all_due("ann", "ben", "cat", "dan", "eve") == get(store, ITEM)


@pytest.mark.parametrize("kill", [False, True])
def test_a_correction_and_a_kill_reach_who_had_a_copy(
    store: Store, people: dict[str, int], clock: FakeClock, *, kill: bool
) -> None:
    """mail:EM5, design:3: from the lift on they count as having the item, by the ledger, digest readers included."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    clock.now = NINE
    press.release_due(store)
    with store.begin() as tx:
        if kill:
            publish.withdraw(tx, UID, "wrong", kill=True)
        else:
            publish.correct(tx, UID, make_content("Right"), "the title")
    told = get(store, f"revision/{UID}/2")
    assert {"ann", "ben", "cat", "dan"} <= set(told)
    assert ("eve" in told) == (
        not kill
    )  # she was not sent the first: she gets the corrected words, and no kill


def notices(store: Store) -> list[tuple[str, object, object]]:
    with store.read() as tx:
        return [(one.kind, one.before, one.after) for one in releases.notices(tx, releases.named(tx, UID).id)]


def test_a_missed_release_is_told_and_told_again(
    store: Store, people: dict[str, int], clock: FakeClock
) -> None:
    """mail:EM3: its end comes and it is not out: who had it is to wait; its new end, and its release, they hear of, too."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Other"), EMBARGO)
        press.approve(tx, UID, "editor")
    clock.now = NINE
    assert 1 == press.release_due(store).missed
    assert {} == get(store, SECOND)
    assert [("moved", NINE, None)] == notices(store)
    end(store, NOTICE, ACCEPTED)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), replace(EMBARGO, until=TEN))
        press.approve(tx, UID, "editor")
    assert [("moved", NINE, None), ("moved", None, TEN)] == notices(store)
    end(store, f"notice/{UID}/2", ACCEPTED)
    with store.begin() as tx:
        press.schedule(tx, UID, None)
    clock.now = TEN
    press.release_due(store)
    assert 2 == len(notices(store))
    assert all_due("eve") == get(store, ITEM)


def test_an_embargo_that_was_dropped_is_over_when_it_is_out(store: Store, people: dict[str, int]) -> None:
    """mail:EM3: told to wait without an end, they hear of its release however late that is."""
    scheduled(store)
    end(store, ADVANCE, ACCEPTED)
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), None)
    assert all_due("ann", "ben", "cat", "dan") == get(store, NOTICE)
    end(store, NOTICE, ACCEPTED)
    with store.begin() as tx:
        press.approve(tx, UID, "editor")
    with store.begin() as tx:
        press.publish_now(tx, UID)
    assert [("moved", NINE, None), ("lifted", None, NOW)] == notices(store)
    assert all_due("ann", "ben", "cat", "dan") == get(store, f"notice/{UID}/2")
