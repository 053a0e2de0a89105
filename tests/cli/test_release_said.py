"""`syndicator release`: what a command says it did, what the file remembers, and what a second time means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from syndicator.store import open_store
from tests import pictures
from tests.advances import accredited
from tests.cli.program import InProcess
from tests.make import NOW, FakeClock, make_newsroom
from tests.words import drawing, paragraph, word

FRONT = "title: On budgets\ntopics: [policy]\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/Vienna"
END = "Monday 2 March 2099 09:00 Europe/Vienna (2099-03-02T08:00:00Z)"


@pytest.fixture
def room(lite: InProcess) -> InProcess:
    """A newsroom in Vienna with an accredited subscriber."""
    lite.env |= {"SYNDICATOR_SITE__TIMEZONE": "Europe/Vienna", "SYNDICATOR_ACTOR": "Ida Desk"}
    join(lite, "ann@example.org", first=True)
    return lite


def join(room: InProcess, mail: str, *, first: bool = False) -> None:
    with open_store(room.env["SYNDICATOR_STORE__URL"], host_clock=FakeClock(NOW)) as store:
        if first:
            make_newsroom(store)
        with store.begin() as tx:
            accredited(tx, mail)


def approved(room: InProcess, front: str = FRONT) -> str:
    uid = room("release", "draft", room.file("r.md", front)).strip()
    room("release", "approve", uid)
    return uid


def reword(room: InProcess, old: str, new: str) -> Path:
    path = room.folder / "r.md"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return path


def acts(room: InProcess, uid: str) -> list[str]:
    return [one["act"].removeprefix("release.") for one in room.json("audit", "list", "--subject", uid)]


def test_an_edit_says_what_it_undoes(room: InProcess) -> None:
    """security:E4: no schedule is lost in silence: what is to be done again, and who had which version before."""
    uid = approved(room)
    room("release", "schedule", uid)
    room("worker", "--once", "deliver")
    said = room.try_("release", "draft", str(reword(room, "On budgets", "On larger budgets"))).err
    assert (
        "it was scheduled and is a draft again: it does not go out before "
        f"`syndicator release approve {uid}` and `syndicator release schedule {uid}`; "
        "1 had an advance copy of version 1" in said
    )
    said = room.try_("release", "draft", str(room.folder / "r.md")).err
    assert said.startswith("unchanged; it is version 2, draft\n")


def test_an_approval_mails_no_words(room: InProcess) -> None:
    """mail:EM1, peers:10: new words go to whoever had others by *schedule* alone, which asks for the number."""
    uid = approved(room)
    room("release", "schedule", uid)
    room("worker", "--once", "deliver")
    room("release", "draft", str(reword(room, "On budgets", "On larger budgets")))
    room.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "0"
    room("release", "approve", uid)
    assert [f"advance/{uid}/1"] == [one["subject"] for one in room.json("delivery", "list")]
    assert 6 == room.try_("release", "schedule", uid).code
    room("release", "schedule", uid, "--confirm", "1")
    assert {f"advance/{uid}/1": "accepted", f"advance/{uid}/2": "due"} == {
        one["subject"]: one["state"] for one in room.json("delivery", "list")
    }


@pytest.mark.parametrize("said", [("--no-advance",), ("--advance", "2099-03-01 10:00")])
def test_what_was_said_of_copies_holds(room: InProcess, said: tuple[str, ...]) -> None:
    """mail:EM1: said once it holds, through a second schedule, a move of the embargo and an edit, until it is said anew."""
    uid = approved(room)
    want = room.json("release", "schedule", uid, *said)["advance"]
    assert (None if said[0] == "--no-advance" else "2099-03-01T09:00:00Z") == want
    assert want == room.json("release", "schedule", uid)["advance"]
    for day in ("03", "04"):
        assert want == room.json("release", "reschedule", uid, "--at", f"2099-03-{day} 09:00")["advance"]
    text = room("release", "show", uid, "--markdown").replace("On budgets", "On larger budgets")
    (room.folder / "r.md").write_text(text, encoding="utf-8")
    room("release", "draft", str(room.folder / "r.md"))
    room("release", "approve", uid)
    assert want == room.json("release", "schedule", uid)["advance"]
    said_now = room.try_("release", "schedule", uid, "--advance", "now").err
    assert "1 accredited contact gets an advance copy now" in said_now


def test_a_second_schedule_is_no_move(room: InProcess) -> None:
    """operations:31: with nothing changed nothing is on record; who was accredited since gets a copy, and that is."""
    uid = approved(room)
    room("release", "schedule", uid)
    before = room.json("release", "show", uid)
    said = room.try_("release", "schedule", uid)
    assert f"{uid} is scheduled already, it goes out at {END}" in said.err
    assert "advance copy" not in said.err
    assert before == room.json("release", "show", uid)
    assert ["draft", "approve", "schedule"] == acts(room, uid)
    join(room, "ben@example.org")
    assert "1 newly accredited contact gets an advance copy now" in room.try_("release", "schedule", uid).err
    assert {"ann@example.org", "ben@example.org"} == {
        one["recipient"] for one in room.json("delivery", "list")
    }
    assert before["moves"] == room.json("release", "show", uid)["moves"]
    assert ["draft", "approve", "schedule", "advance"] == acts(room, uid)


def test_the_file_knows_what_it_was_made_from(room: InProcess) -> None:
    """design:6: base stands beside the uid; an edit of an old copy is refused, the file's own next edit is not."""
    path = room.folder / "r.md"
    first = room.json("release", "draft", room.file("r.md", FRONT))
    old = path.read_text(encoding="utf-8")
    assert f'uid: {first["uid"]}\nbase: "{first["base"]}"\n' in old
    second = room.json("release", "draft", str(reword(room, "On budgets", "On larger budgets")))
    assert f'base: "{second["base"]}"' in path.read_text(encoding="utf-8")
    assert 3 == room.json("release", "draft", str(reword(room, "larger", "the largest")))["version"]
    path.write_text(old.replace("On budgets", "On small budgets"), encoding="utf-8")
    said = room.try_("release", "draft", str(path))
    assert (6, True) == (said.code, "+ title: On the largest budgets" in said.err)
    path.write_text(re.sub("base: .*", 'base: "0123"', old), encoding="utf-8")
    said = room.try_(
        "release", "draft", str(path)
    )  # nobody knows that one: what differs from the last is shown
    assert (6, ["- title: On budgets", "+ title: On the largest budgets"]) == (
        said.code,
        said.err.splitlines()[1:],
    )
    fetched = room("release", "show", first["uid"], "--markdown")
    assert f"base: {room.json('release', 'show', first['uid'])['base']}" in fetched.replace("'", "")
    path.write_text(fetched.replace("the largest", "no"), encoding="utf-8")
    assert 4 == room.json("release", "draft", str(path))["version"]
    path.write_text(re.sub("base: .*\n", "", fetched), encoding="utf-8")
    assert 5 == room.json("release", "draft", str(path))["version"]
    assert "base:" not in path.read_text(encoding="utf-8")
    path.write_text(old.replace("On budgets", "On small budgets"), encoding="utf-8")
    now = room.json("release", "show", first["uid"])["base"]
    assert 6 == room.json("release", "draft", str(path), "--base", now)["version"]


def test_a_refusal_names_the_command(room: InProcess) -> None:
    """design:2: what to do next, not which states there are."""
    uid = room("release", "draft", room.file("r.md", FRONT)).strip()
    for verb in ("schedule", "lift"):
        said = room.try_("release", verb, uid)
        assert (6, True) == (said.code, f"`syndicator release approve {uid}` first" in said.err)
    room("release", "approve", uid)
    already = room.try_("release", "approve", uid).err
    assert f"is approved already: `syndicator release schedule {uid}`" in already
    room("release", "schedule", uid)
    for options in ((), ("--earlier",)):
        said = room.try_("release", "reschedule", uid, "--at", "2020-01-01 09:00", *options)
        assert (6, True) == (said.code, f"release lift {uid}" in said.err)
    assert 6 == room.try_("release", "reschedule", uid, "--at", "2099-03-01 09:00").code
    room("release", "lift", uid)
    for verb in ("approve", "schedule", "cancel", "lift"):
        said = room.try_("release", verb, uid)
        assert (6, True) == (said.code, f"item correct {uid}`, `item withdraw` or `item kill`" in said.err)


def test_what_is_public_is_shown_as_public(room: InProcess) -> None:
    """design:2: no word of an embargo that is over; the list has the instant it came out."""
    uid = approved(room)
    assert room.json("release", "list")[0]["released"] is None
    room("release", "lift", uid)
    for said in (room.try_("release", "show", uid), room.try_("release", "draft", str(room.folder / "r.md"))):
        assert "public since " in said.err
        assert "under embargo until" not in said.err
    released = room.json("release", "list")[0]["released"]
    assert released
    assert released[:16] in room("release", "list").split("\t")[-2]


def test_only_what_can_be_is_asked_about(room: InProcess) -> None:
    """peers:10: no number is asked for an act that is refused anyway; a no undoes one that is not."""
    room.env["SYNDICATOR_MAIL__CONFIRM_ABOVE"] = "0"
    uid = room("release", "draft", room.file("r.md", FRONT)).strip()
    for verb in ("publish", "lift", "schedule"):
        said = room.try_("release", verb, uid).err
        assert "--confirm" not in said
    room("release", "approve", uid)
    assert "--confirm 1" in room.try_("release", "lift", uid).err
    assert "approved" == room.json("release", "show", uid)["state"]
    assert [] == room.json("item", "list")


def test_a_picture_nobody_described_is_not_approved(room: InProcess) -> None:
    """peers:10: a picture of ours without alt text is refused where somebody stands for the words, by its name."""
    path = room.folder / "r.docx"
    targets = {"p": ("image", "media/a.png", False)}
    path.write_bytes(
        word(
            paragraph("A", "Title"),
            paragraph("Look:", inside=drawing("p")),
            targets=targets,
            parts={"word/media/a.png": pictures.picture("PNG")},
        )
    )
    uid = room("release", "draft", str(path)).strip()
    said = room.try_("release", "approve", uid)
    assert (6, True) == (said.code, "the picture picture-1.png has no alt text" in said.err)
    written = path.with_suffix(".md")
    assert "alt under its media" in said.err
    written.write_text(
        written.read_text().replace("file: picture-1.png", "file: picture-1.png\n  alt: A chart")
    )
    room("release", "draft", str(written))
    room("release", "approve", uid)


def test_a_picture_elsewhere_holds_up_no_approval(room: InProcess) -> None:
    """peers:10: what a feed brought often has no alt text, and whoever approves it cannot write one into the feed."""
    front = "title: A\nmedia:\n- {url: 'https://pictures.example/chart.png', type: image/png, length: 9}"
    uid = room("release", "draft", room.file("r.md", front)).strip()
    room("release", "approve", uid)
    assert "approved" == room.json("release", "show", uid)["state"]


def test_versions_and_leave_are_shown(room: InProcess) -> None:
    """A preview is of --version N (--number still works); the list says who is accredited."""
    uid = approved(room)
    for option in ("--version", "--number"):
        assert 0 == room.try_("release", "preview", uid, option, "1").code
        assert 5 == room.try_("release", "preview", uid, option, "2").code
    help_ = room("release", "preview", "--help")
    assert ("--version" in help_, "--number" in help_) == (True, False)
    room("contact", "add", "eve@example.org")
    assert {"ann@example.org": True, "eve@example.org": False} == {
        one["email"]: one["accredited"] for one in room.json("contact", "list")
    }
    assert ["yes", "no"] == [line.split("\t")[-1] for line in room("contact", "list").splitlines()]
