"""Upstreams: feeds we read, and the pure rules about what an incoming item means (walk A).

*Own* is our CMS: its pages are canonical. *Foreign* is a partner: credited by `atom:source`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syndicator.model.item import Content, Kind, Significance, is_absolute_iri

# An incoming date this little ahead is a clock that differs, not an embargo (DESIGN §5.10).
SKEW = timedelta(minutes=2)


class Relation(StrEnum):
    """Whose feed it is."""

    OWN = "own"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A feed we read, how its items are filed, and whether they may be pushed.

    `push_max_age` bounds what may be mailed when it enters a topic; `on_change` is the significance
    of a changed item; `hold` is quarantine: every item waits for a person; `allow_private` lists
    address ranges the guard allows for it.
    """

    id: int
    slug: str
    url: str
    relation: Relation = Relation.FOREIGN
    topics: tuple[str, ...] = ()
    kind: Kind = Kind.NEWS
    push: bool = True
    push_max_age: timedelta = timedelta(hours=24)
    on_change: Significance = Significance.SILENT
    hold: bool = False
    allow_private: tuple[str, ...] = ()
    paused: bool = False
    file: bool = False
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What the last 200 said, byte for byte, to be sent back (feeds:I1)."""

    etag: str | None = None
    last_modified: str | None = None
    body_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """One entry of a feed after parsing, cleaning and routing, before judgement.

    `published` is None where the feed gives no usable date (then: time of arrival). `withheld`
    says that the origin itself marks it as not yet public.
    """

    guid: str | None
    link: str | None
    content: Content
    published: datetime | None
    embargo: datetime | None = None
    withheld: bool = False

    @property
    def identity(self) -> str:
        """What makes it the same item next time: guid → link → hash of its title and date (feeds:I15)."""
        if self.guid:
            return self.guid
        if self.link:
            return self.link
        stable = f"{self.content.title}\n{self.published.isoformat() if self.published else ''}"
        return "hash:" + hashlib.sha256(stable.encode("utf-8", "surrogatepass")).hexdigest()


class Fate(StrEnum):
    """What an incoming item becomes."""

    ITEM = "item"
    HELD = "held"  # a release that goes out at its date, or waits for a yes
    REVISED = "revised"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What to do with an incoming item, and why, in words for a person.

    `published` is the date an item gets; `at` when a held one goes out by itself (None: it waits for a yes).
    """

    fate: Fate
    why: str
    published: datetime | None = None
    at: datetime | None = None


def judge(incoming: Incoming, known: str | None, upstream: Upstream, now: datetime) -> Judgement:
    """What `incoming` means; `known` is the fingerprint last seen for its identity, if any."""
    if known == incoming.content.fingerprint:
        return Judgement(fate=Fate.UNCHANGED, why="the same words as last time")
    if known is not None:
        return Judgement(fate=Fate.REVISED, why=f"its words changed ({upstream.on_change})")
    until = incoming.embargo or incoming.published
    if incoming.withheld and not (until and until > now):
        return Judgement(fate=Fate.HELD, why="the origin marks it as withheld")
    if upstream.hold:
        return Judgement(fate=Fate.HELD, why=f"everything from {upstream.slug} waits for a yes")
    if until and until > now + SKEW:
        return Judgement(fate=Fate.HELD, why=f"it is dated {until.isoformat(timespec='seconds')}", at=until)
    return Judgement(fate=Fate.ITEM, why="new", published=min(incoming.published or now, now))


def may_be_uid(guid: str | None) -> bool:
    """Whether the origin's guid can be our uid: an absolute IRI (RFC 4287 §4.2.6)."""
    return bool(guid) and is_absolute_iri(guid or "")
