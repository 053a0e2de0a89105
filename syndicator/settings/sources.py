"""Where values come from: the TOML file with its line numbers, the environment, flags.

Everything ends in `Table`s of raw values, each of which knows how a fault about it begins
(`config/syndicator.toml:41: [[schedules]] "daily" .timezone`). Nothing is understood here; that is
`reading`'s part. A later source replaces an earlier one: file, environment, flag.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import Any

from syndicator.errors import Invalid, Misconfigured
from syndicator.settings.keys import SECTIONS, Key, Section, catalogue
from syndicator.settings.values import nearest

PREFIX = "SYNDICATOR_"
FROM_FILE = "_FILE"


class Source(StrEnum):
    """Who said what a value is."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from; `where` is file and line, the variable, or the flag."""

    source: Source
    where: str = ""

    def __str__(self) -> str:
        return f"{self.source} {self.where}".strip()


@dataclass(frozen=True, slots=True)
class Given:
    """A raw value, and how a fault about it begins."""

    raw: Any = field(repr=False)  # it may be a secret
    at: str
    origin: Origin


@dataclass(slots=True)
class Table:
    """One table of the configuration, from whatever sources, not yet understood."""

    section: Section
    at: str
    where: str = ""
    given: dict[str, Given] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """What an entry of an array is called, if it says so."""
        named = self.given.get(self.section.named_by or "")
        return named.raw if named and isinstance(named.raw, str) else None

    def at_key(self, key: str) -> str:
        """How a fault about this key begins, whether it was given or not."""
        return self.given[key].at if key in self.given else f"{self.at} .{key}"


@dataclass(slots=True)
class Draft:
    """All tables, and the faults found so far."""

    file: str = ""
    tables: dict[str, list[Table]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def from_file(path: Path | None) -> Draft:
    """The tables of the file; raises Misconfigured at once if it is not to be had or is no TOML."""
    draft = Draft(file=str(path or ""))
    draft.tables = {
        name: [] if section.named_by else [Table(section, section.header)]
        for name, section in SECTIONS.items()
    }
    if path is not None:
        text = _text(path)
        _take_document(draft, _parsed(path, text), lines(text))
    return draft


def overlay_environment(draft: Draft, environ: Mapping[str, str]) -> None:
    """Lay SYNDICATOR_SECTION__KEY and …_FILE over what the file said."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name:
            _take_variable(draft, name, environ)
        elif name.startswith(PREFIX) and (meant := _with_one_underscore().get(name.removesuffix(FROM_FILE))):
            draft.faults.append(f"{name}: there is no such variable; did you mean {meant} (two underscores)?")


def overlay_flags(draft: Draft, flags: Mapping[str, str]) -> None:
    """Lay flags, named `section.key`, over everything else."""
    for name, text in flags.items():
        section, _, key = name.partition(".")
        known = SECTIONS[section].keys() if section in SECTIONS and not SECTIONS[section].named_by else {}
        if key not in known:
            names = [f"{key.section.name}.{key.name}" for key in catalogue() if not key.section.named_by]
            draft.faults.append(f'flag {name}: there is no key "{name}"{nearest(name, names)}')
            continue
        _take_text(
            draft, draft.tables[section][0], known[key], text, f"flag {name}", Origin(Source.FLAG, name)
        )


def lines(text: str) -> dict[tuple[str, int, str], int]:
    """Where each (section, index, key) of a TOML text begins, from 1; key "" is the table itself.

    Tolerant: it follows headers, keys at the start of a line, strings of several lines and brackets,
    and leaves out what it does not see, such as keys inside inline tables.
    """
    found: dict[tuple[str, int, str], int] = {}
    table: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    for number, line in _statements(text):
        if header := re.match(r"\s*(\[\[?)([^\]]+)\]", line):
            table = _dotted(header[2])
            if header[1] == "[[" and len(table) == 1:
                counts[table[0]] = counts.get(table[0], -1) + 1
            path = table
        elif assigned := _ASSIGNED.match(line):
            path = (*table, *_dotted(assigned[1]))
        else:
            continue
        index = counts.get(path[0], 0)
        found.setdefault((path[0], index, ""), number)
        if len(path) > 1:
            found.setdefault((path[0], index, path[1]), number)
    return found


_PART = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_ASSIGNED = re.compile(rf"\s*({_PART}(?:\s*\.\s*{_PART})*)\s*=")
_TOKEN = re.compile(r"""\"{3}|'{3}|"(?:\\.|[^"\\])*"|'[^']*'|\#.*|[\[\]{}]""")
_ENDS = {'"""': re.compile(r'(?:\\.|[^\\])*?"{3,5}'), "'''": re.compile(r".*?'{3,5}")}


def _dotted(text: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in re.findall(_PART, text))


def _statements(text: str) -> Iterator[tuple[int, str]]:
    # The lines that begin a statement: not inside a long string, nor inside brackets.
    quote, depth = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        if not quote and depth == 0:
            yield number, line
        quote, depth = _after(line, quote, depth)


def _after(line: str, quote: str, depth: int) -> tuple[str, int]:
    at = 0
    while True:
        if quote:
            end = _ENDS[quote].match(line, at)
            if not end:
                return quote, depth
            quote, at = "", end.end()
        token = _TOKEN.search(line, at)
        if not token:
            return "", depth
        at = token.end()
        if token[0] in _ENDS:
            quote = token[0]
        depth += (token[0] in "[{") - (token[0] in "]}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Misconfigured([f"{path}: there is no such file; `syndicator init` writes one"]) from None
    except UnicodeDecodeError:
        raise Misconfigured([f"{path}: is not UTF-8; save it as UTF-8"]) from None
    except OSError as fault:
        raise Misconfigured([f"{path}: cannot be read: {fault.strerror}"]) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as fault:
        said = re.fullmatch(
            r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", str(fault), re.DOTALL
        )
    if said and said[2]:
        raise Misconfigured(
            [f"{path}:{said[2]}:{said[3]}: {said[1]}: this is not TOML; are all texts in quotes?"]
        )
    raise Misconfigured(
        [
            f"{path}:{text.count(chr(10)) + 1}: the file ends too early: {said[1] if said else 'this is not TOML'}"
        ]
    )


def _take_document(
    draft: Draft, document: Mapping[str, Any], where: Mapping[tuple[str, int, str], int]
) -> None:
    for name, content in document.items():
        at = _at(draft.file, where.get((name, 0, "")))
        section = SECTIONS.get(name)
        if section is None:
            draft.faults.append(f'{at}: [{name}]: there is no section "{name}"{nearest(name, SECTIONS)}')
        elif (
            section.named_by
            and isinstance(content, list)
            and all(isinstance(entry, dict) for entry in content)
        ):
            draft.tables[name] = [
                _table(draft, section, entry, index, where) for index, entry in enumerate(content)
            ]
        elif not section.named_by and isinstance(content, dict):
            draft.tables[name] = [_table(draft, section, content, 0, where)]
        else:
            draft.faults.append(
                f"{at}: {name} must be written as {section.header}, then one key = value in a line"
            )


def _table(
    draft: Draft,
    section: Section,
    content: Mapping[str, Any],
    index: int,
    where: Mapping[tuple[str, int, str], int],
) -> Table:
    line = where.get((section.name, index, "")) or where.get((section.name, 0, ""))
    entry = content.get(section.named_by or "")
    label = section.header + (
        f' "{entry}"' if isinstance(entry, str) else f" #{index + 1}" if section.named_by else ""
    )
    known = section.keys()
    table = Table(section, f"{_at(draft.file, line)}: {label}", _at(draft.file, line))
    for name, raw in content.items():
        spot = _at(draft.file, where.get((section.name, index, name)) or line)
        if name in known:
            table.given[name] = Given(_plain(raw), f"{spot}: {label} .{name}", Origin(Source.FILE, spot))
        else:
            draft.faults.append(
                f'{spot}: {label} .{name}: there is no key "{name}"{nearest(name, known, "the keys are")}'
            )
    return table


def _plain(raw: object) -> object:
    # TOML has dates of its own; an instant may be written without quotes.
    return raw.isoformat() if isinstance(raw, datetime | date | time) else raw


def _at(file: str, line: int | None) -> str:
    return f"{file}:{line}" if line else file


def _take_variable(draft: Draft, name: str, environ: Mapping[str, str]) -> None:
    found = _key_of(draft, name)
    if isinstance(found, str):
        draft.faults.append(f"{name}: {found}")
        return
    table, key = found
    if not key.env:
        draft.faults.append(f"{name}: {table.section.header} .{key.name} can be set in the file only")
        return
    by_file = key.name.upper() != name.rpartition("__")[2]
    if not by_file and name + FROM_FILE in environ:
        draft.faults.append(f"{name}: {name}{FROM_FILE} is set as well; keep one of the two")
    try:
        text = _content(environ[name]) if by_file else environ[name]
    except Invalid as fault:
        draft.faults.append(f"{name}: {fault}")
        return
    _take_text(draft, table, key, text, name, Origin(Source.ENVIRONMENT, name))


def _key_of(draft: Draft, name: str) -> tuple[Table, Key] | str:
    # SYNDICATOR_WEB__PORT, or SYNDICATOR_PARTNERS__SCIENCE_WIRE__SECRET for an entry of an array.
    first, *middle, last = name.removeprefix(PREFIX).split("__")
    section = SECTIONS.get(first.lower())
    if section is None:
        return f'there is no section "{first.lower()}"{nearest(first.lower(), SECTIONS)}'
    tables = draft.tables[section.name]
    if section.named_by:
        tables = [table for table in tables if middle and _shouted(table.name) == "__".join(middle)]
    if len(tables) != 1 or (middle and not section.named_by):
        return _no_entry(section, "__".join(middle))
    known = section.keys()
    key = known.get(last.lower()) or known.get(last.removesuffix(FROM_FILE).lower())
    return (
        (tables[0], key)
        if key
        else f'there is no key "{last.lower()}" in {section.header}{nearest(last.lower(), known, "the keys are")}'
    )


def _no_entry(section: Section, entry: str) -> str:
    form = next(iter(section.keys().values())).env
    if not section.named_by or not entry:
        return (
            f"write it as {form.rpartition('__')[0]}__KEY"
            if form
            else f"{section.header} can be set in the file only"
        )
    return f'there is no {section.header} entry, or more than one, that is called "{entry.lower()}"; entries are made in the file'


def _shouted(name: str | None) -> str:
    return re.sub(r"[^A-Z0-9]", "_", (name or "").upper())


def _content(path: str) -> str:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as fault:
        # The name is not quoted: people do put the password itself here.
        raise Invalid(f"the file it names cannot be read: {fault.strerror}") from None
    except ValueError:
        raise Invalid("the file it names is not UTF-8") from None
    return text.removesuffix("\n").removesuffix("\r")


def _take_text(draft: Draft, table: Table, key: Key, text: str, at: str, origin: Origin) -> None:
    try:
        table.given[key.name] = Given(key.value.from_text(text), at, origin)
    except Invalid as fault:
        draft.faults.append(f"{at}: {fault}")


def _with_one_underscore() -> dict[str, str]:
    return {key.env.replace("__", "_"): key.env for key in catalogue() if not key.section.named_by}
