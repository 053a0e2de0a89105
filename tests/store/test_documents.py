"""Documents and fragments at rest."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from syndicator import publish
from syndicator.model.site import Format
from syndicator.store import Store, archives, documents, open_store, topics
from tests.make import NOW, FakeClock, make_content, make_newsroom


def save(store: Store, etag: str) -> None:
    with store.begin() as tx:
        key = topics.named(tx, "policy").id
        documents.save(tx, key, Format.ATOM, etag=etag, body=b"body", gzip=b"gz", modified=tx.now, items=1)


def test_a_document_is_replaced_in_its_place(store: Store, clock: FakeClock) -> None:
    """feeds:H4: one document per topic and format, with its validators; newer bytes take the place."""
    make_newsroom(store)
    save(store, '"1"')
    clock.advance(hours=1)
    save(store, '"2"')
    with store.read() as tx:
        (one,) = documents.validators(tx)
        assert ("policy", Format.ATOM, '"2"', clock.now, clock.now, 4, 2) == (
            one.topic, one.format, one.etag, one.modified, one.stored, one.size, one.gzip_size,
        )  # fmt: skip
        assert one == documents.find(tx, topics.named(tx, "policy").id, Format.ATOM)
        assert documents.Bodies(b"body", b"gz", '"2"') == documents.bodies(tx, "policy", Format.ATOM)
        assert documents.bodies(tx, "policy", Format.RSS) is None
        assert [one] == documents.validators(tx, since=clock.now)
        assert [] == documents.validators(tx, since=clock.now + timedelta(microseconds=1))


def test_a_fragment_serves_as_long_as_its_item_and_the_site_look_the_same(store: Store) -> None:
    """design:5.4: kept per item, format and profile; of no use after a revision or under another look."""
    make_newsroom(store)
    with store.begin() as tx:
        item = publish.publish(tx, "tag:x", make_content())
        key = topics.named(tx, "policy").id
        bodies = {format: format.encode() for format in Format}
        for body in (dict.fromkeys(Format, b"old"), bodies):
            documents.save_fragments(tx, "full", "here", [(item.id, 1, body)])
        (placed,) = documents.window(tx, key, 9, "full", "here")
        assert documents.Placed(item.id, "tag:x", NOW, NOW, bodies) == placed
        for profile, look in (("summary", "here"), ("full", "there")):
            assert {} == documents.window(tx, key, 9, profile, look)[0].fragments
        publish.edit(tx, "tag:x", make_content("Other"))
        assert {} == documents.window(tx, key, 9, "full", "here")[0].fragments
        documents.save_fragments(tx, "full", "here", [(item.id, 2, bodies)])
        assert bodies == documents.window(tx, key, 9, "full", "here")[0].fragments
        documents.forget_fragments(tx, [item.id])
        assert {} == documents.window(tx, key, 9, "full", "here")[0].fragments


def test_a_fragment_of_some_formats_alone_is_none(store: Store) -> None:
    """feeds:P7: an item is rendered in all formats or in none."""
    make_newsroom(store)
    with store.begin() as tx:
        item = publish.publish(tx, "tag:x", make_content())
        documents.save_fragments(tx, "full", "here", [(item.id, 1, {Format.ATOM: b"a", Format.RSS: b"r"})])
        assert {} == documents.window(tx, topics.named(tx, "policy").id, 9, "full", "here")[0].fragments


def test_a_window_is_newest_first_and_what_is_on_no_page_oldest_first(store: Store) -> None:
    """feeds:P13: by published, then uid, however they came; what waits for a page is in order of entering."""
    make_newsroom(store)
    with store.begin() as tx:
        key = topics.named(tx, "policy").id
        ids = {}
        for uid, hours in (("tag:b", 1), ("tag:a", 1), ("tag:d", 0), ("tag:c", 5), ("tag:gone", 0)):
            ids[uid] = publish.publish(tx, uid, make_content(uid), published=NOW - timedelta(hours=hours)).id
        publish.withdraw(tx, "tag:gone", "A mistake")

        def uids(read: Callable[..., list[documents.Placed]], limit: int = 9) -> list[str]:
            return [one.uid for one in read(tx, key, limit, "full", "here")]

        assert ["tag:d", "tag:b", "tag:a", "tag:c"] == uids(documents.window)
        assert ["tag:d", "tag:b"] == uids(documents.window, 2)
        assert ["tag:b", "tag:a", "tag:d", "tag:c"] == uids(documents.first_open)
        archives.close(tx, key, 1, [ids["tag:b"]], [ids["tag:a"]])
        assert ["tag:d", "tag:c"] == uids(documents.first_open)
        assert {key, topics.named(tx, "all").id} == documents.with_withdrawn(tx, [key, key + 9, 1, 2])


def test_what_is_public_no_more_is_told_from_the_rest(store: Store) -> None:
    """feeds:P23: of the items a document shows, whether one was withdrawn; what never was an item is none."""
    make_newsroom(store)
    with store.begin() as tx:
        for uid in ("tag:x", "tag:y"):
            publish.publish(tx, uid, make_content(uid))
        publish.withdraw(tx, "tag:y", "A mistake")
        asked = [[], ["tag:x", "tag:never"], ["tag:x", "tag:y"]]
        assert [False, False, True] == [documents.any_gone(tx, uids) for uids in asked]


def test_another_connections_commit_is_seen(sqlite_url: str, clock: FakeClock) -> None:
    """design:5.5: on SQLite a process sees by a number that another has committed."""
    with (
        open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as ours,
        open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as theirs,
    ):
        with ours.read() as tx:
            before = documents.data_version(tx)
        make_newsroom(theirs)
        with ours.read() as tx:
            assert before != documents.data_version(tx)
