"""One letter of every sort, as a newsroom would send it, and how to read one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, TypedDict

from syndicator.model.audience import Cadence
from syndicator.model.difference import marked
from syndicator.model.item import (
    Content,
    ItemState,
    Kind,
    Medium,
    Revision,
    Significance,
    Spokesperson,
)
from syndicator.model.letters import Letter
from syndicator.model.markup import clean, markdown
from syndicator.model.newsletter import Block, BlockKind, Issue, IssueState, Line, Sheet, content_of
from syndicator.model.release import Embargo, Notice, NoticeKind, Release, Version
from syndicator.model.site import Site
from syndicator.render.mail import (
    Edition,
    Section,
    Sender,
    Slots,
    Template,
    capped,
    compose_advance,
    compose_alarm,
    compose_confirmation,
    compose_digest,
    compose_letter,
    compose_notice,
    compose_revision,
    compose_sample,
)
from tests.make import NOW, make_item, make_release, make_site

SITE = make_site(
    title="Gesellschaft für Zellforschung", zone="Europe/London", media_contact="press@news.example"
)
SENDER = Sender(address="press@news.example", name="Gesellschaft", postal="12 Harbour Row, Leeds LS1 4AB")
ADA = Spokesperson(
    slug="ada", name="Ada Okafor", role="Chief scientist", phone="+44 20 7946 0123", mail="ada@news.example",
    hours="Mon–Fri 9–17", zone="Europe/London", stand_in="bo",
)  # fmt: skip
BO = Spokesperson(slug="bo", name="Bo Brandt", phone="+49 228 1", hours="Mon–Thu 9–15", zone="Europe/Berlin")
TEXT = """The draft would cut [basic research](https://example.org/budget?year=2026&v=2) by 40 %.

![A chart of the cuts](https://news.example/media/pictureXY.png)

The whole study is [on file](https://news.example/media/studyXY.pdf). ~~Ten~~ Twelve laboratories would close.

| Year | Laboratories |
| --- | --- |
| 2025 | 310 |
"""
UNTIL = datetime(2026, 7, 7, 23, 30, tzinfo=UTC)
EMBARGO = Embargo(until=UNTIL, zone="Europe/London", wall="2026-07-08 00:30")
ENDS = "Wednesday 8 July 2026, 00:30 BST (Tuesday 7 July, 23:30 UTC)"
PAGE = "https://news.example/press/9.4.abcdefghijklmnopqrstuvwx/"
SLOTS = Slots(
    to_address="jane@paper.example",
    to_name="Jane Doe",
    message_id="abc@news.example",
    date=NOW,
    unsubscribe_url="https://news.example/media-list/unsubscribe/12.abcdefghijklmnopqrstuvwx",
    preferences_url="https://news.example/media-list/preferences/9.abcdefghijklmnopqrstuvwx",
    confirm_url="https://news.example/media-list/confirm/12.abcdefghijklmnopqrstuvwx",
    press_url=PAGE,
    letter_url="https://news.example/media-list/undo/9.1.abcdefghijklmnopqrstuvwx",
    in_reply_to="earlier@news.example",
)


class Around(TypedDict):
    """What stands around the words of every letter."""

    site: Site
    sender: Sender
    topics: list[str]
    spokesperson: Spokesperson
    stand_in: Spokesperson


AROUND: Around = {"site": SITE, "sender": SENDER, "topics": ["Policy"], "spokesperson": ADA, "stand_in": BO}


def words(text: str = TEXT, **changes: object) -> Content:
    """A press release with everything such a release has."""
    base = Content(
        title="Warning on a draft budget",
        kind=Kind.PRESS_RELEASE,
        kicker="Science policy",
        dek="Parliament should reject the cuts.",
        body=clean(markdown(text), "https://news.example"),
        paper="https://doi.org/10.5555/12345678",
        media=(
            Medium(
                url="https://news.example/media/pictureXY.png",
                type="image/png",
                length=412_000,
                title="Chart",
            ),
            Medium(url="https://cdn.example/film.mp4", type="video/mp4", length=9_900_000, title="Film"),
        ),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def released(content: Content | None = None, embargo: Embargo | None = EMBARGO) -> Release:
    """A release under embargo."""
    return replace(make_release(content=content or words()), embargo=embargo)


def advance(content: Content | None = None, embargo: Embargo | None = EMBARGO) -> Template:
    """An advance copy."""
    content = content or words()
    version = Version(number=1, content=content, embargo=EMBARGO, drafted_by=None, created=NOW)
    return compose_advance(released(content, embargo), version, **AROUND)


def notice(kind: NoticeKind, after: datetime | None, said: str = "") -> Template:
    """A notice about an embargo."""
    told = Notice(number=1, kind=kind, before=UNTIL, after=after, words=said, created=NOW)
    return compose_notice(released(), told, **AROUND)


def revised(significance: Significance, content: Content | None = None, **other: object) -> Template:
    """The mail about a revision of an item."""
    content = content or words()
    gone = {Significance.KILL: ItemState.KILLED, Significance.WITHDRAWAL: ItemState.WITHDRAWN}
    item = make_item(content=content, state=gone.get(significance, ItemState.LIVE))
    revision = Revision(number=2, significance=significance, content=content, created=NOW, **other)  # type: ignore[arg-type]
    return compose_revision(item, revision, **AROUND)


def issue() -> Content:
    """An issue of a newsletter, with items of two kinds, an event and a job."""
    made = Issue(
        id=1, number=7, state=IssueState.APPROVED, slot=UNTIL, opened=NOW, closes=UNTIL, title="Monthly letter",
        introduction="Dear readers,\n\nthis month was about *money*.", created=NOW,
    )  # fmt: skip
    held = (
        make_item(slug="budget", content=words()),
        make_item("tag:x,2", slug="prize", content=words(title="A prize for cell research", kind=Kind.NEWS, dek="Ada Okafor has it.")),
    )  # fmt: skip
    blocks = (
        Block(kind=BlockKind.EVENT, title="Open day", text="Come and see the laboratories.", url="https://news.example/day", at=UNTIL, place="Leeds"),
        Block(kind=BlockKind.JOB, title="Press officer", text="Half time.", at=UNTIL),
    )  # fmt: skip
    return content_of(Sheet(made, tuple(map(Line, held)), blocks), SITE, {"policy": "Policy"})


def edition(cadence: Cadence = Cadence.WEEKLY, most: int = 4) -> Edition:
    """A week's items under two topics, one of them in a language written from the right, the last not shown."""
    urgent = words(title="Evacuation of the <north> site", urgent=True, dek="Everybody is safe & well.")
    arabic = words(title="بيان حول مسودة الميزانية", language="ar", dek="سيؤدي المشروع إلى خفض التمويل")
    policy = (
        make_item(content=urgent, slug="evacuation"),
        make_item(content=words(), note="30 %, not 40 %.", updated=NOW + timedelta(days=1)),
    )
    research = (
        make_item(content=arabic, slug="budget"),
        make_item(content=words(title="W" * 90, dek="", summary="word " * 90), slug="long"),
        make_item(content=words(title="Not shown"), slug="unseen"),
    )
    sections = [Section("Policy", "policy", policy), Section('Research & "funding"', "research", research)]
    return Edition(cadence=cadence, day=date(2026, 3, 2), sections=capped(sections, most))


def digest(cadence: Cadence = Cadence.WEEKLY) -> Template:
    """A digest of that."""
    return compose_digest(edition(cadence), site=SITE, sender=SENDER)


UNTIL_DAY = "2026-03-09T09:00:00+00:00"
TOPICS = ["Policy", 'Research & "funding"']
# What whoever owes a letter writes down, with what strangers type where strangers type it.
FACTS: dict[Letter, dict[str, Any]] = {
    Letter.ASK: {"topics": TOPICS, "cadence": "daily"},
    Letter.KNOWN: {"topics": TOPICS},
    Letter.PERMISSION: {"topics": TOPICS},
    Letter.SOURCE: {"source": "press.csv <2026>", "basis": "press officers' contract", "topics": TOPICS},
    Letter.FAREWELL: {"topics": TOPICS, "until": UNTIL_DAY, "left": "2026-03-02T09:00:00+00:00"},
    Letter.OWNER: {
        "address": "desk@paper.example", "topics": TOPICS, "until": UNTIL_DAY, "left": "2026-03-02T09:00:00+00:00",
    },
    Letter.MAGIC: {"minutes": 60},
    Letter.MOVE: {"former": "jane@paper.example"},
    Letter.MOVED: {"masked": "j…@radio.example"},
    Letter.GRANTED: {"until": "2027-03-02T09:00:00+00:00"},
    Letter.DENIED: {"reason": "We could not find <b>anything</b> you have written."},
    Letter.APPLIED: {"name": "Jane <Doe>\r\nBcc: x@e.example", "outlet": "The \u202e Paper", "words": "Let me in & soon."},
    Letter.REMINDER: {"title": "Monthly letter", "number": 7, "slot": UNTIL_DAY},
}  # fmt: skip


@cache
def every() -> dict[str, Template]:
    """A letter of each sort."""
    after = words(TEXT.replace("40 %", "30 %"))
    arabic = words("سيؤدي المشروع إلى خفض التمويل", title="بيان حول مسودة الميزانية", language="ar")
    return {
        "release": revised(Significance.FIRST),
        "correction": revised(
            Significance.CORRECTION, after, note="30 %, not 40 %.", marked=marked(words(), after)
        ),
        "withdrawal": revised(Significance.WITHDRAWAL, note="Legal grounds."),
        "kill": revised(Significance.KILL, note="Sent by mistake."),
        "advance": advance(),
        "moved": notice(NoticeKind.MOVED, UNTIL + timedelta(hours=33), "The journal asked for it."),
        "lifted": notice(NoticeKind.LIFTED, NOW),
        "cancelled": notice(NoticeKind.CANCELLED, None),
        "sample": compose_sample(words(), EMBARGO, **AROUND),
        "alarm": compose_alarm(
            "A release is not approved", "It is due in 2 hours.\n\nApprove it.", site=SITE, sender=SENDER
        ),
        "confirmation": compose_confirmation(["Policy"], site=SITE, sender=SENDER),
        "arabic": revised(Significance.FIRST, arabic),
        "digest": digest(),
        "issue": revised(Significance.FIRST, issue()),
        **{
            f"letter-{sort}": compose_letter(sort, facts, site=SITE, sender=SENDER)
            for sort, facts in FACTS.items()
        },
    }
