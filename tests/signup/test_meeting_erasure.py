"""What somebody changes of their own while they are being forgotten: it waits, and then there is nobody (mail:LM19)."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from syndicator.errors import Refused
from syndicator.model.audience import Cadence
from syndicator.signup import Tokens, centre, leaving
from syndicator.signup.leaving import Scope
from syndicator.store import Store, Tx, audience, erasure, open_store, schema, topics
from tests.make import NOW, FakeClock, make_newsroom, make_subscription
from tests.web.served import wait_until

TOKENS = Tokens(["a key for tests, long enough"])


def _save(tx: Tx, contact_id: int) -> None:
    if found := centre.held(tx, TOKENS, TOKENS.preferences_token(contact_id)):
        centre.save(tx, found, centre.Choice({"funding": Cadence.DAILY}, {"zone": "Asia/Tokyo"}))


def _move(tx: Tx, contact_id: int) -> None:
    if found := centre.held(tx, TOKENS, TOKENS.magic_token(contact_id, 0, NOW + timedelta(minutes=60))):
        centre.ask_move(tx, found, "jane2@example.org")


def _pause(tx: Tx, _contact_id: int) -> None:
    leaving.act(tx, TOKENS, TOKENS.unsubscribe_token(1), Scope.PAUSE, network="203.0.113.9")


def _staff(tx: Tx, contact_id: int) -> None:
    with suppress(Refused):
        audience.subscribe(tx, contact_id, topics.named(tx, "funding").id, Cadence.DAILY, "by phone")


def _rows(store: Store) -> list[object]:
    """How many rows there are about people, and the contact itself."""
    tables = (schema.subscriptions, schema.moves, schema.letters, schema.evidence)
    with store.read() as tx:
        counts = [
            tx.connection.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        ]
        return [*counts, tx.connection.execute(select(schema.contacts)).one()]


def _waits(store: Store) -> bool:
    with store.read() as tx:
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(tx.connection.execute(text(waiting)).scalar())


@pytest.mark.parametrize("change", [_save, _move, _pause, _staff])
def test_nothing_is_written_about_who_was_forgotten_meanwhile(
    postgresql_own_url: str, clock: FakeClock, change: Callable[[Tx, int], None]
) -> None:
    """mail:LM19 no new address, no subscription, no letter, no evidence of from where it was asked."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "funding")
        with store.begin() as tx:
            contact_id = make_subscription(tx, "jane@example.org").contact_id

        def go() -> list[object]:
            with store.begin() as tx:
                change(tx, contact_id)
            return _rows(store)

        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                erasure.erase(tx, contact_id)
                click = pool.submit(go)
                wait_until(lambda: click.done() or _waits(store))
                assert not click.done()
            after = click.result(30)
        assert [1, 0, 0] == after[:3]
        with store.read() as tx:
            acts = tx.connection.execute(
                select(schema.evidence.c.act).order_by(schema.evidence.c.id)
            ).scalars()
            assert "erased" == acts.all()[-1]
        contact = after[-1]
        assert ("erased", "UTC", None) == (contact.address, contact.zone, contact.paused_until)  # type: ignore[attr-defined]
