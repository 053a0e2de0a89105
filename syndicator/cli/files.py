"""Files as they are handed in: Markdown with front matter, read whole, and the uid written back into it.

The uid is put into the front matter line by line, so that everything else stays as its author wrote
it; the file is replaced in one step and keeps its mode.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator.errors import Invalid

if TYPE_CHECKING:
    from syndicator.model.markup import Draft
    from syndicator.model.site import Site

STDIN = "-"
MAX_FILE = 20_000_000  # bytes: four times what a text may be, for those who write UTF-8 with four
MAX_LINE = 10_000  # bytes
OPENING = re.compile(r"\A(\ufeff?\s*---[ \t]*)(\r?\n)")
# A line `uid:` that says nothing: it is filled, for a second one would be no YAML.
EMPTY_UID = re.compile(r"^uid:[ \t]*(?:''|\"\"|null|~)?[ \t]*(?:#[^\r\n]*)?(?=\r?$)", re.MULTILINE)
CLOSING = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed in: its name, its text, and what the front matter says."""

    name: str
    text: str
    draft: Draft

    def keep(self, uid: str) -> None:
        """Write a newly minted uid back into the file; what came by stdin stays as it was."""
        if self.draft.uid is None and self.name != STDIN:
            write(Path(self.name), with_uid(self.text, uid))


def handed(name: str, site: Site) -> Handed:
    """Read a file or stdin; raises Invalid, naming the file, when it is not to be had or says nothing."""
    from syndicator.model.drafts import draft_from

    text = read(name)
    try:
        return Handed(name, text, draft_from(text, base_url=site.base_url, zone=site.zone))
    except Invalid as fault:
        raise Invalid(f"{'stdin' if name == STDIN else name}: {fault}") from None


def read(name: str) -> str:
    """The text of a file, or of stdin for `-`."""
    data = read_bytes(name)
    try:
        return data.decode()
    except UnicodeDecodeError as fault:
        raise Invalid(f"{name} is not UTF-8 (byte {fault.start + 1}): save it as UTF-8") from None


def read_bytes(name: str) -> bytes:
    """The bytes of a file, or of stdin for `-`; raises Invalid in one line."""
    try:
        if name == STDIN:
            data = sys.stdin.buffer.read(MAX_FILE + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(MAX_FILE + 1)
    except OSError as fault:
        raise Invalid(f"{name} cannot be read: {fault.strerror or fault}") from None
    if len(data) > MAX_FILE:
        raise Invalid(f"{name} is too long: the limit is {MAX_FILE:,} bytes")
    return data


def line() -> str:
    """One line of stdin, trimmed: for a secret, which whoever lists processes must not see."""
    return sys.stdin.buffer.readline(MAX_LINE).decode(errors="replace").strip()


def with_uid(text: str, uid: str) -> str:
    """The text with `uid` in its front matter, and not a letter changed elsewhere."""
    opening = OPENING.match(text)
    if opening is None:
        raise Invalid("the uid cannot be written back: start the file with --- (YAML front matter)")
    start = opening.end()
    closing = CLOSING.search(text, start)
    end = closing.start() if closing else len(text)
    head = text[start:end]
    if EMPTY_UID.search(head):
        filled = EMPTY_UID.sub(lambda _: f"uid: {uid}", head, count=1)
        return text[:start] + filled + text[end:]
    return f"{text[:start]}uid: {uid}{opening[2]}{text[start:]}"


def write(path: Path, text: str) -> None:
    """Replace a file in one step; it keeps its mode. Raises Invalid when that is not allowed."""
    path = path.resolve()  # a link stays a link
    try:
        handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(new).chmod(path.stat().st_mode & 0o7777)
        Path(new).replace(path)
    except OSError as fault:
        raise Invalid(
            f"the uid cannot be written back into {path}: {fault.strerror}; give one in its front matter"
        ) from None


@contextmanager
def table(name: str) -> Iterator[io.TextIOBase]:
    """A CSV file, or stdin for `-`, as text line by line; raises Invalid if it cannot be opened."""
    if name == STDIN:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8-sig", newline="")
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(Path(name).open(encoding="utf-8-sig", newline=""))
        except OSError as fault:
            raise Invalid(f"{name} cannot be read: {fault.strerror}") from None
        yield file
