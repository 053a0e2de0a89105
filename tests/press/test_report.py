"""Reports and samples: what the ledger says of a release, and what must not be in it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from html.parser import HTMLParser

import pytest

from syndicator import press, publish
from syndicator.digest import Pace, digests_due
from syndicator.errors import Invalid, NotFound, Refused
from syndicator.model.audience import address
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Channel, DeliveryState, Outcome, Policy, Priority, Result, Try
from syndicator.model.outcomes import Cause
from syndicator.model.release import Embargo
from syndicator.model.report import Report
from syndicator.model.suppression import Reason
from syndicator.press.plan import plan
from syndicator.press.report import report
from syndicator.press.sample import sample
from syndicator.render.report import report_page
from syndicator.store import Store, Tx, accreditations, bounces, deliveries, suppressions
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_partner, make_site, make_subscription

UID = "tag:x"
SITE = make_site(zone="Europe/London")
AT = NOW + timedelta(hours=6)
LEASE = timedelta(minutes=10)
TOOK = Result(outcome=Outcome.ACCEPTED, code=250)
DEAD = Result(outcome=Outcome.REFUSED, code=550, cause=Cause.DEAD_ADDRESS, detail="no such user r1")
DOUBT = Result(outcome=Outcome.UNKNOWN, detail="it may have arrived")
MAILBOX = "boss@x.example"


@pytest.fixture(autouse=True)
def _newsroom(store: Store) -> None:
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(5):
            make_subscription(tx, f"r{n}@x.example")
        suppressions.suppress(tx, address("r4@x.example"), Reason.COMPLAINT)
        wire = make_subscription(tx, "wire@x.example", cadence="daily")
        accreditations.accredit(tx, wire.contact_id, "Ann", "agreed")
        make_partner(tx, "agency")


def send(store: Store, lane: str, *results: Result) -> list[Try]:
    """Claim what is due and let it end so, in order of address; the last result is everybody else's."""
    with store.begin() as tx:
        tries = deliveries.start(tx, deliveries.claim(tx, lane, "w", 100, LEASE), LEASE)
        tries.sort(key=lambda one: one.address)
        ends: Sequence[Result] = [*results, *[results[-1]] * len(tries)]
        deliveries.settle_all(tx, list(zip(tries, ends, strict=False)), Policy())
    return tries


def walk(store: Store, clock: FakeClock) -> None:
    """A release under embargo with an advance copy, let out 0.4 s late, handed over within 90 s, corrected."""
    with store.begin() as tx:
        press.draft(tx, UID, make_content("On <budgets>"), Embargo(until=AT), by="Jo")
        press.approve(tx, UID, "Ann")
        press.schedule(tx, UID, None, "Ann")
        sample(tx, UID, [MAILBOX])
    send(store, "mail", TOOK)
    clock.now = AT + timedelta(seconds=0.4)
    press.release_due(store)
    clock.now = AT + timedelta(seconds=2)
    send(store, "mail", TOOK, DEAD, DOUBT, TOOK)
    send(store, "partner/agency", Result(outcome=Outcome.ACCEPTED, code=202))
    clock.now = AT + timedelta(minutes=11)
    send(store, "mail", DOUBT)
    with store.begin() as tx:
        publish.correct(tx, UID, make_content("On <budgets>", body="<p>Other words.</p>"), "A figure.")
        sample(tx, UID, [MAILBOX])


def made(store: Store, uid: str = UID) -> Report:
    with store.read() as tx:
        return report(tx, uid)


def figures(one: Report) -> dict[tuple[str, Channel], tuple[int, ...]]:
    states = (DeliveryState.REFUSED, DeliveryState.UNKNOWN, DeliveryState.CANCELLED)
    return {
        (each.name, each.channel): (each.planned, each.handed_over, *map(each.count, states), each.waiting)
        for each in one.mailings
    }


def test_the_report_adds_up(store: Store, clock: FakeClock) -> None:
    """peers:8: planned, handed over, refused, in doubt, cancelled, waiting, of each mailing; samples nowhere."""
    walk(store, clock)
    found = made(store)
    assert {
        ("Advance copies, version 1", Channel.MAIL): (1, 1, 0, 0, 0, 0),
        ("Release", Channel.MAIL): (5, 2, 1, 1, 1, 0),
        ("Release", Channel.WEBHOOK): (1, 1, 0, 0, 0, 0),
        ("Correction, revision 2", Channel.MAIL): (4, 0, 0, 0, 0, 4),
        ("Correction, revision 2", Channel.WEBHOOK): (1, 0, 0, 0, 0, 1),
    } == figures(found)
    whys = {why.words: (why.state, why.count) for why in found.mailings[1].reasons}
    assert (DeliveryState.REFUSED, 1) == whys["dead-address (550)"]
    assert (DeliveryState.CANCELLED, 1) == whys["suppressed: complaint"]
    assert [("Release", "agency", DeliveryState.ACCEPTED, 202)] == [
        (one.name, one.partner, one.state, one.code) for one in found.receipts if one.code
    ]
    assert [(2, "correction")] == [(one.revision, one.significance) for one in found.changes]


def test_what_came_back_is_counted(store: Store, clock: FakeClock) -> None:
    """peers:8: of the mails handed over those that bounced later, each once however often it is said; no other news."""
    walk(store, clock)
    with store.begin() as tx:
        taken = [one.id for one in deliveries.listing(tx, state="accepted", subject=f"revision/{UID}/")]
        for key, kind, row in (
            ("1", Kind.HARD, taken[0]),
            ("2", Kind.SOFT, taken[0]),
            ("3", Kind.DELAYED, taken[1]),
            ("4", Kind.AUTO_REPLY, taken[1]),
        ):
            bounces.record(tx, bounces.Event(key=key, source="imap", kind=kind, delivery_id=row))
    found = made(store)
    assert found.main
    assert (2, 1) == (found.main.handed_over, found.main.bounced)
    assert ">1</b><span>bounced" in report_page(found, SITE).decode()


def test_digests_it_was_in_are_a_line_of_their_own(store: Store, clock: FakeClock) -> None:
    """mail:DG7: whoever has it from a digest has it, too: one sum of all of these letters, whatever else they hold."""
    with store.begin() as tx:
        for n in range(2):
            make_subscription(tx, f"d{n}@x.example", cadence="daily")
    walk(store, clock)
    clock.advance(days=1)
    digests_due(store, Pace(settle=timedelta(), spread=timedelta()))
    (line,) = [one for one in made(store).mailings if one.name.startswith("Digests")]
    assert (2, 2, Channel.MAIL) == (line.planned, line.waiting, line.channel)


def test_lateness_comes_from_instants_on_rows(store: Store, clock: FakeClock) -> None:
    """The lift 0.4 s after its instant, the first mail after 2 s, the last too: the doubts were never handed over."""
    walk(store, clock)
    found = made(store)
    assert found.main
    spans = [found.late(instant) for instant in (found.released, found.main.first, found.main.last)]
    assert [timedelta(seconds=s) for s in (0.4, 2, 2)] == spans
    assert not found.early


def test_an_early_lift_is_not_late(store: Store, clock: FakeClock) -> None:
    """Who lifts by hand sets the instant; mails are measured from there."""
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), Embargo(until=AT))
        press.approve(tx, UID, "Ann")
        press.schedule(tx, UID, None, "Ann", advance=False)
        press.lift(tx, UID, "Ann")
    clock.advance(seconds=3)
    send(store, "mail", TOOK)
    found = made(store)
    assert found.main
    assert (True, timedelta(), timedelta(seconds=3)) == (
        found.early,
        found.late(found.released),
        found.late(found.main.first),
    )


def test_a_kill_has_figures_of_its_own(store: Store, clock: FakeClock) -> None:
    """mail:EM5: the kill reaches who had it, and is its own line."""
    walk(store, clock)
    with store.begin() as tx:
        publish.withdraw(tx, UID, "wrong", kill=True)
    found = made(store)
    assert ("Kill, revision 3", Channel.MAIL) in figures(found)
    assert ["correction", "kill"] == [one.significance for one in found.changes]


class Outside(HTMLParser):
    """Whatever a page would load or run, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what would be fetched."""
        if (
            tag in ("script", "link", "img", "iframe", "object", "embed")
            or {"src", "href"} & dict(attrs).keys()
        ):
            self.loads.append(tag)

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.words.append(data)


def test_the_page_is_whole_and_counts_nobody(store: Store, clock: FakeClock) -> None:
    """mail:MC23: no picture, script or address that is fetched; titles are text; it prints on A4."""
    walk(store, clock)
    page = report_page(made(store), SITE).decode()
    seen = Outside()
    seen.feed(page)
    words = " ".join(seen.words)
    assert [] == seen.loads
    assert not re.search(r"url\(|@import|https?://", page)
    assert "On <budgets>" in words
    assert "size: A4" in page
    assert "0.400 s" in words
    assert "delivered" not in words.lower()
    assert MAILBOX not in page


# -- samples


def rows(tx: Tx) -> list[tuple[str, str]]:
    return [(row.subject, row.recipient) for row in deliveries.listing(tx, subject="sample/")]


def test_a_sample_goes_first_and_counts_nowhere(store: Store, clock: FakeClock) -> None:
    """Each test is a row of its own, ahead of releases; plan and report are as without it."""
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), Embargo(until=AT))
        before = plan(tx, UID, SITE)
        assert f"sample/{UID}/1/1" == sample(tx, UID, [MAILBOX, "BOSS@x.example", "two@x.example"])
        assert f"sample/{UID}/1/2" == sample(tx, UID, [MAILBOX])
        assert before == plan(tx, UID, SITE)
        assert () == report(tx, UID).mailings
        assert 3 == len(rows(tx))
    tries = send(store, "mail", TOOK)
    assert {Priority.CONFIRMATION} == {one.priority for one in tries}
    assert {None} == {one.item_id for one in tries}
    assert () == made(store).mailings
    clock.now = AT


def test_samples_are_vetted(store: Store) -> None:
    """mail:EM7: under embargo a test needs a connection nobody reads; no address that may not be mailed, no mailing."""
    with store.begin() as tx:
        press.draft(tx, UID, make_content(), Embargo(until=AT))
        with pytest.raises(Refused, match=r"mail\.tls"):
            sample(tx, UID, [MAILBOX], rules=press.Rules(tls_ok=False))
        with pytest.raises(Refused, match="suppressed"):
            sample(tx, UID, ["R4@x.example"])
        with pytest.raises(Invalid):
            sample(tx, UID, ["a@x.example\r\nBcc: b@x.example"])
        with pytest.raises(Refused, match="21 addresses"):
            sample(tx, UID, [f"n{n}@x.example" for n in range(21)])
        with pytest.raises(NotFound):
            sample(tx, "tag:none", [MAILBOX])
        assert [] == rows(tx)
        press.draft(tx, "tag:y", make_content(), None)
        assert sample(tx, "tag:y", [MAILBOX], rules=press.Rules(tls_ok=False))
