"""Another name, a merger, an end: identity and readers stay, addresses lead on, nobody is sent anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Text, cast, func, insert, literal, select

from syndicator import press, publish, topics
from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.audience import Subscription
from syndicator.model.delivery import Outcome
from syndicator.model.item import ALL, Item, Rule, Topic, Verdict
from syndicator.model.site import Format
from syndicator.model.upstream import Upstream
from syndicator.signup import Confirmation, Tokens, confirm, preferences, unsubscribe
from syndicator.store import (
    Store,
    Tx,
    archives,
    audience,
    deliveries,
    documents,
    items,
    open_store,
    partners,
    schema,
    upstreams,
)
from syndicator.store import topics as rows
from tests.make import (
    NOW,
    FakeClock,
    make_content,
    make_newsroom,
    make_partner,
    make_subscription,
    make_topic,
)
from tests.store.test_races import at_once
from tests.test_publish import owed, send

UID = "tag:news.example,2026:1"
TOKENS = Tokens(["a-key-for-tests-long-enough"])


def put_out(store: Store, uid: str = UID, *slugs: str, **other: object) -> Item:
    with store.begin() as tx:
        return publish.publish(tx, uid, make_content(topics=slugs or ("policy",)), **other)  # type: ignore[arg-type]


def rename(store: Store, slug: str, new: str, title: str | None = None) -> Topic:
    with store.begin() as tx:
        return topics.rename(tx, slug, new, title)


def held(tx: Tx, slug: str) -> list[str]:
    ids = rows.newest(tx, rows.named(tx, slug).id, 99)
    return [item.uid for item in items.in_order(items.many(tx, ids), ids)]


def of(tx: Tx, subscription: Subscription) -> list[tuple[str, str, str, str | None]]:
    known = audience.subscriptions(tx, subscription.contact_id)
    return [(one.topic, one.state.value, one.cadence.value, one.reason) for one in known]


# -- another name


def test_a_renamed_topic_is_the_same_topic(store: Store) -> None:
    """feeds:P8, H8: feed id, items, documents and readers stay; the old address leads to the new one."""
    make_newsroom(store)
    put_out(store)
    with store.begin() as tx:
        before = rows.named(tx, "policy")
        reader = make_subscription(tx)
        documents.save(tx, before.id, Format.ATOM, etag='"x"', body=b"x", gzip=b"x", modified=NOW, items=1)
    after = rename(store, "policy", "affairs", "Public affairs")
    assert (before.id, before.uid) == (after.id, after.uid)
    assert ("affairs", "Public affairs") == (after.slug, after.title)
    with store.begin() as tx:
        assert {"policy": "affairs"} == rows.all_addresses(tx).moved
        assert [UID] == held(tx, "affairs")
        assert [("affairs", "active", "immediate", None)] == of(tx, reader)
        assert documents.find(tx, after.id, Format.ATOM) is not None
        assert {"affairs", ALL} == {topic.slug for topic in rows.take_stale(tx, 9)}
        with pytest.raises(NotFound, match='called "affairs" now'):
            rows.named(tx, "policy")


def test_former_names_never_make_chains(store: Store) -> None:
    """feeds:H8: A → B → C: A and B lead to C at once; a name of its own comes back without a loop."""
    make_newsroom(store, "a")
    rename(store, "a", "b")
    rename(store, "b", "c")
    with store.read() as tx:
        assert {"a": "c", "b": "c"} == rows.all_addresses(tx).moved
    rename(store, "c", "a")
    with store.read() as tx:
        assert {"b": "a", "c": "a"} == rows.all_addresses(tx).moved
    assert "New" == rename(store, "a", "a", "New").title


def test_names_that_may_not_be_given(store: Store) -> None:
    """feeds:H8: taken, reserved, another's former name, unknown: one line each, and nothing changes."""
    make_newsroom(store, "a", "b", "gone")
    with store.begin() as tx:
        rows.add(tx, make_topic("owned", file=True))
    rename(store, "gone", "here")
    for old, new, refusal in (
        ("a", "b", Conflict),
        ("a", "gone", Conflict),
        ("a", "all", Invalid),
        ("a", "A b", Invalid),
        ("x", "y", NotFound),
        ("gone", "y", NotFound),
        (ALL, "y", Refused),
        ("owned", "y", Refused),
    ):
        with pytest.raises(refusal) as fault:
            rename(store, old, new)
        assert "\n" not in str(fault.value)
    with store.begin() as tx:
        assert {"gone": "here"} == rows.all_addresses(tx).moved
        with pytest.raises(Conflict, match="former name"):
            rows.add(tx, make_topic("gone", uid="tag:other"))


def test_whatever_named_it_speaks_of_it_still(store: Store) -> None:
    """feeds:H8: items, drafts, rules, partners and upstreams say the present name; rows keep what they said."""
    make_newsroom(store, "policy", "health")
    item = put_out(store, UID, "policy", "health")
    with store.begin() as tx:
        rows.add(tx, make_topic("ruled", rule=Rule(any=("policy",), none=("health",)), file=True))
        make_partner(tx, topics=("policy",))
        upstreams.add(tx, _upstream(topics=("health", "policy")))
        press.draft(tx, "tag:draft", make_content(), None)
    rename(store, "policy", "affairs")
    with store.begin() as tx:
        assert ("affairs", "health") == items.named(tx, UID).content.topics
        assert ("affairs", "health") == items.history(tx, item.id)[0].content.topics
        assert ("health", "affairs") == upstreams.named(tx, "cms").topics
        assert ("affairs",) == partners.named(tx, "agency").topics
        assert Rule(any=("affairs",), none=("health",)) == rows.named(tx, "ruled").rule
        assert 0 == rows.refill(tx, rows.named(tx, "ruled"))
        again = press.draft(tx, "tag:draft", make_content(), None)
        assert (1, ("affairs",)) == (again.version, again.content.topics)
        new = publish.publish(tx, "tag:new", make_content(topics=("policy",)))
        assert {"affairs", "ruled", ALL} == set(rows.of_item(tx, new.id))
        assert "agency" in [one.recipient for one in deliveries.listing(tx)]
        stored = select(schema.revisions.c.content["topics"]).where(schema.revisions.c.item_id == item.id)
        assert ["policy", "health"] == tx.connection.execute(stored).scalar()


def test_a_file_that_says_the_old_name(store: Store) -> None:
    """design:6: submitted again it is unchanged; edited it is filed under the present name."""
    make_newsroom(store)
    put_out(store)
    rename(store, "policy", "affairs")
    with store.begin() as tx:
        assert Verdict.UNCHANGED is publish.submit(tx, UID, make_content())[1]
        assert 1 == publish.edit(tx, UID, make_content()).revision
        assert ("affairs",) == publish.edit(tx, UID, make_content(summary="New.")).content.topics
        assert ["affairs", ALL] == sorted(rows.of_item(tx, items.named(tx, UID).id))
        with pytest.raises(Refused, match="nothing was changed"):
            publish.correct(tx, UID, make_content(summary="New."), "a word")


def test_filing_while_a_topic_is_renamed(store_url: str, clock: FakeClock) -> None:
    """delivery:1: whoever files under a name that changes at this moment files under the new one; nobody fails."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as shared:
        make_newsroom(shared)
        chain = ["policy", *(f"n{number}" for number in range(9))]

        def work(n: int) -> None:
            for step in range(9):
                with shared.begin() as tx:
                    if n == 0:
                        topics.rename(tx, chain[step], chain[step + 1])
                    else:
                        publish.publish(tx, f"tag:{n}/{step}", make_content())

        at_once(work, 4)
        with shared.read() as tx:
            assert 27 == len(held(tx, chain[-1]))
            assert dict.fromkeys(chain[:-1], chain[-1]) == rows.all_addresses(tx).moved


def test_filing_while_a_topic_is_merged(store_url: str, clock: FakeClock) -> None:
    """delivery:1: whoever files under a topic that is merged at this moment files under what it went to."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as shared:
        make_newsroom(shared, "policy", "into")

        def work(n: int) -> None:
            for step in range(6):
                with shared.begin() as tx:
                    if n:
                        publish.publish(tx, f"tag:{n}/{step}", make_content())
                    elif step == 2:
                        topics.merge(tx, "policy", "into")

        at_once(work, 4)
        with shared.read() as tx:
            assert (18, []) == (len(held(tx, "into")), held(tx, "policy"))


# -- a merger


def test_merging_brings_items_at_the_end(store: Store) -> None:
    """design:5.5: items enter the other topic's order last, its closed pages stand; nobody is owed them."""
    make_newsroom(store, "from", "into")
    for uid, slugs in (
        ("tag:1", ("from",)),
        ("tag:2", ("into",)),
        ("tag:3", ("from", "into")),
        ("tag:4", ("from",)),
    ):
        put_out(store, uid, *slugs)
    with store.begin() as tx:
        publish.withdraw(tx, "tag:4", "a mistake")
        make_subscription(tx, topic="into")
        source, into = rows.named(tx, "from").id, rows.named(tx, "into").id
        ids = {item.uid: item.id for item in items.listing(tx)}
        archives.close(tx, into, 1, [ids["tag:2"]], [])
        archives.close(tx, source, 1, [ids["tag:1"]], [])
        topics.merge(tx, "from", "into")
    with store.begin() as tx:
        m = schema.memberships.c
        order = select(m.uid, m.page, m.gone).where(m.topic_id == into).order_by(m.id)
        entered = [tuple(row) for row in tx.connection.execute(order)]
        assert [
            ("tag:2", 1, None),
            ("tag:3", None, None),
            ("tag:1", None, None),
            ("tag:4", None, NOW),
        ] == entered
        assert [] == held(tx, "from")
        assert [] == archives.contents(tx, source, 1)
        assert (0, 1) == (rows.named(tx, "from").pages, rows.named(tx, "into").pages)
        assert ("into",) == items.named(tx, "tag:3").content.topics
        assert {"from": "into"} == rows.all_addresses(tx).moved
        assert "from" not in [topic.slug for topic in rows.take_stale(tx, 9)]
    assert [] == owed(store)


def test_mergers_never_make_chains(store: Store) -> None:
    """feeds:H8: whatever led to a merged topic leads to where it went, and on from there."""
    make_newsroom(store, "a", "b", "c")
    with store.begin() as tx:
        topics.rename(tx, "a", "aa")
        topics.merge(tx, "aa", "b")
        topics.merge(tx, "b", "c")
        topics.rename(tx, "c", "d")
        assert dict.fromkeys(("a", "aa", "b", "c"), "d") == rows.all_addresses(tx).moved
        with pytest.raises(Refused, match='merged into "d"'):
            topics.rename(tx, "b", "e")


def test_readers_go_along(store: Store) -> None:
    """design:2: cadence, consent and state go along, an own choice stays, an active one beats a wish."""
    make_newsroom(store, "from", "into")
    with store.begin() as tx:
        moved = make_subscription(tx, "moved@x.example", "from", cadence="daily")
        wish = make_subscription(tx, "wish@x.example", "from", consent=None)
        both = make_subscription(tx, "both@x.example", "from")
        make_subscription(tx, "both@x.example", "into", cadence="weekly")
        yes = make_subscription(tx, "yes@x.example", "from")
        make_subscription(tx, "yes@x.example", "into", cadence="weekly", consent=None)
        left = make_subscription(tx, "left@x.example", "from")
        audience.end(tx, left.id, "left")
        topics.merge(tx, "from", "into")
        gone = ("from", "ended", "immediate", "merged")
        assert [("from", "ended", "daily", "merged"), ("into", "active", "daily", None)] == of(tx, moved)
        assert [gone, ("into", "pending", "immediate", None)] == of(tx, wish)
        assert [gone, ("into", "active", "weekly", None)] == of(tx, both)
        assert [gone, ("into", "ended", "weekly", "merged"), ("into", "active", "immediate", None)] == of(
            tx, yes
        )
        assert [("from", "ended", "immediate", "left")] == of(tx, left)
        assert "test" == audience.subscriptions(tx, moved.contact_id)[1].consent


def test_old_links_still_work(store: Store, clock: FakeClock) -> None:
    """design:5.13: links mailed before a merger confirm and end what took the subscription's place."""
    make_newsroom(store, "from", "into")
    with store.begin() as tx:
        wish = make_subscription(tx, "wish@x.example", "from", consent=None)
        topics.merge(tx, "from", "into")
        assert Confirmation.CONFIRMED is confirm(tx, TOKENS, TOKENS.confirm_token(wish.id))
        shown = preferences(tx, TOKENS, TOKENS.preferences_token(wish.contact_id))
        assert shown is not None
        assert ["into"] == [one.topic for one in shown.subscriptions]
        link = TOKENS.unsubscribe_token(wish.id)
        assert [True, False] == [unsubscribe(tx, TOKENS, link) for _ in range(2)]
        assert ["ended", "ended"] == [state for _, state, *_ in of(tx, wish)]
    clock.advance(seconds=1)
    with store.begin() as tx:  # somebody who comes back is not thrown out again
        make_subscription(tx, "wish@x.example", "into")
        assert not unsubscribe(tx, TOKENS, link)


def test_links_of_another_cadence_still_work(store: Store, clock: FakeClock) -> None:
    """design:5.13: an unsubscribe link is good for ever, also after the cadence was changed, and changed again."""
    make_newsroom(store)
    with store.begin() as tx:
        first = make_subscription(tx)
        for cadence in ("daily", "weekly"):
            clock.advance(hours=1)
            make_subscription(replace(tx, now=clock()), cadence=cadence)
        assert unsubscribe(tx, TOKENS, TOKENS.unsubscribe_token(first.id))
        assert ["replaced", "replaced", "unsubscribed"] == [reason for *_, reason in of(tx, first)]


def test_what_is_on_its_way_arrives(store: Store, clock: FakeClock) -> None:
    """delivery:1: a mail planned before a merger goes out under the new subscription; a correction, too."""
    make_newsroom(store, "from", "into")
    with store.begin() as tx:
        make_subscription(tx, "a@x.example", "from")
    put_out(store, UID, "from")
    with store.begin() as tx:
        topics.merge(tx, "from", "into")
    assert ["a@x.example"] == send(store, Outcome.ACCEPTED)
    clock.advance(hours=1)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content(topics=("from",), summary="Right."), "a figure")
    assert [(f"revision/{UID}/2", "a@x.example")] == owed(store)


def test_a_rule_that_named_both(store: Store) -> None:
    """design:2: rules that named one of the two hold what they say now, without a delivery."""
    make_newsroom(store, "from", "into")
    for uid, slug in (("tag:1", "from"), ("tag:2", "into")):
        put_out(store, uid, slug)
    with store.begin() as tx:
        for slug, rule in (("any", Rule(any=("from",))), ("both", Rule(all=("from", "into")))):
            rows.refill(tx, rows.add(tx, make_topic(slug, rule=rule)))
        assert (["tag:1"], []) == (held(tx, "any"), held(tx, "both"))
        topics.merge(tx, "from", "into")
        assert ["tag:2", "tag:1"] == held(tx, "any") == held(tx, "both")


def test_mergers_that_may_not_be(store: Store) -> None:
    """design:5.12: itself, ruled, of the file, unknown, about to close: refused in a line."""
    make_newsroom(store, "a", "b", "closing")
    with store.begin() as tx:
        rows.add(tx, make_topic("ruled", rule=Rule(any=("a",))))
        rows.add(tx, make_topic("owned", file=True))
        topics.close(tx, "closing")
    for source, into, refusal in (
        ("a", "a", Invalid), ("a", "ruled", Refused), ("ruled", "a", Refused), ("owned", "a", Refused),
        ("a", "x", NotFound), ("x", "a", NotFound), ("all", "a", Refused), ("a", "closing", Refused),
    ):  # fmt: skip
        with pytest.raises(refusal), store.begin() as tx:
            topics.merge(tx, source, into)
    with store.begin() as tx:
        topics.merge(tx, "a", "owned")  # the file owns the topic that stays, and it stays
        assert {"a": "owned"} == rows.all_addresses(tx).moved


def test_a_large_topic_is_merged_by_the_database(store: Store) -> None:
    """design:5.3: a merger is a handful of statements, however many items there are."""
    make_newsroom(store, "from", "into")
    item = put_out(store, UID, "from")
    count = 20_000
    with store.begin() as tx:
        source = rows.named(tx, "from").id
        n = select(literal(1).label("n")).cte("n", recursive=True)
        n = n.union_all(select(n.c.n + 1).where(n.c.n < count))
        names = ("state", "revision", "published", "updated")
        i = schema.items.c
        text = literal("x") + cast(n.c.n, Text)
        made = select(text, text, *(i[name] for name in names)).join(n, literal(True)).where(i.id == item.id)
        tx.connection.execute(insert(schema.items).from_select(["uid", "slug", *names], made))
        new = select(literal(source), i.id, i.published, i.uid).where(i.id != item.id)
        columns = ["topic_id", "item_id", "published", "uid"]
        tx.connection.execute(insert(schema.memberships).from_select(columns, new))
    with store.begin() as tx:
        topics.merge(tx, "from", "into")
        m = schema.memberships.c
        inside = select(func.count()).where(m.topic_id == rows.named(tx, "into").id)
        assert count + 1 == tx.connection.execute(inside).scalar()
        assert [] == held(tx, "from")


# -- an end


def test_an_announced_end(store: Store, clock: FakeClock) -> None:
    """feeds:H8: for the time of notice it is there, and stale, so that its feeds say so; then it is closed."""
    make_newsroom(store)
    put_out(store)
    with store.begin() as tx:
        for topic in rows.listing(tx):
            rows.set_all_fresh(tx, {topic.id: None}, "look")
        closing = topics.close(tx, "policy", " Read us elsewhere. ").closing
        assert closing is not None
        assert (NOW, NOW + timedelta(days=14), "Read us elsewhere.") == (
            closing.announced,
            closing.over,
            closing.note,
        )
        assert ["policy"] == [topic.slug for topic in rows.take_stale(tx, 9)]
        assert frozenset() == rows.all_addresses(tx).closed
        assert {"policy", ALL} == {topic.slug for topic in rows.public(tx)}
    clock.advance(days=1)
    with store.begin() as tx:
        later = topics.close(tx, "policy", after=timedelta(days=1)).closing
        assert later is not None
        said = (NOW, NOW + timedelta(days=2), "Read us elsewhere.")
        assert said == (later.announced, later.over, later.note)
        again = topics.close(tx, "policy", "Or there.").closing
        assert again is not None
        assert (NOW + timedelta(days=2), "Or there.") == (again.over, again.note)
    clock.advance(days=1)
    with store.begin() as tx:
        assert frozenset({"policy"}) == rows.all_addresses(tx).closed
        assert [ALL] == [topic.slug for topic in rows.public(tx)]
        assert rows.find_public(tx, "policy") is None
        rows.mark_all_stale(tx)
        assert [ALL] == [topic.slug for topic in rows.take_stale(tx, 9)]
        rows.set_all_fresh(tx, {rows.named(tx, ALL).id: None}, "look")
        assert rows.next_stale(tx) is None
        assert not rows.outdated(tx, "look")
        assert "policy" in [topic.slug for topic in rows.listing(tx)]
        for change in (topics.close, topics.keep_open):
            with pytest.raises(Refused, match="closed for good"):
                change(tx, "policy")


def test_nothing_new_is_filed_under_a_closing_topic(store: Store) -> None:
    """feeds:H8: new items, drafts and subscriptions are refused; what is there may be edited and stays."""
    make_newsroom(store, "policy", "health")
    put_out(store)
    put_out(store, "tag:other", "health")
    with store.begin() as tx:
        topics.close(tx, "policy")
        assert ("policy",) == publish.edit(tx, UID, make_content(summary="New.")).content.topics
        assert 3 == publish.correct(tx, UID, make_content(summary="Newer."), "a word").revision
    attempts = (
        lambda tx: publish.publish(tx, "tag:new", make_content()),
        lambda tx: publish.edit(tx, "tag:other", make_content()),
        lambda tx: press.draft(tx, "tag:draft", make_content(), None),
        lambda tx: upstreams.add(tx, _upstream(topics=("policy",))),
        make_subscription,
    )
    for attempt in attempts:
        with pytest.raises(Refused, match="closes"), store.begin() as tx:
            attempt(tx)
    with store.begin() as tx:
        topics.keep_open(tx, "policy")
        publish.publish(tx, "tag:new", make_content())
        with pytest.raises(Refused, match="not about to close"):
            topics.keep_open(tx, "policy")


def test_readers_of_a_closing_topic(store: Store, clock: FakeClock) -> None:
    """design:2: they are told of corrections until it is over; then they end, what is on its way first."""
    make_newsroom(store)
    with store.begin() as tx:
        reader = make_subscription(tx)
    put_out(store)
    send(store, Outcome.ACCEPTED)
    with store.begin() as tx:
        topics.close(tx, "policy", after=timedelta(days=1))
        publish.correct(tx, UID, make_content(summary="Right."), "a figure")
        assert "active" == audience.subscription(tx, reader.id).state
    clock.advance(days=1)
    with store.begin() as tx:
        assert 0 == topics.end_due(tx)
    assert 1 == len(send(store, Outcome.ACCEPTED))
    with store.begin() as tx:
        assert 1 == topics.end_due(tx)
        assert [("policy", "ended", "immediate", "closed")] == of(tx, reader)


def test_a_topic_that_something_still_files_under(store: Store) -> None:
    """delivery:1: neither an upstream's items nor a release are lost to a closed topic: first they go elsewhere."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        upstreams.add(tx, _upstream(topics=("policy",)))
        press.draft(tx, "tag:draft", make_content(topics=("health",)), None)
        for slug, who in (("policy", 'upstream "cms"'), ("health", "release tag:draft")):
            with pytest.raises(Refused, match=who):
                topics.close(tx, slug)
        press.cancel(tx, "tag:draft", "")
        topics.close(tx, "health", after=timedelta())
        assert frozenset({"health"}) == rows.all_addresses(tx).closed


def test_ends_that_may_not_be(store: Store) -> None:
    """design:5.12: `all`, a topic of the file, one that is unknown, and a date that cannot be meant."""
    make_newsroom(store)
    with store.begin() as tx:
        rows.add(tx, make_topic("owned", file=True))
        for slug, after, refusal in (
            (ALL, 1, Refused), ("owned", 1, Refused), ("x", 1, NotFound), ("policy", -1, Invalid),
            ("policy", 10**8, Invalid),
        ):  # fmt: skip
            with pytest.raises(refusal):
                topics.close(tx, slug, after=timedelta(days=after))


def test_a_ruled_topic_that_is_over_takes_nothing(store: Store) -> None:
    """feeds:H8: a rule that is over files nothing more; rules that name a closed topic keep what they hold."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        for slug, rule in (("over", Rule(any=("health",))), ("stays", Rule(any=("policy", "health")))):
            rows.add(tx, make_topic(slug, rule=rule))
    put_out(store)
    with store.begin() as tx:
        topics.close(tx, "over", after=timedelta())
        topics.close(tx, "policy", after=timedelta())
    put_out(store, "tag:2", "health")
    with store.read() as tx:
        assert [] == held(tx, "over")
        assert {UID, "tag:2"} == set(held(tx, "stays"))


def _upstream(**other: object) -> Upstream:
    values = {"id": 0, "slug": "cms", "url": "https://cms.example/feed", "created": NOW}
    return Upstream(**{**values, **other})  # type: ignore[arg-type]
