"""Lint: what validators and aggregators would say of a document, before they do; pure.

It judges bytes, whoever made them, so our own renderer has no friend here. Formats have a module each;
`markup` is what the two XML formats share, `content` the HTML within items, `found` the words and the
small rules. The whole W3C validator is run by tests, beside it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

from syndicator.model.site import Format
from syndicator.render.documents import pack
from syndicator.render.lint import atom, jsonfeed, markup, rss
from syndicator.render.lint.found import LARGE_DOCUMENT, Level, Problem, Served, error, size

__all__ = ["Level", "Problem", "Served", "lint"]


def lint(served: Served) -> list[Problem]:
    """Everything that is wrong with a document, in its order; empty if nothing is."""
    return [*_bytes(served), *(jsonfeed.check(served) if served.format is Format.JSON else _xml(served))]


def _xml(served: Served) -> Iterator[Problem]:
    root, found = markup.parsed(served)
    yield from found
    if root is not None:
        yield from atom.check(root, served) if served.format is Format.ATOM else rss.check(root, served)


def _bytes(served: Served) -> Iterator[Problem]:
    advice = "build it anew: syndicator feed build"
    yield from size("", len(served.body), LARGE_DOCUMENT)
    if served.gzip is not None and _unpacked(served.gzip) != served.body:
        yield error("", "its gzip copy holds other bytes", advice)
    if served.etag is not None and served.etag != pack(served.body).etag:
        yield error("", "its ETag is not that of its bytes", advice)


def _unpacked(packed: bytes) -> bytes | None:
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
