"""Bounces of servers that keep to no standard: flufl.bounce knows their words (mail:LM13). Asked last."""

from __future__ import annotations

import logging
import re
from email.message import Message

from flufl.bounce import all_failures

from syndicator.bounces.message import Tick, addresses, field, first_lines, opened, parts, text_of
from syndicator.bounces.reports import Finding
from syndicator.model.bounce import Kind, kind_of_words

# It logs each rule it tries, and every mail that one of them stumbles over, with a trace.
logging.getLogger("flufl.bounce").disabled = True

MOST_BYTES = 20_000  # its rules look at every line, and old servers say at once what they have to say
MOST_LINES = 1_000
MOST_TEXT = 8_000
_CODE = re.compile(r"(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45]\d\d)[ -].{0,200}")
_DAEMON = re.compile(r"(?i)mailer-?daemon|postmaster|mail delivery|mail administrator|mdaemon|^<>$")
_RETURNED = re.compile(
    r"(?i)(?:undeliver|non-?deliver|returned mail|failure notice|mail delivery|delivery (?:status|fail))"
)
# What programs that answer for somebody write into their headers, beside Auto-Submitted.
_ANSWERS = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress-Reply", "X-Vacation", "X-OOF")


def failures(raw: bytes, tick: Tick) -> list[Finding]:
    """The recipients such a mail gives up or is still trying; empty where it is none of these."""
    message = opened(first_lines(raw[:MOST_BYTES], MOST_LINES), tick)
    if not addresses(message, "From"):  # it takes for granted that there is one
        del message["From"]
        message["From"] = "<>"
    try:
        waiting, lost = all_failures(message)
    except Exception:  # noqa: BLE001 - dozens of rules on whatever anybody sent: a fault of one means "not understood"
        return []
    words = _words(message)
    found = [Finding(Kind.DELAYED, _text(one)) for one in sorted(waiting - lost)]
    for one in sorted(lost):
        said = _about(words, _text(one))
        code = _CODE.search(said)
        found.append(
            Finding(
                kind_of_words(code[0] if code else "", said), _text(one), code[0] if code else "", said[:300]
            )
        )
    return found


def automatic(message: Message) -> bool:
    """Whether a program answers for somebody who is away, or the like: no bounce, whatever it says (mail:LM14)."""
    daemon = _DAEMON.search(field(message, "From")) or _RETURNED.match(field(message, "Subject"))
    if daemon or field(message, "X-Failed-Recipients"):
        return False
    submitted = field(message, "Auto-Submitted").partition(";")[0].strip().lower()
    bulk = field(message, "Precedence").lower() in {"auto_reply", "bulk", "junk", "list"}
    return submitted not in {"", "no"} or bulk or any(name in message for name in _ANSWERS)


def _words(message: Message) -> str:
    plain = [part for part in parts(message) if part.get_content_type() in {"text/plain", "text/html"}]
    return "\n".join(text_of(part) for part in plain)[:MOST_TEXT]


def _about(words: str, address: str) -> str:
    """What is said of an address: the reply quoted behind it, or the lines around it."""
    at = max(words.lower().find(address.lower()), 0)
    rest = words[at : at + 1_500]
    reply = _REPLY.search(rest) or _REPLY.search(words)
    return " ".join((reply[0] if reply else rest[len(address) : 400]).split())


def _text(address: bytes | str) -> str:
    return address.decode("utf-8", "replace") if isinstance(address, bytes) else address
