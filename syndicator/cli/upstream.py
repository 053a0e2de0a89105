"""`syndicator upstream …`: the feeds we read, and a poll at once where a person asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, upstream_filing, upstream_sources, views
from syndicator.model.incoming import Fate
from syndicator.model.item import Kind, Significance
from syndicator.model.schedule import duration
from syndicator.model.upstream import OnGone, Relation, Upstream, is_folder

if TYPE_CHECKING:
    from syndicator.ingest.poll import Polled
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

app = given.group("The feeds we read.")
app.command()(upstream_sources.find)
app.command("import")(upstream_sources.import_)
app.command()(upstream_sources.export)
app.command()(upstream_filing.accept)
app.command()(upstream_filing.keep)
app.command()(upstream_filing.rules)

Url = Annotated[str, typer.Argument(metavar="URL", help="Of the feed, or file:///a/folder.")]
POLLED = ("slug", "new", "held", "drafts", "revised", "left_out", "asking", "fault")
COLUMNS = (
    "slug",
    "relation",
    "paused",
    "succeeded",
    "next_check",
    "weekly",
    "unmodified",
    "hub",
    "fault",
    "url",
)


def _option(words: str, *names: str, **said: Any) -> Any:
    return typer.Option(*names, help=words, **said)


RelationOption = Annotated[Relation | None, _option("own: our CMS; foreign: a partner, credited.")]
KindOption = Annotated[Kind | None, _option("The kind given to every item.")]
TopicsOption = Annotated[str | None, _option("Plain topics given to every item.", metavar="A,B")]
Push = Annotated[bool | None, _option("Whether its items may be sent to people at all.", "--push/--no-push")]
PushMaxAge = Annotated[str | None, _option("Older items are never sent: 24h.", metavar="SPAN")]
OnChange = Annotated[str | None, _option("silent or correction: what a changed item becomes.", metavar="HOW")]
Hold = Annotated[bool | None, _option("Quarantine: each item waits for a yes.", "--hold/--no-hold")]
Delay = Annotated[
    str | None, _option("Each item waits so long, and can be stopped: 1h; 0s ends it.", metavar="SPAN")
]
Every = Annotated[
    str | None, _option("How often it is asked: 30m; auto: as its feed wishes.", metavar="SPAN")
]
Gone = Annotated[OnGone | None, _option("What becomes of an item its own CMS took down.", "--on-gone")]
ConfirmAbove = Annotated[
    int | None,
    _option("More new items at once are sent only after a yes.", min=0, max=1_000_000, metavar="N"),
]


@app.command()
def add(
    ctx: typer.Context,
    slug: given.Slug,
    url: Url,
    relation: RelationOption = None,
    topics: TopicsOption = None,
    kind: KindOption = None,
    push: Push = None,
    push_max_age: PushMaxAge = None,
    on_change: OnChange = None,
    hold: Hold = None,
    delay: Delay = None,
    every: Every = None,
    on_gone: Gone = None,
    confirm_above: ConfirmAbove = None,
    allow_private: given.Ranges = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Read a feed from now on; a running worker polls it at once."""
    from syndicator.store import upstreams

    said = _said(
        relation=relation,
        topics=topics,
        kind=kind,
        push=push,
        push_max_age=push_max_age,
        on_change=on_change,
        hold=hold,
        delay=delay,
        every=every,
        on_gone=on_gone,
        confirm_above=confirm_above,
        allow_private=allow_private or None,
    )
    if is_folder(url):  # nobody else's files are on this machine
        said.setdefault("relation", Relation.OWN)
    with session.writing(ctx) as (_, tx):
        upstreams.add(tx, Upstream(id=0, slug=slug, url=url, created=tx.now, **said))
        view = _view(tx, slug)
    _print(view, as_json=as_json)


@app.command()
def edit(
    ctx: typer.Context,
    slug: given.Slug,
    url: Annotated[str | None, _option("Its new address.", metavar="URL")] = None,
    relation: RelationOption = None,
    topics: TopicsOption = None,
    kind: KindOption = None,
    push: Push = None,
    push_max_age: PushMaxAge = None,
    on_change: OnChange = None,
    hold: Hold = None,
    delay: Delay = None,
    every: Every = None,
    on_gone: Gone = None,
    confirm_above: ConfirmAbove = None,
    allow_private: given.Ranges = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Change what is given; everything else stays."""
    from syndicator.store import upstreams

    said = _said(
        relation=relation,
        topics=topics,
        kind=kind,
        push=push,
        push_max_age=push_max_age,
        on_change=on_change,
        hold=hold,
        delay=delay,
        every=every,
        on_gone=on_gone,
        confirm_above=confirm_above,
        allow_private=allow_private or None,
    )
    with session.writing(ctx) as (_, tx):
        before = upstreams.named(tx, slug)
        session.refuse_file_managed(f'the upstream "{slug}"', file=before.file)
        upstreams.edit(tx, replace(before, url=url or before.url, **said))
        view = _view(tx, slug)
    _print(view, as_json=as_json)


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all upstreams and how they fare."""
    from syndicator.store import upstreams

    with session.reading(ctx) as (_, tx):
        status = {one.slug: one for one in upstreams.statuses(tx)}
        rows = [views.upstream(one, status[one.slug]) for one in upstreams.listing(tx)]
    output.listing(rows, COLUMNS, as_json=as_json)


@app.command()
def show(ctx: typer.Context, slug: given.Slug, *, as_json: given.Json = False) -> None:
    """Show one upstream and how it fares."""
    from syndicator.store import departures, upstreams

    with session.reading(ctx) as (runtime, tx):
        one = upstreams.named(tx, slug)
        gone = departures.listing(tx, one.id)
        taken_down = [
            {"uid": item.uid, "title": item.title, "since": item.since, "page": item.page} for item in gone
        ]
        view = {**_view(tx, slug), **_told(tx, one, runtime)}
        output.details({**view, "taken_down": taken_down} if gone else view, as_json=as_json)
    if gone and not as_json:
        output.say(
            "taken down at the origin: `syndicator item withdraw UID`, or `syndicator upstream keep UID`"
        )


@app.command()
def poll(
    ctx: typer.Context,
    slug: Annotated[str | None, typer.Argument(metavar="[SLUG]", help="One upstream; else all.")] = None,
    *,
    dry_run: given.DryRun = False,
    as_json: given.Json = False,
) -> None:
    """Read upstreams now, due or not. Exit 75 if none could be read, 4 if something was left out.

    With --dry-run nothing is written: it shows what each entry would become, and why.
    """
    from syndicator.ingest import poll as polling
    from syndicator.store import upstreams

    with session.opened(ctx) as runtime:
        with runtime.store.read() as tx:
            slugs = [slug] if slug else [one.slug for one in upstreams.listing(tx) if not one.paused]
        with runtime.poller() as poller:
            done = polling.poll_some(poller, slugs, dry_run=dry_run)
    if dry_run and slug and not as_json:
        _show_prospects(done[0])
    else:
        output.listing(map(_polled, done), POLLED, as_json=as_json)
    _judge(done)


@app.command()
def pause(ctx: typer.Context, slug: given.Slug) -> None:
    """Read it no more, until it is resumed."""
    _pause(ctx, slug, paused=True)


@app.command()
def resume(ctx: typer.Context, slug: given.Slug) -> None:
    """Read it again, at once."""
    _pause(ctx, slug, paused=False)


@app.command()
def remove(ctx: typer.Context, slug: given.Slug) -> None:
    """Forget an upstream; its items and held releases stay."""
    from syndicator.store import releases, upstreams

    with session.writing(ctx) as (_, tx):
        session.refuse_file_managed(f'the upstream "{slug}"', file=upstreams.named(tx, slug).file)
        upstreams.remove(tx, slug)
        waiting = releases.waiting_from(tx, slug)
    output.say(f'the upstream "{slug}" is forgotten; what it brought stays')
    if waiting:
        output.say(
            f"releases of it that are not public yet: {waiting}; those with a date go out by themselves (`syndicator release list`)"
        )


READ: dict[str, Callable[[Any], Any]] = {
    "topics": given.names,
    "push_max_age": duration,
    "on_change": lambda text: given.choice(text, Significance, "on-change"),
    "delay": duration,
    "every": lambda text: None if text == "auto" else duration(text),
    "allow_private": given.ranges,
}


def _said(**said: Any) -> dict[str, Any]:
    """What was given, by field; what was not stays as it is, or at its default."""
    return {
        name: READ[name](value) if name in READ else value
        for name, value in said.items()
        if value is not None
    }


def _view(tx: Tx, slug: str) -> views.View:
    from syndicator.store import upstreams

    return views.upstream(upstreams.named(tx, slug), upstreams.status(tx, slug))


def _told(tx: Tx, one: Upstream, runtime: Runtime) -> views.View:
    """How others tell us that it has news: its hub, and the addresses that may be pinged."""
    from syndicator.store import hubs

    hub = hubs.find(tx, one.id)
    return {
        "hub_address": hub and hub.hub,
        "hub_until": hub and hub.lease_until,
        "hub_fault": hub and hub.fault,
        "ping": runtime.ping_url(one),
        "ping_wordpress": runtime.site.url("/xmlrpc"),
    }


def _print(view: views.View, *, as_json: bool) -> None:
    if as_json:
        output.show_json(view)
    else:
        print(view["slug"])


def _pause(ctx: typer.Context, slug: str, *, paused: bool) -> None:
    from syndicator.store import upstreams

    with session.writing(ctx) as (_, tx):
        upstreams.pause(tx, slug, paused)
    output.say(f'the upstream "{slug}" is {"paused" if paused else "read again"}')


def _polled(done: Polled) -> views.View:
    return {
        "slug": done.slug,
        "read": done.read,
        "new": done.count(Fate.ITEM),
        "held": done.count(Fate.HELD),
        "drafts": done.count(Fate.DRAFT),
        "revised": done.count(Fate.REVISED),
        "withdrawn": done.count(Fate.WITHDRAWN),
        "unchanged": done.count(Fate.UNCHANGED),
        "left_out": len(done.left_out),
        "asking": done.asking,
        "fault": done.fault,
        "items": [prospect.as_json() for prospect in done.prospects],
        "refused": [entry.as_json() for entry in done.left_out],
    }


def _show_prospects(done: Polled) -> None:
    """Each entry on a line: what it would become, under which title, and why."""
    rows = [prospect.as_json() for prospect in done.prospects]
    left = [{**entry.as_json(), "fate": "left out"} for entry in done.left_out]
    output.listing([*rows, *left], ("fate", "pushed", "title", "topics", "why"), as_json=False)
    if done.asking is not None:
        output.say(f"{done.asking} of them would be sent at once, so a poll would file none and ask first")


def _judge(done: list[Polled]) -> None:
    failed = [one for one in done if one.fault and not one.read]
    for one in failed:
        output.say(f"{one.slug}: {one.fault}")
    if failed and len(failed) == len(done):
        raise typer.Exit(75)
    if failed or any(one.left_out for one in done):
        raise typer.Exit(4)
