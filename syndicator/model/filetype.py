"""What a file is, by what it holds: pictures, sound, film and documents that may stand beside a release. Pure.

Neither its name nor what anybody says of it counts (security:I3). Whatever a browser would run is refused
(SVG, HTML), and so is a file that could be read as two things: what we say it is must be all it can be.
This is pillow's home. Bytes are never changed, so what a camera wrote about the place stays in them: `position`
says so, and whoever takes the file in decides (ADR 36).
"""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from syndicator.errors import Invalid
from syndicator.model import zipped

MOST_PIXELS = (
    100_000_000  # a press photo has a quarter of that; unpacked this is 400 MB for whoever looks at it
)
HEAD = 1024  # bytes in which browsers and PDF readers look for what a file might be
UNPACKED = 500_000_000  # bytes an archive or office document may grow to

EXTENSIONS = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "application/pdf": ".pdf",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
    "application/zip": ".zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}
PICTURES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
OFFICE = {"word/": ".docx", "xl/": ".xlsx", "ppt/": ".pptx"}
KNOWN = "PNG, JPEG, GIF, WebP, PDF, MP3, MP4, WAV, ZIP or an office document"
MARKUP = re.compile(rb"<\s*(?:!doctype|html|head|body|script|svg|iframe|\?php)\b", re.IGNORECASE)
SVG = re.compile(rb"<\s*(?:[a-z]+:)?svg\b", re.IGNORECASE)
TEXT = bytes(range(0x20, 0x100)) + b"\t\n\r\f\b\x1b"
# By which XMP, a film's user data (©xyz, 3GPP's loci) and QuickTime's metadata say where something was taken; XMP's
# prefix is anybody's choice.
IN_XMP = b"GPSLatitude"
PLACES = (IN_XMP, b"\xa9xyz", b"com.apple.quicktime.location.ISO6709", b"loci")
MOST_TEXT = 16_000_000  # bytes of text in a PNG, unpacked; XMP has some thousands
PROFILES = tuple(b"Raw profile type " + sort for sort in (b"exif", b"APP1", b"xmp"))
FOREIGN = {
    b"%PDF-": "a PDF",
    b"Rar!\x1a": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x7fELF": "a program",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a file is. `width` and `height` are in pixels, 0 for what is no picture.

    `position` says that the place where a picture was taken stands in it.
    """

    type: str
    width: int = 0
    height: int = 0
    position: bool = False

    @property
    def extension(self) -> str:
        """The ending of its name, dot and all."""
        return EXTENSIONS[self.type]


def sniffed(data: bytes) -> Found:
    """What these bytes are; raises Invalid, in one line, for what is refused."""
    if not data:
        raise Invalid("it is empty")
    if _is_text(data[:HEAD]) and not data.startswith(b"%PDF-"):
        raise Invalid(_why_no_text(data))
    found = _known(data)
    if found is None:
        raise Invalid(f"its content is of no type we take: use {KNOWN}")
    _refuse_second_nature(data, found.type)
    return found


def is_picture(type: str) -> bool:
    """Whether a browser shows it within a page."""
    return type in PICTURES.values()


def _known(data: bytes) -> Found | None:
    if (
        data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))
        or _riff(data) == b"WEBP"
    ):
        return _picture(data)
    if data.startswith(b"PK\x03\x04"):
        return Found(type=_archive(data))
    if data.startswith(b"%PDF-"):
        return Found(type="application/pdf")
    if _riff(data) == b"WAVE":
        return Found(type="audio/wav")
    if data[4:8] == b"ftyp":
        return _film(data[8:12], any(mark in box for box in _film_boxes(data) for mark in PLACES))
    if data.startswith(b"ID3") or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):  # layer III
        return Found(type="audio/mpeg")
    return None


def _picture(data: bytes) -> Found:
    from PIL import Image, UnidentifiedImageError

    bomb = f"it is a picture of more than {MOST_PIXELS // 1_000_000} million pixels: make it smaller"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # metadata that pillow cannot read
            with Image.open(io.BytesIO(data), formats=list(PICTURES)) as picture:
                form, (width, height) = picture.format or "", picture.size
                if width * height > MOST_PIXELS:
                    raise Invalid(bomb)
                position = _has_position(data, picture.info.get("exif"))
                picture.verify()
    except Invalid:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(bomb) from None
    except UnidentifiedImageError:
        raise Invalid("it begins as a picture and is none: save it once more") from None
    except Exception as fault:  # pillow's readers raise whatever they stumble over: here it is this one file
        raise Invalid(f"it is a broken picture ({str(fault)[:80]}): save it once more") from fault
    return Found(type=PICTURES[form], width=width, height=height, position=position)


def _has_position(data: bytes, exif: bytes | None) -> bool:
    """Whether Exif or XMP says where it was taken; `exif` is what pillow read before the pixels.

    Not `getexif`: of a PNG that unpacks every pixel, to look behind them.
    """
    texts = list(_png_texts(data))
    if IN_XMP in data or any(IN_XMP in text for _, text in texts):
        return True
    hexed = [_profile(text) for name, text in texts if name in PROFILES]
    return any(IN_XMP in one or _exif_position(one) for one in (exif, _late_exif(data), *hexed) if one)


def _exif_position(block: bytes) -> bool:
    from PIL import ExifTags, Image

    exif = Image.Exif()
    if block.startswith((b"Exif", b"II", b"MM")):
        exif.load(block)
    return bool(exif.get_ifd(ExifTags.IFD.GPSInfo))


def _late_exif(data: bytes) -> bytes:
    """The eXIf chunk of a PNG, which may stand behind the pixels (PNG 3 §11.3.4.5)."""
    return next((data[start:end] for kind, start, end in _png_chunks(data) if kind == b"eXIf"), b"")


def _png_texts(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keyword and words of every text chunk of a PNG, before and behind the pixels (PNG 3 §11.3.3)."""
    left = MOST_TEXT
    for kind, start, end in _png_chunks(data):
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        name, _, rest = data[start:end].partition(b"\0")
        packed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\x01")
        if kind == b"iTXt":
            rest = b"\0" + rest[2:].split(b"\0", 2)[-1]  # behind the language and the translated keyword
        text = zlib.decompressobj().decompress(rest[1:], left) if packed else rest
        left -= len(text)
        if left <= 0:
            raise Invalid("it is a picture with more text in it than any needs: save it once more without")
        yield name, text


def _profile(text: bytes) -> bytes:
    """Exif or XMP as ImageMagick writes it into a PNG: in hex, below three lines of heading."""
    return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))


def _film_boxes(data: bytes) -> Iterator[bytes]:
    """What stands in a film beside its pictures and sound, where any four letters may occur (ISO 14496-12 §4.2)."""
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">L4s", data, at)
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        end = at + size if size >= 8 else len(data)
        if kind != b"mdat":
            yield data[at:end]
        at = end


def _film(brand: bytes, position: bool) -> Found | None:  # noqa: FBT001 - what its user data says (QuickTime, ©xyz)
    if brand in (b"M4A ", b"M4B "):
        return Found(type="audio/mp4", position=position)
    still = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"qt  ")
    return None if brand in still else Found(type="video/mp4", position=position)


def _archive(data: bytes) -> str:
    archive = zipped.Archive(data, UNPACKED)
    by_extension = {ending: type for type, ending in EXTENSIONS.items()}
    if any(name.rpartition("/")[2].lower() == "vbaproject.bin" for name in archive.names):
        raise Invalid("it is an office document with macros: save it without")
    if "[Content_Types].xml" in archive.names:
        parts = [
            ending for folder, ending in OFFICE.items() if any(n.startswith(folder) for n in archive.names)
        ]
        return by_extension[parts[0] if len(parts) == 1 else ".zip"]
    if archive.names[:1] == ["mimetype"]:
        said = archive.read("mimetype", 200).decode("ascii", "replace").strip()
        return said if said in EXTENSIONS else "application/zip"
    return "application/zip"


def _riff(data: bytes) -> bytes:
    return data[8:12] if data.startswith(b"RIFF") else b""


def _is_text(head: bytes) -> bool:
    """Whether it reads as text in some ASCII-like or two-byte coding: what a browser may take for a page."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    return not head.translate(None, TEXT)


def _why_no_text(data: bytes) -> str:
    plain = data[: 64 * HEAD].replace(b"\0", b"")
    if SVG.search(plain):
        return "it is an SVG picture, which can hold scripts: hand it in as a PNG"
    if MARKUP.search(plain):
        return "it is a page (HTML or XML), which can hold scripts: hand it in as a PDF"
    return f"it is text, which belongs into the release itself: as a file use {KNOWN}"


def _refuse_second_nature(data: bytes, type: str) -> None:
    if type in EXTENSIONS and not data.startswith(b"PK") and zipped.directory(data) is not None:
        raise Invalid("a zip archive is hidden behind it: save it once more without")
    if type == "application/pdf":
        places = [data[5:HEAD]]
    else:
        places = [data[:HEAD]]
        if end := _END.get(type):
            places.append(data[end(data) :])
    for place in places:
        if MARKUP.search(place) or SVG.search(place):
            raise Invalid("a web page is hidden in it: save it once more without its comments")
        for mark, what in FOREIGN.items():
            if mark in place:
                raise Invalid(f"{what} is hidden in it: save it once more without")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The kind of every chunk, where its data begins and where it ends (PNG 3 §5.3); nothing of what is no PNG."""
    at = 8 if data.startswith(b"\x89PNG") else len(data)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">L4s", data, at)
        yield kind, at + 8, at + 8 + length
        at += 12 + length


def _png_end(data: bytes) -> int:
    return next((end + 4 for kind, _, end in _png_chunks(data) if kind == b"IEND"), len(data))


def _jpeg_end(data: bytes) -> int:
    """Behind the end of the first picture (ITU T.81 §B.1.1): segments have a length, what they begin has marks."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        mark = data[at + 1]
        if mark == 0xD9:
            return at + 2
        if mark == 0xFF:  # fill byte
            at += 1
            continue
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
        if mark == 0xDA:
            at = _next_mark(data, at)
    return at


_MARK = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)


def _next_mark(data: bytes, at: int) -> int:
    found = _MARK.search(data, at)
    return found.start() if found else len(data)


def _riff_end(data: bytes) -> int:
    return 8 + int.from_bytes(data[4:8], "little")


def _gif_end(data: bytes) -> int:
    """Behind the trailer (GIF89a, appendix A)."""
    flags = data[10]
    at = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    while at < len(data):
        sort = data[at]
        if sort == 0x3B:
            return at + 1
        if sort == 0x21:
            at += 2
        elif sort == 0x2C and at + 10 < len(data):
            local = data[at + 9]
            at += 11 + (3 << (local & 7) + 1 if local & 0x80 else 0)
        else:
            return at
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    return at


_END: dict[str, Callable[[bytes], int]] = {
    "image/png": _png_end,
    "image/jpeg": _jpeg_end,
    "image/gif": _gif_end,
    "image/webp": _riff_end,
    "audio/wav": _riff_end,
}
