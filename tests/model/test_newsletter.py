"""What an issue holds and looks like, and the file an editor gets and gives: pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model import issuefile
from syndicator.model.delivery import OnUnknown, Policy, Priority, doubt_policy
from syndicator.model.item import Item, ItemState, Kind
from syndicator.model.newsletter import (
    Block,
    BlockKind,
    Choice,
    Issue,
    IssueState,
    Line,
    Rules,
    Sheet,
    Step,
    content_of,
    groups,
    next_step,
    ordered,
    title_of,
    to_remind,
)
from tests.make import NOW, make_content, make_item, make_site, make_try

SITE = make_site(zone="Europe/Berlin")
SLOT = datetime(2026, 3, 31, 22, 30, tzinfo=UTC)  # 1 April, 00:30 in Berlin
ISSUE = Issue(
    id=1, number=7, state=IssueState.OPEN, slot=SLOT, opened=NOW, closes=SLOT, title="Monthly letter", created=NOW
)  # fmt: skip
RULES = Rules(topic="letter", editors=("a@x.example", "b@x.example"))
EVENT = Block(
    kind=BlockKind.EVENT, title="Doors <open>", text="Come.\n\nSee.", url="https://x.example/?a=1&b=2",
    at=datetime(2026, 5, 1, 8, 0, tzinfo=UTC), place="Leeds",
)  # fmt: skip


def item(title: str, topic: str = "policy", kind: Kind = Kind.STATEMENT, **other: object) -> Item:
    content = make_content(title, topics=(topic,), kind=kind, summary=f"About {title}.")
    return make_item(f"tag:x,{title}", slug=title.lower(), content=content, **other)


def sheet(*items: Item, blocks: tuple[Block, ...] = (), **issue: object) -> Sheet:
    return Sheet(replace(ISSUE, **issue), tuple(Line(one) for one in items), blocks)  # type: ignore[arg-type]


def test_items_are_grouped_by_kind_and_topic() -> None:
    """peers:251 By kind, by topic in the newsroom's order, the newest first; then an editor's order holds."""
    old, new = item("Old", published=NOW - timedelta(days=9)), item("New", published=NOW)
    news, science = item("News", kind=Kind.NEWS), item("Science", "science")
    assert ["Science", "New", "Old", "News"] == [
        one.content.title for one in ordered([news, old, new, science], ["science", "policy"])
    ]
    made = groups([old, news, science, new])
    assert [
        ((Kind.STATEMENT, "policy"), ["Old", "New"]),
        ((Kind.NEWS, "policy"), ["News"]),
        ((Kind.STATEMENT, "science"), ["Science"]),
    ] == [(key, [one.content.title for one in held]) for key, held in made.items()]


def test_the_month_is_the_newsrooms() -> None:
    """mail:DG3 The month in the headline is that of the slot on the newsroom's own calendar."""
    assert "Monthly letter No. 7 — April 2026" == title_of(ISSUE, SITE)
    assert "Monthly letter No. 7 — March 2026" == title_of(ISSUE, make_site(zone="UTC"))


def test_an_issue_is_an_item_with_all_it_holds() -> None:
    """peers:251, mail:MC21 Words, links, date and place; what was typed is text, and no markup of its own."""
    made = sheet(
        item("<b>Cuts</b> & more"), blocks=(EVENT,), introduction="Dear *readers*,<script>x()</script>"
    )
    content = content_of(made, SITE, {"policy": "Policy & law"}, "letter")
    assert ("letter",) == content.topics
    for part in (
        "<em>readers</em>",
        "<h2>Statements: Policy &amp; law</h2>",
        "&lt;b&gt;Cuts&lt;/b&gt; &amp; more</a></h3>",
        "<h2>Events</h2>",
        "Doors &lt;open&gt;",
        "Friday 1 May 2026, 10:00 CEST · Leeds",
        "https://x.example/?a=1&amp;b=2",
        "<p>See.</p>",
    ):
        assert part in content.body, part
    assert "script" not in content.body
    assert content.summary.startswith("In this issue: <b>Cuts</b> & more; Doors <open>")


@pytest.mark.parametrize(
    ("made", "rules", "step"),
    [
        (sheet(item("A"), state=IssueState.APPROVED, slot=NOW + timedelta(seconds=1)), RULES, Step.NOTHING),
        (sheet(item("A"), state=IssueState.APPROVED, slot=NOW), RULES, Step.PUBLISH),
        (sheet(item("A"), slot=NOW), RULES, Step.WAIT),
        (sheet(item("A"), slot=NOW), replace(RULES, unapproved=True), Step.PUBLISH),
        (sheet(slot=NOW), replace(RULES, unapproved=True), Step.POSTPONE),
        (sheet(introduction=" \n", slot=NOW, state=IssueState.APPROVED), RULES, Step.POSTPONE),
        (sheet(blocks=(EVENT,), slot=NOW), RULES, Step.WAIT),
        (sheet(introduction="Words", slot=NOW), RULES, Step.WAIT),
        (sheet(item("A", state=ItemState.WITHDRAWN), slot=NOW), RULES, Step.POSTPONE),
    ],
)
def test_what_an_issue_calls_for(made: Sheet, rules: Rules, step: Step) -> None:
    """mail:DG5, peers:251 To the second: before its slot nothing; then by what it holds and whether it has its yes."""
    assert step is next_step(made, NOW, rules)


def test_who_is_reminded_when() -> None:
    """peers:251 The editor a span before, whoever stands in half of it; nobody twice, nobody after the slot."""
    half, day = timedelta(hours=12), timedelta(days=1)
    assert ((), ()) == to_remind(ISSUE, SLOT - day - timedelta(seconds=1), RULES)
    assert (("a@x.example",), ()) == to_remind(ISSUE, SLOT - day, RULES)
    told = replace(ISSUE, reminded=SLOT - day)
    assert ((), ()) == to_remind(told, SLOT - half - timedelta(seconds=1), RULES)
    assert ((), ("a@x.example", "b@x.example")) == to_remind(told, SLOT - half, RULES)
    assert ((), ()) == to_remind(replace(told, escalated=SLOT - half), SLOT - timedelta(seconds=1), RULES)
    assert ((), ()) == to_remind(ISSUE, SLOT, RULES)
    assert ((), ()) == to_remind(replace(ISSUE, state=IssueState.APPROVED), SLOT - half, RULES)
    assert ((), ()) == to_remind(told, SLOT - half, replace(RULES, editors=("a@x.example",)))


def test_a_newsletter_in_doubt_waits() -> None:
    """mail:SE11 Whether an issue arrived is for a person to say; the same item, owed at once, is repeated."""
    late = make_try(priority=Priority.NEWSLETTER)
    assert OnUnknown.HOLD is doubt_policy(late, Policy())
    assert OnUnknown.REPEAT is doubt_policy(replace(late, priority=Priority.IMMEDIATE), Policy())


LINES = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cf", "Zs", "Cn"]), min_size=1, max_size=30
)


@settings(max_examples=40, deadline=None)
@given(title=LINES, text=st.text("ab\n:#'\"- ", max_size=60), place=LINES, choice=st.sampled_from(Choice))
def test_a_file_reads_back_as_it_was_written(title: str, text: str, place: str, choice: Choice) -> None:
    """peers:7 What an editor does not touch stays as it is, whatever stands in it."""
    block = replace(EVENT, title=title, text=text.strip(), place=place)
    made = Sheet(replace(ISSUE, introduction="Dear readers,"), (Line(item("A"), choice),), (block,))
    said = issuefile.read(issuefile.written(made, SITE.zone), SITE.zone)
    assert (7, made.base, "Monthly letter", "Dear readers,") == (
        said.number,
        said.base,
        said.title,
        said.introduction,
    )
    assert {"tag:x,A": choice} == dict(said.choices)
    assert (block,) == said.blocks


def test_a_base_changes_with_what_was_said_alone() -> None:
    """peers:7 An item that is offered late makes no file stale; another's word does."""
    made = sheet(item("A"))
    assert made.base == sheet(item("A"), item("Late")).base
    assert made.base != Sheet(ISSUE, (Line(item("A"), Choice.NEVER, said=True),)).base
    assert made.base != sheet(item("A"), introduction="Dear").base
    assert made.base != sheet(item("A"), blocks=(EVENT,)).base


@pytest.mark.parametrize(
    ("front", "fault"),
    [
        ("newsletter: seven", "no number"),
        ("itms: []", 'did you mean "items"'),
        ("items: [a, b]", "no list of fields"),
        ("items: [{choice: next}]", "no uid"),
        ("items: [{uid: a}, {uid: a}]", "twice"),
        ("items: [{uid: a, choice: perhaps}]", "unknown choice 'perhaps'"),
        ("items: [{uid: a, chioce: next}]", 'did you mean "choice"'),
        ("blocks: [{kind: event}]", "no title"),
        ("blocks: [{kind: party, title: A}]", "unknown kind 'party'"),
        ("blocks: [{kind: link, title: A, url: 'javascript:x()'}]", "no http"),
        ("blocks: [{kind: event, title: A, at: soon}]", "at of the block 'A'"),
        ("blocks: [{kind: event, title: A, at: '2026-03-29 02:30'}]", "at of the block 'A'"),
        ('title: "a\\u202eb"', "control"),
        ("blocks: [" + "{kind: link, title: A}," * 101 + "]", "100 at most"),
        ("- a", "no front matter"),
    ],
)
def test_bad_files_are_refused_in_one_line(front: str, fault: str) -> None:
    """peers:251 A wrong field, choice, time or address is named, in one line."""
    with pytest.raises(Invalid) as refused:
        issuefile.read(f"---\n{front}\n---\n\nWords\n", SITE.zone)
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)
