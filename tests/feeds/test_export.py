"""An export, stopped where it may be: what is there leads nowhere in vain, and nothing stays for ever."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from syndicator import feeds, publish
from syndicator import topics as flow
from syndicator.errors import Refused, TryLater
from syndicator.feeds.export import LOCK, MANIFEST, NEW, export
from syndicator.model.site import Format
from syndicator.store import Store, open_store, topics
from tests.feeds.walk import START, fill, read
from tests.make import NOW, FakeClock, make_content, make_newsroom, make_site, make_topic

SITE = make_site(window=2)


@pytest.fixture
def room(store: Store, clock: FakeClock) -> Store:
    """Five items in `policy`, so two closed pages, built an hour ago; `health` is empty."""
    make_newsroom(store, "policy", "health")
    with store.begin() as tx:
        fill(tx, "policy", 5, NOW - timedelta(hours=1))
    feeds.rebuild_stale(store, SITE)
    clock.advance(hours=1)
    return store


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where the export goes."""
    return tmp_path / "out"


def files(out: Path) -> set[str]:
    """Whatever lies in the folder, but what the export keeps for itself."""
    found = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    return found - {MANIFEST, LOCK}


def of(slug: str, *ends: str) -> set[str]:
    """The files of a topic, live (`""`) or under `/archive/…`."""
    return {f"feeds/{slug}{end}.{format}{gz}" for end in ends for format in Format for gz in ("", ".gz")}


def news(store: Store, clock: FakeClock, slug: str, count: int) -> None:
    """Publish some items."""
    for _ in range(count):
        clock.advance(minutes=1)
        with store.begin() as tx:
            uid = f"tag:new/{clock.now:%H%M}"
            publish.publish(tx, uid, make_content(uid, topics=(slug,)))


def walked(out: Path, slug: str, format: Format) -> Iterator[str]:
    """The ids a reader meets that walks back in the folder; a link to what is not there fails."""
    url: str | None = f"{START}{slug}.{format}"
    while url:
        entries, url = read((out / "feeds" / url.removeprefix(START)).read_bytes(), format)
        yield from (uid for uid, _ in entries)


@pytest.mark.parametrize("format", Format)
def test_pages_are_there_before_what_leads_to_them(
    room: Store, clock: FakeClock, out: Path, format: Format
) -> None:
    """feeds:P26: wherever an export stops, whoever reads its files walks back to the first item."""
    export(room, SITE, out)
    before = set(walked(out, "policy", format))
    assert {f"tag:old/{number:06}" for number in range(5)} == before
    news(room, clock, "policy", 4)
    in_the_way = out / f"feeds/policy/archive/3.{format}"
    in_the_way.mkdir()
    with pytest.raises(Refused, match=r"archive/3\.\w+ cannot be written"):
        export(room, SITE, out)
    assert before == set(walked(out, "policy", format))
    in_the_way.rmdir()
    export(room, SITE, out)
    assert 9 == len(set(walked(out, "policy", format)))


def test_what_a_stopped_export_wrote_is_removed_when_its_topic_ends(
    room: Store, clock: FakeClock, out: Path
) -> None:
    """feeds:H8: no manifest was written at its end, and the next one knows its files all the same."""
    export(room, SITE, out)
    news(room, clock, "health", 3)
    in_the_way = out / "feeds/health.rss"
    in_the_way.mkdir()
    with pytest.raises(Refused, match=r"health\.rss cannot be written: .*directory"):
        export(room, SITE, out)
    assert {"feeds/health.atom", "feeds/health/archive/1.json.gz"} <= files(out)
    in_the_way.rmdir()
    with room.begin() as tx:
        flow.close(tx, "health", after=timedelta())
    done = export(room, SITE, out)
    assert not [name for name in files(out) if "health" in name]
    assert not (out / "feeds/health").exists()
    assert {"feeds/health.atom", "feeds/health/archive/1.json.gz"} <= {
        str(path.relative_to(out)) for path in done.removed
    }
    assert {SITE.base_url, *files(out)} == set(json.loads((out / MANIFEST).read_bytes()))


def test_what_could_not_be_removed_is_removed_later(room: Store, out: Path) -> None:
    """feeds:H8: an export that stops while it removes forgets nothing of the rest."""
    export(room, SITE, out)
    with room.begin() as tx:
        flow.rename(tx, "policy", "politics")
    stuck = out / "feeds/policy.json"
    stuck.unlink()
    stuck.mkdir()
    with pytest.raises(Refused, match=r"policy\.json cannot be removed"):
        export(room, SITE, out)
    assert "feeds/policy.rss" in files(out)
    stuck.rmdir()
    export(room, SITE, out)
    assert not files(out) & of("policy", "", "/archive/1", "/archive/2")
    assert of("politics", "", "/archive/1", "/archive/2") <= files(out)


class Ticking(FakeClock):
    """A clock that goes on by `step` seconds each time it is looked at: once in a transaction."""

    step = 0

    def __call__(self) -> datetime:
        """The next instant."""
        return self.advance(seconds=self.step)


def test_a_topic_may_end_during_an_export(store_url: str, out: Path) -> None:
    """feeds:H8: whenever that is, its files are not there, or nginx is not told yet that it is over."""
    clock, slugs = Ticking(), [f"t{number}" for number in range(12)]
    with open_store(store_url, host_clock=clock, fixed_clock=clock) as store:
        make_newsroom(store, *slugs)
        with store.begin() as tx:
            for number, slug in enumerate(slugs):
                publish.publish(tx, f"tag:x/{slug}", make_content(slug, topics=(slug,)))
                flow.close(tx, slug, after=timedelta(seconds=6 * number + 3))
        feeds.rebuild_stale(store, SITE)
        clock.step = 1
        export(store, SITE, out)
    over = set(re.findall(r'"~\^(t[0-9]+)\$" 1;', (out / "nginx/addresses.conf").read_text()))
    there = {slug for slug in slugs if (out / f"feeds/{slug}.atom").exists()}
    assert (set(slugs), set()) == (over | there, over & there)
    assert over
    assert there


def test_a_killed_export_leaves_no_half_of_a_file(room: Store, out: Path) -> None:
    """What it was writing lies apart, under one name, and goes with the next run; so it is with no change at all."""
    export(room, SITE, out)
    whole = files(out)
    (out / NEW).write_bytes(b"<feed")  # as of a process that was killed between write and rename
    done = export(room, SITE, out)
    assert ([], [], whole) == (done.written, done.removed, files(out))


def test_two_exports_never_write_at_once(room: Store, out: Path) -> None:
    """Each would take the other's files for its own remains: the second is told to come again."""
    export(room, SITE, out)
    with (out / LOCK).open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(TryLater, match="another export"):
            export(room, SITE, out)
    assert [] == export(room, SITE, out).written


def test_names_nobody_has_heard_of_are_not_told(room: Store, clock: FakeClock, out: Path) -> None:
    """feeds:H8: topics that never held anything public leave no word in what nginx reads, nor in any file."""
    with room.begin() as tx:
        for slug in ("merger", "secret", "sports", "over", "layoffs", "quiet"):
            topics.add(tx, make_topic(slug, uid=f"tag:news.example,2026:{len(slug)}{slug[-1]}"))
    news(room, clock, "sports", 1)
    news(room, clock, "over", 1)
    feeds.rebuild_stale(room, SITE)
    with room.begin() as tx:
        flow.rename(tx, "merger", "takeover")
        flow.close(tx, "secret", "Never said.", after=timedelta())
        flow.rename(tx, "sports", "games")
        flow.merge(tx, "layoffs", "games")
        flow.rename(tx, "quiet", "loud")
        flow.close(tx, "over", after=timedelta())
    news(room, clock, "loud", 1)
    feeds.rebuild_stale(room, SITE)
    export(room, SITE, out)
    words = b"".join(path.read_bytes() for path in sorted((out / "nginx").iterdir()))
    assert {"games", "over", "sports"} == set(
        re.findall(r"\b(merger|takeover|secret|games|sports|over)\b", words.decode())
    )
    everything = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert not re.search(rb"takeover|merger|secret|layoffs|quiet|Never said", everything)
