"""Fragments into documents and back: a head, the joined fragments, a tail.

The result is byte for byte what feedgen's own `atom_str()` and `rss_str()` would give for the same
entries, at the cost of the head alone. `fragments_of` takes a stored document apart again. `pack` adds
what is stored beside the bytes: the compressed copy and the validators. Which items are in a document
is decided by the flow, not here. Serves walk A.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from syndicator.model.site import Format
from syndicator.render import channel, forms, jsonfeed
from syndicator.render.head import Head, Tombstone, head

__all__ = ["Head", "Packed", "Tombstone", "document", "fragments_of", "head", "pack", "tag", "uids_of"]

_TAILS = {Format.ATOM: b"</feed>", Format.RSS: b"</channel></rss>"}
# Neither text nor attributes hold a bare "<", and no entry holds another.
_FRAGMENTS = {
    Format.ATOM: re.compile(rb"<entry[ >].*?</entry>", re.DOTALL),
    Format.RSS: re.compile(rb"<item>.*?</item>", re.DOTALL),
}
_SMALL = 16_384  # bytes
_SMALL_TABLES, _USUAL_TABLES = 6, 8  # zlib's memLevel
_LARGE = 262_144  # bytes
_QUICK, _USUAL = 3, 6  # zlib's level
_ITEMS = '"items":['  # within a JSON string its quotes would be escaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A document as stored; the tag is strong and that of the plain bytes (RFC 9110 §8.8.3)."""

    body: bytes
    gzip: bytes
    etag: str


def document(head: Head, fragments: Sequence[bytes], tombstones: Sequence[Tombstone] = ()) -> bytes:
    """The whole feed, fragments in the order given; tombstones show in Atom only (P23)."""
    if head.format is Format.JSON:
        return jsonfeed.document(head, fragments)
    # Only Atom has a word for what is gone.
    gone = tombstones if head.format is Format.ATOM else ()
    empty = channel.whole(head, channel.generator(head, gone)) if gone else forms.printed(head)
    tail = _TAILS[head.format]
    return b"".join((empty.removesuffix(tail), *fragments, tail))


def fragments_of(body: bytes, format: Format) -> list[bytes]:
    """The fragments a document was joined from, in its order; joined below the same head they give `body`.

    With it one item is cut out of a closed page while the others stay byte for byte.
    """
    if format is Format.JSON:
        return list(_objects(body.decode()))
    return _FRAGMENTS[format].findall(body)


def _objects(body: str) -> Iterator[bytes]:
    decoder = json.JSONDecoder()
    at = body.index(_ITEMS) + len(_ITEMS)
    while body[at] != "]":
        start = at + (body[at] == ",")
        _, at = decoder.raw_decode(body, start)
        yield body[start:at].encode()


def uids_of(body: bytes) -> list[str]:
    """The uids of what a JSON document shows, newest first."""
    return [item["id"] for item in json.loads(body)["items"]]


def tag(body: bytes) -> str:
    """The strong tag of a document, enough to tell whether the stored bytes are these."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def pack(body: bytes) -> Packed:
    """The body with its gzip copy and validators; the same body always packs to the same bytes."""
    # wbits 31 is a gzip frame with mtime 0 and no name (RFC 1952 §2.3): nothing of the moment gets in.
    # A small body needs no large tables; to lay them out would take longer than to compress it.
    # A large one is packed while other writers wait: in half the time, at a tenth more of the bytes.
    level = _QUICK if len(body) > _LARGE else _USUAL
    packer = zlib.compressobj(
        level, zlib.DEFLATED, 31, _SMALL_TABLES if len(body) < _SMALL else _USUAL_TABLES
    )
    compressed = packer.compress(body) + packer.flush()
    return Packed(body=body, gzip=compressed, etag=tag(body))
