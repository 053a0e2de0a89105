"""Stale topics become documents: the same bytes, at the right second, without what cannot be rendered."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta

import feedparser
import pytest
from sqlalchemy import insert, literal, select

from syndicator import feeds, press, publish
from syndicator.feeds import rebuild
from syndicator.model.item import ItemState, Medium
from syndicator.model.release import Embargo
from syndicator.model.site import Format
from syndicator.observe import configure_logging
from syndicator.store import Store, Tx, columns, documents, open_store, schema, topics
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site

SITE = make_site(window=3)
SECOND = timedelta(seconds=1)


def put_out(store: Store, uid: str, **other: object) -> None:
    with store.begin() as tx:
        publish.publish(tx, uid, make_content(f"Title of {uid}", **other))


def body(store: Store, topic: str = "policy", format: Format = Format.ATOM) -> bytes:
    with store.read() as tx:
        found = documents.bodies(tx, topic, format)
        assert found
        assert found.body == gzip.decompress(found.gzip)
        return found.body


def entries(store: Store, topic: str = "policy") -> list[str]:
    parsed = feedparser.parse(body(store, topic))
    assert not parsed.bozo
    return [entry.id for entry in parsed.entries]


def validators(store: Store) -> list[documents.Validators]:
    with store.read() as tx:
        return documents.validators(tx)


def test_what_is_published_is_in_its_feeds(store: Store) -> None:
    """design:4: after a rebuild the item stands in every format of its topics and of `all`."""
    make_newsroom(store, "policy", "health")
    put_out(store, "tag:a")
    assert feeds.Rebuilt(topics=2, changed=6) == feeds.rebuild_stale(store, SITE)
    assert ["tag:a"] == entries(store) == entries(store, "all")
    assert {(slug, format) for slug in ("all", "policy") for format in Format} == {
        (one.topic, one.format) for one in validators(store)
    }
    assert feeds.Rebuilt() == feeds.rebuild_stale(store, SITE)


def test_an_empty_topic_has_no_document(store: Store) -> None:
    """design:6: of a topic that never held anything public there is nothing to see."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.mark_all_stale(tx)
    assert feeds.Rebuilt(topics=2) == feeds.rebuild_stale(store, SITE)
    assert [] == validators(store)


def test_a_topic_whose_last_item_was_filed_elsewhere_says_so(store: Store, clock: FakeClock) -> None:
    """feeds:H4: the feed of a topic that lost its only item no longer shows it."""
    make_newsroom(store, "policy", "health")
    put_out(store, "tag:a")
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        publish.edit(tx, "tag:a", make_content(topics=("health",)))
    feeds.rebuild_stale(store, SITE)
    assert ([], ["tag:a"]) == (entries(store), entries(store, "health"))


def test_unchanged_items_keep_bytes_and_validators(store: Store, clock: FakeClock) -> None:
    """delivery:4: rebuilt at another time, without its fragments, a feed has the same bytes and validators."""
    make_newsroom(store)
    for uid in ("tag:a", "tag:b"):
        put_out(store, uid)
    feeds.rebuild_stale(store, SITE)
    before = validators(store), body(store)
    clock.advance(days=40)
    with store.begin() as tx:
        tx.connection.execute(schema.fragments.delete())
        topics.mark_all_stale(tx)
    assert feeds.Rebuilt(topics=2) == feeds.rebuild_stale(store, SITE)
    assert before == (validators(store), body(store))


REBUILD = """
import sys
from syndicator import feeds
from syndicator.store import documents, open_store, schema, topics
from syndicator.model.site import Format
from tests.make import NOW, FakeClock, make_site
clock = FakeClock(NOW)
clock.advance(days=3)
with open_store(sys.argv[1], host_clock=clock, fixed_clock=clock) as store:
    with store.begin() as tx:
        tx.connection.execute(schema.fragments.delete())
        tx.connection.execute(schema.documents.delete())
        topics.mark_all_stale(tx)
    feeds.rebuild_stale(store, make_site(window=3))
    with store.read() as tx:
        for format in Format:
            print(documents.bodies(tx, "policy", format).etag)
"""


def test_another_process_makes_the_same_bytes(store_url: str, clock: FakeClock) -> None:
    """delivery:4: another process, another day, another hash seed: the same ETags."""
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store)
        put_out(store, "tag:a")
        put_out(store, "tag:b")
        feeds.rebuild_stale(store, SITE)
        before = [one.etag for one in validators(store) if one.topic == "policy"]
    command = [sys.executable, "-c", REBUILD, store_url]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert sorted(before) == sorted(found.stdout.split())


def test_a_second_change_in_the_same_second_waits(store: Store, clock: FakeClock) -> None:
    """feeds:H5: until the next second the old body is served; then the new one, dated with that second."""
    make_newsroom(store)
    put_out(store, "tag:a")
    feeds.rebuild_stale(store, SITE)
    clock.advance(milliseconds=400)
    put_out(store, "tag:b")
    assert feeds.Rebuilt(topics=2) == feeds.rebuild_stale(store, SITE)
    with store.read() as tx:
        assert NOW + SECOND == feeds.next_stale(tx)
    clock.now = NOW + SECOND - timedelta(microseconds=1)
    assert feeds.Rebuilt() == feeds.rebuild_stale(store, SITE)
    assert ["tag:a"] == entries(store)
    clock.now = NOW + SECOND
    assert feeds.Rebuilt(topics=2, changed=6) == feeds.rebuild_stale(store, SITE)
    assert ["tag:b", "tag:a"] == entries(store)
    assert {NOW + SECOND} == {one.modified for one in validators(store)}
    with store.read() as tx:
        assert feeds.next_stale(tx) is None


def test_last_modified_is_when_the_bytes_changed(store: Store, clock: FakeClock) -> None:
    """feeds:H4: whole seconds, never in the future, moved by a withdrawal and by a silent edit too."""
    make_newsroom(store)
    put_out(store, "tag:a")
    put_out(store, "tag:b")
    for n, change in enumerate(("publish", "edit", "withdraw")):
        clock.now = NOW + timedelta(hours=n, milliseconds=700)
        with store.begin() as tx:
            if change == "edit":
                publish.edit(tx, "tag:a", make_content(summary="Typo gone."))
            elif change == "withdraw":
                publish.withdraw(tx, "tag:a", "A mistake")
        feeds.rebuild_stale(store, SITE)
        assert {NOW + timedelta(hours=n)} == {one.modified for one in validators(store)}


def test_one_bad_item_is_left_out_and_named(store: Store) -> None:
    """feeds:P7: an item without a word is in no format; the others stand, and its uid is told."""
    make_newsroom(store)
    put_out(store, "tag:good")
    with store.begin() as tx:
        publish.publish(tx, "tag:bad", make_content("", summary="", body=""))
    assert ("tag:bad",) == feeds.rebuild_stale(store, SITE).left_out
    assert ["tag:good"] == entries(store)
    assert b"tag:bad" not in body(store, format=Format.RSS)


@pytest.mark.parametrize("bug", [{"type": None}, {"url": None}, {"title": 5}])
def test_whatever_one_item_wakes_costs_only_itself(
    store: Store, bug: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """feeds:P7: a fault of ours that one item wakes is logged with its trace; every other item and topic stands."""
    configure_logging(json=True)
    make_newsroom(store, "policy", "health")
    put_out(store, "tag:good")
    put_out(store, "tag:well", topics=("health",))
    medium = Medium(**{"url": "https://x.example/a", "type": "image/png", "length": 1, **bug})  # type: ignore[arg-type]
    put_out(store, "tag:bad", media=(medium,))
    built = feeds.rebuild_stale(store, SITE)
    assert (3, 9, ("tag:bad",)) == (built.topics, built.changed, built.left_out)
    assert (["tag:good"], ["tag:well"]) == (entries(store), entries(store, "health"))
    assert {"tag:good", "tag:well"} == set(entries(store, "all"))
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {("left out", "tag:bad")} == {(line["event"], line["uid"]) for line in logged}
    assert all("Traceback" in line["exception"] for line in logged)


def test_an_unknown_zone_costs_only_corrected_items(store: Store) -> None:
    """feeds:P7: a KeyError on the way to an entry is that item's alone, too."""
    make_newsroom(store)
    put_out(store, "tag:good")
    put_out(store, "tag:bad")
    with store.begin() as tx:
        publish.correct(tx, "tag:bad", make_content(summary="New."), "The figure")
    built = feeds.rebuild_stale(store, make_site(zone="No/Where"))
    assert (("tag:bad",), ["tag:good"]) == (built.left_out, entries(store))


@pytest.mark.parametrize(("budget", "transactions"), [(0.0, 7 + 1), (3600.0, 1 + 1)])
def test_no_transaction_outlives_its_budget(
    store: Store, monkeypatch: pytest.MonkeyPatch, budget: float, transactions: int
) -> None:
    """DESIGN §5.3: when its time is over a rebuild lets other writers in, after one topic or page at least, and goes on."""
    monkeypatch.setattr(rebuild, "BUDGET", budget)
    slugs = [f"t{n}" for n in range(5)]
    make_newsroom(store, *slugs)
    for slug in slugs:
        put_out(store, f"tag:{slug}", topics=(slug,))
    begun: list[object] = []

    class Counted:
        def begin(self) -> AbstractContextManager[Tx]:
            begun.append(None)
            return store.begin()

    assert feeds.Rebuilt(topics=6, changed=18, pages=1) == feeds.rebuild_stale(Counted(), SITE)  # type: ignore[arg-type]
    assert transactions == len(begun)


def test_titles_of_other_topics_are_those_of_today(store: Store, clock: FakeClock) -> None:
    """design:2: a topic renamed is renamed in the feeds of all topics its items stand in."""
    make_newsroom(store, "policy", "health")
    put_out(store, "tag:a", topics=("policy", "health"))
    feeds.rebuild_stale(store, SITE)
    clock.advance(seconds=2)
    with store.begin() as tx:
        topics.edit(tx, replace(topics.named(tx, "health"), title="Wellness"))
    feeds.rebuild_stale(store, SITE)
    for slug in ("policy", "health", "all"):
        assert b'label="Wellness"' in body(store, slug)


def test_what_was_withdrawn_leaves_a_tombstone(store: Store, clock: FakeClock) -> None:
    """feeds:P23: gone from every format; Atom says when and why, and shows no word of it."""
    make_newsroom(store)
    put_out(store, "tag:a", body="<p>Zyzzogeton</p>")
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    with store.begin() as tx:
        publish.withdraw(tx, "tag:a", "A mistake")
    feeds.rebuild_stale(store, SITE)
    assert [] == entries(store)
    atom = body(store)
    assert b"deleted-entry" in atom
    assert b"A mistake" in atom
    for format in Format:
        assert b"Zyzzogeton" not in body(store, format=format)


def test_only_the_window_is_in_the_feed(store: Store) -> None:
    """design:5.5: of a thousand items the newest few are shown, and only they are rendered."""
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(5):
            publish.publish(tx, f"tag:{n}", make_content(f"T {n}"), published=NOW - timedelta(hours=n))
        old = NOW - timedelta(days=9)
        i, r = schema.items.c, schema.revisions.c
        rows = [
            {
                "uid": f"tag:old/{n}",
                "slug": f"old-{n}",
                "state": ItemState.LIVE,
                "revision": 1,
                "published": old,
                "updated": old,
            }
            for n in range(1000)
        ]
        tx.connection.execute(insert(schema.items), rows)
        names = ["number", "significance", "content", "fingerprint", "created"]
        first = select(*(r[name] for name in names)).limit(1).subquery()
        both = select(i.id, *(first.c[name] for name in names)).join(
            first, i.published == literal(old, columns.Instant())
        )
        tx.connection.execute(insert(schema.revisions).from_select(["item_id", *names], both))
        member = select(literal(topics.named(tx, "policy").id), i.id, i.published, i.uid).where(
            i.uid.startswith("tag:old/")
        )
        tx.connection.execute(
            insert(schema.memberships).from_select(["topic_id", "item_id", "published", "uid"], member)
        )
    feeds.rebuild_stale(store, SITE)
    assert ["tag:0", "tag:1", "tag:2"] == entries(store)
    with store.begin() as tx:
        assert 9 == len(tx.connection.execute(select(schema.fragments.c.item_id)).all())
        assert 0 == documents.prune_fragments(tx, SITE.window)
        assert 6 == documents.prune_fragments(tx, 1)


def test_drafts_change_no_document(store: Store, clock: FakeClock) -> None:
    """security:E2: drafting, approving and scheduling make nothing stale."""
    make_newsroom(store)
    put_out(store, "tag:a")
    feeds.rebuild_stale(store, SITE)
    before = validators(store)
    with store.begin() as tx:
        press.draft(tx, "tag:r", make_content("Zyzzogeton"), Embargo(until=NOW + timedelta(days=1)))
        press.approve(tx, "tag:r", "editor")
        press.schedule(tx, "tag:r", None)
        assert topics.next_stale(tx) is None
    clock.advance(hours=1)
    assert feeds.Rebuilt() == feeds.rebuild_stale(store, SITE)
    assert before == validators(store)


def test_the_look_of_the_site_is_part_of_every_document(store: Store) -> None:
    """delivery:4: another title or window of the site is another look; the same site is not."""
    assert feeds.look(SITE) == feeds.look(make_site(window=3))
    assert feeds.look(SITE) != feeds.look(make_site(window=4))
    assert feeds.look(SITE) != feeds.look(make_site(window=3, title="Other"))
