"""`syndicator release`, `contact accredit`, `audit`: what is read back, who had it before, what is asked and on record."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from syndicator.store import open_store
from tests.advances import accredited
from tests.cli.program import InProcess
from tests.make import NOW, FakeClock, make_newsroom, make_subscription

FRONT = "title: On budgets\ntopics: [policy]\nembargo: 2099-03-02 09:00\nembargo_zone: America/New_York"
SAYS = "--agreement", "signed the terms"


@pytest.fixture
def room(lite: InProcess) -> InProcess:
    """A newsroom in Vienna with an accredited subscriber and one who is not."""
    lite.env |= {"SYNDICATOR_SITE__TIMEZONE": "Europe/Vienna", "SYNDICATOR_ACTOR": "Ida Desk"}
    clock = FakeClock(NOW)
    with open_store(lite.env["SYNDICATOR_STORE__URL"], host_clock=clock) as store:
        make_newsroom(store)
        with store.begin() as tx:
            accredited(tx, "ann@example.org")
            make_subscription(tx, "eve@example.org")
    return lite


def draft(room: InProcess, front: str = FRONT) -> str:
    uid = room("release", "draft", room.file("r.md", front)).strip()
    room("release", "approve", uid, "--by", "Max Chief")
    return uid


def test_an_embargo_is_read_back_where_its_readers_are(room: InProcess) -> None:
    """operations:SC12: weekday, date and zone: the newsroom's, the one typed, UTC, New York, London, Tokyo, each once."""
    said = room.try_("release", "draft", room.file("r.md", FRONT))
    lines = [line.removeprefix("under embargo until ") for line in said.err.splitlines() if "embargo" in line]
    expected = [
        "Monday 2 March 2099 15:00 Europe/Vienna",
        "Monday 2 March 2099 09:00 America/New_York",
        "Monday 2 March 2099 14:00 UTC",
        "Monday 2 March 2099 14:00 Europe/London",
        "Monday 2 March 2099 23:00 Asia/Tokyo",
    ]
    assert expected == lines
    uid = said.out.strip()
    room("release", "approve", uid)
    for verb in ("schedule", "show"):
        assert all(line in room.try_("release", verb, uid).err for line in expected)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("2099-03-02 00:00", "00:00 in Europe/Vienna is the first moment of Monday 2 March"),
        ("2099-03-02 00:01", None),
        ("2099-03-01T23:00:00Z", "00:01 (2099-03-02T00:01:00+01:00)"),
    ],
)
def test_midnight_is_warned_about(room: InProcess, typed: str, words: str | None) -> None:
    """operations:SC12: which night it is people read differently; 00:01 is offered."""
    said = room.try_("release", "draft", room.file("r.md", f"title: A\nembargo: {typed}"))
    assert 0 == said.code
    assert (words is not None) == ("00:01 (" in said.err)
    assert (words or "") in said.err


@pytest.mark.parametrize(
    ("option", "wall", "words"),
    [
        (("release", "schedule"), "2099-03-29 02:30", "does not exist"),
        (("release", "reschedule"), "2099-10-25 02:30", "+02:00 or 2099-10-25T02:30:00+01:00"),
        (("contact", "accredit"), "2099-10-25 02:30", "exists twice in Europe/Vienna"),
    ],
)
def test_an_odd_hour_is_refused_or_asked(
    room: InProcess, option: tuple[str, str], wall: str, words: str
) -> None:
    """operations:SC12: a local time that does not exist is refused, one that comes twice asked, wherever it is typed."""
    if option[0] == "contact":
        said = room.try_(*option, "ann@example.org", *SAYS, "--until", wall)
    else:
        said = room.try_(*option, draft(room), "--at", wall)
    assert 2 == said.code
    assert words in said.err


def test_copies_are_planned_when_it_is_scheduled(room: InProcess) -> None:
    """mail:EM1: to the accredited, at once or at --advance, or with --no-advance to nobody."""
    uid = draft(room)
    assert 2 == room.try_("release", "schedule", uid, "--advance", "2099-03-01 10:00", "--no-advance").code
    said = room.try_("release", "schedule", uid, "--advance", "2099-03-01 10:00", "--json")
    when = "Sunday 1 March 2099 10:00 Europe/Vienna (2099-03-01T09:00:00Z)"
    assert f"1 accredited contact gets an advance copy at {when}" in said.err
    (copy,) = room.json("delivery", "list")
    assert (f"advance/{uid}/1", "ann@example.org", "due") == (
        copy["subject"],
        copy["recipient"],
        copy["state"],
    )
    room("release", "schedule", uid, "--no-advance")
    assert "cancelled" == room.json("delivery", "list")[0]["state"]
    assert room.json("release", "show", uid)["advance"] is None


def test_it_is_rescheduled_cancelled_and_brought_back(room: InProcess) -> None:
    """mail:EM3, security:E5: old and new instants, who had a copy, and what stands in the audit."""
    uid = draft(room)
    room("release", "schedule", uid)
    room("worker", "--once", "deliver")
    assert "accepted" == room.json("delivery", "list")[0]["state"]
    said = room.try_(
        "release", "reschedule", uid, "--at", "2099-03-03 15:00", "--reason", "the vote is later"
    )
    was, now = (f"{day} March 2099 15:00 Europe/Vienna" for day in ("Monday 2", "Tuesday 3"))
    assert f"was: {was} (2099-03-02T14:00:00Z); is now: {now} (2099-03-03T14:00:00Z)" in said.err
    assert "1 had an advance copy or may have; they are told (--json names them)" in said.err
    again = room.json("release", "reschedule", uid, "--at", "2099-03-04 15:00")
    assert ("2099-03-03T14:00:00Z", "2099-03-04T14:00:00Z", ["ann@example.org"]) == (
        again["was"], again["now"], [one["email"] for one in again["had"]],
    )  # fmt: skip
    assert ("2099-03-04T14:00:00Z", 2, "Max Chief") == (
        again["embargo"],
        again["moves"],
        again["approved_by"],
    )
    over = room.json("release", "cancel", uid, "--reason", "no vote")
    assert ("cancelled", "ann@example.org") == (over["state"], over["had"][0]["email"])
    assert 6 == room.try_("release", "draft", str(room.folder / "r.md")).code  # it says the first embargo
    text = room("release", "show", uid, "--markdown")
    (room.folder / "r.md").write_text(text, encoding="utf-8")
    assert "draft" == room.json("release", "draft", str(room.folder / "r.md"))["state"]
    acts = [
        (one["actor"], one["act"].removeprefix("release."))
        for one in room.json("audit", "list", "--subject", uid)
    ]
    assert [
        ("Ida Desk", "draft"), ("Max Chief", "approve"), ("Ida Desk", "schedule"), ("Ida Desk", "reschedule"),
        ("Ida Desk", "reschedule"), ("Ida Desk", "cancel"), ("Ida Desk", "edit"),
    ] == acts  # fmt: skip


def test_a_second_person_and_a_stale_base(room: InProcess) -> None:
    """security:A6, design:6: exit 6 names who drafted it; a stale base shows what changed, line by line."""
    room.env["SYNDICATOR_PRESS__SECOND_PERSON"] = "true"
    file = room.file("r.md", FRONT)
    first = room.json("release", "draft", file)
    said = room.try_("release", "approve", first["uid"])
    assert (6, True) == (said.code, "drafted by Ida Desk" in said.err)
    room("release", "approve", first["uid"], "--by", "Max Chief")
    text = Path(file).read_text(encoding="utf-8")
    Path(file).write_text(text.replace("On budgets", "On larger budgets"), encoding="utf-8")
    room("release", "draft", file, "--by", "Max Chief")
    said = room.try_("release", "draft", file, "--base", first["base"])
    assert 6 == said.code
    assert ["- title: On budgets", "+ title: On larger budgets"] == said.err.splitlines()[1:]
    assert "On budgets" == room.json("release", "show", first["uid"], "--version", "1")["title"]
    kept = room.json("release", "show", first["uid"])["versions"]
    assert [(1, "Ida Desk"), (2, "Max Chief")] == [(one["version"], one["drafted_by"]) for one in kept]


def test_many_mails_ask_for_their_number(room: InProcess) -> None:
    """peers:10: above the limit publish, schedule and lift want to hear how many it will be."""
    room.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "1"
    uid = draft(room)
    for verb in ("schedule", "lift"):
        said = room.try_("release", verb, uid)
        assert (6, True) == (said.code, "--confirm 2" in said.err)
    open_ = draft(room, "title: At once\ntopics: [policy]")
    assert 6 == room.try_("release", "publish", open_, "--confirm", "3").code
    room("release", "publish", open_, "--confirm", "2")
    room("release", "schedule", uid, "--confirm", "2")
    assert room("release", "lift", uid, "--confirm", "2", "--reason", "it leaked").startswith("http")


def test_publish_waits_for_its_undo_window(room: InProcess) -> None:
    """peers:10: with press.undo it is scheduled, says how it is stopped, and is stopped so."""
    room.env["SYNDICATOR_PRESS__UNDO"] = "10m"
    uid = draft(room, "title: At once\ntopics: [policy]")
    said = room.try_("release", "publish", uid, "--json")
    assert (0, True) == (said.code, f"release cancel {uid}" in said.err)
    assert [] == room.json("item", "list")
    assert "cancelled" == room.json("release", "cancel", uid)["state"]


def test_somebody_is_accredited(room: InProcess) -> None:
    """mail:EM1: who agreed to what, by whom and until when; it is taken back with a reason; the audit has both."""
    for wrong in ((), ("--end",), ("--end", "--reason", "x", "--agreement", "y")):
        assert 2 == room.try_("contact", "accredit", "eve@example.org", *wrong).code
    assert 6 == room.try_("contact", "accredit", "eve@example.org", "--end", "--reason", "x").code
    made = room.json("contact", "accredit", "eve@example.org", *SAYS, "--until", "2099-01-01 00:00")
    assert ("Ida Desk", "signed the terms", "2098-12-31T23:00:00Z") == tuple(
        made["accreditations"][0][name] for name in ("granted_by", "agreement", "until")
    )
    assert room.json("contact", "show", "eve@example.org")["accredited"] is True
    room("contact", "accredit", "eve@example.org", "--end", "--reason", "broke an embargo")
    shown = room.json("contact", "show", "eve@example.org")
    assert (False, "broke an embargo") == (shown["accredited"], shown["accreditations"][0]["reason"])
    audit = [(one["act"], one["why"]) for one in room.json("audit", "list")]
    acts = [one for one in audit if one[0].endswith("accredit")]
    assert [("contact.accredit", None), ("contact.unaccredit", "broke an embargo")] == acts


def test_the_audit_is_verified(room: InProcess) -> None:
    """operations:31: exit 0 with the last digest; a changed row exits 1 and is named; so do rows cut off the end."""
    draft(room)
    file = room.env["SYNDICATOR_STORE__URL"].removeprefix("sqlite:///")
    lead, last = room("audit", "verify").strip().rsplit(" ", 1)
    assert "whole: 2 acts; the last digest is" == lead
    with sqlite3.connect(file) as db:
        db.execute("DELETE FROM audit WHERE id = 2")
    assert 0 == room.try_("audit", "verify").code
    said = room.try_("audit", "verify", "--holds", last)
    assert (1, True) == (said.code, "cut off the end" in said.err)
    with sqlite3.connect(file) as db:
        db.execute("UPDATE audit SET actor = 'somebody else' WHERE id = 1")
    said = room.try_("audit", "verify", "--json")
    assert (1, True) == (said.code, said.err.startswith("audit row 1 (release.draft"))


def test_every_move_says_why(lite: InProcess) -> None:
    """design:2: whoever approves, schedules, moves, publishes or calls off may say why; it stands beside who did."""
    lite("topic", "add", "policy", "Policy")
    uid = lite("release", "draft", lite.file("r.md", "title: T\ntopics: [policy]"), "--by", "Jo").strip()
    moves = (
        ("approve",),
        ("schedule", "--at", "2099-03-02T09:00:00Z"),
        ("reschedule", "--at", "2099-03-03T09:00:00Z"),
        ("cancel",),
    )
    for move, *more in moves:
        lite("release", move, uid, *more, "--reason", f"{move} it", "--by", "Ann")
    other = lite("release", "draft", lite.file("s.md", "title: S\ntopics: [policy]")).strip()
    lite("release", "approve", other)
    lite("release", "publish", other, "--reason", "now")
    acts = [(one["act"], one["actor"], one["why"]) for one in lite.json("audit", "list", "--subject", uid)]
    assert [(f"release.{move}", "Ann", f"{move} it") for move, *_ in moves] == acts[1:]
    assert "now" == lite.json("audit", "list", "--subject", other)[-1]["why"]
