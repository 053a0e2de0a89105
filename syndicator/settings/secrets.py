"""What nobody may read: texts that never show themselves, and what a key, a password or a database address looks like.

A check raises Invalid with what to write instead, and never quotes what was written.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import NoReturn

from syndicator.errors import Invalid

HIDDEN = "•••"
SECRET_KEY_MIN = 16  # characters
_P256 = "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
SIGNING_BYTES = range(24, 65)  # Standard Webhooks, "Signature scheme": 24 to 64 bytes


class Secret:
    """A text that never shows itself: not in repr, str, format, a data class's dump or a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._text

    def __repr__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __deepcopy__(self, memo: object) -> Secret:
        return self  # dataclasses.asdict copies what it does not know

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


class SecretUrl(Secret):
    """A URL that shows all of itself but password and query."""

    __slots__ = ()

    def __repr__(self) -> str:
        # By the last @: a password may hold any character, even ones that should be escaped.
        safe = re.sub(r"(//[^:/@]*):.*@", rf"\1:{HIDDEN}@", self._text)
        return re.sub(r"\?.*", f"?{HIDDEN}", safe)


def password(raw: str) -> Secret | None:
    """A password, or none where there is no text."""
    return Secret(raw) if raw else None


def database(raw: str) -> SecretUrl:
    """Where the database is; raises Invalid, and quotes nothing."""
    scheme = raw.partition(":")[0].partition("+")[0]
    if "://" not in raw or scheme not in ("sqlite", "postgresql"):
        raise Invalid(
            "is no database address: write sqlite:///var/syndicator.db or postgresql://user@host/name"
        )
    rest = raw.partition("://")[2]
    place = re.split(r"[/?#]", rest)[0]
    # What stands between two of these signs may be half of a password, so nothing is quoted.
    if place.count("@") > 1 or (scheme == "postgresql" and "@" in rest[len(place) :].partition("?")[0]):
        raise Invalid("holds more than one @: write %40 for @ and %2F for / in user and password")
    if not re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(:[0-9]{1,5})?", place.rpartition("@")[2]):
        raise Invalid("has a port that is no number: write host:5432, and %3A for : in user and password")
    return SecretUrl(raw)


def signing_key(raw: str) -> Secret:
    """The key that signs, with former ones after white space; raises Invalid."""
    # White space parts the key that signs from former ones, which only verify.
    if not raw.split() or min(map(len, raw.split())) < SECRET_KEY_MIN:
        raise Invalid(
            f"is too short: use at least {SECRET_KEY_MIN} characters, such as `openssl rand -hex 32` prints"
        )
    return Secret(raw)


def webhook_secret(raw: str) -> Secret:
    """A secret of Standard Webhooks, "Signature scheme": whsec_ and base64; raises Invalid."""
    try:
        length = len(base64.b64decode(raw.removeprefix("whsec_"), validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if length not in SIGNING_BYTES:
        raise Invalid(
            "is no webhook secret: write whsec_ and 24 to 64 bytes in base64 (`openssl rand -base64 32`)"
        )
    return Secret(raw if raw.startswith("whsec_") else f"whsec_{raw}")


def private_key(raw: str) -> Secret:
    """A private key in PEM; raises Invalid."""
    if "-----BEGIN" not in raw or "PRIVATE KEY-----" not in raw:
        raise Invalid(
            "must be a private key in PEM, with its BEGIN and END lines: openssl genrsa 2048 makes one"
        )
    return Secret(raw)


def curve_key(raw: str) -> str:
    """A public key of the curve P-256 in base64 (RFC 5480), or none; raises Invalid."""
    if not raw:
        return ""
    try:
        der = base64.b64decode(raw, validate=True)
    except ValueError:
        der = b""
    # A SubjectPublicKeyInfo with an uncompressed point of P-256 begins so, and the point has 64 bytes.
    if not der.startswith(bytes.fromhex(_P256)) or len(der) != len(_P256) // 2 + 64:
        raise Invalid("must be a public key of the curve P-256 as one line of base64, as SendGrid shows it")
    return raw
