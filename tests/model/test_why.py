"""Why somebody did or did not get an item: every case in one sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syndicator.model.audience import Cadence, Standing, SubscriptionState
from syndicator.model.delivery import DeliveryState
from syndicator.model.item import ItemState
from syndicator.model.outcomes import Cause
from syndicator.model.why import Case, Duty, Form, Wanted, why
from tests.make import NOW

ACTIVE, PENDING, ENDED = SubscriptionState.ACTIVE, SubscriptionState.PENDING, SubscriptionState.ENDED
HOUR = timedelta(hours=1)
TOLD = NOW
LIVE = Case(item=ItemState.LIVE, topics=("policy",), pushed={"policy": TOLD}, published=NOW)


def sent(state: DeliveryState, **other: object) -> Duty:
    """One delivery by an immediate subscription to policy."""
    values = {"form": Form.MAIL, "at": NOW + HOUR, "topic": "policy", "cadence": Cadence.IMMEDIATE}
    return Duty(state=state, **{**values, **other})  # type: ignore[arg-type]


def wants(state: SubscriptionState = ACTIVE, **other: object) -> Wanted:
    """A subscription to policy from before it was told."""
    values = {"topic": "policy", "cadence": Cadence.DAILY, "since": NOW - HOUR, "state": state}
    return Wanted(**{**values, **other})  # type: ignore[arg-type]


def of(*duties: Duty, **other: object) -> Case:
    return replace(LIVE, duties=duties, wanted=(wants(),), **other)  # type: ignore[arg-type]


def wanting(*wanted: Wanted, **other: object) -> Case:
    return replace(LIVE, wanted=wanted, **other)  # type: ignore[arg-type]


ACCEPTED = sent(DeliveryState.ACCEPTED)
CLOSES = {Cadence.DAILY: NOW + 20 * HOUR}
AT_ONCE = "by their immediate subscription to policy"
CASES = {
    "got it at once": (
        of(ACCEPTED),
        "They got it on 2026-03-02 10:00 UTC, by their immediate subscription to policy: the mail server took it.",
    ),
    "got it in a digest": (
        of(replace(ACCEPTED, form=Form.DIGEST, cadence=Cadence.DAILY)),
        "They got it on 2026-03-02 10:00 UTC, in their daily digest: the mail server took it.",
    ),
    "got a correction of it": (
        of(replace(ACCEPTED, form=Form.CORRECTION)),
        "They got it on 2026-03-02 10:00 UTC, as a correction of what they had: the mail server took it.",
    ),
    "had the advance": (
        of(replace(ACCEPTED, form=Form.ADVANCE)),
        "They had it before, as an advance copy on 2026-03-02 10:00 UTC, and it was not owed to them again.",
    ),
    "has the advance, under embargo still": (
        of(replace(ACCEPTED, form=Form.ADVANCE), item=None),
        "They got it on 2026-03-02 10:00 UTC, as an advance copy: the mail server took it.",
    ),
    "came back": (
        of(replace(ACCEPTED, returned="hard (5.1.1)")),
        "It was sent to them on 2026-03-02 10:00 UTC, by their immediate subscription to policy, but came back: hard (5.1.1).",
    ),
    "doubt": (
        of(sent(DeliveryState.UNKNOWN, at=None)),
        "They may have got it, by their immediate subscription to policy: the connection broke before an answer came.",
    ),
    "on its way": (
        of(sent(DeliveryState.SENDING, at=None)),
        "It is on its way to them right now, by their immediate subscription to policy.",
    ),
    "planned": (
        of(sent(DeliveryState.DUE)),
        "It is planned for 2026-03-02 10:00 UTC, by their immediate subscription to policy.",
    ),
    "put off": (
        of(sent(DeliveryState.DUE, attempts=2, detail="450 busy")),
        f"Their mail server put it off (450 busy); it is tried again on 2026-03-02 10:00 UTC, {AT_ONCE}.",
    ),
    "held late": (
        of(sent(DeliveryState.DUE, at=None)),
        "It was late and is held, by their immediate subscription to policy; `syndicator delivery retry` says yes to it.",
    ),
    "held for other words": (
        of(sent(DeliveryState.DUE, at=None, form=Form.ISSUE, held="the issue shows what was changed since")),
        "It is held, in an issue of the newsletter that shows it: the issue shows what was changed since.",
    ),
    "refused": (
        of(sent(DeliveryState.REFUSED, code=550, cause=Cause.DEAD_ADDRESS, detail="550 5.1.1 unknown")),
        f"It was sent to them, {AT_ONCE}, and their mail server refused it on 2026-03-02 10:00 UTC: there is no such mailbox (550).",
    ),
    "refused by nobody's server": (
        of(sent(DeliveryState.REFUSED, detail="this letter cannot be written: it needs SMTPUTF8")),
        f"It was owed to them, {AT_ONCE}, but could not be sent: this letter cannot be written: it needs SMTPUTF8.",
    ),
    "given up": (
        of(sent(DeliveryState.EXPIRED, attempts=9, detail="451 later")),
        "It was tried 9 times, by their immediate subscription to policy, and given up on 2026-03-02 10:00 UTC: 451 later.",
    ),
    "cancelled because withdrawn": (
        of(sent(DeliveryState.CANCELLED, detail="the item was withdrawn"), item=ItemState.WITHDRAWN),
        "It was owed to them, by their immediate subscription to policy, but it was withdrawn before it was sent.",
    ),
    "cancelled because suppressed": (
        of(sent(DeliveryState.CANCELLED, detail="suppressed: dead")),
        "It was owed to them, by their immediate subscription to policy, but not sent: suppressed: dead.",
    ),
    "erased": (
        wanting(standing=Standing.ERASED),
        "They were erased: nothing is sent to them, and nothing else is known.",
    ),
    "suppressed": (
        wanting(wants(), suppressed="complaint"),
        "Nothing is mailed to them: the address is suppressed (complaint).",
    ),
    "not public": (
        wanting(wants(), item=None),
        "It is not public yet, and no advance copy was planned for them.",
    ),
    "not subscribed": (wanting(), "They never subscribed to any of its topics (policy)."),
    "not pushed": (
        wanting(wants(), pushed={}),
        "It was mailed to nobody: it was too old, or its kind or upstream is not pushed.",
    ),
    "outside the audience": (
        wanting(wants(), outside=True),
        "They are not in the audience that the release names.",
    ),
    "never confirmed": (
        wanting(wants(PENDING)),
        "Their subscription to policy was never confirmed.",
    ),
    "left before": (
        wanting(wants(ENDED, ended=NOW - HOUR / 2, reason="unsubscribed")),
        "Their subscription to policy had ended on 2026-03-02 08:30 UTC (unsubscribed), before it was told.",
    ),
    "left before the digest": (
        wanting(wants(ENDED, ended=NOW + HOUR, reason="unsubscribed")),
        "Their subscription to policy ended on 2026-03-02 10:00 UTC (unsubscribed), before it was sent.",
    ),
    "subscribed afterwards": (
        wanting(wants(since=NOW + HOUR)),
        "They subscribed to policy on 2026-03-02 10:00 UTC, after it was told on 2026-03-02 09:00 UTC.",
    ),
    "not told to that topic": (
        wanting(wants(topic="funding")),
        "It was not told to those of funding: it came to that topic later, or without a push.",
    ),
    "paused": (
        wanting(wants(), paused=NOW + 24 * HOUR, closes=CLOSES),
        "They had paused all mail until 2026-03-03 09:00 UTC.",
    ),
    "waits for a digest": (
        wanting(wants(), closes=CLOSES),
        "It waits for their daily digest, which closes on 2026-03-03 05:00 UTC.",
    ),
    "withdrawn before the digest": (
        wanting(wants(), closes=CLOSES, item=ItemState.WITHDRAWN),
        "It was withdrawn before their daily digest closed.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_its_sentence(name: str) -> None:
    """One sentence, the weightiest reason (peers:3, mail:LM18)."""
    case, said = CASES[name]
    assert said == why(case)
    assert said.endswith(".")


def test_what_was_sent_outweighs_what_was_not() -> None:
    """Somebody whose advance was cancelled and who got the release got it; a doubt outweighs a refusal."""
    cancelled = sent(DeliveryState.CANCELLED, form=Form.ADVANCE, detail="the release was reworded")
    assert why(of(cancelled, ACCEPTED)).startswith("They got it")
    assert why(of(sent(DeliveryState.REFUSED, detail="no"), sent(DeliveryState.UNKNOWN))).startswith(
        "They may"
    )
    assert why(of(replace(ACCEPTED, form=Form.ADVANCE), ACCEPTED)).startswith("They got it")
