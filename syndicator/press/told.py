"""What those hear of an embargo who have the words already: new words, a move, its end, a cancellation (EM3, E5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from syndicator.model.delivery import Priority
from syndicator.model.release import NoticeKind, Release
from syndicator.press.rules import Rules
from syndicator.store import Tx, deliveries, releases


@dataclass(frozen=True, slots=True)
class Known:
    """What those who had a copy know of its embargo: when it ends, or (None) that it is open or was cancelled."""

    until: datetime | None
    cancelled: bool = False

    def waits(self, now: datetime) -> bool:
        """Whether they hold back what they have, and must be told when they need not any more."""
        return not self.cancelled and (self.until is None or self.until > now)


def tell(tx: Tx, release: Release, kind: NoticeKind, after: datetime | None, words: str = "") -> int:
    """Tell everyone who had an advance copy, or may have, in its thread; returns how many.

    A notice nobody has been sent yet is replaced: they hear of the last move alone, from where they knew it
    to be. Nobody had a copy: nothing is written.
    """
    known = knowledge(tx, release)
    if known is None:
        return 0
    deliveries.cancel_notices(tx, release.id, "something newer is told of this embargo")
    notice = releases.add_notice(tx, release.id, kind, known.until, after, words)
    priority = Priority.KILL if kind is NoticeKind.CANCELLED else Priority.CORRECTION
    return deliveries.plan_notices(tx, release, notice, priority)


def knowledge(tx: Tx, release: Release) -> Known | None:
    """What those know who had a copy, or may have: by the last notice that left, else by the copy; None if nobody had one."""
    versions = [one.version for one in deliveries.had(tx, release.id)]
    if not versions:
        return None
    for notice in reversed(releases.notices(tx, release.id)):
        if deliveries.was_told(tx, release, notice):
            return Known(notice.after, notice.kind is NoticeKind.CANCELLED)
    embargo = releases.version(tx, release.id, max(versions)).embargo
    return Known(embargo.until if embargo else None)


def send_anew(tx: Tx, release: Release, rules: Rules) -> Release:
    """Send newly approved words to those who had others, and tell them of an end that was moved meanwhile.

    Returns the release with the instant its copies are due. Without an embargo that holds no copy is sent: they
    are told to wait for the release, and get the item then.
    """
    known = knowledge(tx, release)
    if known is None:
        return release
    ends = release.embargo.until if release.embargo and release.embargo.holds(tx.now) else None
    if ends != known.until and not known.cancelled:
        tell(tx, release, NoticeKind.MOVED, ends)
    due = tx.now + rules.undo
    if ends is None or due >= ends or not rules.tls_ok:
        return release
    sent = deliveries.plan_advances(tx, release, due, anew=True)
    return replace(release, advance=due) if sent else release
