"""The worker's loops, alarm clock and runs: what cannot be done is left alone, what ended says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import update

from syndicator import press, publish
from syndicator.ingest.poll import WIDTH
from syndicator.model.schedule import At, Every, Job, RunState, Schedule
from syndicator.model.upstream import Relation, Upstream
from syndicator.runtime import Runtime, clock
from syndicator.settings import load
from syndicator.store import Store, deliveries, items, open_store, schedules, schema, topics, upstreams
from syndicator.worker import BEAT, FLOOR, NAMED, Alarm, Worker, openings, perform, run, run_once
from tests.cli.program import KEY, InProcess
from tests.ingest.crowd import crowding, host, saying
from tests.ingest.feeds import Site, entry, rss, serving
from tests.make import make_content, make_partner, make_subscription, make_topic

PATIENCE = 20.0  # seconds; only a hang lets a test fail by time
UID = "tag:news.example,2026:r"


@pytest.fixture
def runtime(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A newsroom with the topic `policy`, on its own clock."""
    monkeypatch.chdir(tmp_path)
    values = {"SYNDICATOR_STORE__URL": store_url, "SYNDICATOR_SITE__SECRET_KEY": KEY}
    made = Runtime(load(None, values))
    made.prepare()
    with made.store.begin() as tx:
        topics.add(tx, make_topic())
    yield made
    made.close()


@pytest.fixture
def worker(runtime: Runtime) -> Worker:
    """A worker whose loops have not been started: a test turns them itself."""
    return Worker(runtime, threading.Event())


@pytest.fixture
def site() -> Iterator[Site]:
    """A loopback server whose answers the test sets."""
    with serving() as running:
        yield running


@pytest.fixture
def said() -> Iterator[list[MutableMapping[str, Any]]]:
    """Every log event of the test."""
    with structlog.testing.capture_logs() as events:
        yield events


def scheduled(store: Store, uid: str = UID, topic: str = "policy") -> None:
    """A release that is due at once."""
    with store.begin() as tx:
        press.draft(tx, uid, make_content(topics=(topic,)), None)
        press.approve(tx, uid, "editor")
        press.schedule(tx, uid, tx.now)


def stuck(worker: Worker) -> None:
    """A release that is due, and whose topic is gone."""
    with worker.runtime.store.begin() as tx:
        topics.add(tx, make_topic("lost"))
    scheduled(worker.runtime.store, topic="lost")
    rename(worker.runtime.store, "lost", "elsewhere")


def rename(store: Store, slug: str, to: str) -> None:
    """Give a topic another slug, as no door does: releases lose it."""
    with store.begin() as tx:
        tx.connection.execute(update(schema.topics).where(schema.topics.c.slug == slug).values(slug=to))


def live(store: Store) -> set[str]:
    """The uids of what is public."""
    with store.read() as tx:
        return {item.uid for item in items.listing(tx)}


def add(store: Store, job: Job = Job.PRUNE, name: str = "tidy") -> Schedule:
    """An hourly schedule."""
    with store.begin() as tx:
        return schedules.add(
            tx, Schedule(id=0, name=name, job=job, when=Every(timedelta(hours=1)), created=tx.now)
        )


def happens(what: Callable[[], bool]) -> bool:
    """Whether it becomes true while one is patient."""
    ends = time.monotonic() + PATIENCE
    while not what() and time.monotonic() < ends:
        time.sleep(0.01)  # polls a condition
    return what()


# -- releases


def test_what_cannot_go_out_is_tried_seldom(worker: Worker, said: list[MutableMapping[str, Any]]) -> None:
    """A release whose topic is gone neither spins the loop nor fills the log, and holds up no other."""
    stuck(worker)
    assert [None] * 5 == [worker.release() for _ in range(5)]
    assert [UID] == [event["uid"] for event in said if event["event"] == "not released"]
    scheduled(worker.runtime.store, "tag:news.example,2026:other")
    worker.release()
    assert {"tag:news.example,2026:other"} == live(worker.runtime.store)


def test_what_was_mended_goes_out_at_the_next_turn(worker: Worker) -> None:
    """Once its topic is back, a release that could not go out does not wait for the minute to pass."""
    stuck(worker)
    worker.release()
    rename(worker.runtime.store, "elsewhere", "lost")
    worker.release()
    assert {UID} == live(worker.runtime.store)


def test_the_next_lift_does_not_wait_for_all_feeds(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """operations: while there is much to build, whoever lifted builds for a moment and leaves the rest to its loop."""
    monkeypatch.setattr("syndicator.worker.loops.LIFT", timedelta())
    monkeypatch.setattr("syndicator.feeds.rebuild.BUDGET", 0.0)
    store = worker.runtime.store
    with store.begin() as tx:
        topics.mark_all_stale(tx)
    scheduled(store)
    worker.release()
    with store.read() as tx:
        assert topics.next_stale(tx) is not None
    assert worker.hints.feeds.is_set()
    assert worker.feeds() is None
    assert {UID} == live(store)


@pytest.mark.parametrize(
    ("left", "pause"), [(timedelta(days=-1), FLOOR), (timedelta(days=1), BEAT), (None, BEAT)]
)
def test_a_loop_pauses_between_turns(left: timedelta | None, pause: float, worker: Worker) -> None:
    """What is due and cannot be done, for another holds it, is looked at again after a moment, never at once."""
    assert pause == worker._until(None if left is None else clock() + left)


# -- upstreams


def add_upstreams(store: Store, urls: Iterable[str]) -> None:
    """An upstream at each of these addresses, all due."""
    values: dict[str, Any] = {"relation": Relation.OWN, "topics": ("policy",)}
    with store.begin() as tx:
        for n, url in enumerate(urls):
            known = Upstream(
                id=0, slug=f"u{n}", url=url, created=tx.now, allow_private=("127.0.0.0/8",), **values
            )
            upstreams.add(tx, known)


def test_once_polls_until_nothing_is_due(runtime: Runtime) -> None:
    """`worker --once poll` asks every upstream that is due, more than there are slots."""
    hosts = WIDTH + 23
    with crowding(hosts) as crowd:
        crowd.behaviours = {host(n): saying(b"", status="404 Not Found") for n in range(hosts)}
        add_upstreams(runtime.store, map(crowd.url, range(hosts)))
        assert {"poll": hosts} == run_once(runtime, ["poll"])
        assert sorted(map(host, range(hosts))) == sorted(crowd.asked)


def test_a_worker_told_to_stop_claims_no_further_upstream(worker: Worker, site: Site) -> None:
    """What is in hand is finished, no other upstream is asked; feeds and lanes hear of what came in."""

    class Asked(list[dict[str, str]]):
        def append(self, request: dict[str, str], /) -> None:
            worker.stop.set()
            super().append(request)

    site.asked = Asked()
    site.say(rss(entry()))
    add_upstreams(worker.runtime.store, [site.url] * 3)  # of one host, so one at a time
    worker._poll()
    assert (1, 1) == (len(site.asked), len(live(worker.runtime.store)))
    assert worker.hints.feeds.is_set()
    assert worker.hints.deliver.is_set()


def test_the_loop_of_polls_reads_what_is_added_and_ends(worker: Worker, site: Site) -> None:
    """DESIGN §4, walk C: what becomes due while the loop turns is read; told to, it ends."""
    site.say(rss(entry()))
    loop = threading.Thread(target=worker._poll)
    loop.start()
    add_upstreams(worker.runtime.store, [site.url])
    worker.hints.poll.set()
    assert happens(lambda: bool(live(worker.runtime.store)))
    worker.end(timedelta(seconds=5))
    loop.join(PATIENCE)
    assert not loop.is_alive()


def test_a_worker_says_at_start_which_private_ranges_are_open(
    worker: Worker, said: list[MutableMapping[str, Any]]
) -> None:
    """security:S9 — explicit ranges alone, none by default, and the log of every start names them and for whom."""
    assert {} == openings(worker.runtime)
    with worker.runtime.store.begin() as tx:
        make_partner(tx, "agency", allow_private=("10.1.0.0/16", "fd00::/8"))
        make_partner(tx, "public")
        for n in range(NAMED + 2):
            cms = Upstream(id=0, slug=f"cms{n}", url="http://cms.test/", created=tx.now, paused=True)
            upstreams.add(tx, replace(cms, allow_private=("10.1.0.0/16",)))
    worker.start()
    assert worker.end(timedelta(seconds=PATIENCE))
    told = {event["range"]: event for event in said if event["event"] == "private addresses are open"}
    assert {"10.1.0.0/16", "fd00::/8"} == set(told)
    assert (NAMED + 3, NAMED) == (told["10.1.0.0/16"]["count"], len(told["10.1.0.0/16"]["whom"]))
    assert ["partner/agency"] == told["fd00::/8"]["whom"]


# -- the alarm clock


def test_an_alarm_survives_what_happened_once() -> None:
    """A single date that has fired may be removed: the schedules after it still ring."""
    rang: list[str] = []
    alarm = Alarm(rang.append)
    soon = clock() + timedelta(seconds=0.3)
    once = Schedule(id=1, name="once", job=Job.PRUNE, when=At(soon), created=soon)
    often = Schedule(id=2, name="often", job=Job.PRUNE, when=Every(timedelta(seconds=1)), created=soon)
    try:
        alarm.set([once])
        assert happens(lambda: "once" in rang)
        assert happens(lambda: alarm._clock.get_job("once") is None)
        alarm.set([])
        alarm.set([often])
        assert happens(lambda: "often" in rang)
    finally:
        alarm.stop()


# -- runs


def test_a_bug_ends_its_run_as_failed(worker: Worker, said: list[MutableMapping[str, Any]]) -> None:
    """A run that meets a fault of our own is written down as failed, and the log says it loudly."""
    store = worker.runtime.store
    add_upstreams(store, ["http://127.0.0.1:1/feed"])
    with store.begin() as tx:
        tx.connection.execute(update(schema.upstreams).values(relation="nonsense"))
    run_id = run(worker, add(store, Job.POLL), clock(), "slot")
    assert run_id is not None
    with store.read() as tx:
        done = schedules.one_run(tx, run_id)
    assert (RunState.FAILED, True) == (done.state, done.ended is not None)
    assert "ValueError" in done.detail
    assert ["error"] == [event["log_level"] for event in said if event["event"] == "run broke"]


def test_a_slot_runs_once(worker: Worker) -> None:
    """Who comes second for a slot gets no run."""
    schedule, slot = add(worker.runtime.store), clock()
    assert run(worker, schedule, slot, "slot") is not None
    assert run(worker, schedule, slot, "slot") is None


def test_reconcile_ends_runs_of_the_dead(worker: Worker, store_url: str) -> None:
    """A run whose worker was killed is failed; one whose worker lives goes on."""
    began = clock() - timedelta(minutes=10)
    schedule = add(worker.runtime.store)
    with open_store(store_url, host_clock=clock, fixed_clock=lambda: began) as before, before.begin() as tx:
        keys = [schedules.start_run(tx, schedule, began + timedelta(n), "slot", "dw"[n]) for n in range(2)]
        schedules.beat(tx, "d", began)
    with worker.runtime.store.begin() as tx:
        schedules.beat(tx, "w", began)
    assert "1 runs whose worker is gone" in run_once(worker.runtime, [Job.RECONCILE])[Job.RECONCILE]
    with worker.runtime.store.read() as tx:
        states = [schedules.one_run(tx, key).state for key in keys if key]
    assert [RunState.FAILED, RunState.RUNNING] == states


def test_old_runs_are_forgotten_without_a_schedule(worker: Worker, store_url: str) -> None:
    """A worker tidies up by itself, at its start and once an hour."""
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    schedule = add(worker.runtime.store)
    with open_store(store_url, host_clock=clock, fixed_clock=lambda: long_ago) as old, old.begin() as tx:
        for n in range(3):
            key = schedules.start_run(tx, schedule, long_ago + timedelta(n), "slot", "w")
            schedules.end_run(tx, key or 0, RunState.DONE, "")
        schedules.beat(tx, "w", long_ago)
    worker.tidy()
    with worker.runtime.store.read() as tx:
        assert [2] == [(one.slot - long_ago).days for one in schedules.history(tx, schedule.name)]
        assert [] == schedules.workers(tx)


def test_a_run_by_hand_is_shown_beside_a_busy_schedule(runtime: Runtime, tmp_path: Path) -> None:
    """`schedule run` shows its own run, however many newer slots there are by then."""
    schedule = add(runtime.store)
    with runtime.store.begin() as tx:
        for n in range(60):
            schedules.start_run(tx, schedule, tx.now + timedelta(hours=n + 1), "slot", "w")
    cli = InProcess(runtime.settings.store.url.reveal(), tmp_path)
    assert "manual" == cli.json("schedule", "run", schedule.name)["trigger"]


def test_old_pings_are_forgotten_without_a_schedule(worker: Worker, store_url: str) -> None:
    """feeds:W2: what hubs were told a week ago is of no interest; a ping that is still owed is kept."""
    long_ago, feed = datetime(2020, 1, 1, tzinfo=UTC), "https://news.example/feeds/all.atom"
    with open_store(store_url, host_clock=clock, fixed_clock=lambda: long_ago) as old, old.begin() as tx:
        for version in ("v1", "v2"):  # the first gives way to the second
            deliveries.plan_pings(tx, ["https://hub.example/"], [feed], version)
    worker.tidy()
    with worker.runtime.store.read() as tx:
        assert [f"ping/{feed}/v2"] == [row.subject for row in deliveries.listing(tx)]


def test_digests_are_planned_by_a_loop_and_by_a_schedule(worker: Worker) -> None:
    """mail:DG1 operations:SC3 Whichever comes first plans them, hints the lanes, and says until when to sleep."""
    from syndicator.store import windows

    with worker.runtime.store.begin() as tx:
        subscription = make_subscription(tx, cadence="daily")
        closes = next(iter(windows.of(tx, subscription.contact_id).values()))
    assert closes + timedelta(seconds=60) == worker.digest()
    assert not worker.hints.deliver.is_set()
    with worker.runtime.store.begin() as tx:
        publish.publish(tx, UID, make_content())
        tx.connection.execute(update(schema.pushes).values(at=tx.now - timedelta(hours=2)))
        tx.connection.execute(update(schema.subscriptions).values(since=tx.now - timedelta(hours=3)))
        tx.connection.execute(update(schema.windows).values(closes=tx.now - timedelta(hours=1)))
    worker.digest()
    assert worker.hints.deliver.is_set()
    schedule = Schedule(id=0, name="digests", job=Job.DIGEST, when=Every(timedelta(hours=1)), created=closes)
    assert perform(worker, schedule) == "0 digests planned, 0 windows closed"
    assert run_once(worker.runtime, ["digest"]) == {"digest": 0}
    with worker.runtime.store.read() as tx:
        assert next(row.subject for row in deliveries.listing(tx)).startswith("digest/daily/")
