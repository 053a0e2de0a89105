"""The author's body as a mail shows it: HTML cleaned once more, and plain text with link footnotes.

Both are cut at the same top-level block where a mail would grow too large (MC22). Also the few
small words every mail needs: a date in the site's zone, a size, the direction of a language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import escape

from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import html as lxml_html
from lxml.html import HtmlElement

from syndicator.model.markup import clean, strip_illegal
from syndicator.model.release import in_zone
from syndicator.model.site import Site

WIDEST = 576  # CSS pixels: the layout's 640 less its margins (MC21)

_MONTHS = "January February March April May June July August September October November December".split()
_RIGHT_TO_LEFT = frozenset("ar arc ckb dv fa he ku-arab ps sd syr ug ur yi".split())


@dataclass(frozen=True, slots=True)
class Body:
    """An author's words in both forms; `whole` is False where the end was left out."""

    html: str = ""
    text: str = ""
    links: tuple[str, ...] = ()
    whole: bool = True
    blocks: tuple[str, ...] = ()

    def within(self, budget: int | None) -> Body:
        """The same words, or as many of the first blocks as `budget` octets of HTML hold."""
        if budget is None:
            return self
        kept, size = [], 0
        for block in self.blocks:
            size += len(block.encode())
            if size > budget:
                break
            kept.append(block)
        return _body(kept, whole=len(kept) == len(self.blocks))


def body_parts(source: str, site: Site) -> Body:
    """An item's body, cleaned once more where it is rendered, for the two parts of a mail."""
    cleaned = clean(source, site.base_url)
    return _body(_blocks(cleaned), whole=True) if cleaned else Body()


def day_and_time(instant: datetime, zone: str) -> str:
    """The instant as a person in `zone` reads it, with the zone's own short name; no locale."""
    local = in_zone(instant, zone)
    return f"{local.day} {_MONTHS[local.month - 1]} {local.year}, {local:%H:%M} {local.tzname()}"


def bytes_in_words(length: int) -> str:
    """A size in decimal units, as mail clients show it; empty for an unknown one (0)."""
    if length <= 0:
        return ""
    if length < 1_000_000:
        return f"{max(1, round(length / 1000))} kB"
    return f"{length / 1_000_000:.1f} MB"


def direction(language: str) -> str:
    """The writing direction of a language tag: what HTML's `dir` says."""
    return "rtl" if language.lower().partition("-")[0] in _RIGHT_TO_LEFT else "ltr"


def _body(blocks: list[str], *, whole: bool) -> Body:
    text, links = _footnoted("\n".join(blocks)) if blocks else ("", ())
    return Body(html="\n".join(blocks), text=text, links=links, whole=whole, blocks=tuple(blocks))


def _blocks(cleaned: str) -> list[str]:
    holder = lxml_html.fragment_fromstring(cleaned, create_parent="div")
    leading = [escape(holder.text)] if holder.text and holder.text.strip() else []
    made = (lxml_html.tostring(_fit_for_mail(node), encoding="unicode") for node in holder)
    # Cleaned again: another parser has been at it, and two parsers may read one text differently.
    return [*leading, *map(clean, made)]


def _fit_for_mail(node: HtmlElement) -> HtmlElement:
    for image in node.iter("img"):
        image.set("alt", image.get("alt") or "")
        width = image.get("width", "")
        if not width.isdecimal() or int(width) > WIDEST:
            # Outlook knows the attribute only, not max-width; the height follows by itself.
            image.attrib.pop("height", None)
            if width:
                image.set("width", str(WIDEST))
    return node


def _footnoted(source: str) -> tuple[str, tuple[str, ...]]:
    tree = lxml_html.document_fromstring(f"<html><body>{source}</body></html>")
    for table in [*tree.iter("table")]:  # inscriptis glues a table to what stands before and after
        paragraph = tree.makeelement("p")
        table.addprevious(paragraph)
        paragraph.append(table)
        paragraph.tail, table.tail = table.tail, None
    links: dict[str, int] = {}
    for anchor in tree.iter("a"):
        address, shown = anchor.get("href", ""), "".join(map(str, anchor.itertext())).strip()
        if address and address not in (shown, f"mailto:{shown}"):
            number = links.setdefault(address.removeprefix("mailto:"), len(links) + 1)
            anchor.tail = f" [{number}]{anchor.tail or ''}"
    text: str = Inscriptis(tree, ParserConfig(display_images=True)).get_text()
    lines = (line.rstrip() for line in strip_illegal(text).strip("\n").split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines)), tuple(links)
