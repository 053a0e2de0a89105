"""What the headers of an answer say of its pace and its links, and that nothing in them is an error."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syndicator.ingest.headers import LONGEST, MOST, feeds, links, pace, retry_after
from syndicator.model.cadence import CEILING
from tests.make import NOW

BASE = "https://cms.example/news/feed.xml"
NINE, HALF_PAST = "Mon, 02 Mar 2026 09:00:00 GMT", "Mon, 02 Mar 2026 09:30:00 GMT"
NOUGHT, TEN, HOUR = timedelta(), timedelta(minutes=10), timedelta(hours=1)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        ({}, None),
        ({"cache-control": "max-age=600"}, TEN),
        ({"cache-control": "public, Max-Age = 600 , must-revalidate"}, TEN),
        ({"cache-control": 'max-age="600"'}, TEN),
        ({"cache-control": "max-age=600, max-age=9"}, TEN),
        ({"cache-control": "s-maxage=9000"}, None),
        ({"cache-control": "s-maxage=9000, max-age=600"}, TEN),
        ({"cache-control": "x-max-age=600, maxage=600"}, None),
        ({"cache-control": "max-age=600", "age": "240"}, timedelta(minutes=6)),
        ({"cache-control": "max-age=600", "age": "9000"}, NOUGHT),
        ({"cache-control": "max-age=600", "age": "old"}, TEN),
        ({"cache-control": "max-age=0"}, NOUGHT),
        ({"cache-control": "max-age=-1"}, None),
        ({"cache-control": "max-age=soon"}, None),
        ({"cache-control": "max-age=१०"}, None),
        ({"cache-control": "max-age"}, None),
        ({"cache-control": "max-age=" + "9" * 400}, CEILING),
        ({"cache-control": "max-age=31536000", "age": "31535400"}, TEN),
        ({"cache-control": "no-cache, max-age=600"}, None),
        ({"cache-control": "max-age=600, no-store"}, None),
        ({"cache-control": "no-store", "expires": HALF_PAST}, None),
        ({"cache-control": 'no-cache="Set-Cookie", max-age=600'}, TEN),
        ({"cache-control": ',,=;"'}, None),
        ({"expires": HALF_PAST, "date": NINE}, timedelta(minutes=30)),
        ({"expires": HALF_PAST}, timedelta(minutes=30)),
        ({"expires": HALF_PAST, "date": "yesterday"}, timedelta(minutes=30)),
        ({"expires": NINE, "date": HALF_PAST}, NOUGHT),
        ({"expires": "0"}, None),
        ({"expires": "-1"}, None),
        ({"expires": "Fri, 31 Dec 9999 23:59:59 GMT", "date": NINE}, CEILING),
        ({"cache-control": "max-age=3600", "expires": HALF_PAST, "date": NINE}, HOUR),
        ({"cache-control": "max-age=600", "expires": HALF_PAST, "date": NINE}, timedelta(minutes=30)),
    ],
)
def test_how_long_an_answer_is_fresh(said: dict[str, str], wait: timedelta | None) -> None:
    """feeds:I4 — the longer of max-age less Age and Expires less Date; what shared caches are told is not for us."""
    assert wait == pace(said, NOW)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", timedelta(seconds=120)),
        (" 120 ", timedelta(seconds=120)),
        ("0", NOUGHT),
        ("Mon, 02 Mar 2026 09:10:00 GMT", TEN),
        ("Monday, 02-Mar-26 09:10:00 GMT", TEN),
        ("Mon, 02 Mar 2026 10:10:00 +0100", TEN),
        ("Mon, 02 Mar 2026 08:00:00 GMT", NOUGHT),
        ("999999999999999999999", CEILING),
        ("9" * 5000, CEILING),
        ("Fri, 31 Dec 9999 23:59:59 GMT", CEILING),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_in_both_forms(text: str | None, wait: timedelta | None) -> None:
    """feeds:I6 — seconds or a date, capped at a day; nonsense is no wish."""
    assert wait == retry_after(text, NOW)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ('<https://hub.example/>; rel="hub"', [("hub", "https://hub.example/")]),
        ("<https://hub.example/>;rel=hub", [("hub", "https://hub.example/")]),
        ("<https://hub.example/> ; REL = HUB", [("hub", "https://hub.example/")]),
        ("<feed.atom>; rel=self", [("self", "https://cms.example/news/feed.atom")]),
        ("</x,y;z>; rel=self", [("self", "https://cms.example/x,y;z")]),
        ("<>; rel=self", [("self", BASE)]),
        ('</a>; rel="self  hub"', [("self", "https://cms.example/a"), ("hub", "https://cms.example/a")]),
        (
            '</a>; rel=hub, </b>; title="x, <c>; rel=hub"; rel="hub"',
            [("hub", "https://cms.example/a"), ("hub", "https://cms.example/b")],
        ),
        ('</a>; title="say \\"hi\\", you"; rel=hub', [("hub", "https://cms.example/a")]),
        ("</a>; rel=hub; rel=self", [("hub", "https://cms.example/a")]),
        ("</a>; rel=hub;", [("hub", "https://cms.example/a")]),
        ("</a>; crossorigin; rel=hub", [("hub", "https://cms.example/a")]),
        ("</a>; rel", []),
        ("</a>", []),
        ('</a>; rel=hub; anchor="/other"', []),
        ("<javascript:alert(1)>; rel=hub, <mailto:x@y.example>; rel=hub", []),
        ("<http://[broken>; rel=hub, </b>; rel=hub", [("hub", "https://cms.example/b")]),
        ("nonsense, </b>; rel=hub", [("hub", "https://cms.example/b")]),
        ('</a>; rel="hub, </b>; rel=self', [("self", "https://cms.example/b")]),
        ("</a; rel=hub", []),
        ("</a>; rel=hub </b>; rel=self", [("hub", "https://cms.example/a")]),
    ],
)
def test_a_link_header_is_read(text: str, found: list[tuple[str, str]]) -> None:
    """feeds:I11 — several links, quoted or not, relative to the address that answered (RFC 8288 §3)."""
    assert found == list(links(text, BASE))


def test_of_endless_links_some_are_taken() -> None:
    """feeds:I7 — a header of a hundred thousand links costs no more than fifty."""
    assert len(links("</a>; rel=hub, " * 100_000, BASE)) == MOST
    many = "hub " * 900
    assert len(links(f'</a>; rel="{many}", ' * 4, BASE)) == MOST
    assert links(" " * LONGEST + "</a>; rel=hub", BASE) == ()


PARTS = st.sampled_from(
    [
        "<",
        ">",
        ";",
        ",",
        '"',
        "\\",
        "=",
        " ",
        "rel",
        "hub",
        "anchor",
        "/a",
        "http://[",
        "max-age",
        "600",
        NINE,
    ]
)


def test_feeds_are_told_from_other_forms_of_a_page() -> None:
    """feeds:I11 — by relation and type; of comments those say so, and what speaks of another page is none."""
    text = (
        '</a>; rel="alternate"; type="application/rss+xml; charset=utf-8"; title="News",'
        '</a/comments>; rel=alternate; type=application/atom+xml; title="Comments",'
        '</c>; rel=alternate; type="text/html", </d>; rel=next; type="application/rss+xml",'
        '</e>; rel=alternate; type="application/rss+xml"; anchor="/other",'
        '<javascript:alert(1)>; rel=alternate; type="application/rss+xml"'
    )
    assert [
        ("https://cms.example/a", "News", False),
        ("https://cms.example/a/comments", "Comments", True),
    ] == [(one.url, one.title, one.comments) for one in feeds(text, BASE)]


@given(st.lists(PARTS | st.text(max_size=5), max_size=40).map("".join))
def test_no_header_is_an_error(text: str) -> None:
    """feeds:I4, feeds:I6, feeds:I11 — whatever a server writes is read or passed over."""
    for wait in (
        pace({"cache-control": text, "expires": text, "date": text, "age": text}, NOW),
        retry_after(text, NOW),
    ):
        assert wait is None or NOUGHT <= wait <= CEILING
    for relation, url in links(text, BASE):
        assert relation == relation.lower().strip()
        assert url.startswith(("http://", "https://"))
    for one in feeds(text, BASE):
        assert one.url.startswith(("http://", "https://"))
