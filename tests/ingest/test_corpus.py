"""The corpus of other people's feeds: every file gives what its source states, and none hangs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syndicator.ingest.parse import Pool
from tests.ingest.corpus import ASSERTIONS, CORPUS, NOT_KEPT, Row, Taken, read, rows

ROWS = rows()

pytestmark = pytest.mark.skipif(not ROWS, reason=f"the corpus is not at {CORPUS}")


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """Real children for all files of this process of tests."""
    with Pool(1) as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_file(row: Row, pool: Pool) -> None:
    """feeds:I13, feeds:I14, feeds:I19, feeds:§4 acceptance — every file is read, in time, with what is stated of it.

    The entries and the title that its source states, or at least the entries that feedparser finds; and what is
    asserted of fields that we keep. Each entry that says anything can be taken.
    """
    taken = read(pool, row)
    assert isinstance(taken, Taken), taken
    found = len(taken.feed.entries)
    assert found == (row.entries if row.entries is not None else max(found, row.seen))
    assert taken.feed.title == (row.title or taken.feed.title)
    assert all(thing.identity and thing.content.title for thing in taken.things)
    said = [entry for entry in taken.feed.entries if entry.title or entry.link or entry.summary]
    assert len(taken.things) >= len(said)
    if row.assertion and row.file not in NOT_KEPT:
        assert ASSERTIONS[row.file](taken), row.assertion


def test_all_that_is_stated_is_looked_at() -> None:
    """feeds:§4 acceptance — no assertion of the index is passed over in silence."""
    asserted = {row.file for row in ROWS if row.assertion}
    assert asserted == set(ASSERTIONS) | set(NOT_KEPT)
    assert not set(ASSERTIONS) & set(NOT_KEPT)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.file)
def test_the_same_again_is_known(row: Row, pool: Pool) -> None:
    """feeds:I16 — a second look at the same bytes finds every entry known by its hash."""
    taken = read(pool, row)
    assert isinstance(taken, Taken), taken
    known = frozenset(entry.raw or "" for entry in taken.feed.entries)
    again = pool.parse(
        row.body, url=row.headers.get("content-location") or "https://example.org/feed", known=known
    )
    assert again.entries == ()
    assert set(again.unchanged) == known
