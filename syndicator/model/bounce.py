"""What came back, and what it says of an address: the kinds, and when an address is given up (mail:LM11, LM12). Pure.

A reply at RCPT and a report hours later are judged by the same rules (`replies`). Whose bounce it is, and whether it
is one at all, is found out in `bounces`; what follows is written by `store.bounces`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from syndicator.model.outcomes import Cause
from syndicator.model.replies import Phase, judge_reply


class Kind(StrEnum):
    """What sort of news of a letter came back."""

    HARD = "hard"  # there is no such address
    SOFT = "soft"  # it took nothing this time: full, away, out of reach
    POLICY = "policy"  # about us or our words: the recipient is never scored for it (LM12)
    COMPLAINT = "complaint"  # the recipient reported it as unwanted
    NOT_SPAM = "not-spam"  # the recipient took such a report back
    DELAYED = "delayed"  # still being tried: no bounce
    AUTO_REPLY = "auto-reply"  # somebody is away: no bounce (LM14)
    RELAYED = "relayed"  # delivered, relayed or expanded: no bounce
    LEFT = "left"  # somebody leaves by mail (LM8)
    UNKNOWN = "unknown"  # not understood, or about no letter of ours


SCORING = frozenset({Kind.HARD, Kind.SOFT})
HARD_DAYS, SOFT_DAYS, SOFT_SPAN = 2, 5, timedelta(days=10)
QUIET = timedelta(days=7)  # without a bounce after a letter that was taken: what was before is forgotten
# What RFC 3463 says of a mailbox that is no more; said to our face, once is enough.
SURE = frozenset({"5.1.1", "5.1.6", "5.1.10"})

# What large mailbox providers bear of a day's letters, and what they never do (mail:SE19).
UNEASY, UNBEARABLE = 0.001, 0.003
FEW = 3  # complaints that a small list may have of a bad day

_OF_CAUSE = {
    Cause.DEAD_ADDRESS: Kind.HARD,
    Cause.DISABLED: Kind.HARD,
    Cause.NO_MAIL: Kind.HARD,
    Cause.FULL: Kind.SOFT,
    Cause.BUSY: Kind.SOFT,
    Cause.GREYLISTED: Kind.SOFT,
    Cause.RELAY: Kind.SOFT,
    Cause.OTHER: Kind.SOFT,
}
_FAILED = frozenset({"failed", "failure"})  # the latter is of no standard, and yet said
_ACTIONS = {
    "delayed": Kind.DELAYED,
    **dict.fromkeys(("delivered", "relayed", "expanded"), Kind.RELAYED),
}
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?=[ -])")
_NOTHING_SAID = frozenset({"4.0.0", "5.0.0"})


@dataclass(frozen=True, slots=True)
class Strike:
    """One bounce that counts. `sure`: said to our face, in a way that leaves no doubt."""

    kind: Kind
    at: datetime
    sure: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """How an address stands: on how many separate days (UTC) it bounced, and whether it is given up."""

    hard_days: int = 0
    days: int = 0
    given_up: bool = False


def kind_of_cause(cause: Cause | None, *, final: bool = True) -> Kind:
    """What a refusal for this cause says of the address; `final`: its code begins with 5."""
    kind = _OF_CAUSE.get(cause, Kind.POLICY) if cause else Kind.SOFT
    return Kind.SOFT if kind is Kind.HARD and not final else kind


def kind_of_report(action: str, status: str, words: str) -> tuple[Kind, str]:
    """The kind and the enhanced code of one recipient's fields in a report (RFC 3464 §2.3).

    `words` are those of the Diagnostic-Code; where Status says nothing ("5.0.0") the code in them counts.

    >>> kind_of_report("failed", "5.1.1", "smtp; 550 5.1.1 no such user")
    (<Kind.HARD: 'hard'>, '5.1.1')
    """
    code, said = _code(status, words), action.strip().lower()
    if said not in _FAILED:
        return _ACTIONS.get(said, Kind.UNKNOWN), code
    return kind_of_words(code, words or status), code


def kind_of_words(code: str, words: str) -> Kind:
    """What a failure with this enhanced code and these words says of the address."""
    said = _CODE.search(words)
    basic = int(said[1]) if said else 400 if code.startswith("4") else 500
    if said and code and said[1][0] != code[0]:  # a 450 that was given up after days says 5.4.7, and the like
        basic = int(code[0]) * 100
    plain = words[said.end() :].strip() if said else words
    _, cause = judge_reply(basic, code, plain, Phase.RCPT)
    return kind_of_cause(cause, final=not code.startswith("4") and basic >= 500)


def score(strikes: Iterable[Strike], accepted: Sequence[datetime], now: datetime) -> Score:
    """How an address stands at `now`; `accepted` are the instants at which a letter to it was taken.

    Given up: at the first sure one; after hard ones on two separate days; after any on five separate days that
    lie ten days apart or more. A letter that was taken and seven days without a bounce wipe out what was before.
    """
    kept = counting(strikes, accepted, now)
    if not kept:
        return Score()
    days = {one.at.date() for one in kept}
    hard = {one.at.date() for one in kept if one.kind is Kind.HARD}
    worn = len(days) >= SOFT_DAYS and kept[-1].at - kept[0].at >= SOFT_SPAN
    sure = any(one.sure for one in kept)
    return Score(len(hard), len(days), given_up=sure or len(hard) >= HARD_DAYS or worn)


def counting(strikes: Iterable[Strike], accepted: Sequence[datetime], now: datetime) -> list[Strike]:
    """Those of these strikes that still count at `now`, in order: what was calm since is forgotten."""
    kept: list[Strike] = []
    for strike in sorted((one for one in strikes if one.kind in SCORING), key=lambda one: one.at):
        if kept and _calm(accepted, kept[-1].at, strike.at):
            kept.clear()
        kept.append(strike)
    return [] if kept and _calm(accepted, kept[-1].at, now) else kept


def _calm(accepted: Sequence[datetime], since: datetime, until: datetime) -> bool:
    return any(since <= taken and taken + QUIET <= until for taken in accepted)


def _code(status: str, words: str) -> str:
    given = _STATUS.search(status)
    told = _STATUS.search(words)
    if given and given[0] not in _NOTHING_SAID:
        return given[0]
    return told[0] if told else (given[0] if given else "")
