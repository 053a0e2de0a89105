"""DKIM signatures (RFC 6376): rsa-sha256 over the relaxed form of headers and body, for letters as we write them.

Our letters are seven-bit with CRLF lines and name each header once, so that nothing a relay may do to them
breaks a signature (MC7, MC15). Every header that says who wrote what to whom is signed once more than it is
there: a second one, added on the way, makes the signature fail. `cryptography` lets other threads work while
it signs. The same letter signed twice is the same bytes: PKCS #1 v1.5 rolls no dice.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from syndicator.errors import Invalid
from syndicator.render.mail.headers import a_label

SHORTEST = 2048  # bits of a key; below, receivers take a signature for none (RFC 8301 §3.2)
FOLD = b"\r\n "
COLUMN = 72

# Signed once more than present, so also where they are not there at all (MC15, RFC 6376 §8.15).
OVERSIGNED = (
    "From", "To", "Cc", "Subject", "Date", "Message-ID", "Reply-To", "In-Reply-To", "References", "MIME-Version",
    "Content-Type", "Content-Transfer-Encoding", "List-Unsubscribe", "List-Unsubscribe-Post", "X-Embargo-Until",
)  # fmt: skip
# Signed where present: mailing lists may add their own.
SIGNED = (
    "List-Id",
    "List-Help",
    "List-Archive",
    "List-Subscribe",
    "Feedback-ID",
    "Auto-Submitted",
    "Precedence",
)
_NAMES = [name.encode() for name in (*OVERSIGNED, *SIGNED)]
_TWICE = frozenset(name.encode().lower() for name in OVERSIGNED)

_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_WHITE = re.compile(rb"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Signer:
    """One key, loaded once; fit to be shared by threads."""

    selector: str
    domain: str
    _key: RSAPrivateKey = field(repr=False)
    # The body signed last and its hash: what is the same for all recipients is hashed once.
    _last: list[tuple[bytes, bytes]] = field(default_factory=list, repr=False, compare=False)

    def sign(self, message: bytes, at: datetime) -> bytes:
        """`message`, complete and with CRLF lines, below its DKIM-Signature; `at` is the instant it names."""
        head, _, body = message.partition(b"\r\n\r\n")
        fields = _relaxed_fields(head + b"\r\n")
        names = [name for name in _NAMES for _ in range((name.lower() in fields) + (name.lower() in _TWICE))]
        unsigned = b"".join(
            (
                b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r\n",
                f" d={self.domain}; s={self.selector}; t={int(at.timestamp())};\r\n".encode(),
                b" h=" + _folded_names(names) + b";\r\n",
                b" bh=" + self._body_hash(body) + b";\r\n b=",
            )
        )
        # A name said twice stands for a header that is not there: the null string (RFC 6376 §5.4.2).
        said = b"".join(fields.get(name, b"") for name in dict.fromkeys(name.lower() for name in names))
        signed = said + _relaxed(b"dkim-signature", unsigned.partition(b":")[2])
        signature = base64.b64encode(self._key.sign(signed, PKCS1v15(), hashes.SHA256()))
        lines = [signature[start : start + COLUMN] for start in range(0, len(signature), COLUMN)]
        return b"".join((unsigned, FOLD.join(lines), b"\r\n", message))

    @property
    def record(self) -> str:
        """The TXT record to publish at SELECTOR._domainkey.DOMAIN (RFC 6376 §3.6.1)."""
        public = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}"

    def _body_hash(self, body: bytes) -> bytes:
        for known, digest in self._last[:1]:
            if known == body:
                return digest
        made = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest())
        self._last[:] = [(body, made)]
        return made


def signer(selector: str, pem: str, domain: str, sender_domain: str) -> Signer:
    """The signer of this key for mail from an address at `sender_domain`; `domain` empty means that one.

    Raises Invalid in words for a key that cannot be read or is too short, and where the domain is neither
    the sender's nor above it: DMARC would not count the signature for From (MC14).
    """
    whose = a_label(domain) if domain else sender_domain
    if sender_domain != whose and not sender_domain.endswith(f".{whose}"):
        raise Invalid(
            f"domain: {whose} is not that of the sender ({sender_domain}), nor above it: receivers would not count "
            "the signature for the sender; leave domain out, or change [mail] from"
        )
    if "." not in whose:
        raise Invalid(f"domain: {whose} is no domain that could be the sender's own; leave domain out")
    return Signer(selector, whose, _key(pem))


def relaxed_body(body: bytes) -> bytes:
    """The body as RFC 6376 §3.4.4 has it hashed: runs of white space one space, none at the end of lines."""
    body = body.replace(b"\t", b" ")
    while b"  " in body:  # six times faster than one regular expression
        body = body.replace(b"  ", b" ")
    bare = (body + b"\r\n").replace(b" \r\n", b"\r\n").rstrip(b"\r\n")
    return bare + b"\r\n" if bare else b""


def _key(pem: str) -> RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise Invalid(
            "private_key: is locked with a password: store it without (openssl rsa -in … -out …)"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid(
            "private_key: cannot be read: write a whole RSA key in PEM (openssl genrsa 2048)"
        ) from None
    if not isinstance(key, RSAPrivateKey):
        raise Invalid("private_key: is no RSA key: many receivers know no other (openssl genrsa 2048)")
    if key.key_size < SHORTEST:
        raise Invalid(
            f"private_key: has {key.key_size} bits, and receivers want {SHORTEST} or more: openssl genrsa 2048"
        )
    return key


def _relaxed_fields(head: bytes) -> dict[bytes, bytes]:
    """Name in lower case → the field in its relaxed form, CRLF at its end; the last one of a name counts first."""
    fields = {}
    for line in _FIELD_END.split(head):
        name, colon, value = line.partition(b":")
        if colon:
            lower = name.strip().lower()
            fields[lower] = _relaxed(lower, value) + b"\r\n"
    return fields


def _relaxed(lower: bytes, value: bytes) -> bytes:
    return lower + b":" + _WHITE.sub(b" ", value).strip(b" ")  # RFC 6376 §3.4.2


def _folded_names(names: Sequence[bytes]) -> bytes:
    lines, line = [], b""
    for name in names:
        if line and len(line) + len(name) > COLUMN:
            lines.append(line)
            line = b""
        line += name + b":"
    return FOLD.join([*lines, line])[:-1]
