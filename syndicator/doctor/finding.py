"""What an examination finds, in words for whoever can mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from syndicator.errors import SyndicatorError


class State(StrEnum):
    """How a check ended; a `warn` works today and may not tomorrow, only a `fail` is an error."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found in one line, and what to do about it (empty when nothing is)."""

    check: str
    state: State
    words: str
    advice: str = ""


def ok(check: str, words: str) -> Finding:
    """All is well."""
    return Finding(check, State.OK, words)


def warn(check: str, words: str, advice: str) -> Finding:
    """It works, and somebody should look at it."""
    return Finding(check, State.WARN, words, advice)


def fail(check: str, words: str, advice: str) -> Finding:
    """It does not work, or receivers will refuse what is sent."""
    return Finding(check, State.FAIL, words, advice)


def skipped(check: str, words: str, advice: str = "") -> Finding:
    """It was not looked at, and why."""
    return Finding(check, State.SKIPPED, words, advice)


def guarded(check: str, work: Callable[[], Iterable[Finding]], advice: str) -> Iterator[Finding]:
    """What `work` finds; an expected error on the way is a failure of this check, and others go on."""
    try:
        yield from work()
    except SyndicatorError as fault:
        yield fail(check, str(fault), advice)
