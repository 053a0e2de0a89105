"""What filing a reading would come to: for a dry run, and for whoever looks before adding. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from syndicator.errors import SyndicatorError
from syndicator.ingest.filing import LeftOut, Reading, routed_all
from syndicator.ingest.identity import matched, oldest_first
from syndicator.ingest.prospects import Desk, Prospect, as_prospect, desk_for, unasked, worked_out
from syndicator.model.incoming import Fate, Incoming, Judgement
from syndicator.model.upstream import Upstream, Validators
from syndicator.store import Store, Tx, items, topics, upstreams
from syndicator.store import incoming as brought
from syndicator.store.upstreams import Claim

SAME = "its origin has not changed it since"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a reading would become; `asking` is how many items would be pushed, if a person would be asked first."""

    prospects: tuple[Prospect, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    asking: int | None = None


def preview(store: Store, reading: Reading, upstream: Upstream, own_host: str = "") -> Preview:
    """What a poll would make of each thing, and why.

    A poll does not read again what is as it was; here it is read, to be shown, and judged like that.
    """
    with store.read() as tx:
        # One that is not kept yet has nothing, and was told nothing.
        claim = upstreams.seen(tx, upstream) if upstream.id else Claim(upstream, Validators(), 0)
        reading = routed_all(reading, upstream, own_host)
        have = _unchanged(tx, upstream)
        same = {thing.identity: thing for thing in reading.things if thing.raw in have}
        fresh = tuple(thing for thing in reading.things if thing.raw not in have)
        as_read = replace(reading, things=fresh, unchanged=tuple(thing.raw or "" for thing in same.values()))
        desk = desk_for(tx, claim, own_host)
        found = matched(tx, upstream.id, as_read)
        news = {one.thing.identity: worked_out(tx, one.thing, one.known, desk)[0] for one in found.matches}
        asking = _asking(tx, claim, desk, list(news.values()))
        faults = {identity: why for identity, one in news.items() if (why := _refused(tx, one))}
        shown = {one.thing.identity: one.thing for one in found.matches} | same
        names = dict.fromkeys(thing.identity for thing in reading.things)
        things = oldest_first([shown[name] for name in names if name in shown], tx.now)
    left = [
        LeftOut(title=thing.content.title, identity=thing.identity, why=faults[thing.identity], again=True)
        for thing in things
        if thing.identity in faults
    ]
    return Preview(
        prospects=tuple(
            news.get(thing.identity) or _as_it_was(thing, have[thing.raw or ""])
            for thing in things
            if thing.identity not in faults
        ),
        left_out=(*reading.left_out, *left),
        asking=asking,
    )


def _unchanged(tx: Tx, upstream: Upstream) -> dict[str, str]:
    """The uid of what a poll would know by its hash."""
    hashes = brought.hashes(tx, upstream.id)
    return {row.raw: row.uid for row in brought.present(tx, upstream.id) if row.raw in hashes and row.raw}


def _asking(tx: Tx, claim: Claim, desk: Desk, news: list[Prospect]) -> int | None:
    count = sum(map(desk.at_once, news))
    return count if count > unasked(tx, claim, desk, whole=True) else None


def _refused(tx: Tx, prospect: Prospect) -> str | None:
    """Why it could not be filed where it is to go, if so."""
    if prospect.fate not in {Fate.ITEM, Fate.HELD, Fate.DRAFT, Fate.REVISED}:
        return None
    item = items.find(tx, prospect.uid) if prospect.uid else None
    if item is None and prospect.fate is Fate.REVISED:
        return None  # a release: where it is filed is seen to when it goes out
    try:
        topics.check_plain(tx, prospect.content.topics, item.content.topics if item else ())
    except SyndicatorError as fault:
        return str(fault)
    return None


def _as_it_was(thing: Incoming, uid: str) -> Prospect:
    return as_prospect(thing, Judgement(fate=Fate.UNCHANGED, why=SAME, published=thing.published), uid)
