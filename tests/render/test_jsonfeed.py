"""What a feed and an item become in JSON Feed 1.1, against a schema made from its specification."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest

from syndicator.model.item import ALL, Medium, Profile
from syndicator.model.site import Format
from syndicator.render import documents, entries
from tests.make import NOW
from tests.render.test_entries import AGNES, AUDIO, IMAGE, PAPER, POOR, RICH, SITE, TOPIC, entry, with_content

TEXT = {"type": "string", "minLength": 1}
ADDRESS = {"type": "string", "pattern": r"^https?://[^/\s]+"}
DATE = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"}
LANGUAGE = {"type": "string", "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$"}


def shape(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these keys and no others, none of them null."""
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


AUTHORS = {"type": "array", "minItems": 1, "items": shape(["name"], name=TEXT, url=ADDRESS)}
ATTACHMENT = shape(
    ["url", "mime_type"],
    url=ADDRESS,
    mime_type={"type": "string", "pattern": "^[^/ ]+/[^/ ]+$"},
    title=TEXT,
    size_in_bytes={"type": "integer", "minimum": 1},
    duration_in_seconds={"type": "integer", "minimum": 1},
)
ITEM = shape(
    ["id", "url", "title", "date_published", "date_modified", "authors"],
    id=TEXT,
    url=ADDRESS,
    title=TEXT,
    content_html=TEXT,
    content_text=TEXT,
    summary=TEXT,
    image=ADDRESS,
    banner_image=ADDRESS,
    date_published=DATE,
    date_modified=DATE,
    authors=AUTHORS,
    tags={"type": "array", "minItems": 1, "items": TEXT},
    language=LANGUAGE,
    attachments={"type": "array", "minItems": 1, "items": ATTACHMENT},
)
ITEM["oneOf"] = [{"required": ["content_html"]}, {"required": ["content_text"]}]
FEED = shape(
    ["version", "title", "home_page_url", "feed_url", "items"],
    version={"const": "https://jsonfeed.org/version/1.1"},
    title=TEXT,
    home_page_url=ADDRESS,
    feed_url=ADDRESS,
    description=TEXT,
    next_url=ADDRESS,
    icon=ADDRESS,
    favicon=ADDRESS,
    authors=AUTHORS,
    language=LANGUAGE,
    hubs={"type": "array", "minItems": 1, "items": shape(["type", "url"], type=TEXT, url=ADDRESS)},
    items={"type": "array", "items": ITEM},
)


def valid(body: bytes) -> Any:
    """The feed, after the schema had nothing to say against it."""
    found = json.loads(body)
    jsonschema.validate(found, FEED)
    return found


def feed(*made: entries.Entry, topic: Any = TOPIC, site: Any = SITE, **told: Any) -> Any:
    """A feed of these entries."""
    head = documents.head(topic, site, Format.JSON, [NOW], **told)
    return valid(documents.document(head, [entries.fragment(one, Format.JSON) for one in made]))


def only(made: entries.Entry) -> Any:
    """The one item of a feed."""
    (found,) = feed(made)["items"]
    return found


def test_the_head() -> None:
    """feeds:P15 A feed names its page, its own address, pictures, language, authors and hubs."""
    site = replace(SITE, icon=f"{SITE.base_url}/icon.png", favicon="/favicon.png")
    expected = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Society & Sons: Policy",
        "home_page_url": "https://news.example.org/topics/policy",
        "feed_url": "https://news.example.org/feeds/policy.json",
        "description": "What the society says: 1 < 2.",
        "icon": "https://news.example.org/icon.png",
        "favicon": "https://news.example.org/favicon.png",
        "authors": [{"name": "Society & Sons", "url": "https://news.example.org/"}],
        "language": "en-GB",
        "hubs": [{"type": "WebSub", "url": "https://hub.example.org/"}],
        "items": [],
    }
    assert expected == feed(site=site)


def test_what_is_not_known_is_left_out() -> None:
    """feeds:P2 No key is null or empty: a bare site has no icon, no hub and its title as description."""
    found = feed(site=replace(SITE, hubs=(), description=""))
    assert found.keys().isdisjoint({"icon", "favicon", "hubs", "next_url"})
    assert found["title"] == found["description"]


def test_everything() -> None:
    """feeds:P15 The feed of every item leads to the front page."""
    found = feed(topic=replace(TOPIC, slug=ALL))
    assert ("Society & Sons", "https://news.example.org/") == (found["title"], found["home_page_url"])


def test_a_rich_item() -> None:
    """feeds:P2 All that is known of an item stands where the specification wants it."""
    found = only(entry(RICH, AGNES))
    html = found.pop("content_html")
    assert html.startswith("<p><em>Korrektur, 2026-03-02: The budget falls")
    assert "Kontakt: Dr Agnes Stern" in html
    expected = {
        "id": RICH.uid,
        "url": "https://news.example.org/items/q-a-now",
        "title": "Q&A <now>: “budget” 🚀",
        "summary": "Why 1 < 2 & what follows",
        "image": IMAGE.url,
        "date_published": "2026-03-01T22:30:00+00:00",
        "date_modified": "2026-03-01T23:15:00+00:00",
        "authors": [{"name": "Ada Ärmel", "url": "https://ada.example.org/"}, {"name": "Bob"}],
        "tags": ["Policy", "Law & order", "unknown"],
        "language": "de",
        "attachments": [
            {"url": AUDIO.url, "mime_type": "audio/mpeg", "title": "Sound", "size_in_bytes": 1234},
            {"url": IMAGE.url, "mime_type": "image/png", "title": "Picture", "size_in_bytes": 99},
            {"url": PAPER.url, "mime_type": "application/pdf", "size_in_bytes": 77},
        ],
    }
    assert expected == found


def test_a_poor_item() -> None:
    """feeds:P2 An item that is a summary alone has plain text as its content, a mere title has that."""
    found = only(entry(POOR))
    assert "Just a line: 1 < 2 & more." == found["content_text"]
    assert found.keys().isdisjoint({"content_html", "summary", "attachments", "tags", "language", "image"})
    assert "A line" == only(entry(with_content(POOR, summary="")))["content_text"]


def test_an_item_that_lives_elsewhere() -> None:
    """feeds:P7 The canonical address is `url` in all formats; `external_url` is for feeds of links."""
    found = only(entry(with_content(RICH, url="https://society.example.org/statements/7")))
    assert "https://society.example.org/statements/7" == found["url"]
    assert "external_url" not in found


def test_pictures() -> None:
    """feeds:P20 The first picture stands for the item, the first wide one for the head of its page."""
    wide = replace(IMAGE, url="https://news.example.org/wide.png", width=1200, height=600)
    found = only(entry(with_content(POOR, media=(AUDIO, IMAGE, wide))))
    assert (IMAGE.url, wide.url) == (found["image"], found["banner_image"])
    assert "banner_image" not in only(entry(with_content(POOR, media=(replace(wide, width=1199),))))


def test_how_long_it_runs() -> None:
    """feeds:P19 An attachment says how long it runs and how large it is, as far as that is known."""
    film = Medium(url="https://news.example.org/f.mp4", type="video/mp4", length=0, duration=90)
    expected = {"url": film.url, "mime_type": "video/mp4", "duration_in_seconds": 90}
    assert [expected] == only(entry(with_content(POOR, media=(film,))))["attachments"]


def test_the_summary_profile() -> None:
    """feeds:P17 In the summary profile the text stays at home; without more to say it is plain text."""
    made = entry(with_content(RICH, media=()))
    body = entries.fragment(replace(made, correction=""), Format.JSON, Profile(full_text=False))
    found = json.loads(body)
    assert made.summary == found["content_text"]
    assert "content_html" not in found


@pytest.mark.parametrize("page", [1, 2, 3])
def test_archive_pages(page: int) -> None:
    """feeds:P26 `next_url` leads from the live feed to the newest page and on to the oldest; no hub on the way."""
    assert "https://news.example.org/feeds/policy/archive/3.json" == feed(pages=3)["next_url"]
    found = feed(entry(POOR), page=page, pages=3)
    older = f"https://news.example.org/feeds/policy/archive/{page - 1}.json" if page > 1 else None
    assert older == found.get("next_url")
    assert "https://news.example.org/feeds/policy.json" == found["feed_url"]
    assert "hubs" not in found
