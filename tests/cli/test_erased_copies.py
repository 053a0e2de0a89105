"""Forgetting somebody whose letters were kept by a rehearsal, or of a time when mail went into a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from syndicator.store import copies
from tests.cli.program import InProcess


def _left(folder: Path, trace: str) -> list[Path]:
    every = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in every if trace in path.name or trace.encode() in path.read_bytes()]


def test_letters_of_rehearsals_and_of_another_transport_go_too(lite: InProcess, tmp_path: Path) -> None:
    """mail:LM19 a rehearsal writes letters to real people, and mail once went into a folder: neither keeps an address."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    lite("topic", "add", "policy", "Policy")
    for name in ("quixote", "panza"):
        lite("contact", "add", f"{name}@x.example")
        lite("contact", "subscribe", f"{name}@x.example", "policy", "--consent", "a card")
    uid = lite("release", "draft", lite.file("a.md", "title: News\ntopics: [policy]")).strip()
    lite("release", "approve", uid)
    lite("release", "rehearse", uid, "--out", str(tmp_path / "play"))
    lite("release", "publish", uid)
    lite("worker", "--once", "deliver")
    assert (1, 1) == (len(_left(tmp_path / "play", "quixote")), len(_left(tmp_path / "mail", "quixote")))
    lite.env |= {"SYNDICATOR_MAIL__TRANSPORT": "smtp", "SYNDICATOR_MAIL__HOST": "127.0.0.1"}
    lite("contact", "erase", "quixote@x.example", "--yes")
    for folder in ("play", "mail"):
        assert [] == _left(tmp_path / folder, "quixote")
        assert 1 == len(_left(tmp_path / folder, "panza"))


@pytest.mark.parametrize("link", ["play", "play/mail"])
def test_where_letters_may_lie_that_nobody_can_look_into_is_told(
    lite: InProcess, tmp_path: Path, link: str
) -> None:
    """mail:LM19 a rehearsal on another machine is named; nothing is removed through a link that came later."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    journal = tmp_path / "media" / copies.JOURNAL
    copies.note(journal.parent, tmp_path / "far", "tag:x,1")
    journal.write_text(journal.read_text().replace(f'"{os.uname().nodename}"', '"elsewhere"'))
    copies.note(journal.parent, tmp_path / "play", "tag:x,2")
    copies.note(journal.parent, tmp_path / "gone", "tag:x,3")
    theirs = tmp_path / "theirs" / "mail"
    theirs.mkdir(parents=True)
    (theirs / "1.eml").write_bytes(b"To: quixote@x.example\r\n\r\nx\r\n")
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(tmp_path / link.replace("play", "theirs"))
    lite("contact", "add", "quixote@x.example")
    said = lite.try_("contact", "erase", "quixote@x.example", "--yes")
    assert 4 == said.code
    assert [theirs / "1.eml"] == _left(tmp_path / "theirs", "quixote")
    assert f"look there by hand: letters of a rehearsal on elsewhere, in {tmp_path}/far\n" in said.err
    told = [line for line in said.err.splitlines() if line.startswith("not done: ")]
    assert (
        f"not done: letters of a rehearsal in {tmp_path}/play/mail: a link leads there now; look there by hand"
        in told
    )
    assert not [line for line in told if "gone" in line]
