"""Fields of JSON that anybody may have sent: what is of another sort than it should be counts as not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 2_000
MOST = 50
NOTHING: Mapping[str, Any] = {}


def text(value: object) -> str:
    """A string, not too long; else the empty one. Numbers are written out: some use them as ids."""
    if isinstance(value, bool):
        return ""
    return str(value)[:LONGEST] if isinstance(value, str | int) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """An object; else an empty one."""
    return value if isinstance(value, dict) else NOTHING


def listed(value: object) -> Sequence[Any]:
    """The first elements of an array; else none."""
    return value[:MOST] if isinstance(value, list) else ()
