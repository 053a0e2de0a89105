"""Options and arguments that several nouns share, and how their text is understood.

Typer reads the annotations; what it cannot know (slugs, instants, lists by comma) is understood
here and refused in words with exit code 2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import typer
from typer.core import TyperGroup

from syndicator.errors import Invalid

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LARGEST = 2**63 - 1  # what a database takes for a whole number


def whole(least: int) -> Callable[[str | int], int]:
    """What understands a whole number from `least` on; no help spells out how large one may be."""

    def number(text: str | int) -> int:
        try:
            found = int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is no whole number.") from None
        if not least <= found <= LARGEST:
            raise typer.BadParameter(f"{text} is {'too large' if found > least else f'less than {least}'}.")
        return found

    return number


Limit = Annotated[int | None, typer.Option(parser=whole(1), metavar="N", help="At most so many.")]
After = Annotated[int, typer.Option(parser=whole(0), metavar="ID", help="Only those after this id.")]
Id = Annotated[int, typer.Argument(parser=whole(1), metavar="ID", help="Its number in the ledger.")]
Uid = Annotated[str, typer.Argument(metavar="UID", help="Its permanent uid.")]
Slug = Annotated[str, typer.Argument(metavar="SLUG", help="Its name.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name.")]
Email = Annotated[str, typer.Argument(metavar="EMAIL", help="The mail address.")]
Source = Annotated[str, typer.Argument(metavar="FILE", help="Markdown with front matter; - for stdin.")]
Topics = Annotated[str, typer.Option(metavar="A,B", help="Slugs of topics, by comma.")]
Kinds = Annotated[str, typer.Option(metavar="K,L", help="Kinds of items, by comma.")]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--allow-private", metavar="CIDR", help="A private address range it may be reached at."),
]
Zone = Annotated[str | None, typer.Option(metavar="ZONE", help="An IANA zone; else the site's.")]
By = Annotated[
    str, typer.Option("--by", metavar="NAME", help="Who does it; else SYNDICATOR_ACTOR, else the login.")
]
Confirm = Annotated[
    int | None,
    typer.Option(
        "--confirm", parser=whole(0), metavar="N", help="Yes to so many mails, the very number shown."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen; write nothing.")]

Markdown = Annotated[
    bool, typer.Option("--markdown", help="As the file it can be changed in and handed in again.")
]
WordTopics = Annotated[
    str, typer.Option("--topics", metavar="A,B", help="Of a Word file: the topics it is filed under.")
]
WordKind = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="Of a Word file: its kind; else press-release.")
]
WordEmbargo = Annotated[
    str, typer.Option("--embargo", metavar="INSTANT", help="Of a Word file: until when nobody may have it.")
]

Choice = TypeVar("Choice", bound=StrEnum)


class Verbs(TyperGroup):
    """The commands of a noun: typer would break off in the middle of what one does."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """What each does, in a line if one holds it, else in as many as its sentence needs."""
        names = self.list_commands(ctx)
        room = formatter.width - 6 - max(map(len, names))
        with formatter.section("Commands"):
            formatter.write_dl([(name, brief(self.commands[name], room)) for name in names])


def brief(command: Any, room: int) -> str:
    """The first sentence of a command's help, or as many whole parts of it as `room` characters hold."""
    sentence = " ".join((command.short_help or command.help or "").split()).partition(". ")[0].rstrip(".")
    if len(sentence) < room:
        return f"{sentence}."
    parts = [sentence[: sign.start()] for sign in re.finditer("[;:] ", sentence)]
    return next((f"{part}." for part in reversed(parts) if len(part) < room), f"{sentence}.")


def group(about: str) -> typer.Typer:
    """The app of a noun."""
    return typer.Typer(
        cls=Verbs, help=about, no_args_is_help=True, rich_markup_mode=None, add_completion=False
    )


def command(work: Callable[..., None], **said: Any) -> typer.Typer:
    """The app of a command that stands alone."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command(**said)(work)
    return app


def names(text: str) -> tuple[str, ...]:
    """The parts of a list by comma, each once.

    >>> names("policy, funding,policy")
    ('policy', 'funding')
    """
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def choices(text: str, options: type[Choice], what: str) -> tuple[Choice, ...]:
    """The members a list by comma names; raises Invalid for an unknown one."""
    return tuple(choice(part, options, what) for part in names(text))


def choice(text: str, options: type[Choice], what: str) -> Choice:
    """The member with this value; raises Invalid with what may be written."""
    try:
        return options(text)
    except ValueError:
        raise Invalid(f"unknown {what} {text!r}: use {', '.join(options)}") from None


def slug(text: str, what: str) -> str:
    """A name of our own making; raises Invalid with the rule."""
    from syndicator.model.item import SLUG

    if not SLUG.fullmatch(text):
        raise Invalid(f"{text!r} is no name for a {what}: use 1 to 64 of a-z, 0-9 and hyphen")
    return text


def instant(text: str, zone: str) -> datetime:
    """An instant: RFC 3339, or wall time in `zone`, which must exist there once."""
    from syndicator.model.release import embargo_from

    try:
        return embargo_from(text, zone).until
    except Invalid as fault:
        raise Invalid(str(fault).removeprefix("embargo ").replace(" with embargo_zone", "")) from None


def ranges(given: list[str] | None) -> tuple[str, ...]:
    """Address ranges, as the configuration writes them."""
    from syndicator.settings.values import NETWORK

    parts = [part for text in given or () for part in names(text)]
    return tuple(NETWORK.parse(part) for part in parts)
