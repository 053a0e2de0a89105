"""`syndicator release`: from draft to the moment it goes out, and what is refused before."""

from pathlib import Path

import pytest

from tests.cli.program import InProcess

FRONT = "title: On budgets\nkind: press-release\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/London"


@pytest.fixture
def file(cli: InProcess) -> str:
    """A press release under embargo."""
    return cli.file("release.md", FRONT)


def test_a_draft_says_its_uid_and_its_embargo(cli: InProcess, file: str) -> None:
    """The uid is printed and written back; JSON has {id, uid, state, embargo} in UTC (DESIGN §6)."""
    uid = cli("release", "draft", file).strip()
    assert f"uid: {uid}" in Path(file).read_text(encoding="utf-8")
    release = cli.json("release", "show", uid)
    assert (1, uid, "draft", "2099-03-02T09:00:00Z") == tuple(
        release[name] for name in ("id", "uid", "state", "embargo")
    )
    assert "2099-03-02 09:00 Europe/London" == release["embargo_typed"]
    assert [] == cli.json("item", "list")


def test_it_is_approved_scheduled_and_rescheduled(cli: InProcess, file: str) -> None:
    """*schedule* takes its instant from the embargo, *reschedule* from --at, never before the embargo."""
    uid = cli("release", "draft", file).strip()
    assert 6 == cli.try_("release", "schedule", uid).code
    assert "Jo Doe" == cli.json("release", "approve", uid, "--by", "Jo Doe")["approved_by"]
    assert "2099-03-02T09:00:00Z" == cli.json("release", "schedule", uid)["at"]
    assert 6 == cli.try_("release", "reschedule", uid, "--at", "2099-03-02T08:59:59Z").code
    again = cli.json("release", "reschedule", uid, "--at", "2099-03-02T10:00:00Z")
    assert ("scheduled", "2099-03-02T10:00:00Z") == (again["state"], again["at"])


def test_an_embargo_is_kept_until_it_is_lifted(cli: InProcess, file: str) -> None:
    """*publish* is refused while the embargo holds and names *lift*; after that the item is public."""
    uid = cli("release", "draft", file).strip()
    cli("release", "approve", uid)
    said = cli.try_("release", "publish", uid)
    assert 6 == said.code
    assert f"release lift {uid}" in said.err
    assert "http://127.0.0.1:8000/items/on-budgets" == cli("release", "lift", uid).strip()
    assert "live" == cli.json("item", "show", uid)["state"]
    assert "released" == cli.json("release", "show", uid)["state"]


def test_without_embargo_it_is_published_at_once(cli: InProcess) -> None:
    """An approved release without embargo goes out by *publish*; a draft does not."""
    uid = cli("release", "draft", cli.file("a.md", "title: At once")).strip()
    assert 6 == cli.try_("release", "publish", uid).code
    cli("release", "approve", uid)
    item = cli.json("release", "publish", uid)
    assert (uid, "live") == (item["uid"], item["state"])


def test_a_draft_is_updated_but_never_by_an_old_base(cli: InProcess, file: str) -> None:
    """The same uid again is a new version and needs approval again; a stale base exits 6."""
    first = cli.json("release", "draft", file)
    cli("release", "approve", first["uid"])
    text = Path(file).read_text(encoding="utf-8")
    Path(file).write_text(text.replace("On budgets", "On larger budgets"), encoding="utf-8")
    second = cli.json("release", "draft", file, "--base", first["base"])
    assert ("draft", 2, None) == (second["state"], second["version"], second["approved_by"])
    Path(file).write_text(text.replace("On budgets", "On small budgets"), encoding="utf-8")
    said = cli.try_("release", "draft", file, "--base", first["base"])
    assert 6 == said.code
    assert "version 2" in said.err
    assert "On larger budgets" == cli.json("release", "show", first["uid"])["title"]


def test_a_cancelled_release_is_over(cli: InProcess, file: str) -> None:
    """What was cancelled is kept with its reason and goes nowhere."""
    uid = cli("release", "draft", file).strip()
    after = cli.json("release", "cancel", uid, "--reason", "The vote was put off")
    assert ("cancelled", "The vote was put off") == (after["state"], after["reason"])
    assert 6 == cli.try_("release", "approve", uid).code


def test_releases_are_listed(cli: InProcess, file: str) -> None:
    """--state narrows, --limit and --after cut."""
    one = cli.json("release", "draft", file)
    two = cli.json("release", "draft", cli.file("b.md", "title: Another"))
    cli("release", "approve", two["uid"])
    assert [one["id"], two["id"]] == [each["id"] for each in cli.json("release", "list")]
    assert [two["uid"]] == [each["uid"] for each in cli.json("release", "list", "--state", "approved")]
    after = cli.json("release", "list", "--after", str(one["id"]), "--limit", "5")
    assert [two["uid"]] == [each["uid"] for each in after]


@pytest.mark.parametrize(
    ("at", "code", "words"),
    [
        ("2020-01-01T00:00:00Z", 6, "has gone by"),
        ("2099-03-29 01:30", 2, "does not exist in Europe/London"),
        ("2099-10-25 01:30", 2, "exists twice in Europe/London"),
        ("24.11.2099 09:00", 2, "is no instant: write 2026-03-02T09:00:00+01:00, or 2026-03-02 09:00"),
    ],
)
def test_an_instant_must_come_and_be_one(at: str, code: int, words: str, cli: InProcess) -> None:
    """An instant gone by is refused (6); a wall time the clocks skip or repeat, or no instant at all, is invalid (2)."""
    cli.env["SYNDICATOR_SITE__TIMEZONE"] = "Europe/London"
    uid = cli("release", "draft", cli.file("a.md", "title: At once")).strip()
    cli("release", "approve", uid)
    said = cli.try_("release", "schedule", uid, "--at", at)
    assert code == said.code
    assert words in said.err
