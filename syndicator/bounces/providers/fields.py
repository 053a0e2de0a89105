"""Fields of JSON that anybody may have sent: what is of another sort than it should be counts as not there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

LONGEST = 2_000
MOST = 50
# Events that say what a person read, which is nobody's business here.
READ = frozenset({"open", "opened", "click", "clicked"})
NOTHING: Mapping[str, Any] = {}
_MESSAGE_ID = re.compile(r"<?([^<>\s]{1,255}@[^<>\s]{1,255})>?")


def text(value: object) -> str:
    """A string, not too long; else the empty one. Numbers are written out: some use them as ids.

    What no database takes is left out: NUL, and halves of characters, which JSON can write.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)[:LONGEST].encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def mapping(value: object) -> Mapping[str, Any]:
    """An object; else an empty one."""
    return value if isinstance(value, dict) else NOTHING


def listed(value: object) -> Sequence[Any]:
    """The first elements of an array; else none."""
    return value[:MOST] if isinstance(value, list) else ()


def message_ids(*values: object) -> tuple[str, ...]:
    """Those of these that are a Message-ID, without its brackets, as providers often write it."""
    found = (_MESSAGE_ID.fullmatch(text(value).strip()) for value in values)
    return tuple(one[1] for one in found if one)


def tokens(sender: object) -> tuple[str, ...]:
    """The local part of an envelope's sender, if it may be a token of ours."""
    local = text(sender).rpartition("@")[0]
    return (local,) if local.lower().startswith("b+") else ()
