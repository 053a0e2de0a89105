"""The corpus of other people's feeds: every file gives entries or a clear refusal, and none hangs.

The files stand beside the project (`../shared`, or SYNDICATOR_SHARED) and are never part of it.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from syndicator.errors import Invalid
from syndicator.ingest.entries import Parsed, incoming
from syndicator.ingest.parse import Unreadable, parse
from syndicator.model.upstream import Upstream
from tests.make import NOW

SHARED = Path(os.environ.get("SYNDICATOR_SHARED") or Path(__file__).parents[3] / "shared")
CORPUS = SHARED / "corpus" / "feeds"
UPSTREAM = Upstream(id=1, slug="corpus", url="https://example.org/feed", created=NOW)


def rows() -> list[dict[str, str]]:
    if not (CORPUS / "index.tsv").exists():
        return []
    with (CORPUS / "index.tsv").open(encoding="utf-8", newline="") as index:
        return list(csv.DictReader(index, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = rows()


def attempt(name: str) -> Parsed | str:
    try:
        return parse((CORPUS / name).read_bytes(), url=UPSTREAM.url)
    except Unreadable as refusal:
        return str(refusal)


Read = Callable[[str], Parsed | str]


@pytest.fixture(scope="module")
def read(request: pytest.FixtureRequest, worker_id: str) -> Iterator[Read]:
    """How a file is read: alone in a process of many, else ahead of its test and two at a time."""
    if worker_id != "master":
        yield attempt
        return
    wanted = {item.name.partition("[")[2].rstrip("]") for item in request.session.items}
    with ThreadPoolExecutor(2) as pool:
        ahead = {row["file"]: pool.submit(attempt, row["file"]) for row in ROWS if row["file"] in wanted}
        yield lambda name: ahead[name].result(timeout=100)


@pytest.mark.skipif(not ROWS, reason=f"the corpus is not at {CORPUS}")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_file(row: dict[str, str], read: Read) -> None:
    """feeds:§4 acceptance — entries as stated, or at least as feedparser finds them, or a refusal in words."""
    feed = read(row["file"])
    if row["file"].endswith(".json"):
        assert feed == "JSON Feed is read from a later version on"
        return
    assert isinstance(feed, Parsed), feed
    assert len(feed.entries) == int(
        row["expected_entries"] or max(int(row["feedparser_entries"]), len(feed.entries))
    )
    for entry in feed.entries:
        with suppress(Invalid):  # a feed of tests may hold items that say nothing at all
            assert incoming(entry, feed, UPSTREAM, NOW).identity
