"""304 and gzip 200 of a 50-entry feed: ours at both doors, nginx with the file, and five ways others do it.

`python -m bench.serve` gives each server core 0 and the load core 1, in turn, and prints requests
per second, the 99th percentile of latency, CPU µs per request and the ratios of DESIGN §8. The load is
wrk. On a machine that others use as well only the CPU figures count.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from bench._apps import PATH

ROUNDS, SECONDS, CONNECTIONS = 3, 2, 16
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ROOT = Path(__file__).parents[1]
TICK = os.sysconf("SC_CLK_TCK")
# Ours to theirs in requests per second (DESIGN §8); feedgen and Django are asked for the 304 alone.
GOALS = {"nginx": 0.9, "bare ASGI": 1.5}
GOALS_304 = {**GOALS, "feedgen per request": 300, "Django syndication": 300}
WORST_P99 = 2.0  # times nginx's
LIMITS = """What limits each figure: 304 and 200 at the first door cost the parser's calls into Python, one for
each header, and one write to the socket; the answer itself is a look-up and a join. Next would be fewer
headers to look at, which is the client's affair, or a parser that hands them over at once. The second door
adds what uvicorn and ASGI set up for a request. nginx does its parsing in C and sends the file from the page cache."""
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 100000000; sendfile on; tcp_nopush on; gzip_static on;
  types {{ application/atom+xml atom; }}
  server {{ listen 127.0.0.1:{port}; root {folder}; location /feeds/ {{ add_header Cache-Control "public, max-age=300"; }} }} }}
"""


@dataclass(frozen=True)
class Peer:
    """A running server."""

    name: str
    port: int
    pids: tuple[int, ...]

    def cpu(self) -> float:
        """CPU seconds its processes have used."""
        stats = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids)
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICK


@dataclass(frozen=True)
class Figures:
    """What a load found: requests per second, CPU µs per request, 99th percentile of latency in ms."""

    rate: float
    cpu: float
    p99: float


def prepare(folder: Path) -> bytes:
    """A store with a built feed of 50 items, and the same items and bytes as files for the others."""
    from syndicator import feeds, publish
    from syndicator.model.item import ALL, Author, Content, Rule, Topic
    from syndicator.model.site import Format, Site
    from syndicator.store import documents, open_store, topics

    site = Site(title="Society", base_url="https://news.example", hubs=("https://hub.example.org/",))
    entries = []
    with open_store(f"sqlite:///{folder}/store.db", host_clock=lambda: NOW) as store:
        store.upgrade()
        with store.begin() as tx:
            topics.add(tx, Topic(slug=ALL, title="All", uid="tag:all", created=NOW, rule=Rule()))
            topics.add(tx, Topic(slug="policy", title="Policy", uid="tag:policy", created=NOW))
            for n in range(50):
                words = " ".join(f"word{(n * k) % 97}" for k in range(120))
                content = Content(
                    title=f"Statement {n} on the budget",
                    summary=words[:200],
                    body=f"<p>{words}</p>",
                    topics=("policy",),
                    authors=(Author(name="Society"),),
                )
                item = publish.publish(
                    tx, f"tag:news.example,2026:{n}", content, published=NOW - timedelta(hours=n)
                )
                entries.append(
                    {
                        "id": item.uid,
                        "title": content.title,
                        "link": site.item_url(item.slug),
                        "published": item.published.isoformat(),
                        "updated": item.updated.isoformat(),
                        "summary": content.summary,
                        "content": content.body,
                    }
                )
        feeds.rebuild_stale(store, site)
        with store.read() as tx:
            bodies = documents.bodies(tx, "policy", Format.ATOM)
    assert bodies
    (folder / "entries.json").write_text(json.dumps(entries))
    (folder / "feeds").mkdir()
    (folder / "feeds" / "policy.atom").write_bytes(bodies.body)
    for name in ("feed.gz", "feeds/policy.atom.gz"):
        (folder / name).write_bytes(bodies.gzip)
    return bodies.body


def serve_ours(door: str, folder: str) -> None:
    """Our web process, with the early door or without it."""
    from syndicator.model.site import Site
    from syndicator.signup import Tokens
    from syndicator.store import open_store
    from syndicator.web.app import Web, create_app, listen, server

    url = f"sqlite:///{folder}/store.db"
    with (
        open_store(url, host_clock=lambda: NOW) as store,
        open_store(url, host_clock=lambda: NOW) as watch,
        listen("127.0.0.1", 0) as bound,
    ):
        site = Site(title="Society", base_url="https://news.example", hubs=("https://hub.example.org/",))
        app = create_app(Web(store=store, site=site, tokens=Tokens(["k"]), watch=watch))
        bound.listen(2048)
        sys.stdout.write(f"{bound.getsockname()[1]}\n")
        sys.stdout.flush()
        server(app, early=door == "early").run(sockets=[bound])


@contextmanager
def child(name: str, folder: Path, *command: str) -> Iterator[Peer]:
    """A server of Python, in a process on core 0."""
    line = ["taskset", "-c", "0", sys.executable, "-m", *command, str(folder)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        try:
            port = int(process.stdout.readline())
            reply(port, {})
            yield Peer(name, port, (process.pid,))
        finally:
            process.terminate()


@contextmanager
def nginx(program: str, folder: Path) -> Iterator[Peer]:
    """nginx on core 0, with the file and its compressed copy."""
    folder.chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "conf").write_text(NGINX.format(folder=folder, port=port))
    with subprocess.Popen(["taskset", "-c", "0", program, "-c", folder / "conf", "-p", folder]) as process:
        try:
            reply(port, {})
            workers = subprocess.run(
                ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
            )
            yield Peer("nginx", port, tuple(map(int, workers.stdout.split())))
        finally:
            process.terminate()


def reply(port: int, headers: dict[str, str]) -> bytes:
    """One answer, head and body; waits for the server to be there."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    for _ in range(200):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
                wire.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
                return b"".join(iter(lambda: wire.recv(65536), b""))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody answers on port {port}")


def load(peer: Peer, headers: dict[str, str]) -> Figures:
    """What wrk finds in a few seconds."""
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *named]
    before = peer.cpu()
    ran = subprocess.run(
        [*command, f"http://127.0.0.1:{peer.port}{PATH}"], capture_output=True, text=True, check=True
    )
    count, seconds = re.findall(r"(\d+) requests in ([\d.]+)s", ran.stdout)[0]
    p99, unit = re.findall(r"99%\s+([\d.]+)(us|ms|s)", ran.stdout)[0]
    used = (peer.cpu() - before) / int(count) * 1e6
    return Figures(int(count) / float(seconds), used, float(p99) * {"us": 1e-3, "ms": 1, "s": 1e3}[unit])


def tag_of(peer: Peer) -> str:
    """The tag this server gives the compressed bytes."""
    found = re.search(rb"(?i)\r\netag: ([^\r]+)", reply(peer.port, {"Accept-Encoding": "gzip"}))
    return found[1].decode() if found else '"none"'


def measure(peers: list[Peer], headers: Callable[[Peer], dict[str, str]]) -> dict[str, Figures]:
    """The median of some rounds, the servers taking turns so that all meet the same weather."""
    seen: dict[str, list[Figures]] = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer in peers:
            seen[peer.name].append(load(peer, headers(peer)))
    return {
        name: Figures(*(median(getattr(run, what) for run in runs) for what in ("rate", "cpu", "p99")))
        for name, runs in seen.items()
    }


def table(title: str, figures: dict[str, Figures], goals: dict[str, float]) -> Table:
    """One case, with ratios to ours."""
    made = Table(title=title)
    for column in ("", "requests/s", "p99 ms", "CPU µs/request", "ours : it", "by CPU", "goal"):
        made.add_column(column, justify="right")
    ours = figures["ours"]
    for name, one in figures.items():
        goal = f"≥ {goals[name]}" if name in goals else ""
        made.add_row(
            name,
            f"{one.rate:,.0f}",
            f"{one.p99:.2f}",
            f"{one.cpu:.1f}",
            f"{ours.rate / one.rate:.2f}",
            f"{one.cpu / ours.cpu:.2f}",
            goal,
        )
    return made


def missed(title: str, figures: dict[str, Figures], goals: dict[str, float]) -> Iterator[str]:
    """The goals that were not reached, each in a few words."""
    ours = figures["ours"]
    for name, goal in goals.items():
        if name in figures and ours.rate / figures[name].rate < goal:
            yield f"{title}: {ours.rate / figures[name].rate:.2f} of {name}, not {goal}"
    if "nginx" in figures and ours.p99 > WORST_P99 * figures["nginx"].p99:
        yield f"{title}: p99 {ours.p99 / figures['nginx'].p99:.1f} times that of nginx, not {WORST_P99}"


def main() -> int:
    """Print both tables; 1 when a goal is missed."""
    console = Console(width=110)
    if not shutil.which("wrk"):
        console.print("wrk is not installed: it is the load")
        return 1
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        body = prepare(folder)
        console.print(f"document {len(body):,} bytes, gzip {len(gzip.compress(body)):,}; one core each")
        start = running.enter_context
        peers = [
            start(child("ours", folder, "bench.serve", "early")),
            start(child("ours, by ASGI", folder, "bench.serve", "asgi")),
            start(child("bare ASGI", folder, "bench._apps", "hello")),
            start(child("Starlette", folder, "bench._apps", "starlette")),
        ]
        if program := shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            peers.insert(1, start(nginx(program, folder)))
        slow = [
            start(child("feedgen per request", folder, "bench._apps", "feedgen")),
            start(child("Django syndication", folder, "bench._apps", "django")),
        ]
        tags = {peer.name: tag_of(peer) for peer in (*peers, *slow)}
        gzip_200 = measure(peers, lambda _: {"Accept-Encoding": "gzip"})
        not_modified = measure(
            [*peers, *slow], lambda peer: {"Accept-Encoding": "gzip", "If-None-Match": tags[peer.name]}
        )
    console.print(table("304", not_modified, GOALS_304), table("gzip 200", gzip_200, GOALS))
    console.print("bare ASGI answers five bytes in both tables")
    console.print(LIMITS)
    faults = [*missed("304", not_modified, GOALS_304), *missed("gzip 200", gzip_200, GOALS)]
    console.print("\n".join(faults) if faults else "goals of DESIGN §8: reached")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(serve_ours(*sys.argv[1:]) if sys.argv[1:] else main())
