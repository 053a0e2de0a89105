"""`syndicator newsletter`: an editor's month at the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from syndicator.store import open_store, schema
from tests.cli.program import InProcess

UID = "tag:news.example,2026:"
BLOCK = """blocks:
- kind: event
  title: Day of open doors
  text: Come and see.
  url: https://news.example/doors
  at: "2026-12-01 10:00"
  place: Leeds"""


@pytest.fixture
def desk(cli: InProcess) -> InProcess:
    """A newsroom with a newsletter that is open for its next slot, two items on offer, and a reader."""
    cli.env |= {"SYNDICATOR_NEWSLETTER__TOPIC": "letter", "SYNDICATOR_NEWSLETTER__TITLE": "Monthly letter"}
    for slug in ("letter", "policy"):
        cli("topic", "add", slug, slug.title())
    cli("schedule", "add", "monthly", "--job", "newsletter", "--cron", "0 10 1 * *")
    cli("worker", "--once", "newsletter")
    for name in ("a", "b"):
        front = f"title: Item {name}\nsummary: About {name}.\ntopics: [policy]\nuid: {UID}{name}"
        cli("item", "add", cli.file(f"{name}.md", front))
    cli("contact", "add", "reader@x.example")
    cli("contact", "subscribe", "reader@x.example", "letter", "--consent", "test")
    return cli


def written(desk: InProcess) -> list[EmailMessage]:
    folder = Path(desk.env["SYNDICATOR_MAIL__FOLDER"])
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
    ]


def let_its_slot_pass(desk: InProcess) -> None:
    store = open_store(desk.env["SYNDICATOR_STORE__URL"], host_clock=lambda: datetime.now(UTC))
    with store.begin() as tx:
        tx.connection.execute(update(schema.newsletters).values(slot=datetime(2026, 1, 1, 9, tzinfo=UTC)))
    store.close()


def shown(desk: InProcess) -> dict[str, Any]:
    return dict(desk.json("newsletter", "show", "1"))


def test_from_the_first_look_to_the_mail(desk: InProcess) -> None:
    """peers:251 List, show, file, edit, test, approve; then page, feed and mail, with intro, items and block."""
    (one,) = desk.json("newsletter", "list")
    assert (1, "open", "Monthly letter") == (one["number"], one["state"], one["title"])
    text = desk("newsletter", "show", "1", "--file")
    file = desk.folder / "issue.md"
    file.write_text(f"{text.replace('blocks: []', BLOCK).rstrip()}\n\nDear *readers*,\n", encoding="utf-8")
    before = file.read_text()
    assert "1 open\n" == desk("newsletter", "edit", "1", str(file))
    assert before != file.read_text()  # its base goes with it
    desk("newsletter", "edit", "1", str(file))
    file.write_text(before)
    desk("newsletter", "edit", "1", str(file))  # the very same words
    desk("newsletter", "edit", "1", "--never", f"{UID}b")
    assert {"a": "include", "b": "never"} == {one["uid"][-1]: one["choice"] for one in shown(desk)["items"]}
    desk("newsletter", "test", "1", "editor@x.example")
    desk("worker", "--once", "deliver")
    (sample,) = written(desk)
    assert "TEST" in sample.as_string()
    assert "Day of open doors" in sample.as_string()
    let_its_slot_pass(desk)
    said = desk.json("newsletter", "approve", "1", "--by", "ada")
    assert ("sent", "ada") == (said["state"], said["approved_by"])
    item = desk.json("item", "show", said["uid"])
    assert item["title"].startswith("Monthly letter No. 1 — ")
    assert ["letter"] == item["topics"]
    desk("worker", "--once", "deliver")
    mail = written(desk)[1]
    plain, page = (part.get_content() for part in mail.iter_parts())
    for words in ("Dear", "Item a", "About a.", "Day of open doors", "Tuesday 1 December 2026", "Leeds"):
        assert words in plain
        assert words in page
    assert "Item b" not in plain + page
    assert "reader@x.example" in mail["to"]
    assert mail["list-unsubscribe"]
    assert "<newsletter.lists." in mail["list-id"]


def test_an_issue_may_have_a_headline_of_its_own(desk: InProcess) -> None:
    """peers:251 It heads the issue and its mail; the newsletter keeps its name, and the file says what each field does."""
    text = desk("newsletter", "show", "1", "--file")
    assert "# title: what the newsletter is called. headline: this issue's own" in text
    file = desk.folder / "issue.md"
    file.write_text(text.replace("headline: ''", "headline: Our first letter"), encoding="utf-8")
    desk("newsletter", "edit", "1", str(file))
    assert ("Monthly letter", "Our first letter") == (shown(desk)["title"], shown(desk)["headline"])
    let_its_slot_pass(desk)
    said = desk.json("newsletter", "approve", "1")
    assert "Our first letter" == desk.json("item", "show", said["uid"])["title"]
    desk("worker", "--once", "deliver")
    (mail,) = written(desk)
    assert "Our first letter" in mail["subject"]
    assert "Monthly letter" in mail.as_string()


def test_a_stale_file_is_refused(desk: InProcess) -> None:
    """peers:7 Two editors at one issue: the second hears what was changed, with exit code 6, and nothing is lost."""
    file = desk.folder / "issue.md"
    file.write_text(desk("newsletter", "show", "1", "--file"), encoding="utf-8")
    desk("newsletter", "edit", "1", "--next", f"{UID}a")
    said = desk.try_("newsletter", "edit", "1", str(file))
    assert 6 == said.code
    assert f"{UID}a: next" in said.err
    assert "next" == shown(desk)["items"][0]["choice"]


def test_what_is_for_some_alone_goes_to_all_by_hand_alone(desk: InProcess) -> None:
    """mail:LM14 An item for a segment is left out with its reason; whoever puts it in hears who gets it then."""
    desk("contact", "segment", "add", "lab", "--accredited")
    desk("item", "add", desk.file("c.md", f"title: C\ntopics: [policy]\nuid: {UID}c\naudience: [lab]"))
    assert "is for lab alone" in desk("newsletter", "show", "1")
    assert ["never"] == [one["choice"] for one in shown(desk)["items"] if one["uid"] == f"{UID}c"]
    said = desk.try_("newsletter", "edit", "1", "--include", f"{UID}c").err
    assert f"{UID}c is for lab alone: in this issue 1 reader gets it by mail" in said


def test_many_mails_are_confirmed(desk: InProcess) -> None:
    """peers:251 A yes to more mails than mail.confirm_above asks for the very number; without it nothing is approved."""
    desk.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "0"
    desk("contact", "add", "everything@x.example")
    desk("contact", "subscribe", "everything@x.example", "all", "--consent", "test")
    assert 2 == shown(desk)["mails"]
    said = desk.try_("newsletter", "approve", "1")
    assert 6 == said.code
    assert "--confirm 2" in said.err
    assert "open" == shown(desk)["state"]
    desk("newsletter", "approve", "1", "--confirm", "2")
    assert "approved" == shown(desk)["state"]
    assert "1 open\n" == desk("newsletter", "approve", "1", "--undo")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("show", "9"), 5),
        (("approve", "9"), 5),
        (("edit", "1"), 2),
        (("edit", "1", "--never", "tag:nobody"), 5),
        (("edit", "1", "no-such-file.md"), 2),
        (("approve", "1", "--undo"), 6),
        (("test", "1", "no address"), 2),
    ],
)
def test_refusals_are_one_line(lite: InProcess, args: tuple[str, ...], code: int) -> None:
    """design:6 Each wrong use has its exit code and one line that says what to do."""
    lite.env["SYNDICATOR_NEWSLETTER__TOPIC"] = "letter"
    lite("topic", "add", "letter", "Letter")
    lite("schedule", "add", "monthly", "--job", "newsletter", "--cron", "0 10 1 * *")
    lite("worker", "--once", "newsletter")
    said = lite.try_("newsletter", *args)
    assert (code, "", 1) == (said.code, said.out, len(said.err.strip().splitlines()))


def test_where_there_is_none(lite: InProcess) -> None:
    """peers:251 An empty list says what to set."""
    said = lite.try_("newsletter", "list")
    assert (0, True) == (said.code, "[newsletter] topic" in said.err)


def test_a_topic_nobody_made(cli: InProcess) -> None:
    """peers:251 Mail goes out all the same; the one job says so with 5, the check of the set-up and the doctor name it."""
    cli("topic", "add", "policy", "Policy")
    cli("contact", "add", "reader@x.example")
    cli("contact", "subscribe", "reader@x.example", "policy", "--consent", "test")
    cli("item", "add", cli.file("a.md", f"title: A\ntopics: [policy]\nuid: {UID}a"))
    cli.env["SYNDICATOR_NEWSLETTER__TOPIC"] = "letter"
    assert "deliver\t1\n" in cli("worker", "--once")
    assert 1 == len(written(cli))
    alone = cli.try_("worker", "--once", "newsletter")
    assert (5, 1) == (alone.code, len(alone.err.strip().splitlines()))
    assert '"letter" is none of [[topics]]' in cli.try_("config", "check").err
    checks = {one["check"]: one["state"] for one in json.loads(cli.try_("doctor", "--json").out)}
    assert "fail" == checks["newsletter"]
    cli.env["SYNDICATOR_NEWSLETTER__TOPIC"] = "all"
    assert 3 == cli.try_("config", "check").code
