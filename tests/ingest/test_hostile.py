"""A crowd of hostile servers beside a hundred healthy ones: each hostile one is backed off in words, nobody else notices.

Whether anybody was held up is judged by order alone: some servers keep silent until every healthy feed is settled.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain, pairwise, repeat
from typing import Any

import pytest

from syndicator.ingest.parse import Pool
from syndicator.ingest.poll import Polled, Poller
from syndicator.model.upstream import Upstream
from syndicator.runtime import clock
from syndicator.store import Store, items, open_store, upstreams
from syndicator.wire.guard import parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.crowd import Behaviour, Crowd, crowding, host, saying
from tests.ingest.feeds import AGENT, LIMITS, entry, rss
from tests.make import make_newsroom, make_site

HEALTHY = 100
SILENT = 10  # servers that say nothing until all healthy feeds are settled
SHORT, LONG = timedelta(seconds=1), timedelta(seconds=60)  # deadlines: of what hangs or drips, of all others
OPEN = ("127.0.0.0/8",)
XML = "content-type: application/rss+xml\r\n"


# -- what servers do


async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Never answer."""
    await reader.read()


async def drip_headers(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A header line every tenth of a second, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        while not writer.is_closing():
            writer.write(b"x-slow: 1\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)  # the drip itself


async def drip_body(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every tenth of a second."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n<rss>")
    with suppress(OSError):
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.1)  # the drip itself


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Chunks without end, as fast as they are taken."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    with suppress(OSError):
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Break off in the middle with a reset."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<rss>")
    await writer.drain()
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def nonsense(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """No HTTP at all."""
    writer.write(b"220 ftp.example ready\r\n" * 3)


def feed(inner: str, head: str = "") -> Behaviour:
    """An RSS document with this inside its channel."""
    body = f"<?xml version='1.0'?>{head}<rss version='2.0'><channel><title>x</title>{inner}</channel></rss>"
    return saying(body.encode(), headers=XML)


def laughs() -> Behaviour:
    """A billion laughs (security:X4)."""
    names = "abcdefghij"
    entities = "<!ENTITY a 'ha'>" + "".join(
        f"<!ENTITY {name} '{f'&{before};' * 10}'>" for before, name in pairwise(names)
    )
    return feed("<item><title>&j;</title></item>", f"<!DOCTYPE rss [{entities}]>")


def bomb() -> Behaviour:
    """A few kilobytes that inflate to fifty megabytes."""
    body = gzip.compress(b" " * 50_000_000)
    return saying(body, headers=f"content-encoding: gzip\r\n{XML}")


def moved(where: str, status: str = "302 Found") -> Behaviour:
    """A redirect."""
    return saying(b"", status=status, headers=f"location: {where}\r\n")


@dataclass(frozen=True)
class Row:
    """One kind of bad input: what its server does, and a word that its fault must hold."""

    behaviour: Behaviour
    says: str
    url: str | None = None  # where it is not the usual address of its host
    allow: tuple[str, ...] = OPEN
    asked: bool = True
    short: bool = False


NEVER = saying(b"", status="500 It was asked")
ROWS: dict[str, Row] = {
    "hang": Row(hang, "in time", short=True),
    "drip-headers": Row(drip_headers, "in time", short=True),
    "drip-body": Row(drip_body, "in time", short=True),
    "endless": Row(endless, "bytes"),
    "gzip-bomb": Row(bomb(), "bytes"),
    "reset": Row(reset, "127.1.0."),
    "nonsense": Row(nonsense, "broken HTTP"),
    "too-short": Row(saying(rss(entry()), length=10**6, headers=XML), "broke off"),
    "refuses": Row(saying(b"", status="403 Forbidden"), "403"),
    "loop": Row(moved("/feed"), "more than 5 times"),
    "laughs": Row(laughs(), "entit"),
    "external": Row(
        feed("<item><title>&e;</title></item>", "<!DOCTYPE rss [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"),
        "entit",
    ),
    "deep": Row(feed("<a>" * 200_000 + "</a>" * 200_000), "deep"),
    "attributes": Row(
        feed("<item " + " ".join(f"a{n}='{'x' * 90}'" for n in range(20_000)) + "/>"), "longer than 1 MiB"
    ),
    "items": Row(feed("<item><title/></item>" * 200_000), "more than 5,000 items"),
    "page": Row(
        saying(b"<!doctype html><title>Please log in</title>", headers="content-type: text/html\r\n"),
        "web page",
    ),
    "empty": Row(saying(b""), "empty"),
    "redirect-private": Row(moved("http://10.0.0.1/feed"), "10.0.0.1 is a private address"),
    "redirect-metadata": Row(moved("http://169.254.169.254/latest/meta-data/"), "169.254.169.254"),
    "redirect-file": Row(moved("file:///etc/passwd"), "only http and https"),
    "decimal": Row(NEVER, "plain address", url="http://2130706433/feed", asked=False),
    "octal": Row(NEVER, "no web address", url="http://0177.0.0.1/feed", asked=False),
    "mapped": Row(NEVER, "allow_private", url="http://[::ffff:127.0.0.1]/feed", allow=(), asked=False),
    "private": Row(NEVER, "allow_private", url="http://127.0.0.1/feed", allow=(), asked=False),
    "port": Row(NEVER, "port", allow=(), asked=False),
    "rebinding": Row(
        moved("/again"), "leads to 10.0.0.1, a private address", url="http://rebind.example:{port}/feed"
    ),
}


ROWS |= {f"silent-{n}": Row(NEVER, "500") for n in range(SILENT)}


@dataclass
class Story:
    """What happened, in order: which upstream was settled when. `over` is set once all healthy ones are."""

    over: threading.Event
    polled: list[Polled] = field(default_factory=list)

    def told(self, one: Polled) -> None:
        """Write it down."""
        self.polled.append(one)
        if sum(one.slug.startswith("healthy-") for one in self.polled) == HEALTHY:
            self.over.set()

    @property
    def order(self) -> list[str]:
        """The upstreams as they were settled."""
        return [one.slug for one in self.polled]

    def faults(self) -> dict[str, str]:
        """Why those failed that did."""
        return {one.slug: one.fault for one in self.polled if one.fault}


class Rebinding:
    """A resolver whose name is its own host at first, which may be reached, and a private address from then on."""

    def __init__(self, own: str) -> None:
        self.answers = chain([own], repeat("10.0.0.1"))

    def __call__(self, *_: Any, **__: Any) -> list[Any]:
        """As `socket.getaddrinfo`."""
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(self.answers), 0))]


REBINDING = host(HEALTHY + list(ROWS).index("rebinding"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(2) as running:
        yield running


@pytest.fixture(scope="module")
def over() -> threading.Event:
    """What the silent servers wait for."""
    return threading.Event()


@pytest.fixture(scope="module")
def crowd(over: threading.Event) -> Iterator[Crowd]:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(over.wait)
        writer.write(b"HTTP/1.1 500 Too late\r\ncontent-length: 0\r\n\r\n")

    with crowding(HEALTHY + len(ROWS)) as running:
        for n in range(HEALTHY):
            guid = f"tag:healthy.example,2026:{n}"
            running.behaviours[host(n)] = saying(rss(entry(n, guid=guid)), headers=XML)
        for n, (slug, row) in enumerate(ROWS.items(), HEALTHY):
            running.behaviours[host(n)] = silent if slug.startswith("silent-") else row.behaviour
        yield running


@pytest.fixture
def told(store_url: str, crowd: Crowd, pool: Pool, over: threading.Event) -> Iterator[tuple[Store, Story]]:
    """The story of one round: the hostile ones are due first, the healthy ones behind them."""
    story = Story(over)
    over.clear()
    crowd.asked.clear()
    with open_store(store_url, host_clock=clock) as store:
        make_newsroom(store)
        due = [
            (slug, crowd.url(n), row.url, row.allow) for n, (slug, row) in enumerate(ROWS.items(), HEALTHY)
        ]
        due += [(f"healthy-{n}", crowd.url(n), None, OPEN) for n in range(HEALTHY)]
        with store.begin() as tx:
            for slug, usual, other, allow in due:
                url = other.format(port=crowd.port) if other else usual
                add(tx, slug, url, allow)

        def client(upstream: Upstream) -> AsyncClient:
            row = ROWS.get(upstream.slug)
            limits = replace(LIMITS, deadline=SHORT if row and row.short else LONG)
            return AsyncClient(
                parse_guard(upstream.allow_private), AGENT, limits, resolve=Rebinding(REBINDING)
            )

        poller = Poller(store, client, mint, pool, make_site(), told=story.told, width=50)
        asyncio.run(poller.drain())
        yield store, story


def add(tx: Any, slug: str, url: str, allow: tuple[str, ...]) -> None:
    upstreams.add(
        tx,
        Upstream(id=0, slug=slug, url=url, topics=("policy",), allow_private=allow, created=tx.now),
    )


def mint(now: datetime) -> str:
    return f"tag:news.example,{now:%Y-%m-%d}:{os.urandom(4).hex()}"


def test_a_hostile_crowd_delays_nobody(told: tuple[Store, Story], crowd: Crowd) -> None:
    """security:X1, security:X2, security:X3, security:X4, security:S2, security:S4, security:S6, feeds:I6, feeds:I7,
    feeds:I10, feeds:I22, feeds:I23: each of them fails by itself, and says why.
    """
    store, story = told
    healthy = [slug for slug in story.order if slug.startswith("healthy-")]
    assert len(healthy) == HEALTHY
    # All healthy ones were read while others had yet to hear the first byte.
    silent = [story.order.index(slug) for slug in ROWS if slug.startswith("silent-")]
    assert max(map(story.order.index, healthy)) < min(silent)
    faults = story.faults()
    for slug, row in ROWS.items():
        assert row.says in faults.get(slug, "it has no fault"), slug
    assert not [slug for slug in faults if slug.startswith("healthy-")]
    with store.read() as tx:
        assert len(items.listing(tx, limit=10**6)) >= HEALTHY
        for slug in ROWS:
            status = upstreams.status(tx, slug)
            assert (status.failures, status.succeeded) == (1, None), slug
            assert status.next_check
            assert status.checked
            assert status.next_check >= status.checked + timedelta(minutes=30), slug
        assert upstreams.next_check(tx)
        assert not upstreams.anything_due(tx)
    asked = set(crowd.asked)
    for n, (slug, row) in enumerate(ROWS.items(), HEALTHY):
        assert (host(n) in asked) == row.asked, slug
    assert max(crowd.busiest.values()) == 1
