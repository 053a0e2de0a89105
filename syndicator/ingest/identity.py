"""Which entry of a feed is which: by its identity, else by what it looked like before its site moved (feeds:I15).

`matched` looks at a whole reading at once, for who else is in the feed decides. Nothing is written
here; `ingest.filing` does that. Serves walk A.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from syndicator.model.incoming import Incoming, Known
from syndicator.store import Tx
from syndicator.store import incoming as brought
from syndicator.store.incoming import Alike

if TYPE_CHECKING:
    from syndicator.ingest.filing import Reading

T = TypeVar("T")
Pair = tuple[Incoming, Known]

AUTHORITY = re.compile(r"[a-z][a-z0-9+.-]*://([^/?#]*)", re.IGNORECASE)


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
    """New identity → what is known under another that is not in the feed now, if it is certainly the same thing.

    Every look is at dictionaries: a feed has thousands of entries, and may choose them so that all are alike.
    """
    things = [(_names_of(thing), thing) for thing in fresh]
    free = [(_names(one), one.known) for one in alike if one.known.identity not in here]
    found = _by_former_names(fresh, [known for _, known in free])
    called: dict[str, str] = {}
    # On its own host first: http that became https is no other site with the same paths.
    for keys in (_certain, _on_its_host, _anywhere):
        taken = {known.identity for known in found.values()}
        pairs = _pairs(
            _sole((one for one in things if one[1].identity not in found), keys),
            _sole((one for one in free if one[1].identity not in taken), keys),
        )
        found |= {
            thing.identity: known
            for thing, known in _alone(pairs if keys is _certain else _agreeing(tx, pairs, called))
        }
    return found


def _by_former_names(fresh: Sequence[Incoming], free: Sequence[Known]) -> dict[str, Known]:
    """What earlier rules of reading called otherwise (`model.incoming.READING`): each thing that is known so once."""
    by_name = {known.identity: known for known in free}
    found: dict[str, Known] = {}
    for thing in fresh:
        if name := next((name for name in sorted(thing.former) if name in by_name), None):
            found[thing.identity] = by_name.pop(name)
    return found


class Names(NamedTuple):
    """By what a thing may be known again; by its uid, and an alias that was given to it, it surely is."""

    uid: str | None
    given: str | None
    alias: str | None
    place: str | None
    host: str


def _names_of(thing: Incoming) -> Names:
    host = _netloc(thing.identity) or _netloc(thing.link)
    return Names(thing.guid, thing.alias, thing.second, thing.place, host)


def _names(one: Alike) -> Names:
    host = _netloc(one.known.identity) or _netloc(one.known.page)
    return Names(one.known.uid, one.alias, one.alias, one.place, host)


def _certain(names: Names) -> Iterator[str]:
    return _keys(uid=names.uid, given=names.given)


def _on_its_host(names: Names) -> Iterator[str]:
    return (f"{names.host} {key}" for key in _anywhere(names))


def _anywhere(names: Names) -> Iterator[str]:
    return _keys(alias=names.alias, place=names.place)


def _keys(**names: str | None) -> Iterator[str]:
    return (f"{sort} {name}" for sort, name in names.items() if name)


def _sole(many: Iterable[tuple[Names, T]], keys: Callable[[Names], Iterable[str]]) -> dict[str, T]:
    """Who has a key alone: what several have tells none of them from another."""
    sole: dict[str, T] = {}
    shared: set[str] = set()
    for names, one in many:
        for key in keys(names):
            if key in sole:
                shared.add(key)
            else:
                sole[key] = one
    return {key: one for key, one in sole.items() if key not in shared}


def _pairs(fresh: Mapping[str, Incoming], free: Mapping[str, Known]) -> list[Pair]:
    """Who has a key in common, each two once."""
    pairs = ((fresh[key], known) for key, known in free.items() if key in fresh)
    return list({(thing.identity, known.identity): (thing, known) for thing, known in pairs}.values())


def _agreeing(tx: Tx, pairs: Sequence[Pair], called: dict[str, str]) -> list[Pair]:
    """Paths are alike on many hosts, and one page may hold all items of a site: its date or its title must agree.

    `called` are the titles that were looked up already, by uid.
    """
    unsure = {known.uid for thing, known in pairs if not _same_date(thing, known)} - called.keys()
    called |= brought.titles(tx, unsure)
    return [
        (thing, known)
        for thing, known in pairs
        if _same_date(thing, known) or called.get(known.uid) == thing.content.title
    ]


def _same_date(thing: Incoming, known: Known) -> bool:
    return thing.dated is not None and thing.dated == known.dated


def _alone(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs in which neither is in another pair, too."""
    things = Counter(thing.identity for thing, _ in pairs)
    known = Counter(one.identity for _, one in pairs)
    return [(thing, one) for thing, one in pairs if things[thing.identity] == known[one.identity] == 1]


def _netloc(address: str | None) -> str:
    named = AUTHORITY.match(address or "")
    return named[1].lower() if named else ""
