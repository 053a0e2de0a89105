"""What stands above a page that is not public, and how it is kept from travelling on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from syndicator.model.release import in_zone
from syndicator.web.pages import MONTHS, TOKEN

PRIVATE = {**TOKEN, "cache-control": "private, no-store"}
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


@dataclass(frozen=True, slots=True)
class Way:
    """A link and its words."""

    address: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """`word` opens the window's title, `dated` and `when` the byline; `asks` says to name whom to ask."""

    word: str
    heading: str
    lines: tuple[str, ...]
    dated: str = "To be published"
    when: str = ""  # in the place of an instant that nobody has said yet
    links: tuple[Way, ...] = ()
    asks: bool = True


def in_words(moment: datetime, zone: str) -> str:
    """Weekday, day and time in a zone, and UTC."""
    local, utc = in_zone(moment, zone), moment.astimezone(UTC)
    day = f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return f"{day}, {local:%H:%M} {zone} ({utc:%Y-%m-%d %H:%M} UTC)"
