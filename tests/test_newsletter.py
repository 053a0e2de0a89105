"""The newsletter over months: opened by its schedule, chosen, approved, sent once, whatever the clock and the workers do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from sqlalchemy import select

from syndicator import newsletter, press, publish
from syndicator import topics as life
from syndicator.errors import NotFound, Refused, Stale
from syndicator.model import issuefile
from syndicator.model.audience import Cadence, address
from syndicator.model.delivery import Outcome, Policy, Priority, Result
from syndicator.model.item import ALL, Item, Kind, Rule, Significance
from syndicator.model.newsletter import Choice, Issue, IssueState, Rules
from syndicator.model.release import Embargo
from syndicator.model.schedule import Cron, Job, Schedule
from syndicator.model.segment import Rule as SegmentRule
from syndicator.model.why import why
from syndicator.newsletter import House
from syndicator.store import (
    Store,
    Tx,
    alarms,
    audience,
    audit,
    deliveries,
    items,
    newsletters,
    schedules,
    schema,
    segments,
    topics,
    whys,
)
from tests.make import FakeClock, make_content, make_newsroom, make_site, make_subscription, make_topic

SITE = make_site(zone="Europe/Berlin")
NUMBERS = count(1)
EDITORS = ("editor@news.example", "deputy@news.example")
# The first of the month at 10:00 in Berlin.
MONTHLY = Schedule(
    id=0, name="monthly", job=Job.NEWSLETTER, when=Cron("0 10 1 * *"), zone="Europe/Berlin",
    created=datetime(2026, 1, 1, tzinfo=UTC),
)  # fmt: skip
APRIL = datetime(2026, 4, 1, 8, 0, tzinfo=UTC)
MAY = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def house(**rules: object) -> House:
    values: dict[str, object] = {"topic": "letter", "title": "Monthly letter", "editors": EDITORS}
    return House(
        site=SITE,
        rules=Rules(**{**values, **rules}),  # type: ignore[arg-type]
        mint=lambda now: f"tag:news.example,{now.year}:letter-{next(NUMBERS)}",
    )


HOUSE = house()


@pytest.fixture
def room(store: Store) -> Store:
    """A newsroom with a newsletter, its schedule, one reader of it, and one of a topic."""
    make_newsroom(store, "letter", "policy", "science")
    with store.begin() as tx:
        schedules.add(tx, MONTHLY)
        make_subscription(tx, "reader@x.example", "letter")
        make_subscription(tx, "other@x.example", "policy")
    newsletter.tend(store, HOUSE)
    return store


def add(
    store: Store, title: str, topic: str = "policy", kind: Kind = Kind.STATEMENT, **other: object
) -> Item:
    """Publish an item now."""
    with store.begin() as tx:
        content = make_content(title, topics=(topic,), kind=kind, summary=f"About {title}.", **other)
        return publish.publish(tx, f"tag:x,{title}", content)


def issue(store: Store, number: int = 1) -> Issue:
    with store.read() as tx:
        return newsletters.named(tx, number)


def offered(store: Store, number: int = 1) -> list[tuple[str, Choice]]:
    with store.read() as tx:
        lines = newsletter.sheet_of(tx, number).lines
        return [(line.item.content.title, line.choice) for line in lines]


def act(store: Store, what: Callable[..., object], *args: object) -> object:
    with store.begin() as tx:
        return what(tx, *args)


def public(store: Store, number: int) -> Item:
    with store.read() as tx:
        return items.named(tx, newsletters.named(tx, number).uid or "")


def mails(tx: Tx, item: Item) -> list[tuple[str, int]]:
    d = schema.deliveries.c
    rows = tx.connection.execute(select(d.recipient, d.priority).where(d.subject == f"revision/{item.uid}/1"))
    return [(row.recipient, row.priority) for row in rows]


def test_a_month_from_items_to_mail(room: Store, clock: FakeClock) -> None:
    """operations:PW9, peers:251, peers:1 Items of the window become an issue, with a page, a feed and mails behind all others."""
    assert (IssueState.OPEN, APRIL) == (issue(room).state, issue(room).slot)
    add(room, "Cuts", "science")
    add(room, "Budget")
    add(room, "Prize", kind=Kind.NEWS)
    assert ["Budget", "Cuts", "Prize"] == [title for title, _ in offered(room)]
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL - timedelta(seconds=1)
    assert newsletter.tend(room, HOUSE).item is None
    clock.now = APRIL
    assert newsletter.tend(room, HOUSE).item is not None
    item = public(room, 1)
    assert "Monthly letter No. 1 — April 2026" == item.content.title
    body = item.content.body
    assert (
        body.index("Statements: Policy") < body.index("Budget") < body.index("Statements: Science")
        < body.index("Cuts") < body.index("News: Policy") < body.index("Prize")
    )  # fmt: skip
    assert 'href="https://news.example/items/budget"' in body
    with room.read() as tx:
        (mail,) = mails(tx, item)
        assert Priority.NEWSLETTER == mail[1]
        assert [item.uid] == [one.uid for one in items.listing(tx, topic="letter")]
        assert "ada" in {entry.actor for entry in audit.listing(tx, subject="newsletter/1")}
    assert (IssueState.OPEN, MAY) == (issue(room, 2).state, issue(room, 2).slot)


def test_as_many_are_counted_as_are_mailed(room: Store, clock: FakeClock) -> None:
    """peers:251 The number before the yes is that of the mails: readers of the topic, of all news and of a ruled topic."""
    with room.begin() as tx:
        topics.add(tx, make_topic("house", rule=Rule(any=("letter",))))
        for who, slug in (("all@x.example", ALL), ("both@x.example", ALL), ("both@x.example", "house")):
            make_subscription(tx, who, slug)
        make_subscription(tx, "weekly@x.example", ALL, cadence=Cadence.WEEKLY)
    add(room, "Budget")
    with room.begin() as tx:
        counted = newsletter.readers(tx, newsletter.sheet_of(tx, 1), HOUSE)
        newsletter.approve(tx, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    with room.read() as tx:
        assert (3, 3) == (counted, len(mails(tx, public(room, 1))))


def test_windows_tile_time(room: Store, clock: FakeClock) -> None:
    """mail:DG2 Half-open windows: what comes after the yes is the next issue's, and no issue is in an issue."""
    add(room, "Early")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.advance(minutes=1)
    add(room, "Late")
    assert ["Early"] == [title for title, _ in offered(room)]
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    assert ["Late"] == [title for title, _ in offered(room, 2)]
    assert issue(room).closes == issue(room, 2).opened
    clock.advance(days=3)
    add(room, "April")
    assert {"Late", "April"} == {title for title, _ in offered(room, 2)}


def test_next_comes_again_and_never_never_does(room: Store, clock: FakeClock) -> None:
    """peers:251 Per item: include, next issue, never; remembered over as many issues as there are."""
    names = ["In", "Later", "Out"]
    uids = [add(room, name).uid for name in names]
    act(room, newsletter.choose, 1, {uids[1]: Choice.NEXT, uids[2]: Choice.NEVER}, "ada")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    assert "Later" not in public(room, 1).content.body
    assert [("Later", Choice.INCLUDE)] == offered(room, 2)
    act(room, newsletter.choose, 2, {uids[1]: Choice.NEXT}, "ada")
    add(room, "More")
    act(room, newsletter.approve, 2, "ada", HOUSE)
    clock.now = MAY
    newsletter.tend(room, HOUSE)
    assert [("Later", Choice.INCLUDE)] == offered(room, 3)
    with pytest.raises(NotFound, match="not on offer"):
        act(room, newsletter.choose, 3, {uids[2]: Choice.INCLUDE}, "ada")


def test_without_a_yes_it_waits(room: Store, clock: FakeClock) -> None:
    """peers:251 Not approved in time: one alarm, late items still offered; the yes sends it at once."""
    add(room, "Budget")
    clock.now = APRIL + timedelta(minutes=1)
    for _ in range(3):
        assert newsletter.tend(room, HOUSE).item is None
    with room.read() as tx:
        (alarm,) = alarms.open_(tx)
    assert "Monthly letter No. 1" in alarm.subject
    assert "newsletter approve 1" in alarm.words
    clock.advance(hours=5)
    add(room, "Late")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    assert "Late" in public(room, 1).content.body
    with room.read() as tx:
        assert [] == alarms.open_(tx)
    newsletter.tend(room, HOUSE)
    assert MAY == issue(room, 2).slot


def test_it_may_be_set_to_go_without_a_yes(room: Store, clock: FakeClock) -> None:
    """peers:251 With `unapproved` an issue goes out at its slot as it is, and says that nobody approved it."""
    add(room, "Budget")
    clock.now = APRIL
    assert newsletter.tend(room, house(unapproved=True)).item is not None
    assert "Budget" in public(room, 1).content.body
    assert (IssueState.SENT, None) == (issue(room).state, issue(room).approved_by)


def test_nothing_is_not_sent(room: Store, clock: FakeClock) -> None:
    """mail:DG5 An empty issue is not sent and says so; it keeps its number, and waits for the next slot."""
    clock.now = APRIL
    done = newsletter.tend(room, house(unapproved=True))
    assert done.item is None
    assert "holds nothing" in done.words
    assert (IssueState.OPEN, MAY) == (issue(room).state, issue(room).slot)
    with pytest.raises(Refused, match="holds nothing"):
        act(room, newsletter.approve, 1, "ada", HOUSE)


def test_after_downtime_one_issue(room: Store, clock: FakeClock) -> None:
    """mail:DG9 Three slots missed: the one that was approved goes out once, the next is for the next slot to come."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = datetime(2026, 7, 15, 12, tzinfo=UTC)
    newsletter.tend(room, HOUSE)
    newsletter.tend(room, HOUSE)
    with room.read() as tx:
        known = [(one.number, one.state, one.slot) for one in newsletters.listing(tx)]
    assert [(1, "sent", APRIL), (2, "open", datetime(2026, 8, 1, 8, tzinfo=UTC))] == known


def test_two_workers_send_one_issue(room: Store, clock: FakeClock) -> None:
    """mail:DG1 However many look at the same instant, there is one issue, one item, one mail each, one next issue."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    found: list[newsletter.Tended] = []
    threads = [threading.Thread(target=lambda: found.append(newsletter.tend(room, HOUSE))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert 4 == len(found)
    assert 1 == len([one for one in found if one.item])
    with room.read() as tx:
        assert [1, 2] == [one.number for one in newsletters.listing(tx)]
        assert 1 == len(mails(tx, public(room, 1)))


def test_reminders_go_once(room: Store, clock: FakeClock) -> None:
    """peers:251 A day before the editor is reminded, half a day before whoever stands in; each once."""
    d = schema.deliveries.c

    def reminded() -> list[str]:
        newsletter.tend(room, HOUSE)
        with room.read() as tx:
            rows = tx.connection.execute(
                select(d.mailbox).where(d.subject.startswith("letter/")).order_by(d.id)
            )
            return [row.mailbox for row in rows]

    clock.now = APRIL - timedelta(days=1, seconds=1)
    assert [] == reminded()
    clock.now = APRIL - timedelta(days=1)
    assert [EDITORS[0]] == reminded() == reminded()
    clock.now = APRIL - timedelta(hours=12)
    assert [EDITORS[0], *EDITORS] == reminded() == reminded()


def test_who_approved_is_not_reminded(room: Store, clock: FakeClock) -> None:
    """peers:251 An issue with its yes reminds nobody."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL - timedelta(hours=1)
    newsletter.tend(room, HOUSE)
    with room.read() as tx:
        assert [] == [row for row in deliveries.listing(tx) if row.subject.startswith("letter/")]


def test_words_are_those_of_the_moment(room: Store, clock: FakeClock) -> None:
    """mail:DG8 What was corrected after the yes is right in the issue; what was withdrawn is not in it."""
    wrong, gone = add(room, "Wrong"), add(room, "Gone")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    with room.begin() as tx:
        publish.correct(tx, wrong.uid, make_content("Right", summary="Ten, not nine."), "The figure")
        publish.withdraw(tx, gone.uid, "Twice published")
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    body = public(room, 1).content.body
    assert "Ten, not nine." in body
    assert "Wrong" not in body
    assert "Gone" not in body


def test_an_issue_all_of_which_is_gone_is_not_sent(room: Store, clock: FakeClock) -> None:
    """mail:DG8, mail:DG5 Where withdrawals empty an approved issue, it waits for the next slot, without its yes."""
    gone = add(room, "Gone")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    with room.begin() as tx:
        publish.withdraw(tx, gone.uid, "Twice published", kill=True)
    clock.now = APRIL
    assert newsletter.tend(room, HOUSE).item is None
    assert (IssueState.OPEN, MAY, None) == (issue(room).state, issue(room).slot, issue(room).approved_by)


def test_an_issue_that_shows_what_was_killed_is_told_of(room: Store, clock: FakeClock) -> None:
    """mail:EM5 A kill of an item whose headline stands in an issue that is out raises an alarm, until it is corrected."""
    bad = add(room, "Bad")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    clock.advance(hours=1)
    with room.begin() as tx:
        publish.withdraw(tx, bad.uid, "Legal grounds", kill=True)
    clock.advance(minutes=1)
    newsletter.tend(room, HOUSE)
    with room.read() as tx:
        (alarm,) = [one for one in alarms.open_(tx) if one.key.startswith("newsletter-gone/")]
    assert bad.uid in alarm.words
    with room.begin() as tx:
        letter = public(room, 1)
        publish.correct(
            tx, letter.uid, make_content("Monthly letter", topics=("letter",)), "An item was taken out"
        )
    newsletter.tend(room, HOUSE)
    with room.read() as tx:
        assert [] == alarms.open_(tx)


def test_a_redaction_takes_the_editors_words_too(room: Store, clock: FakeClock) -> None:
    """design:2 Of an issue that is redacted neither the introduction nor a block is left in any row."""
    with room.begin() as tx:
        words = issuefile.read(
            "---\nheadline: Verba\nblocks: [{kind: job, title: Sesqui}]\n---\n\nPedalian words", SITE.zone
        )
        newsletter.edit(tx, 1, words, "ada")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    with room.begin() as tx:
        publish.redact(tx, public(room, 1).uid, by="ada")
    with room.read() as tx:
        tables = [schema.newsletters, schema.newsletter_blocks, schema.revisions, schema.items]
        left = [repr(row) for table in tables for row in tx.connection.execute(select(table))]
    assert [] == [row for row in left if "Sesqui" in row or "Pedalian" in row or "Verba" in row]


def test_what_was_committed_late_is_in_the_next(room: Store, clock: FakeClock) -> None:
    """mail:DG6 An item stamped before the yes and committed after it is offered to the next issue, and once only."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.advance(seconds=5)
    late = add(room, "Slow")
    r = schema.revisions.c
    with room.begin() as tx:
        stamped = issue(room).closes - timedelta(seconds=2)
        tx.connection.execute(schema.revisions.update().where(r.item_id == late.id).values(created=stamped))
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    assert [("Slow", Choice.INCLUDE)] == offered(room, 2)


def test_a_correction_of_an_issue_reaches_its_readers(room: Store, clock: FakeClock) -> None:
    """mail:EM4 Whoever was sent the issue is told of its correction, as of any item's."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    letter, d = public(room, 1), schema.deliveries.c
    with room.begin() as tx:
        row = (
            schema.deliveries.update().where(d.subject == f"revision/{letter.uid}/1").values(state="accepted")
        )
        tx.connection.execute(row)
        publish.correct(tx, letter.uid, make_content("Monthly letter", topics=("letter",)), "The date")
    with room.read() as tx:
        told = [row for row in deliveries.listing(tx) if row.subject == f"revision/{letter.uid}/2"]
    assert ["reader@x.example"] == [row.recipient for row in told]


def out(room: Store, clock: FakeClock) -> Item:
    """Publish the issue with what is on offer; returns it."""
    act(room, newsletter.approve, 1, "ada", HOUSE)
    clock.now = APRIL
    newsletter.tend(room, HOUSE)
    clock.advance(minutes=1)
    return public(room, 1)


def settled(store: Store, subject: str, state: str = "accepted") -> None:
    d = schema.deliveries.c
    with store.begin() as tx:
        gone = {"state": state, "due": None, "settled": tx.now}
        tx.connection.execute(schema.deliveries.update().where(d.subject == subject).values(**gone))


def claimed(store: Store) -> list[tuple[str, str]]:
    """Who is sent what now: all that is due is taken, sent and accepted."""
    with store.begin() as tx:
        tries = deliveries.start(
            tx, deliveries.claim(tx, "mail", "w", 99, timedelta(hours=1)), timedelta(hours=1)
        )
        took = [(one, Result(outcome=Outcome.ACCEPTED)) for one in tries]
        deliveries.settle_all(tx, took, Policy())
        return sorted((one.address, one.subject) for one in tries)


@pytest.mark.parametrize("kill", [True, False])
def test_readers_of_an_issue_hear_of_what_it_shows(room: Store, clock: FakeClock, *, kill: bool) -> None:
    """delivery:3, mail:EM4, mail:EM5 Who had the issue, or the item, or both, is told once; who was put off, not."""
    with room.begin() as tx:
        make_subscription(tx, "both@x.example", "letter")
        make_subscription(tx, "both@x.example", "policy")
    bad = add(room, "Bad")
    settled(room, f"revision/{bad.uid}/1")
    letter = out(room, clock)
    settled(room, f"revision/{letter.uid}/1")
    with room.begin() as tx:
        act_ = Significance.KILL if kill else Significance.CORRECTION
        assert 3 == publish.reach(tx, bad.uid, act_).mails
        if kill:
            publish.withdraw(tx, bad.uid, "Legal grounds", kill=True)
        else:
            publish.correct(tx, bad.uid, make_content("Good", topics=("policy",)), "The figure")
    everybody = ("both@x.example", "other@x.example", "reader@x.example")
    assert [(who, f"revision/{bad.uid}/2") for who in everybody] == claimed(room)
    clock.advance(hours=1)
    assert [] == claimed(room)


@pytest.mark.parametrize("kill", [True, False])
def test_what_waits_shows_nothing_that_was_taken_back(room: Store, clock: FakeClock, *, kill: bool) -> None:
    """delivery:3, mail:SE17 A waiting issue that shows the item waits for its editor; edited, it goes out once, unshown."""
    with room.begin() as tx:
        make_subscription(tx, "third@x.example", "letter")
        make_subscription(tx, "fourth@x.example", "letter")
    bad = add(room, "Bad")
    settled(room, f"revision/{bad.uid}/1", "cancelled")
    letter = out(room, clock)
    with room.begin() as tx:
        taken = deliveries.claim(tx, "mail", "w", 1, timedelta(hours=1))
        on_wire = deliveries.start(
            tx, deliveries.claim(tx, "mail", "w", 1, timedelta(hours=1)), timedelta(hours=1)
        )
    with room.begin() as tx:
        if kill:
            publish.withdraw(tx, bad.uid, "Legal grounds", kill=True)
        else:
            publish.correct(tx, bad.uid, make_content("Good", topics=("policy",)), "The figure")
    with room.begin() as tx:
        assert [] == deliveries.start(tx, taken, timedelta(hours=1))
        deliveries.give_back(tx, on_wire)
    told = {who for who, subject in claimed(room) if subject == f"revision/{bad.uid}/2"}
    assert on_wire[0].address in told  # it may have gone out at that moment
    assert {"reader@x.example", "third@x.example", "fourth@x.example"}.isdisjoint(told - {on_wire[0].address})
    with room.begin() as tx:
        assert 0 == deliveries.retry_late(tx)
        assert [f"newsletter-stopped/{letter.uid}"] == [one.key for one in alarms.open_(tx)]
        waits = why(whys.case(tx, audience.contact(tx, address(taken[0].address)), letter.uid))
        assert ("It is held,", True) == (waits[:11], "`syndicator item edit`" in waits)
        publish.edit(tx, letter.uid, make_content("Monthly letter", topics=("letter",)), by="ada")
        assert [] == alarms.open_(tx)
    readers = ["fourth@x.example", "reader@x.example", "third@x.example"]
    assert [(who, f"revision/{letter.uid}/2") for who in readers] == claimed(room)
    with room.begin() as tx:
        publish.edit(tx, letter.uid, make_content("The monthly letter", topics=("letter",)), by="ada")
    assert [] == claimed(room)


def test_what_an_issue_shows_is_owed_still(room: Store, clock: FakeClock) -> None:
    """peers:1 Who saw an item in an issue is owed it when it enters a topic of theirs, and the reason says both."""
    item = add(room, "Budget")
    with room.begin() as tx:
        make_subscription(tx, "reader@x.example", "science")
    letter = out(room, clock)
    settled(room, f"revision/{letter.uid}/1")
    with room.read() as tx:
        reader = audience.contact(tx, address("reader@x.example"))
        assert "in an issue of the newsletter" in why(whys.case(tx, reader, item.uid))
        assert [letter.content.title] == [
            one.about for one in whys.history(tx, reader) if "revision" in one.what
        ]
    with room.begin() as tx:
        push = publish.Push(max_age=timedelta(days=99))
        publish.edit(tx, item.uid, make_content("Budget", topics=("policy", "science")), push=push)
    assert ("reader@x.example", f"revision/{item.uid}/2") in claimed(room)


def test_an_edited_schedule_moves_the_open_issue(room: Store, clock: FakeClock) -> None:
    """mail:DG2 The slot follows the schedule while the issue is open; nothing is opened twice for it."""
    with room.begin() as tx:
        old = schedules.named(tx, "monthly")
        schedules.edit(tx, replace(old, when=Cron("0 10 15 * *")))
    newsletter.tend(room, HOUSE)
    assert datetime(2026, 3, 15, 9, tzinfo=UTC) == issue(room).slot
    with room.read() as tx:
        assert 1 == len(newsletters.listing(tx))


def test_a_slot_that_the_clocks_skip(store: Store, clock: FakeClock) -> None:
    """mail:DG3 02:30 on the night clocks go forward: one slot, one issue; the window has no gap."""
    make_newsroom(store, "letter", "policy")
    clock.now = datetime(2026, 3, 28, 12, tzinfo=UTC)
    with store.begin() as tx:
        schedules.add(tx, replace(MONTHLY, when=Cron("30 2 * * *")))
    newsletter.tend(store, HOUSE)
    slot = issue(store).slot
    assert datetime(2026, 3, 29, 1, 0, tzinfo=UTC) <= slot <= datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    add(store, "Night")
    clock.now = slot
    newsletter.tend(store, house(unapproved=True))
    assert datetime(2026, 3, 30, 0, 30, tzinfo=UTC) == issue(store, 2).slot
    assert "Night" in public(store, 1).content.body


def test_an_edit_by_file(room: Store) -> None:
    """peers:251, peers:7 Order, choices, introduction and blocks by one file; a stale one is refused with the difference."""
    one, two = add(room, "One"), add(room, "Two")
    with room.read() as tx:
        text = issuefile.written(newsletter.sheet_of(tx, 1), SITE.zone)
    stale = issuefile.read(text, SITE.zone)
    changed = text.replace("blocks: []", "blocks:\n- kind: event\n  title: Day of open doors\n  place: Leeds")
    said = issuefile.read(changed.rstrip() + "\n\nDear *readers*,\n", SITE.zone)
    with room.begin() as tx:
        sheet = newsletter.edit(tx, 1, said, "ada")
    assert "Dear *readers*," == sheet.issue.introduction
    assert {one.uid, two.uid} == {line.item.uid for line in sheet.lines}
    with pytest.raises(Stale) as fault, room.begin() as tx:
        newsletter.edit(tx, 1, stale, "bo")
    assert any("Dear *readers*" in line for line in fault.value.faults)
    with room.read() as tx:
        content = newsletter.words_of(tx, newsletter.sheet_of(tx, 1), HOUSE)
    assert "<em>readers</em>" in content.body
    assert "<h2>Events</h2>" in content.body
    assert "Leeds" in content.body


def test_a_yes_freezes_and_can_be_taken_back(room: Store) -> None:
    """peers:8 An approved issue is not changed; taken back, it is; what went out is changed by a correction only."""
    item = add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    with pytest.raises(Refused, match="--undo"):
        act(room, newsletter.choose, 1, {item.uid: Choice.NEVER}, "bo")
    act(room, newsletter.reopen, 1, "ada")
    act(room, newsletter.choose, 1, {item.uid: Choice.NEVER}, "bo")
    assert [("Budget", Choice.NEVER)] == offered(room)


def test_a_cancelled_slot_keeps_the_issue(room: Store, clock: FakeClock) -> None:
    """peers:251 Cancelled, an issue loses its yes and waits for the next slot with all it holds."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    act(room, newsletter.cancel, 1, "ada")
    clock.now = APRIL
    assert newsletter.tend(room, house(unapproved=True)).item is None
    assert MAY == issue(room).slot
    assert [("Budget", Choice.INCLUDE)] == offered(room)


def test_no_topic_no_newsletter(store: Store) -> None:
    """peers:251 Where none is configured, nothing is opened, whatever the schedule says."""
    make_newsroom(store)
    with store.begin() as tx:
        schedules.add(tx, MONTHLY)
    assert "set [newsletter] topic" in newsletter.tend(store, house(topic="")).words
    with store.read() as tx:
        assert [] == newsletters.listing(tx)


def test_an_issue_is_over_with_its_schedule(room: Store, clock: FakeClock) -> None:
    """peers:251 Cancelled where no schedule names a slot, it is over; a new schedule opens the next, for that very slot."""
    add(room, "Budget")
    with room.begin() as tx:
        schedules.remove(tx, "monthly")
    act(room, newsletter.cancel, 1, "ada")
    newsletter.tend(room, HOUSE)
    assert IssueState.CANCELLED is issue(room).state
    clock.advance(minutes=1)
    with room.begin() as tx:
        schedules.add(tx, MONTHLY)
    newsletter.tend(room, HOUSE)
    assert (IssueState.OPEN, APRIL) == (issue(room, 2).state, issue(room, 2).slot)
    assert [("Budget", Choice.INCLUDE)] == offered(room, 2)


def test_a_topic_that_is_missing_is_named(store: Store) -> None:
    """peers:251 A newsletter whose topic nobody made says so, with the command that makes it, and opens nothing."""
    make_newsroom(store)
    with store.begin() as tx:
        schedules.add(tx, MONTHLY)
    with pytest.raises(NotFound, match="syndicator topic add letter TITLE"):
        newsletter.tend(store, HOUSE)
    with store.read() as tx:
        assert [] == newsletters.listing(tx)


def test_a_topic_that_closes_stops_the_newsletter(room: Store, clock: FakeClock) -> None:
    """peers:251 Said once, in one alarm; nothing is reminded of or sent, and all goes on where the end is taken back."""
    add(room, "Budget")
    act(room, newsletter.approve, 1, "ada", HOUSE)
    with room.begin() as tx:
        life.close(tx, "letter", after=timedelta(days=60))
    clock.advance(minutes=1)
    for _ in range(2):
        assert "no issue goes out" in newsletter.tend(room, HOUSE).words
    clock.now = APRIL
    assert "no issue goes out" in newsletter.tend(room, HOUSE).words
    with room.begin() as tx:
        (alarm,) = alarms.open_(tx)
        assert "syndicator topic close letter --cancel" in alarm.words
        assert IssueState.APPROVED is newsletters.named(tx, 1).state
        life.keep_open(tx, "letter")
    assert newsletter.tend(room, HOUSE).words.startswith("Monthly letter No. 1 is out")
    with room.begin() as tx:
        assert [] == alarms.open_(tx)
        life.close(tx, "letter", after=timedelta())
    newsletter.tend(room, HOUSE)
    assert "there is no newsletter" in newsletter.tend(room, house(topic="")).words
    with room.read() as tx:
        assert [] == alarms.open_(tx)


def test_what_is_under_embargo_is_not_offered(room: Store, clock: FakeClock) -> None:
    """mail:EM2 A release is on offer from the moment it is public, and no issue speaks of it before."""
    with room.begin() as tx:
        press.draft(tx, "tag:x,r", make_content("Secret"), Embargo(until=clock.now + timedelta(hours=1)))
        press.approve(tx, "tag:x,r", "ada")
        press.schedule(tx, "tag:x,r", None, "ada")
    assert [] == offered(room)
    clock.advance(hours=1)
    press.release_due(room)
    assert ["Secret"] == [title for title, _ in offered(room)]


def test_what_is_for_some_alone_is_not_for_all_readers(room: Store, clock: FakeClock) -> None:
    """mail:LM14 peers:251 An item for a segment is offered as left out, and says why; a person may put it in."""
    with room.begin() as tx:
        segments.add(tx, "lab", "Labs", SegmentRule(accredited=True))
    item, open_one = add(room, "For labs", audience=("lab",)), add(room, "For all")
    assert [(open_one.content.title, Choice.INCLUDE), (item.content.title, Choice.NEVER)] == sorted(
        offered(room)
    )
    with room.begin() as tx:
        lines = {line.item.uid: line.why for line in newsletter.sheet_of(tx, 1).lines}
        assert lines == {open_one.uid: "", item.uid: "is for lab alone"}
        sheet = newsletter.choose(tx, 1, {item.uid: Choice.INCLUDE}, "Ed")
        assert {line.why for line in sheet.lines} == {"", "is for lab alone, and would reach all readers"}


def test_archives_are_no_news(room: Store, clock: FakeClock) -> None:
    """peers:251 What was imported from years ago is not offered; what was published and came late is."""
    with room.begin() as tx:
        publish.publish(tx, "tag:x,old", make_content("Old"), published=clock.now - timedelta(days=400))
        publish.publish(tx, "tag:x,late", make_content("Came late"), published=clock.now - timedelta(days=2))
        assert 2 == len(topics.ids(tx, ["policy", "letter"]))
    assert ["Came late"] == [title for title, _ in offered(room)]
