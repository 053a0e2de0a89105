"""What is a labour to clean: it is left out where time is limited, and costs nobody else anything."""

from __future__ import annotations

from itertools import chain, repeat

from syndicator.ingest.child import labour
from tests.ingest.feeds import entry, rss
from tests.ingest.here import read

LONG = "<p>x</p>" * 5_000
ATTRIBUTES = " ".join(f"a{number}" for number in range(50_000))


def test_a_text_that_is_a_labour_to_clean_costs_itself_only() -> None:
    """feeds:I23, security:X1 — tens of thousands of attributes on one tag: that entry is left out and named."""
    bad = entry(1, title="Bad", description=f"&lt;a {ATTRIBUTES}&gt;", guid="bad")
    feed = read(rss(bad, entry(2, title="Good", description="<![CDATA[" + LONG + "]]>")))
    assert [one.title for one in feed.entries] == ["Good"]
    assert [(left.title, left.guid) for left in feed.omitted] == [("Bad", "bad")]
    assert "too long" in feed.omitted[0].why


def test_how_long_is_too_long_grows_with_the_text() -> None:
    """feeds:I23 — seconds of computing are compared with what a text of that length may take."""
    usual = labour.LEAST + labour.MORE * len(LONG) / 10**6
    for seconds, tedious in ((usual * 0.9, False), (usual * 1.1, True)):
        ticks = iter((0.0, seconds))
        assert labour.tedious(LONG, None, lambda: next(ticks)) is tedious  # noqa: B023 - called at once


def test_short_and_deep_texts_are_not_tried() -> None:
    """feeds:I23 — a short text is no labour, and of a deep one the words alone are taken."""
    years = chain.from_iterable(repeat((0.0, 1e9)))
    for html in ("<p>x</p>", "<div>" * 30_000):
        assert not labour.tedious(html, None, lambda: next(years))


def test_what_grows_by_being_escaped_is_left_out_alone() -> None:
    """feeds:I14, feeds:I12 — a plain text of ampersands is five times as long as HTML: too long, but no fault of its feed."""
    items = '[{"id":"1","title":"Long","content_text":"%s"},{"id":"2","content_text":"Short."}]' % (
        "&" * 500_000
    )
    feed = read(f'{{"version":"https://jsonfeed.org/version/1.1","title":"t","items":{items}}}'.encode())
    assert [one.guid for one in feed.entries] == ["2"]
    assert [left.title for left in feed.omitted] == ["Long"]
    assert "longer than 2,000,000 characters" in feed.omitted[0].why
