"""Whole documents: the same bytes as feedgen's own, the same bytes everywhere, and what validators say."""

import gzip
import hashlib
import json
import locale
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import feedparser
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from syndicator.model.item import ALL, Author, Closing, Content, Guid, Medium, Source, Spokesperson
from syndicator.model.site import MEDIA_TYPES, Format
from syndicator.render import channel, documents, elements, entries
from syndicator.render import fragments as fragment_xml
from tests.make import NOW
from tests.render.test_entries import AGNES, FORMATS, POOR, RICH, SITE, TOPIC, entry

GOLDEN = Path(__file__).parent / "golden"
ENTRIES = (entry(RICH, AGNES), entry(POOR))
GONE = documents.Tombstone(uid="tag:news.example.org,2026:item/0", when=NOW, note="It was wrong & withdrawn")
WATCHED = ("LC_ALL", "TZ", "PYTHONHASHSEED")


def many(count: int) -> list[entries.Entry]:
    """That many entries, rich and poor by turns, a minute apart (DuplicateUpdated is the data's fault)."""
    return [
        replace(
            ENTRIES[n % 2],
            uid=f"tag:news.example.org,2026:many/{n}",
            guid=None,
            updated=NOW - timedelta(minutes=n),
        )
        for n in range(count)
    ]


def head(format: Format, **site: Any) -> documents.Head:
    """The head of the test topic."""
    return documents.head(TOPIC, replace(SITE, **site), format, [made.updated for made in ENTRIES])


def fragments(made: Sequence[entries.Entry], format: Format) -> list[bytes]:
    """The fragment of each entry."""
    return [entries.fragment(one, format) for one in made]


def document(format: Format, tombstones: Sequence[documents.Tombstone] = ()) -> bytes:
    """A whole document of the rich and the poor item."""
    return documents.document(head(format), fragments(ENTRIES, format), tombstones)


def parsed(format: Format, **site: Any) -> Any:
    """What a reader finds."""
    found = feedparser.parse(documents.document(head(format, **site), fragments(ENTRIES, format)))
    assert not found.bozo, found.bozo_exception
    return found


# -- the proof: cheaper, and the same bytes --------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("count", [0, 1, 10, 1000])
def test_the_same_bytes_as_feedgen(count: int, format: Format) -> None:
    """feeds:P12 Head, fragments and tail are byte for byte what feedgen prints for the whole feed."""
    made = many(count)
    whole = channel.generator(head(format))
    for one in made:
        whole.add_entry(fragment_xml.feed_entry(one, format), order="append")  # T3
    expected = channel.whole(head(format), whole)
    assert expected == documents.document(head(format), fragments(made, format))


def test_the_same_bytes_as_feedgen_with_tombstones() -> None:
    """feeds:P23 The proof holds with tombstones and their prefix as well."""
    whole = channel.generator(head(Format.ATOM), [GONE])
    for one in ENTRIES:
        whole.add_entry(fragment_xml.feed_entry(one, Format.ATOM), order="append")
    assert channel.whole(head(Format.ATOM), whole) == document(Format.ATOM, [GONE])


@pytest.mark.parametrize("format", FORMATS)
def test_golden(format: Format) -> None:
    """feeds:P12 A document of a rich and a poor item, with a tombstone, has the bytes on record."""
    golden = GOLDEN / f"document.{format}.xml"
    assert golden.read_bytes() == document(format, [GONE]) + b"\n"


DIGESTS = """
import hashlib, locale
from contextlib import suppress
from tests.render.test_documents import GONE, document
from syndicator.model.site import Format
from syndicator.render.documents import pack
with suppress(locale.Error):  # not every machine has every locale
    locale.setlocale(locale.LC_ALL, "")
for format in Format:
    packed = pack(document(format, [GONE]))
    print(packed.etag, hashlib.sha256(packed.gzip).hexdigest())
"""


def digests(**environment: str) -> str:
    """What another process makes of the same data."""
    kept = {name: value for name, value in os.environ.items() if name not in WATCHED}
    command = [sys.executable, "-c", DIGESTS]
    ran = subprocess.run(
        command,
        env={**kept, **environment},
        check=True,
        capture_output=True,
        text=True,
        cwd=GOLDEN.parents[2],
    )
    return ran.stdout


def test_the_same_bytes_in_every_process() -> None:
    """feeds:P12 Hash seed, time zone and locale of a process change no byte, compressed or not."""
    packed = [documents.pack(document(format, [GONE])) for format in Format]
    expected = "".join(f"{one.etag} {hashlib.sha256(one.gzip).hexdigest()}\n" for one in packed)
    assert expected == digests(PYTHONHASHSEED="1", TZ="America/St_Johns", LC_ALL="POSIX")
    assert expected == digests(PYTHONHASHSEED="2", TZ="Asia/Kathmandu", LC_ALL="de_DE.UTF-8")


@pytest.mark.parametrize("format", Format)
def test_the_same_bytes_at_every_time(format: Format) -> None:
    """feeds:P10 No date comes from the clock (T6)."""
    now = document(format)
    with time_machine.travel(NOW + timedelta(days=4000)):
        assert now == document(format)


def test_the_locale_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """feeds:P11 No render switches the locale of the process, as feedgen's own dates do (T22)."""
    monkeypatch.delattr(locale, "setlocale")
    assert document(Format.RSS).startswith(b"<?xml")


# -- the head --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
def test_declaration_and_prefixes(format: Format) -> None:
    """feeds:P3 The XML declaration is first, there is no BOM, and prefixes are the usual ones."""
    expected: dict[Format, dict[str | None, str]] = {
        Format.ATOM: {None: elements.ATOM, "media": elements.MEDIA},
        Format.RSS: {
            "atom": elements.ATOM,
            "content": elements.CONTENT,
            "dc": elements.DC,
            "media": elements.MEDIA,
        },
    }
    body = document(format)
    assert body.startswith(b"<?xml version='1.0' encoding='UTF-8'?>\n<")
    assert b"<!DOCTYPE" not in body
    assert b"ns0:" not in body
    assert 1 == body.count(b"xmlns:media=")
    assert expected[format] == etree.fromstring(body).nsmap


@pytest.mark.parametrize("format", FORMATS)
def test_prefixes_only_where_used(format: Format) -> None:
    """feeds:P3 Without tombstones and archives there is no prefix for them."""
    body = documents.document(head(format), fragments([entry(POOR)], format))
    assert b"xmlns:at=" not in body
    assert b"xmlns:fh=" not in body


@pytest.mark.parametrize("format", FORMATS)
def test_links(format: Format) -> None:
    """feeds:P15 Self is the served address of this format, alternate the page, and every hub is named."""
    hubs = ("https://hub.example.org/", "https://hub.example.net/")
    found = parsed(format, hubs=hubs).feed
    media_type = MEDIA_TYPES[format].partition(";")[0]
    links = [(link.rel, link.href, link.get("type")) for link in found.links]
    assert ("self", f"https://news.example.org/feeds/policy.{format}", media_type) in links
    assert ("alternate", "https://news.example.org/topics/policy", "text/html") in links
    assert list(hubs) == [href for rel, href, _ in links if rel == "hub"]
    assert "https://news.example.org/topics/policy" == found.link


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_feed_says_of_itself(format: Format) -> None:
    """feeds:P15 Title, description, language, rights and generator are there; the generator has no version."""
    found = parsed(format).feed
    assert "Society & Sons: Policy" == found.title
    assert "What the society says: 1 < 2." == found.subtitle
    assert "en-GB" == found.language
    assert "© 2026 Society" == found.rights
    assert "Syndicator" == found.generator
    assert [("https://news.example.org/topics/", "Policy")] == [
        (tag.scheme, tag.label or tag.term) for tag in found.tags
    ]


@pytest.mark.parametrize(
    ("icon", "logo", "expected"),
    [
        ("/i.png", "https://cdn.example.org/L.JPG", "https://cdn.example.org/L.JPG"),
        ("/i.png", "/l.svg", "https://news.example.org/i.png"),
        ("/i.webp", "", None),
        ("", "", None),
    ],
)
def test_pictures(icon: str, logo: str, expected: str | None) -> None:
    """feeds:P15 Atom has icon and logo, RSS the logo as its image if it is of a kind RSS knows, else the icon."""
    rss = etree.fromstring(documents.document(head(Format.RSS, icon=icon, logo=logo), []))
    assert expected == rss.findtext("channel/image/url")
    if expected:
        for name in ("title", "link"):
            image, channel = (rss.find(f"channel/{place}{name}") for place in ("image/", ""))
            assert image is not None
            assert channel is not None
            assert "".join(map(str, channel.itertext())) == "".join(map(str, image.itertext()))
    atom = etree.fromstring(documents.document(head(Format.ATOM, icon=icon, logo=logo), []))
    for name, url in (("icon", icon), ("logo", logo)):
        assert (url and urljoin(SITE.base_url, url)) == atom.findtext(f"{{{elements.ATOM}}}{name}", "")


@pytest.mark.parametrize("format", FORMATS)
def test_stylesheet(format: Format) -> None:
    """feeds:P30 A browser is told of a CSS style sheet, never of XSLT; an operator may have none."""
    told = b'<?xml-stylesheet type="text/css" href="https://news.example.org/static/feed.css"?>'
    assert 1 == document(format).count(told)
    assert b"xml-stylesheet" not in documents.document(head(format, stylesheet=False), [])
    assert b"xsl" not in document(format)


def test_rss_channel() -> None:
    """feeds:H7 The channel's ttl is max_age in minutes, its editor the desk, its date from data."""
    body = document(Format.RSS)
    assert b"<ttl>5</ttl>" in body
    assert b"<managingEditor>press@example.org (Society &amp; Sons)</managingEditor>" in body
    assert b"<lastBuildDate>Mon, 02 Mar 2026 09:00:00 GMT</lastBuildDate>" in body


def test_rss_channel_without_a_desk() -> None:
    """feeds:P15 What is no mail address is not shown as one."""
    for desk in (None, "Ask at the door"):
        assert b"managingEditor" not in documents.document(head(Format.RSS, media_contact=desk), [])


@pytest.mark.parametrize("format", FORMATS)
def test_everything(format: Format) -> None:
    """feeds:P15 The feed of every item bears the site's title, no category, and leads to the front page."""
    topic = replace(TOPIC, slug=ALL, title="Everything")
    body = documents.document(documents.head(topic, SITE, format, []), [])
    found = feedparser.parse(body).feed
    assert (SITE.title, f"{SITE.base_url}/") == (found.title, found.link)
    assert "tags" not in found


def test_updated_is_the_newest_of_the_data() -> None:
    """feeds:P10 A feed's date is its newest entry, withdrawal or the topic's own beginning."""
    for moments in ([], [NOW - timedelta(days=1)]):
        assert documents.head(TOPIC, SITE, Format.ATOM, moments).updated == TOPIC.created
    later = NOW + timedelta(seconds=1.5)
    assert later == documents.head(TOPIC, SITE, Format.ATOM, [NOW, later]).updated


@pytest.mark.parametrize("format", FORMATS)
def test_order_is_the_callers(format: Format) -> None:
    """feeds:P13 Entries stand in the order they were given (T3)."""
    expected = [made.title for made in ENTRIES]
    assert expected == [found.title for found in parsed(format).entries]


# -- history (RFC 5005) ----------------------------------------------------------------------------------


def at(format: Format, **told: Any) -> documents.Head:
    """A head that is told of archive pages."""
    return documents.head(TOPIC, SITE, format, [NOW], **told)


def relations(head: documents.Head) -> dict[str, str]:
    """The links of a document by what they are, as a reader finds them."""
    links = feedparser.parse(documents.document(head, [])).feed.links
    return {link.rel: link.href.removeprefix(SITE.base_url) for link in links}


@pytest.mark.parametrize("format", FORMATS)
def test_the_live_document_leads_to_the_newest_page(format: Format) -> None:
    """feeds:P26 The live document links the newest closed page; it is itself no archive."""
    head = at(format, pages=3)
    found = relations(head)
    assert f"/feeds/policy/archive/3.{format}" == found["prev-archive"]
    assert found.keys().isdisjoint({"next-archive", "current"})
    assert b"<fh:" not in documents.document(head, [])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("page", [1, 2, 3])
def test_an_archive_page(page: int, format: Format) -> None:
    """feeds:P26 A closed page is marked, names itself, the live document and its neighbours, and no hub."""
    head = at(format, page=page, pages=3)
    found = relations(head)
    assert f"/feeds/policy/archive/{page}.{format}" == found["self"]
    assert f"/feeds/policy.{format}" == found["current"]
    assert f"/feeds/policy/archive/{page + 1}.{format}" == found["next-archive"]
    older = f"/feeds/policy/archive/{page - 1}.{format}" if page > 1 else None
    assert older == found.get("prev-archive")
    assert "hub" not in found
    assert 1 == documents.document(head, []).count(b"<fh:archive/>")


@pytest.mark.parametrize("format", FORMATS)
def test_a_complete_feed(format: Format) -> None:
    """feeds:P27 A feed that holds everything says so, and never beside archive pages."""
    body = documents.document(at(format, complete=True), [])
    assert 1 == body.count(b"<fh:complete/>")
    for told in ({"pages": 1}, {"page": 1}):
        assert b"fh:complete" not in documents.document(at(format, complete=True, **told), [])


def test_the_announcement_of_the_end_is_news() -> None:
    """feeds:H8 The live document of a closing topic is as new as the announcement; its archives are not."""
    closing = Closing(announced=NOW + timedelta(days=1), over=NOW + timedelta(days=9), note="Goodbye")
    topic = replace(TOPIC, closing=closing)
    assert closing.announced == documents.head(topic, SITE, Format.ATOM, [NOW]).updated
    assert documents.head(topic, SITE, Format.ATOM, [NOW], page=1).updated == NOW


# -- taking apart ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("count", [0, 1, 3])
def test_fragments_of(count: int, format: Format) -> None:
    """feeds:P26 A document gives back its fragments byte for byte, tombstones and nested marks apart."""
    told = fragments(many(count), format)
    body = documents.document(head(format, title='","items":[', description="<entry><item>"), told, [GONE])
    assert told == documents.fragments_of(body, format)


# -- tombstones ------------------------------------------------------------------------------------------


def test_atom_tombstone() -> None:
    """feeds:P23 Atom names what is gone, when and why, before its entries."""
    expected = (
        b'<at:deleted-entry ref="tag:news.example.org,2026:item/0" when="2026-03-02T09:00:00+00:00">'
        b"<at:comment>It was wrong &#x26; withdrawn</at:comment></at:deleted-entry><entry"
    )
    assert expected in document(Format.ATOM, [GONE])


def test_a_silent_tombstone() -> None:
    """feeds:P23 A tombstone without a note has no comment."""
    assert b"at:comment" not in document(Format.ATOM, [replace(GONE, note="")])


def test_rss_has_no_tombstones() -> None:
    """feeds:P23 RSS has no word for what is gone: tombstones change no byte of it."""
    assert document(Format.RSS) == document(Format.RSS, [GONE])


# -- packing ---------------------------------------------------------------------------------------------


def test_pack() -> None:
    """feeds:H2 The tag is strong, and made of the body: the first 32 digits of its SHA-256."""
    packed = documents.pack(b"body")
    digest = hashlib.sha256(b"body").hexdigest()
    assert f'"{digest[:32]}"' == packed.etag
    assert b"body" == gzip.decompress(packed.gzip)


@pytest.mark.parametrize("size", [4, 100_000, 1_000_000])
def test_pack_is_reproducible(size: int) -> None:
    """feeds:H13 The compressed bytes, of a small body as of a large one, hold no time and no name."""
    body = b"body" * (size // 4)
    first = documents.pack(body)
    with time_machine.travel(NOW):
        assert first == documents.pack(body)
    assert body == gzip.decompress(first.gzip)
    assert len(first.gzip) < max(size, 40)
    assert bytes(5) == first.gzip[3:8]  # RFC 1952 §2.3: flags and mtime


def test_a_document_tells_what_it_shows() -> None:
    """feeds:P23 The uids of a JSON document, in its order."""
    uids = documents.uids_of(b'{"title":"x","items":[{"id":"tag:a&b","title":"y"},{"id":"tag:c"}]}')
    assert ["tag:a&b", "tag:c"] == uids


# -- any input -------------------------------------------------------------------------------------------

ANY = st.text(st.characters(exclude_categories=()), max_size=30)  # lone surrogates included
AUTHORS = st.builds(Author, name=ANY, email=st.none() | ANY, url=st.none() | ANY)
MEDIA = st.builds(Medium, url=ANY, type=ANY, length=st.integers(0, 2**40), title=ANY)
GUIDS = st.builds(Guid, value=ANY, permalink=st.booleans())
SOURCES = st.builds(Source, id=ANY, title=ANY, updated=st.just(NOW), feed_url=ANY, url=st.none() | ANY)
CONTENTS = st.builds(
    Content,
    title=ANY,
    summary=ANY,
    body=ANY,
    topics=st.lists(ANY, max_size=3).map(tuple),
    language=st.none() | ANY,
    url=st.none() | ANY,
    authors=st.lists(AUTHORS, max_size=3).map(tuple),
    media=st.lists(MEDIA, max_size=3).map(tuple),
    source=st.none() | SOURCES,
    guid=st.none() | GUIDS,
)


@given(CONTENTS, st.none() | ANY, ANY, st.builds(Spokesperson, slug=ANY, name=ANY, hours=ANY))
def test_any_text_in_any_field(
    content: Content, note: str | None, title: str, spokesperson: Spokesperson
) -> None:
    """feeds:P4 Whatever stands in any field, every format is well-formed; only wordless items are refused."""
    item = replace(POOR, content=replace(content, title="t" + content.title), note=note)
    site = replace(SITE, title="S" + title, description=title, rights=title, media_contact=title)
    made = entries.entry(item, site, dict.fromkeys(content.topics, title), spokesperson)
    for format in Format:
        head = documents.head(replace(TOPIC, title=title), site, format, [item.updated])
        tombstone = documents.Tombstone(uid="tag:x" + title, when=NOW, note=title)
        told = [entries.fragment(made, format)]
        body = documents.document(head, told, [tombstone])
        assert told == documents.fragments_of(body, format)
        found = json.loads(body)["items"] if format is Format.JSON else feedparser.parse(body).entries
        assert 1 == len(found)
