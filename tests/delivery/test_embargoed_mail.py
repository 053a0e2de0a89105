"""Words under embargo: which of them a letter holds, and that nobody on its way reads them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from syndicator import press
from syndicator.delivery.lanes import drain
from syndicator.press.sample import sample
from syndicator.store import Store, accreditations, deliveries
from syndicator.wire.folder import Folder
from tests.advances import EMBARGO, UID, accredited
from tests.delivery.test_mail_press import Box, crew
from tests.make import FakeClock, make_content, make_newsroom

HOUR = timedelta(hours=1)


class Overheard(Folder):
    """A folder that stands for a way to the relay on which anybody can listen."""

    secure = False


def test_the_test_of_a_release_under_embargo_is_not_overheard(
    store: Store, clock: FakeClock, tmp_path: Path
) -> None:
    """mail:EM7: a sample says as much as an advance copy; once the release is out anybody may read it."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Secret"), EMBARGO, by="w")
        press.approve(tx, UID, "e")
        press.schedule(tx, UID, None, "e", advance=False)
        sample(tx, UID, ["boss@x.example"])
    drain(crew(store, lambda: Overheard(tmp_path)))
    assert [] == list(tmp_path.glob("*.eml"))
    with store.read() as tx:
        (one,) = deliveries.listing(tx)
    assert ("due", 1) == (one.state, one.attempts)
    clock.advance(hours=2)
    press.release_due(store)
    drain(crew(store, lambda: Overheard(tmp_path)))
    assert 1 == len(list(tmp_path.glob("*.eml")))


def test_a_cancelled_release_has_no_tests(store: Store) -> None:
    """security:E1: what waits is cancelled with it, what is claimed is not started, what is planned after is not claimed."""
    make_newsroom(store)
    with store.begin() as tx:
        press.draft(tx, UID, make_content("Secret"), None, by="w")
        sample(tx, UID, ["one@x.example"])
    with store.begin() as tx:
        tries = deliveries.claim(tx, "mail", "w", 9, HOUR)
        sample(tx, UID, ["two@x.example"])
    with store.begin() as tx:
        press.cancel(tx, UID, "no")
    with store.begin() as tx:
        assert [] == deliveries.start(tx, tries, HOUR)
        assert ["cancelled"] * 2 == [one.state for one in deliveries.listing(tx)]
        sample(tx, UID, ["three@x.example"])
        assert [] == deliveries.claim(tx, "mail", "w", 9, HOUR)
        assert "the release is cancelled" == deliveries.listing(tx)[2].detail


def test_a_notice_holds_the_words_its_recipient_had(store: Store, tmp_path: Path) -> None:
    """security:E1, mail:EM1: whose accreditation ended does not read the later headline in the news of its embargo."""
    make_newsroom(store)
    with store.begin() as tx:
        revoked = accredited(tx, "revoked@x.example")
        accredited(tx, "good@x.example")
    box = Box(tmp_path)
    for title in ("First words", "Later words"):
        with store.begin() as tx:
            press.draft(tx, UID, make_content(title), EMBARGO, by="w")
            press.approve(tx, UID, "e")
            press.schedule(tx, UID, None, "e")
        box.opened(store)
        with store.begin() as tx:
            if accreditations.live(tx, revoked):
                accreditations.end(tx, revoked, "it leaked")
    with store.begin() as tx:
        press.reschedule(tx, UID, EMBARGO.until + HOUR, "e", "why")
    letters = box.opened(store)
    for mail, mine, others in (
        ("revoked@x.example", "First words", "Later words"),
        ("good@x.example", "Later words", "First words"),
    ):
        assert mine in str(letters[mail]["subject"])
        assert others not in letters[mail].as_string()
