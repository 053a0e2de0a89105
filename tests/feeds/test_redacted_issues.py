"""Redaction and the newsletter: what an issue quotes of an item stands in the issue's own words."""

from __future__ import annotations

from pathlib import Path

from syndicator.feeds import redaction
from syndicator.store import Store
from tests.feeds.redacting import housed
from tests.make import FakeClock
from tests.test_newsletter import add, out, room

__all__ = ["room"]


def test_a_redaction_names_the_issues_that_have_its_words(
    room: Store,
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    """design:2: an issue is an item of its own and keeps the headline: it is named, until it is redacted, too."""
    house = housed(room, clock, tmp_path)
    item, issue = add(room, "Verba"), out(room, clock)
    done = redaction.redact(house, item.uid, "Court order")
    (words,) = done.undone
    assert words.startswith("No. 1 of the newsletter has its headline")
    assert f"`item redact {issue.uid}` wipes" in words
    assert () == redaction.redact(house, issue.uid, "Court order").undone
