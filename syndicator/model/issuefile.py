"""An issue as a Markdown file with front matter, as an editor gets it and hands it in again. Pure.

The order of the items in the file is their order in the issue; the introduction is the text below. What the
editor does not name keeps what was said about it, and stands at the end. Titles of items stand there for
reading only. Serves `newsletter show --file` and `newsletter edit`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from syndicator.errors import Invalid
from syndicator.model.frontmatter import meant, parted, quoted, words
from syndicator.model.markup import one_line, strip_illegal, web_address
from syndicator.model.newsletter import Block, BlockKind, Choice, Sheet
from syndicator.model.release import embargo_from, in_zone
from syndicator.model.written import ENDLESS

FIELDS = frozenset({"newsletter", "base", "title", "headline", "slot", "items", "blocks"})
ITEM_FIELDS = frozenset({"uid", "choice", "title"})
BLOCK_FIELDS = frozenset({"kind", "title", "text", "url", "at", "place"})
MEANING = """\
# title: what the newsletter is called. headline: this issue's own, its heading and the subject of its mail; empty, it is
# the title with number and month. slot: when it goes out, for reading only, as are the titles of items.
# items: in the order they stand; choice is include, next (left out now, offered again) or never.
# blocks: kind is event, job or link; title, text, url, at, place. Below the second line of hyphens: the introduction.
"""
LONGEST = 100_000  # characters of an introduction: an issue is read in a mail
MOST_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class Edit:
    """What an editor says of an issue: its words, a choice for each item named, in order, and the blocks."""

    number: int | None
    base: str
    title: str
    headline: str
    introduction: str
    choices: Mapping[str, Choice]  # uid → choice
    blocks: tuple[Block, ...]


def written(sheet: Sheet, zone: str) -> str:
    """The file of an issue; instants stand in it by the wall clock of `zone`."""
    issue = sheet.issue
    fields: dict[str, Any] = {
        "newsletter": issue.number,
        "base": sheet.base,
        "title": issue.title,
        "headline": issue.headline,
        "slot": in_zone(issue.slot, zone).isoformat(),
        "items": [
            {"uid": line.item.uid, "choice": line.choice.value, "title": line.item.content.title}
            for line in sheet.lines
        ],
        "blocks": [_block(block, zone) for block in sheet.blocks],
    }
    front = yaml.safe_dump(fields, allow_unicode=True, sort_keys=False, width=ENDLESS)
    return f"---\n{MEANING}{front}---\n\n{issue.introduction}\n"


def read(text: str, zone: str) -> Edit:
    """What a file says; a time without an offset is one on the clocks of `zone`. Raises Invalid naming the field."""
    fields, body = parted(text)
    _refuse_unknown(fields, FIELDS, "the front matter")
    if len(body) > LONGEST:
        raise Invalid(f"the introduction is {len(body):,} characters long; the limit is {LONGEST:,}")
    number = fields.get("newsletter")
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        raise Invalid(f"newsletter {quoted(number)} is no number of an issue")
    return Edit(
        number=number,
        base=words(fields.get("base"), "base").strip(),
        title=_line(fields, "title"),
        headline=_line(fields, "headline"),
        introduction=strip_illegal(body).strip(),
        choices=_choices(_rows(fields, "items")),
        blocks=tuple(_read_block(row, zone) for row in _rows(fields, "blocks", MOST_BLOCKS)),
    )


def says_the_same(sheet: Sheet, said: Edit) -> bool:
    """Whether a file holds what stands in the issue already: it was handed in twice."""
    choices = [(line.item.uid, line.choice) for line in sheet.lines if line.said]
    mine = (said.title, said.headline, said.introduction, list(said.choices.items()), said.blocks)
    return mine == (sheet.issue.title, sheet.issue.headline, sheet.issue.introduction, choices, sheet.blocks)


def difference(sheet: Sheet, said: Edit) -> list[str]:
    """What a file says otherwise than the issue, in lines."""
    mine = [said.headline, said.introduction, *(f"{uid}: {choice}" for uid, choice in said.choices.items())]
    now = [
        sheet.issue.headline,
        sheet.issue.introduction,
        *(f"{line.item.uid}: {line.choice}" for line in sheet.lines),
    ]
    lines = difflib.unified_diff(mine, now, "your file", "the issue", lineterm="", n=0)
    return [*lines, *([] if said.blocks == sheet.blocks else ["its blocks differ, too"])]


def _block(block: Block, zone: str) -> dict[str, str]:
    values = {
        "kind": block.kind.value,
        "title": block.title,
        "text": block.text,
        "url": block.url,
        "at": in_zone(block.at, zone).isoformat() if block.at else "",
        "place": block.place,
    }
    return {name: value for name, value in values.items() if value}


def _rows(fields: Mapping[str, Any], name: str, most: int | None = None) -> Sequence[Mapping[str, Any]]:
    rows = fields.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Invalid(f"{name} is no list of fields: see `syndicator newsletter show N --file`")
    if most is not None and len(rows) > most:
        raise Invalid(f"there are {len(rows)} {name}; an issue holds {most} at most")
    return rows


def _choices(rows: Sequence[Mapping[str, Any]]) -> dict[str, Choice]:
    found: dict[str, Choice] = {}
    for row in rows:
        _refuse_unknown(row, ITEM_FIELDS, "an item")
        uid, said = words(row.get("uid"), "uid").strip(), words(row.get("choice"), "choice") or Choice.INCLUDE
        if not uid:
            raise Invalid(
                "an item has no uid: take its lines as `syndicator newsletter show N --file` prints them"
            )
        if uid in found:
            raise Invalid(f"{uid} stands in items twice: keep one of them")
        try:
            found[uid] = Choice(said)
        except ValueError:
            raise Invalid(f"unknown choice {quoted(said)} of {uid}: use {', '.join(Choice)}") from None
    return found


def _read_block(row: Mapping[str, Any], zone: str) -> Block:
    _refuse_unknown(row, BLOCK_FIELDS, "a block")
    title, kind, url = _line(row, "title"), words(row.get("kind"), "kind"), _line(row, "url")
    if not title:
        raise Invalid("a block has no title: say what it is about")
    if kind not in set(BlockKind):
        raise Invalid(f"unknown kind {quoted(kind)} of the block {quoted(title)}: use {', '.join(BlockKind)}")
    if url and web_address(url) is None:
        raise Invalid(f"url {quoted(url)} of the block {quoted(title)} is no http(s) address")
    return Block(
        kind=BlockKind(kind),
        title=title,
        text=strip_illegal(words(row.get("text"), "text")).strip(),
        url=web_address(url) or "",
        at=_instant(row.get("at"), title, zone),
        place=_line(row, "place"),
    )


def _instant(value: object, title: str, zone: str) -> datetime | None:
    said = value.isoformat() if isinstance(value, datetime) else words(value, "at").strip()
    if not said:
        return None
    try:
        return embargo_from(said, zone).until
    except Invalid as fault:
        reason = str(fault).removeprefix("embargo ").replace(" with embargo_zone", "")
        raise Invalid(f"at of the block {quoted(title)}: {reason}") from None


def _line(fields: Mapping[str, Any], name: str) -> str:
    return one_line(strip_illegal(words(fields.get(name), name)).strip(), name)


def _refuse_unknown(fields: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    for name in fields:
        if name not in known:
            raise Invalid(f"{where} has no field {quoted(str(name))}{meant(str(name), known)}")
