"""One item, three formats: what is read back from the bytes is the same item (feeds:P7)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from syndicator.model.item import Author, Content, Guid, Item, Medium
from syndicator.model.site import Format
from syndicator.render import documents, elements, entries
from tests.render.test_entries import POOR, SITE, TITLES, TOPIC

NS = {
    "a": elements.ATOM,
    "dc": elements.DC,
    "media": elements.MEDIA,
    "content": elements.CONTENT,
}
ADDRESSED = re.compile(r"\S+@\S+ \((.*)\)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Read:
    """An item as read from a feed, in whatever format; media by address, type, size and name."""

    id: str
    link: str
    title: str
    summary: str
    html: str
    published: datetime
    updated: datetime
    authors: list[str]
    categories: list[str]
    media: list[tuple[str, str, int, str]]


def texts(element: Any, path: str) -> list[str]:
    """The texts found at a path."""
    return ["".join(found.itertext()) for found in element.findall(path, NS)]


def first(element: Any, path: str) -> str:
    """The one text at a path, or nothing."""
    return "".join(texts(element, path)[:1])


def from_atom(body: bytes) -> Read:
    """The item of an Atom feed."""
    found: Any = etree.fromstring(body).find("a:entry", NS)
    assert {"text"} == {found.find(f"a:{name}", NS).get("type", "text") for name in ("title",)}
    links = found.findall("a:link", NS)
    return Read(
        id=first(found, "a:id"),
        link=next(link.get("href") for link in links if link.get("rel") == "alternate"),
        title=first(found, "a:title"),
        summary=first(found, "a:summary"),
        html=first(found, "a:content"),
        published=datetime.fromisoformat(first(found, "a:published")),
        updated=datetime.fromisoformat(first(found, "a:updated")),
        authors=texts(found, "a:author/a:name"),
        categories=[category.get("label") for category in found.findall("a:category", NS)],
        media=[
            (link.get("href"), link.get("type"), int(link.get("length")), link.get("title", ""))
            for link in links
            if link.get("rel") == "enclosure"
        ],
    )


def from_rss(body: bytes) -> Read:
    """The item of an RSS feed."""
    found: Any = etree.fromstring(body).find("channel/item")
    encoded = first(found, "content:encoded")
    mailed = [match[1] for match in map(ADDRESSED.fullmatch, texts(found, "author")) if match]
    media = [
        (one.get("url"), one.get("type"), int(one.get("fileSize", 0)), first(one, "media:title"))
        for one in found.findall("media:content", NS)
    ]
    main = [(one.get("url"), one.get("type"), int(one.get("length"))) for one in found.findall("enclosure")]
    assert [one[:3] for one in media[:1]] == main  # the main one, and only it, is the enclosure
    return Read(
        id=first(found, "guid"),
        link=first(found, "link"),
        title=first(found, "title"),
        summary=first(found, "description"),
        html=encoded,
        published=parsedate_to_datetime(first(found, "pubDate")),
        updated=datetime.fromisoformat(first(found, "a:updated")),
        authors=mailed or texts(found, "dc:creator"),
        categories=texts(found, "category"),
        media=media,
    )


def from_json(body: bytes) -> Read:
    """The item of a JSON feed."""
    (found,) = json.loads(body)["items"]
    return Read(
        id=found["id"],
        link=found["url"],
        title=found["title"],
        summary=found.get("summary", ""),
        html=found.get("content_html", ""),
        published=datetime.fromisoformat(found["date_published"]),
        updated=datetime.fromisoformat(found["date_modified"]),
        authors=[author["name"] for author in found["authors"]],
        categories=found.get("tags", []),
        media=[
            (one["url"], one["mime_type"], one.get("size_in_bytes", 0), one.get("title", ""))
            for one in found.get("attachments", [])
        ],
    )


READERS = {Format.ATOM: from_atom, Format.RSS: from_rss, Format.JSON: from_json}
ANY = st.text(st.characters(exclude_categories=()), max_size=30) | st.text("a&<>]\"'b \n\t", max_size=30)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))
MAILS = st.none() | st.sampled_from(["ada@example.org", "no address", "o'hara+press@mail.example"])
WEB = st.sampled_from(["https://example.org/1", "https://example.org/2?a=1&b=2", "http://example.net/"])
ITEMS = st.builds(
    Item,
    id=st.just(1),
    uid=st.sampled_from(["tag:news.example.org,2026:1", "https://example.org/1", "urn:x:1&2"]),
    slug=st.just("a-line"),
    state=st.just(POOR.state),
    revision=st.just(1),
    published=MOMENTS,
    updated=MOMENTS,
    note=st.none() | ANY,
    content=st.builds(
        Content,
        title=ANY.map(lambda text: f"t{text}"),
        summary=ANY.map(lambda text: f"s{text}"),
        body=ANY.map(lambda text: f"<p>b {text}</p>"),
        topics=st.lists(st.sampled_from(["policy", "law", "other"]), max_size=4).map(tuple),
        url=st.none() | WEB,
        authors=st.lists(st.builds(Author, name=ANY, email=MAILS, url=st.none() | WEB), max_size=3).map(
            tuple
        ),
        media=st.lists(
            st.builds(
                Medium,
                url=WEB,
                type=st.sampled_from(["image/png", "audio/mpeg", "application/pdf"]),
                length=st.integers(0, 2**40),
                title=ANY,
                alt=ANY,
                credit=ANY,
                width=st.integers(0, 4000),
                height=st.integers(0, 4000),
                duration=st.integers(0, 4000),
            ),
            max_size=3,
        ).map(tuple),
        guid=st.none() | st.builds(Guid, value=ANY.map(lambda text: f"g{text}"), permalink=st.booleans()),
    ),
)


@given(ITEMS)
def test_the_formats_agree(item: Item) -> None:
    """feeds:P7 An item has the same id (an imported guid apart), link, title, texts, dates, authors, categories, media."""
    made = entries.entry(item, SITE, TITLES, None)
    found = {}
    for format in Format:
        head = documents.head(TOPIC, SITE, format, [item.updated])
        found[format] = READERS[format](documents.document(head, [entries.fragment(made, format)]))
    atom, rss = found[Format.ATOM], found[Format.RSS]
    assert atom == found[Format.JSON]
    assert made.uid == atom.id
    assert rss.id == (made.guid.value if made.guid else made.uid)
    described = made.summary.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert described == rss.summary  # a description is HTML, a summary is plain
    assert atom == replace(rss, id=atom.id, summary=atom.summary)
