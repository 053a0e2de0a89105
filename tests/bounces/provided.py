"""An Amazon of our own: a key, a certificate, and messages signed as SNS signs them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from tests.make import NOW

TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
CERTIFICATE = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123abcd.pem"
LINK = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=y"
KEY = rsa.generate_private_key(65537, 2048)


def certificate(key: rsa.RSAPrivateKey = KEY, begins: datetime = NOW - timedelta(days=1)) -> bytes:
    """The certificate of a key, in PEM, for a year."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def message(words: str, version: str = "2", key: rsa.RSAPrivateKey = KEY, **other: Any) -> dict[str, Any]:
    """A message as SNS posts it, signed over the fields its documentation names, in their order."""
    said = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Message": words,
        "Timestamp": NOW.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **other,
    }
    names = "Message MessageId Subject SubscribeURL Timestamp Token TopicArn Type".split()
    text = "".join(f"{name}\n{said[name]}\n" for name in names if name in said)
    hashed = hashes.SHA1() if version == "1" else hashes.SHA256()
    said["Signature"] = base64.b64encode(key.sign(text.encode(), padding.PKCS1v15(), hashed)).decode()
    return said


def bounce(recipient: str, *, kind: str = "Permanent", sub: str = "General", **other: Any) -> dict[str, Any]:
    """An event of SES about a letter that came back."""
    one = {
        "emailAddress": recipient,
        "status": "5.1.1",
        "action": "failed",
        "diagnosticCode": "smtp; 550 5.1.1 user unknown",
    }
    mail = {"source": "news@society.example", "destination": [recipient], "messageId": "0100-ses"}
    found = {
        "bounceType": kind,
        "bounceSubType": sub,
        "bouncedRecipients": [{**one, **other.pop("one", {})}],
        "feedbackId": "0100-f",
    }
    return {
        "notificationType": "Bounce",
        "bounce": {**found, **other.pop("bounce", {})},
        "mail": {**mail, **other},
    }


def body(event: dict[str, Any], **other: Any) -> bytes:
    """The bytes SNS posts for an event."""
    return json.dumps(message(json.dumps(event), **other)).encode()
