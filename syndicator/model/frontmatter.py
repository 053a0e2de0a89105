"""The YAML in front of a Markdown file, read so that no text can hang or crash the reader.

YAML lets twenty lines stand for a gigabyte and a line for a stack that overflows. So its events are
walked first, one after the other: no aliases, no tags, no depth. What then is built is small, and
of plain sorts only. What the fields mean is `model.markup`'s. Serves walks A and B.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

import yaml
from frontmatter.default_handlers import SafeLoader, YAMLHandler

from syndicator.errors import Invalid

LONGEST = 65_536  # characters of front matter
DEEPEST = 20  # lists and mappings within each other
QUOTED = 80  # characters of a value in a fault
LARGEST = 2**53  # JSON's whole numbers end here (RFC 8259 §6)


def parted(text: str) -> tuple[Mapping[str, Any], str]:
    """The fields of the front matter, and the text after it; raises Invalid in one line."""
    front, body = _cut(text.lstrip("\ufeff").strip())
    if len(front) > LONGEST:
        raise Invalid(f"the front matter is {len(front):,} characters long; the limit is {LONGEST:,}")
    try:
        _vet_events(front)
        fields = yaml.load(front, Loader=SafeLoader)  # noqa: S506 - CSafeLoader where there is one
    except yaml.YAMLError as fault:
        problem = str(getattr(fault, "problem", None) or "unreadable")[:QUOTED]
        raise Invalid(
            f"the front matter is not YAML{_line(getattr(fault, 'problem_mark', None))}: {problem}; "
            'a text with a colon needs quotes: title: "Study: …"'
        ) from None
    except (ValueError, OverflowError) as fault:  # 2026-13-45 is taken for a date, 0x_ for a number
        raise Invalid(
            f"the front matter holds an impossible date or number ({str(fault)[:QUOTED]}): "
            "write 2026-03-02T09:00:00+01:00, or put it in quotes"
        ) from None
    if not fields or not isinstance(fields, dict):
        raise Invalid("there is no front matter: start the file with ---, title: …, ---")
    _vet_numbers(fields)
    return fields, body.strip()


def words(value: object, name: str) -> str:
    """The text a field holds, empty for none; raises Invalid for what YAML does not take for text."""
    if isinstance(value, bool):  # YAML reads a bare no (Norwegian, say) as false
        raise Invalid(f'{name} is read as {str(value).lower()}: put it in quotes, such as {name}: "no"')
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value)
    raise Invalid(f"{name} {quoted(value)} is no text: write one line, in quotes if need be")


def quoted(value: object) -> str:
    """A value as a fault shows it: on one line, and never longer than a line."""
    value = value.isoformat() if isinstance(value, date) else value
    text = repr(value[:QUOTED] if isinstance(value, str) else value)
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"


def meant(name: str, known: Collection[str]) -> str:
    """The end of a fault about a name nobody knows: the one that may have been meant, or all there are."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f'; did you mean "{close[0]}"?' if close else f"; fields are {', '.join(sorted(known))}"


def _cut(text: str) -> tuple[str, str]:
    handler = YAMLHandler()
    try:
        return handler.split(text) if handler.detect(text) else ("", text)
    except ValueError:  # it begins and never ends
        return "", text


def _line(mark: Any) -> str:
    # Marks count from 0, and the line of the --- is part of what YAML is given.
    return f" in line {mark.line + 1}" if mark else ""


def _vet_events(front: str) -> None:
    # Event by event and never recursive: a list 100,000 deep overflows the stack of whatever builds it.
    depth = 0
    for event in yaml.parse(front, Loader=SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if fault := _objection(event, depth):
            raise Invalid(f"the front matter holds {fault}{_line(event.start_mark)}: leave it out")


def _objection(event: yaml.Event, depth: int) -> str | None:
    if depth > DEEPEST:
        return f"lists more than {DEEPEST} deep"
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
        return "an anchor or alias (& or *)"
    return "a tag (!)" if getattr(event, "tag", None) else None


def _vet_numbers(value: object) -> None:
    if isinstance(value, int) and abs(value) >= LARGEST:
        raise Invalid("the front matter holds a number of more than 15 digits: put it in quotes")
    if isinstance(value, dict):
        _vet_numbers([*value.keys(), *value.values()])
    elif isinstance(value, list):
        for part in value:
            _vet_numbers(part)
