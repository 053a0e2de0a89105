"""A command line in this process, over an empty store on each database."""

import os
from pathlib import Path

import pytest

from tests.cli.program import InProcess


@pytest.fixture(autouse=True)
def _nobody_elses_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("SYNDICATOR_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cli(store_url: str, tmp_path: Path) -> InProcess:
    """Quick commands, on both databases."""
    return InProcess(store_url, tmp_path)


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> InProcess:
    """Quick commands, on SQLite: for what never depends on the database."""
    return InProcess(sqlite_url, tmp_path)
