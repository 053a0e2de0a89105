"""The bytes of a list, as text: whichever encoding a spreadsheet of the last thirty years wrote it in. Pure."""

from __future__ import annotations

import codecs

from syndicator.errors import Invalid

MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
SAMPLE = 4_000  # bytes looked at to guess


def text_of(data: bytes, encoding: str = "") -> tuple[str, str]:
    """The text, and what is to be said about it: the encoding, where that was a guess. Raises Invalid.

    UTF-8 and UTF-16 are known for certain; what is neither is taken for windows-1252, which every byte but five is
    good in, so that it may be another one: whoever reads names sees that at once.
    """
    if encoding:
        return _as(data, _named(encoding)), ""
    for mark, name in MARKS.items():
        if data.startswith(mark):
            return _as(data, name), ""
    if b"\0" in data[:SAMPLE]:
        return _wide(data), "read as UTF-16"
    try:
        return data.decode(), ""
    except UnicodeDecodeError as fault:
        told = (
            f"it is not UTF-8 (byte {fault.start + 1}) and was read as windows-1252: look at the names, and say "
            f"--encoding if they are wrong"
        )
    try:
        return data.decode("cp1252"), told
    except UnicodeDecodeError as fault:
        raise Invalid(
            f"it is neither UTF-8 nor windows-1252 (byte {fault.start + 1} is {data[fault.start]:#x}): name its "
            f"encoding with --encoding, or save it as UTF-8"
        ) from None


def _as(data: bytes, name: str) -> str:
    try:
        return data.decode(name).removeprefix("\ufeff")
    except UnicodeDecodeError as fault:
        shown = name.removesuffix("-sig").upper()
        raise Invalid(f"it is not {shown} (byte {fault.start + 1}): save it as UTF-8") from None


def _named(encoding: str) -> str:
    try:
        "a".encode(encoding)  # raises for those codecs, too, that are no encodings of text
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise Invalid(f"--encoding {encoding!r} is not known: use utf-8, utf-16, windows-1252 …") from None


def _wide(data: bytes) -> str:
    """UTF-16 without its mark: most letters of a list have a zero on one side."""
    sample = data[: SAMPLE & ~1]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    enough = len(sample) // 8
    if max(even, odd) <= enough or min(even, odd) > enough:
        raise Invalid(f"it holds NUL bytes (the first is byte {data.index(0) + 1}): it is no text")
    return _as(data, "utf-16-le" if odd > even else "utf-16-be")
