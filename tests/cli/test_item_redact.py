"""`syndicator item redact`, and a restored copy that is started."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from syndicator.store import copies
from tests.cli.program import InProcess

UID = "tag:x,1"


def test_a_restored_copy_is_redacted_when_it_starts(lite: InProcess, tmp_path: Path) -> None:
    """operations:B1: what was redacted stays so after the database of yesterday is put back; the journal says who asked."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    lite("topic", "add", "policy", "Policy")
    lite(
        "item",
        "add",
        lite.file("a.md", f"uid: {UID}\ntitle: On canaries\ntopics: [policy]", "A canary sings."),
    )
    lite("worker", "--once", "feeds")
    folder = Path(lite.env["SYNDICATOR_STORE__URL"].removeprefix("sqlite:///")).parent
    shutil.copytree(folder, tmp_path / "backup")

    assert 2 == lite.try_("item", "redact", UID, "--reason", " ").code
    said = lite.try_("item", "redact", UID, "--reason", "Court order 7", "--by", "Ada", "--json")
    assert (0, []) == (said.code, json.loads(said.out)["undone"])
    assert "backups made before" in said.err
    assert not re.search(r"\b1 files|\b1 file were", said.err)
    assert re.search(r"; (1 file was|\d+ files were) removed", said.err)
    assert ("redacted", "(removed)") == tuple(
        lite.json("item", "show", UID)[name] for name in ("state", "title")
    )
    acts = lite.json("audit", "list")
    assert [("Ada", UID)] == [(one["actor"], one["subject"]) for one in acts if one["act"] == "item.redact"]
    assert 6 == lite.try_("item", "redact", UID, "--reason", "Again").code

    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    assert "live" == lite.json("item", "show", UID)["state"]
    lite("worker", "--once", "feeds")
    assert "redacted" == lite.json("item", "show", UID)["state"]
    assert [] == [path for path in folder.iterdir() if b"canar" in path.read_bytes().lower()]


PICTURE = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def test_a_mistyped_uid_and_a_dry_run_hold_no_file(lite: InProcess, tmp_path: Path) -> None:
    """security:I3: files come in with the act, or not at all: what an item nobody has held would outlive a redaction."""
    folder = tmp_path / "media"
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(folder)
    lite("topic", "add", "policy", "Policy")
    front = f"uid: {UID}\ntitle: On canaries\ntopics: [policy]"
    lite("item", "add", lite.file("a.md", front))
    (lite.folder / "a.pdf").write_bytes(PICTURE)
    shown = "title: On canaries\ntopics: [policy]\nmedia:\n  - file: a.pdf\n    alt: A canary"
    file = lite.file("b.md", shown)
    for act in (("edit",), ("correct", "--note", "A file")):
        assert 5 == lite.try_("item", act[0], "tag:typo", file, *act[1:]).code
        assert 0 == lite.try_("item", act[0], UID, file, *act[1:], "--dry-run").code
    assert [] == [path for path in tmp_path.rglob("media/*/*") if path.is_file()]
    lite("item", "correct", UID, file, "--note", "A file")
    (kept,) = folder.glob("*/*")
    said = lite.try_("item", "redact", UID, "--reason", "Court order 7", "--json")
    assert (0, 1, False) == (said.code, json.loads(said.out)["files"], kept.exists())


def test_a_draft_is_redacted(lite: InProcess, tmp_path: Path) -> None:
    """security:E2: what was not public yet is wiped likewise, once it cannot go out any more."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    uid = lite(
        "release", "draft", lite.file("a.md", "title: On canaries\nembargo: 2099-03-02T09:00:00Z")
    ).strip()
    lite("release", "approve", uid)
    lite("release", "schedule", uid)
    said = lite.try_("item", "redact", uid, "--reason", "Court order 7")
    assert (6, True) == (said.code, f"release cancel {uid}" in said.err)
    lite("release", "cancel", uid, "--reason", "Court order 7")
    assert 0 == lite.try_("item", "redact", uid, "--reason", "Court order 7", "--by", "Ada").code
    assert ("cancelled", "(removed)") == tuple(
        lite.json("release", "show", uid)[name] for name in ("state", "title")
    )
    assert "release.redact" in [one["act"] for one in lite.json("audit", "list")]
    for again in (
        ("release", "approve", uid),
        ("release", "draft", lite.file("b.md", f"uid: {uid}\ntitle: Again")),
    ):
        assert 6 == lite.try_(*again).code


def _singing(program: InProcess, tmp_path: Path) -> str:
    """A release that sings in a preview, a rehearsal, letters and exported feeds; its uid."""
    program.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    program("topic", "add", "policy", "Policy")
    program("contact", "add", "jane@paper.example")
    program("contact", "subscribe", "jane@paper.example", "policy", "--consent", "a card")
    (program.folder / "a.pdf").write_bytes(PICTURE + b"canary")
    front = "title: On canaries\ntopics: [policy]\nmedia:\n  - file: a.pdf\n    title: The canary"
    uid = program("release", "draft", program.file("a.md", front, "A canary sings.")).strip()
    program("release", "preview", uid, "--out", str(tmp_path / "shown"))
    program("release", "approve", uid)
    program("release", "rehearse", uid, "--out", str(tmp_path / "canary-play"))
    program("release", "publish", uid)
    program("worker", "--once", "deliver")
    program("feed", "export", str(tmp_path / "www"))
    return uid


def _sings(*folders: Path) -> list[Path]:
    every = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [path for path in every if b"canar" in path.read_bytes().lower() or "canar" in path.name.lower()]


def test_letters_previews_rehearsals_and_exports_go_with_it(lite: InProcess, tmp_path: Path) -> None:
    """design:2 shown by 6: what this house wrote into folders is wiped, too: letters, previews, rehearsals, exports.

    Nothing else that lies there is: other letters, somebody's own pictures, the feeds of other items.
    """
    uid = _singing(lite, tmp_path)
    other = lite("item", "add", lite.file("b.md", "title: On sparrows\ntopics: [policy]")).strip()
    lite("worker", "--once", "deliver")
    shown, play, www, mail = (tmp_path / name for name in ("shown", "canary-play", "www", "mail"))
    (shown / "media" / "mine.png").write_bytes(b"a picture of mine")
    for folder in (shown, play / "mail", play / "page", play / "feeds", www, mail):
        assert _sings(folder), folder
    letter = next(iter(_sings(mail))).read_bytes()
    (mail / ".killed.part").write_bytes(letter)

    said = json.loads(lite("item", "redact", uid, "--reason", "Court order 7", "--json"))
    assert [] == said["undone"]
    assert [] == _sings(shown, play, www, mail, tmp_path / "media")
    assert "a picture of mine" == (shown / "media" / "mine.png").read_text()
    assert 1 == len(list(mail.iterdir()))
    assert b"On sparrows" in (www / "feeds" / "policy.atom").read_bytes()
    assert other in [one["uid"] for one in lite.json("item", "list")]

    (mail / "old.eml").write_bytes(letter)  # a folder that comes back, or was that of another machine
    lite("worker", "--once", "feeds")
    assert [] == _sings(mail)


def test_a_copy_on_another_machine_is_named(lite: InProcess, tmp_path: Path) -> None:
    """design:2: what was written elsewhere cannot be wiped from here: its machine and its folder are told."""
    lite.env["SYNDICATOR_STORE__MEDIA_DIR"] = str(tmp_path / "media")
    lite("topic", "add", "policy", "Policy")
    lite("item", "add", lite.file("a.md", f"uid: {UID}\ntitle: On canaries\ntopics: [policy]"))
    for folder, uid in (("shown", UID), ("www", ""), ("others", "tag:x,2")):
        copies.note(tmp_path / "media", tmp_path / folder, uid, ("page.html",))
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "page.html").write_text("canary")
    journal = tmp_path / "media" / copies.JOURNAL
    journal.write_text(journal.read_text().replace(f'"{os.uname().nodename}"', '"elsewhere"'))
    beyond = json.loads(lite("item", "redact", UID, "--reason", "Court order 7", "--json"))["beyond"]
    told = [one for one in beyond if "elsewhere" in one]
    assert [f"a preview or rehearsal on elsewhere, in {tmp_path}/shown"] == told[:1]
    assert [f"feeds exported on elsewhere, in {tmp_path}/www"] == told[1:]
    assert 3 == len(_sings(tmp_path / "shown", tmp_path / "www", tmp_path / "others"))


def test_letters_of_a_key_that_is_gone_are_known_by_their_files(lite: InProcess, tmp_path: Path) -> None:
    """design:2: with another key and another sender no Message-ID is what it was; the ledger knows the files."""
    lite.env |= {
        "SYNDICATOR_STORE__MEDIA_DIR": str(tmp_path / "media"),
        "SYNDICATOR_SITE__SECRET_KEY": "a" * 32,
    }
    lite("topic", "add", "policy", "Policy")
    lite("contact", "add", "jane@paper.example")
    lite("contact", "subscribe", "jane@paper.example", "policy", "--consent", "a card")
    lite("item", "add", lite.file("a.md", f"uid: {UID}\ntitle: On canaries\ntopics: [policy]"))
    lite("worker", "--once", "deliver")
    assert _sings(tmp_path / "mail")
    lite.env |= {"SYNDICATOR_SITE__SECRET_KEY": "b" * 32, "SYNDICATOR_MAIL__FROM": "press@other.example"}
    lite("item", "redact", UID, "--reason", "Court order 7")
    assert [] == _sings(tmp_path / "mail")
