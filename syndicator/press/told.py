"""New words for those who had others under embargo, once somebody stands for them (EM3)."""

from __future__ import annotations

from dataclasses import replace

from syndicator import embargo
from syndicator.model.release import NoticeKind, Release
from syndicator.press.rules import Rules
from syndicator.store import Tx, deliveries


def send_anew(tx: Tx, release: Release, rules: Rules) -> Release:
    """Send newly approved words to those who had others, and tell them of an end that was moved meanwhile.

    Returns the release with the instant its copies are due. Without an embargo that holds no copy is sent: they
    are told to wait for the release, and get the item then.
    """
    known = embargo.knowledge(tx, release)
    if known is None:
        return release
    ends = release.embargo.until if release.embargo and release.embargo.holds(tx.now) else None
    if ends != known.until and not known.cancelled:
        embargo.tell(tx, release, NoticeKind.MOVED, ends)
    due = tx.now + rules.undo
    if ends is None or due >= ends or not rules.tls_ok:
        return release
    sent = deliveries.plan_advances(tx, release, due, anew=True)
    return replace(release, advance=due) if sent else release
