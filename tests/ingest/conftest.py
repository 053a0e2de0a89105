"""A feed server for each test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.ingest.feeds import Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    """A loopback server whose answers the test sets."""
    with serving() as running:
        yield running
