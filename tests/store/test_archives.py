"""Closed pages at rest: found by address, told of when written, reopened and doomed by item."""

from __future__ import annotations

from datetime import timedelta

from syndicator import publish
from syndicator.model.site import Format
from syndicator.store import Store, archives, documents, topics
from tests.make import NOW, FakeClock, make_content, make_newsroom


def close(store: Store, page: int) -> tuple[int, int]:
    """A page of one new item in `policy`; the keys of topic and item."""
    with store.begin() as tx:
        item = publish.publish(tx, f"tag:{page}", make_content(f"T {page}"))
        key = topics.named(tx, "policy").id
        archives.close(tx, key, page, [item.id], [])
        for format in Format:
            archives.save(tx, key, page, format, etag=f'"{page}"', gzip=b"gz", size=9, modified=tx.now)
    return key, item.id


def test_a_page_is_found_by_its_address(store: Store, clock: FakeClock) -> None:
    """feeds:P26: by slug, number and format; the validators of live documents tell how many there are."""
    make_newsroom(store)
    key, _ = close(store, 1)
    clock.advance(hours=1)
    close(store, 2)
    with store.begin() as tx:
        found = archives.find(tx, "policy", 2, Format.RSS)
        assert archives.Archive(
            page=2, format=Format.RSS, etag='"2"', size=9, modified=clock.now, stored=clock.now, gzip=b"gz"
        ) == found  # fmt: skip
        assert [None] * 3 == [archives.find(tx, "policy", n, Format.RSS) for n in (-1, 0, 3)]
        assert archives.find(tx, "all", 1, Format.RSS) is None
        assert [(1, f) for f in sorted(Format)] + [(2, f) for f in sorted(Format)] == [
            (one.page, one.format) for one in archives.of_topic(tx, "policy")
        ]
        written = archives.stored_since(tx, clock.now, {"policy", "all"})
        assert {("policy", 2, f, '"2"') for f in Format} == {
            (slug, one.page, one.format, one.etag) for slug, one in written
        }
        assert [] == archives.stored_since(tx, clock.now, {"all"})
        assert [] == archives.stored_since(tx, clock.now + timedelta(microseconds=1), {"policy"})
        documents.save(tx, key, Format.ATOM, etag='"e"', body=b"b", gzip=b"g", modified=NOW, items=1)
        assert [2] == [one.pages for one in documents.validators(tx)]
        archives.forget_topic(tx, key)
        assert ([], 0) == (archives.of_topic(tx, "policy"), topics.named(tx, "policy").pages)


def test_an_item_is_reopened_and_doomed(store: Store, clock: FakeClock) -> None:
    """feeds:P23: new words wait for a page again; what is gone is marked until its pages are cut."""
    make_newsroom(store)
    key, item_id = close(store, 1)
    with store.begin() as tx:
        assert [] == documents.first_open(tx, key, 9, "full", "")
        archives.reopen(tx, item_id)
        assert [item_id] == [one.item_id for one in documents.first_open(tx, key, 9, "full", "")]
        assert set() == archives.doomed(tx, [key])
        assert ([key], []) == (archives.doom(tx, item_id), archives.doom(tx, item_id))
        assert ({key}, [1]) == (archives.doomed(tx, [key, key + 9]), archives.doomed_pages(tx, key))
        assert [archives.Archived(item_id, "tag:1", clock.now, False, "")] == archives.contents(tx, key, 1)
        archives.mark_cut(tx, key, 1)
        assert (set(), []) == (archives.doomed(tx, [key]), archives.doomed_pages(tx, key))
