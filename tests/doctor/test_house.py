"""The house itself, on both databases: every check in order, and each way in which it is not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from pathlib import Path

import pytest
from sqlalchemy import update

from syndicator.doctor import Finding, House, State, examine, house
from syndicator.errors import Unreachable
from syndicator.model.bounce import Kind
from syndicator.model.delivery import Channel
from syndicator.model.schedule import Cron, Job, Schedule
from syndicator.store import (
    Store,
    alarms,
    bounces,
    deliveries,
    open_store,
    partners,
    schedules,
    schema,
    topics,
)
from syndicator.store.bounces import Event
from syndicator.wire.dns import Resolver
from tests.bounces.sent import Room
from tests.make import NOW, FakeClock, make_topic


def only(findings: Iterable[Finding]) -> Finding:
    (one,) = findings
    return one


def complaints(store: Store) -> list[tuple[State, str]]:
    return [(one.state, one.words) for one in house.standing(store) if one.check == "complaints"]


def no_dns() -> Resolver:
    raise Unreachable("nobody asks")


def test_a_house_in_order(store: Store, clock: FakeClock, tmp_path: Path) -> None:
    """mail:DC1 All is well; with mail into a folder each check of mail is skipped and says why."""
    building = House(store=store, clock=clock, media=tmp_path / "media", key_given=True)
    found = list(examine(building, None, no_dns))
    well = [one.check for one in found if one.state is State.OK]
    assert "database clock media secret-key alarms lanes".split() == well
    rest = [one for one in found if one.state is not State.OK]
    assert {State.SKIPPED} == {one.state for one in rest}
    assert set(
        "relay certificate unsubscribe footer helo ptr spf dkim dmarc alignment mx null-mx".split()
    ) == {one.check for one in rest}
    assert all("mail.transport" in one.words for one in rest)
    assert [] == list((tmp_path / "media").iterdir())


def test_an_empty_database_stops_only_what_needs_it(clock: FakeClock, tmp_path: Path) -> None:
    """mail:DC1 Without the schema there is no word on clock, alarms and lanes; the other checks go on."""
    with open_store(f"sqlite:///{tmp_path / 'new.db'}", host_clock=clock) as empty:
        building = House(store=empty, clock=clock, media=tmp_path, key_given=True)
        found = {one.check: one for one in examine(building, None, no_dns)}
    assert (State.FAIL, True) == (found["database"].state, "db upgrade" in found["database"].words)
    assert State.OK == found["media"].state
    assert set() == {"clock", "alarms", "lanes"} & set(found)


def test_a_database_that_does_not_answer(clock: FakeClock) -> None:
    """mail:DC1 Its own words, and where to look."""
    with open_store("postgresql+psycopg://nobody@127.0.0.1:1/none", host_clock=clock) as away:
        one = only(house.database(away))
    assert (State.FAIL, True) == (one.state, "does not answer" in one.words)


@pytest.mark.parametrize(
    ("seconds", "state"), [(0, State.OK), (5, State.WARN), (-5, State.WARN), (300, State.FAIL)]
)
def test_two_clocks_agree(store: Store, seconds: int, state: State) -> None:
    """mail:DC1, mail:EM3 A second between this machine and the database is seen, a minute fails."""
    assert state == only(house.clock(store, FakeClock(NOW + dt.timedelta(seconds=seconds)))).state


def test_a_clock_that_jumped_back(sqlite_url: str) -> None:
    """mail:EM3 SQLite remembers the latest instant it has seen: nothing is lifted before it comes again."""
    clock = FakeClock()
    with open_store(sqlite_url, host_clock=clock) as store:
        with store.begin():
            pass
        clock.advance(hours=-1)
        one = only(house.clock(store, clock))
    assert (State.FAIL, True) == (one.state, "3600 s behind" in one.words), one


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    """mail:DC1 A file in the way of the folder for pictures."""
    (tmp_path / "media").write_text("in the way")
    one = only(house.media(tmp_path / "media"))
    assert (State.FAIL, True) == (one.state, "store.media_dir" in one.advice)


def test_a_key_must_be_given_or_kept(store: Store, tmp_path: Path) -> None:
    """mail:DC1 PostgreSQL needs the same key everywhere; SQLite keeps its own, which a backup must hold."""
    kept = tmp_path / "secret_key"
    one = only(house.secret_key(store, given=False, kept=kept))
    assert (State.WARN if store.kind == "sqlite" else State.FAIL) == one.state
    assert State.OK == only(house.secret_key(store, given=True, kept=None)).state


def test_a_key_that_others_may_read(sqlite_url: str, clock: FakeClock, tmp_path: Path) -> None:
    """mail:DC1 With it anybody could unsubscribe anybody."""
    kept = tmp_path / "secret_key"
    kept.touch(mode=0o644)
    with open_store(sqlite_url, host_clock=clock) as store:
        one = only(house.secret_key(store, given=False, kept=kept))
    assert (State.FAIL, f"run: chmod 600 {kept}") == (one.state, one.advice)


def test_open_alarms_are_told(store: Store) -> None:
    """mail:DC1 Each open alarm is a line with what to do; an ended one is not."""
    with store.begin() as tx:
        alarms.raise_(tx, "late/1", "A release is late", "approve it")
        alarms.raise_(tx, "late/2", "Another is late", "approve it, too")
        alarms.end(tx, "late/2")
    one = only(found for found in house.standing(store) if found.check == "alarms")
    assert (State.WARN, "approve it") == (one.state, one.advice)
    assert one.words.startswith("A release is late")


def test_a_lane_in_trouble(store: Store, clock: FakeClock) -> None:
    """mail:DC1, mail:SE8 A relay away for minutes warns, for longer fails, with its own words; then all is well again."""
    with store.begin() as tx:
        partners.ensure_lane(tx, "mail", Channel.MAIL)
        deliveries.lane_failed(tx, "mail", "connection refused")
    for minutes, state in ((1, State.WARN), (5, State.FAIL)):
        clock.advance(minutes=minutes)
        one = only(found for found in house.standing(store) if found.check == "lanes")
        assert (state, True) == (
            one.state,
            "since 2026-03-02 09:00 UTC, 0 wait: connection refused" in one.words,
        )
    with store.begin() as tx:
        deliveries.lane_works(tx, "mail")
    well = next(found for found in house.standing(store) if found.check == "lanes")
    assert (State.OK, "1 destination, none in trouble") == (well.state, well.words)


def test_a_paused_lane(store: Store) -> None:
    """mail:DC1 Somebody paused it: the check says who waits and how it goes on."""
    with store.begin() as tx:
        partners.ensure_lane(tx, "mail", Channel.MAIL)
        deliveries.pause(tx, "mail", "by hand")
    one = only(found for found in house.standing(store) if found.check == "lanes")
    assert (State.WARN, "`syndicator delivery resume mail` lets it go on") == (one.state, one.advice)


def test_complaints_of_a_day_are_weighed(store: Store, clock: FakeClock) -> None:
    """mail:SE19, mail:LM15 One in a thousand is a warning, three and more of three in a thousand a fault; by count alone."""
    room = Room(store)
    found = complaints(store)
    sent = [room.send() for _ in range(4)]
    for n in range(3):
        with store.begin() as tx:
            bounces.record(tx, Event(key=f"e{n}", source="imap", kind=Kind.COMPLAINT, delivery_id=sent[n]))
        found += complaints(store)
    assert [State.WARN, State.WARN, State.FAIL] == [state for state, _ in found]
    assert found[-1][1].startswith("3 of 4 letters")
    clock.advance(days=1, seconds=1)
    assert [] == complaints(store)


def test_so_many_to_gmail_are_told_of(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mail:DC1 Near the number at which Gmail calls a domain a bulk sender; of a day, and of personal accounts alone."""
    room = Room(store)
    sent = [room.send() for _ in range(4)]

    def said() -> list[State]:
        return [one.state for one in house.gmail(store, nearly=3)]

    for domain, rows, expected in (
        ("gmail.com", sent[:2], []),
        ("gmail.com.example", sent[2:], []),
        ("googlemail.com", sent[2:3], [State.WARN]),
    ):
        with store.begin() as tx:
            theirs = schema.deliveries.c.id.in_(rows)
            tx.connection.execute(update(schema.deliveries).where(theirs).values(domain=domain))
        assert expected == said()
    clock.advance(days=1, seconds=1)
    assert [] == said()


def test_an_unread_mailbox_is_found(store: Store, clock: FakeClock) -> None:
    """mail:LM13 Never read is a warning, not read for long a fault."""
    every = dt.timedelta(minutes=10)
    found = [next(house.mailbox(store, "box", every)).state]
    with store.begin() as tx:
        bounces.move_mark(tx, "box", 1, 1)
    for minutes in (20, 1):
        clock.advance(minutes=minutes)
        found.append(next(house.mailbox(store, "box", every)).state)
    assert [State.WARN, State.OK, State.FAIL] == found


def test_a_newsletter_that_cannot_go_out_is_told(store: Store) -> None:
    """mail:DC1 Its topic must exist and be plain, and a schedule must open its issues; all is well where both hold."""

    def said() -> tuple[State, str]:
        one = only(house.newsletter(store, "letter"))
        return one.state, f"{one.words} {one.advice}"

    state, words = said()
    assert (State.FAIL, True) == (state, 'no topic "letter"' in words)
    with store.begin() as tx:
        topics.add(tx, make_topic("letter"))
    state, words = said()
    assert (State.WARN, True) == (state, "--job newsletter" in words)
    with store.begin() as tx:
        when = Cron("0 9 1 * *")
        schedules.add(tx, Schedule(id=0, name="monthly", job=Job.NEWSLETTER, when=when, created=NOW))
    assert State.OK is said()[0]
    assert State.FAIL is only(house.newsletter(store, "all")).state
