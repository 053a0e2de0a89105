"""`syndicator item redact`, and a restored copy that is started."""

from __future__ import annotations

import json
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
