"""What changed between two versions of an item's words, for people to read. Pure.

Bodies are compared as plain text, sentence by sentence: what changed in the HTML alone is said as such.
`difference` is for editors and names every field; `marked` is for readers and shows words alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from html import escape
from typing import NamedTuple

from syndicator.model.item import Content, Revision, Significance
from syndicator.model.markup import plain_text, strip_illegal

SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
MOST_SENTENCES = 2_000  # of one version: beyond, comparing would take seconds

FIELDS: dict[str, Callable[[Content], Iterable[str]]] = {
    "kicker": lambda words: [words.kicker],
    "title": lambda words: [words.title],
    "dek": lambda words: [words.dek],
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
SHOWN = ("kicker", "title", "dek", "summary", "text")  # what readers see marked
LONGEST_MARK = 60_000  # characters of a marked difference that is kept
LONGEST_SENTENCE = 2_000  # characters of it that are shown


class _Words(NamedTuple):
    """What says in words what the marks say: text alone, and whoever listens, shows no marks."""

    before: str
    now: str
    removed: str
    added: str
    more: str


_WORDS = {
    "de": _Words("Bisher", "Jetzt", "Entfernt", "Neu", "Weitere Änderungen"),
    "es": _Words("Antes", "Ahora", "Eliminado", "Añadido", "Otros cambios"),
    "fr": _Words("Avant", "Maintenant", "Supprimé", "Ajouté", "Autres modifications"),
    "it": _Words("Prima", "Ora", "Rimosso", "Aggiunto", "Altre modifiche"),
    "nl": _Words("Eerst", "Nu", "Verwijderd", "Toegevoegd", "Meer wijzigingen"),
}
_ENGLISH = _Words("Before", "Now", "Removed", "Added", "More changes")


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


def marked(before: Content, after: Content) -> str:
    """What a correction changed in the words readers see, as clean HTML: a list, old sentence before new.

    Empty where only the form or something beside the words changed. Texts too long to be compared, or to be
    shown whole, end in an ellipsis.

    >>> marked(Content(title="Ten"), Content(title="Two"))
    '<ul><li>Before: <del>Ten</del> Now: <ins>Two</ins></li></ul>'
    """
    words = _WORDS.get((after.language or "").partition("-")[0].lower(), _ENGLISH)
    points = [point for name in SHOWN for point in _points(FIELDS[name](before), FIELDS[name](after), words)]
    # What no text column and no XML can hold may stand in words that came from elsewhere.
    return (
        shortened(strip_illegal(f"<ul>{''.join(points)}</ul>"), LONGEST_MARK, "<li>…</li>") if points else ""
    )


def since(history: Sequence[Revision], had: int | None, number: int) -> Revision:
    """Revision `number` as somebody is told of it who had revision `had` last: with all they have missed.

    Where a second correction took the place of an unsent first, both notes and what both changed are theirs to know.
    """
    known = {one.number: one for one in history}
    missed = [one for one in history if (had or 0) < one.number <= number]
    told = [one for one in missed if one.significance is Significance.CORRECTION]
    if had not in known or len(told) < 2:
        return known[number]
    notes = dict.fromkeys(one.note.rstrip(" .") for one in told if one.note)
    changed = marked(known[had].content, known[number].content)
    return replace(known[number], note=f"{'. '.join(notes)}.", marked=changed)


def shortened(difference: str, limit: int, rest: str) -> str:
    """A marked difference of at most about `limit` characters; where points were left out, `rest` is the last one.

    >>> shortened("<ul><li>a</li><li>b</li></ul>", 20, "<li>…</li>")
    '<ul><li>a</li><li>…</li></ul>'
    """
    if len(difference) <= limit:
        return difference
    end = difference.rfind("</li>", 0, limit)
    kept = difference[: end + len("</li>")] if end >= 0 else "<ul>"
    return f"{kept}{rest}</ul>"


def more_words(language: str) -> str:
    """What to call the changes that are not shown here but on the item's page."""
    return _WORDS.get(language.partition("-")[0].lower(), _ENGLISH).more


def _points(before: Iterable[str], after: Iterable[str], words: _Words) -> Iterator[str]:
    old, new = list(filter(None, before)), list(filter(None, after))
    if old == new:
        return
    if len(old) + len(new) > MOST_SENTENCES:
        yield "<li>…</li>"
        return
    for what, gone_by, come_in in _changes(old, new):
        gone, come = _said("del", gone_by), _said("ins", come_in)
        match what:
            case "replace":
                yield f"<li>{words.before}: {gone} {words.now}: {come}</li>"
            case "delete":
                yield f"<li>{words.removed}: {gone}</li>"
            case "insert":
                yield f"<li>{words.added}: {come}</li>"


def _changes(old: list[str], new: list[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """What differs, in order; as many sentences for as many are told one by one."""
    for what, i1, i2, j1, j2 in SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes():
        if what == "replace" and i2 - i1 == j2 - j1:
            yield from ((what, [old[i1 + n]], [new[j1 + n]]) for n in range(i2 - i1))
        elif what != "equal":
            yield what, old[i1:i2], new[j1:j2]


def _said(mark: str, sentences: list[str]) -> str:
    text = " ".join(_shown(one) for one in sentences)
    return f"<{mark}>{escape(text, quote=False)}</{mark}>"


def _shown(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST_SENTENCE else f"{sentence[: LONGEST_SENTENCE - 1]}…"


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
