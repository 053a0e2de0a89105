"""Content codings: which one a client is sent (RFC 9110 §12.5.3), and how the costly ones are made.

The store keeps plain and gzip bytes of every document. br and zstd are made in the web process of
what is asked for often (`web.shelf`), and are never waited for. Pure.
"""

from __future__ import annotations

from functools import lru_cache

import brotli  # type: ignore[import-untyped] # it has none
import zstandard

IDENTITY, GZIP, BR, ZSTD = range(4)
NAMES = (b"identity", b"gzip", b"br", b"zstd")
# Bit sets of codings at hand.
STORED = 1 << IDENTITY | 1 << GZIP
# Where a client likes several alike: the smallest first.
PREFERRED = ((BR, b"br"), (ZSTD, b"zstd"), (GZIP, b"gzip"))
THOROUGH = 256 * 1024  # bytes up to which the slowest and smallest costs a background thread no second
SHORT = 200  # bytes; longer lists of codings are no reader's and are not remembered


def choose(codings: bytes, ready: int) -> int:
    """The coding to send for an Accept-Encoding, among those in the bit set `ready`."""
    return _remembered(codings, ready) if len(codings) <= SHORT else _choose(codings, ready)


def compress(body: bytes) -> dict[int, bytes]:
    """The costly codings of a body; the same bytes give the same bytes, whenever and wherever."""
    small = len(body) <= THOROUGH
    zstd = zstandard.ZstdCompressor(level=19 if small else 9)
    return {BR: brotli.compress(body, quality=11 if small else 5), ZSTD: zstd.compress(body)}


@lru_cache(maxsize=256)
def _remembered(codings: bytes, ready: int) -> int:
    return _choose(codings, ready)


def _choose(codings: bytes, ready: int) -> int:
    weights: dict[bytes, float] = {}
    for part in codings.lower().split(b","):
        name, _, parameters = part.partition(b";")
        weights[name.strip()] = _weight(parameters)
    if b"x-gzip" in weights:  # RFC 9110 §8.4.1.3
        weights.setdefault(b"gzip", weights[b"x-gzip"])
    rest = weights.get(b"*", 0.0)
    best, most = IDENTITY, weights.get(b"identity", 0.0)
    for coding, name in PREFERRED:
        weight = weights.get(name, rest)
        # A tie with plain bytes is no tie: both are welcome, and one is smaller.
        if ready >> coding & 1 and weight > 0 and (weight > most or (weight == most and best == IDENTITY)):
            best, most = coding, weight
    return best


def _weight(parameters: bytes) -> float:
    name, _, value = parameters.strip().partition(b"=")
    if not name:
        return 1.0
    try:
        return float(value) if name.strip() == b"q" else 1.0
    except ValueError:
        return 0.0  # what cannot be understood is not asked for
