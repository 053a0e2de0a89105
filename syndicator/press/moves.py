"""What is decided about a release: when it goes out, who has it before, that it does not go out at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from syndicator import publish
from syndicator.embargo import cancel as cancel_release
from syndicator.embargo import tell
from syndicator.errors import Refused
from syndicator.model.release import (
    Embargo,
    NoticeKind,
    Release,
    ReleaseState,
    in_zone,
    moved,
    refuse_past,
    release_instant,
)
from syndicator.press.rules import RULES, Rules
from syndicator.store import Tx, audit, deliveries, releases

WALL = "%Y-%m-%d %H:%M"
SCHEDULES = ("release.schedule", "release.reschedule")  # acts that say what holds of advance copies


def schedule(
    tx: Tx,
    uid: str,
    at: datetime | None,
    by: str = "",
    *,
    advance: datetime | bool | None = None,
    why: str = "",
    rules: Rules = RULES,
) -> Release:
    """Let it go out by itself at `at`, or at its embargo; never before the embargo. `why` is on record.

    Under embargo, the accredited who subscribe to one of its topics get an advance copy when the undo window is
    over (True), or at `advance`, or (False) not at all; None is what was said before, else True. Whoever had other
    words gets these, and hears of an end that was moved. With nothing changed it is no move, but who was accredited
    since gets a copy. Raises Refused for an instant that cannot be, and where mail may not carry what is under
    embargo (EM7).
    """
    held = releases.held_for_change(tx, uid)
    planned = held.at if held.state is ReleaseState.SCHEDULED else None
    going = replace(moved(held, ReleaseState.SCHEDULED), at=release_instant(held, at or planned, tx.now))
    wish = _said_before(tx, going) if advance is None else advance
    waiting = deliveries.advances_waiting(tx, held)
    release = _with_advances(tx, going, rules, advance=wish)
    if release == held:  # no move; who was accredited since gets a copy all the same
        if new := deliveries.advances_waiting(tx, held) - waiting:
            audit.record(tx, by, "release.advance", uid, copies=new)
        return held
    release = releases.save(tx, release)
    act = "release.reschedule" if held.state is ReleaseState.SCHEDULED else "release.schedule"
    said = wish if isinstance(wish, bool) else None
    audit.record(tx, by, act, uid, why, was=held.at, at=release.at, advance=release.advance, copies=said)
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
    one is told in its thread. Raises Refused once it is public, and for an instant before the embargo unless
    `earlier`: others count on that.
    """
    held = releases.held_for_change(tx, uid)
    if held.state is ReleaseState.RELEASED:
        since = held.released or held.updated
        raise Refused(
            f"release {uid} is public since {since.isoformat(timespec='seconds')}: what is public cannot be put off; "
            f"`syndicator item correct` and `item withdraw` change it"
        )
    moved(held, ReleaseState.SCHEDULED)  # or it is refused for what it is, not for its instant
    if at < tx.now:
        refuse_past(held, at, tx.now)
    if held.embargo is None or not held.embargo.holds(tx.now) or at == held.embargo.until:
        return schedule(tx, uid, at, by, why=why, rules=rules)
    if at < held.embargo.until and not earlier:
        raise Refused(
            f"{at.isoformat()} is before the embargo ({held.embargo}), on which others count: say --earlier to move "
            f"the embargo itself there, or use `syndicator release lift {uid}`"
        )
    embargo = typed or _typed(held.embargo, at)
    release = _moved_embargo(tx, held, embargo, why, rules)
    audit.record(
        tx, by, "release.reschedule", uid, why, was=held.at or held.embargo.until, at=at, version=release.version
    )  # fmt: skip
    return release


def cancel(tx: Tx, uid: str, reason: str, by: str = "") -> Release:
    """It will not go out; whoever had a copy is told. See `embargo.cancel`; the reason stands on record."""
    return cancel_release(tx, uid, reason, by, reason)


def _moved_embargo(tx: Tx, held: Release, embargo: Embargo, why: str, rules: Rules) -> Release:
    """Another end is another version (security:E4): what was planned of the former one is cancelled with it."""
    shifted = replace(held, embargo=embargo, version=held.version + 1, moves=held.moves + 1)
    at = release_instant(shifted, embargo.until, tx.now)
    going = replace(moved(shifted, ReleaseState.SCHEDULED), at=at)
    deliveries.cancel_advances(tx, held.id, "its embargo was moved")
    release = releases.save(tx, going)
    tell(tx, release, NoticeKind.MOVED, embargo.until, why)
    return releases.save(tx, _with_advances(tx, release, rules, advance=_said_before(tx, release)))


def _said_before(tx: Tx, release: Release) -> datetime | bool:
    """What holds of its advance copies where nothing new is said: an instant to come, or whether there are any.

    An edit takes the release's own instant away, but not what was decided: it is on record.
    """
    ends, due = release.embargo.until if release.embargo else None, release.advance
    if due is None and (last := _last_said(tx, release.uid)):
        if last.get("copies") is False:
            return False
        due = datetime.fromisoformat(last["advance"]) if "advance" in last else None
    if ends is None or due is None or due <= tx.now:
        return True
    return due if due < ends else False


def _last_said(tx: Tx, uid: str) -> Mapping[str, Any]:
    acts = [one.detail for one in audit.listing(tx, subject=uid) if one.act in SCHEDULES]
    return next((one for one in reversed(acts) if "copies" in one or "advance" in one), {})


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
    """When advance copies are due, or None if there are none; raises Refused for an instant that cannot be."""
    embargo = release.embargo
    if isinstance(advance, datetime):
        if embargo is None:
            raise Refused(f"release {release.uid} has no embargo: nobody gets an advance copy of it")
        if not tx.now <= advance < embargo.until:
            raise Refused(
                f"--advance {advance.isoformat()} is not between now ({tx.now.isoformat(timespec='seconds')}) "
                f"and the end of the embargo ({embargo})"
            )
        return advance
    if not advance or embargo is None or not publish.push_of(tx, release.upstream).allowed:
        return None
    due = tx.now + rules.undo
    return due if due < embargo.until else None


def _typed(embargo: Embargo, at: datetime) -> Embargo:
    return Embargo(until=at, zone=embargo.zone, wall=f"{in_zone(at, embargo.zone):{WALL}}")
