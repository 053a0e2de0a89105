"""The fields only press releases have, and the files beside a text, as the front matter says them. Pure; knows no files.

Kicker, dek and dateline are lines; quotes say who said what; notes to editors are Markdown; a paper is an
address or a DOI; boilerplates and files are named here and put in later, by whoever can look them up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from syndicator.errors import Invalid
from syndicator.model.frontmatter import LARGEST, meant, quoted, words
from syndicator.model.item import SLUG, Medium, Quote
from syndicator.model.markup import one_line, strip_illegal, web_address

FIELDS = frozenset("kicker dek dateline quotes notes paper boilerplates urgent audience".split())
QUOTE_FIELDS = frozenset(("text", "speaker", "role"))
MEDIA_FIGURES = {"width": "pixels", "height": "pixels", "duration": "seconds"}  # feeds:P20
MEDIA_WORDS = ("url", "type", "title", "alt", "credit", "licence", "file")
MEDIA_FIELDS = frozenset({"length", "keep_position", *MEDIA_WORDS, *MEDIA_FIGURES})
FOUND = ("type", "length", "width", "height")  # what we see ourselves in a file that is handed in
LONGEST = 1_000  # characters of a line
MOST_QUOTES = 50
MOST_FILES = 100
# In words that may have several lines: controls but tab and line break, and what turns the direction of
# writing around, by which a quote could be made to say something else than it holds (Trojan Source).
HIDDEN = re.compile("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
DOI = re.compile(r"(?:doi:\s*|https?://(?:dx\.)?doi\.org/)?(10\.\d{4,9}/\S+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Press:
    """What these fields say; `keep_position` names files whose place of taking may be published."""

    kicker: str
    dek: str
    dateline: str
    quotes: tuple[Quote, ...]
    notes: str
    paper: str
    boilerplates: tuple[str, ...]
    urgent: bool
    audience: tuple[str, ...]
    media: tuple[Medium, ...]
    keep_position: frozenset[str]


def read(fields: Mapping[str, Any]) -> Press:
    """The fields of a front matter; raises Invalid naming the field and what to write instead."""
    media = _list(fields, "media", "write - url: …, type: …, length: … or - file: … for each file")
    if len(media) > MOST_FILES:
        raise Invalid(f"media has {len(media)} entries; the limit is {MOST_FILES}")
    return Press(
        kicker=_line(fields, "kicker"),
        dek=_line(fields, "dek"),
        dateline=_line(fields, "dateline"),
        quotes=_quotes(fields),
        notes=passage(words(fields.get("notes"), "notes"), "notes"),
        paper=_paper(fields),
        boilerplates=_slugs(fields, "boilerplates", "[about-us]"),
        urgent=_flag(fields, "urgent"),
        audience=_slugs(fields, "audience", "[science-desks]"),
        media=tuple(_medium(number, value) for number, value in enumerate(media, 1)),
        keep_position=frozenset(_kept_positions(media)),
    )


def _line(fields: Mapping[str, Any], name: str) -> str:
    line = one_line(strip_illegal(words(fields.get(name), name)), name)
    if len(line) > LONGEST:
        raise Invalid(
            f"{name} is {len(line):,} characters long; the limit is {LONGEST:,}: the text has more room"
        )
    return line


def passage(text: str, name: str) -> str:
    """A text of several lines, trimmed; raises Invalid for what hides in it."""
    if found := HIDDEN.search(text):
        raise Invalid(
            f"{name}: a control character or a turn of direction (U+{ord(found[0]):04X}) hides in it"
        )
    return text.strip()


def _list(fields: Mapping[str, Any], name: str, hint: str) -> list[Any]:
    value = fields.get(name) or []
    if not isinstance(value, list):
        raise Invalid(f"{name} is no list: {hint}")
    return value


def _quotes(fields: Mapping[str, Any]) -> tuple[Quote, ...]:
    quotes = _list(fields, "quotes", "write - text: …, speaker: …, role: … for each quote")
    if len(quotes) > MOST_QUOTES:
        raise Invalid(f"quotes has {len(quotes)} entries; the limit is {MOST_QUOTES}")
    return tuple(_quote(number, value) for number, value in enumerate(quotes, 1))


def _quote(number: int, value: Any) -> Quote:
    value = value if isinstance(value, Mapping) else {}
    if unknown := sorted(str(name) for name in value if name not in QUOTE_FIELDS):
        raise Invalid(f"quotes has no field {quoted(unknown[0])}{meant(unknown[0], QUOTE_FIELDS)}")
    said = {name: words(value.get(name), f"a quote's {name}").strip() for name in QUOTE_FIELDS}
    if missing := [name for name in ("text", "speaker") if not said[name]]:
        raise Invalid(
            f"quotes: entry {number} has no {' and no '.join(missing)}; write text: …, speaker: … and role: …"
        )
    return Quote(
        text=passage(said["text"], f"quotes: entry {number}"),
        speaker=one_line(said["speaker"], "a quote's speaker"),
        role=one_line(said["role"], "a quote's role"),
    )


def _paper(fields: Mapping[str, Any]) -> str:
    said = one_line(words(fields.get("paper"), "paper"), "paper")
    if found := DOI.fullmatch(said):
        return f"https://doi.org/{quote(found[1], safe='/:;()._-,+@!$*=~%')}"
    if said and not (found_url := web_address(said)):
        raise Invalid(
            f"paper {quoted(said)} is neither a web address nor a DOI: write 10.1234/abc or https://…"
        )
    return found_url or "" if said else ""


def _slugs(fields: Mapping[str, Any], name: str, such: str) -> tuple[str, ...]:
    value = fields.get(name) or []
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, list):
        raise Invalid(f"{name} is no list: write {name}: {such}")
    for part in parts:
        if not isinstance(part, str) or not SLUG.fullmatch(part):
            raise Invalid(f"{name}: {quoted(part)} is no slug: use 1 to 64 of a-z, 0-9 and hyphen")
    return tuple(dict.fromkeys(parts))


def _flag(fields: Mapping[str, Any], name: str) -> bool:
    value = fields.get(name, False)
    if not isinstance(value, bool):
        raise Invalid(f"{name} {quoted(value)}: write {name}: true, or leave it out")
    return value


def _medium(number: int, value: Any) -> Medium:
    value = value if isinstance(value, Mapping) else {}
    if unknown := sorted(str(name) for name in value if name not in MEDIA_FIELDS):
        raise Invalid(f"media has no field {quoted(unknown[0])}{meant(unknown[0], MEDIA_FIELDS)}")
    said = {key: one_line(words(value.get(key), f"a media {key}"), f"a media {key}") for key in MEDIA_WORDS}
    if said["file"] and not said["url"]:
        return _file(number, value, said)
    if missing := [key for key in ("url", "type", "length") if key not in value]:
        raise Invalid(
            f"media: entry {number} has no {' and no '.join(missing)}; each needs url, type and length (bytes), "
            "or file (the name of a file beside the text)"
        )
    url = web_address(said["url"])
    if url is None:
        raise Invalid(f"media: entry {number} needs an https url, not {quoted(said['url'])}")
    if not _figure(value["length"]):
        raise Invalid(f"media: entry {number} needs a length in bytes, not {quoted(value['length'])}")
    for name, unit in MEDIA_FIGURES.items():
        if not _figure(value.get(name, 0)):
            raise Invalid(f"media: {name} {quoted(value[name])} is no whole number of {unit}")
    figures = {name: value.get(name, 0) for name in MEDIA_FIGURES}
    return Medium(**{**said, **figures, "url": url, "length": value["length"]})


def _file(number: int, value: Mapping[str, Any], said: dict[str, str]) -> Medium:
    """A file that is still to be taken in: it has no address and no length yet."""
    if given := [name for name in FOUND if name in value]:
        raise Invalid(f"media: entry {number} has a file, whose {given[0]} we see ourselves: leave it out")
    path = PurePosixPath(said["file"])
    if path.is_absolute() or ".." in path.parts or "\\" in said["file"]:
        raise Invalid(
            f"media: file {quoted(said['file'])} leads elsewhere: put it beside the text, and write file: photo.jpg"
        )
    duration = value.get("duration", 0)
    if not _figure(duration):
        raise Invalid(f"media: duration {quoted(duration)} is no whole number of seconds")
    return Medium(**{**said, "length": 0, "duration": duration})


def _kept_positions(media: list[Any]) -> list[str]:
    kept = []
    for value in media:
        if isinstance(value, Mapping) and "keep_position" in value:
            if type(value["keep_position"]) is not bool:
                raise Invalid("media: keep_position is true or false")
            if value["keep_position"]:
                kept.append(str(value.get("file", "")).strip())
    return kept


def _figure(value: object) -> bool:
    return type(value) is int and 0 <= value < LARGEST  # True is no figure, though Python counts it as 1
