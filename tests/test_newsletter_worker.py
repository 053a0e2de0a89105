"""Workers and the newsletter: the schedule's slot, a look each minute, and what may be turned by hand."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, update
from structlog.testing import capture_logs

from syndicator import newsletter, publish
from syndicator.errors import NotFound
from syndicator.model.newsletter import IssueState
from syndicator.model.schedule import Cron, Job, RunState, Schedule
from syndicator.runtime import Runtime, clock
from syndicator.settings import load
from syndicator.store import newsletters, schedules, schema, topics
from syndicator.worker import Worker, jobs, run, run_once
from tests.cli.program import KEY
from tests.make import make_content, make_subscription, make_topic

EARLIER = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def runtime(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runtime]:
    """A newsroom with a newsletter and its schedule, on its own clock."""
    monkeypatch.chdir(tmp_path)
    values = {
        "SYNDICATOR_STORE__URL": sqlite_url,
        "SYNDICATOR_SITE__SECRET_KEY": KEY,
        "SYNDICATOR_NEWSLETTER__TOPIC": "letter",
        "SYNDICATOR_NEWSLETTER__UNAPPROVED": "true",
    }
    made = Runtime(load(None, values))
    made.prepare()
    when = Cron("0 10 1 * *")
    with made.store.begin() as tx:
        for slug in ("letter", "policy"):
            topics.add(tx, make_topic(slug))
        schedules.add(tx, Schedule(id=0, name="monthly", job=Job.NEWSLETTER, when=when, created=clock()))
    yield made
    made.close()


def test_the_slot_sends_what_a_look_opened(runtime: Runtime) -> None:
    """peers:251 A worker opens an issue by itself; the run of its slot sends it, and says so in its row."""
    worker = Worker(runtime, threading.Event())
    worker.tidy()
    with runtime.store.begin() as tx:
        assert IssueState.OPEN is newsletters.named(tx, 1).state
        publish.publish(tx, "tag:x,1", make_content("Budget"))
        tx.connection.execute(update(schema.newsletters).values(slot=tx.now - timedelta(seconds=1)))
        monthly = schedules.named(tx, "monthly")
    run(worker, monthly, clock(), "slot")
    with runtime.store.read() as tx:
        (row,) = schedules.history(tx, "monthly")
        assert (RunState.DONE, "Newsletter No. 1 is out; Newsletter No. 2 is open") == (row.state, row.detail)
        assert IssueState.SENT is newsletters.named(tx, 1).state
    assert worker.hints.feeds.is_set()
    assert worker.hints.deliver.is_set()


def test_a_look_comes_once_a_minute(runtime: Runtime) -> None:
    """peers:251 Between two looks nothing is asked of the database."""
    worker = Worker(runtime, threading.Event())
    worker.tidy()
    with runtime.store.begin() as tx:
        newsletter.cancel(tx, 1, "ada")
        tx.connection.execute(update(schema.newsletters).values(state=IssueState.CANCELLED))
    worker.tidy()
    with runtime.store.read() as tx:
        assert 1 == len(newsletters.listing(tx))


def test_it_is_turned_by_hand(runtime: Runtime) -> None:
    """design:6 `worker --once newsletter` does what a look does, and says it."""
    assert {"newsletter": "Newsletter No. 1 is open"} == run_once(runtime, ["newsletter"])
    assert {"newsletter": "nothing is due"} == run_once(runtime, ["newsletter"])


def test_whoever_runs_all_once_sends_the_issue(runtime: Runtime) -> None:
    """design:4 `worker --once` from a cron of the system's own: the issue, its feeds and its mails in one go."""
    run_once(runtime)
    with runtime.store.begin() as tx:
        make_subscription(tx, "reader@x.example", "letter")
        publish.publish(tx, "tag:x,1", make_content("Budget"))
        tx.connection.execute(update(schema.newsletters).values(slot=tx.now - timedelta(seconds=1)))
    done = run_once(runtime)
    assert done["newsletter"].startswith("Newsletter No. 1 is out")
    assert 1 == done["deliver"]
    assert done["feeds"] >= 3


def test_a_missing_topic_holds_nothing_else_up(runtime: Runtime) -> None:
    """peers:251 Where the newsletter's topic was never made, all other work is done, once through and in a worker."""
    with runtime.store.begin() as tx:
        tx.connection.execute(
            update(schema.topics).where(schema.topics.c.slug == "letter").values(slug="other")
        )
        make_subscription(tx, "reader@x.example", "policy")
        publish.publish(tx, "tag:x,1", make_content("Budget"))
    done = run_once(runtime)
    assert "syndicator topic add letter" in done["newsletter"]
    assert 1 == done["deliver"]
    with pytest.raises(NotFound, match="syndicator topic add letter"):
        run_once(runtime, ["newsletter"])
    with runtime.store.begin() as tx:
        tx.connection.execute(insert(schema.workers).values(name="gone", started=EARLIER, seen=EARLIER))
    worker = Worker(runtime, threading.Event())
    worker.tidy()
    with capture_logs() as lines:
        before = jobs.try_newsletter(worker)
        assert before == jobs.try_newsletter(worker, before)
    assert ["newsletter failed"] == [line["event"] for line in lines]  # once, not with each look
    with runtime.store.read() as tx:
        assert "gone" not in dict(schedules.workers(tx))
