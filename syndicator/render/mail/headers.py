"""Header lines of a mail, serialised by us: vetted, encoded by RFC 2047, folded by one fixed rule.

Display names and subjects are text and may be encoded; addresses, message ids and URIs never are
(RFC 2047 §5, MC10, MC18): what cannot stand there as ASCII is refused with an Invalid that names
the field. Every function gives text without the final CRLF; folds inside are CRLF and one space.
"""

from __future__ import annotations

import base64
import functools
import hmac
import re
import textwrap
from binascii import b2a_base64
from collections.abc import Callable
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from functools import lru_cache
from urllib.parse import quote, urlsplit, urlunsplit

from syndicator.errors import Invalid
from syndicator.model.audience import address as model_address
from syndicator.model.markup import ILLEGAL, UNLINEAR

LINE = 78  # octets of a header line where it can be folded (RFC 5322 §2.1.1)
ENCODED_LINE = 76  # octets of a header line that holds an encoded word (RFC 2047 §2)
ENCODED_WORD = 75  # octets of one encoded word (RFC 2047 §2)
LONGEST_URI = 900  # octets: a raw URI cannot be folded and a line ends at 998 (RFC 5322 §2.1.1)
FOLD = "\r\n "

_BREAKING = re.compile(f"{UNLINEAR.pattern}|{ILLEGAL.pattern}")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/^_`{|}~-]+)*")
_DOT_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_ADDRESS = re.compile(rf"{_DOT_ATOM.pattern}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")
_URI = re.compile(r'https?://[^\x00-\x20<>"\\^`{|}\x7f-\U0010ffff]+')
_SAFE_IN_WORD = re.compile(r"[A-Za-z0-9!*+/-]")  # RFC 2047 §5 (3): fit for a phrase, fit everywhere
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def vetted(text: str, field: str) -> str:
    """`text` with its white space collapsed; raises Invalid naming `field` where a header could break.

    Looks at the text and at what an RFC 2047 decoder makes of it (MC20): a line break, NUL, control
    or bidi override may hide in an encoded word.
    """
    for reading in (text, _decoded(text, field)) if "=?" in text else (text,):
        if _BREAKING.search(reading):
            raise Invalid(f"{field} holds a line break, control or bidi override: {text!r}; remove it")
    return " ".join(text.split())


def text_field(name: str, text: str) -> str:
    """The line of an unstructured field such as Subject; raises Invalid as `vetted`."""
    value = vetted(text, name)
    if value.isascii() and "=?" not in value:
        lines = textwrap.wrap(
            f"{name}: {value}", LINE, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False
        )
        if lines[0] != f"{name}:" and max(map(len, lines)) <= LINE:
            return "\r\n".join(lines)
    return f"{name}: {encoded_words(value, len(name) + 2)}"


def mailbox_field(name: str, display: str, address: str) -> str:
    """The line of From, To or Reply-To with one mailbox; `address` is a finished addr-spec."""
    phrase = _phrase(vetted(display, f"the name in {name}"), len(name) + 2)
    if not phrase:
        return f"{name}: {address}"
    line = f"{name}: {phrase}"
    limit = ENCODED_LINE if "=?" in phrase else LINE
    fits = len(line.rpartition("\r\n")[2]) + len(address) + 3 <= limit
    return f"{line}{' ' if fits else FOLD}<{address}>"


def list_id_field(title: str, label: str, domain: str) -> str:
    """The List-Id line: the site's title as phrase, and the id that never changes (RFC 2919 §3, MC9)."""
    line = mailbox_field("List-Id", title, f"{label}.{domain}")
    return line if title.strip() else f"List-Id: <{label}.{domain}>"


def encoded_words(text: str, column: int) -> str:
    """`text` as folded encoded words, whole characters in each, the first one starting at `column`."""
    whole, room = _b_word(text), ENCODED_LINE - column
    if len(whole) <= min(room, ENCODED_WORD):
        return whole
    pack = min(_q_word, _b_word, key=lambda pack: len(pack(text)))
    return FOLD.join(_words(text, pack, room))


def addr_spec(text: str, field: str) -> str:
    """The address as it may stand in a header: ASCII, its domain in A-labels (MC18, MC19)."""
    if "=?" not in text and _ADDRESS.fullmatch(text):
        return text
    spec = vetted(text, field)  # a local part may look like an encoded word, and some reader may decode it
    if not _ADDRESS.fullmatch(spec):
        spec = model_address(spec).typed
    if not _ADDRESS.fullmatch(spec):
        raise Invalid(f"{field} {text!r} needs SMTPUTF8, which is not offered: use an ASCII address")
    return spec


@lru_cache(maxsize=64)
def a_label(domain: str) -> str:
    """A domain in lower-case A-labels; raises Invalid for what is no domain."""
    return addr_spec(f"postmaster@{domain}", "the domain").rpartition("@")[2].lower()


def uri(text: str, field: str) -> str:
    """An absolute http(s) URI fit to stand raw between < and >; raises Invalid otherwise (MC10)."""
    if len(text) > LONGEST_URI or not _URI.fullmatch(text):
        raise Invalid(
            f"{field} {text!r} cannot stand in a header: give an absolute http(s) address in ASCII, "
            f"percent-encoded, of at most {LONGEST_URI} characters"
        )
    return text


def ascii_uri(text: str, field: str) -> str:
    """An http(s) address of ours as a URI: the host in A-labels, the rest percent-encoded."""
    parts = urlsplit(vetted(text, field))
    if text.isascii() or not parts.hostname:
        return uri(text, field)
    port = f":{parts.port}" if parts.port else ""
    path, query = (quote(part, safe="/%:@!$&'()*+,;=~?") for part in (parts.path, parts.query))
    return uri(urlunsplit((parts.scheme, a_label(parts.hostname) + port, path, query, "")), field)


def msg_id(text: str, field: str) -> str:
    """A Message-ID without its angle brackets; raises Invalid where it is none (RFC 5322 §3.6.4)."""
    if len(text) > LONGEST_URI or not _ADDRESS.fullmatch(text):
        raise Invalid(f"{field} {text!r} is no message id: give left@right without < and >")
    return text


@lru_cache(maxsize=1024)
def date_value(instant: datetime) -> str:
    """The instant as a Date header's value, in UTC, whole seconds (RFC 5322 §3.3); no locale."""
    if instant.tzinfo is None:
        raise Invalid(f"date {instant.isoformat()} has no time zone: give an aware instant")
    utc = instant.astimezone(UTC)
    day = f"{_DAYS[utc.weekday()]}, {utc.day:02} {_MONTHS[utc.month - 1]} {utc.year:04}"
    return f"{day} {utc.hour:02}:{utc.minute:02}:{utc.second:02} +0000"


def message_id(key: bytes, domain: str, subject: str, recipient: str) -> str:
    """The Message-ID, without < and >, of one subject to one recipient: a retry has the same (MC4).

    HMAC-SHA256 under `key`, cut to 160 bits, in base32: who has no key learns nobody's address from
    it. `subject` is the delivery's, such as `revision/UID/N`; `recipient` its id or address.
    """
    # The length keeps ("a", "bc") and ("ab", "c") apart.
    text = f"message-id/{len(subject)}/{subject}/{recipient}".encode("utf-8", "surrogatepass")
    keyed = _keyed(key).copy()
    keyed.update(text)
    return f"{base64.b32encode(keyed.digest()[:20]).decode().lower()}@{a_label(domain)}"


@functools.lru_cache(4)
def _keyed(key: bytes) -> hmac.HMAC:
    """The key as HMAC works with it: a copy costs a tenth of it."""
    return hmac.new(key, digestmod="sha256")


def _decoded(text: str, field: str) -> str:
    if UNLINEAR.search(text):
        return text  # decode_header would read only the first line
    try:
        return str(make_header(decode_header(text)))
    except (MessageError, LookupError, ValueError) as fault:
        raise Invalid(f"{field} holds a broken encoded word: {text!r} ({fault}); write plain text") from None


def _phrase(text: str, column: int) -> str:
    if len(text) + column > LINE - 2 or not text.isascii() or "=?" in text:
        return encoded_words(text, column) if text else ""
    if not text or _PHRASE.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _words(text: str, pack: Callable[[str], str], room: int) -> list[str]:
    words, chunk = [], ""
    for char in text:
        if chunk and len(pack(chunk + char)) > room:
            words.append(pack(chunk))
            chunk, room = "", ENCODED_WORD
        chunk += char
    return [*words, pack(chunk)]


def _q_word(text: str) -> str:
    return f"=?utf-8?q?{''.join(map(_q_char, text))}?="


def _q_char(char: str) -> str:
    if char == " ":
        return "_"
    return char if _SAFE_IN_WORD.match(char) else "".join(f"={byte:02X}" for byte in char.encode())


def _b_word(text: str) -> str:
    return f"=?utf-8?b?{b2a_base64(text.encode(), newline=False).decode()}?="
