"""Plans: what is shown before a release is what its release does."""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syndicator import press
from syndicator.errors import NotFound, Refused
from syndicator.model.audience import SubscriptionState, address
from syndicator.model.delivery import Outcome, Policy, Result, Try
from syndicator.model.item import Kind, Rule
from syndicator.model.plan import LeftOut, Plan, Reached, What
from syndicator.model.release import Embargo
from syndicator.model.suppression import Reason
from syndicator.press.plan import letters, plan
from syndicator.store import (
    Store,
    Tx,
    accreditations,
    audience,
    deliveries,
    partners,
    releases,
    suppressions,
    topics,
)
from tests.make import (
    NOW,
    FakeClock,
    make_contact,
    make_content,
    make_newsroom,
    make_partner,
    make_site,
    make_subscription,
    make_topic,
)

SITE = make_site(hubs=("https://hub.example/",))
LEASE = timedelta(minutes=10)
EMBARGO = Embargo(until=NOW + timedelta(hours=6), zone="Europe/London", wall="2026-03-02 15:00")
SERIAL = count()


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        topics.add(
            tx, make_topic("ruled", title="By rule", rule=Rule(any=("health",), kinds=(Kind.STATEMENT,)))
        )


def planned(store: Store, uid: str, rules: press.Rules = press.RULES) -> Plan:
    with store.read() as tx:
        return plan(tx, uid, SITE, rules)


def ready(tx: Tx, uid: str, embargo: Embargo | None = EMBARGO, **words: Any) -> None:
    """An approved release."""
    press.draft(tx, uid, make_content(**words), embargo)
    press.approve(tx, uid, "Ann")


def subscribe(tx: Tx, mail: str, topic: str = "policy", **other: Any) -> int:
    return make_subscription(tx, mail, topic, **other).contact_id


def send(store: Store, limit: int = 1000) -> list[Try]:
    """Whatever mail is due goes out, `limit` at most; who was tried."""
    with store.begin() as tx:
        tries = deliveries.claim(tx, deliveries.MAIL_LANE, "w", limit, LEASE) if _lane(tx) else []
        tries = deliveries.start(tx, tries, LEASE) if tries else []
        took = Result(outcome=Outcome.ACCEPTED, code=250)
        deliveries.settle_all(tx, [(one, took) for one in tries], Policy())
    return tries


def _lane(tx: Tx) -> bool:
    return any(lane.key == deliveries.MAIL_LANE for lane in partners.lanes(tx))


def why(made: Plan, what: What = What.MAILS) -> dict[str, str]:
    everybody: list[Reached | LeftOut] = [*made.reached, *made.left_out]
    return {one.who: one.why for one in everybody if one.what is what}


# -- the plan is what is done


PERSON = st.fixed_dictionaries(
    {
        "topics": st.sets(st.sampled_from(["all", "policy", "health", "ruled"]), min_size=1, max_size=3),
        "cadence": st.sampled_from(["immediate", "immediate", "daily", "weekly"]),
        "consent": st.sampled_from(["yes", "yes", "yes", None]),
        "fate": st.sampled_from(["", "", "", "ended", "suppressed"]),
        "accredited": st.booleans(),
    }
)
STORY = st.fixed_dictionaries(
    {
        "people": st.lists(PERSON, min_size=1, max_size=6),
        "topics": st.sampled_from([("policy",), ("health",), ("policy", "health")]),
        "kind": st.sampled_from([Kind.NEWS, Kind.STATEMENT]),
        "embargoed": st.booleans(),
        "sent": st.integers(0, 4),  # advance copies that are out before the words change
        "reworded": st.booleans(),
        "later": st.integers(0, 4),  # … and after
        "again": st.booleans(),
        "wants": st.sampled_from([(), ("policy",), ("health",)]),
        "kinds": st.sampled_from([(), (Kind.NEWS,)]),
    }
)


def admit(tx: Tx, person: dict[str, Any], mail: str) -> None:
    """Somebody with a past."""
    for topic in sorted(person["topics"]):
        one = make_subscription(tx, mail, topic, cadence=person["cadence"], consent=person["consent"])
        if person["fate"] == "ended" and one.state is SubscriptionState.ACTIVE:
            audience.end(tx, one.id, "left")
    if person["accredited"]:
        accreditations.accredit(tx, make_contact(tx, mail).id, "Ann", "agreed by mail")
    if person["fate"] == "suppressed":
        suppressions.suppress(tx, address(mail), Reason.COMPLAINT)


def bring_to_its_instant(
    store: Store, clock: FakeClock, uid: str, story: dict[str, Any], rules: press.Rules
) -> None:
    """Draft, approve, schedule; some advance copies go out, perhaps the words change, some more go out."""
    embargo = Embargo(until=clock.now + timedelta(hours=6)) if story["embargoed"] else None
    at = embargo.until if embargo else clock.now + timedelta(hours=6)
    for title in ("A", "B") if story["reworded"] else ("A",):
        with store.begin() as tx:
            words = {"topics": story["topics"], "kind": story["kind"], "title": title}
            ready(tx, uid, embargo, **words)
            press.schedule(tx, uid, at, "Ann", rules=rules)
        clock.advance(minutes=1)
        if limit := story["sent" if title == "A" else "later"]:
            send(store, limit)
    clock.now = at


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=STORY)
def test_who_is_planned_is_who_gets_it(store: Store, clock: FakeClock, story: dict[str, Any]) -> None:
    """peers:10: in random newsrooms those a plan names are those whose deliveries the release plans and the claim takes."""
    uid, rules = f"tag:x,2026:{next(SERIAL)}", press.Rules(advance_again=story["again"])
    with store.begin() as tx:
        for person in story["people"]:
            admit(tx, person, f"p{next(SERIAL)}@x.example")
        make_partner(tx, f"m{next(SERIAL)}", topics=story["wants"], kinds=story["kinds"])
    bring_to_its_instant(store, clock, uid, story, rules)
    made = planned(store, uid, rules)
    suppressed = [
        one.who for one in made.left_out if one.why.startswith("suppressed") and one.what is What.MAILS
    ]
    assert [uid] == [item.uid for item in press.release_due(store, rules).items]
    with store.read() as tx:
        rows = deliveries.listing(tx, subject=f"revision/{uid}/")
    assert made.recipients(What.PUSHES) == sorted(row.recipient for row in rows if row.channel != "mail")
    mailed = {row.recipient for row in rows if row.channel == "mail"}
    assert set(made.recipients(What.MAILS)) == mailed - set(suppressed)
    tried = sorted(one.address for one in send(store) if one.subject == f"revision/{uid}/1")
    assert made.recipients(What.MAILS) == tried
    assert len(tried) == made.count(What.MAILS)


@settings(
    max_examples=4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(story=STORY)
def test_advance_copies_are_foreseen(store: Store, clock: FakeClock, story: dict[str, Any]) -> None:
    """peers:10: what an approved release plans, advance copies and mails, is what comes of it if all goes well."""
    uid = f"tag:x,2026:{next(SERIAL)}"
    with store.begin() as tx:
        for person in story["people"]:
            admit(tx, person, f"p{next(SERIAL)}@x.example")
        embargo = Embargo(until=clock.now + timedelta(hours=6))
        ready(tx, uid, embargo, topics=story["topics"], kind=story["kind"])
    approved = planned(store, uid)
    with store.begin() as tx:
        press.schedule(tx, uid, None, "Ann")
    scheduled = planned(store, uid)
    for what in (What.ADVANCE, What.MAILS, What.PUSHES):
        assert approved.recipients(what) == scheduled.recipients(what)
    assert approved.left_out == scheduled.left_out
    sent = [one.address for one in send(store) if one.subject.startswith(f"advance/{uid}/")]
    assert approved.recipients(What.ADVANCE) == sorted(sent)
    clock.now = embargo.until
    press.release_due(store)
    tried = [one.address for one in send(store) if one.subject == f"revision/{uid}/1"]
    assert approved.recipients(What.MAILS) == sorted(tried)


# -- in words


def test_everybody_is_named_with_a_reason(store: Store, clock: FakeClock) -> None:
    """peers:10: each recipient has a why, everyone else who subscribed a why not."""
    with store.begin() as tx:
        subscribe(tx, "now@x.example")
        subscribe(tx, "daily@x.example", cadence="daily")
        subscribe(tx, "all@x.example", "all")
        subscribe(tx, "wish@x.example", consent=None)
        left = make_subscription(tx, "left@x.example")
        audience.end(tx, left.id, "unsubscribed")
        subscribe(tx, "angry@x.example")
        suppressions.suppress(tx, address("angry@x.example"), Reason.COMPLAINT)
        for mail in ("press@x.example", "weekly@x.example", "gone@x.example"):
            key = subscribe(tx, mail, cadence="weekly" if mail.startswith("weekly") else "immediate")
            accreditations.accredit(
                tx, key, "Ann", "agreed", until=NOW + timedelta(hours=1) if mail.startswith("gone") else None
            )
        ready(tx, "tag:x")
    made = planned(store, "tag:x")
    assert {
        "now@x.example": "subscribed to Policy, immediate",
        "daily@x.example": "gets it in a digest: daily",
        "all@x.example": "subscribed to All items, immediate",
        "wish@x.example": "the subscription is not confirmed",
        "left@x.example": "the subscription has ended: unsubscribed",
        "angry@x.example": "suppressed: complaint",
        "press@x.example": "gets it as an advance copy",
        "weekly@x.example": "gets it as an advance copy",
        "gone@x.example": "gets it as an advance copy",
    } == why(made)
    copies = why(made, What.ADVANCE)
    assert {"press@x.example", "weekly@x.example", "gone@x.example"} == set(made.recipients(What.ADVANCE))
    assert "accredited, subscribed to Policy" == copies["weekly@x.example"]
    assert "not accredited" == copies["now@x.example"]
    assert "suppressed: complaint" == copies["angry@x.example"]
    with store.begin() as tx:
        press.schedule(tx, "tag:x", None, "Ann", advance=NOW + timedelta(hours=2))
    assert "none was planned for them" == why(planned(store, "tag:x"), What.ADVANCE)["gone@x.example"]
    clock.advance(hours=2)
    send(store)
    made = planned(store, "tag:x")
    assert "had it already, as an advance copy" == why(made)["press@x.example"]
    assert "had these words already" == why(made, What.ADVANCE)["press@x.example"]


def test_steps_come_in_their_order_with_instants_and_counts(store: Store) -> None:
    """peers:10: advance copies, lift, page, feeds, mails, pushes and pings: when, and how many."""
    with store.begin() as tx:
        subscribe(tx, "now@x.example")
        accreditations.accredit(tx, subscribe(tx, "press@x.example"), "Ann", "agreed")
        make_partner(tx, "agency")
        make_partner(tx, "picky", kinds=(Kind.ADVISORY,))
        make_partner(tx, "other", topics=("health",))
        make_partner(tx, "asleep", topics=("policy",))
        partners.pause(tx, "asleep", paused=True)
        ready(tx, "tag:x")
        press.schedule(tx, "tag:x", None, "Ann", rules=press.Rules(undo=timedelta(minutes=5)))
    made = planned(store, "tag:x")
    until = EMBARGO.until
    assert [
        (NOW + timedelta(minutes=5), What.ADVANCE, 1),
        (until, What.RELEASE, 1),
        (until, What.PAGE, 1),
        (until, What.FEEDS, 6),
        (until, What.MAILS, 1),
        (until, What.PUSHES, 2),
        (until + timedelta(seconds=2), What.PINGS, 6),
    ] == [(step.at, step.what, step.count) for step in made.steps]
    assert "wants it, by webhook, waits: its lane is paused" == why(made, What.PUSHES)["asleep"]
    assert "does not want news" == why(made, What.PUSHES)["picky"]
    assert "wants none of its topics" == why(made, What.PUSHES)["other"]
    assert () == made.warnings


def test_what_keeps_it_from_happening_is_said(store: Store) -> None:
    """peers:10: a draft, an approval without a schedule, and mail that is paused are named."""
    with store.begin() as tx:
        subscribe(tx, "now@x.example")
        press.draft(tx, "tag:x", make_content(), None)
    assert "release approve tag:x" in planned(store, "tag:x").warnings[0]
    with store.begin() as tx:
        press.approve(tx, "tag:x", "Ann")
    made = planned(store, "tag:x")
    assert "not scheduled" in made.warnings[0]
    assert {None} == {step.at for step in made.steps}


def test_what_is_over_has_no_plan(store: Store) -> None:
    """A release that is public, cancelled or unknown is refused, naming what to do instead."""
    with store.begin() as tx:
        ready(tx, "tag:x", None)
        press.publish_now(tx, "tag:x", "Ann")
        ready(tx, "tag:y", None)
        press.cancel(tx, "tag:y", "no")
        with pytest.raises(Refused, match="release report tag:x"):
            plan(tx, "tag:x", SITE)
        with pytest.raises(Refused, match="cancelled"):
            plan(tx, "tag:y", SITE)
        with pytest.raises(NotFound):
            plan(tx, "tag:z", SITE)


def test_the_number_that_is_asked_for_is_that_of_the_plan(store: Store) -> None:
    """peers:10: `--confirm` counts as `release plan` does: nobody twice, nobody suppressed, nobody who has it."""
    with store.begin() as tx:
        subscribe(tx, "ann@x.example")
        subscribe(tx, "weekly@x.example", cadence="weekly")
        gone = subscribe(tx, "gone@x.example")
        suppressions.suppress(tx, address("gone@x.example"), Reason.COMPLAINT)
        for mail, cadence in (("now@x.example", "immediate"), ("copy@x.example", "weekly")):
            one = subscribe(tx, mail, cadence=cadence)
            accreditations.accredit(tx, one, "editor", "signed")
        assert gone
        ready(tx, "tag:x,2026:n")
        release = releases.named(tx, "tag:x,2026:n")
        assert 3 == letters(tx, release)  # two copies, and ann
        assert 2 == letters(tx, release, at_once=True)  # nobody gets a copy any more
        press.schedule(tx, "tag:x,2026:n", None, "editor")
    made = planned(store, "tag:x,2026:n")
    with store.read() as tx:
        release = releases.named(tx, "tag:x,2026:n")
        assert made.count(What.MAILS) + made.count(What.ADVANCE) == letters(tx, release)
        # Whose copy waits gets the release instead.
        assert 3 == letters(tx, release, at_once=True)
