"""Every command explains itself, and starting costs little (operations:OP1, OP16, OP18; DESIGN §6, §8)."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from syndicator.cli import root

CONTRACT = """
demo init run serve worker health doctor
item: add edit correct withdraw kill redact list show history import
topic: add list rename merge close
feed: list build check export
upstream: add list show edit poll pause resume remove find import export accept keep rules
release: draft show list approve schedule reschedule lift publish cancel preview plan rehearse test report
contact: add subscribe import export list show accredit suppress unsuppress suppressions edit cadence unsubscribe erase ask history note segment tag
partner: add list test pause resume
schedule: list add next run pause resume history
delivery: list show whose lanes retry resolve pause resume
newsletter: list show edit test approve cancel
audit: list verify
config: check show schema
db: upgrade status
"""
LISTINGS = "list show history next"
HEAVY = "sqlalchemy httpx pydantic lxml starlette apscheduler rich structlog".split()


def contract() -> Iterator[list[str]]:
    """Every command of the contract, as it is typed."""
    for line in CONTRACT.strip().splitlines():
        noun, found, verbs = line.partition(":")
        yield from ([noun, verb] for verb in verbs.split()) if found else ([one] for one in line.split())


def commands() -> dict[str, Any]:
    """Every command there is, by what is typed."""
    group = get_command(root.app)
    context = typer.Context(group, info_name="syndicator")
    found: dict[str, Any] = {}
    for noun in root.NOUNS:
        if noun == "demo":  # it has tests of its own, and imports the house
            continue
        command = group.get_command(context, noun)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found |= {f"{noun} {verb}": one for verb, one in inner.items()} if inner else {noun: command}
    return found


@pytest.mark.parametrize("line", list(contract()), ids=" ".join)
def test_every_command_has_help(line: list[str]) -> None:
    """`--help` exits 0, shows the usage, and says in a sentence what the command does."""
    result = CliRunner().invoke(root.app, [*line, "--help"], prog_name="syndicator", catch_exceptions=False)
    assert 0 == result.exit_code, result.output
    assert result.stdout.startswith(f"Usage: syndicator {' '.join(line)} ")
    about = result.stdout.split("\n\n")[1].strip()
    assert about[0].isupper()
    assert about.endswith(".")


def test_there_is_no_command_beside_the_contract() -> None:
    """What can be typed is written down here."""
    expected = {" ".join(line) for line in contract()} - {"demo"}
    assert expected == set(commands())


def test_every_listing_and_show_has_json() -> None:
    """`--json` on each of them (operations:OP17)."""
    without = [
        name
        for name, command in commands().items()
        if name.split()[-1] in LISTINGS.split()
        and not any("--json" in parameter.opts for parameter in command.params)
    ]
    assert [] == without


def test_every_option_says_what_it_is_for() -> None:
    """No parameter without a word of help."""
    silent = [
        f"{name} {parameter.name}"
        for name, command in commands().items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert [] == silent


def test_the_exit_codes_are_in_the_help() -> None:
    """`syndicator --help` lists them (operations:OP18)."""
    said = program("--help").stdout
    for code in ("0 done", "1 failed", "2 usage", "3 config", "4 partly failed", "6 refused", "75 try later"):
        assert code in " ".join(said.split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_cold_start_imports_nothing_heavy(option: str) -> None:
    """Neither the database nor the network nor a validator is imported to say who we are (DESIGN §8)."""
    code = (
        "import sys, contextlib, io\n"
        "from syndicator.cli import main\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as said:\n"
        f"    main([{option!r}])\n"
        "assert said.getvalue()\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == done.stdout.strip()


def test_the_version_is_said_with_those_of_python_and_sqlite() -> None:
    """Version, Python, SQLite: what a report of a fault needs (operations:OP1)."""
    said = program("--version")
    assert said.stdout.startswith("syndicator 0.")
    assert "Python 3." in said.stdout
    assert "SQLite 3." in said.stdout
    assert program("--config", "nowhere.toml", "--version").stdout == said.stdout


def test_without_a_command_the_help_goes_to_stderr() -> None:
    """No arguments: exit 2, and stdout stays empty."""
    said = program()
    assert (2, "") == (said.returncode, said.stdout)
    assert "Usage: syndicator" in said.stderr


def program(*args: str) -> "subprocess.CompletedProcess[str]":
    """The program, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "syndicator", *args], capture_output=True, text=True, check=False
    )
