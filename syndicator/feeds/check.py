"""What lint says of every document that is served, archive pages among them, or of an item before it is one.

What is right and wrong is `render.lint`'s to say; here is what it is shown. Reads only. Beside walk A.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syndicator.errors import Invalid
from syndicator.feeds.export import everything
from syndicator.model.item import ALL, Item, ItemState, Topic
from syndicator.model.markup import Draft
from syndicator.model.site import Format, Site
from syndicator.render import documents, entries
from syndicator.render.lint import Problem, Served, lint
from syndicator.render.view import Entry
from syndicator.store import Store, Tx, items, topics


@dataclass(frozen=True, slots=True)
class Found:
    """A problem, and the document it is in."""

    topic: str
    format: Format
    url: str
    problem: Problem


def served(store: Store, site: Site) -> Iterator[Found]:
    """What is wrong with what is served, document by document."""
    for one in everything(store):
        live = site.feed_url(one.topic, one.format)
        url = site.archive_url(one.topic, one.page, one.format) if one.page else live
        shown = Served(
            body=one.body,
            format=one.format,
            url=url,
            now=one.now,
            gzip=one.gzip,
            etag=one.etag,
            live_url=live,
        )
        for problem in lint(shown):
            yield Found(one.topic, one.format, url, problem)


def draft(
    store: Store, site: Site, draft: Draft, mint_uid: Callable[[datetime], str]
) -> list[tuple[Format, Problem]]:
    """What would be wrong with a draft in a feed, each once; raises as `publish.submit` for what it names, Invalid if it cannot be rendered."""
    with store.read() as tx:
        item, topic, entry = _as_entry(tx, site, draft, mint_uid)
    found: dict[tuple[str, str], tuple[Format, Problem]] = {}
    for format in Format:
        for problem in _in_feed(site, item, topic, entry, format):
            if problem.where:  # the rest is said of the document round it
                found.setdefault((problem.what, problem.level), (format, problem))
    return list(found.values())


def _in_feed(site: Site, item: Item, topic: Topic, entry: Entry, format: Format) -> Iterable[Problem]:
    head = documents.head(topic, site, format, [item.updated])
    body = documents.document(head, [entries.fragment(entry, format, topic.profile)])
    return lint(Served(body=body, format=format, url=head.url, now=item.updated + timedelta(seconds=1)))


def _as_entry(
    tx: Tx, site: Site, draft: Draft, mint_uid: Callable[[datetime], str]
) -> tuple[Item, Topic, Entry]:
    """The draft as an item published now, or when it says if that is past: an embargo is none of lint's business."""
    now = tx.now.replace(microsecond=0)
    item = Item(
        id=0,
        uid=draft.uid or mint_uid(now),
        slug="draft",
        state=ItemState.LIVE,
        revision=1,
        published=min(draft.published or now, now),
        updated=now,
        content=draft.content,
    )
    topics.check_plain(tx, draft.content.topics)
    items.check_spokesperson(tx, draft.content.spokesperson)
    titles = topics.titles(tx, draft.content.topics)
    person = items.spokesperson(tx, draft.content.spokesperson)
    stand_in = items.spokesperson(tx, person.stand_in) if person else None
    try:
        entry = entries.entry(item, site, titles, person, stand_in)
    except entries.RenderFault as fault:
        raise Invalid(str(fault)) from None
    return item, replace(topics.named(tx, ALL), closing=None), entry
