"""What feedparser mixes up: captions, persons, identities, and what is said of the feed itself."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syndicator.ingest.child.scan import Refuse
from tests.ingest.feeds import atom, entry, rss
from tests.ingest.here import only, read

MEDIA = 'xmlns:m="http://search.yahoo.com/mrss/"'


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


def test_categories_without_end() -> None:
    """feeds:I25, security:X1 — the first hundreds count; a hundred thousand cost no minutes."""
    many = "".join(f"<category>{number}</category>" for number in range(20_000))
    assert len(only(rss(f"<item><title>t</title>{many}</item>")).categories) == 200


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


PIECES = (
    "<item>", "</item>", "<entry>", "<title>", "</title>", "<title type='xhtml'>", "<content mode='base64'>", "<guid/>", "<link/>",
    "<author>", "</author>", "<source>", "<image>", "</image>", "<width>", "</width>", "<category/>", "<m:group>", "</m:group>",
    "<m:content url='x' width='-1'>", "<m:thumbnail>", "</m:thumbnail>", "<m:credit>", "</m:credit>", "<m:restriction>", "<svg>",
    "<at:deleted-entry ref='x'>", "</at:deleted-entry>", "<at:comment>", "</at:comment>", "<hour>", "</hour>", "<itunes:image/>",
    "<a xml:base='http://[bad'>", "<b xmlns:c='", "<![CDATA[", "]]>", "<!--", "&nbsp;", "&#55296;", "&x;", "\0", "\ufffe", "'", '"',
)  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=10), max_size=20).map("".join),
    st.sampled_from((rss, atom)),
)
@settings(max_examples=150)
def test_any_order_of_tags_is_read_or_refused(inside: str, document: Any) -> None:
    """feeds:I12, feeds:I13 — feedparser raises on some; here it ends in a feed that is acceptable, or in words."""
    with suppress(Refuse):
        feed = read(document(f"<item {MEDIA}>{inside}</item>"))
        assert feed.entries or feed.omitted
