"""Copies: the folders into which somebody had words of this house written, so that a redaction finds them again.

Previews and rehearsals of a release, and exports of feeds. They stand in a journal beside the media, by machine and
folder: what lies on another machine cannot be removed from here, but can be named. Serves no walk.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from syndicator.observe import logger

log = logger("redaction")
JOURNAL = "copies.jsonl"
# What a rehearsal writes into a folder that was empty: nothing else is ever removed there.
REHEARSED = re.compile(
    r"(mail|advance)/[^/]+\.eml|webhook/[^/]+\.json|page/[^/]+\.(html|css)|page/media/[^/]+"
    r"|feeds/[^/]+\.(atom|rss|json)|hub/pings\.json"
)


@dataclass(frozen=True, slots=True)
class Copy:
    """A folder with words: `uid` is the release's, empty where it is the feeds; `names` are its files, none: a rehearsal's."""

    folder: str
    uid: str = ""
    names: tuple[str, ...] = ()
    host: str = ""

    @property
    def here(self) -> bool:
        """Whether it lies on this machine."""
        return self.host == os.uname().nodename


def note(beside: Path, folder: Path, uid: str = "", names: Sequence[str] = ()) -> None:
    """Remember, before the first file is written, what this folder is to hold; `beside` is the media's."""
    copy = Copy(str(folder.resolve()), uid, tuple(names), os.uname().nodename)
    try:
        with _journal(beside) as (known, keep):
            anew = (
                bool(uid) and not names
            )  # a rehearsal's folder was empty: what was noted of it is there no more
            still = [one for one in known if not (anew and one.here and one.folder == copy.folder)]
            if copy not in still:
                keep([*still, copy])
    except OSError as fault:  # a redaction says in any case that there may be others
        log.warning("a copy was not noted", folder=copy.folder, fault=str(fault))


def exports(beside: Path) -> list[Path]:
    """The folders of this machine that feeds were exported to."""
    return [Path(one.folder) for one in _read(beside) if not one.uid and one.here]


def rehearsed(beside: Path) -> tuple[list[Path], list[str]]:
    """The folders of letters, on this machine, that rehearsals wrote to real people; in words where a person must look."""
    found, undone = list[Path](), list[str]()
    try:
        noted = _noted(beside)
    except OSError as fault:
        return [], [
            f"{beside / JOURNAL}: {fault.strerror}; letters of rehearsals that it names lie where they were"
        ]
    folders = dict.fromkeys(Path(one.folder) for one in noted if one.uid and one.here and not one.names)
    for folder in folders:
        for scene in ("advance", "mail"):
            try:
                if _is_there(folder) and _is_there(folder / scene):
                    found.append(folder / scene)
            except OSError as fault:
                undone.append(
                    f"letters of a rehearsal in {folder / scene}: {fault.strerror}; look there by hand"
                )
    return found, undone


def rehearsed_elsewhere(beside: Path) -> list[str]:
    """In words, where on other machines letters of rehearsals to real people lie."""
    far = [one for one in _read(beside) if one.uid and not one.here and not one.names]
    return list(dict.fromkeys(f"letters of a rehearsal on {one.host}, in {one.folder}" for one in far))


def elsewhere(beside: Path, uid: str) -> list[str]:
    """In words, where on other machines words of this release lie."""
    far = [one for one in _read(beside) if not one.here and one.uid in ("", uid)]
    return [
        f"{'a preview or rehearsal' if one.uid else 'feeds exported'} on {one.host}, in {one.folder}"
        for one in far
    ]


def burn(beside: Path, uid: str) -> tuple[int, list[str]]:
    """Remove the previews and rehearsals of this release on this machine: how many files, and in words what a person must."""
    removed, undone, done = 0, list[str](), set[Copy]()
    try:
        noted = _noted(beside)
    except OSError as fault:
        words = (
            f"{beside / JOURNAL}: {fault.strerror}; previews and rehearsals that it names lie where they were"
        )
        return 0, [words]
    for copy in noted:
        if copy.here and copy.uid == uid:
            try:
                removed += _removed(copy)
                done.add(copy)
            except OSError as fault:
                undone.append(f"{fault.filename or copy.folder}: {fault.strerror}; remove it by hand")
    if done:
        try:
            with _journal(beside) as (known, keep):
                keep([one for one in known if one not in done])  # a folder may be called as the release was
        except OSError as fault:
            undone.append(f"{beside / JOURNAL}: {fault.strerror}; its lines about {uid} stay")
    return removed, undone


def _removed(copy: Copy) -> int:
    """Remove its files; raises OSError where somebody else must look, for then they are still on record."""
    folder, count = Path(copy.folder), 0
    if not _is_there(folder):
        return 0
    for path in list(_files(folder, copy.names)):
        path.unlink(missing_ok=True)
        count += 1
    return count


def _is_there(folder: Path) -> bool:
    """Whether there is still a folder; raises OSError where a link leads there now, or where nobody can look."""
    try:
        if folder.resolve(strict=True) != folder:  # whatever lies there now is not what was written
            raise OSError(errno.ELOOP, "a link leads there now", str(folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _files(folder: Path, names: Sequence[str]) -> Iterator[Path]:
    """The files of a copy that are there; through no link."""
    if names:
        found = (folder / name for name in names if ".." not in Path(name).parts)
        yield from (one for one in found if one.parent in (folder, folder / "media") and _is_file(one))
        return
    for here, _, files in os.walk(folder, onerror=_fail):
        for name in files:
            path = Path(here, name)
            if REHEARSED.fullmatch(path.relative_to(folder).as_posix()):
                yield path


def _is_file(path: Path) -> bool:
    try:
        return path.parent.resolve() == path.parent and stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _fail(fault: OSError) -> None:
    if not isinstance(fault, FileNotFoundError | NotADirectoryError):
        raise fault


def _read(beside: Path) -> list[Copy]:
    try:
        return _noted(beside)
    except OSError as fault:
        log.warning("copies not read", journal=str(beside / JOURNAL), fault=str(fault))
        return []


def _noted(beside: Path) -> list[Copy]:
    try:
        text = (beside / JOURNAL).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    return list(_copies(text))


def _copies(text: str) -> Iterator[Copy]:
    for line in text.splitlines():
        try:
            said = json.loads(line)
            yield Copy(str(said["folder"]), str(said["uid"]), tuple(said["names"]), str(said["host"]))
        except (ValueError, KeyError, TypeError):
            continue


@contextmanager
def _journal(beside: Path) -> Iterator[tuple[list[Copy], Callable[[list[Copy]], None]]]:
    """The lines, held against other processes, and what writes them anew."""
    beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(beside / JOURNAL, flags, 0o600), "r+", encoding="utf-8", errors="replace") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield list(_copies(file.read())), lambda copies: _rewrite(file, copies)


def _rewrite(file: IO[str], copies: Sequence[Copy]) -> None:
    """In its place: a lock is held on this very file. What a crash tears is skipped by whoever reads it."""
    lines = "".join(f"{json.dumps(asdict(one))}\n" for one in copies)
    file.seek(0)
    file.write(lines)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())
