"""The moment a release becomes public: at its instant, by hand, or early. The one door to `publish` (EM3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syndicator import embargo, publish
from syndicator.errors import Invalid, NotFound, Refused
from syndicator.model.item import Item
from syndicator.model.release import NoticeKind, Release, ReleaseState, moved
from syndicator.observe import logger
from syndicator.press.rules import RULES, Rules
from syndicator.store import Store, Tx, audit, deliveries, releases

log = logger("press")
WORKER = "worker"  # the actor of what goes by itself
NO_UNDO = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What one round of `release_due` did; `behind` names a host clock that cannot be trusted.

    `failed` are uids of releases that are due and cannot become items as they are.
    """

    items: tuple[Item, ...] = ()
    failed: tuple[str, ...] = ()
    missed: int = 0
    behind: str | None = None


def publish_now(
    tx: Tx, uid: str, by: str = "", undo: timedelta = NO_UNDO, *, why: str = "", rules: Rules = RULES
) -> Release:
    """Make an approved or held release public at once, or after `undo`; raises Refused while its embargo or date holds.

    In the undo window it is scheduled, and `cancel` stops page, feed and mail together (ADR 30).
    """
    held = releases.held_for_change(tx, uid)
    if held.state is ReleaseState.HELD and held.at and held.at > tx.now:
        raise Refused(
            f"release {uid} is dated {held.at.isoformat(timespec='seconds')} and goes out by itself then; "
            f"to let it out early use `syndicator release lift {uid}`"
        )
    if held.embargo and held.embargo.holds(tx.now):
        raise Refused(
            f"release {uid} is under embargo until {held.embargo}; schedule it, or end the embargo with `syndicator release lift {uid}`"
        )
    if undo:
        return _go_soon(tx, held, by, undo, why)
    _release(tx, held, by, "release.publish", why, rules=rules)
    return releases.named(tx, uid)


def lift(tx: Tx, uid: str, by: str = "", why: str = "", *, rules: Rules = RULES) -> Item:
    """End an embargo early: public now, with everything that follows. What was typed stays on record.

    Everyone who had an advance copy is told that the embargo is over.
    """
    return _release(tx, releases.held_for_change(tx, uid), by, "release.lift", why, rules=rules)


def release_due(store: Store, rules: Rules = RULES, by: str = WORKER) -> Released:
    """Make public whatever is due by the store's clock, one transaction each; never early, never twice.

    A host clock that jumped back stops lifts until it has caught up: better late than early twice.
    """
    done: list[Item] = []
    failed: dict[int, str] = {}
    while True:
        release: Release | None = None
        try:
            with store.begin() as tx:
                if tx.clock_behind:
                    words = f"the host clock is {tx.clock_behind} behind: no release until it is right"
                    return Released(items=tuple(done), failed=tuple(failed.values()), behind=words)
                release = releases.take_next_due(tx, failed)
                if release is None:
                    return Released(items=tuple(done), failed=tuple(failed.values()), missed=_miss(tx, by))
                item = _release(tx, release, by, "release.release", rules=rules)
                moment = tx.moment()
        except (Invalid, NotFound, Refused) as fault:  # its uid is taken, its topic gone: the others go out
            if release is None:
                raise
            failed[release.id] = release.uid
            log.warning("not released", uid=release.uid, fault=str(fault))
            continue
        done.append(item)
        log.info("released", uid=item.uid, late_seconds=_lateness(release, moment))


def next_release(tx: Tx) -> datetime | None:
    """When the next release goes out by itself, or None."""
    return releases.next_at(tx)


def _go_soon(tx: Tx, held: Release, by: str, undo: timedelta, why: str) -> Release:
    moved(held, ReleaseState.RELEASED)  # or it is refused at once, and not when the window is over
    soon = min(held.at or tx.now + undo, tx.now + undo)
    # What is held goes out by itself at its date; everything else is scheduled.
    going = held if held.state is ReleaseState.HELD else moved(held, ReleaseState.SCHEDULED)
    release = releases.save(tx, replace(going, at=max(soon, tx.now)))
    audit.record(tx, by, "release.publish", held.uid, why, was=held.state, at=release.at)
    return release


def _release(tx: Tx, release: Release, by: str, act: str, why: str = "", *, rules: Rules) -> Item:
    """The one door from release to item. An incoming item keeps its own date, if it has gone by."""
    out = replace(moved(release, ReleaseState.RELEASED), released=tx.now)
    known = embargo.knowledge(tx, release)
    item = publish.publish(
        tx,
        release.uid,
        release.content,
        published=min(release.published or tx.now, tx.now),
        upstream=release.upstream,
        push=publish.push_of(tx, release.upstream),
        carry=lambda item: deliveries.carry_over(tx, release, item, again=rules.advance_again),
    )
    if known and known.waits(tx.now):
        embargo.tell(tx, release, NoticeKind.LIFTED, tx.now, why)
    releases.save(tx, out)
    late = _lateness(release, tx.moment()) if by == WORKER else None  # whatever it waited for counts
    audit.record(tx, by, act, release.uid, why, was=release.state, at=release.at, late_seconds=late)
    return item


def _lateness(release: Release, moment: datetime) -> float:
    return round((moment - release.at).total_seconds(), 3) if release.at else 0.0


def _miss(tx: Tx, by: str) -> int:
    count = 0
    while release := releases.take_next_missed(tx):
        why = "its embargo went by without approval and schedule"
        deliveries.cancel_advances(tx, release.id, why)
        known = embargo.knowledge(tx, release)
        if known and known.until and not known.cancelled:
            embargo.tell(tx, release, NoticeKind.MOVED, None)  # they would go by its end, and it is not out
        releases.save(tx, replace(moved(release, ReleaseState.MISSED), reason=why, advance=None))
        audit.record(tx, by, "release.miss", release.uid, why, was=release.state)
        log.warning("missed", uid=release.uid)
        count += 1
    return count
