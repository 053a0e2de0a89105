"""A round of polling: 10,000 upstreams on as many hosts, 95 % unchanged (304), 5 % with one new entry of 20.

The server is a process of its own on the loopback (127.a.b.c, one address a host). The time is that of one
round, from the first claim to the last settlement, on SQLite; beside it the CPU of the poller, of its
parsing processes and of the server, the memory of all that polls, and how late the event loop was. There
is no peer to set beside it: the goals are absolute, for orientation on two cores. Only a bare event loop in a
process of its own ticks beside it, which says how late anybody is on this machine at this time.

    .venv/bin/python -m bench.poll [UPSTREAMS] [PROFILE]
"""

from __future__ import annotations

import asyncio
import contextlib
import cProfile
import io
import logging
import os
import pstats
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import structlog
from sqlalchemy import func, select, update

from syndicator.ingest.parse import Pool
from syndicator.ingest.poll import Poller, Report, keep_awake
from syndicator.model.incoming import READING
from syndicator.model.site import Site
from syndicator.model.upstream import Relation, Upstream
from syndicator.runtime import clock, mint_uid
from syndicator.store import Store, Tx, open_store, schema, upstreams
from syndicator.wire.exchange import Limits
from syndicator.wire.guard import parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.make import make_newsroom

UPSTREAMS = 10_000
CHANGED = 20  # one in so many has a new entry
ENTRIES = 20
GOAL_SECONDS, GOAL_MB, GOAL_LAG = 60.0, 200.0, 0.010
TICK = 0.005
SITE = Site(title="Bench", base_url="https://news.example")
LIMITS = Limits(max_bytes=5_000_000, deadline=timedelta(seconds=30), redirects=5)


# -- the server, in a process of its own


def document(number: int, entries: int) -> bytes:
    """A feed with so many entries of about a kilobyte; another one is added at the top."""
    items = "".join(
        f"<item><title>Item {n} of {number}</title><link>https://h{number}.example/{n}</link>"
        f"<guid isPermaLink='false'>tag:h{number}.example,2026:{n}</guid>"
        f"<pubDate>Mon, 02 Mar 2020 09:00:{n:02} GMT</pubDate>"
        f"<description>{'&lt;p&gt;Some words &amp;amp; more of them.&lt;/p&gt; ' * 20}</description></item>"
        for n in range(entries, 0, -1)
    )
    return (
        f"<?xml version='1.0'?><rss version='2.0'><channel><title>Feed {number}</title>"
        f"<link>https://h{number}.example/</link><description>d</description>{items}</channel></rss>"
    ).encode()


class Origin(asyncio.Protocol):
    """Says 304 to whoever has the present version of its feed; a SIGUSR1 makes another version of those that change."""

    version = 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.data = transport, b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        if not self.data.endswith(b"\r\n\r\n"):
            return
        request, self.data = self.data.lower(), b""
        number = int(request.split(b" ", 2)[1].rpartition(b"/")[2])
        version = Origin.version if number % CHANGED == 0 else 1
        head = f'etag: "{version}"\r\ncache-control: max-age=600\r\n'
        if f'if-none-match: "{version}"'.encode() in request:
            self.transport.write(f"HTTP/1.1 304 Not Modified\r\n{head}\r\n".encode())
            return
        body = document(number, ENTRIES + version - 1)
        head += f"content-type: application/rss+xml\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"HTTP/1.1 200 OK\r\n{head}\r\n".encode() + body)


async def serve() -> None:
    """Listen on every loopback address, and on nothing else, until the end."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    listening.bind(("", 0))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: setattr(Origin, "version", Origin.version + 1))
    server = await loop.create_server(Origin, sock=listening, backlog=1000)
    print(listening.getsockname()[1], flush=True)
    await server.serve_forever()


# -- a loop with nothing to do, in a process of its own


async def idle() -> None:
    """Tick until stdin ends, then say how late 99 of 100 ticks were at most, and the latest, in seconds."""
    watch, over = Watch(), asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    ticking = asyncio.create_task(watch.tick())
    await over
    ticking.cancel()
    print(watch.lag(0.99), max(watch.lags))


@contextlib.contextmanager
def beside(said: list[float]) -> Iterator[None]:
    """A bare loop for as long; then its two figures are in `said`."""
    command = [sys.executable, "-m", "bench.poll", "idle"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield
        said += map(float, process.communicate()[0].split())


# -- the poller


def url(port: int, number: int) -> str:
    """A feed on its own host."""
    return f"http://127.{1 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}:{port}/{number}"


def fill(store: Store, port: int, count: int) -> None:
    """So many upstreams, none due; those that will not change are known already, as if they had been read."""
    make_newsroom(store)
    with store.begin() as tx:
        for n in range(count):
            upstreams.add(
                tx,
                Upstream(
                    id=0,
                    slug=f"u{n}",
                    url=url(port, n),
                    relation=Relation.OWN,
                    topics=("policy",),
                    allow_private=("127.0.0.0/8",),
                    created=tx.now,
                ),
            )
        u = schema.upstreams.c
        read = {
            "etag": '"1"',
            "body_hash": f"{READING}:x",
            "succeeded": tx.now,
            "next_check": tx.now + timedelta(days=1),
        }
        tx.connection.execute(update(schema.upstreams).where((u.id - 1) % CHANGED != 0).values(**read))


def make_due(tx: Tx) -> None:
    """Everything at once, as after a night."""
    tx.connection.execute(update(schema.upstreams).values(next_check=tx.now, checked=None))


@dataclass
class Watch:
    """How late the loop was at each tick, in seconds, what it computed and how long it waited for a core meanwhile.

    And the most memory in use, in MB.
    """

    lags: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)
    queued: list[float] = field(default_factory=list)
    own: float = 0.0
    together: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    async def tick(self) -> None:
        """Sleep a little, again and again."""
        ours = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        with ours.open("rb", buffering=0) as told:  # noqa: ASYNC230 - proc waits for nothing
            while True:
                before, work, queued = time.perf_counter(), time.thread_time(), _queued(told)
                await asyncio.sleep(TICK)
                self.lags.append(time.perf_counter() - before - TICK)
                self.worked.append(time.thread_time() - work)
                self.queued.append(_queued(told) - queued)

    def lag(self, share: float) -> float:
        """The lag that so large a share of all ticks did not exceed."""
        return _quantile(self.lags, share)

    def own_lag(self, share: float) -> float:
        """The same without what the loop waited for a core that others had: what is left is ours, the GIL included."""
        return _quantile([lag - queued for lag, queued in zip(self.lags, self.queued, strict=True)], share)

    @contextlib.contextmanager
    def weighing(self) -> Iterator[None]:
        """Look at the memory twice a second; PSS, so that what processes share counts once."""
        thread = threading.Thread(target=self._weigh, daemon=True)
        thread.start()
        yield
        self._over.set()
        thread.join()

    def _weigh(self) -> None:
        while not self._over.wait(0.5):
            own = _pss(os.getpid())
            self.own = max(self.own, own)
            self.together = max(self.together, own + sum(map(_pss, _offspring(os.getpid()))))


def _queued(told: io.FileIO) -> float:
    """Seconds for which this thread could have run and had no core (proc(5), schedstat)."""
    told.seek(0)
    return int(told.read().split()[1]) / 1e9


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _pss(process: int) -> float:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1000
    return 0.0


def _offspring(process: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *_offspring(int(child))]
    return found


def round_of(store: Store, pool: Pool, watch: Watch) -> Report:
    """Poll until nothing is due."""
    agent = "Syndicator-bench (+https://news.example)"

    def client(upstream: Upstream) -> AsyncClient:
        return AsyncClient(parse_guard(upstream.allow_private), agent, LIMITS)

    async def main() -> Report:
        ticking = asyncio.create_task(watch.tick())
        try:
            poller = Poller(store, client, lambda now: mint_uid("news.example", now), pool, SITE)
            return await poller.drain()
        finally:
            ticking.cancel()

    keep_awake()  # as a worker does
    return asyncio.run(main())


def cpu(who: int) -> float:
    """Seconds of computing so far."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def server_cpu(process: int) -> float:
    """The same of another process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measured(store: Store, server: subprocess.Popen[str], count: int, *, profile: bool) -> bool:
    """Read those that will change once, then time the round; prints the table, True if every goal was met."""
    with Pool(2) as pool:
        round_of(store, pool, Watch())
        os.kill(server.pid, signal.SIGUSR1)
        with store.begin() as tx:
            make_due(tx)
        watch, began, own, theirs = (
            Watch(),
            time.perf_counter(),
            cpu(resource.RUSAGE_SELF),
            server_cpu(server.pid),
        )
        profiler = cProfile.Profile() if profile else None
        bare: list[float] = []
        with beside(bare):
            with watch.weighing(), profiler or contextlib.nullcontext():
                report = round_of(store, pool, watch)
            seconds, own = time.perf_counter() - began, cpu(resource.RUSAGE_SELF) - own
            theirs = server_cpu(server.pid) - theirs
    if profiler:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    with store.read() as tx:
        u = schema.upstreams.c
        same = tx.connection.execute(select(func.sum(u.unmodified))).scalar_one()
        faults = tx.connection.execute(select(func.count()).where(u.fault.is_not(None))).scalar_one()
    if (report.polled, report.changed, faults) != (count, count // CHANGED, 0):
        raise SystemExit(f"{report} of {count}, {faults} faults: this is no round")
    lag = watch.lag(0.99)
    met = seconds < GOAL_SECONDS and watch.own < GOAL_MB and lag <= GOAL_LAG
    print(f"polled {report.polled:,}: {same:,} unchanged, {report.changed} with a new entry")
    print(f"round            {seconds:8.1f} s     goal < {GOAL_SECONDS:.0f} s for 10,000")
    print(f"  per second     {count / seconds:8.0f}")
    print(
        f"CPU per poll     {own / count * 1000:8.2f} ms    of the poller, threads and all; server {theirs / count * 1000:.2f} ms"
    )
    print(f"  share          {own / seconds:8.0%}       of one core (under the GIL more is not to be had)")
    print(
        f"memory, own      {watch.own:8.0f} MB    goal < {GOAL_MB:.0f} MB; with the parsing processes {watch.together:.0f} MB"
    )
    print(
        f"loop lag         {lag * 1000:8.1f} ms    p99, goal ≤ {GOAL_LAG * 1000:.0f} ms; median {watch.lag(0.5) * 1000:.1f}, longest {max(watch.lags) * 1000:.0f}"
    )
    print(
        f"  a bare loop    {bare[0] * 1000:8.1f} ms    p99 of one that does nothing, beside it; longest {bare[1] * 1000:.0f}"
    )
    print(
        f"  with a core    {watch.own_lag(0.99) * 1000:8.1f} ms    p99 without waiting for a core that others had"
    )
    print(
        f"  computed       {_quantile(watch.worked, 0.99) * 1000:8.1f} ms    p99 between two ticks; what is above it is waiting for the GIL or a core (load {os.getloadavg()[0]:.1f})"
    )
    print(
        "limited by the Python of one HTTP exchange (h11, httpcore, httpx) and by the GIL that store and parsing share"
    )
    return met


def main() -> int:
    """Measure, and say whether the goals were met."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    count = int(sys.argv[1]) if len(sys.argv) > 1 else UPSTREAMS
    command = [sys.executable, "-m", "bench.poll", "serve"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        open_store(f"sqlite:///{folder}/bench.db", host_clock=clock) as store,
    ):
        try:
            assert server.stdout
            port = int(server.stdout.readline())
            store.upgrade()
            fill(store, port, count)
            return 0 if measured(store, server, count, profile="PROFILE" in sys.argv) else 1
        finally:
            server.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        asyncio.run(serve())
    elif sys.argv[1:] == ["idle"]:
        asyncio.run(idle())
    else:
        sys.exit(main())
