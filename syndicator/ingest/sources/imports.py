"""Importing: a feed's entries, or a back catalogue's, taken as items once, without an upstream.

The same road as a poll takes (`ingest.filing`), but nothing is remembered beside the items themselves:
the same again finds what it made by its uid, and so does a later poll of the same feed. What is not
public yet is refused and named. Large catalogues come piece by piece (`Import.take`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from syndicator import publish
from syndicator.errors import SyndicatorError
from syndicator.ingest.entries import Parsed
from syndicator.ingest.filing import LeftOut, Prospect, as_prospect, in_time, left_out, reading_of
from syndicator.ingest.identity import oldest_first
from syndicator.model.incoming import Fate, Incoming, Judgement, Known, judge, may_be_uid, routed, words_of
from syndicator.model.item import Item, Kind
from syndicator.model.upstream import Relation, Upstream
from syndicator.publish import Push
from syndicator.store import Store, Tx, items, releases
from syndicator.store import topics as store_topics


@dataclass(slots=True)
class Imported:
    """What `item import` took or would take, without the texts, and what it refused."""

    items: list[Prospect] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: {items: […], refused: […]}."""
        return {
            "items": [item.as_json() for item in self.items],
            "refused": [entry.as_json() for entry in self.refused],
        }


@dataclass(slots=True)
class Import:
    """One import, of one feed or of a catalogue in pieces; `filing` says how its items are filed.

    If that is an upstream we have, they are that upstream's from then on. What is older than it pushes was
    public there long ago, so no rule's end and no delay stops it. Items older than 24 hours, or
    undated, are never pushed; with `dry_run` nothing is written. `own_host` is that of our own site.
    """

    store: Store
    filing: Upstream
    dry_run: bool = False
    own_host: str = ""
    done: Imported = field(default_factory=Imported)

    def take(self, feed: Parsed, refused: Sequence[LeftOut] = ()) -> None:
        """Take the entries of a feed, oldest first; `refused` are those that its reader left out before."""
        with self.store.read() as tx:
            now = tx.now
            reading = reading_of(feed, self.filing, now)
        self.done.refused += [*refused, *reading.left_out]
        origin = feed.id or feed.self_link or feed.link or self.filing.url or feed.title
        begin = self.store.read if self.dry_run else self.store.begin
        first: dict[str, Incoming] = {}
        for thing in reading.things:
            first.setdefault(thing.identity, thing)
        left = oldest_first(first.values(), now)
        while left:
            with begin() as tx:
                outcomes = [self._taken(tx, thing, origin) for thing in in_time(left)]
            left = left[len(outcomes) :]
            self.done.items += [one for one in outcomes if isinstance(one, Prospect)]
            self.done.refused += [one for one in outcomes if isinstance(one, LeftOut)]

    def _taken(self, tx: Tx, thing: Incoming, origin: str) -> Prospect | LeftOut:
        thing, guid = routed(thing, self.filing), thing.guid
        foreign_to = self.own_host if self.filing.relation is Relation.FOREIGN else ""
        # Not minted at random: the same file again must find what it made the first time.
        uid = (
            guid
            if guid and may_be_uid(guid, foreign_to)
            else uuid.uuid5(uuid.NAMESPACE_URL, f"{origin}\n{thing.identity}").urn
        )
        item = items.find(tx, uid)
        if item is None and releases.find(tx, uid):
            return left_out(thing, f"{uid} is a release that is not yet public")
        known = _known(item, thing) if item else None
        judgement = _polled(item) or self._judged(thing, known, tx.now)
        if judgement.fate in {Fate.HELD, Fate.DRAFT}:
            return left_out(thing, f"{judgement.why}; {self._instead}")
        if judgement.fate is Fate.REVISED:
            why = f"{uid} is public with other words; `syndicator item edit` changes it"
            return left_out(thing, why)
        if judgement.fate is Fate.ITEM:
            try:
                store_topics.check_plain(tx, thing.content.topics)
            except SyndicatorError as fault:
                return left_out(thing, str(fault))
            if not self.dry_run:
                self._publish(tx, uid, thing, judgement)
        return _without_text(as_prospect(thing, judgement, uid))

    def _judged(self, thing: Incoming, known: Known | None, now: datetime) -> Judgement:
        if thing.published is None or now - thing.published < self.filing.push_max_age:
            return judge(thing, known, self.filing, now)
        return judge(replace(thing, end=None), known, replace(self.filing, delay=timedelta()), now)

    @property
    def _instead(self) -> str:
        """What to do with what is not public yet."""
        if self.filing.id:
            return f"let a poll bring it, as a release: `syndicator upstream poll {self.filing.slug}`"
        return "use `syndicator release draft` for what is not yet public"

    def _publish(self, tx: Tx, uid: str, thing: Incoming, judgement: Judgement) -> None:
        age = publish.PUSH.max_age
        push = Push(allowed=self.filing.push and thing.published is not None, max_age=age)
        slug = self.filing.slug if self.filing.id else None
        publish.publish(tx, uid, thing.content, published=judgement.published, upstream=slug, push=push)


def filed_as(store: Store, url: str, topics: Sequence[str], kind: Kind, relation: Relation) -> Upstream:
    """How an import files its items, as an upstream that is kept nowhere; raises NotFound for an unknown topic."""
    with store.read() as tx:
        store_topics.check_plain(tx, topics)
        return Upstream(
            id=0, slug="import", url=url, relation=relation, topics=tuple(topics), kind=kind, created=tx.now
        )


def _known(item: Item, thing: Incoming) -> Known:
    # Other rights are no other words, and an import changes nothing that is here.
    return Known(uid=item.uid, fingerprint=words_of(item.content), rights=thing.content.rights)


def _polled(item: Item | None) -> Judgement | None:
    """An item that an upstream brought is that upstream's to change: its feed words things in its own way."""
    if item is None or item.upstream is None:
        return None
    why = f"it came with the upstream {item.upstream} already"
    return Judgement(fate=Fate.UNCHANGED, why=why, published=item.published)


def _without_text(prospect: Prospect) -> Prospect:
    # A catalogue has a hundred thousand of them: whoever reads the report wants titles.
    return replace(prospect, content=replace(prospect.content, body="", text=None, media=()))
