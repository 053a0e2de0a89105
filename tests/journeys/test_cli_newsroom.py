"""A newsroom at work, by the command line alone: walks A and B (DESIGN §4).

Walk A is real processes throughout; elsewhere the worker is one, and the editor's commands, a second each to
start, run here.
"""

import gzip
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path
from typing import cast

import pytest

from tests.cli.program import Beside, Program, RealProcess
from tests.web.served import wait_until

JANE = "jane@paper.example"


@pytest.fixture
def newsroom(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beside:
    """A newsroom with a topic and one journalist who said yes."""
    monkeypatch.chdir(tmp_path)
    return found(Beside(store_url, tmp_path))


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RealProcess:
    """The same, on SQLite, and from now on by real processes alone."""
    monkeypatch.chdir(tmp_path)
    found(Beside(sqlite_url, tmp_path))
    return RealProcess(sqlite_url, tmp_path)


@pytest.fixture(params=["sqlite-processes", "postgresql-worker"])
def walked(request: pytest.FixtureRequest) -> Program:
    """The same on each database; once by real processes alone."""
    if request.param == "sqlite-processes":
        return cast("Program", request.getfixturevalue("lite"))
    url, folder = (request.getfixturevalue(name) for name in ("postgresql_own_url", "tmp_path"))
    request.getfixturevalue("monkeypatch").chdir(folder)
    return found(Beside(url, folder))


def found(program: Beside) -> Beside:
    """Add the topic and the journalist."""
    program("topic", "add", "policy", "Policy")
    program("contact", "add", JANE, "--name", "Jane Doe")
    program("contact", "subscribe", JANE, "policy", "--consent", "asked by phone")
    return program


def mails(program: Program) -> dict[str, str]:
    """Subject → recipient of what lies in the mail folder."""
    parse = BytesParser(policy=policy.default).parsebytes
    letters = [parse(path.read_bytes()) for path in sorted((program.folder / "mail").rglob("*.eml"))]
    return {str(letter["subject"]): str(letter["to"]) for letter in letters}


def test_an_item_reaches_readers_and_journalists(walked: Program) -> None:
    """item add → worker --once → feed bytes and a mail; a correction follows, the ledger has both."""
    file = walked.file("a.md", "title: On budgets\nkind: statement\ntopics: [policy]")
    uid = walked("item", "add", file).strip()
    walked("worker", "--once")
    walked("feed", "export", "out")
    feed = walked.folder / "out" / "feeds" / "policy.atom.gz"
    assert uid.encode() in gzip.decompress(feed.read_bytes())
    ((subject, to),) = mails(walked).items()
    assert "On budgets" in subject
    assert JANE in to
    walked.file(
        "a.md", f"uid: {uid}\ntitle: On budgets\nkind: statement\ntopics: [policy]", "Corrected words."
    )
    walked("item", "correct", uid, file, "--note", "A figure was wrong")
    walked("worker", "--once")
    ledger = walked.json("delivery", "list")
    expected = [(f"revision/{uid}/{number}", JANE, "accepted", 1) for number in (1, 2)]
    assert expected == [
        tuple(row[key] for key in ("subject", "recipient", "state", "attempts")) for row in ledger
    ]
    assert 2 == len(list((walked.folder / "mail").rglob("*.eml")))


def test_nothing_of_a_release_shows_before_it_goes_out(newsroom: Beside) -> None:
    """draft → approve → no page, no feed, no mail; lift → all of them (promise 2)."""
    front = "title: A secret until nine\nkind: press-release\ntopics: [policy]\nembargo: 2099-03-02T09:00:00Z"
    uid = newsroom("release", "draft", newsroom.file("r.md", front)).strip()
    newsroom("release", "approve", uid, "--by", "Jo")
    newsroom("release", "schedule", uid)
    newsroom("worker", "--once")
    newsroom("feed", "export", "out")
    assert [] == newsroom.json("item", "list")
    assert [] == newsroom.json("delivery", "list")
    assert not any(b"secret" in path.read_bytes() for path in (newsroom.folder / "out").rglob("*.atom"))
    newsroom("release", "lift", uid)
    newsroom("worker", "--once", "feeds", "deliver")
    newsroom("feed", "export", "out")
    assert b"A secret until nine" in (newsroom.folder / "out" / "feeds" / "policy.atom").read_bytes()
    assert any("A secret until nine" in subject for subject in mails(newsroom))
    assert "accepted" == newsroom.json("delivery", "list")[0]["state"]


def test_a_release_goes_out_at_its_instant(newsroom: Beside) -> None:
    """Scheduled for a few seconds ahead: the first round is early, a later one releases it."""
    uid = newsroom("release", "draft", newsroom.file("r.md", "title: Soon\ntopics: [policy]")).strip()
    newsroom("release", "approve", uid)
    soon = datetime.now(UTC) + timedelta(seconds=4)  # a process on a busy machine takes its time
    newsroom("release", "schedule", uid, "--at", soon.isoformat())
    newsroom("worker", "--once", "release")
    early = newsroom.json("release", "show", uid)["state"] == "scheduled"
    assert early or datetime.now(UTC) >= soon
    wait_until(lambda: datetime.now(UTC) >= soon)
    while newsroom.json("release", "show", uid)["state"] == "scheduled":
        newsroom("worker", "--once")
    newsroom("worker", "--once")  # the very first round may have come late, and it delivers nothing
    item = newsroom.json("item", "show", uid)
    assert item["published"] >= soon.isoformat().replace("+00:00", "Z")
    assert 1 == len(mails(newsroom))


def test_output_can_be_piped(lite: RealProcess) -> None:
    """Data on stdout without colour, words on stderr (operations:OP17)."""
    said = lite.try_("contact", "add", JANE)
    assert f"{JANE}\n" == said.out
    assert "already" in said.err
    listed = lite("topic", "list")
    assert "\x1b" not in listed
    assert ["all", "policy"] == [line.split("\t")[0] for line in listed.splitlines()]


def test_a_reader_that_leaves_early_is_no_fault(sqlite_url: str, tmp_path: Path) -> None:
    """`… | head -0`: no traceback."""
    program = RealProcess(sqlite_url, tmp_path)
    process = program.start("topic", "list", stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.close()
    assert 1 == process.wait(30)
    assert "" == (tmp_path / "log").read_text(encoding="utf-8")


def asleep(pid: int) -> bool:
    """Whether a process waits for something; where nobody tells, it does."""
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text(encoding="utf-8").rpartition(") ")[2].startswith("S")


def test_ctrl_c_exits_130(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever interrupts gets exit code 130, no traceback, and nothing was stored."""
    program = RealProcess(sqlite_url, tmp_path)
    # Shells start what is put into the background with SIGINT ignored, and that is inherited.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = program.start("item", "add", "-", stdin=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdin
        # More than a pipe holds: this returns only when somebody reads, so it is there and waits for the rest.
        process.stdin.write("x" * 300_000)
        process.stdin.flush()
        wait_until(lambda: asleep(process.pid))
        process.send_signal(signal.SIGINT)
        try:
            process.wait(4)
        except subprocess.TimeoutExpired:  # what comes between two reads, Python sees after the second
            process.send_signal(signal.SIGINT)
        assert 130 == process.wait(30)
    assert "" == (tmp_path / "log").read_text(encoding="utf-8")
    assert [] == program.json("item", "list")
