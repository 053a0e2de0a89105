"""Digests against an oracle: whatever people and clocks do, each item comes once to each who is entitled.

    python -m tests.digests [--trials 10000] [--only sqlite|postgresql] [--seed N]

A *trial* is an item published near the closing of somebody's window. Around it people edit their zones, hours and
cadences, leave, pause and come back, commits come late, planners die in the middle or run side by side, and nobody
plans for hours or weeks. After each pass every digest is compared with what plain Python says it holds
(`model.digest.selected`); items that come twice, too early or not at all end the run with the seed to repeat it by.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select, update

from syndicator import digest, publish
from syndicator.model.audience import Cadence, SubscriptionState, Times
from syndicator.model.delivery import DeliveryState
from syndicator.model.digest import DIGESTS, Pushed, Wish, digest_of, earliest, next_close, selected
from syndicator.model.item import ALL, Rule
from syndicator.store import Store, Tx, audience, digests, open_store, schema, topics, wishes
from tests.make import FakeClock, make_contact, make_content, make_topic

SETTLE = timedelta(seconds=60)
ZONES = (
    "Europe/London", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/Sao_Paulo", "Asia/Tehran", "Pacific/Chatham", "America/St_Johns", "Europe/Berlin", "Asia/Tokyo",
    "Africa/Cairo", "America/Santiago", "Pacific/Kiritimati", "Pacific/Marquesas", "Asia/Kolkata", "Australia/Sydney",
    "Asia/Beirut", "America/Havana",
)  # fmt: skip
d, dc, s, w = schema.deliveries.c, schema.delivery_contents.c, schema.subscriptions.c, schema.windows.c
DUE = d.state == DeliveryState.DUE


class Dead(Exception):
    """A planner that died in the middle of its transaction."""


@dataclass
class Window:
    """A window as the oracle knows it."""

    opened: datetime
    closes: datetime


@dataclass
class Person:
    """Somebody on the list, as the oracle knows them."""

    id: int
    zone: str
    times: Times
    capped: bool
    paused_until: datetime | None = None
    wishes: dict[int, Wish] = field(default_factory=dict)
    windows: dict[Cadence, Window] = field(default_factory=dict)
    had: set[int] = field(default_factory=set)

    def next(self, cadence: Cadence, after: datetime) -> datetime:
        """When a digest comes next."""
        return next_close(cadence, self.times, self.zone, after)

    def awake(self, now: datetime) -> bool:
        """Whether they are owed anything."""
        return self.paused_until is None or self.paused_until <= now

    def asks(self, cadence: Cadence) -> bool:
        """Whether a subscription of theirs has this cadence."""
        return any(wish.cadence is cadence for wish in self.wishes.values())

    def rewind(self, now: datetime) -> None:
        """What `windows.rewind` says of them."""
        for cadence in DIGESTS:
            if self.asks(cadence):
                self.open(cadence, now)
        for cadence, window in self.windows.items():
            if window.closes > now:
                window.closes = self.next(cadence, now)
        first = min((window.opened for window in self.windows.values()), default=now)
        for window in self.windows.values():
            window.opened = first

    def open(self, cadence: Cadence, now: datetime) -> None:
        """What `windows.open_` says of them."""
        if cadence in DIGESTS and cadence not in self.windows:
            self.windows[cadence] = Window(now, self.next(cadence, now))


class World:
    """A handful of people, topics and items, and what befalls them; the store beside the oracle."""

    def __init__(self, store: Store, clock: FakeClock, seed: int) -> None:
        self.store, self.clock, self.seed = store, clock, seed
        self.dice = random.Random(seed)  # to be repeated, not to be secret
        self.clock.now = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(
            minutes=self.dice.randrange(10 * 525_600)
        )
        self.pushed: list[Pushed] = []
        self.live: set[int] = set()
        self.uids: dict[int, str] = {}
        self.digests = 0
        with store.begin() as tx:
            tx.connection.execute(delete(schema.windows))  # whoever waited in another world
            tx.connection.execute(update(schema.subscriptions).values(state=SubscriptionState.ENDED))
            if not topics.listing(tx):
                topics.add(tx, make_topic(ALL, title="All items", rule=Rule()))
            names = [f"t{seed}-{number}" for number in range(3)]
            for name in names:
                topics.add(tx, make_topic(name))
            self.topics = topics.ids(tx, names)
            self.people = [self._person(tx, number) for number in range(5)]
        for _ in range(8):
            self.subscribe()

    def _person(self, tx: Tx, number: int) -> Person:
        zone, capped = self.dice.choice(ZONES), self.dice.random() < 0.3
        contact = make_contact(tx, f"p{self.seed}-{number}@example.org", zone=zone)
        times = self._times()
        fields: dict[str, Any] = {
            "hour": times.hour,
            "weekday": times.weekday,
            "monthday": times.monthday,
            "nth": times.nth,
        }
        wishes.edit_contact(tx, contact.id, capped=capped, **fields)
        return Person(contact.id, zone, times, capped)

    def _times(self) -> Times:
        roll = self.dice.randrange
        return Times(hour=roll(24), weekday=roll(7), monthday=roll(1, 32), nth=roll(1, 6))

    # -- what befalls them ---------------------------------------------------------------------------------

    def step(self) -> None:
        """One thing happens, at some distance from what happened before."""
        self.wait()
        acts = (self.subscribe, self.leave, self.edit, self.pause, self.withdraw, self.gather)
        self.dice.choices(acts, (4, 1, 3, 1, 1, 4))[0]()

    def wait(self) -> None:
        """Some seconds, hours or weeks go by; often until just before or after a window closes."""
        closings = sorted(one.closes for person in self.people for one in person.windows.values())
        ahead = [closing for closing in closings if closing > self.clock.now]
        if ahead and self.dice.random() < 0.7:
            edge = timedelta(seconds=self.dice.choice((-61, -1, 0, 1, 59, 60, 61)))
            self.clock.now = max(self.clock.now, ahead[0] + edge)
        else:
            span = self.dice.choice((1, 60, 3600, 30_000, 90_000, 90_000, 2_000_000))
            self.clock.advance(seconds=self.dice.randrange(span))

    def publish(self) -> None:
        """An item; on PostgreSQL its commit may come after the next planner has looked."""
        names = self.dice.sample(sorted(self.topics), self.dice.randint(1, 2))
        urgent, at = self.dice.random() < 0.1, self.clock.now
        uid = f"tag:{self.seed}:{len(self.uids)}"
        content = make_content(f"Item {uid}", topics=tuple(names), urgent=urgent)
        with self.store.begin() as tx:
            item = publish.publish(tx, uid, content)
            if self.store.kind == "postgresql" and self.dice.random() < 0.3:
                self.clock.advance(seconds=self.dice.choice((1, 59, 61, 200)))
                self.gather()
        self._planned()  # what is told at once is sent at once
        self.uids[item.id] = uid
        self.live.add(item.id)
        self.pushed += [Pushed(item=item.id, topic=self.topics[name], at=at) for name in names]
        for person in self.people:
            theirs = [wish for name in names if (wish := person.wishes.get(self.topics[name]))]
            at_once = [
                one for one in theirs if one.cadence is Cadence.IMMEDIATE or (urgent and not person.capped)
            ]
            if at_once and person.awake(at):
                person.had.add(item.id)

    def subscribe(self) -> None:
        """Somebody takes up a topic, or wants it at another cadence."""
        person, topic = self.dice.choice(self.people), self.dice.choice(list(self.topics.values()))
        cadence, known, now = self.dice.choice(list(Cadence)), person.wishes.get(topic), self.clock.now
        with self.store.begin() as tx:
            if known and self.dice.random() < 0.5:
                live = (s.contact_id == person.id, s.topic_id == topic, s.state == SubscriptionState.ACTIVE)
                wishes.change_cadence(
                    tx, tx.connection.execute(select(s.id).where(*live)).scalar_one(), cadence
                )
            else:
                audience.subscribe(tx, person.id, topic, cadence, "test")
        if known and known.cadence is cadence:
            return
        since = known.since if known and known.cadence in DIGESTS else now
        person.wishes[topic] = Wish(topic=topic, cadence=cadence, since=since)
        if known:
            person.rewind(now)
        else:
            person.open(cadence, now)

    def leave(self) -> None:
        """Somebody ends a subscription."""
        person = self.dice.choice(self.people)
        if not person.wishes:
            return
        topic = self.dice.choice(list(person.wishes))
        with self.store.begin() as tx:
            live = (s.contact_id == person.id, s.topic_id == topic, s.state == SubscriptionState.ACTIVE)
            wishes.leave(tx, person.id, list(tx.connection.execute(select(s.id).where(*live)).scalars()))
        del person.wishes[topic]
        person.rewind(self.clock.now)

    def edit(self) -> None:
        """Somebody moves to another zone, or wants digests at another time."""
        person = self.dice.choice(self.people)
        was = (person.zone, person.times)
        person.zone, person.times = self.dice.choice(ZONES), self._times()
        times = {name: getattr(person.times, name) for name in ("hour", "weekday", "monthday", "nth")}
        with self.store.begin() as tx:
            wishes.edit_contact(tx, person.id, zone=person.zone, **times)
        if was != (person.zone, person.times):
            person.rewind(self.clock.now)

    def pause(self) -> None:
        """Somebody wants nothing for a while, or again."""
        person, now = self.dice.choice(self.people), self.clock.now
        until = now + timedelta(hours=self.dice.randrange(200)) if self.dice.random() < 0.6 else None
        with self.store.begin() as tx:
            wishes.pause(tx, person.id, until)
        if until and until > now:
            person.paused_until = until
        elif not person.awake(now):
            person.paused_until = now

    def withdraw(self) -> None:
        """An item is taken back."""
        if self.live:
            item = self.dice.choice(sorted(self.live))
            self.live.discard(item)
            with self.store.begin() as tx:
                publish.withdraw(tx, self.uids[item], "wrong")

    # -- what is planned, and what should be ------------------------------------------------------------------

    def gather(self) -> None:
        """Planners go about it, some of which die; then all that was planned is what it should be."""
        expected = {person.id: self._expected(person) for person in self.people}
        if self.dice.random() < 0.3:
            with suppress(Dead), self.store.begin() as tx:
                digests.plan(tx, SETTLE, timedelta(), self.dice.choice((1, 3, 100)))
                raise Dead
        batch = self.dice.choice((1, 2, 100))
        workers = self.dice.choice((1, 1, 1, 3))
        _side_by_side(
            workers, lambda: digest.digests_due(self.store, digest.Pace(settle=SETTLE), batch=batch)
        )
        digest.digests_due(self.store, digest.Pace(settle=SETTLE))
        planned = self._planned()
        for person in self.people:
            self._compare(person, expected[person.id], planned.get(person.id, {}))

    def _expected(self, person: Person) -> dict[tuple[Cadence, datetime], set[int]]:
        """What each window that has closed holds; the person's windows go on."""
        now, found = self.clock.now, {}
        for cadence, window in sorted(person.windows.items()):
            if window.closes > now - SETTLE:
                continue
            closes, following = window.closes, person.next(cadence, window.closes)
            while following <= now - SETTLE:
                closes, following = following, person.next(cadence, following)
            since = earliest(cadence, window.opened, closes, missed=closes != window.closes)
            since = max(since, person.paused_until or since)
            items = selected(cadence, since, closes, self.pushed, list(person.wishes.values()), person.had)
            found[cadence, closes] = items & self.live if person.awake(now) else set()
            if person.asks(cadence):
                person.windows[cadence] = Window(closes, following)
            else:
                del person.windows[cadence]
        return found

    def _compare(
        self,
        person: Person,
        expected: dict[tuple[Cadence, datetime], set[int]],
        planned: dict[tuple[Cadence, datetime], list[int]],
    ) -> None:
        where = f"seed {self.seed}, {self.clock.now}, {person}"
        brought = [item for held in planned.values() for item in held]
        assert len(brought) == len(set(brought)), f"an item came twice: {planned} ({where})"
        assert set(brought) == set().union(*expected.values()), f"{planned}, but {expected} is due ({where})"
        for window, held in planned.items():
            assert set(held) <= expected.get(window, set()), (
                f"{window} holds {held}, not {expected} ({where})"
            )
            assert held, f"{window} is an empty digest ({where})"
        assert not person.had.intersection(brought), f"an item came again: {planned} ({where})"
        person.had |= set(brought)
        self.digests += len(planned)

    def _planned(self) -> dict[int, dict[tuple[Cadence, datetime], list[int]]]:
        """What was planned since we last looked, by person and window; it is all sent at once."""
        fresh = select(d.id, d.contact_id, d.subject, dc.item_id)
        fresh = fresh.outerjoin(schema.delivery_contents, dc.delivery_id == d.id)
        found: dict[int, dict[tuple[Cadence, datetime], list[int]]] = {}
        with self.store.begin() as tx:
            rows = tx.connection.execute(fresh.where(DUE, d.subject.like("digest/%"))).all()
            for row in rows:
                held = found.setdefault(row.contact_id, {}).setdefault(digest_of(row.subject), [])
                held += [row.item_id] if row.item_id else []
            sent = update(schema.deliveries).where(DUE)
            tx.connection.execute(sent.values(state=DeliveryState.ACCEPTED, settled=tx.now, due=None))
        return found


def _side_by_side(count: int, work: Callable[[], object]) -> None:
    """Do the same `count` times at once; what one raises is raised."""
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work) for _ in range(count)]:
            done.result()


def live_through(store: Store, clock: FakeClock, seed: int, trials: int = 20) -> World:
    """A world in which so many items are published; raises AssertionError where a digest is not what it should be."""
    world = World(store, clock, seed)
    for _ in range(trials):
        for _ in range(world.dice.randint(0, 2)):
            world.step()
        world.wait()
        world.publish()
    clock.advance(days=70)  # the last windows close
    world.gather()
    return world


def main() -> None:
    """Run as many trials as asked for, and say what was seen."""
    from tests import postgres

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), default="")
    given = parser.parse_args()
    if given.only != "postgresql":
        with tempfile.TemporaryDirectory() as folder:
            _run(f"sqlite:///{Path(folder) / 'store.db'}", given.trials, given.seed)
    if given.only != "sqlite":
        server = postgres.Server()
        try:
            postgres.create(server.host, "digests")
            _run(postgres.url(server.host, "digests"), given.trials, given.seed)
        finally:
            server.stop()


def _run(where: str, trials: int, seed: int) -> None:
    import structlog

    from tests.conftest import migrate

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    migrate(where)
    clock, begun, gathered, done = FakeClock(), time.monotonic(), 0, 0
    with open_store(where, host_clock=clock, fixed_clock=clock) as store:
        while done < trials:
            world = live_through(store, clock, seed)
            gathered, done, seed = gathered + world.digests, done + len(world.uids), seed + 1
    name = where.partition(":")[0]
    print(
        f"{name}: {done} trials, {gathered} digests, all as they should be; {time.monotonic() - begun:.0f} s"
    )


if __name__ == "__main__":
    main()
