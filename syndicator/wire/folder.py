"""Letters into a folder instead of onto the wire: one `.eml` file each, no server needed.

The postman of the demo and of a first try (`transport = "folder"`). What it takes, a relay with every
extension would take as well. The same letter gets the same file name: a repeat is seen as one file.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from syndicator.model.outcomes import WRITTEN, Cause, Outcome, Result
from syndicator.wire.letters import Letter, Offer, objection


class Folder:
    """A folder that accepts letters; it is made when the first one comes."""

    secure = True  # it does not leave this machine

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def send(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Result]]:
        """Write letters one after the other; a fault of the disk defers the letter."""
        for letter in letters:
            yield letter, self._kept(letter)

    def quit(self) -> None:
        """Nothing to say goodbye to."""

    def _kept(self, letter: Letter) -> Result:
        fault = objection(letter, _EVERYTHING)
        if fault is not None:
            return fault
        name = file_name(letter)
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)  # names of files are addresses
            _write(self.path / name, letter.message)
        except OSError as trouble:
            words = f"cannot write into {self.path}: {trouble.strerror or trouble}; check the folder of the mail settings"
            # The folder is the relay here: its trouble is nobody's who waits.
            return Result(outcome=Outcome.DEFERRED, detail=words[:300], cause=Cause.RELAY)
        return Result(outcome=Outcome.ACCEPTED, detail=f"{WRITTEN}{name}")


def file_name(letter: Letter) -> str:
    """The name of this letter's file: readable, safe, the same for the same letter."""
    digest = hashlib.sha256()
    for part in (letter.sender.encode(), letter.recipient.encode(), letter.message):
        digest.update(len(part).to_bytes(8, "big") + part)
    safe = re.sub(r"[^A-Za-z0-9@._+-]", "_", letter.recipient).lstrip(".-")[:80] or "nobody"
    return f"{safe}-{digest.hexdigest()[:12]}.eml"


def forget(folder: Path, address: str) -> list[str]:
    """Remove every letter to this address (folded), and every one that quotes it; those a person must, in words."""
    letters, undone = _letters(folder)
    for path in letters:
        try:
            if _speaks_of(path.read_bytes(), address.casefold()):
                path.unlink()
        except FileNotFoundError:  # somebody else took it, or it was half written and is whole now
            continue
        except OSError as trouble:
            undone.append(f"{path} may hold the address: {trouble.strerror or trouble}; remove it by hand")
    return undone


def remove(folder: Path, ids: Collection[str], names: Collection[str] = ()) -> tuple[int, list[str]]:
    """Remove letters by what stands before the @ of their Message-ID, or by the names of their files.

    What stands behind the @ changes with the address mail is from, and all of it with the key. Returns how many, and
    those a person must remove, in words.
    """
    removed, (letters, undone) = 0, _letters(folder) if ids or names else ([], [])
    for path in letters:
        try:
            if path.name in names or _named(path) in ids:
                path.unlink()
                removed += 1
        except FileNotFoundError:
            continue
        except OSError as trouble:
            undone.append(f"{path} may hold words of it: {trouble.strerror or trouble}; remove it by hand")
    return removed, undone


def _letters(folder: Path) -> tuple[list[Path], list[str]]:
    """Whole letters, and what killed processes left of others; and in words why nobody could look."""
    try:
        found = sorted(
            path for path in folder.iterdir() if path.suffix == ".eml" or _PART.fullmatch(path.name)
        )
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError as trouble:
        return [], [f"{folder} cannot be looked into: {trouble.strerror or trouble}; look there by hand"]
    return found, []


def _named(path: Path) -> str:
    with path.open("rb") as file:
        found = _MESSAGE_ID.search(file.read(HEAD).partition(b"\r\n\r\n")[0])
    return found[1].decode("ascii", "replace") if found else ""


def _speaks_of(letter: bytes, address: str) -> bool:
    if address.encode() in letter.lower():
        return True
    said = email.message_from_bytes(letter, policy=email.policy.default)
    try:
        parts = [part.get_content() for part in said.walk() if part.get_content_maintype() == "text"]
        heads = [str(value) for value in said.values()]
    except (LookupError, ValueError):  # no letter of ours
        return False
    return any(address in str(words).casefold() for words in (*heads, *parts))


HEAD = 1 << 16  # bytes of a letter among which its Message-ID stands
_PART = re.compile(r"\..+\.part")
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*<([^<>@\s]+)@")
_EVERYTHING = Offer(pipelining=True, eight_bit=True, utf8=True)


def _write(path: Path, content: bytes) -> None:
    handle, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(part).unlink()
        raise
