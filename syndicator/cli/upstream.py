"""`syndicator upstream …`: the feeds we read, and a poll at once where a person asks for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session, upstream_filing, upstream_shown, upstream_sources, views
from syndicator.errors import Invalid, NotFound, Refused
from syndicator.model.incoming import Fate
from syndicator.model.item import Kind
from syndicator.model.upstream import (
    Relation,
    Upstream,
    folder_path,
    folder_url,
    is_folder,
    over_the_web,
)

if TYPE_CHECKING:
    from syndicator.ingest.poll import Polled
    from syndicator.runtime import Runtime
    from syndicator.store import Tx

app = given.group("The feeds we read.")
app.command()(upstream_sources.find)
app.command("import")(upstream_sources.import_)
app.command()(upstream_sources.export)
app.command("list")(upstream_shown.list_)
app.command()(upstream_shown.show)
app.command()(upstream_filing.accept)
app.command()(upstream_filing.keep)
app.command()(upstream_filing.rules)

Url = Annotated[str, typer.Argument(metavar="URL", help="Of the feed, or file:///a/folder.")]
POLLED = ("slug", "new", "held", "drafts", "revised", "left_out", "asking", "fault")


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
GoneOption = Annotated[
    str | None,
    _option(
        "ask, withdraw or keep: what becomes of an item its own CMS took down.", "--on-gone", metavar="HOW"
    ),
]
ConfirmAbove = Annotated[
    int | None,
    _option("More new items at once are sent only after a yes.", min=0, max=1_000_000, metavar="N"),
]

RulesOption = Annotated[
    str | None,
    _option("Its rules, in force before the first reading: TOML or JSON; - for stdin.", metavar="FILE"),
]
Paused = Annotated[bool, _option("Read nothing until it is resumed.", "--paused")]
FullText = Annotated[
    bool | None,
    _option("Whether its items keep their text, or a summary alone.", "--full-text/--no-full-text"),
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
    on_gone: GoneOption = None,
    confirm_above: ConfirmAbove = None,
    full_text: FullText = None,
    allow_private: given.Ranges = None,
    rules: RulesOption = None,
    *,
    paused: Paused = False,
    as_json: given.Json = False,
) -> None:
    """Read a feed from now on; a running worker polls it at once, unless --paused, until `upstream resume`."""
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
        full_text=full_text,
        allow_private=allow_private or None,
    )
    url = _address(url)
    if is_folder(url):  # nobody else's files are on this machine
        said.setdefault("relation", Relation.OWN)
    if rules is not None:
        said["rules"] = upstream_filing.rules_from(files.read(rules))
    with session.writing(ctx) as (runtime, tx):
        _refuse_the_files_own(tx, runtime, slug)
        upstreams.add(tx, Upstream(id=0, slug=slug, url=url, paused=paused, created=tx.now, **said))
        view, doubts = _view(tx, slug), _doubts(tx, slug, url)
    _print(view, as_json=as_json)
    for words in doubts:
        output.say(words)


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
    on_gone: GoneOption = None,
    confirm_above: ConfirmAbove = None,
    full_text: FullText = None,
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
        full_text=full_text,
        allow_private=allow_private or None,
    )
    url = url and _address(url)
    with session.writing(ctx) as (_, tx):
        before = upstreams.named(tx, slug)
        session.refuse_file_managed(f'the upstream "{slug}"', file=before.file)
        upstreams.edit(tx, replace(before, url=url or before.url, **said))
        view, doubts = _view(tx, slug), _doubts(tx, slug, url) if url else []
    _print(view, as_json=as_json)
    for words in doubts:
        output.say(words)


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
        rows = [_polled(one) for one in done]
        shown = rows if as_json else [row if row["read"] else {**row, "fault": None} for row in rows]
        output.listing(shown, POLLED, as_json=as_json)  # why one could not be read is said once, below
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


def _as_in_the_file(key: str, option: str) -> Callable[[str], Any]:
    """What the config file takes for a key of [[upstreams]], in the same bounds; raises Invalid, naming the option."""

    def read(text: str) -> Any:
        from syndicator.settings.keys import SECTIONS

        try:
            return SECTIONS["upstreams"].keys()[key].value.parse(text)
        except Invalid as fault:
            raise Invalid(f"--{option}: {fault}") from None

    return read


EVERY = _as_in_the_file("every", "every")
READ: dict[str, Callable[[Any], Any]] = {
    "topics": given.names,
    "push_max_age": _as_in_the_file("push_max_age", "push-max-age"),
    "on_change": _as_in_the_file("on_change", "on-change"),
    "on_gone": _as_in_the_file("on_gone", "on-gone"),
    "delay": _as_in_the_file("delay", "delay"),
    "every": lambda text: None if text == "auto" else EVERY(text),
    "allow_private": given.ranges,
}


def _said(**said: Any) -> dict[str, Any]:
    """What was given, by field; what was not stays as it is, or at its default."""
    return {
        name: READ[name](value) if name in READ else value
        for name, value in said.items()
        if value is not None
    }


def _address(url: str) -> str:
    """The address that is meant; raises Invalid for the path of a folder, which people write for its address."""
    if url.startswith("/") or ("://" not in url and not is_folder(url) and url and Path(url).is_dir()):
        raise Invalid(
            f"{url!r} is a path: for a folder of Markdown files write it as {folder_url(str(Path(url).absolute()))}"
        )
    return over_the_web(url.strip())


def _refuse_the_files_own(tx: Tx, runtime: Runtime, slug: str) -> None:
    """Raise Refused, naming file and line, where the config file has an upstream of this name."""
    from syndicator.store import upstreams

    try:
        there = upstreams.named(tx, slug)
    except NotFound:
        return
    if there.file:
        origin = runtime.settings.origins.get(f"upstreams.{slug}.slug")
        where = origin.where if origin else "another config file"
        raise Refused(f'the upstream "{slug}" is managed by {where}: change it there, or choose another name')


def _doubts(tx: Tx, slug: str, url: str) -> list[str]:
    """What is accepted and yet hardly meant, a line each: an address that is read already, a folder that is not there."""
    from syndicator.ingest.sources.subscriptions import place_of
    from syndicator.store.upstreams import lists

    said = [
        f'the upstream "{one.slug}" reads this address already; `syndicator upstream remove` ends one of the two'
        for one in lists.listed(tx)
        if one.slug != slug and place_of(one.url) == place_of(url)
    ]
    if is_folder(url) and not Path(folder_path(url)).is_dir():
        said.append(
            f"there is no folder {folder_path(url)} on this machine yet; it is read as soon as there is one"
        )
    return said


def _view(tx: Tx, slug: str) -> views.View:
    from syndicator.store import upstreams

    return views.upstream(upstreams.named(tx, slug), upstreams.status(tx, slug))


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
    output.listing([*rows, *left], output.PROSPECTS, as_json=False)
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
