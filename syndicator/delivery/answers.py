"""What the answers of other machines have in common: when to come again, and how to quote them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from syndicator.wire.exchange import Reply

GONE, TIMEOUT, TOO_EARLY, TOO_MANY = 410, 408, 425, 429


def is_final(status: int) -> bool:
    """Whether a 4xx will not change by coming again (RFC 9110 §15.5; 408, 425 and 429 ask for it)."""
    return 400 <= status < 500 and status not in (TIMEOUT, TOO_EARLY, TOO_MANY)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """What Retry-After asks for, in seconds or as a date (RFC 9110 §10.2.3); None if unreadable."""
    if not value:
        return None
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:8]))
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(aware - now, timedelta())


def said(reply: Reply) -> str:
    """The start of the answer, one printable line: enough to recognise an error page (S7)."""
    text = "".join(
        sign if sign.isprintable() else " " for sign in reply.body[:200].decode("utf-8", "replace")
    )
    return f": {text.strip()}" if text.strip() else ""
