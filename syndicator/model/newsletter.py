"""The newsletter: issues made from the items of a time, chosen and put in order by an editor. Pure.

One issue is in hand at a time. It is *open* from the moment the one before it is out: what becomes public is
offered to it. A yes freezes which items it holds; their words are those of the moment it goes out, so that no
mistake is sent that was corrected in between. What an issue looks like is `content`; how an editor gets and gives
it as a file is `issuefile`. Serves `newsletter …` and walk C.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from html import escape

from syndicator.model.item import Content, Item, Kind
from syndicator.model.markup import (
    clean,
    excerpt,
    from_plain,
    markdown,
    plain_text,
    strip_illegal,
    web_address,
)
from syndicator.model.release import in_zone
from syndicator.model.site import Site

SUMMARY = 300  # characters of an issue's summary, and of an item's where it has none of its own
KINDS: dict[Kind, str] = {
    Kind.STATEMENT: "Statements",
    Kind.PRESS_RELEASE: "Press releases",
    Kind.NEWS: "News",
    Kind.ADVISORY: "Media advisories",
}
MONTHS = "January February March April May June July August September October November December".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


class IssueState(StrEnum):
    """The life of an issue."""

    OPEN = "open"
    APPROVED = "approved"
    SENT = "sent"
    CANCELLED = "cancelled"


IN_HAND = (IssueState.OPEN, IssueState.APPROVED)


class Choice(StrEnum):
    """What becomes of an item that was offered."""

    INCLUDE = "include"
    NEXT = "next"  # offered to the next issue again
    NEVER = "never"


class BlockKind(StrEnum):
    """What an editor adds that is no item."""

    EVENT = "event"
    JOB = "job"
    LINK = "link"


BLOCKS: dict[BlockKind, str] = {BlockKind.EVENT: "Events", BlockKind.JOB: "Jobs", BlockKind.LINK: "Links"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An event, a job or a link; `at` is an event's beginning or a job's deadline, `url` http(s) or empty."""

    kind: BlockKind
    title: str
    text: str = ""
    url: str = ""
    at: datetime | None = None
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue. `slot` is when it is to go out; its window of items is half-open from `opened` to `closes`.

    `title` is what the newsletter is called; `headline` is this issue's own, empty where it has none.
    `reminded` and `escalated` say when the editor and whoever stands in were reminded; `uid` is the item's it
    was published as.
    """

    id: int
    number: int
    state: IssueState
    slot: datetime
    opened: datetime
    closes: datetime
    title: str
    headline: str = ""
    introduction: str = ""
    approved: datetime | None = None
    approved_by: str | None = None
    reminded: datetime | None = None
    escalated: datetime | None = None
    uid: str | None = None
    created: datetime

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.title} No. {self.number}"


@dataclass(frozen=True, slots=True)
class Line:
    """An item on offer, and what was said about it; `said`: by somebody, or frozen."""

    item: Item
    choice: Choice = Choice.INCLUDE
    said: bool = False

    @property
    def why(self) -> str:
        """Why it is offered as it is, or what a person should know of their choice; empty where all is as usual.

        An item for certain segments alone would reach all readers of the newsletter.
        """
        if not self.item.content.audience:
            return ""
        some = f"is for {', '.join(self.item.content.audience)} alone"
        return f"{some}, and would reach all readers" if self.choice is Choice.INCLUDE else some


def offer(item: Item) -> Line:
    """An item as it is on offer before anybody has said anything: one for some people alone is left out."""
    return Line(item, Choice.NEVER if item.content.audience else Choice.INCLUDE)


@dataclass(frozen=True, slots=True)
class Sheet:
    """All an issue holds, in order."""

    issue: Issue
    lines: tuple[Line, ...] = ()
    blocks: tuple[Block, ...] = ()

    @property
    def included(self) -> tuple[Item, ...]:
        """The items that go out with it: those that are live still."""
        return tuple(line.item for line in self.lines if line.choice is Choice.INCLUDE and line.item.live)

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it that anybody would read."""
        return not (self.included or self.blocks or self.issue.introduction.strip())

    @property
    def base(self) -> str:
        """What an edit starts from: it changes with everything an editor says, not with what is offered since."""
        said = [(line.item.uid, line.choice.value) for line in self.lines if line.said]
        parts = (self.issue.title, self.issue.headline, self.issue.introduction, said, self.blocks)
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


class Step(StrEnum):
    """What an issue calls for."""

    NOTHING = "nothing"
    PUBLISH = "publish"
    POSTPONE = "postpone"  # there is nothing in it: it stays open for the next slot
    WAIT = "wait"  # its slot has gone by, and nobody said yes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How issues come about, as the operator set it; no `topic`: there is no newsletter."""

    topic: str = ""
    title: str = "Newsletter"
    editors: tuple[str, ...] = ()
    remind: timedelta = timedelta(days=1)
    unapproved: bool = False


def next_step(sheet: Sheet, now: datetime, rules: Rules) -> Step:
    """What is to be done about an issue in hand at this instant."""
    if now < sheet.issue.slot:
        return Step.NOTHING
    if sheet.empty:
        return Step.POSTPONE
    if sheet.issue.state is IssueState.APPROVED or rules.unapproved:
        return Step.PUBLISH
    return Step.WAIT


def to_remind(issue: Issue, now: datetime, rules: Rules) -> tuple[Sequence[str], Sequence[str]]:
    """Whom to remind now, by address: the editor, and whoever stands in, half of the time before the slot.

    Nobody is reminded twice, of an issue that has its yes, or after its slot: an alarm says that.
    """
    if issue.state is not IssueState.OPEN or now >= issue.slot:
        return (), ()
    first = rules.editors[:1] if issue.reminded is None and now >= issue.slot - rules.remind else ()
    late = issue.escalated is None and now >= issue.slot - rules.remind / 2
    return first, rules.editors if late and len(rules.editors) > 1 else ()


def ordered(items: Iterable[Item], topics: Sequence[str]) -> list[Item]:
    """Items as they are first offered: by kind, by topic in the order of these slugs, the newest first."""
    kinds, places = list(KINDS), {slug: n for n, slug in enumerate(topics)}

    def place(item: Item) -> tuple[int, int, float, str]:
        topic = places.get(_topic(item), len(places))
        return kinds.index(item.content.kind), topic, -item.published.timestamp(), item.uid

    return sorted(items, key=place)


def groups(items: Iterable[Item]) -> dict[tuple[Kind, str], list[Item]]:
    """Items by kind and first topic; groups and items in the order they were put in."""
    found: dict[tuple[Kind, str], list[Item]] = {}
    for item in items:
        found.setdefault((item.content.kind, _topic(item)), []).append(item)
    return found


def title_of(issue: Issue, site: Site) -> str:
    """The headline: its own, or name, number, and the month of its slot on the newsroom's calendar."""
    if issue.headline:
        return issue.headline
    local = in_zone(issue.slot, site.zone)
    return f"{issue.name} — {MONTHS[local.month - 1]} {local.year}"


def content_of(sheet: Sheet, site: Site, titles: Mapping[str, str], topic: str = "") -> Content:
    """The issue as the words of an item, filed under the newsletter's own `topic`; `titles` are those of topics.

    Summaries are plain text: an item's author writes nothing into the frame of the issue.
    """
    body = "".join(_body(sheet, site, titles))
    heads = [*map(_headline, sheet.included), *(block.title for block in sheet.blocks)]
    intro = plain_text(clean(markdown(sheet.issue.introduction)))
    return Content(
        title=title_of(sheet.issue, site),
        kind=Kind.NEWS,
        kicker=sheet.issue.name if sheet.issue.headline else sheet.issue.title,
        summary=excerpt("In this issue: " + "; ".join(heads) if heads else intro, SUMMARY),
        body=clean(body, site.base_url),
        topics=(topic,) if topic else (),
    )


def _body(sheet: Sheet, site: Site, titles: Mapping[str, str]) -> Iterator[str]:
    yield markdown(sheet.issue.introduction)
    for (kind, topic), items in groups(sheet.included).items():
        heading = KINDS[kind] + (f": {titles.get(topic, topic)}" if topic else "")
        yield f"<h2>{escape(heading)}</h2>"
        for item in items:
            yield from _shown(item, site)
    for sort, heading in BLOCKS.items():
        if blocks := [block for block in sheet.blocks if block.kind is sort]:
            yield f"<h2>{heading}</h2>"
            for block in blocks:
                yield from _shown_block(block, site)


def _shown(item: Item, site: Site) -> Iterator[str]:
    content = item.content
    url = web_address(content.url) or site.item_url(item.slug)
    yield f'<h3><a href="{escape(url)}">{escape(_headline(item))}</a></h3>'
    words = content.dek or content.summary or excerpt(plain_text(content.body), SUMMARY)
    said = f"{escape(strip_illegal(words))}<br>" if words and words != _headline(item) else ""
    yield f"<p>{said}<small>{_day(item.published, site.zone)}</small></p>"


def _shown_block(block: Block, site: Site) -> Iterator[str]:
    title = escape(block.title)
    yield f'<h3><a href="{escape(block.url)}">{title}</a></h3>' if block.url else f"<h3>{title}</h3>"
    when = f"{_day(block.at, site.zone)}, {in_zone(block.at, site.zone):%H:%M %Z}" if block.at else ""
    if block.kind is BlockKind.JOB and when:
        when = f"Until {when}"
    if where := " · ".join(part for part in (when, block.place) if part):
        yield f"<p>{escape(where)}</p>"
    yield from_plain(block.text)


def _headline(item: Item) -> str:
    content = item.content
    return " ".join(strip_illegal(content.title).split()) or excerpt(plain_text(content.body), 80) or item.uid


def _topic(item: Item) -> str:
    return item.content.topics[0] if item.content.topics else ""


def _day(instant: datetime, zone: str) -> str:
    local = in_zone(instant, zone)
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
