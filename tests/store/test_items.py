"""Items, revisions, slugs and spokespeople as the store keeps them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from syndicator.errors import NotFound
from syndicator.model.item import ItemState, Significance, Spokesperson
from syndicator.store import Store, items
from tests.make import NOW, FakeClock, make_content

UID = "tag:news.example,2026:1"


def test_an_item_comes_back_whole(store: Store) -> None:
    """feeds:P8: what was added is found by uid, slug and key, equal in every field."""
    with store.begin() as tx:
        added = items.add(tx, UID, make_content(language="de"), NOW - timedelta(days=1), "agency")
        assert [added] * 3 == [
            items.named(tx, UID),
            items.by_slug(tx, "a-statement"),
            items.by_id(tx, added.id),
        ]
    assert (ItemState.LIVE, 1, NOW - timedelta(days=1), "agency") == (
        added.state, added.revision, added.updated, added.upstream,
    )  # fmt: skip


def test_an_item_without_title_comes_back(store: Store) -> None:
    """feeds:P18: a feed may bring an item without a title; the store keeps it readable."""
    with store.begin() as tx:
        added = items.add(tx, UID, make_content(title=""), NOW, None)
        assert added == items.named(tx, UID)
        assert "item" == added.slug


def test_revisions_have_no_gaps_and_are_kept(store: Store, clock: FakeClock) -> None:
    """design:2: every version is kept, numbered from 1, dated, with its note and words."""
    with store.begin() as tx:
        first = items.add(tx, UID, make_content(), NOW, None)
    clock.advance(hours=1)
    with store.begin() as tx:
        changed = replace(first, updated=tx.now, note="The figure")
        second = items.revise(
            tx, changed, Significance.CORRECTION, make_content(summary="New."), "The figure"
        )
        assert second == items.named(tx, UID)
        history = items.history(tx, first.id)
        assert [
            (1, Significance.FIRST, None, NOW),
            (2, Significance.CORRECTION, "The figure", clock.now),
        ] == [(one.number, one.significance, one.note, one.created) for one in history]
        assert [make_content(), make_content(summary="New.")] == [one.content for one in history]
        assert history[0] == items.revision(tx, first.id, 1)
        with pytest.raises(NotFound, match="no revision 3"):
            items.revision(tx, first.id, 3)


def test_slugs_collide_without_harm(store: Store) -> None:
    """design:10: the second of a title gets -2, the third -3; a withdrawn item keeps its slug."""
    with store.begin() as tx:
        slugs = [items.add(tx, f"tag:{n}", make_content("A title"), NOW, None) for n in range(2)]
        gone = replace(slugs[0], state=ItemState.WITHDRAWN)
        items.revise(tx, gone, Significance.WITHDRAWAL, make_content("A title"), "Why")
        slugs.append(items.add(tx, "tag:3", make_content("A  TITLE!"), NOW, None))
        slugs.append(items.add(tx, "tag:4", make_content("A title 2"), NOW, None))
    assert ["a-title", "a-title-2", "a-title-3", "a-title-2-2"] == [item.slug for item in slugs]


def test_many_of_one_title_ask_little(store: Store) -> None:
    """delivery:4: 150 items of one title in one transaction get slugs in order, nine statements each."""
    asked: list[str] = []
    with store.begin() as tx:
        event.listen(tx.connection, "before_cursor_execute", lambda *seen: asked.append(seen[2]))
        slugs = [items.add(tx, f"tag:{n}", make_content("A title"), NOW, None).slug for n in range(150)]
    assert ["a-title", *(f"a-title-{n}" for n in range(2, 151))] == slugs
    # Is its uid redacted, a second of its own, was its address, insert, and for all but the first: whose is it,
    # which is free, was that redacted, insert; then the revision.
    assert 5 + 9 * 149 == len(asked)


def test_the_first_free_slug_is_taken(store: Store) -> None:
    """design:10: a number that another title took early is passed over, one left free before it is not."""
    with store.begin() as tx:
        for n, title in enumerate(("A title 3", "A title", "A titled", "A title-x")):
            items.add(tx, f"tag:{n}", make_content(title), NOW, None)
        slugs = [items.add(tx, f"tag:more/{n}", make_content("A title"), NOW, None).slug for n in range(2)]
    assert ["a-title-2", "a-title-4"] == slugs


def test_listings_can_be_walked(store: Store) -> None:
    """design:6: a listing is complete, or so many after the last key seen."""
    with store.begin() as tx:
        added = [items.add(tx, f"tag:{n}", make_content(), NOW, None) for n in range(5)]
        assert added == items.listing(tx)
        assert added[2:4] == items.listing(tx, limit=2, after=added[1].id)
        assert [] == items.listing(tx, topic="policy")
        keys = [item.id for item in added]
        assert added[::-1] == items.in_order(items.many(tx, keys), [*keys[::-1], 999])


def test_what_is_not_there(store: Store) -> None:
    """code-models:6: an unknown uid says how to see them all."""
    with store.read() as tx:
        assert (None, None, None) == (items.find(tx, "x"), items.by_slug(tx, "x"), items.by_id(tx, 1))
        with pytest.raises(NotFound, match="syndicator item list"):
            items.named(tx, "x")


def test_spokespeople_are_replaced_by_slug(store: Store) -> None:
    """design:2: whom to ask is one reusable record; writing it again replaces it."""
    jane = Spokesperson(slug="jd", name="Jane", phone="+1", zone="Europe/Berlin")
    with store.begin() as tx:
        items.save_spokesperson(tx, jane)
        items.save_spokesperson(tx, replace(jane, phone="+2"))
        assert [replace(jane, phone="+2")] == items.spokespeople(tx)
        assert (None, None) == (items.spokesperson(tx, None), items.spokesperson(tx, "x"))
