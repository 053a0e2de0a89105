"""What is read of a feed: that it arrives as it was meant, whatever it is written in."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import pytest
from pydantic import TypeAdapter

from syndicator.ingest import reading
from syndicator.ingest.entries import Entry, Origin, Parsed, Term, incoming
from syndicator.model.upstream import Upstream
from tests.ingest.feeds import atom, entry, rss
from tests.make import NOW

URL = "https://cms.example/feeds/news.xml"
UPSTREAM = Upstream(id=1, slug="cms", url=URL, created=NOW)
MEDIA = 'xmlns:m="http://search.yahoo.com/mrss/"'


@lru_cache(maxsize=1)
def answers() -> TypeAdapter[Any]:
    return TypeAdapter(Parsed)


def read(
    body: bytes, *, content_type: str = "", url: str | None = URL, known: frozenset[str] = frozenset()
) -> Parsed:
    """As it crosses from the child, but without one: how it is confined is shown elsewhere."""
    said: Parsed = answers().validate_json(json.dumps(reading.read(body, content_type, url, known)))
    return said


def only(body: bytes, *, url: str | None = URL) -> Entry:
    (one,) = read(body, url=url).entries
    return one


def body_of(body: bytes) -> str:
    """What becomes of the only entry's text once it is taken."""
    feed = read(body)
    return incoming(feed.entries[0], feed, UPSTREAM, NOW).content.body


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
    """feeds:I23 — markup nested without end is dropped, its text is not, and it takes no seconds."""
    assert body_of(rss(entry(description="&lt;div&gt;" * 30_000 + "words"))) == "<p>words</p>"
    short, long = "&lt;div&gt;" * 30_000 + "short", "<content:encoded>Long</content:encoded></item>"
    assert only(rss(entry(description=short).replace("</item>", long))).summary == "short"


# -- encodings -------------------------------------------------------------------------------------------

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


# -- what feedparser mixes up ----------------------------------------------------------------------------


def item(inside: str) -> bytes:
    return rss(f"<item {MEDIA}><title>t</title>{inside}</item>")


def test_captions_are_no_bodies() -> None:
    """feeds:I24 — what is said of a picture belongs to the picture; its text stays the entry's."""
    inside = (
        "<description>The text.</description>"
        '<m:content url="/p.jpg" medium="image" width="640" height="480px" fileSize="77">'
        "<m:title>Title</m:title><m:description>A mole.</m:description><m:credit>Jane</m:credit><m:credit>John</m:credit></m:content>"
    )
    one = only(item(inside))
    (file,) = one.files
    assert (one.title, one.body, one.summary) == ("t", "The text.", "")
    assert (file.url, file.type, file.length) == ("https://cms.example/p.jpg", "image/jpeg", 77)
    assert (file.width, file.height) == (640, 480)
    assert (file.title, file.alt, file.credit) == ("Title", "A mole.", "Jane, John")


def test_groups_and_thumbnails() -> None:
    """feeds:I24 — what a group says holds for each file in it; a thumbnail counts where no file is a picture."""
    group = (
        "<m:group><m:credit>Desk</m:credit><m:content url='/v.mp4' duration='90.5'/><m:content url='/a.mp3' type='audio/mpeg'>"
        "<m:credit>Own</m:credit></m:content><m:thumbnail url='/t.png' width='10'/><m:thumbnail url='/u.png'/></m:group>"
    )
    video, audio, picture = only(item(group)).files
    assert (video.type, video.duration, video.credit, audio.credit) == ("video/mp4", 90, "Desk", "Own")
    assert (picture.url, picture.type, picture.width) == ("https://cms.example/t.png", "image/png", 10)
    with_picture = only(item(group + "<enclosure url='/x.gif' type='image/gif' length='0'/>"))
    assert [file.type for file in with_picture.files] == ["image/gif", "video/mp4", "audio/mpeg"]


def test_a_video_s_description_is_the_text_where_there_is_no_other() -> None:
    """feeds:I24 — as video sites have it: everything stands within the media group."""
    one = only(
        rss(
            f"<item {MEDIA}><m:group><m:title>T</m:title><m:description>A &lt; B</m:description></m:group></item>"
        )
    )
    assert (one.title, one.body) == ("T", "<p>A &lt; B</p>")


PODCAST = (
    'xmlns:i="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:p="https://podcastindex.org/namespace/1.0"'
)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("3723", 3723),
        ("1:02:03", 3723),
        ("62:03", 3723),
        ("02:03", 123),
        ("-5", 0),
        ("", 0),
        ("an hour", 0),
        ("9" * 30, 0),
    ],
)
def test_podcasts(said: str, seconds: int) -> None:
    """feeds:I24 — the sound, how long it lasts in all its spellings, its picture, its other encodings; one text."""
    one = only(
        rss(
            f"<item {PODCAST}><title>t</title><description>Notes</description><i:summary>Other</i:summary>"
            f'<enclosure url="/e.mp3" type="audio/mpeg" length="5"/><i:duration>{said}</i:duration><i:image href="/c.jpg"/>'
            '<p:alternateEnclosure type="audio/ogg" length="3"><p:source uri="/e.ogg"/></p:alternateEnclosure></item>'
        )
    )
    sound, other, cover = one.files
    assert (sound.url, sound.duration, one.body) == ("https://cms.example/e.mp3", seconds, "Notes")
    assert (other.url, other.type, other.length) == ("https://cms.example/e.ogg", "audio/ogg", 3)
    assert (cover.url, cover.type) == ("https://cms.example/c.jpg", "image/jpeg")


def test_an_entry_without_links_has_enclosures_nevertheless() -> None:
    """feeds:I26 — feedparser gives it no key for them."""
    assert only(rss("<item><guid isPermaLink='false'>x</guid><title>t</title></item>")).files == ()
    with_file = '<item><guid isPermaLink="false">x</guid><enclosure url="/a.mp3" length="1" type="audio/mpeg"/></item>'
    assert len(only(rss(with_file)).files) == 1


def test_atom_enclosures() -> None:
    """feeds:I24 — link rel=enclosure, against xml:base."""
    link = '<link rel="enclosure" href="a.pdf" type="application/pdf" length="10" title="The paper"/>'
    inside = f'<entry xml:base="https://base.example/x/"><id>urn:x:1</id><title>t</title>{link}</entry>'
    (file,) = only(atom(inside)).files
    assert (file.url, file.length, file.title) == ("https://base.example/x/a.pdf", 10, "The paper")


def test_all_authors_count() -> None:
    """feeds:I25 — several elements, two vocabularies, one person said twice."""
    dc = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'
    said = "<author>j@cms.example (Jane)</author><dc:creator>John</dc:creator><dc:creator>JANE</dc:creator>"
    one = only(rss(f"<item {dc}><title>t</title>{said}</item>"))
    assert [(person.name, person.email) for person in one.authors] == [
        ("Jane", "j@cms.example"),
        ("John", None),
    ]
    people = "".join(f"<author><name>{name}</name><uri>/{name}</uri></author>" for name in ("A", "B"))
    two = only(atom(f"<entry><id>urn:x:1</id><title>t</title>{people}</entry>"))
    assert [(person.name, person.url) for person in two.authors] == [
        ("A", "https://cms.example/A"),
        ("B", "https://cms.example/B"),
    ]


def test_categories_keep_their_scheme() -> None:
    """feeds:I25 — term, vocabulary and label; each once; what is escaped HTML is resolved once."""
    said = '<category domain="urn:v">Q&amp;amp;A</category><category>plain</category><category>plain</category><category/>'
    one = only(rss(entry().replace("</item>", f"{said}</item>")))
    assert [(term.term, term.scheme) for term in one.categories] == [("Q&A", "urn:v"), ("plain", None)]
    tag = '<category term="a" scheme="urn:s" label="The A"/>'
    (term,) = only(atom(f"<entry><id>urn:x:1</id><title>t</title>{tag}</entry>")).categories
    assert (term.term, term.scheme, term.label) == ("a", "urn:s", "The A")


def test_languages_are_inherited() -> None:
    """feeds:I25 — xml:lang of the nearest element; RSS's own language for all of it."""
    inside = '<entry xml:lang="{}"><id>urn:x:1</id><title>t</title></entry>'
    assert only(atom(inside.format("fr"), attributes='xml:lang="de"')).language == "fr"
    assert only(atom(inside.replace(' xml:lang="{}"', ""), attributes='xml:lang="de"')).language == "de"
    assert only(rss("<language>pt_BR</language>", entry())).language == "pt-BR"


@pytest.mark.parametrize(
    ("guid", "permalink", "link"),
    [
        ("<guid>12345</guid>", False, None),
        ("<guid>/2026/x</guid>", False, None),
        ("<guid>https://cms.example/a/../b</guid>", True, "https://cms.example/a/../b"),
        ('<guid isPermaLink="FALSE">https://cms.example/b</guid>', False, None),
        ("<guid>tag:cms.example,2026:x</guid>", False, None),
    ],
)
def test_identities_stay_as_they_are(guid: str, permalink: bool, link: str | None) -> None:  # noqa: FBT001 - a row
    """feeds:I15 — byte for byte, or a feed that moves is all new; only a whole address is one to go to."""
    one = only(rss(f"<item><title>t</title>{guid}</item>"))
    assert one.guid
    assert one.guid in guid
    assert (one.permalink, one.link) == (permalink, link)


def test_the_original_page_is_the_link() -> None:
    """feeds:I15 — a service that counts clicks stands in between; pages are looked at where they are."""
    said = '<x:origLink xmlns:x="http://rssnamespace.org/feedburner/ext/1.0">https://cms.example/real</x:origLink>'
    assert only(rss(entry(link="https://proxy.example/1").replace("</item>", f"{said}</item>"))).link == (
        "https://cms.example/real"
    )


def test_elements_with_our_names_are_harmless() -> None:
    """feeds:I12 — feedparser puts unknown elements among its own lists."""
    odd = '<authors type="x"><y/></authors><links a="b"/><tags>a,b</tags><content_detail/><image href="z"/><media_said a="b"/>'
    assert only(rss(entry().replace("</item>", f"{odd}</item>"))).title == "Item 1"


# -- of the feed -----------------------------------------------------------------------------------------


def test_tombstones() -> None:
    """RFC 6721, feeds:I17 — which id, when and why; its links and names are not the feed's."""
    grave = (
        '<at:deleted-entry xmlns:at="http://purl.org/atompub/tombstones/1.0" ref="urn:x:1" when="2026-03-01T10:00:00+01:00">'
        '<at:comment>Out of &amp; date</at:comment><at:by><name>Eve</name></at:by><link href="https://evil.example/"/></at:deleted-entry>'
    )
    feed = read(atom(grave, grave.replace("urn:x:1", "urn:x:2").replace("2026-03-01T10:00:00+01:00", "soon")))
    assert [(one.ref, one.when, one.comment) for one in feed.deleted] == [
        ("urn:x:1", datetime(2026, 3, 1, 9, tzinfo=UTC), "Out of & date"),
        ("urn:x:2", None, "Out of & date"),
    ]
    assert (feed.link, feed.title, feed.entries) == ("https://partner.example/", "Partner", ())


@pytest.mark.parametrize("body", [rss, atom])
def test_hubs_and_self(body: Any) -> None:
    """feeds:W5 — atom:link in both formats; relative ones against the feed; other schemes are none."""
    links = "".join(
        f'<a:link xmlns:a="http://www.w3.org/2005/Atom" rel="{rel}" href="{href}"/>'
        for rel, href in (
            ("HUB", "/hub"),
            ("hub", "https://h.example/"),
            ("hub", "ftp://h.example/"),
            ("self", "/me"),
        )
    )
    feed = read(body(links))
    assert feed.hubs == ("https://cms.example/hub", "https://h.example/")
    assert feed.self_link in {"https://cms.example/me", "https://partner.example/feed.atom"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("<ttl>60</ttl>", 3600),
        ("<ttl>0</ttl>", None),
        ("<ttl>-5</ttl>", None),
        ("<ttl>soon</ttl>", None),
        ("<ttl></ttl>", None),
        ("<ttl>999999999</ttl>", 10**8),
        ("<sy:updatePeriod> hourly </sy:updatePeriod><sy:updateFrequency>2</sy:updateFrequency>", 1800),
        ("<sy:updatePeriod>daily</sy:updatePeriod>", 86_400),
        ("<sy:updatePeriod>daily</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", 86_400),
        ("<ttl>120</ttl><sy:updatePeriod>hourly</sy:updatePeriod>", 7200),
    ],
)
def test_how_often_it_wants_to_be_asked(said: str, seconds: int | None) -> None:
    """feeds:I4 — ttl in minutes, the syndication module's period; the longer one; nonsense is nothing."""
    space = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'
    said = re.sub(r"<(sy:\w+)>", rf"<\1 {space}>", said)
    assert read(rss(said)).stated.interval == seconds


def test_when_it_wants_to_be_left_alone() -> None:
    """feeds:I4 — hours of the day and days of the week; all of them would mean never, and mean nothing."""
    hours = "".join(f"<hour>{hour}</hour>" for hour in ("0", "24", "7", "x"))
    stated = read(
        rss(f"<skipHours>{hours}</skipHours><skipDays><day>Sunday</day><day>Moonday</day></skipDays>")
    ).stated
    assert (stated.skip_hours, stated.skip_days) == ((0, 7), (6,))
    always = "".join(f"<hour>{hour}</hour>" for hour in range(24))
    assert read(rss(f"<skipHours>{always}</skipHours>")).stated.skip_hours == ()


# -- the same again --------------------------------------------------------------------------------------


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


# -- what the parent believes ----------------------------------------------------------------------------


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
