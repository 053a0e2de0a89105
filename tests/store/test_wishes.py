"""What people change of their own, on both databases: one subscription ends, another begins, and nothing falls between."""

from datetime import timedelta

import pytest
from sqlalchemy import insert, select, update

from syndicator import publish
from syndicator.errors import Invalid
from syndicator.model.audience import Cadence, Subscription, address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Channel
from syndicator.model.letters import Letter
from syndicator.signup import leaving
from syndicator.store import (
    Store,
    audience,
    bounces,
    deliveries,
    erasure,
    evidence,
    letters,
    retention,
    schema,
    wishes,
)
from tests.make import FakeClock, make_content, make_newsroom, make_subscription

DAILY, WEEKLY, IMMEDIATE = Cadence.DAILY, Cadence.WEEKLY, Cadence.IMMEDIATE
LEASE = timedelta(minutes=10)
UID = "tag:news.example,2026:1"


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store, "policy", "climate")


def subscribed(store: Store, cadence: Cadence = IMMEDIATE, topic: str = "policy") -> Subscription:
    """Jane, who subscribes."""
    with store.begin() as tx:
        return make_subscription(tx, topic=topic, cadence=cadence)


def states(store: Store) -> dict[str, tuple[str, str | None]]:
    """The sort of each delivery → its state, and why it is to stop."""
    d = schema.deliveries.c
    with store.read() as tx:
        rows = tx.connection.execute(select(d.subject, d.state, d.stop).order_by(d.id))
        return {row.subject.partition("/")[0]: (row.state, row.stop) for row in rows}


def test_a_change_of_cadence_lets_nothing_fall_between(store: Store, clock: FakeClock) -> None:
    """peers:3 from one digest to another what was gathered is handed on; from immediate mail it begins now."""
    one = subscribed(store, DAILY)
    begun = one.since
    clock.advance(hours=3)
    with store.begin() as tx:
        two = wishes.change_cadence(tx, one.id, WEEKLY, person="mira")
        three = wishes.change_cadence(tx, two.id, IMMEDIATE)
    clock.advance(hours=3)
    with store.begin() as tx:
        four = wishes.change_cadence(tx, three.id, DAILY)
        assert (four.id, DAILY) == (wishes.change_cadence(tx, four.id, DAILY).id, four.cadence)
        assert one.id != two.id == wishes.change_cadence(tx, two.id, DAILY).id
        old = audience.subscription(tx, one.id)
        assert four == audience.successor(tx, old)
        acts = [(str(row.act), row.person) for row in evidence.of_contact(tx, one.contact_id)]
    assert [begun, begun, clock.now] == [two.since, three.since, four.since]
    assert (["changed"] * 3, "mira") == ([act for act, _ in acts], acts[0][1])


def test_what_is_on_its_way_goes_on_under_the_new_one(store: Store) -> None:
    """mail:LM9 a change of cadence takes nothing back that was owed already."""
    one = subscribed(store)
    with store.begin() as tx:
        publish.publish(tx, UID, make_content())
        two = wishes.change_cadence(tx, one.id, WEEKLY)
    with store.begin() as tx:
        (attempt,) = deliveries.claim(tx, "mail", "w", 5, LEASE)
    assert two.id == attempt.subscription_id


def test_leaving_while_the_send_is_half_done(store: Store) -> None:
    """mail:LM7: what a lane has in hand is told to stop, what waits is cancelled; a kill still goes out."""
    one = subscribed(store)
    with store.begin() as tx:
        publish.publish(tx, UID, make_content())
        taken = deliveries.claim(tx, "mail", "w", 5, LEASE)
    with store.begin() as tx:
        deliveries.start(tx, taken, LEASE)
        leaving.leave(tx, one.contact_id, [one.id])
    assert ("sending", wishes.LEFT) == states(store)["revision"]
    with store.begin() as tx:
        assert wishes.leave(tx, one.contact_id, [one.id]) == tx.now  # once more: nothing happens
    assert ["revision", "letter"] == list(states(store))


def test_leaving_one_of_what_is_gathered_keeps_the_rest(store: Store) -> None:
    """mail:LM8 a digest that waits goes out under what is left, without what was for the other alone."""
    one = subscribed(store, DAILY, "policy")
    two = subscribed(store, DAILY, "climate")
    with store.begin() as tx:
        mine = publish.publish(tx, UID, make_content())
        other = publish.publish(tx, f"{UID}2", make_content(topics=("climate",)))
        digest = _digest(tx.connection, one, [mine.id, other.id])
        wishes.leave(tx, one.contact_id, [one.id])
        d, dc = schema.deliveries.c, schema.delivery_contents.c
        row = tx.connection.execute(select(d.state, d.subscription_id).where(d.id == digest)).one()
        carried = select(dc.item_id).where(dc.delivery_id == digest)
        assert (("due", two.id), [other.id]) == (tuple(row), tx.connection.execute(carried).scalars().all())
        wishes.leave(tx, two.contact_id, [two.id])
    assert "cancelled" == states(store)["digest"][0]


def test_a_pause_stops_news_and_nothing_else(store: Store, clock: FakeClock) -> None:
    """mail:LM8 what waits is cancelled and nothing new is owed; a correction of what they have still comes."""
    one = subscribed(store)
    with store.begin() as tx:
        first = publish.publish(tx, UID, make_content())
        taken = deliveries.claim(tx, "mail", "w", 5, LEASE)
        deliveries.start(tx, taken, LEASE)
        had = update(schema.deliveries).values(state="accepted")
        tx.connection.execute(had)
        publish.publish(tx, f"{UID}2", make_content())
    with store.begin() as tx:
        assert wishes.pause(tx, one.contact_id, tx.now + timedelta(days=30))
        assert not wishes.pause(tx, one.contact_id, tx.now + timedelta(days=30))
        publish.publish(tx, f"{UID}3", make_content())
        publish.correct(tx, first.uid, make_content("Corrected"), "a figure")
    clock.advance(hours=1)
    with store.begin() as tx:
        d = schema.deliveries.c
        rows = tx.connection.execute(select(d.subject, d.state).order_by(d.id)).all()
        assert wishes.pause(tx, one.contact_id, None)
        assert not wishes.pause(tx, one.contact_id, None)
        assert tx.now == audience.contact_by_id(tx, one.contact_id).paused_until
    found = {row.subject.partition("/")[2]: row.state for row in rows}
    assert {f"{UID}/1": "accepted", f"{UID}2/1": "cancelled", f"{UID}/2": "due"} == found


def test_taking_back_leaves_alone_what_began_since(store: Store, clock: FakeClock) -> None:
    """A topic begun anew keeps its new cadence; one that closes stays ended; the same again does nothing."""
    one, two = subscribed(store, DAILY), subscribed(store, WEEKLY, "climate")
    with store.begin() as tx:
        left = leaving.leave(tx, one.contact_id, [one.id, two.id])
    clock.advance(days=2)
    subscribed(store, IMMEDIATE)
    for expected in (True, True):
        with store.begin() as tx:
            assert expected is leaving.undo(tx, one.contact_id, left)
            live = {each.topic: each for each in wishes.live(tx, one.contact_id)}
            assert {"policy": IMMEDIATE, "climate": WEEKLY} == {slug: o.cadence for slug, o in live.items()}
            assert two.since == live["climate"].since
    clock.advance(days=6)
    with store.begin() as tx:
        assert not leaving.undo(tx, one.contact_id, left)
        assert not leaving.undo(tx, 4711, left)


def test_only_known_fields_are_written(store: Store) -> None:
    """What was the same before is no change; a field of the house's own is refused."""
    one = subscribed(store)
    with store.begin() as tx:
        assert ["hour", "name"] == wishes.edit_contact(tx, one.contact_id, name="Jane", hour=6, zone="UTC")
        assert [] == wishes.edit_contact(tx, one.contact_id, name="Jane")
        with pytest.raises(Invalid, match="digest"):
            wishes.edit_contact(tx, one.contact_id, digest="x")
        (row,) = evidence.of_contact(tx, one.contact_id)
    assert {
        "fields": ["hour", "name"],
        "values": {"hour": [8, 6]},
    } == row.detail  # of names only that they changed


def test_evidence_is_blanked_when_its_time_is_over(store: Store, clock: FakeClock) -> None:
    """security:D7 mail:LM3 kept as long as something lives and the span after; then only that it was, and when."""
    one, two = subscribed(store), subscribed(store, DAILY, "climate")
    span = timedelta(days=100)
    with store.begin() as tx:
        wishes.edit_contact(tx, one.contact_id, {"network": "192.0.2.7", "agent": "x"}, hour=5)
        leaving.leave(tx, one.contact_id, [one.id])
    clock.advance(days=101)
    with store.begin() as tx:
        assert 0 == retention.expire(tx, span)
        wishes.leave(tx, two.contact_id, [two.id])
    clock.advance(days=99)
    with store.begin() as tx:
        assert 0 == retention.expire(tx, span)
    clock.advance(days=2)
    with store.begin() as tx:
        assert 3 == retention.expire(tx, span)
        rows = [(str(row.act), row.network, row.detail) for row in evidence.of_contact(tx, one.contact_id)]
        assert [("changed", None, {}), ("left", None, {}), ("left", None, {})] == rows
        assert letters.by_id(tx, 1) is not None  # it waits to be sent
        tx.connection.execute(update(schema.deliveries).values(state="accepted"))
        assert 0 == retention.expire(tx, span)
        assert letters.by_id(tx, 1) is None


@pytest.mark.parametrize(("keep", "age"), [(timedelta(days=7), 8), (timedelta(days=90), 31)])
def test_whose_address_was_only_typed_in_is_forgotten(
    store: Store, clock: FakeClock, keep: timedelta, age: int
) -> None:
    """security:D7 mail:LM4 the letter that asked them goes with the sign-up, and the address with it, wherever it stands."""
    mail, other = "Typed.In@one-person.example", "late@one-person.example"
    with store.begin() as tx:
        for who in (mail, other):
            letters.plan(tx, Letter.ASK, address(who), about=1, facts={"topics": []})
        tried = {"delivery_id": 1, "number": 1, "started": tx.now, "ended": tx.now, "outcome": "refused"}
        said = f"550 <{mail}> is over quota"
        tx.connection.execute(insert(schema.attempts).values(**tried, detail=said))
        over = update(schema.deliveries).where(schema.deliveries.c.id == 1)
        tx.connection.execute(over.values(state="refused", detail=said, settled=tx.now))
    clock.advance(days=age - 2)
    with store.begin() as tx:
        retention.expire(tx, timedelta(days=9), keep)
        assert mail == tx.connection.execute(select(schema.deliveries.c.mailbox).order_by("id")).scalar()
    clock.advance(days=2)
    with store.begin() as tx:
        for _ in range(2):
            retention.expire(tx, timedelta(days=9), keep)
        gone, open_ = tx.connection.execute(select(schema.deliveries).order_by("id")).all()
        assert ("forgotten", "mailbox/forgotten/1", "", "forgotten") == (
            gone.mailbox, gone.recipient, gone.domain, gone.detail
        )  # fmt: skip
        assert (other, f"mailbox/{other}") == (open_.mailbox, open_.recipient)
        assert ["forgotten"] == tx.connection.execute(select(schema.attempts.c.detail)).scalars().all()
        assert [None, True] == [found and True for found in (letters.by_id(tx, 1), letters.by_id(tx, 2))]
        event = bounces.Event(key="k", source="imap", kind=Kind.COMPLAINT, delivery_id=1)
        assert bounces.record(tx, event)  # a complaint that comes now suppresses nobody


def test_an_answer_that_came_after_the_erasure_goes_too(store: Store) -> None:
    """mail:LM19 a letter that was on the wire when its recipient was forgotten: what the server said is swept up."""
    one = subscribed(store)
    with store.begin() as tx:
        publish.publish(tx, UID, make_content())
        deliveries.start(tx, deliveries.claim(tx, "mail", "w", 5, LEASE), LEASE)
        assert erasure.erase(tx, one.contact_id)
        assert erasure.erase(tx, one.contact_id) is None
        tried = {"delivery_id": 1, "number": 1, "started": tx.now, "ended": tx.now, "outcome": "accepted"}
        said = "250 <jane@example.org> queued"
        tx.connection.execute(insert(schema.attempts).values(**tried, detail=said))
        tx.connection.execute(update(schema.deliveries).values(state="accepted", detail=said))
    with store.begin() as tx:
        retention.expire(tx, timedelta(days=9))
        for column in (schema.attempts.c.detail, schema.deliveries.c.detail):
            assert ["erased"] == tx.connection.execute(select(column)).scalars().all()


def _digest(connection: object, one: Subscription, items: list[int]) -> int:
    """A digest of theirs that waits, as the flow of digests plans it."""
    values = {
        "subject": f"digest/daily/{one.created.isoformat()}",
        "recipient": f"contact/{one.contact_id}",
        "contact_id": one.contact_id,
        "subscription_id": one.id,
        "channel": Channel.MAIL,
        "lane": "mail",
        "priority": 50,
        **deliveries.duties.fresh(one.created),
    }
    row = insert(schema.deliveries).values(**values).returning(schema.deliveries.c.id)
    key = int(connection.execute(row).scalar_one())  # type: ignore[attr-defined]
    for item in items:
        held = {
            "delivery_id": key,
            "item_id": item,
            "revision": 1,
            "recipient": values["recipient"],
            "role": "owed",
        }
        connection.execute(insert(schema.delivery_contents).values(**held))  # type: ignore[attr-defined]
    return key
