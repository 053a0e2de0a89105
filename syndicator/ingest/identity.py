"""Which entry of a feed is which: by its identity, else by what it looked like before its site moved (feeds:I15).

`matched` looks at a whole reading at once, for who else is in the feed decides. Nothing is written
here; `ingest.filing` does that. Serves walk A.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from syndicator.model.incoming import Incoming, Known, alias_of
from syndicator.store import Tx, items, releases
from syndicator.store import incoming as brought
from syndicator.store.incoming import Alike, alias_for

if TYPE_CHECKING:
    from syndicator.ingest.filing import Reading


@dataclass(frozen=True, slots=True)
class Match:
    """A thing to be filed, and under which identity it is known, if at all (`known.identity`)."""

    thing: Incoming
    known: Known | None


@dataclass(frozen=True, slots=True)
class Matched:
    """A whole reading: each thing once, oldest first; the identities in the feed, and those that have left it."""

    matches: tuple[Match, ...]
    here: frozenset[str]
    missing: frozenset[str]


def matched(tx: Tx, upstream_id: int, reading: Reading) -> Matched:
    """What is known of each thing of a reading."""
    before = brought.present(tx, upstream_id)
    same = frozenset(reading.unchanged)
    unread = {row.identity for row in before if row.raw in same}
    things = [thing for thing in reading.things if thing.identity not in unread]
    known = brought.known(tx, upstream_id, {thing.identity for thing in things})
    once = _once(things, known)
    here = unread | set(once) | {left.identity for left in reading.left_out if left.identity}
    fresh = [thing for thing in once.values() if thing.identity not in known]
    if fresh and (known or unread or brought.anything(tx, upstream_id)):
        known |= _moved(tx, fresh, brought.alike(tx, upstream_id, fresh), here)
    names = here | {one.identity for one in known.values()}
    return Matched(
        matches=tuple(
            Match(thing, known.get(thing.identity)) for thing in oldest_first(once.values(), tx.now)
        ),
        here=frozenset(here),
        missing=frozenset(row.identity for row in before if row.identity not in names),
    )


def oldest_first(things: Iterable[Incoming], now: datetime) -> list[Incoming]:
    """In the order in which they are filed: feeds run newest first, archive pages are cut as items came in (DESIGN §5.5)."""
    ordered = list(things)
    ordered.reverse()
    ordered.sort(key=lambda thing: thing.published or now)
    return ordered


def _once(things: Sequence[Incoming], known: Mapping[str, Known]) -> dict[str, Incoming]:
    """Each identity once: of doubles the one we have already, else the first, so that they never take turns."""
    once: dict[str, Incoming] = {}
    for thing in things:
        have = known.get(thing.identity)
        kept = once.setdefault(thing.identity, thing)
        if have and kept is not thing and not _is(have, kept) and _is(have, thing):
            once[thing.identity] = thing
    return once


def _is(known: Known, thing: Incoming) -> bool:
    return (thing.raw is not None and known.raw == thing.raw) or known.fingerprint == thing.fingerprint


def _moved(tx: Tx, fresh: Sequence[Incoming], alike: Sequence[Alike], here: set[str]) -> dict[str, Known]:
    """New identity → what is known under another that is not in the feed now, if it is certainly the same thing."""
    free = [one for one in alike if one.known.identity not in here]
    found = _by_former_names(fresh, free)
    taken = {known.identity for known in found.values()}
    # On its own host first: http that became https is no other site with the same paths.
    for thing, same_host in ((thing, own) for own in (True, False) for thing in fresh):
        if thing.identity in found:
            continue
        likely = [
            one.known
            for one in free
            if one.known.identity not in taken
            and (not same_host or _host(one.known) == _host_of(thing))
            and _same(tx, thing, one)
        ]
        if len(likely) == 1:
            found[thing.identity] = likely[0]
            taken.add(likely[0].identity)
    return found


def _by_former_names(fresh: Sequence[Incoming], free: Sequence[Alike]) -> dict[str, Known]:
    """What earlier rules of reading called otherwise (`model.incoming.READING`): each thing that is known so once."""
    by_name = {one.known.identity: one.known for one in free}
    found: dict[str, Known] = {}
    for thing in fresh:
        if name := next((name for name in sorted(thing.former) if name in by_name), None):
            found[thing.identity] = by_name.pop(name)
    return found


def _same(tx: Tx, thing: Incoming, other: Alike) -> bool:
    known = other.known
    if thing.guid == known.uid or (thing.alias and thing.alias == other.alias):
        return True
    alias, place = alias_for(thing), alias_of(thing.link)
    if (alias is None or alias != other.alias) and (place is None or place != other.place):
        return False
    # Paths are alike on many hosts, and one page may hold all items of a site: its date or its title must agree.
    if thing.dated and thing.dated == known.dated:
        return True
    return _title(tx, known.uid) == thing.content.title


def _title(tx: Tx, uid: str) -> str | None:
    one = items.find(tx, uid) or releases.find(tx, uid)
    return one.content.title if one else None


def _host(known: Known) -> str:
    return _netloc(known.identity) or _netloc(known.page)


def _host_of(thing: Incoming) -> str:
    return _netloc(thing.identity) or _netloc(thing.link)


def _netloc(address: str | None) -> str:
    try:
        return urlsplit(address or "").netloc.lower()
    except ValueError:
        return ""
