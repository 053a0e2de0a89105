"""What Postmark tells of a letter: bounces, complaints, addresses it stops or begins to send to (mail:LM16). Pure.

Postmark signs nothing: the password it was given is all that shows that it is Postmark (pitfall 27).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Any

from syndicator.bounces.providers.fields import READ, text
from syndicator.bounces.reading import Report
from syndicator.bounces.reports import Finding, Returned
from syndicator.model.bounce import Kind, kind_of_words

SOURCE = "postmark"
_KINDS = {
    **dict.fromkeys(("HardBounce", "BadEmailAddress"), Kind.HARD),
    **dict.fromkeys(("SoftBounce", "Transient", "DnsError", "Undeliverable"), Kind.SOFT),
    **dict.fromkeys(
        (
            "Blocked",
            "ISPBlock",
            "SpamNotification",
            "DMARCPolicy",
            "VirusNotification",
            "ManuallyDeactivated",
        ),
        Kind.POLICY,
    ),
    **dict.fromkeys(("AutoResponder", "AddressChange", "ChallengeVerification"), Kind.AUTO_REPLY),
    "SpamComplaint": Kind.COMPLAINT,
    "Unsubscribe": Kind.LEFT,
}
_REASONS = {"HardBounce": Kind.HARD, "SpamComplaint": Kind.COMPLAINT}


def admitted(authorization: str, secret: str) -> bool:
    """Whether this header of basic authentication holds the password; takes as long for any that does not."""
    scheme, _, coded = authorization.partition(" ")
    try:
        given = base64.b64decode(coded.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        given = b""
    return hmac.compare_digest(given, secret.encode()) and scheme.lower() == "basic"


def silent(event: Mapping[str, Any]) -> bool:
    """Whether it tells what somebody read: nothing of that is kept."""
    return text(event.get("RecordType")).lower() in READ


def told(event: Mapping[str, Any], body_hash: str) -> Report:
    """What one event says; `body_hash` tells it from others where it names itself by nothing."""
    record, whom = text(event.get("RecordType")), text(event.get("Email") or event.get("Recipient"))
    number = text(event.get("ID"))
    kind, words = _kind(record, event)
    return Report(
        key=f"{record}/{number}" if number else body_hash,
        findings=(Finding(kind, whom, "", words),),
        returned=Returned(recipients=(whom,) if whom else ()),
        feedback=kind is Kind.COMPLAINT,
        trusted=True,
    )


def _kind(record: str, event: Mapping[str, Any]) -> tuple[Kind, str]:
    sort, words = text(event.get("Type")), text(event.get("Details") or event.get("Description"))
    match record:
        case "Bounce":
            kind = _KINDS.get(sort, Kind.UNKNOWN)
            # What it calls hard may be a refusal of us in its own words (LM12).
            blamed = kind is Kind.HARD and kind_of_words("", words) is Kind.POLICY
            return (Kind.POLICY if blamed else kind), words or sort
        case "SpamComplaint":
            return Kind.COMPLAINT, words or sort
        case "SubscriptionChange":
            return _changed(event)
        case "Delivery":
            return Kind.RELAYED, record
    return Kind.UNKNOWN, f"{record or 'no'} event"


def _changed(event: Mapping[str, Any]) -> tuple[Kind, str]:
    """Postmark sends nothing more to an address; what its own people did by hand is no word of the recipient."""
    if event.get("SuppressSending") is not True:
        return Kind.UNKNOWN, "reactivated at Postmark"
    reason, origin = text(event.get("SuppressionReason")), text(event.get("Origin"))
    if reason == "ManualSuppression":
        left = origin == "Recipient"
        return (Kind.LEFT if left else Kind.UNKNOWN), f"suppressed at Postmark by {origin or 'somebody'}"
    return _REASONS.get(reason, Kind.UNKNOWN), f"suppressed at Postmark: {reason}"
