"""Dates at the ends of the calendar, which some zones do not have: shown all the same, and never a fault of ours."""

from datetime import UTC, datetime

import pytest

from syndicator import publish
from syndicator.model.item import Content
from syndicator.store import Store
from syndicator.web.pages import Pages
from tests.web.served import add_topic, running, site

FIRST = datetime(1, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)


def test_an_item_of_year_one_is_shown_everywhere(store: Store) -> None:
    """operations:PW1 West of UTC it would lie before all dates: it says the day of UTC, and no page fails."""
    for slug in ("all", "policy"):
        add_topic(store, slug)
    with store.begin() as tx:
        words = Content(title="Founding", topics=("policy",))
        item = publish.publish(tx, "tag:news.example,0001:1", words, published=FIRST)
    pages = ["/", "/topics/policy", "/feeds", f"/items/{item.slug}"]
    others = ["/sitemap.xml", "/sitemap-0.xml", "/sitemap-1.xml", "/news-sitemap.xml", "/feeds.opml"]
    with running(store, site(zone="America/New_York")) as web:
        for path in pages:
            reply = web.ask(path)
            assert (path, reply.status) == (path, 200)
            assert '<time datetime="0001-01-01T00:00:00Z">1 January 1' in reply.text
        assert [(path, 200) for path in others] == [(path, web.ask(path).status) for path in others]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo", "Pacific/Kiritimati"])
def test_a_day_that_the_zone_does_not_have_is_that_of_utc(zone: str) -> None:
    """operations:PW1 Both ends of the calendar can be shown in every zone."""
    pages = Pages(site(zone=zone))
    for moment, day in ((FIRST, "1 January 1"), (LAST, "31 December 9999")):
        assert f">{day}<" in pages.day(moment)
        assert f">{day}, " in pages.instant(moment)
