"""A folder of Markdown files as an upstream: what lies in it now, as a reading like that of any feed.

A file is an item: its front matter says what, its `uid` or its path makes it the same next time, and
its bytes make it known when it was renamed. Nothing leads out of the folder: links are not followed,
hidden files are not seen. Whatever else is left out is named. Serves walk A in place of fetch and parse.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from syndicator.errors import Invalid
from syndicator.ingest.fetch import Failed, Unchanged
from syndicator.ingest.filing import LeftOut, Reading
from syndicator.model.drafts import draft_from
from syndicator.model.frontmatter import parted
from syndicator.model.incoming import Incoming
from syndicator.model.item import Content
from syndicator.model.markup import Draft
from syndicator.model.site import Site
from syndicator.model.upstream import (
    LONGEST_KEY,
    Upstream,
    Validators,
    folder_path,
    folder_url,
    is_folder,
)
from syndicator.observe import logger

log = logger("ingest")

SUFFIXES = (".md", ".markdown")
MOST_FILES = 5_000
MOST_BYTES = 20_000_000  # of one file, as the command line takes it
MOST_IN_ALL = 500_000_000  # bytes: all of it is hashed at each look
PIECE = 2**20
OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not make us wait
LINK = "it is a symbolic link: put the file itself here"
NO_FILE = "it is no file"
PASSED_OVER = {LINK, NO_FILE}  # never were items, so they hide none


@dataclass(frozen=True, slots=True)
class _File:
    """A file by its name within the folder, and by its bytes."""

    name: str
    digest: str

    @property
    def raw(self) -> str:
        """What it is known by while nothing about it changed; its name counts."""
        return hashlib.sha256(f"{self.name}\0{self.digest}".encode()).hexdigest()


def look(
    upstream: Upstream, validators: Validators, site: Site, known: frozenset[str]
) -> Unchanged | Failed | tuple[Reading, Validators]:
    """What the upstream's folder holds, files whose hash is in `known` only named; Unchanged if it is as it was.

    While something in it is left out it is read again, to say so. Reads `*.md` in it and in its folders, one level deep. Failed says in words why it cannot be read.
    """
    try:
        with _opened(folder_path(upstream.url)) as root:
            files, without = _files(root)
            fresh = _validators(files, without)
            whole = not without and all(file.raw in known for file in files)
            if whole and fresh.body_hash == validators.body_hash:
                return Unchanged(validators, 200)
            return _reading(root, files, without, upstream, site, known), fresh
    except Invalid as fault:
        return Failed(str(fault))
    except OSError as fault:
        return Failed(f"the folder {upstream.url} cannot be read: {fault.strerror or fault}")


def page_status(upstream: Upstream, page: str) -> int:
    """What a web server would say of a file's address: 200, 410 if it is gone, 503 if its folder is out of reach.

    An empty folder is out of reach, too: a disk that is not mounted looks so.
    """
    try:
        with _opened(folder_path(upstream.url)) as root:
            name = _named(upstream, page)
            files, without = _files(root, digests=False)
            if any(name == file.name for file in files) or any(name == one.identity for one in without):
                return 200
            return 410 if files else 503
    except (Invalid, OSError):
        return 503


def page_of(upstream: Upstream, name: str) -> str:
    """The address of a file in the folder, by its name within it."""
    return folder_url(f"{folder_path(upstream.url)}/{name}")


@contextmanager
def _opened(path: str) -> Iterator[int]:
    # By descriptor: whatever is moved or linked while we look, we stay in this very folder.
    root = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield root
    finally:
        os.close(root)


def _files(root: int, *, digests: bool = True) -> tuple[list[_File], list[LeftOut]]:
    """All files by name, and those that are none we read."""
    files: list[_File] = []
    without: list[LeftOut] = []
    total = 0
    for folder, name, size in _found(root, without):
        full = f"{folder}/{name}" if folder else name
        total += size
        if len(files) >= MOST_FILES:
            raise Invalid(f"the folder holds more than {MOST_FILES:,} Markdown files; make several of it")
        if total > MOST_IN_ALL:
            raise Invalid(f"its files are more than {MOST_IN_ALL // 10**6:,} MB; make several folders of it")
        if why := _objection(full, size):
            without.append(_without(full, why))
            continue
        try:
            files.append(_File(full, _digest(root, full) if digests else ""))
        except (Invalid, OSError) as fault:
            without.append(_without(full, _words(fault), again=True))
    files.sort(key=lambda file: file.name)
    return files, without


def _found(root: int, without: list[LeftOut]) -> Iterator[tuple[str, str, int]]:
    """Folder, name and size of each Markdown file; links and pipes are left out and named."""
    folders = [""]
    for folder in folders:
        with _within(root, folder) as handle, os.scandir(handle) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if not folder and entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif not entry.name.lower().endswith(SUFFIXES):
                    continue
                elif entry.is_symlink():
                    without.append(_without(f"{folder}/{entry.name}".lstrip("/"), LINK))
                elif entry.is_file(follow_symlinks=False):
                    yield folder, entry.name, entry.stat(follow_symlinks=False).st_size
                elif not entry.is_dir(follow_symlinks=False):
                    without.append(_without(f"{folder}/{entry.name}".lstrip("/"), NO_FILE))


@contextmanager
def _within(root: int, folder: str) -> Iterator[int]:
    handle = os.open(folder or ".", OPEN | os.O_DIRECTORY, dir_fd=root)
    try:
        yield handle
    finally:
        os.close(handle)


def _objection(name: str, size: int) -> str | None:
    if not name.isprintable():
        return "its name holds what cannot be shown: rename it"
    if len(name) > LONGEST_KEY:
        return f"its name is longer than {LONGEST_KEY} characters"
    if size > MOST_BYTES:
        return f"it is {size:,} bytes long; the limit is {MOST_BYTES:,}"
    return None


def _digest(root: int, name: str) -> str:
    found = hashlib.sha256()
    with _reading_bytes(root, name) as file:
        left = MOST_BYTES + 1  # it may grow while we read
        while left > 0 and (piece := os.read(file, min(PIECE, left))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()


@contextmanager
def _reading_bytes(root: int, name: str) -> Iterator[int]:
    folder, _, last = name.rpartition("/")
    with _within(root, folder) as handle:
        file = os.open(last, OPEN, dir_fd=handle)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise Invalid(f"{name} is no file any more; look again")
            yield file
        finally:
            os.close(file)


def _validators(files: list[_File], without: list[LeftOut]) -> Validators:
    """One hash over names and contents: the same again is the same folder."""
    said = [file.raw for file in files] + sorted(f"{one.title}\0{one.why}" for one in without)
    return Validators(body_hash=hashlib.sha256("\n".join(said).encode("utf-8", "replace")).hexdigest())


def _reading(
    root: int,
    files: list[_File],
    without: list[LeftOut],
    upstream: Upstream,
    site: Site,
    known: frozenset[str],
) -> Reading:
    things: list[Incoming] = []
    left = list(without)
    for file in files:
        if file.raw in known:
            continue
        try:
            things.append(_incoming(root, file.name, upstream, site))
        except (Invalid, OSError) as fault:
            left.append(_without(file.name, _words(fault), again=isinstance(fault, OSError)))
        except Exception as bug:  # a bug that one file wakes must not keep the others from being read
            log.exception("file left out", upstream=upstream.slug)
            left.append(_without(file.name, f"a fault of our own: {type(bug).__name__}"))
    return Reading(
        things=tuple(things),
        left_out=tuple(left),
        unchanged=tuple(file.raw for file in files if file.raw in known),
        # Who a file is that cannot be read, nobody knows: then nothing is taken for deleted.
        whole=all(one.why in PASSED_OVER for one in left),
    )


def _incoming(root: int, name: str, upstream: Upstream, site: Site) -> Incoming:
    """The file as an item; what it does not say itself, the upstream says. Raises Invalid."""
    with _reading_bytes(root, name) as file, os.fdopen(os.dup(file), "rb") as stream:
        data = stream.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Invalid(f"it is too long; the limit is {MOST_BYTES:,} bytes")
    text = _text(data)
    draft = draft_from(text, base_url=site.base_url, zone=site.zone)
    digest = hashlib.sha256(data).hexdigest()
    return Incoming(
        guid=draft.uid or name,
        link=None,
        content=_filed(draft, upstream, text),
        published=draft.published,
        embargo=draft.embargo,
        raw=_File(name, digest).raw,
        alias=f"sha256:{digest}",
        page=page_of(upstream, name),
    )


def _filed(draft: Draft, upstream: Upstream, text: str) -> Content:
    """Its own topics beside the upstream's; its own kind, if it names one."""
    fields, _ = parted(text)
    kind = draft.content.kind if fields.get("kind") else upstream.kind
    topics = tuple(dict.fromkeys([*upstream.topics, *draft.content.topics]))
    return replace(draft.content, kind=kind, topics=topics)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as fault:
        raise Invalid(f"it is not UTF-8 (byte {fault.start + 1}): save it as UTF-8") from None


def _words(fault: Exception) -> str:
    return f"it cannot be read: {fault.strerror}" if isinstance(fault, OSError) else str(fault)


def _without(name: str, why: str, *, again: bool = False) -> LeftOut:
    shown = "".join(char if char.isprintable() else "\ufffd" for char in name)
    return LeftOut(title=shown[:200], identity=shown[:LONGEST_KEY], why=why, again=again)


def _named(upstream: Upstream, page: str) -> str:
    """The name within the folder that an address means; raises Invalid where it lies elsewhere."""
    if not is_folder(page):
        raise Invalid(f"{page!r} lies in no folder")
    try:
        return str(PurePosixPath(folder_path(page)).relative_to(folder_path(upstream.url)))
    except ValueError:
        raise Invalid(f"{page!r} lies in another folder") from None
