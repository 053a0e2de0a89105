"""Topics, memberships and stale marks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event, func, insert, literal, null, select, update

from syndicator import publish
from syndicator.errors import Conflict, Invalid, NotFound
from syndicator.model.item import ALL, Kind, Rule
from syndicator.store import Store, Tx, archives, items, open_store, schema, topics
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_topic

LOOK = "look"


def uids(store: Store, slug: str, limit: int = 99) -> list[str]:
    with store.read() as tx:
        ids = topics.newest(tx, topics.named(tx, slug).id, limit)
        return [item.uid for item in items.in_order(items.many(tx, ids), ids)]


def test_a_topic_comes_back_whole(store: Store) -> None:
    """design:2: plain and ruled topics are read as they were written."""
    ruled = make_topic("ruled", rule=Rule(any=("policy",), kinds=(Kind.ADVISORY,)), file=True)
    make_newsroom(store)
    with store.begin() as tx:
        assert ruled == topics.add(tx, ruled)
        assert [ruled.slug, ALL] == [topic.slug for topic in topics.ruled(tx)][::-1]
        assert make_topic() == topics.find(tx, "policy")
        assert Rule() == topics.named(tx, ALL).rule
        assert {"all": "All items", "policy": "Policy", "ruled": "Ruled"} == topics.titles(tx)


def test_a_taken_slug_is_a_conflict(store: Store) -> None:
    """code-models:6: a second topic of a slug is refused; the first stays as it was."""
    make_newsroom(store)
    with store.begin() as tx:
        with pytest.raises(Conflict, match="exists already"):
            topics.add(tx, make_topic(title="Other", uid="tag:other"))
        assert "Policy" == topics.named(tx, "policy").title


def test_rules_speak_of_plain_topics_that_exist(store: Store) -> None:
    """design:2: a rule names plain topics only, so rules can have no cycles."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        for names, refusal in ((("x",), NotFound), (("ruled",), Invalid), ((ALL,), Invalid)):
            for rule in (Rule(any=names), Rule(all=names), Rule(none=names)):
                with pytest.raises(refusal):
                    topics.add(tx, make_topic("other", rule=rule))
                with pytest.raises(refusal):
                    topics.edit(tx, make_topic("policy", rule=rule))
        assert topics.find(tx, "other") is None


def test_filing_reads_no_other_topics(store: Store) -> None:
    """delivery:4: a check asks for the topics named, publishing for those with a rule, however NULL was written."""
    make_newsroom(store, *(f"t{n}" for n in range(200)))
    with store.begin() as tx:
        topics.add(tx, make_topic("null"))
        tx.connection.execute(update(schema.topics).values(rule=null()).where(schema.topics.c.slug == "null"))
    with store.begin() as tx:
        topics.check_plain(tx, ["t3", "null"])
        assert ["all"] == [topic.slug for topic in topics.ruled(tx)]
        assert {"t3"} == set(topics.some(tx, ["t3", "nowhere", "t3"]))
        assert {"t3": "T3"} == topics.titles(tx, {"t3", "nowhere"})
        with pytest.raises(NotFound, match="nowhere"):
            topics.check_plain(tx, ["t1", "nowhere", "elsewhere"])


def test_newest_first_is_total_and_stable(store: Store) -> None:
    """feeds:P13: newest first by published, then by uid; the order of arrival does not matter."""
    make_newsroom(store)
    with store.begin() as tx:
        for uid, days in (("tag:b", 1), ("tag:c", 0), ("tag:a", 1), ("tag:d", 2), ("tag:aa", 1)):
            publish.publish(tx, uid, make_content(), published=NOW - timedelta(days=days))
    expected = ["tag:c", "tag:b", "tag:aa", "tag:a", "tag:d"]
    assert expected == uids(store, "policy") == uids(store, ALL)
    assert expected[:2] == uids(store, "policy", 2)


def test_memberships_keep_the_order_of_entering(store: Store) -> None:
    """design:5.5: archive pages are cut by the order in which items entered the topic, not by their dates."""
    make_newsroom(store)
    with store.begin() as tx:
        for uid, days in (("tag:b", 1), ("tag:c", 0), ("tag:a", 9)):
            publish.publish(tx, uid, make_content(), published=NOW - timedelta(days=days))
        m = schema.memberships.c
        entered = select(m.uid).where(m.topic_id == topics.named(tx, "policy").id).order_by(m.id)
        assert ["tag:b", "tag:c", "tag:a"] == list(tx.connection.execute(entered).scalars())


def test_entering_twice_is_entering_once(store: Store) -> None:
    """code-models:5: an item enters a topic once, and is told so."""
    make_newsroom(store)
    with store.begin() as tx:
        item = items.add(tx, "tag:x", make_content(), NOW, None)
        first = topics.enter(tx, item, {"policy", ALL})
        assert sorted(topics.ids(tx, ["policy", ALL]).values()) == first
        assert [] == topics.enter(tx, item, {"policy", ALL})
        with pytest.raises(NotFound):
            topics.enter(tx, item, {"nowhere"})


def test_refilling_after_a_rule_has_changed(store: Store) -> None:
    """design:2: a changed rule rebuilds membership: exactly the items it says, and no delivery."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        ruled = topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        publish.publish(tx, "tag:p", make_content())
        publish.publish(tx, "tag:h", make_content(topics=("health",)))
        publish.publish(tx, "tag:ph", make_content(topics=("policy", "health"), kind=Kind.ADVISORY))
        changed = replace(ruled, rule=Rule(any=("health",)))
        topics.edit(tx, changed)
        assert 1 == topics.refill(tx, changed)
        assert 0 == topics.refill(tx, changed)
        assert 0 == tx.connection.execute(select(func.count()).select_from(schema.deliveries)).scalar()
    assert ["tag:ph", "tag:h"] == uids(store, "ruled")


def test_refilling_reads_words_of_every_age(store: Store) -> None:
    """design:2: an item whose row names neither kind nor topics is news under none, as everywhere else."""
    make_newsroom(store)
    with store.begin() as tx:
        item = publish.publish(tx, "tag:old", make_content(topics=()))
        bare = update(schema.revisions).where(schema.revisions.c.item_id == item.id)
        tx.connection.execute(bare.values(content={"title": "Old"}))
        news = topics.add(tx, make_topic("news", rule=Rule(kinds=(Kind.NEWS,))))
        filed = topics.add(tx, make_topic("filed", rule=Rule(any=("policy",))))
        assert (1, 0) == (topics.refill(tx, news), topics.refill(tx, filed))


def test_refilling_keeps_tombstones(store: Store) -> None:
    """design:2: a withdrawn item stays a tombstone in the feeds it left, also after a rule was edited."""
    make_newsroom(store)
    with store.begin() as tx:
        ruled = topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        publish.publish(tx, "tag:p", make_content())
        publish.withdraw(tx, "tag:p", "A mistake")
        topics.refill(tx, ruled)
        assert ["tag:p"] == [one.uid for one in topics.withdrawn(tx, ruled.id, None, 9)]


def test_refilling_a_large_topic(postgresql_url: str, clock: FakeClock) -> None:
    """delivery:4: a rule may hold more items than a database takes parameters."""
    with open_store(postgresql_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        count = 66_000
        with store.begin() as tx:
            item = publish.publish(tx, "tag:first", make_content())
            numbers = [{"n": n} for n in range(count)]
            rows = [
                {**_row(item), "id": item.id + 1 + row["n"], "uid": f"tag:{row['n']}", "slug": f"s{row['n']}"}
                for row in numbers
            ]
            tx.connection.execute(insert(schema.items), rows)
            r, i = schema.revisions.c, schema.items.c
            copied = [r.number, r.significance, r.content, r.fingerprint, r.note, r.created]
            same = select(i.id, *copied).join(schema.revisions, literal(True)).where(i.id != item.id)
            tx.connection.execute(
                insert(schema.revisions).from_select(["item_id", *(one.name for one in copied)], same)
            )
            # As a server does by itself; ours does not, and may have counted the rows when there were none.
            tx.connection.exec_driver_sql("ANALYZE items, revisions")
            ruled = topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
            assert count + 1 == topics.refill(tx, ruled)
            topics.add(tx, make_topic("health"))
            assert 0 == topics.refill(tx, replace(ruled, rule=Rule(any=("health",))))
            assert [] == topics.newest(tx, ruled.id, 5)


def _row(item: object) -> dict[str, object]:
    names = ("state", "revision", "published", "updated", "note", "upstream")
    return {name: getattr(item, name) for name in names}


# -- stale marks


def stale(store: Store) -> list[str]:
    with store.begin() as tx:
        return sorted(topic.slug for topic in topics.take_stale(tx, 99))


def freshen(store: Store) -> None:
    with store.begin() as tx:
        for topic in topics.listing(tx):
            topics.set_all_fresh(tx, {topic.id: None}, LOOK)


def test_only_what_an_item_touches_is_stale(store: Store) -> None:
    """delivery:4: publishing marks the item's topics, re-filing both the old and the new ones."""
    make_newsroom(store, "policy", "health", "climate")
    assert [] == stale(store)
    with store.begin() as tx:
        publish.publish(tx, "tag:x", make_content())
    assert ["all", "policy"] == stale(store)
    freshen(store)
    with store.begin() as tx:
        assert topics.next_stale(tx) is None
        publish.edit(tx, "tag:x", make_content(topics=("health",)))
        assert NOW == topics.next_stale(tx)
    assert ["all", "health", "policy"] == stale(store)


def test_stale_from_an_instant_on(store: Store, clock: FakeClock) -> None:
    """feeds:H5: a topic that must wait for the next second is not taken before it."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.set_all_fresh(tx, {topics.named(tx, "policy").id: NOW + timedelta(seconds=1)}, LOOK)
    assert [] == stale(store)
    clock.advance(seconds=0.999999)
    assert [] == stale(store)
    clock.advance(microseconds=1)
    assert ["policy"] == stale(store)


def test_another_look_makes_all_that_was_built_stale(store: Store) -> None:
    """delivery:4: what was built for another look of the site is built anew, and only that."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.set_all_fresh(tx, {topics.named(tx, "policy").id: None}, LOOK)
        topics.mark_outdated(tx, LOOK)
    assert [] == stale(store)
    with store.begin() as tx:
        topics.mark_outdated(tx, "another")
    assert ["policy"] == stale(store)
    with store.begin() as tx:
        topics.mark_all_stale(tx)
    assert ["all", "policy"] == stale(store)


def test_what_no_page_could_hold_is_tried_again(store: Store) -> None:
    """feeds:P26: another renderer may render what its page was closed without; pages that hold items stand."""
    make_newsroom(store)
    with store.begin() as tx:
        bad, good = (publish.publish(tx, f"tag:{n}", make_content()).id for n in range(2))
        policy = topics.named(tx, "policy").id
        archives.close(tx, policy, 1, [good], [bad])
    with store.read() as tx:
        assert {bad: archives.NO_PAGE, good: 1} == on_pages(tx, policy)
    with store.begin() as tx:
        topics.mark_outdated(tx, "another")
        assert {bad: None, good: 1} == on_pages(tx, policy)


def on_pages(tx: Tx, topic_id: int) -> dict[int, int | None]:
    m = schema.memberships.c
    return {
        row.item_id: row.page
        for row in tx.connection.execute(select(m.item_id, m.page).where(m.topic_id == topic_id))
    }


def test_public_topics_hold_a_live_item(store: Store) -> None:
    """design:6: a topic is public once it has a live item, and no longer when it has none."""
    make_newsroom(store)
    with store.begin() as tx:
        assert [] == topics.public(tx)
        publish.publish(tx, "tag:x", make_content())
        assert ["all", "policy"] == [topic.slug for topic in topics.public(tx)]
        assert ["policy"] == [topic.slug for topic in topics.public(tx, ["policy", "nowhere"])]
        assert [] == topics.public(tx, [])
        publish.withdraw(tx, "tag:x", "A mistake")
        assert [] == topics.public(tx)


def test_an_item_filed_elsewhere_and_back(store: Store) -> None:
    """feeds:P26: leaving a topic leaves its closed pages; coming back is another revision, for a later page."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        item = publish.publish(tx, "tag:x", make_content())
        policy = topics.named(tx, "policy")
        archives.close(tx, policy.id, 1, [item.id], [])
        publish.edit(tx, "tag:x", make_content(topics=("health",)))
        assert [item.uid] == [one.uid for one in archives.contents(tx, policy.id, 1)]
        assert [] == topics.newest(tx, policy.id, 9)
        publish.edit(tx, "tag:x", make_content())
        assert [item.id] == topics.newest(tx, policy.id, 9)
        assert page_of(tx, policy.id) is None


def test_a_refilled_topic_takes_up_its_pages(store: Store) -> None:
    """feeds:P26: a rule edited there and back files only items with new words on new pages."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        ruled = topics.add(tx, make_topic("ruled", rule=Rule(any=("policy",))))
        same, other = (publish.publish(tx, f"tag:{n}", make_content()) for n in range(2))
        archives.close(tx, ruled.id, 1, [same.id, other.id], [])
        elsewhere = replace(ruled, rule=Rule(any=("health",)))
        topics.edit(tx, elsewhere)
        topics.refill(tx, elsewhere)
        publish.edit(tx, other.uid, make_content(summary="New."))
        topics.edit(tx, ruled)
        assert 2 == topics.refill(tx, ruled)
        m = schema.memberships.c
        pages = select(m.item_id, m.page).where(m.topic_id == ruled.id)
        assert {same.id: 1, other.id: None} == {row.item_id: row.page for row in tx.connection.execute(pages)}


def page_of(tx: Tx, topic_id: int) -> int | None:
    m = schema.memberships.c
    page: int | None = tx.connection.execute(select(m.page).where(m.topic_id == topic_id)).scalar_one()
    return page


def test_pages_for_people_scan_no_topics(sqlite_url: str, clock: FakeClock) -> None:
    """delivery:4: of 10,000 topics a page reads those it names; what it asks for each is in an index."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, "policy", "health")
        asked: list[str] = []
        with store.begin() as tx:
            event.listen(
                tx.connection,
                "before_cursor_execute",
                lambda _c, _cursor, statement, parameters, _context, _many: asked.extend(
                    str(row[-1]) for row in plan(tx, statement, parameters)
                ) if not statement.startswith("EXPLAIN") else None,
            )  # fmt: skip
            topics.public(tx, ["policy", "health"])
            topics.find_public(tx, "policy")
            topics.titles(tx, ["policy"])
            topics.ruled(tx)
            topics.named(tx, "health")
            topics.addresses(tx)
        scans = [step for step in asked if step.startswith("SCAN") and "INDEX" not in step]
    # The slugs that are closed: read when a process looks for changed addresses, never by a request.
    assert ["SCAN topics"] == [step for step in scans if "topic_slugs" not in step]


def plan(tx: Tx, statement: str, parameters: object) -> list[tuple[object, ...]]:
    explained = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[arg-type]
    return [tuple(row) for row in explained]
