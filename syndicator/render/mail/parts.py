"""The author's body as a mail shows it: HTML cleaned once more, and plain text with link footnotes.

Both are cut at the same top-level block where a mail would grow too large (MC22). Also the few
small words every mail needs: a date in the site's zone, a size, the direction of a language.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from html import escape

from inscriptis.html_engine import Inscriptis
from inscriptis.model.config import ParserConfig
from lxml import html as lxml_html
from lxml.html import HtmlElement

from syndicator.model.difference import more_words, shortened
from syndicator.model.markup import clean, strip_illegal
from syndicator.model.release import in_zone
from syndicator.model.site import Site
from syndicator.model.tables import unfold

LONGEST = 100_000  # octets of the author's HTML that a mail is made from (MC22)
LONGEST_MARKED = 20_000  # octets of a marked difference (MC22)
WIDEST = 576  # CSS pixels: the layout's 640 less its margins (MC21)

LONGEST_LINE = 72  # characters under a heading of the text part

_OPENING = ("“", "”", "„", "«", "»", '"', "‘", "‚", "‹", "「", "『")  # what a quote may begin with already
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
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
        return self if budget is None else _body(self.blocks, budget, whole=self.whole)


def body_parts(source: str, site: Site, page: str | None = None) -> Body:
    """An item's body, cleaned once more where it is rendered, for the two parts of a mail.

    `page` is the stand-in for the recipient's own page, where the public must not see the item's pictures
    and files yet: they become links to it (MC22), or words alone where it is empty. It is one word that no
    author can have typed.
    """
    cleaned = clean(source, site.base_url)
    if not cleaned:
        return Body()
    return _body(_blocks(cleaned, None if page is None else _Hidden(site.url("/media/"), page)), LONGEST)


def changes(marked: str, site: Site, url: str, language: str) -> Body:
    """What a correction changed, cleaned once more; what is too long for a mail stands at `url`."""
    if not marked:
        return Body()
    rest = f'<li><a href="{escape(url)}">{more_words(language)}</a></li>'
    short = clean(shortened(clean(marked, site.base_url), LONGEST_MARKED, rest))
    text, links = _footnoted(short, struck=False)  # its words say already what was removed and what added
    return Body(html=short, text=text, links=links)


def day_and_time(instant: datetime, zone: str) -> str:
    """The instant as a person in `zone` reads it, with the zone's own short name; no locale."""
    local = in_zone(instant, zone)
    return f"{day_in_words(local)}, {_time(local)}"


def deadline(instant: datetime, zone: str) -> str:
    """Until when something holds, as a person in `zone` reads it: to the minute, by its last day where it ends with one.

    >>> deadline(datetime(2026, 12, 23, 23, tzinfo=UTC), "Europe/Berlin")
    '23 December 2026'
    """
    local = in_zone(instant, zone).replace(second=0, microsecond=0)
    if (local.hour, local.minute) == (0, 0):
        return day_in_words(local - timedelta(days=1))
    return f"{day_in_words(local)}, {_time(local)}"


def day_in_words(moment: date, *, year: bool = True) -> str:
    """A day as people write it, with or without its year; no locale."""
    if not year:
        return f"{moment.day} {_MONTHS[moment.month - 1]}"
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


def embargo_end(instant: datetime, zone: str) -> str:
    """The end of an embargo as nobody can misread it: weekday, date and time in `zone`, and in UTC (EM2)."""
    local, utc = in_zone(instant, zone), instant.astimezone(UTC)
    shown = f"{_DAYS[local.weekday()]} {day_in_words(local)}, {_time(local)}"
    if local.utcoffset() == utc.utcoffset() and local.tzname() == "UTC":
        return shown
    elsewhere = (
        "" if local.date() == utc.date() else f"{_DAYS[utc.weekday()]} {utc.day} {_MONTHS[utc.month - 1]}, "
    )
    return f"{shown} ({elsewhere}{_time(utc)})"


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


def _time(moment: datetime) -> str:
    clock = f"{moment:%H:%M:%S}" if moment.second else f"{moment:%H:%M}"
    name = moment.tzname() or ""
    return f"{clock} {name if name[:1].isalpha() else f'UTC{name}'}"  # zones without a name say +04


def _body(blocks: Iterable[str], budget: int, *, whole: bool = True) -> Body:
    kept, size = [], 0
    for block in blocks:  # no more is made than fits: a text may have five megabytes
        size += len(block.encode())
        if size > budget:
            whole = False
            break
        kept.append(block)
    text, links = _footnoted("\n".join(kept)) if kept else ("", ())
    return Body(html="\n".join(kept), text=text, links=links, whole=whole, blocks=tuple(kept))


@dataclass(frozen=True, slots=True)
class _Hidden:
    """Pictures and files that only the recipient's own page shows."""

    public: str  # what the addresses of our files begin with
    page: str

    @property
    def address(self) -> str:
        # One that the allow-list lets through; it makes way for the stand-in afterwards.
        return f"https://{self.page}/"

    def hide(self, holder: HtmlElement) -> None:
        for image in [*holder.iter("img")]:
            link = next(image.iterancestors("a"), None)  # no link stands in another
            shown = holder.makeelement("span" if link is not None else "a")
            shown.text, shown.tail = f"[picture: {image.get('alt') or 'no description'}]", image.tail
            image.getparent().replace(image, shown)
            self._lead(shown if link is None else link)
        for anchor in holder.iter("a"):
            if (anchor.get("href") or "").startswith(self.public):
                self._lead(anchor)

    def _lead(self, anchor: HtmlElement) -> None:
        if self.page:
            anchor.set("href", self.address)
        else:
            anchor.attrib.pop("href", None)
            anchor.tag = "span"


def _blocks(cleaned: str, hidden: _Hidden | None) -> Iterator[str]:
    holder = lxml_html.fragment_fromstring(cleaned, create_parent="div")
    if hidden:
        hidden.hide(holder)
    if holder.text and holder.text.strip():
        yield escape(holder.text)
    for node in holder:
        # Cleaned again: another parser has been at it, and two parsers may read one text differently.
        block = clean(lxml_html.tostring(_fit_for_mail(node), encoding="unicode"))
        yield block.replace(hidden.address, hidden.page) if hidden and hidden.page else block


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


def _footnoted(source: str, *, struck: bool = True) -> tuple[str, tuple[str, ...]]:
    tree = lxml_html.document_fromstring(f"<html><body>{source}</body></html>")
    unfold(tree)
    for table in [*tree.iter("table")]:  # inscriptis glues a table to what stands before and after
        paragraph = tree.makeelement("p")
        table.addprevious(paragraph)
        paragraph.append(table)
        paragraph.tail, table.tail = table.tail, None
    if struck:
        _strike(tree)
    links: dict[str, int] = {}
    for anchor in tree.iter("a"):
        address, shown = anchor.get("href", ""), "".join(map(str, anchor.itertext())).strip()
        if address and address not in (shown, f"mailto:{shown}"):
            number = links.setdefault(address.removeprefix("mailto:"), len(links) + 1)
            anchor.tail = f" [{number}]{anchor.tail or ''}"
    _underline(tree)
    for quotation in reversed([*tree.iter("blockquote")]):  # the innermost first
        _mark(quotation)
    return _plain(tree), tuple(links)


def _plain(tree: HtmlElement) -> str:
    text: str = Inscriptis(tree, ParserConfig(display_images=True)).get_text()
    lines = (line.rstrip() for line in strip_illegal(text).strip("\n").split("\n"))
    return re.sub("\n{3,}", "\n\n", "\n".join(lines))


def _underline(tree: HtmlElement) -> None:
    for heading in tree.iter("h1", "h2", "h3", "h4", "h5", "h6"):
        shown = "".join(map(str, heading.itertext())).strip()
        if shown:
            line = tree.makeelement("br")
            line.tail = "-" * min(len(shown), LONGEST_LINE)
            heading.append(line)


def _mark(quotation: HtmlElement) -> None:
    """Every line of a quotation begins with "> ", as in a reply; one that names its speaker is in quotation marks."""
    parts = [part for part in quotation if part.tag == "p"]
    if len(parts) > 1 and parts[-1].find("cite") is not None and (parts[-1].text or "").startswith("—"):
        first, last = parts[0], parts[-2]
        if not "".join(map(str, first.itertext())).lstrip().startswith(_OPENING):
            first.text = f"“{first.text or ''}"
            if len(last):
                last[-1].tail = f"{last[-1].tail or ''}”"
            else:
                last.text = f"{last.text or ''}”"
    alone = quotation.makeelement("body")
    alone.text = quotation.text
    alone.extend(list(quotation))
    whole = quotation.makeelement("html")
    whole.append(alone)
    lines = _plain(whole).split("\n")
    paragraph = quotation.makeelement("p")  # it stands apart from what is before and after
    paragraph.tail = quotation.tail
    marked = quotation.makeelement("pre")
    paragraph.append(marked)
    if lines != [""]:
        marked.text = "\n".join(f"> {line}".rstrip() for line in lines)
    quotation.getparent().replace(quotation, paragraph)


def _strike(tree: HtmlElement) -> None:
    # Without the strokes the words alone would say the contrary.
    for node in tree.iter("del", "ins", "s"):
        before, after = ("{+", "+}") if node.tag == "ins" else ("[-", "-]")
        node.text = f"{before}{node.text or ''}"
        if len(node):
            node[-1].tail = f"{node[-1].tail or ''}{after}"
        else:
            node.text += after
