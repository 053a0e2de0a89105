"""Filing what an upstream brought: which thing is which, what becomes of it, and who is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from sqlalchemy import update

from syndicator import press, publish
from syndicator.errors import Refused
from syndicator.ingest.entries import Deleted
from syndicator.ingest.filing import LeftOut, Overtaken
from syndicator.model.delivery import DeliveryState
from syndicator.model.incoming import Incoming
from syndicator.model.item import Author, Guid, Kind, Significance
from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.routing import Category, End, Route
from syndicator.model.upstream import Relation
from syndicator.store import Store, deliveries, departures, incoming, items, schema, upstreams
from tests.ingest.filed import Origin, fates, moved, owed, public, thing, titles, waiting
from tests.make import NOW, FakeClock, make_newsroom, make_partner, make_subscription

OLD = NOW - timedelta(days=3650)


@pytest.fixture
def room(store: Store) -> Store:
    make_newsroom(store, "policy", "press")
    with store.begin() as tx:
        make_subscription(tx)
    return store


# -- which is which --------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", ["http://cms.example", "https://www.cms.example", "https://new.example"])
def test_a_site_that_moves_does_not_flood(room: Store, to: str) -> None:
    """feeds:I15 — other scheme or host, same paths: the same items, nobody is told, and their pages move along."""
    origin = Origin(room, on_change=Significance.CORRECTION)
    before = [thing(n, body=f'<p><a href="https://cms.example/{n}">x</a></p>') for n in range(8)]
    origin.reads(*before)
    uids = {item.uid for item in public(room)}
    told = owed(room)
    after = origin.reads(*(moved(one, to) for one in before))
    assert uids == {item.uid for item in public(room)}
    assert told == owed(room)
    downgraded = to == "http://cms.example"
    assert {"unchanged"} == set(fates(after)) if downgraded else {"revised"} == set(fates(after))
    if not downgraded:
        assert all((item.content.url or "").startswith(to) for item in public(room))
        assert all(item.content.body.count(to) == 1 for item in public(room))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("123 at http://cms.example", "123 at https://www.cms.example"),
        ("http://cms.example/?p=123", "https://cms.example/?p=123"),
    ],
)
def test_guids_of_known_systems_are_known_again(room: Store, before: str, after: str) -> None:
    """feeds:I15 — Drupal's "123 at http://host" and WordPress's "?p=123", with no link to help."""
    origin = Origin(room)
    origin.reads(thing(guid=before, link=None))
    origin.reads(thing(guid=after, link=None))
    assert 1 == len(public(room))


def test_new_guids_under_the_same_links_are_the_same_items(room: Store) -> None:
    """feeds:I15 — a site that was imported anew neither floods nor mails; the guid readers know stays."""
    origin = Origin(room)
    origin.reads(*(thing(n) for n in range(10)))
    told, uids = owed(room), {item.uid for item in public(room)}
    again = origin.reads(*(thing(n, guid=f"https://cms.example/?p=9{n}") for n in range(10)))
    assert (told, uids) == (owed(room), {item.uid for item in public(room)})
    assert {"unchanged"} == set(fates(again))


def test_a_site_with_everything_new_mails_nothing(room: Store) -> None:
    """feeds:I15 — other guids and other links cannot be known again, but their dates are old."""
    origin = Origin(room)
    origin.reads(*(thing(n, published=OLD) for n in range(5)))
    origin.reads(*(thing(100 + n, published=OLD) for n in range(5)))
    assert 0 == owed(room)


def test_the_same_path_on_two_hosts_is_two_items(room: Store) -> None:
    """feeds:I15 — a planet that collects WordPress sites has many a "?p=1"; at once or one after the other."""
    origin = Origin(room)
    one, two = thing(1), moved(thing(1, title="Another"), "https://other.example")
    origin.reads(one, two)
    assert {"Item 1", "Another"} == set(titles(room))
    third = moved(thing(1, title="A third", dated="another day"), "https://third.example")
    origin.reads(third)
    assert {"Item 1", "Another", "A third"} == set(titles(room))


def test_a_copy_on_another_host_is_no_move_while_the_first_is_there(room: Store) -> None:
    """feeds:I15 — same path, same date, same title: two items as long as the feed holds both."""
    origin = Origin(room)
    one, copy = thing(1), moved(thing(1), "https://copy.example")
    origin.reads(one)
    origin.reads(copy, one)
    assert ["https://cms.example/1", "https://copy.example/1"] == [item.content.url for item in public(room)]


def test_one_page_for_all_items_makes_no_one_of_them(room: Store) -> None:
    """feeds:I15 — a feed with a window of one, whose items all link to /news: each is a new item."""
    origin = Origin(room)
    for number in range(3):
        origin.reads(thing(number, link="https://cms.example/news"))
    assert ["Item 0", "Item 1", "Item 2"] == titles(room)


def test_doubles_within_a_feed_do_not_take_turns(room: Store, clock: FakeClock) -> None:
    """feeds:I15 — of two entries with one guid the one we have stays; the first, if we have neither."""
    origin = Origin(room)
    a, b = thing(title="A"), thing(title="B")
    for feed in ((a, b), (b, a), (a, b), (b,), (b, a), (a, b)):
        origin.reads(*feed)
        clock.advance(hours=1)
    (item,) = public(room)
    assert ("B", 2) == (item.content.title, item.revision)  # A left once, then B was what there was


def test_doubles_whose_bytes_say_nothing_do_not_take_turns(room: Store) -> None:
    """feeds:I15 — where entries are not known by their hash, the one whose words we have stays."""
    origin = Origin(room)
    a, b = thing(title="A", raw=None), thing(title="B", raw=None)
    for feed in ((a, b), (b, a), (b, a)):
        origin.reads(*feed)
    (item,) = public(room)
    assert ("A", 1) == (item.content.title, item.revision)


def test_two_addresses_of_one_thing_do_not_take_turns(room: Store, clock: FakeClock) -> None:
    """feeds:I15 — a feed that is served now under http, now under https, revises nothing."""
    origin = Origin(room)
    secure = thing()
    plain = moved(secure, "http://cms.example")
    for feed in (plain, secure, plain, secure, plain):
        origin.reads(feed)
        clock.advance(hours=1)
    (item,) = public(room)
    assert (2, secure.link) == (item.revision, item.content.url)


def test_what_leaves_the_window_stays_and_comes_back_as_itself(room: Store) -> None:
    """feeds:I17 — nothing vanishes here; what comes back, even under a new address, is no new item."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    origin.reads(thing(2))
    assert ["Item 2", "Item 1"] == titles(room)
    origin.reads(moved(thing(1), "https://new.example"), thing(2))
    assert 2 == len(public(room))


def test_an_empty_feed_changes_nothing(room: Store) -> None:
    """feeds:I17 — an explicit empty feed: the items stay, and are still known as they were."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    origin.reads()
    filing = origin.filing(thing(1), thing(2))
    assert 2 == len(filing._reading.unchanged)
    assert 2 == len(public(room))


def test_what_cannot_be_read_has_not_left(room: Store) -> None:
    """feeds:I17 — an entry that was left out this time is in the feed; one without a name hides who left."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    with room.read() as tx:
        key = upstreams.named(tx, "cms").id
    left = LeftOut(title="x", identity=None, why="it is too long")
    origin.reads(thing(2), left_out=(left,))
    origin.reads(thing(2), left_out=(replace(left, identity=thing(1).identity),))
    with room.read() as tx:
        assert 2 == len(incoming.present(tx, key))


def test_what_is_unchanged_is_not_written(room: Store, clock: FakeClock) -> None:
    """feeds:I16 — the same again costs a look-up: no transaction writes, however often it is read."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    clock.advance(hours=1)
    filing = origin.filing(thing(2), thing(1))
    assert not filing._reading.things
    assert [None] == list(filing.steps())
    with room.read() as tx:
        known = incoming.known(tx, upstreams.named(tx, "cms").id, [thing(1).identity])
    assert NOW == known[thing(1).identity].first


def test_other_bytes_with_the_same_words_revise_nothing(room: Store) -> None:
    """feeds:I16 — a moved date, a new comment count: its hash is another, its words are not."""
    origin = Origin(room)
    origin.reads(thing())
    assert ["unchanged"] == fates(origin.reads(thing(raw="other", published=NOW)))
    assert [] == fates(origin.reads(thing(raw="other", published=NOW)))  # and is known from then on
    (item,) = public(room)
    assert (1, thing().published) == (item.revision, item.published)


def test_a_lost_date_never_puts_an_old_item_on_top(room: Store, clock: FakeClock) -> None:
    """feeds:I18 — nor does another one; the date as the feed wrote it is kept."""
    origin = Origin(room)
    origin.reads(thing(published=OLD, dated="long ago"))
    clock.advance(hours=1)
    origin.reads(thing(published=None, dated=None, title="New words"))
    origin.reads(thing(published=clock(), dated="now", title="Newer words"))
    (item,) = public(room)
    assert ("Newer words", OLD, 0) == (item.content.title, item.published, owed(room))


def test_a_foreign_feed_names_nothing_of_ours(room: Store) -> None:
    """feeds:I28 — the origin's id is kept, unless it is an address or a tag of our own host: that gets a new one."""
    origin = Origin(room, relation=Relation.FOREIGN)
    theirs = "tag:partner.example,2026:1"
    ours = ["tag:news.example,2026:7", "https://news.example/items/x", "tag:me@NEWS.example,2026:1"]
    origin.reads(*(thing(n, guid=guid) for n, guid in enumerate([theirs, *ours])))
    assert {theirs, *(f"tag:news.example,2026-03-02:{n}" for n in (1, 2, 3))} == {
        item.uid for item in public(room)
    }
    assert [] == fates(origin.reads(*(thing(n, guid=guid) for n, guid in enumerate([theirs, *ours]))))


def test_rights_follow_their_origin(room: Store) -> None:
    """feeds:I28 — other rights are no correction, take back nothing a person wrote here, and count as news once."""
    origin = Origin(room, relation=Relation.FOREIGN, on_change=Significance.CORRECTION)
    origin.reads(thing(1), thing(2, rights="© 2025"))
    updated, told = {item.updated for item in public(room)}, owed(room)
    with room.begin() as tx:
        (edited,) = (item for item in items.listing(tx) if item.content.title == "Item 1")
        publish.edit(tx, edited.uid, replace(edited.content, body="<p>Ours.</p>"))
    assert ["revised", "revised"] == fates(origin.reads(thing(1, rights="© 2026"), thing(2, rights="© 2026")))
    assert ["© 2026", "© 2026"] == [item.content.rights for item in public(room)]
    assert {"<p>Ours.</p>", ""} == {item.content.body for item in public(room)}
    assert updated == {item.updated for item in public(room)}
    assert told == owed(room)
    again = origin.reads(thing(1, rights="© 2026", dated="x"), thing(2, dated="x"))
    assert ["unchanged", "revised"] == sorted(fates(again), reverse=True)
    assert {"© 2026", ""} == {item.content.rights for item in public(room)}


def test_rights_follow_into_what_is_held(room: Store) -> None:
    """feeds:I28 — what waits for a yes has the rights of today when it gets it."""
    origin = Origin(room, hold=True)
    origin.reads(thing(rights="© 2025"))
    assert ["revised"] == fates(origin.reads(thing(rights="© 2026")))
    assert ["© 2026"] == [release.content.rights for release in waiting(room)]


def test_an_own_cms_on_our_host_keeps_its_ids(room: Store) -> None:
    """DESIGN §5.5 — the uid is the origin's guid; our own CMS may be where we are."""
    Origin(room).reads(thing(guid="https://news.example/?p=1"))
    assert ["https://news.example/?p=1"] == [item.uid for item in public(room)]


# -- routing ---------------------------------------------------------------------------------------------

PRESS = Route(category="press*", topics=("press",))


def tagged(number: int = 1, *terms: str, **other: Any) -> Incoming:
    one = thing(number, **other)
    return replace(one, categories=tuple(map(Category, terms)), raw=f"{one.raw}{terms}")


def test_rules_file_and_say_so(room: Store) -> None:
    """DESIGN §2 (Upstream) — by category, author or title; the dry run names the rule, the topics and the kind."""
    rules = (PRESS, Route(author="jane*", as_kind=Kind.STATEMENT))
    origin = Origin(room, rules=rules)
    one = tagged(1, "Press Releases", authors=(Author(name="Jane Doe"),))
    (seen,) = origin.looks(one).prospects
    assert ('new, by category "press*"; author "jane*"', True) == (seen.why, seen.pushed)
    assert (["policy", "press"], "statement") == (seen.as_json()["topics"], seen.as_json()["kind"])
    assert [] == public(room)
    origin.reads(one)
    (item,) = public(room)
    assert (("policy", "press"), Kind.STATEMENT) == (item.content.topics, item.content.kind)


@pytest.mark.parametrize(("late", "told"), [(timedelta(minutes=20), 1), (timedelta(hours=25), 0)])
def test_a_category_set_late_is_owed_while_young(
    room: Store, clock: FakeClock, late: timedelta, told: int
) -> None:
    """DESIGN §2 (Subscription) — the readers of that topic get it, once; an old item re-tagged is never mailed."""
    with room.begin() as tx:
        make_subscription(tx, "press@example.org", "press")
    origin = Origin(room, rules=(PRESS,))
    plain: dict[str, Any] = {"published": NOW, "topics": ()}
    origin.reads(tagged(**plain))
    assert 0 == owed(room)
    clock.now = NOW + late
    assert ["revised"] == fates(origin.reads(tagged(1, "Press", **plain)))
    (item,) = public(room)
    assert (("press",), told) == (item.content.topics, owed(room))
    origin.reads(tagged(1, **plain))
    origin.reads(tagged(1, "Press", **plain))
    assert told == owed(room)


def test_a_retagged_archive_without_dates_is_not_mailed(room: Store, clock: FakeClock) -> None:
    """DESIGN §2 (Subscription) — what a first reading brought without a date has no age; later ones have."""
    origin = Origin(room)
    old: dict[str, Any] = {"published": None, "dated": None, "topics": ()}
    origin.reads(tagged(1, **old))
    clock.advance(minutes=20)
    origin.edit(rules=(Route(category="press*", topics=("policy",)),))
    origin.reads(tagged(1, "Press", **old), tagged(2, **old))
    assert 0 == owed(room)
    clock.advance(minutes=20)
    origin.reads(tagged(1, "Press", **old), tagged(2, "Press", **old))
    assert 1 == owed(room)


def test_where_a_person_filed_it_there_it_stays(room: Store) -> None:
    """feeds:I16 — the origin's categories move only what nobody has moved here."""
    origin = Origin(room, rules=(PRESS,))
    origin.reads(tagged())
    (item,) = public(room)
    with room.begin() as tx:
        publish.edit(tx, item.uid, replace(item.content, topics=()))
    (kept,) = origin.reads(tagged(1, "Press")).prospects
    assert ("unchanged", "a person filed it here where it is") == (kept.fate, kept.why)
    assert ["revised"] == fates(origin.reads(tagged(1, "Press", title="New words")))
    (item,) = public(room)
    assert ("New words", ()) == (item.content.title, item.content.topics)


def test_another_category_corrects_nothing(room: Store) -> None:
    """DESIGN §2 (Revision) — filing is no word: where changes are corrections, this one is silent."""
    origin = Origin(room, rules=(PRESS,), on_change=Significance.CORRECTION)
    origin.reads(tagged())
    updated = public(room)[0].updated
    origin.reads(tagged(1, "Press"))
    (item,) = public(room)
    assert (2, updated) == (item.revision, item.updated)


# -- before it is public ---------------------------------------------------------------------------------


def test_a_delay_lets_it_out_by_itself(room: Store, clock: FakeClock) -> None:
    """DESIGN §2 (Release) — held so long from its first sight; until then it can be cancelled; then it is owed."""
    origin = Origin(room, delay=timedelta(hours=1))
    assert ["held"] == fates(origin.reads(thing()))
    clock.advance(minutes=30)
    assert ["revised"] == fates(origin.reads(thing(title="Better")))
    (held,) = waiting(room)
    assert (NOW + timedelta(hours=1), "Better") == (held.at, held.content.title)
    clock.advance(minutes=30)
    press.release_due(room)
    assert (["Better"], 1) == (titles(room), owed(room))
    assert thing().published == public(room)[0].published


def test_quarantine_wins_over_a_delay(room: Store) -> None:
    """DESIGN §2 (Release) — under `hold`, or by a rule that says hold, no time lifts it."""
    Origin(room, hold=True, delay=timedelta(hours=1)).reads(thing())
    rule = Route(category="legal", end=End.HOLD)
    other = Origin(room, "other", rules=(rule,), delay=timedelta(hours=1))
    (seen,) = other.looks(tagged(2, "Legal")).prospects
    assert ('it waits for a yes, by category "legal"', None) == (seen.why, seen.pushed)
    other.reads(tagged(2, "Legal"))
    assert [(ReleaseState.HELD, None)] * 2 == [(one.state, one.at) for one in waiting(room)]


def test_a_lost_date_lets_nothing_out_early(room: Store) -> None:
    """feeds:I18 — what is dated ahead waits, even if its feed forgets the date."""
    origin = Origin(room)
    ahead = NOW + timedelta(days=3)
    origin.reads(thing(published=ahead))
    origin.reads(thing(published=None, dated=None, title="New words"))
    (held,) = waiting(room)
    assert (ReleaseState.HELD, ahead, "New words") == (held.state, held.at, held.content.title)


def test_an_embargo_is_kept_in_the_release(room: Store) -> None:
    """DESIGN §5.10 — held until then, with what was typed."""
    until = NOW + timedelta(days=1)
    embargo = Embargo(until=until, zone="Europe/London", wall="2026-03-03 09:00")
    Origin(room).reads(thing(embargo=embargo))
    (held,) = waiting(room)
    assert (ReleaseState.HELD, until, embargo) == (held.state, held.at, held.embargo)


# -- drafts ----------------------------------------------------------------------------------------------

DRAFT = Route(category="press*", topics=("press",), end=End.DRAFT)


def drafted(room: Store, **other: Any) -> tuple[Origin, str]:
    """A draft made of an entry, and its uid."""
    origin = Origin(room, rules=(DRAFT,))
    assert ["draft"] == fates(origin.reads(tagged(1, "Press", **other)))
    (draft,) = waiting(room)
    return origin, draft.uid


def test_a_rule_makes_a_draft_that_is_released_as_one_item(room: Store) -> None:
    """DESIGN §2 (Upstream) — approval and embargo first; the same thing in the feed later is no double."""
    embargo = Embargo(until=NOW + timedelta(days=1))
    origin, uid = drafted(room, embargo=embargo)
    (draft,) = waiting(room)
    assert (ReleaseState.DRAFT, "cms", None, embargo) == (
        draft.state, draft.upstream, draft.published, draft.embargo,
    )  # fmt: skip
    with room.begin() as tx:
        press.approve(tx, uid, "ed")
        press.lift(tx, uid)
    assert ["revised"] == fates(origin.reads(tagged(1, "Press", title="As it is on the web")))
    (item,) = public(room)
    assert (uid, "As it is on the web", "cms") == (item.uid, item.content.title, item.upstream)


def test_a_draft_that_is_dated_ahead_is_under_embargo_until_then(room: Store) -> None:
    """DESIGN §5.10 — nobody here makes it public before its origin does."""
    ahead = NOW + timedelta(days=2)
    _, uid = drafted(room, published=ahead)
    with room.begin() as tx:
        press.approve(tx, uid, "ed")
        with pytest.raises(Refused, match="embargo"):
            press.publish_now(tx, uid)


@pytest.mark.parametrize("state", [ReleaseState.DRAFT, ReleaseState.APPROVED, ReleaseState.SCHEDULED])
def test_a_draft_follows_its_origin_and_needs_approval_again(room: Store, state: ReleaseState) -> None:
    """DESIGN §2 (Upstream) — nobody approved the new words."""
    origin, uid = drafted(room)
    with room.begin() as tx:
        if state is not ReleaseState.DRAFT:
            press.approve(tx, uid, "ed")
        if state is ReleaseState.SCHEDULED:
            press.schedule(tx, uid, NOW + timedelta(hours=1))
    (seen,) = origin.reads(tagged(1, "Press", title="New words")).prospects
    (draft,) = waiting(room)
    assert ("revised", ReleaseState.DRAFT, "New words", None, None) == (
        seen.fate, draft.state, draft.content.title, draft.at, draft.approved_by,
    )  # fmt: skip
    assert ("approved again" in seen.why) == (state is not ReleaseState.DRAFT)


def test_an_edited_draft_is_left_alone(room: Store) -> None:
    """DESIGN §2 (Upstream) — the editor's words stand; what differs is named, each time it changes."""
    origin, uid = drafted(room)
    with room.begin() as tx:
        press.draft(tx, uid, replace(waiting(room)[0].content, title="The editor's"), None)
    for words in ("New words", "Newer words"):
        (seen,) = origin.reads(tagged(1, "Press", title=words)).prospects
        assert "unchanged" == seen.fate
        assert "it was edited here and stays as it is: title would differ" in seen.why
    assert ["The editor's"] == [one.content.title for one in waiting(room)]


@pytest.mark.parametrize("end", [ReleaseState.CANCELLED, ReleaseState.MISSED])
def test_what_was_stopped_here_stays_so(room: Store, clock: FakeClock, end: ReleaseState) -> None:
    """DESIGN §2 (Release) — the origin's next words bring no cancelled or missed draft back."""
    origin, uid = drafted(room, embargo=Embargo(until=NOW + timedelta(days=1)))
    if end is ReleaseState.CANCELLED:
        with room.begin() as tx:
            press.cancel(tx, uid, "no")
    else:
        clock.advance(days=2)
        press.release_due(room)
    assert ["unchanged"] == fates(origin.reads(tagged(1, "Press", title="New words")))
    assert [end] == [one.state for one in waiting(room)]


# -- many at once ----------------------------------------------------------------------------------------


def many(count: int, **other: Any) -> list[Incoming]:
    return [thing(number, **other) for number in range(count)]


def answer(room: Store, how: Any) -> None:
    with room.begin() as tx:
        upstreams.accept(tx, "cms", how)


def test_many_at_once_wait_for_a_yes(room: Store) -> None:
    """DESIGN §2 (Subscription) — more than `confirm_above` that would be mailed: nothing is filed, each poll asks."""
    origin = Origin(room, confirm_above=3)
    for _ in range(2):
        filing = origin.reads(*many(4))
        assert (4, True, []) == (filing.asking, filing.again, filing.prospects)
        assert (0, []) == (owed(room), titles(room))
    assert 4 == origin.looks(*many(4)).asking
    with room.read() as tx:
        assert 4 == tx.connection.exec_driver_sql("SELECT asking FROM upstreams").scalar()


@pytest.mark.parametrize(("how", "told"), [("push", 4), ("quiet", 0)])
def test_a_yes_files_them_all(room: Store, how: str, told: int) -> None:
    """DESIGN §2 (Subscription) — sent as usual, or to nobody; and the next batch asks again."""
    origin = Origin(room, confirm_above=3)
    origin.reads(*many(4))
    answer(room, how)
    assert ["item"] * 4 == fates(origin.reads(*many(4)))
    assert told == owed(room)
    with room.read() as tx:
        assert (None, None) == tuple(
            tx.connection.exec_driver_sql("SELECT asking, accepted FROM upstreams").one()
        )
    assert 5 == origin.reads(*many(9)).asking


def test_a_push_neither_ends_the_question_nor_takes_the_yes(room: Store) -> None:
    """feeds:W6 — a hub brings one more while a person is asked: it waits, too, and the yes is the batch's."""
    origin = Origin(room, confirm_above=3)
    origin.reads(thing(99))
    mailed = owed(room)
    assert 4 == origin.reads(*many(4)).asking
    pushed = origin.brought(thing(50))
    assert (4, True, []) == (pushed.asking, pushed.again, pushed.prospects)
    answer(room, "quiet")
    assert 4 == origin.brought(thing(50)).asking
    with room.read() as tx:
        assert 4 == upstreams.status(tx, "cms").asking
    assert None is origin.brought(thing(51, published=OLD)).asking  # nobody is sent this
    assert ["item"] * 4 == fates(origin.reads(*many(4)))
    assert mailed == owed(room)


def test_quiet_ends_a_delay_too(room: Store, clock: FakeClock) -> None:
    """DESIGN §2 (Subscription) — who looked at them and wants nobody told is not overruled by the release loop."""
    origin = Origin(room, confirm_above=3, delay=timedelta(hours=1))
    assert 4 == origin.reads(*many(4)).asking
    answer(room, "quiet")
    assert ["item"] * 4 == fates(origin.reads(*many(4)))
    clock.advance(hours=2)
    press.release_due(room)
    assert (4, 0) == (len(public(room)), owed(room))


@pytest.mark.parametrize(
    ("upstream", "other"),
    [
        ({"push": False}, {}),
        ({"hold": True}, {}),
        ({}, {"published": OLD}),
        ({}, {"published": None, "dated": None}),
        ({"confirm_above": 4}, {}),
    ],
)
def test_who_would_not_be_mailed_needs_no_yes(
    room: Store, upstream: dict[str, Any], other: dict[str, Any]
) -> None:
    """DESIGN §2 (Subscription) — not pushed, quarantined, an archive, held until their date, or few enough."""
    assert None is Origin(room, **{"confirm_above": 3, **upstream}).reads(*many(4, **other)).asking


def test_what_would_go_out_by_itself_waits_for_a_yes_too(room: Store) -> None:
    """DESIGN §2 (Subscription) — a date some minutes ahead is no way around the question."""
    ahead = many(4, published=NOW + timedelta(minutes=3))
    assert 4 == Origin(room, confirm_above=3).reads(*ahead).asking


def test_a_batch_in_small_pieces_is_a_batch(room: Store, clock: FakeClock) -> None:
    """DESIGN §2 (Subscription) — what came within the hour counts; after a yes, or an hour, it is counted anew."""
    origin = Origin(room, confirm_above=3)
    origin.reads(thing(99))
    clock.advance(minutes=1)
    everything = [replace(one, published=clock()) for one in many(9)]
    assert [None, 1] == [origin.reads(*everything[:count]).asking for count in (3, 4)]
    answer(room, "push")
    assert ["item"] == fates(origin.reads(*everything[:4]))[-1:]
    clock.advance(minutes=1)
    assert None is origin.reads(*everything[:6]).asking
    clock.advance(hours=2)
    late = [replace(one, published=clock()) for one in everything[6:]]
    assert None is origin.reads(*everything[:6], *late).asking


def test_a_yes_is_to_what_was_shown(room: Store) -> None:
    """DESIGN §2 (Subscription) — a feed that holds far more by the time of the yes asks anew."""
    origin = Origin(room, confirm_above=3)
    origin.reads(*many(4))
    answer(room, "push")
    assert 20 == origin.reads(*many(20)).asking
    assert (0, []) == (owed(room), titles(room))


def test_where_nobody_listens_nobody_is_asked(store: Store) -> None:
    """DESIGN §2 (Subscription) — without a live subscription or a partner a first poll simply comes in."""
    make_newsroom(store)
    origin = Origin(store, confirm_above=3)
    assert None is origin.reads(*many(4)).asking
    with store.begin() as tx:
        make_partner(tx)
    assert 5 == origin.reads(*many(9)).asking


def test_many_that_enter_a_topic_wait_too(room: Store) -> None:
    """DESIGN §2 (Subscription) — a rule that files young items anew would mail them all at once."""
    with room.begin() as tx:
        make_subscription(tx, "press@example.org", "press")
    origin = Origin(room, confirm_above=3, rules=(PRESS,), push=False)
    origin.reads(*(tagged(number, topics=()) for number in range(4)))
    origin.edit(push=True)
    assert 4 == origin.reads(*(tagged(number, "Press", topics=()) for number in range(4))).asking
    assert [()] * 4 == [item.content.topics for item in public(room)]


@pytest.mark.parametrize(("how", "told"), [("push", 4), ("quiet", 0)])
def test_many_corrections_wait_too(room: Store, how: str, told: int) -> None:
    """DESIGN §2 (Subscription) — another template is no reason to write to everybody; quiet, it is a silent edit."""
    origin = Origin(room, confirm_above=3, on_change=Significance.CORRECTION)
    for count in range(4):
        origin.reads(*many(count + 1))
    again = many(4, body="<p>Another template.</p>")
    with room.read() as tx:
        assert set() == deliveries.somebody_had(tx, [one.guid or "" for one in again])
    with room.begin() as tx:
        tx.connection.execute(update(schema.deliveries).values(state=DeliveryState.ACCEPTED))
    mailed = owed(room)
    assert (4, 4) == (origin.looks(*again).asking, origin.reads(*again).asking)
    assert {""} == {item.content.body for item in public(room)}
    answer(room, how)
    assert None is origin.reads(*again).asking
    assert [again[0].content.body] * 4 == [item.content.body for item in public(room)]
    assert mailed + told == owed(room)


def test_adopted_items_are_no_new_ones(room: Store) -> None:
    """feeds:I15 — an upstream that was removed and added again floods nobody."""
    Origin(room).reads(*many(10))
    with room.begin() as tx:
        upstreams.remove(tx, "cms")
    again = Origin(room, confirm_above=3).reads(*many(10))
    assert (None, {"unchanged"}) == (again.asking, set(fates(again)))


@pytest.mark.parametrize(
    "name",
    [
        {},
        {"guid": None},
        {"guid": "notes.md", "link": None},
        {"guid": "77", "words": {"guid": Guid(value="77", permalink=False)}},
        {"guid": "77", "words": {"guid": Guid(value="77", permalink=False)}, "relation": Relation.FOREIGN},
    ],
)
def test_what_a_person_decided_outlives_its_upstream(room: Store, name: dict[str, Any]) -> None:
    """feeds:I15 — removed and added again: held stays held, stopped stopped, a draft a draft; once, under its uid."""
    words = name.get("words", {})
    relation = {"relation": name.get("relation", Relation.OWN)}
    said = {key: value for key, value in name.items() if key in {"guid", "link"}}

    def one(number: int, **other: Any) -> Incoming:
        guid = f"{number}/{said['guid']}" if said.get("guid") else None
        made = thing(number, **{**said, **({"guid": guid} if guid else {}), **other})
        marked = {"guid": replace(words["guid"], value=guid)} if words else {}
        return replace(made, content=replace(made.content, **marked))

    rules = (Route(title="Item 3", end=End.DRAFT),)
    Origin(room, hold=True, rules=rules, **relation).reads(*map(one, range(1, 4)))
    uids = {release.content.title: release.uid for release in waiting(room)}
    with room.begin() as tx:
        press.cancel(tx, uids["Item 2"], "no")
        upstreams.remove(tx, "cms")
    before = [
        (ReleaseState.DRAFT, "Item 3"),
        (ReleaseState.HELD, "Item 1"),
        (ReleaseState.CANCELLED, "Item 2"),
    ]
    again = Origin(room, **relation)
    assert ["unchanged"] * 3 == fates(again.looks(*map(one, range(1, 4))))
    assert ["unchanged"] * 3 == fates(again.reads(*map(one, range(1, 4))))
    assert sorted(before) == sorted((release.state, release.content.title) for release in waiting(room))
    assert ([], 0) == (titles(room), owed(room))
    again.reads(one(1, body="Corrected."), one(2, body="Corrected."), one(3))
    assert {"Item 1": "Corrected.", "Item 2": "", "Item 3": ""} == {
        release.content.title: release.content.body for release in waiting(room)
    }


def test_a_draft_in_hand_keeps_its_words_when_its_upstream_comes_back(room: Store) -> None:
    """feeds:I15 — nobody remembers whether a person edited it, so it is left alone; a stranger's upstream takes none."""
    rules = (Route(title="*", end=End.DRAFT),)
    Origin(room, rules=rules).reads(thing())
    with room.begin() as tx:
        upstreams.remove(tx, "cms")
    assert ["unchanged"] == fates(Origin(room).reads(thing(body="Newer.")))
    assert [""] == [release.content.body for release in waiting(room)]
    Origin(room, "other", relation=Relation.FOREIGN).reads(thing())
    assert 1 == len(public(room))


def test_the_dry_run_promises_what_a_poll_does(room: Store) -> None:
    """DESIGN §6 — what its origin left as it was is shown as that, other rules or not, and counts for no question."""
    with room.begin() as tx:
        make_subscription(tx, "press@example.org", "press")
    origin = Origin(room, confirm_above=3)
    origin.reads(*(tagged(number, "Press") for number in range(3)))
    origin.edit(rules=(PRESS,))
    feed = [*(tagged(number, "Press") for number in range(3)), *(tagged(number) for number in range(3, 6))]
    seen = origin.looks(*feed)
    assert {"its origin has not changed it since"} == {
        one.why for one in seen.prospects if str(one.fate) == "unchanged"
    }
    assert ([f"https://cms.example/?p={number}" for number in range(5, -1, -1)], None) == (
        [one.uid for one in seen.prospects],
        seen.asking,
    )
    assert [(one.uid, one.fate) for one in seen.prospects if str(one.fate) != "unchanged"] == [
        (one.uid, one.fate) for one in origin.reads(*feed).prospects
    ]
    assert ["Item 0"] * 3 == [one.content.title for one in origin.looks(*feed).prospects[-1:]] * 3


def test_the_dry_run_leaves_out_what_a_poll_leaves_out(room: Store) -> None:
    """DESIGN §6 — a topic that is not there any more, in the words of the poll; new, held or revised."""
    origin = Origin(room)
    origin.reads(thing(1))
    feed = [
        thing(1, topics=("gone",)),
        thing(2, topics=("gone",)),
        thing(3, topics=("gone",), published=NOW + timedelta(days=1)),
    ]
    seen, done = origin.looks(*feed), origin.reads(*feed)
    assert 3 == len(done.left_out)
    assert all('no topic "gone"' in one.why for one in done.left_out)
    assert sorted(one.why for one in done.left_out) == sorted(one.why for one in seen.left_out)
    assert [] == [*seen.prospects, *done.prospects]


# -- deleted at the origin -------------------------------------------------------------------------------


def test_a_tombstone_withdraws(room: Store) -> None:
    """feeds:I17 — at:deleted-entry is the origin's word; its comment is the notice, read twice it is one."""
    origin = Origin(room, relation=Relation.FOREIGN)
    origin.reads(thing(1), thing(2))
    stone = Deleted(ref=thing(1).identity, comment="<p>An error.</p>")
    assert ["withdrawn"] == fates(origin.reads(thing(2), deleted=(stone,)))
    assert [] == fates(origin.reads(thing(2), deleted=(stone,)))
    with room.read() as tx:
        (gone,) = (item for item in items.listing(tx) if not item.live)
    assert ("Item 1", "An error.") == (gone.content.title, gone.note)


def test_a_tombstone_beside_its_entry_says_nothing(room: Store) -> None:
    """feeds:I17 — RFC 6721 §3: an entry that is in the feed is not deleted; nor is another upstream's item."""
    origin, other = Origin(room), Origin(room, "other", relation=Relation.FOREIGN)
    origin.reads(thing(1))
    stone = Deleted(ref=thing(1).identity)
    origin.reads(thing(1), deleted=(stone,))
    other.reads(thing(2), deleted=(stone,))
    assert 2 == len(public(room))


def test_a_tombstone_ends_what_is_not_public_yet(room: Store) -> None:
    """feeds:I17 — what was deleted before its date never comes out."""
    origin = Origin(room, delay=timedelta(hours=1))
    origin.reads(thing(1), thing(2))
    origin.reads(thing(2), deleted=(Deleted(ref=thing(1).identity),))
    assert [ReleaseState.CANCELLED] == [one.state for one in waiting(room) if one.content.title == "Item 1"]


@pytest.mark.parametrize("upstream", [{"hold": True}, {"confirm_above": 1}])
def test_tombstones_ask_under_quarantine_and_if_they_are_many(room: Store, upstream: dict[str, Any]) -> None:
    """feeds:I17 — a person sees them, and whoever keeps one is not asked again."""
    origin = Origin(room)
    origin.reads(*many(3))
    origin.edit(**upstream)
    stones = tuple(Deleted(ref=thing(number).identity) for number in (0, 1))
    origin.reads(thing(2), deleted=stones)
    with room.begin() as tx:
        key = upstreams.named(tx, "cms").id
        shown = departures.listing(tx, key)
        departures.keep(tx, shown[0].uid)
    assert 2 == len(shown)
    origin.reads(thing(2), deleted=stones)
    with room.read() as tx:
        assert shown[1:] == departures.listing(tx, key)
    assert 3 == len(public(room))


# -- the claim -------------------------------------------------------------------------------------------


def test_an_overtaken_filing_stops_where_it_is(room: Store, clock: FakeClock) -> None:
    """feeds:I4 — between two steps somebody else may have taken over: nothing more is written."""
    origin = Origin(room, push=False)
    filing = origin.filing(*many(60))
    steps = filing.steps()
    next(steps)
    next(steps)
    there = len(public(room))
    assert 1 <= there < 60
    clock.advance(minutes=4)
    origin.claim()
    with pytest.raises(Overtaken):
        next(steps)
    assert there == len(public(room))


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time at all for a transaction: each does one thing, as it does where one takes long."""
    monkeypatch.setattr("syndicator.ingest.filing.WORK", 0.0)
    monkeypatch.setattr("syndicator.ingest.filing.LEAVING", 1)


@pytest.mark.usefixtures("hurried")
def test_no_transaction_begins_more_once_its_time_is_over(room: Store) -> None:
    """DESIGN §5.3 — a release at its embargo waits for one thing, whatever a feed brings or takes back."""
    origin = Origin(room, push=False)
    filing = origin.filing(*many(4))
    assert [0, 1, 2, 3, 4] == [len(public(room)) for _ in filing.steps()]
    origin.settle(filing)
    filing = origin.filing(thing(9), deleted=tuple(Deleted(ref=one.identity) for one in many(3)))
    assert [4, 5, 5, 4, 3, 2] == [len(public(room)) for _ in filing.steps()][:6]


@pytest.mark.usefixtures("hurried")
def test_what_a_reading_says_as_a_whole_comes_last(room: Store, clock: FakeClock) -> None:
    """DESIGN §5.3 — who left, then whom a person was asked about; broken off anywhere, the next reading does the rest."""
    origin = Origin(room, confirm_above=2, push=False)
    origin.reads(*many(2))
    origin.edit(push=True)
    fresh = [thing(number) for number in range(10, 13)]
    assert 3 == origin.reads(*fresh).asking
    answer(room, "push")

    def stands() -> tuple[int, int, int | None]:
        with room.read() as tx:
            there = incoming.present(tx, upstreams.named(tx, "cms").id)
            return len(public(room)), len(there), upstreams.status(tx, "cms").asking

    course = [(2, 2, 3), (3, 3, 3), (4, 4, 3), (5, 5, 3), (5, 5, 3), (5, 4, 3), (5, 3, 3)]
    steps = origin.filing(*fresh).steps()
    assert course[:6] == [stands() for _ in islice(steps, 6)]
    clock.advance(minutes=4)
    assert course[5:] == [stands() for _ in origin.filing(*fresh).steps()][1:]
    assert (5, 3, None) == stands()


def test_a_fault_of_ours_in_one_entry_spoils_no_other(room: Store) -> None:
    """feeds:I12 — where a transaction fails as a whole, each thing has its own, and only the bad one is left out."""

    class Broken(Origin):
        def mint(self, now: datetime) -> str:
            raise ZeroDivisionError

    origin = Broken(room)
    filing = origin.reads(thing(1), thing(2, guid="77"), thing(3))
    assert ["Item 1", "Item 3"] == sorted(titles(room))
    assert ["it could not be stored: ZeroDivisionError"] == [one.why for one in filing.left_out]
    assert filing.again


def test_a_hub_body_lets_nothing_leave(room: Store) -> None:
    """feeds:W6 — new entries alone are merged, never taken for the whole feed."""
    origin = Origin(room)
    origin.reads(thing(1), thing(2))
    origin.reads(thing(3), whole=False)
    with room.read() as tx:
        assert 3 == len(incoming.present(tx, upstreams.named(tx, "cms").id))


def test_an_entry_that_cannot_be_filed_spoils_no_other(room: Store) -> None:
    """feeds:I12 — it is left out, named, and tried again."""
    origin = Origin(room)
    bad = thing(1, topics=("nowhere",))
    filing = origin.reads(bad, thing(2))
    assert (["Item 2"], True) == (titles(room), filing.again)
    assert ["Item 1"] == [one.title for one in filing.left_out]
