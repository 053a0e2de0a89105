"""Addresses, names, webhook addresses, and what a partner wants."""

from __future__ import annotations

import re
from itertools import product

import pytest

from syndicator.errors import Invalid
from syndicator.model.audience import Partner, address, person_name, webhook_url
from syndicator.model.delivery import Channel
from syndicator.model.item import Kind
from tests.make import NOW, SECRET


@pytest.mark.parametrize(
    ("text", "typed", "key"),
    [
        ("jane@example.org", "jane@example.org", "jane@example.org"),
        (" Jane.Doe@Example.ORG ", "Jane.Doe@example.org", "jane.doe@example.org"),
        ("j.d+press@example.org", "j.d+press@example.org", "j.d+press@example.org"),
        ("jane@bücher.example", "jane@xn--bcher-kva.example", "jane@xn--bcher-kva.example"),
        ("newsdesk@example.org", "newsdesk@example.org", "newsdesk@example.org"),
        ("JÜRGEN@example.org", "JÜRGEN@example.org", "jürgen@example.org"),
    ],
)
def test_address(text: str, typed: str, key: str) -> None:
    """mail:LM5: the local part keeps its case for sending, the key folds it; dots and tags stay."""
    found = address(text)
    assert (typed, key) == (found.typed, found.key)


def test_two_spellings_are_one_address() -> None:
    """mail:LM5: composed and decomposed letters, upper and lower case, U-label and A-label have one key."""
    spellings = ["Zo\u00eb@Bücher.example", "zoe\u0308@xn--bcher-kva.example", "ZOË@BÜCHER.EXAMPLE"]
    assert 1 == len({address(spelling).key for spelling in spellings})


@pytest.mark.parametrize(
    ("one", "other"),
    [("\u017fmith@example.org", "smith@example.org"), ("groß@example.org", "gross@example.org")],
)
def test_two_mailboxes_are_two_addresses(one: str, other: str) -> None:
    """mail:LM5: letters that only look or sound alike are others: no server delivers them to one mailbox."""
    assert address(one).key != address(other).key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane",
        "jane@",
        "@example.org",
        '"jane doe"@example.org',
        "jane@[192.0.2.1]",
        "a@b@c",
        "jane@example.org\r\nBcc: x@y.example",
        "jane@example.org\n",
        "ja\0ne@example.org",
        "jane@exa mple.org",
        "jane@-example.org",
        "jane..doe@example.org",
        "Jane <jane@example.org>",
        "jane@exam\u2028ple.org",
    ],
)
def test_no_address(text: str) -> None:
    """security:I1: what is no address, or smuggles a header, is refused in one line."""
    with pytest.raises(Invalid, match="is no mail address") as refused:
        address(text)
    assert 1 == len(str(refused.value).splitlines())
    assert not re.search(r"email|address: [A-Z]|\.$", str(refused.value)), "in the words of all other faults"


@pytest.mark.parametrize("text", ["a\r\nb", "a\x00", "a\u2028b", "\u202egnp.exe", "a\x85"])
def test_names_that_break_headers(text: str) -> None:
    """security:I1: a display name holds no line break, control or bidi override."""
    with pytest.raises(Invalid, match="a name holds"):
        person_name(text)


def test_a_name_is_trimmed() -> None:
    """mail:MC20: a name of any script stays as it is, but for white space around it."""
    assert "Zoë O’Neill 李" == person_name("  Zoë O’Neill 李 ")


@pytest.mark.parametrize("text", ["https://hooks.example/in", "http://10.0.0.1:8080/x?y=1", "https://[::1]/"])
def test_webhook_addresses(text: str) -> None:
    """security:S3: an absolute http(s) URL; whether its host may be reached is the guard's business."""
    assert text == webhook_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example/in",
        "ftp://hooks.example/",
        "javascript:alert(1)",
        "https:///in",
        "https://user@hooks.example/",
        "https://user:pw@hooks.example/",
        "https://:pw@hooks.example/",
        "https://@hooks.example/",
        "https://hooks.example/#x",
        "https://[::1/",
        "https://hooks.example:port/",
        "https://hooks.example:99999/",
        "https://hooks.example/\r\nx: y",
    ],
)
def test_no_webhook_address(text: str) -> None:
    """security:S3: other schemes, user and password, fragments and broken hosts are refused in words."""
    with pytest.raises(Invalid):
        webhook_url(text)


@pytest.mark.parametrize(
    ("topics", "kinds"), list(product([(), ("policy",), ("policy", "health")], [(), (Kind.NEWS,)]))
)
def test_what_a_partner_wants(topics: tuple[str, ...], kinds: tuple[Kind, ...]) -> None:
    """design:2: no topics means whatever enters `all`, no kinds every kind; otherwise any topic, one kind."""
    partner = Partner(
        id=1,
        slug="a",
        channel=Channel.WEBHOOK,
        url="https://x",
        secret=SECRET,
        topics=topics,
        kinds=kinds,
        created=NOW,
    )
    for entered, kind in product([("all",), ("policy", "all"), ("policy",), ("climate", "health")], Kind):
        expected = bool(set(topics or ("all",)) & set(entered)) and (not kinds or kind in kinds)
        assert expected is partner.wants(frozenset(entered), kind)
