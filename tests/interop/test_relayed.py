"""A real Postfix and a real Dovecot in short; `make interop` sends 1,000 letters."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import require_program
from tests.interop.relayed import after_a_day, once_each


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder the programs' own users may enter; pytest's are for root alone."""
    require_program("postfix")
    require_program("dovecot")
    if os.geteuid() != 0:
        pytest.skip("postfix and dovecot want to be started by root")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_letters_arrive_once_each(open_folder: Path) -> None:
    """mail:SE1, mail:MC4 A real worker, relay and mailbox: every letter once, its parts whole, no defect, its own Message-ID."""
    found = once_each(open_folder, 20)
    assert {f"j{n}@press.example": 1 for n in range(20)} == found.recipients
    assert [] == found.faults


def test_a_day_without_a_relay_is_one_incident(open_folder: Path) -> None:
    """mail:SE13, mail:SE15 Nobody's attempts count, operators see since when; what is new goes by itself, what is late asks."""
    seen = after_a_day(open_folder, 10, timedelta(hours=3))
    everybody = {f"j{n}@press.example": 1 for n in range(10)}
    assert (20, True) == (seen.waiting, "Connection refused" in seen.fault)
    assert timedelta(hours=24) == seen.since
    assert (everybody, 10) == (seen.first.recipients, seen.asked)
    assert dict.fromkeys(everybody, 2) == seen.last.recipients
    assert Counter({1: 20}) == seen.counted
    assert [] == seen.last.faults
