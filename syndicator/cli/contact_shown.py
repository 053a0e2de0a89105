"""Somebody on the media list as text: what a person at the desk looks for, one line for each subscription."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from syndicator.cli import output, views
from syndicator.model.audience import Accreditation, Contact, Subscription, SubscriptionState
from syndicator.model.newsletter import WEEKDAYS


def lines(
    contact: Contact,
    tags: Sequence[str],
    subscriptions: Sequence[Subscription],
    accreditations: Sequence[Accreditation],
    now: datetime,
) -> dict[str, Any]:
    """Everything by its name, as `output.details` prints it; what is empty is left out there."""
    paused = contact.paused_until
    times = contact.times
    return {
        **views.contact(contact),
        "country": contact.country,
        "language": contact.language,
        "standing": contact.standing,
        "basis": contact.basis,
        "owner": contact.owner,
        "tags": list(tags),
        "notes": output.Lines(contact.notes.splitlines()),
        "hour": times.hour,
        "weekday": WEEKDAYS[times.weekday],
        "monthday": times.monthday,
        "nth": "last" if times.nth == 5 else times.nth,
        "capped": contact.capped,
        "text_only": contact.text_only,
        "paused_until": paused if paused and paused > now else None,
        "accredited": any(one.holds(now) for one in accreditations),
        "subscriptions": output.Lines(map(subscription, subscriptions)),
        "accreditations": output.Lines(map(accreditation, accreditations)),
    }


def subscription(one: Subscription) -> str:
    """What somebody subscribes to, or did, since when and by whose word."""
    words = f"{one.topic} {one.cadence}: "
    if one.state is SubscriptionState.ENDED:
        words += f"from {output.cell(one.created)} until {output.cell(one.ended)}"
        return f"{words}: {one.reason}" if one.reason else words
    words += f"{one.state} since {output.cell(one.created)}"
    return f"{words}, {one.consent}" if one.consent else words


def accreditation(one: Accreditation) -> str:
    """From when until when somebody saw what is under embargo, by whose leave."""
    words = f"since {output.cell(one.granted)} by {one.granted_by}: {one.agreement}"
    if one.ended:
        why = f": {one.reason}" if one.reason else ""
        return f"{words}; ended {output.cell(one.ended)}{why}"
    return f"{words}; until {output.cell(one.until)}" if one.until else words
