"""`syndicator config …`: the configuration, checked, shown with its origins, and as JSON Schema."""

from __future__ import annotations

from typing import Annotated

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session

app = given.group("The configuration: check it, show it, its schema.")


@app.command()
def check(ctx: typer.Context) -> None:
    """Read file and environment and name every fault, one a line; opens nothing. Exit 3 if there are any."""
    settings = session.settings(ctx)
    output.say(f"{settings.file or 'no file: defaults and environment'}: no faults")
    slug = settings.newsletter.topic
    if slug and slug not in {one.slug for one in settings.topics}:
        output.say(
            f'[newsletter] topic "{slug}" is none of [[topics]]: `syndicator doctor` says whether it was made by hand'
        )


@app.command()
def show(
    ctx: typer.Context,
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    as_json: given.Json = False,
) -> None:
    """Show every key and its value; secrets are hidden."""
    rows = list(session.settings(ctx).listing())
    if as_json:
        output.show_json(
            {key: {"value": value, "origin": str(where)} if origin else value for key, value, where in rows}
        )
        return
    shown = [{"key": key, "value": value, "origin": str(where)} for key, value, where in rows]
    output.listing(shown, ("key", "value", "origin") if origin else ("key", "value"), as_json=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the file, for editors."""
    from syndicator.settings import schema as of_settings

    output.show_json(of_settings())
