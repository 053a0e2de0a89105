"""What follows from a result, and how long to wait."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.model.delivery import (
    MAY_HAVE,
    OPEN,
    PING_LIFE,
    Cause,
    Channel,
    DeliveryState,
    OnUnknown,
    Outcome,
    Policy,
    Priority,
    Result,
    Role,
    Settlement,
    Try,
    blames_destination,
    doubt_policy,
    settle,
    spared,
    wait,
)
from tests.make import NOW, make_try

WEBHOOK_SECONDS = [5, 300, 1800, 7200, 18000, 36000, 36000]
MAIL_MINUTES = [5, 15, 30, 60, 120] + [240] * 11


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (Channel.WEBHOOK, [timedelta(seconds=n) for n in WEBHOOK_SECONDS]),
        (Channel.MAIL, [timedelta(minutes=n) for n in MAIL_MINUTES]),
    ],
)
def test_the_back_off_schedule(channel: Channel, expected: list[timedelta]) -> None:
    """delivery:1.4.7: Svix's schedule for webhooks, SE8's for mail, ±20 %, then no more."""
    for key in ("a", "b", "revision/tag:x/1/contact/9"):
        for tries, span in enumerate(expected, 1):
            pause = wait(channel, tries, key)
            assert pause is not None
            assert 0.8 * span <= pause <= 1.2 * span
        assert wait(channel, len(expected) + 1, key) is None


def test_the_spread_is_of_the_key_and_no_dice() -> None:
    """code-models:9: the same key waits the same in every process; a thousand keys spread over the range."""
    spans = [wait(Channel.MAIL, 2, f"key/{n}") for n in range(1000)]
    assert spans == [wait(Channel.MAIL, 2, f"key/{n}") for n in range(1000)]
    minutes = sorted(span.total_seconds() / 60 for span in spans if span)
    assert minutes[100] < 13
    assert minutes[900] > 17


def test_the_first_pause_is_what_greylisting_wants() -> None:
    """mail:SE8: five to six minutes, never less: a greylist that asks for 300 seconds is asked once."""
    spans = [wait(Channel.MAIL, 1, f"key/{n}", cause=Cause.GREYLISTED) for n in range(300)]
    minutes = sorted(span.total_seconds() / 60 for span in spans if span)
    assert minutes[0] >= 5
    assert minutes[-1] <= 6
    assert minutes[-1] - minutes[0] > 0.8


@pytest.mark.parametrize("cause", [None, Cause.GREYLISTED, Cause.THROTTLED, Cause.FULL, Cause.POLICY])
@pytest.mark.parametrize(
    ("subject", "hours"),
    [
        ("revision/tag:x/1", 48),
        ("advance/tag:x/1", 48),
        ("confirmation/7", 24),
        ("digest/x", 24),
        ("alarm/1", 24),
    ],
)
def test_when_mail_is_given_up(subject: str, hours: int, cause: Cause | None) -> None:
    """mail:SE8: news is tried for two days, what is of no use the day after for one; then it has expired."""
    clock, tries = NOW, 0
    while True:
        tries += 1
        result = Result(outcome=Outcome.DEFERRED, code=450, cause=cause or Cause.BUSY)
        found = settle(make_try(subject=subject, attempt=tries), result, Policy(), clock)
        if found.due is None:
            break
        clock = found.due
    assert found.state is DeliveryState.EXPIRED
    assert timedelta(hours=hours * 0.75) < clock - NOW < timedelta(hours=hours * 1.15)


def test_a_full_mailbox_is_asked_seldom() -> None:
    """mail:SE8: a mailbox is not emptied in minutes, and who turned us away for spam is not pestered."""
    for cause in (Cause.FULL, Cause.POLICY, Cause.NO_MAIL):
        first = wait(Channel.MAIL, 1, "x", cause=cause)
        assert first is not None
        assert first >= timedelta(minutes=48)


# -- the relay's own trouble


@pytest.mark.parametrize(
    ("result", "blamed"),
    [
        (Result(outcome=Outcome.DEFERRED, cause=Cause.RELAY), True),
        (Result(outcome=Outcome.DEFERRED, code=550, cause=Cause.RELAY), True),
        (Result(outcome=Outcome.DEFERRED, code=530, cause=Cause.AUTH), True),
        (Result(outcome=Outcome.DEFERRED, code=421, cause=Cause.THROTTLED), True),
        (Result(outcome=Outcome.DEFERRED, code=450, cause=Cause.GREYLISTED), False),
        (Result(outcome=Outcome.DEFERRED, code=452, cause=Cause.FULL), False),
        (Result(outcome=Outcome.REFUSED, code=550, cause=Cause.DEAD_ADDRESS), False),
        (Result(outcome=Outcome.UNKNOWN), True),
    ],
)
def test_whom_mail_blames(result: Result, *, blamed: bool) -> None:
    """mail:SE7: a lost connection, 421, 530 and all that is said before RCPT speak of the relay, the rest of the letter."""
    assert blamed == blames_destination(Channel.MAIL, result)


def test_what_meets_the_relays_trouble_does_not_count() -> None:
    """mail:SE7: spared while nothing gets through; with others accepted only 421 is, and not for ever."""
    lost = Result(outcome=Outcome.DEFERRED, cause=Cause.RELAY)
    closing = Result(outcome=Outcome.DEFERRED, code=421, cause=Cause.RELAY)
    assert spared(make_try(), lost, well=False)
    assert not spared(make_try(), lost, well=True)
    assert spared(make_try(lease_no=900), closing, well=True)
    assert not spared(make_try(lease_no=1200), closing, well=True)
    assert not spared(make_try(), Result(outcome=Outcome.UNKNOWN), well=False)  # a doubt is a doubt
    assert not spared(make_try(channel=Channel.WEBHOOK), lost, well=False)
    again = settle(make_try(attempt=16), replace(lost, spared=True), Policy(), NOW)
    assert (DeliveryState.DUE, NOW + timedelta(seconds=1), False) == (again.state, again.due, again.counted)


@settings(deadline=None)
@given(st.text(), st.sampled_from(Channel))
def test_waits_grow(key: str, channel: Channel) -> None:
    """mail:SE8: no wait but the capped last ones is shorter than the one before."""
    waits = [span for tries in range(1, 20) if (span := wait(channel, tries, key))]
    growing = waits[:6]
    assert all(early < late for early, late in pairwise(growing))


# -- settlements


def deferred(attempt: int, after: timedelta | None = None, channel: Channel = Channel.WEBHOOK) -> Settlement:
    result = Result(outcome=Outcome.DEFERRED, after=after)
    return settle(make_try(attempt=attempt, channel=channel), result, Policy(), NOW)


def test_accepted_and_refused_are_over() -> None:
    """design:2: accepted and refused have no due time, whatever the policy."""
    for outcome, state in (
        (Outcome.ACCEPTED, DeliveryState.ACCEPTED),
        (Outcome.REFUSED, DeliveryState.REFUSED),
    ):
        for wish in (None, *OnUnknown):
            result = Result(outcome=outcome, after=timedelta(hours=1))
            assert Settlement(state=state) == settle(make_try(on_unknown=wish), result, Policy(), NOW)


def test_a_deferral_is_due_again_by_the_schedule() -> None:
    """delivery:1.4.7: the n-th deferral waits the n-th span; the one behind the last is refused."""
    for tries in range(1, 8):
        pause = wait(Channel.WEBHOOK, tries, "revision/tag:x/1/contact/1")
        assert pause is not None
        assert Settlement(state=DeliveryState.DUE, due=NOW + pause) == deferred(tries)
    assert Settlement(state=DeliveryState.REFUSED) == deferred(8)


def test_the_longer_of_asked_and_planned_wins() -> None:
    """delivery:1.4.7: Retry-After is honoured, up to 24 hours, and never makes a wait shorter."""
    own = deferred(1).due
    assert own == deferred(1, timedelta(seconds=1)).due == deferred(1, timedelta()).due
    assert NOW + timedelta(hours=2) == deferred(1, timedelta(hours=2)).due
    assert NOW + timedelta(hours=24) == deferred(1, timedelta(days=400)).due


def doubt(**other: object) -> Settlement:
    policy = other.pop("policy", Policy())
    assert isinstance(policy, Policy)
    return settle(make_try(**other), Result(outcome=Outcome.UNKNOWN), policy, NOW)


AGAIN = Settlement(state=DeliveryState.DUE, due=NOW + timedelta(minutes=10))
HELD = Settlement(state=DeliveryState.UNKNOWN)


def test_a_doubt_is_repeated_once() -> None:
    """design:5.1: under *repeat* the first doubt is due in ten minutes, the second stays unknown."""
    assert AGAIN == doubt()
    assert HELD == doubt(doubts=1)
    assert HELD == doubt(doubts=2)


def test_a_doubt_on_hold_waits_for_a_person() -> None:
    """design:5.1: *hold* leaves the first doubt unknown, with no due time."""
    assert HELD == doubt(policy=Policy(on_unknown=OnUnknown.HOLD))
    assert HELD == doubt(on_unknown=OnUnknown.HOLD)


@pytest.mark.parametrize(
    ("subject", "channel", "wish", "house", "expected"),
    [
        ("revision/x/1", Channel.MAIL, None, None, OnUnknown.REPEAT),
        ("confirmation/1", Channel.MAIL, None, None, OnUnknown.REPEAT),
        ("digest/daily/1", Channel.MAIL, None, None, OnUnknown.HOLD),
        ("newsletter/7", Channel.MAIL, None, None, OnUnknown.HOLD),
        ("revision/x/1", Channel.WEBHOOK, None, None, OnUnknown.REPEAT),
        ("revision/x/1", Channel.WEBHOOK, OnUnknown.HOLD, None, OnUnknown.HOLD),
        ("revision/x/1", Channel.WEBHOOK, OnUnknown.REPEAT, OnUnknown.HOLD, OnUnknown.REPEAT),
        ("revision/x/1", Channel.MAIL, None, OnUnknown.HOLD, OnUnknown.HOLD),
        ("digest/daily/1", Channel.MAIL, None, OnUnknown.REPEAT, OnUnknown.REPEAT),
    ],
)
def test_what_a_doubt_leads_to(
    subject: str, channel: Channel, wish: OnUnknown | None, house: OnUnknown | None, expected: OnUnknown
) -> None:
    """design:5.1: the partner's wish, else the house's, else by subject: digests and newsletters are held."""
    attempt = make_try(subject=subject, channel=channel, on_unknown=wish)
    assert expected is doubt_policy(attempt, Policy(on_unknown=house))


@settings(deadline=None)
@given(
    st.builds(
        Result,
        outcome=st.sampled_from(Outcome),
        after=st.none() | st.timedeltas(timedelta(), timedelta(days=4000)),
    ),
    st.integers(1, 30),
    st.integers(0, 3),
    st.sampled_from(Channel),
    st.none() | st.sampled_from(OnUnknown),
)
def test_only_what_is_due_has_a_due_time(
    result: Result, attempt: int, doubts: int, channel: Channel, wish: OnUnknown | None
) -> None:
    """design:2: due rows have an instant ahead of now, no other state has one; a held doubt never has."""
    verdict = settle(
        make_try(attempt=attempt, doubts=doubts, channel=channel, on_unknown=wish), result, Policy(), NOW
    )
    assert (verdict.state is DeliveryState.DUE) == (verdict.due is not None)
    assert verdict.due is None or verdict.due > NOW


# -- words


def test_priorities() -> None:
    """design:2: kill > confirmation > correction > immediate > ping > digest > newsletter."""
    assert "KILL CONFIRMATION CORRECTION IMMEDIATE PING DIGEST NEWSLETTER".split() == [
        one.name for one in sorted(Priority)
    ]


def test_roles_follow_the_priority() -> None:
    """delivery:3: corrections and kills are told, all else is owed."""

    def role(priority: Priority) -> Role:
        attempt: Try = make_try(priority=priority)
        return attempt.role

    assert [Priority.KILL, Priority.CORRECTION] == [one for one in Priority if role(one) is Role.TOLD]


def test_doubt_counts_as_having() -> None:
    """mail:EM4: accepted, unknown and sending may have it; nothing is both open-and-untouched and had."""
    assert {DeliveryState.ACCEPTED, DeliveryState.UNKNOWN, DeliveryState.SENDING} == set(MAY_HAVE)
    assert {DeliveryState.DUE, DeliveryState.LEASED, DeliveryState.SENDING} == set(OPEN)


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.UNKNOWN])
def test_a_ping_is_repeated_until_it_is_of_no_use(outcome: Outcome) -> None:
    """feeds:W2: whatever the house does about doubts; Retry-After is heard, and six hours are the end."""
    ping = make_try(channel=Channel.WEBSUB, subject="ping/u/v", recipient="hub/h u", doubts=5)
    hold = Policy(on_unknown=OnUnknown.HOLD)
    soon = settle(ping, Result(outcome=outcome), hold, NOW)
    assert DeliveryState.DUE == soon.state
    assert timedelta(seconds=4) <= (soon.due or NOW) - NOW <= timedelta(seconds=6)
    asked = settle(ping, Result(outcome=outcome, after=timedelta(hours=1)), hold, NOW)
    assert NOW + timedelta(hours=1) == asked.due
    late = settle(replace(ping, attempt=99), Result(outcome=outcome), hold, NOW + PING_LIFE)
    assert (DeliveryState.EXPIRED, None) == (late.state, late.due)


def test_a_hub_is_one_machine() -> None:
    """feeds:W2: what a hub does not take is the hub's trouble, what it refuses is the ping's."""
    assert blames_destination(Channel.WEBSUB, Result(outcome=Outcome.DEFERRED, code=503))
    assert not blames_destination(Channel.WEBSUB, Result(outcome=Outcome.REFUSED, code=404))
