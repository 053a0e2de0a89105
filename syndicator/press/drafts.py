"""The words of a release: handed in, changed, approved. Every version is kept, every move is audited."""

from __future__ import annotations

from dataclasses import replace

from syndicator.embargo import change
from syndicator.errors import Conflict, Refused, Stale
from syndicator.model.difference import difference
from syndicator.model.filetype import is_picture
from syndicator.model.item import Content
from syndicator.model.release import Embargo, Release, ReleaseState, moved
from syndicator.press import told
from syndicator.press.rules import RULES, Rules
from syndicator.store import Tx, audit, items, releases, segments, topics

MOST_LINES = 12  # of a difference, where somebody handed in words made from an old version
LINE = 160  # characters of such a line


def draft(
    tx: Tx, uid: str, content: Content, embargo: Embargo | None, *, base: str | None = None, by: str = ""
) -> Release:
    """Make a draft, or a new version of the one with this uid; an approved one is a draft again.

    What was planned of the former version is cancelled in the same transaction (security:E4). One that was
    cancelled or missed comes back this way. `base` is the version the words were made from; raises Stale
    with the difference if somebody changed it since, Conflict if the uid is public already.
    """
    # First the release, then its topics, as whoever makes it public.
    held = releases.held_for_change(tx, uid) if releases.find(tx, uid) else None
    content = topics.file_under(tx, content)
    items.check_spokesperson(tx, content.spokesperson)
    segments.check(tx, content.audience)
    if held is None:
        _refuse_public(tx, uid)
        release = releases.add(tx, uid, content, embargo=embargo, by=by or None)
        audit.record(tx, by, "release.draft", uid, version=1, embargo=embargo and embargo.until)
        return release
    if base and base != held.base:
        raise _stale(tx, held, base, (content, embargo))
    same = held.content == content and held.embargo == embargo
    if same and held.state is not ReleaseState.CANCELLED:
        return held
    return _changed(tx, held, content, embargo, by)


def approve(
    tx: Tx, uid: str, by: str, *, base: str | None = None, why: str = "", rules: Rules = RULES
) -> Release:
    """Somebody stands for these words; only what is approved can be scheduled or published. `why` is on record.

    Raises Refused where a second person is asked for and `by` drafted them, Stale where `base` names other words
    than the present ones, Refused for a picture nobody described. Mails no words: `schedule` does.
    """
    held = releases.held_for_change(tx, uid)
    going = moved(held, ReleaseState.APPROVED)
    if base and base != held.base:
        raise _stale(tx, held, base)
    if rules.second_person and held.drafted_by and _same_person(held.drafted_by, by):
        raise Refused(
            f"release {uid} was drafted by {held.drafted_by}: another person approves it (press.second_person)"
        )
    _refuse_mute(held)
    release = releases.save(tx, replace(going, approved_by=by, approved=tx.now))
    told.of_its_end(tx, release)
    audit.record(tx, by, "release.approve", uid, why, version=release.version, base=release.base)
    return release


def _changed(tx: Tx, held: Release, content: Content, embargo: Embargo | None, by: str) -> Release:
    back = held if held.state is ReleaseState.DRAFT else moved(held, ReleaseState.DRAFT)
    words = replace(back, content=content, embargo=embargo, drafted_by=by or None, at=None, reason=None)
    return change(tx, held, words, "the release was changed", by)


def _refuse_mute(release: Release) -> None:
    # Our own files only: who approves what an upstream brought cannot write into the pictures of its feed.
    for medium in release.content.media:
        if medium.digest and is_picture(medium.type) and not medium.alt.strip():
            name = medium.file or medium.title or medium.url
            raise Refused(
                f"release {release.uid}: the picture {name} has no alt text: say in words what it shows (alt under its "
                f"media), and hand the draft in again"
            )


def _stale(tx: Tx, held: Release, base: str, handed: tuple[Content, Embargo | None] | None = None) -> Stale:
    """What changed since the version of `base`, in a few lines; since what was handed in where nobody knows that."""
    yours = releases.version_of_base(tx, held.id, base)
    who = f" by {held.drafted_by}" if held.drafted_by else ""
    first = f"release {held.uid} is now version {held.version} ({held.base}){who}, yours was made from "
    made = f"version {yours.number} ({base})" if yours else base
    lines = [f"{first}{made}: fetch it anew with `syndicator release show {held.uid}`"]
    was = (yours.content, yours.embargo) if yours else handed
    if was:
        content, embargo = was
        changes = difference(content, held.content)
        if embargo != held.embargo:
            changes += [f"- embargo: {embargo or 'none'}", f"+ embargo: {held.embargo or 'none'}"]
        lines += [one if len(one) <= LINE else f"{one[: LINE - 1]}…" for one in changes[:MOST_LINES]]
        if len(changes) > MOST_LINES:
            lines.append(f"and {len(changes) - MOST_LINES} lines more")
    return Stale(lines)


def _same_person(one: str, other: str) -> bool:
    return one.strip().casefold() == other.strip().casefold()


def _refuse_public(tx: Tx, uid: str) -> None:
    if items.find(tx, uid):
        raise Conflict(f"{uid} is public already; change it with `syndicator item edit` or `item correct`")
