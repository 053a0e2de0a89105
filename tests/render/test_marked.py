"""What a correction changed, as feeds and machines show it."""

from __future__ import annotations

import json
from dataclasses import replace

import feedparser
import pytest

from syndicator.model.difference import marked
from syndicator.model.item import Content, Item, Profile, Revision, Significance
from syndicator.model.site import Format
from syndicator.render import documents, entries, payload
from syndicator.render.entries import LONGEST_MARKED
from tests.make import NOW
from tests.render.test_entries import POOR, RICH, SITE, TITLES, TOPIC

BEFORE = Content(title="Ten", body="<p>It falls by 40 %. We regret it.</p>")
AFTER = Content(title="Two", body="<p>It falls by 4 % &lt;now&gt;. We regret it.</p>")
CORRECTED = replace(POOR, content=AFTER, note="Not 40 %", marked=marked(BEFORE, AFTER))
CHANGES = (
    "<ul><li>Before: <del>Ten</del> Now: <ins>Two</ins></li>"
    "<li>Before: <del>It falls by 40 %.</del> Now: <ins>It falls by 4 % &lt;now&gt;.</ins></li></ul>"
)


def shown(item: Item, format: Format, profile: Profile = Profile()) -> str:  # noqa: B008 - frozen
    """The content of the item's entry, as a client of the feed has it."""
    made = entries.fragment(entries.entry(item, SITE, TITLES, None), format, profile)
    if format is Format.JSON:
        return str(json.loads(made)["content_html"])
    head = documents.head(TOPIC, SITE, format, [NOW])
    (found,) = feedparser.parse(documents.document(head, [made])).entries
    return str(found.content[0].value if "content" in found else found.summary)


@pytest.mark.parametrize("format", list(Format))
def test_the_note_then_the_difference_then_the_words(format: Format) -> None:
    """mail:EM4: in every format the dated note comes first, what it changed second, the words as they are now last."""
    assert f"<p><em>Correction, 2026-03-02: Not 40 %</em></p>{CHANGES}{AFTER.body}" == shown(
        CORRECTED, format
    )


@pytest.mark.parametrize("format", list(Format))
def test_a_long_difference_leads_to_the_page(format: Format) -> None:
    """mail:EM4: a feed shows the beginning; the item's own page has it all, wherever its words are at home."""
    many = replace(BEFORE, body=" ".join(f"Sentence {n}." for n in range(600)), url="https://old.example/1")
    other = replace(many, body=many.body.replace("Sentence", "Number"))
    found = shown(replace(CORRECTED, content=other, marked=marked(many, other)), format)
    difference = found.partition("</em></p>")[2].partition("</ul>")[0]
    assert LONGEST_MARKED + 120 > len(difference) > LONGEST_MARKED / 2
    assert difference.endswith(f'<li><a href="{SITE.item_url("a-line")}">More changes</a></li>')


def test_a_feed_of_summaries_shows_no_sentence_of_the_text() -> None:
    """feeds:I28: where the text may not be shown, what changed in it is not either; the note is."""
    found = shown(CORRECTED, Format.JSON, Profile(full_text=False))
    assert ("Not 40" in found, "<del>" in found) == (True, False)


def test_what_a_hand_put_into_the_store_is_cleaned() -> None:
    """security:H1: the difference passes the same door as the words."""
    evil = '<ul><li onclick="x()"><del>a</del><script>alert(1)</script><ins>b</ins></li></ul>'
    found = shown(replace(CORRECTED, marked=evil), Format.JSON)
    assert "<ul><li><del>a</del><ins>b</ins></li></ul>" in found
    assert not any(word in found for word in ("onclick", "alert"))


def test_without_a_difference_nothing_is_changed() -> None:
    """design:5: a correction of before, or of the form alone, gives the bytes it gave."""
    assert "<ul>" not in shown(replace(RICH, marked=""), Format.JSON)


def test_a_machine_is_told_the_note_and_the_difference() -> None:
    """mail:EM4: `item.corrected` says what changed; what comes after it does not say so again."""
    revision = Revision(
        number=2, significance=Significance.CORRECTION, content=AFTER, created=NOW, note="Not 40 %", marked=CHANGES
    )  # fmt: skip
    event = json.loads(payload.event(CORRECTED, revision, SITE, {}, first=False))
    assert ("item.corrected", "Not 40 %", CHANGES) == (
        event["type"], event["data"]["item"]["note"], event["data"]["item"]["difference_html"],
    )  # fmt: skip
    silent = replace(revision, significance=Significance.SILENT)
    told = json.loads(payload.event(CORRECTED, silent, SITE, {}, first=False))
    assert "difference_html" not in told["data"]["item"]
