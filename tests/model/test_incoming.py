"""What an incoming item means, judged purely, at its edges."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from syndicator.model.incoming import SKEW, Fate, Incoming, Known, judge, may_be_uid, words_of
from syndicator.model.item import Content, Kind, Medium, Source
from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.routing import End
from syndicator.model.upstream import LONGEST_KEY, Upstream
from tests.make import NOW

UPSTREAM = Upstream(id=1, slug="cms", url="https://cms.example/feed", created=NOW)
SECOND = timedelta(seconds=1)
THING = Incoming(guid="urn:x:1", link="https://cms.example/1", content=Content(title="One"), published=NOW)
HELD = Known(uid="urn:x:1", fingerprint=THING.fingerprint, held=ReleaseState.HELD, at=NOW + timedelta(days=1))


def test_identity_is_guid_then_link_then_hash() -> None:
    """feeds:I15 — and a hash never depends on the text, which is edited."""
    assert THING.identity == "urn:x:1"
    assert replace(THING, guid=None).identity == "https://cms.example/1"
    bare = replace(THING, guid=None, link=None)
    assert bare.identity.startswith("hash:")
    assert bare.identity == replace(bare, content=Content(title="One", body="<p>x</p>")).identity
    assert bare.identity != replace(bare, published=None).identity


def test_a_monstrous_guid_is_hashed() -> None:
    """security:X1 — identities are keys of the database; a megabyte of guid is neither key nor uid."""
    huge = "urn:x:" + "y" * 1_000_000
    assert len(replace(THING, guid=huge).identity) < LONGEST_KEY
    assert not may_be_uid(huge)
    assert [may_be_uid(guid) for guid in ("urn:x:1", "77", "a b:c", None)] == [True, False, False, False]


@pytest.mark.parametrize(
    ("ahead", "fate"),
    [
        (timedelta(), Fate.ITEM),
        (SKEW, Fate.ITEM),
        (SKEW + SECOND, Fate.HELD),
        (-timedelta(days=9), Fate.ITEM),
    ],
)
def test_two_minutes_ahead_is_a_clock_more_is_an_embargo(ahead: timedelta, fate: Fate) -> None:
    """DESIGN §5.10 — up to two minutes ahead, published is the time of arrival."""
    made = judge(replace(THING, published=NOW + ahead), None, UPSTREAM, NOW)
    assert made.fate is fate
    assert made.at == (NOW + ahead if fate is Fate.HELD else None)
    assert made.published == (min(NOW, NOW + ahead) if fate is Fate.ITEM else NOW + ahead)


def test_withheld_and_quarantine_wait_for_a_yes() -> None:
    """DESIGN §5.10 — no date lifts them by itself, unless the origin gives one."""
    for thing, upstream in ((replace(THING, withheld=True), UPSTREAM), (THING, replace(UPSTREAM, hold=True))):
        made = judge(thing, None, upstream, NOW)
        assert (made.fate, made.at) == (Fate.HELD, None)
    until = NOW + timedelta(days=1)
    assert judge(replace(THING, withheld=True, embargo=Embargo(until=until)), None, UPSTREAM, NOW).at == until


@pytest.mark.parametrize("ahead", [timedelta(microseconds=1), SECOND, SKEW])
def test_what_is_said_to_wait_waits_to_the_second(ahead: timedelta) -> None:
    """DESIGN §5.10 — the two minutes forgive a date; an embargo, or withheld with a date, holds however near."""
    until = NOW + ahead
    embargoed = replace(THING, embargo=Embargo(until=until))
    undated = replace(embargoed, published=None)
    withheld = replace(THING, published=until, withheld=True)
    for thing in (embargoed, undated, withheld):
        made = judge(thing, None, UPSTREAM, NOW)
        assert (Fate.HELD, until, until) == (made.fate, made.at, made.published)


def test_an_embargo_that_is_over_holds_nothing() -> None:
    """DESIGN §5.10 — "until 09:00" is public at 09:00:00 itself, and news from then on."""
    made = judge(
        replace(THING, published=NOW - timedelta(days=9), embargo=Embargo(until=NOW)), None, UPSTREAM, NOW
    )
    assert (Fate.ITEM, NOW) == (made.fate, made.published)


@pytest.mark.parametrize("withheld", [False, True])
def test_the_later_of_embargo_and_date_counts(withheld: bool) -> None:  # noqa: FBT001 - parametrised
    """DESIGN §5.10 — a past embargo frees nothing dated ahead, a past date nothing under embargo."""
    near, far = NOW + timedelta(hours=1), NOW + timedelta(days=1)
    for embargo in (NOW - SECOND, near, far):
        thing = replace(THING, published=far, embargo=Embargo(until=embargo), withheld=withheld)
        assert far == judge(thing, None, UPSTREAM, NOW).at
    assert (
        near == judge(replace(THING, embargo=Embargo(until=near), withheld=withheld), None, UPSTREAM, NOW).at
    )


def test_what_is_held_keeps_its_date() -> None:
    """mail: quarantine keeps the origin's date; what was withheld as a draft has none before its release."""
    old = replace(THING, published=NOW - timedelta(days=3650))
    assert old.published == judge(old, None, replace(UPSTREAM, hold=True), NOW).published
    assert judge(replace(old, withheld=True), None, UPSTREAM, NOW).published is None
    waiting = replace(HELD, at=None)
    changed = replace(old, content=Content(title="Two"))
    assert old.published == judge(changed, waiting, replace(UPSTREAM, hold=True), NOW).published


def test_known_things_are_judged_by_their_words() -> None:
    """feeds:I16 — a moved date or another filing is no change; another word is."""
    known = Known(uid="u", fingerprint=THING.fingerprint)
    refiled = replace(THING.content, topics=("policy",), kind=Kind.STATEMENT)
    credited = replace(THING.content, source=Source(id="i", title="t", updated=NOW, feed_url="f"))
    for content in (THING.content, refiled, credited):
        thing = replace(THING, content=content, published=NOW + timedelta(days=1))
        assert judge(thing, known, UPSTREAM, NOW).fate is Fate.UNCHANGED
    changed = replace(THING, content=Content(title="Two"))
    assert judge(changed, known, UPSTREAM, NOW).fate is Fate.REVISED
    assert words_of(refiled) == words_of(credited)


def test_a_held_thing_moves_with_its_origin() -> None:
    """embargo: its date follows; taken back it goes at once; a cancelled one never comes back."""
    later = NOW + timedelta(days=2)
    moved = judge(replace(THING, published=later), HELD, UPSTREAM, NOW)
    assert (moved.fate, moved.at) == (Fate.REVISED, later)
    same = judge(replace(THING, published=HELD.at), HELD, UPSTREAM, NOW)
    assert same.fate is Fate.UNCHANGED
    early = judge(THING, HELD, UPSTREAM, NOW)
    assert (early.fate, early.at) == (Fate.REVISED, NOW)
    stopped = judge(replace(THING, withheld=True), HELD, UPSTREAM, NOW)
    assert (stopped.fate, stopped.at) == (Fate.REVISED, None)
    cancelled = replace(HELD, held=ReleaseState.CANCELLED)
    assert judge(replace(THING, published=later), cancelled, UPSTREAM, NOW).fate is Fate.UNCHANGED


def test_what_waits_for_a_yes_is_never_freed_by_the_feed() -> None:
    """embargo: under quarantine words may change, a date does not appear."""
    waiting = replace(HELD, at=None)
    changed = judge(replace(THING, content=Content(title="Two")), waiting, UPSTREAM, NOW)
    assert (changed.fate, changed.at) == (Fate.REVISED, None)
    assert judge(THING, waiting, UPSTREAM, NOW).fate is Fate.UNCHANGED


def test_a_delay_counts_from_the_first_sight() -> None:
    """DESIGN §2 (Release) — later readings do not put it off; a later date of its own does."""
    slow = replace(UPSTREAM, delay=timedelta(hours=2))
    held = judge(THING, None, slow, NOW)
    assert (NOW + slow.delay, True) == (held.at, " waits 2h before it is public" in held.why)
    known = replace(HELD, at=NOW + slow.delay, first=NOW)
    half = NOW + timedelta(hours=1)
    assert Fate.UNCHANGED is judge(THING, known, slow, half).fate
    far = replace(THING, published=NOW + timedelta(days=1))
    assert far.published == judge(far, None, slow, NOW).at == judge(far, known, slow, half).at
    assert NOW + slow.delay == judge(replace(far, published=NOW + SECOND), None, slow, NOW).at


def test_a_draft_wins_over_quarantine_and_marks() -> None:
    """DESIGN §2 (Upstream) — a rule that says draft sends it where a person decides anyway, with its embargo."""
    embargo = Embargo(until=NOW + timedelta(days=1), zone="Europe/London", wall="10:00")
    drafted = replace(THING, end=End.DRAFT, rules=("title",), withheld=True, embargo=embargo)
    made = judge(drafted, None, replace(UPSTREAM, hold=True), NOW)
    assert (Fate.DRAFT, embargo, None, None) == (made.fate, made.embargo, made.published, made.at)
    over = judge(replace(drafted, embargo=Embargo(until=NOW)), None, UPSTREAM, NOW)
    assert (Fate.DRAFT, None) == (over.fate, over.embargo)


def test_a_rule_that_says_item_does_not_end_quarantine() -> None:
    """DESIGN §2 (Release) — everything means everything: the rule only keeps later ones from deciding."""
    assert Fate.HELD is judge(replace(THING, end=End.ITEM), None, replace(UPSTREAM, hold=True), NOW).fate


def test_a_lost_date_frees_nothing() -> None:
    """feeds:I18 — a feed that forgets the date says nothing about when it may be public."""
    lost = judge(replace(THING, published=None), HELD, UPSTREAM, NOW)
    assert Fate.UNCHANGED is lost.fate
    assert (
        HELD.at == judge(replace(THING, published=None, content=Content(title="Two")), HELD, UPSTREAM, NOW).at
    )


@pytest.mark.parametrize(
    ("guid", "ours"),
    [
        ("https://news.example/items/1", True),
        ("http://user@NEWS.example:8080/x", True),
        ("https://news.example./x", True),
        ("tag:news.example,2026:1", True),
        ("tag:me@news.example,2026-01-01:1", True),
        ("TAG:News.Example,2026:1", True),
        ("https://www.news.example/1", False),
        ("https://news.example.org/1", False),
        ("tag:other.example,2026:news.example", False),
        ("urn:uuid:1", False),
    ],
)
def test_only_we_name_what_is_on_our_host(guid: str, ours: bool) -> None:  # noqa: FBT001 - a table
    """feeds:I28 — a foreign feed keeps its own ids, and gets no address or tag of ours."""
    assert may_be_uid(guid)
    assert ours != may_be_uid(guid, "news.example")


def test_files_tell_things_without_a_name_apart() -> None:
    """feeds:I15 — the last resort is title, date and enclosure."""
    files = [Medium(url=f"https://cms.example/{n}.mp3", type="audio/mpeg", length=1) for n in (1, 2)]
    bare = [
        replace(THING, guid=None, link=None, content=Content(title="Talk", media=(one,))) for one in files
    ]
    assert bare[0].identity != bare[1].identity


def test_a_due_release_is_left_to_the_release_loop() -> None:
    """embargo: its instant has come; polling it once more changes nothing."""
    due = replace(HELD, at=NOW - SECOND)
    assert judge(replace(THING, published=due.at), due, UPSTREAM, NOW).fate is Fate.UNCHANGED
