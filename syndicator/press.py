"""Releases: draft, approve, schedule, publish, cancel — and what goes out when its instant comes.

Nothing here is public until `release_due` or `publish_now` hands it to `publish` in one transaction:
page, feed and mail duty appear together or not at all (walk B). A release nobody approved never goes
by itself: at its embargo it becomes *missed*.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from syndicator import publish
from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.item import Content, Item
from syndicator.model.release import Embargo, Release, ReleaseState, moved, release_instant
from syndicator.observe import logger
from syndicator.store import Store, Tx, items, releases, topics

log = logger("press")


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What one round of `release_due` did; `behind` names a host clock that cannot be trusted.

    `failed` are uids of releases that are due and cannot become items as they are.
    """

    items: tuple[Item, ...] = ()
    failed: tuple[str, ...] = ()
    missed: int = 0
    behind: str | None = None


def draft(tx: Tx, uid: str, content: Content, embargo: Embargo | None, *, base: str | None = None) -> Release:
    """Make a draft, or a new version of the one with this uid; an approved one is a draft again.

    `base` is the version the words were made from; raises Conflict if somebody changed it since, or
    if the uid is public already.
    """
    # First the release, then its topics, as whoever makes it public.
    held = releases.held_for_change(tx, uid) if releases.find(tx, uid) else None
    content = topics.file_under(tx, content)
    items.check_spokesperson(tx, content.spokesperson)
    if held is None:
        _refuse_public(tx, uid)
        return releases.add(tx, uid, content, embargo=embargo)
    if base and base != held.base:
        raise Conflict(
            f"release {uid} is now version {held.version} ({held.base}), yours was made from {base}: fetch it anew with `syndicator release show {uid}`"
        )
    if held.content == content and held.embargo == embargo:
        return held
    back = held if held.state is ReleaseState.DRAFT else moved(held, ReleaseState.DRAFT)
    changed = replace(
        back, content=content, embargo=embargo, version=held.version + 1, approved_by=None, at=None
    )
    return releases.save(tx, changed)


def approve(tx: Tx, uid: str, by: str) -> Release:
    """Somebody stands for these words; only what is approved can be scheduled or published."""
    held = releases.held_for_change(tx, uid)
    return releases.save(tx, replace(moved(held, ReleaseState.APPROVED), approved_by=by))


def schedule(tx: Tx, uid: str, at: datetime | None) -> Release:
    """Let it go out by itself at `at`, or at its embargo; never before the embargo."""
    held = releases.held_for_change(tx, uid)
    going = moved(held, ReleaseState.SCHEDULED)
    return releases.save(tx, replace(going, at=release_instant(held, at, tx.now)))


def publish_now(tx: Tx, uid: str) -> Item:
    """Make an approved or held release public at once; raises Refused while its embargo or date holds."""
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
    return _release(tx, held)


def lift(tx: Tx, uid: str) -> Item:
    """End an embargo early: public now, with everything that follows. What was typed stays on record."""
    return _release(tx, releases.held_for_change(tx, uid))


def cancel(tx: Tx, uid: str, reason: str) -> Release:
    """It will not go out; the draft is kept as it was."""
    held = releases.held_for_change(tx, uid)
    return releases.save(tx, replace(moved(held, ReleaseState.CANCELLED), reason=reason or None, at=None))


def release_due(store: Store) -> Released:
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
                    return Released(items=tuple(done), failed=tuple(failed.values()), missed=_miss(tx))
                item, moment = _release(tx, release), tx.now
        except (Invalid, NotFound, Refused) as fault:  # its uid is taken, its topic gone: the others go out
            if release is None:
                raise
            failed[release.id] = release.uid
            log.warning("not released", uid=release.uid, fault=str(fault))
            continue
        done.append(item)
        late = (moment - release.at).total_seconds() if release.at else 0.0
        log.info("released", uid=item.uid, slug=item.slug, late_seconds=round(late, 3))


def next_release(tx: Tx) -> datetime | None:
    """When the next release goes out by itself, or None."""
    return releases.next_at(tx)


def _release(tx: Tx, release: Release) -> Item:
    """The one door from release to item. An incoming item keeps its own date, if it has gone by."""
    out = moved(release, ReleaseState.RELEASED)
    moment = min(release.published or tx.now, tx.now)
    item = publish.publish(
        tx,
        release.uid,
        release.content,
        published=moment,
        upstream=release.upstream,
        push=publish.push_of(tx, release.upstream),
    )
    releases.save(tx, out)
    return item


def _miss(tx: Tx) -> int:
    count = 0
    while release := releases.take_next_missed(tx):
        releases.save(
            tx,
            replace(
                moved(release, ReleaseState.MISSED),
                reason="its embargo went by without approval and schedule",
            ),
        )
        log.warning("missed", uid=release.uid)
        count += 1
    return count


def _refuse_public(tx: Tx, uid: str) -> None:
    if items.find(tx, uid):
        raise Conflict(f"{uid} is public already; change it with `syndicator item edit` or `item correct`")
