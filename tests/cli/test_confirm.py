"""The number a person says before a large mailing leaves."""

import os
import pty
import subprocess
import sys

import pytest

from syndicator.cli.confirm import confirmed
from syndicator.errors import Refused

ASK = "from syndicator.cli.confirm import confirmed; confirmed(612, None, 500, 'mails'); print('went on')"


@pytest.mark.parametrize(("count", "given"), [(500, None), (612, 612), (0, None), (3, 99)])
def test_few_mails_and_the_very_number_go_on(count: int, given: int | None) -> None:
    """Up to the limit nobody is asked, above it only the very number counts."""
    assert confirmed(count, given, 500, "mails") is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize("given", [None, 611, 6120])
def test_another_number_is_refused_and_the_right_one_is_named(given: int | None) -> None:
    """The refusal names the option that goes on."""
    with pytest.raises(Refused, match="--confirm 612"):
        confirmed(612, given, 500, "mails about tag:x")


@pytest.mark.parametrize(
    ("typed", "code"), [("612\n", 0), ("612 \n", 0), ("61\n", 1), ("\n", 1), ("yes\n", 1)]
)
def test_on_a_terminal_the_number_is_typed(typed: str, code: int) -> None:
    """A person at a terminal types the number; anything else does nothing."""
    master, slave = pty.openpty()
    try:
        line = [sys.executable, "-c", ASK]
        with subprocess.Popen(line, stdin=slave, stderr=slave, stdout=subprocess.PIPE) as child:
            os.write(master, typed.encode())
            assert child.stdout
            assert (b"went on\n" if code == 0 else b"") == child.stdout.read()
        assert code == child.returncode
    finally:
        os.close(slave)
        os.close(master)
