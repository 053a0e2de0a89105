"""Everybody at once about the same few people, on PostgreSQL: results, bounces, wishes, suppressions, erasures.

Nobody may be told that the database does not answer because two waited for each other, and what was done counts.
By hand: `python -m tests.signup.storm --rounds 200 --threads 12 --people 3 --seed 1`; a seed names the acts of each
thread, not how they meet. Exits 1 with the acts that were turned away.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random

from sqlalchemy import func, select

from syndicator import publish
from syndicator.errors import NotFound, Refused, TryLater
from syndicator.model.audience import Cadence, Contact, Standing, address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import DeliveryState, Outcome, Policy, Result
from syndicator.model.outcomes import Cause
from syndicator.model.suppression import Reason
from syndicator.signup import Tokens, centre, leaving
from syndicator.signup.leaving import Scope
from syndicator.store import (
    Store,
    Tx,
    accreditations,
    audience,
    bounces,
    deliveries,
    erasure,
    open_store,
    schema,
    suppressions,
)
from tests import postgres
from tests.make import make_content, make_newsroom, make_subscription

TOKENS = Tokens(["a key for tests, long enough"])
LEASE = timedelta(minutes=5)
DEAD = Result(outcome=Outcome.REFUSED, code=550, cause=Cause.DEAD_ADDRESS, detail="550 5.1.1 unknown")
TOOK = Result(outcome=Outcome.ACCEPTED, code=250)


class Storm:
    """A newsroom with few people, and what many hands do to them."""

    def __init__(self, store: Store, people: int) -> None:
        self.store = store
        self.mails = [f"p{n}@x.example" for n in range(people)]
        self.numbers = count()
        self.settled: Counter[Outcome] = Counter()
        self.turned_away: Counter[str] = Counter()
        make_newsroom(store, "policy", "funding")
        for mail in self.mails:
            self.subscribe(mail, Random(0))

    def thread(self, seed: int, rounds: int) -> None:
        """The acts of one thread."""
        dice = Random(seed)
        acts: list[Callable[[str, Random], None]] = [
            *[self.send] * 8, *[self.publish] * 5, *[self.subscribe] * 6, *[self.click] * 3, *[self.prefer] * 2,
            self.leave, self.suppress, self.allow, self.erase, self.accredit, self.complain, self.recover,
        ]  # fmt: skip
        for _ in range(rounds):
            act = dice.choice(acts)
            try:
                act(dice.choice(self.mails), dice)
            except TryLater as fault:
                self.turned_away[f"{act.__name__}: {fault}"] += 1
            except Refused:
                pass  # who was erased, or objects: as it is to be

    def send(self, _: str, dice: Random) -> None:
        """What a lane does; every third letter finds a dead address."""
        with self.store.begin() as tx:
            tries = deliveries.claim(tx, "mail", "w", 10, LEASE)
        with self.store.begin() as tx:
            tries = deliveries.start(tx, tries, LEASE)
        results = [(one, dice.choice([DEAD, TOOK, TOOK])) for one in tries]
        with self.store.begin() as tx:
            done = deliveries.settle_all(tx, results, Policy())
        assert done == len(results), "a lease of five minutes was lost"
        self.settled.update(result.outcome for _, result in results)

    def publish(self, _: str, __: Random) -> None:
        with self.store.begin() as tx:
            content = make_content(topics=("policy", "funding"))
            publish.publish(tx, f"tag:x,{next(self.numbers)}", content)

    def subscribe(self, mail: str, dice: Random) -> None:
        with self.store.begin() as tx:
            suppressions.unsuppress(tx, address(mail), lasting=True)
            for topic in ("policy", "funding"):
                make_subscription(tx, mail, topic, cadence=dice.choice([Cadence.IMMEDIATE, Cadence.DAILY]))

    def click(self, mail: str, dice: Random) -> None:
        with self.store.read() as tx:
            theirs = self._contact(tx, mail)
            links = audience.subscriptions(tx, theirs.id) if theirs else []
        if links:
            token = TOKENS.unsubscribe_token(dice.choice(links).id)
            with self.store.begin() as tx:
                leaving.act(tx, TOKENS, token, dice.choice(list(Scope)), Cadence.WEEKLY)

    def prefer(self, mail: str, dice: Random) -> None:
        with self.store.begin() as tx:
            theirs = self._contact(tx, mail)
            found = theirs and centre.held(tx, TOKENS, TOKENS.preferences_token(theirs.id))
            if found:
                wish = {"funding": dice.choice([None, Cadence.DAILY, Cadence.IMMEDIATE])}
                centre.save(tx, found, centre.Choice(wish, {"hour": dice.randrange(24)}))

    def leave(self, mail: str, _: Random) -> None:
        with self.store.begin() as tx:
            if theirs := self._contact(tx, mail):
                leaving.leave_all(tx, theirs.id)

    def suppress(self, mail: str, dice: Random) -> None:
        with self.store.begin() as tx:
            suppressions.suppress(tx, address(mail), dice.choice([Reason.MANUAL, Reason.LEGAL]))

    def allow(self, mail: str, _: Random) -> None:
        with self.store.begin() as tx:
            suppressions.unsuppress(tx, address(mail), lasting=True)

    def erase(self, mail: str, _: Random) -> None:
        with self.store.begin() as tx:
            if theirs := self._contact(tx, mail):
                erasure.erase(tx, theirs.id)

    def accredit(self, mail: str, _: Random) -> None:
        with self.store.begin() as tx:
            if theirs := self._contact(tx, mail):
                accreditations.accredit(tx, theirs.id, by="ada", agreement="on paper", until=None)

    def complain(self, mail: str, _: Random) -> None:
        with self.store.begin() as tx:
            if theirs := self._contact(tx, mail):
                key = f"report/{next(self.numbers)}"
                event = bounces.Event(key=key, source="imap", kind=Kind.COMPLAINT, contact_id=theirs.id)
                bounces.record(tx, event)

    def recover(self, _: str, __: Random) -> None:
        with self.store.begin() as tx:
            deliveries.recover(tx, Policy())

    def lost(self) -> list[str]:
        """What does not count although it was done."""
        d, b, s, c = (
            table.c for table in (schema.deliveries, schema.bounces, schema.subscriptions, schema.contacts)
        )
        live = select(s.id).join(schema.contacts, c.id == s.contact_id)
        wrong = live.where(c.standing == Standing.ERASED, s.ended.is_(None))
        with self.store.read() as tx:
            ended = {
                outcome: tx.connection.execute(select(func.count()).where(d.state == state)).scalar_one()
                for outcome, state in (
                    (Outcome.ACCEPTED, DeliveryState.ACCEPTED),
                    (Outcome.REFUSED, DeliveryState.REFUSED),
                )
            }
            noted = tx.connection.execute(select(func.count()).where(b.source == bounces.SMTP)).scalar_one()
            erased = len(tx.connection.execute(wrong).all())
        said = [f"{outcome}: {self.settled[outcome]} told, {n} written" for outcome, n in ended.items()
                if n != self.settled[outcome]]  # fmt: skip
        said += [f"{ended[Outcome.REFUSED]} refused, {noted} of them noted"] * (
            noted != ended[Outcome.REFUSED]
        )
        return said + [f"{erased} subscriptions of nobody are live"] * bool(erased)

    def _contact(self, tx: Tx, mail: str) -> Contact | None:
        try:
            return audience.contact(tx, address(mail))
        except NotFound:
            return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.signup.storm")
    for name, usual in (("rounds", 200), ("threads", 12), ("people", 3), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    said = parser.parse_args()
    server = postgres.Server()
    try:
        postgres.create(server.host, "storm")
        with closing(
            open_store(postgres.url(server.host, "storm"), host_clock=lambda: datetime.now(UTC))
        ) as store:
            store.upgrade()
            storm = Storm(store, said.people)
            with ThreadPoolExecutor(said.threads) as pool:
                hands = [
                    pool.submit(storm.thread, said.seed * 1000 + n, said.rounds) for n in range(said.threads)
                ]
                for hand in hands:
                    hand.result()
            faults = [f"{n} × {words}" for words, n in storm.turned_away.most_common()] + storm.lost()
    finally:
        server.stop()
    print(
        f"{said.threads * said.rounds} acts, {sum(storm.settled.values())} letters settled, {len(faults)} faults"
    )
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
