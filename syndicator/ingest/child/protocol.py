"""How a nursery is asked and answers: lengths first, then the bytes. Both ends read it from here."""

from __future__ import annotations

import struct

QUESTION = struct.Struct("!II")  # bytes of its head, which is JSON, and of the body
ANSWER = struct.Struct("!Ii")  # bytes of what was said, and how it ended: 0, minus a signal, or one of these
TOO_SLOW, TOO_LONG, NOT_STARTED = 1001, 1002, 1003


def longest(size: int) -> int:
    """The most bytes that may be said of a body of this many.

    Escaping doubles it at worst, and what is said of five thousand empty entries takes 2 MB; what grows more is
    made to.
    """
    return 4 * size + 4_000_000
