"""People who wait are asked for their yes while a list about them is taken in: by one letter for each wish (mail:LM17)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, text, true

from syndicator.signup import roster
from syndicator.signup.roster import Loaded, Order
from syndicator.store import Store, asking, open_store, schema
from tests.make import FakeClock, make_newsroom
from tests.web.served import wait_until

LIST = (
    b"Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,TAGS\njane@x.example,J,2,,,,\n"
)


def _take(store: Store, *topics: str, ask: bool) -> Loaded:
    order = Order(source="list.csv", by="Ann", zone="UTC", topics=topics, ask=ask)
    return roster.load(store, LIST, order, say=lambda _words: None)


def _somebody_waits(store: Store) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with store.read() as tx:
        return bool(tx.connection.execute(text(waiting)).scalar())


def test_a_list_that_asks_waits_for_whoever_asks(postgresql_own_url: str, clock: FakeClock) -> None:
    """mail:LM17 whoever asks has chosen whom, and writes: a wish that came between would be in both letters."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "funding")
        _take(store, "policy", ask=False)
        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                people = asking.unasked(tx, true(), 9)
                late = pool.submit(_take, store, "funding", ask=True)
                wait_until(lambda: late.done() or _somebody_waits(store))
                assert 1 == asking.ask(tx, people)
            assert 1 == late.result(30).asked
        with store.read() as tx:
            asked = tx.connection.execute(select(schema.letters.c.facts)).scalars()
            assert [["funding"], ["policy"]] == sorted(one["topics"] for one in asked)
