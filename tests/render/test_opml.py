"""The list of feeds as OPML: what it says, what validators say, and that its import is what was exported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from syndicator.ingest.sources import opml as reader
from syndicator.model.item import ALL
from syndicator.model.site import Format
from syndicator.render import opml
from syndicator.render.opml import Listed
from tests.make import make_site

SITE = make_site(title="Society & Sons", base_url="https://news.example/desk")
LISTED = [Listed(ALL, "All items"), Listed("policy", 'Policy <"now"> & then'), Listed("maths", "∑ 🧮")]
JUDGE = """
import io, sys
sys.path.insert(0, sys.argv[1] + "/src")
import feedvalidator
with open(sys.argv[2], "rb") as body:
    events = feedvalidator.validateStream(body, contentType=sys.argv[3], base=sys.argv[4])["loggedEvents"]
for event in events:
    if isinstance(event, (feedvalidator.logging.Error, feedvalidator.logging.Warning)):
        print(type(event).__name__, event.params)
"""


def test_what_it_says() -> None:
    """feeds:P29 OPML 2.0: one outline for each topic with type, text, title, both addresses; all first."""
    root = etree.fromstring(opml.document(SITE, LISTED))
    assert ("opml", "2.0", "Society & Sons") == (root.tag, root.get("version"), root.findtext("head/title"))
    first, second, _ = root.findall("body/outline")
    assert {
        "type": "rss",
        "text": "Society & Sons",
        "title": "Society & Sons",
        "xmlUrl": "https://news.example/desk/feeds/all.atom",
        "htmlUrl": "https://news.example/desk/",
    } == {str(name): value for name, value in first.items()}
    assert ('Society & Sons: Policy ‹"now"> & then', "https://news.example/desk/topics/policy") == (
        second.get("title"),
        second.get("htmlUrl"),
    )


def test_validator(tmp_path: Path) -> None:
    """feeds:P29 The W3C validator finds no error and no warning, as served."""
    directory = os.environ.get("FEEDVALIDATOR_DIR")
    if not directory:
        pytest.skip("the W3C feed validator: FEEDVALIDATOR_DIR is not set")
    source = tmp_path / "feeds.opml"
    source.write_bytes(opml.document(SITE, LISTED))
    python = os.environ.get("FEEDVALIDATOR_PYTHON", sys.executable)
    arguments = (directory, str(source), opml.MEDIA_TYPE, SITE.url("/feeds.opml"))
    ran = subprocess.run(
        [python, "-W", "ignore", "-c", JUDGE, *arguments], check=True, capture_output=True, text=True
    )
    assert "" == ran.stdout


@given(
    st.lists(
        st.builds(Listed, st.from_regex(r"[a-z0-9-]{1,64}", fullmatch=True), st.text(max_size=40)),
        unique_by=lambda one: one.slug,
        max_size=8,
    ),
    st.text(min_size=1, max_size=30),
)
def test_the_import_of_our_export(listed: list[Listed], title: str) -> None:
    """feeds:P29 feeds:P4 Whatever topics are called, what was exported is what is read."""
    site = make_site(title=title, base_url="https://news.example")
    expected = [
        (
            opml.stand(site, one.slug, one.title) or site.feed_url(one.slug, Format.ATOM),
            site.feed_url(one.slug, Format.ATOM),
            site.topic_url(one.slug),
            (),
        )
        for one in listed
    ]
    found = reader.read(opml.document(site, listed)).feeds
    assert expected == [(feed.title, feed.url, feed.page, feed.folders) for feed in found]


def test_lone_surrogates() -> None:
    """feeds:P4 What no encoding can carry does no harm."""
    assert b"x" in opml.document(SITE, [Listed("a", "\ud800x\x00")])


def test_ten_thousand_topics() -> None:
    """feeds:P29 Every topic is there, in the order given."""
    listed = [Listed(f"t-{n}", f"Topic {n}") for n in range(10_000)]
    found = reader.read(opml.document(SITE, listed)).feeds
    assert [SITE.feed_url(one.slug, Format.ATOM) for one in listed] == [feed.url for feed in found]
