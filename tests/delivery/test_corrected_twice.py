"""A second correction that takes the place of an unsent first: what its recipients are told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from syndicator import publish
from syndicator.delivery.lanes import drain
from syndicator.model.delivery import Outcome, Policy, Result
from syndicator.model.difference import marked, since
from syndicator.model.item import Revision, Significance
from syndicator.store import Store, deliveries
from syndicator.wire.folder import Folder
from tests.delivery.test_mail import UID, crew, letters, owe
from tests.make import NOW, FakeClock, make_content

OLD = "<p>It costs 40. It starts in May.</p>"
FIRST = OLD.replace("40", "4")
SECOND = FIRST.replace("May", "June")
HOUR = timedelta(hours=1)


def test_a_second_correction_tells_of_the_first_too(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """mail:EM4: it replaces the first; who never heard of that is told of both, who did of the second alone."""
    owe(store, "a@x.example", "b@x.example")
    with store.begin() as tx:
        publish.edit(tx, UID, make_content("A headline", body=OLD))
    drain(crew(store, lambda: Folder(tmp_path / "first")))
    clock.advance(minutes=1)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content("A headline", body=FIRST), "The price.")
    with store.begin() as tx:  # one hears of it before the second comes
        tries = deliveries.start(tx, deliveries.claim(tx, "mail", "w", 1, HOUR), HOUR)
        heard = tries[0].address
        deliveries.settle_all(tx, [(tries[0], Result(outcome=Outcome.ACCEPTED))], Policy())
    clock.advance(minutes=1)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content("A headline", body=SECOND), "The month.")

    drain(crew(store, lambda: Folder(tmp_path / "second")))
    told = {one["To"]: one.get_body(("plain",)) for one in letters(tmp_path / "second")}
    assert {"a@x.example", "b@x.example"} == set(told)
    for mail, part in told.items():
        assert part
        text = part.get_content()
        assert ("The month" in text, "starts in June" in text) == (True, True)
        knew = mail == heard
        assert (knew, knew) == ("The price" not in text, "costs 40" not in text)


@pytest.mark.parametrize(
    ("had", "note", "before"), [(1, "One. Two.", "A"), (2, "Two", "C"), (3, "Two", "C"), (None, "Two", "C")]
)
def test_what_is_new_since_they_had_it(had: int | None, note: str, before: str) -> None:
    """mail:EM4: all notes and the whole difference since; a silent edit in between is part of it."""
    a, b, c, d = (make_content(title) for title in "ABCD")
    history = [
        Revision(number=1, significance=Significance.FIRST, content=a, created=NOW),
        Revision(number=2, significance=Significance.CORRECTION, content=b, created=NOW, note="One.", marked="1"),
        Revision(number=3, significance=Significance.SILENT, content=c, created=NOW, note="One.", marked="1"),
        Revision(
            number=4, significance=Significance.CORRECTION, content=d, created=NOW, note="Two",
            marked=marked(c, d),
        ),
    ]  # fmt: skip
    found = since(history, had, 4)
    assert (note, f"<del>{before}</del>" in found.marked) == (found.note, True)
