"""DESIGN promise 3 for a thousand contacts of every state, against an oracle in plain Python that reads no SQL."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from syndicator import publish
from syndicator.delivery import lanes
from syndicator.delivery.lanes import drain
from syndicator.model.delivery import Channel, Outcome, Policy, Result, Try
from syndicator.model.item import Item, Significance
from syndicator.store import Store, Tx, deliveries, partners, schema, topics
from tests.delivery.test_lanes import UID as THEIRS
from tests.delivery.test_lanes import Scripted, crew, owe
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription

ISSUE = "revision/tag:other/1"  # of an item that shows the other one
UID, HOUR = "tag:news.example,2026:1", timedelta(hours=1)
PEOPLE = 1_000

CADENCES = ("immediate", "daily", "workdays", "weekly", "monthly")
REASONS = (*[None] * 12, "complaint", "legal", "erased", "dead", "bounced", "asked by phone")
SORTS = ("revision", "revision", "digest", "advance", "issue")  # in what they had it
# (state, doubts) of the ledger row; what was cancelled without a doubt carries nothing any more.
FATES = (
    ("accepted", 0), ("unknown", 1), ("sending", 0), ("due", 1), ("cancelled", 1), ("accepted", 1),
    ("due", 0), ("leased", 0), ("refused", 0), ("expired", 0), ("cancelled", 0),
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    """A contact: the subscriptions (topic, cadence, state), what became of the item on its way, and whether they may be mailed."""

    number: int
    subscriptions: tuple[tuple[str, str, str], ...]
    sort: str | None
    fate: tuple[str, int]
    again: tuple[str, int] | None  # a second delivery that carried it: a correction before
    suppressed: str | None
    accredited: bool

    @property
    def address(self) -> str:
        return f"p{self.number}@x.example"


def somebody(number: int, dice: random.Random) -> Person:
    """Contact `number`: each sort and fate comes in turn, the rest by the dice."""
    sort = (*SORTS, None)[number % (len(SORTS) + 1)]
    fate = FATES[number // (len(SORTS) + 1) % len(FATES)]
    waits = fate in (("due", 0), ("leased", 0))
    # One live subscription per topic; nobody waits for mail under a subscription that has ended.
    states = (
        ("active",) if waits and sort == "revision" else ("active", "active", "ended", "pending", "paused")
    )
    wanted = [("policy", dice.choice(CADENCES), dice.choice(states))]
    wanted += [
        (topic, dice.choice(CADENCES), dice.choice(("active", "ended", "pending")))
        for topic in ("health", "press")
        if dice.random() < 0.3
    ]
    told = dice.choice((None, None, ("accepted", 0), ("refused", 0))) if sort and not waits else None
    return Person(
        number=number,
        subscriptions=tuple((topic, cadence, state) for topic, cadence, state in wanted if state != "paused"),
        sort=sort,
        fate=fate,
        again=told,
        suppressed=dice.choice(REASONS),
        accredited=dice.random() < 0.2,
    )


# -- the oracle: what the promise says, and nothing about how


def may_have(person: Person) -> bool:
    """Whether they had the item or may have."""
    ways = [person.fate] if person.sort else []
    ways += [person.again] if person.again else []
    return any(state in ("accepted", "unknown", "sending") or doubts for state, doubts in ways)


def is_owed(person: Person) -> bool:
    """Whether they were ever owed it and still stand so: the same item is owed once in a lifetime."""
    return person.sort in ("revision", "digest") and person.fate != ("cancelled", 0)


def gets(person: Person, act: Significance) -> bool:
    """Whether a letter about the new revision goes out to them."""
    if person.suppressed:
        return False
    if act is Significance.KILL:
        return may_have(person)
    live = any(state == "active" for _, _, state in person.subscriptions)
    waits = person.sort == "revision" and person.fate in (("due", 0), ("leased", 0))
    entered = any(one == ("health", "immediate", "active") for one in person.subscriptions)
    return (may_have(person) and live) or waits or (entered and not is_owed(person))


# -- the same people as rows


def settle_in(tx: Tx, item: Item, people: list[Person]) -> None:
    """Write a thousand contacts with their past, in a few statements."""
    contacts = [
        {"id": p.number, "address": p.address, "key": p.address, "digest": p.address, "domain": "x.example", "name": "", "outlet": "",
         "zone": "UTC", "created": NOW}
        for p in people
    ]  # fmt: skip
    tx.connection.execute(insert(schema.contacts), contacts)
    gone = [{"key": p.address, "reason": p.suppressed, "created": NOW} for p in people if p.suppressed]
    tx.connection.execute(insert(schema.suppressions), gone)
    seen = {"granted": NOW, "granted_by": "Ada", "agreement": "signed"}
    tx.connection.execute(
        insert(schema.accreditations), [{"contact_id": p.number, **seen} for p in people if p.accredited]
    )
    keys = topics.ids(tx, ["policy", "health", "press"])
    rows = [
        _subscription(p, keys[topic], cadence, state)
        for p in people
        for topic, cadence, state in p.subscriptions
    ]
    tx.connection.execute(insert(schema.subscriptions), rows)
    held = {row.contact_id: row.id for row in tx.connection.execute(select(schema.subscriptions))}
    first = {row.contact_id: row.id for row in tx.connection.execute(
        select(schema.subscriptions).where(schema.subscriptions.c.topic_id == keys["policy"]))}  # fmt: skip
    ledger = [one for p in people for one in _deliveries(p, item, first.get(p.number, held.get(p.number)))]
    tx.connection.execute(insert(schema.deliveries), [row for row, _ in ledger])
    named = {(row.subject, row.recipient): row.id for row in tx.connection.execute(select(schema.deliveries))}
    carried = [
        {"delivery_id": named[row["subject"], row["recipient"]], "item_id": key, "revision": 1,
         "recipient": row["recipient"], "role": role}
        for row, role in ledger if role for key in ((item.id, item.id + 1) if "digest" in row["subject"] else (item.id,))
    ]  # fmt: skip
    tx.connection.execute(insert(schema.delivery_contents), carried)


def _subscription(person: Person, topic: int, cadence: str, state: str) -> dict[str, Any]:
    return {
        "contact_id": person.number, "topic_id": topic, "cadence": cadence, "state": state, "consent": "test",
        "created": NOW, "confirmed": NOW, "ended": NOW if state == "ended" else None, "reason": None,
    }  # fmt: skip


def _deliveries(person: Person, item: Item, held: int | None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """The rows of the ledger about a person, each with the role of what it carried."""
    if person.sort:
        subject = {
            "revision": f"revision/{UID}/1",
            "digest": "digest/daily/1",
            "advance": f"advance/{UID}/1",
            "issue": ISSUE,
        }[person.sort]
        role = {"advance": "advance", "issue": "shown"}.get(person.sort, "owed")
        carries = None if person.fate == ("cancelled", 0) else role
        yield _row(person, item, subject, person.fate, held), carries
    if person.again:
        yield _row(person, item, f"revision/{UID}/0", person.again, held), "told"


def _row(person: Person, item: Item, subject: str, fate: tuple[str, int], held: int | None) -> dict[str, Any]:
    state, doubts = fate
    taken = state in ("leased", "sending")
    own = subject.startswith("revision/")
    about = item.id + (subject == ISSUE)
    return {
        "subject": subject,
        "recipient": f"contact/{person.number}",
        "contact_id": person.number,
        "subscription_id": held,
        "item_id": about if own else None,
        "revision": 1 if own else None,
        "release_id": 77 if subject.startswith("advance/") else None,
        "version": 1 if subject.startswith("advance/") else None,
        "channel": "mail",
        "lane": "mail",
        "priority": 40,
        "state": state,
        "due": NOW if state in ("due", "leased") else None,
        "lease_no": int(taken),
        "lease_until": NOW + HOUR if taken else None,
        "leased_by": "w" if taken else None,
        "sending": NOW if state == "sending" else None,
        "attempts": 1,
        "doubts": doubts,
        "created": NOW,
    }


@pytest.mark.parametrize("act", [Significance.CORRECTION, Significance.KILL])
def test_exactly_those_of_the_promise(store: Store, clock: FakeClock, act: Significance) -> None:
    """delivery:3, mail:EM4, mail:EM5: a thousand contacts of every state: those who get it are those the promise names.

    Every state of a delivery and of a subscription, every cadence, digests and advance copies, every reason for
    silence: each gets one letter or none, nobody the old words, and as many as were announced.
    """
    dice = random.Random(f"{act}")
    people = [somebody(number, dice) for number in range(1, PEOPLE + 1)]
    make_newsroom(store, "policy", "health", "press")
    with store.begin() as tx:
        partners.ensure_lane(tx, "mail", Channel.MAIL)
        item = publish.publish(tx, UID, make_content())
        publish.publish(tx, "tag:other", make_content("Another"))
        settle_in(tx, item, people)
    words = make_content(topics=("policy", "health"), summary="New.")
    with store.read() as tx:
        announced = publish.reach(tx, UID, act, words if act is Significance.CORRECTION else None)
    clock.advance(minutes=1)
    with store.begin() as tx:
        if act is Significance.KILL:
            publish.withdraw(tx, UID, "Legal", kill=True)
        else:
            publish.correct(tx, UID, words, "The figure")
    with store.begin() as tx:
        tries = deliveries.claim(tx, "mail", "v", 9_999, HOUR)
    sent = Counter(one.address for one in tries if one.subject == f"revision/{UID}/2")
    expected = {person.address for person in people if gets(person, act)}
    assert expected == set(sent)
    assert {1} == set(sent.values())
    assert [] == [one for one in tries if UID in one.subject and one.subject != f"revision/{UID}/2"]
    assert [] == [one for one in tries if one.subject == ISSUE]
    waited = sum(
        p.sort == "revision" and p.fate in (("due", 0), ("leased", 0)) and gets(p, act) for p in people
    )
    assert len(expected) == announced.mails + waited * (act is Significance.CORRECTION)


# -- in the middle of a send


def test_a_kill_in_the_middle_of_a_send(store: Store, clock: FakeClock) -> None:
    """mail:EM5, mail:SE17: no original starts after the kill's commit; who has it or may have gets one kill, once."""
    make_newsroom(store)
    with store.begin() as tx:
        for number in range(60):
            make_subscription(tx, f"p{number}@x.example")
        publish.publish(tx, UID, make_content())
        done = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 20, HOUR), HOUR)
        results = [Outcome.ACCEPTED] * 12 + [Outcome.UNKNOWN] * 4 + [Outcome.DEFERRED] * 4
        deliveries.settle_all(
            tx, [(one, Result(outcome=out)) for one, out in zip(done, results, strict=True)], Policy()
        )
        sending = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 10, HOUR), HOUR)
        leased = deliveries.claim(tx, "mail", "w", 10, HOUR)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "Legal", kill=True)

    with store.begin() as tx:
        assert [] == deliveries.start(tx, leased, HOUR)  # nothing that was only taken goes on the wire
        assert frozenset(one.id for one in sending) == deliveries.stopped(
            tx, "mail", [one.id for one in sending]
        )
        # Half of what was on its way went out before the lane looked; the rest is given back, unsent.
        deliveries.settle_all(tx, [(one, Result(outcome=Outcome.ACCEPTED)) for one in sending[:5]], Policy())
        deliveries.give_back(tx, sending[5:])
    sent: Counter[str] = Counter()
    for _ in range(9):
        clock.advance(hours=1)
        with store.begin() as tx:
            tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 99, HOUR), HOUR)
            deliveries.settle_all(tx, [(one, Result(outcome=Outcome.ACCEPTED)) for one in tries], Policy())
        assert {f"revision/{UID}/2"} >= {one.subject for one in tries}
        sent.update(one.address for one in tries)
    assert {1} == set(sent.values())
    assert {one.address for one in (*done[:16], *sending)} == set(sent)


def test_lanes_start_no_original_after_the_kill(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """mail:EM5, mail:SE17: lanes at work: after the kill's commit only kills leave, one to each who had it or may have."""
    monkeypatch.setattr(lanes, "LOOK", -1.0)  # at every letter, so that no test waits half a second
    owe(store, 30)
    carried: list[tuple[str, str]] = []

    def kill_at_the_twentieth(attempt: Try) -> Result:
        carried.append((attempt.subject, attempt.address))
        if len(carried) == 20:
            with store.begin() as tx:
                publish.withdraw(tx, THEIRS, "Legal", kill=True)
        return Result(outcome=Outcome.UNKNOWN if len(carried) % 7 == 0 else Outcome.ACCEPTED)

    drain(crew(store, Scripted(say=kill_at_the_twentieth)))
    before, after = carried[:20], carried[20:]
    assert {f"revision/{THEIRS}/1"} == {subject for subject, _ in before}
    assert {f"revision/{THEIRS}/2"} == {subject for subject, _ in after}
    told = [address for _, address in after]
    assert (len(set(told)), True) == (len(told), {address for _, address in before} <= set(told))
