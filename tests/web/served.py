"""The web process in a thread on a real socket, and small clients for it."""

import asyncio
import contextlib
import gzip
import hashlib
import http.client
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest
from jinja2.bccache import Bucket, BytecodeCache

from syndicator import publish
from syndicator.model.item import ALL, Content, Item, Kind, Topic
from syndicator.model.site import Format, Site
from syndicator.signup import Tokens
from syndicator.store import Store, documents, open_store, topics
from syndicator.web.app import App, Server, Web, create_app, listen, server
from tests.make import FakeClock

SITE = Site(
    title="Society of Example",
    base_url="https://news.example",
    zone="Europe/London",
    media_contact="press@news.example",
    hubs=("https://hub.example/",),
)
TOKENS = Tokens(["the present key, long enough"])
MODIFIED = datetime(2026, 3, 2, 8, 59, 59, tzinfo=UTC)


@dataclass(frozen=True)
class Reply:
    """What came back over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(frozen=True)
class Running:
    """A web process and where it listens."""

    app: App
    port: int
    machine: Server

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
        """One request on a connection of its own; `if_none_match=` is the header If-None-Match."""
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body=body, headers={"Accept-Encoding": "identity", **named})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    def raw(self, data: bytes, timeout: float = 10) -> bytes:
        """Send bytes, read until the server closes or falls silent."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as wire:
            wire.sendall(data)
            return drain(wire)


def drain(wire: socket.socket) -> bytes:
    """Everything until the other side closes or falls silent."""
    parts = []
    with contextlib.suppress(TimeoutError, ConnectionError):
        while part := wire.recv(65536):
            parts.append(part)
    return b"".join(parts)


class Compiled(BytecodeCache):
    """Templates compiled once for all web processes of a run; jinja sees by their words whether they still fit."""

    kept: ClassVar[dict[str, bytes]] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give what is there."""
        if known := self.kept.get(bucket.key):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what is new."""
        self.kept[bucket.key] = bucket.bytecode_to_string()


@contextlib.contextmanager
def running(store: Store, site: Site = SITE, *, early: bool = True, **more: Any) -> Iterator[Running]:
    """The whole application over `store`, served by uvicorn from another thread; with or without its early door."""
    app = create_app(Web(store=store, site=site, tokens=more.pop("tokens", TOKENS), **more))
    app._pages._templates.bytecode_cache = Compiled()
    with listen("127.0.0.1", 0) as bound:
        machine = server(app, early=early)
        machine.main_loop = lambda: _until_told(machine)  # type: ignore[method-assign]
        thread = threading.Thread(target=machine.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        wait_until(lambda: machine.started or not thread.is_alive())
        assert machine.started
        try:
            yield Running(app, bound.getsockname()[1], machine)
        finally:
            machine.should_exit = True
            thread.join(15)


async def _until_told(machine: Server) -> None:
    """uvicorn's own loop, but it looks ten times as often whether to end: a test waits for it."""
    ticks = 0
    while not await machine.on_tick(ticks // 10):
        ticks += 1
        await asyncio.sleep(0.01)


@contextlib.contextmanager
def lasting_store(template: Path, folders: pytest.TempPathFactory) -> Iterator[Store]:
    """A SQLite store for a whole module, where the database is not what the tests are about."""
    folder = folders.mktemp("lasting")
    for part in template.parent.iterdir():
        shutil.copy(part, folder)
    clock = FakeClock()
    with open_store(f"sqlite:///{folder / template.name}", host_clock=clock, fixed_clock=clock) as store:
        yield store


def wait_until(true: Callable[[], object], within: float = 10) -> float:
    """Wait for a condition; returns how many seconds it took."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < within, "waited in vain"
        time.sleep(0.005)
    return time.monotonic() - begun


def add_topic(store: Store, slug: str, title: str | None = None) -> Topic:
    """A plain topic, made unless it is there."""
    with store.begin() as tx:
        known = topics.find(tx, slug)
        made = Topic(slug=slug, title=title or slug.title(), uid=f"tag:news.example:{slug}", created=tx.now)
        return known or topics.add(tx, made)


def add_item(store: Store, title: str = "A title", *, uid: str | None = None, **words: Any) -> Item:
    """A live item, filed under its topics, which are made where they are not there."""
    for slug in (ALL, *words.get("topics", ())):
        add_topic(store, slug)
    content = Content(title=title, **{"kind": Kind.NEWS, **words})
    with store.begin() as tx:
        return publish.publish(tx, uid or f"tag:news.example:{title}", content)


def save_document(
    store: Store,
    body: bytes,
    *,
    topic: str = "policy",
    format: Format = Format.ATOM,
    modified: datetime = MODIFIED,
) -> str:
    """Put bytes in the place of a topic's feed, as the feeds flow would; returns their tag."""
    made = add_topic(store, topic)
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    packed = gzip.compress(body, mtime=0)
    with store.begin() as tx:
        documents.save(tx, made.id, format, etag=etag, body=body, gzip=packed, modified=modified, items=1)
    return etag


def with_tag(etag: str, suffix: str) -> str:
    """The tag of another coding."""
    return f'{etag[:-1]}{suffix}"'


def site(**fields: Any) -> Site:
    """The test site with other fields."""
    return replace(SITE, **fields)
