"""The links in our mail: a GET never acts, a POST needs nothing but the token, and says no more than it must."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from syndicator.model.audience import Cadence, Subscription, SubscriptionState, address
from syndicator.store import Store, audience, topics
from tests.make import FakeClock
from tests.web.served import TOKENS, Running, add_topic, running

ONE_CLICK = b"List-Unsubscribe=One-Click"
MULTIPART = b'--xx\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xx--\r\n'
FORMS = {"application/x-www-form-urlencoded": ONE_CLICK, "multipart/form-data; boundary=xx": MULTIPART}


@dataclass
class Reader:
    """Somebody with one active and one pending subscription."""

    contact_id: int
    active: Subscription
    pending: Subscription
    store: Store

    def state(self, subscription: Subscription) -> SubscriptionState:
        """How it stands now."""
        with self.store.read() as tx:
            return audience.subscription(tx, subscription.id).state


@pytest.fixture
def reader(store: Store) -> Reader:
    """Subscribed to policy, about to be to funding."""
    for slug in ("policy", "funding"):
        add_topic(store, slug)
    with store.begin() as tx:
        contact, _ = audience.add_contact(tx, address("jane@paper.example"), name="Jane")
        keys = topics.ids(tx, ["policy", "funding"])
        active, _ = audience.subscribe(tx, contact.id, keys["policy"], Cadence.IMMEDIATE, "on paper")
        pending, _ = audience.subscribe(tx, contact.id, keys["funding"], Cadence.WEEKLY, None)
    return Reader(contact.id, active, pending, store)


@pytest.fixture
def web(store: Store, reader: Reader) -> Iterator[Running]:
    """A web process over the reader's store."""
    with running(store) as web:
        yield web


def leave_path(subscription: Subscription) -> str:
    """What stands in List-Unsubscribe."""
    return f"/media-list/unsubscribe/{TOKENS.unsubscribe_token(subscription.id)}"


def confirm_path(subscription: Subscription) -> str:
    """What stands in the confirmation mail."""
    return f"/media-list/confirm/{TOKENS.confirm_token(subscription.id)}"


def test_scanners_change_nothing(web: Running, reader: Reader) -> None:
    """mail:LM2 mail:LM7 security:A3 twenty GETs of every link change nothing."""
    preferences = f"/media-list/preferences/{TOKENS.preferences_token(reader.contact_id)}"
    paths = (confirm_path(reader.pending), leave_path(reader.active), preferences)
    for path, method in product(paths, ("GET", "HEAD")):
        assert {200} == {web.ask(path, method).status for _ in range(20)}
    assert [SubscriptionState.ACTIVE, SubscriptionState.PENDING] == [
        reader.state(reader.active),
        reader.state(reader.pending),
    ]


def test_confirming(web: Running, reader: Reader) -> None:
    """mail:LM2 a POST confirms; once more says the same."""
    replies = [web.ask(confirm_path(reader.pending), "POST") for _ in range(2)]
    assert SubscriptionState.ACTIVE is reader.state(reader.pending)
    assert [200, 200] == [reply.status for reply in replies]
    assert replies[0].body == replies[1].body


def test_a_link_that_was_pressed_says_so(web: Running, reader: Reader) -> None:
    """mail:LM2 Opened again it shows no button but that it has done its work; pressed again it says the same as before."""
    path = confirm_path(reader.pending)
    assert '<button type="submit">Confirm' in web.ask(path).text
    before = web.ask(path, "POST")
    page = web.ask(path)
    assert (200, True) == (page.status, "<h1>You are on the list already</h1>" in page.text)
    assert '<button type="submit">Confirm' not in page.text
    assert before.body == web.ask(path, "POST").body


def test_confirming_too_late(web: Running, reader: Reader, clock: FakeClock) -> None:
    """mail:LM2 after three days the link is over, in the same words as one nobody ever had."""
    clock.advance(hours=72, seconds=1)
    late = web.ask(confirm_path(reader.pending), "POST")
    unknown = web.ask("/media-list/confirm/99.aaaaaaaaaaaaaaaaaaaaaaaa", "POST")
    assert SubscriptionState.PENDING is reader.state(reader.pending)
    assert (410, late.body) == (late.status, unknown.body)
    assert late.status == unknown.status


@pytest.mark.parametrize("kind", FORMS)
def test_one_click(web: Running, reader: Reader, kind: str) -> None:
    """mail:LM7 RFC 8058: both encodings, no cookie, no Origin, no redirect, 200; twice is harmless."""
    replies = [
        web.ask(
            leave_path(reader.active), "POST", FORMS[kind], Content_Type=kind, Origin="https://mail.example"
        )
        for _ in range(2)
    ]
    assert SubscriptionState.ENDED is reader.state(reader.active)
    assert SubscriptionState.PENDING is reader.state(reader.pending)
    assert [200, 200] == [reply.status for reply in replies]
    assert replies[0].body == replies[1].body
    assert not {"set-cookie", "location"} & replies[0].headers.keys()


def test_unknown_tokens_look_like_known_ones(web: Running, reader: Reader) -> None:
    """mail:LM7 nobody learns from the answer whether a token is one of ours."""
    known = web.ask(leave_path(reader.active), "POST", ONE_CLICK)
    for token in ("0.a", "x", "1.x", "99999.aaaaaaaaaaaaaaaaaaaaaaaa", "1" * 400, "%F0%9F%A6%A0.%00"):
        other = web.ask(f"/media-list/unsubscribe/{token}", "POST", ONE_CLICK)
        assert (known.status, known.body) == (other.status, other.body), token
        assert {**known.headers, "date": ""} == {**other.headers, "date": ""}, token


def test_a_token_is_good_for_one_thing(web: Running, reader: Reader) -> None:
    """security:R3 a confirmation link cannot be used to leave, nor the other way round."""
    web.ask(f"/media-list/unsubscribe/{TOKENS.confirm_token(reader.active.id)}", "POST")
    web.ask(f"/media-list/confirm/{TOKENS.unsubscribe_token(reader.pending.id)}", "POST")
    assert [SubscriptionState.ACTIVE, SubscriptionState.PENDING] == [
        reader.state(reader.active),
        reader.state(reader.pending),
    ]


def test_token_pages_leave_no_trace(web: Running, reader: Reader) -> None:
    """mail:LM9 no-referrer, noindex, no-store, on every page a token leads to."""
    preferences = f"/media-list/preferences/{TOKENS.preferences_token(reader.contact_id)}"
    asked = [
        *((method, path) for path in (confirm_path(reader.pending), leave_path(reader.active)) for method in ("GET", "POST")),
        ("GET", preferences),
        ("POST", "/media-list/confirm/x"),
        ("GET", "/media-list/preferences/x"),
    ]  # fmt: skip
    for method, path in asked:
        headers = web.ask(path, method).headers
        assert ("no-store", "no-referrer") == (headers["cache-control"], headers["referrer-policy"])
        assert "noindex" in headers["x-robots-tag"]
        assert "default-src 'self'" in headers["content-security-policy"]


def test_leaving_stops_what_is_not_on_the_wire(web: Running, reader: Reader, store: Store) -> None:
    """mail:LM7 a planned mail is cancelled in the same transaction."""
    from syndicator.store import deliveries
    from tests.web.served import add_item

    add_item(store, "Owed", topics=("policy",))
    with store.read() as tx:
        assert ["due"] == [row.state for row in deliveries.listing(tx)]
    web.ask(leave_path(reader.active), "POST", ONE_CLICK)
    with store.read() as tx:
        states = {row.subject.partition("/")[0]: row.state for row in deliveries.listing(tx)}
    assert {"revision": "cancelled", "letter": "due"} == states  # the farewell still goes out


def test_strangers_do_not_get_the_write_lock(web: Running, store: Store) -> None:
    """security:R5: while somebody writes, a token nobody ever had is answered at once, not after them."""
    with store.begin() as tx:
        topics.mark_all_stale(tx)  # holds SQLite's one write lock until the end of the block
        replies = [
            web.ask(f"/media-list/{page}/1.nobody", "POST", ONE_CLICK) for page in ("confirm", "unsubscribe")
        ]
    assert [410, 200] == [reply.status for reply in replies]


def test_no_redirect_is_made_of_the_host_header(web: Running) -> None:
    """feeds:H16: a slash too many is simply not found; a token never travels to another host."""
    reply = web.ask("/media-list/confirm/AAA/", host="evil.example")
    assert (404, None) == (reply.status, reply.headers.get("location"))
