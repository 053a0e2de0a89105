"""Parsing in a real child: hostile bytes end in words, and what is said arrives as it was meant."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from syndicator.ingest.child import reading
from syndicator.ingest.child.scan import Refuse
from syndicator.ingest.entries import Entry, Parsed
from syndicator.ingest.parse import Pool, Unreadable, _feed
from tests.ingest.feeds import entry, rss

URL = "https://cms.example/feeds/news.xml"
POOL = Pool(1, cpu=timedelta(seconds=2))  # nothing is started before the first body


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    """The pool ends with its tests."""
    yield
    POOL.close()


def read(body: bytes, *, content_type: str = "", url: str | None = URL) -> Parsed:
    return POOL.parse(body, content_type=content_type, url=url)


def only(body: bytes, *, url: str | None = URL) -> Entry:
    (one,) = read(body, url=url).entries
    return one


def refusal(body: bytes) -> str:
    started = time.monotonic()
    with pytest.raises(Unreadable) as caught:
        read(body)
    assert time.monotonic() - started < 16
    return str(caught.value)


def doctype(*entities: str) -> str:
    return f"<!DOCTYPE rss [{''.join(f'<!ENTITY {entity}>' for entity in entities)}]>"


LAUGHS = doctype('l0 "lol"', *(f'l{n} "{f"&l{n - 1};" * 10}"' for n in range(1, 10)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(rss(entry(title="&l9;"), head=LAUGHS), "made of other entities", id="billion-laughs"),
        pytest.param(
            rss(entry(title="&a;" * 50_000), head=doctype(f'a "{"a" * 50_000}"')),
            "longer than 128",
            id="quadratic",
        ),
        pytest.param(
            rss(entry(title="&x;"), head=doctype('x SYSTEM "file:///etc/passwd"')),
            "external entity",
            id="file",
        ),
        pytest.param(rss("<a>" * 200_000), "nested more than 100 deep", id="deep"),
        pytest.param(
            rss("<item " + " ".join(f'a{n}="x"' for n in range(150_000)) + "/>"),
            "longer than 1 MiB",
            id="2MB-tag",
        ),
        pytest.param(
            rss("<item " + " ".join(f'a{n}="x"' for n in range(500)) + "/>"),
            "200 attributes",
            id="attributes",
        ),
        pytest.param(rss("<item/>" * 200_000), "more than 5,000 items", id="items"),
        pytest.param(rss("<!--" * 175_000), "never closed", id="comment-runs"),
        pytest.param(rss(entry(), title="x" * 2_000_000), "longer than 1 MiB", id="long-text"),
        pytest.param(rss(entry(title="x" * 4_500_000)), "longer than 4 MiB", id="absurd-text"),
        pytest.param(rss("<item>" + "x" * 2_000_000), "longer than 1 MiB", id="long-text-without-end"),
        pytest.param(b"x" * 10_000_000, "the limit is 5,000,000", id="10MB"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \n ", "empty", id="blank"),
        pytest.param(b"<!doctype html><html><body>hi</body></html>", "web page", id="html"),
        pytest.param(b"\xef\xbb\xbf<html xmlns='http://www.w3.org/1999/xhtml'/>", "web page", id="xhtml"),
        pytest.param(b'{"error": "no such feed"}', "this is JSON", id="other-json"),
        pytest.param(bytes(range(256)) * 500, "not a feed", id="garbage"),
        pytest.param(b"hello", "not a feed", id="words"),
    ],
)
def test_hostile_bodies_are_refused_in_words(body: bytes, words: str) -> None:
    """security:X1, security:X3, feeds:I12 — each bomb is one feed's failure, told in words, within the time."""
    assert words in refusal(body)


@pytest.mark.parametrize(
    "reference", ["&#55296;", "&#1114112;", "&#x110000;", "&#0;", "\x00", "&#99999999999;"]
)
def test_characters_that_do_not_exist_are_dropped(reference: str) -> None:
    """feeds:I12, security:X5 — references that make feedparser raise cost neither the feed nor the entry."""
    assert only(rss(entry(title=f"a{reference}b"))).title == "ab"


@pytest.mark.parametrize(
    "odd",
    [
        "</width>",
        "</height>",
        "</creativeCommons:license>",
        "<psc:chapters xmlns:psc='http://podlove.org/simple-chapters'><psc:chapter/></psc:chapters>",
        "&#x&#x110000;110000;",
    ],
)
def test_what_feedparser_stumbles_over_costs_that_element_only(odd: str) -> None:
    """feeds:I12 — found by `make fuzz`: ends without a start, an empty chapter, a reference made of two."""
    titles = [
        one.title for one in read(rss(entry(1), odd, entry(2).replace("</item>", f"{odd}</item>"))).entries
    ]
    assert titles == ["Item 1", "Item 2"]


def test_plain_entities_still_work() -> None:
    """security:X1 — a plain internal subset is dropped; what it says plainly is kept."""
    head = doctype('soc "Society of Things"', '% html PUBLIC "-//W3C//x" "http://127.0.0.1:9/x.ent"')
    assert only(rss(entry(title="The &soc;"), head=head)).title == "The Society of Things"


def test_a_string_is_never_opened(tmp_path: Path) -> None:
    """feeds:I8 — a body that reads like a path or an address is neither opened nor fetched.

    feedparser opens bytes as a path, too; only a stream is safe.
    """
    secret = tmp_path / "feed.xml"
    secret.write_bytes(rss(entry()))
    assert "not a feed" in refusal(str(secret).encode())
    assert "not a feed" in refusal(b"http://127.0.0.1:9/feed.xml")


REFERENCES = {
    "document type": lambda at: rss(entry(), head=f'<!DOCTYPE rss SYSTEM "{at}">'),
    "public": lambda at: rss(entry(), head=f'<!DOCTYPE rss PUBLIC "-//x//y" "{at}">'),
    "entity": lambda at: rss(entry(title="&x;"), head=doctype(f'x SYSTEM "{at}"')),
    "parameter": lambda at: rss(entry(), head=f'<!DOCTYPE rss [<!ENTITY % x SYSTEM "{at}"> %x;]>'),
    "public entity": lambda at: rss(entry(title="&x;"), head=doctype(f'x PUBLIC "x" "{at}"')),
    "include": lambda at: rss(
        entry(description=f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" parse="text" href="{at}"/>')
    ),
    "style": lambda at: b'<?xml-stylesheet type="text/xsl" href="%b"?>' % at.encode() + rss(entry()),
    "schema": lambda at: rss(
        f'<item xmlns:x="http://www.w3.org/2001/XMLSchema-instance" x:schemaLocation="urn:x {at}"/>', entry()
    ),
    "address": lambda at: at.encode(),
    "opml": lambda at: f'<opml version="2.0"><body><outline xmlUrl="{at}"/></body></opml>'.encode(),
}
InProcess = Callable[[bytes], object]


@pytest.mark.parametrize("body", REFERENCES.values(), ids=REFERENCES.keys())
@pytest.mark.parametrize(
    "parser", [read, lambda body: reading.read(body, "", URL)], ids=["apart", "with the network at hand"]
)
def test_nothing_outside_is_opened(body: Callable[[str], bytes], parser: InProcess, tmp_path: Path) -> None:
    """security:X1, feeds:I22, feeds:I8 — a listener on this machine hears nothing, and no file is disclosed.

    In the process itself, too, where neither a network of its own nor limits would hide it.
    """
    secret = tmp_path / "secret"
    secret.write_text("the-secret")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        for at in (f"http://127.0.0.1:{listener.getsockname()[1]}/x", secret.as_uri(), str(secret)):
            try:
                said = repr(parser(body(at)))
            except (Unreadable, Refuse) as refused:
                said = str(refused)
            assert "the-secret" not in said
        with pytest.raises(BlockingIOError):
            listener.accept()


MISMATCHED = {
    "utf-7 declared": rss(entry(title="+ADw-script+AD4-")).replace(b'"utf-8"', b'"utf-7"', 1),
    "utf-16 declared, utf-8 said": rss(entry(title="ä")).replace(b'"utf-8"', b'"utf-16"', 1),
    "utf-8 declared, utf-16 said": rss(entry(title="ä")).decode().encode("utf-16"),
    "utf-16 cut in the middle": rss(entry(title="ä")).decode().encode("utf-16")[:-301],
    "utf-32": rss(entry(title="ä")).decode().encode("utf-32"),
    "ascii declared, latin-1 said": rss(entry(title="ä"))
    .replace(b'"utf-8"', b'"us-ascii"', 1)
    .decode()
    .encode("latin-1"),
    "no such encoding": rss(entry()).replace(b'"utf-8"', b'"klingon"', 1),
    "a codec that is no encoding": rss(entry()).replace(b'"utf-8"', b'"zip"', 1),
    "idna": rss(entry(title="ä")).replace(b'"utf-8"', b'"idna"', 1),
    "NULs": rss(entry(title="a\0b")),
    "a NUL after each byte": b"".join(bytes([byte, 0]) for byte in rss(entry())),
    "NULs only": b"\0" * 1_000_000,
    "lone surrogates": rss(entry()).replace(b"Item", b"\xed\xa0\x80"),
    "overlong": rss(entry()).replace(b"Item", b"\xc0\xbcscript\xc0\xbe"),
}


@pytest.mark.parametrize("body", MISMATCHED.values(), ids=MISMATCHED.keys())
@pytest.mark.parametrize("charset", ["", "utf-8", "utf-7", "utf-16", "klingon", "zip"])
def test_encodings_that_disagree_crash_nothing(body: bytes, charset: str) -> None:
    """security:X5 — declared, served and real ones: entries without tags or NULs in them, or words."""
    titles, words = [], ""
    try:
        feed = read(body, content_type=f"application/xml; charset={charset}" if charset else "")
        titles = [one.title for one in feed.entries]
    except Unreadable as refused:
        words = str(refused)
    assert "the parser failed" not in words
    assert not {"\0", "<"} & set("".join(titles))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'{"feed": {"version": "rss20", "entries": [{"title": 5}]}}',
        b'{"feed": {"version": "rss20", "updated": "2026-03-02T09:00:00"}}',
        b'{"feed": {"version": "rss20", "entries": [{"files": [{"url": "x", "type": "a/b", "length": -1}]}]}}',
        json.dumps({"feed": {"version": "x" * 5000}}).encode(),
    ],
)
def test_answers_of_another_shape_are_refused(said: bytes) -> None:
    """security:X2 — a child that was taken over can lie about the feed, and nothing else."""
    with pytest.raises(Unreadable, match="not acceptable"):
        _feed(said)
