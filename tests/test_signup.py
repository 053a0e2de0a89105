"""Tokens and what they do: purpose-bound, short, nameless, good across a change of key."""

import string
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator import signup
from syndicator.errors import Invalid, Refused
from syndicator.model.audience import Cadence, Subscription, SubscriptionState, address
from syndicator.model.item import Topic
from syndicator.signup import CONFIRM_WITHIN, Confirmation, Purpose, Tokens
from syndicator.store import Store, audience, deliveries, topics, wishes
from tests.make import NOW, FakeClock

TOKENS = Tokens(["present key", "former key"])


@pytest.fixture
def pending(store: Store) -> Subscription:
    """A subscription that waits for its confirmation, and the mail that asks for it."""
    with store.begin() as tx:
        topic = topics.add(tx, Topic(slug="policy", title="Policy", uid="tag:policy", created=NOW))
        contact, _ = audience.add_contact(tx, address("jane@paper.example"))
        made, _ = audience.subscribe(tx, contact.id, topic.id, Cadence.IMMEDIATE, None)
        deliveries.plan_confirmation(tx, contact.id, made.id)
    return made


def state(store: Store, subscription: Subscription) -> SubscriptionState:
    """How it stands now."""
    with store.read() as tx:
        return audience.subscription(tx, subscription.id).state


@given(st.integers(0, 2**63 - 1))
def test_tokens_are_read_back(row: int) -> None:
    """What was minted for a purpose is read for it, and for no other."""
    minted = {
        Purpose.CONFIRM: TOKENS.confirm_token(row),
        Purpose.UNSUBSCRIBE: TOKENS.unsubscribe_token(row),
        Purpose.PREFERENCES: TOKENS.preferences_token(row),
    }
    for purpose in Purpose:
        for of, token in minted.items():
            assert (row if of is purpose else None) == TOKENS.read(purpose, token)


@given(st.integers(0, 2**63 - 1), st.data())
def test_a_changed_token_is_no_token(row: int, data: st.DataObject) -> None:
    """mail:LM6 no letter of a token may be another, none added, none left out."""
    token = TOKENS.unsubscribe_token(row)
    place = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.sampled_from(string.ascii_letters + string.digits + "-_=. %\n"))
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        assert TOKENS.read(Purpose.UNSUBSCRIBE, changed) is None
    for other in (token[:-1], token + letter, "0" + token, token[:place] + letter + token[place:]):
        if other != token:
            assert TOKENS.read(Purpose.UNSUBSCRIBE, other) is None


@given(st.text(max_size=100))
def test_no_text_breaks_the_reading(text: str) -> None:
    """Whatever stands in the address, there is an answer."""
    assert TOKENS.read(Purpose.CONFIRM, text) is None


def test_links_are_short_and_nameless() -> None:
    """mail:LM6 a path of at most 70 characters, safe in a URL, with nothing about a person in it."""
    path = f"/media-list/unsubscribe/{TOKENS.unsubscribe_token(10**9)}"
    assert len(path) <= 70
    assert set(path) <= set(string.ascii_letters + string.digits + "/-_.")


def test_former_keys_verify_and_do_not_sign() -> None:
    """mail:LM6 links in old mail go on working after a change of key."""
    before, after = Tokens(["old"]), Tokens(["new", "old"])
    assert 7 == after.read(Purpose.UNSUBSCRIBE, before.unsubscribe_token(7))
    assert before.read(Purpose.UNSUBSCRIBE, after.unsubscribe_token(7)) is None
    assert Tokens(["other"]).read(Purpose.UNSUBSCRIBE, before.unsubscribe_token(7)) is None


def test_a_generation_makes_earlier_tokens_worthless() -> None:
    """DESIGN §5.13: tokens that are mailed are revoked by generation."""
    assert TOKENS.read(Purpose.PREFERENCES, TOKENS.preferences_token(3, 1), 1) == 3
    assert TOKENS.read(Purpose.PREFERENCES, TOKENS.preferences_token(3, 0), 1) is None


@pytest.mark.parametrize("keys", [[], [""], ["key", ""]])
def test_without_a_key_nothing_is_signed(keys: list[str]) -> None:
    """An empty key would let anybody sign."""
    with pytest.raises(Invalid, match=r"site\.secret_key"):
        Tokens(keys)


def test_keys_are_not_shown() -> None:
    """A repr ends up in logs."""
    assert "present" not in repr(TOKENS)


def test_confirming(store: Store, pending: Subscription) -> None:
    """mail:LM2 confirmed once, and once more without harm."""
    for _ in range(2):
        with store.begin() as tx:
            assert Confirmation.CONFIRMED is signup.confirm(tx, TOKENS, TOKENS.confirm_token(pending.id))
    assert SubscriptionState.ACTIVE is state(store, pending)
    with store.read() as tx:
        assert signup.CONSENT == audience.subscription(tx, pending.id).consent


@pytest.mark.parametrize(
    ("late", "became"),
    [(timedelta(), Confirmation.CONFIRMED), (timedelta(microseconds=1), Confirmation.OVER)],
)
def test_the_last_instant(
    store: Store, clock: FakeClock, pending: Subscription, late: timedelta, became: Confirmation
) -> None:
    """mail:LM2 72 hours to the instant."""
    clock.now = NOW + CONFIRM_WITHIN + late
    with store.begin() as tx:
        assert became is signup.confirm(tx, TOKENS, TOKENS.confirm_token(pending.id))


@pytest.mark.parametrize("by", ["cadence", "subscribe"])
def test_the_link_says_yes_to_what_took_its_place(
    store: Store, clock: FakeClock, pending: Subscription, by: str
) -> None:
    """mail:LM2 peers:3 Another cadence before the yes: the link that was mailed confirms that one, within its own time."""
    token = TOKENS.confirm_token(pending.id)
    clock.advance(hours=71)
    with store.begin() as tx:
        if by == "cadence":
            changed = wishes.change_cadence(tx, pending.id, Cadence.WEEKLY)
        else:
            changed, _ = signup.subscribe(
                tx, pending.contact_id, topics.named(tx, "policy").id, Cadence.WEEKLY, None
            )
    clock.advance(hours=1, microseconds=1)
    with store.begin() as tx:
        assert Confirmation.OVER is signup.confirm(tx, TOKENS, token)
    clock.advance(microseconds=-1)
    with store.begin() as tx:
        assert Confirmation.CONFIRMED is signup.confirm(tx, TOKENS, token)
    with store.read() as tx:
        now = audience.subscription(tx, changed.id)
    assert (SubscriptionState.ACTIVE, Cadence.WEEKLY) == (now.state, now.cadence)
    assert SubscriptionState.ENDED is state(store, pending)


def test_staff_asks_once_more(store: Store, clock: FakeClock, pending: Subscription) -> None:
    """mail:LM2 mail:LM4 When the link is over, or on demand; once a day, three times in all, and never who is active."""

    def subscribe(*, again: bool = False) -> tuple[Subscription, bool]:
        with store.begin() as tx:
            topic_id = topics.named(tx, "policy").id
            return signup.subscribe(tx, pending.contact_id, topic_id, Cadence.IMMEDIATE, None, again=again)

    clock.advance(hours=24)
    with pytest.raises(Refused, match="once a day"):
        subscribe(again=True)
    clock.advance(hours=1)
    assert (pending.id, False) == (subscribe()[0].id, False)
    second, new = subscribe(again=True)
    assert (SubscriptionState.PENDING, True) == (second.state, new)
    clock.advance(hours=72, microseconds=1)
    third, new = subscribe()
    assert new
    with store.read() as tx:
        rows = {row.subject for row in deliveries.listing(tx)}
    assert {f"confirmation/{one.id}" for one in (pending, second, third)} == rows
    clock.advance(days=4)
    with pytest.raises(Refused, match="3 times"):
        subscribe()
    clock.advance(days=-4)
    with store.begin() as tx:
        assert Confirmation.OVER is signup.confirm(tx, TOKENS, TOKENS.confirm_token(second.id))
        assert Confirmation.CONFIRMED is signup.confirm(tx, TOKENS, TOKENS.confirm_token(third.id))
    assert (third.id, False) == (subscribe(again=True)[0].id, False)


def test_whoever_left_is_not_brought_back(store: Store, pending: Subscription) -> None:
    """A confirmation link does nothing after the subscription has ended."""
    with store.begin() as tx:
        assert signup.unsubscribe(tx, TOKENS, TOKENS.unsubscribe_token(pending.id))
        assert Confirmation.OVER is signup.confirm(tx, TOKENS, TOKENS.confirm_token(pending.id))
    assert SubscriptionState.ENDED is state(store, pending)


def test_leaving_ends_and_cancels(store: Store, clock: FakeClock, pending: Subscription) -> None:
    """mail:LM7 the subscription ends with its reason, what is not on the wire is stopped, years later too."""
    clock.advance(days=4000)
    with store.begin() as tx:
        token = TOKENS.unsubscribe_token(pending.id)
        assert [True, False] == [signup.unsubscribe(tx, TOKENS, token) for _ in range(2)]
        assert signup.LEFT == audience.subscription(tx, pending.id).reason
        assert ["cancelled"] == [row.state for row in deliveries.listing(tx)]


def test_tokens_of_another_database(store: Store) -> None:
    """Signed by us but for rows that are not there: nothing happens, nothing breaks."""
    with store.begin() as tx:
        assert Confirmation.OVER is signup.confirm(tx, TOKENS, TOKENS.confirm_token(4711))
        assert not signup.unsubscribe(tx, TOKENS, TOKENS.unsubscribe_token(4711))
        assert signup.preferences(tx, TOKENS, TOKENS.preferences_token(4711)) is None


def test_preferences_show_what_is_live(store: Store, pending: Subscription) -> None:
    """mail:LM9 a person's live subscriptions, not what has ended."""
    token = TOKENS.preferences_token(pending.contact_id)
    with store.begin() as tx:
        before = signup.preferences(tx, TOKENS, token)
        audience.end(tx, pending.id, "test")
        after = signup.preferences(tx, TOKENS, token)
    assert before is not None
    assert after is not None
    assert ((pending,), ()) == (before.subscriptions, after.subscriptions)
    assert "jane@paper.example" == before.contact.address.typed
