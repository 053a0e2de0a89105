"""A release that sings in every field, and where its words are looked for after it was redacted."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select

from syndicator import press, publish
from syndicator.feeds import rebuild_stale, redaction
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Outcome, Policy, Result
from syndicator.model.item import Content, Medium, Quote
from syndicator.model.release import Embargo
from syndicator.store import (
    Store,
    accreditations,
    alarms,
    bounces,
    deliveries,
    items,
    media,
    schema,
)
from syndicator.store.media import Cabinet
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
    with store.begin() as tx:
        (sent,) = deliveries.listing(tx, state="accepted")
        bounces.record(
            tx,
            bounces.Event(key="1", source="imap", kind=Kind.SOFT, detail="552 canary", delivery_id=sent.id),
        )
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


def copied(store: Store) -> dict[str, list[dict[str, Any]]]:
    with store.read() as tx:
        return {
            table.name: [row._asdict() for row in tx.connection.execute(select(table))]
            for table in schema.metadata.sorted_tables
        }


def restore(store: Store, copy: dict[str, list[dict[str, Any]]]) -> None:
    with store.begin() as tx:
        for table in reversed(schema.metadata.sorted_tables):
            tx.connection.execute(delete(table))
        for table in schema.metadata.sorted_tables:
            if copy[table.name]:
                tx.connection.execute(insert(table), copy[table.name])


def listed(store: Store) -> list[Any]:
    with store.read() as tx:
        return items.listing(tx)
