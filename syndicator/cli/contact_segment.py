"""`syndicator contact segment …`: saved rules over the media list, by which a release names its audience."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.errors import Invalid
from syndicator.model.markup import one_line
from syndicator.model.segment import Rule, Segment, checked

app = given.group("Segments: saved rules that a release's audience names.")

COLUMNS = ("slug", "title", "members", "rule")
FIRST = 10  # members shown of a segment

Tags = Annotated[str, typer.Option("--any", metavar="A,B", help="At least one of these tags.")]
AllTags = Annotated[str, typer.Option("--all", metavar="A,B", help="All of these tags.")]
NoTags = Annotated[str, typer.Option("--none", metavar="A,B", help="None of these tags.")]
Outlets = Annotated[
    list[str] | None, typer.Option("--outlet", metavar="OUTLET", help="As it is spelled; again for more.")
]
Countries = Annotated[str, typer.Option("--countries", metavar="CH,DE", help="In one of these countries.")]
Languages = Annotated[str, typer.Option("--languages", metavar="de,en", help="Of one of these languages.")]
Accredited = Annotated[
    bool | None, typer.Option("--accredited/--anybody", help="Only who sees what is under embargo.")
]


@app.command("list")
def list_(ctx: typer.Context, *, as_json: given.Json = False) -> None:
    """List all segments and how many are in each now."""
    from syndicator.store import segments

    with session.reading(ctx) as (_, tx):
        rows = (_view(one) | {"members": segments.count(tx, one.slug)} for one in segments.listing(tx))
        output.listing(rows, COLUMNS, as_json=as_json)


@app.command()
def add(
    ctx: typer.Context,
    slug: given.Slug,
    title: Annotated[str, typer.Option(metavar="TEXT", help="What it is called; else its name.")] = "",
    any_: Tags = "",
    all_: AllTags = "",
    none: NoTags = "",
    outlets: Outlets = None,
    countries: Countries = "",
    languages: Languages = "",
    topics: given.Topics = "",
    by: given.By = "",
    *,
    accredited: Accredited = None,
    as_json: given.Json = False,
) -> None:
    """Save a rule: whoever meets each of these conditions is in it, asked anew each time."""
    from syndicator.store import audit, segments

    rule = checked(
        Rule(
            any=given.names(any_),
            all=given.names(all_),
            none=given.names(none),
            outlets=tuple(outlets or ()),
            countries=given.names(countries),
            languages=given.names(languages),
            topics=given.names(topics),
            accredited=bool(accredited),
        )
    )
    name = given.slug(slug, "segment")
    with session.writing(ctx) as (_, tx):
        made = segments.add(tx, name, one_line(title, "--title") or name, rule)
        audit.record(tx, session.actor(by), "segment.add", f"segment/{name}", rule=rule.as_json())
        count = segments.count(tx, name)
    _say(made, count, as_json=as_json)


@app.command()
def edit(
    ctx: typer.Context,
    slug: given.Slug,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is called.")] = None,
    any_: Annotated[
        str | None, typer.Option("--any", metavar="A,B", help="At least one of these tags.")
    ] = None,
    all_: Annotated[str | None, typer.Option("--all", metavar="A,B", help="All of these tags.")] = None,
    none: Annotated[str | None, typer.Option("--none", metavar="A,B", help="None of these tags.")] = None,
    outlets: Outlets = None,
    countries: Annotated[
        str | None, typer.Option("--countries", metavar="CH,DE", help="In one of these.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option("--languages", metavar="de,en", help="Of one of these.")
    ] = None,
    topics: Annotated[
        str | None, typer.Option("--topics", metavar="A,B", help="Subscribed to one of these.")
    ] = None,
    by: given.By = "",
    *,
    accredited: Accredited = None,
    as_json: given.Json = False,
) -> None:
    """Change conditions; those not named stay, an empty one goes. What is planned already stays as it is."""
    from dataclasses import replace

    from syndicator.store import audit, segments

    said = {"any": any_, "all": all_, "none": none}
    said |= {"countries": countries, "languages": languages, "topics": topics}
    changes: dict[str, Any] = {key: given.names(text) for key, text in said.items() if text is not None}
    changes |= {"outlets": tuple(filter(None, outlets))} if outlets is not None else {}
    changes |= {"accredited": accredited} if accredited is not None else {}
    if not changes and title is None:
        raise Invalid("say what is to change, such as --any desk or --title")
    with session.writing(ctx) as (_, tx):
        before = segments.named(tx, slug)
        rule = checked(replace(before.rule, **changes))
        made = segments.edit(tx, slug, one_line(title, "--title") if title else before.title, rule)
        audit.record(tx, session.actor(by), "segment.edit", f"segment/{slug}", rule=rule.as_json())
        count = segments.count(tx, slug)
    _say(made, count, as_json=as_json)


@app.command()
def show(ctx: typer.Context, slug: given.Slug, *, as_json: given.Json = False) -> None:
    """Show a segment's rule, how many are in it now, and the first of them."""
    from syndicator.store import segments

    with session.reading(ctx) as (_, tx):
        view = _view(segments.named(tx, slug)) | {"members": segments.count(tx, slug)}
        first = [one.address.typed for one in segments.first(tx, slug, FIRST)]
    output.details(view | {"first": first if as_json else output.Lines(first)}, as_json=as_json)


@app.command()
def remove(ctx: typer.Context, slug: given.Slug, by: given.By = "") -> None:
    """Forget a segment; refused while a release that is not out names it."""
    from syndicator.store import audit, segments

    with session.writing(ctx) as (_, tx):
        segments.remove(tx, slug)
        audit.record(tx, session.actor(by), "segment.remove", f"segment/{slug}")
    output.say(f"the segment {slug} is gone")


def _view(one: Segment) -> dict[str, Any]:
    return {"slug": one.slug, "title": one.title, "rule": one.rule.as_json(), "created": one.created}


def _say(made: Segment, count: int, *, as_json: bool) -> None:
    if as_json:
        output.show_json(_view(made) | {"members": count})
        return
    output.say(f"{output.counted(count, 'contact is', 'contacts are')} in it now")
    print(made.slug)
