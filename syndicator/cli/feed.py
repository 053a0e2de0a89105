"""`syndicator feed …`: the documents that aggregators read, and their copies for any web server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import files, output, session, views
from syndicator.errors import Invalid

if TYPE_CHECKING:
    from syndicator.feeds import Rebuilt
    from syndicator.render.lint import Problem
    from syndicator.runtime import Runtime

Row = dict[str, Any]
app = given.group("The documents that aggregators read.")


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List the stored documents with their validators."""
    from syndicator.store import documents

    with session.reading(ctx) as (runtime, tx):
        rows = [views.document(known, runtime.site) for known in documents.validators(tx)]
    rows.sort(key=lambda row: (row["topic"], row["format"]))
    output.listing(rows, ("topic", "format", "etag", "modified", "size", "url"), as_json=as_json)


@app.command()
def build(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """Build every feed anew, now. Exit 4 if an item or a topic had to be left out."""
    from syndicator import feeds
    from syndicator.store import documents, topics

    with session.opened(ctx) as runtime:
        with runtime.store.begin() as tx:
            topics.mark_all_stale(tx)  # first: it waits for whoever renders them now
            topics.retry_unrendered(tx)
            documents.forget_all(tx)
        built = feeds.rebuild_stale(runtime.store, runtime.site)
    if as_json:
        output.show_json(
            {
                "topics": built.topics,
                "changed": built.changed,
                "pages": built.pages,
                "left_out": list(built.left_out),
                "failed": list(built.failed),
            }
        )
    else:
        closed = f", {built.pages} archive pages closed" if built.pages else ""
        print(f"{built.topics} topics, {built.changed} documents changed{closed}")
    _complain(built)


@app.command()
def export(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where feeds/… is kept.")],
    *,
    as_json: given.Json = False,
) -> None:
    """Write all feeds, plain and gzip, as files for any web server; only what changed is touched."""
    from syndicator.feeds import export as flow
    from syndicator.store import copies

    with session.opened(ctx) as runtime:
        copies.note(runtime.cabinet.folder, folder)  # a redaction reaches them
        done = flow.export(runtime.store, runtime.site, folder)
    if as_json:
        written, removed = ([str(path) for path in paths] for paths in (done.written, done.removed))
        output.show_json({"files": done.files, "written": written, "removed": removed})
    else:
        print(
            f"{output.counted(done.files, 'file')}, {len(done.written)} written, {len(done.removed)} removed"
        )
    _complain(done.built)


@app.command()
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE]…", help="Items before they are published; none: what is served."),
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Say what validators and readers would say of the feeds, or of files before they are published.

    Exit 1 if there is an error; warnings alone end with 0.
    """
    with session.opened(ctx) as runtime:
        problems = list(_of_files(runtime, names) if names else _of_feeds(runtime))
    columns = ("level", "file" if names else "url", "where", "problem", "advice")
    output.listing(problems, columns, as_json=as_json)
    errors = sum(problem["level"] == "error" for problem in problems)
    warnings = output.counted(len(problems) - errors, "warning")
    output.say(f"{output.counted(errors, 'error')}, {warnings}" if problems else "no problems")
    if errors:
        raise typer.Exit(1)


def _of_feeds(runtime: Runtime) -> Iterator[Row]:
    from syndicator.feeds import check as flow

    for found in flow.served(runtime.store, runtime.site):
        place = {"topic": found.topic, "format": found.format, "url": found.url}
        yield {**place, **_row(found.problem)}


def _of_files(runtime: Runtime, names: Sequence[str]) -> Iterator[Row]:
    from syndicator.feeds import check as flow

    for name in names:
        draft = files.handed(name, runtime.site).draft
        try:
            found = flow.draft(runtime.store, runtime.site, draft, runtime.mint_uid)
        except Invalid as fault:
            raise Invalid(f"{name}: {fault}") from None
        for format, problem in found:
            yield {"file": name, "format": format, **_row(problem)}


def _row(problem: Problem) -> Row:
    return {
        "level": problem.level,
        "where": problem.where,
        "problem": problem.what,
        "advice": problem.advice,
    }


def _complain(built: Rebuilt) -> None:
    for uid in built.left_out:
        output.say(f"left out, because it cannot be rendered: {uid}")
    for slug in built.failed:
        output.say(f"not built, and tried again in some seconds; the log says why: {slug}")
    if built.left_out or built.failed:
        raise typer.Exit(4)
