"""Feeds to serve and a loopback server to serve them: what the tests of ingest read over a real socket."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from typing import Any

from syndicator import __version__
from syndicator.ingest.fetch import MAX_BYTES
from syndicator.model.upstream import Upstream
from syndicator.wire.exchange import Limits
from syndicator.wire.guard import Guard, parse_guard
from syndicator.wire.http_async import AsyncClient
from tests.ingest.loopback import Quiet, listening
from tests.make import NOW

AGENT = f"Syndicator/{__version__} (+https://news.example)"
LIMITS = Limits(max_bytes=MAX_BYTES, deadline=timedelta(seconds=30), redirects=5)


def entry(number: int = 1, *, published: Any = NOW, guid: str | None = "", **other: str) -> str:
    """An RSS item; `guid` None leaves it out, "" makes a tag: URI of the number."""
    parts = {"title": f"Item {number}", "link": f"https://cms.example/{number}", "description": "In short."}
    parts |= other
    name = f"tag:cms.example,2026:{number}" if guid == "" else guid
    texts = "".join(f"<{tag}>{text}</{tag}>" for tag, text in parts.items() if text)
    date = f"<pubDate>{format_datetime(published)}</pubDate>" if published else ""
    ident = f'<guid isPermaLink="false">{name}</guid>' if name else ""
    return f"<item>{ident}{texts}{date}</item>"


def rss(*entries: str, head: str = "", title: str = "CMS") -> bytes:
    """An RSS document of these items."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?>{head}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/" '
        f'xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>{title}</title><link>https://cms.example/</link>'
        f"<description>d</description>{''.join(entries)}</channel></rss>"
    ).encode()


def atom(*entries: str, attributes: str = "") -> bytes:
    """An Atom document of these entries."""
    return (
        f'<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:app="http://www.w3.org/2007/app" {attributes}>'
        "<id>tag:partner.example,2026:feed</id><title>Partner</title><updated>2026-03-01T00:00:00Z</updated>"
        '<link rel="self" href="https://partner.example/feed.atom"/><link href="https://partner.example/"/>'
        f"<author><name>Desk</name></author>{''.join(entries)}</feed>"
    ).encode()


@dataclass
class Site:
    """What the server says next, and what it was asked; `answers` by path, headers as given."""

    port: int = 0
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    moved: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The feed's address."""
        return f"http://127.0.0.1:{self.port}/feed"

    def say(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer so from now on; header names with underscores."""
        self.body, self.status = body, status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def zip(self) -> None:
        """Answer in gzip."""
        self.body = gzip.compress(self.body)
        self.headers["content-encoding"] = "gzip"

    def client(self, upstream: Upstream) -> AsyncClient:
        """A real guarded client that may reach the ranges this upstream allows."""
        return AsyncClient(parse_guard(upstream.allow_private), AGENT, LIMITS)

    def open(self) -> AsyncClient:
        """A real client that may reach loopback."""
        return AsyncClient(parse_guard(["127.0.0.0/8"]), AGENT, LIMITS)

    def shut(self) -> AsyncClient:
        """A real client for the public internet only."""
        return AsyncClient(Guard(), AGENT, LIMITS)


@contextmanager
def serving() -> Iterator[Site]:
    """A server on loopback for as long as the block runs."""
    site = Site()

    class Handler(Quiet):
        def get(self) -> None:
            site.asked.append(
                {name.lower(): value for name, value in self.headers.items()} | {"path": self.path}
            )
            if self.path in site.moved:
                status, where = site.moved[self.path]
                self.send(status, b"", {"location": where})
                return
            known = site.headers.get("etag")
            if site.status == 200 and known and self.headers.get("if-none-match") == known:
                self.send(304, b"", site.headers)
                return
            self.send(site.status, site.body, site.headers)

    with listening(Handler) as site.port:
        yield site
