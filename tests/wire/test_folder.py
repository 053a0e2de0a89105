"""Letters into a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from syndicator.model.delivery import Outcome
from syndicator.wire.folder import Folder, forget, remove
from syndicator.wire.letters import Letter, Postman

MESSAGE = b"Subject: x\r\n\r\n.dot\r\n"


def letter(recipient: str = "r@example.org", message: bytes = MESSAGE) -> Letter:
    return Letter(id=1, sender="b@news.example", recipient=recipient, message=message)


def test_a_letter_becomes_a_file(tmp_path: Path) -> None:
    """mail:MC8: the file holds the bytes of the message, not stuffed; the folder is made."""
    folder: Postman = Folder(tmp_path / "new" / "out")
    ((one, result),) = folder.send([letter()])
    folder.quit()
    (file,) = (tmp_path / "new" / "out").iterdir()
    assert (letter(), Outcome.ACCEPTED, f"written as {file.name}") == (one, result.outcome, result.detail)
    assert file.name.startswith("r@example.org-")
    assert file.suffix == ".eml"
    assert MESSAGE == file.read_bytes()


def test_the_same_letter_twice_is_one_file(tmp_path: Path) -> None:
    """mail:SE13: a repeat is seen as one file; another message or recipient is another."""
    given = [letter(), letter(), letter(message=b"Subject: y\r\n\r\n"), letter("s@example.org")]
    assert 4 == len(list(Folder(tmp_path).send(given)))
    assert 3 == len(list(tmp_path.iterdir()))


@pytest.mark.parametrize(
    "recipient", ["../../etc/x@y", "/etc/passwd", "..", ".hidden@y", "ü/x@y", "x" * 300 + "@y"]
)
def test_no_name_leaves_the_folder(tmp_path: Path, recipient: str) -> None:
    """mail:MC20: whatever the address says, the file lies in the folder, seen, under a short name."""
    inside = tmp_path / "out"
    ((_, result),) = Folder(inside).send([letter(recipient)])
    assert Outcome.ACCEPTED is result.outcome
    assert [inside] == list(tmp_path.iterdir())
    (file,) = inside.iterdir()
    assert not file.name.startswith(".")
    assert len(file.name) < 110


def test_what_no_relay_would_take_is_refused(tmp_path: Path) -> None:
    """mail:MC19: the folder objects to what the wire objects to, so the demo shows it."""
    ((_, result),) = Folder(tmp_path).send([letter("a@b\r\nBcc: x")])
    assert Outcome.REFUSED is result.outcome
    assert [] == list(tmp_path.iterdir())


def test_a_fault_of_the_disk_defers(tmp_path: Path) -> None:
    """mail:SE6: what cannot be written is tried again, with words that name the folder."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    ((_, result),) = Folder(blocked).send([letter()])
    assert Outcome.DEFERRED is result.outcome
    assert result.detail.startswith(f"cannot write into {blocked}: ")


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    """mail:SE12: when the name is taken by a folder the letter is deferred and no part is left."""
    ((_, first),) = Folder(tmp_path).send([letter()])
    name = first.detail.removeprefix("written as ")
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    ((_, result),) = Folder(tmp_path).send([letter()])
    assert Outcome.DEFERRED is result.outcome
    assert [name] == [entry.name for entry in tmp_path.iterdir()]


def test_a_folder_that_nobody_can_look_into_is_told(tmp_path: Path) -> None:
    """mail:LM19, design:2 what cannot be looked into may hold the address, or the words: a person must look."""
    shut = tmp_path / ("x" * 300)  # longer than the name of any file may be; permissions do not hold for root
    said = [f"{shut} cannot be looked into: File name too long; look there by hand"]
    assert said == forget(shut, "jane@x.example")
    assert (0, said) == remove(shut, {"id"})
    assert (0, []) == remove(tmp_path / "none", {"id"})
    assert [] == forget(tmp_path / "none", "jane@x.example")
