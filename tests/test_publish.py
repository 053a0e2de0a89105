"""The only writer of items: who is owed, who is told, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from syndicator import publish
from syndicator import topics as flow
from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.audience import address
from syndicator.model.delivery import DeliveryState, Outcome, Policy, Result, Try
from syndicator.model.item import Content, Guid, Item, ItemState, Kind, Rule, Significance, Source, Verdict
from syndicator.model.site import Format
from syndicator.model.suppression import Reason
from syndicator.render import entries
from syndicator.store import Store, Tx, archives, audience, deliveries, items, schema, suppressions, topics
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

UID = "tag:news.example,2026:1"
TICK = timedelta(microseconds=1)


def put_out(
    store: Store, content: Content | None = None, uid: str = UID, push: publish.Push = publish.PUSH
) -> Item:
    with store.begin() as tx:
        return publish.publish(tx, uid, content or make_content(), push=push)


def owed(store: Store, state: str | None = "due") -> list[tuple[str, str]]:
    """(subject, recipient) of rows in this state, sorted: the order a plan writes its rows in is nobody's business."""
    with store.read() as tx:
        return sorted((one.subject, one.recipient) for one in deliveries.listing(tx, state=state))


def send(store: Store, *outcomes: Outcome, lane: str = "mail") -> list[str]:
    """Claim, start and settle due mail with these outcomes, one each; who it was."""
    with store.begin() as tx:
        tries = deliveries.start(
            tx, deliveries.claim(tx, lane, "w", len(outcomes), timedelta(hours=1)), timedelta(hours=1)
        )
    with store.begin() as tx:
        results = [(one, Result(outcome=outcome)) for one, outcome in zip(tries, outcomes, strict=True)]
        deliveries.settle_all(tx, results, Policy())
    return [one.address for one in tries]


def subscribe(store: Store, mail: str, topic: str = "policy", **other: str | None) -> int:
    with store.begin() as tx:
        return make_subscription(tx, mail, topic, **other).id  # type: ignore[arg-type]


# -- publish


def test_page_feed_and_mail_duty_appear_together(store: Store) -> None:
    """design:4: item, memberships, stale marks and deliveries are one transaction."""
    make_newsroom(store)
    subscribe(store, "a@x.example")

    def fail() -> None:
        with store.begin() as tx:
            publish.publish(tx, UID, make_content())
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [] == owed(store)
    item = put_out(store)
    with store.begin() as tx:
        assert item == items.named(tx, UID)
        assert ["all", "policy"] == [topic.slug for topic in topics.take_stale(tx, 9)]
    assert [(f"revision/{UID}/1", "a@x.example")] == owed(store)


def test_two_topics_are_one_delivery(store: Store) -> None:
    """delivery:1: an item that two subscriptions match is owed once."""
    make_newsroom(store, "policy", "health")
    for topic in ("policy", "health", "all"):
        subscribe(store, "a@x.example", topic)
    put_out(store, make_content(topics=("policy", "health")))
    assert [(f"revision/{UID}/1", "a@x.example")] == owed(store)


def test_only_live_immediate_subscriptions_are_owed(store: Store) -> None:
    """design:2: pending and ended subscriptions and digests are not owed at once."""
    make_newsroom(store, "policy", "health")
    subscribe(store, "pending@x.example", consent=None)
    subscribe(store, "daily@x.example", cadence="daily")
    subscribe(store, "elsewhere@x.example", "health")
    left = subscribe(store, "left@x.example")
    with store.begin() as tx:
        audience.end(tx, left, "left")
    subscribe(store, "live@x.example")
    put_out(store)
    assert ["live@x.example"] == [recipient for _, recipient in owed(store)]


def test_ruled_topics_are_pushed_too(store: Store) -> None:
    """design:2: somebody subscribed to a rule gets what it matches, and partners what they want."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.add(tx, make_topic("advice", rule=Rule(kinds=(Kind.ADVISORY,))))
        make_partner(tx, "wants", topics=("advice",))
        make_partner(tx, "other", kinds=(Kind.NEWS,))
    subscribe(store, "a@x.example", "advice")
    put_out(store, make_content(kind=Kind.ADVISORY))
    assert ["a@x.example", "wants"] == [recipient for _, recipient in owed(store)]


def test_filing_anew_owes_only_newcomers(store: Store, clock: FakeClock) -> None:
    """design:2: entering another topic while young owes it to that topic's people alone, who had it not."""
    make_newsroom(store, "policy", "health")
    subscribe(store, "both@x.example")
    subscribe(store, "both@x.example", "health")
    subscribe(store, "new@x.example", "health")
    put_out(store)
    assert ["both@x.example"] == send(store, Outcome.ACCEPTED)
    subscribe(store, "late@x.example")  # to a topic the item is in already
    clock.advance(hours=23)
    with store.begin() as tx:
        publish.edit(tx, UID, make_content(topics=("policy", "health")))
    assert [(f"revision/{UID}/2", "new@x.example")] == owed(store)
    with store.begin() as tx:  # out and in again: nobody is owed it twice
        publish.edit(tx, UID, make_content(topics=()))
        publish.edit(tx, UID, make_content(topics=("policy", "health"), summary="x"))
    assert ["new@x.example"] == [recipient for _, recipient in owed(store) if recipient != "late@x.example"]


@pytest.mark.parametrize(
    ("age", "allowed", "expected"),
    [
        (timedelta(hours=24) - TICK, True, 1),
        (timedelta(hours=24) + TICK, True, 0),
        (timedelta(), False, 0),
        (timedelta(days=4000), True, 0),
    ],
)
def test_archives_are_never_mailed(store: Store, age: timedelta, allowed: bool, expected: int) -> None:  # noqa: FBT001
    """design:2: older than push_max_age, or not allowed: no delivery at all, to partners neither."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    with store.begin() as tx:
        make_partner(tx)
        push = publish.Push(allowed=allowed)
        publish.publish(tx, UID, make_content(), published=NOW - age, push=push)
    assert 2 * expected == len(owed(store))


def test_refusals_of_publish(store: Store) -> None:
    """design:6: the future, an unknown or ruled topic and a uid that is taken are refused; nothing is left."""
    make_newsroom(store)
    with store.begin() as tx:
        with pytest.raises(Invalid, match="release draft"):
            publish.publish(tx, UID, make_content(), published=tx.now + TICK)
        with pytest.raises(NotFound, match="topic add nowhere"):
            publish.publish(tx, UID, make_content(topics=("policy", "nowhere")))
        with pytest.raises(Invalid, match="by its rule"):
            publish.publish(tx, UID, make_content(topics=("all",)))
        assert [] == items.listing(tx)
        publish.publish(tx, UID, make_content())
        with pytest.raises(Conflict, match="item edit"):
            publish.publish(tx, UID, make_content())


def test_whom_to_ask_must_exist(store: Store) -> None:
    """design:2: a misspelt spokesperson is refused, naming those there are, before anything is public."""
    make_newsroom(store)
    with store.begin() as tx, pytest.raises(NotFound, match="there is no spokesperson"):
        publish.publish(tx, UID, make_content(spokesperson="nobody"))


def test_submitting_again(store: Store) -> None:
    """design:6: identical content is unchanged, other words under the same uid are a conflict."""
    make_newsroom(store)
    with store.begin() as tx:
        item, verdict = publish.submit(tx, UID, make_content())
        assert Verdict.NEW is verdict
        assert (item, Verdict.UNCHANGED) == publish.submit(tx, UID, make_content())
        with pytest.raises(Conflict, match=f"item edit {UID} FILE"):
            publish.submit(tx, UID, make_content(summary="Other."))
        assert item == items.named(tx, UID)


# -- silent revisions


def test_a_silent_edit_tells_nobody(store: Store, clock: FakeClock) -> None:
    """design:2: silent: feeds and pages only; `updated` and `published` unmoved, nobody is told."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    item = put_out(store)
    send(store, Outcome.ACCEPTED)
    clock.advance(hours=1)
    with store.begin() as tx:
        edited = publish.edit(tx, UID, make_content(summary="Typo gone."))
        assert edited == items.named(tx, UID)
        assert ["first", "silent"] == [one.significance for one in items.history(tx, item.id)]
    assert (2, item.updated, item.published, item.slug) == (
        edited.revision, edited.updated, edited.published, edited.slug,
    )  # fmt: skip
    assert [] == owed(store)


def test_the_same_words_again_change_nothing(store: Store) -> None:
    """delivery:4: an edit without a changed word is no revision and makes nothing stale."""
    make_newsroom(store)
    item = put_out(store)
    with store.begin() as tx:
        for topic in topics.listing(tx):
            topics.set_all_fresh(tx, {topic.id: None}, "")
        assert item == publish.edit(tx, UID, make_content())
        assert topics.next_stale(tx) is None


def test_unsent_deliveries_carry_the_newer_revision(store: Store) -> None:
    """delivery:1: what is not yet on the wire goes out in its newest words, once, and is on record so."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    with store.begin() as tx:
        make_partner(tx)
    put_out(store)
    with store.begin() as tx:
        publish.edit(tx, UID, make_content(summary="Typo gone."))
    assert [(f"revision/{UID}/2", "a@x.example"), (f"revision/{UID}/2", "agency")] == owed(store)
    assert 2 == len(owed(store, "cancelled"))
    assert ["a@x.example"] == send(store, Outcome.ACCEPTED)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(summary="Really."), "The figure")
    assert [(f"revision/{UID}/3", "a@x.example"), (f"revision/{UID}/3", "agency")] == owed(store)


def test_a_silent_edit_does_not_lose_a_repeat(store: Store, clock: FakeClock) -> None:
    """delivery:1: somebody in doubt, who may not have it, still gets the repeat after a typo was mended."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    put_out(store)
    send(store, Outcome.UNKNOWN)
    with store.begin() as tx:
        publish.edit(tx, UID, make_content(summary="Typo gone."))
    clock.advance(minutes=10)
    assert ["a@x.example"] == send(store, Outcome.ACCEPTED)


# -- corrections and kills


def test_a_correction_needs_words_and_a_note(store: Store) -> None:
    """design:6: a correction says what changed, and changes something."""
    make_newsroom(store)
    put_out(store)
    with store.begin() as tx:
        with pytest.raises(Invalid, match="--note"):
            publish.correct(tx, UID, make_content(summary="New."), "  ")
        with pytest.raises(Refused, match="nothing was changed"):
            publish.correct(tx, UID, make_content(), "The figure")
        with pytest.raises(Invalid, match="--reason"):
            publish.withdraw(tx, UID, " ")


def test_a_correction_moves_updated_and_shows_its_note(store: Store, clock: FakeClock) -> None:
    """feeds:P10: `updated` is the moment of the correction; `published` stays."""
    make_newsroom(store)
    item = put_out(store)
    clock.advance(hours=1)
    with store.begin() as tx:
        corrected = publish.correct(tx, UID, make_content(summary="New."), "The figure")
        assert corrected == items.named(tx, UID)
    assert (clock.now, item.published, "The figure") == (
        corrected.updated,
        corrected.published,
        corrected.note,
    )


def test_what_was_on_the_wire_does_not_go_out_after_a_kill(store: Store, clock: FakeClock) -> None:
    """mail:EM5: deferred or in doubt after the kill, the original is not tried again; the kill goes out."""
    make_newsroom(store)
    for name in ("deferred", "doubted"):
        subscribe(store, f"{name}@x.example")
    put_out(store)
    tries = on_the_wire(store)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Legal", kill=True)
    with store.begin() as tx:
        outcomes = (Outcome.DEFERRED, Outcome.UNKNOWN)
        results = [(one, Result(outcome=outcome)) for one, outcome in zip(tries, outcomes, strict=True)]
        deliveries.settle_all(tx, results, Policy())
    clock.advance(hours=1)
    assert {f"revision/{UID}/2"} == {one.subject for one in on_the_wire(store)}
    assert [(f"revision/{UID}/1", "deferred@x.example")] == owed(store, "cancelled")
    assert [(f"revision/{UID}/1", "doubted@x.example")] == owed(store, "unknown")


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.UNKNOWN])
def test_old_words_do_not_follow_their_correction(store: Store, clock: FakeClock, outcome: Outcome) -> None:
    """mail:EM4: whoever was told of the correction does not get the uncorrected words afterwards."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    put_out(store)
    tries = on_the_wire(store)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(summary="New."), "The figure")
    with store.begin() as tx:
        deliveries.settle_all(tx, [(one, Result(outcome=outcome)) for one in tries], Policy())
    clock.advance(hours=1)
    assert [f"revision/{UID}/2"] == [one.subject for one in on_the_wire(store)]


def on_the_wire(store: Store) -> list[Try]:
    with store.begin() as tx:
        hour = timedelta(hours=1)
        return deliveries.start(tx, deliveries.claim(tx, "mail", "w", 99, hour), hour)


def test_a_correction_goes_under_any_live_subscription(store: Store, clock: FakeClock) -> None:
    """delivery:3: who left the topic but keeps another subscription is told, and it does go out."""
    make_newsroom(store, "policy", "health")
    left = subscribe(store, "a@x.example")
    kept = subscribe(store, "a@x.example", "health", cadence="weekly")
    put_out(store)
    send(store, Outcome.ACCEPTED)
    with store.begin() as tx:
        audience.end(tx, left, "left")
        publish.correct(tx, UID, make_content(summary="New."), "The figure")
    assert [kept] == [one.subscription_id for one in on_the_wire(store)]


def test_a_withdrawal_is_told_to_machines_alone(store: Store) -> None:
    """design:2: a plain withdrawal stops what is unsent and tells partners, who keep copies."""
    make_newsroom(store)
    subscribe(store, "had@x.example")
    with store.begin() as tx:
        make_partner(tx)
    put_out(store)
    send(store, Outcome.ACCEPTED)
    send(store, Outcome.ACCEPTED, lane="partner/agency")
    subscribe(store, "waits@x.example")
    with store.begin() as tx:
        gone = publish.withdraw(tx, UID, "A mistake")
    assert (ItemState.WITHDRAWN, "A mistake") == (gone.state, gone.note)
    assert [(f"revision/{UID}/2", "agency")] == owed(store)


def test_what_is_gone_keeps_no_words(store: Store) -> None:
    """mail:EM5: withdrawn or killed, the words are out of the item; the headline and the notice stay."""
    make_newsroom(store)
    for uid, kill in (("tag:w", False), ("tag:k", True)):
        put_out(store, uid=uid)
        with store.begin() as tx:
            gone = publish.withdraw(tx, uid, "Why", kill=kill)
            assert gone == items.named(tx, uid)
            assert [uid] == [one.uid for one in topics.withdrawn(tx, topics.named(tx, "policy").id, None, 1)]
        assert ("A statement", "", "", None) == (
            gone.content.title, gone.content.summary, gone.content.body, gone.content.text,
        )  # fmt: skip


@pytest.mark.parametrize("kill", [False, True])
def test_what_is_gone_cannot_be_changed(store: Store, kill: bool) -> None:  # noqa: FBT001
    """design:2: no edit, correction, withdrawal or publication follows a withdrawal."""
    make_newsroom(store)
    put_out(store)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Why", kill=kill)
        changes: list[Callable[[], object]] = [
            lambda: publish.edit(tx, UID, make_content(summary="x")),
            lambda: publish.correct(tx, UID, make_content(summary="x"), "x"),
            lambda: publish.withdraw(tx, UID, "x", kill=kill),
            lambda: publish.publish(tx, UID, make_content()),
            lambda: publish.submit(tx, UID, make_content(summary="x")),
        ]
        for change in changes:
            with pytest.raises(Refused):
                change()
        assert 2 == items.named(tx, UID).revision


def test_what_was_withdrawn_can_still_be_killed(store: Store) -> None:
    """design:2: a kill after a plain withdrawal tells whoever had the item, once."""
    make_newsroom(store)
    subscribe(store, "jane@example.org")
    put_out(store)
    send(store, Outcome.ACCEPTED)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Why")
        killed = publish.withdraw(tx, UID, "Worse", kill=True)
        told = [row.recipient for row in deliveries.listing(tx, subject=f"revision/{UID}/3")]
    assert ("killed", 3, ["jane@example.org"]) == (killed.state, killed.revision, told)


def test_what_is_not_there_cannot_be_changed(store: Store) -> None:
    """design:6: an unknown uid is not found, whatever is asked."""
    make_newsroom(store)
    with store.begin() as tx:
        changes: list[Callable[[], object]] = [
            lambda: publish.edit(tx, UID, make_content()),
            lambda: publish.correct(tx, UID, make_content(), "x"),
            lambda: publish.withdraw(tx, UID, "x"),
        ]
        for change in changes:
            with pytest.raises(NotFound):
                change()


# -- promise 3, against an oracle in plain Python


@dataclass(frozen=True)
class Reader:
    """A contact as a test makes it: what became of the original, and what it is subscribed to."""

    fate: str  # never-owed, due, leased, sending, accepted, refused, unknown, doubted, deferred
    keeps: bool  # the subscription it had the item by
    another: bool  # a live subscription to something else
    suppressed: bool


FATES = "never-owed due leased sending accepted refused unknown doubted deferred".split()
readers = st.builds(
    Reader, fate=st.sampled_from(FATES), keeps=st.booleans(), another=st.booleans(), suppressed=st.booleans()
)
numbers = count()


def expected_subjects(uid: str, reader: Reader, event: str) -> list[str]:
    """What DESIGN promise 3 says this reader gets from now on."""
    may_have = reader.fate in {"sending", "accepted", "unknown", "doubted"}
    waits = reader.fate in {"due", "leased", "deferred"}
    if reader.suppressed:
        return []
    if event == "kill":
        return [f"revision/{uid}/2"] if may_have else []
    if waits:  # entitled, and has it not: the newer words in its place, while still subscribed to the topic
        return [f"revision/{uid}/2"] if reader.keeps else []
    return [f"revision/{uid}/2"] if may_have and (reader.keeps or reader.another) else []


@settings(
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(people=st.lists(readers, min_size=1, max_size=6), event=st.sampled_from(["correct", "kill"]))
def test_promise_three(store: Store, clock: FakeClock, people: list[Reader], event: str) -> None:
    """delivery:3: contacts of every state get exactly what the promise says, by correction and by kill."""
    number = next(numbers)
    uid, here, there = f"tag:x,{number}", f"here-{number}", f"there-{number}"
    with store.begin() as tx:
        if topics.find(tx, "all") is None:
            topics.add(tx, make_topic("all", rule=Rule()))
        topics.add(tx, make_topic(here))
        topics.add(tx, make_topic(there))
        mails = [f"{number}-{n}@x.example" for n in range(len(people))]
        held = _subscribed(tx, mails, people, here, there)
        publish.publish(tx, uid, make_content(topics=(here,)))
    _meet_fates(store, uid, dict(zip(mails, people, strict=True)))
    with store.begin() as tx:
        for mail, reader in zip(mails, people, strict=True):
            if not reader.keeps and mail in held:
                audience.end(tx, held[mail], "left")
            if reader.suppressed:
                suppressions.suppress(tx, address(mail), Reason.COMPLAINT)
    with store.begin() as tx:
        words = make_content(topics=(here,), summary="New.")
        _ = (
            publish.withdraw(tx, uid, "Legal", kill=True)
            if event == "kill"
            else publish.correct(tx, uid, words, "The figure")
        )
    clock.advance(hours=2)
    got: dict[str, list[str]] = {mail: [] for mail in mails}
    for attempt in on_the_wire(store):
        got[attempt.address].append(attempt.subject)
    expected = {
        mail: expected_subjects(uid, reader, event) for mail, reader in zip(mails, people, strict=True)
    }
    assert expected == got


def _subscribed(tx: Tx, mails: list[str], people: list[Reader], here: str, there: str) -> dict[str, int]:
    held = {}
    for mail, reader in zip(mails, people, strict=True):
        if reader.fate != "never-owed":
            held[mail] = make_subscription(tx, mail, here).id
        if reader.another:
            make_subscription(tx, mail, there)
    return held


OUTCOMES = {
    "accepted": Outcome.ACCEPTED,
    "refused": Outcome.REFUSED,
    "unknown": Outcome.UNKNOWN,
    "doubted": Outcome.UNKNOWN,
    "deferred": Outcome.DEFERRED,
}


def _meet_fates(store: Store, uid: str, people: dict[str, Reader]) -> None:
    hour = timedelta(days=1)
    with store.begin() as tx:
        tries = {one.address: one for one in deliveries.claim(tx, "mail", "w", 99, hour)}
        assert {f"revision/{uid}/1"} >= {one.subject for one in tries.values()}

        def with_fate(fates: Collection[str]) -> list[Try]:
            return [one for mail, one in tries.items() if people[mail].fate in fates]

        deliveries.give_back(tx, with_fate({"due"}))
        started = deliveries.start(tx, with_fate({*OUTCOMES, "sending"}), hour)
        hold = [one for one in started if people[one.address].fate == "unknown"]
        rest = [one for one in started if people[one.address].fate in OUTCOMES and one not in hold]
        deliveries.settle_all(
            tx,
            [(one, Result(outcome=Outcome.UNKNOWN)) for one in (replace(o, doubts=1) for o in hold)],
            Policy(),
        )
        deliveries.settle_all(
            tx, [(one, Result(outcome=OUTCOMES[people[one.address].fate])) for one in rest], Policy()
        )


def test_a_correction_of_what_was_never_sent_is_a_first_release(store: Store) -> None:
    """mail:EM4: who waits gets the corrected words as the item itself, not as a correction."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    put_out(store)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(summary="New."), "The figure")
    (attempt,) = on_the_wire(store)
    assert ("owed", f"revision/{UID}/2") == (attempt.role, attempt.subject)


def test_a_kill_goes_first(store: Store) -> None:
    """mail:EM5: a kill is claimed before whatever else waits."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    put_out(store)
    send(store, Outcome.ACCEPTED)
    put_out(store, uid="tag:other")
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Legal", kill=True)
    assert [f"revision/{UID}/2", "revision/tag:other/1"] == [one.subject for one in on_the_wire(store)]


def test_leaving_after_a_kill_does_not_stop_it(store: Store) -> None:
    """mail:EM5, mail:LM7: one click ends all that is not on the wire but for the kill of what they had."""
    make_newsroom(store)
    subscription = subscribe(store, "a@x.example")
    put_out(store)
    send(store, Outcome.ACCEPTED)
    put_out(store, uid="tag:other")
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Legal", kill=True)
        audience.end(tx, subscription, "left")
        assert 1 == deliveries.cancel_for_subscription(tx, subscription, "left")
    assert [f"revision/{UID}/2"] == [one.subject for one in on_the_wire(store)]


def test_significance_is_on_record(store: Store) -> None:
    """design:2: history says what each revision was."""
    make_newsroom(store)
    item = put_out(store)
    with store.begin() as tx:
        publish.edit(tx, UID, make_content(summary="1"))
        publish.correct(tx, UID, make_content(summary="2"), "Two")
        publish.withdraw(tx, UID, "Why")
        found = [one.significance for one in items.history(tx, item.id)]
    assert [
        Significance.FIRST,
        Significance.SILENT,
        Significance.CORRECTION,
        Significance.WITHDRAWAL,
    ] == found


def test_a_state_of_the_ledger_is_never_made_up(store: Store) -> None:
    """design:2: planning makes due rows and nothing else."""
    make_newsroom(store)
    subscribe(store, "a@x.example")
    put_out(store)
    with store.read() as tx:
        (row,) = deliveries.listing(tx)
    assert (DeliveryState.DUE, 0, None, NOW) == (row.state, row.attempts, row.last_outcome, row.due)


# -- identity and time

WORDS = st.text("abcdefghij äß<&>'\"", min_size=1, max_size=30).filter(str.strip)
REVISED = st.builds(
    make_content,
    WORDS,
    summary=WORDS,
    body=WORDS.map(lambda text: f"<p>{text.replace('<', '').replace('&', '')}</p>"),
    kind=st.sampled_from(Kind),
    topics=st.sampled_from([(), ("policy",), ("health", "policy")]),
    language=st.sampled_from([None, "de"]),
    url=st.sampled_from([None, "http://elsewhere.example/a", "https://elsewhere.example/b?c=d"]),
)


def identity(store: Store, base_url: str) -> tuple[str, ...]:
    """What the three formats call the item, as bytes of their entries."""
    with store.read() as tx:
        view = entries.entry(items.named(tx, UID), make_site(base_url=base_url), topics.titles(tx), None)
    atom, rss, json = (entries.fragment(view, format).decode() for format in Format)
    found = [
        re.findall(r"<id>.*?</id>", atom),
        re.findall(r"<guid.*?</guid>", rss),
        re.findall(r'"id": ?".*?"', json),
    ]
    return tuple(one for (one,) in found)


@given(revised=st.lists(REVISED, min_size=1, max_size=3))
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_edit_changes_what_readers_know_an_item_by(store: Store, revised: list[Content]) -> None:
    """feeds:P8, P10: whatever is edited, renamed or moved to another host: the same ids, the same `published`."""
    with store.begin() as tx:
        if topics.find(tx, "policy") is None:
            for slug in ("policy", "health"):
                topics.add(tx, make_topic(slug))
            topics.add(tx, make_topic("all", rule=Rule()))
            publish.publish(tx, UID, make_content())
        first = items.named(tx, UID)
    known = identity(store, "http://news.example")
    with store.begin() as tx:
        for content in revised:
            edited = publish.edit(tx, UID, content)
            assert (first.published, first.updated, first.slug) == (
                edited.published,
                edited.updated,
                edited.slug,
            )
        flow.rename(tx, "policy", "affairs", "Affairs")
    assert known == identity(store, "https://www.another.example")
    with store.begin() as tx:
        flow.rename(tx, "affairs", "policy")
    assert f"<id>{UID}</id>" == known[0]


def test_an_imported_guid_stays_byte_for_byte(store: Store) -> None:
    """feeds:P9: an imported item keeps its RSS guid and whether that is its address, through any edit."""
    make_newsroom(store)
    for number, permalink in enumerate((True, False)):
        guid = Guid(value=f"http://old.example/?p={number}&x=Ä", permalink=permalink)
        uid = f"{UID}{number}"
        put_out(store, make_content(guid=guid), uid)
        with store.begin() as tx:
            publish.edit(tx, uid, make_content("Another title"))  # as a file says it, which knows of no guid
            publish.correct(
                tx, uid, make_content("A third", guid=Guid(value="x", permalink=False)), "a title"
            )
            view = entries.entry(items.named(tx, uid), make_site(), topics.titles(tx), None)
        flag = "true" if permalink else "false"
        said = f'<guid isPermaLink="{flag}">http://old.example/?p={number}&amp;x=Ä</guid>'
        assert said in entries.fragment(view, Format.RSS).decode()


def test_an_edit_keeps_the_credit(store: Store) -> None:
    """feeds:P21: what came from elsewhere stays credited, though the editor's file does not say so."""
    make_newsroom(store)
    source = Source(id="tag:p", title="Partner", updated=NOW, feed_url="https://partner.example/feed")
    put_out(store, make_content(source=source))
    with store.begin() as tx:
        assert source == publish.edit(tx, UID, make_content("Another title")).content.source
        again = publish.edit(tx, UID, make_content("Another title"))
    assert 2 == again.revision


def test_only_a_correction_moves_updated(store: Store, clock: FakeClock) -> None:
    """feeds:P10: `updated` moves by a correction and by nothing else; `published` never."""
    make_newsroom(store)
    item = put_out(store)
    clock.advance(hours=1)
    with store.begin() as tx:
        silent = publish.edit(tx, UID, make_content(summary="Typo gone."))
        corrected = publish.correct(tx, UID, make_content(summary="Right."), "a figure")
        again = publish.edit(tx, UID, make_content(summary="Right!"))
    assert [NOW, NOW, clock.now, clock.now] == [one.updated for one in (item, silent, corrected, again)]
    assert {NOW} == {one.published for one in (item, silent, corrected, again)}


def test_new_words_go_on_a_later_page(store: Store) -> None:
    """feeds:P26: an edit or correction opens the item's place again; its closed page stands."""
    make_newsroom(store)
    item = put_out(store)
    with store.begin() as tx:
        policy = topics.named(tx, "policy").id
        for number, change in enumerate((Significance.SILENT, Significance.CORRECTION)):
            archives.close(tx, policy, number + 1, [item.id], [])
            assert number + 1 == page_of(tx, policy)
            content = make_content(summary=str(number))
            if change is Significance.SILENT:
                publish.edit(tx, UID, content)
            else:
                publish.correct(tx, UID, content, "a word")
            assert page_of(tx, policy) is None
            assert [None] == [one.gone for one in archives.contents(tx, policy, number + 1)]


def page_of(tx: Tx, topic_id: int) -> int | None:
    m = schema.memberships.c
    page: int | None = tx.connection.execute(select(m.page).where(m.topic_id == topic_id)).scalar_one()
    return page


def test_a_withdrawal_reaches_every_closed_page(store: Store) -> None:
    """feeds:P23: also the pages of a topic the item has left since: they are stale, and lose it."""
    make_newsroom(store, "policy", "health")
    item = put_out(store)
    with store.begin() as tx:
        left = topics.named(tx, "policy").id
        archives.close(tx, left, 1, [item.id], [])
        publish.edit(tx, UID, make_content(topics=("health",)))
        for topic in topics.listing(tx):
            topics.set_all_fresh(tx, {topic.id: None}, "")
        publish.withdraw(tx, UID, "A mistake")
        assert [1] == archives.doomed_pages(tx, left)
        assert {"all", "health", "policy"} == {topic.slug for topic in topics.take_stale(tx, 9)}
