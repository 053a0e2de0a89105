"""Files of releases: kept once, whole, out of reach of links; who may have them when, on both databases."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syndicator import press, publish
from syndicator.errors import Invalid, NotFound, Refused, TryLater
from syndicator.model.item import Medium
from syndicator.store import Store, media
from syndicator.store.media import Cabinet
from tests.make import NOW, make_content, make_newsroom

UID, OTHER = "tag:news.example,2026:1", "tag:news.example,2026:2"
DATA = b"%PDF-1.7 a small file"


@pytest.fixture
def cabinet(tmp_path: Path) -> Cabinet:
    return Cabinet(tmp_path / "media", limit=100)


def _taken(store: Store, cabinet: Cabinet, uid: str = UID, data: bytes = DATA) -> media.Kept:
    with store.begin() as tx:
        digest = cabinet.put(data)
        kept = media.take(
            tx, digest, f"{digest[:8]}.pdf", type="application/pdf", length=len(data), filename="a.pdf"
        )
        media.use(tx, [digest], uid)
        return kept


def _publish(store: Store, kept: media.Kept | None, uid: str = UID) -> None:
    with store.begin() as tx:
        publish.publish(tx, uid, make_content(media=_shown(kept)))
        media.release(tx, uid)


def _shown(kept: media.Kept | None) -> tuple[Medium, ...]:
    if kept is None:
        return ()
    return (Medium(url="https://x.example/m", type="a/b", length=1, digest=kept.digest),)


# -- the cabinet ------------------------------------------------------------------------------------------


def test_a_file_is_kept_once_by_its_digest_for_its_owner_alone(cabinet: Cabinet) -> None:
    """security:I3: named by what it holds, in a folder and a file nobody else may read; twice is once."""
    digest = cabinet.put(DATA)
    assert cabinet.put(DATA) == digest == hashlib.sha256(DATA).hexdigest()
    path = cabinet.folder / digest[:2] / digest
    with cabinet.open(digest) as file:
        assert file.read() == DATA
    assert [one.stat().st_mode & 0o777 for one in (cabinet.folder, path.parent, path)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert list(cabinet.digests()) == [digest]
    assert [one.name for one in path.parent.iterdir()] == [digest]  # nothing half is left


def test_what_a_disk_spoilt_is_written_anew(cabinet: Cabinet) -> None:
    digest = cabinet.put(DATA)
    (cabinet.folder / digest[:2] / digest).write_bytes(b"%PDF-1.7 a small fil!")
    cabinet.put(DATA)
    with cabinet.open(digest) as file:
        assert file.read() == DATA


def test_a_file_that_is_too_long_is_refused_and_leaves_nothing(cabinet: Cabinet) -> None:
    """security:I3: the limit holds before a byte is written."""
    with pytest.raises(Refused, match=r"101 bytes; the limit is 100"):
        cabinet.put(b"x" * 101)
    assert not cabinet.folder.exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "..", "", "A" * 64, "a" * 64 + "\n"])
def test_no_path_leads_out_of_the_cabinet(cabinet: Cabinet, name: str) -> None:
    """security:I3: only a digest names a file."""
    cabinet.put(DATA)
    for act in (cabinet.open, cabinet.remove):
        with pytest.raises(Invalid, match="is no SHA-256"):
            act(name)


def test_a_link_in_the_place_of_a_file_is_not_followed(cabinet: Cabinet, tmp_path: Path) -> None:
    """security:I3: neither to read nor to write, whether the file is the link or its folder."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"what nobody may read")
    digest = cabinet.put(DATA)
    path = cabinet.folder / digest[:2] / digest
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(NotFound):
        cabinet.open(digest)
    cabinet.put(DATA)  # takes the link's place
    assert secret.read_bytes() == b"what nobody may read"
    assert not path.is_symlink()
    elsewhere = tmp_path / "elsewhere"
    path.parent.rename(elsewhere)
    (cabinet.folder / digest[:2]).symlink_to(elsewhere)
    with pytest.raises(NotFound):
        cabinet.open(digest)
    with pytest.raises(TryLater, match="takes no file"):
        cabinet.put(DATA)
    assert list(cabinet.digests()) == []


def test_what_is_removed_is_gone(cabinet: Cabinet) -> None:
    digest = cabinet.put(DATA)
    assert cabinet.remove(digest)
    assert not cabinet.remove(digest)
    with pytest.raises(NotFound, match=r"restore store\.media_dir"):
        cabinet.open(digest)


DIES = """
import os, sys
from pathlib import Path
from syndicator.store import media
os.rename = lambda *_, **__: os.kill(os.getpid(), 9)
media.Cabinet(Path(sys.argv[1]), 100).put(b"%PDF-1.7 a small file")
"""


def test_what_a_killed_process_left_is_removed(cabinet: Cabinet) -> None:
    """security:I3: a half file of a process that is no more goes at the next start, one of elsewhere in an hour."""
    _die(cabinet)
    assert 1 == cabinet.sweep(NOW)
    assert [] == _all(cabinet)
    half = _die(cabinet)
    digest = cabinet.put(DATA)
    assert cabinet.remove(digest)  # and with the file of a redaction, whatever its age
    assert [] == _all(cabinet)
    elsewhere = half.with_name(f".{digest}.another-machine.{os.getpid()}.1")
    elsewhere.write_bytes(DATA)
    written = datetime(2026, 11, 23, tzinfo=UTC)  # a whole second: a finer one is rounded on its way
    os.utime(elsewhere, (written.timestamp(), written.timestamp()))
    assert 0 == cabinet.sweep(written)
    assert 1 == cabinet.sweep(written + timedelta(seconds=1))


def _die(cabinet: Cabinet) -> Path:
    subprocess.run([sys.executable, "-c", DIES, str(cabinet.folder)], check=False)
    (half,) = _all(cabinet)
    return half


def _all(cabinet: Cabinet) -> list[Path]:
    return [path for path in cabinet.folder.rglob("*") if path.is_file()]


# -- who may have it ----------------------------------------------------------------------------------------


def test_nobody_has_a_file_before_its_item_is_public(store: Store, cabinet: Cabinet) -> None:
    """security:E1: its name is known, and means nothing until an item that shows it is live, nor afterwards."""
    make_newsroom(store)
    kept = _taken(store, cabinet)
    _publish(store, None, OTHER)
    with store.read() as tx:
        assert media.public(tx, kept.name) is None
        assert media.of(tx, UID, kept.name) == kept
        assert media.of(tx, OTHER, kept.name) is None
    _publish(store, kept)
    with store.read() as tx:
        found = media.public(tx, kept.name)
        assert found
        assert found.released == tx.now
        assert media.used_by(tx, UID) == [found]
    with store.begin() as tx:
        publish.withdraw(tx, UID, "wrong")
    with store.read() as tx:
        assert media.public(tx, kept.name) is None


def test_a_picture_taken_out_of_the_draft_never_becomes_public(store: Store, cabinet: Cabinet) -> None:
    """security:E1: only what the item shows is let out, not what some former version held."""
    make_newsroom(store)
    first, last = _taken(store, cabinet), _taken(store, cabinet, data=b"%PDF-1.7 another")
    _publish(store, last)
    with store.read() as tx:
        assert media.public(tx, first.name) is None
        assert media.public(tx, last.name)
        for odd in (f"{last.name}\0", "\ud800", ""):  # PostgreSQL takes no NUL, and UTF-8 no half a pair
            assert media.public(tx, odd) is media.of(tx, UID, odd) is None


def test_the_same_bytes_are_one_file_under_one_name(store: Store, cabinet: Cabinet) -> None:
    kept = _taken(store, cabinet)
    with store.begin() as tx:
        again = media.take(tx, kept.digest, "other.pdf", type="application/pdf", length=len(DATA))
    assert again == kept


def test_a_file_is_public_only_while_present_words_show_it(store: Store, cabinet: Cabinet) -> None:
    """security:E1: neither an item that held it in a draft nor one it was corrected out of keeps it public or alive."""
    make_newsroom(store)
    kept = _taken(store, cabinet)
    _publish(store, None)  # held it in a draft only
    _publish(store, kept, OTHER)
    with store.begin() as tx:
        publish.correct(tx, OTHER, make_content("Without it"), "The wrong person")
        assert media.public(tx, kept.name) is None
        publish.correct(tx, OTHER, make_content(media=_shown(kept)), "The right person, after all")
        assert media.public(tx, kept.name)
        publish.withdraw(tx, OTHER, "Illegal", kill=True)
        assert (None, "") == (media.public(tx, kept.name), media.slug(tx, kept.id))
        assert [] == media.kept_for(tx, OTHER)
        assert [kept.digest] == publish.redact(tx, OTHER)


def test_whoever_shows_a_file_keeps_it_and_is_named(store: Store, cabinet: Cabinet) -> None:
    """security:I3: a live item and a draft hold a file; a uid that was mistyped, and one that is redacted, do not."""
    make_newsroom(store)
    kept = _taken(store, cabinet)
    _publish(store, kept, OTHER)
    with store.begin() as tx:
        press.draft(tx, "tag:draft", make_content(), None)
        press.draft(tx, UID, make_content(), None)
        media.use(tx, [kept.digest], "tag:draft")
        media.use(tx, [kept.digest], "tag:mistyped")
        assert [(kept.name, [OTHER, "tag:draft"])] == [
            (name, sorted(uids, reverse=True)) for name, uids in media.kept_for(tx, UID)
        ]
        assert [] == publish.redact(tx, UID)
        assert [] == publish.redact(tx, "tag:draft")
        assert media.public(tx, kept.name)
        assert [kept.digest] == publish.redact(tx, OTHER)


def test_redacted_bytes_come_back_by_no_door(store: Store, cabinet: Cabinet) -> None:
    """security:I3: wiped, its author's name for it too; the same bytes are refused; what others hold stays."""
    make_newsroom(store)
    shared, own = _taken(store, cabinet), _taken(store, cabinet, data=b"%PDF-1.7 own")
    with store.begin() as tx:
        press.draft(tx, OTHER, make_content(), None)
        media.use(tx, [shared.digest], OTHER)
        for _ in range(2):  # and once more, as after a restore
            assert media.wipe(tx, UID) == [own.digest]
        assert media.by_name(tx, own.name).filename == ""  # type: ignore[union-attr]
        assert media.of(tx, UID, own.name) is None
        assert media.of(tx, OTHER, shared.name)
    with store.begin() as tx, pytest.raises(Refused, match="redacted on 2026-03-02"):
        media.take(tx, own.digest, "new.pdf", type="application/pdf", length=1)
