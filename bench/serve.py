"""304 and gzip 200 of a 50-entry feed: ours, a raw ASGI hello on the same uvicorn, nginx with the file.

`python -m bench.serve` gives each server core 0 and the load core 1, in turn, and prints requests
per second, CPU µs per request and the ratios of DESIGN §8. The load is wrk where it is installed,
else a small client of our own, which is slower than the servers: then, and on a machine that others
use as well, only the CPU figures count.
"""

from __future__ import annotations

import gzip
import hashlib
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
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

ROUNDS, SECONDS, CONNECTIONS = 3, 2, 16
GOALS = {"nginx": 0.9, "hello": 1.5}  # of their requests per second, DESIGN §8
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PATH = "/feeds/policy.atom"
ROOT = Path(__file__).parents[1]
TICK = os.sysconf("SC_CLK_TCK")
HELLO = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
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


def document() -> bytes:
    """As many bytes as 50 entries have, and about as compressible as prose in XML."""
    digests = (hashlib.sha256(b"%d" % n).hexdigest() for n in range(3600))
    words = [f"{digest[:3]}tion" if int(digest[3], 16) < 6 else "the paper of" for digest in digests]
    entries = (
        f"<entry><title>{' '.join(words[n : n + 9])}</title><content>{' '.join(words[n : n + 72])}</content></entry>"
        for n in range(0, 3600, 72)
    )
    return f"<feed xmlns='http://www.w3.org/2005/Atom'>{''.join(entries)}</feed>".encode()


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The least an ASGI application can do."""
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": HELLO})
    await send({"type": "http.response.body", "body": b"hello"})


def serve_here(which: str, url: str) -> None:
    """What the child processes do."""
    from syndicator.model.site import Site
    from syndicator.signup import Tokens
    from syndicator.store import open_store
    from syndicator.web.app import Web, create_app, serve

    def started(_host: str, port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    if which == "hello":
        serve(hello, port=0, started=started)
        return
    with open_store(url, host_clock=lambda: NOW) as store, open_store(url, host_clock=lambda: NOW) as watch:
        site = Site(title="Bench", base_url="http://127.0.0.1", hubs=("https://hub.example.org/",))
        serve(
            create_app(Web(store=store, site=site, tokens=Tokens(["k"]), watch=watch)),
            port=0,
            started=started,
        )


def prepare(url: str, body: bytes) -> None:
    """A store that holds the document."""
    from syndicator.model.item import Topic
    from syndicator.model.site import Format
    from syndicator.store import documents, open_store, topics

    with open_store(url, host_clock=lambda: NOW) as store:
        store.upgrade()
        with store.begin() as tx:
            topic = topics.add(tx, Topic(slug="policy", title="Policy", uid="tag:bench", created=NOW))
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            packed = gzip.compress(body, mtime=0)
            documents.save(
                tx, topic.id, Format.ATOM, etag=etag, body=body, gzip=packed, modified=NOW, items=50
            )


@contextmanager
def child(which: str, url: str) -> Iterator[Peer]:
    """Ours or hello, in a process on core 0."""
    command = ["taskset", "-c", "0", sys.executable, "-m", "bench.serve", which, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout
        try:
            yield Peer(which, int(process.stdout.readline()), (process.pid,))
        finally:
            process.terminate()


@contextmanager
def nginx(program: str, folder: Path, body: bytes) -> Iterator[Peer]:
    """nginx on core 0, with the file and its compressed copy."""
    (folder / "feeds").mkdir()
    (folder / "feeds" / "policy.atom").write_bytes(body)
    (folder / "feeds" / "policy.atom.gz").write_bytes(gzip.compress(body, mtime=0))
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
    for _ in range(100):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as wire:
                wire.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n".encode())
                return b"".join(iter(lambda: wire.recv(65536), b""))
        except ConnectionRefusedError:
            time.sleep(0.05)
    raise TimeoutError(f"nobody answers on port {port}")


def load(peer: Peer, headers: dict[str, str]) -> tuple[float, float]:
    """Requests per second, and CPU µs of the server per request."""
    before = peer.cpu()
    count, seconds = (with_wrk if shutil.which("wrk") else by_hand)(peer.port, headers)
    return count / seconds, (peer.cpu() - before) / count * 1e6


def with_wrk(port: int, headers: dict[str, str]) -> tuple[int, float]:
    """wrk's count of requests and seconds."""
    named = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    command = ["taskset", "-c", "1", "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", *named]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{PATH}"], capture_output=True, text=True, check=True
    )
    found = re.search(r"(\d+) requests in ([\d.]+)s", done.stdout)
    assert found, done.stdout
    return int(found[1]), float(found[2])


def by_hand(port: int, headers: dict[str, str]) -> tuple[int, float]:
    """The same, asked by this process: one request at a time on each of a few connections."""
    os.sched_setaffinity(0, {1})
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    ask = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode()
    length = len(reply(port, headers)) - len(b"Connection: close\r\n")
    with ExitStack() as open_now:
        wires = [
            open_now.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(CONNECTIONS)
        ]
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < SECONDS:
            for wire in wires:
                wire.sendall(ask)
            for wire in wires:
                left = length
                while left > 0:
                    left -= len(wire.recv(left)) or left
            count += CONNECTIONS
        return count, time.perf_counter() - begun


def tag_of(peer: Peer) -> str:
    """The tag this server gives the compressed bytes."""
    found = re.search(rb"(?i)\r\netag: ([^\r]+)", reply(peer.port, {"Accept-Encoding": "gzip"}))
    return found[1].decode() if found else '"none"'


def measure(peers: list[Peer], headers: Callable[[Peer], dict[str, str]]) -> dict[str, tuple[float, float]]:
    """The median of some rounds, the servers taking turns so that all meet the same weather."""
    seen: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
    for _ in range(ROUNDS):
        for peer in peers:
            seen[peer.name].append(load(peer, headers(peer)))
    return {name: (median(r for r, _ in runs), median(c for _, c in runs)) for name, runs in seen.items()}


def table(title: str, figures: dict[str, tuple[float, float]]) -> Table:
    """One case, with ratios to ours."""
    made = Table(title=title)
    for column in ("", "requests/s", "CPU µs/request", "ours : it", "by CPU", "goal"):
        made.add_column(column, justify="right")
    our_rate, our_cpu = figures["ours"]
    for name, (rate, cpu) in figures.items():
        goal = f"{GOALS[name]}" if name in GOALS else ""
        made.add_row(
            name, f"{rate:,.0f}", f"{cpu:.1f}", f"{our_rate / rate:.2f}", f"{cpu / our_cpu:.2f}", goal
        )
    return made


def main() -> None:
    """Print both tables; exit 1 when a goal is missed."""
    console, body = Console(width=100), document()
    console.print(f"document {len(body):,} bytes, gzip {len(gzip.compress(body)):,}; one core each")
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder, url = Path(name), f"sqlite:///{name}/store.db"
        prepare(url, body)
        peers = [running.enter_context(child(which, url)) for which in ("ours", "hello")]
        if program := shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
            peers.append(running.enter_context(nginx(program, folder, body)))
        tags = {peer.name: tag_of(peer) for peer in peers}
        gzip_200 = measure(peers, lambda _: {"Accept-Encoding": "gzip"})
        not_modified = measure(
            peers, lambda peer: {"Accept-Encoding": "gzip", "If-None-Match": tags[peer.name]}
        )
    console.print(table("304", not_modified), table("gzip 200 (hello: 5 bytes)", gzip_200))
    cases = [
        figures["ours"][0] / figures[name][0] >= goal
        for figures in (not_modified, gzip_200)
        for name, goal in GOALS.items()
        if name in figures
    ]
    console.print(f"goals of DESIGN §8: {'reached' if all(cases) else 'MISSED'}")
    raise SystemExit(0 if all(cases) else 1)


if __name__ == "__main__":
    serve_here(*sys.argv[1:]) if sys.argv[1:] else main()
