"""Lists as JSON: an array of objects, as `contact export --json` writes it, read one by one. Pure.

Each object is decoded by itself, within a limit: what a stranger made is never held whole beside its text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from syndicator.errors import Invalid

MOST_CHARACTERS = 1_000_000  # of one object
USUAL = 4_096  # characters most objects fit in: a longer piece is cut out only for those that need it
START = re.compile(r"\s*(\[\s*(?=[\[\]{\"\d])|\{\s*(?=[\"}]))")
BLANK = re.compile(r"\s*")
# What suppressions an export shows become where they are read; staff's word stands for all others.
STATUS = {"unsubscribed": "unsubscribed", "dead": "dead", "complaint": "complaint"}
SEVERAL = frozenset({"topics", "tags"})
NO_LIST = (
    "it is JSON, but no list of people: write an array of objects, each with an email, as "
    "`contact export --json` does"
)


def looks_listed(text: str) -> bool:
    """Whether a text is meant as JSON."""
    return START.match(text) is not None


def entries(text: str) -> Iterator[tuple[int, object]]:
    """What stands in an array, each with its number from 1; raises Invalid, in one line, where it is broken."""
    start = START.match(text)
    if start is None or not start[1].startswith("["):
        raise Invalid(NO_LIST)
    decoder, at, number = json.JSONDecoder(), start.end(), 0
    more = text[at : at + 1] != "]"
    while more:
        number += 1
        value, at = _decoded(decoder, text, at, number)
        yield number, value
        at = _beyond_blanks(text, at)
        more = text[at : at + 1] == ","
        if more:
            at = _beyond_blanks(text, at + 1)
    if text[at : at + 1] != "]" or text[at + 1 :].strip():
        raise Invalid(f"after entry {number} it is no JSON array any more: is it cut short?")


def cells(value: object) -> dict[str, str]:
    """An entry as a row of text by its own names; raises Invalid for what is none."""
    if not isinstance(value, dict):
        raise Invalid("it is no object with an email")
    found = {name: _cell(name, one) for name, one in value.items()}
    if why := found.pop("suppressed", ""):
        found["status"] = STATUS.get(why.partition(":")[0], "disabled")
    return found


def _beyond_blanks(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    assert found is not None, "nothing at all is a match, too"
    return found.end()


def _decoded(decoder: json.JSONDecoder, text: str, at: int, number: int) -> tuple[object, int]:
    fault = ""
    for most in (USUAL, MOST_CHARACTERS):
        try:
            value, length = decoder.raw_decode(text[at : at + most])
        except RecursionError:
            raise Invalid(f"entry {number} is nested too deeply: is it a list of people?") from None
        except ValueError as broken:
            fault = str(broken).partition(":")[0]
        else:
            return value, at + length
    if len(text) - at > MOST_CHARACTERS:
        raise Invalid(f"entry {number} is broken, or longer than {MOST_CHARACTERS:,} characters")
    line = text.count("\n", 0, at) + 1
    raise Invalid(f"entry {number}, from line {line}, is no JSON: {fault}")


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "yes" if value else ""
        case int() | float():
            return str(value)
        case list() if name.strip().casefold() in SEVERAL and all(isinstance(one, str) for one in value):
            return ";".join(value)
        case _:
            several = " or a list of texts" if name.strip().casefold() in SEVERAL else ""
            raise Invalid(f"its {name[:40]!r} is no text{several}")
