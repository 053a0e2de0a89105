"""What Mailgun tells of a letter: failures, complaints, who left by its own link (mail:LM16). Pure.

It signs an instant and a token, and not a word of what it says. So a token is good for one event and its words alone: the caller
writes down which.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from syndicator.bounces.providers.fields import READ, mapping, message_ids, text, tokens
from syndicator.bounces.reading import Report
from syndicator.bounces.reports import Finding, Returned
from syndicator.errors import Refused
from syndicator.model.bounce import Kind, kind_of_report

SOURCE = "mailgun"
SKEW = timedelta(minutes=5)  # how far its clock may be ahead of ours
# It repeats an event for eight hours, and nothing says that a repeat is signed anew.
OLDEST = timedelta(hours=12)
WELL = frozenset({"accepted", "delivered", "stored"})
# Mailgun did not even try, because of what it remembers of the address.
_REMEMBERED = {
    "suppress-bounce": Kind.HARD,
    "suppress-complaint": Kind.COMPLAINT,
    "suppress-unsubscribe": Kind.LEFT,
}
_INSTANT = re.compile(r"[0-9]{1,11}", re.ASCII)
_TOKEN = re.compile(r"[\x21-\x7e]{16,200}", re.ASCII)


def token_of(said: Mapping[str, Any], key: str, now: datetime) -> str:
    """The token of what was posted; raises Refused unless it is signed with `key`, and not long ago."""
    given = mapping(said.get("signature"))
    instant, token, signature = (text(given.get(name)) for name in ("timestamp", "token", "signature"))
    made = hmac.new(key.encode(), f"{instant}{token}".encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(made.encode(), signature.lower().encode()):
        raise Refused("the signature is wrong: is bounces.mailgun_key the HTTP webhook signing key?")
    if not (_INSTANT.fullmatch(instant) and _TOKEN.fullmatch(token)):
        raise Refused("the signature is of no instant and token")
    signed = datetime.fromtimestamp(int(instant), UTC)
    if not now - OLDEST <= signed <= now + SKEW:
        raise Refused("the signature is too old, or from the future: look at this machine's clock")
    return token


def silent(event: Mapping[str, Any]) -> bool:
    """Whether it tells that all is well, or what somebody read: nothing of that is kept."""
    return text(event.get("event")) in WELL | READ


def told(event: Mapping[str, Any], body_hash: str) -> Report:
    """What one event says; `body_hash` tells it from others where it names itself by nothing."""
    headers = mapping(mapping(event.get("message")).get("headers"))
    whom, number = text(event.get("recipient")), text(event.get("id"))
    kind, code, words = _kind(event)
    return Report(
        # Its ids are unique within a day only.
        key=f"{number}/{_second(event.get('timestamp'))}" if number else body_hash,
        findings=(Finding(kind, whom, code, words),),
        returned=Returned(message_ids(headers.get("message-id")), recipients=(whom,) if whom else ()),
        tokens=tokens(mapping(event.get("envelope")).get("sender")),
        feedback=kind is Kind.COMPLAINT,
        trusted=True,
    )


def _second(value: object) -> str:
    return str(value)[:20] if isinstance(value, int | float) else text(value)[:20]


def _kind(event: Mapping[str, Any]) -> tuple[Kind, str, str]:
    sort = text(event.get("event"))
    match sort:
        case "failed":
            return _failed(event)
        case "complained":
            return Kind.COMPLAINT, "", "complaint reported through Mailgun"
        case "unsubscribed":
            return Kind.LEFT, "", "left by a link of Mailgun"
        case "rejected":
            return Kind.POLICY, "", text(mapping(event.get("reject")).get("reason")) or "rejected by Mailgun"
    return Kind.UNKNOWN, "", f"{sort or 'no'} event"


def _failed(event: Mapping[str, Any]) -> tuple[Kind, str, str]:
    status, reason = mapping(event.get("delivery-status")), text(event.get("reason"))
    said = text(status.get("message")) or text(status.get("description"))
    if reason in _REMEMBERED:
        return _REMEMBERED[reason], "", said or f"not sent by Mailgun: {reason}"
    lasting = text(event.get("severity")) == "permanent"
    if not lasting and reason != "old":
        return Kind.DELAYED, "", said or reason
    given = text(status.get("enhanced-code"))
    kind, code = kind_of_report("failed", given, f"{text(status.get('code'))} {said}".strip())
    if lasting and not (given or said):
        soft = text(status.get("bounce-type")) == "soft"
        kind = Kind.SOFT if soft else Kind.HARD
    elif kind is Kind.HARD and not lasting:
        kind = Kind.SOFT
    return kind, code, said or f"{reason or 'no'} failure"
