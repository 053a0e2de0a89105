"""What one item becomes in Atom and in RSS, with feedparser as the client that reads it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import feedparser
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.errors import SyndicatorError
from syndicator.model.item import (
    Author,
    Content,
    Guid,
    Item,
    ItemState,
    Medium,
    Source,
    Spokesperson,
    Topic,
)
from syndicator.model.site import Format, Site
from syndicator.render import documents, entries
from tests.make import NOW

BERLIN = timezone(timedelta(hours=1))
GOLDEN = Path(__file__).parent / "golden"
SITE = Site(
    title="Society & Sons",
    base_url="https://news.example.org",
    language="en-GB",
    zone="Europe/Berlin",
    description="What the society says: 1 < 2.",
    rights="© 2026 Society",
    media_contact="press@example.org",
    hubs=("https://hub.example.org/",),
)
TITLES = {"policy": "Policy", "law": "Law & order", "all": "Everything"}
TOPIC = Topic(slug="policy", title="Policy", uid="tag:news.example.org,2026:topic/policy", created=NOW)
AGNES = Spokesperson(
    slug="agnes",
    name="Dr Agnes Stern",
    role="chair",
    phone="+49 30 555 01",
    mail="stern@example.org",
    hours="Mon–Fri 9–17",
    zone="Europe/Berlin",
)
POOR = Item(
    id=2,
    uid="urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
    slug="a-line",
    state=ItemState.LIVE,
    revision=1,
    published=NOW,
    updated=NOW,
    content=Content(title="A line", summary="Just a line: 1 < 2 & more."),
)
AUDIO = Medium(url="https://news.example.org/media/t.mp3", type="audio/mpeg", length=1234, title="Sound")
IMAGE = Medium(url="https://news.example.org/media/b.png", type="image/png", length=99, title="Picture")
PAPER = Medium(url="https://news.example.org/media/p.pdf", type="application/pdf", length=77)
ORIGIN = Source(
    id="tag:origin.example.net,2020:feed",
    title="Origin & Co",
    updated=NOW - timedelta(days=1),
    feed_url="https://origin.example.net/feed",
    url="https://origin.example.net/",
)
RICH = Item(
    id=1,
    uid="tag:news.example.org,2026:item/1",
    slug="q-a-now",
    state=ItemState.LIVE,
    revision=2,
    published=datetime(2026, 3, 1, 23, 30, 0, 123456, tzinfo=BERLIN),
    updated=datetime(2026, 3, 2, 0, 15, tzinfo=BERLIN),
    note="The budget falls by 4 %, not by 40 %",
    content=Content(
        title="Q&A <now>: “budget” 🚀",
        summary="Why 1 < 2 & what follows",
        body='<p>See <a href="https://example.org/?a=1&amp;b=2">this</a>.<br>Next ]]&gt; line</p>\n',
        topics=("policy", "all", "law", "unknown"),
        language="de",
        authors=(
            Author(name="Ada Ärmel", email="ada@example.org", url="https://ada.example.org/"),
            Author(name="Bob"),
        ),
        media=(AUDIO, IMAGE, PAPER),
        source=ORIGIN,
        guid=Guid(value="https://origin.example.net/?p=1", permalink=True),
        rights="© 2025 Origin & Co <CC BY 4.0>",
    ),
)
FORMATS = [Format.ATOM, Format.RSS]  # what feedparser reads; for JSON see test_jsonfeed
ITEMS = {"poor": (POOR, None), "rich": (RICH, AGNES)}


def with_content(item: Item, **changes: Any) -> Item:
    """The item with other words."""
    return replace(item, content=replace(item.content, **changes))


def entry(item: Item, spokesperson: Spokesperson | None = None) -> entries.Entry:
    """The item's render input on the test site."""
    return entries.entry(item, SITE, TITLES, spokesperson)


def fragment(item: Item, format: Format, spokesperson: Spokesperson | None = None) -> str:
    """The item's fragment as text."""
    return entries.fragment(entry(item, spokesperson), format).decode()


def read(item: Item, format: Format) -> Any:
    """The item as a reader finds it in a whole document."""
    head = documents.head(TOPIC, SITE, format, [item.updated])
    body = documents.document(head, [entries.fragment(entry(item), format)])
    parsed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    assert not parsed.bozo, parsed.bozo_exception
    (found,) = parsed.entries
    return found


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", ITEMS)
def test_golden(name: str, format: Format) -> None:
    """feeds:P12 A rich item and a poor one render to the bytes on record."""
    item, spokesperson = ITEMS[name]
    golden = GOLDEN / f"{name}.{format}.xml"
    assert golden.read_bytes() == entries.fragment(entry(item, spokesperson), format) + b"\n"


@pytest.mark.parametrize("format", FORMATS)
def test_rights_of_an_item(format: Format) -> None:
    """feeds:I28 An item's own rights stand at it; without any those of the feed are not repeated."""
    assert "© 2025 Origin & Co <CC BY 4.0>" == read(RICH, format).rights
    assert "ights>" not in fragment(POOR, format)


# -- links, media, origin (T2, T11-T14) ------------------------------------------------------------------


def test_atom_links_keep_what_they_are() -> None:
    """feeds:P19 Atom names every enclosure with type, length and title, and one alternate link."""
    expected = [
        ("alternate", "https://news.example.org/items/q-a-now", None),
        ("enclosure", AUDIO.url, "1234"),
        ("enclosure", IMAGE.url, "99"),
        ("enclosure", PAPER.url, "77"),
    ]
    actual = [(link.rel, link.href, link.get("length")) for link in read(RICH, Format.ATOM).links]
    assert expected == actual


def test_rss_has_one_enclosure() -> None:
    """feeds:P19 RSS has the first medium as its one enclosure; all of them are media:content."""
    found = read(RICH, Format.RSS)
    assert [AUDIO.url] == [enclosure.href for enclosure in found.enclosures]
    assert [AUDIO.url, IMAGE.url, PAPER.url] == [medium["url"] for medium in found.media_content]


@pytest.mark.parametrize("format", FORMATS)
def test_images(format: Format) -> None:
    """feeds:P20 An image is media:content, and the first one is the thumbnail."""
    found = read(RICH, format)
    assert [IMAGE.url] == [image["url"] for image in found.media_thumbnail]
    assert IMAGE.url in [medium["url"] for medium in found.media_content]


def test_atom_source_is_complete() -> None:
    """feeds:P21 A foreign item names its origin by id, title, updated, self and alternate."""
    source = read(RICH, Format.ATOM).source
    assert (ORIGIN.id, ORIGIN.title) == (source.id, source.title)
    assert ORIGIN.updated.isoformat() == source.updated
    assert [("self", ORIGIN.feed_url), ("alternate", ORIGIN.url)] == [(n.rel, n.href) for n in source.links]


def test_rss_source() -> None:
    """feeds:P21 RSS names the origin by feed address and title."""
    assert '<source url="https://origin.example.net/feed">Origin &amp; Co</source>' in fragment(
        RICH, Format.RSS
    )


def test_an_item_that_lives_elsewhere() -> None:
    """feeds:P9 The link is the item's own page unless its words name another canonical address."""
    away = with_content(RICH, url="https://society.example.org/statements/7")
    for format in FORMATS:
        assert "https://society.example.org/statements/7" == read(away, format).link


# -- identity (P8, P9) -----------------------------------------------------------------------------------


def test_guid_is_no_permalink() -> None:
    """feeds:P9 Our guid is the uid and says that it is no address."""
    assert f'<guid isPermaLink="false">{POOR.uid}</guid>' in fragment(POOR, Format.RSS)


def test_guid_that_is_the_address() -> None:
    """feeds:P9 A uid that is the entry's own address says so."""
    item = with_content(replace(POOR, uid="https://example.org/1"), url="https://example.org/1")
    assert '<guid isPermaLink="true">https://example.org/1</guid>' in fragment(item, Format.RSS)


@pytest.mark.parametrize("permalink", [True, False])
def test_imported_guid_is_kept(permalink: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """feeds:P9 A guid that was imported stays byte for byte, spaces and claim included."""
    item = with_content(POOR, guid=Guid(value="  Post 17/a ", permalink=permalink))
    expected = f'<guid isPermaLink="{str(permalink).lower()}">  Post 17/a </guid>'
    assert expected in fragment(item, Format.RSS)


def test_edits_never_change_the_id() -> None:
    """feeds:P8 Another title, slug, host, scheme, text and date leave the ids as they are."""
    edited = replace(RICH, slug="other", updated=NOW, note=None, content=Content(title="Other"))
    site = replace(SITE, base_url="http://www.example.com", title="Other")
    for item in (RICH, edited):
        made = entries.entry(replace(item, content=replace(item.content, guid=None)), site, {}, None)
        for format, name in ((Format.ATOM, "id"), (Format.RSS, 'guid isPermaLink="false"')):
            assert f"<{name}>{RICH.uid}</" in entries.fragment(made, format).decode()


@given(st.text(min_size=1), st.text(), st.text(), st.dates())
def test_no_words_change_the_id(title: str, summary: str, body: str, day: Any) -> None:
    """feeds:P8 Whatever the words and dates, id and guid are the uid."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    item = replace(RICH, published=moment, updated=moment, content=Content(title="t" + title))
    item = with_content(item, summary=summary, body=body)
    for format in FORMATS:
        assert f">{RICH.uid}</" in fragment(item, format)


# -- texts (P4, P5, P16-P18, P22, P23) -------------------------------------------------------------------


def test_titles_are_plain_text() -> None:
    """feeds:P5 A title with markup signs reads the same in both formats, has no type and is never HTML."""
    for format in FORMATS:
        assert "<title>Q&#x26;A &#x3C;now&gt;: “budget” 🚀</title>" in fragment(RICH, format)


def test_summary_and_content() -> None:
    """feeds:P17 RSS has the summary in description before the body in content:encoded."""
    text = fragment(RICH, Format.RSS)
    assert "<description>Why 1 &amp;lt; 2 &amp;amp; what follows</description><content:encoded>" in text


def test_one_text_is_the_description() -> None:
    """feeds:P17 A single text, summary or body, goes into description alone."""
    assert "content:encoded" not in fragment(POOR, Format.RSS)
    assert "<description>Just a line: 1 &amp;lt; 2 &amp;amp; more.</description>" in fragment(
        POOR, Format.RSS
    )
    body_only = fragment(with_content(POOR, summary="", body="<p>All</p>"), Format.RSS)
    assert "<description>&lt;p&gt;All&lt;/p&gt;</description>" in body_only
    assert "content:encoded" not in body_only


def test_title_only() -> None:
    """feeds:P17 An item that is a title alone renders in both formats; in Atom it is the summary, too."""
    bare = with_content(POOR, summary="")
    assert ["A line", "A line"] == [read(bare, format).title for format in FORMATS]
    assert ["A line", ""] == [read(bare, format).get("summary", "") for format in FORMATS]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content(title=" \n", summary="Short\nand plain"), "Short and plain"),
        (Content(title="", body="<p>Caf&eacute; &amp; <b>bar</b></p>"), "Café & bar"),
        (
            Content(title="\x00", summary="word " * 20),
            "word word word word word word word word word word word word…",
        ),
        (Content(title="", summary="x" * 70), "x" * 60 + "…"),
    ],
)
def test_title_from_the_text(content: Content, expected: str) -> None:
    """feeds:P18 An empty title is made from about 60 characters of the text."""
    assert expected == entry(replace(POOR, content=content)).title


def test_no_words_at_all() -> None:
    """feeds:P18 An item without a word is refused by name, so that the feed goes out without it."""
    with pytest.raises(entries.RenderFault, match=POOR.uid) as caught:
        entry(replace(POOR, content=Content(title="\x00")))
    assert POOR.uid == caught.value.uid
    assert isinstance(caught.value, SyndicatorError)


def test_correction_is_visible_and_dated() -> None:
    """feeds:P23 A corrected item says so first in its content, dated in the site's zone, its summary untouched."""
    made = entry(RICH)
    first = "<p><em>Korrektur, 2026-03-02: The budget falls by 4 %, not by 40 %</em></p><p>See"
    assert made.content.startswith(first)
    assert RICH.content.summary == made.summary


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize("year", [1, 9999])
def test_a_correction_at_the_end_of_the_calendar(zone: str, year: int) -> None:
    """feeds:P23 A day that the site's zone does not have is the one of UTC."""
    moment = datetime(1, 1, 1, tzinfo=UTC) if year == 1 else datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    item = replace(POOR, updated=moment, note="It was 1")
    made = entries.entry(item, replace(SITE, zone=zone), TITLES, None)
    assert made.correction.startswith(f"Correction, {year:04}-")


def test_correction_of_a_summary() -> None:
    """feeds:P23 Without a body the note stands above the summary in the content."""
    made = entry(replace(POOR, note="It was 1"))
    expected = "<p><em>Correction, 2026-03-02: It was 1</em></p><p>Just a line: 1 &lt; 2 &amp; more.</p>"
    assert expected == made.content


def test_contact_line() -> None:
    """Whom to ask stands last in the content, in the item's language."""
    last = "<p><em>Kontakt: Dr Agnes Stern, chair, +49 30 555 01, stern@example.org, Mon–Fri 9–17 (Europe/Berlin)"
    assert entry(RICH, AGNES).content.endswith(f"{last}</em></p>")
    nobody = replace(AGNES, role="", phone="", mail="", hours="", zone="")
    assert "Contact: Dr Agnes Stern" == entry(POOR, nobody).contact
    no_hours = Spokesperson(slug="b", name="Bo", zone="Europe/Berlin")  # a zone says something of hours only
    assert "Contact: Bo" == entry(POOR, no_hours).contact


def test_rss_author_needs_an_address() -> None:
    """feeds:P16 One author with an address is `author`; all others are dc:creator, and never both."""
    ada, bob = RICH.content.authors
    alone = fragment(with_content(RICH, authors=(ada,)), Format.RSS)
    assert "<author>ada@example.org (Ada Ärmel)</author>" in alone
    assert "dc:creator" not in alone
    for authors in ((ada, bob), (bob,), (), (Author(name=" "),)):
        text = fragment(with_content(RICH, authors=authors), Format.RSS)
        assert "<author>" not in text
        assert max(1, len(authors)) == text.count("<dc:creator>")


@pytest.mark.parametrize("format", FORMATS)
def test_the_site_is_the_author(format: Format) -> None:
    """feeds:P16 An item without authors has the site as its author."""
    assert SITE.title == read(POOR, format).author


def test_language() -> None:
    """feeds:P22 An entry in another language says so; one in the site's language does not."""
    assert fragment(RICH, Format.ATOM).startswith('<entry xml:lang="de"><id>')
    assert "<dc:language>de</dc:language>" in fragment(RICH, Format.RSS)
    for language in (None, SITE.language):
        same = with_content(RICH, language=language)
        assert fragment(same, Format.ATOM).startswith("<entry><id>")
        assert "language" not in fragment(same, Format.RSS)


def test_categories() -> None:
    """feeds:P15 Topics keep the author's order, once each, without `all`; a slug stands in for a title."""
    made = entry(with_content(RICH, topics=("law", "all", "policy", "law", "unknown")))
    scheme = "https://news.example.org/topics/"
    expected = [
        ("law", "Law & order", scheme),
        ("policy", "Policy", scheme),
        ("unknown", "unknown", scheme),
    ]
    assert expected == list(made.categories)


# -- dates (P10, P11) ------------------------------------------------------------------------------------


def test_dates_are_utc_in_whole_seconds() -> None:
    """feeds:P11 Both formats show UTC, `published` without fractions, RSS with English names."""
    assert "<published>2026-03-01T22:30:00+00:00</published>" in fragment(RICH, Format.ATOM)
    assert "<pubDate>Sun, 01 Mar 2026 22:30:00 GMT</pubDate>" in fragment(RICH, Format.RSS)
    assert "<atom:updated>2026-03-01T23:15:00+00:00</atom:updated>" in fragment(RICH, Format.RSS)


def test_a_date_without_an_offset_is_refused() -> None:
    """feeds:P11 A naive date is a fault that names the item."""
    with pytest.raises(entries.RenderFault, match="has no offset"):
        entry(replace(POOR, published=datetime(2026, 3, 1)))


# -- any input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0x00, 0x08, 0x0B, 0x1B, 0xD800, 0xDFFF, 0xFFFE, 0xFFFF])
def test_what_xml_forbids_is_left_out(code: int) -> None:
    """feeds:P4 Code points XML 1.0 cannot hold vanish; the rest of the text stays."""
    assert "ab" == entry(with_content(POOR, title=f"a{chr(code)}b")).title


@pytest.mark.parametrize("code", [0x85 + 1, 0x9F, 0xA0, 0x200B, 0xFDD0, 0xFFFD, 0x1F680, 0x10FFFF])
def test_what_xml_allows_stays(code: int) -> None:
    """feeds:P4 Emoji, C1 controls, no-break spaces and odd planes reach the reader."""
    assert f"a{chr(code)}b" == entry(with_content(POOR, title=f"a{chr(code)}b")).title


WORDS = st.text(st.sampled_from("aä🚀 &<>\"'b1;#"), min_size=1, max_size=20).map(lambda text: f"w{text}w")


@given(WORDS, WORDS, st.lists(st.sampled_from(["policy", "law", "b"]), unique=True), st.integers(0, 10**6))
def test_formats_agree(title: str, summary: str, topics: list[str], minutes: int) -> None:
    """feeds:P7 An item has the same id, link, title, dates and categories in every format."""
    item = replace(POOR, updated=NOW + timedelta(minutes=minutes))
    item = with_content(item, title=title, summary=summary, topics=tuple(topics))
    atom, rss = (
        {
            "id": found.id,
            "link": found.link,
            "published": found.published_parsed,
            "updated": found.updated_parsed,
            "categories": [(tag.scheme, tag.label or tag.term) for tag in found.get("tags", [])],
        }
        for found in (read(item, format) for format in FORMATS)
    )
    assert atom == rss
    assert entry(item).title in {read(item, Format.ATOM).title, " ".join(title.split())}


def test_an_unrenderable_entry_names_itself() -> None:
    """feeds:T29 What feedgen cannot render is a RenderFault with the uid, whatever feedgen raised."""
    whole = entry(POOR)
    untyped = Medium(url="https://x.example/a", type=None, length=1)  # type: ignore[arg-type]
    for broken in (replace(whole, title="a\x00b"), replace(whole, media=(untyped,))):
        for format in FORMATS:
            with pytest.raises(entries.RenderFault, match=POOR.uid):
                entries.fragment(broken, format)
