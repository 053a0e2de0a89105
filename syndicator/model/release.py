"""Releases: whatever is not yet public, and the pure rules of its life (DESIGN §2, walk B).

    draft ⇄ approved → scheduled → released          held → released
      ↑________________|    ↘ missed, cancelled        ↘ cancelled
      ↑__________________________|  handed in again

A release becomes an Item only at the moment it is released, so what is under embargo is not in
the item store at all. An embargo is an instant plus what the editor typed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import NoReturn
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from syndicator.errors import IllegalMove, Invalid, Refused
from syndicator.model.item import Content, Item, ItemState, slug_for


class ReleaseState(StrEnum):
    """Where a release stands."""

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    HELD = "held"  # came in from an upstream: future-dated, withheld or quarantined
    RELEASED = "released"
    MISSED = "missed"
    CANCELLED = "cancelled"


MOVES: dict[ReleaseState, frozenset[ReleaseState]] = {
    ReleaseState.DRAFT: frozenset({ReleaseState.APPROVED, ReleaseState.MISSED, ReleaseState.CANCELLED}),
    ReleaseState.APPROVED: frozenset(
        {
            ReleaseState.DRAFT,
            ReleaseState.SCHEDULED,
            ReleaseState.RELEASED,
            ReleaseState.MISSED,
            ReleaseState.CANCELLED,
        }
    ),
    ReleaseState.SCHEDULED: frozenset(
        {ReleaseState.DRAFT, ReleaseState.SCHEDULED, ReleaseState.RELEASED, ReleaseState.CANCELLED}
    ),
    ReleaseState.HELD: frozenset({ReleaseState.RELEASED, ReleaseState.CANCELLED}),
    ReleaseState.MISSED: frozenset({ReleaseState.DRAFT, ReleaseState.CANCELLED}),
    ReleaseState.RELEASED: frozenset(),
    ReleaseState.CANCELLED: frozenset({ReleaseState.DRAFT}),  # by handing in the draft again
}
# Where readers of press releases are: an instant is read back in these zones, after the newsroom's own.
READ_BACK = ("UTC", "America/New_York", "Europe/London", "Asia/Tokyo")
OPEN_RELEASES = (ReleaseState.DRAFT, ReleaseState.APPROVED, ReleaseState.SCHEDULED, ReleaseState.HELD)
# Somebody stands for its words, and it is still to come: only so may accredited contacts see it.
STOOD_FOR = (ReleaseState.APPROVED, ReleaseState.SCHEDULED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Embargo:
    """The instant before which a release must not be public, and the wall time and zone typed."""

    until: datetime
    zone: str = "UTC"
    wall: str = ""

    def holds(self, now: datetime) -> bool:
        """Whether the public must still wait; "until 09:00" lifts at 09:00:00 itself.

        >>> nine = datetime(2026, 3, 1, 9, tzinfo=UTC)
        >>> Embargo(until=nine).holds(nine)
        False
        """
        return now < self.until

    def __str__(self) -> str:
        """For people: weekday, date and time as typed, and UTC."""
        local = in_zone(self.until, self.zone)
        utc = self.until.astimezone(UTC)
        return f"{local:%A %d %B %Y %H:%M} {self.zone} ({utc:%Y-%m-%d %H:%M:%S} UTC)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A thing that is not yet public. `version` counts its drafts; `at` is when it goes out by itself.

    `published` is the date an incoming item brings along (None: the moment of its release);
    `base` is the fingerprint of words and embargo, by which an edit shows what it was made from.
    `drafted_by` wrote this version, `approved_by` stands for it; `advance` is when accredited contacts get
    their copy (None: they get none); `moves` counts the moves of its embargo; `released` is when it became
    an item.
    """

    id: int
    uid: str
    state: ReleaseState
    version: int
    content: Content
    embargo: Embargo | None = None
    at: datetime | None = None
    published: datetime | None = None
    created: datetime
    updated: datetime
    drafted_by: str | None = None
    approved_by: str | None = None
    approved: datetime | None = None
    advance: datetime | None = None
    moves: int = 0
    released: datetime | None = None
    upstream: str | None = None
    reason: str | None = None

    @property
    def base(self) -> str:
        """What a later edit names as the version it started from: words and embargo."""
        return base_of(self.content, self.embargo)


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a release's words; numbers start at 1. Kept, so that a stale edit can be compared."""

    number: int
    content: Content
    embargo: Embargo | None
    drafted_by: str | None
    created: datetime

    @property
    def base(self) -> str:
        """The fingerprint of these words and their embargo."""
        return base_of(self.content, self.embargo)


class NoticeKind(StrEnum):
    """What is told to those who had an advance, beside the release itself."""

    MOVED = "moved"
    LIFTED = "lifted"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The `number`-th thing told about an embargo; `before` and `after` are its ends."""

    number: int
    kind: NoticeKind
    before: datetime | None
    after: datetime | None
    words: str = ""
    created: datetime


def base_of(content: Content, embargo: Embargo | None) -> str:
    """The fingerprint of words and embargo, 16 hex digits."""
    until = embargo.until.isoformat() if embargo else ""
    return hashlib.sha256(f"{content.fingerprint} {until}".encode()).hexdigest()[:16]


def moved(release: Release, to: ReleaseState) -> Release:
    """The release in its next state; raises IllegalMove, naming the command to use instead."""
    if to not in MOVES[release.state]:
        raise IllegalMove(f"release {release.uid}", release.state, to, _way(release, to))
    return replace(release, state=to)


def _way(release: Release, to: ReleaseState) -> str:
    """What to do where `to` cannot be had from here."""
    uid = release.uid
    match release.state, to:
        case ReleaseState.RELEASED, _:
            return f"what is public is changed with `syndicator item correct {uid}`, `item withdraw` or `item kill`"
        case ReleaseState.DRAFT, (ReleaseState.SCHEDULED | ReleaseState.RELEASED):
            return f"`syndicator release approve {uid}` first"
        case ReleaseState.DRAFT, _:
            return f"`syndicator release approve {uid}`"
        case ReleaseState.APPROVED, _:
            return f"`syndicator release schedule {uid}`"
        case ReleaseState.SCHEDULED, _:
            return (
                f"`syndicator release reschedule {uid}` gives it another instant, `release cancel` stops it"
            )
        case ReleaseState.HELD, _:
            return f"`syndicator release publish {uid}` lets it out, `release cancel` drops it"
        case _:
            return "hand its draft in again with `syndicator release draft`"


def release_instant(release: Release, at: datetime | None, now: datetime) -> datetime:
    """When a scheduled release goes out: `at` or its embargo; never before the embargo, never past.

    Raises Refused when neither is given or when the instant has gone by already.
    """
    instant = at or (release.embargo.until if release.embargo else None)
    if instant is None:
        raise Refused(f"release {release.uid} has no embargo: say when with --at, or use `release publish`")
    if instant < now:
        refuse_past(release, instant, now)
    if release.embargo and release.embargo.until > instant:
        raise Refused(
            f"{instant.isoformat()} is before the embargo ({release.embargo}); use `release lift` to end it early"
        )
    return instant


def refuse_past(release: Release, instant: datetime, now: datetime) -> NoReturn:
    """Raise Refused for an instant that has gone by, naming how to let it out now."""
    verb = "lift" if release.embargo and release.embargo.holds(now) else "publish"
    raise Refused(
        f"{instant.isoformat()} has gone by already (it is {now.isoformat(timespec='seconds')}); "
        f"to let it out now use `syndicator release {verb} {release.uid}`"
    )


def embargo_from(text: str, zone: str) -> Embargo:
    """The embargo an editor typed: RFC 3339 with its own offset, or a wall time in `zone`.

    Raises Invalid for an unknown zone, a wall time that does not exist (spring) or exists twice
    (autumn): an offset settles both.
    """
    place = zone_named(zone)
    try:
        typed = datetime.fromisoformat(text)
        instant = (typed if typed.tzinfo else typed.replace(tzinfo=place)).astimezone(UTC)
    except (ValueError, OverflowError):  # an offset can lead out of the calendar
        raise Invalid(
            f"embargo {text!r} is no instant: write 2026-03-02T09:00:00+01:00, or 2026-03-02 09:00 with embargo_zone"
        ) from None
    if typed.tzinfo:
        return Embargo(until=instant, zone=zone, wall=text)
    early, late = (typed.replace(tzinfo=place, fold=fold) for fold in (0, 1))
    if early.utcoffset() != late.utcoffset():
        _refuse_odd_hour(text, zone, early, late)
    return Embargo(until=instant, zone=zone, wall=text)


def read_back(instant: datetime, *zones: str) -> list[str]:
    """The instant as clocks show it in these zones, in UTC, New York, London and Tokyo: a line each, none twice.

    >>> read_back(datetime(2026, 3, 2, 9, tzinfo=UTC), "UTC")[0]
    'Monday 2 March 2026 09:00 UTC'
    """
    return [f"{_in_words(in_zone(instant, zone))} {zone}" for zone in dict.fromkeys((*zones, *READ_BACK))]


def midnight(instant: datetime, zone: str) -> str | None:
    """A warning where an instant is midnight in `zone`, which people take for either end of the day; else None."""
    local = in_zone(instant, zone)
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return None
    later = local.replace(minute=1)
    return (
        f"00:00 in {zone} is the first moment of {local:%A} {local.day} {local:%B}, the night before its day: "
        f"if that is meant, 00:01 ({later.isoformat()}) leaves no doubt"
    )


def zone_named(zone: str) -> ZoneInfo:
    """The IANA zone; raises Invalid if there is none by that name."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(f"unknown time zone {zone!r}: use an IANA name such as Europe/London") from None


def in_zone(instant: datetime, zone: str) -> datetime:
    """`instant` as clocks in the IANA zone show it; in UTC where that is before year 1 or after 9999."""
    try:
        return instant.astimezone(ZoneInfo(zone))
    except OverflowError:
        return instant.astimezone(UTC)


def _in_words(local: datetime) -> str:
    seconds = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{local:%A} {local.day} {local:%B} {local.year} {seconds}"


def _refuse_odd_hour(text: str, zone: str, early: datetime, late: datetime) -> None:
    exists = early.astimezone(UTC).astimezone(early.tzinfo).replace(tzinfo=None) == early.replace(tzinfo=None)
    why = "exists twice" if exists else "does not exist"
    raise Invalid(
        f"{text} {why} in {zone} (the clocks change): add an offset, {early.isoformat()} or {late.isoformat()}"
    )


class Actor(StrEnum):
    """Who may ask to see a release."""

    PUBLIC = "public"
    ACCREDITED = "accredited"  # a contact whose accreditation is live and who was planned an advance of it
    STAFF = "staff"  # who works here, and whom they sent the link of a preview


def visible(release: Release, actor: Actor, now: datetime) -> bool:
    """Whether `actor` may see the words of `release` at `now`: the one answer for every surface (security:E1).

    The public sees what was released, and nothing at an instant: the release is made an item first. Accredited
    contacts see what somebody stands for from its advance on; an edit or a cancellation takes it from them.
    """
    if actor is Actor.STAFF or release.state is ReleaseState.RELEASED:
        return True
    if actor is Actor.PUBLIC or release.state not in STOOD_FOR:
        return False
    return release.advance is not None and release.advance <= now


def foreseen(release: Release, content: Content, now: datetime) -> Item:
    """The item these words of a release will be, as far as that can be known at `now`; nothing stores it.

    Its slug is not taken yet, and its instant is the planned one.
    """
    planned = release.at or (release.embargo.until if release.embargo else now)
    moment = min(release.published or planned, planned)
    return Item(
        id=0,
        uid=release.uid,
        slug=slug_for(content.title),
        state=ItemState.LIVE,
        revision=1,
        published=moment,
        updated=moment,
        content=content,
    )
