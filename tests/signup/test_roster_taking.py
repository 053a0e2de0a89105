"""Lists taken in: what they may change, what never, and how one is taken back."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from syndicator import signup
from syndicator.errors import NotFound, Refused
from syndicator.model.audience import Cadence, Standing, SubscriptionState, address
from syndicator.model.delivery import DeliveryState, Outcome, Policy, Result
from syndicator.model.letters import Letter
from syndicator.model.roster import Sort
from syndicator.model.suppression import Reason
from syndicator.signup import roster
from syndicator.signup.roster import Form, Loaded, Order, taking
from syndicator.store import (
    Store,
    Tx,
    audience,
    audit,
    deliveries,
    erasure,
    evidence,
    imports,
    letters,
    requests,
    schema,
    suppressions,
    tags,
    undoing,
)
from tests.make import FakeClock, make_contact, make_newsroom, make_subscription

ORDER = Order(source="list.csv", by="Ann", zone="Europe/Zurich")
LEASE = timedelta(minutes=5)
HEAD = "email,name,outlet,timezone,topics,cadence,consent"
MAILCHIMP = "Email Address,First Name,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,TAGS\n"


def take(store: Store, text: str, **other: Any) -> Loaded:
    """Take a list in."""
    return roster.load(store, text.encode(), replace(ORDER, **other), say=lambda _words: None)


def undo(store: Store, done: Loaded) -> undoing.Undone:
    """Take it back."""
    assert done.id is not None
    return roster.undo(store, done.id, "Ann", say=lambda _address, _why: None)


def picture(tx: Tx) -> dict[str, Any]:
    """All that a list may change of who is on the media list, by table."""
    c = schema.contacts.c
    people = select(c.address, c.name, c.outlet, c.zone, c.standing, c.notes).where(
        c.standing != Standing.ERASED
    )
    whose = select(schema.subscriptions.c.contact_id, schema.subscriptions.c.state)
    return {
        "people": sorted(map(tuple, tx.connection.execute(people))),
        "subscriptions": sorted(map(tuple, tx.connection.execute(whose))),
        "suppressions": sorted(tx.connection.execute(select(schema.suppressions.c.key)).scalars()),
        "tags": sorted(map(tuple, tx.connection.execute(select(schema.contact_tags)))),
        **{
            name: tx.connection.execute(
                select(func.count()).select_from(schema.metadata.tables[name])
            ).scalar()
            for name in ("deliveries", "letters", "requests", "windows", "evidence", "import_rows")
        },
    }


def seen(store: Store) -> dict[str, Any]:
    with store.read() as tx:
        return picture(tx)


def states(tx: Tx, mail: str) -> list[tuple[str, str, str]]:
    """Topic, cadence and state of each subscription somebody has or had."""
    theirs = audience.subscriptions(tx, audience.contact(tx, address(mail)).id)
    return [(one.topic, one.cadence.value, one.state.value) for one in theirs]


def send(store: Store) -> None:
    """Whatever is due goes out."""
    with store.begin() as tx:
        tries = deliveries.claim(tx, deliveries.MAIL_LANE, "w", 100, LEASE)
        tries = deliveries.start(tx, tries, LEASE)
        took = Result(outcome=Outcome.ACCEPTED, code=250)
        deliveries.settle_all(tx, [(one, took) for one in tries], Policy())


@pytest.fixture
def newsroom(store: Store) -> Store:
    """Two topics and nobody."""
    make_newsroom(store, "policy", "funding")
    return store


def test_nobody_who_left_is_suppressed_or_erased_comes_back(newsroom: Store) -> None:
    """Not by consent, not by another spelling, not by a basis; each is told of with the reason (mail:LM10, LM17)."""
    with newsroom.begin() as tx:
        left = make_subscription(tx, "left@x.example")
        audience.end(tx, left.id, "unsubscribed")
        for name, reason in (("dead", Reason.DEAD), ("gone", Reason.ERASED), ("angry", Reason.COMPLAINT)):
            suppressions.suppress(tx, address(f"{name}@x.example"), reason)
        suppressions.suppress_domain(tx, "closed.example", Reason.LEGAL)
    names = ("LEFT@x.example", "dead@x.example", "Gone@X.example", "angry@x.example", "a@closed.example")
    rows = "\n".join(f"{name},N,,,policy,,asked by phone" for name in names)
    done = take(newsroom, f"{HEAD}\n{rows}\n", basis="their contract")
    why = {mail.lower(): said for some in done.difference.values() for mail, _, said in some}
    assert (0, 0, 4, 1) == (
        done.active, done.added, len(done.difference[Sort.SUPPRESSED]), len(done.difference[Sort.UNCHANGED])
    )  # fmt: skip
    assert "policy has ended (unsubscribed) and is not begun again" == why["left@x.example"]
    assert "suppressed before: erased" == why["gone@x.example"]
    assert "suppressed before: legal" == why["a@closed.example"]
    with newsroom.read() as tx:
        assert [("policy", "immediate", "ended")] == states(tx, "left@x.example")
        assert ["left@x.example"] == [one.address.typed for one in audience.contacts(tx)]
        assert suppressions.of(tx, address("angry@x.example")) is not None


def test_an_import_changes_no_wish_and_no_word(newsroom: Store) -> None:
    """Another cadence, another name: what somebody chose stays; --overwrite takes words only (peers:3, peers:7)."""
    with newsroom.begin() as tx:
        make_contact(tx, "jane@x.example", name="Jane", outlet="The Paper")
        make_subscription(tx, "jane@x.example", cadence="weekly")
        make_subscription(tx, "wish@x.example", consent=None)
    text = f"{HEAD}\njane@x.example,J. Doe,Radio,,policy,immediate,phone\nwish@x.example,,,,policy,daily,\n"
    before = seen(newsroom)
    kept = take(newsroom, text)
    assert (None, before) == (kept.id, seen(newsroom))
    assert "keeps policy weekly" == kept.difference[Sort.UNCHANGED][0][2]
    done = take(newsroom, text, overwrite=True)
    with newsroom.read() as tx:
        jane = audience.contact(tx, address("jane@x.example"))
        assert ("J. Doe", "Radio") == (jane.name, jane.outlet)
        assert [("policy", "weekly", "active")] == states(tx, "jane@x.example")
    assert (
        "name: Jane → J. Doe; outlet: The Paper → Radio; keeps policy weekly"
        == done.difference[Sort.CHANGED][0][2]
    )
    assert 1 == undo(newsroom, done).words
    after = seen(newsroom)
    assert before["people"] == after["people"]


def test_an_export_elsewhere_is_legacy_and_asked_once(newsroom: Store) -> None:
    """Without proof of a yes: listed, sent nothing, one letter when somebody says so; with proof: active (LM17).

    mail:LM17, peers:7.
    """
    text = MAILCHIMP + (
        "form@x.example,F,2,2020-01-02 10:00:00,192.0.2.77,2020-01-02 10:01:00,desk\n"
        "typed@x.example,T,2,,,2019-01-02 10:00:00,\n"
    )
    done = take(newsroom, text, topics=("policy", "funding"), cadence=Cadence.DAILY)
    assert (Form.MAILCHIMP, 2, 2, 2, 0) == (done.form, done.added, done.active, done.pending, done.asked)
    assert ["typed@x.example"] == [mail for mail, _, _ in done.difference[Sort.LEGACY]]
    with newsroom.read() as tx:
        assert Standing.LEGACY is audience.contact(tx, address("typed@x.example")).standing
        (proof,) = evidence.of_contact(tx, audience.contact(tx, address("form@x.example")).id)
        expected = ("imported", "192.0.2.0/24", "list.csv", "Ann", "mailchimp", "2020-01-02T10:00:00+00:00")
        shown = (proof.act, proof.network, proof.source, proof.person, proof.form, proof.detail["optin"])
        assert expected == shown
        assert [] == deliveries.listing(tx)
        assert 1 == tx.connection.execute(select(func.count()).select_from(schema.windows)).scalar()
    everybody = lambda _tx: schema.contacts.c.id > 0  # noqa: E731 - a condition
    assert 1 == roster.ask(newsroom, everybody, 100, dry_run=True)
    assert (1, 0) == tuple(roster.ask(newsroom, everybody, 100, dry_run=False) for _ in range(2))
    assert None is take(newsroom, text, topics=("policy", "funding"), ask=True).id
    with newsroom.read() as tx:
        (letter,) = deliveries.listing(tx)
        owed = letters.by_id(tx, int(letter.subject.removeprefix("letter/")))
        assert owed is not None
        assert ("permission", ["policy", "funding"]) == (owed.sort, owed.facts["topics"])
        request = requests.by_id(tx, owed.about or 0)
        assert request is not None
        assert request.wish is not None
        assert (Cadence.DAILY, "typed@x.example") == (request.wish.cadence, request.wish.address)
        acts = [one.act for one in evidence.of_contact(tx, request.contact_id or 0)]
        assert ["imported", "asked"] == acts
    with pytest.raises(NotFound, match="gossip"):
        take(newsroom, text, topics=("gossip",))


def test_the_permission_letter_lists_whoever_says_yes(newsroom: Store) -> None:
    """Its link makes every subscription active and its person one of the list (mail:LM17, mail:LM2)."""
    take(newsroom, MAILCHIMP + "typed@x.example,T,2,,,,\n", topics=("policy", "funding"), ask=True)
    tokens = signup.Tokens(["k" * 32])
    with newsroom.begin() as tx:
        (letter,) = deliveries.listing(tx)
        owed = letters.by_id(tx, int(letter.subject.removeprefix("letter/")))
        assert owed is not None
        signup.confirm(tx, tokens, tokens.request_token(owed.about or 0))
        live = [one for one in states(tx, "typed@x.example") if one[2] == "active"]
        assert {("policy", "immediate", "active"), ("funding", "immediate", "active")} == set(live)
        assert Standing.LISTED is audience.contact(tx, address("typed@x.example")).standing


@pytest.mark.parametrize("way", ["staff", "link"])
def test_any_yes_lists_who_was_legacy(newsroom: Store, way: str) -> None:
    """Said to staff, or by the link of one subscription: from then on items are owed to them (mail:LM17)."""
    take(newsroom, MAILCHIMP + "typed@x.example,T,2,,,,\n", topics=("policy",))
    with newsroom.begin() as tx:
        contact = audience.contact(tx, address("typed@x.example"))
        (pending,) = audience.subscriptions(tx, contact.id)
        if way == "staff":
            make_subscription(tx, "typed@x.example")
        else:
            audience.confirm(tx, pending.id, "the link")
        assert Standing.LISTED is audience.contact_by_id(tx, contact.id).standing


def test_a_basis_that_a_person_records_stands_for_a_yes(newsroom: Store) -> None:
    """It is in the subscription, in the evidence and in the audit, with the name (mail:LM17, LM21)."""
    text = MAILCHIMP + "typed@x.example,T,2,,,,\n"
    done = take(newsroom, text, topics=("policy",), basis="press contract")
    with newsroom.read() as tx:
        contact = audience.contact(tx, address("typed@x.example"))
        (theirs,) = audience.subscriptions(tx, contact.id)
        assert (Standing.LISTED, "press contract (recorded by Ann)") == (contact.standing, theirs.consent)
        assert ["basis"] == [one.act for one in evidence.of_contact(tx, contact.id)]
        acts = [(one.act, one.actor, one.why) for one in audit.listing(tx)]
        assert ("contact.import", "Ann", "press contract") in acts
        made = imports.named(tx, done.id or 0)
        assert ("Ann", "list.csv", "press contract", 1) == (
            made.by,
            made.source,
            made.basis,
            made.counts["added"],
        )


def notices(store: Store) -> dict[str, dict[str, Any]]:
    """The facts of each letter that is on its way to say where an address is from, by whose it is."""
    le, d, c = schema.letters.c, schema.deliveries.c, schema.contacts.c
    with store.read() as tx:
        query = select(c.address, le.id, le.facts).where(le.contact_id == c.id, le.sort == Letter.SOURCE)
        due = set(tx.connection.execute(select(d.subject).where(d.state == DeliveryState.DUE)).scalars())
        return {row.address: row.facts for row in tx.connection.execute(query) if f"letter/{row.id}" in due}


def test_who_is_taken_by_a_basis_is_told_so_once(newsroom: Store) -> None:
    """Whence, on which basis, what they will get; not who said yes, and for ever once (mail:LM17, Art. 14 GDPR)."""
    with newsroom.begin() as tx:
        make_subscription(tx, "known@x.example", "funding")
        make_subscription(tx, "same@x.example", "policy")
    rows = f"{HEAD}\n" + "".join(
        f"{name}@x.example,,,,{topics},,{consent}\n"
        for name, topics, consent in [
            ("a", "policy;funding", ""), ("yes", "policy", "phone"), ("known", "policy", ""), ("same", "policy", ""),
            ("both", "policy", "phone"), ("both", "funding", ""), ("bare", "", ""),
        ]
    )  # fmt: skip
    order: dict[str, Any] = {"basis": "press contract", "source": "the union's list"}
    before = seen(newsroom)
    shown = take(newsroom, rows, dry_run=True, **order)
    assert (4, 0, before) == (shown.told, shown.asked, seen(newsroom))
    counted: list[int] = []
    planned = replace(ORDER, **order)
    done = roster.load(newsroom, rows.encode(), planned, say=lambda _: None, agreed=counted.append)
    assert ([4], 4, 0, 0) == (counted, done.told, done.asked, done.told_elsewhere)
    found = notices(newsroom)
    assert {f"{name}@x.example" for name in ("a", "known", "both", "bare")} == found.keys()
    assert order | {"topics": ["policy", "funding"]} == found["a@x.example"]
    assert ([], ["policy"]) == (found["bare@x.example"]["topics"], found["known@x.example"]["topics"])
    send(newsroom)
    assert {} == notices(newsroom)
    more = f"{HEAD}\na@x.example,,,,,,\nbare@x.example,,,,funding,,\nnew@x.example,,,,policy,,\n"
    again = take(newsroom, more, topics=("policy",), **order)
    assert (1, {"new@x.example"}) == (again.told, set(notices(newsroom)))
    with newsroom.read() as tx:
        one = audience.contact(tx, address("a@x.example"))
    with newsroom.begin() as tx, pytest.raises(IntegrityError, match="letters"):
        letters.plan(tx, Letter.SOURCE, one.address, contact_id=one.id)


def test_who_was_told_elsewhere_is_not_told_again(newsroom: Store) -> None:
    """The import keeps how many these were; a list taken back tells nobody any more (mail:LM17, Art. 14 GDPR)."""
    rows = f"{HEAD}\na@x.example,,,,policy,,\nb@x.example,,,,policy,,phone\n"
    shown = take(newsroom, rows, basis="press contract", notice=False, dry_run=True)
    done = take(newsroom, rows, basis="press contract", notice=False)
    for one in (shown, done):
        assert (0, 1, {}) == (one.told, one.told_elsewhere, notices(newsroom))
    with newsroom.read() as tx:
        assert 1 == imports.named(tx, done.id or 0).counts["told_elsewhere"]
    undo(newsroom, done)
    other = take(newsroom, rows, basis="press contract")
    assert (1, {"a@x.example"}) == (other.told, set(notices(newsroom)))
    undo(newsroom, other)
    assert {} == notices(newsroom)


def test_who_left_elsewhere_is_suppressed_here(newsroom: Store) -> None:
    """Without a contact being made of them; but not who said yes here after that day (mail:LM10, peers:7)."""
    with newsroom.begin() as tx:
        make_subscription(tx, "later@x.example")
        make_subscription(tx, "here@x.example")
    text = (
        "Email Address,MEMBER_RATING,LEID,UNSUB_TIME\nnew@x.example,2,1,2021-01-01 00:00:00\n"
        "later@x.example,2,2,2021-01-01 00:00:00\nhere@x.example,2,3,2031-01-01 00:00:00\n"
    )
    before = seen(newsroom)
    done = take(newsroom, text)
    with newsroom.read() as tx:
        found = [suppressions.of(tx, address(f"{one}@x.example")) for one in ("new", "later", "here")]
        assert [Reason.LEFT, None, Reason.LEFT] == [one and one.reason for one in found]
        assert 2 == len(audience.contacts(tx))
    assert "said yes here on 2026-03-02, after 2021-01-01" == done.difference[Sort.UNCHANGED][0][2]
    assert 2 == undo(newsroom, done).suppressions
    assert before == seen(newsroom)


def test_who_was_erased_is_in_no_row_of_an_import_and_does_not_come_back(newsroom: Store) -> None:
    """Neither the words a list brought nor those it replaced stay anywhere (mail:LM19, mail:LM10)."""
    text = f"{HEAD},tags\njane@paper.example,Jane Quill,Tribune,,policy,,phone,graphene\n"
    first = take(newsroom, text)
    other = take(newsroom, text.replace("Quill", "Quillon").replace("Tribune", "Gazette"), overwrite=True)
    with newsroom.begin() as tx:
        erasure.erase(tx, audience.contact(tx, address("jane@paper.example")).id, "Ann")
    with newsroom.read() as tx:
        rows = [
            str(tuple(row))
            for table in schema.metadata.sorted_tables
            for row in tx.connection.execute(select(table))
        ]
    words = ("jane@", "paper.example", "Quill", "Tribune", "Gazette", "graphene")
    assert [] == [row for row in rows if any(word in row for word in words)]
    again = take(newsroom, text)
    assert (None, "suppressed before: erased") == (again.id, again.difference[Sort.SUPPRESSED][0][2])
    for done in (other, first):
        undo(newsroom, done)
    with newsroom.read() as tx:
        assert suppressions.of(tx, address("jane@paper.example")) is not None, "an undo forgets no erasure"


LONG = f"{HEAD},tags\n" + "".join(
    f"p{n}@x.example,P{n},,,{'policy;funding' if n % 3 else 'policy'},{'daily' if n % 5 else ''},"
    f"{'phone' if n % 2 else ''},desk\n"
    for n in range(30)
)


def test_an_import_is_taken_back_as_one_act(newsroom: Store) -> None:
    """Every table is as it was, but for the audit; a second time there is nothing to take back (mail:LM17)."""
    with newsroom.begin() as tx:
        make_subscription(tx, "p3@x.example", "funding")
    before = seen(newsroom)
    done = take(newsroom, LONG)
    gone = undo(newsroom, done)
    after = seen(newsroom)
    assert (29, [], 1) == (gone.contacts, gone.kept, gone.subscriptions)
    ended = [one for one in after.pop("subscriptions") if one[1] != SubscriptionState.ENDED]
    assert before.pop("subscriptions") == ended
    for one in (before, after):
        one.pop("evidence")  # that p3 was on the list stays on record
        one.pop("windows")  # one that nothing waits in is forgotten when it closes
    assert before == after
    with pytest.raises(Refused, match="taken back already"):
        undo(newsroom, done)
    assert done.counts == {**take(newsroom, LONG).counts}, "a list that was taken back can be taken in again"


def test_who_did_anything_since_is_kept_and_told_of(newsroom: Store, clock: FakeClock) -> None:
    """Written to, confirmed, tagged, left: each stays with its reason, and no more goes out (mail:LM17)."""
    names = ("asked", "yes", "tagged", "left", "quiet")
    rows = "".join(
        f"{name}@x.example,,,,policy,,{'' if name in ('asked', 'yes') else 'phone'}\n" for name in names
    )
    done = take(newsroom, f"{HEAD}\n{rows}")
    clock.advance(minutes=1)
    with newsroom.begin() as tx:
        theirs = {name: audience.contact(tx, address(f"{name}@x.example")).id for name in names}
        (pending,) = audience.subscriptions(tx, theirs["yes"])
        tags.put(tx, theirs["tagged"], ["vip"])
        (old,) = audience.subscriptions(tx, theirs["left"])
        audience.end(tx, old.id, "unsubscribed")
    send(newsroom)
    with newsroom.begin() as tx:
        audience.confirm(tx, pending.id, "the link")
    gone = undo(newsroom, done)
    assert {
        "asked@x.example": "was written to",
        "yes@x.example": "has said yes since",
        "tagged@x.example": "was tagged since",
        "left@x.example": "has left since",
    } == dict(gone.kept)
    with newsroom.read() as tx:
        live = [
            name for name in names if name != "quiet" and states(tx, f"{name}@x.example")[0][2] != "ended"
        ]
        assert ["yes"] == live
        assert [] == [one for one in deliveries.listing(tx) if one.state is DeliveryState.DUE]


def test_whoever_said_yes_to_the_letter_is_kept_for_that(newsroom: Store, clock: FakeClock) -> None:
    """A yes to everything that was imported is told as a yes, and what it began goes on (mail:LM17)."""
    done = take(newsroom, MAILCHIMP + "typed@x.example,T,2,,,,\n", topics=("policy",), ask=True)
    tokens = signup.Tokens(["k" * 32])
    clock.advance(minutes=1)
    with newsroom.begin() as tx:
        (letter,) = deliveries.listing(tx)
        owed = letters.by_id(tx, int(letter.subject.removeprefix("letter/")))
        assert owed
        signup.confirm(tx, tokens, tokens.request_token(owed.about or 0))
    assert [("typed@x.example", "has said yes since")] == undo(newsroom, done).kept
    with newsroom.read() as tx:
        assert ("policy", "immediate", "active") in states(tx, "typed@x.example")


def test_cells_beyond_the_header_are_told_of(newsroom: Store) -> None:
    """A cell with a comma in it and no quotes: the row is taken, and what it lost is said, some by name (mail:LM17)."""
    said: list[str] = []
    rows = "".join(f"n{number}@x.example,Name,The Paper, Ltd\n" for number in range(25))
    text = f"email,name,outlet\nwell@x.example,W,The Paper,\n{rows}nobody,N,The Paper,Ltd\n"
    done = roster.load(
        newsroom, text.encode(), replace(ORDER, dry_run=True, topics=("policy",)), say=said.append
    )
    assert (26, 1) == (done.added, len(done.bad))
    assert done.warnings == [words for words in said if "column" in words]
    assert 21 == len(done.warnings)
    assert done.warnings[0].startswith("line 3: taken without what stands beyond")
    assert done.warnings[-1].startswith("and 5 more rows")
    assert done.warnings == done.as_json()["warnings"]


def test_what_is_shown_is_what_is_done(newsroom: Store) -> None:
    """A dry run writes nothing, and says of every row what the import then says (mail:LM17, peers:10)."""
    with newsroom.begin() as tx:
        make_subscription(tx, "p1@x.example")
        suppressions.suppress(tx, address("p2@x.example"), Reason.MANUAL)
    before = seen(newsroom)
    shown = take(newsroom, LONG + "broken,,,,,,,\n", dry_run=True)
    assert (before, None) == (seen(newsroom), shown.id)
    assert shown.as_json() == take(newsroom, LONG + "broken,,,,,,,\n").as_json()
    assert {"new": 28, "changed": 1, "unchanged": 0, "suppressed": 1, "legacy": 0, "refused": 1} == {
        name: shown.counts[name]
        for name in ("new", "changed", "unchanged", "suppressed", "legacy", "refused")
    }


def test_how_far_a_long_list_is_stands_on_lines_of_its_own(
    newsroom: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits is told, of what is read and of what is taken (the issue: 100,000 rows with progress)."""
    monkeypatch.setattr(taking, "TOLD_EVERY", 100)
    monkeypatch.setattr(taking, "BATCH", 50)
    said: list[str] = []
    rows = "".join(f"p{number}@x.example\n" for number in range(250))
    roster.load(newsroom, f"email\n{rows}".encode(), ORDER, say=said.append)
    bare = "250 people subscribe to nothing, for no topic is named: --topics"
    assert ["100 rows read", "200 rows read", bare, "100 of 250", "200 of 250"] == said


CELL = st.text("aé=+-@'\"; ,|<\t＝", max_size=8).map(str.strip)
PEOPLE = st.lists(
    st.tuples(
        CELL, CELL, st.sampled_from(["policy", "policy;funding", ""]), st.sampled_from(["daily", "weekly"])
    ),
    min_size=1,
    max_size=5,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=PEOPLE)
def test_a_list_twice_and_an_export_change_nothing(
    sqlite_store: Store, drawn: Sequence[tuple[str, ...]]
) -> None:
    """The same list again, and what we export of it ourselves, say of everybody: unchanged (security:I4, peers:7)."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow([*HEAD.split(","), "notes"])
    for number, (name, outlet, slugs, cadence) in enumerate(drawn):
        consent = "asked, by phone" if number % 2 else ""
        word = name.replace("\t", " ")
        rows.writerow(
            [f"p{number}@x.example", word, outlet.replace("\t", " "), "", slugs, cadence, consent, name]
        )
    take(sqlite_store, out.getvalue())
    before = seen(sqlite_store)
    again = take(sqlite_store, out.getvalue())
    with sqlite_store.read() as tx:
        copy = io.StringIO()
        roster.dump(tx, copy)
    back = take(sqlite_store, copy.getvalue(), overwrite=True)
    for done in (again, back):
        assert (None, []) == (done.id, done.bad)
        assert {Sort.UNCHANGED} == {sort for sort, some in done.difference.items() if some}
    assert before == seen(sqlite_store)
    for line in csv.reader(io.StringIO(copy.getvalue())):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "＝")) for cell in line)


@pytest.fixture
def sqlite_store(sqlite_url: str, clock: FakeClock) -> Any:
    """A store that needs no other database."""
    from syndicator.store import open_store

    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as opened:
        make_newsroom(opened, "policy", "funding")
        yield opened
