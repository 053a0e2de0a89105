"""Ingest: the same body again, a body with one new and one changed entry, and everything new, beside feedparser.

    python -m bench.ingest

CPU counts, that of the parsing processes included: on a machine others use as well wall time is theirs, too.
feedparser parses as it comes (its own sanitiser on) and fastfeedparser reads without cleaning anything; ours
parses in a process of its own, validates, cleans, compares with what is known and writes to SQLite. A goal of
DESIGN §8 that is missed makes it exit 1, from fifty entries on: of ten, two are new, and publishing these is
what is measured. The pool of two counts on two idle cores.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from statistics import median

import fastfeedparser
import feedparser
from rich.console import Console
from rich.table import Table

from syndicator.ingest.fetch import Body, Unchanged, _meaning
from syndicator.ingest.filing import Filing, reading_of
from syndicator.ingest.parse import Pool
from syndicator.model.item import ALL, Rule, Topic
from syndicator.model.upstream import Relation, Upstream, Validators
from syndicator.runtime import mint_uid
from syndicator.store import Store, incoming, open_store, topics, upstreams
from syndicator.store.upstreams import Heard
from syndicator.wire.exchange import Reply

GOAL_SAME = 0.01  # of feedparser's time for the same body, DESIGN §8
GOAL_CHANGED = 0.6
GOAL_POOL = 1.6
LEASE = timedelta(minutes=3)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
URL = "https://cms.example/feed"
WORDS = '&lt;p&gt;Some words of a &lt;a href="/more?a=1&amp;amp;b=2" class="x"&gt;longer&lt;/a&gt; sentence.&lt;/p&gt; '
LIMITS = """What limits each figure. The same body: hashing its bytes, and nothing else. One new and one changed entry: the
walk of feedparser's grammar over all of the body (without its sanitiser, dates and links); seven milliseconds for a
process of its own, most of them the kernel's for pages of memory; and ten for filing, whose seventy statements publish
two items. Next would be not to walk over entries whose bytes are known. Everything new: publishing each item, some
thirty statements, not parsing. A pool of two: the cores."""
SIZES = ((10, 60), (50, 60), (200, 20), (1_000, 8))  # entries, and rounds
JUDGED = 50  # entries, and more


def feed(number: int, round_: int) -> bytes:
    """`number` entries of about 1.9 kB, newest first; in each round one is new, the last is gone and the middle one has changed."""
    return (
        '<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>CMS</title>'
        "<link>https://cms.example/</link><description>d</description>"
        + "".join(_entry(n, n <= round_ + number // 2) for n in range(round_ + number, round_, -1))
        + "</channel></rss>"
    ).encode()


def _entry(number: int, old: object) -> str:
    day = START - timedelta(days=30) + timedelta(minutes=number)
    return (
        f"<item><title>A statement on draft {number}, version {1 + bool(old)}</title><link>https://cms.example/{number}</link>"
        f'<guid isPermaLink="false">tag:cms.example,2026:{number}</guid><author>jane@cms.example (Jane Doe)</author>'
        f"<pubDate>{day:%a, %d %b %Y %H:%M:%S} GMT</pubDate><category>Policy</category><category>Law</category>"
        f"<description>{WORDS * 15}</description></item>"
    )


# -- measuring -------------------------------------------------------------------------------------------


@dataclass
class Spent:
    """Wall and CPU seconds of each round of one way."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @contextmanager
    def round(self, *processes: Pool) -> Iterator[None]:
        """One round; the CPU of the pools' processes is counted as well."""
        wall, cpu = time.perf_counter(), time.process_time() + sum(map(apart, processes))
        yield
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() + sum(map(apart, processes)) - cpu)


def apart(pool: Pool) -> float:
    """CPU seconds of a pool's processes and of the forks that they have waited for (proc(5), stat)."""
    spent = 0
    for _, nursery in pool._idle:  # noqa: SLF001 - nobody else has to know
        fields = Path(f"/proc/{nursery.pid}/stat").read_text().rpartition(") ")[2].split()
        spent += sum(map(int, fields[11:15]))
    return spent / os.sysconf("SC_CLK_TCK")


class Desk:
    """A store, an upstream in it, and what the poller does with a body."""

    def __init__(self, store: Store, slug: str) -> None:
        self._store, self._slug = store, slug
        with store.begin() as tx:
            upstreams.add(
                tx,
                Upstream(
                    id=0,
                    slug=slug,
                    url=URL,
                    relation=Relation.OWN,
                    topics=("policy",),
                    created=tx.now,
                    push=False,
                ),
            )

    def take(self, pool: Pool, body: bytes) -> int:
        """Claim, parse, clean, compare, file, settle; how many became or changed an item."""
        with self._store.begin() as tx:
            claim = upstreams.claim(tx, self._slug, LEASE)
            assert claim
            known, now = incoming.hashes(tx, claim.upstream.id), tx.now
        parsed = pool.parse(body, url=URL, known=known)
        filing = Filing(self._store, claim, reading_of(parsed, claim.upstream, now), _mint, "news.example")
        for _ in filing.steps():
            pass
        assert not filing.left_out
        with self._store.begin() as tx:
            upstreams.settle_success(tx, claim, Heard(validators=Validators(body_hash="x")))
        return len(filing.prospects)


def _mint(now: datetime) -> str:
    return mint_uid("news.example", now)


@contextmanager
def newsroom() -> Iterator[Store]:
    """A store with two topics, in which a minute passes between two looks at the clock."""
    ticks = count()

    def clock() -> datetime:
        return START + timedelta(seconds=next(ticks))

    with (
        tempfile.TemporaryDirectory() as folder,
        open_store(f"sqlite:///{folder}/bench.db", host_clock=clock, fixed_clock=clock) as store,
    ):
        store.upgrade()
        with store.begin() as tx:
            for slug, rule in ((ALL, Rule()), ("policy", None)):
                topics.add(
                    tx, Topic(slug=slug, title=slug.title(), uid=f"tag:{slug}", created=START, rule=rule)
                )
        yield store


def ways(number: int, rounds: int) -> dict[str, Spent]:
    """Every way with bodies of `number` entries, all in turn in each round."""
    spent = {
        name: Spent()
        for name in (
            "feedparser",
            "fastfeedparser",
            "the same body",
            "parsing alone",
            "2 of it new",
            "all new",
        )
    }
    with newsroom() as store, Pool(1) as pool:
        desk = Desk(store, "cms")
        desk.take(pool, feed(number, 0))
        for round_ in range(1, rounds + 1):
            body = feed(number, round_)
            with spent["feedparser"].round():
                feedparser.parse(io.BytesIO(body))
            with spent["fastfeedparser"].round():
                fastfeedparser.parse(body)
            with spent["the same body"].round():
                _same(body)
            with spent["parsing alone"].round(pool):
                pool.parse(body, url=URL)
            with spent["2 of it new"].round(pool):
                assert desk.take(pool, body) == 2
            if round_ <= max(2, rounds // 10):
                other = Desk(store, f"other-{round_}")
                foreign = body.replace(b"cms.example", b"cms-%d.example" % round_)
                with spent["all new"].round(pool):
                    assert other.take(pool, foreign) == number
    return spent


def _same(body: bytes) -> None:
    """What a fetch makes of a 200 with the bytes of last time, a hundred times: less cannot be timed."""
    reply = Reply(status=200, headers={"content-type": "application/rss+xml"}, body=body, url=URL)
    first = _meaning(reply, Validators(), START)
    assert isinstance(first, Body)
    known = first.validators
    for _ in range(SAME):
        assert isinstance(_meaning(reply, known, START), Unchanged)


SAME = 100


def table(number: int, spent: dict[str, Spent]) -> tuple[Table, dict[str, float]]:
    """The table, and the CPU of each way as a share of feedparser's."""
    shown = Table(
        "way", "wall ms", "CPU ms", "CPU ratio", title=f"{number} entries, {len(feed(number, 0)):,} bytes"
    )
    ratios = {}
    # Means: the clock of other processes goes in steps of 10 ms. The wall is the median's.
    means = {name: sum(one.cpu) / len(one.cpu) for name, one in spent.items()}
    means["the same body"] /= SAME + 1
    for name, one in spent.items():
        wall = median(one.wall) / (SAME + 1 if name == "the same body" else 1)
        ratios[name] = means[name] / means["feedparser"]
        shown.add_row(name, f"{wall * 1e3:.2f}", f"{means[name] * 1e3:.2f}", f"{ratios[name]:.4f}")
    return shown, ratios


def pools(bodies: int = 60) -> tuple[Table, float]:
    """How much faster two processes are than one, parsing alone."""
    given = [feed(200, round_) for round_ in range(bodies)]
    spans: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for size, seen in spans.items():
            with Pool(size) as pool, ThreadPoolExecutor(size) as threads:
                list(threads.map(pool.parse, given[:size]))  # started, and warm
                began = time.perf_counter()
                list(threads.map(_parse(pool), given))
                seen.append(time.perf_counter() - began)
    gain = min(spans[1]) / min(spans[2])
    shown = Table("processes", "wall s", "gain", title=f"{bodies} bodies of 200 entries, all read")
    shown.add_row("1", f"{min(spans[1]):.2f}", "1.00")
    shown.add_row("2", f"{min(spans[2]):.2f}", f"{gain:.2f}")
    return shown, gain


def _parse(pool: Pool) -> Callable[[bytes], object]:
    return lambda body: pool.parse(body, url=URL)


def main() -> None:
    """Print the tables; exit 1 when a goal is missed."""
    warnings.simplefilter("ignore")  # feedparser's own
    console, missed = Console(width=110), []
    for number, rounds in SIZES:
        shown, ratios = table(number, ways(number, rounds))
        console.print(shown)
        for name, goal in (("the same body", GOAL_SAME), ("2 of it new", GOAL_CHANGED)):
            if number >= JUDGED and ratios[name] > goal:
                missed.append(f"{name}, {number} entries: {ratios[name]:.3f} of feedparser, goal {goal}")
    shown, gain = pools()
    console.print(shown)
    if gain < GOAL_POOL:
        missed.append(
            f"a pool of two: {gain:.2f}, goal {GOAL_POOL} on two idle cores; load {os.getloadavg()[0]:.1f}"
        )
    console.print(LIMITS)
    console.print("\n".join(f"MISSED: {one}" for one in missed) or "all goals reached")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
