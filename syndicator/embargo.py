"""What those hear of an embargo who have the words already, whoever moves the release: the desk, or its origin (EM3, E5).

A change of the words, another end, a cancellation: each stops the advance copies that are not on the wire and tells
those who had one, in the transaction that makes it. `press` decides about our own releases by these, `ingest` about
what upstreams bring.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from syndicator.model.delivery import Priority
from syndicator.model.release import NoticeKind, Release, ReleaseState, moved
from syndicator.store import Tx, audit, deliveries, releases, stops


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
    version = deliveries.latest_had(tx, release.id)
    if version is None:
        return None
    for notice in reversed(releases.notices(tx, release.id)):
        if deliveries.was_told(tx, release, notice):
            return Known(notice.after, notice.kind is NoticeKind.CANCELLED)
    embargo = releases.version(tx, release.id, version).embargo
    return Known(embargo.until if embargo else None)


def change(tx: Tx, held: Release, changed: Release, why: str, by: str) -> Release:
    """Write another version of a release that its caller holds; nobody stands for it yet.

    `changed` is it with its new words, embargo and state. Advance copies of the former version are stopped
    (security:E4), saying `why`. Who goes by another end than the new one is told at once to hold back what they
    have; the new end they hear when somebody stands for it.
    """
    ends = changed.embargo.until if changed.embargo else None
    shifted = held.embargo is not None and held.embargo.until != ends
    stopped = deliveries.cancel_advances(tx, held.id, why)
    afresh = replace(changed, version=held.version + 1, moves=held.moves + shifted, advance=None)
    release = releases.save(tx, replace(afresh, approved_by=None, approved=None))
    knew = _hold_back(tx, release, ends)
    audit.record(
        tx, by, "release.edit", held.uid,
        version=release.version, was=held.state, embargo=ends, stopped=stopped, told=knew,
    )  # fmt: skip
    return release


def cancel(tx: Tx, uid: str, reason: str, by: str = "", why: str | None = None) -> Release:
    """It will not go out; the draft is kept as it was, and handing it in again brings it back.

    Advance copies that are not on the wire are stopped; who had one is told first of all, with the `reason`. `why`
    is what stands on record.
    """
    held = releases.held_for_change(tx, uid)
    over = replace(moved(held, ReleaseState.CANCELLED), reason=reason or None, at=None, advance=None)
    stopped = deliveries.cancel_advances(tx, held.id, "the release was cancelled")
    stops.cancel_samples(tx, held.id, "the release was cancelled")
    knew = tell(tx, held, NoticeKind.CANCELLED, None, reason)
    if held.embargo:
        over = replace(over, moves=held.moves + 1)
    release = releases.save(tx, over)
    audit.record(tx, by, "release.cancel", uid, why, was=held.state, stopped=stopped, told=knew)
    return release


def _hold_back(tx: Tx, release: Release, ends: datetime | None) -> int:
    """Tell those who go by another end that it does not hold; an end they still go by needs no word."""
    known = knowledge(tx, release)
    if known is None or known.cancelled or known.until is None:
        return 0
    if known.until != ends:
        return tell(tx, release, NoticeKind.MOVED, None)
    last = next(reversed(releases.notices(tx, release.id)), None)
    if last and last.kind is NoticeKind.MOVED:  # that it moved has not reached them, and it is back
        deliveries.cancel_notices(tx, release.id, "the embargo ends as they knew")
    return 0
