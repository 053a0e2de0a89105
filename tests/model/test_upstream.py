"""What an address of a feed may be."""

from __future__ import annotations

import pytest

from syndicator.model.upstream import LONGEST_ADDRESS, address_fault


@pytest.mark.parametrize(
    "url",
    [
        "https://cms.example/feed",
        "HTTP://CMS.example:8080/?a=b@c#d",
        "http://münchen.example/ü",
        "http://[::1]/f",
    ],
)
def test_addresses(url: str) -> None:
    """Whether it may be reached is the guard's to say, and changes with its configuration."""
    assert address_fault(url) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://user:secret@cms.example/feed", "write it without them"),
        ("https://user@cms.example/feed", "write it without them"),
        ("https://cms.example/\nfeed", "one line"),
        ("https://cms.example/\u202efeed", "one line"),
        (" https://cms.example/", "one line"),
        ("https://cms.example/" + "a" * LONGEST_ADDRESS, "at most 2,000 characters"),
        ("https:///feed", "no web address"),
        ("https://cms.example:0/", "no web address"),
        ("https://cms.example:99999/", "no web address"),
        ("http://[::1/feed", "no web address"),
        ("javascript:alert(1)", "no web address"),
        ("", "no web address"),
    ],
)
def test_no_addresses(url: str, why: str) -> None:
    """security:H2, security:S3 — it is shown, exported and credited: one line without a password, which no error repeats."""
    fault = address_fault(url) or ""
    assert why in fault
    assert "secret" not in fault
