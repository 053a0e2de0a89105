"""The pages behind the links in our mail, over the wire: leaving by choice, taking it back, preferences, moving, forgetting."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import event

from syndicator.model.audience import Cadence, Contact, Standing, Subscription, SubscriptionState, address
from syndicator.model.letters import Letter
from syndicator.model.suppression import Reason
from syndicator.signup import Tokens, centre
from syndicator.store import (
    Store,
    accreditations,
    applications,
    audience,
    deliveries,
    erasure,
    evidence,
    letters,
    open_store,
    suppressions,
    topics,
    wishes,
)
from tests.make import NOW, FakeClock, make_contact, make_subscription
from tests.web.served import TOKENS, Reply, Running, add_item, running

ONE_CLICK = b"List-Unsubscribe=One-Click"
FORM = "application/x-www-form-urlencoded"
JANE = "jane@paper.example"


@dataclass
class Desk:
    """A newsroom on the web, and Jane, who reads it: policy at once, climate and research once a day."""

    web: Running
    store: Store
    clock: FakeClock
    policy: Subscription
    climate: Subscription

    @property
    def jane(self) -> Contact:
        """As she is now."""
        with self.store.read() as tx:
            return audience.contact_by_id(tx, self.policy.contact_id)

    def live(self) -> dict[str, str]:
        """Topic → cadence of what she has now."""
        with self.store.read() as tx:
            every = audience.subscriptions(tx, self.policy.contact_id)
        return {one.topic: str(one.cadence) for one in every if one.ended is None}

    def letters(self, *sorts: Letter) -> list[letters.Owed]:
        """The letters that were owed so far, of these sorts or all."""
        with self.store.read() as tx:
            subjects = [row.subject for row in deliveries.listing(tx) if row.subject.startswith("letter/")]
            every = [letters.by_id(tx, int(subject.removeprefix("letter/"))) for subject in subjects]
        return [one for one in every if one and (not sorts or one.sort in sorts)]

    def post(self, path: str, **fields: str) -> Reply:
        """Send a form off."""
        return self.web.ask(path, "POST", urlencode(fields).encode(), Content_Type=FORM)

    @property
    def preferences(self) -> str:
        """The link that stands in her mail."""
        return f"/media-list/preferences/{TOKENS.preferences_token(self.jane.id, self.jane.generation)}"

    @property
    def magic(self) -> str:
        """The link she asked for a moment ago."""
        token = TOKENS.magic_token(self.jane.id, self.jane.generation, self.clock.now + timedelta(minutes=60))
        return f"/media-list/preferences/{token}"

    def leave_path(self, one: Subscription) -> str:
        """What stands in List-Unsubscribe."""
        return f"/media-list/unsubscribe/{TOKENS.unsubscribe_token(one.id)}"

    def undo_path(self) -> str:
        """What stands in her farewell."""
        (said,) = self.letters(Letter.FAREWELL)
        return f"/media-list/undo/{TOKENS.undo_token(self.jane.id, said.created)}"

    def acts(self) -> list[str]:
        """Of what there is evidence."""
        with self.store.read() as tx:
            return [str(one.act) for one in evidence.of_contact(tx, self.policy.contact_id)]


@pytest.fixture
def desk(sqlite_url: str, clock: FakeClock) -> Iterator[Desk]:
    """Nothing here depends on the database; what does is in tests/signup."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        for slug in ("policy", "climate", "research"):
            add_item(store, f"About {slug}", topics=(slug,))
        with store.begin() as tx:
            policy = make_subscription(tx, JANE)
            climate = make_subscription(tx, JANE, "climate", cadence="daily")
            make_subscription(tx, JANE, "research", cadence="daily")
        clock.advance(hours=1)
        with running(store) as web:
            yield Desk(web, store, clock, policy, climate)


def test_one_click_on_a_digest_ends_what_it_was_made_for(desk: Desk) -> None:
    """mail:LM7 mail:LM8 operations:PW11 both daily topics end, the immediate one goes on; nothing is set, sent on or asked."""
    kinds = {FORM: ONE_CLICK, "multipart/form-data; boundary=x": b"--x\r\n\r\n--x--\r\n"}
    replies = [
        desk.web.ask(
            desk.leave_path(desk.climate), "POST", body, Content_Type=kind, Origin="https://m.example"
        )
        for kind, body in kinds.items()
    ]
    assert {"policy": "immediate"} == desk.live()
    assert [200, 200] == [reply.status for reply in replies]
    assert replies[0].body == replies[1].body
    assert not {"set-cookie", "location"} & replies[0].headers.keys()


def test_a_farewell_takes_it_back(desk: Desk) -> None:
    """A short farewell, once a day; its button gives back just what ended, GETs do nothing, twice is harmless."""
    before = desk.live()
    desk.web.ask(desk.leave_path(desk.climate), "POST", ONE_CLICK)
    path = desk.undo_path()
    desk.clock.advance(hours=2)
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    assert 1 == len(desk.letters(Letter.FAREWELL))
    assert [200, 200] == [desk.web.ask(path, method).status for method in ("GET", "HEAD")]
    assert {} == desk.live()
    assert [200, 200] == [desk.post(path).status for _ in range(2)]
    assert {"climate": "daily", "research": "daily"} == desk.live()
    desk.post(desk.leave_path(desk.policy), scope="undo")
    assert before == desk.live()
    assert ["left", "left", "changed", "changed"] == desk.acts()[-4:]


def test_old_mail_ends_what_was_taken_back(desk: Desk) -> None:
    """mail:LM6 a link works for ever: also after its subscription ended, came back, and the key changed."""
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    desk.post(desk.undo_path())
    assert "policy" in desk.live()
    desk.clock.advance(days=3000)
    with running(desk.store, tokens=Tokens(["a new key", "the present key, long enough"])) as later:
        assert 200 == later.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK).status
    assert "policy" not in desk.live()


@pytest.mark.parametrize("then", ["topic", "all"])
@pytest.mark.parametrize("between", ["undo", "topic"])
def test_the_undo_of_a_second_leaving_by_the_same_mail(desk: Desk, then: str, between: str) -> None:
    """The page says that it goes on, so it does: what an earlier click ended, or took back, is not in its way."""
    before, path = desk.live(), desk.leave_path(desk.policy)
    desk.post(path, scope="topic")
    for scope in (between, then, "undo"):
        desk.clock.advance(minutes=1)
        desk.post(path, scope=scope)
    assert (before, None) == (desk.live(), _why(desk))


def test_an_undo_is_over_after_seven_days_and_not_replayed(desk: Desk) -> None:
    """After a week, forged, cut or for nobody: one answer, the same bytes; used again later it brings nothing back."""
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    path = desk.undo_path()
    desk.post(path)
    desk.clock.advance(days=1)
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    desk.post(path)
    assert "policy" not in desk.live()
    desk.clock.advance(days=7)
    bad = [path, path[:-1], "/media-list/undo/x", f"/media-list/undo/{TOKENS.undo_token(99, NOW)}"]
    replies = [desk.post(one) for one in bad]
    assert {(404, replies[0].body)} == {(reply.status, reply.body) for reply in replies}
    assert "no-store" == replies[0].headers["cache-control"]


@pytest.mark.parametrize("scope", ["all", "pause", "less", "undo", "topic", "rubbish"])
def test_every_choice_answers_strangers_the_same(desk: Desk, scope: str) -> None:
    """mail:LM7 mail:LM8: the page says what was chosen and nothing about the token."""
    known = desk.post(desk.leave_path(desk.policy), scope=scope, cadence="weekly")
    other = desk.post("/media-list/unsubscribe/12.forged", scope=scope, cadence="weekly")
    assert (known.status, known.body) == (other.status, other.body)
    expected = {
        "all": {},
        "less": {"policy": "weekly", "climate": "daily", "research": "daily"},
        "topic": {"climate": "daily", "research": "daily"},
        "rubbish": {"climate": "daily", "research": "daily"},
    }
    assert (
        expected.get(scope, {"policy": "immediate", "climate": "daily", "research": "daily"}) == desk.live()
    )
    paused = desk.jane.paused_until
    assert (desk.clock.now + timedelta(days=30) if scope == "pause" else None) == paused


def test_leaving_everything_is_an_objection(desk: Desk) -> None:
    """mail:LM21 everything ends, the address is suppressed; undo lifts it, and only that."""
    desk.post(desk.preferences, do="leave")
    assert ({}, Reason.LEFT) == (desk.live(), _why(desk))
    assert "due" == _letter_state(desk)
    desk.post(desk.undo_path())
    assert (3, None) == (len(desk.live()), _why(desk))


def test_the_one_who_looks_after_a_desk_is_told(desk: Desk) -> None:
    """Forwarded mail unsubscribes whole desks: the owner gets the same undo, at their own address."""
    with desk.store.begin() as tx:
        wishes.edit_contact(tx, desk.jane.id, owner="head@paper.example")
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    farewell, owner = desk.letters(Letter.FAREWELL, Letter.OWNER)
    assert (farewell.facts["left"], JANE) == (owner.facts["left"], owner.facts["address"])
    with desk.store.read() as tx:
        assert "head@paper.example" in [row.recipient for row in deliveries.listing(tx)]


def test_nobody_loses_everything_silently(desk: Desk) -> None:
    """mail:LM7 mail:LM21 a farewell to one topic hides none to everything, for the owner neither; nor does an undo."""
    with desk.store.begin() as tx:
        wishes.edit_contact(tx, desk.jane.id, owner="head@paper.example")
    desk.web.ask(desk.leave_path(desk.policy), "POST", ONE_CLICK)
    for clicks, many in ((2, 2), (1, 3)):
        for _ in range(clicks):
            desk.clock.advance(minutes=5)
            desk.post(desk.leave_path(desk.policy), scope="all")
        told = desk.letters(Letter.FAREWELL), desk.letters(Letter.OWNER)
        assert ([many, many], {}, Reason.LEFT) == ([len(some) for some in told], desk.live(), _why(desk))
        left = datetime.fromisoformat(told[1][-1].facts["left"])
        desk.post(f"/media-list/undo/{TOKENS.undo_token(desk.jane.id, left)}")
        assert ({"climate", "research"}, None) == (set(desk.live()), _why(desk))


def test_an_objection_after_the_last_topic_is_told_and_taken_back(desk: Desk) -> None:
    """mail:LM21 where nothing was live any more, the letter still comes, and its button lifts the objection."""
    for one in (desk.climate, desk.policy):
        desk.web.ask(desk.leave_path(one), "POST", ONE_CLICK)
    desk.clock.advance(minutes=5)
    desk.post(desk.leave_path(desk.policy), scope="all")
    last = desk.letters(Letter.FAREWELL)[-1]
    assert (True, Reason.LEFT) == (last.facts["all"], _why(desk))
    assert 200 == desk.post(f"/media-list/undo/{TOKENS.undo_token(desk.jane.id, last.created)}").status
    assert _why(desk) is None


def test_whoever_has_a_forwarded_mail_lifts_no_objection(desk: Desk) -> None:
    """mail:LM9 mail:LM10 mail:LM21 choosing anew after leaving everything needs the link that was asked for, or undo."""
    desk.post(desk.preferences, do="leave")
    assert "let us mail you a link first" in desk.web.ask(desk.preferences).text
    said = desk.post(desk.preferences, do="save", shown="1", hour="5", **{"topic:policy": "weekly"})
    assert (400, True) == (said.status, "only you lift that" in said.text)
    assert ({}, Reason.LEFT) == (desk.live(), _why(desk))
    assert 5 != desk.jane.times.hour
    assert 200 == desk.post(desk.preferences, do="save", shown="1", hour="5", **{"topic:policy": ""}).status
    desk.post(desk.preferences, do="link")
    assert 1 == len(desk.letters(Letter.MAGIC))
    assert "let us mail you a link first" not in desk.web.ask(desk.magic).text
    desk.post(desk.magic, do="save", **{"topic:policy": "weekly"})
    assert ({"policy": "weekly"}, None) == (desk.live(), _why(desk))


def test_preferences_are_changed_by_ending_and_beginning(desk: Desk) -> None:
    """mail:LM9 operations:PW10 peers:3 nothing is overwritten; the same form again changes nothing more."""
    page = desk.web.ask(desk.preferences)
    assert (200, "no-store", "no-referrer") == (
        page.status,
        page.headers["cache-control"],
        page.headers["referrer-policy"],
    )
    assert "noindex" in page.headers["x-robots-tag"]
    assert JANE not in page.text
    fields = {
        "topic:policy": "weekly",
        "topic:climate": "",
        "topic:research": "daily",
        "topic:all": "monthly",
    }
    more = {"shown": "1", "hour": "6", "zone": "Asia/Kathmandu", "weekday": "3", "monthday": "31", "nth": "5"}
    form = {**fields, **more, "capped": "1", "text_only": "1", "language": "de", "do": "save"}
    assert [200, 200] == [desk.post(desk.preferences, **form).status for _ in range(2)]
    assert {"all": "monthly", "policy": "weekly", "research": "daily"} == desk.live()
    jane = desk.jane
    assert (6, 3, 31, 5) == (jane.times.hour, jane.times.weekday, jane.times.monthday, jane.times.nth)
    assert ("Asia/Kathmandu", "de", True, True) == (jane.zone, jane.language, jane.capped, jane.text_only)
    with desk.store.read() as tx:
        ended = {one.topic: one.reason for one in audience.subscriptions(tx, jane.id) if one.ended}
    assert {"policy": "replaced", "climate": "unsubscribed"} == ended
    assert ["changed", "left", "changed", "changed"] == desk.acts()[-4:]


def test_choosing_is_a_yes(desk: Desk) -> None:
    """What waits for a yes goes on waiting while it is shown, and is active once chosen anew; a legacy contact is listed."""
    with desk.store.begin() as tx:
        (waiting,) = [
            audience.subscribe(tx, desk.jane.id, topics.named(tx, "all").id, Cadence.DAILY, None)[0]
        ]
        wishes.edit_contact(tx, desk.jane.id, standing=Standing.LEGACY)
    for cadence, state in (("daily", SubscriptionState.PENDING), ("weekly", SubscriptionState.ACTIVE)):
        desk.post(desk.preferences, do="save", **{"topic:all": cadence})
        with desk.store.read() as tx:
            (one,) = [one for one in wishes.live(tx, desk.jane.id) if one.topic == waiting.topic]
        assert (state, cadence) == (one.state, one.cadence)
    assert Standing.LISTED is desk.jane.standing


def test_what_no_form_can_say_changes_nothing(desk: Desk) -> None:
    """Unknown cadences and zones are named, figures out of range are left out, unknown topics are nobody's."""
    before = desk.live()
    for wrong in ({"topic:policy": "hourly"}, {"shown": "1", "zone": "Mars/Olympus"}):
        reply = desk.post(desk.preferences, do="save", **wrong)
        assert (400, True) == (reply.status, 'class="notice fault"' in reply.text)
    form = {"do": "save", "shown": "1", "hour": "99", "nth": "0", "topic:secret": "daily", "language": "xx"}
    assert 200 == desk.post(desk.preferences, **form).status
    flood = desk.web.ask(desk.preferences, "POST", b"do=leave&" * 30_000, Content_Type=FORM)
    assert "Nothing was changed." in flood.text
    assert (before, 8) == (desk.live(), desk.jane.times.hour)


def test_a_pause_and_its_end(desk: Desk) -> None:
    """mail:LM8 thirty days or a day of choice in one's own zone; what waits is cancelled, and going on is one button."""
    add_item(desk.store, "Owed", topics=("policy",))
    assert "Go on now" in desk.post(desk.preferences, do="pause").text
    with desk.store.read() as tx:
        assert ["cancelled"] == [row.state for row in deliveries.listing(tx)]
    desk.post(desk.preferences, do="pause", until="2026-04-01")
    assert desk.jane.paused_until is not None
    assert "2026-04-01T00:00:00+00:00" == desk.jane.paused_until.isoformat()
    for day in ("2026-03-02", "2031-01-01", "soon"):
        assert 400 == desk.post(desk.preferences, do="pause", until=day).status
    assert "Go on now" not in desk.post(desk.preferences, do="resume").text
    assert desk.clock.now == desk.jane.paused_until


def test_the_link_to_everything(desk: Desk) -> None:
    """mail:LM9 one answer for every address, three letters an hour, an hour to use it, void after a change of address."""
    ask = [
        desk.post("/media-list/preferences", address=one) for one in (JANE, "nobody@x.example", "rubbish", "")
    ]
    assert {(200, ask[0].body)} == {(reply.status, reply.body) for reply in ask}
    for _ in range(5):
        desk.post(desk.preferences, do="link")
    assert 3 == len(desk.letters(Letter.MAGIC))
    path = desk.magic
    assert JANE in desk.web.ask(path).text
    assert 404 == desk.web.ask(path[:-2]).status
    desk.clock.advance(minutes=60)
    over, forged = desk.web.ask(path), desk.web.ask("/media-list/preferences/1.0.9999999999.forged")
    assert (404, over.body) == (forged.status, forged.body)


def test_asking_for_the_link_says_nothing_by_its_work(desk: Desk) -> None:
    """mail:LM1 mail:LM9 the store is asked and told the same for whoever is on the list, was, or never was."""
    with desk.store.begin() as tx:
        gone = make_contact(tx, "gone@x.example")
        suppressions.suppress(tx, make_contact(tx, "dead@x.example").address, Reason.DEAD)
    with desk.store.begin() as tx:
        erasure.erase(tx, gone.id)
    seen: dict[str, list[str]] = {}
    for who in [JANE, "never@x.example", "gone@x.example", "dead@x.example", JANE, JANE, JANE]:
        said = seen.setdefault(f"{who} {len(seen)}", [])
        with desk.store.begin() as tx:

            def note(_c: object, _u: object, statement: str, *_: object, said: list[str] = said) -> None:
                said.append(statement)

            event.listen(tx.connection, "before_cursor_execute", note)
            centre.ask_link_of(tx, who)
            event.remove(tx.connection, "before_cursor_execute", note)
    assert {"RELEASE", "ROLLBACK"} == {said.pop().partition(" ")[0] for said in seen.values()}
    assert 1 == len({tuple(sorted(said)) for said in seen.values()})


@pytest.mark.parametrize("deed", ["move", "export", "erase"])
def test_a_link_in_mail_does_not_do_what_needs_another(desk: Desk, deed: str) -> None:
    """Mail is passed on: whoever has it cannot move, read or erase whom it was for."""
    reply = desk.post(desk.preferences, do=deed, address="thief@x.example", sure="yes")
    assert (404, JANE) == (reply.status, desk.jane.address.typed)
    assert [] == desk.letters()


def test_a_change_of_address(desk: Desk) -> None:
    """mail:LM9 mail:LM20 confirmed at the new one, told at the old one, all goes on; an accreditation ends."""
    with desk.store.begin() as tx:
        accreditations.accredit(tx, desk.jane.id, "mira", "terms 1")
    old = desk.preferences
    assert 200 == desk.post(desk.magic, do="move", address="jane@new.example").status
    (asked,) = desk.letters(Letter.MOVE)
    assert ("j…@paper.example", None) == (asked.facts["former"], asked.contact_id)
    path = f"/media-list/move/{TOKENS.move_token(asked.about or 0)}"
    desk.web.ask(path)
    assert JANE == desk.jane.address.typed
    first, second = desk.post(path), desk.post(path)
    assert (200, first.body) == (second.status, second.body)
    assert ("jane@new.example", 3) == (desk.jane.address.typed, len(desk.live()))
    (told,) = desk.letters(Letter.MOVED)
    assert {"masked": "j…@new.example"} == told.facts
    with desk.store.read() as tx:
        assert accreditations.live(tx, desk.jane.id) is None
        assert JANE in [row.recipient for row in deliveries.listing(tx)]
    assert 404 == desk.web.ask(old).status


def test_how_it_stands_with_an_accreditation(desk: Desk) -> None:
    """mail:LM20 One may ask, or waits, or is accredited: then the link to one's page comes by mail, once a day."""
    assert "Ask to be accredited" in desk.web.ask(desk.preferences).text
    with desk.store.begin() as tx:
        applications.add(tx, desk.jane.id, "The Paper", evidence.wording(tx, "1", "en", "I agree."))
    waits = desk.web.ask(desk.preferences).text
    assert ("Your request to be accredited waits" in waits, "Ask to be accredited" in waits) == (True, False)
    desk.post(desk.preferences, do="page")
    assert [] == desk.letters(Letter.GRANTED)
    with desk.store.begin() as tx:
        accreditations.accredit(tx, desk.jane.id, "mira", "terms 1", NOW + timedelta(days=30))
    page = desk.web.ask(desk.preferences).text
    assert "You are accredited until 1 April 2026, 09:00 UTC." in page
    assert "Ask to be accredited" not in page
    for _ in range(2):
        assert 200 == desk.post(desk.preferences, do="page").status
    assert 1 == len(desk.letters(Letter.GRANTED))
    desk.clock.advance(days=1, seconds=1)
    desk.post(desk.preferences, do="page")
    assert 2 == len(desk.letters(Letter.GRANTED))


def test_a_farewell_is_promised_where_one_comes(desk: Desk) -> None:
    """mail:LM8 Also pressed twice; and another to somebody who came back and leaves anew within the day."""
    for _ in range(2):
        assert "A short mail lets you take it back" in desk.post(desk.preferences, do="leave").text
    assert 1 == len(desk.letters(Letter.FAREWELL))
    desk.clock.advance(hours=1)
    with desk.store.begin() as tx:
        suppressions.unsuppress(tx, desk.jane.address)
        make_subscription(tx, JANE, "policy")
    page = desk.post(desk.preferences, do="leave").text
    assert ("A short mail lets you take it back" in page, 2) == (True, len(desk.letters(Letter.FAREWELL)))
    assert "You have left everything." in page


def test_a_farewell_tells_the_time_of_its_reader(desk: Desk) -> None:
    """mail:LM8 Until when it may be taken back is told by the clock of whoever left."""
    with desk.store.begin() as tx:
        wishes.edit_contact(tx, desk.jane.id, {}, zone="Asia/Tokyo")
    desk.post(desk.preferences, do="leave")
    (said,) = desk.letters(Letter.FAREWELL)
    assert "Asia/Tokyo" == said.facts["zone"]


def test_who_has_left_is_offered_no_pause(desk: Desk) -> None:
    """mail:LM9 After everything was left during a pause, only that is said, and there is nothing to pause or leave."""
    desk.post(desk.preferences, do="pause")
    for page in (desk.post(desk.preferences, do="leave").text, desk.web.ask(desk.preferences).text):
        assert 1 == page.count("You have left everything")
        for words in ("News is paused", "Go on now", "<h2>Pause</h2>", "<h2>Leave</h2>"):
            assert words not in page


def test_an_older_link_opens_no_preferences_that_were_closed(desk: Desk) -> None:
    """mail:LM9 who reads the former address, and still has its confirmation, gets no new link by it."""
    with desk.store.begin() as tx:
        key = topics.ids(tx, ["policy"])["policy"]
        contact = make_contact(tx, "new@paper.example")
        waiting, _ = audience.subscribe(tx, contact.id, key, Cadence.DAILY, None)
    confirm = f"/media-list/confirm/{TOKENS.confirm_token(waiting.id)}"
    assert TOKENS.preferences_token(contact.id, 0) in desk.post(confirm).text
    with desk.store.begin() as tx:
        wishes.void_links(tx, contact.id)
    again = desk.post(confirm)
    assert (200, False) == (again.status, TOKENS.preferences_token(contact.id, 1) in again.text)
    assert 'href="/media-list/preferences"' in again.text  # mails the link to who reads the address now


def test_nobody_learns_who_is_on_the_list_by_moving(desk: Desk) -> None:
    """A taken, a suppressed and a free address get the same page; only who confirms at a taken one is told."""
    with desk.store.begin() as tx:
        make_contact(tx, "taken@x.example")
        suppressions.suppress(tx, address("dead@x.example"), Reason.DEAD)
    pages = [
        desk.post(desk.magic, do="move", address=one).text
        for one in ("free@x.example", "taken@x.example", "dead@x.example")
    ]
    assert 1 == len(set(pages))
    free, taken, dead = desk.letters(Letter.MOVE)
    paths = [f"/media-list/move/{TOKENS.move_token(one.about or 0)}" for one in (free, taken, dead)]
    assert [404, 404] == [desk.post(path).status for path in (paths[0], paths[2])]  # superseded; suppressed
    assert 400 == desk.post(desk.magic, do="move", address="no address").status
    desk.clock.advance(days=2)
    desk.post(desk.magic, do="move", address="taken@x.example")
    newest = desk.letters(Letter.MOVE)[-1]
    reply = desk.post(f"/media-list/move/{TOKENS.move_token(newest.about or 0)}")
    assert (200, True) == (reply.status, "on the list already" in reply.text)
    assert JANE == desk.jane.address.typed


def test_nobody_is_flooded_with_links(desk: Desk) -> None:
    """mail:LM4 mail:LM9 whoever asks for somebody's link hour by hour fills no mailbox; the next day they may again."""
    for _ in range(12):
        assert 200 == desk.post("/media-list/preferences", address=JANE).status
        desk.clock.advance(hours=1)
    assert 8 == len(desk.letters(Letter.MAGIC))
    desk.clock.advance(days=1)
    desk.post("/media-list/preferences", address=JANE)
    assert 9 == len(desk.letters(Letter.MAGIC))


def test_nobody_is_flooded_with_moves(desk: Desk) -> None:
    """mail:LM4 three questions to a mailbox that nobody answers, whoever asks, however they spell it; then no more."""
    with desk.store.begin() as tx:
        people = [make_contact(tx, f"reader{n}@x.example") for n in range(4)]
    until = desk.clock.now + timedelta(minutes=60)
    paths = [f"/media-list/preferences/{TOKENS.magic_token(one.id, 0, until)}" for one in people]
    spelt = ("victim@y.example", "Victim+a@y.example", "victim+b@Y.example", "VICTIM@y.example")
    pages = [desk.post(path, do="move", address=one).text for path, one in zip(paths, spelt, strict=True)]
    assert all("A mail to the new address asks for a yes." in page for page in pages)
    assert 3 == len(desk.letters(Letter.MOVE))
    assert 200 == desk.post(paths[3], do="move", address="other@y.example").status
    assert 4 == len(desk.letters(Letter.MOVE))


def test_my_data_and_being_forgotten(desk: Desk, tmp_path: Path) -> None:
    """mail:LM18 mail:LM19 all there is as JSON; then gone, after a box was ticked, with every link."""
    reply = desk.post(desk.magic, do="export")
    told = json.loads(reply.body)
    assert ("attachment", JANE) == (reply.headers["content-disposition"][:10], told["profile"]["address"])
    paths = [desk.preferences, desk.magic]
    assert 400 == desk.post(desk.magic, do="erase").status
    assert 200 == desk.post(desk.magic, do="erase", sure="yes").status
    assert [404, 404] == [desk.web.ask(path).status for path in paths]
    assert ({}, "erased") == (desk.live(), desk.jane.address.typed)
    assert 200 == desk.post("/media-list/preferences", address=JANE).status
    assert [] == [one for one in desk.letters() if one.facts]


def _why(desk: Desk) -> Reason | None:
    with desk.store.read() as tx:
        found = suppressions.of(tx, address(JANE))
        return found.reason if found else None


def _letter_state(desk: Desk) -> str:
    with desk.store.read() as tx:
        (state,) = {str(row.state) for row in deliveries.listing(tx) if row.subject.startswith("letter/")}
    return state


@pytest.mark.parametrize("scope", ["topic", "all", "pause", "less", "undo"])
def test_a_link_to_leave_writes_nothing_about_the_forgotten(desk: Desk, scope: str) -> None:
    """mail:LM19 from where it was opened, a pause, an objection: nobody is there whom these would be about."""
    path = desk.leave_path(desk.policy)
    assert 200 == desk.post(desk.magic, do="erase", sure="yes").status

    def known() -> tuple[object, ...]:
        with desk.store.read() as tx:
            proof = evidence.of_contact(tx, desk.policy.contact_id)
            return proof, suppressions.listing(tx), audience.contact_by_id(tx, desk.policy.contact_id)

    before = known()
    assert 200 == desk.post(path, scope=scope, cadence="weekly").status
    assert before == known()
