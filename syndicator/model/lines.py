"""Messages as lines on the wire: what a whole letter must be so that SMTP can carry it as it is. Pure.

A letter has up to a hundred kilobytes and goes to a hundred thousand people. What is the same for all of
them is looked at once, where the letter is composed; `Sound` is how the wire knows.
"""

from __future__ import annotations

import re

LONGEST_LINE = 998  # octets without CRLF: RFC 5322 §2.1.1
_BARE_CR, _BARE_LF = re.compile(rb"\r(?!\n)"), re.compile(rb"\n(?<!\r\n)")


class Sound(bytes):
    """A message known to be sound (`is_sound`): nobody needs to look through it again."""

    __slots__ = ()


def is_sound(message: bytes) -> bool:
    r"""Whether every line is seven-bit, ends in CRLF, is short enough and does not begin with a dot.

    >>> is_sound(b"Subject: x\r\n\r\nwords\r\n"), is_sound(b"a\nb"), is_sound(b"a\r\n.b"), is_sound(b"\xc3\xa9")
    (True, False, False, False)
    """
    return (
        message.isascii()
        and b"\0" not in message
        and not _BARE_CR.search(message)
        and not _BARE_LF.search(message)
        and not message.startswith(b".")
        and b"\n." not in message
        and max(map(len, message.split(b"\r\n"))) <= LONGEST_LINE
    )
