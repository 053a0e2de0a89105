"""OPML as it comes: what is read, what is mended, what is refused in words."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import Invalid
from syndicator.ingest.sources import opml
from syndicator.ingest.sources.opml import Outline, Subscriptions

BASE = "https://lists.example/dir/list.opml"


def document(inside: str, head: str = "<head><title>List</title></head>") -> bytes:
    """An OPML document around outlines."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<opml version="2.0">{head}<body>{inside}</body></opml>'.encode()


def urls(inside: str) -> list[str]:
    """The addresses that are read from these outlines."""
    return [feed.url for feed in opml.read(document(inside), BASE).feeds]


def test_folders() -> None:
    """feeds:I27 An outline without an address is a folder; feeds know the folders they lie in."""
    inside = """
    <outline text="News"><outline text="Science" title="Science, rightly">
      <outline text="A" type="rss" xmlUrl="https://a.example/feed" htmlUrl="https://a.example/"/>
    </outline><outline text="B" xmlUrl="https://b.example/feed"/></outline>
    <outline text="C" xmlUrl="https://c.example/feed"/>"""
    assert (
        Outline(
            url="https://a.example/feed",
            title="A",
            page="https://a.example/",
            folders=("News", "Science, rightly"),
        ),
        Outline(url="https://b.example/feed", title="B", folders=("News",)),
        Outline(url="https://c.example/feed", title="C"),
    ) == opml.read(document(inside)).feeds


def test_titles() -> None:
    """feeds:I27 The title is told by title, text or, where both are missing, by the address."""
    inside = """<outline title="T" text="x" xmlUrl="http://a.example/"/><outline text=" two&#10;lines " xmlUrl="http://b.example/"/>
    <outline xmlUrl="http://c.example/"/>"""
    assert ["T", "two lines", "http://c.example/"] == [
        feed.title for feed in opml.read(document(inside)).feeds
    ]


def test_addresses() -> None:
    """feeds:I27 Relative addresses are meant from the file's own, `feed:` is the web, and names have any case."""
    inside = """<outline xmlUrl="/feed.xml"/><outline xmlUrl="other.rss"/><outline xmlURL="feed://a.example/f"/>
    <outline XMLURL="feed:https://b.example/f"/><outline xmlUrl="  https://c.example/f "/>"""
    assert [
        "https://lists.example/feed.xml",
        "https://lists.example/dir/other.rss",
        "http://a.example/f",
        "https://b.example/f",
        "https://c.example/f",
    ] == urls(inside)


def test_addresses_that_are_none() -> None:
    """feeds:I10 What leads into no web is not read, and is named."""
    none = ("javascript:alert(1)", "file:///etc/passwd", "x", "https://user:secret@a.example/f")
    inside = "".join(f'<outline xmlUrl="{url}"/>' for url in none)
    assert Subscriptions((), none) == opml.read(document(inside))


def test_duplicates() -> None:
    """feeds:I27 The same address counts once, where it first stands."""
    inside = '<outline text="1" xmlUrl="http://a.example/"/><outline text="2" xmlUrl="http://a.example/"/>'
    assert ["1"] == [feed.title for feed in opml.read(document(inside)).feeds]


def test_a_feed_that_holds_feeds() -> None:
    """feeds:I27 An outline with an address is no folder of those within it, and none is lost."""
    inside = '<outline text="A" xmlUrl="http://a.example/"><outline text="B" xmlUrl="http://b.example/"/></outline>'
    assert [("A", ()), ("B", ())] == [
        (feed.title, feed.folders) for feed in opml.read(document(inside)).feeds
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://a.example/?a=1&b=2", "http://a.example/?a=1&b=2"),
        ("http://a.example/?a=1&amp;b=2", "http://a.example/?a=1&b=2"),
        ("http://a.example/?a=1&copy=2", "http://a.example/?a=1&copy=2"),
        ("http://a.example/?a=1&unknown;", "http://a.example/?a=1&unknown;"),
        ("http://a.example/caf&eacute;", "http://a.example/caf\u00e9"),
        ("http://a.example/&#0;&#x1;x", "http://a.example/\ufffdx"),
    ],
)
def test_ampersands(written: str, read: str) -> None:
    """feeds:I27 Bare ampersands and entities of HTML, the commonest faults of such files, are understood."""
    assert [read] == urls(f'<outline xmlUrl="{written}"/>')


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "koi8-r"]
)
def test_encodings(encoding: str) -> None:
    """feeds:I19 The bytes' own mark is believed, then the declaration."""
    title = "Ведомости" if encoding != "iso-8859-1" else "Zürich"
    declared = encoding.replace("utf-8-sig", "windows-1252")
    text = f'<?xml version="1.0" encoding="{declared}"?><opml><body><outline text="{title}" xmlUrl="http://a.example/"/></body></opml>'
    assert [title] == [feed.title for feed in opml.read(text.encode(encoding)).feeds]


@pytest.mark.parametrize("encoding", ["no-such-thing", "rot13", "idna"])
def test_encodings_that_are_none(encoding: str) -> None:
    """feeds:I19 An encoding nobody knows is read as UTF-8."""
    text = f'<?xml version="1.0" encoding="{encoding}"?><opml><body><outline xmlUrl="http://a.example/"/></body></opml>'
    assert 1 == len(opml.read(text.encode()).feeds)


def test_a_hundred_thousand_outlines() -> None:
    """feeds:I27 10^5 outlines are read, in memory that grows with what is kept alone."""
    body = document("".join(f'<outline text="{n}" xmlUrl="http://a.example/{n}"/>' for n in range(100_000)))
    found = opml.read(body).feeds
    assert (100_000, "99999") == (len(found), found[-1].title)


def test_too_many_outlines(monkeypatch: pytest.MonkeyPatch) -> None:
    """feeds:I7 There is an end to it."""
    monkeypatch.setattr(opml, "MOST_OUTLINES", 10)
    with pytest.raises(Invalid, match="more than 10 outlines"):
        opml.read(document("<outline/>" * 11))


@pytest.mark.parametrize(
    ("element", "words"),
    [
        ("<outline " + " ".join(f'a{n}="x"' for n in range(201)) + "/>", "more than 200 attributes"),
        (f'<outline text="{"x" * (2**20 + 1)}"/>', "longer than 1,048,576 characters"),
    ],
)
def test_the_limits_of_feeds_are_those_of_lists(element: str, words: str) -> None:
    """delivery-and-security:X4 A list goes through the same gate: attributes on one tag, the length of one text (X1)."""
    with pytest.raises(Invalid, match=words):
        opml.read(document(element))


def test_depth() -> None:
    """feeds:I7 A hundred thousand outlines within each other are refused, and nothing runs over."""
    for inside in ("<outline>" * 100_000, "<outline>" * 100_000 + "</outline>" * 100_000):
        with pytest.raises(Invalid, match="nested more than 100 deep"):
            opml.read(document(inside))


BOMB = """<!DOCTYPE opml [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa"> <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"> <!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>"""
OUTSIDE = '<!DOCTYPE opml [<!ENTITY d SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [BOMB, OUTSIDE])
def test_entities_are_not_expanded(doctype: str) -> None:
    """feeds:I22 feeds:I27 A DTD that declares anything is refused before anything of it is used."""
    body = f'{doctype}<opml><body><outline text="&d;" xmlUrl="http://a.example/"/></body></opml>'.encode()
    tracemalloc.start()
    try:
        with pytest.raises(Invalid, match="DTD"):
            opml.read(body)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_plain_doctype_does_no_harm() -> None:
    """feeds:I22 One that only names a file elsewhere is passed over; nothing is fetched."""
    body = b'<!DOCTYPE opml SYSTEM "http://127.0.0.1:1/opml.dtd"><opml><body><outline xmlUrl="http://a.example/"/></body></opml>'
    assert 1 == len(opml.read(body).feeds)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "cannot be read"),
        (b"<opml><body>", "cannot be read"),
        (b"<html><body/></html>", "no OPML: its first element is <html>"),
        (b"{}", "cannot be read"),
        (b"\x00\x01\x02", "cannot be read"),
    ],
)
def test_what_is_no_opml(body: bytes, why: str) -> None:
    """feeds:I27 A file that is something else is refused in words."""
    with pytest.raises(Invalid, match=why):
        opml.read(body)


def test_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """feeds:I7 Too many bytes are not even looked at."""
    monkeypatch.setattr(opml, "MOST_BYTES", 2**20)
    with pytest.raises(Invalid, match="larger than 1 MB"):
        opml.read(b"x" * (2**20 + 1))


@given(st.binary(max_size=200) | st.text(max_size=200).map(document))
def test_any_bytes(body: bytes) -> None:
    """feeds:I27 Whatever comes, it is read or refused in words."""
    try:
        found = opml.read(body)
    except Invalid:
        return
    assert len(found.feeds) <= body.count(b"outline")


@given(st.text(min_size=1, max_size=40))
def test_any_text_in_an_attribute(text: str) -> None:
    """feeds:I27 Words that were escaped come back as they were, blanks and what XML forbids apart."""
    from xml.sax.saxutils import quoteattr

    from syndicator.model.markup import strip_illegal

    legal = strip_illegal(text.encode("utf-8", "replace").decode())
    inside = f'<outline text={quoteattr(legal)} xmlUrl="http://a.example/"/>'
    expected = " ".join(legal.split()) or "http://a.example/"
    assert [expected] == [" ".join(feed.title.split()) for feed in opml.read(document(inside)).feeds]
