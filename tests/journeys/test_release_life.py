"""A release walked through every state by the command line, with the mails that each step sends (issue 5, A)."""

from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.cli.program import InProcess

ANN, BOB = "ann@example.org", "bob@example.org"
FRONT = "title: On budgets\ntopics: [policy]\nkind: press-release\nembargo: 2099-03-02 09:00\nembargo_zone: Europe/London"


@pytest.fixture
def room(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> InProcess:
    """Ann is accredited and reads a weekly digest, Bob is neither and gets mail at once."""
    monkeypatch.chdir(tmp_path)
    room = InProcess(sqlite_url, tmp_path)
    room.env["SYNDICATOR_PRESS__SECOND_PERSON"] = "true"
    room("topic", "add", "policy", "Policy")
    for mail, cadence in ((ANN, "weekly"), (BOB, "immediate")):
        room("contact", "add", mail)
        room("contact", "subscribe", mail, "policy", "--consent", "asked", "--cadence", cadence)
    room("contact", "accredit", ANN, "--agreement", "signed")
    return room


class Post:
    """What has come to the mail folder since one last looked."""

    def __init__(self, room: InProcess) -> None:
        self.room = room
        self.seen: set[Path] = set()

    def __call__(self) -> dict[str, EmailMessage]:
        """Send what is due; who got what."""
        self.room("worker", "--once", "deliver")
        new = set((self.room.folder / "mail").rglob("*.eml")) - self.seen
        self.seen |= new
        parse = BytesParser(policy=policy.default).parsebytes
        letters = [parse(path.read_bytes()) for path in sorted(new)]
        assert len(letters) == len({str(one["to"]) for one in letters})
        return {str(letter["to"]): letter for letter in letters}


def state(room: InProcess, uid: str) -> str:
    return str(room.json("release", "show", uid)["state"])


def test_from_draft_to_kill(room: InProcess) -> None:
    """mail:EM1 EM3 EM4 EM5: draft, approved, scheduled, moved, released, corrected, killed: who gets what at each step."""
    post = Post(room)
    uid = room("release", "draft", file := room.file("r.md", FRONT), "--by", "Ida").strip()
    assert ("draft", 6) == (state(room, uid), room.try_("release", "approve", uid, "--by", "Ida").code)
    room("release", "approve", uid, "--by", "Max")
    room("release", "schedule", uid)
    assert "scheduled" == state(room, uid)
    first = post()
    assert [ANN] == list(first)
    assert "EMBARGOED UNTIL" in first[ANN]["subject"]

    soon = datetime.now(UTC) + timedelta(seconds=3)
    room("release", "reschedule", uid, "--at", soon.isoformat(), "--earlier", "--reason", "the vote is today")
    moved = post()
    assert [ANN] == list(moved)
    assert first[ANN]["message-id"] == moved[ANN]["in-reply-to"]
    assert "the vote is today" in moved[ANN].get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [] == room.json("item", "list")

    while "scheduled" == state(room, uid):  # a worker looks again and again
        room("worker", "--once", "release")
    assert "released" == state(room, uid)
    (item,) = room.json("item", "list")
    assert soon <= datetime.fromisoformat(item["published"])
    assert [BOB] == list(post())
    assert 6 == room.try_("release", "reschedule", uid, "--at", "2099-01-01T00:00:00Z").code

    corrected = Path(file).read_text(encoding="utf-8").replace("On budgets", "On larger budgets")
    lines = [line for line in corrected.splitlines() if not line.startswith("embargo")]
    Path(file).write_text("\n".join(lines), encoding="utf-8")
    room("item", "correct", uid, file, "--note", "The title")
    told = post()
    assert {ANN, BOB} == set(told)
    assert first[ANN]["message-id"] == told[ANN]["in-reply-to"]
    room("item", "kill", uid, "--reason", "It was wrong")
    assert {ANN, BOB} == set(post())
    assert {"rows": 8, "faults": []}.items() <= room.json("audit", "verify").items()


def test_missed_cancelled_and_brought_back(room: InProcess) -> None:
    """design:2: an unapproved release never goes by itself; what was missed or cancelled comes back as a draft."""
    post = Post(room)
    past = FRONT.replace("2099", "2020")
    said = room.try_("release", "draft", file := room.file("r.md", past), "--by", "Ida")
    assert "gone by already" in said.err
    uid = said.out.strip()
    room("worker", "--once", "release")
    assert "missed" == state(room, uid)
    text = Path(file).read_text(encoding="utf-8")
    Path(file).write_text(text.replace("2020", "2099"), encoding="utf-8")
    room("release", "draft", file, "--by", "Ida")
    assert "draft" == state(room, uid)
    room("release", "approve", uid, "--by", "Max")
    assert "approved" == state(room, uid)
    room("release", "schedule", uid)
    assert [ANN] == list(first := post())
    room("release", "cancel", uid, "--reason", "No vote")
    assert "cancelled" == state(room, uid)
    over = post()
    assert [ANN] == list(over)
    assert first[ANN]["message-id"] == over[ANN]["in-reply-to"]
    room("release", "draft", file, "--by", "Ida")
    assert "draft" == state(room, uid)
    assert {} == post()
    assert [] == room.json("item", "list")
