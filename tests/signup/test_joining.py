"""Signing up and saying yes, on both databases: limits that hold, the same statements for everybody, evidence."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, select, text

from syndicator import signup
from syndicator.model.audience import Address, Cadence, Standing, Subscription, SubscriptionState, address
from syndicator.model.joining import RequestState, Terms, Wish
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.signup import Confirmation, Tokens, Visit, joining
from syndicator.signup.confirming import confirmed
from syndicator.signup.erasing import Eraser
from syndicator.store import (
    Store,
    Tx,
    alarms,
    audience,
    deliveries,
    erasure,
    evidence,
    letters,
    open_store,
    requests,
    schema,
    suppressions,
)
from tests.make import FakeClock, make_newsroom, make_subscription
from tests.web.served import wait_until

TOKENS = Tokens(["a key for tests, long enough"])
JANE = address("jane@example.org")
WISH = Wish(
    address=JANE.typed, name="Jane <b>Doe</b>", outlet="Paper", topics=("policy",), cadence=Cadence.DAILY
)
VISIT = Visit(ip="203.0.113.77", agent="Mozilla/5.0", language="de", source="https://news.example/media-list")
PLAIN = Terms()
TERMS = Terms(per_network=4, per_domain=3, ceiling=5)
ASKED, KNOWN, QUIET = RequestState.ASKED, RequestState.KNOWN, RequestState.QUIET


@pytest.fixture
def newsroom(store: Store) -> Store:
    """A store with topics."""
    make_newsroom(store, "policy", "funding")
    return store


def join(
    store: Store, mail: str = JANE.typed, *, terms: Terms = PLAIN, ip: str = VISIT.ip or "", **other: object
) -> RequestState:
    """One sign-up in a transaction of its own."""
    wish = replace(WISH, address=mail, **{k: v for k, v in other.items() if k != "trap"})  # type: ignore[arg-type]
    with store.begin() as tx:
        return signup.join(tx, wish, replace(VISIT, ip=ip), terms, trap=bool(other.get("trap")))


def mailed(store: Store) -> list[tuple[str, Letter]]:
    """To whom which letters are owed, oldest first."""
    with store.read() as tx:
        rows = sorted(deliveries.listing(tx), key=lambda row: row.id)
        found = [(row.recipient, letters.by_id(tx, int(row.subject.rpartition("/")[2]))) for row in rows]
    return [(recipient, owed.sort) for recipient, owed in found if owed]


def newest(store: Store) -> str:
    """The link in the newest letter."""
    with store.read() as tx:
        row = max(deliveries.listing(tx), key=lambda row: row.id)
        owed = letters.by_id(tx, int(row.subject.rpartition("/")[2]))
        assert owed is not None
    return TOKENS.request_token(owed.about or 0)


def say_yes(store: Store, token: str) -> Confirmation:
    """The button."""
    with store.begin() as tx:
        return signup.confirm(tx, TOKENS, token, VISIT)


def live(tx: Tx, who: Address = JANE) -> list[Subscription]:
    """What an address is subscribed to now."""
    theirs = audience.subscriptions(tx, audience.contact(tx, who).id)
    return [one for one in theirs if one.state is SubscriptionState.ACTIVE]


def suppressed(reason: Reason) -> Callable[[Tx, Address], object]:
    """Makes an address suppressed."""
    return lambda tx, who: suppressions.suppress(tx, who, reason)


STATES: dict[str, Callable[[Tx, Address], object]] = {
    "new": lambda _tx, _who: None,
    "pending": lambda tx, who: make_subscription(tx, who.typed, consent=None),
    "active": lambda tx, who: make_subscription(tx, who.typed),
    "ended": lambda tx, who: audience.end(tx, make_subscription(tx, who.typed).id, "unsubscribed"),
    "whole-domain": lambda tx, who: suppressions.suppress_domain(
        tx, who.key.partition("@")[2], Reason.MANUAL
    ),
    "asked": lambda tx, who: signup.join(tx, replace(WISH, address=who.typed), VISIT, PLAIN),
    "trapped": lambda _tx, _who: None,
    **{reason.value: suppressed(reason) for reason in Reason},
}


def test_the_same_statements_for_everybody(newsroom: Store) -> None:
    """mail:LM1 security:R1 the database is asked and told the same, whatever it knows of the address."""
    seen: dict[str, list[str]] = {}
    join(newsroom, "first@example.net")  # a process reads the pepper once
    for name, prepare in STATES.items():
        who = address(f"jane@{name}.example")
        with newsroom.begin() as tx:
            prepare(tx, who)
        said = seen.setdefault(name, [])
        with newsroom.begin() as tx:

            def note(_c: object, _u: object, statement: str, *_: object, said: list[str] = said) -> None:
                said.append(statement)

            event.listen(tx.connection, "before_cursor_execute", note)
            signup.join(tx, replace(WISH, address=who.typed), VISIT, PLAIN, trap=name == "trapped")
            event.remove(tx.connection, "before_cursor_execute", note)
    ends = {said.pop().partition(" ")[0] for said in seen.values()}
    assert {"RELEASE", "ROLLBACK"} == ends  # whether what was written stays
    assert 9 < len(seen["new"])
    assert set() == {name for name, said in seen.items() if sorted(said) != sorted(seen["new"])}


def test_what_is_mailed(newsroom: Store) -> None:
    """mail:LM1 mail:LM2 a stranger is asked, who is on the list is told, who is suppressed hears nothing."""
    with newsroom.begin() as tx:
        make_subscription(tx, "known@example.org")
        suppressions.suppress(tx, address("gone@example.org"), Reason.COMPLAINT)
    became = [join(newsroom, f"{who}@example.org") for who in ("new", "known", "gone")]
    assert [ASKED, KNOWN, QUIET] == became
    assert [
        ("new@example.org", Letter.ASK),
        ("known@example.org", Letter.KNOWN),
    ] == mailed(newsroom)


def test_nothing_typed_is_mailed_or_kept_in_vain(newsroom: Store) -> None:
    """security:R2 no word of the visitor's stands in the letter; of a sign-up that mails nothing no word is kept."""
    join(newsroom)
    join(newsroom, trap=True)
    with newsroom.read() as tx:
        owed = letters.by_id(tx, 1)
        kept = [requests.by_id(tx, n) for n in (1, 2)]
    assert owed is not None
    assert {"topics": ["Policy"], "cadence": "daily"} == owed.facts
    assert [WISH, None] == [one and one.wish for one in kept]


def test_once_a_day_and_three_times_ever(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM4 one confirmation within 24 hours, and never more than three that nobody answers, also when they are forgotten."""
    terms = Terms()
    days = []
    for _ in range(5):
        days.append([join(newsroom), join(newsroom)])
        clock.advance(hours=24)
    assert [[ASKED, QUIET]] * 3 + [[QUIET, QUIET]] * 2 == days
    clock.advance(days=40)
    assert 10 == joining.tidy(newsroom, terms, timedelta(days=30))
    assert QUIET is join(newsroom)


def test_a_yes_begins_the_count_anew(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM4 only confirmations that nobody answered are counted for ever."""
    for slug in ("policy", "funding", "policy", "funding"):
        assert ASKED is join(newsroom, topics=(slug,))
        assert Confirmation.CONFIRMED is say_yes(newsroom, newest(newsroom))
        with newsroom.begin() as tx:
            audience.end(tx, live(tx)[0].id, "unsubscribed")
        clock.advance(hours=24)


def test_a_plus_makes_no_new_mailbox(newsroom: Store) -> None:
    """security:R4 a flood of jane+1, jane+2 … is one mailbox's."""
    assert [ASKED, QUIET, QUIET] == [
        join(newsroom, f"{who}@example.org") for who in ("jane+1", "JANE+2", "jane")
    ]


def test_a_plus_gets_no_three_more_each_month(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM4 security:R4 three times ever are a mailbox's, also once its sign-ups are forgotten; a yes is no flood."""
    boxes = "jane", "john"
    for n in range(3):
        assert [ASKED] * 2 == [join(newsroom, f"{who}+{n}@example.org") for who in boxes]
        assert Confirmation.CONFIRMED is say_yes(
            newsroom, newest(newsroom)
        )  # John is asked last, and answers
        clock.advance(hours=24)
    clock.advance(days=40)
    assert 6 == joining.tidy(newsroom, PLAIN, timedelta(days=30))
    late = [[join(newsroom, f"{who}{plus}@example.org") for plus in ("+9", "")] for who in boxes]
    assert [[QUIET, QUIET], [ASKED, QUIET]] == late


def test_networks_and_domains(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM4 security:R2 so many letters an hour for one network and one domain; a visitor nobody can tell is no network."""
    by_domain = [join(newsroom, f"a{n}@example.org", terms=TERMS, ip=f"198.51.{n}.1") for n in range(4)]
    assert [ASKED, ASKED, ASKED, QUIET] == by_domain
    clock.advance(hours=1, seconds=1)
    by_network = [join(newsroom, f"b@{n}.example.org", terms=TERMS, ip=f"203.0.113.{n}") for n in range(5)]
    assert [ASKED, ASKED, ASKED, ASKED, QUIET] == by_network
    clock.advance(hours=1, seconds=1)
    assert [ASKED] * 5 == [join(newsroom, f"c@{n}.example.org", terms=TERMS, ip="") for n in range(5)]


def test_the_ceiling_and_its_alarm(newsroom: Store, clock: FakeClock) -> None:
    """security:R2 above the ceiling nothing is mailed and the desk is told once; the alarm ends with the flood."""
    flood = [join(newsroom, f"a@{n}.example", terms=TERMS, ip=f"10.{n}.0.1") for n in range(9)]
    assert [ASKED] * 5 + [QUIET] * 4 == flood
    with newsroom.read() as tx:
        assert ["A flood of sign-ups to the media list"] == [one.subject for one in alarms.open_(tx)]
    joining.tidy(newsroom, TERMS, timedelta(days=30))
    with newsroom.read() as tx:
        assert 1 == len(alarms.open_(tx))
    clock.advance(hours=2)
    joining.tidy(newsroom, TERMS, timedelta(days=30))
    with newsroom.read() as tx:
        assert [] == alarms.open_(tx)


def test_two_at_the_same_moment(newsroom: Store) -> None:
    """mail:LM4 sign-ups of one address at the same moment lead to one confirmation."""
    barrier, became = threading.Barrier(4), []

    def one() -> None:
        barrier.wait()
        became.append(join(newsroom))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ASKED, QUIET, QUIET, QUIET] == sorted(became)


def test_a_yes_makes_a_contact(newsroom: Store) -> None:
    """mail:LM2 mail:LM3 security:D7 with the yes there is a contact, a subscription, and proof of both; before it nothing."""
    join(newsroom)
    with newsroom.read() as tx:
        assert [] == audience.contacts(tx)
    assert Confirmation.CONFIRMED is say_yes(newsroom, newest(newsroom))
    with newsroom.read() as tx:
        contact = audience.contact(tx, JANE)
        (subscription,) = live(tx)
        proof = evidence.of_contact(tx, contact.id)
        words = evidence.wording_of(tx, proof[0].consent or "")
    assert ("Jane <b>Doe</b>", "Paper", Standing.LISTED) == (contact.name, contact.outlet, contact.standing)
    assert (Cadence.DAILY, "policy") == (subscription.cadence, subscription.topic)
    assert "wording 1" in (subscription.consent or "")
    assert ["requested", "asked", "confirmed"] == [one.act for one in proof]
    for one in (proof[0], proof[2]):
        said = (one.network, one.agent, one.form, one.language, one.source)
        assert ("203.0.113.0/24", "Mozilla/5.0", "media-list/1", "de", VISIT.source) == said
    assert words == Terms().consent
    assert proof[2].consent == proof[0].consent


def test_the_same_link_says_the_same(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM2 twice is once; after three days the link is over, used or not."""
    join(newsroom)
    token = newest(newsroom)
    assert [Confirmation.CONFIRMED] * 2 == [say_yes(newsroom, token) for _ in range(2)]
    with newsroom.read() as tx:
        assert 1 == len(live(tx))
        assert 3 == len(evidence.of_contact(tx, audience.contact(tx, JANE).id))
    clock.advance(hours=72, seconds=1)
    assert Confirmation.OVER is say_yes(newsroom, token)


def test_too_late(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM2 security:R3 a link that is three days old makes nobody a contact."""
    join(newsroom)
    clock.advance(hours=72, seconds=1)
    assert Confirmation.OVER is say_yes(newsroom, newest(newsroom))
    with newsroom.read() as tx:
        assert [] == audience.contacts(tx)


@pytest.mark.parametrize("cut", [1, 5, 20])
def test_forged_links(newsroom: Store, cut: int) -> None:
    """security:R3 truncated, altered and foreign links are over, and no link of another purpose confirms."""
    join(newsroom)
    token = newest(newsroom)
    forged = [token[:-cut], token[cut:], f"{token}x", token.replace("1.", "2.", 1)]
    foreign = [TOKENS.preferences_token(1), TOKENS.move_token(1), Tokens(["another"]).request_token(1)]
    assert [Confirmation.OVER] * 7 == [say_yes(newsroom, one) for one in (*forged, *foreign)]


def test_a_yes_adds_and_changes_nothing(newsroom: Store) -> None:
    """A yes adds what was not live, leaves what was as it is, and fills in what nobody knew."""
    with newsroom.begin() as tx:
        before = make_subscription(tx, JANE.typed)
    join(newsroom, topics=("policy", "funding"))
    say_yes(newsroom, newest(newsroom))
    with newsroom.read() as tx:
        now = {one.topic: one for one in live(tx)}
        assert before == now["policy"]
        assert Cadence.DAILY is now["funding"].cadence
        assert "Jane <b>Doe</b>" == audience.contact(tx, JANE).name  # nothing was known before


def test_a_name_is_not_overwritten(newsroom: Store) -> None:
    """What staff wrote of a contact stays."""
    with newsroom.begin() as tx:
        audience.add_contact(tx, JANE, name="Dr Jane Doe", outlet="The Times")
    join(newsroom)
    say_yes(newsroom, newest(newsroom))
    with newsroom.read() as tx:
        contact = audience.contact(tx, JANE)
    assert ("Dr Jane Doe", "The Times") == (contact.name, contact.outlet)


@pytest.mark.parametrize("reason", [Reason.LEFT, Reason.COMPLAINT, Reason.ERASED])
def test_who_comes_back(newsroom: Store, reason: Reason) -> None:
    """mail:LM10 their own yes lifts that they had left; suppressed between letter and click for worse, they stay so."""
    join(newsroom)
    token = newest(newsroom)
    with newsroom.begin() as tx:
        suppressions.suppress(tx, JANE, reason)
    back = reason is Reason.LEFT
    assert (Confirmation.CONFIRMED if back else Confirmation.OVER) is say_yes(newsroom, token)
    with newsroom.read() as tx:
        assert back == (suppressions.of(tx, JANE) is None)
        assert back == bool(audience.contacts(tx))


def test_a_topic_that_is_over(newsroom: Store) -> None:
    """A topic that nobody can subscribe to any more does not keep the others back."""
    from syndicator import topics

    join(newsroom, topics=("policy", "funding"))
    with newsroom.begin() as tx:
        topics.close(tx, "funding", None, timedelta(days=20))
    assert Confirmation.CONFIRMED is say_yes(newsroom, newest(newsroom))
    with newsroom.read() as tx:
        assert ["policy"] == [one.topic for one in live(tx)]


def test_forgetting_sign_ups(newsroom: Store, clock: FakeClock) -> None:
    """mail:LM4 after thirty days nothing of a sign-up that nobody confirmed is left but that it was asked; a yes keeps its proof."""
    join(newsroom)
    join(newsroom, "yes@example.org")
    say_yes(newsroom, newest(newsroom))
    clock.advance(days=30, seconds=1)
    assert 2 == joining.tidy(newsroom, Terms(), timedelta(days=30))
    with newsroom.read() as tx:
        assert [None, None] == [requests.by_id(tx, n) for n in (1, 2)]
        known = audience.contact(tx, address("yes@example.org"))
        assert ["requested", "asked", "confirmed"] == [one.act for one in evidence.of_contact(tx, known.id)]


def test_permission(newsroom: Store, clock: FakeClock) -> None:
    """peers:61 whoever staff asks may say yes for thirty days, and is then listed by their own word."""
    with newsroom.begin() as tx:
        pending = make_subscription(tx, JANE.typed, cadence="daily", consent=None)
        asked = requests.add(
            tx, JANE, RequestState.PERMISSION, wish=WISH, consent="", contact_id=pending.contact_id
        )
    clock.advance(days=29)
    with newsroom.begin() as tx:
        became, contact_id = confirmed(tx, TOKENS, TOKENS.request_token(asked))
        assert (Confirmation.CONFIRMED, pending.contact_id) == (became, contact_id)
        assert ["policy"] == [one.topic for one in live(tx)]


def test_a_yes_while_somebody_is_being_forgotten(postgresql_own_url: str, clock: FakeClock) -> None:
    """security:D7 mail:LM19 whose click waits for the erasure to end is not put on the list again, by no word."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "funding")
        join(store)
        say_yes(store, newest(store))
        clock.advance(days=2)
        with store.begin() as tx:
            signup.join(tx, replace(WISH, topics=("funding",)), VISIT, PLAIN)
        token = newest(store)
        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                erasure.erase(tx, audience.contact(tx, JANE).id)
                click = pool.submit(say_yes, store, token)
                wait_until(lambda: click.done() or _somebody_waits(store))
            assert Confirmation.OVER is click.result(30)
        with store.read() as tx:
            (row,) = tx.connection.execute(select(schema.contacts)).all()
        assert ("erased", "", "", Standing.ERASED) == (row.address, row.name, row.outlet, row.standing)


@pytest.mark.parametrize("first", ["join", "yes"])
def test_a_stranger_forgotten_while_they_sign_up(
    postgresql_own_url: str, clock: FakeClock, first: str
) -> None:
    """security:D7 mail:LM19 whatever of a sign-up comes first is wiped with the rest: no letter, nobody on the list."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "funding")
        join(store)
        token = newest(store)
        clock.advance(days=2)
        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                if first == "yes":
                    signup.confirm(tx, TOKENS, token)
                else:
                    signup.join(tx, WISH, VISIT, PLAIN)
                erased = pool.submit(Eraser(store).erase_address, JANE)
                wait_until(lambda: erased.done() or _somebody_waits(store))
                assert not erased.done()
            assert erased.result(30) is not None
        with store.read() as tx:
            assert audience.known_contact(tx, JANE) is None
            states = {row.state for row in deliveries.listing(tx)}
            every = tx.connection.execute(select(schema.requests.c.state, schema.requests.c.wish)).all()
        assert {"cancelled"} == {str(one) for one in states}
        assert {("erased", "{}")} == {(one.state, str(one.wish)) for one in every}


def test_a_sign_up_waits_for_an_erasure(postgresql_own_url: str, clock: FakeClock) -> None:
    """security:D7 mail:LM19 and then it finds it: nothing is mailed, nothing of it is kept."""
    with open_store(postgresql_own_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "funding")
        join(store)
        clock.advance(days=2)
        with ThreadPoolExecutor(1) as pool:
            with store.begin() as tx:
                erasure.erase_stranger(tx, JANE)
                late = pool.submit(join, store)
                wait_until(lambda: late.done() or _somebody_waits(store))
                assert not late.done()
            assert QUIET is late.result(30)


def _somebody_waits(store: Store) -> bool:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with store.read() as tx:
        return bool(tx.connection.execute(text(waiting)).scalar())


def test_the_link_of_somebody_forgotten(newsroom: Store) -> None:
    """security:D7 who had themselves forgotten between letter and click stays forgotten: the link is over."""
    join(newsroom)
    token = newest(newsroom)
    say_yes(newsroom, token)
    with newsroom.begin() as tx:
        erasure.erase(tx, audience.contact(tx, JANE).id)
    assert Confirmation.OVER is say_yes(newsroom, token)
    assert QUIET is join(newsroom)
