"""`syndicator upstream accept|keep|rules`: a person's word on what an upstream brings, and where it is filed."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.errors import Invalid

if TYPE_CHECKING:
    from syndicator.model.routing import Route


def accept(
    ctx: typer.Context,
    slug: given.Slug,
    *,
    push: Annotated[
        bool, typer.Option("--push/--no-push", help="Whether they are sent to people, too.")
    ] = True,
) -> None:
    """Say yes to many new items that wait because they would all be sent at once; the next poll, now, files them."""
    from syndicator.store import upstreams

    with session.writing(ctx) as (_, tx):
        upstreams.accept(tx, slug, "push" if push else "quiet")
    how = "and sent as usual" if push else "and sent to nobody"
    output.say(
        f'what "{slug}" brings is filed with the next poll, {how}; `syndicator upstream poll {slug}` does it now'
    )


def keep(ctx: typer.Context, uid: given.Uid) -> None:
    """Keep an item although its origin took it down; to follow the origin, use `item withdraw UID`."""
    from syndicator.store import departures

    with session.writing(ctx) as (_, tx):
        departures.keep(tx, uid)
    output.say(f"{uid} stays")


def rules(
    ctx: typer.Context,
    slug: given.Slug,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="New rules, TOML or JSON; - for stdin.")
    ] = None,
    *,
    as_json: given.Json = False,
) -> None:
    """Print the rules by which single items are filed, or replace them by those of a file.

    Of a rule category, author, title (patterns such as press*) and kind say when it holds; topics,
    as_kind and end (item, hold, draft) what follows. Every rule that holds adds its topics, the first
    that names a kind or an end decides. Items that are filed already move when their origin changes them.
    """
    from syndicator.cli import files
    from syndicator.store import upstreams

    if file is None:
        with session.reading(ctx) as (_, tx):
            known = upstreams.named(tx, slug).rules
    else:
        known = rules_from(files.read(file))
        with session.writing(ctx) as (_, tx):
            before = upstreams.named(tx, slug)
            session.refuse_file_managed(f'the upstream "{slug}"', file=before.file)
            known = upstreams.edit(tx, replace(before, rules=known)).rules
        if not known:
            output.say(f'"{slug}" has no rules now')
    if as_json:
        output.show_json(plain(known))
    else:
        print(toml_of(known), end="")


def rules_from(text: str) -> tuple[Route, ...]:
    """The rules a person wrote: TOML with [[rules]], or JSON, a list or {"rules": […]}; raises Invalid, naming each rule."""
    from syndicator.model.routing import MAX_RULES
    from syndicator.settings.values import ROUTES

    said = _parsed(text)
    if isinstance(said, dict):
        if unknown := sorted(set(said) - {"rules"}):
            raise Invalid(f'there is no "{unknown[0]}" among rules: begin each with [[rules]]')
        if "rules" not in said:
            raise Invalid("there are no rules here: begin each with [[rules]]; to have none write rules = []")
        said = said["rules"]
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        raise Invalid("rules are a list: begin each with [[rules]]")
    if len(said) > MAX_RULES:
        raise Invalid(f"these are {len(said)} rules; the limit is {MAX_RULES}")
    found: tuple[Route, ...] = ROUTES.parse(said)
    return found


def plain(routes: Sequence[Route]) -> list[dict[str, Any]]:
    """Rules as plain values, which `rules_from` reads back."""
    from syndicator.model.routing import route_to_json

    return [route_to_json(one) for one in routes]


def toml_of(routes: Sequence[Route]) -> str:
    """Rules as TOML, which `rules_from` reads back.

    >>> from syndicator.model.routing import Route
    >>> print(toml_of([Route(category="press*", topics=("press",))]), end="")
    [[rules]]
    category = "press*"
    topics = ["press"]
    """
    if not routes:
        return "rules = []\n"
    # What JSON writes of strings and lists of strings is TOML, too, but for DEL, which it leaves bare.
    return "\n".join(
        "[[rules]]\n"
        + "".join(
            f"{name} = {json.dumps(value, ensure_ascii=False)}\n".replace("\x7f", "\\u007f")
            for name, value in one.items()
        )
        for one in plain(routes)
    )


def _parsed(text: str) -> Any:
    try:
        if text.lstrip()[:1] in {"[", "{"} and not text.lstrip().startswith("[["):
            return json.loads(text)
        return tomllib.loads(text)
    except (ValueError, RecursionError) as fault:
        raise Invalid(f"these rules cannot be read: {fault}") from None
