"""The end of an embargo as a calendar that keeps itself up to date (RFC 5545, RFC 7986).

A journalist's calendar asks again every quarter of an hour and finds the same event: moved, over, or
called off. The words of a release stand in it as long as they may be seen, and no longer. Serves walk B.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from icalendar import Calendar, Event, vDuration

from syndicator.model.release import Release
from syndicator.model.site import Site
from syndicator.render.view import line

ASK_AGAIN = timedelta(minutes=15)
MEDIA_TYPE = "text/calendar; charset=utf-8"


class Standing(StrEnum):
    """How it is with the embargo; the value opens what a calendar shows."""

    HOLDS = "Embargo ends"
    REVISED = "Embargo, release under revision"
    OVER = "Embargo over"
    CANCELLED = "Embargo called off"


_STATUS = {Standing.REVISED: "TENTATIVE", Standing.CANCELLED: "CANCELLED"}
_WORDS = {
    Standing.HOLDS: "Not for publication before this instant. It may move: this calendar follows.",
    Standing.REVISED: "The release is being revised; this instant may not hold. This calendar follows.",
    Standing.OVER: "The release is public.",
    Standing.CANCELLED: "The release does not come out at this instant. Please do not publish it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """What a calendar says of one release. `title` is None where its words may not be seen; `page` is where
    the recipient reads it, `own` the address of the calendar itself.
    """

    release: Release
    standing: Standing
    title: str | None
    page: str
    own: str

    @property
    def ends(self) -> datetime:
        """The instant from which all may publish: the end of the embargo, or its earlier lift."""
        release = self.release
        planned = release.embargo.until if release.embargo else release.at or release.updated
        over = self.standing is Standing.OVER and release.released
        return min(planned, release.released) if over and release.released else planned

    @property
    def sequence(self) -> int:
        """Never falls: one more for each move of the embargo, and one for its end of whatever sort."""
        settled = self.standing in (Standing.OVER, Standing.CANCELLED)
        return self.release.moves + settled


def calendar(deadline: Deadline, site: Site) -> bytes:
    """The .ics; the same bytes as long as nothing moves."""
    made = Calendar()
    made.add("prodid", "-//Syndicator//embargo//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("name", f"Embargo: {site.title}")
    made.add("source", deadline.own, parameters={"VALUE": "URI"})  # RFC 7986 §5.8
    made.add("refresh-interval", vDuration(ASK_AGAIN), parameters={"VALUE": "DURATION"})  # §5.7
    made.add("x-published-ttl", vDuration(ASK_AGAIN))  # the same, for Outlook
    made.add_component(_event(deadline, site))
    return bytes(made.to_ical())


def _event(deadline: Deadline, site: Site) -> Event:
    release, event = deadline.release, Event()
    event.add("uid", _uid(release.uid, site))
    event.add("dtstamp", release.updated)
    event.add("last-modified", release.updated)
    event.add("sequence", deadline.sequence)
    event.add("dtstart", deadline.ends)
    event.add("summary", f"{deadline.standing}: {line(deadline.title or '') or site.title}")
    event.add("description", _WORDS[deadline.standing])
    event.add("url", deadline.page)
    event.add("status", _STATUS.get(deadline.standing, "CONFIRMED"))
    event.add("transp", "TRANSPARENT")  # nobody is busy at that time
    event.add("class", "PRIVATE")
    return event


def _uid(uid: str, site: Site) -> str:
    return f"{hashlib.sha256(uid.encode()).hexdigest()[:32]}@{site.host}"
