"""Leaving, being suppressed or forgotten while a server says that the address is dead: both are done, nobody is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import select, text

from syndicator import publish
from syndicator.bounces.hooks import Hooks
from syndicator.model.audience import address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import DeliveryState, Outcome, Policy, Result
from syndicator.model.outcomes import Cause
from syndicator.model.suppression import Reason
from syndicator.signup import Tokens, leaving
from syndicator.signup.leaving import Scope
from syndicator.store import (
    Store,
    Tx,
    audience,
    bounces,
    deliveries,
    erasure,
    open_store,
    schema,
    suppressions,
    wishes,
)
from tests.bounces.sent import signs
from tests.bounces.signed import SENDGRID_KEY, event, posted
from tests.clockwork import until
from tests.make import FakeClock, make_content, make_newsroom, make_subscription
from tests.store.test_domains import LEASE

TOKENS = Tokens(["a key for tests, long enough"])
JANE = address("jane@x.example")
DEAD = Result(outcome=Outcome.REFUSED, code=550, cause=Cause.DEAD_ADDRESS, detail="550 5.1.1 no such user")
TOOK = Result(outcome=Outcome.ACCEPTED, code=250)


def _click(tx: Tx, _contact_id: int) -> None:
    leaving.unsubscribe(tx, TOKENS, TOKENS.unsubscribe_token(1))


def _everything(tx: Tx, _contact_id: int) -> None:
    leaving.act(tx, TOKENS, TOKENS.unsubscribe_token(1), Scope.ALL)


def _erase(tx: Tx, contact_id: int) -> None:
    erasure.erase(tx, contact_id)


def _suppress(tx: Tx, _contact_id: int) -> None:
    suppressions.suppress(tx, JANE, Reason.MANUAL)


def _waits(store: Store) -> bool:
    with store.read() as tx:
        return bool(tx.connection.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar())


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (_click, Reason.DEAD),
        (_everything, Reason.DEAD),
        (_suppress, Reason.MANUAL),
        (_erase, Reason.ERASED),
    ],
)
def test_a_wish_and_a_dead_address_meet(
    postgresql_own_url: str, clock: FakeClock, act: Callable[[Tx, int], None], reason: Reason
) -> None:
    """mail:LM7, mail:LM11 contact first, then letters: neither waits for whom it keeps waiting, and both count."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            contact_id = make_subscription(tx, JANE.typed).contact_id
            publish.publish(tx, "tag:x,1", make_content())
            tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 1, LEASE), LEASE)
        both = Barrier(2)

        def settle() -> None:
            both.wait(30)
            with store.begin() as tx:
                deliveries.settle_all(tx, [(one, DEAD) for one in tries], Policy())

        def wish() -> None:
            with store.begin() as tx:
                tx.connection.execute(
                    select(schema.contacts.c.id).where(schema.contacts.c.id == contact_id).with_for_update()
                )
                both.wait(30)
                until(lambda: _waits(store))
                act(tx, contact_id)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(settle), pool.submit(wish)]:
                done.result(30)
        with store.read() as tx:
            assert [DeliveryState.REFUSED] == [one.state for one in deliveries.listing(tx)][:1]
            assert [bounces.SMTP] == [one.source for one in bounces.of_contact(tx, contact_id)]
            found = suppressions.of(tx, JANE)
            assert found
            assert reason is found.reason
            assert [] == wishes.live(tx, contact_id)
            assert audience.find_contact(tx, contact_id)


def test_a_bare_mailbox_that_is_dead_and_its_contact_meet(postgresql_own_url: str, clock: FakeClock) -> None:
    """mail:LM11 a letter that was asked for by nobody on the list may find somebody on it: they are held first, too."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            contact_id = make_subscription(tx, JANE.typed).contact_id
            deliveries.plan_mailbox(tx, "sample/1", JANE.typed)
            tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 1, LEASE), LEASE)

        def settle() -> None:
            with store.begin() as tx:
                deliveries.settle_all(tx, [(one, DEAD) for one in tries], Policy())

        with ThreadPoolExecutor(1) as pool, store.begin() as tx:
            audience.hold(tx, [contact_id])
            done = pool.submit(settle)
            until(lambda: _waits(store))
            suppressions.suppress(tx, JANE, Reason.MANUAL)
        done.result(30)
        with store.read() as tx:
            assert [DeliveryState.REFUSED] == [one.state for one in deliveries.listing(tx)]
            found = suppressions.of(tx, JANE)
            assert found
            assert Reason.MANUAL is found.reason


def test_a_batch_of_a_provider_and_two_dead_addresses_meet(postgresql_own_url: str, clock: FakeClock) -> None:
    """mail:LM16 A batch names people in any order and holds them in the one of their keys, as whoever settles does."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            first, second = (make_subscription(tx, mail).contact_id for mail in (JANE.typed, "bo@x.example"))
            publish.publish(tx, "tag:x,1", make_content())
            tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 2, LEASE), LEASE)
            deliveries.settle_all(tx, [(one, TOOK) for one in tries], Policy())
        hooks = Hooks(store=store, signs=signs(), sendgrid=SENDGRID_KEY)
        body, headers = posted([event("bo@x.example"), event(JANE.typed)])

        with ThreadPoolExecutor(1) as pool, store.begin() as tx:
            audience.hold(tx, [first])
            told = pool.submit(hooks.take, "sendgrid", body, headers)
            until(lambda: _waits(store))
            audience.hold(tx, [second])
        told.result(30)
        with store.read() as tx:
            back = [[one.kind for one in bounces.of_contact(tx, key)] for key in (first, second)]
        assert [[Kind.HARD], [Kind.HARD]] == back
