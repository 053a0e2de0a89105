"""What the config file provisions, made so in the store at start and reload (DESIGN §5.12)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from syndicator import feeds
from syndicator.errors import Misconfigured
from syndicator.model.item import ALL, Rule, Topic
from syndicator.runtime.chance import mint_secret
from syndicator.settings import Settings
from syndicator.store import (
    Tx,
    documents,
    items,
    names,
    partners,
    provisioned,
    schedules,
    topics,
    upstreams,
)
from syndicator.store.provisioned import Provisioned

if TYPE_CHECKING:
    from syndicator.runtime.root import Runtime


def reconcile(runtime: Runtime, *, start: bool) -> None:
    """Make the store agree with what the config file provisions; what the file no longer names stays, as local.

    A start that changes nothing writes nothing. A command that was run with another config file leaves
    the store to the file its processes run with.
    """
    wanted = _provided(runtime.settings)
    look = feeds.look(runtime.site)
    with runtime.store.read() as tx:
        last = provisioned.last(tx)
        outdated = start and topics.outdated(tx, look)
    if last and not outdated and (last == wanted or (last.file != wanted.file and not start)):
        return
    with runtime.store.begin() as tx:
        provisioned.begin(tx)
        if provisioned.last(tx) != wanted:
            _reconcile_all(tx, runtime)
            provisioned.done(tx, wanted)
        if outdated:
            _reconcile_topics(tx, runtime)  # the title of `all` is the site's
            topics.mark_outdated(tx, look)


def _provided(settings: Settings) -> Provisioned:
    """The config file and the fingerprint of all it provisions, secrets by their hash alone."""
    records = (
        settings.topics,
        settings.partners,
        settings.upstreams,
        settings.spokespeople,
        settings.boilerplates,
        settings.schedules,
    )
    secrets_of = [partner.secret.reveal() for partner in settings.partners if partner.secret]
    said = f"{records!r} {secrets_of!r}"
    file = str(Path(settings.file).resolve()) if settings.file else ""
    return Provisioned(file, hashlib.sha256(said.encode()).hexdigest())


def _reconcile_all(tx: Tx, runtime: Runtime) -> None:
    _reconcile_topics(tx, runtime)
    _reconcile_spokespeople(tx, runtime)
    for part in runtime.settings.boilerplates:
        items.save_boilerplate(tx, part.boilerplate())
    _reconcile_partners(tx, runtime)
    _reconcile_upstreams(tx, runtime)
    _reconcile_schedules(tx, runtime)
    _let_go(tx, runtime)


def _reconcile_topics(tx: Tx, runtime: Runtime) -> None:
    known = {topic.slug: topic for topic in topics.listing(tx)}
    everything = Topic(
        slug=ALL,
        title=f"All items of {runtime.site.title}",
        uid=runtime.mint_topic_uid(tx.now),
        created=tx.now,
        rule=Rule(),
    )
    if faults := list(_taken(tx, runtime, known)):
        raise Misconfigured(faults)
    wanted = [everything]
    wanted += [topic.topic(runtime.mint_topic_uid(tx.now), tx.now) for topic in runtime.settings.topics]
    for topic in sorted(
        wanted, key=lambda topic: topic.rule is not None
    ):  # plain ones first: rules name them
        before = known.get(topic.slug)
        if before is None:
            added = topics.add(tx, topic)
            if topic.rule:
                topics.refill(tx, added)
        elif topic != replace(before, uid=topic.uid, created=topic.created, closing=None):
            topics.edit(tx, replace(topic, uid=before.uid))
            if before.rule != topic.rule:
                topics.refill(tx, replace(topic, id=before.id))


def _taken(tx: Tx, runtime: Runtime, known: Mapping[str, Topic]) -> Iterator[str]:
    """Topics of the file whose slug readers are led away from: taking it back would cut them off."""
    former = names.former(tx)
    for topic in runtime.settings.topics:
        before, where = known.get(topic.slug), f'[[topics]] "{topic.slug}" .slug'
        if now := former.get(topic.slug):
            yield f'{where}: leads to "{now}" since a topic of this name was renamed or merged; choose another slug'
        elif before and before.closing and before.closing.over <= tx.now:
            yield f"{where}: a topic of this name was closed for good on {before.closing.over:%Y-%m-%d}; choose another slug"


def _let_go(tx: Tx, runtime: Runtime) -> None:
    """What the file named once and names no more is the database's now: staff may edit or remove it."""
    said = runtime.settings
    slugs = {kind: {one.slug for one in getattr(said, kind)} for kind in ("topics", "partners", "upstreams")}
    for topic in topics.listing(tx):
        if topic.file and topic.slug not in slugs["topics"]:
            topics.edit(tx, replace(topic, file=False))
    for partner in partners.listing(tx):
        if partner.file and partner.slug not in slugs["partners"]:
            partners.edit(tx, replace(partner, file=False))
    for upstream in upstreams.listing(tx):
        if upstream.file and upstream.slug not in slugs["upstreams"]:
            upstreams.edit(tx, replace(upstream, file=False))
    names = {one.name for one in said.schedules}
    for schedule in schedules.listing(tx):
        if schedule.file and schedule.name not in names:
            schedules.edit(tx, replace(schedule, file=False))


def _reconcile_spokespeople(tx: Tx, runtime: Runtime) -> None:
    changed = [
        person.spokesperson()
        for person in runtime.settings.spokespeople
        if items.spokesperson(tx, person.slug) != person.spokesperson()
    ]
    for person in changed:
        items.save_spokesperson(tx, person)
    if changed:  # whom to ask stands in feeds, too
        topics.mark_all_stale(tx)  # first: it waits for whoever renders them now
        documents.forget_all(tx)


def _reconcile_partners(tx: Tx, runtime: Runtime) -> None:
    known = {partner.slug: partner for partner in partners.listing(tx)}
    for wanted in runtime.settings.partners:
        before = known.get(wanted.slug)
        if before is None:
            partners.add(tx, wanted.partner(id=0, created=tx.now, minted=mint_secret()))
            continue
        after = wanted.partner(
            id=before.id, created=before.created, minted=before.secret, paused=before.paused
        )
        if after != before:
            partners.edit(tx, after)


def _reconcile_upstreams(tx: Tx, runtime: Runtime) -> None:
    known = {upstream.slug: upstream for upstream in upstreams.listing(tx)}
    for wanted in runtime.settings.upstreams:
        before = known.get(wanted.slug)
        if before is None:
            upstreams.add(tx, wanted.upstream(id=0, created=tx.now))
            continue
        after = wanted.upstream(id=before.id, created=before.created, paused=before.paused)
        if after != before:
            upstreams.edit(tx, after)


def _reconcile_schedules(tx: Tx, runtime: Runtime) -> None:
    known = {schedule.name: schedule for schedule in schedules.listing(tx)}
    for wanted in runtime.settings.schedules:
        before = known.get(wanted.name)
        if before is None:
            schedules.add(tx, wanted.schedule(id=0, created=tx.now))
            continue
        after = wanted.schedule(id=before.id, created=before.created, paused=before.paused)
        if after != before:
            schedules.edit(tx, after)
