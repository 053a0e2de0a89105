"""The webhook road to a real receiver: what each answer means, and what never leaves the house."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator import publish
from syndicator.delivery.answers import retry_after
from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.webhook import WebhookRoad, judge
from syndicator.model.audience import Partner
from syndicator.model.delivery import OnUnknown, Policy
from syndicator.store import Store, deliveries, partners
from syndicator.wire.exchange import Limits, Reply
from syndicator.wire.guard import parse_guard
from syndicator.wire.http import Client
from tests.delivery.receiver import HANG, RESET, Action, Receiver
from tests.make import (
    NOW,
    SECRET,
    FakeClock,
    make_content,
    make_newsroom,
    make_partner,
    make_site,
    reserved_port,
)

UID = "tag:x,1"
LOOPBACK = ("127.0.0.0/8",)


def host_now() -> datetime:
    """Receivers check the age of a signature against the time of day."""
    return datetime.now(UTC)


def crew(store: Store, deadline: float = 20.0, policy: Policy | None = None) -> Crew:
    limits = Limits(max_bytes=1024, deadline=timedelta(seconds=deadline), status_only=True)

    def client(partner: Partner) -> Client:
        return Client(parse_guard(partner.allow_private), "Syndicator-Test/1", limits)

    house = policy or Policy()
    return Crew(
        store=store,
        roads=lambda key, _: WebhookRoad(key.removeprefix("partner/"), make_site(), client, host_now, house),
        worker="w",
        policy=house,
        width=lambda _: 1,
        stop=threading.Event(),
    )


def owe(store: Store, url: str, **other: Any) -> None:
    """A newsroom with one partner at this address who is owed one item."""
    make_newsroom(store)
    with store.begin() as tx:
        make_partner(tx, url=url, **{"allow_private": LOOPBACK, **other})
        publish.publish(tx, UID, make_content())


def row(store: Store) -> deliveries.Delivery:
    with store.read() as tx:
        return deliveries.listing(tx)[0]


def code(store: Store) -> int | None:
    with store.read() as tx:
        return deliveries.attempts(tx, row(store).id)[-1].code


# -- answers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_yes_is_accepted(store: Store, status: int) -> None:
    """delivery:1.4: any 2xx is accepted; the event is signed, typed and about the item."""
    with Receiver((status,)) as receiver:
        owe(store, receiver.url)
        assert 1 == drain(crew(store))
    (event,) = receiver.events
    assert event.signed
    assert ("release.published", UID) == (event.data["type"], event.data["data"]["item"]["uid"])
    assert ("application/json", "accepted", status) == (
        event.headers["content-type"],
        row(store).state,
        code(store),
    )


@pytest.mark.parametrize(
    ("action", "state", "words"),
    [
        (400, "refused", "answered 400: words of the partner"),
        (404, "refused", "answered 404"),
        (413, "refused", "answered 413"),
        (408, "due", "answered 408"),
        (425, "due", "answered 425"),
        (429, "due", "answered 429"),
        (500, "due", "answered 500"),
        (503, "due", "answered 503"),
        ((301, {"location": "/elsewhere"}), "due", "redirects are not followed"),
        ((307, {"location": "/elsewhere"}), "due", "redirects are not followed"),
    ],
)
def test_what_an_answer_means(store: Store, action: Action, state: str, words: str) -> None:
    """delivery:1.4.5: 4xx is final but for those that ask to come again; what is not yes is tried again."""
    with Receiver((action,)) as receiver:
        owe(store, receiver.url)
        assert 1 == drain(crew(store))
    found = row(store)
    assert (1, state) == (len(receiver.events), found.state)
    assert words in (found.detail or "")


def test_gone_pauses_the_partner(store: Store) -> None:
    """delivery:1.4.7: 410 ends it: the partner is paused, what waits is kept, nothing more is sent."""
    with Receiver((410,)) as receiver:
        owe(store, receiver.url)
        with store.begin() as tx:
            publish.publish(tx, "tag:x,2", make_content())
        assert 1 == drain(crew(store))
        assert 0 == drain(crew(store))
    with store.read() as tx:
        assert ["refused", "due"] == [one.state for one in deliveries.listing(tx)]
        assert partners.named(tx, "agency").paused
    assert 1 == len(receiver.events)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "expected"), [("7200", timedelta(hours=2)), ("999999999999", timedelta(hours=24))]
)
def test_retry_after_is_honoured(store: Store, status: int, asked: str, expected: timedelta) -> None:
    """delivery:1.4.7: the pause a partner asks for is kept, up to 24 hours."""
    with Receiver(((status, {"retry-after": asked}),)) as receiver:
        owe(store, receiver.url)
        drain(crew(store))
    assert NOW + expected == row(store).due


def test_a_hostile_retry_after_breaks_nothing(store: Store) -> None:
    """security:S7: a header that looks like a number and is none is ignored."""
    with Receiver(((503, {"retry-after": "\u00b2"}),)) as receiver:
        owe(store, receiver.url)
        assert 1 == drain(crew(store))
    assert "due" == row(store).state


@pytest.mark.parametrize("action", [HANG, RESET])
def test_no_answer_is_a_doubt(store: Store, clock: FakeClock, action: Action) -> None:
    """delivery:1.4.5: silence or a reset after the body is a doubt, repeated once with the same id."""
    with Receiver((action, 200)) as receiver:
        owe(store, receiver.url)
        working = crew(store, deadline=0.5 if action is HANG else 20.0)
        assert 1 == drain(working)
        assert ("due", "unknown", NOW + timedelta(minutes=10)) == (
            row(store).state, row(store).last_outcome, row(store).due,
        )  # fmt: skip
        clock.advance(minutes=10)
        assert 1 == drain(crew(store))
    first, second = receiver.events
    assert (first.id, first.body) == (second.id, second.body)
    assert "accepted" == row(store).state


@pytest.mark.parametrize("fault", [RESET, 500, 503])
def test_a_partner_on_hold_is_never_asked_twice(store: Store, clock: FakeClock, fault: Action) -> None:
    """delivery:F2, delivery:5: a doubt under *hold*, a 5xx among them, is not sent again by itself."""
    with Receiver((fault, 200)) as receiver:
        owe(store, receiver.url, on_unknown=OnUnknown.HOLD)
        drain(crew(store))
        clock.advance(days=9)
        assert 0 == drain(crew(store))
    assert (1, "unknown") == (len(receiver.events), row(store).state)


def test_every_try_has_the_same_id_and_a_fresh_signature(store: Store, clock: FakeClock) -> None:
    """design:5.1: `webhook-id` is the same on every try, of no meaning, another per event."""
    with Receiver((500, 500, 204)) as receiver:
        owe(store, receiver.url)
        for _ in range(3):
            drain(crew(store))
            clock.advance(hours=1)
        with store.begin() as tx:
            publish.correct(tx, UID, make_content(summary="New."), "The figure")
        drain(crew(store))
    assert [True] * 4 == [event.signed for event in receiver.events]
    assert 1 == len({event.id for event in receiver.events[:3]})
    assert receiver.events[3].id != receiver.events[0].id
    assert UID not in receiver.events[0].id
    assert ["release.published"] * 3 + ["item.corrected"] == [event.data["type"] for event in receiver.events]


def test_nobody_listens(store: Store) -> None:
    """delivery:1.4.5: a refused connection is certainly not accepted: tried again, no doubt."""
    owe(store, f"http://127.0.0.1:{reserved_port()}/hook")
    assert 1 == drain(crew(store))
    assert ("due", "deferred") == (row(store).state, row(store).last_outcome)


@pytest.mark.parametrize("url", [None, "http://169.254.169.254/latest", "http://[::1]/", "http://10.0.0.1/"])
def test_private_addresses_are_blocked(store: Store, url: str | None) -> None:
    """security:S2, S9: without an explicit range no packet goes to the house's own network."""
    with Receiver() as receiver:
        owe(store, url or receiver.url, allow_private=())
        assert 1 == drain(crew(store))
    assert ([], "refused") == (receiver.events, row(store).state)
    assert (row(store).detail or "").startswith("not sent: ")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_x"])
def test_a_secret_that_is_none_is_refused_in_words(store: Store, secret: str) -> None:
    """code-models:6: a partner whose secret cannot sign gets nothing, its lane goes on."""
    with Receiver() as receiver:
        owe(store, receiver.url, secret=secret)
        drain(crew(store))
    assert ([], "refused") == (receiver.events, row(store).state)
    assert "secret cannot sign" in (row(store).detail or "")


def test_another_secret_does_not_verify(store: Store) -> None:
    """security:S8: the receiver tells a forged event by its signature."""
    with Receiver(secret="whsec_" + "b" * 44) as receiver:
        owe(store, receiver.url, secret=SECRET)
        drain(crew(store))
    assert [False] == [event.signed for event in receiver.events]


# -- pure


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("120", timedelta(minutes=2)),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("٣", None),
        ("Mon, 02 Mar 2026 10:00:00 GMT", timedelta(hours=1)),
        ("Mon, 02 Mar 2026 10:00:00", timedelta(hours=1)),
        ("Mon, 02 Mar 2026 08:00:00 GMT", timedelta()),
        ("Mon, 02 Mar 99999 08:00:00 GMT", None),
        ("Mon, 02 Mar 2026 10:00:00 +9999", None),
    ],
)
def test_retry_after(value: str | None, expected: timedelta | None) -> None:
    """delivery:1.4.7: seconds or a date, never negative; what is neither is as if it were not there."""
    assert expected == retry_after(value, NOW)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_retry_after_is_survived(value: str) -> None:
    """security:S7: whatever a partner writes there, we go on."""
    found = retry_after(value, NOW)
    assert found is None or found >= timedelta()


@settings(deadline=None)
@given(st.integers(200, 599), st.binary(max_size=300))
def test_an_answer_is_one_printable_line(status: int, body: bytes) -> None:
    """security:S7: of what a partner says a short printable line is kept."""
    words = judge(reply(status, body), NOW).detail
    assert words.isprintable()
    assert len(words) <= 260


def reply(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status=status, headers=headers or {}, body=body, url="https://x.example")
