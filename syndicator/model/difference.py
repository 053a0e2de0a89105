"""What changed between two versions of an item's words, for people to read. Pure.

Bodies are compared as plain text, sentence by sentence: what changed in the HTML alone is said as such.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher

from syndicator.model.item import Content
from syndicator.model.markup import plain_text

SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
MOST_SENTENCES = 2_000  # of one version: beyond, comparing would take seconds

FIELDS: dict[str, Callable[[Content], Iterable[str]]] = {
    "title": lambda words: [words.title],
    "summary": lambda words: _sentences(words.summary),
    "text": lambda words: _sentences(plain_text(words.body)),
    "kind": lambda words: [words.kind],
    "topics": lambda words: sorted(words.topics),
    "address": lambda words: [words.url or ""],
    "language": lambda words: [words.language or ""],
    "authors": lambda words: [author.name for author in words.authors],
    "spokesperson": lambda words: [words.spokesperson or ""],
    "media": lambda words: [medium.url for medium in words.media],
    "rights": lambda words: [words.rights],
}


def difference(before: Content, after: Content) -> list[str]:
    """What was taken out (`- title: …`) and put in (`+ title: …`), field by field; nothing for the same words.

    >>> difference(Content(title="Draft"), Content(title="Final"))
    ['- title: Draft', '+ title: Final']
    """
    lines = [line for name, read in FIELDS.items() for line in _lines(name, read(before), read(after))]
    if not lines and before.body != after.body:
        lines.append("~ text: its form changed, such as links or emphasis, not its words")
    if not lines and before.media != after.media:
        lines.append("~ media: what is said of the files changed")
    return lines


def changed_fields(before: Content, after: Content) -> tuple[str, ...]:
    """The names of what `difference` finds changed, in its order."""
    return tuple(dict.fromkeys(line[2:].partition(":")[0] for line in difference(before, after)))


def _lines(name: str, before: Iterable[str], after: Iterable[str]) -> list[str]:
    old, new = list(filter(None, before)), list(filter(None, after))
    if old == new:
        return []
    if len(old) + len(new) > MOST_SENTENCES:
        return [f"~ {name}: too long to be compared ({len(old)} sentences before, {len(new)} now)"]
    lines: list[str] = []
    for what, i1, i2, j1, j2 in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if what != "equal":
            lines += [f"- {name}: {one}" for one in old[i1:i2]]
            lines += [f"+ {name}: {one}" for one in new[j1:j2]]
    return lines


def _sentences(text: str) -> list[str]:
    return [
        sentence for line in text.splitlines() for sentence in SENTENCE_END.split(line.strip()) if sentence
    ]
