"""What others make of our feeds: the validator, the schema, and the readers people have, over random newsrooms.

The short form; `make interop` lives through 500 newsrooms.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from syndicator.model.site import Format
from tests.interop import judge, readers
from tests.interop.newsrooms import Plan, Served, live, newsrooms

Play = Callable[[Plan], list[Served]]
FEW = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink a newsroom takes minutes
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
    ],
)


@pytest.fixture(scope="module")
def feedsmith(tmp_path_factory: pytest.TempPathFactory) -> Iterator[readers.Reader]:
    """npm's feedsmith."""
    with readers.feedsmith(tmp_path_factory.mktemp("feedsmith")) as read:
        yield read


@pytest.fixture
def play(sqlite_template: Path, tmp_path: Path) -> Play:
    """What lives through a plan, on a new store each time."""

    def played(plan: Plan) -> list[Served]:
        folder = tmp_path / "newsroom"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sqlite_template.parent, folder)
        return live(plan, f"sqlite:///{folder / sqlite_template.name}")

    return played


@FEW
@given(plan=newsrooms())
def test_every_reader_sees_the_same_items(play: Play, plan: Plan) -> None:
    """feeds:P7 atoma (strict), feedparser and fastfeedparser read the same items from every document."""
    for document in play(plan):
        for name, (read, formats) in readers.READERS.items():
            if document.format in formats:
                assert readers.disagreement(name, read, document) is None, (name, document.path)


@FEW
@given(plan=newsrooms())
def test_feedsmith_sees_the_same_items(play: Play, feedsmith: readers.Reader, plan: Plan) -> None:
    """feeds:P7 So does feedsmith, the reader of many JavaScript programs."""
    for document in play(plan):
        assert readers.disagreement("feedsmith", feedsmith, document) is None, document.path


@pytest.mark.skipif(not judge.SCHEMA.is_dir(), reason="the JSON Feed schemas: shared/schemas is absent")
@FEW
@given(plan=newsrooms())
def test_json_feeds_fit_the_schema(play: Play, plan: Plan) -> None:
    """feeds:P2 Every JSON Feed fits the schema of 1.1."""
    for document in play(plan):
        if document.format is Format.JSON:
            assert judge.against_schema(document.body) == []


@pytest.mark.skipif(not judge.validator(), reason="the W3C feed validator: FEEDVALIDATOR_DIR is not set")
@FEW
@given(plan=newsrooms())
def test_the_validator_finds_nothing(play: Play, tmp_path: Path, plan: Plan) -> None:
    """feeds:P1 No error and no warning in any document as served, but for the one a tombstone draws (P23)."""
    found = [document for document in play(plan) if document.format is not Format.JSON]
    for document, verdict in zip(found, judge.verdicts(found, tmp_path), strict=True):
        assert set(verdict) <= judge.accepted(document), (document.path, document.body)
