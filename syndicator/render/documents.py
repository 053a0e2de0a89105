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

__all__ = ["Head", "Packed", "Tombstone", "document", "fragments_of", "head", "pack"]

_TAILS = {Format.ATOM: b"</feed>", Format.RSS: b"</channel></rss>"}
# Neither text nor attributes hold a bare "<", and no entry holds another.
_FRAGMENTS = {
    Format.ATOM: re.compile(rb"<entry[ >].*?</entry>", re.DOTALL),
    Format.RSS: re.compile(rb"<item>.*?</item>", re.DOTALL),
}
_SMALL = 16_384  # bytes
_SMALL_TABLES, _USUAL_TABLES = 6, 8  # zlib's memLevel
_ITEMS = '"items":['  # within a JSON string its quotes would be escaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A document as stored. `digest` is the SHA-256 (hex) of `body`; tags are strong (RFC 9110 §8.8.3)."""

    body: bytes
    gzip: bytes
    etag: str
    digest: str

    @property
    def gzip_etag(self) -> str:
        """The tag of the gzip representation: other bytes, another tag."""
        return f'{self.etag[:-1]}-gzip"'


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


def tag(body: bytes) -> str:
    """The strong tag of a document, enough to tell whether the stored bytes are these."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def pack(body: bytes) -> Packed:
    """The body with its gzip copy and validators; the same body always packs to the same bytes."""
    digest = hashlib.sha256(body).hexdigest()
    # wbits 31 is a gzip frame with mtime 0 and no name (RFC 1952 §2.3): nothing of the moment gets in.
    # A small body needs no large tables; to lay them out would take longer than to compress it.
    packer = zlib.compressobj(6, zlib.DEFLATED, 31, _SMALL_TABLES if len(body) < _SMALL else _USUAL_TABLES)
    compressed = packer.compress(body) + packer.flush()
    return Packed(body=body, gzip=compressed, etag=f'"{digest[:32]}"', digest=digest)
