"""Heads filled into a form: the same bytes as feedgen's own, whatever is filled in (feeds:P12)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syndicator.model.item import ALL
from syndicator.model.site import Format
from syndicator.render import channel, documents, forms
from tests.render.test_entries import FORMATS, SITE, TOPIC

ANY = st.text(st.characters(exclude_categories=()), max_size=20) | st.text("a&<>\"' %{}\t\r\n", max_size=20)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
SITES = st.fixed_dictionaries(
    {},
    optional={
        "title": ANY.map(lambda text: f"s{text}"),
        "description": ANY,
        "rights": ANY,
        "hubs": st.just(()),
        "stylesheet": st.booleans(),
        "icon": st.just("/i.png"),
        "base_url": st.just("https://news.example.org/~a&b"),
    },
)
TOLD = st.fixed_dictionaries(
    {},
    optional={"pages": st.integers(0, 3), "page": st.none() | st.integers(1, 3), "complete": st.booleans()},
)


@example({}, "\r", "\r", ALL, datetime(2000, 1, 1, tzinfo=UTC), {}, Format.ATOM)
@given(SITES, ANY, ANY, st.sampled_from([ALL, "policy", "p-2"]), MOMENTS, TOLD, st.sampled_from(FORMATS))
def test_as_feedgen_prints_it(
    site: Any, title: str, uid: str, slug: str, moment: datetime, told: Any, format: Format
) -> None:
    """feeds:P12 Any site, topic, date and history: a filled form has the bytes feedgen prints."""
    topic = replace(TOPIC, title=title, uid=f"tag:x{uid}", slug=slug)
    head = documents.head(topic, replace(SITE, **site), format, [moment], **told)
    assert channel.whole(head, channel.generator(head)) == forms.printed(head)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("title", ["\ue000title\ue000", "\ue000", "9998-07-06T05:04:03+00:00"])
def test_a_site_that_speaks_like_a_form(title: str, format: Format) -> None:
    """feeds:P12 What a site says of itself is never taken for a blank."""
    for site in (replace(SITE, title=title), replace(SITE, rights=title, hubs=(f"https://h/{title}",))):
        head = documents.head(TOPIC, site, format, [])
        assert channel.whole(head, channel.generator(head)) == forms.printed(head)


@pytest.mark.parametrize("format", FORMATS)
def test_a_topic_that_speaks_like_a_form(format: Format) -> None:
    """feeds:P12 What a topic says is filled in once, and is no form itself."""
    head = documents.head(replace(TOPIC, title="\ue000uid\ue000 9998-07-06T05:04:03+00:00"), SITE, format, [])
    assert channel.whole(head, channel.generator(head)) == forms.printed(head)
