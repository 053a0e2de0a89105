"""The embargo oracle in short; `python -m tests.embargo` runs it in full."""

from tests.embargo import oracle


def test_nothing_is_seen_before_its_instant(sqlite_url: str) -> None:
    """security:E3 security:E6 mail:EM1 mail:EM2 mail:EM3: with everybody looking everywhere, no canary sings early.

    Nor does one of a draft that never went out; and before the first instant not a byte changes anywhere.
    In short on SQLite; in full on both databases.
    """
    found = oracle(sqlite_url, count=25, watchers=3, seconds=1, seed=7)
    assert [] == found.faults, str(found)
    assert found.released >= 10
    assert found.asked >= 50
