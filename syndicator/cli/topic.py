"""`syndicator topic …`: the subjects items are filed under, plain or made by a rule."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views
from syndicator.model.item import Kind, Rule, Topic, vet_topic_slug
from syndicator.model.markup import one_line
from syndicator.model.schedule import duration

if TYPE_CHECKING:
    from syndicator.store import Tx

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
            uid=runtime.mint_topic_uid(tx.now),
            created=tx.now,
            rule=None if rule == Rule() else rule,
        )
        topic = topics.add(tx, made)
        if topic.rule:
            topics.refill(tx, topic)
        _tell(tx, topic, as_json=as_json)
        if topics.find_public(tx, topic.slug) is None:
            output.say("its page and feeds are there from its first item on")


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all topics, also those that close, are closed or were merged."""
    from syndicator.store import topics

    with session.reading(ctx) as (_, tx):
        places = topics.all_addresses(tx)
        rows = [views.topic(topic, places) for topic in topics.listing(tx)]
        output.listing(rows, ("slug", "title", "state", "into", "rule", "managed_by_file"), as_json=as_json)


@app.command()
def rename(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Its slug now.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The slug it gets; the same for a title alone.")],
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What readers see.")] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Give a topic another slug; its old addresses lead to the new ones."""
    from syndicator import topics

    with session.writing(ctx) as (_, tx):
        topic = topics.rename(tx, old, new, title)
        _tell(tx, topic, as_json=as_json)
        if topic.slug != old:
            output.say(f'the addresses of "{old}" lead to those of "{topic.slug}" from now on')


@app.command()
def merge(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The topic that goes.")],
    into: Annotated[str, typer.Argument(metavar="INTO", help="The topic that takes its items and readers.")],
    *,
    as_json: given.Json = False,
) -> None:
    """Let one topic go into another: items, readers and addresses; nobody is sent anything."""
    from syndicator import topics

    with session.writing(ctx) as (_, tx):
        _tell(tx, topics.merge(tx, source, into), as_json=as_json)
        output.say(f'the items, readers and addresses of "{source}" are those of "{into}" from now on')


@app.command()
def close(
    ctx: typer.Context,
    slug: given.Slug,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What its feeds say until then.")] = None,
    after: Annotated[
        str | None, typer.Option(metavar="SPAN", help="How long until then; 14d, or what was said before.")
    ] = None,
    *,
    now: Annotated[bool, typer.Option("--now", help="At once, without notice.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Take an announced end back.")] = False,
    as_json: given.Json = False,
) -> None:
    """End a topic: its feeds say so, then its addresses answer that it is gone for good."""
    from syndicator import topics

    with session.writing(ctx) as (_, tx):
        if cancel:
            closing = topics.keep_open(tx, slug)
        else:
            closing = topics.close(tx, slug, note, timedelta() if now else duration(after) if after else None)
        _tell(tx, closing, as_json=as_json)
        _tell_end(closing)


def _tell_end(topic: Topic) -> None:
    if topic.closing is None:
        output.say("it stays open")
    elif topic.closing.over > topic.closing.announced:
        output.say(
            f"it closes for good at {topic.closing.over:%Y-%m-%d %H:%M} UTC; "
            f"until then `syndicator topic close {topic.slug} --cancel` takes that back"
        )
    else:
        output.say("it is closed for good")


def _tell(tx: Tx, topic: Topic, *, as_json: bool) -> None:
    from syndicator.store import topics

    if as_json:
        output.show_json(views.topic(topic, topics.all_addresses(tx)))
    else:
        print(topic.slug)
