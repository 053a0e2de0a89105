"""Press copies over HTTP: whom they open for, until when, and that all else looks like nothing at all."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from icalendar import Calendar
from sqlalchemy import update
from starlette.requests import Request
from starlette.responses import Response

from syndicator import observe, press, publish
from syndicator.model.delivery import DeliveryState
from syndicator.model.item import Medium, Spokesperson
from syndicator.model.release import Embargo, Release, ReleaseState
from syndicator.store import Store, accreditations, items, media, open_store, releases, schema
from syndicator.store.deliveries import advances
from syndicator.store.media import Cabinet
from syndicator.web.pages import Pages
from syndicator.web.press import EACH, Press
from tests.make import NOW, FakeClock, make_contact, make_content, make_newsroom, make_subscription
from tests.web.served import SITE, TOKENS, Reply, Running, running

NINE = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)
CANARY = "Zyzzogeton"
NAME = "0123456789abcdefghijklmnopqrstuv.png"
PICTURE = b"\x89PNG\r\n\x1a\n and so on"
KEPT_OUT = {
    "cache-control": "private, no-store",
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
}


@dataclass
class Desk:
    """A scheduled release whose advance went to Jane, a web process, and the clock of both."""

    store: Store
    web: Running
    clock: FakeClock
    release: Release
    jane: int
    tom: int
    cabinet: Cabinet
    digest: str

    def ask(self, rest: str = "", whose: int | None = None, method: str = "GET") -> Reply:
        """A page of Jane's copy, or of somebody else's."""
        token = TOKENS.press_token(whose or self.jane, self.release.id)
        return self.web.ask(f"/press/{token}/{rest}", method)

    def move(self, **other: Any) -> None:
        """Change the release as the workflow would."""
        with self.store.begin() as tx:
            self.release = releases.save(tx, replace(releases.named(tx, self.release.uid), **other))

    def event(self) -> dict[str, object]:
        """What Jane's calendar shows."""
        reply = self.ask("embargo.ics")
        assert 200 == reply.status
        event = Calendar.from_ical(reply.body).walk("VEVENT")[0]
        named = {name: event.decoded(name) for name in ("dtstart", "sequence", "summary", "status", "uid")}
        return {name: at.decode() if isinstance(at, bytes) else at for name, at in named.items()}


@pytest.fixture
def desk(store: Store, clock: FakeClock, tmp_path: Path) -> Iterator[Desk]:
    """The release is out at nine; Jane is accredited and was sent it, Tom is neither."""
    cabinet = Cabinet(tmp_path / "media", 1_000_000)
    digest = cabinet.put(PICTURE)
    url = SITE.url(f"/media/{NAME}")
    medium = Medium(url=url, type="image/png", length=len(PICTURE), alt="A map", digest=digest)
    body = f'<p>{CANARY} <img src="{url}" alt="A map"></p>'
    content = make_content(
        f"{CANARY} rises", body=body, topics=("policy",), spokesperson="ana", media=(medium,)
    )
    make_newsroom(store)
    with store.begin() as tx:
        items.save_spokesperson(
            tx, Spokesperson(slug="ana", name="Ana Silva", phone="+44 20 1234", mail="a@x.example")
        )
        jane = make_subscription(tx, "jane@paper.example").contact_id
        tom = make_contact(tx, "tom@paper.example").id
        accreditations.accredit(tx, jane, "desk", "signed")
        embargo = Embargo(until=NINE)
        made = releases.add(tx, "tag:x:r", content, state=ReleaseState.SCHEDULED, embargo=embargo, at=NINE)
        made = releases.save(tx, replace(made, advance=NOW))
        assert 1 == advances.plan_advances(tx, made, NOW)
        media.take(tx, digest, NAME, type="image/png", length=len(PICTURE))
        media.use(tx, [digest], made.uid)
    with running(store, cabinet=cabinet) as web:
        yield Desk(store, web, clock, made, jane, tom, cabinet, digest)


def released(desk: Desk) -> str:
    """Let it out; the path of the item's page."""
    with desk.store.begin() as tx:
        item = publish.publish(tx, desk.release.uid, desk.release.content)
        releases.save(tx, replace(desk.release, state=ReleaseState.RELEASED, released=tx.now))
    return f"/items/{item.slug}"


def test_a_copy_whose_links_were_made_void(desk: Desk) -> None:
    """mail:LM20 security:E1 after a change of address who reads the former one sees nothing, accredited anew or not."""
    former = f"/press/{TOKENS.press_token(desk.jane, desk.release.id)}/"
    assert 200 == desk.web.ask(former).status
    with desk.store.begin() as tx:
        accreditations.renew_link(tx, desk.jane)
    token = TOKENS.press_token(desk.jane, desk.release.id, 1)
    assert (desk.jane, desk.release.id, 1) == TOKENS.read_press(token)
    assert (404, 200) == (desk.web.ask(former).status, desk.web.ask(f"/press/{token}/").status)
    own = desk.web.ask(f"/press/{TOKENS.desk_token(desk.jane, 1)}/").text
    assert (True, False) == (f"/press/{token}/" in own, former in own)


def test_the_copy_of_the_accredited(desk: Desk) -> None:
    """mail:MC22 mail:EM2 the release with its end in two zones, whom to ask, and its files at addresses of one's own."""
    page = desk.ask()
    assert 200 == page.status
    assert KEPT_OUT == {name: page.headers[name] for name in KEPT_OUT}
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for words in ("Monday 2 March 2026, 10:00 Europe/London (2026-03-02 10:00 UTC)", "Ana Silva", CANARY):
        assert words in page.text
    assert '<meta name="robots" content="noindex, nofollow">' in page.text
    assert "canonical" not in page.text
    assert SITE.url(f"/media/{NAME}") not in page.text
    assert 2 <= page.text.count(f"/press/{TOKENS.press_token(desk.jane, desk.release.id)}/media/{NAME}")
    picture = desk.ask(f"media/{NAME}")
    assert (200, PICTURE, "image/png") == (picture.status, picture.body, picture.headers["content-type"])
    assert KEPT_OUT == {name: picture.headers[name] for name in KEPT_OUT}
    assert "sandbox" in picture.headers["content-security-policy"]
    for rest in ("", "embargo.ics", f"media/{NAME}"):
        head, whole = desk.ask(rest, method="HEAD"), desk.ask(rest)
        assert (200, b"", len(whole.body)) == (head.status, head.body, int(head.headers["content-length"]))


def test_all_else_is_the_answer_of_an_unknown_address(desk: Desk) -> None:
    """security:E2 mail:EM6 forged, somebody else's, ended, files of what is edited or cancelled: one 404, byte for byte."""
    unknown = desk.web.ask("/press/nobody-ever-had-this/")
    plain = desk.web.ask("/items/nobody-ever-had-this")
    assert (404, plain.body, KEPT_OUT) == (
        unknown.status,
        unknown.body,
        {name: unknown.headers[name] for name in KEPT_OUT},
    )
    said = {name: value for name, value in unknown.headers.items() if name != "date"}

    def refused(*replies: Reply) -> None:
        for reply in replies:
            assert (404, unknown.body) == (reply.status, reply.body)
            assert said == {name: value for name, value in reply.headers.items() if name != "date"}

    token = TOKENS.press_token(desk.jane, desk.release.id)
    refused(*(desk.ask(rest, desk.tom) for rest in ("", "embargo.ics", f"media/{NAME}")))
    refused(
        desk.ask("media/other.png"),
        desk.ask("page.html"),
        desk.ask("a/b/c"),
        desk.web.ask(f"/press/{token[:-1]}/"),
    )
    refused(desk.web.ask(f"/press/{TOKENS.press_token(desk.jane, 999)}/"), desk.web.ask(f"/press/1{token}/"))
    desk.move(advance=NOW + TICK)
    refused(desk.ask(f"media/{NAME}"))
    desk.move(advance=NOW)
    assert 200 == desk.ask().status
    for state in (ReleaseState.DRAFT, ReleaseState.HELD, ReleaseState.MISSED, ReleaseState.CANCELLED):
        desk.move(state=state)
        refused(desk.ask(f"media/{NAME}"), desk.ask(whose=desk.tom), desk.web.ask(f"/press/{token[:-1]}/"))
    desk.move(state=ReleaseState.SCHEDULED)
    with desk.store.begin() as tx:
        accreditations.end(tx, desk.jane, "broke an embargo")
    refused(*(desk.ask(rest) for rest in ("", "embargo.ics", f"media/{NAME}")))
    with desk.store.begin() as tx:
        accreditations.accredit(tx, desk.jane, "desk", "again", desk.clock.now + timedelta(minutes=5))
    assert 200 == desk.ask().status
    desk.clock.advance(minutes=5)
    refused(desk.ask())


def no_more(reply: Reply, words: str) -> None:
    """It says this, whom to ask, and nothing of the release."""
    assert words in reply.text
    assert "press@" in reply.text
    assert KEPT_OUT == {name: reply.headers[name] for name in KEPT_OUT}
    for said in (CANARY, "Ana Silva", NAME, "10:00", "policy"):
        assert said not in reply.text


def test_a_copy_says_when_its_words_hold_no_more(desk: Desk) -> None:
    """mail:EM2 mail:EM3 security:E1 revised or called off is said to who had it, with no word of it; to others a 404."""
    desk.move(advance=NOW + TICK)
    no_more(desk.ask(), "This release is being revised")
    desk.move(advance=NOW, state=ReleaseState.DRAFT)
    revised = desk.ask()
    assert 200 == revised.status
    no_more(revised, "This release is being revised")
    with desk.store.begin() as tx:
        tx.connection.execute(update(schema.deliveries).values(state=DeliveryState.ACCEPTED))
        held = releases.named(tx, desk.release.uid)
        other = replace(held.content, title=f"{CANARY} falls")
        desk.release = press.draft(tx, held.uid, other, held.embargo)
    no_more(desk.ask(), "This release is being revised")  # other words than those of the copy
    assert "Embargo, release under revision: Society of Example" == desk.event()["summary"]
    with desk.store.begin() as tx:
        press.cancel(tx, desk.release.uid, "not now")
    off = desk.ask()
    assert 410 == off.status
    no_more(off, "This release was called off")
    assert "CANCELLED" == desk.event()["status"]
    unknown = desk.web.ask("/press/nobody-ever-had-this/")
    with desk.store.begin() as tx:
        accreditations.end(tx, desk.jane, "broke an embargo")
    assert (404, unknown.body) == (desk.ask().status, desk.ask().body)
    assert 404 == desk.ask(whose=desk.tom).status


def test_who_was_planned_no_advance_has_no_page(desk: Desk) -> None:
    """mail:EM1 accreditation alone opens nothing: only what was sent to this person."""
    with desk.store.begin() as tx:
        accreditations.accredit(tx, desk.tom, "desk", "signed")
    assert 404 == desk.ask(whose=desk.tom).status
    with desk.store.begin() as tx:
        advances.cancel_advances(tx, desk.release.id, "taken back")
    assert 404 == desk.ask().status


def test_after_the_lift_a_copy_leads_to_the_public_page(desk: Desk) -> None:
    """mail:EM2 one link for before and after; until the very lift the copy stays under its banner."""
    desk.clock.now = NINE + TICK
    assert 200 == desk.ask().status  # its instant has come, the lift has not: not a public page yet
    address = released(desk)
    gone = desk.ask()
    assert (303, address) == (gone.status, gone.headers["location"])
    assert KEPT_OUT == {name: gone.headers[name] for name in KEPT_OUT}
    assert 200 == desk.web.ask(address).status
    assert f"/media/{NAME}" == desk.ask(f"media/{NAME}").headers["location"]


def test_a_calendar_that_follows_the_embargo(desk: Desk) -> None:
    """mail:EM3 the same event, ever higher in its count: moved, revised, over or called off."""
    reply = desk.ask("embargo.ics")
    assert "text/calendar; charset=utf-8" == reply.headers["content-type"]
    assert KEPT_OUT == {name: reply.headers[name] for name in KEPT_OUT}
    assert b"REFRESH-INTERVAL;VALUE=DURATION:PT15M\r\nSOURCE" in reply.body
    assert b"\r\nX-PUBLISHED-TTL:PT15M\r\n" in reply.body
    first = desk.event()
    assert (NINE, 0, f"Embargo ends: {CANARY} rises", "CONFIRMED") == tuple(first.values())[:4]
    ten = NINE + timedelta(hours=1)
    desk.move(embargo=Embargo(until=ten), at=ten, moves=1)
    assert {**first, "dtstart": ten, "sequence": 1} == desk.event()
    desk.move(state=ReleaseState.DRAFT)
    assert ("Embargo, release under revision: Society of Example", "TENTATIVE") == tuple(
        desk.event()[name] for name in ("summary", "status")
    )
    desk.move(state=ReleaseState.CANCELLED)
    over = desk.event()
    assert (2, "Embargo called off: Society of Example", "CANCELLED", first["uid"]) == tuple(
        over[name] for name in ("sequence", "summary", "status", "uid")
    )


def test_the_calendar_after_the_lift(desk: Desk) -> None:
    """mail:EM3 a lift before its time shows at its own instant; what was taken back keeps no words."""
    desk.clock.now = NOW + timedelta(minutes=7)
    released(desk)
    assert {
        "dtstart": NOW + timedelta(minutes=7),
        "sequence": 1,
        "summary": f"Embargo over: {CANARY} rises",
    } == {name: desk.event()[name] for name in ("dtstart", "sequence", "summary")}
    with desk.store.begin() as tx:
        publish.withdraw(tx, desk.release.uid, "a mistake")
    assert "Embargo over: Society of Example" == desk.event()["summary"]


def test_tokens_are_in_no_log_and_no_page_of_others(desk: Desk) -> None:
    """security:I6 neither an answer nor its absence writes a token, a title or an address down."""
    lines = io.StringIO()
    observe.configure_logging(lines, level="debug", json=True)
    try:
        token = TOKENS.press_token(desk.jane, desk.release.id)
        for rest in ("", "embargo.ics", f"media/{NAME}", "media/none.png", "x"):
            desk.ask(rest)
        desk.ask(whose=desk.tom)
        assert desk.cabinet.remove(desk.digest)
        assert 503 == desk.ask(f"media/{NAME}").status
    finally:
        structlog.reset_defaults()
    assert token not in lines.getvalue()
    assert CANARY not in lines.getvalue()
    assert token.rpartition(".")[2] not in desk.web.ask("/").text


def test_whoever_tries_token_after_token_waits(tmp_path: Path) -> None:
    """security:R1 a visitor may ask so often in a minute, whether there is something or not."""
    with open_store(f"sqlite:///{tmp_path}/empty", host_clock=FakeClock()) as store:
        store.upgrade()
        door = Press(store, TOKENS, Pages(SITE), clock=lambda: 0.0)

        def ask(visitor: str) -> Response:
            scope = {"type": "http", "client": (visitor, 1), "headers": [], "path_params": {"token": "1.1.x"}}
            return door.page(Request(scope))

        assert {404} == {ask("203.0.113.7").status_code for _ in range(EACH)}
        busy = ask("203.0.113.7")
        assert (429, "1") == (busy.status_code, busy.headers["retry-after"])
        assert 404 == ask("203.0.113.8").status_code


def test_a_token_of_another_database_opens_nothing(store: Store) -> None:
    """mail:LM6 signed by us, but the store was emptied or restored."""
    with running(store) as web:
        assert 404 == web.ask(f"/press/{TOKENS.press_token(1, 1)}/").status
