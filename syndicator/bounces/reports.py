"""Reports by the standards: delivery status (RFC 3464) and abuse (RFC 5965), and what they return of our letter."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message

from syndicator.bounces.message import addresses, field, fields, parts, text_of
from syndicator.model.bounce import Kind, kind_of_report

STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
FEEDBACK = "message/feedback-report"
RETURNED = frozenset({"message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers"})
MOST_BLOCKS = 50
UNWANTED = frozenset({"abuse", "fraud", "virus", "opt-out", "opt-out-list", "miscategorized", "other"})
_MESSAGE_ID = re.compile(r"<([^<>\s@]{1,200}@[^<>\s@]{1,255})>")
# Within one line each: what runs on over blank lines reads a mail of nothing else for minutes.
_LOOSE_ID = re.compile(r"(?im)^[> \t]{0,40}message-id:\s{0,8}(<[^<>\s]{3,460}>)")
_URI = re.compile(r"<(https?://[^<>\s]{1,900})>")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a report says of one recipient: `recipient` as it is named there, or empty."""

    kind: Kind
    recipient: str = ""
    code: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back of our letter: its Message-IDs, the links to leave by, and who it was to and from."""

    message_ids: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


def statuses(message: Message) -> list[Finding]:
    """What the delivery status parts say, a finding for each recipient; empty where there is no such part."""
    found = [one for part in parts(message) if part.get_content_type() in STATUS for one in _blocks(part)]
    return [_status(block) for block in found if "action" in block or "status" in block][:MOST_BLOCKS]


def complaint(message: Message) -> tuple[Finding, tuple[str, ...]] | None:
    """What an abuse report says, and the envelope senders it names; None where there is no such report."""
    part = next((one for one in parts(message) if one.get_content_type() == FEEDBACK), None)
    if part is None:
        return None
    said = fields(_plain(part))
    sort = field(said, "Feedback-Type").lower()
    kind = Kind.NOT_SPAM if sort == "not-spam" else Kind.COMPLAINT if sort in UNWANTED else Kind.UNKNOWN
    whom = _named(field(said, "Original-Rcpt-To")) or _named(field(said, "Removal-Recipient"))
    words = f"{sort or 'no type'} reported by {field(said, 'User-Agent') or 'an unnamed reporter'}"
    return Finding(kind, whom, "", words), tuple(_every(said, "Original-Mail-From"))


def returned(message: Message) -> Returned:
    """What a report returns of the letter it is about, as a part or, by old servers, in its text."""
    letters = list(_letters(message))
    loose = "" if letters else _texts(message)
    ids = [one for letter in letters for one in _MESSAGE_ID.findall(field(letter, "Message-ID"))]
    ids += [one for found in _LOOSE_ID.findall(loose) for one in _MESSAGE_ID.findall(found)]
    links = [one for letter in letters for one in _URI.findall(field(letter, "List-Unsubscribe"))]
    links += _URI.findall(loose)
    return Returned(
        message_ids=tuple(dict.fromkeys(ids)),
        links=tuple(dict.fromkeys(links)),
        recipients=tuple(one for letter in letters for one in addresses(letter, "To")),
        senders=tuple(one for letter in letters for one in addresses(letter, "Return-Path")),
    )


def _letters(message: Message) -> Iterator[Message]:
    for part in parts(message):
        if part.get_content_type() not in RETURNED:
            continue
        content = part.get_payload()
        if isinstance(content, list) and content and isinstance(content[0], Message):
            yield content[0]
        else:
            yield fields(text_of(part))


def _texts(message: Message) -> str:
    return "\n".join(text_of(part) for part in parts(message) if part.get_content_maintype() == "text")


def _blocks(part: Message) -> Iterable[Message]:
    content = part.get_payload()
    blocks = [one for one in content if isinstance(one, Message)] if isinstance(content, list) else []
    if any("action" in one or "final-recipient" in one for one in blocks):
        return blocks
    return [fields(text) for text in re.split(r"\r?\n[ \t]*\r?\n", _plain(part)) if text.strip()]


def _plain(part: Message) -> str:
    """The text of a part the library takes for a message, its encoding undone: some servers encode what none may."""
    content = part.get_payload()
    text = content if isinstance(content, str) else "\n\n".join(_whole(one) for one in content or ())
    encoding = field(part, "Content-Transfer-Encoding").lower()
    try:
        if encoding == "base64":
            return base64.b64decode(text.encode("ascii", "ignore")).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return text
    if encoding == "quoted-printable":
        return quopri.decodestring(text.encode("utf-8", "replace")).decode("utf-8", "replace")
    return text


def _whole(one: object) -> str:
    """A block as it was written, or what the library took for its body."""
    if not isinstance(one, Message):
        return ""
    lines = [f"{name}: {value}" for name, value in one.items()]
    body = one.get_payload()
    return "\n".join([*lines, body if isinstance(body, str) else ""])


def _status(block: Message) -> Finding:
    action = field(block, "Action").partition("(")[0].partition(";")[0]
    words = field(block, "Diagnostic-Code")
    said = words.partition(";")[2].strip() or words
    kind, code = kind_of_report(action, field(block, "Status"), said)
    whom = _named(field(block, "Original-Recipient")) or _named(field(block, "Final-Recipient"))
    return Finding(kind, whom, code, said)


def _named(value: str) -> str:
    """The address in a field such as `rfc822; jane@example.org`."""
    text = (value.partition(";")[2] if ";" in value else value).strip().strip("<>")
    return text if "@" in text else ""


def _every(message: Message, name: str) -> Iterator[str]:
    yield from (one for one in (_named(str(value)) for value in message.get_all(name, [])) if one)
