"""Redaction: after it the words are in no table, no document and no file; and again after a restore."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from syndicator import press, publish
from syndicator.errors import NotFound, Refused, TryLater
from syndicator.feeds import rebuild_stale, redaction
from syndicator.model.delivery import Outcome, Policy, Result
from syndicator.model.item import Content, ItemState, Medium, Quote
from syndicator.model.release import Embargo
from syndicator.model.site import Format
from syndicator.store import (
    Store,
    accreditations,
    alarms,
    archives,
    deliveries,
    documents,
    items,
    media,
    open_store,
    schema,
)
from syndicator.store.media import Cabinet
from tests.ingest.filed import Origin, thing
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_partner, make_site, make_subscription

UID = "tag:news.example,2026:r"
WORD = b"canary"  # in every word of the release, and in nothing else
SITE = make_site(window=2)
HOUR = timedelta(hours=1)
PICTURE = b"\x89PNG canary-bytes"


def words(version: int, digest: str) -> Content:
    """A release that sings in every field."""
    return make_content(
        f"Canary title {version}",
        summary=f"canary-summary {version}",
        body=f"<p>canary-body {version}. A second sentence.</p>",
        text=f"canary-markdown {version}",
        kicker="canary-kicker",
        dek="canary-dek",
        dateline="canary-dateline",
        notes="canary-notes",
        paper="https://doi.example/canary-paper",
        url=None,
        quotes=(Quote(text="canary-quote", speaker="Canary Speaker"),),
        media=(
            Medium(
                url="https://news.example/media/x.png",
                type="image/png",
                length=1,
                alt="canary-alt",
                digest=digest,
            ),
        ),
    )


@pytest.fixture
def house(store: Store, clock: FakeClock, tmp_path: Path) -> redaction.House:
    """Where the words are, on both databases."""
    return housed(store, clock, tmp_path)


@pytest.fixture
def lite(sqlite_url: str, clock: FakeClock, tmp_path: Path) -> Iterator[redaction.House]:
    """The same on SQLite: for what never depends on the database."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield housed(store, clock, tmp_path)


def housed(store: Store, clock: FakeClock, tmp_path: Path) -> redaction.House:
    """A house in which the clock goes on where somebody waits."""

    def wait(span: timedelta) -> None:
        clock.advance(seconds=span.total_seconds())

    return redaction.House(store=store, site=SITE, cabinet=Cabinet(tmp_path / "media", 1_000), wait=wait)


def send(store: Store, lane: str, detail: str) -> None:
    """Whatever is due on a lane is accepted by a server that answers with the words."""
    with store.begin() as tx:
        tries = deliveries.start(tx, deliveries.claim(tx, lane, "w", 99, HOUR), HOUR)
        accepted = Result(outcome=Outcome.ACCEPTED, detail=detail)
        deliveries.settle_all(tx, [(one, accepted) for one in tries], Policy())


def lived(house: redaction.House, clock: FakeClock, *, others: int = 0) -> None:
    """A release with a long life: drafts, an advance, a correction; with `others` after it on a closed page."""
    store, embargo = house.store, Embargo(until=NOW + HOUR, wall="10:00")
    make_newsroom(store)
    with store.begin() as tx:
        make_partner(tx)
        contact = make_subscription(tx, "jane@x.example").contact_id
        accreditations.accredit(tx, contact, "Ada", "signed in 2025")
        digest = house.cabinet.put(PICTURE)
        kept = media.take(tx, digest, "x.png", type="image/png", length=9, filename="canary-file.png")
        media.use(tx, [kept.digest], UID)
        press.draft(tx, UID, words(1, digest), embargo, by="Ada")
        press.draft(tx, UID, words(2, digest), embargo, by="Ada")
        press.approve(tx, UID, "Ada")
        press.schedule(tx, UID, None, "Ada")
        alarms.raise_(tx, f"unapproved/{UID}/2", "canary alarm", "approve canary")
    send(store, "mail", "250 canary advance queued")
    clock.advance(hours=1)
    assert 1 == len(press.release_due(store).items)
    send(store, "mail", "250 canary queued")
    send(store, "partner/agency", "200 canary")
    with store.begin() as tx:
        publish.correct(tx, UID, replace(words(3, digest), media=words(2, digest).media), "canary-note")
    rebuild_stale(store, house.site)
    for number in range(others):
        clock.advance(minutes=1)
        with store.begin() as tx:
            publish.publish(tx, f"tag:news.example,2026:{number}", make_content(f"Another {number}"))
        rebuild_stale(store, house.site)


def sung(store: Store) -> set[str]:
    """The tables in which the word is, in any column, compressed or not."""
    found = set()
    with store.read() as tx:
        for table in schema.metadata.sorted_tables:
            for row in tx.connection.execute(select(table)):
                if any(WORD in one.lower() for one in _said(row)):
                    found.add(table.name)
    return found


def _said(row: Any) -> Iterator[bytes]:
    for value in row:
        if isinstance(value, bytes):
            yield zlib.decompress(value, 31) if value.startswith(b"\x1f\x8b") else value
        elif value is not None:
            yield json.dumps(value, default=str, ensure_ascii=False).encode()


def files(house: redaction.House, tmp_path: Path) -> list[Path]:
    """Files below here, the database's own and those of the media, that hold the word or are named so."""
    with house.store.read() as tx:  # a reader, as the web always is one
        list(tx.connection.execute(select(schema.items)))
    every = [path for path in tmp_path.rglob("*") if path.is_file()]
    return [path for path in every if WORD in path.read_bytes().lower() or WORD in path.name.lower().encode()]


BEFORE = {
    "alarms", "attempts", "deliveries", "fragments", "items", "media", "release_versions", "releases", "revisions",
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
    copy = _copied(store)

    done = redaction.redact(house, UID, "Court order", by="Ada")
    assert ((), 1) == (done.undone, done.files)
    assert set() == sung(store)
    assert [] == files(house, tmp_path)

    _restore(store, copy)
    house.cabinet.put(PICTURE)
    assert sung(store)
    assert [UID] == redaction.again(house)
    assert set() == sung(store)
    assert [] == files(house, tmp_path)
    assert [] == redaction.again(house)


def _copied(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.read() as tx:
        return {
            table.name: [row._asdict() for row in tx.connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }


def _restore(store: Store, copy: dict[str, list[dict[str, Any]]]) -> None:
    with store.begin() as tx:
        for table in reversed(schema.metadata.sorted_tables):
            tx.connection.execute(delete(table))
        for table in schema.metadata.sorted_tables:
            if copy[table.name]:
                tx.connection.execute(insert(table), copy[table.name])


def test_the_address_and_the_feeds_say_that_something_was_there(
    house: redaction.House, clock: FakeClock
) -> None:
    """design:2: the old address leads to an item that says nothing, Atom has a bare tombstone; the rest is listed.

    Mails handed over, partners, aggregators, backups: nobody recalls those.
    """
    lived(house, clock, others=LEAVES)
    beyond = " | ".join(redaction.redact(house, UID, "Court order").beyond)
    for what in (
        "1 mails handed over",
        "item kill",
        "partners agency",
        "aggregators",
        "backups",
        "feed export",
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
    (item,) = [found for found in _listed(store) if found.content.title == "Canary"]
    assert item.uid.startswith("tag:news.example")  # minted here: it does not say what it was called there
    redaction.redact(house, item.uid, "Court order")
    assert set() == sung(store)
    for again in (one, replace(one, raw="other", content=replace(one.content, title="Canary two"))):
        clock.advance(minutes=5)
        origin.reads(again, thing(2))
    assert ["(removed)", "Item 2"] == sorted(found.content.title for found in _listed(store))
    assert set() == sung(store)


def _listed(store: Store) -> list[Any]:
    with store.read() as tx:
        return items.listing(tx)
