"""Documents and fragments at rest."""

from __future__ import annotations

from datetime import timedelta

from syndicator.model.site import Format
from syndicator.store import Store, documents, items, open_store, topics
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


def test_fragments_are_kept_by_key(store: Store) -> None:
    """design:5.4: a fragment is saved once under its key and forgotten with its item."""
    with store.begin() as tx:
        item = items.add(tx, "tag:x", make_content(), NOW, None)
        documents.save_fragment(tx, "k", item.id, b"1")
        documents.save_fragment(tx, "k", item.id, b"2")
        assert {"k": b"1"} == documents.known_fragments(tx, ["k", "other"])
        documents.forget_fragments(tx, [item.id])
        assert {} == documents.known_fragments(tx, ["k"])


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
