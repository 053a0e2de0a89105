"""Forgetting somebody whose letters were kept by a rehearsal, or of a time when mail went into a folder."""

from __future__ import annotations

from pathlib import Path

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
