"""The floors of the house hold, and the check that says so would notice."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import setup


def test_a_room_imports_only_rooms_below_it() -> None:
    """Every contract in pyproject.toml is kept."""
    done = lint_imports(setup.ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("room", "line", "contract"),
    [
        ("model/item.py", "import syndicator.store", "Floors"),
        ("wire/http.py", "import syndicator.store", "Floors"),
        ("publish.py", "import sqlalchemy", "Only store imports sqlalchemy"),
        ("publish.py", "import syndicator.store.schema", "Only the store sees its schema"),
    ],
)
def test_a_wrong_import_is_noticed(room: str, line: str, contract: str, tmp_path: Path) -> None:
    """An import upwards, sideways or past the store's door breaks the contract that forbids it."""
    shutil.copy(setup.ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(setup.ROOT / "syndicator", tmp_path / "syndicator")
    with (tmp_path / "syndicator" / room).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    done = lint_imports(tmp_path)
    assert done.returncode == 1
    assert [] != [said for said in done.stdout.splitlines() if contract in said and said.endswith("BROKEN")]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """import-linter over the package in this folder."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
