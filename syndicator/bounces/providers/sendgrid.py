"""What SendGrid tells of letters, many events at once: bounces, drops, complaints, who left by its link (mail:LM16). Pure.

It signs an instant and the very bytes it posts, with a key of which we have the public half.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from syndicator.bounces.providers.fields import READ, message_ids, text
from syndicator.bounces.reading import Report
from syndicator.bounces.reports import Finding, Returned
from syndicator.errors import Refused
from syndicator.model.bounce import Kind, kind_of_report

SOURCE = "sendgrid"
SIGNATURE, INSTANT = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
SKEW = timedelta(minutes=5)  # how far its clock may be ahead of ours
# It repeats a batch for a day, and nothing says that a repeat is signed anew; an event told twice is one.
OLDEST = timedelta(days=2)
WELL = frozenset({"processed", "delivered"})
LEFT = frozenset({"unsubscribe", "group_unsubscribe"})
# How it sorts what servers say, where that speaks of the letter or of who sends it.
OURS = frozenset({"content", "reputation", "frequency or volume too high"})
# SendGrid did not even try, because of what it remembers of the address.
_REMEMBERED = {
    "bounced address": Kind.HARD,
    "invalid": Kind.HARD,
    "spam reporting address": Kind.COMPLAINT,
    "unsubscribed address": Kind.LEFT,
}
_INSTANT = re.compile(r"[0-9]{1,11}", re.ASCII)


def check(key: str, body: bytes, headers: Mapping[str, str], now: datetime) -> None:
    """Raise Refused unless these bytes are signed by the owner of this public key (base64), and not long ago."""
    instant = headers.get(INSTANT, "")
    try:
        loaded = serialization.load_der_public_key(base64.b64decode(key))
        signature = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
        if not isinstance(loaded, ec.EllipticCurvePublicKey):
            raise Refused("bounces.sendgrid_key is no key of an elliptic curve")
        loaded.verify(signature, instant.encode("utf-8", "replace") + body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError):
        raise Refused("the signature is wrong: is bounces.sendgrid_key this webhook's key?") from None
    if not _INSTANT.fullmatch(instant):
        raise Refused("the signature is of no instant")
    if not now - OLDEST <= datetime.fromtimestamp(int(instant), UTC) <= now + SKEW:
        raise Refused("the signature is too old, or from the future: look at this machine's clock")


def silent(event: Mapping[str, Any]) -> bool:
    """Whether it tells that all is well, or what somebody read: nothing of that is kept."""
    return text(event.get("event")) in WELL | READ


def told(event: Mapping[str, Any], otherwise: str) -> Report:
    """What one event of a batch says; `otherwise` tells it from others where it names itself by nothing."""
    whom = text(event.get("email"))
    kind, code, words = _kind(event)
    return Report(
        key=text(event.get("sg_event_id")) or otherwise,
        findings=(Finding(kind, whom, code, words),),
        returned=Returned(message_ids(event.get("smtp-id")), recipients=(whom,) if whom else ()),
        feedback=kind is Kind.COMPLAINT,
        trusted=True,
    )


def _kind(event: Mapping[str, Any]) -> tuple[Kind, str, str]:
    sort, reason = text(event.get("event")), text(event.get("reason"))
    match sort:
        case "bounce":
            return _bounced(event, reason)
        case "dropped":
            kind = _REMEMBERED.get(reason.strip().lower(), Kind.POLICY)
            return kind, "", f"not sent by SendGrid: {reason or 'no reason'}"
        case "deferred":
            return Kind.DELAYED, "", text(event.get("response")) or reason
        case "spamreport":
            return Kind.COMPLAINT, "", "complaint reported through SendGrid"
    if sort in LEFT:
        return Kind.LEFT, "", "left by a link of SendGrid"
    return Kind.UNKNOWN, "", f"{sort or 'no'} event"


def _bounced(event: Mapping[str, Any], reason: str) -> tuple[Kind, str, str]:
    lasting = text(event.get("type")) != "blocked"
    sort = text(event.get("bounce_classification")).lower()
    kind, code = kind_of_report("failed", text(event.get("status")), reason)
    if sort in OURS:
        kind = Kind.POLICY
    elif sort == "invalid address" or (lasting and not reason):
        kind = Kind.HARD
    if kind is Kind.HARD and not lasting:
        kind = Kind.SOFT  # SendGrid itself sends to it again
    return kind, code, reason or f"{sort or 'no'} bounce"
