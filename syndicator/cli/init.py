"""`syndicator init`: a folder with a commented config, a database and a key, ready to be run.

The config is written from the catalogue of settings, so that it holds every key of this version with
its meaning; paths in it are absolute, so that it works from wherever it is named by --config.
"""

from __future__ import annotations

import json
import os
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from syndicator.cli import arguments as given
from syndicator.cli import output, session
from syndicator.cli.root import Globals
from syndicator.errors import Refused

if TYPE_CHECKING:
    from syndicator.settings.keys import Section

HEAD = """\
# The configuration of this newsroom, made by `syndicator init`. Lines without # show what holds anyway.
# Any key can be set in the environment: SYNDICATOR_WEB__PORT=8080; add _FILE to read it from a file.
# `syndicator config check` names everything there is to mend.
#
# What is published are Markdown files with front matter, handed in by `syndicator release draft FILE` (or item add);
# a Word document works, too. Front matter of a press release: kicker, title, dek, dateline, summary, kind, topics,
# embargo, spokesperson, quotes (text, speaker, role), notes, paper (a DOI), boilerplates, and media (file, alt,
# credit, licence). Spokespeople and boilerplates are reusable parts: [[spokespeople]] and [[boilerplates]] below.
"""


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; else here.")] = Path(),
    *,
    yes: Annotated[  # noqa: ARG001 - for scripts: nothing is asked today either
        bool, typer.Option("--yes", help="Ask nothing.")
    ] = False,
) -> None:
    """Make a newsroom in DIR: config/syndicator.toml, the database, a secret key. Twice changes nothing."""
    root = folder.resolve()
    config = root / "config" / "syndicator.toml"
    made = _write_config(config, root)
    ctx.obj = Globals(config, session.asked(ctx).log_level)
    with session.opened(ctx, start=True) as runtime:
        if runtime.store.kind == "sqlite":
            assert runtime.keys  # made beside the database at first use, mode 0600
    print(config)
    output.say("made" if made else "there already; nothing was changed")
    for words in ("config check", "topic add news News", "run"):
        output.say(f"next: syndicator --config {shlex.quote(str(config))} {words}")


def text(root: Path) -> str:
    """The commented config of a newsroom that keeps its things under `root`."""
    from syndicator.settings.keys import SECTIONS

    own = {
        ("store", "url"): f"sqlite:///{root / 'var' / 'syndicator.db'}",
        ("store", "media_dir"): str(root / "var" / "media"),
        ("mail", "folder"): str(root / "var" / "mail"),
    }
    parts = ["\n".join(_section(section, own)) for section in SECTIONS.values()]
    return "\n\n".join([HEAD, *parts]) + "\n"


def _section(section: Section, own: dict[tuple[str, str], str]) -> Iterator[str]:
    from syndicator.settings.declared import REQUIRED

    off = "# " if section.named_by else ""
    yield f"{off}{section.header}"
    for name, key in section.keys().items():
        yield from textwrap.wrap(key.meaning, 96, initial_indent="# ", subsequent_indent="# ")
        value = own.get((section.name, name), key.default)
        unset = value is REQUIRED or value is None
        yield f"{'# ' if unset and not off else off}{name} = {'…' if unset else _toml(value)}"


def _toml(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's.
    return json.dumps(value, ensure_ascii=False)


def _write_config(path: Path, root: Path) -> bool:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # For its owner alone from the start: passwords may be written into it one day.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text(root))
    except FileExistsError:
        if path.is_file():
            return False
        raise Refused(f"{path} is in the way: it is no file") from None
    except OSError as fault:
        raise Refused(f"{path} cannot be written: {fault.strerror}") from None
    return True


app = given.command(init)
