"""`syndicator db …`: the database's schema, looked at and brought up to date."""

from __future__ import annotations

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session

app = given.group("The database's schema.")


@app.command()
def upgrade(ctx: typer.Context) -> None:
    """Bring the schema to the newest revision; doing it twice, or from two machines, is harmless."""
    with session.opened(ctx, prepared=False) as runtime:
        before = runtime.store.revision()
        runtime.store.upgrade()
        after = runtime.store.revision()
    print(f"{after}" if before == after else f"{before or 'empty'} -> {after}")


@app.command()
def status(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """Show which schema the database has and which one this program needs."""
    from syndicator.store import revision

    with session.opened(ctx, prepared=False) as runtime:
        found, kind = runtime.store.revision(), runtime.store.kind
    view = {"kind": kind, "revision": found, "needed": revision.HEAD, "current": found == revision.HEAD}
    output.details(view, as_json=as_json)
