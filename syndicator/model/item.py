"""Items, revisions and topics: what is public, and the pure rules about it (DESIGN §2).

An `Item` is one public thing with a permanent `uid`; its words are a `Content`; every version of
them is a `Revision`. A `Topic` is plain or made by a `Rule` over plain topics and kinds. What is
not yet public lives in `model.release`. Serves walk A.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from slugify import slugify

from syndicator.errors import Invalid

ALL = "all"
SLUG = re.compile(r"[a-z0-9-]{1,64}")
# An absolute IRI (RFC 3987 §2.2): a scheme, a colon, no white space. What Atom asks of an id.
ABSOLUTE_IRI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"{}|\\^`]+")
FIELDS = "__dataclass_fields__"  # what a dataclass has


class Kind(StrEnum):
    """What sort of thing an item is."""

    NEWS = "news"
    STATEMENT = "statement"
    PRESS_RELEASE = "press-release"
    ADVISORY = "advisory"


class ItemState(StrEnum):
    """The life of an item after its release."""

    LIVE = "live"
    WITHDRAWN = "withdrawn"
    KILLED = "killed"
    REDACTED = "redacted"


class Significance(StrEnum):
    """What a revision means for readers."""

    FIRST = "first"
    SILENT = "silent"  # a typo: feeds and pages only, `updated` unmoved
    CORRECTION = "correction"  # `updated` moves, a note says why, told to those who had it
    WITHDRAWAL = "withdrawal"  # out of the feeds, 410 with a notice
    KILL = "kill"  # withdrawn, and everyone who had it is told
    REDACTION = "redaction"  # its words are wiped from everywhere


GONE: dict[Significance, ItemState] = {
    Significance.WITHDRAWAL: ItemState.WITHDRAWN,
    Significance.KILL: ItemState.KILLED,
    Significance.REDACTION: ItemState.REDACTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who wrote it. `email` is a real address or None; it is shown in RSS `author`."""

    name: str
    email: str | None = None
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A file that belongs to an item; `length` in bytes (RSS 2.0 and RFC 4287 §4.2.7.6).

    `alt` says in words what a picture shows, `credit` who made it, `licence` what others may do with it;
    `width` and `height` are in pixels, `duration` in seconds, 0 where not known. `digest` is the SHA-256
    of a file we keep ourselves (`store.media`), in hex; empty for one that is elsewhere. `file` is what
    the author's text calls it; no reader sees that.
    """

    url: str
    type: str
    length: int
    title: str = ""
    alt: str = ""
    credit: str = ""
    width: int = 0
    height: int = 0
    duration: int = 0
    licence: str = ""
    digest: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """What somebody says in a release, in plain text, and who that is."""

    text: str
    speaker: str
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The foreign feed an item came from: Atom's `source`, RSS's `source` (RFC 4287 §4.2.11)."""

    id: str
    title: str
    updated: datetime
    feed_url: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Guid:
    """The guid an imported item had in RSS, kept byte for byte."""

    value: str
    permalink: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The words of one version of an item.

    `body` is sanitised HTML with absolute URLs; `text` is the Markdown it was made from, if any;
    `summary` is plain text; `topics` are plain topics; `url` is the canonical address when the
    item's own page is elsewhere; `spokesperson` names a reusable record. `rights` says who holds them and
    what others may do, in plain text, where that is not what the site says of all its items (feeds:I28).

    A press release adds: `kicker` above the headline (the title), `dek` below it, `dateline` (place and
    date before the first words), `quotes`, `notes` to editors (Markdown), `paper` (the address of the
    paper it is about) and the slugs of its `boilerplates`. `body` holds all of these but kicker and dek
    already, as they were when it was drafted: every surface shows the body, none puts it together anew.

    What is `urgent` does not wait for a digest. `audience` names segments of the media list: mail goes to their
    members alone; empty, to everyone entitled. Neither is shown to anybody.
    """

    title: str
    kind: Kind = Kind.NEWS
    summary: str = ""
    body: str = ""
    text: str | None = None
    topics: tuple[str, ...] = ()
    language: str | None = None
    url: str | None = None
    authors: tuple[Author, ...] = ()
    spokesperson: str | None = None
    media: tuple[Medium, ...] = ()
    source: Source | None = None
    guid: Guid | None = None
    rights: str = ""
    kicker: str = ""
    dek: str = ""
    dateline: str = ""
    quotes: tuple[Quote, ...] = ()
    notes: str = ""
    paper: str = ""
    boilerplates: tuple[str, ...] = ()
    urgent: bool = False
    audience: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """The same words, the same fingerprint: SHA-256 over the canonical JSON of all fields."""
        canonical = json.dumps(
            content_to_json(self), sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One version of an item; numbers start at 1 and have no gaps.

    `marked` is what a correction changed, sentence by sentence, as clean HTML (`model.difference.marked`).
    """

    number: int
    significance: Significance
    content: Content
    created: datetime
    note: str | None = None
    marked: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A public thing as it is now. `id` is the store's own key and is never shown.

    `note` says what its latest correction changed, or why it is gone; `marked` shows that correction.
    """

    id: int
    uid: str
    slug: str
    state: ItemState
    revision: int
    published: datetime
    updated: datetime
    content: Content
    note: str | None = None
    marked: str = ""
    upstream: str | None = None

    @property
    def live(self) -> bool:
        """Whether the public sees its words."""
        return self.state is ItemState.LIVE


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which items a ruled topic holds: any of, all of, none of these plain topics, and kinds.

    >>> rule = Rule(any=("policy",), none=("internal",), kinds=(Kind.STATEMENT,))
    >>> rule.matches(frozenset({"policy"}), Kind.STATEMENT)
    True
    >>> rule.matches(frozenset({"policy", "internal"}), Kind.STATEMENT)
    False
    """

    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Every plain topic the rule speaks of."""
        return frozenset((*self.any, *self.all, *self.none))

    def matches(self, topics: frozenset[str], kind: Kind) -> bool:
        """Whether an item with these plain topics and this kind belongs to the topic."""
        return (
            (not self.any or not topics.isdisjoint(self.any))
            and topics.issuperset(self.all)
            and topics.isdisjoint(self.none)
            and (not self.kinds or kind in self.kinds)
        )


class PubDate(StrEnum):
    """Which instant RSS calls `pubDate`; aggregators that tell a changed article by it want the second (P14)."""

    PUBLISHED = "published"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How a topic's feeds show an item: the whole text or its summary alone, and what RSS calls `pubDate`."""

    full_text: bool = True
    pub_date: PubDate = PubDate.PUBLISHED

    @property
    def name(self) -> str:
        """What fragments of this profile are kept under."""
        text = "full" if self.full_text else "summary"
        return text if self.pub_date is PubDate.PUBLISHED else f"{text}+{self.pub_date}"


FULL = Profile()


@dataclass(frozen=True, slots=True)
class Closing:
    """The end of a topic: announced at one instant, over (410) from another; `note` is shown in its feeds."""

    announced: datetime
    over: datetime
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """An editorial subject one can subscribe to; `rule` is None for a plain one.

    `uid` is the permanent id of its Atom feed, whatever its slug becomes; `file` marks it as managed by
    the config file; `pages` is how many closed archive pages it has.
    """

    slug: str
    title: str
    uid: str
    created: datetime
    rule: Rule | None = None
    file: bool = False
    profile: Profile = FULL
    closing: Closing | None = None
    pages: int = field(default=0, compare=False)
    id: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boilerplate:
    """A reusable part of releases: "About the society". `text` is Markdown; `title` its heading."""

    slug: str
    title: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Spokesperson:
    """Whom to ask about an item. `hours` is free text in the person's own zone."""

    slug: str
    name: str
    role: str = ""
    phone: str = ""
    mail: str = ""
    hours: str = ""
    zone: str = ""
    stand_in: str | None = None


class Verdict(StrEnum):
    """What words that arrive for a uid mean for the store."""

    NEW = "new"
    UNCHANGED = "unchanged"
    REVISED = "revised"


def judge(incoming: Content, known: Content | None) -> Verdict:
    """What `incoming` means, given what the store has. Feeds touch dates without changing a word."""
    if known is None:
        return Verdict.NEW
    return Verdict.UNCHANGED if incoming.fingerprint == known.fingerprint else Verdict.REVISED


def reworded(words: Content, known: Content) -> Content:
    """New words for what is public already: by what readers know it, and whom it is credited to, stays (feeds:P8, P21).

    A file that an editor writes knows of neither; without them an imported item would be a new one to readers. Nor
    does it know of rights; a feed that names none any more has none (feeds:I28).
    """
    from_file = words.text is not None
    rights = words.rights or (known.rights if from_file else "")
    return replace(words, guid=known.guid, source=words.source or known.source, rights=rights)


def memberships(content: Content, ruled: Iterable[Topic]) -> frozenset[str]:
    """The slugs of every topic an item with these words belongs to, `all` among them."""
    plain = frozenset(content.topics)
    by_rule = (topic.slug for topic in ruled if topic.rule and topic.rule.matches(plain, content.kind))
    return plain.union(by_rule, (ALL,))


def vet_topic_slug(slug: str) -> str:
    """The slug, if a topic may have it; raises Invalid with the rule otherwise."""
    if slug == ALL:
        raise Invalid('the topic "all" exists already and holds every item; choose another slug')
    if not SLUG.fullmatch(slug):
        raise Invalid(f"{slug!r} is no topic slug: use 1 to 64 of a-z, 0-9 and hyphen")
    return slug


def slug_for(title: str) -> str:
    """The slug an item gets at its release, at most 80 characters; never empty.

    >>> slug_for("Warning on a draft budget: −40 %!")
    'warning-on-a-draft-budget-40'
    """
    return slugify(title, max_length=80, word_boundary=True) or "item"


def is_absolute_iri(text: str) -> bool:
    """Whether an imported guid may serve as our permanent uid (RFC 4287 §4.2.6)."""
    return bool(ABSOLUTE_IRI.fullmatch(text))


def corrected(item: Item, note: str, now: datetime) -> Item:
    """The item as readers see it after a correction: `updated` moves, the note is dated by it."""
    return replace(item, updated=now, note=note)


def content_to_json(content: Content) -> dict[str, Any]:
    """A content as plain JSON values; fields at their default are left out, so old rows stay readable."""
    values = {name: _plain(getattr(content, name)) for name in Content.__dataclass_fields__}
    if content.source:
        values["source"]["updated"] = content.source.updated.isoformat()
    values["media"] = [_without_defaults(medium) for medium in content.media]
    return {key: value for key, value in values.items() if value not in (None, "", [], False)}


def content_from_json(values: Mapping[str, Any]) -> Content:
    """The content that `content_to_json` wrote; unknown keys of a newer version are ignored."""
    known = {name: values[name] for name in Content.__dataclass_fields__ if name in values}
    if source := known.get("source"):
        known["source"] = Source(**{**source, "updated": datetime.fromisoformat(source["updated"])})
    if guid := known.get("guid"):
        known["guid"] = Guid(**guid)
    known.setdefault("title", "")  # an incoming item may have none (feeds:P18)
    known["authors"] = tuple(Author(**author) for author in known.get("authors", ()))
    known["media"] = tuple(Medium(**medium) for medium in known.get("media", ()))
    known["quotes"] = tuple(Quote(**quote) for quote in known.get("quotes", ()))
    for name in ("topics", "boilerplates", "audience"):
        known[name] = tuple(known.get(name, ()))
    known["kind"] = Kind(known.get("kind", Kind.NEWS))
    return Content(**known)


def _without_defaults(medium: Medium) -> dict[str, Any]:
    # What came later to Medium is left out where it says nothing: the fingerprints of old revisions stand.
    later = ("alt", "credit", "width", "height", "duration", "licence", "digest", "file")
    return {key: value for key, value in asdict(medium).items() if value or key not in later}


def _plain(value: Any) -> Any:
    # Not `asdict` of the whole: it copies every word, and each item is written down and compared several times.
    if isinstance(value, tuple):
        return [asdict(one) if hasattr(one, FIELDS) else one for one in value]
    return asdict(value) if hasattr(value, FIELDS) else value
