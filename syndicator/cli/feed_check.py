"""What `feed check` looks at: every stored document with its archive pages, or a file as it would stand in a feed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from syndicator.cli import files
from syndicator.errors import Invalid
from syndicator.model.site import Format

if TYPE_CHECKING:
    from syndicator.cli.files import Handed
    from syndicator.model.item import Item, Topic
    from syndicator.render.lint import Problem
    from syndicator.render.view import Entry
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

Row = dict[str, Any]


def stored(runtime: Runtime) -> Iterator[Row]:
    """What is wrong with what is served, document by document."""
    from syndicator.cli.feed_files import everything
    from syndicator.render.lint import Served, lint

    for one in everything(runtime.store):
        live = runtime.site.feed_url(one.topic, one.format)
        url = runtime.site.archive_url(one.topic, one.page, one.format) if one.page else live
        served = Served(
            body=one.body,
            format=one.format,
            url=url,
            now=one.now,
            gzip=one.gzip,
            etag=one.etag,
            live_url=live,
        )
        for problem in lint(served):
            yield {"topic": one.topic, "format": one.format, "url": url, **_row(problem)}


def handed(runtime: Runtime, names: Sequence[str]) -> Iterator[Row]:
    """What would be wrong with these files in a feed; raises Invalid for one that cannot be read or rendered."""
    for name in names:
        file = files.handed(name, runtime.site)
        with runtime.store.read() as tx:
            item, topic, entry = _as_entry(tx, runtime, file)
        seen = set()
        for format in Format:
            for problem in _in_feed(runtime, item, topic, entry, format):
                if problem.where and (problem.what, problem.level) not in seen:  # the same in three formats
                    seen.add((problem.what, problem.level))
                    yield {"file": name, "format": format, **_row(problem)}


def _in_feed(runtime: Runtime, item: Item, topic: Topic, entry: Entry, format: Format) -> Iterable[Problem]:
    from syndicator.render import documents, entries
    from syndicator.render.lint import Served, lint

    head = documents.head(topic, runtime.site, format, [item.updated])
    body = documents.document(head, [entries.fragment(entry, format, topic.profile)])
    return lint(Served(body=body, format=format, url=head.url, now=item.updated + timedelta(seconds=1)))


def _as_entry(tx: Tx, runtime: Runtime, file: Handed) -> tuple[Item, Topic, Entry]:
    """The file as an item published now, or when it says if that is past: an embargo is none of lint's business."""
    from syndicator.model.item import ALL, Item, ItemState
    from syndicator.render import entries
    from syndicator.store import items, topics

    words, now = file.draft.content, tx.now.replace(microsecond=0)
    item = Item(
        id=0,
        uid=file.draft.uid or runtime.mint_uid(now),
        slug="draft",
        state=ItemState.LIVE,
        revision=1,
        published=min(file.draft.published or now, now),
        updated=now,
        content=words,
    )
    titles = topics.titles(tx, words.topics)
    person = items.spokesperson(tx, words.spokesperson)
    try:
        entry = entries.entry(item, runtime.site, titles, person)
    except entries.RenderFault as fault:
        raise Invalid(f"{file.name}: {fault}") from None
    return item, replace(topics.named(tx, ALL), closing=None), entry


def _row(problem: Problem) -> Row:
    return {
        "level": problem.level,
        "where": problem.where,
        "problem": problem.what,
        "advice": problem.advice,
    }
