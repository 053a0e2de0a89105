"""Lists of many who are known: few statements for a batch, short transactions, and an undo that can fall."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import event, func, select

from syndicator import publish
from syndicator.errors import Refused
from syndicator.model.audience import address
from syndicator.store import Store, audience, deliveries, imports, open_store, schema, undoing
from tests.make import FakeClock, make_contact, make_content, make_newsroom, make_subscription
from tests.signup.test_roster_taking import HEAD, LEASE, LONG, seen, take, undo


@pytest.fixture
def newsroom(store: Store) -> Store:
    """Two topics and nobody."""
    make_newsroom(store, "policy", "funding")
    return store


def test_an_undo_that_fell_is_finished_by_saying_it_again(
    newsroom: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it stopped: others could write in between, and together both took everything back (mail:LM17)."""
    text = f"{LONG}left@x.example,,,,gossip,,,\nk1@x.example,New,,,funding,,phone,desk\n"
    with newsroom.begin() as tx:
        make_contact(tx, "k1@x.example", name="Old")
    before = seen(newsroom)
    done = take(newsroom, text, overwrite=True)
    monkeypatch.setattr(undoing, "PIECE", 7)
    total = undoing.Undone()
    for steps in range(100):  # each in a process of its own, as far as the store can tell
        with newsroom.begin() as tx:
            piece = undoing.step(tx, done.id or 0, "Ann")
        if piece is None:
            break
        total.add(piece)
        if steps == 4:
            with newsroom.read() as tx:
                assert imports.named(tx, done.id or 0).undone is None
    assert steps > 4
    assert (30, 1, 1, 1) == (total.contacts, total.subscriptions, total.words, total.tags)
    after = seen(newsroom)
    same = ("people", "tags", "suppressions", "deliveries", "letters", "requests", "import_rows")
    assert [before[name] for name in same] == [after[name] for name in same]
    with pytest.raises(Refused, match="taken back already"):
        undo(newsroom, done)


def test_statements_for_people_who_are_known_do_not_grow_with_them(newsroom: Store) -> None:
    """New words, suppressions and taking both back: as many statements for twenty as for two (design:5.3)."""
    asked: list[str] = []
    counts = {}
    for many in (2, 20):
        mails = [f"k{many}.{number}@x.example" for number in range(many)]
        with newsroom.begin() as tx:
            for mail in mails:
                make_subscription(tx, mail)
        rows = "".join(f"{mail},Name of {mail}\n" for mail in mails)
        gone = "".join(f"{mail},2,1,2031-01-01 00:00:00\n" for mail in mails)
        left = f"Email Address,MEMBER_RATING,LEID,UNSUB_TIME\n{gone}"
        for place, text in enumerate((f"email,name\n{rows}", left)):
            done = _noted(newsroom, asked, partial(take, newsroom, text, overwrite=True))
            counts[many, place, "take"] = len(asked)
            back = _noted(newsroom, asked, partial(undo, newsroom, done))
            counts[many, place, "undo"] = len(asked)
            assert many == (back.suppressions if place else back.words)
    assert {key[1:]: n for key, n in counts.items() if key[0] == 2} == {
        key[1:]: n for key, n in counts.items() if key[0] == 20
    }


def _noted(store: Store, asked: list[str], deed: Callable[[], Any]) -> Any:
    """Do it, with every statement of it in `asked`."""
    asked.clear()

    def note(_c: object, _k: object, words: str, *_: object) -> None:
        asked.append(words)

    event.listen(store._engine, "before_cursor_execute", note)
    try:
        return deed()
    finally:
        event.remove(store._engine, "before_cursor_execute", note)


def test_a_list_of_people_who_left_stops_what_is_in_hand(newsroom: Store) -> None:
    """Their letters, and one to the bare address however it is typed; nobody else's (mail:SE17, mail:LM10)."""
    with newsroom.begin() as tx:
        for mail in ("left@x.example", "other@x.example"):
            one = make_subscription(tx, mail, consent=None)
            deliveries.plan_confirmation(tx, one.contact_id, one.id)
        for mail in ("LEFT@x.example", "other@x.example"):
            deliveries.plan_mailbox(tx, f"sample/{mail}", mail)
        assert 4 == len(deliveries.claim(tx, deliveries.MAIL_LANE, "w", 10, LEASE))
        deliveries.plan_mailbox(tx, "sample/new@x.example", "new@x.example")
    gone = "".join(f"{one}@x.example,2,1,2031-01-01 00:00:00\n" for one in ("left", "new"))
    take(newsroom, f"Email Address,MEMBER_RATING,LEID,UNSUB_TIME\n{gone}")
    with newsroom.read() as tx:
        d = schema.deliveries.c
        stopped = dict(tuple(row) for row in tx.connection.execute(select(d.subject, d.stop)))
        (theirs,) = audience.subscriptions(tx, audience.contact(tx, address("left@x.example")).id)
    held = {subject for subject, stop in stopped.items() if stop}
    assert {"sample/LEFT@x.example", "sample/new@x.example", f"confirmation/{theirs.id}"} == held
    assert {"suppressed: unsubscribed"} == {stop for stop in stopped.values() if stop}


def test_what_is_planned_while_a_list_is_taken_back_stays_whole(
    postgresql_own_url: str, clock: FakeClock
) -> None:
    """mail:LM17 something is published between two statements: nothing is carried by a delivery that is not there."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy")
        done = take(store, f"{HEAD}\nann@x.example,,,,policy,,by phone\n")
        clock.advance(minutes=1)  # who is new gets what comes later
        dc, published = schema.delivery_contents.c, list[str]()
        with ThreadPoolExecutor(1) as aside:

            def publish_one() -> None:
                with store.begin() as tx:
                    publish.publish(tx, "tag:x,1", make_content(topics=("policy",)))

            def note(_c: Any, _u: Any, statement: str, *_: Any) -> None:
                if statement.startswith("DELETE FROM deliveries") and not published:
                    published.append(statement)
                    aside.submit(publish_one).result(30)

            event.listen(store._engine, "before_cursor_execute", note)
            undo(store, done)
        with store.read() as tx:
            carried = select(dc.delivery_id).where(dc.delivery_id.not_in(select(schema.deliveries.c.id)))
            assert 1 == tx.connection.execute(select(func.count(dc.item_id))).scalar_one()
            assert [] == tx.connection.execute(carried).all()
        with store.begin() as tx:
            assert [] == deliveries.claim(tx, deliveries.MAIL_LANE, "w", 10, LEASE)
            assert ["the subscription has ended"] == [one.detail for one in deliveries.listing(tx)]
