"""The composition root: what the config file provisions, and who may change it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from syndicator import topics
from syndicator.errors import Misconfigured
from syndicator.model.site import Format
from syndicator.runtime import Runtime, clock
from syndicator.settings import load
from syndicator.store import names, open_store, partners, schedules, upstreams
from syndicator.store import topics as rows
from tests.make import FakeClock, make_topic

FILE = """
[[topics]]
slug = "policy"
title = "Policy"
[[partners]]
slug = "wire"
url = "https://wire.example/hook"
[[upstreams]]
slug = "cms"
url = "https://cms.example/feed"
[[schedules]]
name = "nightly"
job = "prune"
cron = "0 3 * * *"
"""


def runtime(url: str, path: Path, text: str = FILE, **environ: str) -> Runtime:
    """A runtime with this config file over this store."""
    path.write_text(text)
    said = {
        "SYNDICATOR_STORE__URL": url,
        "SYNDICATOR_SITE__SECRET_KEY": "a-key-for-tests-0123456789",
        **environ,
    }
    return Runtime(load(path, said))


def slugs(made: Runtime) -> list[tuple[str, bool]]:
    """The topics, and whether the file manages them."""
    with made.store.read() as tx:
        return [(topic.slug, topic.file) for topic in rows.listing(tx)]


def start(made: Runtime) -> None:
    """One start of a process."""
    with made.store:
        made.prepare(start=True)


def test_many_processes_start_at_once(store_url: str, tmp_path: Path) -> None:
    """design:5.12: whoever starts first provisions; the others wait and find nothing to do."""
    starts = [runtime(store_url, tmp_path / "a.toml") for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert [None] * 6 == list(pool.map(start, starts))
    with runtime(store_url, tmp_path / "a.toml").store as store, store.read() as tx:
        assert ["all", "policy"] == [topic.slug for topic in rows.listing(tx)]
        assert (1, 1, 1) == (
            len(partners.listing(tx)),
            len(upstreams.listing(tx)),
            len(schedules.listing(tx)),
        )


def test_what_the_file_names_no_more_is_local(store_url: str, tmp_path: Path) -> None:
    """design:5.12: it stays, and belongs to the database."""
    start(runtime(store_url, tmp_path / "a.toml"))
    start(runtime(store_url, tmp_path / "a.toml", ""))
    made = runtime(store_url, tmp_path / "a.toml", "")
    with made.store as store, store.read() as tx:
        assert [("all", False), ("policy", False)] == slugs(made)
        files = [one.file for one in partners.listing(tx)] + [one.file for one in upstreams.listing(tx)]
        files += [one.file for one in schedules.listing(tx)]
    assert [False, False, False] == files


def test_the_file_takes_no_slug_that_leads_elsewhere(store_url: str, tmp_path: Path) -> None:
    """design:5.12, feeds:H8: readers of a topic that was renamed, merged or closed are not cut off by a line in the file."""
    before = runtime(store_url, tmp_path / "a.toml", "")
    with before.store as store:
        before.prepare(start=True)
        with store.begin() as tx:
            for slug in ("old", "from", "into", "over"):
                rows.add(tx, make_topic(slug))
            topics.rename(tx, "old", "new", None)
            topics.merge(tx, "from", "into")
            topics.close(tx, "over", "", timedelta())
    said = "".join(f'[[topics]]\nslug = "{slug}"\ntitle = "T"\n' for slug in ("old", "from", "over"))
    after = runtime(store_url, tmp_path / "a.toml", said)
    with after.store as store:
        with pytest.raises(Misconfigured) as refused:
            after.prepare(start=True)
        with store.read() as tx:
            assert {"from": "into", "old": "new"} == dict(names.former(tx))
    assert 3 == len(refused.value.faults)
    assert '[[topics]] "old" .slug: leads to "new"' in refused.value.faults[0]
    assert '[[topics]] "over" .slug: a topic of this name was closed' in refused.value.faults[2]


def test_a_command_with_another_file_changes_nothing(store_url: str, tmp_path: Path) -> None:
    """design:5.12: only a start lets another config file take over; the same file edited counts at once."""
    start(runtime(store_url, tmp_path / "a.toml"))
    stranger = runtime(store_url, tmp_path / "b.toml", "")
    with stranger.store:
        stranger.prepare()
        assert [("all", False), ("policy", True)] == slugs(stranger)
    edited = runtime(
        store_url, tmp_path / "a.toml", FILE + '[[topics]]\nslug = "funding"\ntitle = "Funding"\n'
    )
    with edited.store:
        edited.prepare()
        assert [("all", False), ("funding", True), ("policy", True)] == slugs(edited)


def test_another_title_reaches_every_feed(store_url: str, tmp_path: Path) -> None:
    """feeds:P10: a start with another look of the site makes built documents stale, once."""
    from syndicator import feeds, publish
    from tests.make import make_content

    first = runtime(store_url, tmp_path / "a.toml")
    with first.store as store:
        first.prepare(start=True)
        with store.begin() as tx:
            publish.publish(tx, "tag:x,1", make_content(topics=("policy",)))
        feeds.rebuild_stale(store, first.site)
    second = runtime(store_url, tmp_path / "a.toml", SYNDICATOR_SITE__TITLE="Another name")
    with second.store as store:
        second.prepare(start=True)
        with store.read() as tx:
            assert rows.next_stale(tx) is not None
            assert "All items of Another name" == rows.named(tx, "all").title


def test_postgresql_wants_a_key(tmp_path: Path) -> None:
    """design:5.13: many processes must share one signing key; SQLite keeps its own beside the database."""
    path = tmp_path / "a.toml"
    path.write_text("")
    with pytest.raises(Misconfigured):
        _ = Runtime(load(path, {"SYNDICATOR_STORE__URL": "postgresql://x@h/d"})).keys
    alone = Runtime(load(path, {"SYNDICATOR_STORE__URL": f"sqlite:///{tmp_path}/s.db"}))
    again = Runtime(load(path, {"SYNDICATOR_STORE__URL": f"sqlite:///{tmp_path}/s.db"}))
    assert alone.keys == again.keys
    assert 0o600 == (tmp_path / "secret_key").stat().st_mode & 0o777


@pytest.mark.parametrize(("ranges", "heard"), [("", 0), ("127.0.0.0/8", 1)])
def test_hubs_are_told_over_the_guarded_road(store_url: str, tmp_path: Path, ranges: str, heard: int) -> None:
    """feeds:W4: a hub on the house's own network is told only if feeds.allow_private names its range."""
    from syndicator.delivery import lanes
    from syndicator.store import deliveries
    from tests.delivery.receiver import Receiver

    with Receiver() as hub:
        said = {"SYNDICATOR_FEEDS__HUBS": hub.url, "SYNDICATOR_FEEDS__ALLOW_PRIVATE": ranges}
        made = runtime(store_url, tmp_path / "a.toml", "", **said)
        feed = made.site.feed_url("all", Format.ATOM)
        early = FakeClock(clock() - timedelta(seconds=2))
        with open_store(store_url, host_clock=clock, fixed_clock=early) as store, store.begin() as tx:
            deliveries.plan_pings(tx, made.site.hubs, [feed], "v1")
        with made.store as store:
            assert 1 == lanes.drain(made.crew("w", threading.Event()))
            with store.read() as tx:
                (row,) = deliveries.listing(tx)
        assert heard == len(hub.events)
    assert (hub.url, "accepted" if heard else "refused") == (row.recipient, row.state)


def test_a_relay_is_left_as_its_operator_wants(sqlite_url: str, tmp_path: Path) -> None:
    """mail:SE1: a connection ends after 100 letters or five minutes, or after as many as are set: relays differ."""
    path = tmp_path / "syndicator.toml"
    usual = runtime(sqlite_url, path)
    given = {"SYNDICATOR_MAIL__CONNECTION_LETTERS": "20", "SYNDICATOR_MAIL__CONNECTION_AGE": "30s"}
    other = runtime(sqlite_url, path, **given)
    assert [(100, 300), (20, 30)] == [(one.letters, one.age) for one in (usual.relay, other.relay)]
