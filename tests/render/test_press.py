"""What only press releases have, in feeds and for machines: kicker, dek, who stands in, and whose picture it is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from lxml import etree

from syndicator.model.item import Medium, Profile, Quote, Revision, Significance
from syndicator.model.site import Format
from syndicator.render import entries, payload
from tests.make import NOW
from tests.render.test_entries import (
    AGNES,
    FORMATS,
    IMAGE,
    POOR,
    RICH,
    SITE,
    TITLES,
    entry,
    fragment,
    with_content,
)

TEO = replace(AGNES, slug="teo", name="Teo <A>", role="", phone="", hours="", zone="")
LICENSED = replace(
    IMAGE, alt="A dish", credit="J. Roe", licence="CC BY 4.0", width=4, height=3, digest="ab", file="a.png"
)
PRESSED = with_content(
    POOR,
    kicker="Research & policy",
    dek="What <laboratories> write down",
    body="<p>Words</p>",
    paper="https://doi.org/10.1/a",
    quotes=(Quote(text="So.", speaker="Ilse"),),
    media=(LICENSED,),
)


def test_kicker_and_dek_stand_before_the_text_where_the_text_stands() -> None:
    """design:6: no format has a place for them; a feed of summaries shows the summary alone."""
    view = entry(PRESSED)
    assert view.content == (
        "<p><small>Research &amp; policy</small></p><p><strong>What &lt;laboratories&gt; write down</strong></p><p>Words</p>"
    )
    short = entries.fragment(view, Format.ATOM, Profile(full_text=False)).decode()
    assert "laboratories" not in short
    assert entry(with_content(POOR, kicker="K", dek="D")).content == ""  # nothing but a summary


def test_who_stands_in_is_named_behind_whom_to_ask() -> None:
    told = entries.entry(POOR, SITE, TITLES, AGNES, TEO).contact
    assert told == (
        "Contact: Dr Agnes Stern, chair, +49 30 555 01, stern@example.org, Mon–Fri 9–17 (Europe/Berlin); "
        "in their absence: Teo <A>, stern@example.org"
    )
    german = entries.entry(with_content(POOR, language="de"), SITE, TITLES, AGNES, TEO).contact
    assert "; in Abwesenheit: Teo" in german
    assert "absence" not in entry(POOR, AGNES).contact


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_says_what_others_may_do_with_it(format: Format) -> None:
    """feeds:P20: its licence stands in Media RSS beside its credit; what its author called the file, nowhere."""
    made = fragment(PRESSED, format)
    assert "<media:copyright>CC BY 4.0</media:copyright>" in made
    assert "a.png" not in made
    assert "media:copyright" not in fragment(
        with_content(PRESSED, media=(replace(LICENSED, licence=""),)), format
    )


def test_machines_get_every_field_and_whom_to_ask() -> None:
    revision = Revision(number=1, significance=Significance.FIRST, content=PRESSED.content, created=NOW)
    item = json.loads(payload.event(PRESSED, revision, SITE, {}, [AGNES, TEO], first=True))["data"]["item"]
    assert (item["kicker"], item["dek"], item["paper"]) == (
        "Research & policy",
        "What <laboratories> write down",
        "https://doi.org/10.1/a",
    )
    assert item["quotes"] == [{"text": "So.", "speaker": "Ilse"}]
    assert [one["name"] for one in item["contacts"]] == ["Dr Agnes Stern", "Teo <A>"]
    assert item["contacts"][0]["hours"] == "Mon–Fri 9–17"
    assert item["media"] == [
        {
            "url": LICENSED.url,
            "type": "image/png",
            "length": 99,
            "title": "Picture",
            "alt": "A dish",
            "credit": "J. Roe",
            "licence": "CC BY 4.0",
            "width": 4,
            "height": 3,
        }
    ]
    bare = replace(revision, content=with_content(RICH, media=(Medium(url="u", type="t", length=1),)).content)
    plain = json.loads(payload.event(RICH, bare, SITE, {}, first=True))["data"]["item"]
    assert plain["media"] == [{"url": "u", "type": "t", "length": 1, "title": ""}]
    assert not {"kicker", "dek", "paper", "quotes", "contacts"} & plain.keys()


def test_a_feed_of_it_is_well_formed() -> None:
    for format in FORMATS:
        etree.fromstring(
            f'<x xmlns:media="m" xmlns:content="c" xmlns:atom="a" xmlns:dc="d">{fragment(PRESSED, format)}</x>'
        )
