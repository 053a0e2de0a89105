"""Whose letter something is about, by what we signed alone, and the row that says so (mail:LM13, LM15).

A token in the address it came back to is believed before a Message-ID of ours, and that before the link to leave
by. What carries none of these is about no letter of ours, whatever it says: it is counted, and nothing follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from syndicator.bounces.reading import Report
from syndicator.bounces.reports import Finding
from syndicator.errors import Invalid
from syndicator.model.audience import Address
from syndicator.model.audience import address as mail_address
from syndicator.model.bounce import Kind
from syndicator.store import Tx, bounces, suppressions
from syndicator.store.bounces import Event, Sent

NOT_OURS = "about no letter of ours"
PERHAPS_OURS = 5  # addresses a report may name that are looked up


def _nobody(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """How we know our own hand again; values of the composition root.

    `delivery` reads the local part of an address bounces go to, `leaving` an address to leave by, `subscription` a
    link to leave by: each the row it names, or None if we did not sign it. `message_id` makes the Message-ID of a
    delivery's subject to its recipient; `leave` ends a subscription.
    """

    delivery: Callable[[str], int | None]
    message_id: Callable[[str, str], str]
    leave: Callable[[Tx, int], object]
    leaving: Callable[[str], int | None] = _nobody
    subscription: Callable[[str], int | None] = _nobody


@dataclass(frozen=True, slots=True)
class _Whose:
    delivery_id: int | None
    contact_id: int | None
    address: str = ""


def event_key(source: str, report: Report) -> str:
    """What makes a replay the same event."""
    return f"{source}/{report.key}"


def hold(tx: Tx, reports: Iterable[Report]) -> None:
    """Hold whoever these may be about, before one after the other is taken: two at once would wait for each other."""
    named = (_parsed(one) for report in reports for one in _people(report))
    suppressions.hold_contacts(tx, {one.key for one in named if one})


def take(tx: Tx, signs: Signs, report: Report, source: str) -> Kind:
    """Write down what came back, once, and draw what follows; what it was."""
    key = event_key(source, report)
    leaving = next((row for one in report.to if (row := signs.leaving(one)) is not None), None)
    if leaving is not None:
        whose = bounces.contact_of_subscription(tx, leaving)
        if bounces.record(tx, Event(key=key, source=source, kind=Kind.LEFT, contact_id=whose)):
            signs.leave(tx, leaving)
        return Kind.LEFT
    found = _whose(tx, signs, report)
    if found is None:
        kind = Kind.AUTO_REPLY if _is_auto(report.findings) else Kind.UNKNOWN
        bounces.record(tx, Event(key=key, source=source, kind=kind, detail=NOT_OURS))
        return kind
    finding = report.findings[0] if report.feedback else report.about(found.address)
    event = Event(
        key=key,
        source=source,
        kind=finding.kind,
        detail=finding.words,
        code=finding.code,
        contact_id=found.contact_id,
        delivery_id=found.delivery_id,
    )
    if bounces.record(tx, event) and finding.kind is Kind.LEFT and found.contact_id is not None:
        for row in bounces.live_subscriptions(tx, found.contact_id):
            signs.leave(tx, row)
    return finding.kind


def _whose(tx: Tx, signs: Signs, report: Report) -> _Whose | None:
    if report.tokens:
        keys = (signs.delivery(one) for one in report.tokens)
        row = next((key for key in keys if key is not None), None)
        letter = bounces.sent(tx, row) if row is not None else None
        # A token nobody signed is a forgery, whatever else is in the mail.
        return _as_whose(tx, letter) if letter else None
    ids = set(report.returned.message_ids)
    letters = [_sent_to(tx, one) for one in _people(report)] if ids or report.trusted else []
    letter = _one_of(signs, letters, ids)
    if letter is None and report.trusted:
        # A provider that gave it another Message-ID means the latest letter to them, or one like it.
        letter = next((sent[0] for sent in letters if sent), None)
    return _as_whose(tx, letter) if letter else _by_link(tx, signs, report)


def _people(report: Report) -> list[str]:
    named = [one.recipient for one in report.findings if one.recipient]
    return list(dict.fromkeys([*named, *report.returned.recipients]))[:PERHAPS_OURS]


def _one_of(signs: Signs, letters: Iterable[list[Sent]], ids: set[str]) -> Sent | None:
    return next((found for sent in letters if (found := _among(signs, sent, ids))), None)


def _sent_to(tx: Tx, typed: str) -> list[Sent]:
    """The latest letters to this address, newest first."""
    found = _parsed(typed)
    return bounces.sent_to(tx, found) if found else []


def _parsed(typed: str) -> Address | None:
    try:
        return mail_address(typed)
    except (Invalid, UnicodeError):
        return None


def _by_link(tx: Tx, signs: Signs, report: Report) -> _Whose | None:
    for link in report.returned.links:
        row = signs.subscription(link)
        contact_id = bounces.contact_of_subscription(tx, row) if row is not None else None
        if contact_id is not None:
            letters = bounces.sent_to_contact(tx, contact_id)
            letter = _among(signs, letters, set(report.returned.message_ids))
            return _Whose(letter.delivery_id if letter else None, contact_id, "")
    return None


def _among(signs: Signs, letters: Iterable[Sent], ids: set[str]) -> Sent | None:
    return next((one for one in letters if signs.message_id(one.subject, one.recipient) in ids), None)


def _as_whose(tx: Tx, letter: Sent) -> _Whose:
    return _Whose(letter.delivery_id, letter.contact_id, bounces.address_of(tx, letter))


def _is_auto(findings: Iterable[Finding]) -> bool:
    return any(one.kind is Kind.AUTO_REPLY for one in findings)
