"""What Amazon SES tells of a letter through SNS: bounces, complaints, delays (mail:LM16). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from syndicator.bounces.providers.fields import READ, listed, mapping, message_ids, text, tokens
from syndicator.bounces.reading import Report
from syndicator.bounces.reports import Finding, Returned
from syndicator.model.bounce import Kind, kind_of_report

SOURCE = "ses"
# Transient for reasons that are about the letter or about us.
OURS = frozenset({"MessageTooLarge", "ContentRejected", "AttachmentRejected"})
NO_COMPLAINT = frozenset({"auth-failure"})


def silent(event: Mapping[str, Any]) -> bool:
    """Whether it tells what somebody read: nothing of that is kept."""
    return _sort(event).lower() in READ


def told(event: Mapping[str, Any], message_id: str) -> Report:
    """What one event says; `message_id` is that of the SNS message it came in."""
    sort = _sort(event)
    mail = mapping(event.get("mail"))
    match sort:
        case "Bounce":
            findings = list(_bounced(mapping(event.get("bounce"))))
            key = text(mapping(event.get("bounce")).get("feedbackId"))
        case "Complaint":
            complaint = mapping(event.get("complaint"))
            findings, key = [_complained(complaint)], text(complaint.get("feedbackId"))
        case "DeliveryDelay":
            findings, key = [_about(mail, Kind.DELAYED, sort)], ""
        case "Delivery":
            findings, key = [_about(mail, Kind.RELAYED, sort)], ""
        case _:
            findings, key = [_about(mail, Kind.UNKNOWN, f"{sort or 'no'} event")], ""
    named = listed(mail.get("destination"))
    return Report(
        key=key or message_id,
        findings=tuple(findings),
        returned=Returned(message_ids=_ids(mail), recipients=tuple(map(text, named))),
        tokens=tokens(mail.get("source")),
        feedback=sort == "Complaint",
        trusted=True,
    )


def _sort(event: Mapping[str, Any]) -> str:
    return text(event.get("notificationType") or event.get("eventType"))


def _bounced(bounce: Mapping[str, Any]) -> Iterator[Finding]:
    final, sub = text(bounce.get("bounceType")) == "Permanent", text(bounce.get("bounceSubType"))
    for one in listed(bounce.get("bouncedRecipients")):
        fields = mapping(one)
        words = text(fields.get("diagnosticCode")).partition(";")
        said = words[2].strip() or words[0]
        kind, code = kind_of_report("failed", text(fields.get("status")), said)
        if sub in OURS:
            kind = Kind.POLICY
        elif not said and final:
            kind = Kind.HARD
        elif kind is Kind.HARD and not final:
            kind = Kind.SOFT
        yield Finding(kind, text(fields.get("emailAddress")), code, said or f"{sub or 'no'} bounce")


def _complained(complaint: Mapping[str, Any]) -> Finding:
    sort = text(complaint.get("complaintFeedbackType"))
    whom = next(
        (text(mapping(one).get("emailAddress")) for one in listed(complaint.get("complainedRecipients"))), ""
    )
    kind = Kind.NOT_SPAM if sort == "not-spam" else Kind.UNKNOWN if sort in NO_COMPLAINT else Kind.COMPLAINT
    return Finding(kind, whom, "", f"{sort or 'complaint'} reported through SES")


def _about(mail: Mapping[str, Any], kind: Kind, words: str) -> Finding:
    return Finding(kind, next(map(text, listed(mail.get("destination"))), ""), "", words)


def _ids(mail: Mapping[str, Any]) -> tuple[str, ...]:
    """Message-IDs of ours: SES puts its own on the wire, and keeps those of the letter it was given."""
    headers = (mapping(one) for one in listed(mail.get("headers")))
    written = [one.get("value") for one in headers if text(one.get("name")).lower() == "message-id"]
    return message_ids(mapping(mail.get("commonHeaders")).get("messageId"), *written)
