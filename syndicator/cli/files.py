"""Files as they are handed in: Markdown with front matter, or Word, read whole, and the uid written back into it.

The uid is put into the front matter line by line, so that everything else stays as its author wrote
it; the file is replaced in one step and keeps its mode.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syndicator.errors import Invalid, Refused

if TYPE_CHECKING:
    from syndicator.model.item import Content
    from syndicator.model.markup import Draft
    from syndicator.model.release import Embargo
    from syndicator.model.site import Site
    from syndicator.press.docx import WordFile
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

WORD = ".docx"
STDIN = "-"
MAX_FILE = 20_000_000  # bytes: four times what a text may be, for those who write UTF-8 with four
MAX_LINE = 10_000  # bytes
OPENING = re.compile(r"\A(\ufeff?\s*---[ \t]*)(\r?\n)")
# A line `uid:` that says nothing: it is filled, for a second one would be no YAML.
BASE = re.compile(r"^base:[^\r\n]*", re.MULTILINE)
UID = re.compile(r"^uid:[^\r\n]*(\r?\n)", re.MULTILINE)
EMPTY_UID = re.compile(r"^uid:[ \t]*(?:''|\"\"|null|~)?[ \t]*(?:#[^\r\n]*)?(?=\r?$)", re.MULTILINE)
CLOSING = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Said:
    """What is said on the command line of a Word file, which has no front matter."""

    topics: str = ""
    kind: str = ""
    embargo: str = ""

    def __bool__(self) -> bool:
        return bool(self.topics or self.kind or self.embargo)


NOTHING = Said()


@dataclass(frozen=True, slots=True)
class Handed:
    """What was handed in: its name, its text, and what the front matter says; `pictures` came within a Word file."""

    name: str
    text: str
    draft: Draft
    pictures: Mapping[str, bytes] | None = None

    def keep(self, uid: str, base: str = "") -> None:
        """Write a newly minted uid back into the file, and its base; what came by stdin stays as it was.

        Of a Word file a Markdown file is made beside it, with its pictures, by which it is edited from now on.
        """
        if self.pictures is not None:
            beside = markdown_beside(self.name)
            for name, data in self.pictures.items():
                _write_new(beside.with_name(name), data)
            _write_new(beside, _as_markdown(self.draft, uid, base).encode())  # last: it bars the way back
            _say_where(beside, list(self.pictures))
        elif self.draft.uid is None and self.name != STDIN:
            text = with_uid(self.text, uid)
            write(Path(self.name), with_base(text, base) if base else text)

    def rebase(self, base: str) -> None:
        """Where the file says what it was made from, say there what it is now: its next edit starts from that."""
        from syndicator.cli import output

        known = self.draft.uid is not None and self.draft.base and self.draft.base != base
        if not known or self.name == STDIN:
            return
        try:
            write(Path(self.name), with_base(self.text, base))
        except Invalid:  # it is handed in all the same
            output.say(f'{self.name} cannot be written: put base: "{base}" there before you hand it in again')

    def read(self, name: str, most: int) -> bytes:
        """A file that the text names: beside it, or within the Word file; raises Invalid above `most` bytes."""
        if self.pictures is not None and name in self.pictures:
            return self.pictures[name]
        return read_beside(Path() if self.name == STDIN else Path(self.name).parent, name, most)


def handed(name: str, site: Site, said: Said = NOTHING) -> Handed:
    """Read a file or stdin; raises Invalid, naming the file, when it is not to be had or says nothing.

    What it names beside it is not looked for yet: `settled` does, in the transaction that stores the words.
    """
    from syndicator.model.drafts import draft_from

    if name.lower().endswith(WORD):
        return _from_word(name, site, said)
    if said:
        raise Invalid("--topics, --kind and --embargo are for Word files: write them into the front matter")
    text = read(name)
    try:
        return Handed(name, text, draft_from(text, **_manner(site)))
    except Invalid as fault:
        raise Invalid(f"{'stdin' if name == STDIN else name}: {fault}") from None


def settled(tx: Tx, runtime: Runtime, handed: Handed, uid: str) -> Handed:
    """With boilerplates and files put in, and its author told what is missing about them.

    Raises what `press.media.taken_in` raises, naming the file.
    """
    from syndicator.cli import output
    from syndicator.press.media import Intake, taken_in
    from syndicator.runtime import mint_medium

    intake = Intake(
        cabinet=runtime.cabinet, site=runtime.site, mint=mint_medium, needs_alt=handed.pictures is None
    )
    limit = runtime.cabinet.limit
    draft, told = taken_in(tx, handed.draft, uid, intake, lambda name: handed.read(name, limit))
    for words in told:
        output.say(f"{handed.name}: {words}")
    return replace(handed, draft=draft)


def show(content: Content, uid: str, embargo: Embargo | None = None, base: str = "") -> None:
    """Print words as the file they can be changed in and handed in again; raises Refused for words that are wiped."""
    from syndicator.model.written import written

    if not content.title:
        raise Refused(f"{uid} has no words any more: there is nothing to change")
    print(written(content, uid=uid, embargo=embargo, base=base), end="")


def markdown_beside(name: str) -> Path:
    """Where the Markdown of a Word file goes."""
    return Path(name).with_suffix(".md")


def read_beside(folder: Path, name: str, most: int) -> bytes:
    """A file in this folder or below it; raises Invalid for one that is not there, is elsewhere or is too long."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Invalid("it leads elsewhere: put the file itself beside the text")
    try:
        if not path.is_file():
            raise Invalid(f"there is no such file in {folder.resolve()}")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as fault:
        raise Invalid(f"it cannot be read: {fault.strerror}") from None
    if len(data) > most:
        raise Invalid(f"it is too long: the limit is {most:,} bytes (store.media_limit)")
    return data


def _from_word(name: str, site: Site, said: Said) -> Handed:
    from syndicator.cli import output
    from syndicator.model.drafts import draft_from
    from syndicator.press import docx

    beside = markdown_beside(name)
    if beside.exists():
        raise Refused(
            f"{beside} was made of it already and knows its uid: hand that in, or move it away to begin anew"
        )
    try:
        word = _beside_others(docx.read(read_bytes(name)), beside.parent)
        text = word.file(topics=said.topics, kind=said.kind, embargo=said.embargo)
        draft = draft_from(text, **_manner(site))
    except Invalid as fault:
        raise Invalid(f"{name}: {fault}") from None
    for what in word.dropped:
        output.say(f"{name}: {what}")
    return Handed(name, text, draft, {picture.name: picture.data for picture in word.pictures})


def _beside_others(word: WordFile, folder: Path) -> WordFile:
    """With other names for the pictures where there are other files of that name in this folder."""
    text, named = word.markdown, []
    for picture in word.pictures:
        stem, dot, ending = picture.name.rpartition(".")
        tries = chain([picture.name], (f"{stem}-{number}{dot}{ending}" for number in count(2)))
        name = next(name for name in tries if _holds(folder / name, picture.data))
        text = text.replace(f"({picture.name})", f"({name})").replace(f"({picture.name} ", f"({name} ")
        named.append(replace(picture, name=name))
    return replace(word, markdown=text, pictures=tuple(named))


def _holds(path: Path, data: bytes) -> bool:
    """Whether nothing is in the way of these bytes there: no file, or one that holds them."""
    if not os.path.lexists(path):
        return True
    try:
        same = path.is_file() and not path.is_symlink() and path.stat().st_size == len(data)
        return same and path.read_bytes() == data
    except OSError:
        return False


def _manner(site: Site) -> dict[str, Any]:
    return {"base_url": site.base_url, "zone": site.zone, "language": site.language, "parts": True}


def _as_markdown(draft: Draft, uid: str, base: str) -> str:
    from syndicator.model.written import written

    return written(draft.content, uid=uid, published=draft.published, embargo=draft.embargo, base=base)


def _write_new(path: Path, data: bytes) -> None:
    """A file that must not be there yet, with other bytes; for its owner alone, for it may be under embargo."""
    if _holds(path, data) and path.exists():
        return
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
    except OSError as fault:
        raise Invalid(f"{path} cannot be written: {fault.strerror}; copy the file to where it can") from None


def _say_where(path: Path, pictures: list[str]) -> None:
    from syndicator.cli import output

    shown = f", and its pictures beside it: {', '.join(pictures)}" if pictures else ""
    output.say(f"its words are in {path} now, with the uid{shown}. Change them there")


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


def with_base(text: str, base: str) -> str:
    """The text with this `base` in its front matter, below its uid, in place of another."""
    opening = OPENING.match(text)
    closing = CLOSING.search(text, opening.end() if opening else 0)
    end = closing.start() if closing else len(text)
    head, line = text[:end], f'base: "{base}"'  # in quotes: digits alone would be a number
    if BASE.search(head):
        return BASE.sub(line, head, count=1) + text[end:]
    return UID.sub(lambda uid: f"{uid[0]}{line}{uid[1]}", head, count=1) + text[end:]


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


def put(folder: Path, name: str, data: bytes) -> Path:
    """Write a file below a folder, for its owner alone: it holds what is not public yet. Returns its path.

    Whatever stands in its place, a link or a file others may read, is replaced, not written to. Raises Invalid.
    """
    path = folder / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        inner = [one for one in path.relative_to(folder).parents if one != Path()]
        if any((folder / one).is_symlink() for one in inner):
            raise Invalid(f"{path.parent} is a link and may lead anywhere: name a folder of its own")
        handle, new = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(new).replace(path)
        except BaseException:
            Path(new).unlink(missing_ok=True)
            raise
    except OSError as fault:
        raise Invalid(f"{path} cannot be written: {fault.strerror}; name another folder") from None
    return path
