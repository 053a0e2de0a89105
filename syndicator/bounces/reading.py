"""What a mail that came back says, read in one order: abuse report, delivery status, words (mail:LM13). Pure.

Whose letter it is about is not decided here: the report carries all that may show it, and `taking` believes only
what we signed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from email.message import Message

from syndicator.bounces import heuristics, reports
from syndicator.bounces.message import MOST_BYTES, Tick, addresses, field, opened
from syndicator.bounces.reports import Finding, Returned
from syndicator.model.bounce import Kind

# Where servers write the address a mail was really sent to, the surest first.
ENVELOPE = (
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "To",
    "Cc",
    "Apparently-To",
    "Resent-To",
)
NOTHING = Returned()
WORST_FIRST = (
    Kind.RELAYED,
    Kind.HARD,
    Kind.POLICY,
    Kind.SOFT,
    Kind.DELAYED,
    Kind.UNKNOWN,
)
_FAR = re.compile(rb"(?i)\bb\+[a-z2-7]{18,29}@")
MOST_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Report:
    """A mail that came back: what it says of whom, and what may show whose letter it is about.

    `to` are the addresses it was sent to, `tokens` local parts that may be of ours, `key` the same for the same bytes.
    `trusted`: a provider that proved who it is says so, and need not show a sign of ours.
    """

    key: str
    findings: tuple[Finding, ...]
    returned: Returned = NOTHING
    to: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    feedback: bool = False
    trusted: bool = False

    def about(self, address: str) -> Finding:
        """What it says of one recipient; one who forwards to several is not dead while one of those takes mail."""
        own = [one for one in self.findings if one.recipient.lower() == address.lower()]
        ranked = sorted(own or self.findings, key=_rank)
        return ranked[0] if ranked else Finding(Kind.UNKNOWN)


def understood(raw: bytes, tick: Tick) -> Report:
    """Read a mail; never raises, whatever is in it."""
    message = opened(raw, tick)
    senders: tuple[str, ...] = ()
    feedback = reports.complaint(message)
    if feedback:
        findings, senders = [feedback[0]], feedback[1]
    else:
        findings = reports.statuses(message) or _by_words(message, raw, tick)
    came_back = reports.returned(message)
    to = tuple(addresses(message, *ENVELOPE))
    return Report(
        key=hashlib.sha256(raw[:MOST_BYTES]).hexdigest(),
        findings=tuple(findings),
        returned=replace(came_back, senders=(*senders, *came_back.senders)),
        to=to,
        tokens=_tokens([*to, *senders, *came_back.senders], raw),
        feedback=feedback is not None,
    )


def _by_words(message: Message, raw: bytes, tick: Tick) -> list[Finding]:
    if heuristics.automatic(message):
        return [Finding(Kind.AUTO_REPLY)]
    found = heuristics.failures(raw, tick)
    if found:
        return found
    quiet = field(message, "Return-Path") == "<>"
    return [Finding(Kind.AUTO_REPLY if quiet else Kind.UNKNOWN)]


def _tokens(known: Iterable[str], raw: bytes) -> tuple[str, ...]:
    """Local parts that may be tokens, those of headers before those that stand anywhere in it."""
    far = [found[:-1].decode("ascii") for found in _FAR.findall(raw[:MOST_BYTES])[:MOST_TOKENS]]
    near = [one.rpartition("@")[0] for one in known]
    return tuple(dict.fromkeys(one for one in (*near, *far) if one.lower().startswith("b+")))[:MOST_TOKENS]


def _rank(finding: Finding) -> int:
    return WORST_FIRST.index(finding.kind) if finding.kind in WORST_FIRST else -1
