"""What is read of a feed: that it arrives as it was meant, and that what is known is only named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from syndicator.ingest.entries import Origin, Parsed, Term, incoming
from syndicator.model.upstream import Relation, Upstream
from tests.ingest.feeds import atom, entry, rss
from tests.ingest.here import UPSTREAM, answers, body_of, only, read
from tests.make import NOW


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
    assert body_of(rss(entry(description=nasty))) == "<a>a</a>b"


def test_links_are_web_addresses_or_none() -> None:
    """security:H2 — a link of another scheme is no link."""
    assert only(rss(entry(link="javascript:alert(1)"))).link is None
    assert only(rss(entry(link="/a?b=1&amp;c=2"))).link == "https://cms.example/a?b=1&c=2"


def test_relative_addresses_resolve_where_they_stand() -> None:
    """feeds:I21 — xml:base first; RSS text against the item's page; Atom text against the feed's address."""
    text = '&lt;a href="x"&gt;x&lt;/a&gt;'
    assert 'href="https://cms.example/2026/x"' in body_of(rss(entry(link="/2026/item", description=text)))
    inner = f'<entry xml:base="https://base.example/a/"><id>urn:x:1</id><title>t</title><content type="html">{text}</content></entry>'
    assert 'href="https://base.example/a/x"' in body_of(atom(inner))
    outer = inner.replace(' xml:base="https://base.example/a/"', "")
    assert 'href="https://cms.example/feeds/x"' in body_of(atom(outer))


@pytest.mark.parametrize(
    ("said", "name", "email"),
    [
        ("<author>jane@cms.example (Jane Doe)</author>", "Jane Doe", "jane@cms.example"),
        ("<author>Jane Doe &lt;jane@cms.example&gt;</author>", "Jane Doe", "jane@cms.example"),
        ("<author>Jane Doe</author>", "Jane Doe", None),
        ("<author>jane@cms.example</author>", "jane", "jane@cms.example"),
        ("<author>Jane Doe [jane@cms.museum]</author>", "Jane Doe", "jane@cms.museum"),
        ("<author>&lt;b&gt;Jane&lt;/b&gt; Doe</author>", "Jane Doe", None),
        (f"<author>x@{'a.' * 400_000}</author>", f"x@{'a.' * 2000}"[:4000], None),
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


def test_a_crowd_is_not_inherited() -> None:
    """feeds:I23 — five people of a feed, or of an entry's source, stand in each entry; its own may be more."""
    crowd = "".join(f"<author><name>Person {n}</name></author>" for n in range(9))
    title = "<id>urn:x:1</id><title>t</title>"
    source = f"<source><id>urn:x:s</id><title>s</title>{crowd}</source>"
    inherited = only(atom(crowd, f"<entry>{title}</entry>")).authors
    assert [one.name for one in inherited] == ["Desk", *(f"Person {n}" for n in range(4))]
    assert len(only(atom(f"<entry>{title}{source}</entry>")).authors) == 5
    assert len(only(atom(f"<entry>{title}{crowd}</entry>")).authors) == 9


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
    for odd in ("2026", "-"):
        taken = incoming(replace(one, language=odd), Parsed(version="atom10"), UPSTREAM, NOW)
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
    feed = read(rss(entry(1), long, entry(3), head='<!DOCTYPE rss [<!ENTITY soc "Society">]>'))
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


def test_deep_html_keeps_its_words() -> None:
    """feeds:I23 — markup nested without end is dropped, its words are not, and it takes no seconds."""
    deep = "&lt;div&gt;" * 30_000
    assert body_of(rss(entry(description=deep + "caf&amp;eacute; &amp;lt;b"))) == "<p>café &lt;b</p>"
    short, long = deep + "sh&amp;ouml;rt", "<content:encoded>Long</content:encoded></item>"
    assert only(rss(entry(description=short).replace("</item>", long))).summary == "shört"


def test_what_is_known_is_only_named() -> None:
    """feeds:I16 — an entry whose hash is known is not read again; any change of what we keep is one."""
    first = read(rss(entry(1), entry(2)))
    one, two = (found.raw for found in first.entries)
    assert one
    assert two
    again = read(rss(entry(1), entry(2, description="Other.")), known=frozenset({one, two}))
    assert again.unchanged == (one,)
    assert [found.body for found in again.entries] == ["Other."]


@pytest.mark.parametrize(
    "change",
    [
        ("<title>t</title>", "<title>u</title>"),
        ("<name>Desk</name>", "<name>Other</name>"),
        ('xml:lang="de"', 'xml:lang="fr"'),
        ('xml:base="https://a.example/"', 'xml:base="https://b.example/"'),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:01Z"),
        ("no</app:draft>", "yes</app:draft>"),
        ('term="a"', 'term="b"'),
        ('length="1"', 'length="2"'),
    ],
)
def test_what_counts_as_a_change(change: tuple[str, str]) -> None:
    """feeds:I16 — its own words and what it inherits."""
    inside = (
        '<entry><id>urn:x:1</id><title>t</title><content type="html">&lt;a href="x"&gt;x&lt;/a&gt;</content><category term="a"/>'
        "<published>2026-03-01T10:00:00Z</published><app:control><app:draft>no</app:draft></app:control>"
        '<link rel="enclosure" href="https://x.example/a.pdf" length="1"/></entry>'
    )
    body = atom(inside, attributes='xml:lang="de" xml:base="https://a.example/"')
    raw = read(body).entries[0].raw
    assert raw
    changed = body.decode().replace(*change).encode()
    assert changed != body
    assert read(body, known=frozenset({raw})).unchanged == (raw,)
    assert read(changed, known=frozenset({raw})).unchanged == ()


def test_what_is_not_kept_is_no_change() -> None:
    """feeds:I16 — a count of comments, or the date of the feed, moves with each visitor."""
    count = '<slash:comments xmlns:slash="http://purl.org/rss/1.0/modules/slash/">{}</slash:comments>'
    bodies = [
        rss(f"<lastBuildDate>{n}</lastBuildDate>", entry().replace("</item>", count.format(n) + "</item>"))
        for n in (1, 2)
    ]
    raw = read(bodies[0]).entries[0].raw
    assert raw
    assert read(bodies[1], known=frozenset({raw})).unchanged == (raw,)


def test_the_parent_checks_again() -> None:
    """security:H1, security:H2, security:X2 — a child that lies brings in no script, scheme or control character."""
    lie = only(rss(entry()))
    liar = replace(
        lie,
        title="a\r\nBcc: x\u202e",
        guid="urn:x\r\n:1",
        body='<a href="javascript:x">a</a><img src="x.png"><script>x</script>\0',
        base="javascript:alert(1)",
        link="data:text/html,x",
        dated="now\n",
        categories=(Term(term="a\nb", label="\u202e"), Term(term="\x01")),
    )
    thing = incoming(liar, Parsed(version="rss20"), UPSTREAM, NOW)
    assert thing.content.title == "a Bcc: x"
    assert (thing.guid, thing.link, thing.content.url, thing.dated) == ("urn:x:1", None, None, "now")
    assert thing.content.body == "<a>a</a><img>"
    assert [(one.term, one.label) for one in thing.categories] == [("a b", None)]


def test_where_it_was_taken_from() -> None:
    """feeds:I28 — atom:source and RSS's source name the feed it stood in first; without one there is none."""
    source = (
        "<source><id>urn:feed</id><title type='html'>A &amp;amp; B</title><updated>2026-03-01T00:00:00Z</updated>"
        '<link rel="self" href="https://o.example/feed"/><link href="https://o.example/"/><author><name>O</name></author></source>'
    )
    one = only(atom(f"<entry><id>urn:x:1</id><title>t</title>{source}</entry>"))
    assert one.source == Origin(
        id="urn:feed",
        title="A & B",
        updated=datetime(2026, 3, 1, tzinfo=UTC),
        feed_url="https://o.example/feed",
        url="https://o.example/",
    )
    assert [person.name for person in one.authors] == ["O"]
    said = '<source url="https://o.example/rss">Origin</source>'
    two = only(rss(entry().replace("</item>", f"{said}</item>")))
    assert two.source == Origin(title="Origin", feed_url="https://o.example/rss")
    assert (two.title, two.link) == ("Item 1", "https://cms.example/1")
    assert only(rss(entry())).source is None


MODULES = (
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/"'
    ' xmlns:cc="http://backend.userland.com/creativeCommonsRssModule"'
)
BY = "https://creativecommons.org/licenses/by/4.0/"
OURS = replace(UPSTREAM, relation=Relation.OWN)


def rights(body: bytes, upstream: Upstream = UPSTREAM) -> str:
    """What becomes of the rights of the only entry."""
    feed = read(body)
    return incoming(feed.entries[0], feed, upstream, NOW).content.rights


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<dc:rights>© Jane\n Doe</dc:rights>", "© Jane Doe"),
        ("<media:copyright url='x'>© Doe &amp;amp; Co</media:copyright>", "© Doe &amp; Co"),
        (f"<cc:license>{BY}</cc:license>", BY),
        (f"<dc:rights>© Jane</dc:rights><cc:license>{BY}</cc:license>", "© Jane"),
        ("<cc:license>javascript:alert(1)</cc:license>", "© Channel"),
        (
            "<media:content url='https://cms.example/x'><dc:rights>© F</dc:rights><media:copyright>© F</media:copyright></media:content>",
            "© Channel",
        ),
        ("<source url='https://o.example/rss'>Origin</source>", ""),
        (f"<dc:rights>{'word ' * 400}</dc:rights>", f"{'word ' * 198}word…"),
    ],
)
def test_rights_of_an_rss_item(said: str, kept: str) -> None:
    """feeds:I28 — its own, be it a licence's address; else the channel's, for what that took from no other."""
    item = entry().replace("</item>", f"{said}</item>")
    body = rss(item).replace(b"<description>d<", b"<copyright>&amp;copy; Channel</copyright><description>d<")
    body = body.replace(b" xmlns:atom", f"{MODULES} xmlns:atom".encode())
    assert kept == rights(body)
    assert len(kept) <= 1_000
    assert ("" if kept == "© Channel" else kept) == rights(body, OURS)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("<rights type='html'>&amp;copy; &lt;b&gt;Entry&lt;/b&gt;</rights>", "© Entry"),
        ("<rights>© Entry</rights><source><id>urn:o</id><rights>© Origin</rights></source>", "© Entry"),
        ("<source><id>urn:o</id><rights>© Origin</rights></source>", "© Origin"),
        ("<source><id>urn:o</id></source>", ""),
        (f"<link rel='license' href='{BY}'/>", BY),
        ("", "© Feed"),
    ],
)
def test_rights_of_an_atom_entry(said: str, kept: str) -> None:
    """feeds:I28 — the entry's, else its source's, else a foreign feed's for what is its own (RFC 4287 §4.2.10)."""
    body = atom("<rights>© Feed</rights>", f"<entry><id>urn:x:1</id><title>t</title>{said}</entry>")
    assert kept == rights(body)
    assert ("" if kept == "© Feed" else kept) == rights(body, OURS)


@pytest.mark.parametrize("where", ["© Feed", "© Entry", "© Origin"])
def test_other_rights_are_read(where: str) -> None:
    """feeds:I28, feeds:I16 — an entry is read again when its rights change, wherever they stand."""
    own = "<rights>© Entry</rights>" if where == "© Entry" else ""
    source = "<source><id>urn:o</id><rights>© Origin</rights></source>" if where == "© Origin" else ""
    said = f"<entry><id>urn:x:1</id><title>t</title>{own}{source}</entry>"
    body = atom("<rights>© Feed</rights>", said)
    known = frozenset({only(body).raw or ""})
    assert () == read(body, known=known).entries
    (again,) = read(body.replace(where.encode(), b"Others"), known=known).entries
    assert ("Others" if where != "© Feed" else "") == again.rights


def test_a_summary_alone_where_no_text_is_licensed() -> None:
    """feeds:I28 — title, summary and link; of a feed that has no summary the start of the text."""
    brief = replace(UPSTREAM, full_text=False)
    long = entry(title="", description=f"&lt;p&gt;{'word ' * 100}&lt;/p&gt;")
    short = entry(2, description="In &lt;b&gt;short&lt;/b&gt;.").replace(
        "</item>", "<content:encoded>&lt;p&gt;All of it&lt;/p&gt;</content:encoded></item>"
    )
    feed = read(rss(long, short))
    one, two = (incoming(said, feed, brief, NOW).content for said in feed.entries)
    assert ("", "", "https://cms.example/1") == (one.body, two.body, one.url)
    assert (one.title, one.summary) == (f"{'word ' * 10}word…", f"{'word ' * 58}word…")
    assert "In short." == two.summary
    assert "<p>All of it</p>" == incoming(feed.entries[1], feed, UPSTREAM, NOW).content.body


@pytest.mark.parametrize(
    "lie",
    [
        {"hubs": ["file:///etc/passwd"]},
        {"hubs": ["//cms.example/hub"]},
        {"self_link": "javascript:alert(1)"},
        {"hubs": ["https://cms.example/" + "x" * 4_000]},
    ],
)
def test_what_is_asked_later_is_an_address_of_the_web(lie: dict[str, Any]) -> None:
    """security:H2, security:X2 — hubs and the feed's own address are called up by us: other schemes never cross."""
    with pytest.raises(ValidationError):
        answers().validate_json(json.dumps({"version": "rss20", **lie}))
