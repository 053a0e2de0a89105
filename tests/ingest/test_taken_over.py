"""What other rules of reading wrote down is taken over as it is read now, and is no news."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from syndicator import publish
from syndicator.ingest.entries import incoming
from syndicator.model.incoming import READING
from syndicator.model.item import Item, Significance
from syndicator.model.upstream import Validators
from syndicator.store import Store, items, schema
from syndicator.store import incoming as brought
from tests.ingest.feeds import atom, entry, rss
from tests.ingest.filed import Origin, fates, moved, owed, public, thing, waiting
from tests.ingest.here import UPSTREAM, read
from tests.make import NOW, FakeClock, make_newsroom, make_subscription

ORIGLINK = (
    '<f:origLink xmlns:f="http://rssnamespace.org/feedburner/ext/1.0">https://blog.example/1</f:origLink>'
)


@pytest.fixture
def room(store: Store) -> Store:
    """A newsroom with a subscriber."""
    make_newsroom(store, "policy", "press")
    with store.begin() as tx:
        make_subscription(tx)
    return store


def read_by_other_rules(store: Store) -> None:
    """As if all that is remembered had been written down before the rules were changed."""
    n, u = schema.incoming.c, schema.upstreams.c
    with store.begin() as tx:
        older = {
            column: func.replace(column, f"{READING}:", f"{READING - 1}:")
            for column in (n.fingerprint, u.body_hash)
        }
        for column, value in older.items():
            tx.connection.execute(update(column.table).values({column: value}))


def only(store: Store) -> Item:
    (item,) = public(store)
    return item


def test_other_rules_are_no_news(room: Store, clock: FakeClock) -> None:
    """feeds:I16 — not its words, not its filing: nothing is revised, told or pushed; from then on a change is one."""
    origin = Origin(room, on_change=Significance.CORRECTION)
    one = thing(body="<p>as it was read</p>")
    origin.reads(one)
    told = owed(room)
    read_by_other_rules(room)
    clock.advance(minutes=20)
    better = replace(thing(body="<p>as it is read now</p>", topics=("policy", "press")), raw="other")
    assert ["unchanged"] == fates(origin.reads(better))
    assert (1, "<p>as it was read</p>", told) == (only(room).revision, only(room).content.body, owed(room))
    assert [] == fates(origin.reads(better))  # taken over: known by its hash again
    assert ["revised"] == fates(origin.reads(thing(body="<p>as it was changed</p>")))
    assert (2, "<p>as it was changed</p>") == (only(room).revision, only(room).content.body)


def test_what_other_rules_read_is_read_again(room: Store) -> None:
    """feeds:I1, feeds:I16 — its feed is asked for without conditions, its entries are worked out anew."""
    origin = Origin(room)
    origin.reads(thing())
    assert Validators(body_hash="x") == origin.claim().validators
    with room.begin() as tx:
        tx.connection.execute(update(schema.upstreams).values(lease_until=None, etag='"1"'))
    read_by_other_rules(room)
    claim = origin.claim()
    assert Validators(body_hash="") == claim.validators
    with room.read() as tx:
        assert frozenset() == brought.hashes(tx, claim.upstream.id)


def test_a_persons_words_stand_and_a_move_is_followed(room: Store) -> None:
    """feeds:I15 — read by other rules, and on another host since: its address follows, the words here stay."""
    origin = Origin(room)
    one = thing(body='<p><a href="https://cms.example/x">x</a></p>')
    origin.reads(one)
    with room.begin() as tx:
        item = items.listing(tx)[0]
        publish.edit(tx, item.uid, replace(item.content, title="Ours"))
    read_by_other_rules(room)
    there = replace(one, content=replace(one.content, body="<p>read otherwise</p>"))
    assert ["revised"] == fates(origin.reads(moved(there, "https://new.example")))
    content = only(room).content
    assert ("Ours", one.content.body, "https://new.example/1") == (content.title, content.body, content.url)


def test_former_links_and_guids_are_told() -> None:
    """feeds:I15 — a service's link in between, and a guid as an address: by these it may be known."""
    feed = read(
        rss(
            entry(1, link="http://proxy.example/1").replace("</item>", ORIGLINK + "</item>"),
            entry(2, guid="77").replace(' isPermaLink="false"', ""),
            entry(3, guid="78"),
            entry(4, guid="https://cms.example/4").replace(' isPermaLink="false"', ""),
        )
    )
    assert [
        ("http://proxy.example/1",),
        ("https://cms.example/feeds/77",),
        (),
        (),
    ] == [incoming(one, feed, UPSTREAM, NOW).formerly for one in feed.entries]
    (only_entry,) = read(atom("<entry><id>a</id><title>A</title></entry>")).entries
    assert ("https://cms.example/feeds/a",) == only_entry.formerly


def test_a_better_link_of_the_same_entry_is_no_move(room: Store) -> None:
    """feeds:I15 — with a guid or without: the page behind a service's link is where it was before."""
    proxy, page = "http://proxy.example/1", "https://blog.example/1"
    for slug, guid in (("with", "tag:blog.example,2026:1"), ("without", None)):
        origin = Origin(room, slug)
        before = thing(guid=guid, link=proxy, title=slug)
        origin.reads(before)
        read_by_other_rules(room)
        now = replace(before, link=page, formerly=(proxy,), raw="other")
        now = replace(now, content=replace(now.content, url=page, title=f"{slug}, read otherwise"))
        assert ["unchanged"] == fates(origin.reads(now))
    assert [1, 1] == [item.revision for item in public(room)]


def test_the_delay_of_what_was_held_before_counts_from_then(room: Store, clock: FakeClock) -> None:
    """DESIGN §6 — a row of which nobody wrote down when it was first seen: a change does not put it off."""
    origin = Origin(room, delay=timedelta(hours=1))
    origin.reads(thing())
    with room.begin() as tx:
        tx.connection.execute(update(schema.incoming).values(first=None))
    (before,) = waiting(room)
    for minutes in (30, 50):
        clock.advance(minutes=20)
        origin.reads(thing(body=f"<p>{minutes}</p>"))
    (after,) = waiting(room)
    assert (before.at, "<p>50</p>") == (after.at, after.content.body)


def test_a_link_too_long_for_an_index_is_no_place(room: Store) -> None:
    """feeds:I15, feeds:I12 — PostgreSQL refuses an index row above 2,704 bytes."""
    digits = "".join(str(number) for number in range(1_000, 1_900))
    assert ["item"] == fates(Origin(room).reads(thing(link=f"https://cms.example/{digits}")))
