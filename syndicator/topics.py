"""Another name for a topic, a merger of two, an end: what becomes of the addresses readers have.

A topic keeps its uid, its documents and its readers through any name. Each former address leads on
(301, feeds:H8), an address that is over says so (410) after a notice in the feeds. Topics of the
config file are the file's to change. Each function takes a transaction its caller owns.
"""

from __future__ import annotations

from datetime import timedelta

from syndicator.errors import Conflict, Invalid, Refused
from syndicator.model.item import ALL, Topic, vet_topic_slug
from syndicator.model.markup import one_line
from syndicator.model.release import OPEN_RELEASES
from syndicator.store import Tx, addresses, audience, names, notices, releases, topics, upstreams

NOTICE = timedelta(days=14)
LONGEST_NOTICE = timedelta(days=3660)


def rename(tx: Tx, slug: str, new: str, title: str | None = None) -> Topic:
    """Give a topic another slug, and another title if one is given; the old address leads to the new one.

    A name it had before may come back. Raises NotFound, Invalid for a slug that may not be, Conflict for
    one that is taken or leads to another topic, Refused for topics that are not ours to rename.
    """
    (topic,) = addresses.hold(tx, slug)
    _refuse_foreign(tx, topic, "rename")
    vet_topic_slug(new)
    title = topic.title if title is None else one_line(title, "the title")
    if new != slug and topics.find(tx, new):
        raise Conflict(
            f'there is a topic "{new}" already; to bring both together use `syndicator topic merge`'
        )
    now = names.former(tx).get(new, slug)
    if now != slug:
        raise Conflict(f'"{new}" is a former name of the topic "{now}" and leads there; choose another')
    if (new, title) != (slug, topic.title):
        addresses.rename(tx, topic, new, title)
        notices.announce(tx)
    return topics.named(tx, new)


def merge(tx: Tx, slug: str, into: str) -> Topic:
    """Let one plain topic go into another; returns the second, which holds the items of both.

    Items enter at the end of its order and nobody is owed them. Readers go along with cadence and
    consent, unless they have the second topic already; links in their mail still work. Raises NotFound,
    Invalid for a topic and itself, Refused for ruled topics and those that are not ours to merge.
    """
    if slug == into:
        raise Invalid(f'"{slug}" cannot be merged into itself; name two topics')
    source, target = addresses.hold(tx, slug, into)
    _refuse_foreign(tx, source, "merge")
    _refuse_over(tx, target)
    for topic in (source, target):
        if topic.rule:
            raise Refused(
                f'"{topic.slug}" holds items by its rule: only plain topics can be merged; close it'
            )
    if target.closing:
        raise Refused(
            f'"{into}" is about to close; take that back first: `syndicator topic close {into} --cancel`'
        )
    addresses.merge(tx, source, target)
    notices.announce(tx)
    return topics.named(tx, into)


def close(tx: Tx, slug: str, note: str | None = None, after: timedelta | None = None) -> Topic:
    """Announce that a topic ends after this span (none: at once); until then its feeds say so.

    Nothing new may be filed under it from now on; corrections of what it holds still reach its readers,
    whose subscriptions end when it is over (`end_due`). Again, it changes what is given of note and date;
    the first time they are none and `NOTICE`. Raises NotFound,
    Invalid for a span that may not be, Refused while something still files under it, and once it is over.
    """
    if after is not None and not timedelta() <= after <= LONGEST_NOTICE:
        raise Invalid(f"a topic closes now or within {LONGEST_NOTICE.days} days, not after {after}")
    (topic,) = addresses.hold(tx, slug)
    _refuse_foreign(tx, topic, "close")
    if topic.rule is None:
        _refuse_awaited(tx, slug)
    said = topic.closing
    over = said.over if said and after is None else tx.now + (NOTICE if after is None else after)
    words = said.note if said and note is None else one_line(note or "", "the note")
    addresses.close(tx, topic, over, words)
    audience.end_closed(tx)
    notices.announce(tx)
    return topics.named(tx, slug)


def keep_open(tx: Tx, slug: str) -> Topic:
    """Take an announced end back; raises Refused if none was announced, or it is over."""
    (topic,) = addresses.hold(tx, slug)
    _refuse_foreign(tx, topic, "keep")
    if topic.closing is None:
        raise Refused(f'the topic "{slug}" is not about to close')
    addresses.keep_open(tx, topic)
    notices.announce(tx)
    return topics.named(tx, slug)


def end_due(tx: Tx) -> int:
    """End the subscriptions of topics that are over; returns how many. What is still on its way goes out first."""
    return audience.end_closed(tx)


def _refuse_foreign(tx: Tx, topic: Topic, verb: str) -> None:
    """Raise for `all`, for topics of the config file, and for those that are no more."""
    if topic.slug == ALL:
        raise Refused(f'the topic "all" holds every item, always; there is nothing to {verb}')
    if topic.file:
        raise Refused(f'the topic "{topic.slug}" is managed by the config file: take it out there first')
    _refuse_over(tx, topic)


def _refuse_over(tx: Tx, topic: Topic) -> None:
    now = names.former(tx).get(topic.slug)
    if now:
        raise Refused(f'the topic "{topic.slug}" was merged into "{now}"; use that')
    if topic.closing and topic.closing.over <= tx.now:
        raise Refused(
            f'the topic "{topic.slug}" is closed for good; make another with `syndicator topic add`'
        )


def _refuse_awaited(tx: Tx, slug: str) -> None:
    """Raise while an upstream or a release would still file something under it: that would be lost."""
    for upstream in upstreams.listing(tx):
        if slug in upstream.topics:
            raise Refused(
                f'the upstream "{upstream.slug}" files under "{slug}"; first `syndicator upstream edit` it'
            )
    for release in releases.listing(tx):
        if release.state in OPEN_RELEASES and slug in release.content.topics:
            raise Refused(
                f'the release {release.uid} is filed under "{slug}"; file it elsewhere, or cancel it'
            )
