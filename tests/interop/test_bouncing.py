"""Real reports of a real Postfix, fetched from a real Dovecot, end where they belong."""

from __future__ import annotations

from pathlib import Path

from tests.interop.bouncing import FINE, FULL, GONE, bounced
from tests.interop.test_relayed import open_folder

__all__ = ["open_folder"]


def test_reports_of_an_unknown_user_and_a_full_box(open_folder: Path) -> None:
    """mail:LM13, mail:LM11 By token, through Dovecot: dead is hard, full is soft, fine is nothing; twice is once.

    Postfix took the letters, so it is no word to our face: a first report suppresses nobody.
    """
    came = bounced(open_folder)
    assert {FINE: [], FULL: [("soft", "5.2.2")], GONE: [("hard", "5.1.1")]} == came.back
    assert (0, dict.fromkeys((FINE, FULL, GONE))) == (came.again, came.suppressed)
