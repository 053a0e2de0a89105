"""Zip archives that strangers made: opened only once it is known what they may cost. Pure; bytes in, bytes out.

An archive of a few kilobytes can claim a million entries or grow to gigabytes. So the number of entries is
read from its end before anything is listed, and no entry is unpacked beyond what is granted: what an
archive says about its sizes is a claim, the bytes that come out are the fact (APPNOTE.TXT §4.3, §4.4).
"""

from __future__ import annotations

import io
import struct
import zipfile

from syndicator.errors import Invalid

MOST_ENTRIES = 10_000
HIGHEST_RATIO = 200  # an office document's XML shrinks to a twentieth; a bomb to a thousandth
FREE = 1_000_000  # bytes an entry may unpack to whatever its ratio: small files of blanks are harmless
END = struct.Struct("<4s4H2LH")  # end of central directory record (§4.3.16)
END_MARK, ENTRY_MARK = b"PK\x05\x06", b"PK\x01\x02"
LONGEST_COMMENT = 0xFFFF


class Archive:
    """An archive whose entries can be read, `total` bytes of them altogether and no more."""

    def __init__(self, data: bytes, total: int) -> None:
        """Look it through; raises Invalid, in one line, for what is no archive or no harmless one."""
        ending = directory(data)
        if ending is None or not data.startswith(b"PK"):
            raise Invalid("it is no zip archive, or it is cut short: save it once more")
        if ending > MOST_ENTRIES:
            raise Invalid(f"it claims {ending:,} entries; the limit is {MOST_ENTRIES:,}")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            entries = self._zip.infolist()
        except (
            Exception
        ) as fault:  # zipfile raises whatever a broken figure leads to: BadZipFile, ValueError …
            raise Invalid(
                f"it is a broken zip archive ({type(fault).__name__}): save it once more"
            ) from fault
        if len(entries) > MOST_ENTRIES:
            raise Invalid(f"it has {len(entries):,} entries; the limit is {MOST_ENTRIES:,}")
        self.names = [entry.filename for entry in entries]
        if len(set(self.names)) != len(entries):
            raise Invalid("it holds two entries of one name, so two programs may read it differently")
        claimed = sum(entry.file_size for entry in entries)
        if claimed > total:
            raise Invalid(f"it unpacks to {claimed:,} bytes; the limit is {total:,}")
        self._left, self._size = total, len(data)

    def begins(self, name: str) -> bytes:
        """The first bytes of an entry; raises Invalid for a broken one."""
        try:
            with self._zip.open(name) as file:
                return file.read(64)
        except Exception as fault:  # as above
            raise _broken(name, fault) from fault

    def read(self, name: str, most: int) -> bytes:
        """An entry, at most `most` bytes; raises Invalid for more, and for one that is not there or broken."""
        try:
            entry = self._zip.getinfo(name)
        except KeyError:
            raise Invalid(f"it holds no {name}") from None
        if entry.flag_bits & 0x1:
            raise Invalid("it is protected by a password: save it without")
        most = min(most, self._left)
        packed = min(entry.compress_size, self._size)  # more than there is, it cannot be
        self._judge(name, entry.file_size, packed, most)  # before a byte of it is unpacked
        allowed = min(most, max(FREE, HIGHEST_RATIO * packed))
        try:
            with self._zip.open(entry) as file:
                data = file.read(allowed + 1)
        except Exception as fault:  # as above, and what unpacking stumbles over
            raise _broken(name, fault) from fault
        self._judge(name, len(data), packed, most)
        self._left -= len(data)
        return data

    def _judge(self, name: str, size: int, packed: int, most: int) -> None:
        """Raise Invalid for an entry that is, or claims to be, larger than it may."""
        if size > most:
            raise Invalid(f"its part {name[:80]!r} unpacks to more than {most:,} bytes")
        if size > FREE and size > HIGHEST_RATIO * packed:
            raise Invalid(f"its part {name[:80]!r} unpacks to {size // max(1, packed)} times its size")


def _broken(name: str, fault: Exception) -> Invalid:
    return Invalid(f"its part {name[:80]!r} is broken ({type(fault).__name__}): save it once more")


def directory(data: bytes) -> int | None:
    """How many entries the archive that ends here claims to have; None where none ends here.

    It need not begin at the first byte: a picture with an archive behind it is both.
    """
    start = max(0, len(data) - LONGEST_COMMENT - END.size)
    at = data.rfind(END_MARK, start)
    while at >= 0:
        if at + END.size <= len(data):
            _, _, _, here, entries, size, _, _ = END.unpack_from(data, at)
            if (
                (entries == here == size == 0)
                or data[at - size : at - size + 4] == ENTRY_MARK
                or size == 0xFFFFFFFF
            ):
                return int(entries)
        at = data.rfind(END_MARK, start, at)
    return None
