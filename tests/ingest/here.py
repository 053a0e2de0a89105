"""Reading in this process, as it crosses from the child but without one: how that is confined is shown elsewhere."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from syndicator.ingest.child import reading
from syndicator.ingest.entries import Entry, Parsed, incoming
from syndicator.model.upstream import Upstream
from tests.make import NOW

URL = "https://cms.example/feeds/news.xml"
UPSTREAM = Upstream(id=1, slug="cms", url=URL, created=NOW)


@lru_cache(maxsize=1)
def answers() -> TypeAdapter[Any]:
    """What a child's answer is held to."""
    return TypeAdapter(Parsed)


def read(
    body: bytes, *, content_type: str = "", url: str | None = URL, known: frozenset[str] = frozenset()
) -> Parsed:
    """The feed in a body."""
    said: Parsed = answers().validate_json(json.dumps(reading.read(body, content_type, url, known)))
    return said


def only(body: bytes, *, url: str | None = URL) -> Entry:
    """Its only entry."""
    (one,) = read(body, url=url).entries
    return one


def body_of(body: bytes) -> str:
    """What becomes of the first entry's text once it is taken."""
    feed = read(body)
    return incoming(feed.entries[0], feed, UPSTREAM, NOW).content.body
