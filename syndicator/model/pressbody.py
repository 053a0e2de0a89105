"""A release's body, put together from its parts once and for all (ADR 30): every surface shows it as it is. Pure.

The dateline before the first words, then the text, quotes, the paper, notes to editors and boilerplates. Each part
is cleaned by itself, so that a tag one of them leaves open swallows none of the others, and the whole once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from html import escape
from typing import NamedTuple

from syndicator.errors import Invalid
from syndicator.model.item import Boilerplate, Content, Medium, Quote
from syndicator.model.markup import Draft, clean, from_plain, markdown
from syndicator.model.nesting import MAX_DEPTH, too_deep


class _Headings(NamedTuple):
    notes: str
    paper: str


_HEADINGS = {
    "de": _Headings("Hinweise für Redaktionen", "Die Veröffentlichung"),
    "es": _Headings("Notas para la redacción", "El artículo"),
    "fr": _Headings("Notes aux rédactions", "La publication"),
    "it": _Headings("Note per le redazioni", "La pubblicazione"),
    "nl": _Headings("Noot voor de redactie", "De publicatie"),
}
_ENGLISH = _Headings("Notes to editors", "The paper")


def completed(
    draft: Draft,
    *,
    base_url: str,
    language: str = "en",
    parts: Iterable[Boilerplate] = (),
    media: Iterable[Medium] | None = None,
) -> Draft:
    """The draft with its boilerplates, with the files in place of what only names them, and the body all this makes.

    `language` is the newsroom's. Raises Invalid for a text that is nested too deep or grows too long.
    """
    words = draft.content if media is None else replace(draft.content, media=tuple(media))
    made = body(words, base_url=base_url, language=language, parts=parts)
    return replace(draft, content=replace(words, body=made))


def body(words: Content, *, base_url: str, language: str = "en", parts: Iterable[Boilerplate] = ()) -> str:
    """The clean HTML of a text and what its fields add; pictures it calls by their file names get their addresses."""
    pictures = {medium.file: medium.url for medium in words.media if medium.file and medium.url}
    text = _section(words.text or "", base_url, pictures)
    added = "".join(_added(words, base_url, words.language or language, parts))
    if not (added or words.dateline):
        return text
    return clean(_dated(words.dateline, text) + added, base_url)


def _added(words: Content, base_url: str, language: str, parts: Iterable[Boilerplate]) -> Iterator[str]:
    heading = _HEADINGS.get(language.partition("-")[0].lower(), _ENGLISH)
    for quote in words.quotes:
        yield _quote(quote)
    if words.paper:
        address = escape(words.paper)
        yield f'<h2>{escape(heading.paper)}</h2><p><a href="{address}">{address}</a></p>'
    if words.notes:
        yield f"<h2>{escape(heading.notes)}</h2>{_section(words.notes, base_url)}"
    for part in parts:
        yield f"<h2>{escape(part.title)}</h2>{_section(part.text, base_url)}"


def _section(text: str, base_url: str, pictures: Mapping[str, str] | None = None) -> str:
    source = markdown(text)
    if too_deep(source):
        raise Invalid(f"the text holds HTML more than {MAX_DEPTH} deep: end each tag that it begins")
    return clean(source, base_url, pictures)


def _dated(dateline: str, text: str) -> str:
    """Where a release was given out, and when, before its first words, as newspapers have it."""
    if not dateline:
        return text
    said = f"<strong>{escape(dateline, quote=False)}</strong>"
    if text.startswith("<p>"):
        return f"<p>{said} – {text[3:]}"
    return f"<p>{said}</p>{text}"


def _quote(quote: Quote) -> str:
    who = f"<cite>{escape(quote.speaker, quote=False)}</cite>"
    role = f", {escape(quote.role, quote=False)}" if quote.role else ""
    return f"<blockquote>{from_plain(quote.text)}<p>— {who}{role}</p></blockquote>"
