"""Filing what an upstream brought: judged by `model.incoming`, done through `publish` and `store.releases`.

A few things at a time are one transaction under the fence of the claim. A thing that cannot be filed is left
out and named; it never spoils its feed. Which thing is which is found in `ingest.identity`, what each
becomes is planned in `ingest.prospects`. Serves walk A; the flow around it is `ingest.poll`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import TypeVar

from syndicator import embargo, publish
from syndicator.errors import Conflict, Invalid, SyndicatorError, TryLater
from syndicator.ingest.entries import Deleted, Parsed, incoming
from syndicator.ingest.identity import Match, Matched, matched
from syndicator.ingest.prospects import (
    Desk,
    Prospect,
    as_prospect,
    desk_for,
    maybe_pushed,
    unasked,
    worked_out,
)
from syndicator.model.incoming import IN_HAND, Fate, Incoming, Known, routed
from syndicator.model.item import Content
from syndicator.model.markup import excerpt, plain_text
from syndicator.model.release import ReleaseState, moved
from syndicator.model.upstream import OnGone, Relation, Upstream
from syndicator.observe import logger
from syndicator.store import Store, Tx, audit, departures, items, releases, topics, upstreams
from syndicator.store import incoming as brought
from syndicator.store.upstreams import Claim

__all__ = [
    "Filing",
    "LeftOut",
    "Overtaken",
    "Prospect",
    "Reading",
    "as_prospect",
    "reading_of",
]

log = logger("ingest")

# Others want to write, too: a release at its embargo, a lane (DESIGN §5.3).
WORK = 0.03  # seconds after which a transaction begins nothing more; what it has begun and its commit come on top
GROUP = 50  # things in one transaction at most
LEAVING = 500  # rows in one that only marks them

UNRELEASED = IN_HAND | {ReleaseState.HELD}

T = TypeVar("T")
Mint = Callable[[datetime], str]


class Overtaken(TryLater):
    """Our claim ran out and somebody else polls this upstream now; nothing more is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """An entry that was not taken, and why; `again` says that trying once more may help."""

    title: str
    identity: str | None
    why: str
    again: bool = False

    def as_json(self) -> dict[str, object]:
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

    @property
    def tells_who_is_gone(self) -> bool:
        """Whether what it does not hold has left the feed: not if it is empty, or holds what nobody can name (feeds:I17)."""
        named = all(entry.identity for entry in self.left_out)
        return self.whole and named and bool(self.things or self.unchanged or self.left_out)


def reading_of(feed: Parsed, upstream: Upstream, now: datetime) -> Reading:
    """The entries of a feed cleaned; those that say nothing are left out and named."""
    things: list[Incoming] = []
    without = [LeftOut(title=one.title[:200], identity=one.guid, why=one.why) for one in feed.omitted]
    for entry in feed.entries:
        try:
            things.append(incoming(entry, feed, upstream, now))
        except Invalid as fault:
            name = entry.guid or entry.link
            without.append(LeftOut(title=entry.title[:200], identity=name, why=str(fault)))
    return Reading(
        things=tuple(things),
        left_out=tuple(without),
        unchanged=feed.unchanged,
        deleted=feed.deleted,
        warning=feed.warning,
    )


class Filing:
    """Files one reading under the fence of its claim, in short transactions.

    After the last step `prospects` and `left_out` say what became of each thing. `asking` is a number
    when nothing was filed, because that many items would be pushed at once and a person is asked
    first. `again` says that reading the same once more may bring what was left out.
    """

    def __init__(self, store: Store, claim: Claim, reading: Reading, mint: Mint, own_host: str = "") -> None:
        """`mint` makes uids; `own_host` is the host of our own site, on which no foreign feed names anything."""
        self._store, self._claim, self._mint = store, claim, mint
        self._reading = routed_all(reading, claim.upstream, own_host)
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
        upstream = self._claim.upstream
        with self._store.read() as tx:
            found = matched(tx, upstream.id, self._reading)
            desk = desk_for(tx, self._claim, self._own_host)
        yield
        self.asking = self._asks(found, desk)
        if self.asking is not None:
            return
        yield from self._filed(found.matches, desk)
        yield from self._deleted(found)
        yield from self._end(found)

    def _asks(self, found: Matched, desk: Desk) -> int | None:
        """How many items and corrections would be sent at once, if that is so many that a person is asked first."""
        claim, whole = self._claim, self._reading.whole
        with self._store.read() as tx:
            room, likely = unasked(tx, claim, desk, whole=whole), maybe_pushed(tx, found.matches, desk)
            if len(likely) <= room:
                return None
            count = sum(desk.at_once(worked_out(tx, one.thing, one.known, desk)[0]) for one in likely)
        if count <= room:
            return None
        if not whole and claim.asking is not None:
            return claim.asking  # the question is about the feed itself, and stands
        with self._store.begin() as tx:
            self._hold(tx)
            upstreams.ask(tx, claim, count)
        return count

    def _filed(self, matches: Sequence[Match], desk: Desk) -> Iterator[None]:
        """File them, as many in a transaction as there is time for; where one fails as a whole, each by itself."""
        at = lone = 0
        while at < len(matches):
            group = matches[at : at + (1 if at < lone else GROUP)]
            try:
                with self._store.begin() as tx:
                    self._hold(tx)
                    outcomes = list(self._file(tx, group, desk))
            except TryLater:
                raise
            except Exception as fault:
                lone, outcomes = at + len(group), []
                if len(group) == 1:
                    thing = group[0].thing
                    log.exception("entry left out", upstream=desk.upstream.slug, identity=thing.identity)
                    why = f"it could not be stored: {type(fault).__name__}"
                    outcomes = [left_out(thing, why, again=True)]
            at += len(outcomes)
            self.prospects += [one for one in outcomes if isinstance(one, Prospect)]
            self.left_out += [one for one in outcomes if isinstance(one, LeftOut)]
            yield

    def _file(self, tx: Tx, group: Sequence[Match], desk: Desk) -> Iterator[Prospect | LeftOut]:
        """File the first of these, at least one, until the time of this transaction is over."""
        key = desk.upstream.id
        # Read anew: a person may have done something with one of them since.
        known = brought.known(tx, key, {match.known.identity for match in group if match.known})
        for match in in_time(group):
            thing = match.thing
            have = known.get(match.known.identity) if match.known else None
            try:
                if have and have.identity != thing.identity:
                    brought.rename(tx, key, have.identity, thing.identity)
                prospect, have = worked_out(tx, thing, have, desk)
                if prospect.uid is None:
                    prospect = replace(prospect, uid=self._mint(tx.now))
                _carry_out(tx, thing, prospect, have, desk)
                if have is None or not have.same(thing):
                    assert prospect.uid
                    brought.remember(tx, key, thing, prospect.uid, since=desk.began or tx.now)
            except TryLater:
                raise
            except SyndicatorError as fault:
                yield left_out(thing, str(fault), again=True)
            else:
                yield prospect

    def _hold(self, tx: Tx) -> None:
        if not upstreams.fence(tx, self._claim):
            slug = self._claim.upstream.slug
            raise Overtaken(f'somebody else polls "{slug}" by now; this poll took too long')

    def _deleted(self, found: Matched) -> Iterator[None]:
        """Take back what its feed says was deleted, unless it holds it all the same (RFC 6721 §3).

        Under quarantine, or if it were too many at once, a person is asked instead.
        """
        upstream = self._claim.upstream
        refs = {one.ref: one for one in self._reading.deleted if one.ref not in found.here}
        if not refs:
            return
        with self._store.read() as tx:
            known = list(brought.known(tx, upstream.id, refs).values())
            standing = (one for one in known if brought.standing(tx, one))
            asks = (
                upstream.hold
                or len(list(islice(standing, upstream.confirm_above + 1))) > upstream.confirm_above
            )
        while known:
            yield
            with self._store.begin() as tx:
                self._hold(tx)
                gone = [[*_gone(tx, one, refs[one.identity], upstream, asks=asks)] for one in in_time(known)]
            self.prospects += chain.from_iterable(gone)
            known = known[len(gone) :]

    def _end(self, found: Matched) -> Iterator[None]:
        """What is true of the reading as a whole, at its very end: who left, and that nobody is asked any more.

        Whoever is overtaken halfway has only begun what the next reading does anyway.
        """
        claim, reading = self._claim, self._reading
        missing = sorted(found.missing) if reading.tells_who_is_gone else []
        asks = claim.upstream.relation is Relation.OWN and claim.upstream.on_gone is not OnGone.KEEP
        for start in range(0, len(missing), LEAVING):
            yield
            with self._store.begin() as tx:
                self._hold(tx)
                brought.leave(tx, claim.upstream.id, missing[start : start + LEAVING], ask=asks)
        # What a hub brought is not what a person was asked about: only the whole feed ends that.
        if reading.whole and (claim.asking is not None or claim.accepted is not None):
            yield
            with self._store.begin() as tx:
                self._hold(tx)
                upstreams.answered(tx, claim)


def routed_all(reading: Reading, upstream: Upstream, own_host: str) -> Reading:
    """The things filed as the rules say, without those that a foreign feed took from us: they are here."""
    things = [routed(thing, upstream) for thing in reading.things]
    ours = [thing for thing in things if own_host and thing.credited_host == own_host]
    if ours:
        things = [thing for thing in things if thing.credited_host != own_host]
        log.info("own items left alone", upstream=upstream.slug, count=len(ours))
    return replace(reading, things=tuple(things))


def _carry_out(tx: Tx, thing: Incoming, prospect: Prospect, known: Known | None, desk: Desk) -> None:
    """Write what was worked out."""
    uid, slug = prospect.uid, desk.upstream.slug
    assert uid
    match prospect.fate:
        case Fate.ITEM:
            push = desk.push(tx, thing, None)
            publish.publish(tx, uid, prospect.content, published=prospect.published, upstream=slug, push=push)
        case Fate.HELD | Fate.DRAFT:
            topics.check_plain(tx, prospect.content.topics)
            releases.add(
                tx,
                uid,
                prospect.content,
                state=ReleaseState.DRAFT if prospect.fate is Fate.DRAFT else ReleaseState.HELD,
                embargo=prospect.embargo,
                at=prospect.at,
                published=prospect.published or _unpushable(thing, prospect, desk, tx.now),
                upstream=slug,
                reason=prospect.why,
            )
            audit.record(tx, f"upstream/{slug}", f"release.{prospect.fate}", uid, at=prospect.at)
        case Fate.REVISED if known and known.held in UNRELEASED:
            _rework(tx, uid, prospect)
        case Fate.REVISED:
            _revise(tx, thing, prospect, known, desk)


def _unpushable(thing: Incoming, prospect: Prospect, desk: Desk, now: datetime) -> datetime | None:
    """The date of an undated thing that is held: None (its release is its date), unless it may be an archive's.

    An archive's is dated too old to be pushed, whenever somebody says yes: its age is unknown, and the
    column for its date is all that a release carries along. What is withheld was never public before,
    and a draft is dated by whoever releases it.
    """
    if not desk.first or thing.withheld or prospect.fate is Fate.DRAFT:
        return None
    return now - max(desk.upstream.push_max_age, publish.PUSH.max_age)


def _rework(tx: Tx, uid: str, prospect: Prospect) -> None:
    release = releases.held_for_change(tx, uid)
    back = release
    if release.state in (ReleaseState.APPROVED, ReleaseState.SCHEDULED):
        back = moved(release, ReleaseState.DRAFT)
    elif release.state not in UNRELEASED:
        raise Conflict(f"the release {uid} is {release.state} since a moment ago; look again")
    words = replace(
        back,
        content=prospect.content,
        embargo=prospect.embargo,
        at=prospect.at,
        published=prospect.published,
        drafted_by=None,
        reason=prospect.why,
    )
    by = f"upstream/{release.upstream}"
    embargo.change(tx, release, words, "the release was changed at its origin", by)


def _revise(tx: Tx, thing: Incoming, prospect: Prospect, known: Known | None, desk: Desk) -> None:
    assert prospect.uid
    if desk.corrects(thing, known):
        note = f"changed at its origin ({desk.upstream.slug})"
        publish.correct(tx, prospect.uid, prospect.content, note=note)
    else:
        publish.edit(tx, prospect.uid, prospect.content, push=desk.push(tx, thing, known))


def _gone(tx: Tx, one: Known, stone: Deleted, upstream: Upstream, *, asks: bool) -> Iterator[Prospect]:
    """What its feed says was deleted is put before a person (`asks`) or taken back, if it still stands."""
    if brought.standing(tx, one) is None:
        return
    brought.leave(tx, upstream.id, [one.identity], ask=False)
    if asks:
        if departures.put_before_a_person(tx, upstream.id, one.identity):
            log.warning("deleted at its origin", upstream=upstream.slug, uid=one.uid)
        return
    reason = excerpt(plain_text(stone.comment)) or f"withdrawn at its origin ({upstream.slug})"
    content = take_back(tx, one.uid, reason)
    departures.settle(tx, upstream.id, one.identity)
    yield Prospect(identity=one.identity, uid=one.uid, content=content, fate=Fate.WITHDRAWN, why=reason)


def take_back(tx: Tx, uid: str, reason: str) -> Content:
    """Withdraw the item its origin deleted, or cancel its release if it is not public yet; its words."""
    if item := items.find(tx, uid):
        publish.withdraw(tx, uid, reason)
        return item.content
    slug = releases.named(tx, uid).upstream
    return embargo.cancel(tx, uid, reason, f"upstream/{slug}").content


def left_out(thing: Incoming, why: str, *, again: bool = False) -> LeftOut:
    """A thing that was not taken."""
    return LeftOut(title=thing.content.title, identity=thing.identity, why=why, again=again)


def in_time(things: Iterable[T]) -> Iterator[T]:
    """As many of these as one transaction has time for, and one at least: others want to write, too (DESIGN §5.3)."""
    ends = time.monotonic() + WORK
    for thing in things:
        yield thing
        if time.monotonic() > ends:
            return
