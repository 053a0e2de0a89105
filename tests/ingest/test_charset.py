"""Encodings: mark, declaration, server and bytes may all say something else."""

from __future__ import annotations

import pytest

from tests.ingest.feeds import entry, rss
from tests.ingest.here import only, read

DISAGREE = {
    "a mark and another declaration": (
        rss(entry(title="Grüße")).replace(b"utf-8", b"koi8-r", 1),
        "\ufeff",
        "",
    ),
    "a mark and another charset": (rss(entry(title="Grüße")), "\ufeff", "text/xml; charset=iso-8859-1"),
    "utf-8 declared as latin-1": (rss(entry(title="Grüße")).replace(b"utf-8", b"iso-8859-1", 1), "", ""),
    "utf-8 served as latin-1": (rss(entry(title="Grüße")), "", "text/xml; charset=ISO-8859-1"),
    "text/xml is no ASCII": (rss(entry(title="Grüße")), "", "text/xml"),
    "no such charset": (rss(entry(title="Grüße")), "", 'text/xml; charset="klingon"'),
}


@pytest.mark.parametrize(("body", "mark", "served"), DISAGREE.values(), ids=DISAGREE.keys())
def test_what_the_bytes_are_wins(body: bytes, mark: str, served: str) -> None:
    """feeds:I19 — what is UTF-8 is read as such, whatever mark, declaration and server say."""
    (one,) = read(mark.encode() + body, content_type=served).entries
    assert one.title == "Grüße"


@pytest.mark.parametrize(
    ("declared", "served", "real", "title"),
    [
        ("iso-8859-1", "", "windows-1252", "“Grüße” – 3 €"),
        ("utf-8", "", "windows-1252", "“Grüße” – 3 €"),
        ("us-ascii", "text/xml; charset=us-ascii", "windows-1252", "“Grüße”"),
        ("koi8-r", "", "koi8-r", "Привет"),
        ("koi8-r", "text/xml; charset=iso-8859-1", "koi8-r", "Привет"),
        ("utf-8", "text/xml; charset=koi8-r", "koi8-r", "Привет"),
        ("windows-1251", "", "windows-1251", "Привет"),
        ("shift_jis", "", "shift_jis", "漢字かな"),
        ("gb2312", "", "gb18030", "漢字汉字"),
        ("iso-8859-15", "", "iso-8859-15", "3 €"),
        ("utf-8", "", "utf-16", "Grüße"),
        ("utf-16", "", "utf-16-le", "Grüße"),
        ("utf-16", "", "utf-16-be", "Grüße"),
        ("utf-32", "", "utf-32", "Grüße"),
    ],
)
def test_single_bytes_and_wide_ones(declared: str, served: str, real: str, title: str) -> None:
    """feeds:I19 — windows-1252 under other names, a server's default against a declaration, wide bytes."""
    body = rss(entry(title=title)).decode().replace("utf-8", declared, 1).encode(real)
    (one,) = read(body, content_type=served).entries
    assert one.title == title


def test_bytes_of_another_encoding_in_between() -> None:
    """feeds:I19 — two bytes that somebody pasted cost nothing but themselves, and the owner is told."""
    feed = read(rss(entry(title="Grüße für @quoted@ viele")).replace(b"@", b"\x93", 1).replace(b"@", b"\x94"))
    assert feed.entries[0].title == "Grüße für “quoted” viele"
    assert feed.warning == "it says that it is utf-8, but it is windows-1252 in part"


def test_utf_7_is_not_spoken() -> None:
    """feeds:I19, security:H1 — nobody else would see a tag there, so neither do we."""
    body = rss(entry(description="+ADw-b+AD4-x")).replace(b"utf-8", b"utf-7", 1)
    assert only(body).body == "+ADw-b+AD4-x"


WARNING = "<br />\n<b>Warning</b>:  Cannot modify header in <b>/x.php</b> on line <b>12</b><br />\n"


@pytest.mark.parametrize("before", ["\n\n  ", "\ufeff\ufeff", WARNING, "Notice: odd < thing\n", "\0\n"])
def test_what_stands_before_the_declaration(before: str) -> None:
    """feeds:I19 — blank lines and a program's warnings before it hide neither the feed nor its encoding."""
    body = before.encode() + rss(entry(title="Grüße")).decode().replace("utf-8", "koi8-r").encode("utf-8")
    assert only(body).title == "Grüße"
