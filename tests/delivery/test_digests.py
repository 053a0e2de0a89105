"""Digests on the mail road: composed once for all who read the same, merged for each, right when they leave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, update

from syndicator import digest, publish
from syndicator.delivery.editions import Shelf
from syndicator.delivery.lanes import drain
from syndicator.delivery.mail import MailRoad
from syndicator.model.delivery import DeliveryState, OnUnknown, Policy, doubt_policy
from syndicator.store import Store, deliveries, schema, wishes
from syndicator.wire.folder import Folder
from tests.delivery.test_mail import DESK, crew, letters
from tests.make import FakeClock, make_content, make_newsroom, make_subscription, make_try

PACE = digest.Pace(settle=timedelta(seconds=60))


@pytest.fixture
def newsroom(store: Store) -> Store:
    """Three readers of both topics, in two orders, one of them in another zone, and three items."""
    make_newsroom(store, "policy", "research")
    with store.begin() as tx:
        for name, slugs in (
            ("a", ("policy", "research")),
            ("b", ("policy", "research")),
            ("c", ("research", "policy")),
        ):
            for slug in slugs:
                make_subscription(tx, f"{name}@example.org", slug, cadence="daily")
        publish.publish(tx, "tag:1", make_content("One"))
        publish.publish(tx, "tag:2", make_content("Two", topics=("policy", "research")))
        publish.publish(tx, "tag:3", make_content("Three", topics=("research",)))
    return store


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Where letters are put."""
    return tmp_path / "outbox"


def sent(store: Store, folder: Path, most: int = 50) -> tuple[dict[str, str], int]:
    """Send what is due: the text each reader got, and how often something was composed."""
    desk = replace(DESK, shelf=Shelf(), most_items=most)
    drain(
        replace(crew(store, lambda: Folder(folder)), roads=lambda *_: MailRoad(desk, lambda: Folder(folder)))
    )
    texts = {}
    for letter in letters(folder):
        body = letter.get_body(("plain",))
        assert body is not None
        texts[str(letter["To"])] = body.get_content().replace("\r\n", "\n")
    return texts, desk.shelf.composed


def test_the_same_digest_is_composed_once(newsroom: Store, clock: FakeClock, outbox: Path) -> None:
    """mail:DG10 For the two who read the same in the same order one, for who has another order another."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    texts, composed = sent(newsroom, outbox)
    assert composed == 2
    order = [texts["a@example.org"].index(word) for word in ("POLICY", "One", "Two", "RESEARCH", "Three")]
    assert sorted(order) == order
    other = [texts["c@example.org"].index(word) for word in ("RESEARCH", "Two", "Three", "POLICY", "One")]
    assert sorted(other) == other
    for text in texts.values():
        assert text.count("\nTwo\n") == 1


def test_what_the_digests_of_a_claim_hold_is_one_query(
    newsroom: Store, clock: FakeClock, outbox: Path
) -> None:
    """mail:DG10 However many readers there are."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    asked: list[str] = []
    event.listen(newsroom._engine, "before_cursor_execute", lambda _c, _k, words, *_: asked.append(words))
    sent(newsroom, outbox)
    assert len([words for words in asked if "pushes" in words and words.startswith("SELECT")]) == 1


def test_each_reader_gets_their_own_links(newsroom: Store, clock: FakeClock, outbox: Path) -> None:
    """mail:MC8 The one click names a subscription the digest was made of; no address of another is in it."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    sent(newsroom, outbox)
    links = {str(letter["To"]): str(letter["List-Unsubscribe"]) for letter in letters(outbox)}
    assert {f"<https://news.example/unsubscribe/{row}>" for row in (1, 3, 5)} == set(links.values())
    for letter in letters(outbox):
        others = {"a@example.org", "b@example.org", "c@example.org"} - {str(letter["To"])}
        assert not any(other in letter.as_string() for other in others)


def test_the_most_items_are_the_operators_to_say(newsroom: Store, clock: FakeClock, outbox: Path) -> None:
    """mail:DG10 Of what is more, the number and the address of the topic."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    texts, _ = sent(newsroom, outbox, most=2)
    assert "1 in Research: https://news.example/topics/research" in texts["a@example.org"]
    assert "3 items" in texts["a@example.org"]


def test_a_topic_that_was_left_meanwhile_is_not_shown(
    newsroom: Store, clock: FakeClock, outbox: Path
) -> None:
    """mail:DG8 Right at the moment of sending, also about what its reader wants."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    with newsroom.begin() as tx:
        wishes.leave(tx, 1, [2])
    texts, _ = sent(newsroom, outbox)
    assert "Three" not in texts["a@example.org"]
    assert "Two" in texts["a@example.org"]


def test_a_digest_tried_again_does_not_show_what_was_killed(
    newsroom: Store, clock: FakeClock, outbox: Path
) -> None:
    """mail:DG8 After a doubt a person says: again. What is left of it goes out, and of nothing left, nothing."""
    clock.advance(hours=23, minutes=1)
    digest.digests_due(newsroom, PACE)
    with newsroom.begin() as tx:
        unsure = {"state": DeliveryState.UNKNOWN, "doubts": 1, "due": None}
        tx.connection.execute(update(schema.deliveries).values(**unsure))
        publish.withdraw(tx, "tag:2", "wrong")
        publish.withdraw(tx, "tag:3", "wrong")
        deliveries.retry(tx, 1)
    texts, _ = sent(newsroom, outbox)
    assert "One" in texts["a@example.org"]
    assert "Two" not in texts["a@example.org"]
    with newsroom.begin() as tx:
        publish.withdraw(tx, "tag:1", "wrong")
        deliveries.retry(tx, 2)
    sent(newsroom, outbox)
    with newsroom.read() as tx:
        row = deliveries.named(tx, 2)
    assert (DeliveryState.CANCELLED, "nothing is left of this digest: what it held was taken back") == (
        row.state,
        row.detail,
    )


def test_doubts_about_a_digest_wait_for_a_person() -> None:
    """delivery:D5 It is not sent a second time by itself."""
    assert doubt_policy(make_try(subject="digest/daily/2026-03-03T08:00:00Z"), Policy()) is OnUnknown.HOLD


@pytest.mark.parametrize(
    ("cadence", "away", "subject"),
    [
        ("weekly", 0, "Weekly digest, 2 March to 9 March: 2 items"),
        ("weekly", 7, "Weekly digest, 2 March to 16 March: 2 items"),
        ("daily", 0, "Daily digest, 3 March: 2 items"),
        ("daily", 1, "Daily digest, 2 March to 4 March: 2 items"),
    ],
)
def test_a_late_digest_says_which_days_it_makes_up_for(
    store: Store, clock: FakeClock, outbox: Path, cadence: str, away: int, subject: str
) -> None:
    """mail:DG9 mail:DG10 From the day its oldest item was pushed; one that is in time says what its own window was."""
    make_newsroom(store, "policy", "research")
    clock.advance(hours=1)
    with store.begin() as tx:
        make_subscription(tx, "a@example.org", "policy", cadence=cadence)
        publish.publish(tx, "tag:1", make_content("One"))
        publish.publish(tx, "tag:2", make_content("Two"))
    days = {"weekly": 7, "daily": 1}[cadence] + away
    clock.advance(days=days)
    digest.digests_due(store, PACE)
    sent(store, outbox)
    assert [str(letter["Subject"]) for letter in letters(outbox)] == [subject]
