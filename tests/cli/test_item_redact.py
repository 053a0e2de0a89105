"""`syndicator item redact`, and a restored copy that is started."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

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
