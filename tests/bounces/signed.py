"""A Mailgun and a SendGrid of our own: keys, events as they are documented, and bodies signed as theirs are."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime
from itertools import count
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.make import NOW

MAILGUN_KEY = "a key Mailgun signs with"
CURVE = ec.generate_private_key(ec.SECP256R1())
SENDGRID_KEY = base64.b64encode(
    CURVE.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()
_NUMBERS = count(1)


def mailgun(event: dict[str, Any], *, at: datetime = NOW, token: str = "", key: str = MAILGUN_KEY) -> bytes:
    """The bytes Mailgun posts for an event: the signature stands beside it, and is of instant and token alone."""
    token = token or f"{next(_NUMBERS):050d}"
    instant = str(int(at.timestamp()))
    made = hmac.new(key.encode(), (instant + token).encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": instant, "token": token, "signature": made}
    return json.dumps({"signature": signature, "event-data": event}).encode()


def failure(recipient: str, *, status: dict[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    """An event of Mailgun about a letter it could not bring."""
    said = {
        "tls": True,
        "mx-host": "mx.press.example",
        "attempt-no": 1,
        "description": "",
        "session-seconds": 0.43,
        "code": 550,
        "message": "5.1.1 The email account that you tried to reach does not exist",
        "enhanced-code": "5.1.1",
        "bounce-type": "hard",
    }
    headers = {
        "to": recipient,
        "message-id": "20260302.1@society.example",
        "from": "n@society.example",
        "subject": "x",
    }
    return {
        "event": "failed",
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": NOW.timestamp() + 0.4,
        "severity": "permanent",
        "reason": "bounce",
        "log-level": "error",
        "recipient": recipient,
        "recipient-domain": "press.example",
        "envelope": {
            "transport": "smtp",
            "sender": "news@society.example",
            "sending-ip": "192.0.2.1",
            "targets": recipient,
        },
        "message": {"headers": headers, "attachments": [], "size": 867},
        "delivery-status": said | (status or {}),
        "flags": {"is-routed": False, "is-authenticated": True, "is-test-mode": False},
        "tags": [],
        "user-variables": {},
    } | other


def posted(
    body: bytes | list[Any],
    *,
    at: datetime = NOW,
    key: ec.EllipticCurvePrivateKey = CURVE,
    instant: str = "",
) -> tuple[bytes, dict[str, str]]:
    """What SendGrid posts, and the headers that sign it."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    instant = instant or str(int(at.timestamp()))
    made = key.sign(instant.encode() + raw, ec.ECDSA(hashes.SHA256()))
    return raw, {
        "x-twilio-email-event-webhook-signature": base64.b64encode(made).decode(),
        "x-twilio-email-event-webhook-timestamp": instant,
    }


def event(recipient: str, sort: str = "bounce", **other: Any) -> dict[str, Any]:
    """An event of SendGrid, as one of a batch."""
    more: dict[str, dict[str, Any]] = {
        "bounce": {"status": "5.0.0", "reason": "500 unknown recipient", "type": "bounce", "tls": 1},
        "deferred": {"response": "400 try again later", "attempt": "5"},
        "dropped": {"reason": "Bounced Address", "status": "5.0.0"},
    }
    return {
        "email": recipient,
        "timestamp": int(NOW.timestamp()),
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": sort,
        "category": ["press"],
        "sg_event_id": f"event-{next(_NUMBERS)}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
    } | (more.get(sort, {}) | other)
