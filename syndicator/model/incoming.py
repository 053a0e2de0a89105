"""Incoming items: what one entry of an upstream's feed means, judged purely (walk A).

`judge` sees the entry, what is remembered of its identity, and the upstream's configuration; it answers
with a `Fate` and why. Nothing here asks a clock or a store.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from syndicator.model.item import Content, Kind, is_absolute_iri
from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.routing import Category
from syndicator.model.upstream import LONGEST_KEY, Upstream

# An incoming date this little ahead is a clock that differs, not an embargo (DESIGN §5.10).
SKEW = timedelta(minutes=2)
UID_SCHEMES = frozenset({"http", "https", "tag", "urn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One entry of a feed after parsing, cleaning and routing, before judgement.

    `published` is None where the feed gives no usable date (then: time of arrival); `dated` is that
    date as the feed writes it. `withheld` says that the origin itself marks it as not yet public. `raw`
    is the hash of the entry as the feed had it, by which the same again is known without reading it.
    `alias` and `page` are given by what is no feed of the web, a folder: a second name by which a renamed
    file is known again, and where it lies (`file:`). None: they follow from its identity and its link.
    """

    guid: str | None
    link: str | None
    content: Content
    published: datetime | None
    embargo: Embargo | None = None
    withheld: bool = False
    categories: tuple[Category, ...] = ()
    raw: str | None = None
    dated: str | None = None
    alias: str | None = None
    page: str | None = None

    @property
    def identity(self) -> str:
        """What makes it the same item next time: guid → link → hash of its title and date (feeds:I15)."""
        named = self.guid or self.link
        if named and len(named) <= LONGEST_KEY:
            return named
        stable = named or f"{self.content.title}\n{self.published.isoformat() if self.published else ''}"
        return "hash:" + _digest(stable)

    @property
    def fingerprint(self) -> str:
        """What changes when its words do (`words_of`)."""
        return words_of(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store remembers of an identity of this upstream.

    `held` is the state of its release, if it came in as a held one, and `at` when that goes out by itself.
    """

    uid: str
    fingerprint: str
    held: ReleaseState | None = None
    at: datetime | None = None


class Fate(StrEnum):
    """What an incoming item becomes."""

    ITEM = "item"
    HELD = "held"  # a release that goes out at its date, or waits for a yes
    REVISED = "revised"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What to do with an incoming item, and why, in words for a person.

    `published` is the date it gets, at once or at its release (None: that very moment); `at` is when a
    held one goes out by itself (None: it waits for a yes).
    """

    fate: Fate
    why: str
    published: datetime | None = None
    at: datetime | None = None


def judge(incoming: Incoming, known: Known | None, upstream: Upstream, now: datetime) -> Judgement:
    """What `incoming` means; `known` is what is remembered of its identity, if anything."""
    if known is None:
        return _placed(incoming, upstream, now)
    date = incoming.published
    if known.held is ReleaseState.CANCELLED:
        return Judgement(fate=Fate.UNCHANGED, why="its release was cancelled here", published=date)
    changed = known.fingerprint != incoming.fingerprint
    if known.held is ReleaseState.HELD:
        return _still_held(incoming, known, upstream, now, changed=changed)
    if changed:
        why = f"its words changed ({upstream.on_change})"
        return Judgement(fate=Fate.REVISED, why=why, published=date)
    return Judgement(fate=Fate.UNCHANGED, why="the same words as last time", published=date)


def words_of(content: Content) -> str:
    """The fingerprint of what the origin says, without what we add: filing, and the date of its feed.

    Otherwise each new entry of a foreign feed, or another topic in our configuration, would revise
    every item it ever brought (feeds:I16).
    """
    said = replace(content, source=None, topics=(), kind=Kind.NEWS, spokesperson=None, text=None)
    return said.fingerprint


def may_be_uid(guid: str | None) -> bool:
    """Whether the origin's guid can be our uid: an absolute IRI (RFC 4287 §4.2.6) of sane length and scheme.

    A feed may write anything there, `javascript:` too; readers show ids as links.
    """
    sane = guid is not None and len(guid) <= LONGEST_KEY and is_absolute_iri(guid)
    return sane and (guid or "").partition(":")[0].lower() in UID_SCHEMES


def _placed(incoming: Incoming, upstream: Upstream, now: datetime) -> Judgement:
    embargo = incoming.embargo.until if incoming.embargo else None
    until = max(filter(None, (embargo, incoming.published)), default=None)
    ahead = until is not None and until > now
    if incoming.withheld and not ahead:  # a draft's date is not one of publication
        return Judgement(fate=Fate.HELD, why="the origin marks it as withheld")
    if upstream.hold:
        why = f"everything from {upstream.slug} waits for a yes"
        return Judgement(fate=Fate.HELD, why=why, published=until)
    if until and ahead and _must_wait(incoming, now):
        why = f"it is dated {until.isoformat(timespec='seconds')}"
        return Judgement(fate=Fate.HELD, why=why, published=until, at=until)
    return Judgement(fate=Fate.ITEM, why="new", published=min(until, now) if until else None)


def _must_wait(incoming: Incoming, now: datetime) -> bool:
    # SKEW forgives a clock; whoever says embargo or withheld means it to the second (DESIGN §5.10).
    embargoed = incoming.embargo is not None and incoming.embargo.holds(now)
    dated = incoming.published is not None and incoming.published > now + SKEW
    return incoming.withheld or embargoed or dated


def _still_held(
    incoming: Incoming, known: Known, upstream: Upstream, now: datetime, *, changed: bool
) -> Judgement:
    """What news of a thing that is not yet public means: its words and its date may move."""
    placed = _placed(incoming, upstream, now)
    at = _moved(placed, known, now)
    if at == known.at and not changed:
        return Judgement(fate=Fate.UNCHANGED, why="still held", published=placed.published)
    what = "words changed" if at == known.at else "date moved"
    why = f"its {what} before it was released"
    return Judgement(fate=Fate.REVISED, why=why, published=placed.published, at=at)


def _moved(placed: Judgement, known: Known, now: datetime) -> datetime | None:
    if known.at is None:
        return None  # what waits for a yes waits for it, whatever the feed says later
    if placed.fate is Fate.HELD:
        return placed.at
    return min(known.at, now)  # its date was taken back or has come: the release loop takes it


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
