"""The neutral view of an item that every format renders, and what makes a text fit for XML.

What is not in an `Entry` cannot change a byte of any format. How one is made of an item is told in
`entries`; how it is written, in `fragments` and `jsonfeed`. Serves walk A. P- and T-numbers are our
rules for feeds and feedgen 1.0's traps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import NamedTuple

from syndicator.errors import SyndicatorError
from syndicator.model.item import Author, Guid, Medium, Source
from syndicator.model.site import Site

# What XML 1.0 §2.2 cannot hold; emoji and the C1 controls stay (P4, T1).
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAKS = re.compile("[\t\n\r \x85\u2028\u2029]+")  # no-break spaces are typography and stay


class RenderFault(SyndicatorError):
    """One item cannot be rendered; `uid` names it, so that the feed can go out without it."""

    def __init__(self, uid: str, why: object) -> None:
        self.uid = uid
        super().__init__(f"{uid} cannot be rendered and is left out of its feeds: {why}")


class Category(NamedTuple):
    """A topic as feeds name it; `scheme` is the address all our topics live under."""

    slug: str
    title: str
    scheme: str

    @classmethod
    def of(cls, slug: str, title: str, site: Site) -> Category:
        """The category of a topic; its slug stands in for an empty title (T20)."""
        return cls(clean(slug), line(title) or clean(slug), site.url("/topics/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """All that a rendered item depends on, cleaned for XML (P4) and with absolute URLs only (P6).

    `language` is None where it is the site's; `published` is UTC in whole seconds, `updated` UTC;
    `title`, `summary`, `correction`, `contact` and `rights` are plain text, `body`, `lead` (kicker and dek) and `marked` (what the
    correction changed) are HTML.
    """

    uid: str
    url: str
    title: str
    summary: str
    body: str
    language: str | None
    published: datetime
    updated: datetime
    authors: tuple[Author, ...]
    categories: tuple[Category, ...]
    media: tuple[Medium, ...]
    source: Source | None
    guid: Guid | None
    contact: str
    correction: str
    rights: str
    marked: str = ""
    lead: str = ""

    @property
    def content(self) -> str:
        """The full text as HTML: the dated correction first, with what it changed, then kicker and dek, the contact last.

        Empty if all is in `summary`.
        """
        if not (self.body or self.correction or self.contact):
            return ""
        body = self.body or (f"<p>{escape(self.summary, quote=False)}</p>" if self.summary else "")
        return f"{_paragraph(self.correction)}{self.marked}{self.lead if self.body else ''}{body}{_paragraph(self.contact)}"

    @property
    def images(self) -> list[Medium]:
        """Its pictures, in the author's order; the first stands for the item (P20)."""
        return [medium for medium in self.media if medium.type.startswith("image/")]


def clean(text: str) -> str:
    """The text without what XML 1.0 forbids (P4)."""
    # All that is printable is allowed, and that test is ten times quicker on short texts.
    return text if text.isprintable() else _FORBIDDEN.sub("", text)


def line(text: str) -> str:
    """The text, cleaned, on one line."""
    if text.isprintable() and "  " not in text:
        return text.strip()
    return _BREAKS.sub(" ", clean(text)).strip()


def _paragraph(text: str) -> str:
    return f"<p><em>{escape(text, quote=False)}</em></p>" if text else ""
