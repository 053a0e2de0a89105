"""One accredited person's page and feed: what they show, to whom, and that nothing of it travels on."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode

import atoma
import pytest
import structlog

from syndicator import observe, publish
from syndicator.model.audience import Contact
from syndicator.model.item import Medium
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.model.suppression import Reason
from syndicator.store import (
    Store,
    accreditations,
    audience,
    deliveries,
    letters,
    open_store,
    releases,
    suppressions,
)
from syndicator.store.deliveries import advances
from tests.make import NOW, FakeClock, make_contact, make_content, make_newsroom, make_subscription
from tests.web.served import SITE, TOKENS, Reply, Running, running

NINE = NOW + timedelta(hours=1)
CANARY = "Zyzzogeton"
PICTURE = SITE.url("/media/0123456789abcdefghijklmnopqrstuv.png")
KIND = "application/x-www-form-urlencoded"


@dataclass
class House:
    """A release under embargo of which Jane has the advance, and a web process."""

    store: Store
    web: Running
    jane: Contact
    tom: Contact
    release: Release

    def ask(self, rest: str = "", whose: Contact | None = None, generation: int = 0) -> Reply:
        """Somebody's own page, or what stands below it."""
        token = TOKENS.desk_token((whose or self.jane).id, generation)
        return self.web.ask(f"/press/{token}/{rest}")


@pytest.fixture
def store(sqlite_url: str, clock: FakeClock) -> Iterator[Store]:
    """SQLite: what the database answers is shown in tests/press/test_desk.py, on both."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield store


@pytest.fixture
def house(store: Store, clock: FakeClock) -> Iterator[House]:
    """Jane is accredited and follows the topic; Tom is accredited and does not."""
    make_newsroom(store)
    picture = Medium(url=PICTURE, type="image/png", length=7, alt="A map", digest="d")
    content = make_content(
        f"{CANARY} rises", body=f'<p>Words <img src="{PICTURE}" alt="A map"></p>', media=(picture,)
    )
    with store.begin() as tx:
        jane = audience.contact_by_id(tx, make_subscription(tx, "jane@paper.example").contact_id)
        tom = make_contact(tx, "tom@paper.example")
        for one in (jane, tom):
            accreditations.accredit(tx, one.id, "desk", "signed", NOW + timedelta(days=30))
        embargo = Embargo(until=NINE)
        made = releases.add(tx, "tag:x:r", content, state=ReleaseState.SCHEDULED, embargo=embargo, at=NINE)
        made = releases.save(tx, replace(made, advance=NOW))
        assert 1 == advances.plan_advances(tx, made, NOW)
    with running(store) as web:
        yield House(store, web, jane, tom, made)


def test_what_one_may_see(house: House) -> None:
    """mail:LM20 security:E1 the page lists what its owner has the advance of, and what another has not is not there."""
    mine, toms = house.ask(), house.ask(whose=house.tom)
    assert (200, 200) == (mine.status, toms.status)
    assert f"{CANARY} rises" in mine.text
    assert "Monday 2 March 2026, 10:00 Europe/London" in mine.text
    assert CANARY not in toms.text
    assert "Nothing of your topics is under embargo" in toms.text
    (page,) = re.findall(r'<h2><a href="(/press/[^"]+)"', mine.text)
    assert "Under embargo until" in house.web.ask(page).text


def test_the_feed(house: House) -> None:
    """mail:LM20 security:I6 the feed is Atom, names no address of its own and no hub, and leads to the owner's pages."""
    reply = house.ask("feed.atom")
    assert (200, "application/atom+xml") == (reply.status, reply.headers["content-type"].partition(";")[0])
    feed = atoma.parse_atom_bytes(reply.body)
    (entry,) = feed.entries
    own = SITE.url(f"/press/{TOKENS.press_token(house.jane.id, house.release.id)}/")
    assert f"EMBARGOED until 2026-03-02 10:00 UTC: {CANARY} rises" == entry.title.value
    assert [own] == [link.href for link in entry.links if link.rel == "alternate"]
    assert f"{own}media/" in reply.text
    assert PICTURE not in reply.text  # its public address leads nowhere yet
    assert [] == feed.links
    assert TOKENS.desk_token(house.jane.id, 0) not in reply.text
    assert reply.body == house.ask("feed.atom").body
    assert [] == atoma.parse_atom_bytes(house.ask("feed.atom", house.tom).body).entries


def test_nothing_travels_on(house: House) -> None:
    """security:I6 no-store, no-referrer, noindex; no token in a log, nor in the answer for what is not there."""
    said: list[str] = []
    with structlog.testing.capture_logs() as logs:
        replies = [house.ask(), house.ask("feed.atom"), house.ask("nothing"), house.ask(generation=7)]
        said += [str(line) for line in logs]
    token = TOKENS.desk_token(house.jane.id, 0)
    for reply in replies:
        kept = (reply.headers["cache-control"], reply.headers["referrer-policy"])
        assert ("private, no-store", "no-referrer") == kept
        assert "noindex" in reply.headers["x-robots-tag"]
    assert [404, 404] == [one.status for one in replies[2:]]
    assert [] == [line for line in said if token in line or "/press/" in line]
    for reply in replies[2:]:
        assert token not in reply.text
    assert observe.logger("web") is not None


@pytest.mark.parametrize("why", ["ended", "expired", "suppressed", "renewed", "forged", "erased"])
def test_when_it_is_over(house: House, clock: FakeClock, why: str) -> None:
    """mail:LM20 security:I6 ended, expired, suppressed, renewed: the page and the feed look like nothing at all."""
    token = TOKENS.desk_token(house.jane.id, 0)
    with house.store.begin() as tx:
        if why == "ended":
            accreditations.end(tx, house.jane.id, "left the paper")
        if why == "suppressed":
            suppressions.suppress(tx, house.jane.address, Reason.DEAD)
        if why == "renewed":
            accreditations.renew_link(tx, house.jane.id)
    if why == "expired":
        clock.advance(days=30)
    if why == "forged":
        token = f"{token[:-2]}xx"
    if why == "erased":
        token = TOKENS.desk_token(4711, 0)
    nothing = house.web.ask("/press/x/")
    for path in (f"/press/{token}/", f"/press/{token}/feed.atom"):
        reply = house.web.ask(path)
        assert (404, nothing.body) == (reply.status, reply.body)
    if why == "renewed":
        assert CANARY in house.ask(generation=1).text


@pytest.mark.parametrize("state", [ReleaseState.CANCELLED, ReleaseState.DRAFT, ReleaseState.RELEASED])
def test_what_is_not_under_embargo(house: House, state: ReleaseState) -> None:
    """security:E1 what was called off, edited or lifted is gone from the page and the feed at once."""
    with house.store.begin() as tx:
        if state is ReleaseState.RELEASED:
            publish.publish(tx, house.release.uid, house.release.content)
        releases.save(tx, replace(releases.named(tx, house.release.uid), state=state))
    assert CANARY not in house.ask().text
    assert CANARY not in house.ask("feed.atom").text


def test_asking_to_be_accredited(house: House, store: Store) -> None:
    """mail:LM20 a form behind one's own link: faults at the fields, then a request, and the same again says the same."""
    with store.begin() as tx:
        ann = audience.contact_by_id(tx, make_subscription(tx, "ann@paper.example").contact_id)
    path = f"/media-list/accreditation/{TOKENS.preferences_token(ann.id)}"
    assert "I will not publish, or pass on" in house.web.ask(path).text
    empty = house.web.ask(path, "POST", b"words=+", Content_Type=KIND)
    assert (422, True, True) == (
        empty.status,
        'id="words-fault"' in empty.text,
        'id="agreement-fault"' in empty.text,
    )
    body = urlencode({"words": "Staff writer <i>at</i> Paper", "agreement": "yes"}).encode()
    done = [house.web.ask(path, "POST", body, Content_Type=KIND) for _ in range(2)]
    assert [200, 200] == [one.status for one in done]
    assert done[0].body == done[1].body == house.web.ask(path).body
    assert "We have your request" in done[0].text
    for reply in (empty, *done):
        assert ("no-store", "no-referrer") == (
            reply.headers["cache-control"],
            reply.headers["referrer-policy"],
        )
    granted = house.web.ask(f"/media-list/accreditation/{TOKENS.preferences_token(house.jane.id)}")
    assert "You are accredited" in granted.text


@pytest.mark.parametrize(
    "token", ["x", TOKENS.preferences_token(4711), TOKENS.request_token(1), "9" * 300, "1.aaaa"]
)
def test_nobody_asks_for_another(house: House, token: str) -> None:
    """security:R3 a link that is not ours opens no form and files nothing."""
    for method in ("GET", "POST"):
        assert (
            404
            == house.web.ask(f"/media-list/accreditation/{token}", method, b"words=a&agreement=yes").status
        )


def test_the_desk_is_told(store: Store) -> None:
    """mail:LM20 the newsroom's alarms addresses get the words of who asks, once."""
    make_newsroom(store)
    with store.begin() as tx:
        ann = make_subscription(tx, "ann@paper.example").contact_id
    body = urlencode({"words": "Staff writer", "agreement": "yes"}).encode()
    path = f"/media-list/accreditation/{TOKENS.preferences_token(ann)}"
    with running(store, desk_mails=["desk@news.example"]) as web:
        for _ in range(2):
            web.ask(path, "POST", body, Content_Type=KIND)
    with store.read() as tx:
        (row,) = deliveries.listing(tx)
        owed = letters.by_id(tx, 1)
    assert "desk@news.example" == row.recipient
    assert owed is not None
    assert {"name": "ann@paper.example", "outlet": "", "words": "Staff writer"} == owed.facts
