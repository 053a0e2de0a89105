"""Redaction against what brings words back: backups, torn lines, dead processes; and of what was never public."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from syndicator import press, publish
from syndicator.delivery.mail import MailRoad
from syndicator.errors import Refused, TryLater
from syndicator.feeds import redaction
from syndicator.feeds.export import MANIFEST, export
from syndicator.model.release import Embargo
from syndicator.press.sample import sample
from syndicator.store import (
    Store,
    accreditations,
    alarms,
    copies,
    deliveries,
    media,
    rehearsal,
    schema,
)
from syndicator.wire.folder import Folder
from tests.delivery.test_mail import DESK
from tests.feeds.redacting import (
    HOUR,
    PICTURE,
    SITE,
    UID,
    WORD,
    copied,
    listed,
    lived,
    restore,
    send,
    sung,
    words,
)
from tests.ingest.filed import Origin, thing
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_subscription


def test_a_backup_in_which_it_waits_does_not_let_it_out(house: redaction.House, clock: FakeClock) -> None:
    """operations:B1: scheduled in the backup, it is cancelled and wiped; nothing of it goes out, and no file brings it back."""
    store, embargo = house.store, Embargo(until=NOW + HOUR, wall="10:00")
    make_newsroom(store)
    without = copied(store)
    with store.begin() as tx:
        contact = make_subscription(tx, "jane@x.example").contact_id
        accreditations.accredit(tx, contact, "Ada", "signed in 2025")
        press.draft(tx, UID, words(1, ""), embargo, by="Ada")
        press.approve(tx, UID, "Ada")
        press.schedule(tx, UID, None, "Ada")
    waiting = copied(store)
    clock.advance(hours=1)
    assert 1 == len(press.release_due(store).items)
    redaction.redact(house, UID, "Court order")

    restore(store, waiting)
    assert {"releases", "release_versions"} <= sung(store)
    assert [UID] == redaction.again(house)
    clock.advance(hours=1)
    assert press.Released() == press.release_due(store)
    assert set() == sung(store)
    with store.begin() as tx:
        assert [] == deliveries.claim(tx, "mail", "w", 99, HOUR)
    _shut(store)
    assert [] == redaction.again(house)

    restore(store, without)  # and one from before it came in
    assert [] == redaction.again(house)
    _shut(store)
    origin = Origin(store)
    origin.reads(thing(1, guid=UID, title="Canary"), thing(2))
    assert ["Item 2"] == [found.content.title for found in listed(store)]


def _shut(store: Store) -> None:
    for door in (
        lambda tx: press.draft(tx, UID, make_content(), None),
        lambda tx: publish.submit(tx, UID, make_content()),
    ):
        with store.begin() as tx, pytest.raises(Refused, match="was redacted"):
            door(tx)


def test_what_never_was_public_is_redacted(house: redaction.House, clock: FakeClock, tmp_path: Path) -> None:
    """security:E2: a cancelled release and a draft leave no word; what may still go out is cancelled first.

    Whoever had an advance copy still hears that it was cancelled.
    """
    store = house.store
    make_newsroom(store)
    with store.begin() as tx:
        contact = make_subscription(tx, "jane@x.example").contact_id
        accreditations.accredit(tx, contact, "Ada", "signed in 2025")
        digest = house.cabinet.put(PICTURE)
        media.take(tx, digest, "x.png", type="image/png", length=9, filename="canary-file.png")
        media.use(tx, [digest], UID)
        press.draft(tx, UID, words(1, digest), Embargo(until=NOW + HOUR, wall="10:00"), by="Ada")
        press.approve(tx, UID, "Ada")
        press.schedule(tx, UID, None, "Ada")
    clock.advance(minutes=5)
    send(store, "mail", "250 canary")
    with store.begin() as tx:
        sample(tx, UID, ["tester@x.example"])
    with pytest.raises(Refused, match="release cancel"):
        redaction.redact(house, UID, "Court order")
    with store.begin() as tx:
        press.cancel(tx, UID, "canary injunction", "Ada")
    done = redaction.redact(house, UID, "Court order")
    assert ((), 1) == (done.undone, done.files)
    assert {"audit"} >= sung(store)  # the reason a person gave
    assert [] == list(house.cabinet.digests())
    with store.begin() as tx:
        tries = deliveries.claim(tx, "mail", "w", 99, HOUR)
        assert [("notice", "jane@x.example")] == [
            (one.subject.partition("/")[0], one.address) for one in tries
        ]
        (parcel,) = MailRoad(DESK, lambda: Folder(tmp_path / "mail")).prepare(tx, tries)
        assert parcel.load
        assert WORD not in parcel.load.message.lower()
    _shut(store)
    with pytest.raises(Refused, match="already"):
        redaction.redact(house, UID, "Again")


def test_a_torn_line_hides_no_other(lite: redaction.House, clock: FakeClock) -> None:
    """operations:B1: one that a crash cut off stays by itself; one that may name something stops the start in words."""
    lived(lite, clock)
    lite.journal.parent.mkdir(exist_ok=True)
    lite.journal.write_text('{"uid": "tag:x,2026:oth')
    copy = copied(lite.store)
    redaction.redact(lite, UID, "by\u2028order\x85of \u017d")
    restore(lite.store, copy)
    assert [UID] == redaction.again(lite)
    good = lite.journal.read_text()
    for harmless in ("{", '{"uid', '{"uid": "', '{"uid": "a\\', "\0\0\0", ""):
        lite.journal.write_text(f"{harmless}\n{good}")
        assert [] == redaction.again(lite)
    for doubtful in ('{"uid": "tag:x", "reas', "garbage", '{"id": "tag:x"}', '["tag:x"]'):
        lite.journal.write_text(f"{good}{doubtful}")
        with pytest.raises(TryLater, match="may name what must stay redacted: mend it"):
            redaction.again(lite)


def test_what_was_said_about_a_lane_goes_too(house: redaction.House, clock: FakeClock) -> None:
    """design:2: a server's answer that quotes the headline is also a lane's fault, a domain's, and an alarm's."""
    lived(house, clock)
    with house.store.begin() as tx:
        domain = {"lane": "mail", "domain": "x.example", "open": NOW, "fault": "4.7.1 canary", "changed": NOW}
        tx.connection.execute(insert(schema.domains).values(**domain))
        tx.connection.execute(update(schema.lanes).values(fault="421 canary title"))
        alarms.raise_(tx, "lane/mail/2026", "mail is out of reach", "since 09:00: canary")
        alarms.raise_(tx, "stop/advance", "Mail is paused", "canary")
    assert {"lanes", "domains", "alarms"} <= sung(house.store)
    redaction.redact(house, UID, "Court order")
    assert set() == sung(house.store)
    with house.store.read() as tx:
        assert ["mail is out of reach", "Mail is paused"] == [
            one.subject for one in alarms.open_(tx) if one.subject != "redacted"
        ]


def test_copies_of_rehearsals_do_not_outlive_them(lite: redaction.House, clock: FakeClock) -> None:
    """security:E2: they lie beside the store for its owner alone; a dead one goes, one in use is named."""
    lived(lite, clock)
    clock.now = datetime.now(UTC) + timedelta(hours=2)  # the time of the files' system
    with rehearsal.rehearsed(lite.store, clock), rehearsal.scratch(lite.store) as used:
        dead = used.with_name(f"{rehearsal.PREFIX}dead")
        dead.mkdir()
        (dead / "store.db").write_bytes(WORD)
        redaction.again(lite)
        assert not dead.exists()
        assert 2 == len(list(used.parent.glob(f"{rehearsal.PREFIX}*/")))
        assert {0o700} == {one.stat().st_mode & 0o777 for one in used.parent.glob(f"{rehearsal.PREFIX}*")}
        assert str(used) in " ".join(redaction.redact(lite, UID, "Court order").beyond)
    assert [] == list(used.parent.glob(f"{rehearsal.PREFIX}*"))


def test_a_redacted_file_that_is_still_there_goes_at_the_next_start(
    lite: redaction.House, clock: FakeClock
) -> None:
    """operations:B1: whoever wiped it was killed before its file was removed, or the file came out of a backup."""
    lived(lite, clock)
    redaction.redact(lite, UID, "Court order")
    lite.cabinet.put(PICTURE)
    other = lite.cabinet.put(b"another")
    assert [] == redaction.again(lite)
    assert [other] == list(lite.cabinet.digests())


def test_feeds_of_another_house_are_left_where_ours_once_were(
    lite: redaction.House, clock: FakeClock, tmp_path: Path
) -> None:
    """design:2: a folder that another house exports to by now is named and not touched; an older manifest names none."""
    lived(lite, clock)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    for folder in (theirs, ours):
        copies.note(lite.cabinet.folder, folder)
        export(lite.store, replace(SITE, base_url="https://other.example"), folder)
    before = {one: one.read_bytes() for one in theirs.rglob("*") if one.is_file()}
    paths = [one for one in json.loads((ours / MANIFEST).read_bytes()) if "://" not in one]
    (ours / MANIFEST).write_text(json.dumps(paths))
    (undone,) = redaction.redact(lite, UID, "Court order").undone
    assert undone.startswith(f"feeds exported to {theirs}: another house exports there by now")
    assert before == {one: one.read_bytes() for one in theirs.rglob("*") if one.is_file()}
    assert not [one for one in ours.rglob("*.atom") if WORD in one.read_bytes()]
    export(lite.store, SITE, theirs)  # whoever says so has it again
    export(lite.store, SITE, theirs, unasked=True)
    assert not [one for one in theirs.rglob("*.atom") if WORD in one.read_bytes()]
