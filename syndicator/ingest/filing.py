"""Filing what a feed brought: judged by `model.upstream`, done through `publish` and `store.releases`.

A group of entries is one transaction under the fence of the claim. An entry that cannot be filed is
left out and named; it never spoils its feed (walk A). The flow around it is `ingest.poll`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from syndicator import publish
from syndicator.errors import Invalid, SyndicatorError, TryLater
from syndicator.ingest.entries import Deleted, Parsed, incoming
from syndicator.model.incoming import Fate, Incoming, Judgement, Known, judge, may_be_uid, words_of
from syndicator.model.item import Content, Significance
from syndicator.model.release import ReleaseState
from syndicator.model.upstream import Relation, Upstream
from syndicator.observe import logger
from syndicator.publish import Push
from syndicator.store import Store, Tx, items, releases, topics, upstreams
from syndicator.store import incoming as brought
from syndicator.store.upstreams import Claim

log = logger("ingest")

GROUP = 50  # entries in one transaction: others want to write, too

Mint = Callable[[datetime], str]


class Overtaken(TryLater):
    """Our claim ran out and somebody else polls this upstream now; nothing more is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prospect:
    """What an entry became, or would become, and why; `uid` is None where one would be minted."""

    identity: str
    uid: str | None
    content: Content
    fate: Fate
    why: str
    published: datetime | None = None
    at: datetime | None = None

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
            "why": self.why,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An entry that was not taken, and why; `again` says that trying once more may help."""

    title: str
    identity: str | None
    why: str
    again: bool = False

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {"title": self.title, "identity": self.identity, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reading of an upstream brought, in the order of its feed; doubles of an identity among it.

    `unchanged` are the hashes (`Incoming.raw`) of entries that were not read again, because we have them so
    already; `deleted` what the feed says was deleted. `whole` is False for a hub's body, which may be new
    entries alone (feeds:W6).
    """

    things: tuple[Incoming, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    unchanged: tuple[str, ...] = ()
    deleted: tuple[Deleted, ...] = ()
    warning: str | None = None
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a reading would become; `asking` is how many items would be pushed, if a person would be asked first."""

    prospects: tuple[Prospect, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    asking: int | None = None


class Filing:
    """Files one reading under the fence of its claim, in short transactions.

    After the last step `prospects` and `left_out` say what became of each thing. `asking` is a number
    when nothing was filed, because that many items would be pushed at once and a person is asked
    first. `again` says that reading the same once more may bring what was left out.
    """

    def __init__(self, store: Store, claim: Claim, reading: Reading, mint: Mint, own_host: str = "") -> None:
        """`mint` makes uids; `own_host` is the host of our own site, on which no foreign feed names anything."""
        self._store, self._claim, self._reading, self._mint = store, claim, reading, mint
        self._own_host = own_host
        self.prospects: list[Prospect] = []
        self.left_out: list[LeftOut] = list(reading.left_out)
        self.asking: int | None = None

    @property
    def again(self) -> bool:
        """Whether the same body must be read again, though the feed has not changed by then."""
        return self.asking is not None or any(entry.again for entry in self.left_out)

    def steps(self) -> Iterator[None]:
        """Do the work, at most one short transaction between two yields; raises Overtaken, and TryLater."""
        with self._store.read() as tx:
            now = tx.now
        for group in groups(_oldest_first(self._reading.things, now)):
            for outcome in filed(self._store, self._claim, group, self._mint):
                if isinstance(outcome, Prospect):
                    self.prospects.append(outcome)
                else:
                    self.left_out.append(outcome)
            yield


def reading_of(feed: Parsed, upstream: Upstream, now: datetime) -> Reading:
    """The entries of a feed cleaned; those that say nothing are left out and named."""
    things: list[Incoming] = []
    without = [LeftOut(title=one.title[:200], identity=one.guid, why=one.why) for one in feed.omitted]
    for entry in feed.entries:
        try:
            things.append(incoming(entry, feed, upstream, now))
        except Invalid as fault:
            without.append(LeftOut(title=entry.title[:200], identity=entry.guid, why=str(fault)))
    return Reading(
        things=tuple(things),
        left_out=tuple(without),
        unchanged=feed.unchanged,
        deleted=feed.deleted,
        warning=feed.warning,
    )


def preview(store: Store, reading: Reading, upstream: Upstream, own_host: str = "") -> Preview:  # noqa: ARG001 - soon
    """What each thing would become under this upstream, and why; writes nothing."""
    with store.read() as tx:
        things = _oldest_first(reading.things, tx.now)
        known = brought.known(tx, upstream.id, [thing.identity for thing in things])
        prospects = tuple(
            prospect_of(tx, thing, known_as(tx, thing, known, upstream), upstream) for thing in things
        )
    return Preview(prospects=prospects, left_out=reading.left_out)


def _oldest_first(things: Sequence[Incoming], now: datetime) -> list[Incoming]:
    first: dict[str, Incoming] = {}
    for thing in things:
        first.setdefault(thing.identity, thing)
    # Feeds run newest first; archive pages are cut by the order in which items came in (DESIGN §5.5).
    oldest_first = list(first.values())
    oldest_first.reverse()
    oldest_first.sort(key=lambda thing: thing.published or now)
    return oldest_first


def things_of(feed: Parsed, upstream: Upstream, now: datetime) -> tuple[list[Incoming], list[LeftOut]]:
    """The entries cleaned, oldest first, each identity once: the first in the feed wins (feeds:I15)."""
    things: dict[str, Incoming] = {}
    without = [LeftOut(title=one.title[:200], identity=one.guid, why=one.why) for one in feed.omitted]
    for entry in feed.entries:
        try:
            thing = incoming(entry, feed, upstream, now)
        except Invalid as fault:
            without.append(LeftOut(title=entry.title[:200], identity=entry.guid, why=str(fault)))
        else:
            things.setdefault(thing.identity, thing)
    # Feeds run newest first; archive pages are cut by the order in which items came in (DESIGN §5.5).
    oldest_first = list(things.values())
    oldest_first.reverse()
    oldest_first.sort(key=lambda thing: thing.published or now)
    return oldest_first, without


def filed(store: Store, claim: Claim, group: Sequence[Incoming], mint: Mint) -> Iterator[Prospect | LeftOut]:
    """File a group in one transaction; if that fails as a whole, each entry in its own."""
    try:
        with store.begin() as tx:
            outcomes = _file(tx, claim, group, mint)
    except TryLater:
        raise
    except Exception as fault:
        if len(group) == 1:
            log.exception("entry left out", upstream=claim.upstream.slug, identity=group[0].identity)
            why = f"it could not be stored: {type(fault).__name__}"
            yield left_out(group[0], why, again=True)
            return
        for thing in group:
            yield from filed(store, claim, [thing], mint)
    else:
        yield from outcomes


def _file(tx: Tx, claim: Claim, group: Sequence[Incoming], mint: Mint) -> list[Prospect | LeftOut]:
    if not upstreams.fence(tx, claim):
        raise Overtaken(f'somebody else polls "{claim.upstream.slug}" by now; this poll took too long')
    upstream, first = claim.upstream, claim.validators.body_hash is None
    known = brought.known(tx, upstream.id, [thing.identity for thing in group])
    outcomes: list[Prospect | LeftOut] = []
    for thing in group:
        before = known_as(tx, thing, known, upstream)
        try:
            done = _apply(tx, thing, before, upstream, mint, first=first)
        except TryLater:
            raise
        except SyndicatorError as fault:
            outcomes.append(left_out(thing, str(fault), again=True))
        else:
            outcomes.append(done)
    return outcomes


def _apply(
    tx: Tx, thing: Incoming, known: Known | None, upstream: Upstream, mint: Mint, *, first: bool
) -> Prospect:
    prospect = prospect_of(tx, thing, known, upstream)
    if prospect.fate is Fate.UNCHANGED:
        return prospect
    prospect = replace(prospect, uid=prospect.uid or mint(tx.now))
    uid = prospect.uid
    assert uid
    match prospect.fate:
        case Fate.ITEM:
            # Without a date its age is unknown: the first poll of an archive must mail nothing of it.
            push = replace(_push(upstream), allowed=upstream.push and not (first and thing.published is None))
            publish.publish(
                tx, uid, thing.content, published=prospect.published, upstream=upstream.slug, push=push
            )
        case Fate.HELD:
            topics.check_plain(tx, thing.content.topics)
            releases.add(
                tx,
                uid,
                thing.content,
                state=ReleaseState.HELD,
                at=prospect.at,
                published=prospect.published or _unpushable(thing, upstream, tx.now, first=first),
                upstream=upstream.slug,
                reason=prospect.why,
            )
        case _:
            prospect = _revise(tx, thing, known, prospect, upstream)
    brought.remember(tx, upstream.id, thing.identity, uid, thing.fingerprint)
    return prospect


def _unpushable(thing: Incoming, upstream: Upstream, now: datetime, *, first: bool) -> datetime | None:
    """The date of an undated thing that is held: None (its release is its date), unless it may be an archive's.

    An archive's is dated too old to be pushed, whenever somebody says yes: its age is unknown, and the
    column for its date is all that a release carries along. What is withheld was never public before.
    """
    if not first or thing.withheld:
        return None
    return now - max(upstream.push_max_age, publish.PUSH.max_age)


def _revise(tx: Tx, thing: Incoming, known: Known | None, prospect: Prospect, upstream: Upstream) -> Prospect:
    assert prospect.uid
    if known and known.held is ReleaseState.HELD:
        release = releases.held_for_change(tx, prospect.uid)
        content = _refiled(thing.content, release.content)
        published = prospect.published or release.published
        changed = replace(release, content=content, at=prospect.at, published=published)
        releases.save(tx, replace(changed, version=release.version + 1, reason=prospect.why))
        return prospect
    item = items.find(tx, prospect.uid)
    if item is None or not item.live:
        return replace(
            prospect, fate=Fate.UNCHANGED, why="it was taken back here; its origin does not revive it"
        )
    content = _refiled(thing.content, item.content)
    if content.fingerprint == item.content.fingerprint:
        return replace(prospect, fate=Fate.UNCHANGED, why="it reads so here already")
    if upstream.on_change is Significance.CORRECTION:
        publish.correct(tx, item.uid, content, note=f"changed at its origin ({upstream.slug})")
    else:
        publish.edit(tx, item.uid, content, push=_push(upstream))
    return prospect


def _refiled(said: Content, here: Content) -> Content:
    """The origin's new words under our own filing: where a person moved an item, there it stays."""
    return replace(said, topics=here.topics, kind=here.kind, spokesperson=here.spokesperson)


def prospect_of(tx: Tx, thing: Incoming, known: Known | None, upstream: Upstream) -> Prospect:
    judgement = judge(thing, known, upstream, tx.now)
    uid = known.uid if known else _free_uid(tx, thing)
    return as_prospect(thing, judgement, uid)


def as_prospect(thing: Incoming, judgement: Judgement, uid: str | None) -> Prospect:
    return Prospect(
        identity=thing.identity,
        uid=uid,
        content=thing.content,
        fate=judgement.fate,
        why=judgement.why,
        published=judgement.published,
        at=judgement.at,
    )


def known_as(tx: Tx, thing: Incoming, known: dict[str, Known], upstream: Upstream) -> Known | None:
    return known.get(thing.identity) or _adopted(tx, thing, upstream)


def _adopted(tx: Tx, thing: Incoming, upstream: Upstream) -> Known | None:
    """An item that is this very one: from this upstream before it was removed, or imported from our own CMS.

    Only so: a foreign feed that names the guid of somebody else's item gets an item of its own (feeds:I15).
    """
    item = items.find(tx, thing.guid) if thing.guid and may_be_uid(thing.guid) else None
    ours = {upstream.slug, None} if upstream.relation is Relation.OWN else {upstream.slug}
    if item is None or item.upstream not in ours:
        return None
    return Known(uid=item.uid, fingerprint=words_of(item.content))


def _free_uid(tx: Tx, thing: Incoming) -> str | None:
    guid = thing.guid
    if guid is None or not may_be_uid(guid) or items.find(tx, guid) or releases.find(tx, guid):
        return None
    return guid


def _push(upstream: Upstream) -> Push:
    return Push(allowed=upstream.push, max_age=upstream.push_max_age)


def left_out(thing: Incoming, why: str, *, again: bool = False) -> LeftOut:
    return LeftOut(title=thing.content.title, identity=thing.identity, why=why, again=again)


def groups(things: Sequence[Incoming]) -> Iterator[Sequence[Incoming]]:
    return (things[start : start + GROUP] for start in range(0, len(things), GROUP))
