"""Letters as every postman takes them, and what must not leave the house in one.

Here is what a relay connection (`smtp`) and a folder (`folder`) have in common; writing a letter is
`render.mail`'s work. What is objected to here never reaches the wire, where it would be an injection, a
smuggled second message or a mangled address (mail:MC6, MC19). Serves walk B.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from syndicator.model.lines import Sound
from syndicator.model.outcomes import Cause, Outcome, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One message for one recipient: complete RFC 5322 bytes with CRLF lines, not dot-stuffed."""

    id: int
    sender: str  # empty: the null path of RFC 5321 §4.5.5
    recipient: str
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What the other side can do, of all that concerns a letter."""

    pipelining: bool = False
    eight_bit: bool = False
    utf8: bool = False
    largest: int = 0  # octets; 0: it names no limit (RFC 1870 §4)


class Postman(Protocol):
    """Who carries letters: a relay connection, a folder.

    `secure`: nobody on the way can read along, so letters under embargo may go (mail:EM7).
    """

    @property
    def secure(self) -> bool:
        """Whether the way is encrypted, or does not leave this machine."""
        ...

    def send(self, letters: Iterable[Letter]) -> Iterator[tuple[Letter, Result]]:
        """Results as soon as they are known; takes a letter only when about to write it."""
        ...

    def quit(self) -> None:
        """Say goodbye; harmless when already over."""
        ...


def objection(letter: Letter, offer: Offer) -> Result | None:
    """Why this letter must not be sent over this hop, as its refusal; None if it may."""
    if not letter.recipient:
        return _refused("the recipient's address is empty", Cause.DEAD_ADDRESS)
    return (
        _address_fault("sender", letter.sender, offer)
        or _address_fault("recipient", letter.recipient, offer)
        or _message_fault(letter.message, offer)
    )


def _refused(words: str, cause: Cause) -> Result:
    return Result(outcome=Outcome.REFUSED, detail=words, cause=cause)


_MOST_OCTETS = 1000  # a line with its CRLF: RFC 5322 §2.1.1
_SENDABLE = re.compile(r"[^\x00-\x20\x7f<>]*")
_BARE_CR, _BARE_LF = re.compile(rb"\r(?!\n)"), re.compile(rb"\n(?<!\r\n)")


def _address_fault(whose: str, address: str, offer: Offer) -> Result | None:
    if not address.isascii() and not (offer.utf8 and offer.eight_bit):
        words = f"the {whose}'s address needs SMTPUTF8, which the relay does not offer (RFC 6531)"
        return _refused(words, Cause.UTF8)
    if not _SENDABLE.fullmatch(address) or not address.isprintable():
        words = f"the {whose}'s address holds a space, an angle bracket or a control character"
        return _refused(words, Cause.DEAD_ADDRESS if whose == "recipient" else Cause.CONTENT)
    return None


def _message_fault(message: bytes, offer: Offer) -> Result | None:
    if offer.largest and len(message) > offer.largest:
        words = f"the message has {len(message)} octets, the relay takes {offer.largest}"
        return _refused(words, Cause.TOO_BIG)
    if isinstance(message, Sound):  # it was looked through where it was composed
        return None
    words = _form_fault(message, offer) or _length_fault(message)
    return _refused(words, Cause.CONTENT) if words else None


def _form_fault(message: bytes, offer: Offer) -> str:
    if _BARE_CR.search(message) or _BARE_LF.search(message):
        return "the message holds a bare CR or LF: every line must end in CRLF (RFC 5321 §2.3.8)"
    if b"\0" in message:
        return "the message holds a NUL"
    if not message.isascii() and not offer.eight_bit:
        return "the message holds 8-bit bytes and the relay does not offer 8BITMIME: encode its parts"
    return ""


def _length_fault(message: bytes) -> str:
    start = 0
    while len(message) - start >= _MOST_OCTETS - 1:  # 998 without an end are still allowed
        end = message.rfind(b"\n", start, start + _MOST_OCTETS)
        if end < 0:
            return "the message holds a line of more than 998 octets (RFC 5322 §2.1.1)"
        start = end + 1
    return ""
