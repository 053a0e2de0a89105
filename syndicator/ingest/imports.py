"""Importing: a feed's entries, or a back catalogue's, taken as items once, without an upstream.

The same road as a poll takes (`ingest.filing`), but nothing is remembered beside the items themselves:
the same file again finds what it made by its uid. What is not public yet is refused and named.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from syndicator import publish
from syndicator.ingest.entries import Parsed
from syndicator.ingest.filing import LeftOut, Prospect, as_prospect, groups, left_out, things_of
from syndicator.model.incoming import Fate, Incoming, Known, judge, may_be_uid, words_of
from syndicator.model.item import Kind
from syndicator.model.upstream import Relation, Upstream
from syndicator.store import Store, Tx, items, releases
from syndicator.store import topics as store_topics


@dataclass(slots=True)
class Imported:
    """What `item import` took or would take, and what it refused."""

    items: list[Prospect] = field(default_factory=list)
    refused: list[LeftOut] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For `--json`: {items: […], refused: […]}."""
        return {
            "items": [item.as_json() for item in self.items],
            "refused": [entry.as_json() for entry in self.refused],
        }


def import_items(
    store: Store,
    feed: Parsed,
    *,
    url: str = "",
    topics: Sequence[str] = (),
    kind: Kind = Kind.NEWS,
    relation: Relation = Relation.OWN,
    dry_run: bool = False,
) -> Imported:
    """Take a feed's entries as items, once; older than 24 hours, or undated, they are never pushed.

    The same file again changes nothing. What is dated ahead is refused: it is not public yet.
    """
    with store.read() as tx:
        store_topics.check_plain(tx, topics)
        filing = Upstream(
            id=0, slug="import", url=url, relation=relation, topics=tuple(topics), kind=kind, created=tx.now
        )
        things, refused = things_of(feed, filing, tx.now)
    done = Imported(refused=refused)
    begin = store.read if dry_run else store.begin
    origin = feed.id or feed.self_link or feed.link or url or feed.title
    for group in groups(things):
        with begin() as tx:
            for thing in group:
                _import(tx, thing, filing, origin, done, dry_run=dry_run)
    return done


def _import(tx: Tx, thing: Incoming, filing: Upstream, origin: str, done: Imported, *, dry_run: bool) -> None:
    guid = thing.guid
    # Not minted at random: the same file again must find what it made the first time.
    uid = (
        guid
        if guid and may_be_uid(guid)
        else uuid.uuid5(uuid.NAMESPACE_URL, f"{origin}\n{thing.identity}").urn
    )
    item = items.find(tx, uid)
    known = Known(uid=uid, fingerprint=words_of(item.content)) if item else None
    judgement = judge(thing, known, filing, tx.now)
    if releases.find(tx, uid) and item is None:
        done.refused.append(left_out(thing, f"{uid} is a release that is not yet public"))
    elif judgement.fate is Fate.HELD:
        why = f"{judgement.why}; use `syndicator release draft` for what is not yet public"
        done.refused.append(left_out(thing, why))
    elif judgement.fate is Fate.REVISED:
        why = f"{uid} is public with other words; `syndicator item edit` changes it"
        done.refused.append(left_out(thing, why))
    else:
        if judgement.fate is Fate.ITEM and not dry_run:
            push = publish.PUSH if thing.published else publish.NEVER_PUSH
            publish.publish(tx, uid, thing.content, published=judgement.published, push=push)
        done.items.append(as_prospect(thing, judgement, uid))
