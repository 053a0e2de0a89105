"""A composed mail with holes: byte segments, joined per recipient with escaped values.

A hole stands in a header, in the text part or in the HTML part, and its value is escaped for that
place (MC25). In the quoted-printable parts a hole begins at column 0 and ends before a soft line
break, so no value, however long, meets the line folding around it. The boundary holds `=_`, which
quoted-printable cannot produce: it occurs in no part, whatever a part or a value says (MC3).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from html import escape
from operator import attrgetter, itemgetter
from typing import NamedTuple
from urllib.parse import quote

from syndicator.model.lines import Sound, is_sound
from syndicator.render.mail.headers import (
    LONGEST_URI,
    addr_spec,
    date_value,
    mailbox_field,
    msg_id,
    uri,
    vetted,
)

# RFC 2045 §6.7 allows 76 with the soft break's "="; two are kept back for a "From " or a dot (below).
QP_LINE = 73


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What differs from recipient to recipient; a template asks only for what it shows.

    `message_id` and `in_reply_to` have no < and >; `date` is aware, the instant the delivery was
    planned, so that a retry is the same bytes (MC2); the URLs are absolute, ASCII, http(s). `press_url`
    is the recipient's own page of a release under embargo, with a slash at its end; `letter_url` where the
    button of a letter about somebody's own affairs leads; `leaving_address` ends a subscription by mail, if any does.
    """

    to_address: str
    message_id: str
    date: datetime
    to_name: str = ""
    unsubscribe_url: str = ""
    preferences_url: str = ""
    confirm_url: str = ""
    press_url: str = ""
    letter_url: str = ""
    leaving_address: str = ""
    in_reply_to: str | None = None


class Hole(NamedTuple):
    """A place in a message where a slot's value goes, and the form the value has there."""

    slot: str
    form: str  # header, text or html


Encoder = Callable[[Slots], tuple[bytes, ...]]
Piece = bytes | Hole


@dataclass(frozen=True, slots=True)
class Template:
    """One mail for many recipients; immutable, fit to be shared by threads."""

    _fixed: tuple[bytes, ...]
    _encoders: tuple[Encoder, ...]
    _in_order: Callable[[Sequence[bytes]], tuple[bytes, ...]]
    _sound: bool  # whatever a slot holds: no encoder lets through what could spoil a line
    bare: Template | None = None  # the same letter without its HTML part, for who wants it so (mail:LM9)

    def merge(self, slots: Slots) -> bytes:
        """The complete RFC 5322 message for one recipient: CRLF, seven bits, no dot at the head of a line.

        Raises Invalid naming the slot whose value cannot stand where it is needed.
        """
        values = [*self._fixed]
        for encode in self._encoders:
            values += encode(slots)
        message = b"".join(self._in_order(values))
        return Sound(message) if self._sound else message


def template(pieces: Iterable[Piece]) -> Template:
    """The template of a message given as literal bytes and holes, in order."""
    all_pieces = tuple(pieces)
    fixed = tuple(piece for piece in all_pieces if not isinstance(piece, Hole))
    slots = tuple(dict.fromkeys(piece.slot for piece in all_pieces if isinstance(piece, Hole)))
    places = {Hole(slot, form): 0 for slot in slots for form in _FORMS[slot]}
    places = {hole: len(fixed) + n for n, hole in enumerate(places)}
    literal = iter(range(len(fixed)))
    order = [places[piece] if isinstance(piece, Hole) else next(literal) for piece in all_pieces]
    # Each piece on lines of its own, and on lines with the longest of values.
    longest = b"".join(_longest(piece) if isinstance(piece, Hole) else piece for piece in all_pieces)
    sound = is_sound(b"\r\n".join(fixed)) and is_sound(longest)
    return Template(fixed, tuple(_ENCODERS[slot] for slot in slots), itemgetter(*order), sound)


def _longest(hole: Hole) -> bytes:
    begun = b"\r\n " if hole.slot == "leaving" else b""  # it stands on a line of its own
    return begun + b"x" * LONGEST_URI


@dataclass(frozen=True, slots=True)
class Marks:
    """Stand-ins for slots while a part is rendered: words that no author can have typed.

    They hang on a digest of all that is rendered, so a text would have to hold its own digest.
    """

    digest: str

    def __getitem__(self, slot: str) -> str:
        return f"slot{self.digest}{slot.replace('_', '')}end"

    def pieces(self, rendered: str, form: str) -> Iterator[Piece]:
        """A rendered part in quoted-printable, its stand-ins turned into holes of this form."""
        names = {self[slot]: slot for slot in _FORMS}
        parts = re.split(f"({'|'.join(names)})", _crlf(rendered))
        for n, part in enumerate(parts):
            if n % 2:
                yield Hole(names[part], form)
            else:
                opening = b"" if n == 0 or part.startswith("\r\n") else b"=\r\n"
                closing = b"" if n == len(parts) - 1 or part.endswith("\r\n") else b"=\r\n"
                yield opening + quoted(part) + closing


def plain(headers: Iterable[Piece], text: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces of a whole message that is text alone."""
    yield from headers
    yield (
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    yield from text


def alternative(headers: Iterable[Piece], text: Iterable[Piece], html: Iterable[Piece]) -> Iterator[Piece]:
    """The pieces of a whole message: header lines, then text and HTML as alternatives (RFC 2046 §5.1.4)."""
    parts = [tuple(text), tuple(html)]
    boundary = f"=_{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"
    yield from headers
    yield f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="{boundary}"\r\n'.encode()
    for kind, part in zip(("plain", "html"), parts, strict=True):
        yield (
            f"\r\n--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\n"
            "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
        ).encode()
        yield from part
    yield f"\r\n--{boundary}--\r\n".encode()


def quoted(text: str) -> bytes:
    """`text`, its line breaks CRLF, in quoted-printable with lines of at most 76 octets (RFC 2045 §6.7)."""
    return b"\r\n".join(_quoted_line(line) for line in text.encode().split(b"\r\n"))


_QP = [
    bytes([byte]) if byte == 9 or (32 <= byte <= 126 and byte != 61) else b"=%02X" % byte
    for byte in range(256)
]
_CHUNK = re.compile(rb".{1,%d}(?<!=)(?<!=.)" % QP_LINE)  # never inside an =XX


def _quoted_line(line: bytes) -> bytes:
    whole = b"".join(map(_QP.__getitem__, line))
    if whole.endswith((b" ", b"\t")):  # RFC 2045 §6.7 (3): white space at the end would be lost
        whole = whole[:-1] + b"=%02X" % whole[-1]
    chunks = _CHUNK.findall(whole) if len(whole) > QP_LINE else [whole]
    return b"=\r\n".join(map(_harmless, chunks))


def _harmless(chunk: bytes) -> bytes:
    """A line of quoted-printable that nobody on the way has a reason to touch (RFC 2049 §3)."""
    # A mailbox file would turn "From " into ">From " and break a signature; SMTP doubles a leading dot.
    if chunk.startswith((b"From ", b".")):
        return b"=%02X" % chunk[0] + chunk[1:]
    return chunk


def _crlf(text: str) -> str:
    return re.sub("\r\n?|\n", "\r\n", text)


# What needs no escape in any of the three places is let through by one match: most values are such.
_PLAIN_TO = re.compile(
    r"(?!From )(?:[A-Za-z]+(?:[ '-][A-Za-z]+)* <|<)"
    r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*>"
)
_PLAIN_URL = re.compile(rf"https?://[A-Za-z0-9._~/:?%+-]{{1,{LONGEST_URI - len('https://')}}}")


def _to(slots: Slots) -> tuple[bytes, ...]:
    both = f"{slots.to_name} <{slots.to_address}>" if slots.to_name else f"<{slots.to_address}>"
    if len(both) > QP_LINE or not _PLAIN_TO.fullmatch(both):
        return _careful_to(slots)
    plain = (both if slots.to_name else slots.to_address).encode()
    return b"To: " + plain, plain, plain.replace(b"<", b"&lt;").replace(b">", b"&gt;")


def _careful_to(slots: Slots) -> tuple[bytes, ...]:
    name, address = vetted(slots.to_name, "to_name"), addr_spec(slots.to_address, "to_address")
    shown = f"{name} <{address}>" if name else address
    return mailbox_field("To", name, address).encode(), quoted(shown), quoted(escape(shown))


def _to_unnamed(slots: Slots) -> tuple[bytes, ...]:
    return _to(replace(slots, to_name=""))


def _date(slots: Slots) -> tuple[bytes, ...]:
    return (date_value(slots.date).encode(),)


def _message_id(slots: Slots) -> tuple[bytes, ...]:
    return (msg_id(slots.message_id, "message_id").encode(),)


def _thread(slots: Slots) -> tuple[bytes, ...]:
    if slots.in_reply_to is None:
        return (b"",)
    earlier = msg_id(slots.in_reply_to, "in_reply_to")
    return (f"In-Reply-To: <{earlier}>\r\nReferences: <{earlier}>\r\n".encode(),)


def _leaving(slots: Slots) -> tuple[bytes, ...]:
    """A second way to leave behind the first in List-Unsubscribe, for programs that know no other (RFC 2369 §3.2)."""
    if not slots.leaving_address:
        return (b"",)
    address = quote(addr_spec(slots.leaving_address, "leaving_address"), safe="@+")
    return (f",\r\n <mailto:{address}?subject=unsubscribe>".encode(),)


def _link(slot: str) -> Encoder:
    value_of = attrgetter(slot)

    def encode(slots: Slots) -> tuple[bytes, ...]:
        value: str = value_of(slots)
        if _PLAIN_URL.fullmatch(value):
            plain = value.encode()
            soft = plain if len(plain) <= QP_LINE else _cut(plain)
            return plain, soft, soft
        address = uri(value, slot)
        return address.encode(), quoted(address), quoted(escape(address))

    return encode


def _cut(plain: bytes) -> bytes:
    if len(plain) <= 2 * QP_LINE:  # most are, and an address begins with http
        return plain[:QP_LINE] + b"=\r\n" + _harmless(plain[QP_LINE:])
    return b"=\r\n".join(
        [_harmless(plain[start : start + QP_LINE]) for start in range(0, len(plain), QP_LINE)]
    )


_EVERYWHERE = ("header", "text", "html")
_LINKS = ("unsubscribe_url", "preferences_url", "confirm_url", "press_url", "letter_url")
_ENCODERS: dict[str, Encoder] = {
    "to": _to,
    "to_unnamed": _to_unnamed,
    "date": _date,
    "message_id": _message_id,
    "thread": _thread,
    "leaving": _leaving,
    **{slot: _link(slot) for slot in _LINKS},
}
_FORMS: dict[str, tuple[str, ...]] = {
    "to": _EVERYWHERE,
    "to_unnamed": _EVERYWHERE,
    "date": ("header",),
    "message_id": ("header",),
    "thread": ("header",),
    "leaving": ("header",),
    **dict.fromkeys(_LINKS, _EVERYWHERE),
}
