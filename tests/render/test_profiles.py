"""What a topic decides of its feeds: whole texts or summaries, which date is `pubDate`, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest

from syndicator.model.item import Closing, Profile, PubDate
from syndicator.model.site import Format
from syndicator.render import documents, entries
from tests.make import NOW
from tests.render.test_entries import AGNES, POOR, RICH, SITE, TOPIC, entry, with_content

SUMMARY = Profile(full_text=False)
OVER = datetime(2026, 3, 31, 23, 0, tzinfo=UTC)  # the first of April in Berlin
CLOSING = Closing(announced=NOW + timedelta(microseconds=7), over=OVER, note="See health & safety.\nThanks")


@pytest.mark.parametrize("format", Format)
def test_summaries(format: Format) -> None:
    """feeds:P17 In the summary profile the text stays at home; what was corrected and whom to ask are still there."""
    text = entries.fragment(entry(RICH, AGNES), format, SUMMARY).decode()
    assert "Next ]]" not in text
    assert "Korrektur, 2026-03-02: The budget falls by 4 %" in text
    assert "Kontakt: Dr Agnes Stern" in text
    assert "what follows" in text


@pytest.mark.parametrize("format", Format)
def test_a_summary_from_the_text(format: Format) -> None:
    """feeds:P17 An item without a summary shows the beginning of its text, as plain text."""
    body = "<p>First &amp; <b>foremost</b></p>" + "<p>and so on</p>" * 100
    text = entries.fragment(entry(with_content(POOR, summary="", body=body)), format, SUMMARY).decode()
    assert "First & foremost and so on" in unescape(unescape(text))
    assert 60 > text.count("and so on") > 20


def test_updated_as_pub_date() -> None:
    """feeds:P14 A topic may put `updated` into pubDate; the other formats and `atom:updated` say what they said."""
    made, profile = entry(RICH), Profile(pub_date=PubDate.UPDATED)
    text = entries.fragment(made, Format.RSS, profile).decode()
    assert "<pubDate>Sun, 01 Mar 2026 23:15:00 GMT</pubDate>" in text
    assert "<atom:updated>2026-03-01T23:15:00+00:00</atom:updated>" in text
    for format in (Format.ATOM, Format.JSON):
        assert entries.fragment(made, format) == entries.fragment(made, format, profile)


@pytest.mark.parametrize("format", Format)
def test_farewell(format: Format) -> None:
    """feeds:H8 A closing topic's last entry says that it ends, the day by the newsroom's clock, and its note."""
    topic = replace(TOPIC, closing=CLOSING)
    made = entries.farewell(topic, SITE)
    assert f"{TOPIC.uid}:closed" == made.uid
    assert "Policy: This feed ends on 2026-04-01" == made.title
    assert "See health & safety.\nThanks" == made.summary
    assert (NOW, CLOSING.announced) == (made.published, made.updated)
    head = documents.head(topic, SITE, format, [])
    body = documents.document(head, [entries.fragment(made, format, topic.profile)])
    assert b"This feed ends on 2026-04-01" in body
    assert head.updated == CLOSING.announced


def test_farewell_in_the_words_of_the_site() -> None:
    """feeds:H8 The end is told in the site's language where we know it; without a note it stands for itself."""
    topic = replace(TOPIC, closing=replace(CLOSING, note=" "))
    made = entries.farewell(topic, replace(SITE, language="de-AT"))
    assert "Policy: Dieser Feed endet am 2026-04-01" == made.title
    assert "Dieser Feed endet am 2026-04-01." == made.summary
    assert "This feed ends" in entries.farewell(topic, replace(SITE, language="tlh")).title


def test_no_farewell() -> None:
    """feeds:H8 A topic that is not closing has no last entry."""
    with pytest.raises(entries.RenderFault, match="is not closing"):
        entries.farewell(TOPIC, SITE)
