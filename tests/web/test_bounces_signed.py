"""`/callbacks/bounces/mailgun` and `…/sendgrid`: what they signed is heeded, what they did not leaves no trace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import structlog

from syndicator.bounces.hooks import Hooks
from syndicator.model.bounce import Kind
from syndicator.store import bounces, open_store
from syndicator.web.bounces import MAX_BODY, BounceHooks
from tests.bounces.samples import JANE
from tests.bounces.sent import Room, signs
from tests.bounces.signed import MAILGUN_KEY, SENDGRID_KEY, event, failure, mailgun, posted
from tests.make import NOW, FakeClock
from tests.web.served import Reply, Running, running

MAILGUN, SENDGRID = "/callbacks/bounces/mailgun", "/callbacks/bounces/sendgrid"
NOT_THEIRS = (403, b"This is not theirs.\n")
LARGEST = 768 * 1024  # bytes of a batch, as SendGrid documents it


@pytest.fixture
def room(sqlite_url: str, clock: FakeClock) -> Iterator[Room]:
    """Somebody on the list; what the databases do with an event is shown by `bounces.test_taking`."""
    with open_store(sqlite_url, host_clock=clock, fixed_clock=clock) as store:
        yield Room(store)


@pytest.fixture
def web(room: Room) -> Iterator[Running]:
    """A server that both providers may tell something."""
    hooks = Hooks(store=room.store, signs=signs(), mailgun=MAILGUN_KEY, sendgrid=SENDGRID_KEY)
    with running(room.store, extra_routes=BounceHooks(lambda: hooks).routes()) as served:
        yield served


def _kinds(room: Room) -> dict[Kind, int]:
    """What came back from the contact."""
    with room.store.read() as tx:
        found = [one.kind for one in bounces.of_contact(tx, room.contact.id)]
    return {kind: found.count(kind) for kind in found}


def _rows(room: Room) -> int:
    with room.store.read() as tx:
        return sum(bounces.figures(tx, NOW - timedelta(days=1)).values())


def _batch(web: Running, events: bytes | list[Any], **how: Any) -> Reply:
    body, headers = posted(events, **how)
    return web.ask(SENDGRID, "POST", body, **headers)


def test_an_event_of_mailgun_is_heeded_once(web: Running, room: Room, clock: FakeClock) -> None:
    """mail:LM16, mail:LM13 A repeat changes nothing, with its token or another; dead on a second day, it is dead."""
    letter = room.send()
    whole = failure(JANE, message={"headers": {"message-id": room.message_id(letter)}})
    raw = mailgun(whole)
    assert [200] * 3 == [web.ask(MAILGUN, "POST", one).status for one in (raw, raw, mailgun(whole))]
    assert ({Kind.HARD: 1}, [("active", None)]) == (_kinds(room), room.states())
    clock.advance(days=1)
    later = failure(JANE, timestamp=clock().timestamp())
    assert 200 == web.ask(MAILGUN, "POST", mailgun(later, at=clock())).status
    assert [("ended", "dead address")] == room.states()


def test_a_token_of_mailgun_is_good_for_one_event(web: Running, room: Room) -> None:
    """mail:LM16 Its signature is of no word it says: whoever saw one cannot say anything else with it."""
    room.send()
    for sort in ("opened", "failed"):
        token = sort * 8
        assert 200 == web.ask(MAILGUN, "POST", mailgun(failure(JANE, event=sort), token=token)).status
        for changed in ({"id": "another"}, {}, {"id": f"{failure(JANE)['id']} "}, {"timestamp": "0\xa0"}):
            other = mailgun(failure(JANE, event="complained") | changed, token=token)
            answer = web.ask(MAILGUN, "POST", other)
            assert NOT_THEIRS == (answer.status, answer.body)
    assert ({Kind.HARD: 1}, [("active", None)]) == (_kinds(room), room.states())


def test_a_batch_of_sendgrid_is_heeded_event_by_event(web: Running, room: Room) -> None:
    """mail:LM16, mail:LM13 What is no event, or of nobody, loses none of the others; told again, it is one."""
    room.send()
    batch = [
        event(JANE),
        None,
        "rubbish",
        event("nobody@other.example", "spamreport"),
        event(JANE, sg_event_id="nul\0"),
        event(JANE, "open"),
        event(JANE, "delivered"),
        event(JANE, "deferred"),
        event(JANE, "spamreport"),
    ]
    for _ in range(2):
        assert 200 == _batch(web, batch).status
        assert {Kind.HARD: 2, Kind.DELAYED: 1, Kind.COMPLAINT: 1} == _kinds(room)
        assert 7 == _rows(room)
    assert [("ended", "complaint")] == room.states()
    assert 200 == _batch(web, []).status


def test_who_leaves_by_a_link_of_theirs_has_left_here(web: Running, room: Room) -> None:
    """mail:LM16, mail:LM8 We put no such link in; if somebody turned it on, it means what it says."""
    room.send()
    assert 200 == _batch(web, [event(JANE, "group_unsubscribe", asm_group_id=1)]).status
    assert ({Kind.LEFT: 1}, [("ended", "unsubscribed")]) == (_kinds(room), room.states())


def test_a_batch_as_large_as_they_get_is_taken(web: Running, room: Room) -> None:
    """mail:LM16 768 kB of events, the last of which counts like the first."""
    room.send()
    filler = event("reader@paper.example", "delivered", category=["press", "policy"])
    last = event(JANE, "spamreport")
    batch = [filler] * ((LARGEST - 1_000) // (len(json.dumps(filler)) + 2)) + [last]
    assert LARGEST - 2_000 < len(json.dumps(batch)) <= LARGEST
    assert 200 == _batch(web, batch).status
    assert {Kind.COMPLAINT: 1} == _kinds(room)


def test_what_they_did_not_sign_leaves_no_trace(web: Running, room: Room) -> None:
    """mail:LM16, security:D6 403 in one line, no row, and neither an address nor a key in any line."""
    room.send()
    complaint = failure(JANE, event="complained")
    forged = [mailgun(complaint, key="guessed"), mailgun(complaint, at=NOW - timedelta(days=1))]
    body, headers = posted([event(JANE, "spamreport")])
    with structlog.testing.capture_logs() as lines:
        answers = [web.ask(MAILGUN, "POST", one) for one in (*forged, b'{"event-data": {"event": 1}}')]
        answers += [web.ask(SENDGRID, "POST", body + b" ", **headers), web.ask(SENDGRID, "POST", body)]
    assert [NOT_THEIRS] * 5 == [(one.status, one.body) for one in answers]
    assert (5, 0, [("active", None)]) == (len(lines), _rows(room), room.states())
    assert not any(secret in str(lines) for secret in (JANE, MAILGUN_KEY, SENDGRID_KEY, "guessed"))


def test_what_is_no_batch_is_refused_in_a_line(web: Running, room: Room) -> None:
    """mail:LM16 However well it is signed: nothing, rubbish, an object, 50,000 brackets; and what is too large."""
    for sent in (b"", b"{}", b"{", b"7", b'"x"', b"\xff", b"[" * 50_000):
        answer = _batch(web, sent)
        assert (400, 1) == (answer.status, answer.body.count(b"\n"))
    assert 413 == web.ask(SENDGRID, "POST", b" " * (MAX_BODY + 1)).status
    assert 0 == _rows(room)
