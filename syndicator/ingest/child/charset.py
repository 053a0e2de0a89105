"""What characters the bytes of a feed are: mark, HTTP charset, declaration and bytes may all disagree (feeds:I19).

Bytes that are UTF-8 and more than ASCII are UTF-8, whatever anybody says of them: text in another encoding
is hardly ever that by chance. Then the mark, the HTTP charset (RFC 7303 §3.2) and the declaration count, in
this order; a Latin-1 that a server says by default yields to what the author declared.
"""

from __future__ import annotations

import codecs
import re

UTF_8 = "utf-8"
LATIN = frozenset({"iso8859-1", "ascii", "cp1252"})  # all read as windows-1252, as browsers do
MARKS = {  # byte order marks, and XML in a wide encoding that has none (XML 1.0 appendix F)
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    b"<\0\0\0": "utf-32-le",
    b"\0\0\0<": "utf-32-be",
    b"<\0": "utf-16-le",
    b"\0<": "utf-16-be",
    b"{\0": "utf-16-le",
    b"\0{": "utf-16-be",
}
# Python's other codecs are none of text on the wire, or labour (idna, punycode, unicode_escape). UTF-7 is
# not among them: nothing else in a page that shows it would be read as it is (WHATWG Encoding §4.1).
TEXT = re.compile(
    r"utf-(8|16|32)(-..)?|iso8859-\d+|cp\d+|koi8-.|mac-\w+|gb\w+|hz|big5\w*|euc_\w+|shift_\w+|iso2022_\w+|johab|"
    r"tis-620|kz1048|ptcp154|ascii|hp-roman8"
)
MULTIBYTE = re.compile(r"gb\w+|hz|big5\w*|euc_\w+|shift_\w+|iso2022_\w+|johab|cp9(32|36|49|50)")
CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:+-]{1,40})", re.IGNORECASE)
DECLARED = re.compile(rb"<\?xml\b[^<>]{0,200}?\bencoding\s*=\s*[\"']\s*([\w.:+-]{1,40})")
ABOVE = {point: char for point in range(0x80, 0xA0) if (char := bytes([point]).decode("cp1252", "ignore"))}
ALIASES = {
    "windows-874": "cp874",
    "x-sjis": "cp932",
    "x-gbk": "gb18030",
    "iso-8859-8-i": "iso8859-8",
    "utf-8-sig": UTF_8,
    "utf8mb4": UTF_8,
}
MAX_BYTEWISE = 50_000  # bytes that are mended one by one: a microsecond each
NEAR = 8_192  # bytes in which a declaration is looked for: warnings of a program may stand before it


def decoded(body: bytes, content_type: str) -> tuple[str, str | None]:
    """The text of a body, and in words what its sender says wrongly of it, if anything."""
    if mark := next((mark for mark in MARKS if body.startswith(mark)), None):
        return body.decode(MARKS[mark], "replace").removeprefix("\ufeff"), None
    told, written = CHARSET.search(content_type), DECLARED.search(body[:NEAR])
    named = [told[1] if told else "", written[1].decode("ascii", "replace") if written else ""]
    codes = [code for name in named if (code := _codec(name))]
    if len(codes) == 2 and codes[0] in LATIN and codes[1] not in LATIN:
        codes.reverse()
    text, code = _read(body, codes)
    said = next(filter(None, named), "")
    fits = code == (_codec(said) or UTF_8) or body.isascii() or {code, _codec(said)} <= LATIN
    return text, None if fits else f"it says that it is {said or 'utf-8'}, but it is {code}"


def _read(body: bytes, codes: list[str]) -> tuple[str, str]:
    """The text, and the codec that read it."""
    if not any(MULTIBYTE.fullmatch(code) for code in codes):
        codes = [UTF_8, *codes]
    for code in codes:
        if code in LATIN:
            return _latin(body), code
        try:
            return body.decode(code), code
        except (UnicodeError, LookupError):
            continue
    return _mixed(body)


def _mixed(body: bytes) -> tuple[str, str]:
    """What is neither UTF-8 nor what it is said to be: windows-1252, or UTF-8 with bytes of it in between."""
    text = body.decode(UTF_8, "replace")
    broken = text.count("\ufffd")
    if 2 * broken > len(text) - len(text.encode("ascii", "ignore")):
        return _latin(body), "windows-1252"
    return body.decode(UTF_8, "bytewise" if broken < MAX_BYTEWISE else "replace"), "windows-1252 in part"


def _latin(body: bytes) -> str:
    """As windows-1252 has it, and as Latin-1 the five bytes that it has not."""
    try:
        return body.decode("cp1252")
    except UnicodeDecodeError:
        return body.decode("latin-1").translate(ABOVE)


def _codec(name: str) -> str | None:
    """Python's name of an encoding of text, if it has it."""
    try:
        found = codecs.lookup(ALIASES.get(name.lower(), name)).name if name else ""
    except (LookupError, ValueError):
        return None
    if not TEXT.fullmatch(found):
        return None
    return "cp1252" if found in LATIN else "gb18030" if found == "gb2312" else found


def _bytewise(fault: UnicodeError) -> tuple[str, int]:
    if not isinstance(fault, UnicodeDecodeError):
        raise fault
    return _latin(fault.object[fault.start : fault.start + 1]), fault.start + 1


codecs.register_error("bytewise", _bytewise)
