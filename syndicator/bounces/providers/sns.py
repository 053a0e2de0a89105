"""Amazon SNS: whether a message was signed by it, by the certificate it names and nobody else's (mail:LM16).

A name in a message decides what is fetched, so it must be Amazon's own host before anything is (pitfall 26). A
message of any age is believed: SNS repeats one for days with the first instant in it, and twice is once.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from syndicator.errors import Refused

SKEW = timedelta(minutes=5)  # how far the sender's clock may be ahead of ours
MOST_KEPT = 8  # certificates; there is one for each region, renewed each year
NOTIFICATION, CONFIRMATION, FAREWELL = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
_HOST = r"https://sns\.[a-z]{2}(?:-[a-z]+)+-\d+\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(rf"{_HOST}/SimpleNotificationService-[A-Za-z0-9]+\.pem", re.ASCII)
_SUBSCRIBE = re.compile(rf"{_HOST}/\?[\x21-\x7e]{{1,2000}}", re.ASCII)
_SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    FAREWELL: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(),  # noqa: S303 - what SNS signs with unless a topic is set otherwise; no collision helps here
    "2": hashes.SHA256(),
}


@dataclass(slots=True)
class Desk:
    """Who believes messages of these topics alone; `fetch` gets a certificate, or visits a link to confirm."""

    topics: Collection[str]
    fetch: Callable[[str], bytes]
    _known: dict[str, x509.Certificate] = field(default_factory=dict)

    def check(self, message: Mapping[str, object], now: datetime) -> None:
        """Raise Refused unless SNS signed this message and it is of one of our topics."""
        if message.get("TopicArn") not in self.topics:
            raise Refused("the message is of no topic in bounces.ses_topics")
        names = _SIGNED.get(str(message.get("Type")))
        algorithm = _HASHES.get(str(message.get("SignatureVersion")))
        if names is None or algorithm is None:
            raise Refused("the message is signed in no way we know")
        _check_instant(str(message.get("Timestamp")), now)
        certificate = self._certificate(str(message.get("SigningCertURL")))
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            raise Refused("the certificate of the message is not valid now")
        key = certificate.public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise Refused("the certificate of the message holds no RSA key")
        try:
            signature = base64.b64decode(str(message.get("Signature")), validate=True)
            key.verify(signature, signed(message, names), padding.PKCS1v15(), algorithm)
        except (InvalidSignature, binascii.Error, ValueError):
            raise Refused("the signature of the message is wrong") from None

    def confirm(self, message: Mapping[str, object]) -> None:
        """Say yes to a subscription that was checked; raises Refused where its link leads elsewhere."""
        link = str(message.get("SubscribeURL"))
        if not _SUBSCRIBE.fullmatch(link):
            raise Refused("the link to confirm leads to no host of SNS")
        self.fetch(link)

    def _certificate(self, url: str) -> x509.Certificate:
        if not _CERTIFICATE.fullmatch(url):
            raise Refused("the certificate of the message is on no host of SNS")
        if url not in self._known:
            try:
                made = x509.load_pem_x509_certificate(self.fetch(url))
            except ValueError:
                raise Refused("the certificate of the message cannot be read") from None
            if len(self._known) >= MOST_KEPT:
                self._known.clear()
            self._known[url] = made
        return self._known[url]


def signed(message: Mapping[str, object], names: Collection[str]) -> bytes:
    """The bytes that a signature is of: each name and value that is there, on lines of their own."""
    lines = [f"{name}\n{message[name]}\n" for name in names if message.get(name) is not None]
    return "".join(lines).encode("utf-8", "surrogatepass")


def _check_instant(text: str, now: datetime) -> None:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise Refused("the message says no instant") from None
    aware = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    if aware > now + SKEW:
        raise Refused("the message is from the future: look at this machine's clock")
