"""`syndicator schedule`: what recurs, in words, and its runs."""

import pytest

from tests.cli.program import InProcess


@pytest.fixture
def tidy(cli: InProcess) -> InProcess:
    """A schedule that prunes at night."""
    cli("schedule", "add", "tidy", "--job", "prune", "--cron", "30 3 * * 1", "--timezone", "Europe/London")
    return cli


def test_a_schedule_is_listed_in_words(tidy: InProcess) -> None:
    """A sentence, the zone with its offset, the next runs in UTC (operations:SC2)."""
    (one,) = tidy.json("schedule", "list")
    assert ("tidy", "prune", "Europe/London") == (one["name"], one["job"], one["timezone"])
    assert "03:30" in one["when"]
    assert one["offset"] in {"+00:00", "+01:00"}
    assert 3 == len(one["next"])
    assert 6 == tidy.try_("schedule", "add", "tidy", "--job", "prune", "--every", "1h").code


def test_the_next_runs_are_mondays(tidy: InProcess) -> None:
    """`next --count` shows so many, each in UTC and in the zone's own time."""
    from datetime import datetime

    slots = tidy.json("schedule", "next", "tidy", "--count", "4")
    assert 4 == len(slots)
    assert {("Monday", "03:30")} == {
        (f"{local:%A}", f"{local:%H:%M}")
        for local in (datetime.fromisoformat(slot["local"]) for slot in slots)
    }


def test_a_run_by_hand_is_a_row(tidy: InProcess) -> None:
    """`run` does the job now and writes down how it ended."""
    run = tidy.json("schedule", "run", "tidy")
    assert ("tidy", "manual", "done") == (run["schedule"], run["trigger"], run["state"])
    assert [run] == tidy.json("schedule", "history", "tidy")


def test_a_paused_schedule_has_no_next_run(tidy: InProcess) -> None:
    """It rests until it is resumed."""
    tidy("schedule", "pause", "tidy")
    (one,) = tidy.json("schedule", "list")
    assert (True, [], None) == (one["paused"], one["next"], one["offset"])
    tidy("schedule", "resume", "tidy")
    assert 3 == len(tidy.json("schedule", "list")[0]["next"])


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--every", "90m", "Every 90m"), ("--at", "2099-01-01 09:00", "Once, at 2099-01-01 09:00:00 UTC")],
)
def test_every_and_at(option: str, value: str, words: str, lite: InProcess) -> None:
    """Intervals and single dates are schedules, too."""
    made = lite.json("schedule", "add", "feeds", "--job", "feeds", option, value)
    assert words == made["when"]


def test_a_newsletter_without_a_topic_is_said_at_once(lite: InProcess) -> None:
    """Not a month later, when nothing came: the schedule alone sends nothing."""
    add = ("schedule", "add", "letter", "--job", "newsletter", "--cron", "0 9 1 * *")
    said = lite.try_(*add)
    assert (0, True) == (said.code, "[newsletter] topic" in said.err)
    lite("topic", "add", "letter", "The letter")
    lite.env["SYNDICATOR_NEWSLETTER__TOPIC"] = "letter"
    assert "" == lite.try_("schedule", "add", "second", *add[3:]).err
