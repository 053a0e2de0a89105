"""How a nursery is asked and answers: lengths first, then the bytes. Both ends read it from here."""

from __future__ import annotations

import struct

MAX_ANSWER = 32_000_000  # bytes; a body of 5 MB grows a little when it is escaped
QUESTION = struct.Struct("!II")  # bytes of its head, which is JSON, and of the body
ANSWER = struct.Struct("!Ii")  # bytes of what was said, and how it ended: 0, minus a signal, or one of these
TOO_SLOW, TOO_LONG, NOT_STARTED = 1001, 1002, 1003
