"""What is decided about a release: when it goes out, who has it before, that it does not go out at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from syndicator import publish
from syndicator.errors import Invalid, Refused
from syndicator.model.release import (
    Embargo,
    NoticeKind,
    Release,
    ReleaseState,
    in_zone,
    moved,
    release_instant,
)
from syndicator.press import told
from syndicator.press.rules import RULES, Rules
from syndicator.store import Tx, audit, deliveries, releases, stops

WALL = "%Y-%m-%d %H:%M"


def schedule(
    tx: Tx,
    uid: str,
    at: datetime | None,
    by: str = "",
    *,
    advance: datetime | bool = True,
    rules: Rules = RULES,
) -> Release:
    """Let it go out by itself at `at`, or at its embargo; never before the embargo.

    Under embargo, the accredited who subscribe to one of its topics get an advance copy when the undo window is
    over, or at `advance`, or (False) not at all. Raises Invalid for an instant that cannot be, Refused where
    mail may not carry what is under embargo (EM7).
    """
    held = releases.held_for_change(tx, uid)
    going = replace(moved(held, ReleaseState.SCHEDULED), at=release_instant(held, at, tx.now))
    release = releases.save(tx, _with_advances(tx, going, rules, advance=advance))
    act = "release.reschedule" if held.state is ReleaseState.SCHEDULED else "release.schedule"
    audit.record(tx, by, act, uid, was=held.at, at=release.at, advance=release.advance)
    return release


def reschedule(
    tx: Tx,
    uid: str,
    at: datetime,
    by: str = "",
    why: str = "",
    *,
    typed: Embargo | None = None,
    earlier: bool = False,
    rules: Rules = RULES,
) -> Release:
    """Let it go out at another instant, and move its embargo there too (`typed`: as it was written).

    It keeps its approval, for its words did not change. Advance copies not sent yet say the new instant, who had
    one is told in its thread. Raises Refused once it is public, and Invalid for an instant before the embargo
    unless `earlier`: others count on that.
    """
    held = releases.held_for_change(tx, uid)
    if held.state is ReleaseState.RELEASED:
        since = held.released or held.updated
        raise Refused(
            f"release {uid} is public since {since.isoformat(timespec='seconds')}: what is public cannot be put off; "
            f"`syndicator item correct` and `item withdraw` change it"
        )
    wanted = held.advance is not None or held.state is ReleaseState.APPROVED
    if held.embargo is None or not held.embargo.holds(tx.now) or at == held.embargo.until:
        return schedule(tx, uid, at, by, advance=wanted, rules=rules)
    if at < held.embargo.until and not earlier:
        raise Invalid(
            f"{at.isoformat()} is before the embargo ({held.embargo}), on which others count: say --earlier to move "
            f"the embargo itself there, or use `syndicator release lift {uid}`"
        )
    embargo = typed or _typed(held.embargo, at)
    release = _moved_embargo(tx, held, embargo, why, rules, wanted=wanted)
    audit.record(
        tx, by, "release.reschedule", uid, why, was=held.at or held.embargo.until, at=at, version=release.version
    )  # fmt: skip
    return release


def cancel(tx: Tx, uid: str, reason: str, by: str = "") -> Release:
    """It will not go out; the draft is kept as it was, and handing it in again brings it back.

    Advance copies that are not on the wire are stopped; who had one is told first of all.
    """
    held = releases.held_for_change(tx, uid)
    over = replace(moved(held, ReleaseState.CANCELLED), reason=reason or None, at=None, advance=None)
    stopped = deliveries.cancel_advances(tx, held.id, "the release was cancelled")
    stops.cancel_samples(tx, held.id, "the release was cancelled")
    knew = told.tell(tx, held, NoticeKind.CANCELLED, None, reason)
    if held.embargo:
        over = replace(over, moves=held.moves + 1)
    release = releases.save(tx, over)
    audit.record(tx, by, "release.cancel", uid, reason, was=held.state, stopped=stopped, told=knew)
    return release


def _moved_embargo(
    tx: Tx, held: Release, embargo: Embargo, why: str, rules: Rules, *, wanted: bool
) -> Release:
    """Another end is another version (security:E4): what was planned of the former one is cancelled with it."""
    shifted = replace(held, embargo=embargo, version=held.version + 1, moves=held.moves + 1)
    at = release_instant(shifted, embargo.until, tx.now)
    going = replace(moved(shifted, ReleaseState.SCHEDULED), at=at)
    deliveries.cancel_advances(tx, held.id, "its embargo was moved")
    release = releases.save(tx, going)
    told.tell(tx, release, NoticeKind.MOVED, embargo.until, why)
    in_time = held.advance is None or held.advance < embargo.until
    return releases.save(tx, _with_advances(tx, release, rules, advance=wanted and in_time))


def _with_advances(tx: Tx, release: Release, rules: Rules, *, advance: datetime | bool) -> Release:
    due = _advance_due(tx, release, rules, advance=advance)
    if due is None:
        deliveries.cancel_advances(tx, release.id, "no advance copies were wanted")
        return replace(release, advance=None)
    if deliveries.plan_advances(tx, release, due) and not rules.tls_ok:
        raise Refused(
            f"release {release.uid} is under embargo and mail.tls is none: set mail.tls to starttls or tls, "
            f"or say --no-advance"
        )
    # Who has it already keeps seeing it.
    sent = release.advance is not None and release.advance <= tx.now
    return release if sent else replace(release, advance=due)


def _advance_due(tx: Tx, release: Release, rules: Rules, *, advance: datetime | bool) -> datetime | None:
    """When advance copies are due, or None if there are none; raises Invalid for an instant that cannot be."""
    embargo = release.embargo
    if isinstance(advance, datetime):
        if embargo is None:
            raise Invalid(f"release {release.uid} has no embargo: nobody gets an advance copy of it")
        if not tx.now <= advance < embargo.until:
            raise Invalid(
                f"--advance {advance.isoformat()} is not between now ({tx.now.isoformat(timespec='seconds')}) "
                f"and the end of the embargo ({embargo})"
            )
        return advance
    if not advance or embargo is None or not publish.push_of(tx, release.upstream).allowed:
        return None
    ahead = release.advance is not None and release.advance > tx.now
    due = release.advance if ahead and release.advance else tx.now + rules.undo
    return due if due < embargo.until else None


def _typed(embargo: Embargo, at: datetime) -> Embargo:
    return Embargo(until=at, zone=embargo.zone, wall=f"{in_zone(at, embargo.zone):{WALL}}")
