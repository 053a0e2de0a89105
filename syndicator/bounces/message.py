"""A mail that anybody may have sent, opened within limits: so many bytes, so deep, so long (mail:LM13).

The standard library parses; it is fed in pieces with a look at the clock between them. What is cut off is not
missed: a report says what it has to say before it returns the letter it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import Message
from email.parser import BytesFeedParser, BytesHeaderParser, HeaderParser
from email.utils import getaddresses

Tick = Callable[[], float]  # seconds that only ever go on

MOST_BYTES = 1_000_000
MOST_HEADER = 64_000
DEEPEST = 20
SECONDS = 1.5  # of the two seconds a mail may take; the rest is for its words
PIECE = 8_192
# Parts that stand in each other cost the parser a look each for every line: so many are a fifth of a second. A hundred
# side by side cost as much as one more that all lines stand in.
MOST_PARTS = 100
MOST_LOOKS = 200_000
BESIDE_AS_ONE = 100
LONGEST_FIELD = 4_000
_OPENING = re.compile(rb"(?i)boundary\s*[=*]|^content-type:\s*message/", re.MULTILINE)
_BESIDE = re.compile(rb"^--", re.MULTILINE)


def opened(raw: bytes, tick: Tick) -> Message:
    """The mail, of which only what the limits allow was parsed; never raises."""
    raw = _cut(raw)
    openings = len(_OPENING.findall(raw))
    if openings > MOST_PARTS:
        return headers(raw)
    beside = len(_BESIDE.findall(raw)) // BESIDE_AS_ONE
    raw = first_lines(raw, MOST_LOOKS // (1 + openings + beside))
    ends = tick() + SECONDS
    parser = BytesFeedParser()
    try:
        for start in range(0, len(raw), PIECE):
            parser.feed(raw[start : start + PIECE])
            if tick() > ends:
                break
        return parser.close()
    except (RecursionError, ValueError, LookupError):  # what no mail program writes
        return headers(raw)


def first_lines(raw: bytes, most: int) -> bytes:
    """So many lines of a mail, and no more."""
    lines = raw.splitlines(keepends=True)
    return raw if len(lines) <= most else b"".join(lines[:most])


def headers(raw: bytes) -> Message:
    """The mail's headers alone."""
    return BytesHeaderParser().parsebytes(_cut(raw)[:MOST_HEADER])


def fields(text: str) -> Message:
    """Header fields that stand in a text."""
    return HeaderParser().parsestr(text[:MOST_HEADER].lstrip())


def parts(message: Message, depth: int = 0) -> Iterator[Message]:
    """The mail and the parts in it, outer ones first, down to a limit; a returned letter is one part."""
    yield message
    if depth < DEEPEST and message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from parts(part, depth + 1)


def text_of(part: Message) -> str:
    """The words of a part that is text."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")


def field(message: Message, name: str) -> str:
    """A header's words, as one line and not too long; empty where there is none."""
    value: object = message.get(name, "")  # a Header where it holds bytes beyond ASCII
    return " ".join(str(value)[:LONGEST_FIELD].split())


def addresses(message: Message, *names: str) -> list[str]:
    """The mail addresses in these headers, in order."""
    values = [str(value)[:LONGEST_FIELD] for name in names for value in message.get_all(name, [])]
    return [one for value in values for one in _addresses(value)]


def _addresses(value: str) -> list[str]:
    try:
        return [address for _, address in getaddresses([value]) if "@" in address]
    except RecursionError:  # comments in comments, as nobody's mail program writes them
        return []


def _cut(raw: bytes) -> bytes:
    raw = raw[:MOST_BYTES]
    end = re.search(rb"\r?\n\r?\n", raw)
    if (end.start() if end else len(raw)) <= MOST_HEADER:
        return raw
    kept = raw[:MOST_HEADER].rpartition(b"\n")[0] or raw[:MOST_HEADER]
    return kept + (raw[end.start() :] if end else b"")
