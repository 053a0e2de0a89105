"""`syndicator topic …`: the subjects items are filed under, plain or made by a rule."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.model.item import Kind, Rule, Topic, vet_topic_slug
from syndicator.model.markup import one_line

app = given.group("The subjects items are filed under.")

Slugs = Annotated[str, typer.Option(metavar="A,B", help="Rule: plain topics, by comma.")]


@app.command()
def add(
    ctx: typer.Context,
    slug: given.Slug,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What readers see.")],
    any: Slugs = "",
    all: Slugs = "",
    none: Slugs = "",
    kinds: given.Kinds = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Make a topic; with --any, --all, --none or --kinds it holds what fits, now and later."""
    from syndicator.store import topics

    rule = Rule(
        any=given.names(any),
        all=given.names(all),
        none=given.names(none),
        kinds=given.choices(kinds, Kind, "kind"),
    )
    with session.writing(ctx) as (runtime, tx):
        made = Topic(
            slug=vet_topic_slug(slug),
            title=one_line(title, "the title"),
            uid=runtime.mint_topic_uid(slug, tx.now),
            created=tx.now,
            rule=None if rule == Rule() else rule,
        )
        topic = topics.add(tx, made)
        if topic.rule:
            topics.refill(tx, topic)
    if as_json:
        output.show_json(views.topic(topic))
    else:
        print(topic.slug)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all topics."""
    from syndicator.store import topics

    with session.reading(ctx) as (_, tx):
        rows = map(views.topic, topics.listing(tx))
        output.listing(rows, ("slug", "title", "rule", "managed_by_file"), as_json=as_json)
