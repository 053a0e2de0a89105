"""What `--help` says: in what order, in whole lines, and nothing that only a machine would read."""

from __future__ import annotations

import re

import pytest

from syndicator.cli.root import NOUNS
from tests.cli.program import InProcess

ALONE = {"demo", "init", "run", "serve", "worker", "health", "doctor"}  # commands themselves


@pytest.mark.parametrize("noun", [*(set(NOUNS) - ALONE), "contact segment"])
def test_help_breaks_no_sentence_off(lite: InProcess, noun: str) -> None:
    """operations:PW9 What a command does is a whole sentence, in a terminal of the usual width."""
    _, _, commands = lite(*noun.split(), "--help").partition("Commands:\n")
    said = re.split(r"^  (?=\w)", commands, flags=re.MULTILINE)[1:]
    assert [] == [one for one in said if not one.rstrip().endswith(".") or "..." in one]
    assert len(said) > 1
    assert max(map(len, commands.splitlines())) <= 80


def test_help_of_the_media_list_begins_with_what_is_needed_first(lite: InProcess) -> None:
    """operations:PW9 Commands stand as they are used, not as they are filed."""
    _, _, commands = lite("contact", "--help").partition("Commands:\n")
    names = [line.split()[0] for line in commands.splitlines()]
    assert ["add", "subscribe", "list", "show", "history", "import"] == names[:6]


@pytest.mark.parametrize(
    "command", ["delivery list", "contact list", "contact ask", "newsletter show", "audit list"]
)
def test_help_spells_out_no_largest_number(lite: InProcess, command: str) -> None:
    """operations:PW9 And numbers that are none, too small or too large are still refused in one line."""
    assert "9223372036854775807" not in lite(*command.split(), "--help")


@pytest.mark.parametrize("number", ["0", "x", str(2**63)])
def test_a_limit_that_is_none_is_refused(lite: InProcess, number: str) -> None:
    """security:I4 Whatever is given as a number."""
    said = lite.try_("delivery", "list", "--limit", number)
    assert (2, "", True) == (said.code, said.out, "'--limit'" in said.err)


def test_help_says_what_becomes_of_a_schedules_zone(lite: InProcess) -> None:
    """operations:PW9 A schedule made at the command line keeps its zone, whatever becomes of the site's."""
    assert "the site's as it is now" in " ".join(lite("schedule", "add", "--help").split())
    lite("schedule", "add", "daily", "--job", "prune", "--cron", "0 9 * * *")
    before = lite.json("schedule", "list")[0]["timezone"]
    lite.env["SYNDICATOR_SITE__TIMEZONE"] = "Asia/Tokyo"
    assert before == lite.json("schedule", "list")[0]["timezone"] != "Asia/Tokyo"


def test_help_names_every_job_of_a_worker(lite: InProcess) -> None:
    """operations:PW9 The same names as are taken."""
    refused = lite.try_("worker", "--once", "nothing").err
    named = refused.partition("use ")[2].strip().split(", ")
    assert len(named) > 5
    text = " ".join(lite("worker", "--help").split())
    assert [] == [name for name in named if name not in text]
