"""What those hear who had a copy, once somebody stands for its next version (EM3)."""

from __future__ import annotations

from syndicator import embargo
from syndicator.model.release import NoticeKind, Release
from syndicator.store import Tx


def of_its_end(tx: Tx, release: Release) -> None:
    """Tell whoever had a copy of an end that was moved meanwhile; the words themselves are sent by `schedule`.

    Without an embargo that holds they are told to wait for the release, and get the item then.
    """
    known = embargo.knowledge(tx, release)
    if known is None or known.cancelled:
        return
    ends = release.embargo.until if release.embargo and release.embargo.holds(tx.now) else None
    if ends != known.until:
        embargo.tell(tx, release, NoticeKind.MOVED, ends)
