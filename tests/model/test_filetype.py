"""What files are is told by what they hold; what could be two things, or be run, is refused in one clear line."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.model.filetype import EXTENSIONS, Found, is_picture, sniffed
from tests import pictures

OFFICE = {"[Content_Types].xml": b"<Types/>"}
GOOD = {
    "image/png": pictures.picture("PNG"),
    "image/jpeg": pictures.picture("JPEG"),
    "image/gif": pictures.picture("GIF"),
    "image/webp": pictures.picture("WEBP"),
    "application/pdf": pictures.PDF,
    "audio/mpeg": pictures.MP3,
    "audio/mp4": pictures.MP4.replace(b"isom", b"M4A ", 1),
    "audio/wav": pictures.sound(),
    "video/mp4": pictures.MP4,
    "application/zip": pictures.archive(),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": pictures.archive(
        OFFICE | {"word/document.xml": b"<d/>"}
    ),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": pictures.archive(
        OFFICE | {"xl/workbook.xml": b"<d/>"}
    ),
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": pictures.archive(
        OFFICE | {"ppt/presentation.xml": b"<d/>"}
    ),
} | {
    type: pictures.archive({"mimetype": type.encode(), "content.xml": b"<d/>"})
    for type in EXTENSIONS
    if "opendocument" in type
}
GIF = pictures.picture("GIF")
COMMENT = pictures.picture("JPEG", comment=b"<script>alert(1)</script>")
BAD = {
    "it is empty": b"",
    "SVG picture, which can hold scripts": pictures.SVG,
    "an SVG picture": b"\xef\xbb\xbf  <svg/onload=alert(1)>",
    "SVG": pictures.SVG.decode().encode("utf-16"),
    "a page": b"<!doctype html><body>",
    "it is text": b"just words",
    "of no type we take": b"\x7fELF\x02\x01\x01\x00",
    "begins as a picture and is none": b"\x89PNG\r\n\x1a\n" + bytes(30),
    "broken picture": pictures.picture("PNG").replace(b"IDATx", b"IDATy"),
    "million pixels": pictures.bomb(),
    "pixels": pictures.bomb(11_000, 10_000),
    "zip archive is hidden behind it": GIF + pictures.archive({"evil.class": b"\xca\xfe\xba\xbe"}),
    "zip archive is hidden": pictures.PDF + pictures.archive(),
    "a PDF is hidden in it": pictures.picture("JPEG", comment=pictures.PDF),
    "web page is hidden": COMMENT,
    "a web page is hidden in it": pictures.picture("JPEG") + b"\0" * 2000 + b"<script>alert(1)</script>",
    "page is hidden": pictures.picture("PNG") + b"<html onmouseover=alert(1)>",
    "web page is": GIF + b"<svg onload=alert(1)>",
    "a RAR archive is hidden": pictures.picture("WEBP") + b"Rar!\x1a\x07\x00",
    "with macros": pictures.archive(OFFICE | {"word/vbaProject.bin": b"\0"}),
    "two entries of one name": b"",
    "claims 60,000 entries": b"",
    "no zip archive": pictures.archive()[:-30],
    "more than 200 bytes": pictures.archive({"mimetype": b"a" * 3000}),
}


def _doubled() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            made.writestr("a", "2")
    return out.getvalue()


def _many() -> bytes:
    data = bytearray(pictures.archive())
    at = data.rfind(b"PK\x05\x06")
    data[at + 8 : at + 12] = (60_000).to_bytes(2, "little") * 2
    return bytes(data)


BAD["two entries of one name"] = _doubled()
BAD["claims 60,000 entries"] = _many()


@pytest.mark.parametrize("type", EXTENSIONS)
def test_a_file_is_known_by_what_it_holds(type: str) -> None:
    """security:I3: each type that is taken, found without its name."""
    found = sniffed(GOOD[type])
    assert (found.type, found.position) == (type, False)
    assert (found.width, found.height) == ((8, 6) if is_picture(type) else (0, 0))
    assert found.extension == EXTENSIONS[type]


@pytest.mark.parametrize("fault", BAD)
def test_what_could_be_run_or_be_two_things_is_refused_in_one_line(fault: str) -> None:
    """security:I3: SVG and pages, polyglots of every sort, bombs of pixels and of entries, broken files."""
    with pytest.raises(Invalid, match=fault) as caught:
        sniffed(BAD[fault])
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_padding_is_no_polyglot() -> None:
    for form in ("PNG", "JPEG", "GIF", "WEBP"):
        assert sniffed(pictures.picture(form) + bytes(500)).width == 8
    assert sniffed(pictures.picture("JPEG", progressive=True, quality=90, size=(64, 64))).width == 64
    assert sniffed(pictures.picture("JPEG", comment=b"by Jane < Doe & Sons")).width == 8


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_the_place_where_a_picture_was_taken_is_seen(form: str) -> None:
    assert sniffed(pictures.picture(form, place=True)).position
    xmp = b"<x:xmpmeta xmlns:exif='e'><r exif:GPSLatitude='52,22N'/></x:xmpmeta>"
    assert sniffed(pictures.picture("JPEG", xmp=xmp)).position
    assert sniffed(pictures.MP4 + b"\0\0\0\x1e\xa9xyz+52.36+004.89/").position


XMP = b"<x:xmpmeta xmlns:e='http://ns.adobe.com/exif/1.0/'><r e:GPSLatitude='52,22N'/></x:xmpmeta>"


def _png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with these chunks behind its pixels."""
    made = pictures.picture("PNG")
    late = b"".join(
        struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return made[:-12] + late + made[-12:]


def _boxed(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">L4s", 8 + len(inside), kind) + inside


HEXED = b"\nxmp\n      99\n" + XMP.hex().encode()
PLACED = {
    "another prefix": pictures.picture("JPEG", xmp=XMP),
    "late iTXt": _png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "late iTXt, packed": _png((b"iTXt", b"XML:com.adobe.xmp\0\x01\0en\0\0" + zlib.compress(XMP))),
    "late zTXt, hexed": _png((b"zTXt", b"Raw profile type xmp\0\0" + zlib.compress(HEXED))),
    "loci": pictures.MP4
    + _boxed(b"moov", _boxed(b"udta", _boxed(b"loci", bytes(4) + b"\x15\xc7\0\0" + bytes(20)))),
    "QuickTime keys": pictures.MP4
    + _boxed(b"moov", _boxed(b"meta", _boxed(b"mdta", b"com.apple.quicktime.location.ISO6709"))),
}


@pytest.mark.parametrize("how", PLACED)
def test_a_place_is_found_wherever_it_may_stand(how: str) -> None:
    """design:6: another prefix of XMP, text behind a PNG's pixels, a film's 3GPP and QuickTime metadata."""
    assert sniffed(PLACED[how]).position


def test_pixels_and_sound_are_no_place() -> None:
    """Four letters by chance among a film's pictures say nothing, nor do words about a picture."""
    assert not sniffed(pictures.MP4[:-8] + _boxed(b"mdat", b"..loci..\xa9xyz..")).position
    assert not sniffed(_png((b"iTXt", b"Comment\0\0\0\0\0by us"), (b"tEXt", b"Author\0Ada"))).position


def test_a_bomb_costs_next_to_nothing() -> None:
    """security:I3: a picture of 3.6 gigapixels is refused by its head."""
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="million pixels"):
            sniffed(pictures.bomb())
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(GOOD)), st.integers(0, 400), st.binary(max_size=12))
def test_whatever_is_broken_is_found_or_refused_and_never_a_crash(type: str, at: int, put: bytes) -> None:
    """security:I3: any damage ends in a type we know or in Invalid."""
    data = GOOD[type]
    try:
        found: Found | None = sniffed(data[:at] + put + data[at + len(put) :])
    except Invalid:
        found = None
    assert found is None or found.type in EXTENSIONS


def test_a_bomb_of_text_is_refused() -> None:
    """security:I3: texts behind the pixels are unpacked within bounds, all of them together."""
    chunk = (b"zTXt", b"Comment\0\0" + zlib.compress(bytes(9_000_000)))
    assert sniffed(_png(chunk)).width
    with pytest.raises(Invalid, match="more text in it than any needs"):
        sniffed(_png(chunk, chunk))
