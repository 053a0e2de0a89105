"""Redaction: after it the words are in no table, no document and no file; and again after a restore."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from syndicator import press, publish
from syndicator.errors import NotFound, Refused, TryLater
from syndicator.feeds import rebuild_stale, redaction
from syndicator.model.item import ItemState
from syndicator.model.site import Format
from syndicator.store import (
    archives,
    deliveries,
    documents,
    items,
    media,
    schema,
)
from tests.feeds.redacting import (
    HOUR,
    PICTURE,
    UID,
    copied,
    files,
    listed,
    lived,
    restore,
    sung,
)
from tests.ingest.filed import Origin, thing
from tests.make import NOW, FakeClock, make_content, make_newsroom

BEFORE = {
    "alarms", "attempts", "bounces", "deliveries", "fragments", "items", "media", "release_versions", "releases", "revisions",
}  # fmt: skip
LEAVES = 5  # items after which it is in no live document any more


@pytest.mark.parametrize(("others", "kill"), [(0, False), (LEAVES, False), (LEAVES, True)])
def test_not_a_word_is_left(
    house: redaction.House, clock: FakeClock, tmp_path: Path, others: int, kill: bool  # noqa: FBT001
) -> None:  # fmt: skip
    """design:2: after `item redact` the words are in no row, document, fragment, payload or file; nor after a restore."""
    lived(house, clock, others=others)
    store = house.store
    if kill:
        with store.begin() as tx:
            publish.withdraw(tx, UID, "canary-reason", kill=True)
        rebuild_stale(store, house.site)
        clock.advance(minutes=1)
        rebuild_stale(store, house.site)
    else:
        assert {*BEFORE, "archives" if others else "documents"} <= sung(store)
    assert sung(store)
    copy = copied(store)

    done = redaction.redact(house, UID, "Court order", by="Ada")
    assert ((), 1) == (done.undone, done.files)
    assert set() == sung(store)
    assert [] == files(house, tmp_path)

    restore(store, copy)
    house.cabinet.put(PICTURE)
    assert sung(store)
    assert [UID] == redaction.again(house)
    assert set() == sung(store)
    assert [] == files(house, tmp_path)
    assert [] == redaction.again(house)


def test_the_address_and_the_feeds_say_that_something_was_there(
    house: redaction.House, clock: FakeClock
) -> None:
    """design:2: the old address leads to an item that says nothing, Atom has a bare tombstone; the rest is listed.

    Mails handed over, partners, aggregators, backups: nobody recalls those.
    """
    lived(house, clock, others=LEAVES)
    beyond = " | ".join(redaction.redact(house, UID, "Court order").beyond)
    for what in (
        "1 mail handed over",
        "item kill",
        "partners agency",
        "aggregators",
        "backups",
        "exported feeds",
    ):
        assert what in beyond
    store = house.store
    with store.read() as tx:
        item = items.by_slug(tx, "canary-title-2")
        live, page = documents.bodies(tx, "policy", Format.ATOM), archives.find(tx, "policy", 1, Format.ATOM)
    assert item
    assert live
    assert page
    assert (UID, ItemState.REDACTED, "(removed)", None) == (
        item.uid,
        item.state,
        item.content.title,
        item.note,
    )
    assert item.slug.startswith("redacted-")
    pages = live.body + zlib.decompress(page.gzip, 31)
    assert f'<at:deleted-entry ref="{UID}"'.encode() in pages
    with store.begin() as tx:  # the next one of that title does not take its address
        assert "canary-title-2-2" == publish.publish(tx, "tag:n", make_content("Canary title 2")).slug


def test_the_same_file_is_refused_from_now_on(lite: redaction.House, clock: FakeClock) -> None:
    """security:E2: its bytes are gone and come back by no door; a file that another item shows stays."""
    lived(lite, clock)
    with lite.store.begin() as tx:
        shared = lite.cabinet.put(b"shared")
        media.take(tx, shared, "y.png", type="image/png", length=6)
        media.use(tx, [shared], UID)
        press.draft(tx, "tag:news.example,2026:1", make_content(), None)
        media.use(tx, [shared], "tag:news.example,2026:1")
    done = redaction.redact(lite, UID, "Court order")
    assert 1 == done.files
    assert "the file y.png: tag:news.example,2026:1 holds it too" in " ".join(done.beyond)
    assert [shared] == list(lite.cabinet.digests())
    with lite.store.begin() as tx, pytest.raises(Refused, match="redacted"):
        media.take(tx, lite.cabinet.put(PICTURE), "z.png", type="image/png", length=9)


def test_a_kill_under_way_still_goes_out(lite: redaction.House, clock: FakeClock) -> None:
    """mail:EM5: the kill went first: its notices are sent although the words are gone by now."""
    lived(lite, clock)
    with lite.store.begin() as tx:
        publish.withdraw(tx, UID, "canary", kill=True)
    redaction.redact(lite, UID, "Court order")
    with lite.store.begin() as tx:
        tries = deliveries.claim(tx, "mail", "w", 99, HOUR)
    assert ["jane@x.example"] == [one.address for one in tries if UID in one.subject]


def test_what_was_redacted_stays_redacted(lite: redaction.House, clock: FakeClock) -> None:
    """operations:B1: once; the journal is its owner's, holds no word of it, and a torn line stops nobody."""
    lived(lite, clock)
    redaction.redact(lite, UID, "Court order")
    with pytest.raises(Refused, match="already"):
        redaction.redact(lite, UID, "Again")
    with pytest.raises(NotFound):
        redaction.redact(lite, "tag:nobody", "Why")
    assert 0o600 == lite.journal.stat().st_mode & 0o777
    line = json.loads(lite.journal.read_text())
    assert {"uid": UID, "reason": "Court order", "at": line["at"]} == line
    with lite.journal.open("ab") as file:
        file.write(b'{"uid": "tag:to')
    assert [] == redaction.again(lite)


def test_without_a_journal_nothing_is_redacted_nor_started(lite: redaction.House, clock: FakeClock) -> None:
    """operations:B1: where the journal takes no line nothing is begun; where it cannot be read nobody starts."""
    lived(lite, clock)
    lite.journal.mkdir()
    for attempt in (lambda: redaction.redact(lite, UID, "Court order"), lambda: redaction.again(lite)):
        with pytest.raises(TryLater, match=redaction.JOURNAL):
            attempt()
    with lite.store.read() as tx:
        assert items.named(tx, UID).live


def test_nothing_more_of_a_live_one_goes_out(house: redaction.House, clock: FakeClock) -> None:
    """mail:SE17: what waits is cancelled, and the history says what became of it."""
    lived(house, clock)
    redaction.redact(house, UID, "Court order")
    with house.store.begin() as tx:
        assert [] == [one for one in deliveries.claim(tx, "mail", "w", 99, HOUR) if UID in one.subject]
        found = items.history(tx, items.named(tx, UID).id)
    assert "redaction" == found[-1].significance
    assert {"(removed)"} == {one.content.title for one in found}


def test_its_origin_does_not_bring_it_back(house: redaction.House, clock: FakeClock) -> None:
    """feeds:I17: an upstream that still has it, or changes it, is told nothing and brings nothing; no word of it is kept."""
    store = house.store
    make_newsroom(store)
    origin = Origin(store)
    one = thing(1, guid="canary guid", link="https://cms.example/canary", title="Canary", rights="© Canary")
    origin.reads(one, thing(2))
    with store.begin() as tx:  # and a hub has just brought it once more
        body = {"upstream_id": 1, "body": b"<rss>canary", "content_type": "text/xml", "received": NOW}
        tx.connection.execute(insert(schema.inbox).values(**body))
        brought = schema.upstreams.c
        tx.connection.execute(update(schema.upstreams).values(fault="canary is odd").where(brought.id == 1))
    assert {"incoming", "inbox", "items", "revisions", "upstreams"} <= sung(store)
    clock.advance(minutes=5)
    (item,) = [found for found in listed(store) if found.content.title == "Canary"]
    assert item.uid.startswith("tag:news.example")  # minted here: it does not say what it was called there
    redaction.redact(house, item.uid, "Court order")
    assert set() == sung(store)
    for again in (one, replace(one, raw="other", content=replace(one.content, title="Canary two"))):
        clock.advance(minutes=5)
        origin.reads(again, thing(2))
    assert ["(removed)", "Item 2"] == sorted(found.content.title for found in listed(store))
    assert set() == sung(store)
