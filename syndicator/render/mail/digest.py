"""The letter of a digest: what came under each topic somebody reads, each item once, in few lines.

Both parts say the same. It is composed once for all whose windows hold the same items under the same topics in the
same order (mail:DG10), so nothing here is about a person: what differs between two of them is in slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from syndicator.model.audience import Cadence
from syndicator.model.item import Item
from syndicator.model.markup import excerpt, strip_illegal, web_address
from syndicator.model.release import in_zone
from syndicator.model.site import Site
from syndicator.render.mail.compose import KICKERS, UNTITLED, headline
from syndicator.render.mail.letterhead import NOBODY, Sender, house, press_headers, sheet
from syndicator.render.mail.parts import day_in_words, direction
from syndicator.render.mail.template import Template

MONDAY = 0
LONGEST_DEK = 300  # characters of a summary: the item itself is one click away
NAMES = {
    Cadence.DAILY: "Daily digest",
    Cadence.WORKDAYS: "Daily digest",
    Cadence.WEEKLY: "Weekly digest",
    Cadence.MONTHLY: "Monthly digest",
    Cadence.NTH_WEEKDAY: "Monthly digest",
}


@dataclass(frozen=True, slots=True)
class Section:
    """What a digest holds under one topic: its title and slug, its items, and how many more there are."""

    title: str
    slug: str
    items: tuple[Item, ...]
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """One digest as many get it: its cadence, the day its window closed on its readers' calendars, its sections.

    `first` is the day it begins where it makes up for more than one window, see `begins`.
    """

    cadence: Cadence
    day: date
    sections: tuple[Section, ...]
    first: date | None = None

    @property
    def total(self) -> int:
        """How many items there are, shown or not."""
        return sum(len(section.items) + section.more for section in self.sections)


def capped(sections: Sequence[Section], most: int) -> tuple[Section, ...]:
    """The first `most` items, section by section; of the others each section says how many there are."""
    kept, room = [], most
    for section in sections:
        shown = section.items[:room]
        room -= len(shown)
        kept.append(replace(section, items=shown, more=section.more + len(section.items) - len(shown)))
    return tuple(kept)


def compose_digest(edition: Edition, *, site: Site, sender: Sender) -> Template:
    """The mail of one edition, for all its readers. Slots: unsubscribe_url, preferences_url.

    Raises Refused where it is too large to be mailed.
    """
    when = span_in_words(edition.cadence, edition.day, edition.first)
    title = f"{NAMES[edition.cadence]}, {when}"
    count = f"{edition.total} item{'' if edition.total == 1 else 's'}"
    headers = press_headers(
        f"{title}: {count}",
        sender,
        NOBODY,
        site=site,
        uid=f"digest/{edition.cadence}/{edition.day}",
        tone="digest",
        label="digests",
    )
    facts: dict[str, Any] = {
        "title": f"{title}: {count}",
        "name": NAMES[edition.cadence],
        "when": when,
        "count": count,
        "sections": [_section(one, site) for one in edition.sections],
        "language": "en",
        "dir": "ltr",
        "tone": "digest",
        "person": None,
    }
    return sheet("digest", headers, facts | house(site, sender, [one.title for one in edition.sections]))


def span_in_words(cadence: Cadence, day: date, first: date | None = None) -> str:
    """The days a digest is about, by the day its window closed, and the `first` of them if it is a late one.

    >>> span_in_words(Cadence.DAILY, date(2026, 3, 2)), span_in_words(Cadence.WEEKLY, date(2026, 3, 2))
    ('2 March', '23 February to 2 March')
    """
    if first is None and cadence in (Cadence.DAILY, Cadence.WORKDAYS):
        return day_in_words(day, year=False)
    return f"{day_in_words(first or _opened(cadence, day), year=False)} to {day_in_words(day, year=False)}"


def begins(cadence: Cadence, day: date, earliest: date) -> date | None:
    """The first day of a digest that closed on `day` and holds something of a time before its own window.

    `earliest` is the day its oldest item was pushed; None where its own window holds them all.

    >>> begins(Cadence.WEEKLY, date(2026, 12, 7), date(2026, 11, 23))
    datetime.date(2026, 11, 23)
    """
    return earliest if earliest < _opened(cadence, day) else None


def _opened(cadence: Cadence, day: date) -> date:
    """The day the window that closed on this one was opened, if none was missed."""
    match cadence:
        case Cadence.WEEKLY:
            return day - timedelta(days=7)
        case Cadence.MONTHLY | Cadence.NTH_WEEKDAY:
            return _month_before(day)
        case Cadence.WORKDAYS if day.weekday() == MONDAY:
            return day - timedelta(days=3)
        case _:
            return day - timedelta(days=1)


def _month_before(day: date) -> date:
    """The same day of the month before, or its last.

    >>> _month_before(date(2026, 3, 31))
    datetime.date(2026, 2, 28)
    """
    last = day.replace(day=1) - timedelta(days=1)
    return last.replace(day=min(day.day, last.day))


def _section(section: Section, site: Site) -> dict[str, Any]:
    return {
        "title": section.title,
        "url": site.topic_url(section.slug),
        "more": section.more,
        "lines": [_line(item, site) for item in section.items],
    }


def _line(item: Item, site: Site) -> dict[str, Any]:
    """What a digest shows of one item."""
    content = item.content
    language = content.language or site.language
    marks = ["Urgent"] if content.urgent else []
    if item.note and item.updated > item.published:
        marks.append(f"Corrected {_local_day(item.updated, site)}")
    return {
        "title": headline(content) or UNTITLED,
        "dek": excerpt(strip_illegal(content.dek or content.summary).strip(), LONGEST_DEK),
        "kind": KICKERS[content.kind],
        "published": _local_day(item.published, site),
        "marks": marks,
        "url": web_address(content.url) or site.item_url(item.slug),
        "language": language,
        "dir": direction(language),
    }


def _local_day(instant: datetime, site: Site) -> str:
    return day_in_words(in_zone(instant, site.zone))
