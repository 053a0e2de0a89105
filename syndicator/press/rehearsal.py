"""A release played through before it is real: its words, its audience, its instants, on a store that is thrown away.

What is rehearsed is the flow itself: the moves are `press`'s own, deliveries are planned by the planner, and the
roads that write letters and events are those of the lanes, with folders at their ends. Whoever calls brings
the roads, and what builds feeds and page (`House`). Serves `release rehearse`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from syndicator.errors import Refused
from syndicator.model.delivery import Channel, Outcome, Result, Try
from syndicator.model.item import Item
from syndicator.model.release import OPEN_RELEASES, Release, ReleaseState
from syndicator.press import drafts, lifting, moves
from syndicator.press.rules import Rules
from syndicator.store import Store, Tx, items, rehearsal, releases

ACTOR = "rehearsal"


class Parcel(Protocol):
    """A delivery ready for the wire, or why there can be none."""

    @property
    def attempt(self) -> Try: ...
    @property
    def fault(self) -> Result | None: ...


class Road(Protocol):
    """What the rehearsal asks of a road, as a lane does."""

    def prepare(self, tx: Tx, tries: Sequence[Try]) -> Sequence[Any]:
        """Make these deliveries ready."""
        ...

    def open(self) -> None:
        """Be ready to carry."""
        ...

    def carry(self, parcels: Iterable[Any]) -> Iterator[tuple[Any, Result]]:
        """Send one after the other."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


@dataclass
class Hands:
    """The hands of a rehearsal's clock: they stand where the flow has put them."""

    now: datetime

    def __call__(self) -> datetime:
        """The instant it shows."""
        return self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What a rehearsal needs of the newsroom.

    `roads` gives the road of a lane in a scene ("advance", "release"); `build` makes what is stale among the feeds;
    `published` keeps the page and the feeds of the item, and says how many of each.
    """

    rules: Rules
    roads: Callable[[str, Channel, str, Hands], Road]
    build: Callable[[Store], object]
    published: Callable[[Tx, Item], Mapping[str, int]]


@dataclass(slots=True)
class Played:
    """What came of a rehearsal: how many were written, by scene and channel, and what could not be, in words."""

    uid: str
    at: datetime | None = None
    written: Counter[tuple[str, Channel]] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    kept: dict[str, int] = field(default_factory=dict)  # pages, feeds and the like, by their sort


def rehearse(store: Store, uid: str, house: House) -> Played:
    """Play a release through; nothing of it changes `store`. Raises what the real moves would raise."""
    with store.read() as tx:
        release, hands = releases.named(tx, uid), Hands(tx.now)
    if release.state not in OPEN_RELEASES:
        raise Refused(f"release {uid} is {release.state}: there is nothing to rehearse")
    played = Played(uid)
    with rehearsal.rehearsed(store, hands) as stage:
        with stage.begin() as tx:
            ready = _ready(tx, release, house.rules)
        if ready.advance and ready.embargo:
            hands.now = max(hands.now, ready.advance)
            _send(stage, "advance", house, hands, played)
        hands.now = played.at = _instant(ready, hands.now, house.rules)
        with stage.begin() as tx:
            lifting.publish_now(tx, uid, ACTOR, rules=house.rules)
        house.build(stage)
        with stage.read() as tx:
            played.kept |= house.published(tx, items.named(tx, uid))
        _send(stage, "release", house, hands, played)
    return played


def _ready(tx: Tx, release: Release, rules: Rules) -> Release:
    """Approved and scheduled, as it would have to be; whoever rehearses stands for nothing."""
    uid, alone = release.uid, replace(rules, second_person=False)
    if release.state is ReleaseState.DRAFT:
        release = drafts.approve(tx, uid, ACTOR, rules=alone)
    if release.state is ReleaseState.APPROVED and release.embargo and release.embargo.holds(tx.now):
        release = moves.schedule(tx, uid, None, ACTOR, rules=rules)
    return release


def _instant(release: Release, now: datetime, rules: Rules) -> datetime:
    planned = release.at or (release.embargo.until if release.embargo else now + rules.undo)
    return max(now, planned)


def _send(stage: Store, scene: str, house: House, hands: Hands, played: Played) -> None:
    """Carry everything that waits about it, by the roads of its lanes, and write down who has it."""
    roads: dict[str, Road] = {}
    with stage.read() as tx:
        waiting = rehearsal.subjects(tx, played.uid)
    for subject in waiting:
        with stage.read() as tx:
            groups = list(rehearsal.tries(tx, subject))
        for group in groups:
            _carry(stage, group, scene, roads, house, hands, played)


def _carry(
    stage: Store,
    group: Sequence[Try],
    scene: str,
    roads: dict[str, Road],
    house: House,
    hands: Hands,
    played: Played,
) -> None:
    for lane in sorted({attempt.lane for attempt in group}):
        theirs = [attempt for attempt in group if attempt.lane == lane]
        channel = theirs[0].channel
        if lane not in roads:
            roads[lane] = house.roads(lane, channel, scene, hands)
        road = roads[lane]
        with stage.read() as tx:
            parcels = road.prepare(tx, theirs)
        road.open()
        results = [(parcel.attempt, parcel.fault) for parcel in parcels if parcel.fault]
        carried = road.carry(parcel for parcel in parcels if not parcel.fault)
        results += [(parcel.attempt, result) for parcel, result in carried]
        road.close()
        with stage.begin() as tx:
            rehearsal.settle(tx, [(attempt.id, result.outcome) for attempt, result in results])
        for attempt, result in results:
            if result.outcome is Outcome.ACCEPTED:
                played.written[scene, channel] += 1
            else:
                played.refused.append((attempt.address, result.detail))
