"""What DNS records say about mail, read by the letter of the RFCs: DKIM keys, DMARC, alignment.

Pure: text in, meaning out. SPF, which asks further names while it is read, has a module of its own.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from syndicator.errors import Invalid

POLICIES = ("none", "quarantine", "reject")


@dataclass(frozen=True, slots=True)
class Dmarc:
    """A DMARC record as far as a sender cares: its policy, and whether alignment must be exact."""

    policy: str
    strict_dkim: bool = False
    strict_spf: bool = False


def tags(text: str) -> dict[str, str]:
    """A tag list (RFC 6376 §3.2), white space around names and values dropped; raises Invalid.

    >>> tags("v=DKIM1; p=QUJD")
    {'v': 'DKIM1', 'p': 'QUJD'}
    """
    found: dict[str, str] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals or name.strip() in found:
            raise Invalid(f"{part.strip()[:60]!r} is no tag, or stands there twice")
        found[name.strip()] = value.strip()
    return found


def dkim_fault(records: Sequence[str], private_key: str) -> str | None:
    """Why a verifier would refuse what this key signs, given its TXT records; None if it would not."""
    if len(records) > 1:
        return "more than one TXT record stands there (RFC 6376 §3.6.2.2)"
    try:
        said = tags(records[0])
    except Invalid as fault:
        return str(fault)
    if said.get("v", "DKIM1") != "DKIM1":
        return f"v={said['v']} is not DKIM1"
    if said.get("k", "rsa") != "rsa":
        return f"k={said['k']}: the key that signs here is rsa"
    if "sha256" not in _listed(said.get("h", "sha256")):
        return "h= does not allow sha256"
    if not _listed(said.get("s", "*")) & {"*", "email"}:
        return "s= does not allow mail"
    return _key_fault(said, private_key)


def dkim_testing(record: str) -> bool:
    """Whether the record says "only a test" (t=y): receivers then treat mail as if it were not signed."""
    return "y" in _listed(tags(record).get("t", ""))


def dmarc(records: Sequence[str]) -> Dmarc | None:
    """The DMARC record among TXT records, None if there is none; raises Invalid for several, or a broken one."""
    ours = [text for text in records if text.replace(" ", "").startswith("v=DMARC1")]
    if not ours:
        return None
    if len(ours) > 1:
        raise Invalid("more than one DMARC record stands there: receivers then apply none (RFC 7489 §6.6.3)")
    said = tags(ours[0])
    policy = said.get("p", "").lower()
    if policy not in POLICIES:
        raise Invalid(f"p={policy} is none of {', '.join(POLICIES)}")
    return Dmarc(policy, said.get("adkim", "r") == "s", said.get("aspf", "r") == "s")


def aligned(domain: str, sender: str, *, strict: bool, organisation: str) -> bool:
    """Whether a domain that authenticates speaks for the From domain; `organisation` is where DMARC stands.

    >>> aligned("bounces.news.example", "news.example", strict=False, organisation="news.example")
    True
    """
    domain, sender = domain.lower().rstrip("."), sender.lower().rstrip(".")
    if strict or domain == sender:
        return domain == sender
    return all(_within(name, organisation) for name in (domain, sender)) or _within(sender, domain)


def parents(domain: str) -> list[str]:
    """A domain and those above it, down to two labels: where DMARC is looked for, one after the other.

    >>> parents("press.news.example")
    ['press.news.example', 'news.example']
    """
    labels = domain.lower().rstrip(".").split(".")
    return [".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))]


def _within(name: str, domain: str) -> bool:
    return name == domain or name.endswith(f".{domain}")


def _listed(value: str) -> set[str]:
    return {part.strip() for part in value.split(":")}


def _key_fault(said: dict[str, str], private_key: str) -> str | None:
    published = "".join(said.get("p", "").split())
    if not published:
        return "p= is empty or missing: the key is revoked" if "p" in said else "there is no p= in it"
    try:
        key = serialization.load_pem_private_key(private_key.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        return f"the private key here cannot be read ({fault})"
    try:
        theirs = base64.b64decode(published, validate=True)
    except (binascii.Error, ValueError):
        return "p= is no base64"
    own = [
        key.public_key().public_bytes(serialization.Encoding.DER, shape)
        for shape in (serialization.PublicFormat.SubjectPublicKeyInfo, serialization.PublicFormat.PKCS1)
    ]  # RFC 6376 errata 3017: some publish the bare RSA key
    return None if theirs in own else "p= is not the public half of the private key here"
