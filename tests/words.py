"""Word files made by hand: a zip of the XML that Word writes, and the bad ones that it would not."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from html import escape

W = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
)
RELS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>'
    '<Default Extension="emf" ContentType="image/x-emf"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
STYLES = (
    "Title",
    "Subtitle",
    "heading 1",
    "heading 2",
    "Quote",
    "Corporate Lead",
)


def run(text: str, props: str = "") -> str:
    """A run of text; `props` is its formatting in XML."""
    return f'<w:r><w:rPr>{props}</w:rPr><w:t xml:space="preserve">{escape(text)}</w:t></w:r>'


def paragraph(text: str, style: str = "", *, inside: str = "") -> str:
    """A paragraph in a style of `STYLES`; `inside` is more XML behind its words."""
    props = f'<w:pPr><w:pStyle w:val="{style.replace(" ", "")}"/></w:pPr>' if style else ""
    return f"<w:p>{props}{run(text) if text else ''}{inside}</w:p>"


def drawing(rel: str, alt: str = "", how: str = "embed") -> str:
    """A picture in a run, embedded or linked."""
    return (
        f'<w:r><w:drawing><wp:inline><wp:docPr id="1" name="p" descr="{escape(alt)}"/><a:graphic><a:graphicData>'
        f'<pic:pic><pic:blipFill><a:blip r:{how}="{rel}"/></pic:blipFill></pic:pic></a:graphicData></a:graphic>'
        "</wp:inline></w:drawing></w:r>"
    )


def relations(targets: Mapping[str, tuple[str, str, bool]]) -> str:
    """Relations by id: their sort, where they lead, and whether that is outside the file."""
    rows = "".join(
        f'<Relationship Id="{key}" Type="{OFFICE}/{sort}" Target="{escape(target)}"'
        f"{' TargetMode=' + chr(34) + 'External' + chr(34) if outside else ''}/>"
        for key, (sort, target, outside) in targets.items()
    )
    return f'<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="{RELS}">{rows}</Relationships>'


def word(
    *paragraphs: str,
    targets: Mapping[str, tuple[str, str, bool]] | None = None,
    parts: Mapping[str, bytes | str] | None = None,
    document: str | None = None,
) -> bytes:
    """A Word file with these paragraphs; `targets` are relations of the document, `parts` further parts."""
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="{name.replace(" ", "")}"><w:name w:val="{name}"/></w:style>'
        for name in STYLES
    )
    body = "".join(paragraphs)
    made: dict[str, bytes | str] = {
        "[Content_Types].xml": TYPES,
        "_rels/.rels": relations({"d": ("officeDocument", "word/document.xml", False)}),
        "word/document.xml": document
        or f'<?xml version="1.0" encoding="UTF-8"?><w:document {W}><w:body>{body}</w:body></w:document>',
        "word/styles.xml": f'<?xml version="1.0" encoding="UTF-8"?><w:styles {W}>{styles}</w:styles>',
        "word/_rels/document.xml.rels": relations(targets or {}),
        **(parts or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in made.items():
            archive.writestr(name, data)
    return out.getvalue()


def lying(data: bytes, name: bytes, claimed: int) -> bytes:
    """The same archive, one of whose entries claims another unpacked size, in its head and in the directory."""
    made = bytearray(data)
    for mark, where, named in ((b"PK\x03\x04", 22, 30), (b"PK\x01\x02", 24, 46)):
        at = made.find(mark)
        while at >= 0:
            if made[at + named : at + named + len(name)] == name:
                struct.pack_into("<L", made, at + where, claimed)
            at = made.find(mark, at + 4)
    return bytes(made)


def unzipped(data: bytes) -> dict[str, bytes]:
    """The parts of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
