"""`syndicator audit …`: who did what, when and why, and whether that record is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session, views

app = given.group("Who did what, when and why.")

COLUMNS = ("id", "at", "actor", "act", "subject", "why")
Subject = Annotated[str | None, typer.Option(metavar="UID", help="Only what was done to this.")]


@app.command("list")
def list_(
    ctx: typer.Context,
    subject: Subject = None,
    limit: given.Limit = None,
    after: given.After = 0,
    *,
    as_json: given.Json = False,
) -> None:
    """List acts in their order: who approved, published, corrected, killed, accredited, and why."""
    from syndicator.store import audit

    with session.reading(ctx) as (_, tx):
        rows = map(views.audited, audit.listing(tx, subject=subject, limit=limit, after=after))
        output.listing(rows, COLUMNS, as_json=as_json)


@app.command()
def verify(
    ctx: typer.Context,
    holds: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="A last digest kept elsewhere: it must still be there."),
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Look whether every row is as it was written; exit 1 names the first that is not.

    Rows are made with the site's signing key, so only who has that key can write them anew. Without a key, and
    for rows cut off the end, only a last digest kept elsewhere (--holds) proves it.
    """
    from syndicator.store import audit

    with session.reading(ctx) as (_, tx):
        faults = audit.verify(tx)
        count, last = audit.tip(tx)
        if holds and not audit.knows(tx, holds):
            faults.append(f"no row has the digest {holds}: rows were cut off the end, or changed")
    if as_json:
        output.show_json({"rows": count, "last": last, "faults": faults})
    elif not faults:
        print(
            f"whole: {output.counted(count, 'act')}; the last digest is {last}"
            if count
            else "whole: nothing is recorded yet"
        )
    if count and not audit.keyed(last) and not faults:
        output.say("made without a signing key: only a digest kept elsewhere proves it; set site.secret_key")
    for fault in faults:
        output.say(fault)
    if faults:
        raise typer.Exit(1)
