"""`syndicator release …`: what is not yet public, from draft to the moment it goes out, through `press`."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session, views
from syndicator.model.markup import one_line
from syndicator.model.release import ReleaseState

if TYPE_CHECKING:
    from syndicator.model.item import Item
    from syndicator.model.release import Release
    from syndicator.store import Tx

app = given.group("What is not yet public: draft, approve, schedule, publish, lift.")

AT = typer.Option("--at", metavar="INSTANT", help="RFC 3339, or wall time in the site's zone.")
COLUMNS = ("id", "uid", "state", "embargo", "at", "title", "upstream")
BRIEF = ("uid", "state", "at", "title")  # what a terminal has room for
SHORT = 40  # characters of a reason, where a person reads


@app.command()
def draft(
    ctx: typer.Context,
    file: given.Source,
    base: Annotated[str | None, typer.Option(metavar="BASE", help="The version it was made from.")] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Hand in a draft, or a new version of one; its uid is printed, and written back into the file."""
    from syndicator import press

    with session.opened(ctx) as runtime:
        handed = files.handed(file, runtime.site)
        with runtime.store.begin() as tx:
            uid = handed.draft.uid or runtime.mint_uid(tx.now)
            release = press.draft(tx, uid, handed.draft.content, handed.draft.embargo, base=base)
            handed.keep(uid)  # before the commit: else the same file could become a second release
    if handed.draft.published:
        output.say("its date of publication will be the moment of its release")
    _print(release, as_json=as_json)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[ReleaseState | None, typer.Option(help="Only those in this state.")] = None,
    limit: given.Limit = None,
    after: given.After = 0,
    *,
    as_json: given.Json = False,
) -> None:
    """List releases in the order they were drafted."""
    from syndicator.store import releases

    with session.reading(ctx) as (_, tx):
        rows = map(views.release, releases.listing(tx, limit=limit, after=after, state=state))
        if as_json or not sys.stdout.isatty():
            output.listing(rows, COLUMNS, as_json=as_json)
        else:
            output.listing(map(_in_short, rows), BRIEF, as_json=False)


@app.command()
def show(ctx: typer.Context, uid: given.Uid, *, as_json: given.Json = False) -> None:
    """Show a release with its words."""
    from syndicator.store import releases

    with session.reading(ctx) as (_, tx):
        output.details(views.whole_release(releases.named(tx, uid)), as_json=as_json)


@app.command()
def approve(
    ctx: typer.Context,
    uid: given.Uid,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who stands for it; else who is logged in.")] = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Stand for the words of a draft; only then can it be scheduled or published."""
    from syndicator import press

    name = one_line(by or _login(), "--by")
    _move(ctx, lambda tx: press.approve(tx, uid, name), as_json=as_json)


@app.command()
def schedule(
    ctx: typer.Context, uid: given.Uid, at: Annotated[str | None, AT] = None, *, as_json: given.Json = False
) -> None:
    """Let it go out by itself, at its embargo or at --at."""
    _schedule(ctx, uid, at, as_json=as_json)


@app.command()
def reschedule(
    ctx: typer.Context, uid: given.Uid, at: Annotated[str, AT], *, as_json: given.Json = False
) -> None:
    """Let it go out at another instant."""
    _schedule(ctx, uid, at, as_json=as_json)


@app.command()
def publish(ctx: typer.Context, uid: given.Uid, *, as_json: given.Json = False) -> None:
    """Make an approved or held release public now; refused while its embargo holds."""
    from syndicator import press
    from syndicator.store import items

    def work(tx: Tx) -> Item:
        press.publish_now(tx, uid)
        return items.named(tx, uid)

    _go_out(ctx, work, as_json=as_json)


@app.command()
def lift(ctx: typer.Context, uid: given.Uid, *, as_json: given.Json = False) -> None:
    """End an embargo early: public now."""
    from syndicator import press

    _go_out(ctx, lambda tx: press.lift(tx, uid), as_json=as_json)


@app.command()
def cancel(
    ctx: typer.Context,
    uid: given.Uid,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept with the draft.")] = "",
    *,
    as_json: given.Json = False,
) -> None:
    """Decide that it will not go out; the draft is kept."""
    from syndicator import press

    _move(ctx, lambda tx: press.cancel(tx, uid, reason), as_json=as_json)


def _schedule(ctx: typer.Context, uid: str, at: str | None, *, as_json: bool) -> None:
    from syndicator import press

    zone = session.settings(ctx).site().zone
    instant = given.instant(at, zone) if at else None
    _move(ctx, lambda tx: press.schedule(tx, uid, instant), as_json=as_json)


def _move(ctx: typer.Context, work: Callable[[Tx], Release], *, as_json: bool) -> None:
    with session.writing(ctx) as (_, tx):
        release = work(tx)
    when = f", it goes out at {output.cell(release.at)}" if release.at else ""
    output.say(f"{release.uid} is {release.state}{when}")
    if as_json:
        output.show_json(views.release(release))


def _go_out(ctx: typer.Context, work: Callable[[Tx], Item], *, as_json: bool) -> None:
    with session.writing(ctx) as (runtime, tx):
        item = work(tx)
    if as_json:
        output.show_json(views.item(item, runtime.site))
    else:
        print(views.item(item, runtime.site)["url"])


def _print(release: Release, *, as_json: bool) -> None:
    if as_json:
        output.show_json(views.release(release))
    else:
        print(release.uid)


def _in_short(row: views.View) -> views.View:
    """The row for a terminal: after its title the upstream it is from, and as much of its reason as there is room for."""
    reason = row["reason"] or ""
    short = reason if len(reason) <= SHORT else f"{reason[: SHORT - 1]}…"
    more = ": ".join(filter(None, (row["upstream"], short)))
    return row | {"title": f"{row['title']} ({more})" if more else row["title"]}


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "command line"
