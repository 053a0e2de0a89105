"""What a command works with: the settings that were asked for, and a runtime that is given back.

The heavy rooms are imported here, when a command runs, and never when help is shown.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import typer

from syndicator.cli import output
from syndicator.cli.root import Globals
from syndicator.errors import Refused
from syndicator.model.markup import one_line

if TYPE_CHECKING:
    from syndicator.runtime import Runtime
    from syndicator.settings import Settings
    from syndicator.store import Tx

NO_FLAGS: Mapping[str, str] = MappingProxyType({})


def settings(ctx: typer.Context, flags: Mapping[str, str] = NO_FLAGS) -> Settings:
    """The configuration, `flags` (`section.key`) above all; raises Misconfigured with every fault."""
    from syndicator.settings import load

    return load(asked(ctx).config, os.environ, flags)


def asked(ctx: typer.Context) -> Globals:
    """The global options."""
    found = ctx.find_object(Globals)
    return found or Globals()


@contextmanager
def opened(
    ctx: typer.Context, *, prepared: bool = True, start: bool = False, flags: Mapping[str, str] = NO_FLAGS
) -> Iterator[Runtime]:
    """A runtime over a database that is ready, closed at the end; `start` is a process that serves or works.

    Without `prepared` the schema is left as it is and the config file is not reconciled.
    """
    from syndicator.runtime import Runtime

    runtime = Runtime(settings(ctx, flags))
    try:
        if prepared and runtime.prepare(start=start):
            output.say(f"no newsroom was here: a new database was made at {runtime.settings.store.url}")
        yield runtime
    finally:
        runtime.close()


@contextmanager
def writing(ctx: typer.Context) -> Iterator[tuple[Runtime, Tx]]:
    """A runtime and one writing transaction."""
    with opened(ctx) as runtime, runtime.store.begin() as tx:
        yield runtime, tx


@contextmanager
def reading(ctx: typer.Context) -> Iterator[tuple[Runtime, Tx]]:
    """A runtime and one reading transaction."""
    with opened(ctx) as runtime, runtime.store.read() as tx:
        yield runtime, tx


def actor(by: str = "") -> str:
    """Who acts, as the audit names them: `by` where it is given, else SYNDICATOR_ACTOR, else the login."""
    named = by or os.environ.get("SYNDICATOR_ACTOR", "")
    return one_line(named, "--by").strip() or _login()


def refuse_file_managed(what: str, *, file: bool) -> None:
    """Raise Refused for what the config file owns: the next start would undo the change (DESIGN §5.12)."""
    if file:
        raise Refused(f"{what} is managed by the config file: change it there")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return "command line"
