"""Forgetting somebody in a long ledger: every row that quotes them, and nobody waits while it is searched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import event, insert, select, update

from syndicator import publish
from syndicator.model.audience import address
from syndicator.store import Store, Tx, deliveries, erasure, open_store, schema
from tests.make import NOW, FakeClock, make_contact, make_content, make_newsroom, make_subscription

WHO = address("Zenobia@x.example")
QUOTE = "550 5.7.1 forwarding to zenobia@x.example is not allowed"
LARGE = ("deliveries", "attempts", "letters", "bounces", "contacts", "subscriptions")


def somebody(store: Store) -> tuple[int, int]:
    """A contact and somebody else with a mail each; the key of the former, and of the latter's delivery."""
    make_newsroom(store)
    with store.begin() as tx:
        contact_id = make_contact(tx, WHO.typed, name="Zenobia").id
        make_subscription(tx, WHO.typed)
        make_subscription(tx, "other@x.example")
        publish.publish(tx, "tag:x,1", make_content())
        (other,) = [one.id for one in deliveries.listing(tx) if one.recipient == "other@x.example"]
    return contact_id, other


def answer(tx: Tx, delivery_id: int, number: int) -> None:
    """What a server said of a mail: written down of the try, and of the delivery."""
    said = {"delivery_id": delivery_id, "number": number, "started": NOW, "ended": NOW, "outcome": "refused"}
    tx.connection.execute(insert(schema.attempts).values(**said, detail=QUOTE))
    row = update(schema.deliveries).where(schema.deliveries.c.id == delivery_id)
    tx.connection.execute(row.values(detail=QUOTE))


def quoting(tx: Tx) -> list[str]:
    """What is left of the address in the ledger and in what its servers said."""
    columns = (schema.attempts.c.detail, schema.deliveries.c.detail, schema.letters.c.facts)
    rows = [str(one) for column in columns for one in tx.connection.execute(select(column)).scalars()]
    return [one for one in rows if "zenobia" in one.lower()]


def test_what_comes_during_the_search_is_blanked_too(store: Store) -> None:
    """mail:LM19 A quotation from before the search and those from between it and the writing are gone, as without one."""
    contact_id, other = somebody(store)
    with store.begin() as tx:
        answer(tx, other, 1)
    with store.read() as tx:
        found = erasure.quotes(tx, WHO, "Zenobia")
    with store.begin() as tx:
        answer(tx, other, 2)
        owner = {"sort": "owner", "facts": {"address": WHO.typed}, "created": NOW}
        tx.connection.execute(insert(schema.letters).values(**owner))
    with store.begin() as tx:
        assert 4 == len(quoting(tx))
        erasure.erase(tx, contact_id, "ada", found)
    with store.read() as tx:
        assert [] == quoting(tx)


def test_nobody_waits_while_the_ledger_is_searched(sqlite_url: str, clock: FakeClock) -> None:
    """mail:LM19 With what was found before, no statement that writes reads a whole table that grows."""
    with open_store(sqlite_url, host_clock=clock) as store:
        contact_id, other = somebody(store)
        with store.begin() as tx:
            answer(tx, other, 1)
        with store.read() as tx:
            found = erasure.quotes(tx, WHO, "Zenobia")
        said: list[tuple[str, Any]] = []

        def listen(_: object, __: object, statement: str, values: Any, *___: object) -> None:
            said.append((statement, values))

        with store.begin() as tx:
            event.listen(tx.connection, "before_cursor_execute", listen)
            erasure.erase(tx, contact_id, "ada", found)
            event.remove(tx.connection, "before_cursor_execute", listen)
            steps = [
                (row[-1], statement)
                for statement, values in said
                if statement.startswith(("SELECT", "UPDATE", "DELETE"))
                for row in tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            ]
        assert any("INDEX ix_deliveries_contact_id" in step for step, _ in steps)
        scanned = [(step, why) for step, why in steps for table in LARGE if step.startswith(f"SCAN {table}")]
        assert [] == scanned
