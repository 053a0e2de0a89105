"""What those hear of an embargo who have the words already: new words, a move, its end, a cancellation (EM3, E5)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from syndicator.model.delivery import Priority
from syndicator.model.release import NoticeKind, Release
from syndicator.press.rules import Rules
from syndicator.store import Tx, deliveries, releases


def tell(tx: Tx, release: Release, kind: NoticeKind, after: datetime | None, words: str = "") -> int:
    """Tell everyone who had an advance copy, or may have, in its thread; returns how many.

    A notice nobody has been sent yet is replaced: they hear of the last move alone, from where they knew it
    to be. Nobody had a copy: nothing is written.
    """
    if not deliveries.had(tx, release.id):
        return 0
    before = believed(tx, release)
    deliveries.cancel_notices(tx, release.id, "something newer is told of this embargo")
    notice = releases.add_notice(tx, release.id, kind, before, after, words)
    priority = Priority.KILL if kind is NoticeKind.CANCELLED else Priority.CORRECTION
    return deliveries.plan_notices(tx, release, notice, priority)


def believed(tx: Tx, release: Release) -> datetime | None:
    """When the embargo ends as far as those know who had a copy; None if there is none, or none had one."""
    for notice in reversed(releases.notices(tx, release.id)):
        if deliveries.was_told(tx, release, notice):
            return notice.after
    known = [one.version for one in deliveries.had(tx, release.id)]
    if not known:
        return None
    embargo = releases.version(tx, release.id, max(known)).embargo
    return embargo.until if embargo else None


def send_anew(tx: Tx, release: Release, rules: Rules) -> Release:
    """Send newly approved words to those who had others, and tell them of an end that was moved meanwhile.

    Returns the release with the instant its copies are due. Without an embargo that holds nothing is sent: at its
    release they get the item.
    """
    embargo = release.embargo
    if embargo is None or not embargo.holds(tx.now) or not deliveries.had(tx, release.id):
        return release
    if believed(tx, release) not in (None, embargo.until):
        tell(tx, release, NoticeKind.MOVED, embargo.until)
    due = tx.now + rules.undo
    if due >= embargo.until or not rules.tls_ok:
        return release
    sent = deliveries.plan_advances(tx, release, due, anew=True)
    return replace(release, advance=due) if sent else release
