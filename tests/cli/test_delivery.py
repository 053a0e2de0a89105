"""`syndicator delivery`: pause and resume, what is late, what is in trouble."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes, policy

from sqlalchemy import update

from syndicator.runtime import clock
from syndicator.store import open_store, schema
from tests.cli.program import InProcess
from tests.make import reserved_port

UID = "tag:x,1"


def newsroom(lite: InProcess, readers: int = 2) -> None:
    """An item that so many readers are owed by mail."""
    lite("topic", "add", "policy", "Policy")
    for n in range(readers):
        lite("contact", "add", f"r{n}@x.example")
        lite("contact", "subscribe", f"r{n}@x.example", "policy", "--consent", "test")
    lite("item", "add", lite.file("a.md", f"uid: {UID}\ntitle: On budgets\ntopics: [policy]", "It is 40."))


def states(lite: InProcess) -> list[str]:
    return [one["state"] for one in lite.json("delivery", "list")]


def test_a_pause_holds_everything_back(lite: InProcess) -> None:
    """mail:SE17: paused by name and reason, nothing goes out; resumed, all of it does; both are in the audit."""
    newsroom(lite)
    assert 0 == lite.try_("delivery", "pause", "--reason", "wrong list", "--by", "Ada").code
    assert "was paused already" in lite.try_("delivery", "pause", "mail").err
    lite("worker", "--once", "deliver")
    assert ["due", "due"] == states(lite)
    (lane,) = lite.json("delivery", "lanes")
    assert (True, 2, "paused by Ada: wrong list") == (lane["paused"], lane["waiting"], lane["fault"])
    assert "mail is paused (paused by Ada: wrong list): 2 wait" in lite.try_("delivery", "list").err
    assert "no longer paused" in lite.try_("delivery", "resume", "--by", "Ada").err
    assert "was not paused" in lite.try_("delivery", "resume").err
    lite("worker", "--once", "deliver")
    assert ["accepted", "accepted"] == states(lite)
    acts = [
        (one["act"], one["actor"], one["why"]) for one in lite.json("audit", "list", "--subject", "lane/mail")
    ]
    assert [("delivery.pause", "Ada", "wrong list"), ("delivery.resume", "Ada", None)] == sorted(acts)


def test_a_lane_nobody_knows(lite: InProcess) -> None:
    """design:9: the error names the lanes there are."""
    newsroom(lite)
    said = lite.try_("delivery", "pause", "male")
    assert (5, True) == (said.code, "there are mail" in said.err)


def test_a_relay_out_of_reach_is_said_beside_the_list(lite: InProcess) -> None:
    """mail:SE7: since when, why and how many wait stand beside the list and in `delivery lanes`; no try counts."""
    newsroom(lite)
    port = reserved_port()
    lite.env |= {
        "SYNDICATOR_MAIL__TRANSPORT": "smtp",
        "SYNDICATOR_MAIL__HOST": "127.0.0.1",
        "SYNDICATOR_MAIL__PORT": str(port),
        "SYNDICATOR_MAIL__TLS": "none",
    }
    lite("worker", "--once", "deliver")
    said = lite.try_("delivery", "list")
    assert "mail is out of reach since 20" in said.err
    assert "2 wait" in said.err
    (lane,) = lite.json("delivery", "lanes")
    assert lane["since"]
    assert str(port) in lane["fault"]
    assert [0, 0] == [one["attempts"] for one in lite.json("delivery", "list")]
    assert [] == lite.json("delivery", "lanes", "--domains")


def test_what_is_late_waits_for_a_person(lite: InProcess) -> None:
    """mail:SE12, operations: later than mail.late_after it asks; one can be dropped, one or all be sent."""
    newsroom(lite, 4)
    with open_store(lite.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store, store.begin() as tx:
        half_a_day = tx.now - timedelta(hours=12, seconds=1)
        tx.connection.execute(update(schema.deliveries).values(created=half_a_day))
    lite("worker", "--once", "deliver")
    listed = lite.json("delivery", "list")
    assert {("due", None, True)} == {
        (one["state"], one["due"], "late by more than 12h" in one["detail"]) for one in listed
    }
    assert "4 of mail are late and wait for a person" in lite.try_("delivery", "list").err
    first, second = (str(one["id"]) for one in listed[:2])
    lite("delivery", "resolve", first, "--cancelled", "--reason", "old news")
    lite("delivery", "retry", second)
    lite("worker", "--once", "deliver")
    assert ["cancelled", "accepted", "due", "due"] == states(lite)
    for wrong in ((), (second, "--late")):
        assert 2 == lite.try_("delivery", "retry", *wrong).code
    assert {"retried": 2} == lite.json("delivery", "retry", "--late")
    lite("worker", "--once", "deliver")
    assert ["cancelled", "accepted", "accepted", "accepted"] == states(lite)


def test_whose_copy_turned_up(lite: InProcess) -> None:
    """mail:EM6: a copy that leaked names whose it was: by its Message-ID, its links, and what the log says of it."""
    lite("topic", "add", "policy", "Policy")
    for name in ("jane", "joe"):
        mail = f"{name}@paper.example"
        lite("contact", "add", mail)
        lite("contact", "subscribe", mail, "policy", "--consent", "a card")
        lite("contact", "accredit", mail, "--agreement", "signed")
    front = "title: On budgets\ntopics: [policy]\nembargo: 2099-03-02T09:00:00Z"
    uid = lite("release", "draft", lite.file("a.md", front)).strip()
    lite("release", "approve", uid)
    lite("release", "schedule", uid)
    log = lite.try_("worker", "--once", "deliver").err
    (leaked,) = (lite.folder / "mail").glob("joe@*")
    copy = message_from_bytes(leaked.read_bytes(), policy=policy.default)
    found = lite.json("delivery", "whose", copy["message-id"])
    assert ("joe@paper.example", f"advance/{uid}/1") == (found["recipient"], found["subject"])
    assert copy["message-id"][1:].partition("@")[0] in log
    (link,) = set(re.findall(r"http://\S+/press/[^/\s]+/", leaked.read_text()))
    found = lite.json("delivery", "whose", link)
    assert ("joe@paper.example", uid) == (found["recipient"], found["release"])
    for stranger in ("<x@y.example>", f"{link[:-4]}/", "https://elsewhere.example/press/x/"):
        assert 5 == lite.try_("delivery", "whose", stranger).code


def test_what_a_person_decides_is_on_record(lite: InProcess) -> None:
    """design:2: who sent again what was refused, who settled a doubt or dropped it, and why."""
    newsroom(lite)
    with open_store(lite.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store, store.begin() as tx:
        d = schema.deliveries
        tx.connection.execute(update(d).where(d.c.id == 1).values(state="refused", due=None))
        tx.connection.execute(update(d).where(d.c.id == 2).values(state="unknown", due=None))
    lite("delivery", "retry", "1", "--by", "Ada")
    lite("delivery", "resolve", "2", "--cancelled", "--reason", "asked by phone", "--by", "Bo")
    lite("delivery", "retry", "--late", "--by", "Cy")
    acts = [(one["act"], one["actor"], one["subject"], one["why"]) for one in lite.json("audit", "list")]
    assert [
        ("delivery.retry", "Ada", "delivery/1", None),
        ("delivery.resolve", "Bo", "delivery/2", "asked by phone"),
        ("delivery.retry", "Cy", "late", None),
    ] == [one for one in acts if one[0].startswith("delivery.")]
