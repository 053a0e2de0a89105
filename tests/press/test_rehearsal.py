"""Rehearsals: the real release with folders at its ends, and a store that is as it was."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from syndicator import feeds, press
from syndicator.cli.release_rehearse import house
from syndicator.delivery.lanes import Crew, drain
from syndicator.delivery.mail import MailRoad
from syndicator.delivery.webhook import signed
from syndicator.errors import Refused
from syndicator.model.audience import address
from syndicator.model.delivery import Channel, Policy
from syndicator.model.item import Kind, Spokesperson
from syndicator.model.release import Embargo
from syndicator.model.suppression import Reason
from syndicator.press.rehearsal import Played, rehearse
from syndicator.runtime import Runtime
from syndicator.settings import load
from syndicator.store import (
    Store,
    accreditations,
    documents,
    items,
    names,
    open_store,
    partners,
    schema,
    suppressions,
    topics,
)
from syndicator.wire.folder import Folder
from tests.cli.program import KEY
from tests.make import NOW, SECRET, FakeClock, make_content, make_newsroom, make_partner, make_subscription

UID = "tag:x,2026:r"
AT = NOW + timedelta(hours=6)
TITLE = "On budgets — a “canary” of ours"


@pytest.fixture
def runtime(store_url: str, clock: FakeClock, tmp_path: Path) -> Iterator[Runtime]:
    """A newsroom with an approved release under embargo, whose clock is ours."""
    env = {
        "SYNDICATOR_STORE__URL": store_url,
        "SYNDICATOR_STORE__MEDIA_DIR": str(tmp_path / "media"),
        "SYNDICATOR_SITE__SECRET_KEY": KEY,
        "SYNDICATOR_SITE__BASE_URL": "https://news.example",
        "SYNDICATOR_FEEDS__HUBS": "https://hub.example/",
    }
    made = Runtime(load(None, env))
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        made.__dict__["store"] = store
        fill(store)
        yield made


def fill(store: Store) -> None:
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        items.save_spokesperson(tx, Spokesperson(slug="jo", name="Jo Doe", mail="jo@news.example"))
        for n, cadence in enumerate(["immediate", "immediate", "daily", "immediate"]):
            make_subscription(tx, f"r{n}@x.example", cadence=cadence)
        suppressions.suppress(tx, address("r3@x.example"), Reason.COMPLAINT)
        wire = make_subscription(tx, "wire@x.example", "all")
        accreditations.accredit(tx, wire.contact_id, "Ann", "agreed by mail")
        make_partner(tx, "agency")
        make_partner(tx, "other", topics=("health",))
        words = make_content(TITLE, spokesperson="jo", kind=Kind.PRESS_RELEASE)
        press.draft(tx, UID, words, Embargo(until=AT, zone="Europe/London", wall="2026-03-02 15:00"))
        press.approve(tx, UID, "Ann")


def everything(store: Store) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table."""
    with store.read() as tx:
        return {
            table.name: sorted((tuple(row) for row in tx.connection.execute(select(table))), key=repr)
            for table in schema.metadata.sorted_tables
        }


def letters(folder: Path) -> dict[str, bytes]:
    """Recipient → the letter."""
    return {path.name.rpartition("-")[0]: path.read_bytes() for path in folder.glob("*.eml")}


def play(runtime: Runtime, out: Path) -> Played:
    return rehearse(runtime.store, UID, house(runtime, out))


def send(runtime: Runtime, out: Path) -> dict[str, bytes]:
    """The real thing: whatever mail is due leaves, over the real lanes, into a folder."""
    with runtime.store.begin() as tx:  # no partner listens here
        for slug in ("agency", "other"):
            partners.pause(tx, slug, paused=True)
    hands = Crew(
        store=runtime.store,
        roads=lambda *_: MailRoad(runtime.desk, lambda: Folder(out)),
        worker="w",
        policy=Policy(),
        width=lambda channel: int(channel is Channel.MAIL),
        stop=threading.Event(),
    )
    drain(hands)
    return letters(out)


def test_what_was_rehearsed_is_what_is_sent(runtime: Runtime, clock: FakeClock, tmp_path: Path) -> None:
    """mail:MC2: each letter rehearsed, advance copies and release, equals byte for byte the one sent; so do feeds."""
    played = play(runtime, tmp_path / "try")
    assert ([], AT) == (played.refused, played.at)
    with runtime.store.begin() as tx:
        press.schedule(tx, UID, None, "Ann")
    copies = send(runtime, tmp_path / "copies")
    clock.now = AT
    assert [UID] == [item.uid for item in press.release_due(runtime.store).items]
    feeds.rebuild_stale(runtime.store, runtime.site)
    sent = send(runtime, tmp_path / "sent")
    assert ["wire@x.example"] == list(copies)
    assert copies == letters(tmp_path / "try" / "advance")
    assert ["r0@x.example", "r1@x.example"] == sorted(sent)
    assert sent == letters(tmp_path / "try" / "mail")
    with runtime.store.read() as tx:
        for slug in ("all", "policy"):
            for format in ("atom", "rss", "json"):
                live = documents.bodies(tx, slug, format)  # type: ignore[arg-type]
                assert live
                assert live.body == (tmp_path / "try" / "feeds" / f"{slug}.{format}").read_bytes()
        assert topics.of_item(tx, items.named(tx, UID).id)


def test_a_rehearsal_changes_nothing(runtime: Runtime, tmp_path: Path) -> None:
    """issue 5 A: not a row of any table, on both databases; and it can be played again with the same bytes."""
    before = everything(runtime.store)
    play(runtime, tmp_path / "one")
    assert before == everything(runtime.store)
    play(runtime, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_channel_is_a_folder_for_its_owner_alone(runtime: Runtime, tmp_path: Path) -> None:
    """Events with the headers they are signed with, the page, the pings; no file that others may read."""
    out = tmp_path / "out"
    played = play(runtime, out)
    assert {
        ("advance", Channel.MAIL): 1,
        ("release", Channel.MAIL): 2,
        ("release", Channel.WEBHOOK): 1,
    } == dict(played.written)
    event = json.loads((out / "webhook" / "agency.json").read_text(encoding="utf-8"))
    assert ("release.published", TITLE) == (event["body"]["type"], event["body"]["data"]["item"]["title"])
    instant = datetime.fromtimestamp(int(event["headers"]["webhook-timestamp"]), UTC)
    assert AT == instant
    body = json.dumps(event["body"], ensure_ascii=False, separators=(",", ":")).encode()
    assert signed(SECRET, event["headers"]["webhook-id"], AT, body) == event["headers"]
    (page,) = (out / "page").glob("*.html")
    assert "canary" in page.read_text(encoding="utf-8")
    pings = json.loads((out / "hub" / "pings.json").read_text(encoding="utf-8"))
    assert {"https://hub.example/"} == {one["hub"] for one in pings}
    assert "https://news.example/feeds/policy.atom" in {one["url"] for one in pings}
    assert {0} == {path.stat().st_mode & 0o077 for path in out.rglob("*")}


def test_what_cannot_go_out_is_refused_as_it_would_be(runtime: Runtime, tmp_path: Path) -> None:
    """What is over is not rehearsed."""
    with runtime.store.begin() as tx:
        press.cancel(tx, UID, "no", "Ann")
    with pytest.raises(Refused, match="cancelled"):
        play(runtime, tmp_path)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("said", ["before", "meanwhile"])
def test_a_release_that_is_due_finds_no_rehearsal(
    runtime: Runtime, clock: FakeClock, tmp_path: Path, said: str
) -> None:
    """delivery:4: a rehearsal on PostgreSQL holds up no lift: it does not begin, or breaks off, while one is due."""
    store, soon = runtime.store, NOW + timedelta(seconds=20)

    def schedule() -> None:
        with store.begin() as tx:
            press.draft(tx, "tag:x,2026:due", make_content("Due"), None)
            press.approve(tx, "tag:x,2026:due", "Ann")
            press.schedule(tx, "tag:x,2026:due", soon, "Ann")

    real = house(runtime, tmp_path / "try")
    if said == "before":
        schedule()
    else:
        real = replace(real, build=lambda _: schedule())
    with pytest.raises(Refused, match="rehearse again"):
        rehearse(store, UID, real)
    clock.now = soon
    assert ["tag:x,2026:due"] == [item.uid for item in press.release_due(store).items]
    assert {} == letters(tmp_path / "try" / "mail")


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_rehearsal_leaves_everybodys_lock_alone(runtime: Runtime, tmp_path: Path) -> None:
    """delivery:4: while it goes on, whoever publishes under another topic does not wait for it."""
    done = threading.Event()

    def publish_elsewhere() -> None:
        with runtime.store.begin() as tx:
            names.hold(tx)
        done.set()

    def build(_: Store) -> None:
        other = threading.Thread(target=publish_elsewhere, daemon=True)
        other.start()
        assert done.wait(20)

    rehearse(runtime.store, UID, replace(house(runtime, tmp_path / "try"), build=build))
    assert done.is_set()
