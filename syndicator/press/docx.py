"""A Word file as Markdown: mammoth reads it, markdownify writes it, and what was left out is listed (walk B).

A docx is a zip of XML made by a stranger. It is looked through first, part by part and within bounds, so that a
bomb ends in one line before anything is built of it; nothing outside the file is ever opened. This is mammoth's
and markdownify's home.
"""

from __future__ import annotations

import hashlib
import io
import re
import xml.parsers.expat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import lxml.etree
import lxml.html

from syndicator.errors import Invalid
from syndicator.model import zipped
from syndicator.model.drafts import MAX_BODY
from syndicator.model.filetype import sniffed
from syndicator.model.frontmatter import quoted
from syndicator.model.item import Content, Kind, Medium
from syndicator.model.markup import strip_illegal
from syndicator.model.written import written

UNPACKED = 200_000_000  # bytes of all parts together, pictures included
LARGEST_XML = 20_000_000  # bytes of one part; 300 pages of text have two million
MOST_ELEMENTS = 200_000  # of one part; mammoth keeps them all in memory at once, 2 kB each
DEEPEST = 200  # elements within each other; mammoth reads them by recursion
MOST_PICTURES = 100
MOST_SHOWN = 400  # places where pictures are shown: one may be shown more than once
SHOWN = ("a:blip", "v:imagedata")
LARGEST_PICTURE = 50_000_000  # bytes
MOST_TOLD = 20  # lines about what was left out
LONGEST = 300  # characters of a title or a subtitle
BLANK = b" \t\r\n\0\xef\xbb\xbf\xff\xfe"  # what may stand before the first tag, in any coding expat knows
STYLES = """
p[style-name='Title'] => h1.title:fresh
p[style-name='Subtitle'] => h1.dek:fresh
p[style-name='Quote'] => blockquote:fresh
p[style-name='Intense Quote'] => blockquote:fresh
p[style-name='No Spacing'] => p:fresh
p[style-name='Normal (Web)'] => p:fresh
p[style-name='List Paragraph'] => p:fresh
p[style-name='Body Text'] => p:fresh
p[style-name='caption'] => p:fresh
r[style-name='Hyperlink'] =>
r[style-name='Emphasis'] => em
u => em
"""
# What stands in the XML and not in the text we make of it, as an editor calls it. Inserted text is taken,
# deleted text is not, as if every change had been accepted.
LEFT_OUT = {
    "w:commentReference": "comments are left out: {}",
    "w:ins": "tracked insertions are taken as accepted: {}",
    "w:del": "tracked deletions are taken as accepted: {}",
    "w:moveFrom": "tracked moves are taken as accepted: {}",
    "w:txbxContent": "text boxes stand behind the paragraph they were beside: {}",
    "m:oMath": "formulas are left out: {}",
    "c:chart": "charts are left out: {}",
    "dgm:relIds": "SmartArt drawings are left out: {}",
    "w:object": "embedded objects are left out: {}",
    "w:sdt": "form fields are taken as plain text: {}",
}
HEADER = re.compile(r"word/(?:header|footer)\d*\.xml")
UNKNOWN_STYLE = re.compile(
    r"Unrecognised (paragraph|run|table) style: (.{1,200}?)(?: \(Style ID: .*\))?$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the document; `alt` is empty where its author gave it none."""

    name: str
    data: bytes
    alt: str


@dataclass(frozen=True, slots=True)
class WordFile:
    """What a Word file says. `dropped` tells its author, line by line, what is not as it was."""

    title: str
    dek: str
    markdown: str
    dropped: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def file(self, *, topics: str = "", kind: str = "", embargo: str = "") -> str:
        """The whole as a Markdown file with front matter; raises Invalid for a kind that there is none of.

        `topics` are separated by commas; `embargo` is as one types it.
        """
        if kind and kind not in list(Kind):
            raise Invalid(f"unknown kind {quoted(kind)}: use {', '.join(Kind)}")
        content = Content(
            title=self.title,
            dek=self.dek,
            kind=Kind(kind) if kind else Kind.PRESS_RELEASE,
            topics=tuple(part.strip() for part in topics.split(",") if part.strip()),
            text=self.markdown,
            media=tuple(
                Medium(url="", type="", length=0, file=picture.name, alt=picture.alt)
                for picture in self.pictures
            ),
        )
        return written(content, typed=embargo)


@dataclass(slots=True)
class _Seen:
    """What was met on the way."""

    archive: zipped.Archive
    told: Counter[str] = field(default_factory=Counter)
    pictures: list[Picture] = field(default_factory=list)
    names: dict[bytes, str] = field(default_factory=dict)  # by digest
    looked_at: dict[str, str | Invalid] = field(
        default_factory=dict
    )  # by entry: its name, or why it is left out


def read(data: bytes) -> WordFile:
    """The document; raises Invalid, in one line, for what is no Word file, a harmful one, or one without a title."""
    archive = zipped.Archive(data, UNPACKED)
    seen = _Seen(archive)
    if not any(name.startswith("word/") for name in archive.names):
        raise Invalid("it is no Word file (.docx): save it as one, or hand in Markdown")
    html = _html(_looked_through(seen), seen)
    title, dek, markdown = _markdown(html)
    if not title:
        raise Invalid("it has no title: give its first line the style Title, or make it a heading")
    if len(markdown) > MAX_BODY:
        raise Invalid(f"its text is {len(markdown):,} characters long; the limit is {MAX_BODY:,}")
    return WordFile(title, dek, markdown, tuple(_told(seen.told)), tuple(seen.pictures))


def _looked_through(seen: _Seen) -> io.BytesIO:
    """The file as mammoth is to see it: parts of XML found harmless, and nothing of all others but that they are there.

    So nothing is built of what was not looked at, and a picture is unpacked by us, once, however often it is shown.
    """
    made, archive, shown = io.BytesIO(), seen.archive, 0
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out:
        for name in archive.names:
            begins = archive.begins(name)
            # A folder, a picture, a font; not by its name, for a relation may call any part the document.
            if not begins.strip(b"\0") or begins.lstrip(BLANK)[:1] not in (b"", b"<"):
                out.writestr(name, b"")
                continue
            part = archive.read(name, LARGEST_XML)
            counted = _counted(part, name)
            out.writestr(name, part)
            shown += sum(counted[element] for element in SHOWN)
            if shown > MOST_SHOWN:
                raise Invalid(
                    f"it shows pictures in more than {MOST_SHOWN} places: hand in those that matter"
                )
            if counted["w:body"]:
                seen.told.update({words: n for element, words in LEFT_OUT.items() if (n := counted[element])})
            elif HEADER.fullmatch(name) and counted["w:t"]:
                seen.told["headers and footers are left out: {}"] += 1
    return made


def _counted(part: bytes, name: str) -> Counter[str]:
    counted: Counter[str] = Counter()
    depth = total = 0

    def begin(element: str, _attributes: dict[str, str]) -> None:
        nonlocal depth, total
        depth, total = depth + 1, total + 1
        counted[element] += 1
        if depth > DEEPEST or total > MOST_ELEMENTS:
            raise Invalid(f"its part {name} is nested too deep or has too many elements: split the document")

    def end(_element: str) -> None:
        nonlocal depth
        depth -= 1

    def declared(*_: Any) -> None:
        raise Invalid(
            f"its part {name} declares a document type, by which files can be read: save it once more"
        )

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.StartDoctypeDeclHandler = declared
    try:
        parser.Parse(part, True)
    except (xml.parsers.expat.ExpatError, LookupError, ValueError) as fault:  # an encoding nobody knows
        raise Invalid(f"its part {name[:80]!r} is broken ({fault}): save it once more") from None
    return counted


def _html(file: io.BytesIO, seen: _Seen) -> str:
    import mammoth  # type: ignore[import-untyped]

    def picture(image: Any) -> dict[str, str]:
        return {"src": _picture(image, seen)}

    try:
        result = mammoth.convert_to_html(
            file,
            style_map=STYLES,
            include_embedded_style_map=False,
            convert_image=mammoth.images.img_element(picture),
            external_file_access=False,
        )
    except Invalid:
        raise
    except (
        Exception
    ) as fault:  # mammoth raises whatever it stumbles over: KeyError, IndexError, RecursionError …
        raise Invalid(
            f"it cannot be read as a Word file ({type(fault).__name__}): save it once more"
        ) from fault
    for message in result.messages:
        if "external" in message.message:
            continue  # told where the picture was looked for
        found = UNKNOWN_STYLE.match(message.message)
        words = f"the style {found[2]} is taken as plain text: {{}}" if found else _mild(message.message)
        if words:
            seen.told[words] += 1
    return str(result.value)


def _mild(message: str) -> str:
    """What mammoth says of one element, fit for a person; empty for what nobody misses."""
    if message.startswith("An unrecognised element was ignored"):
        return ""  # layout marks such as w:lastRenderedPageBreak; what holds words is counted above
    return f"{message.replace('{', '(').replace('}', ')')[:200]}: {{}}"


def _picture(image: Any, seen: _Seen) -> str:
    """The name of a picture in the text, empty for one that is left out."""
    from mammoth.docx.files import InvalidFileReferenceError  # type: ignore[import-untyped]

    try:
        with image.open() as file:
            entry = str(file.name)
    except (InvalidFileReferenceError, KeyError):
        seen.told["pictures that are not within the file are left out, and nothing was fetched: {}"] += 1
        return ""
    if entry not in seen.looked_at:
        seen.looked_at[entry] = _taken_in(entry, image.alt_text or "", seen)
    found = seen.looked_at[entry]
    if isinstance(found, str):
        return found
    seen.told[f"pictures are left out, {str(found).replace('{', '(').replace('}', ')')}: {{}}"] += 1
    return ""


def _taken_in(entry: str, alt: str, seen: _Seen) -> str | Invalid:
    """The name under which a picture comes along, or why it does not; raises Invalid when there are too many."""
    try:
        data = seen.archive.read(entry, LARGEST_PICTURE)
        digest = hashlib.sha256(data).digest()
        if digest in seen.names:
            return seen.names[digest]
        found = sniffed(data)
    except Invalid as fault:
        return fault
    if found.width == 0:
        return Invalid("it is no picture")
    if len(seen.pictures) >= MOST_PICTURES:
        raise Invalid(f"it has more than {MOST_PICTURES} pictures: hand in those that matter")
    name = f"picture-{len(seen.pictures) + 1}{found.extension}"
    seen.pictures.append(Picture(name, data, " ".join(strip_illegal(alt).split())[:LONGEST]))
    seen.names[digest] = name
    return name


def _markdown(html: str) -> tuple[str, str, str]:
    """Title, subtitle and the rest as Markdown; marks within the document and empty pictures are taken out."""
    from markdownify import MarkdownConverter

    try:
        tree = lxml.html.fragment_fromstring(html, create_parent="div")
    except (lxml.etree.LxmlError, ValueError) as fault:
        raise Invalid(f"it cannot be read as a Word file ({fault}): save it once more") from None
    _tidy(tree)
    dek = _taken(tree.iterfind("h1[@class='dek']"))
    headings = [child for child in tree if isinstance(child.tag, str) and re.fullmatch("h[1-6]", child.tag)]
    title = _taken(tree.iterfind("h1[@class='title']")) or _taken(headings)
    for heading in tree.iter("h1"):
        heading.attrib.pop("class", None)
    converter = MarkdownConverter(
        heading_style="atx", bullets="-", escape_misc=True, newline_style="backslash"
    )
    text = converter.convert(lxml.html.tostring(tree, encoding="unicode"))
    return title, dek, strip_illegal(text).strip()


def _taken(found: Iterable[Any]) -> str:
    """The words of the first of these elements, which leaves the text; of the others as well as they stand."""
    for element in found:
        words = " ".join(strip_illegal(element.text_content()).split())
        if words:
            element.drop_tree()
            return words[:LONGEST]
    return ""


def _tidy(tree: Any) -> None:
    for anchor in list(tree.iter("a")):
        address = anchor.get("href") or ""
        if (
            address.startswith("#") or not address
        ):  # footnotes and bookmarks: their names mean nothing elsewhere
            if anchor.text_content().strip() == "↑":
                anchor.drop_tree()
            else:
                anchor.drop_tag()
    for image in list(tree.iter("img")):
        if not image.get("src"):
            image.drop_tree()


def _told(told: Counter[str]) -> Iterator[str]:
    lines = [words.format(count) for words, count in told.items()]
    yield from lines[:MOST_TOLD]
    if len(lines) > MOST_TOLD:
        yield f"and {len(lines) - MOST_TOLD} more sorts of things are not as they were"
