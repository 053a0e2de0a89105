"""The root of the command line: global options, the nouns, and how errors leave the house.

A noun's module is imported only when the noun is used; its one line of help stands here, so that
`--help` imports none of them. Each module offers a typer app named `app`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from syndicator.errors import Faulty, Invalid, Misconfigured, Stale, SyndicatorError

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 config, 4 partly failed, 5 not found, 6 refused by a rule, "
    "75 try later, 130 interrupted."
)
# A command says only what is wrong; a service tells its day.
QUIET, TALKATIVE = "warning", "info"
SERVICES = ("run", "serve", "worker", "demo")
LEVELS = ("debug", "info", "warning", "error")
# Noun → (module, what it is about).
NOUNS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "Show the sample newsroom on this machine; nothing leaves it."),
    "init": ("init", "Make a newsroom: a commented config, the database, a key."),
    "run": ("run", "Run the web process and a worker, and keep them running."),
    "serve": ("serve", "Run the web process."),
    "worker": ("work", "Run a worker: releases, feeds, deliveries, polls, schedules."),
    "health": ("health", "Ask the web process whether all is well."),
    "doctor": ("doctor", "Check the set-up: DNS records, the relay, links in mail, the house."),
    "item": ("item", "What is public: add, edit, correct, withdraw, kill, show, import."),
    "topic": ("topic", "The subjects items are filed under."),
    "feed": ("feed", "The documents that aggregators read."),
    "upstream": ("upstream", "The feeds we read."),
    "release": ("release", "What is not yet public: draft, approve, schedule, publish, lift."),
    "contact": ("contact", "The media list."),
    "partner": ("partner", "The machines that receive pushes."),
    "newsletter": ("newsletter", "Issues made from the items of a time: see, put in order, test, approve."),
    "schedule": ("schedule", "When something recurs, and its runs."),
    "delivery": ("delivery", "The ledger: who was sent what, and what became of it."),
    "audit": ("audit", "Who did what, when and why, and whether that record is whole."),
    "config": ("config", "The configuration: check it, show it, its schema."),
    "db": ("db", "The database's schema."),
}


@dataclass(frozen=True, slots=True)
class Globals:
    """The options that stand before the noun."""

    config: Path | None = None
    log_level: str | None = None


class Nouns(TyperGroup):
    """A group whose commands are imported when they are called for."""

    def list_commands(self, _ctx: Any) -> list[str]:
        """Every noun, in the order of the help."""
        return list(NOUNS)

    def get_command(self, _ctx: Any, cmd_name: str) -> Any:
        """The command of a noun, imported now; None for an unknown one."""
        if cmd_name not in NOUNS:
            return None
        if cmd_name not in self.commands:
            module, about = NOUNS[cmd_name]
            command = get_command(importlib.import_module(f"syndicator.cli.{module}").app)
            command.name, command.short_help = cmd_name, about
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As typer does, with a word on what may have been meant."""
        if args[0] not in NOUNS and not args[0].startswith("-"):
            from syndicator.settings.values import nearest

            ctx.fail(f"there is no command {args[0]!r}{nearest(args[0], NOUNS, 'see --help; there are')}")
        return super().resolve_command(ctx, args)

    def format_commands(self, _ctx: Any, formatter: Any) -> None:
        """One line for each noun, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(noun, about) for noun, (_, about) in NOUNS.items()])

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an expected error becomes its line on stderr and its exit code."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # here a reader that has left is noticed in good order
            return result
        except SyndicatorError as fault:
            lines = fault.faults if isinstance(fault, Misconfigured | Faulty | Stale) else [str(fault)]
            for line in lines:
                print(" ".join(line.split()), file=sys.stderr)
            raise typer.Exit(fault.exit_code) from None


app = typer.Typer(cls=Nouns, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True)


def _version(asked: bool) -> None:  # noqa: FBT001 - typer hands it on by place
    if asked:
        from syndicator.cli import version

        print(version())
        raise typer.Exit


@app.callback(epilog=EXIT_CODES)
def syndicator(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The configuration; else $SYNDICATOR_CONFIG, else config/syndicator.toml."
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="debug, info, warning or error; on stderr.")
    ] = None,
    *,
    version: Annotated[  # noqa: ARG001 - its callback has answered by then
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Publish an item once; bring it to everyone exactly when the editor said."""
    ctx.obj = Globals(config, log_level)
    _configure_logs(log_level or (TALKATIVE if ctx.invoked_subcommand in SERVICES else QUIET))


def _configure_logs(level: str) -> None:
    # Here, so that no command can write a log line to stdout, where the data goes.
    from syndicator import observe

    if level.lower() not in LEVELS:
        raise Invalid(f"--log-level {level!r}: use {', '.join(LEVELS)}")
    observe.configure_logging(level=level)


def run(args: Sequence[str]) -> None:
    """Run a command line; always ends in SystemExit, except for a bug, which is loud."""
    if any("\ud800" <= char <= "\udfff" for word in args for char in word):
        print(f"{ascii(' '.join(args))[:80]}: an argument is not UTF-8: write it in UTF-8", file=sys.stderr)
        raise SystemExit(Invalid.exit_code)
    command = get_command(app)
    if list(args) in (["--help"], []):
        _show_help(command, asked=bool(args))
    command.main(list(args), prog_name="syndicator")


def _show_help(command: Any, *, asked: bool) -> None:
    # typer would import pydantic to look at one flag.
    context = typer.Context(command, info_name="syndicator")
    print(command.get_help(context), file=sys.stdout if asked else sys.stderr)
    raise SystemExit(0 if asked else 2)
