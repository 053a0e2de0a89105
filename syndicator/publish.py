"""The only writer of items: publish, revise, correct, withdraw.

Each function takes a transaction that its caller owns, and puts into it everything that must be
true together: the revision, the memberships, the stale marks and the planned deliveries. After the
commit the feeds loop builds the bytes and the lanes send (walks A and B).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syndicator.errors import Conflict, Invalid, NotFound, Refused
from syndicator.model.delivery import Priority, revision_subject
from syndicator.model.difference import marked
from syndicator.model.item import (
    GONE,
    Content,
    Item,
    ItemState,
    Significance,
    Verdict,
    corrected,
    judge,
    memberships,
    reworded,
)
from syndicator.model.markup import Draft, strip_illegal
from syndicator.model.release import OPEN_RELEASES, ReleaseState
from syndicator.store import (
    Tx,
    archives,
    audit,
    deliveries,
    documents,
    items,
    media,
    names,
    pushes,
    redactions,
    releases,
    segments,
    topics,
    upstreams,
    wiped,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """Whether an item may be pushed at all, and how old it may be at most when it enters a topic."""

    allowed: bool = True
    max_age: timedelta = timedelta(hours=24)

    def covers(self, item: Item, now: datetime) -> bool:
        """Whether entering a topic now makes the item owed; archives are never mailed."""
        return self.allowed and now - item.published < self.max_age


PUSH = Push()


def push_of(tx: Tx, upstream: str | None) -> Push:
    """The rule for what came from this upstream; made here, or the upstream removed since: the usual one."""
    known = next((one for one in upstreams.listing(tx) if one.slug == upstream), None) if upstream else None
    return Push(allowed=known.push, max_age=known.push_max_age) if known else PUSH


def publish(
    tx: Tx,
    uid: str,
    content: Content,
    *,
    published: datetime | None = None,
    upstream: str | None = None,
    push: Push = PUSH,
    by: str = "",
    carry: Callable[[Item], object] = lambda _: None,
) -> Item:
    """Make a new public item; `published` defaults to now and may not lie in the future.

    Named, whoever did it (`by`) is written down; a release's own moves are, where it is released. `carry` says
    who has the words already, before the item is owed to anybody. Raises Conflict if the uid exists, NotFound for
    an unknown topic, Invalid for a future date.
    """
    names.hold(tx)
    moment = published or tx.now
    if moment > tx.now:
        raise Invalid(
            f"published {moment.isoformat()} lies in the future; use `syndicator release draft` for what is not yet public"
        )
    if items.find(tx, uid):
        raise Conflict(f"the item {uid} exists already; `syndicator item edit` changes it")
    content = topics.file_under(tx, content)
    items.check_spokesperson(tx, content.spokesperson)
    item = items.add(tx, uid, content, moment, upstream)
    media.release(tx, uid)
    entered = _file(tx, item)
    carry(item)
    _owe(tx, item, entered, push)
    _write_down(tx, by, "publish", item)
    return item


def public_words(draft: Draft, now: datetime, *, first: bool) -> Content:
    """The words of a file that are to be public at once; raises Refused for what must wait (DESIGN §5.10).

    A new item (`first`) may carry no embargo at all; the words of an edit may have had one that is over.
    """
    embargoed = draft.embargo and (first or draft.embargo.holds(now))
    if embargoed or (first and draft.published and draft.published > now):
        what = (
            f"under embargo until {draft.embargo}" if embargoed else f"dated {draft.published}, in the future"
        )
        raise Refused(f"this is {what}: hand it to `syndicator release draft`, nothing of it is public yet")
    return draft.content


def submit(
    tx: Tx,
    uid: str,
    content: Content,
    *,
    published: datetime | None = None,
    push: Push = PUSH,
    by: str = "",
) -> tuple[Item, Verdict]:
    """Publish, unless the very same words are public already under this uid (then: unchanged).

    Raises Conflict, naming `item edit`, for the same uid with other words, and for the uid of a release
    that is still to come; NotFound for an audience there is no segment of.
    """
    known = items.find(tx, uid)
    verdict = judge(names.filed(tx, content), known.content if known else None)
    if known is None:
        _refuse_unreleased(tx, uid)
        segments.check(tx, content.audience)
        return publish(tx, uid, content, published=published, push=push, by=by), verdict
    if verdict is Verdict.REVISED:
        raise Conflict(
            f"the item {uid} is public with other words; change it with `syndicator item edit {uid} FILE` or `item correct`"
        )
    return known, verdict


def edit(tx: Tx, uid: str, content: Content, *, push: Push | None = None, by: str = "") -> Item:
    """A silent revision: feeds and pages change, `updated` does not move, nobody is told.

    Entering another topic while still young owes the item to that topic's people, by the rule of the
    upstream it came from unless `push` says otherwise. The same words again change nothing.
    """
    item = _live(tx, uid)
    content = reworded(content, item.content)
    if judge(names.filed(tx, content), item.content) is Verdict.UNCHANGED:
        return item
    _check_audience(tx, content, item)
    rule = push or push_of(tx, item.upstream)
    revised = _revise(tx, item, Significance.SILENT, content, item.note, rule)
    _write_down(tx, by, "edit", revised)
    return revised


def correct(tx: Tx, uid: str, content: Content, note: str, *, by: str = "") -> Item:
    """A correction: `updated` moves, the note says what changed, whoever had it is told and shown what.

    Raises Invalid without a note and Refused when not a word was changed.
    """
    item, note = _live(tx, uid), strip_illegal(note).strip()
    if not note:
        raise Invalid('a correction needs --note "what changed": it is shown to readers')
    content = reworded(content, item.content)
    if judge(names.filed(tx, content), item.content) is Verdict.UNCHANGED:
        raise Refused(f"nothing was changed in {uid}: correct the text first")
    _check_audience(tx, content, item)
    rule = push_of(tx, item.upstream)
    moved = corrected(item, note, items.own_moment(tx, tx.now))
    moved = replace(moved, marked=marked(item.content, content))
    revised = _revise(tx, moved, Significance.CORRECTION, content, note, rule)
    told = deliveries.plan_told(tx, revised, revision_subject(uid, revised.revision), Priority.CORRECTION)
    _write_down(tx, by, "correct", revised, told=told)
    return revised


def withdraw(tx: Tx, uid: str, reason: str, *, kill: bool = False, by: str = "") -> Item:
    """Take an item back: out of the feeds, 410 with a notice at its address, a tombstone in Atom.

    With `kill`, everyone who had it or may have is told, before anything else goes out; what was only
    withdrawn may still be killed. What was not yet on the wire is stopped in the same transaction.
    """
    item, reason = _live(tx, uid, even_withdrawn=kill), strip_illegal(reason).strip()
    if not reason:
        raise Invalid('say why with --reason "…": readers see it at the address of the item')
    significance = Significance.KILL if kill else Significance.WITHDRAWAL
    bare = replace(item.content, summary="", body="", text=None, media=(), source=None)
    gone = replace(item, state=GONE[significance], updated=tx.now, note=reason, marked="")
    stopped = deliveries.cancel_unsent(tx, item, f"the item was {gone.state}")
    revised = items.revise(tx, gone, significance, bare, reason)
    topics.mark_stale(tx, topics.ever_of_item(tx, item.id))  # before, as in `_file`
    topics.bury(tx, revised)
    archives.doom(tx, item.id)
    documents.forget_fragments(tx, [item.id])
    subject = revision_subject(uid, revised.revision)
    priority = Priority.KILL if kill else Priority.CORRECTION
    told = deliveries.plan_told(tx, revised, subject, priority, machines_only=not kill)
    _write_down(tx, by, "kill" if kill else "withdraw", revised, told=told, stopped=stopped)
    return revised


def _refuse_unreleased(tx: Tx, uid: str) -> None:
    release = releases.find(tx, uid)
    if release and release.state in OPEN_RELEASES:
        raise Conflict(
            f"{uid} is a release that is {release.state}, not public yet; use `syndicator release publish {uid}`"
        )


def check_redactable(tx: Tx, uid: str) -> Item | None:
    """The item, or None for a release that never was public; raises NotFound, and Refused where there is nothing to do.

    A release that may still go out is refused: cancelling it first tells whoever had a copy.
    """
    item, release = items.find(tx, uid), releases.find(tx, uid)
    if item is None and release is None:
        raise NotFound(
            f"there is no item and no release {uid}; `syndicator item list` and `release list` show all"
        )
    if wiped.marked(tx, uid) and not redactions.unwiped(tx, uid):
        raise Refused(f"{uid} is redacted already; not a word of it is left here")
    if (
        item is None
        and release
        and release.state in OPEN_RELEASES
        and release.state is not ReleaseState.DRAFT
    ):
        raise Refused(
            f"release {uid} is {release.state} and may still go out: `syndicator release cancel {uid}` first, "
            f"which tells whoever had a copy"
        )
    return item


def redact(tx: Tx, uid: str, *, by: str = "") -> list[str]:
    """Wipe every word of an item or a release from every row, whatever its state; the digests of files to be removed.

    It tells nobody: a kill does. Nothing of it that is still to be sent goes out, but for the notices of a kill.
    A release that was not public never will be.
    The bytes of feeds are marked and made anew by `feeds.redaction`, which is what calls this. Doing it
    twice, or after a restore, does no harm.
    """
    if releases.find(tx, uid):  # before the names, as whoever makes it public
        releases.held_for_change(tx, uid)
    names.hold(tx)
    if items.find(tx, uid) is None:
        return _redact_release(tx, uid, by)
    item = items.held_for_change(tx, uid)
    was_live = item.live
    if was_live:
        deliveries.cancel_unsent(tx, item, "the item was redacted")
        gone = replace(item, state=ItemState.REDACTED, note=None, marked="")
        revised = items.revise(tx, gone, Significance.REDACTION, redactions.bare(item.content), None)
        item = replace(revised, state=item.state)
    topics.mark_stale(tx, topics.ever_of_item(tx, item.id))  # before, as in `_file`
    if was_live:
        topics.bury(tx, item)
    archives.doom(tx, item.id)
    redactions.wipe(tx, replace(item, updated=items.own_moment(tx, tx.now)))
    digests = media.wipe(tx, uid)
    _write_down(tx, by, "redact", item)
    return digests


def _redact_release(tx: Tx, uid: str, by: str) -> list[str]:
    redactions.wipe_release(tx, uid)
    if by:
        audit.record(tx, by, "release.redact", uid)
    return media.wipe(tx, uid)


def reach(tx: Tx, uid: str, act: Significance, content: Content | None = None) -> deliveries.Radius:
    """Whom this act would reach if it came now: by the conditions it goes by itself, and with nothing written.

    With `content`, the newly entitled count among the mails. Raises Refused for what is gone already, NotFound for
    an audience there is no segment of.
    """
    item = items.named(tx, uid)
    _check_live(item, even_withdrawn=act is Significance.KILL)
    if content:
        _check_audience(tx, content, item)
    priority = Priority.KILL if act is Significance.KILL else Priority.CORRECTION
    found = deliveries.radius(tx, item, priority, machines_only=act is Significance.WITHDRAWAL)
    if act is Significance.SILENT:
        found = replace(found, mails=0, partners=0)
    if content and push_of(tx, item.upstream).covers(item, tx.now):
        slugs = memberships(names.filed(tx, content), topics.ruled(tx))
        entered = set(topics.ids(tx, slugs).values()).difference(topics.of_item(tx, item.id).values())
        revised = replace(item, content=content)  # whose audience it is
        found = replace(found, mails=found.mails + deliveries.newcomers(tx, revised, entered))
    return found


def _write_down(tx: Tx, by: str, act: str, item: Item, **detail: int) -> None:
    """Who did it, where a person did. The note and the reason stay with the revision: no word is kept here."""
    if by:
        audit.record(tx, by, f"item.{act}", item.uid, None, revision=item.revision, **detail)


def _live(tx: Tx, uid: str, *, even_withdrawn: bool = False) -> Item:
    names.hold(tx)
    item = items.held_for_change(tx, uid)
    _check_live(item, even_withdrawn=even_withdrawn)
    return item


def _check_audience(tx: Tx, content: Content, item: Item) -> None:
    """Raise NotFound, with the near name, for a segment that is not there; one it named before may be gone since."""
    segments.check(tx, [slug for slug in content.audience if slug not in item.content.audience])


def _check_live(item: Item, *, even_withdrawn: bool) -> None:
    if not item.live and not (even_withdrawn and item.state is ItemState.WITHDRAWN):
        raise Refused(f"the item {item.uid} is {item.state}; what is gone cannot be changed any more")


def _revise(
    tx: Tx, item: Item, significance: Significance, content: Content, note: str | None, push: Push
) -> Item:
    content = topics.file_under(tx, content, item.content.topics)
    items.check_spokesperson(tx, content.spokesperson)
    revised = items.revise(tx, item, significance, content, note, item.marked)
    media.release(tx, item.uid)
    entered = _file(tx, revised)
    archives.reopen(tx, item.id)
    told = significance is Significance.CORRECTION
    deliveries.replace_unsent(tx, revised, revision_subject(item.uid, revised.revision), told=told)
    _owe(tx, revised, entered, push)
    deliveries.record_shown(tx, revised)
    return revised


def _file(tx: Tx, item: Item) -> list[int]:
    """Put the item where its words say; returns the topics it was not in before."""
    slugs = memberships(item.content, topics.ruled(tx))
    before = topics.of_item(tx, item.id)
    # Before anything is filed: it waits for whoever builds one of these topics now.
    topics.mark_stale(tx, {*before.values(), *topics.ids(tx, slugs).values()})
    entered = topics.enter(tx, item, slugs)
    if before:
        topics.leave(tx, item, slugs)
    return entered


def _owe(tx: Tx, item: Item, entered: Collection[int], push: Push) -> int:
    if not push.covers(item, tx.now):
        return 0
    pushes.record(tx, item.id, entered)
    slugs = frozenset(slug for slug, key in topics.of_item(tx, item.id).items() if key in entered)
    return deliveries.plan_owed(tx, item, entered, revision_subject(item.uid, item.revision), slugs)
