"""What a redaction removes of folders that were written long ago: what was written there, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syndicator.store import copies

UID, OTHER = "tag:news.example,2026:1", "tag:news.example,2026:2"


def _written(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("words")
    return folder


@pytest.mark.parametrize("names", [(), ("page.html",)])
def test_nothing_is_removed_through_a_link_that_came_later(tmp_path: Path, names: tuple[str, ...]) -> None:
    """design:2: where a folder was, a link leads to another: a person must look, and is told so until it is gone."""
    play, others = tmp_path / "play", _written(tmp_path / "others", "mail/1.eml", "page.html")
    copies.note(tmp_path, play, UID, names)
    play.symlink_to(others)
    for _ in range(2):
        assert (0, [f"{play}: a link leads there now; remove it by hand"]) == copies.burn(tmp_path, UID)
    assert (others / "mail" / "1.eml").is_file()
    assert (others / "page.html").is_file()
    play.unlink()
    assert (0, []) == copies.burn(tmp_path, UID)


def test_no_line_leads_out_of_its_folder(tmp_path: Path) -> None:
    """design:2: whatever stands in the journal, files beside the folder stay, and so do those behind a link in it."""
    mine = _written(tmp_path, "mine.html", "media/b.png") / "mine.html"
    shown = _written(tmp_path / "shown", "page.html", "deep/a.html")
    (shown / "link.html").symlink_to(mine)
    (shown / "media").symlink_to(tmp_path / "media")
    names = ("page.html", "../mine.html", str(mine), "link.html", "media/b.png", "deep/a.html", "media")
    copies.note(tmp_path, shown, UID, names)
    assert (1, []) == copies.burn(tmp_path, UID)
    kept = {"mine.html", "media/b.png", "shown/deep/a.html", "shown/link.html"}
    assert all((tmp_path / name).is_file() for name in kept)


def test_a_rehearsal_that_took_the_place_of_another_is_its_own(tmp_path: Path) -> None:
    """design:2: its folder was empty, so what another item's rehearsal left there is gone, and this one stays."""
    play = tmp_path / "play"
    for uid in (UID, OTHER):
        copies.note(tmp_path, play, uid)
    _written(play, "mail/1.eml")
    assert (0, []) == copies.burn(tmp_path, UID)
    assert (play / "mail" / "1.eml").is_file()
    assert (1, []) == copies.burn(tmp_path, OTHER)


def test_what_cannot_be_looked_into_is_told_and_stays_on_record(tmp_path: Path) -> None:
    """design:2: a folder or a journal that cannot be read is never taken for one that holds nothing."""
    play = _written(tmp_path / "play", "mail/1.eml")
    copies.note(tmp_path, play, UID)
    deep = os.open(play, os.O_RDONLY)
    for _ in range(20):  # longer than any path may be
        os.mkdir("d" * 250, dir_fd=deep)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    for _ in range(2):
        removed, undone = copies.burn(tmp_path, UID)
        assert (0, 1) == (removed, len(undone))
        assert "remove it by hand" in undone[0]
    journal = tmp_path / copies.JOURNAL
    journal.unlink()
    journal.mkdir()
    removed, undone = copies.burn(tmp_path, UID)
    assert (0, [str(journal)]) == (removed, [one.partition(":")[0] for one in undone])
    assert [] == copies.exports(tmp_path)
