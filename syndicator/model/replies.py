"""What a mail server's reply means: the outcome, and whose fault it is.

The code, the enhanced code (RFC 3463, RFC 5248) and the phase decide; a server's own words only where these
say too little (mail:SE6). A 5xx at the greeting or at MAIL is about us or the relay, at RCPT about the
recipient, after the dot about the letter (mail:SE7). Serves walk B.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from syndicator.model.outcomes import Cause, Outcome
from syndicator.model.phrases import DEAD_BEHIND_5_4_1, PAUSES, RULES

__all__ = ["Cause", "Phase", "asked_pause", "enhanced_of", "judge_reply"]


class Phase(StrEnum):
    """What was being said when the reply came."""

    CONNECT = "connect"  # the greeting, EHLO, STARTTLS, AUTH
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


# By the last two figures of an enhanced code: what the standards made them for.
BY_ENHANCED = {
    **dict.fromkeys(("1.1", "1.2", "1.3", "1.6", "1.10"), Cause.DEAD_ADDRESS),
    **dict.fromkeys(("1.7", "1.8"), Cause.POLICY),  # the sender's address
    "2.1": Cause.DISABLED,
    "2.2": Cause.FULL,
    "2.3": Cause.TOO_BIG,
    "3.1": Cause.BUSY,
    "3.2": Cause.BUSY,
    "3.4": Cause.TOO_BIG,
    "4.4": Cause.NO_MAIL,
    "5.3": Cause.THROTTLED,  # too many recipients
    **dict.fromkeys([f"6.{n}" for n in range(11) if n != 7], Cause.CONTENT),
    "6.7": Cause.UTF8,
    **dict.fromkeys(("7.8", "7.9", "7.11", "7.14", "7.60"), Cause.AUTH),
    **dict.fromkeys(("7.17", "7.18"), Cause.DEAD_ADDRESS),  # RFC 7293: the mailbox changed hands
}
BY_CODE = {
    **dict.fromkeys((530, 534, 535, 538), Cause.AUTH),
    **dict.fromkeys((521, 556), Cause.NO_MAIL),  # RFC 7504, RFC 7505
    552: Cause.FULL,
    **dict.fromkeys((550, 551, 553), Cause.DEAD_ADDRESS),
    **dict.fromkeys((450, 451, 452), Cause.BUSY),
}
# They pass, whatever figure the reply begins with.
PASSING = frozenset({Cause.FULL, Cause.GREYLISTED, Cause.THROTTLED, Cause.BUSY, Cause.RELAY, Cause.AUTH})
# What a refused MAIL may say of the letter; all else there is about us or the relay.
OF_THE_LETTER = frozenset({Cause.UTF8, Cause.TOO_BIG, Cause.CONTENT, Cause.AUTH})
CLOSING = 421
LONGEST_PAUSE = timedelta(hours=4)
_ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})\b")


def judge_reply(code: int, enhanced: str, words: str, phase: Phase) -> tuple[Outcome, Cause | None]:
    """The outcome and its cause, None where the letter was accepted.

    `enhanced` is the enhanced code ("5.1.1") or empty, `words` what was said, with or without it.

    >>> judge_reply(550, "5.1.1", "no such user", Phase.RCPT)
    (<Outcome.REFUSED: 'refused'>, <Cause.DEAD_ADDRESS: 'dead-address'>)
    """
    if code // 100 == 2:
        return Outcome.ACCEPTED, None
    cause = _cause(code, enhanced, words, phase)
    if phase is Phase.CONNECT:
        return Outcome.DEFERRED, cause if cause in (Cause.POLICY, Cause.AUTH) else Cause.RELAY
    if phase is Phase.MAIL and cause not in OF_THE_LETTER:
        return Outcome.DEFERRED, Cause.RELAY
    # A domain without a server may have one tomorrow: only two days of it are sure (mail:SE6).
    lost = cause is Cause.NO_MAIL and code not in (521, 556)
    passing = code // 100 == 4 or cause in PASSING or lost
    return Outcome.DEFERRED if passing else Outcome.REFUSED, cause


def enhanced_of(words: str) -> str:
    """The enhanced code a reply begins with, or the empty string."""
    found = _ENHANCED.match(words)
    return found[0] if found else ""


def asked_pause(words: str) -> timedelta | None:
    """The pause a reply asks for ("try again in 300 seconds"), four hours at most; None if it names none.

    >>> asked_pause("4.2.0 Greylisted, see you in 5 minutes")
    datetime.timedelta(seconds=300)
    """
    for pattern, seconds in PAUSES:
        if found := pattern.search(words):
            span = sum(int(figure) * unit for figure, unit in zip(found.groups(), seconds, strict=True))
            return min(timedelta(seconds=span), LONGEST_PAUSE)
    return None


def _cause(code: int, enhanced: str, words: str, phase: Phase) -> Cause:
    kind, _, detail = enhanced.partition(".")
    if code in (530, 534, 535, 538):
        return Cause.AUTH
    if code == CLOSING:
        return Cause.THROTTLED if detail.startswith("7.") and phase is not Phase.MAIL else Cause.RELAY
    if detail == "4.1" and DEAD_BEHIND_5_4_1.search(words):
        return Cause.DEAD_ADDRESS
    sure = BY_ENHANCED.get(detail)
    if sure is Cause.AUTH and phase not in (Phase.CONNECT, Phase.MAIL):
        sure = None  # others use these codes for what they think of the letter
    if sure:
        return _second_thought(sure, words)
    said = _said(words)
    if detail.startswith("7."):
        return _policy(kind, detail, said)
    return said or _by_code(code, detail, phase)


def _second_thought(sure: Cause, words: str) -> Cause:
    """5.1.1 and its like are said of senders who are turned away or too fast, too: not the recipient's fault."""
    said = _said(words) if sure in (Cause.DEAD_ADDRESS, Cause.DISABLED) else None
    return said if said in (Cause.POLICY, Cause.THROTTLED, Cause.GREYLISTED) else sure


def _policy(kind: str, detail: str, said: Cause | None) -> Cause:
    """X.7.x is about us, unless the words know better (greylisting, a rate, a mailbox that is gone)."""
    if said not in (None, Cause.POLICY, Cause.BUSY):
        return said
    if kind == "4" and said is not Cause.POLICY:
        return Cause.GREYLISTED if detail == "7.1" else Cause.THROTTLED
    return Cause.POLICY


def _said(words: str) -> Cause | None:
    return next((cause for cause, pattern in RULES if pattern.search(words)), None)


def _by_code(code: int, detail: str, phase: Phase) -> Cause:
    if code in BY_CODE and (not detail or detail in {"0.0", "1.0", "2.0"}):
        # After the dot nobody judges an address any more.
        dead = BY_CODE[code] is Cause.DEAD_ADDRESS
        return BY_CODE[code] if not dead or phase is Phase.RCPT else Cause.CONTENT
    return Cause.BUSY if code // 100 == 4 else Cause.OTHER
