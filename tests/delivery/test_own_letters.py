"""Letters about somebody's own affairs, from the row that owes them to the wire."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from syndicator import topics
from syndicator.delivery.lanes import drain
from syndicator.model.audience import address
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.runtime.addresses import letter_url
from syndicator.signup import Tokens
from syndicator.store import Store, deliveries, schema, suppressions
from syndicator.store.letters import Owed, by_id, plan
from syndicator.wire.folder import Folder
from tests.delivery.test_mail import crew, letters, states
from tests.make import NOW, make_contact, make_newsroom, make_site
from tests.render.letters import FACTS

TOKENS = Tokens(["key"])
LEFT = NOW - timedelta(minutes=3)


def owed(sort: Letter, **changes: object) -> Owed:
    values: dict[str, object] = {"id": 1, "contact_id": 4, "about": 9, "generation": 2, "press_generation": 3}
    facts = {"left": LEFT.isoformat(), "minutes": 45}
    return Owed(sort=sort, facts=facts, created=NOW, **{**values, **changes})  # type: ignore[arg-type]


def test_a_letter_says_what_was_owed(store: Store, tmp_path: Path) -> None:
    """mail:LM2, mail:MC2 One row, one letter, with the button of its sort; the bytes hang on the row alone."""
    with store.begin() as tx:
        plan(tx, Letter.ASK, address("New@x.example"), about=7, facts=FACTS[Letter.ASK])
    with store.begin() as tx:
        (row,) = deliveries.listing(tx)
    assert ("letter/1", "New@x.example") == (row.subject, row.recipient)
    assert 1 == drain(crew(store, lambda: Folder(tmp_path / "out")))
    (letter,) = letters(tmp_path / "out")
    assert "New@x.example" == letter["to"]
    assert "https://news.example/ask/7" in letter.as_string()
    assert letter["list-unsubscribe"] is None


def test_who_is_asked_for_permission_reads_titles(store: Store, tmp_path: Path) -> None:
    """mail:LM2 The rows of a mass of letters name topics by slug; people read their titles."""
    make_newsroom(store)
    with store.begin() as tx:
        topics.rename(tx, "policy", "policy", "Policy & law")
        plan(tx, Letter.PERMISSION, address("a@x.example"), about=7, facts={"topics": ["policy"]})
    drain(crew(store, lambda: Folder(tmp_path / "out")))
    (letter,) = letters(tmp_path / "out")
    assert "- Policy & law" in letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_a_letter_about_nobody_is_refused_in_words(store: Store, tmp_path: Path) -> None:
    """mail:LM21 Where a person was forgotten before their letter went out, it is refused, and others go out."""
    with store.begin() as tx:
        gone = plan(tx, Letter.ASK, address("a@x.example"), about=7, facts=FACTS[Letter.ASK])
        plan(tx, Letter.ASK, address("b@x.example"), about=8, facts=FACTS[Letter.ASK])
        tx.connection.execute(delete(schema.letters).where(schema.letters.c.id == gone))
    drain(crew(store, lambda: Folder(tmp_path / "out")))
    assert [("a@x.example", "refused"), ("b@x.example", "accepted")] == states(store)
    with store.read() as tx:
        refused = deliveries.listing(tx)[0]
        assert "was forgotten" in deliveries.attempts(tx, refused.id)[0].detail


@pytest.mark.parametrize(
    ("reason", "goes"), [(Reason.COMPLAINT, set()), (Reason.LEFT, {"a@x.example", "c@x.example"})]
)
def test_a_bare_mailbox_is_asked_about_as_its_letter_goes(
    store: Store, tmp_path: Path, reason: Reason, goes: set[str]
) -> None:
    """mail:LM10 security:R6 what was suppressed while a letter was planned stops it; who has only left is asked."""
    with store.begin() as tx:
        plan(tx, Letter.ASK, address("A@x.example"), about=7, facts=FACTS[Letter.ASK])
        plan(tx, Letter.DENIED, address("b@x.example"), facts=FACTS[Letter.DENIED])
        plan(tx, Letter.ASK, address("c@x.example"), about=8, facts=FACTS[Letter.ASK])
        for about, one in enumerate(("d@y.example", "e@z.example")):
            plan(tx, Letter.ASK, address(one), about=about, facts=FACTS[Letter.ASK])
    with store.begin() as tx:
        for one in ("a@x.example", "b@x.example", "c@x.example"):
            suppressions.suppress(tx, address(one), reason, stop=False)
        suppressions.suppress_domain(tx, "y.example", Reason.MANUAL)
        # As though they were planned meanwhile.
        tx.connection.execute(update(schema.deliveries).values(stop=None))
    drain(crew(store, lambda: Folder(tmp_path / "out")))
    assert goes | {"e@z.example"} == {letter["to"].lower() for letter in letters(tmp_path / "out")}
    with store.read() as tx:
        why = {row.recipient.lower(): row.detail for row in deliveries.listing(tx)}
    assert f"suppressed: {reason}" == why["b@x.example"]
    assert "suppressed: manual" == why["d@y.example"]


@pytest.mark.parametrize(
    ("reason", "goes"),
    [(Reason.LEFT, 5), *((one, 0) for one in Reason if one is not Reason.LEFT)],
)
@pytest.mark.parametrize("before", [True, False])
def test_who_works_here_and_left_the_list_hears_of_their_work(
    store: Store, reason: Reason, goes: int, *, before: bool
) -> None:
    """mail:LM10 To have left stops no reminder, application, alarm nor test, planned before or after; all else does."""
    who = address("Editor@x.example")
    with store.begin() as tx:
        if before:
            suppressions.suppress(tx, who, reason)
        for sort in (Letter.REMINDER, Letter.APPLIED):
            plan(tx, sort, who, facts=FACTS[sort])
        for subject in ("alarm/1", "sample/tag:x/1/1", "newsletter/1/1"):
            deliveries.plan_mailbox(tx, subject, who.typed)
        plan(tx, Letter.DENIED, who, facts=FACTS[Letter.DENIED])  # as anybody's: for nobody who left
        if not before:
            suppressions.suppress(tx, who, reason)
    with store.begin() as tx:
        assert goes == len(deliveries.claim(tx, "mail", "w", 9, timedelta(hours=1)))


def test_a_link_is_of_the_generation_of_now(store: Store) -> None:
    """mail:LM9 The letter knows the contact's generations as they are when it is written, not when it was owed."""
    with store.begin() as tx:
        contact = make_contact(tx, "a@x.example")
        letter = plan(tx, Letter.KNOWN, address("a@x.example"), contact_id=contact.id)
        tx.connection.execute(update(schema.contacts).values(generation=5, press_generation=6))
        known = by_id(tx, letter)
    assert known is not None
    assert (5, 6) == (known.generation, known.press_generation)


@pytest.mark.parametrize(
    ("sort", "path"),
    [
        (Letter.ASK, f"/media-list/confirm/{TOKENS.request_token(9)}"),
        (Letter.PERMISSION, f"/media-list/confirm/{TOKENS.request_token(9)}"),
        (Letter.KNOWN, f"/media-list/preferences/{TOKENS.preferences_token(4, 2)}"),
        (Letter.SOURCE, f"/media-list/preferences/{TOKENS.preferences_token(4, 2)}"),
        (Letter.MAGIC, f"/media-list/preferences/{TOKENS.magic_token(4, 2, NOW + timedelta(minutes=45))}"),
        (Letter.FAREWELL, f"/media-list/undo/{TOKENS.undo_token(4, LEFT)}"),
        (Letter.MOVE, f"/media-list/move/{TOKENS.move_token(9)}"),
        (Letter.GRANTED, f"/press/{TOKENS.desk_token(4, 3)}/"),
    ],
)
def test_each_button_opens_its_own_door(sort: Letter, path: str) -> None:
    """mail:LM2, mail:LM9 The address of a button, by sort: what was signed for one act is good for no other."""
    site = make_site()
    assert site.url(path) == letter_url(site, TOKENS, owed(sort))


def test_whoever_looks_after_a_desk_undoes_for_the_desk() -> None:
    """mail:LM9 The owner's letter goes to a bare address; its link is about the contact that left."""
    site = make_site()
    url = letter_url(site, TOKENS, owed(Letter.OWNER, contact_id=None, about=9))
    assert site.url(f"/media-list/undo/{TOKENS.undo_token(9, LEFT)}") == url


@pytest.mark.parametrize("sort", [Letter.MOVED, Letter.DENIED, Letter.APPLIED, Letter.REMINDER])
def test_a_letter_without_a_button_has_no_address(sort: Letter) -> None:
    """mail:MC25 Nothing is signed for a letter that asks for no act."""
    assert "" == letter_url(make_site(), TOKENS, owed(sort))
