"""Round trip: what we ingest and publish, another instance ingests and publishes; nothing changes, nothing grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from syndicator import publish
from syndicator.ingest.parse import Pool
from syndicator.model.item import Content
from syndicator.model.site import Format
from tests.interop import hops
from tests.interop.newsrooms import Plan, newsrooms
from tests.interop.test_interop import FEW, Play, play

__all__ = ["play"]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """A parsing process for all of these tests."""
    with Pool(1) as pool:
        yield pool


@settings(FEW, max_examples=4)
@given(plan=newsrooms())
def test_two_hops_change_nothing(
    play: Play, pool: Pool, sqlite_template: Path, tmp_path: Path, plan: Plan
) -> None:
    """feeds:I28 same ids, titles, bodies, rights and dates after two hops; the credit is the first feed's; no growth."""
    for document in play(plan):
        if document.path.startswith("/feeds/all.") and document.format is not Format.JSON:
            assert hops.differences(document, pool, sqlite_template, tmp_path) == []


def test_what_comes_back_to_us_is_left_alone(pool: Pool, sqlite_template: Path, tmp_path: Path) -> None:
    """feeds:I28 two newsrooms that read each other: neither doubles what it has from the other."""
    a = hops.opened(sqlite_template, tmp_path / "a", "a.example")
    b = hops.opened(sqlite_template, tmp_path / "b", "b.example")
    with a.store, b.store:
        for room in (a, b):
            with room.store.begin() as tx:
                publish.publish(tx, f"tag:{room.site.host},2026:1", Content(title="One", body="<p>x</p>"))
        for _ in range(3):
            for room, other in ((a, b), (b, a)):
                url = other.site.feed_url("all", Format.ATOM)
                room.read(pool, url, other.document(Format.ATOM), Format.ATOM)
        both = {"tag:a.example,2026:1", "tag:b.example,2026:1"}
        assert [both, both] == [set(room.uids()) for room in (a, b)]
        assert [2, 2] == [len(room.uids()) for room in (a, b)]
