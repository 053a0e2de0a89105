"""Real small files of every type that is taken, made by hand or by pillow, and the bad ones among them."""

from __future__ import annotations

import io
import struct
import wave
import zipfile
import zlib
from typing import Any

from PIL import ExifTags, Image

PDF = b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
MP3 = b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"\xff\xfb\x90\x64" + bytes(413)
MP4 = struct.pack(">L4s4sL4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp42") + struct.pack(
    ">L4s", 8, b"mdat"
)
SVG = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'


def picture(form: str = "PNG", size: tuple[int, int] = (8, 6), *, place: bool = False, **more: Any) -> bytes:
    """A picture of one colour; with `place` it says where it was taken."""
    made = Image.new("RGB", size, "#236")
    if place:
        exif = Image.Exif()
        exif[ExifTags.IFD.GPSInfo] = {1: "N", 2: (52.0, 22.0, 12.0), 3: "E", 4: (4.0, 53.0, 42.0)}
        more["exif"] = exif
    out = io.BytesIO()
    made.save(out, form, **more)
    return out.getvalue()


def bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of a hundred bytes that claims to be gigabytes of pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))

    head = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


def sound() -> bytes:
    """A tenth of a second of silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setparams((1, 1, 8000, 0, "NONE", "not compressed"))
        made.writeframes(b"\x80" * 800)
    return out.getvalue()


def archive(parts: dict[str, bytes] | None = None, **more: Any) -> bytes:
    """A zip archive with these parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **more) as made:
        for name, data in (parts or {"data.csv": b"a,b\n"}).items():
            made.writestr(zipfile.ZipInfo(name, (2026, 3, 2, 9, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return out.getvalue()
