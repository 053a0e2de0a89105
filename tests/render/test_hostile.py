"""Input meant to break documents: each gives a correct document, or a fault of that one item."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from lxml import etree

from syndicator.model.item import Author, Content, Item
from syndicator.model.site import Format
from syndicator.render import documents, entries
from tests.make import NOW
from tests.render.test_entries import IMAGE, POOR, SITE, TOPIC, entry, with_content

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
POISON = "a\x00\x0b\ud800\udfff\ufffe\uffff]]>&amp;</entry></item>\"'\r\n\u2028🚀"
CLEANED = "a]]>&amp;</entry></item>\"' 🚀"


def document(item: Item, format: Format) -> bytes:
    """A whole feed of one item."""
    head = documents.head(TOPIC, SITE, format, [item.updated])
    return documents.document(head, [entries.fragment(entry(item), format)])


def texts(body: bytes, format: Format) -> list[str]:
    """Every text in a well-formed document."""
    if format is Format.JSON:
        return list(_strings(json.loads(body)))
    huge = etree.XMLParser(huge_tree=True)
    return [str(found) for found in etree.fromstring(body, huge).itertext() if found]


def _strings(found: Any) -> Any:
    if isinstance(found, str):
        yield found
    elif isinstance(found, dict | list):
        for one in found.values() if isinstance(found, dict) else found:
            yield from _strings(one)


@pytest.mark.parametrize("format", Format)
def test_poison_in_every_field(format: Format) -> None:
    """feeds:P4 NUL, lone surrogates, U+FFFE, `]]>` and end tags in every field leave the rest of the text standing."""
    item = with_content(
        replace(POOR, note=POISON),
        title=POISON,
        summary=POISON,
        body=POISON,
        topics=(POISON,),
        language=POISON,
        url=f"https://example.org/{POISON}",
        authors=(Author(name=POISON, email=POISON, url=POISON),),
        media=(replace(IMAGE, title=POISON, alt=POISON, credit=POISON, type=POISON),),
    )
    body = document(item, format)
    assert CLEANED in texts(body, format)  # the title
    head = documents.head(TOPIC, SITE, format, [item.updated])
    assert body == documents.document(head, documents.fragments_of(body, format))


@pytest.mark.parametrize("address", ["https://example.org/", "/"])
def test_five_megabytes(address: str) -> None:
    """feeds:P4 A body of 5 MB, clean or not, is a document like any other."""
    piece = f'<p>AT&amp;T &lt;]]&gt; <a href="{address}">x</a></p>'
    made = entry(with_content(POOR, body=piece * (5_000_000 // len(piece))))
    assert len(made.body) > 4_900_000
    for format in Format:
        head = documents.head(TOPIC, SITE, format, [NOW])
        body = documents.document(head, [entries.fragment(made, format)])
        assert made.body in texts(body, format)


@pytest.mark.parametrize("format", Format)
def test_long_and_empty_titles(format: Format) -> None:
    """feeds:P18 A title of 10,000 characters stays whole; an empty one is made from the text."""
    assert "x" * 10_000 in texts(document(with_content(POOR, title="x" * 10_000), format), format)
    made = texts(document(with_content(POOR, title="\x00 \n"), format), format)
    assert "Just a line: 1 < 2 & more." in made


@pytest.mark.parametrize("moment", [FIRST, LAST])
@pytest.mark.parametrize("format", Format)
def test_the_ends_of_time(moment: datetime, format: Format) -> None:
    """feeds:P11 The years 1 and 9999 are written with four digits in every format."""
    body = document(replace(POOR, published=moment, updated=moment), format).decode()
    assert moment.isoformat() in body
    if format is Format.RSS:
        expected = {FIRST: "Mon, 01 Jan 0001 00:00:00 GMT", LAST: "Fri, 31 Dec 9999 23:59:59 GMT"}
        assert f"<pubDate>{expected[moment]}</pubDate>" in body
        assert "<lastBuildDate>" in body


@pytest.mark.parametrize(
    "item",
    [
        replace(POOR, updated=FIRST.replace(tzinfo=timezone(timedelta(hours=1)))),
        replace(POOR, published=LAST.replace(tzinfo=timezone(-timedelta(hours=1)))),
        replace(POOR, published=datetime(2026, 3, 1)),
        replace(POOR, content=Content(title="")),
        replace(POOR, uid="7"),
        replace(POOR, uid=""),
    ],
)
def test_what_cannot_be_rendered(item: Item) -> None:
    """feeds:T29 A date that is none in UTC, no words, or no permanent id: a fault that names the one item."""
    with pytest.raises(entries.RenderFault) as caught:
        entry(item)
    assert item.uid == caught.value.uid


def test_a_feed_without_the_bad_item_stands() -> None:
    """feeds:T29 What one item cannot say leaves the feed of the others as it would be without it."""
    good = entries.fragment(entry(POOR), Format.ATOM)
    with pytest.raises(entries.RenderFault):
        entries.fragment(replace(entry(POOR), title="\x00"), Format.ATOM)
    head = documents.head(TOPIC, SITE, Format.ATOM, [NOW])
    assert documents.document(head, [good]) == document(POOR, Format.ATOM)
