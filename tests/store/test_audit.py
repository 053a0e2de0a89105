"""The audit: a chain in which every change, removal and insertion shows."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from syndicator.errors import Refused
from syndicator.store import Store, Tx, audit, open_store, schema
from tests.make import NOW, FakeClock

u = schema.audit.c


def written(store: Store) -> None:
    with store.begin() as tx:
        for n in range(4):
            audit.record(tx, f"person {n}", "release.approve", f"tag:{n % 2}", "said so", version=n, at=NOW)


def test_acts_are_written_in_their_order(store: Store) -> None:
    """operations:31: who, what, to what, why and when; those on one thing alone; from where one stopped reading."""
    written(store)
    with store.read() as tx:
        first, *rest = audit.listing(tx)
        assert ("person 0", "release.approve", "tag:0", "said so", NOW) == (
            first.actor, first.act, first.subject, first.why, first.at,
        )  # fmt: skip
        assert {"version": 0, "at": "2026-03-02T09:00:00.000000Z"} == first.detail
        assert ["person 1", "person 3"] == [one.actor for one in audit.listing(tx, subject="tag:1")]
        assert [rest[0]] == audit.listing(tx, after=first.id, limit=1)
        assert [] == audit.verify(tx)
        assert (4, rest[-1].digest) == audit.tip(tx)


def refused(tx: Tx) -> None:
    audit.record(tx, "nobody", "item.kill", "tag:x")
    raise Refused("no")


def test_what_was_rolled_back_is_not_written(store: Store) -> None:
    """delivery:1: an act that did not happen leaves no row, and the chain goes on without it."""
    written(store)
    with pytest.raises(Refused), store.begin() as tx:
        refused(tx)
    with store.begin() as tx:
        audit.record(tx, "", "release.release", "tag:x")
    with store.read() as tx:
        assert ["syndicator"] == [one.actor for one in audit.listing(tx, subject="tag:x")]
        assert [] == audit.verify(tx)


def tamper(tx: Tx, harm: str, key: int) -> None:
    row = u.id == key
    match harm:
        case "delete":
            tx.connection.execute(delete(schema.audit).where(row))
        case "at":
            tx.connection.execute(update(schema.audit).where(row).values(at=NOW + timedelta(microseconds=1)))
        case "detail":
            tx.connection.execute(update(schema.audit).where(row).values(detail={"version": 9}))
        case name:
            tx.connection.execute(update(schema.audit).where(row).values({name: "other"}))


@pytest.mark.parametrize("harm", ["actor", "act", "subject", "why", "at", "detail", "digest", "delete"])
def test_tampering_with_a_row_shows(store: Store, harm: str) -> None:
    """operations:31: a changed field, and a row taken out of the middle, are named by the first row they break."""
    written(store)
    with store.begin() as tx:
        keys = [one.id for one in audit.listing(tx)]
        tamper(tx, harm, keys[1])
    with store.read() as tx:
        broken = keys[2] if harm == "delete" else keys[1]
        assert audit.verify(tx)[0].startswith(f"audit row {broken}")


def test_a_digest_kept_elsewhere_shows_rows_cut_off(store: Store) -> None:
    """operations:31: the chain alone cannot tell that its end is gone; who kept its last digest can."""
    written(store)
    with store.begin() as tx:
        _, last = audit.tip(tx)
        assert audit.knows(tx, last)
        tamper(tx, "delete", audit.listing(tx)[-1].id)
    with store.read() as tx:
        assert [] == audit.verify(tx)
        assert not audit.knows(tx, last)


def test_many_hands_make_one_chain(store_url: str, clock: FakeClock) -> None:
    """delivery:1: however many write at once, each row follows the one before it."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        gate = threading.Barrier(4)

        def work(n: int) -> None:
            gate.wait(30)
            for m in range(5):
                with store.begin() as tx:
                    audit.record(tx, f"{n}", "test.act", f"tag:{m}")
                    audit.record(tx, f"{n}", "test.act", f"tag:{m}")

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(work, n) for n in range(4)]:
                done.result(60)
        with store.read() as tx:
            assert [] == audit.verify(tx)
            assert 40 == audit.tip(tx)[0]


# -- the site's key


def opened(url: str, clock: FakeClock, *keys: str) -> Store:
    return open_store(url, host_clock=clock, fixed_clock=clock, keys=lambda: keys)


def faults(url: str, clock: FakeClock, *keys: str) -> list[str]:
    with opened(url, clock, *keys) as store, store.read() as tx:
        return audit.verify(tx)


def forge(tx: Tx, key: str) -> None:
    """What somebody does who can write the database: another word, and the whole chain anew."""
    rows = audit.listing(tx)
    tx.connection.execute(delete(schema.audit))
    tx.connection.execution_options(syndicator_keys=lambda: [key] if key else [])
    for one in rows:
        audit.record(tx, "somebody else", one.act, one.subject, one.why)


@pytest.mark.parametrize("key", ["", "another"])
def test_who_has_not_the_key_cannot_write_the_chain_anew(store_url: str, clock: FakeClock, key: str) -> None:
    """operations:31: a chain that fits together and was made without the site's key is named."""
    with opened(store_url, clock, "ours") as store:
        written(store)
        with store.read() as tx:
            assert [] == audit.verify(tx)
            assert audit.keyed(audit.tip(tx)[1])
        with store.begin() as tx:
            forge(tx, key)
    assert faults(store_url, clock, "ours")


def test_a_row_without_the_key_behind_one_with_it_is_named(store_url: str, clock: FakeClock) -> None:
    """operations:31: the end of the chain cannot be replaced either."""
    with opened(store_url, clock, "ours") as store:
        written(store)
    with opened(store_url, clock) as other, other.begin() as tx:
        audit.record(tx, "somebody else", "item.kill", "tag:x")
    assert "(item.kill tag:x): its words are not those written" in faults(store_url, clock, "ours")[0]


def test_keys_change_and_former_ones_verify(store_url: str, clock: FakeClock) -> None:
    """operations:31: from without a key to one, to another; without any of them it is said what is missing."""
    for keys in ([], ["first"], ["second", "first"]):
        with opened(store_url, clock, *keys) as store:
            written(store)
            if keys == []:
                assert "without the site's signing key" in faults(store_url, clock, "first")[0]
    assert [] == faults(store_url, clock, "second", "first")
    assert "the key is another" in faults(store_url, clock, "second")[0]
    assert ["audit row 5 was made with the site's signing key: set site.secret_key"] == faults(
        store_url, clock
    )
