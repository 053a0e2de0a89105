"""Incoming items: what one entry of an upstream's feed means, judged purely (walk A).

`routed` files the entry by the upstream's rules; `judge` sees it, what is remembered of its identity, and
the upstream's configuration; it answers with a `Fate` and why. Nothing here asks a clock or a store.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from urllib.parse import urlsplit

from syndicator.model.item import Content, Kind, content_to_json, is_absolute_iri
from syndicator.model.release import Embargo, ReleaseState
from syndicator.model.routing import Category, End, route
from syndicator.model.schedule import duration_text
from syndicator.model.upstream import LONGEST_KEY, Upstream

# Which rules read an entry: raise it whenever parser, sanitiser or `words_of` give other words of the same entry.
# It stands in what is remembered; what other rules wrote down is read anew and taken over: it is no news (ADR 27).
READING = 2
# An incoming date this little ahead is a clock that differs, not an embargo (DESIGN §5.10).
SKEW = timedelta(minutes=2)
UID_SCHEMES = frozenset({"http", "https", "tag", "urn"})
# Looked for where a word begins only: from each letter of a long word on it would be quadratic.
SCHEME_AND_HOST = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*://[^/?#\s]*", re.IGNORECASE)
LONGEST_ADDRESS = 4_000  # characters; a longer one is known again as it stands, or not at all
TAG_AUTHORITY = re.compile(r"tag:(?:[^@,]*@)?([^,]*),", re.IGNORECASE)  # RFC 4151 §2.1
# A release that a person works on: drafts and what became of them, until they are public.
IN_HAND = frozenset({ReleaseState.DRAFT, ReleaseState.APPROVED, ReleaseState.SCHEDULED})


@dataclass(frozen=True, kw_only=True)  # without slots: by what it is known is worked out once
class Incoming:
    """One entry of a feed after parsing, cleaning and routing, before judgement.

    `published` is None where the feed gives no usable date (then: time of arrival); `dated` is that
    date as the feed writes it. `withheld` says that the origin itself marks it as not yet public. `raw`
    is the hash of the entry as the feed had it, by which the same again is known without reading it.
    `alias` and `page` are given by what is no feed of the web, a folder: a second name by which a renamed
    file is known again, and where it lies (`file:`). None: they follow from its identity and its link.
    `formerly` are what earlier rules (`READING`) took for its guid or its link, where that was another.
    `end` and `rules` are what routing said (`routed`).
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
    formerly: tuple[str, ...] = ()
    end: End | None = None
    rules: tuple[str, ...] = ()

    @cached_property
    def identity(self) -> str:
        """What makes it the same item next time: guid → link → hash of title, date and file (feeds:I15)."""
        named = self.guid or self.link
        if named:
            return _key(named)
        date = self.published.isoformat() if self.published else ""
        files = "".join(f"\n{medium.url}" for medium in self.content.media[:1])
        return "hash:" + _digest(f"{self.content.title}\n{date}{files}")

    @cached_property
    def second(self) -> str | None:
        """The name by which it is known again when its first has changed."""
        return self.alias or alias_of(self.identity)

    @cached_property
    def place(self) -> str | None:
        """Where its page is, whatever the host, by which it is known again, too."""
        return alias_of(self.link)

    @property
    def former(self) -> frozenset[str]:
        """What its identity was by earlier rules, where that is another."""
        names = {_key(name) for name in self.formerly}
        if not (self.guid or self.link):  # its file did not count
            names.add(replace(self, content=replace(self.content, media=()), formerly=()).identity)
        return frozenset(names - {self.identity})

    @property
    def filed(self) -> Filed:
        """Where the rules put it."""
        return filed_as(self.content)

    @property
    def credited_host(self) -> str:
        """The host of the feed it is credited to; empty without a credit."""
        source = self.content.source
        return (urlsplit(source.feed_url).hostname or "") if source else ""

    @property
    def fingerprint(self) -> str:
        """What changes when its words do (`words_of`)."""
        return words_of(self.content)


@dataclass(frozen=True, slots=True)
class Filed:
    """Kind and topics (sorted) of an item: what the rules gave it, or what it has."""

    kind: Kind
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the store remembers of an identity of this upstream.

    `fingerprint` is that of the words it came with last, `rights` those it came with, `filed` where the
    rules put it then. `held` is the
    state of its release, if it came in as one, and `at` when that goes out by itself. `first` is when
    it was first seen, `present` whether it was in the feed when that was last read; `raw`, `dated` and
    `page` are as the feed had them (`Incoming`; its link). `stale` says that another `READING` wrote it down.
    """

    uid: str
    fingerprint: str
    held: ReleaseState | None = None
    at: datetime | None = None
    identity: str = ""
    filed: Filed | None = None
    first: datetime | None = None
    present: bool = False
    raw: str | None = None
    dated: str | None = None
    page: str | None = None
    rights: str = ""
    stale: bool = False

    def rewords(self, incoming: Incoming) -> bool:
        """Whether its origin says other words than last time; what other rules read cannot tell."""
        return not self.stale and self.fingerprint != incoming.fingerprint

    def moves(self, incoming: Incoming) -> bool:
        """Whether its page is on another site now; where earlier rules took another link for it, it is not."""
        return has_moved(self.page, incoming.link) and self.page not in incoming.formerly

    def same(self, incoming: Incoming) -> bool:
        """Whether there is nothing to write down of what the feed has now."""
        return (
            (self.present and not self.stale)
            and (self.identity, self.raw) == (incoming.identity, incoming.raw)
            and (self.fingerprint, self.filed) == (incoming.fingerprint, incoming.filed)
            and self.rights == incoming.content.rights
            and incoming.dated in {None, self.dated}
        )


class Fate(StrEnum):
    """What an incoming item becomes."""

    ITEM = "item"
    HELD = "held"  # a release that goes out at its date, or waits for a yes
    DRAFT = "draft"  # a release that goes through approval
    REVISED = "revised"
    UNCHANGED = "unchanged"
    WITHDRAWN = "withdrawn"  # its feed says that it was deleted (RFC 6721)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What to do with an incoming item, and why, in words for a person.

    `published` is the date it gets, at once or at its release (None: that very moment); `at` is when a
    held one goes out by itself (None: it waits for a yes); `embargo` is kept in its release.
    """

    fate: Fate
    why: str
    published: datetime | None = None
    at: datetime | None = None
    embargo: Embargo | None = None


def routed(incoming: Incoming, upstream: Upstream) -> Incoming:
    """The entry filed by the upstream's rules; what it brings itself (topics, kind) is where they start."""
    content = incoming.content
    people = [name for author in content.authors for name in (author.name, author.email) if name]
    went = route(
        upstream.rules,
        categories=incoming.categories,
        authors=people,
        title=content.title,
        kind=content.kind,
        topics=content.topics,
    )
    content = replace(content, topics=went.topics, kind=went.kind)
    return replace(incoming, content=content, end=went.end, rules=went.why)


def judge(incoming: Incoming, known: Known | None, upstream: Upstream, now: datetime) -> Judgement:
    """What `incoming` means, once it is routed; `known` is what is remembered of its identity, if anything."""
    if known is None:
        return _placed(incoming, upstream, now, now)
    date = incoming.published
    if known.held in STOPPED:
        return Judgement(fate=Fate.UNCHANGED, why=STOPPED[known.held], published=date)
    if known.held is ReleaseState.HELD:
        return _still_held(incoming, known, upstream, now)
    if news := _news(incoming, known):
        if known.rewords(incoming) and known.held not in IN_HAND:
            news = f"{news} ({upstream.on_change})"
        return Judgement(fate=Fate.REVISED, why=news, published=date)
    return Judgement(fate=Fate.UNCHANGED, why="the same words as last time", published=date)


STOPPED = {
    ReleaseState.CANCELLED: "its release was cancelled here",
    ReleaseState.MISSED: "its release was missed here: nobody said yes in time",
}


@lru_cache(maxsize=16)  # asked several times in a row of one content; few, for they may be long
def words_of(content: Content) -> str:
    """The fingerprint of what the origin says, without its rights, and what we add: filing, and the date of its feed.

    Otherwise each new entry of a foreign feed, or another topic in our configuration, would revise
    every item it ever brought (feeds:I16). Nor do scheme and host of its own page count, wherever
    they stand: a site that moves has not changed a word (feeds:I15). Nor do rights: each new year a feed
    has others, and that corrects nothing (feeds:I28).
    """
    ours = replace(content, source=None, topics=(), kind=Kind.NEWS, spokesperson=None, text=None, guid=None)
    said = replace(ours, rights="")
    host = urlsplit(content.url).netloc if content.url else ""
    if not host:
        return said.fingerprint
    # Only the values, not the form in which they are hashed: the canonical JSON of no two contents is alike.
    here = re.compile(rf"https?://{re.escape(host)}(?![\w.:-])", re.IGNORECASE)
    return _digest(here.sub("//", repr(sorted(content_to_json(said).items()))))


def filed_as(content: Content) -> Filed:
    """Where these words are filed."""
    return Filed(content.kind, tuple(sorted(set(content.topics))))


def alias_of(address: str | None) -> str | None:
    """An identity or a link without scheme and host; None where that tells nothing (feeds:I15).

    >>> alias_of("123 at http://cms.example"), alias_of("https://cms.example/"), alias_of("urn:x:1")
    ('123 at //', None, None)
    """
    if not address or len(address) > LONGEST_ADDRESS:
        return None
    bare, count = SCHEME_AND_HOST.subn("//", address)
    return _key(bare) if count and any(map(str.isalnum, bare)) else None


def has_moved(before: str | None, now: str | None) -> bool:
    """Whether a page has another scheme or host than before. Back from https to http is no move (feeds:I15)."""
    if not before or not now or before == now:
        return False
    was, will = urlsplit(before), urlsplit(now)
    return was.netloc.lower() != will.netloc.lower() or (was.scheme, will.scheme) == ("http", "https")


def may_be_uid(guid: str | None, foreign_to: str = "") -> bool:
    """Whether the origin's guid can be our uid: an absolute IRI (RFC 4287 §4.2.6) of sane length and scheme.

    A feed may write anything there, `javascript:` too; readers show ids as links. Nor may a foreign feed
    (`foreign_to` is our own host) name what only we can name: addresses and tags of our host.
    """
    if guid is None or len(guid) > LONGEST_KEY or not is_absolute_iri(guid):
        return False
    return guid.partition(":")[0].lower() in UID_SCHEMES and not (foreign_to and _is_of(guid, foreign_to))


def _is_of(guid: str, host: str) -> bool:
    tag = TAG_AUTHORITY.match(guid)
    try:
        named = tag[1] if tag else urlsplit(guid).hostname or ""
    except ValueError:  # what cannot be read as an address may still be meant as ours
        return True
    return named.lower().rstrip(".") == host.lower()


def _placed(incoming: Incoming, upstream: Upstream, since: datetime, now: datetime) -> Judgement:
    """What becomes of a thing that is not public, first seen at `since`."""
    embargo = incoming.embargo
    until = max(filter(None, (embargo.until if embargo else None, incoming.published)), default=None)
    ahead = until if until is not None and until > now else None
    if incoming.end is End.DRAFT:
        # Its date is no promise to anybody here, but nobody may make it public before its origin does.
        kept = embargo if embargo and embargo.until == ahead else Embargo(until=ahead) if ahead else None
        why = _by("a release draft", incoming)
        return Judgement(fate=Fate.DRAFT, why=why, embargo=kept)
    kept = embargo if embargo and embargo.holds(now) else None
    if incoming.withheld and not ahead:  # a draft's date is not one of publication
        return Judgement(fate=Fate.HELD, why="the origin marks it as withheld", embargo=kept)
    if upstream.hold or incoming.end is End.HOLD:
        why = f"everything from {upstream.slug} waits for a yes"
        why = why if upstream.hold else _by("it waits for a yes", incoming)
        return Judgement(fate=Fate.HELD, why=why, published=until, embargo=kept)
    delayed = since + upstream.delay
    if ahead and _must_wait(incoming, now):
        why = f"it is dated {ahead.isoformat(timespec='seconds')}"
        return Judgement(fate=Fate.HELD, why=why, published=until, at=max(ahead, delayed), embargo=kept)
    if delayed > now:
        why = f"everything from {upstream.slug} waits {duration_text(upstream.delay)} before it is public"
        return Judgement(fate=Fate.HELD, why=why, published=until, at=delayed)
    return Judgement(fate=Fate.ITEM, why=_by("new", incoming), published=min(until, now) if until else None)


def _by(what: str, incoming: Incoming) -> str:
    return f"{what}, by {'; '.join(incoming.rules)}" if incoming.rules else what


def _must_wait(incoming: Incoming, now: datetime) -> bool:
    # SKEW forgives a clock; whoever says embargo or withheld means it to the second (DESIGN §5.10).
    embargoed = incoming.embargo is not None and incoming.embargo.holds(now)
    dated = incoming.published is not None and incoming.published > now + SKEW
    return incoming.withheld or embargoed or dated


def _news(incoming: Incoming, known: Known) -> str | None:
    """What changed since last time, for a person; None if nothing did."""
    if known.rewords(incoming):
        return "its words changed"
    if not known.stale and known.filed and known.filed != incoming.filed:
        return _by(f"it is filed under {', '.join(incoming.filed.topics) or 'nothing'} now", incoming)
    if known.moves(incoming):
        return f"its page moved to {incoming.link}"
    # Whichever rules read the words: who had none of its rights is to have them.
    return "its rights changed" if known.rights != incoming.content.rights else None


def _still_held(incoming: Incoming, known: Known, upstream: Upstream, now: datetime) -> Judgement:
    """What news of a thing that is not yet public means: its words and its date may move."""
    placed = _placed(replace(incoming, end=_held_end(incoming)), upstream, known.first or now, now)
    at = _moved(incoming, placed, known, now)
    news = _news(incoming, known)
    if at == known.at and not news:
        return Judgement(fate=Fate.UNCHANGED, why="still held", published=placed.published)
    what = "its date moved" if at != known.at else str(news)
    why = f"{what} before it was released"
    return Judgement(fate=Fate.REVISED, why=why, published=placed.published, at=at, embargo=placed.embargo)


def _held_end(incoming: Incoming) -> End | None:
    # What is held stays so: another category makes no draft of it, nor lets a yes replace its date.
    return End.ITEM if incoming.end else None


def _moved(incoming: Incoming, placed: Judgement, known: Known, now: datetime) -> datetime | None:
    if known.at is None:
        return None  # what waits for a yes waits for it, whatever the feed says later
    if placed.fate is Fate.HELD:
        return placed.at
    if incoming.published is None and incoming.embargo is None:
        return known.at  # it lost its date, which says nothing about when it may be public (feeds:I18)
    return min(known.at, now)  # its date was taken back or has come: the release loop takes it


def _key(name: str) -> str:
    """A name that fits into an index of either database."""
    return name if len(name) <= LONGEST_KEY else "hash:" + _digest(name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
