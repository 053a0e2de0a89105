"""Parsing in a real child: hostile bytes end in words, and what is said arrives as it was meant."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syndicator.ingest import reading
from syndicator.ingest.entries import Entry, Parsed, incoming
from syndicator.ingest.parse import Pool, Unreadable, _feed
from syndicator.ingest.scan import Refuse
from syndicator.model.upstream import Upstream
from tests.ingest.feeds import atom, entry, rss
from tests.make import NOW

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
        pytest.param(
            b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "later version", id="json"
        ),
        pytest.param(b'{"error": "no such feed"}', "this is JSON", id="other-json"),
        pytest.param(bytes(range(256)) * 500, "not a feed", id="garbage"),
        pytest.param(b"hello", "not a feed", id="words"),
        pytest.param(
            rss(f"<item><author>x@{'a.' * 400_000}</author></item>"), "reading it takes", id="slow-regex"
        ),
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


def test_plain_entities_still_work() -> None:
    """security:X1 — a plain internal subset is dropped; what it says plainly is kept."""
    head = doctype('soc "Society of Things"', '% html PUBLIC "-//W3C//x" "http://127.0.0.1:9/x.ent"')
    assert only(rss(entry(title="The &soc;"), head=head)).title == "The Society of Things"


def test_deep_html_keeps_its_words() -> None:
    """feeds:I23 — markup nested without end is dropped, its text is not, and it takes no seconds."""
    one = only(rss(entry(description="&lt;div&gt;" * 30_000 + "words")))
    assert one.body == "<p>words</p>"


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


# -- what is read ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "plain"),
    [
        ("Q&amp;A &lt;now&gt;", "Q&A <now>"),
        ("AT&amp;amp;T", "AT&T"),
        ("A &lt;b&gt;bold&lt;/b&gt; claim", "A bold claim"),
        ("<![CDATA[<i>So</i> it is]]>", "So it is"),
        ("two\n lines", "two lines"),
    ],
)
def test_titles_are_plain_text(title: str, plain: str) -> None:
    """feeds:P5, feeds:I20 — tags are taken off, entities are resolved once."""
    assert only(rss(entry(title=title))).title == plain


def test_summary_and_content_are_two_texts() -> None:
    """feeds:P17 — description is the summary where there is a body; alone it is the body."""
    both = entry(description="In &lt;b&gt;short&lt;/b&gt;", content="&lt;p&gt;Long&lt;/p&gt;").replace(
        "content>", "content:encoded>"
    )
    two = only(rss(both))
    assert (two.summary, two.body) == ("In short", "<p>Long</p>")
    later = "<content:encoded>Long</content:encoded><description>Short</description></item>"
    turned = only(rss(entry(description="").replace("</item>", later)))
    assert (turned.summary, turned.body) == ("Short", "Long")
    alone = only(rss(entry(description="&lt;p&gt;All&lt;/p&gt;")))
    assert (alone.summary, alone.body) == ("", "<p>All</p>")


def test_html_is_cleaned() -> None:
    """security:H1, feeds:I20 — scripts, handlers and odd schemes are gone, whatever feedparser lets through."""
    nasty = '&lt;a href="jav&amp;#x09;ascript:alert(1)" onclick="x"&gt;a&lt;/a&gt;&lt;script&gt;x&lt;/script&gt;&lt;form&gt;b&lt;/form&gt;'
    assert only(rss(entry(description=nasty))).body == "<a>a</a>b"


def test_links_are_web_addresses_or_none() -> None:
    """security:H2 — a link of another scheme is no link."""
    assert only(rss(entry(link="javascript:alert(1)"))).link is None
    assert only(rss(entry(link="/a?b=1&amp;c=2"))).link == "https://cms.example/a?b=1&c=2"


def test_relative_addresses_resolve_where_they_stand() -> None:
    """feeds:I21 — xml:base first; RSS text against the item's page; Atom text against the feed's address."""
    text = '&lt;a href="x"&gt;x&lt;/a&gt;'
    assert 'href="https://cms.example/2026/x"' in only(rss(entry(link="/2026/item", description=text))).body
    inner = f'<entry xml:base="https://base.example/a/"><id>urn:x:1</id><title>t</title><content type="html">{text}</content></entry>'
    assert 'href="https://base.example/a/x"' in only(atom(inner)).body
    outer = inner.replace(' xml:base="https://base.example/a/"', "")
    assert 'href="https://cms.example/feeds/x"' in only(atom(outer)).body


@pytest.mark.parametrize(
    ("said", "name", "email"),
    [
        ("<author>jane@cms.example (Jane Doe)</author>", "Jane Doe", "jane@cms.example"),
        ("<author>Jane Doe &lt;jane@cms.example&gt;</author>", "Jane Doe", "jane@cms.example"),
        ("<author>Jane Doe</author>", "Jane Doe", None),
        ("<author>jane@cms.example</author>", "jane", "jane@cms.example"),
    ],
)
def test_authors_in_their_usual_forms(said: str, name: str, email: str | None) -> None:
    """feeds:I25 — "email (Name)" and its kin."""
    (author,) = only(rss(f"<item><title>t</title>{said}</item>")).authors
    assert (author.name, author.email) == (name, email)


def test_atom_entries_inherit_the_author() -> None:
    """feeds:P16 — RFC 4287 §4.2.1: the feed's author is the entry's, where it names none."""
    (author,) = only(atom("<entry><id>urn:x:1</id><title>t</title></entry>")).authors
    assert author.name == "Desk"


def test_dates_are_utc_or_missing() -> None:
    """feeds:I16, feeds:I18 — updated stands in for published; nonsense and year one are no dates."""
    inside = "<entry><id>urn:x:1</id><title>t</title>{}</entry>"
    dated = only(atom(inside.format("<updated>2026-03-01T10:00:00+02:00</updated>")))
    assert dated.published == datetime(2026, 3, 1, 8, tzinfo=UTC)
    for odd in ("<published>soon</published>", "<published>0001-01-01T00:00:00Z</published>", ""):
        assert only(atom(inside.format(odd))).published is None


@pytest.mark.parametrize(("length", "bytes_"), [("123", 123), ("", 0), ("-5", 0), ("1 MB", 0), ("9" * 30, 0)])
def test_enclosures_have_sane_lengths(length: str, bytes_: int) -> None:
    """feeds:I24 — sizes may be text, empty or negative; types may be missing."""
    enclosure = f'<item><title>t</title><enclosure url="/a.pdf" length="{length}"/></item>'
    (file,) = only(rss(enclosure)).files
    assert (file.url, file.type, file.length) == ("https://cms.example/a.pdf", "application/pdf", bytes_)


def test_what_is_known_of_an_enclosure() -> None:
    """feeds:P20, feeds:I24 — what media:content tells of the same file is kept, as far as it is sane."""
    said = 'url="https://cms.example/a.png" medium="image"'
    files = (
        '<enclosure url="https://cms.example/a.png" type="image/png" length="5"/>'
        f'<m:content xmlns:m="http://search.yahoo.com/mrss/" {said} width="640" height="480" duration="-1"/>'
    )
    (file,) = only(rss(f"<item><title>t</title>{files}</item>")).files
    assert (file.length, file.width, file.height, file.duration) == (5, 640, 480, 0)


@pytest.mark.parametrize(
    ("said", "language"),
    [
        ("pt-BR", "pt-BR"),
        ("en&quot;>&lt;x", None),
        ("2026", None),
        ("en" + "-abc" * 10, None),
    ],
)
def test_what_is_no_language_tag_is_dropped(said: str, language: str | None) -> None:
    """feeds:P22 — the entry comes in with the site's language; the child and its answer are held to the same."""
    one = only(atom("<entry><id>urn:x:1</id><title>t</title></entry>", attributes=f'xml:lang="{said}"'))
    assert one.language == language
    upstream = Upstream(id=1, slug="cms", url=URL, created=NOW)
    for odd in ("2026", "-"):
        taken = incoming(replace(one, language=odd), Parsed(version="atom10"), upstream, NOW)
        assert taken.content.language is None


LONG = {
    "escaped": "&lt;p&gt;" + "x" * 1_900_000,
    "cdata": f"<![CDATA[<p>{'x' * 1_900_000}</p>]]>",
    "tag-without-end": "<p" + "x" * 1_500_000,
    "two-sections": f"<![CDATA[{'x' * 1_040_000}]]><![CDATA[{'x' * 1_040_000}]]>",
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_an_overlong_entry_costs_itself_only(text: str) -> None:
    """feeds:I12, security:X1 — it is left out and named; what stands before and after it comes in."""
    long = entry(2, title="Q&amp;A", description=text)
    feed = read(rss(entry(1), long, entry(3), head=doctype('soc "Society"')))
    assert [one.title for one in feed.entries] == ["Item 1", "Item 3"]
    (left,) = feed.omitted
    assert (left.title, left.guid) == ("Q&A", "tag:cms.example,2026:2")
    assert "longer than" in left.why


def test_guid_and_its_flag() -> None:
    """feeds:I15 — the guid is kept byte for byte, with whether it is the page's address."""
    one = only(rss(entry(guid="  cms-77 ")))
    assert (one.guid, one.permalink) == ("cms-77", False)
    page = only(rss("<item><title>t</title><guid>https://cms.example/1</guid></item>"))
    assert (page.guid, page.permalink, page.link) == ("https://cms.example/1", True, "https://cms.example/1")


def test_a_draft_is_withheld() -> None:
    """DESIGN §5.10 — app:draft (RFC 5023 §13.1.1) says that it is not yet public."""
    control = "<app:control><app:draft>yes</app:draft></app:control>"
    assert only(atom(f"<entry><id>urn:x:1</id><title>t</title>{control}</entry>")).withheld


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "iso-8859-1", "windows-1252"])
def test_encodings(encoding: str) -> None:
    """feeds:I19 — what is declared is read; wide encodings, too."""
    body = rss(entry(title="Grüße")).decode().replace('encoding="utf-8"', f'encoding="{encoding}"', 1)
    assert only(body.encode(encoding)).title == "Grüße"


def test_mislabelled_bodies_are_read() -> None:
    """feeds:I11, feeds:I13, feeds:I19 — text/html, leading blanks and broken XML still give items; a warning says why."""
    feed = read(b"\n\n" + rss(entry(title="ä & b")), content_type="text/html; charset=utf-8")
    assert [one.title for one in feed.entries] == ["ä & b"]
    assert feed.warning
    assert "not well-formed" in feed.warning
