"""Round trip: what we ingest and publish, another instance ingests and publishes; nothing changes, nothing grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings

from syndicator.ingest.parse import Pool
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
    """feeds:I28 same ids, titles, bodies and dates after two hops; the credit is the first feed's; no growth."""
    for document in play(plan):
        if document.path.startswith("/feeds/all.") and document.format is not Format.JSON:
            assert hops.differences(document, pool, sqlite_template, tmp_path) == []
