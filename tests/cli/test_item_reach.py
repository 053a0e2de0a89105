"""Before an item is corrected or taken back: how far it goes, and a yes where that is far."""

from __future__ import annotations

from tests.cli.program import InProcess

UID = "tag:x,1"
KILL = ("item", "kill", UID, "--reason", "Wrong")


def had_by_three(lite: InProcess) -> None:
    """An item that three readers had by mail, one of whom may not be mailed any more; `health` has one reader."""
    lite.env["SYNDICATOR_MAIL__TRANSPORT"] = "folder"
    lite.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "2"
    table = "email,topics,consent\n" + "".join(f"{name}@x.example,policy,test\n" for name in "abc")
    for topic in ("policy", "health"):
        lite("topic", "add", topic, topic.title())
    for row in table.splitlines()[1:]:
        lite("contact", "add", row.split(",")[0])
        lite("contact", "subscribe", row.split(",")[0], "policy", "--consent", "test")
    lite("contact", "add", "d@x.example")
    lite("contact", "subscribe", "d@x.example", "health", "--consent", "test")
    lite("item", "add", lite.file("a.md", f"uid: {UID}\ntitle: On budgets\ntopics: [policy]", "It is 40."))
    lite("worker", "--once", "deliver")
    lite("contact", "suppress", "c@x.example")


def test_how_far_it_goes_stands_before_the_act(lite: InProcess) -> None:
    """mail:EM4, mail:EM5: mails, partners, feeds and what can be stopped; many mails need the very number."""
    had_by_three(lite)
    asked = lite.try_(*KILL, "--dry-run")
    assert (0, "2 mails, 0 partners, 6 feeds, 0 still stoppable\n") == (asked.code, asked.out)
    file = lite.file("b.md", f"uid: {UID}\ntitle: On budgets\ntopics: [policy, health]", "It is 4.")
    wider = ("item", "correct", UID, file, "--note", "Not 40")
    assert {"mails": 3, "partners": 0, "feeds": 6, "stoppable": 0, "doubtful": 0} == lite.json(
        *wider, "--dry-run"
    )
    withdrawn = lite.json("item", "withdraw", UID, "--reason", "Wrong", "--dry-run")
    edited = lite.json("item", "edit", UID, lite.file("c.md", "title: On a budget"), "--dry-run")
    assert (0, 0) == (withdrawn["mails"], edited["mails"])

    for wrong in ((), ("--confirm", "4")):  # those who had it and who is entitled by it now
        said = lite.try_(*wider, *wrong)
        assert (6, True) == (said.code, "--confirm 3" in said.err)
    assert ("live", 1) == tuple(lite.json("item", "show", UID)[name] for name in ("state", "revision"))

    said = lite.try_(*wider, "--confirm", "3", "--by", "Ada")
    assert (0, True) == (said.code, said.err.startswith("this reaches 3 mails, 0 partners, 6 feeds"))
    due = lite.json("delivery", "list", "--state", "due")
    assert {"a@x.example", "b@x.example", "d@x.example"} == {one["recipient"] for one in due}

    assert 0 == lite.try_(*KILL).code
    assert 6 == lite.try_(*KILL, "--dry-run").code
