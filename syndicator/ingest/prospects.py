"""What each thing of a reading would become, down to its words: for a dry run, and for `ingest.filing` to carry out.

Reads the store and writes nothing. `model.incoming` judges; here stands what only a look at the item or
the release can tell: who edited it here, where a person filed it, and whether it would be pushed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from syndicator.model.difference import changed_fields
from syndicator.model.incoming import (
    IN_HAND,
    Fate,
    Incoming,
    Judgement,
    Known,
    filed_as,
    judge,
    may_be_uid,
    words_of,
)
from syndicator.model.item import Content, Significance, reworded
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.model.upstream import Relation, Upstream
from syndicator.publish import Push
from syndicator.store import Tx, deliveries, items, releases
from syndicator.store import incoming as brought
from syndicator.store.upstreams.lists import own_hosts

if TYPE_CHECKING:
    from syndicator.ingest.identity import Match
    from syndicator.store.upstreams import Claim

WITHIN = timedelta(hours=1)  # for so long what was sent counts towards what is too much


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an entry became, or would become, and why; `uid` is None where one would be minted.

    `pushed` says whether it is sent to people then; None where that depends on a person's yes.
    """

    identity: str
    uid: str | None
    content: Content
    fate: Fate
    why: str
    published: datetime | None = None
    at: datetime | None = None
    embargo: Embargo | None = None
    pushed: bool | None = False

    def as_json(self) -> dict[str, Any]:
        """For `--json`: what an operator wants to see before saying yes."""
        return {
            "uid": self.uid,
            "title": self.content.title,
            "kind": str(self.content.kind),
            "topics": list(self.content.topics),
            "url": self.content.url,
            "published": self.published.isoformat() if self.published else None,
            "at": self.at.isoformat() if self.at else None,
            "fate": str(self.fate),
            "pushed": self.pushed,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Desk:
    """Whose things are filed, and how: `own_host` is that of our site; `first` says that nothing was filed before,
    `quiet` that a person wants nothing of it pushed; `began` is when this reading was begun. `left` are the
    items and releases that it brought before it was removed (`_left_behind`).
    """

    upstream: Upstream
    own_host: str = ""
    first: bool = False
    quiet: bool = False
    began: datetime | None = None
    left: Mapping[str, str] = field(default_factory=dict)

    def left_as(self, thing: Incoming) -> str | None:
        """The uid under which this thing was left behind, if it was."""
        names = _names_of(thing.content) if self.left else ()
        return next((self.left[name] for name in names if name in self.left), None)

    @property
    def rules(self) -> Upstream:
        """What judges: who said yes to a batch, and that it goes to nobody, needs no delay to look at it."""
        return replace(self.upstream, delay=timedelta()) if self.quiet else self.upstream

    def push(self, tx: Tx, thing: Incoming, known: Known | None) -> Push:
        """Whether and how young this thing is pushed. Without a date the age of what an archive held is unknown."""
        aged = thing.published is not None or not self._of_first_reading(tx, known)
        allowed = self.upstream.push and not self.quiet and aged
        return Push(allowed=allowed, max_age=self.upstream.push_max_age)

    def corrects(self, thing: Incoming, known: Known | None) -> bool:
        """Whether whoever had its former words is told of these. Another topic or address alone corrects nothing."""
        reworded = known is None or known.rewords(thing)
        return reworded and not self.quiet and self.upstream.on_change is Significance.CORRECTION

    def at_once(self, prospect: Prospect) -> bool:
        """Whether filing it sends it to people without anybody's further word."""
        by_itself = prospect.fate is Fate.HELD and prospect.at is not None
        return bool(prospect.pushed) and (prospect.fate in {Fate.ITEM, Fate.REVISED} or by_itself)

    def _of_first_reading(self, tx: Tx, known: Known | None) -> bool:
        if known is None:
            return self.first
        return known.first is None or known.first == brought.first_seen(tx, self.upstream.id)


def worked_out(tx: Tx, thing: Incoming, known: Known | None, desk: Desk) -> tuple[Prospect, Known | None]:
    """What becomes of a routed thing, and what is known of it: an item imported or filed before is adopted."""
    known = known or _adopted(tx, thing, desk) or _taken_up(tx, thing, desk)
    judgement = judge(thing, known, desk.rules, tx.now)
    uid = known.uid if known else _free_uid(tx, thing, desk)
    prospect = as_prospect(thing, judgement, uid)
    if known is None:
        prospect = replace(prospect, content=_alone(tx, thing, uid, desk))
        return replace(prospect, pushed=_pushed(tx, thing, prospect, desk)), None
    if prospect.fate is Fate.REVISED:
        unreleased = known.held is ReleaseState.HELD or known.held in IN_HAND
        rework = _reworked if unreleased else _revised
        prospect = rework(tx, thing, known, prospect, desk)
    return prospect, known


def as_prospect(thing: Incoming, judgement: Judgement, uid: str | None) -> Prospect:
    """A judgement with the words it is about."""
    return Prospect(
        identity=thing.identity,
        uid=uid,
        content=thing.content,
        fate=judgement.fate,
        why=judgement.why,
        published=judgement.published,
        at=judgement.at,
        embargo=judgement.embargo,
    )


def desk_for(tx: Tx, claim: Claim, own_host: str) -> Desk:
    """The desk for a reading that begins now."""
    upstream = claim.upstream
    nothing_yet = not brought.anything(tx, upstream.id)
    unread = claim.validators.body_hash is None and claim.asking is None
    return Desk(
        upstream,
        own_host,
        first=nothing_yet or unread,
        quiet=claim.accepted == "quiet",
        began=tx.now,
        left=_left_behind(tx, upstream) if nothing_yet else {},
    )


def _left_behind(tx: Tx, upstream: Upstream) -> dict[str, str]:
    """By what a feed would name them now, the uids of what this upstream brought before it was removed.

    Names that two of them have say nothing.
    """
    left = [(_names_of(release.content)[0], release.uid) for release in releases.left_by(tx, upstream.slug)]
    for uid, name in items.names_from(tx, upstream.slug).items():
        left.append((name or words_of(items.named(tx, uid).content), uid))
    times = Counter(name for name, _ in left)
    return {name: uid for name, uid in left if times[name] == 1}


def unasked(tx: Tx, claim: Claim, desk: Desk, *, whole: bool) -> float:
    """How many items and corrections may be sent now without a person's yes; no end to them if nobody gets them.

    What came within the hour counts: a batch in many small pieces is a batch. A yes is to as many as were
    shown, and to as many more as need none; while a question stands nothing slips by with what a hub
    brings (not `whole`).
    """
    upstream = desk.upstream
    silent = not upstream.push and upstream.on_change is not Significance.CORRECTION
    if desk.quiet or silent or not brought.anybody(tx):
        return math.inf
    if claim.accepted:
        return upstream.confirm_above + (claim.asking or 0)
    if not whole and claim.asking is not None:
        return 0
    since = max(tx.now - WITHIN, claim.answered or tx.now - WITHIN)
    return max(upstream.confirm_above - brought.lately(tx, upstream.id, since), 0)


def maybe_pushed(tx: Tx, matches: Sequence[Match], desk: Desk) -> list[Match]:
    """All that filing would push at once, and perhaps more: judged without a look at each."""
    oldest = tx.now - desk.upstream.push_max_age
    fates = [(match, judge(match.thing, match.known, desk.rules, tx.now)) for match in matches]
    refiled = {match.known.uid for match, one in fates if match.known and one.fate is Fate.REVISED}
    young = {uid for uid, published in brought.dates(tx, refiled).items() if published > oldest}
    had = deliveries.somebody_had(
        tx, {one.known.uid for one, _ in fates if one.known and desk.corrects(one.thing, one.known)} & refiled
    )
    return [
        match
        for match, one in fates
        if (
            match.known.uid in young | had
            if match.known
            else one.fate in {Fate.ITEM, Fate.HELD} and (one.published or tx.now) > oldest
        )
    ]


def _pushed(tx: Tx, thing: Incoming, prospect: Prospect, desk: Desk) -> bool | None:
    push = desk.push(tx, thing, None)
    if not push.allowed:
        return False
    if prospect.fate is Fate.ITEM or prospect.at:
        moment = prospect.at or tx.now
        return moment - (prospect.published or moment) < push.max_age
    return None


def _revised(tx: Tx, thing: Incoming, known: Known, prospect: Prospect, desk: Desk) -> Prospect:
    """News of what is public."""
    item = items.find(tx, known.uid)
    if item is None or not item.live:
        why = "it was taken back here; its origin does not revive it"
        return replace(prospect, fate=Fate.UNCHANGED, why=why)
    content = _renewed(thing, item.content, known)
    prospect = replace(prospect, content=content)
    if content.fingerprint == item.content.fingerprint:
        kept = not known.rewords(thing) and known.filed not in {thing.filed, None}
        why = "a person filed it here where it is" if kept else "it reads so here already"
        return replace(prospect, fate=Fate.UNCHANGED, why=why)
    entered = set(content.topics) - set(item.content.topics)
    owed = bool(entered) and desk.push(tx, thing, known).covers(item, tx.now)
    told = desk.corrects(thing, known) and bool(deliveries.somebody_had(tx, [known.uid]))
    return replace(prospect, pushed=owed or told)


def _reworked(tx: Tx, thing: Incoming, known: Known, prospect: Prospect, _: Desk) -> Prospect:
    """News of what is not public yet: a held release follows its origin; a draft does until a person edits it."""
    release = releases.named(tx, known.uid)
    content = _renewed(thing, release.content, known)
    if known.held is ReleaseState.HELD:
        kept = prospect.embargo or (
            release.embargo if prospect.at == known.at and not thing.embargo else None
        )
        published = prospect.published or release.published
        return replace(prospect, content=content, published=published, embargo=kept, pushed=None)
    if words_of(release.content) != known.fingerprint and known.rewords(thing):
        fields = ", ".join(changed_fields(release.content, content)) or "nothing"
        why = (
            f"{prospect.why} at its origin, but it was edited here and stays as it is: {fields} would differ"
        )
        return replace(prospect, content=release.content, fate=Fate.UNCHANGED, why=why)
    if content.fingerprint == release.content.fingerprint:
        return replace(prospect, content=content, fate=Fate.UNCHANGED, why="its draft reads so already")
    again = "" if release.state is ReleaseState.DRAFT else "; it must be approved again"
    return replace(
        prospect,
        content=content,
        why=f"{prospect.why}{again}",
        embargo=release.embargo,
        published=release.published,
        pushed=None,
    )


def _renewed(thing: Incoming, here: Content, known: Known) -> Content:
    """The words here with what is new at the origin; where a person filed it, there it stays."""
    said = thing.content
    if not known.rewords(thing):
        # Whether a person did cannot be told from what other rules wrote down.
        edited = known.stale or words_of(here) != known.fingerprint
        moved = known.moves(thing)
        # A new address alone takes nothing back of what a person wrote here.
        said = here if not moved else replace(here, url=said.url) if edited else said
    filing = thing.content if not known.stale and known.filed == filed_as(here) else here
    content = replace(said, topics=filing.topics, kind=filing.kind, spokesperson=here.spokesperson)
    if filed_as(content) == filed_as(here):
        content = replace(content, topics=here.topics)  # another order is nothing new
    # The feed's own date is in its credit, and no reason to write anything.
    content = replace(reworded(content, here), rights=thing.content.rights)
    return replace(content, source=here.source) if words_of(content) == words_of(here) else content


def _adopted(tx: Tx, thing: Incoming, desk: Desk) -> Known | None:
    """An item that is this very one: from this upstream before it was removed, or imported from our own CMS.

    Only so: a foreign feed that names the guid of somebody else's item gets an item of its own (feeds:I15).
    """
    upstream = desk.upstream
    ours = {upstream.slug, None} if upstream.relation is Relation.OWN else {upstream.slug}
    uid = thing.guid if may_be_uid(thing.guid) else desk.left_as(thing)
    item = items.find(tx, uid) if uid else None
    if item is None or item.upstream not in ours or brought.remembers(tx, upstream.id, item.uid):
        return None
    words = item.content
    return Known(uid=item.uid, fingerprint=words_of(words), page=words.url, rights=words.rights)


def _taken_up(tx: Tx, thing: Incoming, desk: Desk) -> Known | None:
    """A release that is this very one: from this upstream before it was removed. What a person stopped stays so."""
    upstream = desk.upstream
    ours = {upstream.slug, None} if upstream.relation is Relation.OWN else {upstream.slug}
    named = releases.find(tx, thing.guid) if thing.guid and may_be_uid(thing.guid) else None
    candidates = [named if named and named.upstream in ours else None, _left(tx, thing, desk)]
    release = next((one for one in candidates if one and one.state is not ReleaseState.RELEASED), None)
    if release is None or brought.remembers(tx, upstream.id, release.uid):
        return None
    # What a person has in hand may be edited; nobody wrote down how it came, so it keeps its words.
    said = release.content if release.state is ReleaseState.HELD else thing.content
    return Known(
        uid=release.uid,
        fingerprint=words_of(said),
        held=release.state,
        at=release.at,
        first=release.created,
        page=thing.link,
        rights=said.rights,
    )


def _left(tx: Tx, thing: Incoming, desk: Desk) -> Release | None:
    uid = desk.left_as(thing)
    return releases.find(tx, uid) if uid else None


def _names_of(content: Content) -> list[str]:
    """What tells it from others of its feed where its uid was minted here, best first."""
    return [
        *([content.guid.value] if content.guid else []),
        *([content.url] if content.url else []),
        words_of(content),
    ]


def _free_uid(tx: Tx, thing: Incoming, desk: Desk) -> str | None:
    guid = thing.guid
    if guid is None or items.find(tx, guid) or releases.find(tx, guid):
        return None
    foreign_to = {""}
    if desk.upstream.relation is Relation.FOREIGN:
        foreign_to = {desk.own_host} | own_hosts(tx)
    return guid if all(may_be_uid(guid, host) for host in foreign_to) else None


def _alone(tx: Tx, thing: Incoming, uid: str | None, desk: Desk) -> Content:
    """Its words, without a guid that may be another item's: RSS shows that, and readers take both for one (feeds:I15).

    Only our own feeds keep one beside another uid: their readers know it.
    """
    guid = thing.content.guid
    if guid is None or guid.value == uid:
        return thing.content
    own = desk.upstream.relation is Relation.OWN
    named = thing.guid and (items.find(tx, thing.guid) or releases.find(tx, thing.guid))
    if own and not named and not brought.elsewhere(tx, desk.upstream.id, thing.identity):
        return thing.content
    return replace(thing.content, guid=None)
