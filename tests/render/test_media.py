"""Files of an item: enclosures, and what Media RSS tells of them (feeds:P19, feeds:P20)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from syndicator.model.item import Medium
from syndicator.model.site import Format
from syndicator.render import documents, elements, entries
from tests.make import NOW
from tests.render.test_entries import AUDIO, FORMATS, IMAGE, PAPER, POOR, SITE, TOPIC, entry, with_content

NS = {"a": elements.ATOM, "media": elements.MEDIA}
PICTURE = replace(
    IMAGE,
    title="Budget & <co>",
    alt="A chart: 4 % less",
    credit="Ada Ärmel",
    width=1200,
    height=630,
)
FILM = Medium(
    url="https://news.example.org/media/f.mp4",
    type="video/mp4",
    length=2**31,
    credit="Bob",
    duration=90,
)


def read(format: Format, *media: Medium) -> Any:
    """The entry of a feed that has an item with these files."""
    fragment = entries.fragment(entry(with_content(POOR, media=media)), format)
    body = documents.document(documents.head(TOPIC, SITE, format, [NOW]), [fragment])
    found = etree.fromstring(body).find("a:entry" if format is Format.ATOM else "channel/item", NS)
    assert found is not None
    return found


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture(format: Format) -> None:
    """feeds:P20 A picture says what it shows, who made it and how large it is; figures are text (T19)."""
    found = read(format, PICTURE)
    (content,) = found.findall("media:content", NS)
    expected = {
        "url": PICTURE.url,
        "type": "image/png",
        "medium": "image",
        "fileSize": "99",
        "width": "1200",
        "height": "630",
    }
    assert expected == dict(content.attrib)
    told = [(etree.QName(one).localname, dict(one.attrib), "".join(one.itertext())) for one in content]
    assert told == [
        ("title", {}, "Budget & <co>"),
        ("description", {"type": "plain"}, "A chart: 4 % less"),
        ("credit", {"role": "photographer", "scheme": "urn:ebu"}, "Ada Ärmel"),
    ]
    (thumbnail,) = found.findall("media:thumbnail", NS)
    assert {"url": PICTURE.url, "width": "1200", "height": "630"} == dict(thumbnail.attrib)


@pytest.mark.parametrize("format", FORMATS)
def test_a_film(format: Format) -> None:
    """feeds:P19 What runs says how long; its credit is its author's; without a picture there is no thumbnail."""
    found = read(format, FILM)
    content = found.find("media:content", NS)
    assert ("video", "90", str(2**31)) == tuple(map(content.get, ("medium", "duration", "fileSize")))
    assert "author" == content.find("media:credit", NS).get("role")
    assert found.find("media:thumbnail", NS) is None


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_not_known_is_not_said(format: Format) -> None:
    """feeds:P20 No figure is 0, half a size is none, and an unknown sort of file has no `medium`."""
    content = read(format, replace(PAPER, length=0, width=5)).find("media:content", NS)
    assert {"url": PAPER.url, "type": "application/pdf"} == dict(content.attrib)
    assert [] == list(content)


def test_the_main_file_is_the_enclosure() -> None:
    """feeds:P19 RSS encloses the first file and has all as media:content in order; Atom encloses every one."""
    media = (FILM, AUDIO, PICTURE, PAPER)
    rss, atom = read(Format.RSS, *media), read(Format.ATOM, *media)
    (enclosure,) = rss.findall("enclosure")
    assert {"url": FILM.url, "type": "video/mp4", "length": str(2**31)} == dict(enclosure.attrib)
    urls = [medium.url for medium in media]
    for found in (rss, atom):
        assert urls == [one.get("url") for one in found.findall("media:content", NS)]
        assert [PICTURE.url] == [one.get("url") for one in found.findall("media:thumbnail", NS)]
    assert urls == [link.get("href") for link in atom.findall("a:link[@rel='enclosure']", NS)]


@pytest.mark.parametrize("type", ["", "png", "image/", "image/png; q=1", "\x00/\ud800"])
def test_a_type_that_is_none(type: str) -> None:
    """feeds:P19 A file always has a type; one that names none is so many bytes."""
    (medium,) = entry(with_content(POOR, media=(replace(IMAGE, type=type, length=-1),))).media
    assert ("application/octet-stream", 0) == (medium.type, medium.length)
