"""The envelope sender of each letter: an address of its own, so that a bounce says which letter it is about.

`b+<token>@bounce-domain`: the token is the delivery's key and a MAC, in lower-case base32, for some mail
servers fold local parts (MC17, `requirements/mail` §5, pitfall 25). Nobody can make one up, and nothing about
a person stands in it.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence

from syndicator.errors import Invalid
from syndicator.render.mail.headers import a_label, addr_spec

MARK = "b+"
MAC_BYTES = 10  # 80 bits
ID_BYTES = 8
LONGEST_LOCAL, LONGEST_PATH = 64, 254  # octets (RFC 5321 §4.5.3.1)

VERP, LEAVE = "verp", "leave"  # part of what is signed, never of the token

_TAIL = re.compile(r"([a-z2-7]{16})([a-z2-7]{2,13})", re.ASCII)
_TOKEN = re.compile(rf"b\+{_TAIL.pattern}", re.ASCII)


def verp(key: bytes, delivery_id: int, domain: str) -> str:
    """The address a bounce of this delivery goes to; raises Invalid where the domain leaves no room."""
    address = f"{_local(key, delivery_id)}@{a_label(domain)}"
    if len(address) > LONGEST_PATH:
        raise Invalid(f"bounce_domain {domain!r} is too long: an address has {LONGEST_PATH} characters")
    return address


def read_verp(keys: Sequence[bytes], local_part: str) -> int | None:
    """The delivery that a bounce to this local part is about, or None if none of these keys signed it."""
    given = local_part.lower()
    found = _TOKEN.fullmatch(given)
    if not found:
        return None
    delivery_id = _number(found[2])
    if delivery_id is None:
        return None
    # Whole local parts are compared: base32 that decodes to the same bytes is not the same token.
    ours = [hmac.compare_digest(given.encode(), _local(key, delivery_id).encode()) for key in keys]
    return delivery_id if any(ours) else None


def leaving(key: bytes, subscription_id: int, address: str) -> str:
    """The address that ends this subscription when anything is mailed to it: `address` with a token (mail:LM8).

    Raises Invalid where that leaves no room for one, or is no address.
    """
    local, _, domain = addr_spec(address, "the address to leave by").rpartition("@")
    made = f"{local}+{_token(key, LEAVE, subscription_id)}"
    if len(made) > LONGEST_LOCAL or len(made) + len(domain) >= LONGEST_PATH:
        raise Invalid(
            f"{address!r} is too long: with a token before @ it has more than {LONGEST_LOCAL} characters there"
        )
    return f"{made}@{a_label(domain)}"


def read_leaving(keys: Sequence[bytes], address: str, given: str) -> int | None:
    """The subscription that mail to `given` ends, or None; `address` is the one to leave by, as it is set.

    Who writes does not matter: a journalist's mail is forwarded, and From can be anybody's.
    """
    local, _, domain = address.lower().rpartition("@")
    theirs, _, where = given.lower().rpartition("@")
    token = theirs.removeprefix(f"{local}+")
    found = _TAIL.fullmatch(token)
    if where != a_label(domain) or token == theirs or not found:
        return None
    subscription_id = _number(found[2])
    if subscription_id is None:
        return None
    ours = [hmac.compare_digest(token.encode(), _token(key, LEAVE, subscription_id).encode()) for key in keys]
    return subscription_id if any(ours) else None


def _local(key: bytes, delivery_id: int) -> str:
    return f"{MARK}{_token(key, VERP, delivery_id)}"


def _token(key: bytes, purpose: str, row: int) -> str:
    number = row.to_bytes(ID_BYTES).lstrip(b"\0") or b"\0"
    mac = hmac.digest(key, f"{purpose}/{row}".encode(), "sha256")[:MAC_BYTES]
    return f"{_base32(mac)}{_base32(number)}"


def _base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _number(text: str) -> int | None:
    try:
        return int.from_bytes(base64.b32decode(text.upper() + "=" * (-len(text) % 8)))
    except ValueError:
        return None
